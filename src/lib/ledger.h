/* SPDX-License-Identifier: ISC */
/*
 * The master's side of a service's sources (sources.h): the shared memory that they lie in, and what a dead worker's slot still holds.
 *
 * Each pool of a service holds the same ledger, over all generations, so that limits go on counting through a reload. Only a much
 * larger maximum makes a new one, in which counting begins afresh.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "sources.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger {
	unsigned holders;
	int fd; /* memfd, close-on-exec: a worker maps it from here */
	void *memory;
	struct sources sources;
};

/* For so many workers. NULL with errno. */
struct ledger *ledger_new(uint32_t workers);

struct ledger *ledger_hold(struct ledger *l);
void ledger_release(struct ledger *l);

/* Has it places enough for so many workers, two for each? More are better, but not worth it to forget what was counted. */
bool ledger_suits(const struct ledger *l, uint32_t workers);

/* Maps the memory of an inherited ledger into a worker. 0, or -1 with errno. */
int ledger_map(const struct ledger *l, struct sources *out);

#endif
