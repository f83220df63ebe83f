/* SPDX-License-Identifier: ISC */
/*
 * The master's side of it all.
 *
 *     server ── service ── pool ── worker
 *                           └──── listener
 *
 * A server has services. A service (service.h) has a configuration and one pool for each address that it listens on. A pool
 * (pool.h) is one generation of workers on one listener: their processes, their board, their two pipes. When a service's configuration
 * changes it gets new pools on the same listeners; the old ones are closed: their idle workers retire, their busy ones
 * finish.
 *
 * News comes from three places, and each ends in service_look, which counts, asks the plan and does what it says:
 *   the wake pipe   a worker took a connection and few idle ones are left
 *   SIGCHLD         a worker ended (reap.c)
 *   the listener    somebody waits and nobody is in accept
 * The master itself never accepts and never touches a connection. It blocks on nothing.
 *
 * All of it runs in one thread, on one event loop that is not libev's default one (that one reaps every child itself).
 */
#ifndef SERVER_H
#define SERVER_H

#include "birth.h"
#include "keep.h"
#include "leftover.h"
#include "log.h"
#include "service.h"

#include <sys/queue.h>
#include <sys/tree.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

RB_HEAD(pool_worker_tree, pool_worker);
RB_PROTOTYPE(pool_worker_tree, pool_worker, by_pid, pid_order)
TAILQ_HEAD(service_list, service);

struct server {
	struct ev_loop *loop;
	struct service_list services; /* those that end, too */
	struct pool_worker_tree workers;
	struct resolver_list resolvers; /* those that are not collected yet, too */
	struct keep keep;
	struct leftovers leftovers;
	struct inherited before;
	int devnull;
	const char *library; /* the preload library's path; NULL: launch = exec everywhere */

	struct ev_timer drain; /* runs while a pool drains */
	struct ev_prepare sweep;
	struct load load;
	bool to_sweep; /* a pool or a service may be gone */

	struct trouble fork_trouble;
	struct ev_timer fork_pause; /* runs while fork is not tried */
	double fork_delay;          /* seconds */

	enum server_phase {
		SERVER_RUNS,
		SERVER_STOPS,  /* drains and waits */
		SERVER_TERMS,  /* busy workers were asked to end */
		SERVER_KILLS,
	} phase;
	struct ev_timer deadline;

	/* Called when something that a status line shows has changed; may be NULL. */
	void (*changed)(void *data);
	void *data;
};

/*
 * Prepares an empty server on a loop. Raises the soft limit of open files to the hard one, which its workers get back as it was.
 * Returns 0, or -1 with errno.
 */
int server_init(struct server *s, struct ev_loop *loop);

/* Frees everything; of its processes only resolvers are killed. */
void server_free(struct server *s);

/* Adds a service without pools. NULL with errno ENOMEM. */
struct service *server_add(struct server *s, struct service_config *c);

/* The service of that name that is not ending, or NULL. */
struct service *server_find(const struct server *s, const char *name);

/* The master's own list of its workers, by pid. */
void server_enter_worker(struct server *s, struct pool_worker *worker);
void server_remove_worker(struct server *s, struct pool_worker *worker);
struct pool_worker *server_find_worker(struct server *s, pid_t pid);

/* Collects every child that has ended. To be called on SIGCHLD. */
void server_reap(struct server *s);

/*
 * Stops gracefully: what waits in the queues is served before the listeners end, busy workers are waited for. After `timeout`
 * ms they get TERM, and KILL_DELAY later KILL. The loop is broken (EVBREAK_ALL) when the last worker is gone. Called
 * again it goes on to the next of these steps at once.
 */
void server_stop(struct server *s, int timeout);

#define KILL_DELAY 5000 /* ms */

/* Looks at draining pools from now on, until there are none. */
void server_watch_drain(struct server *s);

/* Fork failed: none is tried for a while, longer each time. */
void server_fork_failed(struct server *s, int error);
void server_fork_worked(struct server *s);

/* Tells whoever wants to know. */
void server_changed(struct server *s);

/* ms of the monotonic clock, as the loop knows it. */
int64_t server_now(void);

#endif
