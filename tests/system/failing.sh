#!/bin/sh
# SPDX-License-Identifier: ISC
# A program that cannot be executed is told, and its service backs off without disturbing anybody; what a program does with a
# connection never slows its service.
. "$srcdir/system/lib.sh"

mkdir "$T/bin" "$T/dir"
cp "$(command -v cat)" "$T/bin/prog"
printf '#!/nonexistent/interpreter\n' >"$T/bin/script"
printf 'no program at all\n' >"$T/bin/text"
chmod 755 "$T/bin" "$T/dir" "$T"/bin/*
config <<END
service "gone"   { listen = { "127.0.0.1:0" }  exec = { "$T/bin/prog" }  restart-delay = "50ms..400ms" }
service "script" { listen = { "127.0.0.1:0" }  exec = { "$T/bin/script" }  restart-delay = "50ms..400ms" }
service "text"   { listen = { "127.0.0.1:0" }  exec = { "$T/bin/text" }  restart-delay = "50ms..400ms" }
service "dir"    { listen = { "127.0.0.1:0" }  exec = { "cat" }  directory = "$T/dir"  restart-delay = "50ms..400ms" }
service "quick"  { listen = { "127.0.0.1:0" }  exec = { "false" } }
service "crash"  { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "kill -SEGV \$\$" } }
service "cat"    { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "preforkd starts" start
ok "the program serves" answers gone one one

# ticks PID: its processor time so far, in hundredths of a second.
ticks() {
	awk '{ print $14 + $15 + $16 + $17 }' "/proc/$1/stat"
}

# The spare worker that is there already finds out with a connection; its successors before they accept.
ok "there is a spare worker" spare gone
mv "$T/bin/prog" "$T/bin/away"
ask gone two >/dev/null 2>&1
ok "that it is gone is told with step, path and errno" await "gone: worker [0-9]+ cannot execute $T/bin/prog: No such file or directory"
ok "the service is failing" await 'gone: failing: workers are made again from [0-9]+ ms on'
echo three | "$programs/client" talk "$(port gone)" >"$T/three" &
three=$!
before=$(ticks "$(master)")
ok "its neighbour serves 200 connections meanwhile" "$programs/client" hammer "$(port cat)" 200 4
mv "$T/bin/away" "$T/bin/prog"
wait $three
ok "a client that came meanwhile waited in the queue and is served when the program is back" grep -q three "$T/three"
ok "that it works again is said" await 'gone: up again'

"$programs/client" state "$(port script)" >"$T/state"
ok "a script without its interpreter: the connection is closed" grep -qx closed "$T/state"
ok "it is told" await "script: worker [0-9]+ cannot execute $T/bin/script: No such file or directory"
ok "its connection did not end with status 0" not logged 'script: end .*status=0'
ask text x >/dev/null 2>&1
ok "a file that is no program is told" await "text: worker [0-9]+ cannot execute $T/bin/text: Exec format error"

rmdir "$T/dir"
ask dir x >/dev/null 2>&1
until_true logged "dir: worker" || "$programs/client" talk "$(port dir)" </dev/null &
started="$started $!"
ok "a directory that is gone is told with its step" await "dir: worker [0-9]+ cannot change to the directory $T/dir: No such file or directory"
mkdir "$T/dir"
ok "and the service comes back by itself" until_true answers dir back back

ok "there is a spare worker again" spare gone
rm "$T/bin/prog"
ask gone x >/dev/null 2>&1
await_count 2 'gone: failing'
before=$(ticks "$(master)")
"$programs/await" -m 2000
after=$(ticks "$(master)")
ok "while it fails, two seconds cost the master next to nothing ($((after - before)) hundredths)" test $((after - before)) -le 20

answer_quickly() { "$programs/client" count "$(port "$1")" >/dev/null 2>&1; }
hundred() { i=0; while [ $i -lt 100 ]; do answer_quickly "$1"; i=$((i + 1)); done; }
hundred quick
ok "a program that fails at once, a hundred times, is logged each time" await_count 100 'quick: end .*status=1'
ok "and does not make its service failing" not logged 'quick: failing'
hundred crash
ok "a program that crashes, a hundred times, is logged with its signal" await_count 100 'crash: end .*signal=SEGV'
ok "and does not make its service failing" not logged 'crash: failing'

ok "preforkd stops with status 0" stop

# A listener that somebody who shares it has shut down for all.
config <<END
service "echo"   { listen = { "127.0.0.1:0", "$T/path", "@preforkd-failing-$$" }  builtin = "echo"  restart-delay = "20ms..100ms" }
service "demand" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { min-spare = 0 }  restart-delay = "20ms..100ms" }
END
ok "preforkd starts" start
"$programs/shut" "$(master)" >"$T/shut" 2>&1
if [ $? -eq 77 ]; then
	skip "listeners that are shut down listen again" "pidfd_getfd is not to be had"
else
	ok "all four listeners are shut down" grep -qx '4 listeners' "$T/shut"
	ok "it is said" await 'echo: .* does not listen any more: a process that shares it has shut it down'
	ok "the services fail and back off" await_count 2 '(echo|demand): failing'
	ok "all of them listen again" await_count 4 ' listens again'
	for to in "$(port echo)" "$T/path" "@preforkd-failing-$$" "$(port demand)"; do
		ok "$to serves" eval '[ "$(echo x | "$programs/client" talk "'"$to"'")" = x ]'
	done
	ok "the services are up again" await_count 2 '(echo|demand): up again'
fi
ok "preforkd stops with status 0" stop

# As many processes as a client likes, of a user who may have one.
if [ $root = yes ] && have prlimit; then
	config <<-END
		service "many" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { min-spare = 2  max = 20 } }
	END
	ok "preforkd starts with a limit of processes" start prlimit --nproc=1:
	ok "more are served" "$programs/client" burst "$(port many)" 12
	ok "and the service does not fail" not logged 'many: failing|cannot execute'
	ok "preforkd stops with status 0" stop
else
	skip "a limit of processes does not stop a service" "no root or no prlimit here"
fi
finish
