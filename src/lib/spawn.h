/* SPDX-License-Identifier: ISC */
/* Making one worker. How many there should be is plan.h. */
#ifndef SPAWN_H
#define SPAWN_H

#include "pool.h"

/*
 * fork(2) while all signals are blocked. In the child they still are, and the master's handlers, which write to the master's own
 * pipes, are forgotten.
 */
pid_t spawn_fork(void);

/* Forks a worker for a slot of the pool. Returns its pid, or -1 with errno from fork(2). */
pid_t spawn_worker(const struct pool *p, uint32_t slot, bool usher);

#endif
