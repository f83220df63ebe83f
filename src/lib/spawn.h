/* SPDX-License-Identifier: ISC */
/* Making one worker. How many there should be is plan.h. */
#ifndef SPAWN_H
#define SPAWN_H

#include "pool.h"

/* Forks a worker for a slot of the pool. Returns its pid, or -1 with errno from fork(2). */
pid_t spawn_worker(const struct pool *p, uint32_t slot, bool usher);

/*
 * fork(2) with all signals blocked. In the child they stay so, and the master's handlers are gone. The pid, 0 in the child, or -1 with
 * errno.
 */
pid_t spawn_fork(void);

/* What a worker of that slot is told, but for what lies in shared memory. */
struct worker spawn_describe(const struct pool *p, uint32_t slot, bool usher);

/* In the child: maps what its pool shares. */
void spawn_map(struct worker *w, const struct pool *p);

/* In the child, before it executes a program that is no worker yet: nothing is blocked. */
void spawn_clear_signals(void);

#endif
