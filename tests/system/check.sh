#!/bin/sh
# SPDX-License-Identifier: ISC
# The command line, and what -n says.
. "$srcdir/system/lib.sh"

run() { # STATUS [ARG]...
	wanted=$1
	shift
	"$PREFORKD" "$@" >"$T/out" 2>"$T/err" </dev/null
	got=$?
	[ $got -eq "$wanted" ] || { echo "status $got"; cat "$T/out" "$T/err"; return 1; }
}
err() { grep -Eq -- "$1" "$T/err" || { cat "$T/err"; return 1; }; }
out() { grep -Eq -- "$1" "$T/out" || { cat "$T/out"; return 1; }; }

ok "-V prints the version" run 0 -V
ok "on standard output" out '^preforkd [0-9]'
ok "-h helps" run 0 --help
ok "an unknown option is a usage error" run 100 -Z
ok "and shows the usage" err '^usage: preforkd'
ok "so is an argument" run 100 argument
ok "a file that is not there" run 100 -f "$T/none"
ok "is named" err "cannot read $T/none: No such file"

config <<END
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "-n is silent about a good file" run 0 -n -f "$T/preforkd.conf"
ok "on both" test ! -s "$T/out" -a ! -s "$T/err"
ok "-nv prints what it means" run 0 -nv -f "$T/preforkd.conf"
ok "with every default" out '^		max = 64$'
cp "$T/out" "$T/again.conf"
ok "what it prints can be read" run 0 -nv -f "$T/again.conf"
ok "and gives the same" cmp "$T/out" "$T/again.conf"

cat >"$T/preforkd.conf" <<END
service "one" {
	listen = { "127.0.0.1:99999", "::1:80", "/" }
	exec = { "/no/such/program" }
	user = "no-such-user"
	directory = "/no/such/directory"
	workers { max = 0 }
	backlog = many
	umask = 999
	restart-delay = "soon"
}
END
ok "a bad file has status 100" run 100 -n -f "$T/preforkd.conf"
ok "every mistake is listed with file and line: a port" err 'preforkd.conf:2: listen: port 99999 is out of range'
ok "an IPv6 address without brackets" err 'preforkd.conf:2: listen: ::1:80 has several colons; write an IPv6 address as \[IPv6\]:port'
ok "a program" err 'preforkd.conf:3: exec: cannot execute /no/such/program: No such file'
ok "a user" err 'preforkd.conf:4: user: no user no-such-user'
ok "a directory" err 'preforkd.conf:5: directory: /no/such/directory: No such file'
ok "a number out of range" err 'preforkd.conf:6: workers.max: "0" is no number from 1 to'
ok "a word that is no number" err 'preforkd.conf:7: backlog: "many" is no number'
ok "a mode that is none" err 'preforkd.conf:8: umask: "999" is no octal mode'
ok "a range that is none" err 'preforkd.conf:9: restart-delay: "soon" is no range'

printf 'service "a" {\n\tlisten = { "127.0.0.1:0" }\n\tbacklogg = 3\n}\n' >"$T/preforkd.conf"
run 100 -n -f "$T/preforkd.conf"
ok "an unknown key has a hint" err 'preforkd.conf:3: unknown key backlogg; did you mean backlog\?'
printf 'service "a" {\n\tlisten = { "127.0.0.1:0"\n' >"$T/preforkd.conf"
ok "a file that ends too early has status 100" run 100 -n -f "$T/preforkd.conf"
if [ $root = yes ]; then
	printf 'service "a" {\n\tlisten = { "127.0.0.1:0" }\n\texec = { "cat" }\n}\n' >"$T/preforkd.conf"
	ok "under root a forgotten user has status 100" run 100 -n -f "$T/preforkd.conf"
	ok "and says what to write" err 'preforkd.conf:2: service a: no user; write user = "NAME"'
else
	printf 'service "a" {\n\tlisten = { "127.0.0.1:0" }\n\texec = { "cat" }\n\tuser = "root"\n}\n' >"$T/preforkd.conf"
	ok "without root another user has status 100" run 100 -n -f "$T/preforkd.conf"
	ok "and says why" err 'preforkd.conf:4: user: only root can serve as user root'
fi
finish
