#!/bin/sh
# SPDX-License-Identifier: ISC
# What the log, the process titles and the pid file say.
. "$srcdir/system/lib.sh"

config <<END
pid-file = "$T/pid"
service "git"   { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "echo"  { listen = { "127.0.0.1:0" }  builtin = "echo" }
service "path"  { listen = { "$T/path" }  builtin = "echo" }
service "three" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "echo said on stderr >&2; exit 3" } }
service "start" { listen = { "127.0.0.1:0" }  exec = { "cat" }  log-connections = start }
service "end"   { listen = { "127.0.0.1:0" }  exec = { "cat" }  log-connections = end }
service "none"  { listen = { "127.0.0.1:0" }  exec = { "cat" }  log-connections = none }
END
ok "preforkd starts" start
ok "the master's title" eval 'ps -o args= -p $(master) | grep -q "^preforkd: master $T/preforkd.conf"'
ok "an idle worker's title" until_true eval '[ -n "$(workers "^preforkd: git: idle *\$")" ]'
ok "the pid file has the pid" eval '[ "$(cat "$T/pid")" = "$(master)" ]'
ok "the pid file is locked: a second daemon is refused" eval '! "$PREFORKD" -f "$T/preforkd.conf" 2>"$T/second"; grep -q "held by pid $(master): preforkd runs already" "$T/second"'

ask git x >/dev/null
ok "the start of a connection: service, id, peer, pid" await 'git: start id=[0-9a-f]+ peer=127.0.0.1:[0-9]+ pid=[0-9]+$'
ok "its end: duration and status too" await 'git: end id=[0-9a-f]+ peer=127.0.0.1:[0-9]+ pid=[0-9]+ duration=[0-9]+\.[0-9]{3}s status=0$'
id=$(sed -n 's/.*git: start id=\([0-9a-f]*\) .*/\1/p' "$log")
ok "both with the same id" logged "git: end id=$id "
ask three x >/dev/null
ok "another status" await 'three: end .*status=3$'
ok "standard error of a program is in the log as it comes" logged '^said on stderr$'
echo x | "$programs/client" talk "$T/path" >/dev/null
ok "a client of a path is shown with pid and uid" await "path: start id=[0-9a-f]+ peer=unix\[pid=[0-9]+,uid=$(id -u)\]"
ok "a built-in's end" await 'path: end .*done$'
for s in start end none; do ask $s x >/dev/null; done
ask git last >/dev/null
await_count 2 'git: end'
ok "log-connections = start" eval 'logged "start: start" && not logged "start: end"'
ok "log-connections = end" eval 'await "end: end .*peer=127" && not logged "end: start"'
ok "log-connections = none" not logged 'none: (start|end)'

mkfifo "$T/hold"
"$programs/client" hold "$(port echo)" 1 <"$T/hold" >"$T/held" &
holder=$!
exec 9>"$T/hold"
await held "$T/held"
ok "a busy built-in's title has its client" until_true eval '[ -n "$(workers "^preforkd: echo: 127.0.0.1:[0-9]+ *\$")" ]'
exec 9>&-
wait $holder
ok "preforkd stops with status 0" stop
ok "the pid file is removed" test ! -e "$T/pid"

# A file, and another after it was renamed.
log=$T/own.log
config <<END
log { to = "file:$T/own.log"  level = "info" }
service "cat" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "echo on stderr >&2; cat" } }
END
: >"$log"
"$PREFORKD" -f "$T/preforkd.conf" 2>"$T/stderr" </dev/null &
daemon=$!
ok "the log goes to a file" await 'runs with 1 service'
address=$(port cat)
ask cat one >/dev/null
ok "programs write there, too" await '^on stderr$'
mv "$log" "$T/old.log"
kill -USR1 "$daemon"
ok "after SIGUSR1 a new file is there" await 'log opened again'
echo two | "$programs/client" talk "$address" >/dev/null
ok "new connections are logged there" await 'cat: end'
ok "and programs write to it" logged '^on stderr$'
ok "nothing went to standard error" test ! -s "$T/stderr"
kill "$daemon"
wait "$daemon"
ok "preforkd stops with status 0" test $? -eq 0
daemon=

# A reload sends it elsewhere, and what programs write with it.
log=$T/first.log
config <<END
log { to = "file:$T/first.log" }
service "cat" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "echo on stderr >&2; cat" } }
END
: >"$log"
"$PREFORKD" -f "$T/preforkd.conf" 2>"$T/stderr" </dev/null &
daemon=$!
await 'runs with 1 service'
address=$(port cat)
goes_to() { # DESTINATION FILE: reloads with another log.to, and has the log in that file
	sed -i "s#^log .*#log { to = \"$1\" }#" "$T/preforkd.conf"
	kill -HUP "$daemon"
	await 'the log goes on in|reload: refused'
	log=$2
	await 'reload: (done|refused)'
}
is_standard_error() { [ "$(readlink /proc/"$1"/fd/2)" = "$2" ]; }
ok "the log goes on in standard error" goes_to stderr "$T/stderr"
ok "which the daemon has again" is_standard_error "$daemon" "$T/stderr"
echo two | "$programs/client" talk "$address" >/dev/null
await 'cat: end'
ok "and its programs, too" logged '^on stderr$'
ok "the log goes on in a file" goes_to "file:$T/second.log" "$T/second.log"
ok "which is standard error then" is_standard_error "$daemon" "$T/second.log"
sed -i "s#^log .*#log { to = \"file:$T\" }#" "$T/preforkd.conf"
kill -HUP "$daemon"
ok "where no log can be opened the reload is refused" await 'reload: refused'
ok "with the reason" logged "reload: cannot log to file:$T: Is a directory"
ok "and the log stays where it is" is_standard_error "$daemon" "$T/second.log"
ok "nobody was told that it would go" not logged 'the log goes on'
kill "$daemon"
ok "the end is told there" await 'stopped$'
wait "$daemon"
daemon=

# A log that takes nothing.
if [ -w /dev/full ]; then
	log=$T/log
	config <<-END
		service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
	END
	start
	address=$(port cat)
	stop
	sed -i "s/127.0.0.1:0/127.0.0.1:$address/" "$T/preforkd.conf"
	"$PREFORKD" -f "$T/preforkd.conf" 2>/dev/full </dev/null &
	daemon=$!
	ok "with a full disk under its log it serves" until_true eval '[ "$(echo x | "$programs/client" talk $address 2>/dev/null)" = x ]'
	kill "$daemon"
	wait "$daemon"
	ok "and stops with status 0" test $? -eq 0
	daemon=

	mkfifo "$T/pipe"
	sleep 1000 <"$T/pipe" &
	reader=$!
	started="$started $reader"
	"$PREFORKD" -f "$T/preforkd.conf" 2>"$T/pipe" </dev/null &
	daemon=$!
	until_true eval '[ "$(echo x | "$programs/client" talk $address 2>/dev/null)" = x ]'
	ok "a log that nobody reads does not stop it" "$programs/client" hammer "$address" 1500 4
	kill "$daemon"
	wait "$daemon"
	ok "and it stops with status 0" test $? -eq 0
	daemon=
	kill $reader
	wait $reader 2>/dev/null
else
	skip "with a full disk under its log it serves" "no /dev/full here"
fi

# Everything, whatever the configuration says.
log=$T/log
config <<END
log { level = "error" }
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "-v logs what the configuration does not want" start sh -c 'exec "$@" -v' sh
reload
ok "also after a reload" logged 'reload: done'
ok "preforkd stops with status 0" stop
ok "down to what is only of interest to its makers" logged 'cat: draining$'

# In the background.
log=$T/own.log
rm -f "$log"
cat >"$T/preforkd.conf" <<END
log { to = "file:$log" }
defaults { user = "$user" }
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "-d returns 0 when the daemon is ready" "$PREFORKD" -d -f "$T/preforkd.conf" -p "$T/pid"
ok "which serves" answers cat background background
pid=$(cat "$T/pid")
ok "in a session of its own" eval '[ "$(ps -o sid= -p $pid | tr -d " ")" = $pid ]'
started="$started $pid"
ok "a second one with the same pid file returns 111" eval '"$PREFORKD" -d -f "$T/preforkd.conf" -p "$T/pid" 2>"$T/second"; [ $? -eq 111 ]'
ok "and says why on the terminal" grep -q "held by pid $pid: preforkd runs already" "$T/second"
kill "$pid"
ok "it ends" gone "$pid"
ok "and its pid file is gone" test ! -e "$T/pid"
(cd "$T" && "$PREFORKD" -d -f preforkd.conf -p relative.pid)
ok "the name of the pid file may be relative" test -s "$T/relative.pid"
pid=$(cat "$T/relative.pid")
started="$started $pid"
kill "$pid"
ok "the daemon ends" gone "$pid"
ok "and finds it again" test ! -e "$T/relative.pid"
finish
