#!/bin/sh
# SPDX-License-Identifier: ISC
# Workers are killed -9 at random, idle ones, busy ones and those in between, while clients come from several sources. Afterwards no
# count is left behind: each source has just the places that it may have, and the service serves as before.
. "$srcdir/system/lib.sh"

cat >"$T/preforkd.conf" <<END
log { to = "file:$T/daemon.log"  level = "warning" }
defaults {
	user = "$user"  log-connections = "none"  restart-delay = "1ms..1ms"
	workers { min-spare = 8  max-spare = 16  max = 100 }
	per-source { max = 5  rate = "100000/s" }
}
service "echo" { listen = { "127.0.0.1:0" }  builtin = "echo" }
service "exec" { listen = { "$T/exec", "127.0.0.1:0" }  exec = { "cat" } }
service "preexec"  { listen = { "127.0.0.1:0" }  exec = { "cat" }  launch = preexec }
service "asked"    { listen = { "127.0.0.1:0" }  exec = { "cat" }  launch = preexec  stop-at = first-io }
service "main"     { listen = { "127.0.0.1:0" }  exec = { "cat" }  launch = forkserver }
service "first-io" { listen = { "127.0.0.1:0" }  exec = { "cat" }  launch = forkserver  stop-at = first-io }
END
log=$T/daemon.log
: >"$log"
ok "the ports are known" eval 'sed -i "s/level = \"warning\"/level = \"notice\"/" "$T/preforkd.conf"; "$PREFORKD" -f "$T/preforkd.conf" 2>"$T/stderr" </dev/null & daemon=$!; await "runs with"'

clients() {
	while ! [ -e "$T/over" ]; do
		"$programs/crowd" limit "$1" 5 8 200 "$2" "$3" >/dev/null 2>&1
	done
}
services="echo exec preexec asked main first-io"
for service in $services; do
	clients "$(port $service)" 127.0.1.1 127.0.1.2 &
	started="$started $!"
done
# Templates are among them, and are made anew each time.
ok "2000 workers are killed at random" "$programs/storm" "$daemon" 2000
: >"$T/over"
wait $started
started=
for service in $services; do
	for source in 127.0.1.1 127.0.1.2; do
		ok "$service: $source has its 5 places, no more and no fewer" until_true "$programs/crowd" places "$(port $service)" 5 $source
	done
done
ok "the services are up" until_true eval 'tail -n 50 "$log" | grep -q "up again" || ! grep -q failing "$log"'
ok "preforkd stops with status 0" eval 'kill $daemon; wait $daemon; status=$?; daemon=; [ $status -eq 0 ]'
finish
