/* SPDX-License-Identifier: ISC */
/*
 * The environment variables that tell a program about its connection. They live in one piece of memory of fixed size, so that a
 * worker fills them in between accept and hand-over without allocating.
 */
#ifndef VARIABLES_H
#define VARIABLES_H

#include "address.h"

#include <stdint.h>
#include <sys/types.h>

/* Sets of variables, a service's `env-set`. */
#define VARIABLES_UCSPI 1U
#define VARIABLES_SYSTEMD 2U
#define VARIABLES_XINETD 4U
#define VARIABLES_ALL 7U

struct connection {
	int fd;
	uint64_t id;    /* the socket's cookie: no other socket has it until the machine is started again */
	uint64_t since; /* when it was accepted: milliseconds of the monotonic clock */
	uint32_t others; /* how many connections its client has on this listener besides */
	struct address peer;
	struct address local;
	struct flow flow; /* the socket's own ends, whatever a PROXY header says of peer and local */
	uint32_t header;  /* bytes of a PROXY header that were read */
	struct { /* AF_UNIX: who called connect(2) */
		pid_t pid;
		uid_t uid;
		gid_t gid;
	} credentials;
};

#define VARIABLES_MAX 12

struct variables {
	char *list[VARIABLES_MAX + 1]; /* "NAME=value", ends with NULL */
	unsigned count;
	size_t used;
	char text[ADDRESS_TEXT * 2 + 512];
};

/* Fills v for a connection. The identifier PREFORK_CONNECTION is always there, the rest as sets say. */
void variables_fill(struct variables *v, const struct connection *c, unsigned sets);

/* Is this a name that variables_fill may set? `name` may be followed by '='. */
int variables_known(const char *name);

#endif
