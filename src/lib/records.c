/* SPDX-License-Identifier: ISC */
/* From the records of a pool's workers to lines of the log. */
#include "config.h"

#include "records.h"
#include "access_list.h"
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So many batches are read in one go, more than a pipe holds: who writes on and on does not keep the master. */
#define BATCHES 32

static const char *const refusals[REFUSALS] = {
	[REFUSED_NOT] = "none",
	[REFUSED_FULL] = "full",
	[REFUSED_HOURS] = "hours",
	[REFUSED_LOAD] = "load",
	[REFUSED_PROXY_SENDER] = "proxy-sender",
	[REFUSED_PROXY_HEADER] = "proxy-header",
	[REFUSED_DENIED] = "denied",
	[REFUSED_SOURCE_MAX] = "source-max",
	[REFUSED_SOURCE_RATE] = "source-rate",
	[REFUSED_SOURCE_TABLE] = "source-table",
	[REFUSED_SERVICE_RATE] = "service-rate",
};

const char *refusal_name(unsigned refusal)
{
	return refusal < REFUSALS ? refusals[refusal] : "unknown";
}

static const char *name_of(const struct pool *p)
{
	return p->config->name;
}

static void format_peer(const struct address *peer, int32_t pid, uint32_t uid, char *out, size_t size)
{
	char text[ADDRESS_TEXT];

	address_text(peer, text);
	if (address_family(peer) == AF_UNIX)
		snprintf(out, size, "%s[pid=%d,uid=%u]", text, pid, uid);
	else
		snprintf(out, size, "%s", text);
}

/* The worker that wrote a record, if it can be believed: the slot is the pool's, and the pid is the one that we put there. */
static struct pool_worker *writer_of(struct pool *p, const struct record *r)
{
	struct pool_worker *w = r->slot < p->board.slots ? p->workers[r->slot] : NULL;

	if (w && w->pid == 0) {
		launching_hear(p); /* it has announced itself before */
		w = p->workers[r->slot];
	}
	return w && w->pid == r->pid ? w : NULL;
}

/* Only a wait that a client can feel is worth a word. */
#define WAIT_TOLD 100 /* ms */

static const char *describe_wait(uint32_t ms, char *out, size_t size)
{
	if (ms < WAIT_TOLD)
		return "";
	snprintf(out, size, " waited=%u.%03us", ms / 1000, ms % 1000);
	return out;
}

/* A moment that a worker wrote, if it can be one of its life; else the nearest that can. */
static int64_t believable(const struct pool_worker *w, uint64_t at)
{
	int64_t now = server_now();

	if (at > (uint64_t)now)
		return now;
	return (int64_t)at < w->born ? w->born : (int64_t)at;
}

static void start(struct pool_worker *w, const struct record *r)
{
	char peer[ADDRESS_TEXT + 64], waited[32];

	w->connection.open = true;
	w->connection.id = r->id;
	w->connection.since = believable(w, r->at);
	w->connection.peer = r->peer;
	w->connection.peer_pid = r->peer_pid;
	w->connection.peer_uid = r->peer_uid;
	w->connection.flow = r->flow;
	w->connection.header = r->header;
	if (!(w->pool->config->log_connections & LOG_CONNECTIONS_START))
		return;
	format_peer(&r->peer, r->peer_pid, r->peer_uid, peer, sizeof(peer));
	log_info("%s: start id=%llx peer=%s pid=%d%s", name_of(w->pool), (unsigned long long)r->id, peer, (int)w->pid,
	         describe_wait(r->waited, waited, sizeof(waited)));
}

/* Without a record the board says it, if that can be believed. */
static int64_t began(const struct pool_worker *w, int64_t at)
{
	uint64_t since = atomic_load(&w->pool->board.slot[w->slot].since);

	if (w->connection.open)
		return w->connection.since;
	return since <= (uint64_t)at && (int64_t)since > w->born ? (int64_t)since : w->born;
}

/* That a limit has ended it is more than a line about a connection. */
static bool is_told(const struct pool_worker *w)
{
	return w->deadline.reason || w->pool->config->log_connections & LOG_CONNECTIONS_END;
}

void records_end(struct pool_worker *w, int64_t at, const char *outcome)
{
	char peer[ADDRESS_TEXT + 64] = "unknown";
	int64_t ms = at - began(w, at);

	if (ms < 0)
		ms = 0;
	if (w->connection.open)
		format_peer(&w->connection.peer, w->connection.peer_pid, w->connection.peer_uid, peer, sizeof(peer));
	if (is_told(w))
		log_at(w->deadline.reason ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, "%s: end id=%llx peer=%s pid=%d duration=%lld.%03ds %s",
		       name_of(w->pool), (unsigned long long)w->connection.id, peer, (int)w->pid, (long long)(ms / 1000),
		       (int)(ms % 1000), outcome);
	w->connection.open = false;
}

/* What decided, beyond the reason's name. */
static void describe_refusal(const struct pool *p, const struct record *r, char *out, size_t size)
{
	char rule[ADDRESS_TEXT];

	out[0] = '\0';
	if (r->refusal == REFUSED_PROXY_HEADER) {
		snprintf(out, size, " header=%s", proxy_result_name((enum proxy_result)r->proxy));
	} else if (r->refusal == REFUSED_DENIED && r->rule == ACCESS_NO_RULE) {
		snprintf(out, size, " rule=none");
	} else if (r->refusal == REFUSED_DENIED && p->config->access) {
		access_list_describe(p->config->access, r->rule, rule, sizeof(rule));
		snprintf(out, size, " rule=\"%s\"", rule);
	}
}

/* The worker has seen to it that there are not too many; the board has counted all of them. */
static void refused(struct pool *p, const struct record *r)
{
	char peer[ADDRESS_TEXT + 64], detail[ADDRESS_TEXT + 16];
	uint32_t all;

	if (r->refusal >= REFUSALS)
		return;
	all = atomic_load(&p->board.header->refused[r->refusal]);
	format_peer(&r->peer, r->peer_pid, r->peer_uid, peer, sizeof(peer));
	describe_refusal(p, r, detail, sizeof(detail));
	log_notice("%s: refused peer=%s reason=%s%s (%u since the last such line)", name_of(p), peer, refusal_name(r->refusal),
	           detail, all - p->told_refused[r->refusal]);
	p->told_refused[r->refusal] = all;
	if (!ev_is_active(&p->refusals))
		ev_timer_again(p->service->server->loop, &p->refusals);
}

bool pool_tell_refusals(struct pool *p)
{
	bool any = false;

	for (unsigned reason = REFUSED_NOT + 1; reason < REFUSALS; reason++) {
		uint32_t all = atomic_load(&p->board.header->refused[reason]);

		if (all == p->told_refused[reason])
			continue;
		log_notice("%s: refused %u more reason=%s", name_of(p), all - p->told_refused[reason], refusal_name(reason));
		p->told_refused[reason] = all;
		any = true;
	}
	return any;
}

static void in_trouble(struct pool *p, const struct record *r)
{
	unsigned again;

	if (trouble_met(&p->trouble, (int)r->error, server_now(), &again))
		log_warning("%s: cannot accept on %s: %s; clients wait in the queue (met %u times before)", name_of(p),
		            p->listener->text, strerror((int)r->error), again);
}

static void well_again(struct pool *p)
{
	if (trouble_over(&p->trouble))
		log_notice("%s: accepts again on %s", name_of(p), p->listener->text);
}

static void read_one(struct pool *p, const struct record *r)
{
	struct pool_worker *w = writer_of(p, r);

	if (!w)
		return;
	switch (r->kind) {
	case RECORD_START:
		start(w, r);
		break;
	case RECORD_END:
		records_end(w, believable(w, r->at), "done");
		break;
	case RECORD_REFUSED:
		refused(p, r);
		break;
	case RECORD_TROUBLE:
		in_trouble(p, r);
		break;
	case RECORD_WELL:
		well_again(p);
		break;
	default:
		log_debug("%s: pid %d wrote a record of unknown kind %u", name_of(p), (int)w->pid, r->kind);
	}
}

static void tell_dropped(struct pool *p)
{
	uint32_t dropped = atomic_load(&p->board.header->dropped);

	if (dropped == p->dropped)
		return;
	log_warning("%s: %u lines about connections were lost: they came faster than they could be written", name_of(p),
	            dropped - p->dropped);
	p->dropped = dropped;
}

void pool_read_records(struct pool *p)
{
	struct record batch[32];
	ssize_t size;

	for (int i = 0; i < BATCHES; i++) {
		size = read(p->record[0], batch, sizeof(batch));
		for (ssize_t j = 0; j < size / (ssize_t)sizeof(batch[0]); j++)
			read_one(p, &batch[j]);
		if (size != sizeof(batch))
			break;
	}
	tell_dropped(p);
}
