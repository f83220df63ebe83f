#!/bin/sh
# SPDX-License-Identifier: ISC
# Connections past their limits: ended with all of their process group, whatever the program does; and nobody else is.
. "$srcdir/system/lib.sh"

mkdir "$T/left"
own "$T/left"
make() { # NAME: standard input becomes a program
	{ echo "#!/bin/sh"; cat; } >"$T/$1"
	chmod 755 "$T/$1"
}
make heedless <<'END'
trap '' TERM
while :; do sleep 1000; done
END
make stopped <<'END'
kill -STOP $$
exec sleep 1000
END
make polite <<'END'
trap 'exit 7' TERM
sleep 1000 & wait
END
make parent <<'END'
(trap '' TERM; exec sleep 1000) &
exec sleep 1000
END
make family <<'END'
sleep 1000 &
sleep 1000 &
exec sleep 1000
END
make leaver <<END
sleep 1000 &
echo \$! >$T/left/job
END
make daemons <<END
setsid sh -c 'echo \$\$ >>$T/left/pids; exec sleep 1000' &
setsid sh -c 'echo \$\$ >>$T/left/pids; exec sleep 1000' &
exec sleep 1000
END
lost_children() {
	for pid in $(cat "$T/left/pids" "$T/left/job" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
}
trap 'lost_children; clean_up' EXIT

last_end() { # SERVICE
	grep ": $1: end " "$log" | tail -n 1
}

# ends SERVICE PATTERN: a connection ends with such a line. A limit may be over before a program has come so far as to do what it is here
# for; so it is tried a few times, and one that never ends like this is a failure.
ends() {
	for try in 1 2 3 4 5; do
		before=$(grep -c ": $1: end " "$log")
		"$programs/client" state "$(port "$1")" >"$T/seen" 2>&1 &
		client=$!
		started="$started $client"
		await_count $((before + 1)) ": $1: end "
		last_end "$1" | grep -Eq "$2" && return 0
	done
	last_end "$1"
	return 1
}
group() { # SERVICE: the processes of its last connection's group
	pgrep -g "$(last_end "$1" | sed 's/.* pid=\([0-9]*\) .*/\1/')"
}
zombies() {
	ps -o stat= --ppid "$(master)" | grep -q Z
}
busy_is() { # N
	[ "$(workers | wc -l)" -eq $(($(workers idle | wc -l) + $1)) ]
}

cat >"$T/preforkd.conf" <<END
stop-timeout = 60s
defaults { user = "$user"  time-limit = 200ms  kill-after = 200ms }
service "sleep"    { listen = { "127.0.0.1:0" }  exec = { "sleep", "1000" } }
service "heedless" { listen = { "127.0.0.1:0" }  exec = { "$T/heedless" } }
service "stopped"  { listen = { "127.0.0.1:0" }  exec = { "$T/stopped" }  kill-after = 1h }
service "polite"   { listen = { "127.0.0.1:0" }  exec = { "$T/polite" }  kill-after = 1h }
service "parent"   { listen = { "127.0.0.1:0" }  exec = { "$T/parent" } }
service "family"   { listen = { "127.0.0.1:0" }  exec = { "$T/family" }  kill-after = 1h }
service "daemons"  { listen = { "127.0.0.1:0" }  exec = { "$T/daemons" } }
service "leaver"   { listen = { "127.0.0.1:0" }  exec = { "$T/leaver" } }
service "demand"   { listen = { "127.0.0.1:0" }  exec = { "sleep", "1000" }  workers { min-spare = 0 } }
service "at-once"  { listen = { "127.0.0.1:0" }  exec = { "$T/heedless" }  kill-after = 0 }
service "quiet"    { listen = { "127.0.0.1:0" }  exec = { "sleep", "1000" }  log-connections = "none" }
service "echo"     { listen = { "127.0.0.1:0" }  builtin = "echo"  workers { max = 1 } }
service "cat"      { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "preforkd starts" start

late='duration=(0\.[2-9]|[1-9])'
later='duration=(0\.[4-9]|[1-9])'
ok "a program past its limit gets SIGTERM, and not before" ends sleep "$late[0-9.]*s signal=TERM reason=time-limit\$"
wait $client
ok "its client sees the end" grep -qx closed "$T/seen"
ok "one that ends by itself then has a status" ends polite "$late[0-9.]*s status=7 reason=time-limit\$"
ok "one that does not heed it gets SIGKILL, after kill-after" ends heedless "$later[0-9.]*s signal=KILL reason=time-limit\$"
ok "nothing of it is left" until_true not group heedless
ok "kill-after = 0 does not wait" ends at-once "$late[0-9.]*s signal=(KILL|TERM) reason=time-limit\$"
ok "one that has stopped itself hears SIGTERM" ends stopped "$late[0-9.]*s signal=TERM reason=time-limit\$"
ok "children that do not heed it get SIGKILL after kill-after, though the leader has gone" \
	ends parent "$later[0-9.]*s signal=TERM reason=time-limit\$"
ok "nothing of them is left" until_true not group parent
ok "children that heed it are not waited for" ends family "$late[0-9.]*s signal=TERM reason=time-limit\$"
ok "nothing of them is left" until_true not group family
ok "a program with daemons ends" ends daemons "signal=TERM reason=time-limit\$"
id=$(last_end daemons | sed 's/.* id=\([0-9a-f]*\) .*/\1/')
ok "what left its session is told with its number" await "daemons: connection $id: 2 processes that left its session are still running"
ok "and not of other programs" not logged "(sleep|heedless|parent|family): connection"
lost_children_run() {
	[ "$(wc -l <"$T/left/pids")" -ge 2 ] && kill -0 $(cat "$T/left/pids")
}
ok "and left alone" lost_children_run
lost_children
ok "a connection ends with a program that exits by itself" ends leaver "status=0\$"
"$programs/await" -m 600
ok "what that leaves is not limited" kill -0 "$(cat "$T/left/job")"
kill "$(cat "$T/left/job")"
ok "an on-demand pool ends a connection, too" ends demand "$late[0-9.]*s signal=TERM reason=time-limit\$"
ok "without lines about connections they end all the same" "$programs/client" state "$(port quiet)"
ok "which is told, with the client" await ' quiet: end id=[1-9a-f][0-9a-f]* peer=127\.0\.0\.1:.*signal=TERM reason=time-limit$'
ok "and nothing else" not logged ' quiet: start'

ok "a built-in is ended" ends echo "$late[0-9.]*s signal=TERM reason=time-limit\$"
before=$(grep -c ': echo: .*reason=' "$log")
ok "the next client finds another worker, which serves more in all than the limit" "$programs/client" hammer "$(port echo)" 4000 1
ok "each of them in time" lines "$before" ': echo: .*reason='
ok "a program that is done in time is left alone" answers cat hello hello
await ': cat: end '
ok "and ends with its own status" logged ': cat: end .*status=0$'

ok "everybody is idle again" until_true busy_is 0
ok "there are no zombies" until_true not zombies
switches() {
	sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' "/proc/$(master)/status"
}
at_rest() {
	before=$(switches)
	"$programs/await" -m 1000
	[ $(($(switches) - before)) -le 2 ]
}
ok "and the master sleeps" until_true at_rest
ok "until there is somebody to end again" "$programs/client" state "$(port quiet)"

# Many at once.
"$programs/client" fill "$(port parent)" 40 </dev/null >/dev/null &
ok "forty connections are accepted" await_count 40 ': parent: start '
ok "and ended" await_count 40 ': parent: end .*reason=time-limit'
ok "their workers, too, are collected" until_true busy_is 0

"$programs/client" fill "$(port heedless)" 1 </dev/null >/dev/null &
"$programs/client" state "$(port heedless)" >"$T/seen" 2>&1 &
await ': heedless: start '
stop
ok "preforkd stops with status 0" test $? -eq 0
ok "before that time-limit has ended what was busy" not logged 'are sent SIGTERM'

config <<END
service "cat"   { listen = { "127.0.0.1:0" }  exec = { "cat" }  first-byte-limit = 150ms  kill-after = 1h }
service "both"  { listen = { "*:0" }  exec = { "cat" }  first-byte-limit = 150ms  time-limit = 300ms }
service "echo"  { listen = { "127.0.0.1:0" }  builtin = "echo"  first-byte-limit = 150ms }
service "quiet" { listen = { "127.0.0.1:0" }  exec = { "cat" }  first-byte-limit = 150ms  log-connections = "none" }
END
ok "preforkd starts" start
late='duration=(0\.1[5-9]|0\.[2-9]|[1-9])'
for s in cat echo; do
	mkfifo "$T/$s.fifo"
	"$programs/client" talk "$(port $s)" <"$T/$s.fifo" >"$T/$s.out" 2>&1 &
	eval "talker_$s=$!"
	started="$started $!"
done
exec 8>"$T/cat.fifo" 9>"$T/echo.fifo"
printf x >&8
printf x >&9
await ': cat: start '
await ': echo: start '
ok "a client that says nothing is ended" ends cat "$late[0-9.]*s signal=TERM reason=first-byte-limit\$"
ok "also by a built-in" ends echo "$late[0-9.]*s signal=TERM reason=first-byte-limit\$"
ok "and without lines about connections" "$programs/client" state "$(port quiet)"
ok "which is told" await ' quiet: end .*signal=TERM reason=first-byte-limit$'
ok "a client in time is served" answers quiet hello hello
exec 8>&- 9>&-
ok "one that came before and said one byte is served to its end" wait "$talker_cat"
ok "also by a built-in" wait "$talker_echo"
ok "it got its byte back" grep -q x "$T/cat.out"
ok "also from a built-in" grep -q x "$T/echo.out"
ok "IPv4 on a dual-stack listener is the same" ends both "$late[0-9.]*s signal=TERM reason=first-byte-limit\$"
mkfifo "$T/both.fifo"
"$programs/client" talk "$(port both)" <"$T/both.fifo" >"$T/both.out" 2>&1 &
talker=$!
exec 8>"$T/both.fifo"
printf x >&8
ok "who has said something has time-limit still" await ': both: end .*reason=time-limit'
exec 8>&-
wait $talker
ok "everybody is idle again" until_true busy_is 0
ok "of those that ended by themselves there is no line" lines 1 ' quiet: (start|end)'
ok "preforkd stops with status 0" stop

# A PROXY header takes its time, too.
config <<END
service "late" {
	listen = { "127.0.0.1:0" }  exec = { "cat" }  first-byte-limit = 200ms
	proxy-protocol { mode = "required"  from = { "127.0.0.1" }  timeout = 30s }
}
service "never" {
	listen = { "127.0.0.1:0" }  exec = { "cat" }  time-limit = 2s  workers { max = 1 }
	proxy-protocol { mode = "required"  from = { "127.0.0.1" }  timeout = 30s }
}
END
ok "preforkd starts" start
for s in mute speaks; do
	mkfifo "$T/$s.fifo"
	"$programs/client" talk "$(port late)" <"$T/$s.fifo" >"$T/$s.out" 2>&1 &
	eval "talker_$s=$!"
	started="$started $!"
done
exec 8>"$T/mute.fifo" 9>"$T/speaks.fifo"
"$programs/await" -m 600
ok "who has sent no PROXY header yet is not ended by first-byte-limit" not logged ': late: (start|end)'
printf 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nx' >&9
printf 'PROXY TCP4 192.0.2.3 192.0.2.4 3 4\r\n' >&8
ok "who sends nothing but a late PROXY header is" await ': late: end .* peer=192\.0\.2\.3:3 .*reason=first-byte-limit$'
exec 8>&- 9>&-
ok "who sends more is not" wait "$talker_speaks"
ok "it got its byte back" grep -q x "$T/speaks.out"
before=$(workers '^never: idle')
ok "who never sends a PROXY header has at most time-limit" "$programs/client" state "$(port never)"
ok "and is refused" await ': never: refused peer=127\.0\.0\.1:.* reason=proxy-header header=missing'
ok "without an end" not logged ': never: end '
ok "by a worker that lives on" test "$(workers '^never: ')" = "$before"
ok "preforkd stops with status 0" stop

config <<END
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" }  time-limit = 300ms }
END
ok "preforkd starts" start
"$programs/client" state "$(port cat)" >"$T/seen" 2>&1 &
await ': cat: start '
sed -i 's/time-limit = 300ms/time-limit = off/' "$T/preforkd.conf"
ok "the limit is taken away" reload
mkfifo "$T/new.fifo"
"$programs/client" talk "$(port cat)" <"$T/new.fifo" >"$T/new.out" 2>&1 &
talker=$!
exec 8>"$T/new.fifo"
await_count 2 ': cat: start '
ok "a connection from before has it still" await ': cat: end .*reason=time-limit'
echo new >&8
exec 8>&-
wait $talker
ok "a newer one has not" grep -qx new "$T/new.out"
ok "preforkd stops with status 0" stop

# What the board says may be a lie.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$(master)/stat"
}
cat >"$T/preforkd.conf" <<END
defaults { user = "$user"  time-limit = 200ms  kill-after = 200ms }
service "liars" { listen = { "127.0.0.1:0" }  exec = { "sleep", "1000" } }
service "sleep" { listen = { "127.0.0.1:0" }  exec = { "sleep", "1000" } }
service "cat"   { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "preforkd starts" start
"$programs/client" fill "$(port liars)" 20 </dev/null >/dev/null &
await_count 20 ': liars: start '
before=$(ticks)
ok "twenty workers lie about their states and times" "$programs/liar" "$(master)" 2000
after=$(ticks)
ok "which costs the master little ($((after - before)) hundredths of 200)" test $((after - before)) -le 20
ok "others are served" answers cat hello hello
ok "and ended in time" ends sleep "signal=TERM reason=time-limit\$"
stop QUIT
ok "who has evaded its limit ends with the server, whose status is 0" test $? -eq 0
finish
