#!/bin/sh
# SPDX-License-Identifier: ISC
# Every kind of address, and what is said when one cannot be had.
. "$srcdir/system/lib.sh"

six=no
[ -e /proc/net/if_inet6 ] && six=yes

# Root can give it to a group that nobody is in.
if [ $root = yes ]; then group=54321; else group=$(id -g); fi

config <<END
service "four"     { listen = { "127.0.0.1:0" }  exec = { "cat" }  backlog = 3 }
service "all"      { listen = { "*:0" }  exec = { "cat" } }
service "loopback" { listen = { "localhost:0" }  exec = { "cat" } }
service "two"      { listen = { "127.0.0.1:0", "127.0.0.2:0" }  exec = { "cat" } }
service "path"     { listen = { "$T/path" }  exec = { "cat" }  socket-mode = 0640  socket-user = "$user"  socket-group = "$group"  backlog = 7 }
service "abstract" { listen = { "@preforkd-test-$$" }  exec = { "cat" } }
service "options"  { listen = { "127.0.0.1:0" }  exec = { "cat" }  nodelay = yes  keepalive = yes  keepalive-idle = 60s  keepalive-interval = 10s
                     keepalive-count = 5  defer-accept = 1s  send-buffer = 64K  receive-buffer = 64K  tos = 16  fast-open = 8  reuse-port = yes }
END

talk_to() {
	answer=$(echo hello | "$programs/client" talk "$1") && [ "$answer" = hello ]
}

ok "preforkd starts" start
ok "an IPv4 address serves" talk_to "$(port four)"
ok "the backlog is what was asked for" logged 'four: listening on 127.0.0.1:[0-9]+, backlog 3$'
ok "the largest backlog is the system's" logged "all: listening on \*:[0-9]+, backlog $(cat /proc/sys/net/core/somaxconn)\$"
ok "every address serves IPv4" talk_to "$(port all)"
if [ $six = yes ] && have nc; then
	ok "every address serves IPv6 too" eval '[ "$(echo six | nc -6 -N ::1 "$(port all)")" = six ]'
else
	skip "every address serves IPv6 too" "no IPv6 or no nc here"
fi
ok "a host name serves" talk_to "$(port loopback)"
ok "the first of two addresses serves" talk_to "$(port two 1)"
ok "the second of two addresses is open" eval '[ -n "$(port two 2)" ]'
ok "a path serves" talk_to "$T/path"
ok "the path's backlog is read back too" logged 'path: listening on .*/path, backlog 7$'
ok "the path has its mode, owner and group" eval '[ "$(stat -c "%a %U %g" "$T/path")" = "640 $user $group" ]'
ok "an abstract name serves" talk_to "@preforkd-test-$$"
ok "socket options are set" talk_to "$(port options)"

taken=$(port four)
mv "$log" "$T/first.log"
first=$daemon
touch "$T/file"
cat >"$T/preforkd.conf" <<END
defaults { user = "$user" }
service "taken" { listen = { "127.0.0.1:$taken" }  exec = { "cat" } }
service "live"  { listen = { "$T/path" }  exec = { "cat" } }
service "file"  { listen = { "$T/file" }  exec = { "cat" } }
service "gone"  { listen = { "192.0.2.1:0" }  exec = { "cat" } }
service "star"  { listen = { "*:$taken" }  exec = { "cat" }  reuse-port = yes }
service "good"  { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "bad listeners do not stop a good one" start
ok "the good one serves" talk_to "$(port good)"
ok "a taken port names file, line and the process that holds it" \
	logged "preforkd.conf:2: service taken: cannot bind 127.0.0.1:$taken: Address already in use \(held by pid $first, preforkd\)"
ok "a path where a server answers is left alone, and its server named" \
	logged "preforkd.conf:3: service live: cannot bind $T/path: Address already in use \(held by pid $first, preforkd\)"
ok "a file that is no socket is left alone" logged "preforkd.conf:4: .*is no socket"
ok "and is still there" test -f "$T/file"
ok "an address that is not there says what would wait for it" \
	logged 'preforkd.conf:5: service gone: cannot bind 192.0.2.1:0: Cannot assign requested address; bind = "retry"'
ok "a wildcard is named as it was written" \
	logged "preforkd.conf:6: service star: cannot bind \*:$taken: Address already in use \(held by pid $first, preforkd\)"
ok "it says how many are open" logged 'runs with 6 services on 1 of 6 addresses'
ok "preforkd stops with status 0" stop
ok "the other server's path still serves" talk_to "$T/path"

sed -i '/good/d' "$T/preforkd.conf"
launch
wait "$daemon"
ok "when no listener is left it exits with 111" test $? -eq 111
daemon=
kill "$first"
wait "$first"
ok "a path is removed at the end" test ! -e "$T/path"

# A server that was killed leaves its path behind.
config <<END
service "path" { listen = { "$T/stale" }  exec = { "cat" } }
END
ok "preforkd starts" start
spare path
idle=$(workers)
stop KILL
for pid in $idle; do
	ok "its worker $pid does not outlive it" gone "$pid"
done
ok "a killed master leaves its path behind" test -S "$T/stale"
ok "a stale path is replaced" start
ok "and serves" talk_to "$T/stale"
ok "preforkd stops with status 0" stop

config <<END
service "free" { listen = { "192.0.2.1:0" }  exec = { "cat" }  bind = free }
END
ok "bind = free binds an address that is not there" start
ok "preforkd stops with status 0" stop

netns() {
	ip netns exec "preforkd-$$" "$@"
}
if [ $root = yes ] && have ip && ip netns add "preforkd-$$" 2>/dev/null; then
	config <<-END
		service "late" { listen = { "192.0.2.1:7" }  exec = { "cat" }  bind = retry }
	END
	netns ip link set lo up
	launch netns
	ok "bind = retry waits for an address" await 'late: waits for the address 192.0.2.1:7: Cannot assign requested address'
	ok "and preforkd runs meanwhile" await 'runs with 1 service'
	netns ip address add 192.0.2.1/32 dev lo
	ok "the address is bound when it appears" await 'late: listening on 192.0.2.1:7'
	ok "and serves" eval '[ "$(echo late | netns nc -N 192.0.2.1 7)" = late ]'
	ok "preforkd stops with status 0" stop

	config <<-END
		service "all" { listen = { "*:7" }  exec = { "cat" }  interface = "lo"  mark = 7 }
	END
	netns sysctl -q net.ipv6.conf.all.disable_ipv6=1
	launch netns
	ok "where IPv6 is switched off, every address is open all the same" await 'all: listening on .*:7, backlog'
	ok "and serves" eval '[ "$(echo v4 | netns nc -N 127.0.0.1 7)" = v4 ]'
	ok "preforkd stops with status 0" stop
	ip netns del "preforkd-$$"
else
	skip "bind = retry waits for an address" "needs root and ip netns"
fi

config <<END
service "names" { listen = { "127.0.0.1:preforkd-has-no-such-port" }  exec = { "cat" } }
END
launch
wait "$daemon"
ok "an unknown service name is a mistake in the configuration: status 100" test $? -eq 100
daemon=
finish
