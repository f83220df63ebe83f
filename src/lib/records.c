/* SPDX-License-Identifier: ISC */
/* From the records of a pool's workers to lines of the log. */
#include "config.h"

#include "records.h"
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So many batches are read in one go, more than a pipe holds: who writes on and on does not keep the master. */
#define BATCHES 32

/* Refusals of one kind are told at most so often; in between they are counted. */
#define REFUSALS_EVERY 1000 /* ms */

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

	return w && w->pid == r->pid ? w : NULL;
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
	char peer[ADDRESS_TEXT + 64];

	w->connection.open = true;
	w->connection.id = r->id;
	w->connection.since = believable(w, r->at);
	w->connection.peer = r->peer;
	w->connection.peer_pid = r->peer_pid;
	w->connection.peer_uid = r->peer_uid;
	if (!(w->pool->config->log_connections & LOG_CONNECTIONS_START))
		return;
	format_peer(&r->peer, r->peer_pid, r->peer_uid, peer, sizeof(peer));
	log_info("%s: start id=%llx peer=%s pid=%d", name_of(w->pool), (unsigned long long)r->id, peer, (int)w->pid);
}

void records_end(struct pool_worker *w, int64_t at, const char *outcome)
{
	char peer[ADDRESS_TEXT + 64] = "unknown";
	int64_t ms = at - (w->connection.open ? w->connection.since : w->born);

	if (ms < 0)
		ms = 0;
	if (w->connection.open)
		format_peer(&w->connection.peer, w->connection.peer_pid, w->connection.peer_uid, peer, sizeof(peer));
	if (w->pool->config->log_connections & LOG_CONNECTIONS_END)
		log_info("%s: end id=%llx peer=%s pid=%d duration=%lld.%03ds %s", name_of(w->pool),
		         (unsigned long long)w->connection.id, peer, (int)w->pid, (long long)(ms / 1000), (int)(ms % 1000), outcome);
	w->connection.open = false;
}

static void refused(struct pool *p, const struct record *r)
{
	char peer[ADDRESS_TEXT + 64];
	int64_t now = server_now();

	p->refused++;
	if (p->refused_told && now - p->refused_told < REFUSALS_EVERY)
		return;
	format_peer(&r->peer, r->peer_pid, r->peer_uid, peer, sizeof(peer));
	log_notice("%s: refused peer=%s reason=full (%u since the last such line)", name_of(p), peer,
	           p->refused - p->told_refused);
	p->refused_told = now;
	p->told_refused = p->refused;
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
