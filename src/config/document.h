/* SPDX-License-Identifier: ISC */
/*
 * From text to settings: files, their sections, and what stands in them with file and line, before any meaning. The syntax is
 * libconfuse's.
 */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "complaints.h"
#include "keys.h"

#include <stdbool.h>
#include <stddef.h>

struct setting {
	const struct key *key;
	const char *file;
	int line;      /* of its first value */
	char **values; /* ends with NULL */
	int *lines;    /* of each value */
	size_t count;
};

struct section {
	char *name;  /* "" for the top of a file, "service", "defaults", "log" */
	char *title; /* of a service, else NULL */
	const char *file;
	int line;
	struct setting *settings;
	size_t count;
};

struct document {
	struct section *sections;
	size_t count;
	char **files; /* every file that was read */
	size_t file_count;
};

/*
 * Reads a file and all that it includes. What is wrong goes to complaints, and reading goes on with the next file. The caller
 * frees the document in any case.
 */
void document_read(struct document *d, const char *path, struct complaints *complaints);

void document_free(struct document *d);

const struct setting *section_find(const struct section *s, const struct key *key);

#endif
