#!/bin/sh
# SPDX-License-Identifier: ISC
# Thousands of idle workers are asked to leave while clients hammer at the same listeners. Not one connection is lost, and no
# program is hit by a signal that was meant for the worker that it was.
. "$srcdir/system/lib.sh"

cat >"$T/preforkd.conf" <<END
log { to = "file:$T/daemon.log" }
defaults { user = "$user"  log-connections = "end"  workers { min-spare = 8  max-spare = 16  max = 200 } }
service "exec"     { listen = { "127.0.0.1:0" }  exec = { "$programs/signalled" } }
service "preexec"  { listen = { "127.0.0.1:0" }  exec = { "$programs/signalled" }  launch = preexec }
service "asked"    { listen = { "127.0.0.1:0" }  exec = { "$programs/signalled" }  launch = preexec  stop-at = first-io }
service "main"     { listen = { "127.0.0.1:0" }  exec = { "$programs/signalled" }  launch = forkserver }
service "first-io" { listen = { "127.0.0.1:0" }  exec = { "$programs/signalled" }  launch = forkserver  stop-at = first-io }
service "echo"     { listen = { "127.0.0.1:0" }  builtin = "echo" }
END
services="exec preexec asked main first-io echo"
log=$T/daemon.log
launch_quietly() {
	"$PREFORKD" -f "$T/preforkd.conf" 2>"$T/stderr" </dev/null &
	daemon=$!
	await 'runs with'
}
ok "preforkd starts" launch_quietly

for service in main first-io; do
	ok "$service: the image is ready" await "$service: the image is ready: stopped at $service"
done

# Opening a log file anew renews every idle worker: eight or more retirements a time for each service.
connections=3000
hammers=
for service in $services; do
	"$programs/client" hammer "$(port "$service")" $connections 4 >"$T/$service" 2>&1 &
	hammers="$hammers $service:$!"
	started="$started $!"
done
hammering() {
	for one in $hammers; do
		kill -0 "${one#*:}" 2>/dev/null && return
	done
	return 1
}
while hammering; do
	kill -USR1 "$daemon"
	"$programs/await" -m 2
done
for one in $hammers; do
	wait "${one#*:}"
	ok "${one%:*}: $connections connections, none lost" test $? -eq 0
	note <"$T/${one%:*}"
done
started=
opened=$(grep -c 'log opened again' "$log")
echo "# workers were renewed $opened times"
ok "workers were renewed more than 30 times" test "$opened" -gt 30
ok "no program was hit by a signal" not logged 'signalled by|signal='
for service in exec preexec asked main first-io; do
	ok "$service: every program ended with status 0" await_count $connections " $service: end .*status=0"
done
ok "every service was as asked, from the beginning to the end" not logged 'instead of|image is lost'
ok "no worker died before it accepted" not logged 'died before|failing'
ok "preforkd stops with status 0" eval 'kill $daemon; wait $daemon; status=$?; daemon=; [ $status -eq 0 ]'
finish
