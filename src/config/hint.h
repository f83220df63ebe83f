/* SPDX-License-Identifier: ISC */
#ifndef HINT_H
#define HINT_H

#include <stddef.h>

/* The candidate that a mistyped word most probably means, or NULL if none is near. candidates ends with NULL. */
const char *hint_nearest(const char *word, const char *const *candidates);

#endif
