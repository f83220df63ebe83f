/* SPDX-License-Identifier: ISC */
/*
 * A listening socket: construct, bind, listen, end. It is never read from or written to, and closing it never touches a connection.
 *
 * A listener may be held by several pools, one generation after the other, and is closed when the last lets go of it.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "service_config.h"

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>

struct listener {
	int fd; /* close-on-exec */
	unsigned holders;
	struct endpoint asked;  /* as configured, port 0 perhaps */
	struct address bound;   /* as the kernel says */
	bool dual;              /* takes IPv4 and IPv6 */
	int backlog;            /* the effective one; -1: the kernel does not tell */
	struct socket_options options; /* as it has them; the interface's name is its own */
	dev_t device; /* of a path, so that only our own is changed or removed */
	ino_t inode;
	char text[ADDRESS_TEXT]; /* bound, for messages */
};

/*
 * Opens the socket for an endpoint, up to and including listen(2). `how` is 0 or
 *   OPEN_PATIENTLY  an address in use is tried again for BIND_PATIENCE ms: the workers of a master that was killed let go of it
 *                   within a few
 *   OPEN_SHARING    it may be in use by a listener for which listener_share was called
 *   OPEN_SILENTLY   not yet listen(2): nobody can connect until listener_start
 *
 * Returns NULL with errno, and a sentence for the user in why (whysize bytes) that names the address, the error and, where it can be
 * known, the process that holds the address.
 */
struct listener *listener_open(const struct endpoint *e, const struct socket_options *o, unsigned how, char *why, size_t whysize);

#define OPEN_PATIENTLY 1U
#define OPEN_SHARING 2U
#define OPEN_SILENTLY 4U
#define BIND_PATIENCE 200 /* ms */

/* Lets one that was opened silently listen, under the same `how`. -1 with errno and a sentence for the user. */
int listener_start(struct listener *l, unsigned how, char *why, size_t whysize);

/* Allows another listener of this user to be bound to the same port beside this one, or no longer. */
void listener_share(const struct listener *l, bool share);

/*
 * Would an open listener do for this endpoint and these options, once listener_adjust has been called? Not one whose path does not
 * lead to it any more.
 */
bool listener_fits(const struct listener *l, const struct endpoint *e, const struct socket_options *o);

/* Brings an open listener to new options: everything that can change while it listens. -1 with errno. */
int listener_adjust(struct listener *l, const struct socket_options *o);

struct listener *listener_hold(struct listener *l);

/* The last one closes it and removes its path. */
void listener_release(struct listener *l);

/*
 * From now on the queue can only shrink: a TCP listener ignores new handshakes, whose clients will try again and meet the
 * successor; a path is unlinked; an abstract name refuses, and its accepts return EINVAL as soon as the queue is empty.
 */
void listener_shut_door(struct listener *l);

/* For TCP only, the opposite: whoever comes is heard again. -1 with errno. */
int listener_open_door(const struct listener *l);

/* Is nobody waiting in the queue? */
bool listener_is_empty(const struct listener *l);

/* Has anybody ended it? Whoever shares a listening socket can shut it down for all. */
bool listener_has_ended(const struct listener *l);

/*
 * Makes one that has ended listen again: TCP on the same socket, others on a new one of the same number. -1 with errno, and it
 * may be tried again.
 */
int listener_listen_again(struct listener *l);

/*
 * Ends it for every process that shares it: each accept returns EINVAL and the address is free at once, whoever still
 * holds the descriptor. The descriptor itself is closed by listener_release.
 */
void listener_end(struct listener *l);

#endif
