/* SPDX-License-Identifier: ISC */
/*
 * Resolvers: a few processes for each service with lookup-hostname, which ask the system for the names of its clients, so that
 * neither a worker nor the master ever waits for a name server.
 *
 * The master makes them, with the identity of the service's workers, and ends them. It holds both ends of their door, for those
 * who come later, but it reads and writes neither. Workers and resolvers speak as lookup.h says. All pools of one
 * configuration share the same resolvers, and with the last of these pools they end.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "service_config.h"

#include <sys/queue.h>
#include <sys/types.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct server;
struct service;

#define RESOLVERS 4 /* of a service: so many slow answers do not delay the next one */

#define RESOLVER_PAUSE_FIRST 0.1 /* s, before another takes the place of one that died */
#define RESOLVER_PAUSE_LAST 30.0
#define RESOLVER_WELL (60 * 1000) /* ms: one that lived for so long says nothing bad of its successor */

/* One process. */
struct resolver {
	LIST_ENTRY(resolver) next;
	struct resolvers *team; /* NULL: it was ended, and is not collected yet */
	pid_t pid;
	int64_t born; /* ms */
};

LIST_HEAD(resolver_list, resolver);

/* Those of one configuration of a service. */
struct resolvers {
	struct server *server;
	struct service_config *config;
	unsigned holders;
	int door[2]; /* resolvers read the first, workers write the second */
	int live;
	double pause;
	struct ev_timer make; /* runs while some are to be made */
};

/*
 * Holds the resolvers of a service's present configuration. NULL: it wants none, or there are none to be had, which is logged; then
 * its clients are served without names.
 */
struct resolvers *resolvers_hold(struct service *s);
void resolvers_release(struct resolvers *r);

/* The next pool of the service gets new ones: it has another configuration, or ends. */
void resolvers_forget(struct service *s);

/* What a worker writes to; -1 for NULL. */
int resolvers_door(const struct resolvers *r);

/* A child of the master that was no worker has ended: outcome says how, for the log. */
void resolver_gone(struct server *s, pid_t pid, const char *outcome);

/* What a resolver does with the next request at its door. False when there will be none. */
bool resolver_answer(int door);

#endif
