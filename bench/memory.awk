# SPDX-License-Identifier: ISC
#
# The table of memory: by how much each field of /proc/meminfo changed, shared among those who were there.

function each(who, key) {
	return median(who, key) / median(who, "there")
}

END {
	printf "%-26s %7s %9s %10s %11s %6s %6s\n", "", "total", "AnonPages", "PageTables", "KernelStack", "Slab", "rest"
	for (c = 1; c <= count; c++) {
		who = contender[c]
		total = -each(who, "MemAvailable")
		named = each(who, "AnonPages") + each(who, "PageTables") + each(who, "KernelStack") + each(who, "Slab")
		printf "%-26s %7.1f %9.1f %10.1f %11.1f %6.1f %6.1f\n", title_of(who), total, each(who, "AnonPages"), \
			each(who, "PageTables"), each(who, "KernelStack"), each(who, "Slab"), total - named
	}
}
