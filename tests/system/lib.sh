# SPDX-License-Identifier: ISC
# Sentences for system tests. A test is a file that sources this one, starts preforkd with a configuration of its own in a
# directory of its own, and says what should hold:
#
#     config <<-END
#         service "cat" { listen = { "127.0.0.1:0" }  exec = { "cat" } }
#     END
#     start
#     ok "a line comes back" answers cat "hello" "hello"
#     finish
#
# Output is TAP. Nothing sleeps and hopes: await waits for a line of a log, gone for the end of a process, each with a limit
# that matters only when the test fails.

set -u
LC_ALL=C
export LC_ALL
unset NOTIFY_SOCKET JOURNAL_STREAM

programs=$builddir/programs
T=$(mktemp -d "${TMPDIR:-/tmp}/preforkd-test.XXXXXX") || exit 99
chmod 755 "$T"
log=$T/log
# Every user may read it there.
cp "$LIBRARY" "$T/preload.so" && PREFORK_LIBRARY=$T/preload.so && export PREFORK_LIBRARY || exit 99
count=0
failed=0
daemon=
started=

LIMIT=60
[ "$(id -u)" -eq 0 ] && root=yes || root=no
if [ $root = yes ]; then user=nobody; else user=$(id -un); fi

# Ends whatever the test has started and removes its directory.
clean_up() {
	for pid in $started $daemon; do
		kill -9 "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	if [ -n "${KEEP:-}" ]; then echo "# kept: $T"; else rm -rf "$T"; fi
}
trap clean_up EXIT
trap 'exit 99' HUP INT TERM

note() {
	while IFS= read -r line; do printf '# %s\n' "$line"; done
}

# ok DESCRIPTION COMMAND [ARG]...
ok() {
	count=$((count + 1))
	description=$1
	shift
	if "$@" >"$T/output" 2>&1; then
		echo "ok $count - $description"
		return 0
	fi
	echo "not ok $count - $description"
	failed=$((failed + 1))
	echo "command: $*" | note
	tail -n 15 "$T/output" | note
	[ -f "$log" ] && { echo "the end of the log:"; tail -n 15 "$log"; } | note
	case $1 in
	start | with | launch_quietly)
		echo "Bail out! preforkd does not start"
		exit 1
		;;
	esac
	return 1
}

# skip DESCRIPTION REASON
skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

finish() {
	echo "1..$count"
	[ $failed -eq 0 ]
	exit
}

# skip_all REASON
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

need_root() {
	[ $root = yes ] || skip_all "needs root"
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# config: standard input becomes the configuration, behind a default user.
config() {
	{ echo "defaults { user = \"$user\" }"; cat; } >"$T/preforkd.conf"
}

# await PATTERN [FILE]: until a line matches the extended regular expression.
await() {
	"$programs/await" "${2:-$log}" "$1" $LIMIT
}

# await_count N PATTERN [FILE]: until so many lines match.
await_count() {
	"$programs/await" -n "$1" "${3:-$log}" "$2" $LIMIT
}

# launch [COMMAND...]: starts preforkd, perhaps under another command, without waiting for it.
launch() {
	: >"$log"
	"$@" "$PREFORKD" -f "$T/preforkd.conf" 2>"$log" </dev/null &
	daemon=$!
}

# ready: until it is, or has ended.
ready() {
	"$programs/await" -w "$daemon" "$log" 'runs with [0-9]+ service' $LIMIT
}

# start [COMMAND...]: starts preforkd and waits until it is ready.
start() {
	launch "$@"
	ready
}

# The master's pid, also where another command stands before it.
master() {
	sed -n 's/.* preforkd\[\([0-9]*\)\]: .*/\1/p' "$log" | head -n 1
}

# gone PID: waits until a process that need not be our child has ended.
gone() {
	"$programs/await" -p "$1" $LIMIT
}

# stop [SIGNAL]: ends preforkd, its exit status becomes ours.
stop() {
	kill -"${1:-TERM}" "$(master)"
	wait "$daemon"
	status=$?
	daemon=
	return $status
}

reload() {
	before=$(grep -c 'reload: \(done\|refused\)' "$log")
	kill -HUP "$(master)"
	await_count $((before + 1)) 'reload: (done|refused)'
}

# port SERVICE [N]: the port of its n-th listener.
port() {
	sed -n "s/.*: $1: listening on .*:\([0-9]*\), backlog.*/\1/p" "$log" | sed -n "${2:-1}p"
}

# ask SERVICE TEXT: what the service answers to a line, up to its end.
ask() {
	printf '%s\n' "$2" | "$programs/client" talk "$(port "$1")"
}

# answers SERVICE TEXT EXPECTED
answers() {
	answer=$(ask "$1" "$2") && [ "$answer" = "$3" ] || { echo "expected: $3"; echo "answer: $answer"; return 1; }
}

# says SERVICE EXPECTED: the same, of a program that reads nothing. (What it leaves unread would reset the connection.)
says() {
	answer=$("$programs/client" talk "$(port "$1")" </dev/null) && [ "$answer" = "$2" ] ||
		{ echo "expected: $2"; echo "answer: $answer"; return 1; }
}

# logged PATTERN: is there such a line by now?
logged() {
	grep -Eq "$1" "$log" || { echo "no line like: $1"; return 1; }
}

not() {
	! "$@"
}

# lines N PATTERN: are there exactly so many such lines?
lines() {
	n=$(grep -Ec "$2" "$log")
	[ "$n" -eq "$1" ] || { echo "$n lines like: $2"; return 1; }
}

# workers [PATTERN]: pids of the master's children whose title matches.
workers() {
	for pid in $(cat /proc/"$(master)"/task/*/children 2>/dev/null); do
		cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' ' ' | grep -Eq "${1:-.}" && echo "$pid"
	done
}

# spare SERVICE: until a worker of it is idle.
spare() {
	until_true eval '[ -n "$(workers "'"$1"': idle")" ]'
}

# until COMMAND...: tries again until it is true or the limit is over. For what tells nobody when it changes.
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt $((LIMIT * 50)) ] || { "$@"; return 1; }
		"$programs/await" -m 20
	done
}

# eight COMMAND...: eight at once, each with its number behind; true if all were.
eight() {
	pids=
	for i in 1 2 3 4 5 6 7 8; do
		"$@" $i &
		pids="$pids $!"
	done
	result=0
	for pid in $pids; do
		wait "$pid" || result=1
	done
	return $result
}

# own PATH...: gives files to the user that services run as.
own() {
	[ $root = no ] || chown -R "$user" "$@"
}
