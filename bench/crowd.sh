# shellcheck shell=sh disable=SC2154 # shares its variables with run
# SPDX-License-Identifier: ISC
#
# Ten thousand at once: the cases c and d.

count_tasks() {
	sed 's/.*\/\([0-9]*\) .*/\1/' /proc/loadavg
}

has_tasks() {
	[ "$(count_tasks)" -ge "$1" ]
}

has_no_more_tasks() {
	[ "$(count_tasks)" -le "$1" ]
}

# meminfo FIELD [FILE]: KiB
meminfo() {
	awk -v field="$1:" '$1 == field { print $2 }' "${2:-/proc/meminfo}"
}

# limit_of NAME COLUMN: 1 is the soft limit, 2 the hard one.
limit_of() {
	sed -n "s/^$1 *//p" /proc/self/limits | awk -v column="$2" '{ print $column }'
}

# at_most LIMIT WHY: lowers $fit and keeps the reason. What is no number is no limit.
at_most() {
	case $1 in
	'' | *[!0-9]*) return ;;
	esac
	[ "$1" -lt "$fit" ] || return
	fit=$1
	why=$2
}

cgroup_files() {
	find /sys/fs/cgroup -maxdepth 1 -name pids.max
	sed -n 's,^0::\(.*\),/sys/fs/cgroup\1/pids.max,p; s,^[0-9]*:pids:\(.*\),/sys/fs/cgroup/pids\1/pids.max,p' /proc/self/cgroup
}

# How many processes and connections this machine has room for beside what is there, up to $count: $fit.
find_fit() {
	fit=$count
	why=
	others=$(($(count_tasks) + 500))
	at_most $(($(cat /proc/sys/kernel/pid_max) - others)) kernel.pid_max
	at_most $(($(cat /proc/sys/kernel/threads-max) - others)) kernel.threads-max
	for file in $(cgroup_files); do
		[ ! -r "$file" ] || at_most "$(cat "$file")" "$file"
	done
	at_most "$(limit_of 'Max processes' 1)" 'ulimit -u'
	at_most $(($(limit_of 'Max open files' 2) - 100)) 'ulimit -Hn'
	at_most $((($(meminfo MemAvailable) - 500000) / 200)) 'the memory that is available'
	[ -z "$why" ] || complain "$fit instead of $count workers and connections: $why does not allow more"
}

# Until a second passes in which the memory that is available changes by less than half a megabyte.
is_settled() {
	before=$(meminfo MemAvailable)
	sleep 1
	change=$(($(meminfo MemAvailable) - before))
	[ "${change#-}" -lt 512 ]
}

snapshot() {
	retry 15 is_settled || complain 'the memory that is available does not settle: other jobs are at work'
	cat /proc/meminfo >"$dir/$1"
}

start_idle() {
	case $1 in
	preforkd) start_preforkd preforkd both "$(echo_service "min-spare = $fit max-spare = $fit max = $fit")" ;;
	bare) start_bare bare echo "$fit" ;;
	esac
}

changes() {
	for field in MemAvailable AnonPages PageTables KernelStack Slab; do
		printf ' %s=%s' "$field" $(($(meminfo "$field" "$dir/after") - $(meminfo "$field" "$dir/before")))
	done
}

# weigh CONTENDER ROUND. The workers are counted last: who looks them up in /proc makes the kernel remember their names.
weigh() {
	tasks=$(count_tasks)
	snapshot before
	start_idle "$1"
	retry 1200 has_tasks $((tasks + fit - 20))
	snapshot after
	there=$(ps -o pid= --ppid "$(cat "$dir/$1.pid")" | wc -l)
	[ "$there" -eq "$fit" ] || failed "$1: $there of $fit workers are there"
	echo "c $1 $2$(changes) there=$there" >>"$dir/results"
	stop "$1"
	retry 300 has_no_more_tasks $((tasks + 20))
}

weigh_both() {
	for contender in $(rotated "$1" preforkd bare); do
		weigh "$contender" "$1"
	done
}

case_c() {
	find_fit
	in_rounds "$few" weigh_both
	printf '\nc. %s idle workers: KiB for each (medians of %s rounds)\n\n' "$fit" "$few"
	sort -k 2,2r "$dir/results" |
		awk -v want=c -v titles="preforkd=preforkd;$titles" -f "$here/median.awk" -f "$here/memory.awk"
	printf '\ntotal: what MemAvailable lost. bare: as many processes in accept. Aim: 150 KiB.\n'
}

start_holding_preforkd() {
	start_preforkd preforkd none "$(echo_service "max = $((fit + 50))") $(hello_service)"
	await_service preforkd echo
	mv "$dir/preforkd.port" "$dir/echo.port"
	await_service preforkd hello
}

# What 10,000 processes do to the machine, whoever made them.
start_holding_bare() {
	start_bare echo echo $((fit + 50))
	start_bare bare exec "$dir/hello"
}

holder_has_spoken() {
	has_text "$dir/holder.out" || has_text "$dir/holder.err"
}

# hold CONTENDER ROUND: opens the connections, notes how long that took, and keeps them.
hold() {
	start holder "$dir/load" -H "$fit" -c 64 -a 4 -t 120 -s hello "$(cat "$dir/echo.port")"
	retry 1300 holder_has_spoken
	sed -n "s/^held/open $1 $2 held/p" "$dir/holder.out" >>"$dir/results"
	has_text "$dir/holder.out"
}

check_held() {
	if ! has_text "$dir/holder.out" || grep -q lost "$dir/holder.out"; then
		failed "$1: not all connections were held: $(cat "$dir/holder.err" "$dir/holder.out")"
	fi
}

# hold_with CONTENDER ROUND: a new one each time, as that of the round before still has its ten thousand workers.
hold_with() {
	tasks=$(count_tasks)
	"start_holding_$1"
	retry 30 answers "$1" || failed "$1 does not answer: $(tail -n 1 "$dir/$1.err")"
	measure d "$1" "$2" -c 16
	for kind in port pid; do
		cp "$dir/$1.$kind" "$dir/$1_held.$kind"
	done
	if hold "$1" "$2"; then
		measure d "$1_held" "$2" -c 16
	fi
	check_held "$1"
	stop_all
	retry 300 has_no_more_tasks $((tasks + 20))
}

hold_with_both() {
	for contender in $(rotated "$1" preforkd bare); do
		hold_with "$contender" "$1"
	done
}

case_d() {
	find_fit
	in_rounds "$few" hold_with_both
	printf '\nd. Execution of a small C program, 16 clients, while an echo service of the same daemon holds connections\n'
	printf '   (medians of %s rounds of %s s)\n\n' "$few" "$seconds"
	held_titles="preforkd=preforkd, none held;preforkd_held=preforkd, $fit held"
	held_titles="$held_titles;bare=bare loops, none held;bare_held=bare loops, $fit held"
	print_rates d 'preforkd preforkd_held' -v base=preforkd -v base_name='none held' -v titles="$held_titles"
	print_rates d 'bare bare_held' -v base=bare -v continued=1 -v titles="$held_titles"
	awk -v want=open -f "$here/median.awk" -f - "$dir/results" <<-'AWK'
		END {
			printf "\nUntil all were served: preforkd %.1f s, bare %.1f s, ", median("preforkd", "seconds"), median("bare", "seconds")
		}
	AWK
	printf 'whose processes were there before.\n'
	printf 'bare: an echo loop that holds, an exec loop that is loaded. Aim: 0.90 of the rate with none held.\n'
}
