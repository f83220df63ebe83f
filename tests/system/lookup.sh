#!/bin/sh
# SPDX-License-Identifier: ISC
# A client's host name is asked of resolvers beside the workers; whatever becomes of them, the connection is served.
. "$srcdir/system/lib.sh"

# Without an entry for it the system would ask name servers, and no test should.
[ "$(getent hosts 127.0.0.1 | awk '{ print $2 }')" = localhost ] || skip_all "127.0.0.1 is not localhost here"

write_config() { # YES-OR-NO
	config <<-END
		service "named"   { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "echo \$TCPREMOTEHOST \$REMOTE_HOST" }  lookup-hostname = $1 }
		service "quick"   { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "echo \$TCPREMOTEHOST." }  lookup-hostname = $1  lookup-timeout = 200ms }
		service "probe"   { listen = { "127.0.0.1:0" }  exec = { "$programs/probe" }  lookup-hostname = $1 }
		service "few"     { listen = { "127.0.0.1:0" }  exec = { "cat" }  lookup-hostname = $1  limit { nofile = 32  cpu = 1 } }
		service "plain"   { listen = { "127.0.0.1:0" }  exec = { "sh", "-c", "echo \$TCPREMOTEHOST." } }
		service "unasked" { listen = { "127.0.0.1:0" }  exec = { "cat" }  lookup-hostname = $1  env-set = { "systemd" } }
		service "echo"    { listen = { "127.0.0.1:0" }  builtin = "echo"  lookup-hostname = $1 }
	END
}

count_of() { workers "$1" | wc -l; }
has() { # N PATTERN
	[ "$(count_of "$2")" -eq "$1" ] || { echo "$(count_of "$2") processes like $2"; return 1; }
}
all_there() { has 4 "named: resolver" && has 4 "quick: resolver"; }
asleep() { [ "$(awk '{ print $3 }' "/proc/$1/stat")" = S ]; }
stopped() { [ "$(awk '{ print $3 }' "/proc/$1/stat")" = T ]; }
all_gone() {
	for pid in $1; do
		gone "$pid" || return 1
	done
}
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }

write_config yes
ok "preforkd starts" start
ok "a service that wants names has resolvers" until_true all_there
ok "one that does not has none" has 0 "plain: resolver"
ok "nor has one whose program is not told" has 0 "unasked: resolver"
ok "nor a built-in" has 0 "echo: resolver"

ok "the program sees the client's name, and REMOTE_HOST stays its address" says named "localhost 127.0.0.1"
ok "again" says named "localhost 127.0.0.1"
ok "without lookup-hostname there is no name" says plain .
ok "a service with few descriptors has names" answers few hello hello
ok "a built-in serves" answers echo hello hello
"$programs/client" talk "$(port probe)" </dev/null >"$T/report"
ok "TCPREMOTEHOST is in the environment" grep -Fxq "env TCPREMOTEHOST=localhost" "$T/report"
ok "the program has no descriptor besides its connection" not grep -Eq '^fd ([3-9]|[0-9][0-9])' "$T/report"
ok "no signal is pending or blocked" not grep -Eq '^(pending|blocked)' "$T/report"
ok "200 connections are served, 8 at a time" "$programs/client" hammer "$(port few)" 200 8
ok "and no resolver died over them" not logged 'resolver .* died'

# What a resolver is
one=$(workers "few: resolver" | head -n 1)
until_true asleep "$one"
ok "a resolver has a session of its own" test "$(awk '{ print $6 }' "/proc/$one/stat")" = "$one"
ok "it gains no privileges" test "$(status_of "$one" NoNewPrivs)" = 1
ok "its service's limits are not its own" not grep -Eq '^Max (cpu time +1 |open files +32 )' "/proc/$one/limits"
if [ $root = yes ]; then
	uid=$(id -u "$user")
	ok "it is the service's user, for good" test "$(status_of "$one" Uid | tr '\t' ' ')" = "$uid $uid $uid $uid"
	ok "it has no capabilities" test "$(status_of "$one" CapPrm)" = 0000000000000000
	ok "it has its door, /dev/null and its standard descriptors" test "$(ls "/proc/$one/fd" | wc -l)" -le 5
else
	skip "it is the service's user, for good" "needs root"
	skip "it has no capabilities" "needs root"
	skip "it has its door, /dev/null and its standard descriptors" "needs root"
fi

# Nobody answers
for pid in $(workers "quick: resolver"); do
	kill -STOP "$pid"
	until_true stopped "$pid"
done
ok "when no resolver answers the connection is served without a name" says quick .
ok "again" says quick .
for pid in $(workers "quick: resolver"); do kill -CONT "$pid"; done
ok "when they answer again there is a name again" until_true says quick localhost.

# Nobody is there
victims=$(workers "named: resolver")
kill -9 $victims
ok "killed resolvers are replaced" until_true all_there
ok "that they died is told" await 'named: resolver [0-9]+ died \(signal=KILL\); another takes its place'
ok "one line says it all" lines 1 'named: resolver [0-9]+ died'
ok "the successors answer" until_true says named "localhost 127.0.0.1"
ok "the service was never failing" not logged 'named: failing'
ok "nor did a worker die" not logged 'worker [0-9]+ died'

# Reloads
same=$(workers "named: resolver" | sort)
ok "a reload without a change" reload
ok "keeps the very same resolvers" test "$(workers "named: resolver" | sort)" = "$same"
victims=$(workers ": resolver")
write_config no
ok "a reload that turns the look-up off" reload
ok "ends the resolvers" all_gone "$victims"
ok "and no others come" has 0 ": resolver"
ok "clients are served without names" says named 127.0.0.1
write_config yes
ok "a reload that turns it on again" reload
ok "brings resolvers" until_true all_there
ok "and names" says named "localhost 127.0.0.1"

# The end
victims=$(workers ": resolver")
ok "preforkd stops with status 0" stop
left() { for pid in $victims; do [ ! -e "/proc/$pid" ] || return 1; done; }
ok "and leaves no resolver behind" left

ok "preforkd starts" start
until_true all_there
victims=$(workers ": resolver")
for pid in $(workers "quick: resolver"); do
	kill -STOP "$pid"
	until_true stopped "$pid"
done
kill -9 "$(master)"
ok "after kill -9 of the master no resolver is left, not even one that was stopped" all_gone "$victims"
wait "$daemon" 2>/dev/null
daemon=
finish
