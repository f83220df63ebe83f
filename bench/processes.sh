# shellcheck shell=sh disable=SC2154 # shares its variables with run
# SPDX-License-Identifier: ISC
#
# Processes have names here. What one prints is in NAME.out and NAME.err, its number in NAME.pid.

running=

# retry TIMES COMMAND...: ten times a second, until it succeeds.
retry() {
	left=$1
	shift
	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.1
	done
}

# Also gone is what is no child of ours: its number may belong to somebody else by now.
is_gone() {
	ps -o ppid= -o stat= -p "$1" | awk -v us="$$" '$1 == us && $2 !~ /^Z/ { there = 1 } END { exit there }'
}

# start NAME COMMAND...: an interrupt may come at any moment, so the name is entered before there is a process.
start() {
	name=$1
	shift
	rm -f "$dir/$name.pid"
	: >"$dir/$name.out" # now: what the one before of this name said must not be taken for its word
	: >"$dir/$name.err"
	running="$running $name"
	"$@" >>"$dir/$name.out" 2>>"$dir/$name.err" &
	echo $! >"$dir/$name.pid"
}

# To preforkd, TERM means to let busy workers finish, and QUIT not to.
ask_to_end() {
	case $1 in
	preforkd*) kill -QUIT "$2" ;;
	*) kill -TERM "$2" ;;
	esac
}

stop() {
	pid=$(cat "$dir/$1.pid" 2>/dev/null || echo "${!:-0}")
	is_gone "$pid" || ask_to_end "$1" "$pid"
	if ! retry 300 is_gone "$pid"; then
		complain "$1 (pid $pid) did not end and is killed"
		kill -KILL "$pid"
	fi
	wait "$pid" 2>/dev/null
	running=$(echo "$running" | sed "s/ $1\$//; s/ $1 / /")
}

stop_all() {
	for each in $running; do
		stop "$each"
	done
}

cleanup() {
	trap '' INT TERM HUP
	stop_all
	rm -rf "$dir"
}
