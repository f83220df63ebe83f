/* SPDX-License-Identifier: ISC */
/*
 * How full a pool's listener is: all that can be seen of it, in one place.
 *
 * The kernel knows the queue; the workers know for how long each connection of TCP had lain in it. A path or abstract listener
 * has a queue but no such times.
 */
#ifndef BACKLOG_H
#define BACKLOG_H

#include "pool.h"
#include "queue.h"

#include <stddef.h>
#include <stdint.h>

struct backlog {
	struct queue queue;
	uint64_t accepted;     /* connections, by this generation */
	uint64_t waited_total; /* ms, all of them together */
	uint32_t waited_most;  /* ms, one of them, since the generation began or the service last became full */
};

struct backlog pool_backlog(const struct pool *p);

/* The longest wait is counted from now on. */
void pool_reset_waited(const struct pool *p);

/* "*:80: 12 of 4096 wait, 3 attempts dropped, longest wait 0.120 s", at most size bytes. Returns out. */
char *backlog_describe(const struct pool *p, char *out, size_t size);

#define BACKLOG_TEXT (ADDRESS_TEXT + 128)

#endif
