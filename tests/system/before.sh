#!/bin/sh
# SPDX-License-Identifier: ISC
# What a program does before it asks anything of its connection works as it does under exec: children, threads, signals, stacks, masks,
# timers, descriptors, execve. And what one connection does before and after never reaches another.
. "$srcdir/system/lib.sh"

cat >"$T/own.sh" <<'END'
#!/bin/bash
read -r a
echo "first $a $$"
read -r b
echo "second $b"
END
cat >"$T/data.pl" <<'END'
$| = 1;
print scalar <STDIN>;
print scalar <DATA>;
print scalar <STDIN>;
print <DATA>;
__DATA__
one
two
three
END
cat >"$T/shared.py" <<'END'
import os, random, secrets, sys, time
pid, now, dice = os.getpid(), time.time(), random.random()
print(sys.stdin.readline().strip(), "pid", pid == os.getpid(), pid, "time", now, "dice", dice, "again", random.random(),
	"urandom", os.urandom(8).hex(), "secrets", secrets.token_hex(8))
END
cat >"$T/spawned.py" <<'END'
import os, subprocess, sys
said = subprocess.run(["echo", "said"], capture_output=True, text=True).stdout
print(sys.stdin.readline().strip(), said.strip(), os.getpid())
END
cat >"$T/timer.py" <<'END'
import signal, sys
signal.setitimer(signal.ITIMER_REAL, 3600)
print(sys.stdin.readline().strip(), signal.getitimer(signal.ITIMER_REAL)[0] > 0)
END
cat >"$T/epoll.py" <<'END'
import select, sys
e = select.epoll()
e.register(0, select.EPOLLIN)
e.poll()
print("epoll", sys.stdin.readline().strip())
END
cat >"$T/greet.py" <<'END'
import os, sys
print("hello, I am", os.getpid(), flush=True)
print(sys.stdin.readline().strip())
END
chmod 755 "$T"/*.sh "$T"/*.pl "$T"/*.py
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3) || python=

service() { # NAME LAUNCH STOP-AT PROGRAM...
	printf 'service "%s" { listen = { "127.0.0.1:0" }  launch = %s  stop-at = %s  exec = {' "$1" "$2" "$3"
	shift 3
	separator=
	for word; do
		printf '%s "%s"' "$separator" "$word"
		separator=,
	done
	echo ' } }'
}
ways="preexec-main preexec-first-io forkserver-main forkserver-first-io"
{
	echo "defaults { user = \"$user\"  workers { min-spare = 2 } }"
	service exec exec main "$programs/before"
	service exec-on exec main "$programs/before" on
	for way in $ways; do
		service "$way" "${way%%-*}" "${way#*-}" "$programs/before"
		service "$way-on" "${way%%-*}" "${way#*-}" "$programs/before" on
	done
	service random forkserver main "$programs/random"
	service random-io forkserver first-io "$programs/random"
	have bash && service bash forkserver first-io "$T/own.sh"
	if have perl; then
		service data forkserver first-io perl "$T/data.pl"
		service env forkserver first-io env perl "$T/data.pl"
		service nice forkserver first-io nice perl "$T/data.pl"
	fi
	if [ -n "$python" ]; then
		for name in shared spawned timer epoll greet; do
			service $name forkserver first-io $python "$T/$name.py"
		done
	fi
} >"$T/preforkd.conf"
ok "preforkd starts" start

image() {
	ok "$1: is one image" await " $1: the image is ready: stopped at ${2:-first-io}"
}
for kind in "" -on; do
	ok "exec$kind: what a program sees of all that" eval 'ask "exec$kind" hello >"$T/expected" && grep -q "afterwards: SIGSYS hits 1" "$T/expected"'
	for way in $ways; do
		case $way in forkserver*) image "$way$kind" "${way#forkserver-}" ;; esac
		ok "$way$kind: the same" eval 'ask "$way$kind" hello >"$T/seen"; diff "$T/expected" "$T/seen"'
	done
done

# Two clients at once: a line of one, a line of the other, the next of one, the next of the other; then both ends.
mkfifo "$T/to.1" "$T/to.2"
both() { # SERVICE
	for n in 1 2; do
		"$programs/client" talk "$(port "$1")" <"$T/to.$n" >"$T/said.$n" &
		eval "client$n=$!"
	done
	exec 8>"$T/to.1" 9>"$T/to.2"
	echo a >&8
	echo b >&9
	echo c >&8
	echo d >&9
	exec 8>&- 9>&-
	wait $client1 && wait $client2
}
if have bash; then
	image bash
	ok "a script that bash reads by its own descriptor" both bash
	ok "is read to its end by one" grep -qx 'second c' "$T/said.1"
	ok "and by the other" grep -qx 'second d' "$T/said.2"
	ok "whose \$\$ is the same, as it was asked for before" eval '[ "$(sed -n "s/first . //p" "$T/said.1")" = "$(sed -n "s/first . //p" "$T/said.2")" ]'
else
	skip "a script that bash reads by its own descriptor" "no bash here"
fi
if have perl; then
	for name in data env nice; do
		image $name
		ok "$name: __DATA__ of two" both $name
		ok "$name: is whole for one" eval '[ "$(echo $(cat "$T/said.1"))" = "a one c two three" ]'
		ok "$name: and for the other" eval '[ "$(echo $(cat "$T/said.2"))" = "b one d two three" ]'
	done
else
	skip "__DATA__ of two" "no perl here"
fi

field() { # NAME FILE
	sed -n "s/.* $1 \([^ ]*\).*/\1/p" "$2"
}
same() {
	[ -n "$(field "$1" "$T/one")" ] && [ "$(field "$1" "$T/one")" = "$(field "$1" "$T/two")" ]
}
two_of() {
	ask "$1" a >"$T/one" && ask "$1" b >"$T/two"
}
if [ -n "$python" ]; then
	image shared
	ok "a script that has asked for its pid and the time" two_of shared
	ok "finds that its pid is another now" grep -q " pid False" "$T/two"
	ok "shares the time at which it began" same time
	ok "shares what random gave before" same dice
	ok "and what it gives now, as it was seeded before" same again
	ok "but nothing of the system's random numbers" not same urandom
	ok "nor of its secrets" not same secrets
	ok "a program that the script runs" await ' spawned: launch = "preexec" instead of "forkserver": it has a pipe open'
	until_true eval 'two_of spawned && ! cmp -s "$T/one" "$T/two"'
	ok "is run for each by itself" eval 'grep -q "^a said " "$T/one" && grep -q "^b said " "$T/two" && ! cmp -s "$T/one" "$T/two"'
	ok "an interval timer" await ' timer: launch = "preexec" instead of "forkserver": it has a timer running'
	# Those that were made meanwhile are served first.
	ok "runs on" until_true answers timer x "x True"
	ok "and one that would run out while it waits: before main" await ' timer: stop-at = "main" instead of "first-io": it has a timer running'
	ok "runs on there, too" until_true answers timer x "x True"
	ok "an epoll" await ' epoll: launch = "preexec" instead of "forkserver": it has a descriptor of the kernel'
	ok "is asked by each for itself" until_true answers epoll x "epoll x"
	ok "an answer before any question" await ' greet: stop-at = "main" instead of "first-io": it answers before'
	until_true eval 'two_of greet && ! cmp -s "$T/one" "$T/two"'
	ok "is each one's own" eval 'grep -q "hello, I am" "$T/one" && ! cmp -s "$T/one" "$T/two"'
else
	skip "what Python shares" "no Python here"
fi

# Random numbers that the C library, OpenSSL and the kernel gave before the stop have been given: what counts is what comes after it.
for name in random random-io; do
	[ $name = random ] && image random main || image random-io
	ok "$name: two workers" two_of $name
	for source in arc4random getrandom urandom openssl; do
		if [ "$(field $source "$T/one")" = none ]; then
			skip "$name: $source" "not here"
		else
			ok "$name: $source differs" not same $source
		fi
	done
done
ok "preforkd stops with status 0" stop
finish
