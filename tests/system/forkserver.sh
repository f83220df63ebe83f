#!/bin/sh
# SPDX-License-Identifier: ISC
# The life of an image: made, killed, crashed, changed, reloaded, given up; every fall-back with its reason; and nothing left behind.
. "$srcdir/system/lib.sh"
early=$programs/early

# use SERVICES: the configuration, of standard input, with launch = forkserver for all.
use() {
	{ echo "defaults { user = \"$user\"  launch = \"forkserver\" }"; cat; } >"$T/preforkd.conf"
}
# The first word that a program answers to a line.
first_word() {
	[ "$(ask "$1" hello | cut -d' ' -f1-2 | head -n 1)" = "$2 hello" ]
}
children() {
	cat "/proc/$(master)/task/$(master)/children"
}
# The only child of a master whose service makes no worker before it is asked to.
template() {
	set -- $(children)
	[ $# -eq 1 ] && echo "$1"
}
ready_times() {
	await_count "$1" 'the image is ready'
}
all_gone() {
	for pid; do
		gone "$pid" || return 1
	done
}

# Who is whose child; a template that is killed.
use <<END
service "one" { listen = { "127.0.0.1:0" }  exec = { "$early", "nothing" }  workers { min-spare = 0 } }
END
ok "preforkd starts" start
ok "the image is made" ready_times 1
ok "a program that it serves is the master's child" eval '[ "$(ask one hello | cut -d" " -f3)" = "$(master)" ]'
ok "no worker is left of it, but the template" until_true template
killed=$(template)
ok "the template is killed" kill -9 "$killed"
ok "which is said" await 'one: the image is lost: its template was killed'
ok "meanwhile the program is served" first_word one nothing
ok "the image is made anew" ready_times 2
ok "and serves" first_word one nothing
ok "by another process" until_true eval '[ "$(template)" -ne "$killed" ]'
for n in 3 4; do
	kill -9 "$(template)"
	ok "after a connection that went well the count of losses begins again: $n" ready_times $n
	until_true template
done
kill -9 "$(template)"
ok "a template that dies again and again is given up, with the reason" \
	await 'one: launch = "exec" instead of "forkserver": its template was killed'
ok "it is served for all that" first_word one nothing
ok "preforkd stops with status 0" stop

# Many connections while templates die.
use <<END
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { min-spare = 4  max-spare = 8 }  log-connections = none }
END
ok "preforkd starts" start
ready_times 1
"$programs/client" hammer "$(port cat)" 3000 4 >"$T/hammer" 2>&1 &
hammer=$!
started=$hammer
n=1
while kill -0 $hammer 2>/dev/null && [ $n -lt 20 ]; do
	# The one that is no worker: it sleeps in no accept.
	for pid in $(children); do
		grep -q 'recv' "/proc/$pid/wchan" 2>/dev/null && kill -9 "$pid"
	done
	n=$((n + 1))
	"$programs/await" -m 50
done
wait $hammer
ok "templates are killed and not one connection is lost" test $? -eq 0
note <"$T/hammer"
started=
ok "preforkd stops with status 0" stop

# A crash ends the image.
use <<END
service "one" { listen = { "127.0.0.1:0" }  exec = { "$early", "crash" }  stop-at = first-io  limit { core = 0 } }
END
ok "preforkd starts" start
ok "the image is made" ready_times 1
ok "a program crashes" eval 'ask one crash || :'
ok "its image is given up" await 'one: a worker crashed: its image is made anew'
ok "a new one is made" ready_times 2
ok "and serves" first_word one crash
ok "preforkd stops with status 0" stop

# The program's file changes, and the configuration.
cp "$(command -v cat)" "$T/cat"
use <<END
service "cat" { listen = { "127.0.0.1:0" }  exec = { "$T/cat" }  workers { min-spare = 4 }  log-connections = none }
END
ok "preforkd starts" start
ok "the image is made" ready_times 1
"$programs/client" hammer "$(port cat)" 4000 4 >"$T/hammer" 2>&1 &
hammer=$!
started=$hammer
touch -d "2001-01-01" "$T/cat"
ok "a file with another time is noticed" await 'cat: .*/cat has changed'
ok "and gives a new image" ready_times 2
cp "$T/cat" "$T/other"
mv "$T/other" "$T/cat"
ok "so is another file in its place" await_count 2 'cat: .*/cat has changed'
ok "which gives a new image" ready_times 3
for n in 1 2 3 4 5; do
	sed -i "s/ environment = .*}  log/ log/; s/ log-conn/ environment = { \"N=$n\" }  log-conn/" "$T/preforkd.conf"
	reload
	ready_times $((3 + n)) || break
done
ok "five reloads give five images" lines 8 'the image is ready'
wait $hammer
ok "not one connection is lost by all that" test $? -eq 0
note <"$T/hammer"
started=
ok "nothing fell back" not logged 'instead of'
ok "preforkd stops with status 0" stop

# A stop and a reload while an image is being made.
use <<END
service "hangs" { listen = { "127.0.0.1:0" }  exec = { "$early", "hang" }  stop-at = first-io }
service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
END
ok "preforkd starts" start
ok "the other service serves" answers cat hello hello
left=$(children)
sed -i 's/"hang"/"hang", "more"/' "$T/preforkd.conf"
ok "a reload while an image is being made" reload
ok "preforkd stops with status 0" stop
ok "nothing is left of it" all_gone $left
ok "preforkd starts" start
ok "an image is being made" until_true eval '[ -n "$(children)" ]'
left=$(children)
ok "preforkd is asked to stop at once" stop QUIT
ok "nothing is left of it" all_gone $left

# The master is killed.
use <<END
service "main" { listen = { "127.0.0.1:0" }  exec = { "cat" }  workers { min-spare = 4 } }
service "first" { listen = { "127.0.0.1:0" }  exec = { "cat" }  stop-at = first-io  workers { min-spare = 4 } }
service "alone" { listen = { "127.0.0.1:0" }  exec = { "cat" }  launch = preexec  workers { min-spare = 4 } }
service "hangs" { listen = { "127.0.0.1:0" }  exec = { "$early", "hang" }  stop-at = first-io }
END
ok "preforkd starts" start
ready_times 2
ok "main serves" answers main a a
ok "first serves" answers first a a
ok "alone serves" answers alone a a
left=$(children)
main=$(port main)
ok "the master is killed" kill -9 "$daemon"
wait "$daemon" 2>/dev/null
daemon=
ok "templates and idle workers are gone" all_gone $left
sed -i "/main/s/127.0.0.1:0/127.0.0.1:$main/; /hangs/d" "$T/preforkd.conf"
ok "the port is free: preforkd starts on it again" start
ok "and serves" answers main a a
ok "preforkd stops with status 0" stop

# Fall-backs.
echo "one two three" >"$T/file"
mkdir "$T/dir"
chmod 777 "$T/dir"
"${CC%% *}" -static -o "$T/static" "$srcdir/programs/early.c" 2>/dev/null || rm -f "$T/static"
echo 'int unused_by_us;' >"$T/user.c"
"${CC%% *}" -shared -o "$T/user.so" "$T/user.c" 2>/dev/null
cp "$early" "$T/setid"
[ $root = no ] || chown daemon "$T/setid"
chmod 4755 "$T/setid"
mkdir -p "$T/root/bin"
ldd "$early" | sed -n 's/.*[ \t]\(\/[^ ]*\) (.*/\1/p' | while read -r file; do
	mkdir -p "$T/root${file%/*}"
	cp "$file" "$T/root$file"
done
cp "$early" "$T/root/bin/early"
chmod -R go+rX "$T/root"
{
	echo "defaults { user = \"$user\"  launch = \"forkserver\"  stop-at = \"first-io\" }"
	for what in nothing thread child epoll pipe socket timerfd eventfd interval timer memory pending greeting exit filter hang; do
		echo "service \"$what\" { listen = { \"127.0.0.1:0\" }  exec = { \"$early\", \"$what\" } }"
	done
	echo "service \"lock\" { listen = { \"127.0.0.1:0\" }  exec = { \"$early\", \"lock\", \"$T/file\" } }"
	echo "service \"twice\" { listen = { \"127.0.0.1:0\" }  exec = { \"$early\", \"twice\", \"$T/file\" } }"
	echo "service \"temporary\" { listen = { \"127.0.0.1:0\" }  exec = { \"$early\", \"temporary\", \"$T/dir\" } }"
	echo "service \"written\" { listen = { \"127.0.0.1:0\" }  exec = { \"$early\", \"greeting\" }  stop-at = first-write }"
	echo "service \"setid\" { listen = { \"127.0.0.1:0\" }  exec = { \"$T/setid\", \"nothing\" } }"
	echo "service \"own\" { listen = { \"127.0.0.1:0\" }  exec = { \"env\" }  stop-at = main  environment = { \"LD_PRELOAD=$T/user.so\" } }"
	[ ! -e "$T/static" ] || {
		echo "service \"static\" { listen = { \"127.0.0.1:0\" }  exec = { \"$T/static\", \"nothing\" } }"
		echo "service \"leads\" { listen = { \"127.0.0.1:0\" }  exec = { \"$early\", \"execute\", \"$T/static\" } }"
	}
	[ $root = no ] ||
		echo "service \"away\" { listen = { \"127.0.0.1:0\" }  chroot = \"$T/root\"  exec = { \"/bin/early\", \"nothing\" } }"
} >"$T/preforkd.conf"
ok "preforkd starts" start

# falls SERVICE LAUNCH REASON, stops SERVICE STOP-AT REASON: said once, and served with the same result.
falls() {
	ok "$1: $3" await " $1: launch = \"$2\" instead of \"forkserver\": .*$3"
	ok "$1 is served" until_true first_word "$1" "${4:-$1}"
}
stops() {
	ok "$1: $3" await " $1: stop-at = \"$2\" instead of \"first-io\": .*$3"
	ok "$1 is served" until_true eval "ask $1 hello | grep -q '^${4:-$1} hello'"
}
ok "nothing: can be shared" await ' nothing: the image is ready: stopped at first-io'
falls thread preexec "it has threads"
ok "child: is made by each worker for itself" await ' child: the image is ready: stopped at first-io'
ok "child is served" until_true first_word child child
falls epoll preexec "it has a descriptor of the kernel's own kind open"
falls pipe preexec "it has a pipe open"
falls socket preexec "it has a socket open"
falls timerfd preexec "it has a descriptor of the kernel's own kind open"
falls eventfd preexec "it has a descriptor of the kernel's own kind open"
falls interval preexec "it has a timer running"
falls timer preexec "it has a timer running"
falls lock preexec "it holds a lock on a file"
falls temporary preexec "it has a temporary file open"
falls memory preexec "it shares memory without a name"
falls pending preexec "it has a signal pending"
stops greeting main "it answers before it has asked"
ok "exit: is told apart from a crash" await ' exit: stop-at = "main" instead of "first-io": the program exits with status 7 before it asks'
stops filter main "it restricts its own system calls"
[ $root = no ] || falls setid exec "it changes its user, group or capabilities" nothing
if [ -e "$T/static" ]; then
	falls static exec "it is linked statically" nothing
	stops leads main "it executes a program that no library can be put in front of" nothing
else
	skip "static programs" "no static C library here"
fi
if [ $root = yes ]; then
	falls away exec "the preload library is out of its reach" nothing
else
	skip "a chroot" "needs root"
fi
ok "twice: can be shared" await ' twice: the image is ready: stopped at first-io'
ok "and its file has one place still" eval 'ask twice hello | grep -qx "one  two "'
ok "written: stops at its first write" await ' written: the image is ready: stopped at first-write'
ok "and greets each client" eval '[ "$(ask written hello | head -n 1)" = welcome ] && [ "$(ask written hello | head -n 1)" = welcome ]'
ok "a library of the user's own is kept, and is the only one" eval '[ "$("$programs/client" talk "$(port own)" </dev/null | grep LD_PRELOAD)" = "LD_PRELOAD='"$T"'/user.so" ]'
ok "a program that waits for something else is found out" await ' hang: stop-at = "main" instead of "first-io": the program waits for'
for what in thread epoll interval lock static away; do
	ok "$what: said once" eval "[ \$(grep -c ' $what: launch = \"' '$log') -le 1 ]"
done
ok "preforkd stops with status 0" stop QUIT

# Limits.
cat >"$T/preforkd.conf" <<END
defaults { user = "$user"  launch = "forkserver"  per-source { max = 3 } }
service "main" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
service "first" { listen = { "127.0.0.1:0" }  exec = { "cat" }  stop-at = first-io }
service "alone" { listen = { "127.0.0.1:0" }  exec = { "cat" }  launch = preexec }
END
ok "preforkd starts" start
ready_times 2
for service in main first alone; do
	ok "$service: of 8 clients at a time, 3 of a source are served, always" \
		"$programs/crowd" limit "$(port $service)" 3 8 400 127.0.1.1 127.0.1.2
	ok "$service: afterwards there are just its 3 places" until_true "$programs/crowd" places "$(port $service)" 3 127.0.1.1
done
ok "preforkd stops with status 0" stop

# What --check-forkserver says.
checked() {
	expected=$1
	shift
	"$PREFORKD" --check-forkserver "$@" >"$T/checked" 2>&1 </dev/null
	grep -q "^launch = $expected" "$T/checked" || { cat "$T/checked"; return 1; }
}
ok "cat can be shared" checked '"forkserver"  stop-at = "first-io"$' cat
ok "a greeter before main" checked '"forkserver"  stop-at = "main": it answers' "$early" greeting
ok "threads cannot" checked '"preexec"  stop-at = "first-io": it has threads' "$early" thread
[ $root = no ] || ok "a set-id program neither" checked '"exec": it changes its user' "$T/setid" nothing
finish
