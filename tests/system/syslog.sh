#!/bin/sh
# SPDX-License-Identifier: ISC
# The log goes to syslogd, in a /dev and with file systems of the test's own.
if [ "${OWN_MOUNTS:-}" != yes ] && [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	OWN_MOUNTS=yes exec unshare -m sh "$srcdir/system/syslog.sh"
fi
. "$srcdir/system/lib.sh"

[ "${OWN_MOUNTS:-}" = yes ] || skip_all "needs root and mount namespaces"
own_dev() {
	mkdir "$T/dev" && mount -t tmpfs none "$T/dev" || return 1
	cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom "$T/dev" && mount --move "$T/dev" /dev
}
own_dev 2>/dev/null || skip_all "cannot mount here"
ln -s /proc/self/fd /dev/fd

log=$T/syslog
syslogd() {
	"$programs/syslogd" /dev/log >>"$log" 2>&1 &
	reader=$!
	started="$started $reader"
}
launch_quietly() {
	"$PREFORKD" -f "$T/preforkd.conf" 2>"$T/stderr" </dev/null &
	daemon=$!
}
stopped() {
	[ "$(ps -o state= -p "$1")" = T ]
}

config <<END
log { to = "syslog" }
service "cat" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "echo on stderr >&2; exec cat" } }
END
: >"$log"
syslogd
await_count 1 '^bound'
launch_quietly
ok "the log goes to syslogd" await 'runs with 1 service'
ok "a line has priority, time, name and pid" logged '^<29>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} preforkd\['"$daemon"'\]: preforkd .* runs with'
address=$(port cat)
ask cat one >/dev/null
ok "connections have the priority of information" await '^<30>.* cat: end '
ok "programs write to the daemon's own standard error" grep -qx 'on stderr' "$T/stderr"
ok "and the daemon does not" lines 0 '^preforkd'
kill -USR2 "$daemon"
ok "warnings have theirs" await '^<28>.* SIGUSR2 has no meaning'

kill -9 "$reader"
wait "$reader" 2>/dev/null
"$programs/client" hammer "$address" 10 2 >/dev/null
ok "without syslogd it serves" test $? -eq 0
syslogd
await_count 2 '^bound'
kill -USR2 "$daemon"
ok "another syslogd gets what follows" await_count 2 'SIGUSR2 has no meaning'
ok "and how much was lost" logged '^<28>.*: [0-9]+ lines of the log were lost: it could not be written'

kill -STOP "$reader"
until_true stopped "$reader"
ok "a syslogd that does not read does not stop it" "$programs/client" hammer "$address" 1500 4
kill -USR2 "$daemon"
kill -CONT "$reader"
"$programs/client" hammer "$address" 10 2 >/dev/null
ok "when it reads again it hears how much was lost" await_count 2 'lines of the log were lost'
kill -STOP "$reader"
until_true stopped "$reader"
"$programs/client" hammer "$address" 1500 4 >/dev/null
kill "$daemon"
wait "$daemon"
ok "with a stopped syslogd it stops with status 0" test $? -eq 0
daemon=
kill -9 "$reader"
wait "$reader" 2>/dev/null

launch_quietly
ok "without any syslogd it starts" until_true eval '[ -n "$(pgrep -P $daemon)" ]'
kill "$daemon"
wait "$daemon"
ok "and stops with status 0" test $? -eq 0
daemon=

# A disk that is full in the middle of a line.
mkdir "$T/small"
mount -t tmpfs -o size=16k none "$T/small"
log=$T/small/log
config <<END
log { to = "file:$log" }
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
head -c 8192 /dev/zero >"$T/small/ballast"
launch_quietly
await 'runs with'
"$programs/client" hammer "$(port cat)" 100 2 >/dev/null
rm "$T/small/ballast"
kill "$daemon"
wait "$daemon"
daemon=
ok "what was lost on a full disk is told when there is room" logged 'lines of the log were lost'
ok "and the next line begins a line" not logged 'preforkd\[.*preforkd\['
umount "$T/small"
finish
