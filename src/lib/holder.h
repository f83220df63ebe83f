/* SPDX-License-Identifier: ISC */
/* Who holds an address that cannot be bound? */
#ifndef HOLDER_H
#define HOLDER_H

#include "address.h"

#include <sys/types.h>

struct holder {
	pid_t pid;
	char command[32];
};

/*
 * Finds a process that listens on an address which conflicts with a. Returns 1 with *h filled; 0 if a socket is there but its owner may
 * not be seen, or if there is no way to know; -1 if no such socket exists (any more).
 */
int holder_find(const struct address *a, bool dual, struct holder *h);

#endif
