/* SPDX-License-Identifier: ISC */
/* What is wrong with a configuration: all of it, each with its place. */
#ifndef COMPLAINTS_H
#define COMPLAINTS_H

#include <stddef.h>

struct complaint {
	char *file; /* NULL: no place */
	int line;   /* 0: the file as a whole */
	char *text;
};

struct complaints {
	struct complaint *list;
	size_t count;
};

__attribute__((format(printf, 4, 5))) void complain(struct complaints *c, const char *file, int line, const char *format, ...);

void complaints_free(struct complaints *c);

#endif
