#!/bin/sh
# SPDX-License-Identifier: ISC
# The system says no, at each call in turn. The daemon survives and goes on by itself, or says why not.
. "$srcdir/system/lib.sh"

have strace || skip_all "strace is not installed"
strace -qq -o /dev/null true 2>/dev/null || skip_all "strace may not trace here"
case "${SANITIZERS:-}" in
*address*) export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" ;; # its leak check needs the tracer's place
esac

# with FAULT...: preforkd under strace with injected faults, "accept4:error=EMFILE:when=1..3"
with() {
	faults=
	calls=
	for one; do
		faults="$faults -e inject=$one"
		calls="$calls,${one%%:*}"
	done
	launch strace -f -qq -o /dev/null -e "trace=${calls#,}" $faults
	ready
}
# The tracer dies with the master.
end() {
	kill -TERM "$(master)"
	wait "$daemon"
	status=$?
	daemon=
	return $status
}
ticks() {
	cat "/proc/$1/stat" 2>/dev/null | awk '{ print $14 + $15 }'
}
all_ticks() {
	sum=0
	for pid in $(master) $(workers); do sum=$((sum + $(ticks "$pid" || echo 0) + 0)); done
	echo $sum
}

config <<END
service "cat"  { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "echo" { listen = { "127.0.0.1:0" }  builtin = "echo" }
END

for error in ECONNABORTED EPROTO EINTR EPERM ENETDOWN; do
	ok "accept: $error: starts" with "accept4:error=$error:when=1..5"
	ok "accept: $error: the next connection is served" answers echo x x
	ok "accept: $error: nothing is said, for it is nobody's fault" not logged 'cannot accept|died|failing'
	ok "accept: $error: stops with status 0" end
done
for error in EMFILE ENFILE ENOMEM ENOBUFS; do
	ok "accept: $error: starts" with "accept4:error=$error:when=1..3"
	ok "accept: $error: it is said, with the address" await "echo: cannot accept on 127.0.0.1:[0-9]+: "
	ok "accept: $error: the connection waits and is served" answers echo x x
	ok "accept: $error: that it works again is said" await 'echo: accepts again on 127.0.0.1'
	ok "accept: $error: it was said once" lines 1 'echo: cannot accept'
	ok "accept: $error: stops with status 0" end
done
ok "accept: EMFILE for good: starts" with accept4:error=EMFILE
await 'echo: cannot accept'
await 'cat: cannot accept'
"$programs/client" talk "$(port echo)" </dev/null >/dev/null 2>&1 &
started="$started $!"
before=$(all_ticks)
"$programs/await" -m 3000
after=$(all_ticks)
ok "accept: EMFILE for good: three seconds cost next to nothing ($((after - before)) hundredths)" test $((after - before)) -le 15
ok "accept: EMFILE for good: it was said once for each service" lines 2 'cannot accept'
ok "accept: EMFILE for good: SIGQUIT ends it" eval 'kill -QUIT $(master); wait $daemon; daemon='
ok "accept: EBADF: starts" with accept4:error=EBADF
ok "accept: EBADF: what can never work is a failure of the service" await 'echo: worker [0-9]+ cannot accept: Bad file descriptor'
ok "accept: EBADF: which backs off" await 'echo: failing'
ok "accept: EBADF: ends" eval 'kill -QUIT $(master); wait $daemon; daemon='

# What a retired worker hears when nobody retired it.
for error in EINVAL ENOTSOCK; do
	ok "accept: $error: starts" with "accept4:error=$error"
	ok "accept: $error: it is said" await 'echo: worker [0-9]+ left without being asked to: accept on 127.0.0.1:[0-9]+ fails'
	ok "accept: $error: the service fails and backs off" await 'echo: failing'
	ok "accept: $error: ends" eval 'kill -QUIT $(master); wait $daemon; daemon='
done

# The C library's fork is clone(2).
for error in EAGAIN ENOMEM; do
	ok "fork: $error: starts" with "clone:error=$error:when=1..3" "fork:error=$error:when=1..3" "clone3:error=$error:when=1..3"
	ok "fork: $error: it is said" await 'cannot make a worker: '
	ok "fork: $error: it works again by itself" await 'workers can be made again'
	ok "fork: $error: it was said once" lines 1 'cannot make a worker: '
	ok "fork: $error: and serves" answers cat x x
	ok "fork: $error: stops with status 0" end
done

mkdir "$T/bin"
cp "$(command -v cat)" "$T/bin/prog"
chmod 755 "$T/bin" "$T/bin/prog"
config <<END
service "prog" { listen = { "127.0.0.1:0" }  exec = { "$T/bin/prog" }  restart-delay = "20ms..100ms" }
service "echo" { listen = { "127.0.0.1:0" }  builtin = "echo" }
END
for error in EACCES ENOMEM E2BIG ETXTBSY; do
	launch strace -f -qq -o /dev/null -P "$T/bin/prog" -e trace=execve -e "inject=execve:error=$error"
	ok "execve: $error: starts" await 'runs with'
	ask prog x >/dev/null 2>&1
	ok "execve: $error: it is said, with the path" await "prog: worker [0-9]+ cannot execute $T/bin/prog: "
	ok "execve: $error: the service is failing" await 'prog: failing'
	ok "execve: $error: its connection did not end with status 0" not logged 'prog: end .*status=0'
	ok "execve: $error: its neighbour serves" answers echo x x
	ok "execve: $error: stops" eval 'kill -QUIT $(master); wait $daemon; daemon='
done

config <<END
service "prog" { listen = { "127.0.0.1:0" }  exec = { "$T/bin/prog" }  restart-delay = "20ms..100ms"  no-new-privileges = yes  limit { core = 0 } }
END
steps() {
	while read -r fault words; do
		with "$fault:error=EPERM"
		ok "$fault: EPERM: the step is named" await "prog: worker [0-9]+ cannot $words.*: Operation not permitted"
		ok "$fault: EPERM: the service is failing" await 'prog: failing'
		ok "$fault: EPERM: SIGQUIT ends it with status 0" eval 'kill -QUIT $(master); wait $daemon; status=$?; daemon=; [ $status -eq 0 ]'
	done
}
# going_on COMMAND...: until it is true; a worker that was stopped while it was being born goes on meanwhile.
going_on() {
	until_true eval 'kill -CONT $(workers starting); '"$*"
}
ok "a worker that is being born: starts" with setsid:signal=SIGSTOP
ok "a worker that is being born: its title says so" until_true eval '[ -n "$(workers "^preforkd: prog: starting *\$")" ]'
ok "a worker that is being born: goes on" going_on '[ -n "$(workers "prog: idle")" ]'
ok "a worker that is being born: SIGQUIT ends it" eval 'kill -QUIT $(master); wait $daemon; daemon='
steps <<END
setsid start a session
chdir change to the directory /
prctl renounce new privileges
END
if [ $root = yes ]; then
	steps <<-END
		setgroups set the supplementary groups of $user
		setresgid change to the group of $user
		setresuid change to the user $user
	END
else
	skip "setgroups, setresgid, setresuid: EPERM" "needs root"
fi

config <<END
service "lent" { listen = { "127.0.0.1:0", "127.0.0.1:0" }  exec = { "cat" }  workers { max = 2  min-spare = 1  max-spare = 1 } }
END
talk_to_second() {
	"$programs/client" talk "$(port lent 2)"
}
ok "a worker that is lent once it is born: starts" with setsid:signal=SIGSTOP
ok "a worker that is lent once it is born: both listeners have one" going_on '[ "$(workers "lent: idle" | wc -l)" -eq 2 ]'
ok "a worker that is lent once it is born: the first serves" answers lent x x
ok "a worker that is lent once it is born: its next is being born" until_true eval '[ -n "$(workers starting)" ]'
mkfifo "$T/hold"
talk_to_second <"$T/hold" >/dev/null &
holder=$!
exec 9>"$T/hold"
ok "a worker that is lent once it is born: the second has a client" await_count 2 'lent: start'
echo y | talk_to_second >"$T/lent" 9>&- &
ok "a worker that is lent once it is born: another client of the second is served, too" going_on 'grep -qx y "$T/lent"'
exec 9>&-
wait $holder
ok "a worker that is lent once it is born: SIGQUIT ends all" eval 'kill -QUIT $(master); wait $daemon; daemon='

config <<END
service "one" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
launch strace -f -qq -o "$T/listens" -e trace=listen
ok "a reload that will be refused: starts" ready
cat >>"$T/preforkd.conf" <<END
service "two" { listen = { "127.0.0.1:0", "$T/path", "192.0.2.1:7" }  exec = { "cat" } }
END
ok "a reload that will be refused: ends" reload
ok "a reload that will be refused: is refused" logged 'reload: refused'
ok "a reload that will be refused: leaves no path" not test -e "$T/path"
ok "a reload that will be refused: stops with status 0" end
ok "a reload that is refused has listened to nobody" eval '[ "$(grep -c listen "$T/listens")" -eq 1 ]'

config <<END
service "prog" { listen = { "127.0.0.1:0" }  exec = { "$T/bin/prog" }  restart-delay = "20ms..100ms"  no-new-privileges = yes  limit { core = 0 } }
END
ok "socket: EMFILE: nothing can be opened" eval 'with socket:error=EMFILE; wait $daemon; status=$?; daemon=; [ $status -eq 111 ]'
ok "socket: EMFILE: it is said" logged 'cannot make a socket for 127.0.0.1:0: Too many open files'
ok "bind: EACCES: nothing can be opened" eval 'with bind:error=EACCES; wait $daemon; status=$?; daemon=; [ $status -eq 111 ]'
ok "bind: EACCES: it is said" logged 'cannot bind 127.0.0.1:0: Permission denied$'
sed -i 's/127.0.0.1:0/127.0.0.1:80/' "$T/preforkd.conf"
ok "bind: EACCES: a low port" eval 'with bind:error=EACCES; wait $daemon; status=$?; daemon=; [ $status -eq 111 ]'
ok "bind: EACCES: what it needs is said" logged 'cannot bind 127.0.0.1:80: Permission denied; a port below 1024 needs root'
sed -i 's/127.0.0.1:80/127.0.0.1:0/' "$T/preforkd.conf"
ok "listen: EADDRINUSE: nothing can be opened" eval 'with listen:error=EADDRINUSE; wait $daemon; status=$?; daemon=; [ $status -eq 111 ]'
ok "listen: EADDRINUSE: it is said" logged 'cannot listen on 127.0.0.1:0: Address already in use'
ok "memfd_create: ENFILE: no pool can be made" eval 'with memfd_create:error=ENFILE; wait $daemon; status=$?; daemon=; [ $status -eq 111 ]'
ok "memfd_create: ENFILE: it is said" logged 'cannot make a pool for 127.0.0.1:[0-9]+: Too many open files in system'
config <<END
service "one" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "two" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "bind: EACCES once: the other service starts" with bind:error=EACCES:when=1
ok "bind: EACCES once: and serves" answers two x x
ok "bind: EACCES once: stops with status 0" end

# Which socket of a start is the first listener's.
launch strace -f -qq -o "$T/calls" -e trace=socket
ready
end
n=$(grep -n 'socket(AF_INET, SOCK_STREAM' "$T/calls" | sed -n '1s/:.*//p')
ok "socket: EMFILE once: the other service starts" with "socket:error=EMFILE:when=$n"
ok "socket: EMFILE once: it is said" logged 'error: .*preforkd.conf:2: service one: cannot make a socket for 127.0.0.1:0: Too many open files'
ok "socket: EMFILE once: the other serves" answers two x x
ok "socket: EMFILE once: the address is opened later" await 'one: listening on'
ok "socket: EMFILE once: and serves" answers one x x
ok "socket: EMFILE once: stops with status 0" end

# Few descriptors from the start; an address needs six of them.
for i in 3 4 5 6; do
	echo "service \"few$i\" { listen = { \"127.0.0.1:0\" }  exec = { \"cat\" } }" >>"$T/preforkd.conf"
done
ok "with 28 descriptors it starts" start sh -c 'ulimit -n 28; exec "$@"' sh
ok "with 28 descriptors: what finds none is told" logged 'error: .*service few6: cannot make a (pool|socket) for 127.0.0.1:[0-9]+: Too many open files'
ok "with 28 descriptors: and waits" logged 'few6: waits for the address 127.0.0.1:0: Too many open files'
ok "with 28 descriptors: the others serve" answers one x x
ok "with 28 descriptors: stops with status 0" stop
sed -i '/few/d' "$T/preforkd.conf"

# No descriptors in the master: a reload that needs more is refused, and possible when there are more.
if have prlimit; then
	ok "starts" start
	cp "$T/preforkd.conf" "$T/few.conf"
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "service \"more$i\" { listen = { \"127.0.0.1:0\" }  exec = { \"cat\" } }" >>"$T/preforkd.conf"
	done
	limit=$(prlimit -n -o SOFT --noheadings -p "$(master)")
	prlimit -n$(($(find /proc/$(master)/fd | wc -l) + 8)): -p "$(master)"
	ok "without descriptors a reload ends" reload
	ok "refused, with the reason" logged 'Too many open files'
	ok "and what ran still runs" answers one x x
	prlimit -n"$limit": -p "$(master)"
	ok "with descriptors it is done" reload
	ok "and all serve" answers more9 x x
	ok "stops with status 0" stop
else
	skip "without descriptors a reload is refused" "no prlimit here"
fi
finish
