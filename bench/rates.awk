# SPDX-License-Identifier: ISC
#
# The table of rates and times. `base` is the contender that all are compared with, under the name `base_name`; `peers` are
# those of whom the best is. A ratio is taken round by round and its median is shown: what slows the machine for a while slows
# both sides. CPU is what the contender and its programs used for a connection, in user and kernel mode: other jobs change it
# least. With `continued` there is no heading.

function sum(who, key,    i, total) {
	for (i = 1; i <= rounds[who]; i++)
		total += value[who, key, i]
	return total
}

# How far apart the rounds are, in percent of the median. Where it is large, only the ratios say something.
function spread(who,    i, low, high) {
	low = high = value[who, "rate", 1]
	for (i = 2; i <= rounds[who]; i++) {
		low = value[who, "rate", i] < low ? value[who, "rate", i] : low
		high = value[who, "rate", i] > high ? value[who, "rate", i] : high
	}
	return median(who, "rate") > 0 ? 100 * (high - low) / median(who, "rate") : 0
}

function ratio(who, other,    i, n, list) {
	for (i = 1; other in place && i <= rounds[who]; i++)
		if (value[other, "rate", i] > 0)
			list[++n] = value[who, "rate", i] / value[other, "rate", i]
	return n > 0 ? sprintf("%.2f", middle(list, n)) : "-"
}

function best(names,    i, n, list, found) {
	n = split(names, list, " ")
	for (i = 1; i <= n; i++)
		if (list[i] in place && (found == "" || median(list[i], "rate") > median(found, "rate")))
			found = list[i]
	return found
}

function cpu(who,    i, list) {
	for (i = 1; i <= rounds[who]; i++)
		list[i] = value[who, "used", i] / value[who, "connections", i]
	return middle(list, rounds[who])
}

function row(who) {
	printf "%-25s %7.0f %5.0f %% %7.0f %8.0f %7.0f %8.0f %7.0f %6d %9s", title_of(who), median(who, "rate"), spread(who), \
		cpu(who), median(who, "first_p50"), median(who, "first_p99"), median(who, "end_p50"), median(who, "end_p99"), \
		sum(who, "errors"), ratio(who, base)
	if (peers != "")
		printf " %9s", ratio(who, leader)
	printf "\n"
}

function heading(    end) {
	end = peers != "" ? "   to best" : ""
	printf "%-25s %7s %7s %7s %16s %16s %6s %9s%s\n", "", "", "", "CPU,", "first byte, us", "end, us", "", "to", end
	end = peers != "" ? "      peer" : ""
	printf "%-25s %7s %7s %7s %8s %7s %8s %7s %6s %9s%s\n", "", "conn/s", "spread", "us", "p50", "p99", "p50", "p99", "errors", \
		base_name, end
}

END {
	leader = best(peers)
	if (!continued)
		heading()
	for (c = 1; c <= count; c++)
		row(contender[c])
}
