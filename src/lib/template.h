/* SPDX-License-Identifier: ISC */
/*
 * The master's side of images: processes that have executed a service's program with the preload library in front, and are workers
 * (launch = preexec) or make them (launch = forkserver). What they are told and tell is brief.h.
 *
 * A template is a child of the master like any worker, has a slot of the board to say why it failed, and counts in no maximum. The
 * workers that it forks are the master's own children too. Each announces itself through the template's socket: the kernel vouches for
 * its pid, and only a child of the master is believed.
 *
 * Until a template is ready, and while there is none, workers are made as with launch = exec.
 */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "brief.h"

#include <sys/queue.h>
#include <sys/types.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct pool;
struct pool_worker;
struct template;

/* How a pool makes its workers at present. */
TAILQ_HEAD(template_list, template);

struct launching {
	enum launch launch;
	enum stop_at stop_at;
	const char *library;
	char why[NEWS_TEXT + 64]; /* why it is not what the configuration asks for; empty: it is */
	struct template *current; /* makes workers, or is about to; NULL: none */
	struct template *fresh;   /* takes over as soon as it is ready */
	int failures;             /* of templates, in a row */
	struct ev_timer pause;    /* runs while none is tried */
};

/* A pool begins with what its configuration says. */
void launching_init(struct pool *p, const char *library);

/* Has the pool what it needs to make workers in its own way, or given that up? A predecessor on the same listener stays until then. */
bool launching_is_settled(const struct pool *p);

/* Before workers are made: sees to it that there is a template, and that it is of the program as it is now. */
void launching_look(struct pool *p);

/*
 * Makes the process of a worker in the pool's way. Its pid; 0 if it was ordered from the template and will announce itself; -1 with
 * errno.
 */
pid_t launching_make(struct pool *p, struct pool_worker *worker);

/* Makes a new image for what a template has from its birth; the old one serves until that is ready. */
void launching_renew(struct pool *p);

/* Sends what was ordered. */
void launching_flush(struct pool *p);

/* A worker of the pool died by a signal that a memory error raises: its image is used no longer. */
void launching_crashed(struct pool_worker *worker);

/* A worker has served its connection: the images that were lost before are forgotten. */
void launching_went_well(const struct pool_worker *worker);

/* Is what is left of a dead worker's process group there only because its program ran without a connection? */
bool launching_owns_group(const struct pool_worker *worker);

/* A worker is forgotten: it needs the one no longer that made it. */
void launching_left(struct pool_worker *worker);

/* Frees what is over. */
void launching_sweep(struct pool *p);

/* Is it known why a worker died before it accepted? Then it is no failure of the service. */
bool launching_explains(const struct pool_worker *worker);

/* The template of a pool has ended; to be called before its process is forgotten. */
void template_ended(struct pool_worker *process, int status);

/* Somebody has died whom nobody knows: reads all news, so that whoever announced itself is known. */
void launching_hear(struct pool *p);
/* And if that does not help, whoever was ordered and does not come is lost. */
void launching_doubt(struct pool *p);

/* The pool makes no more workers. */
void launching_end(struct pool *p);

/* Frees what is left, when no process of the pool is left. */
void launching_free(struct pool *p);

#endif
