/* SPDX-License-Identifier: ISC */
/*
 * A pool: one generation of workers on one listener.
 *
 * What the master knows of its workers stands in struct pool_worker, in its own memory. What they say of themselves is on the
 * board and in the record pipe, and decides nothing but how many more are made.
 */
#ifndef POOL_H
#define POOL_H

#include "board.h"
#include "handshakes.h"
#include "listener.h"
#include "log.h"
#include "plan.h"
#include "record.h"
#include "service_config.h"

#include <sys/queue.h>
#include <sys/tree.h>
#include <sys/types.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct service;

struct pool_worker {
	RB_ENTRY(pool_worker) by_pid;
	struct pool *pool;
	pid_t pid;
	uint32_t slot;
	bool usher;
	bool signalled; /* it was asked to retire */
	uint32_t generation; /* of its birth */
	int64_t born;   /* ms */
	struct {
		bool open;
		uint64_t id;
		int64_t since; /* ms */
		struct address peer;
		int32_t peer_pid;
		uint32_t peer_uid;
	} connection; /* as its record told */
};

enum pool_state {
	POOL_OPEN,
	POOL_DRAINING, /* the listener ends as soon as its queue is empty */
	POOL_CLOSED,   /* nobody accepts any more; the busy finish */
};

struct pool {
	TAILQ_ENTRY(pool) next;
	struct service *service;
	struct service_config *config;
	struct listener *listener;
	size_t index; /* which of the configuration's addresses */
	enum pool_state state;
	uint32_t generation; /* as the board says, unless a worker wrote there */

	struct board board;
	int board_fd;
	void *memory;
	int wake[2], record[2]; /* pipes: read end, write end */

	struct pool_worker **workers; /* of each slot; NULL: nobody */
	uint32_t *free_slots;
	uint32_t free_count;
	uint32_t high;      /* slots from here on were never used */
	int live;           /* without the usher */
	struct pool_worker *usher;

	struct plan_counts counts; /* of the latest look */
	unsigned need;             /* likewise; see look.c */
	struct plan_memory remembered;
	bool full;       /* as the board says, unless a worker wrote there */
	int64_t shut;    /* ms, since when it drains */
	int times_empty; /* while draining */

	struct ev_io on_wake, on_record, on_client;
	struct ev_timer look;  /* the plan wants to look again */
	struct ev_timer quiet; /* runs while wakes are not listened to */
	unsigned news;         /* counts what the master did for this pool */
	int idle_wakes;        /* wakes in a row after which it did nothing */

	struct trouble trouble; /* of accept */
	unsigned refused, told_refused;
	int64_t refused_told; /* ms */
	uint32_t dropped;     /* records, as told */
};

/* NULL with errno. The listener is held. */
struct pool *pool_new(struct service *s, struct listener *l, size_t index);
/* For a pool without workers. */
void pool_free(struct pool *p);

/* Counts the workers, not the queue. */
struct plan_counts pool_count(const struct pool *p);

/* Makes one worker; 0, or -1 with errno from fork. */
int pool_spawn(struct pool *p, bool usher);

/* Retires up to n idle workers; returns how many. */
int pool_retire(struct pool *p, int n);

/*
 * Says on the board whether the service is full. To be called before pool_want_usher: an usher that is busy just now is not
 * signalled, and reads the board when it is idle again.
 */
void pool_show_full(struct pool *p, bool full);

/* Without one wanted, the present usher retires. */
void pool_want_usher(struct pool *p, bool wanted);

/* Polls the listener, or does not; never while it drains. */
void pool_watch(struct pool *p, bool watch);

/* Reads what the workers have recorded and logs it. */
void pool_read_records(struct pool *p);

/* The pool accepts no more: idle workers retire, busy ones finish. The listener is left to its other holders. */
void pool_close(struct pool *p);

/* The listener's queue is to run empty first; then the listener ends, for all. */
void pool_drain(struct pool *p);

/* Idle workers retire and new ones take their place; for what a worker has from its birth. */
void pool_renew(struct pool *p);

/* Looks whether a draining pool has run empty; ends the listener if so. The handshakes are those of one look at all pools. */
void pool_check_drained(struct pool *p, struct handshakes *h);

/* The listener ends now, whatever waits. */
void pool_end_listener(struct pool *p);

/* A signal for the process group of every worker, whatever it is doing. */
void pool_signal(struct pool *p, int sig);

/* A worker of this pool has ended and is forgotten; its slot is free again. */
void pool_worker_gone(struct pool_worker *worker);

#endif
