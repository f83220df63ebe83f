/* SPDX-License-Identifier: ISC */
/*
 * The keys of the configuration, in one table: it is the grammar for the parser, and it reads, prints, compares and frees
 * what they set.
 */
#ifndef KEYS_H
#define KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct setting;
struct key;

struct type {
	bool list;
	/* Reads a setting into its field. 0, or -1 with a sentence in why (VALUE_WHY bytes) and the index of the bad value. */
	int (*read)(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad);
	/* Writes the value as it could stand behind the equals sign; false and nothing for a field that is not set. */
	bool (*print)(const struct key *k, const void *field, FILE *out);
	/* Frees what read has allocated; NULL: nothing. */
	void (*release)(void *field);
};

struct key {
	const char *name;    /* "workers.max": the key `max` of the sub-section `workers` */
	const struct type *type;
	size_t offset;       /* of the field */
	long min, max;
	const char *const *choices; /* ends with NULL; the value is the index */
};

/* Of struct service_config, and of a `defaults` section. Ends with a name of NULL. */
extern const struct key service_keys[];

/* Of struct configuration: what stands outside of services. */
extern const struct key global_keys[];

/* The key of that name, or NULL. */
const struct key *key_find(const struct key *keys, const char *name);

/* Puts text between double quotes, so that the parser reads the same. */
void key_print_text(const char *text, FILE *out);

#endif
