/* SPDX-License-Identifier: ISC */
/* One rule of an access list: whom it fits, from text and back. */
#ifndef ACCESS_RULE_H
#define ACCESS_RULE_H

#include "access_layout.h"

#include <stddef.h>

/* Room for the longest text of a rule, and a NUL. */
#define ACCESS_RULE_TEXT 64

struct access_rule {
	struct access_key value; /* bits behind the prefix are 0 */
	enum access_kind kind;
	unsigned bits;
};

/* Reads a rule as access_add describes it. 0, or -1 with a sentence for the user in why. */
int access_rule_read(const char *text, struct access_rule *rule, char *why, size_t whysize);

/* Writes it so that it reads the same; a whole address without its length. out has ACCESS_RULE_TEXT bytes. */
void access_rule_print(const struct access_rule *rule, char *out);

/* The last value that a prefix of so many bits has. */
struct access_key access_rule_last(struct access_key first, unsigned bits);

#endif
