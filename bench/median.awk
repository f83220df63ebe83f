# SPDX-License-Identifier: ISC
#
# What the tables have in common. Reads lines of "CASE CONTENDER ROUND key=value ..."; `want` is the case, `titles` is
# "contender=title;..." for those whose name does not speak for itself.

$1 == want {
	if (!($2 in place)) {
		place[$2] = ++count
		contender[count] = $2
	}
	rounds[$2]++
	for (i = 4; i <= NF; i++) {
		split($i, pair, "=")
		value[$2, pair[1], rounds[$2]] = pair[2] + 0
	}
}

# The middle of the first n of list, which is sorted for it: mawk has no function that does.
function middle(list, n,    i, j, held) {
	for (i = 2; i <= n; i++) {
		held = list[i]
		for (j = i - 1; j > 0 && list[j] > held; j--)
			list[j + 1] = list[j]
		list[j + 1] = held
	}
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function median(who, key,    i, list) {
	for (i = 1; i <= rounds[who]; i++)
		list[i] = value[who, key, i]
	return middle(list, rounds[who])
}

function title_of(who,    i, n, list) {
	n = split(titles, list, ";")
	for (i = 1; i <= n; i++)
		if (index(list[i], who "=") == 1)
			return substr(list[i], length(who) + 2)
	return who
}
