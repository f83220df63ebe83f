#!/bin/sh
# SPDX-License-Identifier: ISC
# Signals at any time: before it runs, again and again, and when it has nearly ended.
. "$srcdir/system/lib.sh"

config <<END
pid-file = "$T/pid"
stop-timeout = 1h
service "cat"      { listen = { "127.0.0.1:0", "$T/path" }  exec = { "cat" } }
service "stubborn" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "trap '' TERM; cat; exec sleep 1000" } }
END

ok "preforkd starts" start
kill -USR2 "$daemon"
ok "SIGUSR2 is answered with a line" await 'warning: SIGUSR2 has no meaning'
"$programs/client" talk "$(port stubborn)" </dev/null >/dev/null 2>&1 &
started="$started $!"
await 'stubborn: start'
kill -TERM "$daemon"
ok "the first SIGTERM stops gracefully" await 'stopping: the queues are served, then busy workers have until 3600 s'
kill -TERM "$daemon"
ok "the second one ends the wait" await 'stopping: 1 worker is busy and is sent SIGTERM'
kill -TERM "$daemon"
ok "the third one kills what is left" await 'stopping: 1 worker is busy and is killed'
ok "which is told" await 'stubborn: end .*signal=KILL'
wait "$daemon"
ok "preforkd stops with status 0" test $? -eq 0
daemon=

left_nothing() { test ! -e "$T/pid" -a ! -e "$T/path"; }
ended() {
	wait "$daemon"
	status=$?
	daemon=
	[ $status -eq 0 ] || { echo "status $status"; return 1; }
}
# sent SIGNAL CALL [PATH]: starts it, and sends the signal at its first call of that kind
sent() {
	launch strace -qq -o /dev/null ${3:+-P "$3"} -e trace="$2" -e inject="$2:signal=$1:when=1"
	ready
}
have strace && strace -qq -o /dev/null true 2>/dev/null || {
	skip "signals at a certain moment" "strace may not trace here"
	finish
}
case "${SANITIZERS:-}" in
*address*) export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" ;; # its leak check needs the tracer's place
esac

ok "SIGHUP while it reads its configuration does not end it" sent SIGHUP openat "$T/preforkd.conf"
ok "it is heard when it runs" await 'reload: done'
ok "and it stops with status 0" stop
for sig in USR1 USR2; do
	ok "nor does SIG$sig" sent SIG$sig openat "$T/preforkd.conf"
	ok "and it stops with status 0" stop
done
for sig in TERM INT QUIT; do
	sent SIG$sig flock
	ok "SIG$sig while it locks the pid file: it stops with status 0" ended
	ok "and leaves nothing" left_nothing
done
for sig in TERM HUP USR1; do
	ok "SIG$sig is to come while it removes the pid file" sent SIG$sig unlink "$T/pid"
	kill "$(master)"
	ok "it stops with status 0" ended
	ok "and leaves nothing" left_nothing
done
finish
