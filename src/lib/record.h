/* SPDX-License-Identifier: ISC */
/*
 * A record: one piece of news about a connection, from a worker to the master, through the pool's record pipe.
 *
 * Records have one size, far below PIPE_BUF, and each is one write that never blocks: they arrive whole or not at all. The
 * master makes the log line. A record is gossip like the board: slot and pid are compared with the master's own table, the
 * rest is only shown.
 */
#ifndef RECORD_H
#define RECORD_H

#include "address.h"

#include <stdint.h>
#include <sys/types.h>

enum record_kind {
	RECORD_START = 1, /* a connection was taken */
	RECORD_END,       /* a worker that lives on is done with it */
	RECORD_REFUSED,   /* a connection was taken and answered with a refusal */
	RECORD_TROUBLE,   /* accept fails for want of something: error says what */
	RECORD_WELL,      /* and works again */
};

/* Why a connection is refused, in the order in which it is asked. */
enum refusal {
	REFUSED_NOT,
	REFUSED_FULL,         /* the service is at its maximum */
	REFUSED_HOURS,        /* outside of access-times */
	REFUSED_LOAD,         /* the machine is above max-load */
	REFUSED_PROXY_SENDER, /* no header is taken from this sender */
	REFUSED_PROXY_HEADER, /* it is missing, malformed or late */
	REFUSED_DENIED,
	REFUSED_SOURCE_MAX,
	REFUSED_SOURCE_RATE,
	REFUSED_SOURCE_TABLE, /* there is no place to count it */
	REFUSED_SERVICE_RATE,
	REFUSALS,
};

/* The reason's name in the log. An unknown number gets one too. */
const char *refusal_name(unsigned refusal);

struct record {
	uint8_t kind;    /* enum record_kind */
	uint8_t refusal; /* enum refusal */
	uint8_t proxy;   /* enum proxy_result, of REFUSED_PROXY_HEADER */
	uint8_t spare;
	uint32_t slot;
	int32_t pid;
	uint32_t error;  /* errno of RECORD_TROUBLE */
	uint32_t rule;   /* of the access list, of REFUSED_DENIED */
	uint32_t waited; /* ms in the kernel's queue, of RECORD_START */
	uint64_t id;    /* the connection's */
	uint64_t at;    /* milliseconds of the monotonic clock */
	struct address peer;
	struct flow flow; /* of a start, where the service has a first-byte-limit: the socket's own ends */
	uint32_t header;  /* bytes that the worker itself has read from the connection: a PROXY header */
	int32_t peer_pid; /* of a path or abstract listener's client, else 0 */
	uint32_t peer_uid;
};

_Static_assert(sizeof(struct record) <= 512, "POSIX promises whole writes up to 512 bytes");

#endif
