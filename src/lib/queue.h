/* SPDX-License-Identifier: ISC */
/* The kernel's queue of a listening socket, as the kernel itself counts it. */
#ifndef QUEUE_H
#define QUEUE_H

struct queue {
	int waiting;          /* connections that nobody has accepted yet; -1: unknown */
	int limit;            /* how many may wait: the effective backlog; -1: unknown */
	long long dropped;    /* attempts that found it full, since it listens; a client that retries counts again; -1: unknown */
};

/* Looks at one listening socket. What the kernel does not tell is -1; never fails. */
struct queue queue_look(int fd);

/* Connections waiting, 0 or more; -1: unknown. Cheaper than queue_look. */
int queue_waiting(int fd);

#endif
