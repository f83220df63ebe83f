/* SPDX-License-Identifier: ISC */
/*
 * The environment variables that tell a program about its connection. They live in one piece of memory of fixed size, so that a
 * worker fills them in between accept and hand-over without allocating.
 */
#ifndef VARIABLES_H
#define VARIABLES_H

#include "address.h"
#include "proxy.h"

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
	uint64_t accepted; /* when: nanoseconds of the monotonic clock */
	uint64_t since;    /* the same in milliseconds */
	uint32_t others; /* how many connections its client has on this listener besides */
	struct address peer;
	struct address local;
	const char *host; /* the client's name, NULL or "": not known */
	struct flow flow; /* the socket's own ends, whatever a PROXY header says of peer and local */
	uint32_t header;  /* bytes of a PROXY header that were read */
	struct { /* AF_UNIX: who called connect(2) */
		pid_t pid;
		uid_t uid;
		gid_t gid;
	} credentials;
	const struct proxy *proxy; /* the header that gave peer and local, NULL: there was none */
	struct address proxy_peer; /* with a header: who sent it */
};

#define VARIABLES_MAX 23
#define HOST_NAME 256 /* bytes of the longest host name and its end */

/* A longer text of a PROXY header is left out. Each of its bytes may be written as %XX. */
#define VARIABLES_TEXT 256
#define VARIABLES_TEXTS 6
/* The longest of their names is PREFORK_PROXY_TLS_VERIFIED=. */
#define VARIABLES_PROXY (VARIABLES_TEXTS * (32 + 3 * VARIABLES_TEXT + 1) + ADDRESS_IP + 128)

struct variables {
	char *list[VARIABLES_MAX + 1]; /* "NAME=value", ends with NULL */
	unsigned count;
	size_t used;
	char text[ADDRESS_TEXT * 2 + HOST_NAME + 512 + VARIABLES_PROXY];
};

/* Fills v for a connection. PREFORK_CONNECTION and what a PROXY header told are always there, the rest as sets say. */
void variables_fill(struct variables *v, const struct connection *c, unsigned sets);

/* Is this a name that variables_fill may set? `name` may be followed by '='. */
int variables_known(const char *name);

#endif
