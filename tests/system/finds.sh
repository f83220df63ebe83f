#!/bin/sh
# SPDX-License-Identifier: ISC
# What a program finds is what the manual promises and nothing else, whatever the daemon itself inherited.
. "$srcdir/system/lib.sh"

cat >"$T/preforkd.conf" <<END
defaults {
	user = "$user"
	pass-environment = { "PATH", "TCPREMOTEIP", "REMOTE_HOST", "HOME" }
	directory = "$T"
}
service "plain"  { listen = { "127.0.0.1:0" }  exec = { "$programs/probe", "one", "two words" } }
service "dual"   { listen = { "*:0" }  exec = { "$programs/probe" } }
service "six"    { listen = { "[::1]:0" }  exec = { "$programs/probe" }  enabled = $([ -e /proc/net/if_inet6 ] && echo yes || echo no) }
service "tuned"  { listen = { "127.0.0.1:0" }  exec = { "$programs/probe" }  nodelay = yes  keepalive = yes  keepalive-idle = 61s
                   keepalive-interval = 11s  keepalive-count = 5  send-buffer = 32K  receive-buffer = 16K  tos = 16 }
service "path"   { listen = { "$T/sock" }  exec = { "$programs/probe" } }
service "argv0"  { listen = { "127.0.0.1:0" }  exec = { "$programs/probe", "x" }  argv0 = "-other" }
service "socket" { listen = { "127.0.0.1:0" }  exec = { "$programs/probe" }  stderr = socket }
service "null"   { listen = { "127.0.0.1:0" }  exec = { "$programs/probe" }  stderr = null }
service "sets"   { listen = { "127.0.0.1:0" }  exec = { "$programs/probe" }  env-set = { "xinetd" }  environment = { "COLOR=blue=green", "HOME=/mine" } }
service "bounds" {
	listen = { "127.0.0.1:0" }
	exec = { "$programs/probe" }
	umask = 027
	nice = 3
	no-new-privileges = yes
	oom-score-adjust = 500
	limit { nofile = 64  core = 0  cpu = 100:200  as = "4G"  fsize = 1M  stack = "2M:4M"  nproc = 4000  memlock = 64K  data = unlimited }
}
END
# The same in every way of launching, under careless and under odd circumstances.
ways="exec preexec-main preexec-first-io forkserver-main forkserver-first-io forkserver-first-write"
for way in $ways; do
	launch=${way%%-*} stop=${way#*-}
	[ $way = exec ] && stop=main
	for kind in usual odd path; do
		cat >>"$T/preforkd.conf" <<-END
			service "$kind-$way" {
				listen = { "$([ $kind = path ] && echo "$T/$way" || echo 127.0.0.1:0)" }
				exec = { "$programs/probe", "ask", "two words" }
				launch = $launch
				stop-at = $stop
				$([ $kind = odd ] && cat <<-ODD
					argv0 = "-odd"  stderr = socket  umask = 027  nice = 3  no-new-privileges = yes  oom-score-adjust = 500
					env-set = { "xinetd", "ucspi" }  environment = { "COLOR=blue=green", "EMPTY=" }
					limit { nofile = 40  core = 0  cpu = 100:200  as = "4G"  fsize = 1M  stack = "2M:4M"  nproc = 4000  memlock = 64K }
				ODD
				)
			}
		END
	done
done
chmod 755 "$T"
[ $root = no ] || chown "$user" "$T"

# report SERVICE [PORT]: what the probe says there.
report() {
	"$programs/client" talk "${2:-$(port "$1")}" </dev/null >"$T/report"
}
says() {
	grep -Fxq -- "$1" "$T/report" || { echo "not said: $1"; cat "$T/report"; return 1; }
}
says_none() {
	! grep -E -- "$1" "$T/report"
}

ok "preforkd starts under a careless parent" start "$programs/dirty"

ok "the probe answers" report plain
ok "its arguments are as configured" says "argv 2 two words"
ok "argv[0] is the program as written" says "argv 0 $programs/probe"
ok "0 and 1 are the connection" says "stdin socket, the same as stdout"
ok "0 blocks" says "fd 0 blocking"
ok "2 is the log" says "stderr elsewhere"
ok "nothing else is open" says_none '^fd ([3-9]|[0-9][0-9])'
ok "no signal is blocked" says_none '^blocked'
ok "every signal has its default" says_none '^not default'
ok "no signal is pending" says_none '^pending'
ok "it has a session of its own" says "session own"
ok "it has a process group of its own" says "group own"
ok "it has no controlling terminal" says "terminal none"
ok "the umask is 022" says "umask 022"
ok "the directory is the configured one" says "directory $T"
ok "nobody's death is told" says "parent-death 0"
ok "the limit of open files is what the daemon was started with" says "limit nofile 500 2000"
ok "it has no capabilities" says "CapEff:	0000000000000000"
if [ $root = yes ]; then
	uid=$(id -u "$user") gid=$(id -g "$user")
	ok "it is the user, for good" says "uid $uid $uid $uid"
	ok "it has the user's group" says "gid $gid $gid $gid"
	ok "and the user's groups" says "groups $(id -G "$user")"
	ok "not even ambient or permitted capabilities" says "CapPrm:	0000000000000000"
fi
ok "USER is there" says "env USER=$user"
ok "LOGNAME is there" says "env LOGNAME=$user"
ok "HOME is the user's, not the daemon's" says "env HOME=$(getent passwd "$user" | cut -d: -f6)"
ok "SHELL is there" says "env SHELL=$(getent passwd "$user" | cut -d: -f7)"
ok "PATH is passed on" says "env PATH=$PATH"
ok "PROTO" says "env PROTO=TCP"
ok "TCPLOCALIP" says "env TCPLOCALIP=127.0.0.1"
ok "TCPLOCALPORT is the port that the system chose" says "env TCPLOCALPORT=$(port plain)"
ok "TCPREMOTEIP is the client's, not one that the daemon inherited" says "env TCPREMOTEIP=127.0.0.1"
ok "TCPREMOTEPORT" grep -Eq '^env TCPREMOTEPORT=[0-9]+$' "$T/report"
ok "TCPCONNNUM counts the client's other connections" says "env TCPCONNNUM=0"
ok "REMOTE_ADDR" says "env REMOTE_ADDR=127.0.0.1"
ok "REMOTE_PORT" grep -Eq '^env REMOTE_PORT=[0-9]+$' "$T/report"
ok "REMOTE_HOST is the client's address" says "env REMOTE_HOST=127.0.0.1"
ok "SO_COOKIE" grep -Eq '^env SO_COOKIE=[0-9]+$' "$T/report"
ok "PREFORK_SERVICE" says "env PREFORK_SERVICE=plain"
id=$(sed -n 's/^env PREFORK_CONNECTION=//p' "$T/report")
ok "PREFORK_CONNECTION stands in the log" await "plain: end id=$id peer=127.0.0.1:[0-9]+ pid=[0-9]+ duration=[0-9.]+s status=0"
ok "nothing else is in the environment" says_none '^env (LD_|NOTIFY|JOURNAL|OLDPWD|PWD|LANG=evil)'

ok "over a dual-stack listener the probe answers" report dual
ok "an IPv4 client is shown as IPv4" says "env TCPREMOTEIP=127.0.0.1"
ok "and so is the local address" says "env TCPLOCALIP=127.0.0.1"

if [ -e /proc/net/if_inet6 ] && have nc; then
	nc -6 ::1 "$(port six)" </dev/null >"$T/report"
	ok "an IPv6 client is shown as IPv6" says "env TCPREMOTEIP=::1"
else
	skip "an IPv6 client is shown as IPv6" "no IPv6 or no nc here"
fi

ok "with socket options the probe answers" report tuned
for option in nodelay keepalive; do
	n=$(sed -n "s/^option $option //p" "$T/report")
	ok "the connection has $option" test "${n:-0}" -ne 0
done
for option in "keepalive-idle 61" "keepalive-interval 11" "keepalive-count 5" "tos 16"; do
	ok "the connection has $option" says "option $option"
done
for option in "send-buffer 32768" "receive-buffer 16384"; do
	n=$(sed -n "s/^option ${option% *} //p" "$T/report")
	ok "the connection has $option, or what the kernel makes of it" test "${n:-0}" -eq ${option#* } -o "${n:-0}" -eq $((2 * ${option#* }))
done

ok "over a path the probe answers" report path "$T/sock"
ok "PROTO is UNIX" says "env PROTO=UNIX"
ok "UNIXREMOTEEUID" says "env UNIXREMOTEEUID=$(id -u)"
ok "UNIXREMOTEEGID" says "env UNIXREMOTEEGID=$(id -g)"
ok "UNIXREMOTEPID" grep -Eq '^env UNIXREMOTEPID=[1-9][0-9]*$' "$T/report"
ok "UNIXLOCALPATH" says "env UNIXLOCALPATH=$T/sock"
ok "no TCP variables" says_none '^env TCP'

ok "with argv0 the probe answers" report argv0
ok "argv[0] is what argv0 says" says "argv 0 -other"
ok "the rest is as it was" says "argv 1 x"

ok "with stderr = socket the probe answers" report socket
ok "2 is the connection" says "stderr the connection"
ok "with stderr = null the probe answers" report null
ok "2 is /dev/null" says "stderr a device"

ok "with env-set the probe answers" report sets
ok "the set that is asked for is there" says "env REMOTE_HOST=127.0.0.1"
ok "the others are not" says_none '^env (TCP|PROTO|SO_COOKIE|REMOTE_ADDR)'
ok "an own variable is there, with all its equals signs" says "env COLOR=blue=green"
ok "an own variable goes before the user's" says "env HOME=/mine"

ok "with bounds the probe answers" report bounds
ok "umask" says "umask 027"
ok "nice" says "nice $(( $(nice) + 3 ))"
ok "no new privileges" says "no-new-privileges 1"
ok "oom score" says "oom 500"
ok "nofile" says "limit nofile 64 64"
ok "core" says "limit core 0 0"
ok "cpu" says "limit cpu 100 200"
ok "as" says "limit as 4294967296 4294967296"
ok "fsize" says "limit fsize 1048576 1048576"
ok "stack" says "limit stack 2097152 4194304"
ok "nproc" says "limit nproc 4000 4000"
ok "memlock" says "limit memlock 65536 65536"

# What two connections never have in common is left out: ports, cookies, ids; and so is the service's own name.
facts() {
	report "$1" ${2:+"$2"} && [ -s "$T/report" ] &&
		sed '/^env \(SO_COOKIE\|PREFORK_CONNECTION\|PREFORK_SERVICE\|TCPLOCALPORT\|TCPREMOTEPORT\|REMOTE_PORT\|UNIXLOCALPATH\|UNIXREMOTEPID\)=/s/=.*//' \
			"$T/report"
}
same() { # KIND WAY
	facts "$1-$2" ${3:+"$3"} >"$T/facts" && diff "$T/facts.$1" "$T/facts"
}
for kind in usual odd path; do
	path=
	[ $kind = path ] && path=$T/exec
	ok "$kind: what a program finds under exec" eval "facts $kind-exec $path >'$T/facts.$kind'"
	for way in ${ways#exec }; do
		[ $kind = path ] && path=$T/$way
		case $way in forkserver*) await "$kind-$way: the image is ready" ;; esac
		ok "$kind: the same under $way" same $kind $way $path
	done
done
ok "odd was odd" grep -Fxq "argv 0 -odd" "$T/facts.odd"
ok "all of them were launched as asked" not logged 'instead of'

ok "preforkd stops with status 0" stop
finish
