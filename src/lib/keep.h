/* SPDX-License-Identifier: ISC */
/*
 * Leaders that have ended after they were asked to, and are kept unreaped for the sake of their groups: a process group may be
 * signalled only as long as its number cannot be anybody else's.
 *
 * One is kept until nobody else is in its group, which is seen by going through the processes of the machine, a part at a time,
 * for all that are kept together; or until SIGKILL was sent to the group.
 *
 * While one is kept, waiting for any child would show it again and again, so the other workers are asked for one by one.
 */
#ifndef KEEP_H
#define KEEP_H

#include <sys/queue.h>
#include <dirent.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct pool_worker;
struct server;

enum keeping {
	KEEPING_NOT,
	KEEPING_WAITS,
	KEEPING_SOUGHT, /* nobody else of its group was found so far */
	KEEPING_ALONE,
};

TAILQ_HEAD(kept_list, pool_worker);

struct keep {
	struct kept_list list;
	struct ev_timer tick;   /* runs while somebody is kept; calls server_reap */
	DIR *pass;              /* through the processes, NULL: none is under way */
	int64_t begun;          /* us, when the latest pass began */
	int64_t looked;         /* us, when its latest part did */
	int64_t asked;          /* us, when the workers were last asked for one by one */
	int64_t rest_until;     /* and when they may be again */
	int64_t all;            /* us, when the idle ones were asked for, too */
};

void keep_init(struct server *s);
void keep_end(struct server *s);

void keep_worker(struct server *s, struct pool_worker *w);
void keep_no_more(struct server *s, struct pool_worker *w);

/* Was nobody else found in its group? */
bool keep_is_alone(const struct pool_worker *w);

/* Goes on looking for members of the groups. */
void keep_look(struct server *s);

/* May the workers be asked for one by one? With many of them this takes a part of the time, not all of it. */
bool keep_may_collect(struct server *s);

/* Is it time to ask for the idle ones, too? They seldom end by themselves. */
bool keep_asks_all(struct server *s);

void keep_collected(struct server *s);

#endif
