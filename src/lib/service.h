/* SPDX-License-Identifier: ISC */
/* A service while it runs: its state, its pools, and the one maximum that they share. */
#ifndef SERVICE_H
#define SERVICE_H

#include "gate.h"
#include "listener.h"
#include "log.h"
#include "pool.h"
#include "service_config.h"

#include <sys/queue.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

enum service_state {
	SERVICE_UP,
	SERVICE_FULL,    /* at its maximum, and nobody in accept */
	SERVICE_FAILING, /* workers die before accept, or the program cannot be executed */
	SERVICE_WAITING, /* no listener is open yet */
	SERVICE_DISABLED,
	SERVICE_DRAINING, /* removed, or the server stops */
	SERVICE_STATES,
};

/* An address that could not be bound yet, under bind = "retry". */
struct service_address {
	STAILQ_ENTRY(service_address) next;
	size_t index; /* of the configuration's listen */
	int error;
};

TAILQ_HEAD(pool_list, pool);
STAILQ_HEAD(address_list, service_address);

struct service {
	TAILQ_ENTRY(service) next;
	struct server *server;
	struct service_config *config;
	struct pool_list pools; /* of all generations */
	struct address_list missing;
	enum service_state state;
	bool ending;        /* no configuration has it any more; freed with its last pool */
	int workers;        /* of all pools, without ushers */
	bool due;           /* service_look is to be called */
	unsigned generation;
	struct ledger *ledger; /* of the present generation; NULL: nothing is counted */
	uint64_t ended[DEADLINE_REASONS]; /* connections that were ended by a limit in time */
	uint64_t refused[REFUSALS]; /* by pools that are gone; see service_refused */
	struct gate gate;
	struct resolvers *resolvers; /* those of the present configuration, NULL: none */

	int64_t full_since; /* ms */
	int failures;      /* in a row */
	int64_t failed_at; /* ms, the last of them */
	struct ev_timer restart; /* runs while no worker is made */
	struct ev_timer settle;  /* runs until a service that failed or was full is believed to be well */
	struct ev_timer retry;   /* runs while addresses are missing */
	double retry_delay;
};

const char *service_state_name(enum service_state state);

/* Counts, plans and acts for all pools of a service. */
void service_look(struct service *s);

/*
 * Opens a pool of the service's present configuration on a listener, which it holds from then on. -1 with errno: nothing has
 * changed.
 */
int service_open_pool(struct service *s, struct listener *l, size_t index);

/* Remembers an address that is not there yet, and tries it again from time to time. -1 with errno ENOMEM. */
int service_await_address(struct service *s, size_t index, int error);
void service_forget_addresses(struct service *s);

/* Its listeners end as soon as their queues are empty, its idle workers retire, its busy ones finish; then it is freed. */
void service_drain(struct service *s);

/* Old generations end whose successors are ready; or all of them, ready or not. */
void service_relieve(struct service *s, bool all);

/* A worker could not do its work: no new ones for a while, longer each time. */
void service_failed(struct service *s, const struct pool_worker *worker);

/* Somebody ended the listener of an open pool: the same, until it listens again. */
void service_lost_listener(struct service *s, const struct pool *p);

/* A worker could. */
void service_went_well(struct service *s, const struct pool_worker *worker);

/* Its past failures count no longer: it has a new configuration. */
void service_start_afresh(struct service *s);

/* Does it limit its sources or its rate, so that it needs a ledger? */
bool service_counts(const struct service_config *c);

/* How many connections it has refused for a reason, by all its generations. */
uint64_t service_refused(const struct service *s, enum refusal reason);

/* A pool is about to be freed: what it has counted stays with its service. */
void service_keep_counts(struct service *s, struct pool *p);

/* May workers be made at present? */
bool service_may_spawn(struct service *s);

/* Works the state out anew and logs a change. */
void service_update_state(struct service *s, bool full);

struct service *service_new(struct server *server, struct service_config *c);

/* Frees a service that has no pools. */
void service_free(struct service *s);

#endif
