/* SPDX-License-Identifier: ISC */
#include "hint.h"

#include <stdint.h>
#include <string.h>

#define LONGEST 63

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Insertions, deletions and replacements from a to b (Levenshtein), with one row of the table. A word that is too long for it is near
 * to none.
 */
static size_t distance(const char *a, const char *b)
{
	size_t row[LONGEST + 1], m = strlen(a), n = strlen(b);

	if (m > LONGEST || n > LONGEST)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; i <= m; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t replaced = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[n];
}

const char *hint_nearest(const char *word, const char *const *candidates)
{
	size_t best = strlen(word) / 3 + 2; /* one mistake in a short word, more in a long one */
	const char *nearest = NULL;

	for (; *candidates; candidates++) {
		size_t d = distance(word, *candidates);

		if (d < best) {
			best = d;
			nearest = *candidates;
		}
	}
	return nearest;
}
