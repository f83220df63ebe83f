/* SPDX-License-Identifier: ISC */
/*
 * A worker's path: before accept, accept, admit, hand over.
 *
 *     worker_enter      signals, the master's death, idle
 *     worker_accept     blocks in accept on the shared listener; a connection, or the end
 *     worker_admit      is it served or refused?
 *     worker_hand_over  the process stops being a worker: a program gets the connection on 0 and 1
 *     worker_finish     or it stays one, and is idle again
 *
 * It runs in a process that preforkd forked, and it must run as well in one that preforkd never was: inside the image of a
 * program. So it asks nothing of the C library (kernel.h), allocates nothing, takes no lock, and knows the rest of preforkd only
 * as the descriptors and the shared memory named in struct worker, which is the whole contract between master and worker.
 *
 * Retiring. The master ends an idle worker in two steps: it changes the slot from idle to retiring, and only if it won that change
 * it sends WORKER_SIGNAL, once. The handler puts /dev/null in the listener's place, so that every accept ends in ENOTSOCK, also one
 * entered just after the signal; a listener whose number is above the limit of descriptors is closed instead. A worker that took a
 * connection but lost the change waits for the signal, serves, and leaves. A busy worker is signalled only to end its connection,
 * when that is past a limit in time: the master then changes its slot from busy to retiring first, so that it cannot have become idle
 * and taken another client meanwhile. The death of the master is told with WORKER_SIGNAL, too, at any time: an idle worker leaves,
 * a busy one lets go of the listener, serves to the end and leaves.
 */
#ifndef WORKER_H
#define WORKER_H

#include "admission.h"
#include "board.h"
#include "record.h"
#include "step.h"
#include "variables.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Harmless to a program that gets it by a mistake of ours: its default is to be ignored. */
#define WORKER_SIGNAL SIGURG

/* The exit status of a worker that gave up; the slot says at which step. */
#define WORKER_EXIT_FAILED 111

enum stderr_to {
	STDERR_LOG,    /* as the worker was born with */
	STDERR_SOCKET, /* the connection */
	STDERR_NULL,
};

struct worker {
	/* Given by the master */
	int listener;
	int devnull;
	int record; /* write end, does not block; -1: none */
	int wake;   /* write end, does not block; -1: none */
	pid_t master;
	struct board board;
	uint32_t slot;
	uint32_t generation; /* of its birth */
	uint32_t limit;      /* connections to serve before it leaves, 0: no limit */
	bool log;            /* write a record of every connection */
	bool limited;        /* its connections have a limit in time, of which the master must hear */
	bool flow;           /* records tell the two ends of the socket */
	unsigned sets;       /* VARIABLES_* */
	enum stderr_to stderr_to;
	bool usher;          /* refuses everybody, while the board says `full` */
	struct admission admission;
	const struct answer *answers[REFUSALS]; /* to a refused client; NULL: its connection is closed */
	const struct answer *banner;            /* to an admitted one; NULL: nothing */
	int lookup;          /* door of the resolvers; -1: clients are not looked up */
	int lookup_timeout;  /* ms */

	/* Its own */
	pid_t pid;
	uint32_t served;
	bool leaving; /* serves this connection and no other */
	bool serving; /* the connection was admitted */
	uint32_t waited; /* ms that the connection lay in the kernel's queue, 0 where it does not tell */
	int trouble;  /* what accept fails with, 0: nothing */
	struct connection connection;
	char host[HOST_NAME]; /* of the connection */
};

/*
 * Makes the process an idle worker. Signals may be blocked before; after it WORKER_SIGNAL alone is handled and SIGPIPE alone
 * blocked. Returns false when the worker is not needed any more (the master is gone, or its generation).
 */
bool worker_enter(struct worker *w);

/* Waits for a connection: true with w->connection filled, or false when it is time to leave. */
bool worker_accept(struct worker *w);

/* True if the connection is to be served; false if it was refused and answered, and is to be finished. */
bool worker_admit(struct worker *w);

/*
 * The process stops being a worker: the connection goes to 0 and 1 (and 2), signals go back to their defaults, nothing is blocked,
 * nothing of ours is pending, the master's death is no longer told. Returns 0 or a negative errno. The descriptors of struct
 * worker are left to close-on-exec.
 */
int worker_hand_over(struct worker *w);

/* After a connection: closed, recorded, idle again. False when it is time to leave. */
bool worker_finish(struct worker *w);

/* Notes the step and errno (positive) in the slot and exits with WORKER_EXIT_FAILED. */
_Noreturn void worker_fail(const struct worker *w, enum step step, int error);

/* Exits with status 0, as a worker without a connection. */
_Noreturn void worker_leave(const struct worker *w);

#endif
