# shellcheck shell=sh disable=SC2154 # shares its variables with run
# SPDX-License-Identifier: ISC
#
# Loading the contenders in turn, and the cases a and b that consist of that.

# load CONTENDER OPTION...
load() {
	port=$(cat "$dir/$1.port")
	shift
	"$dir/load" "$@" "$port"
}

answers() {
	load "$@" -n 20 -t 5 2>/dev/null | grep -q ' errors=0 '
}

# keep_who_answers OPTION...: of $contenders.
keep_who_answers() {
	good=
	for contender in $contenders; do
		if retry 30 answers "$contender" "$@"; then
			good="$good $contender"
		else
			failed "$contender does not answer and is left out: $(tail -n 1 "$dir/$contender.err")"
		fi
	done
	contenders=$good
}

# used_by CONTENDER: microseconds of processor time, its children's included, those who live and those who were waited for.
used_by() {
	pid=$(cat "$dir/$1.pid")
	for one in "$pid" $(ps -o pid= --ppid "$pid"); do
		echo "/proc/$one/schedstat"
	done | xargs cat 2>/dev/null | cat - "/proc/$pid/stat" |
		awk -v tick="$(getconf CLK_TCK)" '
			NF == 3 { all += $1 / 1000 }
			NF > 3 { sub(/\(.*\)/, "()"); all += ($16 + $17) * 1000000 / tick }
			END { printf "%d", all }'
}

# Of all processors: all ticks, those in which they did something, those that the host took away.
processor_time() {
	awk '$1 == "cpu" { for (i = 2; i <= 9; i++) all += $i; print all, all - $5 - $6 - $9, $9 }' /proc/stat
}

used_since() {
	echo "$1 $(processor_time)" | awk '{ printf "all=%d busy=%d stolen=%d", $4 - $1, $5 - $2, $6 - $3 }'
}

# measure CASE CONTENDER ROUND OPTION...: one line of results. After the load, what is under way may end and spares come back.
measure() {
	label="$1 $2 $3"
	who=$2
	shift 3
	used=$(used_by "$who")
	clock=$(processor_time)
	if line=$(load "$who" -t "$seconds" "$@"); then
		sleep 0.2
		echo "$label $line used=$(($(used_by "$who") - used)) $(used_since "$clock")" >>"$dir/results"
	else
		failed "$label: nothing was served: $line"
	fi
	[ ! -f "$dir/$who.log" ] || : >"$dir/$who.log"
}

# rotated N WORD...: the words, moved on N times.
rotated() {
	turns=$1
	shift
	while [ "$turns" -gt 0 ]; do
		moved=$1
		shift
		set -- "$@" "$moved"
		turns=$((turns - 1))
	done
	echo "$@"
}

# in_rounds COUNT COMMAND...: the command with the number of the round behind it.
in_rounds() {
	rounds_left=$1
	shift
	while [ "$rounds_left" -gt 0 ]; do
		"$@" "$rounds_left"
		rounds_left=$((rounds_left - 1))
	done
}

# load_all CASE CLIENTS ROUND. Those of the cases a and e say a line and wait for its echo.
load_all() {
	options="-c $2"
	case $1 in
	a | e) options="$options -s hello -e" ;;
	g* | h*) options="$options -s hello" ;;
	esac
	# shellcheck disable=SC2086 # both are words
	for contender in $(rotated "$3" $contenders); do
		measure "$1" "$contender" "$3" $options
	done
}

# print_rates CASE CONTENDERS AWK-OPTION...: in the order of the contenders, not of the first round.
print_rates() {
	want=$1
	listed=$2
	shift 2
	for contender in $listed; do
		grep -q "^$want $contender " "$dir/results" || failed "$want: nothing was measured of $contender"
	done
	for contender in $listed; do
		grep "^$want $contender " "$dir/results"
	done | awk -v want="$want" "$@" -f "$here/median.awk" -f "$here/rates.awk"
}

titles='preforkd=preforkd, nothing logged;preforkd_log=preforkd, default log;bare=bare loop;inetd=openbsd-inetd'

case_a() {
	services=$(echo_service 'start = 32 min-spare = 16 max-spare = 32 max = 32')
	start_preforkd preforkd none "$services"
	start_preforkd preforkd_log both "$services"
	await_service preforkd echo
	await_service preforkd_log echo
	start_bare bare echo 32
	contenders='preforkd preforkd_log bare'
	keep_who_answers -s hello -e
	in_rounds "$rounds" load_all a 16
	printf '\na. Built-in echo of a line, 16 clients, 32 workers (medians of %s rounds of %s s)\n\n' "$rounds" "$seconds"
	print_rates a "$contenders" -v base=bare -v base_name=bare -v titles="$titles"
	printf '\nbare: as many processes, each: accept, read, write, close. Aim: 0.95 of it.\n'
	stop_all
}

case_e() {
	size='start = 32 min-spare = 16 max-spare = 32 max = 32'
	"$dir/lists" "$dir/million" >"$dir/lists.out" || failed "a list of a million prefixes cannot be made"
	start_preforkd off none "$(echo_service "$size")"
	start_preforkd on none "$(echo_service "$size" "$(every_question '')")"
	start_preforkd million none "$(echo_service "$size" "$(every_question ", \"file:$dir/million\"")")"
	contenders='off on million'
	for one in $contenders; do
		await_service "$one" echo
	done
	keep_who_answers -s hello -e
	in_rounds "$rounds" load_all e 16
	printf '\ne. Admission: built-in echo of a line, 16 clients, 32 workers (medians of %s rounds of %s s)\n\n' "$rounds" "$seconds"
	print_rates e "$contenders" -v base=off -v base_name=off \
		-v titles='off=nothing is asked;on=everything is asked;million=with a million prefixes'
	printf '\neverything: lists, hours, load, connections and rate of each source, rate of the service, a time limit. Aim: 0.95.\n\n'
	cat "$dir/lists.out"
	stop_all
}

start_all_exec() {
	program=$dir/hello
	arguments=
	services=$(hello_service)
	start_preforkd preforkd none "$services"
	start_preforkd preforkd_log both "$services"
	await_service preforkd hello
	await_service preforkd_log hello
	start_bare bare exec "$dir/hello"
	for peer in $peers; do
		"start_$peer"
	done
}

case_b() {
	start_all_exec
	contenders="preforkd preforkd_log $peers bare"
	keep_who_answers
	for clients in 1 16; do
		in_rounds "$rounds" load_all "b$clients" "$clients"
		printf '\nb. Execution of a small C program, clients: %s (medians of %s rounds of %s s)\n\n' "$clients" "$rounds" "$seconds"
		print_rates "b$clients" "$contenders" -v base=bare -v base_name=bare -v peers="$peers" -v titles="$titles"
	done
	printf '\nbare: one process: accept, vfork, exec. Aim: 1.00 of the best peer.\n'
	stop_all
}

# run_image CASE TITLE STOP-AT [SAYS]: $program behind the fork server, behind exec, and behind the peers.
run_image() {
	PREFORK_LIBRARY=$dir/preload.so
	export PREFORK_LIBRARY
	start_preforkd image none "$(image_service program "launch = forkserver stop-at = $3")"
	start_preforkd exec none "$(image_service program "")"
	await_service image program
	await_service exec program
	for peer in $peers; do
		"start_$peer"
	done
	contenders="image exec $peers"
	retry 100 grep -q 'the image is ready' "$dir/image.log" || failed "$1: there is no image: $(tail -n 1 "$dir/image.log")"
	if [ "$1" = f ]; then
		start_bare forks fork 16
		contenders="$contenders forks"
	fi
	# shellcheck disable=SC2086 # the last word may be none
	keep_who_answers ${4:+-s "$4"}
	for clients in 1 16; do
		in_rounds "$rounds" load_all "$1$clients" "$clients"
		printf '\n%s. %s, clients: %s (medians of %s rounds of %s s)\n\n' "$1" "$2" "$clients" "$rounds" "$seconds"
		print_rates "$1$clients" "$contenders" -v base=exec -v base_name=exec -v peers="$peers" \
			-v titles="image=preforkd, forkserver;exec=preforkd, exec;forks=bare fork loop;inetd=openbsd-inetd"
	done
	stop_all
}

case_f() {
	program=$dir/hello
	arguments=
	run_image f "A small C program, linked dynamically" main
	printf '\nforks: one process keeps 16 others, each: accept, write, exit. Aim: 3.0 of the best peer, 0.9 of forks.\n'
}

case_g() {
	program=$(command -v perl) || return 0
	cp "$here/answer.pl" "$dir"
	arguments=$dir/answer.pl
	run_image g "A Perl script with POSIX and Socket" first-io hello
	printf '\nAim: 14 times the best peer, the first byte 50 times sooner.\n'
}

case_h() {
	program=$(PATH=/usr/bin:/bin command -v python3) || return 0
	cp "$here/answer.py" "$dir"
	arguments=$dir/answer.py
	run_image h "A Python script with json and urllib" first-io hello
	printf '\nAim: 4 times the best peer, the first byte 50 times sooner.\n'
}

# What neither the contenders nor the load generator used, while there was load.
describe_noise() {
	awk -v tick="$(getconf CLK_TCK)" '
		/ busy=/ {
			for (i = 4; i <= NF; i++) {
				split($i, pair, "=")
				sum[pair[1]] += pair[2]
			}
		}
		END {
			others = sum["busy"] - (sum["used"] / 1000000 + sum["cpu"]) * tick
			if (sum["all"] > 0)
				printf "\nNoise: of the processors, other jobs used %.0f %% during the rounds, and the host took away %.1f %%.\n", \
					100 * others / sum["all"], 100 * sum["stolen"] / sum["all"]
		}' "$dir/results"
}
