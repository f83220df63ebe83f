#!/bin/sh
# SPDX-License-Identifier: ISC
# What systemd hears, and what it is given.
. "$srcdir/system/lib.sh"

config <<END
service "cat" { listen = { "127.0.0.1:0" }  exec = { "env" } }
END
mkfifo "$T/end"
"$programs/client" notify "$T/notify" <"$T/end" >"$T/heard" &
started="$started $!"
exec 9>"$T/end"
await bound "$T/heard"
start env NOTIFY_SOCKET="$T/notify"
ok "it is ready" await '^READY=1$' "$T/heard"
ok "it says how it is" await '^STATUS=1 service up$' "$T/heard"
ok "programs do not inherit the socket" eval '"$programs/client" count "$(port cat)" && ! "$programs/client" talk "$(port cat)" </dev/null | grep NOTIFY'
kill -HUP "$daemon"
ok "it reloads" await '^RELOADING=1$' "$T/heard"
ok "with the time" await '^MONOTONIC_USEC=[0-9]+$' "$T/heard"
ok "and is ready again" await_count 2 '^READY=1$' "$T/heard"
echo 'nonsense' >>"$T/preforkd.conf"
kill -HUP "$daemon"
ok "after a reload that is refused it is ready, too" await_count 3 '^READY=1$' "$T/heard"
kill -TERM "$daemon"
ok "it stops" await '^STOPPING=1$' "$T/heard"
wait "$daemon"
ok "with status 0" test $? -eq 0
daemon=
exec 9>&-

# The name is the file's.
unit=$T/preforkd.service
sed "s|@sbindir@/preforkd|$PREFORKD|; s|@sysconfdir@|$T|" "$srcdir/../etc/preforkd.service.in" >"$unit"
if have systemd-analyze; then
	verify() { systemd-analyze verify --man=no "$unit" && [ -z "$(systemd-analyze verify --man=no "$unit" 2>&1)" ]; }
	ok "systemd-analyze finds nothing to say about the unit" verify
else
	skip "systemd-analyze finds nothing to say about the unit" "systemd is not installed"
fi
if [ $root = yes ] && have setpriv; then
	few=-all,+setuid,+setgid,+kill
	config <<-END
		service "cat"   { listen = { "127.0.0.1:0" }  exec = { "cat" } }
		service "sleep" { listen = { "127.0.0.1:0" }  exec = { "sleep", "1000" } }
	END
	ok "it starts with the capabilities that the unit says it needs" start setpriv --bounding-set=$few --inh-caps=$few
	ok "and serves" answers cat x x
	"$programs/client" talk "$(port sleep)" </dev/null >/dev/null 2>&1 &
	started="$started $!"
	await 'sleep: start'
	stop QUIT
	ok "and ends a program of another user, with status 0" test $? -eq 0
	ok "which heard it" logged 'sleep: end .*signal=TERM'
else
	skip "it starts with the capabilities that the unit says it needs" "needs root and setpriv"
fi
if [ $root = yes ]; then
	ok "the configuration that is installed is right" "$PREFORKD" -n -f "$srcdir/../etc/preforkd.conf"
else
	skip "the configuration that is installed is right" "it is meant for root"
fi
finish
