/* SPDX-License-Identifier: ISC */
/*
 * The plan: how many workers should a pool have? Deciding only, and only from what is handed in: limits, counts, the time, and
 * a memory that the caller keeps. Doing it is spawn.c and pool.c.
 *
 * Growing. A pool that has fewer spare workers than min_spare grows by what is missing and by what waits in the listener's queue; while
 * the shortage lasts it grows by twice as many each time, up to max_spare more than needed. The limit is the service's
 * maximum, which the caller hands in as `room`.
 *
 * Shrinking. Idle workers are woken in strict rotation, so each of them is busy now and then and the age of one says nothing. What
 * counts is the lowest number of idle workers seen during idle_timeout: those were not needed. What of it exceeds max_spare
 * retires; all of it where min_spare is 0, which means workers on demand only.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define PLAN_QUEUE_UNKNOWN (-1)
#define PLAN_BATCH 32 /* at most so many are made in one go, so that others get their turn */

struct plan_limits {
	int min_spare;
	int max_spare;
	int start;        /* spares of a pool that never had any */
	int64_t idle_timeout; /* ms */
	bool usher;       /* the service is full and answers */
	bool draining;    /* the listener is about to end: only what waits is served */
};

struct plan_counts {
	int starting, idle; /* both are spare */
	int busy;
	int retiring; /* their places are free in a moment */
	int ushers;
	int queue; /* connections in the listener's queue, or PLAN_QUEUE_UNKNOWN */
	int room;  /* workers that the service may still make for this pool */
};

struct plan_memory {
	bool started;
	int step;           /* how many the next shortage is worth */
	int lowest;         /* idle workers, since low_since */
	int64_t low_since;  /* ms; 0: not watched */
};

struct plan {
	int fork;
	int retire;   /* idle workers */
	bool usher;   /* should there be one? */
	bool watch;   /* nobody is in accept and nobody is coming: poll the listener */
	int64_t look; /* look again in so many ms; -1: only when something happens */
};

/* The decision for one pool at the time `now` (ms, monotonic). Updates *memory. */
struct plan plan_pool(const struct plan_limits *limits, const struct plan_counts *counts, struct plan_memory *memory,
                      int64_t now);

#endif
