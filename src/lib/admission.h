/* SPDX-License-Identifier: ISC */
/*
 * Admission: is a connection served or refused? One function asks everything in a fixed order, what costs nothing first and what
 * uses something up last, and leaves nothing used up when the answer is no. A refused connection costs no process: its worker
 * goes straight back to accept.
 *
 * It is part of the worker's path (worker.h) and keeps its rules.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "access.h"
#include "board.h"
#include "proxy.h"
#include "record.h"
#include "sources.h"
#include "variables.h"

#include <stddef.h>
#include <stdint.h>

/* What a refused client sees. */
enum answer_kind {
	ANSWER_QUEUE, /* nothing: it waits in the kernel's queue; only for a full service */
	ANSWER_CLOSE,
	ANSWER_RESET,
	ANSWER_TEXT,
};

struct answer {
	enum answer_kind kind;
	char *text;
	size_t length;
};

enum proxy_mode {
	PROXY_OFF,
	PROXY_REQUIRED,
	PROXY_OPTIONAL,
};

/* What a service asks of its clients; all zero: nothing. */
struct admission {
	enum proxy_mode proxy;
	int proxy_timeout;               /* ms */
	const struct access *proxy_from; /* senders whose header is taken */
	const struct access *access;     /* NULL: everybody may come */
	struct sources sources;          /* header NULL: nothing is counted */
	struct source_rules source;
	struct bucket_rate rate; /* of the service as a whole */
};

struct decision {
	enum refusal reason;      /* REFUSED_NOT: it is served */
	uint32_t rule;            /* of the access list that decided, or ACCESS_NO_RULE */
	enum proxy_result header; /* what was wrong with it, with REFUSED_PROXY_HEADER */
};

/* To be called before the worker is idle. */
void admission_prepare(const struct admission *a);

/*
 * Decides about the connection c, whose addresses may change by it to those that a PROXY header tells. When it is admitted, the slot's
 * hold says what was counted for it.
 */
struct decision admission_decide(struct admission *a, struct connection *c, const struct board *board, uint32_t slot);

/* The connection has ended: what was counted for it is given back. */
void admission_end(struct admission *a, const struct board *board, uint32_t slot);

/* Answers a refused client and never waits for it. The connection stays to be closed. */
void admission_answer(int fd, const struct answer *a);

#endif
