/* SPDX-License-Identifier: ISC */
/*
 * Limits in time: time-limit, first-byte-limit and kill-after.
 *
 * Since when a worker is busy stands on the board. The master looks at it when the earliest limit of a pool is over, by one timer for
 * each pool, which runs only while somebody may be busy: a worker that becomes so wakes the master, unless it watches already. Whoever
 * becomes busy while it watches is due later than what it waits for.
 *
 * A connection is ended by SIGTERM for its process group, and kill-after later by SIGKILL. First its slot is changed from busy to
 * retiring, as an idle worker's is when that is to leave: a worker that lives on cannot have gone on to another client then.
 *
 * The board may lie. A liar can evade its own limit or shorten it, and make the master look for nothing, but not often.
 */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct pool;
struct pool_worker;
struct service_config;

enum deadline_reason {
	DEADLINE_NO_REASON,
	DEADLINE_TIME,
	DEADLINE_FIRST_BYTE,
	DEADLINE_REASONS,
};

/* What the master knows of one worker. */
struct deadline {
	bool claimed;   /* it will not accept again: the change of its slot was won */
	bool over;      /* there is nothing more to send */
	enum deadline_reason reason; /* why its connection is being ended */
	uint64_t heard; /* its client has said something, or nobody knows: which connection that was, by its time on the board */
	int64_t ask_at; /* not before that: its record was not there yet */
	int64_t kill_at;
};

/* What a look at the board shows of it. */
struct deadline_view {
	bool busy;
	uint64_t since;
	int64_t born;
};

enum deadline_act {
	DEADLINE_WAIT,
	DEADLINE_ASK, /* has its client said anything? */
	DEADLINE_END,
	DEADLINE_KILL,
};

#define DEADLINE_NEVER INT64_MAX

struct deadline_due {
	enum deadline_act act;
	int64_t next; /* ms, when to look again; now, if there is something to do */
};

/* What is due for a worker at `now`. */
struct deadline_due deadline_due(const struct service_config *c, const struct deadline *d, const struct deadline_view *v, int64_t now);

/* ms between two looks at a pool with so many slots, at least: a small part of the shortest limit. */
int64_t deadline_gap(const struct service_config *c, uint32_t slots);

/* Has it any limit in time? */
bool deadline_is_set(const struct service_config *c);

/* "time-limit" */
const char *deadline_reason_name(enum deadline_reason reason);

/* For a new pool. */
void deadline_init(struct pool *p);

/* A worker may be busy: the pool is looked at from now on, until nobody is. */
void deadline_watch(struct pool *p);

/* Is the group of this worker, which has ended, still to have time to end by itself? */
bool deadline_waits(const struct pool_worker *w);

#endif
