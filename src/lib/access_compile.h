/* SPDX-License-Identifier: ISC */
/* From the rules as they were mentioned to what workers look up in. */
#ifndef ACCESS_COMPILE_H
#define ACCESS_COMPILE_H

#include "access_layout.h"

#include <stdbool.h>
#include <stddef.h>

struct access_entry {
	struct access_key value;
	uint32_t order; /* of mention */
	uint32_t line;
	uint16_t file;
	uint8_t kind; /* enum access_kind */
	uint8_t bits;
	bool allow;
};

struct access_entries {
	struct access_entry *list;
	size_t count; /* at most ACCESS_RULES_MAX */
	bool has_allow;
	char *names; /* of the files, each with its NUL */
	size_t names_size;
	uint32_t files;
};

/*
 * Brings the entries into order, drops those that never decide because another has the same prefix, and writes all of it into sealed
 * memory. Returns its descriptor (close-on-exec) with *size set, or -1 with errno.
 */
int access_compile(struct access_entries *e, size_t *size);

#endif
