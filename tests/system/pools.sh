#!/bin/sh
# SPDX-License-Identifier: ISC
# As many workers as are needed, when they are needed.
. "$srcdir/system/lib.sh"

echo "come back later" >"$T/full.txt"
chmod 644 "$T/full.txt"
config <<END
service "burst"   { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 256 } }
service "demand"  { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { min-spare = 0 } }
service "twice"   { listen = { "127.0.0.1:0" }  builtin = "echo"  workers { min-spare = 0  idle-timeout = 200ms } }
service "queue"   { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 2 } }
service "path"    { listen = { "$T/path" }  exec = { "cat" }  workers { max = 1 } }
service "close"   { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 1 }  when-full = "close" }
service "reset"   { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 1 }  when-full = "reset" }
service "text"    { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { max = 1 }  when-full = "$T/full.txt" }
service "recycle" { listen = { "127.0.0.1:0" }  builtin = "echo"  workers { max-connections = 10  recycle-jitter = 0%  max = 1 } }
service "jitter"  { listen = { "127.0.0.1:0" }  builtin = "echo"  workers { max-connections = 10  recycle-jitter = 50%  max = 1 } }
service "spares"  { listen = { "127.0.0.1:0" }  builtin = "echo"  workers { min-spare = 3  max-spare = 6  start = 5  idle-timeout = 200ms } }
service "lender"  { listen = { "127.0.0.1:0", "127.0.0.1:0" }  exec = { "cat" }  workers { max = 3  min-spare = 1  max-spare = 3 } }
service "usher"   { listen = { "127.0.0.1:0", "127.0.0.1:0" }  builtin = "echo"  workers { max = 4  idle-timeout = 1h }  when-full = "close" }
service "turns"   { listen = { "127.0.0.1:0", "127.0.0.1:0" }  builtin = "echo"  workers { max = 2  idle-timeout = 1h } }
END

ok "preforkd starts" start

ok "200 connections at once are all served while all are open" "$programs/client" burst "$(port burst)" 200
ok "and nobody had to wait for the maximum" not logged 'burst: full'

ok "on demand there is no worker" eval '[ -z "$(workers "demand: idle")" ]'
ok "the first connection makes one" answers demand one one
ok "and the next another" answers demand two two
ok "50 at once are served on demand" "$programs/client" burst "$(port demand)" 50

ok "a built-in on demand serves" answers twice one one
ok "its idle worker leaves after the time-out" until_true eval '[ -z "$(workers "twice:")" ]'
ok "and the next connection is served again" answers twice two two

# hold SERVICE N: keeps connections open until release.
hold() {
	mkfifo "$T/hold.$1"
	"$programs/client" hold "$(port "$1")" "$2" <"$T/hold.$1" >"$T/held.$1" &
	started="$started $!"
	holder=$!
	exec 9>"$T/hold.$1"
	await held "$T/held.$1"
}
release() {
	exec 9>&-
	wait "$holder"
}
ok "two connections fill a service of two" hold queue 2
ok "that is said once, with the number and what can be seen of its listener" \
	await 'queue: full: all of its 2 workers are busy; 127\.0\.0\.1:[0-9]+: [0-9]+ of [0-9]+ wait, 0 attempts dropped'
echo third | "$programs/client" talk "$(port queue)" >"$T/third" 9>&- &
third=$!
queued() {
	[ "$(ss -Hltn "sport = :$(port queue)" | awk '{ print $2 }')" = 1 ]
}
ok "the third lies in the kernel's queue" until_true queued
"$programs/await" -m 50
ok "the two are served to their end" release
wait $third
ok "the third waited in the queue and was served" grep -q third "$T/third"
ok "that there is room again is said, and how long one waited" \
	await 'queue: up again after [0-9]+\.[0-9]+ s; 127\.0\.0\.1:[0-9]+: 0 of [0-9]+ wait, 0 attempts dropped, longest wait [0-9]+\.[0-9]+ s'

# hold_path: of a path the kernel counts no drops, and no times.
mkfifo "$T/hold.path"
"$programs/client" hold "$T/path" 1 <"$T/hold.path" >"$T/held.path" &
started="$started $!"
exec 8>"$T/hold.path"
ok "a full service on a path tells its queue, and nothing that nobody counts" await 'path: full: all of its 1 workers are busy; /.*/path: [0-9]+ of [0-9]+ wait$'
exec 8>&-

for kind in close reset text; do
	ok "$kind: one connection fills a service of one" hold $kind 1
	ok "$kind: it is full" await "$kind: full"
	ok "$kind: an usher comes" until_true eval '[ -n "$(workers "'$kind': usher")" ]'
	"$programs/client" state "$(port $kind)" >"$T/state"
	case $kind in
	close) ok "close: the next is closed" grep -qx closed "$T/state" ;;
	reset) ok "reset: the next is reset" grep -qx reset "$T/state" ;;
	text)  ok "text: the next gets the text, whole, and the end" eval '[ "$(cat "$T/state")" = "text: come back later
closed" ]' ;;
	esac
	ok "$kind: the refusal is logged" await "$kind: refused peer=127.0.0.1:[0-9]+ reason=full"
	ok "$kind: the first is served to its end" release
	ok "$kind: the usher leaves when there is room" until_true eval '[ -z "$(workers "'$kind': usher")" ]'
	ok "$kind: the next is served" until_true answers $kind again again
done

pid=$(workers recycle)
ok "10 connections go to one worker" "$programs/client" hammer "$(port recycle)" 10 1
ok "after as many as configured it leaves" gone "$pid"
ok "and another serves" answers recycle eleven eleven
pid=$(workers jitter)
ok "with jitter it leaves no later than at 15" "$programs/client" hammer "$(port jitter)" 15 1
ok "as it should" gone "$pid"

ok "start says how many there are at first; what exceeds max-spare leaves" until_true eval 'n=$(workers "spares: idle" | wc -l); [ "$n" -eq 5 ]'
ok "8 at once make more" "$programs/client" burst "$(port spares)" 8
ok "of the idle, those above max-spare leave" until_true eval 'n=$(workers "spares: idle" | wc -l); [ "$n" -le 6 ] && [ "$n" -ge 3 ]'

first=$(port lender 1) second=$(port lender 2)
ok "two listeners share three workers" until_true eval '[ "$(workers "lender: idle" | wc -l)" -ge 2 ]'
"$programs/client" burst "$first" 3 >"$T/burst" 2>&1
ok "one listener alone can use all three, one of them lent" cat "$T/burst"
ok "three at once on the other are served, too" "$programs/client" burst "$second" 3

# Idle on one address, and clients on the other.
second=$(port usher 2)
on_second() { [ "$(echo "$1" | "$programs/client" talk "$second")" = "$1" ]; }
ok "three at once on one address are served" "$programs/client" burst "$(port usher)" 3
ok "then all four workers are idle, most of them there" until_true eval '[ "$(workers "usher: idle" | wc -l)" -eq 4 ]'
ok "three at once on the other are served and not refused" "$programs/client" burst "$second" 3
ok "nothing was full" not logged 'usher: (full|refused)'
ok "four connections on one address fill the service" hold usher 4
ok "it is full" await 'usher: full: all of its 4 workers are busy'
ok "an usher comes on both addresses" until_true eval '[ "$(workers "usher: usher" | wc -l)" -eq 2 ]'
"$programs/client" state "$second" >"$T/state"
ok "the next on the other is refused" grep -qx closed "$T/state"
ok "the four are served to their end" release
ok "with them idle both ushers leave at once" until_true eval '[ -z "$(workers "usher: usher")" ]'
ok "and the next on the other is served" on_second again

ok "two connections on one address fill another service" hold turns 2
ok "it is full" await 'turns: full'
echo third | "$programs/client" talk "$(port turns 2)" >"$T/third" 9>&- &
third=$!
ok "the two are served to their end" release
wait $third
ok "the third, on the other address, was served as soon as they were idle" grep -q third "$T/third"

ok "preforkd stops with status 0" stop
ok "no worker is left" not pgrep -P "$$" preforkd
finish
