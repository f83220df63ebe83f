/* SPDX-License-Identifier: ISC */
/*
 * What a connection that was ended leaves behind: processes that have left its session are out of reach of a signal to its group.
 * They are not ended, but told in the log. They are known by the variable PREFORK_CONNECTION, which programs inherit.
 *
 * A process of its own looks for them, at most one at a time and one a second, for all connections that were ended meanwhile:
 * reading the environment of every process takes its time, and may block.
 */
#ifndef LEFTOVER_H
#define LEFTOVER_H

#include <sys/types.h>
#include <ev.h>
#include <stdint.h>

#define LEFTOVERS 32 /* connections in one search; more are not looked for */

struct pool_worker;
struct server;

struct leftovers {
	pid_t searcher;   /* 0: none */
	int64_t searched; /* ms, when the latest began */
	struct ev_timer next;
	unsigned count;
	struct ended {
		uint64_t id;
		pid_t group;
		char service[68]; /* its name has 64 at most */
	} list[LEFTOVERS];
};

void leftovers_init(struct server *s);
void leftovers_end(struct server *s);

/* The connection of this worker was ended, and its group with it. */
void leftovers_expect(struct server *s, const struct pool_worker *w);

/* A child that is no worker was reaped. */
void leftovers_reaped(struct server *s, pid_t pid);

#endif
