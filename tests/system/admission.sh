#!/bin/sh
# SPDX-License-Identifier: ISC
# Who may connect, how many at once, how often, and what the others see. Clients come from many addresses of 127.0.0.0/8.
. "$srcdir/system/lib.sh"

crowd=$programs/crowd
printf 'come back later\n' >"$T/later.txt"
printf '# friends\n127.0.0.2\n127.0.7.0/24 # a network\n\n' >"$T/friends"
printf 'welcome\n' >"$T/banner.txt"
chmod 644 "$T"/*.txt "$T/friends"
cat >"$T/preforkd.conf" <<END
defaults { user = "$user"  workers { min-spare = 4  max-spare = 16 } }
service "listed"  { listen = { "127.0.0.1:0" }  builtin = "echo"
                    allow = { "127.0.0.0/16", "file:$T/friends" }  deny = { "127.0.9.0/24", "127.0.8.1" } }
service "reset"   { listen = { "127.0.0.1:0" }  builtin = "echo"  deny = { "127.0.0.0/8" }  when-denied = "reset" }
service "text"    { listen = { "127.0.0.1:0" }  builtin = "echo"  deny = { "127.0.0.0/8" }  when-denied = "$T/later.txt" }
service "path"    { listen = { "$T/path" }  builtin = "echo"  deny = { "unix:uid=$(id -u)" } }
service "group"   { listen = { "$T/group" }  builtin = "echo"  allow = { "unix:gid=$(id -g)" } }
service "each"    { listen = { "127.0.0.1:0" }  builtin = "echo"  per-source { max = 3 } }
service "program" { listen = { "127.0.0.1:0" }  exec = { "cat" }  per-source { max = 3 } }
service "network" { listen = { "127.0.0.1:0" }  builtin = "echo"  per-source { max = 2  prefix-v4 = 24 } }
service "both"    { listen = { "127.0.0.1:0", "127.0.0.1:0" }  builtin = "echo"  per-source { max = 2 } }
service "burst"   { listen = { "127.0.0.1:0" }  builtin = "echo"  rate = "100/s"  burst = 100 }
service "often"   { listen = { "127.0.0.1:0" }  builtin = "echo"  per-source { rate = "100/s"  burst = 100 } }
service "slow"    { listen = { "127.0.0.1:0" }  builtin = "echo"  per-source { rate = "1/d"  burst = 3 }  when-limited = "reset" }
service "hidden"  { listen = { "127.0.0.1:0" }  exec = { "echo", "hello" }  banner = "$T/banner.txt" }
END

ok "preforkd starts" start
outcome() {
	"$programs/client" state "$(port "$1")"
}

# Lists
ok "an address of an allowed prefix is served" "$crowd" served "$(port listed)" 1 127.0.0.1
ok "one of a denied prefix inside of it is not" "$crowd" places "$(port listed)" 0 127.0.9.77
ok "the rule that decided stands in the log" \
	await "listed: refused peer=127.0.9.77:[0-9]+ reason=denied rule=\"deny 127.0.9.0/24 \(.*preforkd.conf:[0-9]+\)\""
ok "one that no rule names is not, as there is an allow" "$crowd" places "$(port listed)" 0 127.1.0.1
ok "an address of a list file is served" "$crowd" served "$(port listed)" 1 127.0.7.9
ok "a denied client sees a reset where that is asked for" eval '[ "$(outcome reset)" = reset ]'
ok "or a text, and the end" eval '[ "$(outcome text)" = "text: come back later
closed" ]'
ok "a client of a path is denied by its uid" eval '[ "$("$programs/client" state "$T/path")" != "x" ]; await "path: refused peer=unix.* reason=denied rule=\"deny unix:uid=$(id -u) "'
ok "or admitted by its group" eval '[ "$(echo hello | "$programs/client" talk "$T/group")" = hello ]'

# A list file is read again with a reload; a bad line in it refuses the reload.
printf '127.0.0.2\n' >"$T/friends"
ok "a reload" reload
ok "finds the list changed, and nothing else" logged 'reload: listed: changed \(the content of allow and deny\)'
ok "and only this service" logged 'reload: done: 0 added, 1 changed, 0 removed'
printf '127.0.0.2\n127.0.0.300\n' >"$T/friends"
ok "a bad line of a list" reload
ok "is told with its file and number" logged "reload: $T/friends:2: .*127.0.0.300"
ok "and refuses the reload" logged 'reload: refused; the old configuration stays'
ok "the old list stays" "$crowd" served "$(port listed)" 1 127.0.0.1
printf '127.0.0.2\n' >"$T/friends"

# A flood is told by its first and by how many there were more.
"$crowd" limit "$(port each)" 0 4 200 127.0.6.1 >/dev/null 2>&1
ok "of a flood that has ended, all that were refused are told" await 'each: refused [0-9]+ more reason=source-max'

# Concurrency
ok "of 16 clients each from 4 addresses, 3 of each are served at once, always" \
	"$crowd" limit "$(port each)" 3 16 300 127.0.1.1 127.0.1.2 127.0.1.3 127.0.1.4
ok "that is logged with the reason" await 'each: refused peer=127.0.1.[1-4]:[0-9]+ reason=source-max'
ok "afterwards each of them has just its 3 places" until_true "$crowd" places "$(port each)" 3 127.0.1.1
ok "the same with a program" "$crowd" limit "$(port program)" 3 16 100 127.0.1.1 127.0.1.2
ok "and afterwards" until_true "$crowd" places "$(port program)" 3 127.0.1.2
ok "a network shares its places" "$crowd" limit "$(port network)" 2 16 300 127.0.2.1,127.0.2.2,127.0.2.3,127.0.2.4 127.0.3.1,127.0.3.99

# A flood from one network leaves others served.
"$crowd" limit "$(port network)" 2 16 2000 127.0.4.1,127.0.4.2,127.0.4.3 >"$T/flood" 2>&1 &
flood=$!
ok "while one network floods, another is served each time" "$crowd" served "$(port network)" 200 127.0.5.1
wait $flood
ok "the flood had its two places" cat "$T/flood"

# Two listeners, one count.
mkfifo "$T/keep"
"$programs/client" hold "$(port both 1)" 2 <"$T/keep" >"$T/kept" &
started="$started $!"
exec 9>"$T/keep"
await held "$T/kept"
ok "what a source has on one listener counts on the other" "$crowd" places "$(port both 2)" 0 127.0.0.1
ok "and not for another source" "$crowd" served "$(port both 2)" 1 127.0.0.9
ok "a reload keeps the counts" eval 'sed -i "s/service \"both\" *{/& log-connections = none /" "$T/preforkd.conf"; reload && logged "reload: both: changed"'
ok "the new generation refuses whom the old one serves" "$crowd" places "$(port both 2)" 0 127.0.0.1
exec 9>&-
ok "when those have ended there is room again" until_true "$crowd" served "$(port both 2)" 1 127.0.0.1

# Rates
ok "a rate of the service lets in as many as it says" "$crowd" rate "$(port burst)" 100 100 3 127.0.0.1
ok "whoever they are" logged 'burst: refused peer=127.0.0.1:[0-9]+ reason=service-rate'
ok "a rate of each source lets in as many as it says" "$crowd" rate "$(port often)" 100 100 3 127.0.0.1
ok "and another source at the same time all that is its own" "$crowd" served "$(port often)" 100 127.0.0.2
ok "that is logged" logged 'often: refused peer=127.0.0.1:[0-9]+ reason=source-rate'
"$crowd" places "$(port slow)" 3 127.0.0.1 >/dev/null
ok "a client that comes too often sees a reset where that is asked for" eval '[ "$(outcome slow)" = reset ]'

# The banner
ok "a banner comes first, and then the program" says hidden "welcome
hello"

ok "preforkd stops with status 0" stop
finish
