#!/bin/sh
# SPDX-License-Identifier: ISC
# Nothing that happens to one connection hurts the listener or its neighbours.
. "$srcdir/system/lib.sh"

config <<END
service "cat"   { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "echo"  { listen = { "127.0.0.1:0" }  builtin = "echo" }
service "crash" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "read line; kill -SEGV \$\$" } }
service "group" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "kill -TERM 0" } }
service "child" { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "exec 3<&0; (read line <&3; echo late) & exit 0" } }
END
hold() { # SERVICE NAME
	mkfifo "$T/hold.$2"
	"$programs/client" hold "$(port "$1")" 1 <"$T/hold.$2" >"$T/held.$2" 2>&1 8>&- &
	eval "holder_$2=\$!"
	started="$started $!"
	exec 9>"$T/hold.$2"
	await held "$T/held.$2"
}
ok "preforkd starts" start
serves() { answers "$1" still still; }

for s in cat echo; do
	ok "$s: a client holds a connection" hold $s $s
	await "$s: start id="
	pid=$(sed -n "s/.*$s: start .*pid=\([0-9]*\).*/\1/p" "$log" | tail -n 1)
	kill -9 "$pid"
	ok "$s: its worker is killed: that is logged" await "$s: end id=[0-9a-f]+ peer=127.0.0.1:[0-9]+ pid=$pid duration=[0-9.]+s signal=KILL"
	exec 9>&-
	eval "wait \$holder_$s"
	ok "$s: its client is told" grep -q '0 good, 1 bad' "$T/held.$s"
	ok "$s: the next is served" serves $s
done
ask crash x >/dev/null 2>&1
ok "a program crashes: its signal is in the log" await 'crash: end .*signal=SEGV'
ok "a program that signals its group ends alone" eval 'ask group x >/dev/null 2>&1; await "group: end .*signal=TERM"'
ok "the others still serve" serves cat
ok "a program's child may go on with the connection" answers child x late

ok "there is a spare worker" spare cat
idle=$(workers "cat: idle" | head -n 1)
kill -9 "$idle"
ok "an idle worker is killed: that is logged" await "cat: worker $idle died before it accepted \(signal=KILL\)"
ok "and another is there" spare cat
ok "which serves" serves cat

"$programs/client" hammer "$(port cat)" 2000 8 >"$T/hammer" 2>&1 &
hammer=$!
kills=0
while kill -0 $hammer 2>/dev/null; do
	idle=$(workers "cat: idle" | head -n 1)
	[ -n "$idle" ] && kill -9 "$idle" 2>/dev/null && kills=$((kills + 1))
	"$programs/await" -m 5
done
wait $hammer
note <"$T/hammer"
ok "after $kills kills of workers under load it still serves" serves cat
ok "and no zombie is left" until_true eval '! grep -l "^State:.Z" $(for p in $(cat /proc/'"$(master)"'/task/*/children); do echo /proc/$p/status; done) 2>/dev/null'
ok "preforkd stops with status 0" stop
finish
