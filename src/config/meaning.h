/* SPDX-License-Identifier: ISC */
/* From a service as written to a service that can be run: names become numbers, programs paths, and what cannot be is complained of. */
#ifndef MEANING_H
#define MEANING_H

#include "configuration.h"
#include "document.h"

/* Where a service's settings come from. */
struct origin {
	const struct section *own;
	const struct section *defaults; /* may be NULL */
};

/* The setting of a key in the service or in the defaults, or NULL. */
const struct setting *origin_find(const struct origin *o, const struct key *key);

/* Is the directory there in which a file of that absolute path is to be made? 0, or -1 with a sentence in why (VALUE_WHY bytes). */
int meaning_find_parent(const char *path, char *why);

/* Fills the second half of c from the first. */
void meaning_resolve(struct service_config *c, const struct origin *o, const struct surroundings *around,
                     struct complaints *complaints);

#endif
