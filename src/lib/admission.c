/* SPDX-License-Identifier: ISC */
#include "admission.h"

#include "kernel.h"

#include <limits.h>

#define GROUPS_MAX 4096 /* of a client of a path; one who is in more is known by its first group alone */

/* Memory that a process touches only when it needs it. What a header told is in use until the program has it in its environment. */
static unsigned char header[PROXY_HEADER_MAX];
static struct proxy proxy;
static gid_t groups[GROUPS_MAX];

/* Fills client, whose groups are asked for only where a list asks for them. */
static void describe(struct access_client *client, const struct connection *c, const struct access *list)
{
	socklen_t size = sizeof(groups) - sizeof(groups[0]);

	client->address = &c->peer;
	client->uid = c->credentials.uid;
	client->groups = groups;
	client->group_count = 0;
	if (address_family(&c->peer) != AF_UNIX)
		return;
	groups[client->group_count++] = c->credentials.gid;
#ifdef SO_PEERGROUPS
	if (access_has_groups(list) && kernel_getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, groups + 1, &size) == 0)
		client->group_count += size / sizeof(groups[0]);
#else
	(void)list;
	(void)size;
#endif
}

static bool is_admitted(const struct access *list, const struct connection *c, uint32_t *rule)
{
	struct access_client client;

	if (!list)
		return true;
	describe(&client, c, list);
	return access_admits(list, &client, rule);
}

/* From here on the client is whoever the header names. */
static void take_over(struct connection *c)
{
	c->proxy = &proxy;
	c->proxy_peer = c->peer;
	if (proxy.local || proxy.peer.length == 0)
		return;
	c->peer = proxy.peer;
	c->local = proxy.own;
}

/* Without a header an optional one is simply not there: a sender that is silent may wait for the program to speak first. */
static enum refusal without_header(const struct admission *a, enum proxy_result result)
{
	bool absent = result == PROXY_ABSENT || result == PROXY_SILENT;

	return a->proxy == PROXY_OPTIONAL && absent ? REFUSED_NOT : REFUSED_PROXY_HEADER;
}

static enum refusal ask_header(const struct admission *a, struct connection *c, struct decision *d)
{
	size_t size;

	if (a->proxy == PROXY_OFF)
		return REFUSED_NOT;
	if (!is_admitted(a->proxy_from, c, &d->rule))
		return a->proxy == PROXY_OPTIONAL ? REFUSED_NOT : REFUSED_PROXY_SENDER;
	d->header = proxy_read(c->fd, a->proxy_timeout, header, &proxy, &size);
	if (d->header != PROXY_FOUND)
		return without_header(a, d->header);
	c->header = (uint32_t)size;
	take_over(c);
	return REFUSED_NOT;
}

static enum refusal ask_list(const struct admission *a, const struct connection *c, struct decision *d)
{
	return is_admitted(a->access, c, &d->rule) ? REFUSED_NOT : REFUSED_DENIED;
}

static enum refusal ask_source(struct admission *a, const struct connection *c, source_hold *hold, uint64_t now)
{
	uint64_t source = sources_hash(&a->sources, &a->source, &c->peer, c->credentials.uid);

	switch (sources_enter(&a->sources, &a->source, source, hold, now)) {
	case SOURCE_TOO_MANY:
		return REFUSED_SOURCE_MAX;
	case SOURCE_TOO_FAST:
		return REFUSED_SOURCE_RATE;
	case SOURCE_NO_PLACE:
		return REFUSED_SOURCE_TABLE;
	case SOURCE_ADMITTED:
	default:
		return REFUSED_NOT;
	}
}

/* What was taken of the source's share for a connection that is refused all the same goes back. */
static enum refusal ask_limits(struct admission *a, const struct connection *c, source_hold *hold)
{
	enum refusal reason;
	uint64_t now = c->accepted;

	if (!a->sources.header)
		return REFUSED_NOT;
	if (c->proxy) /* the header took its time */
		now = kernel_now_ns();
	reason = ask_source(a, c, hold, now);
	if (reason != REFUSED_NOT || bucket_take(&a->sources.header->bucket, &a->rate, now))
		return reason;
	sources_undo(&a->sources, &a->source, hold);
	return REFUSED_SERVICE_RATE;
}

static enum refusal ask_gate(const struct board *board)
{
	uint32_t gate = atomic_load_explicit(&board->header->gate, memory_order_relaxed);

	return gate < REFUSALS ? (enum refusal)gate : REFUSED_NOT;
}

/* The first look at a page of shared memory costs more than all the rest: it is taken before there is a client. */
void admission_prepare(const struct admission *a)
{
	const struct address nobody = { .length = sizeof(nobody.socket.v4), .socket.v4.sin_family = AF_INET };
	const struct access_client client = { .address = &nobody };
	uint32_t rule;

	if (a->access)
		access_admits(a->access, &client, &rule);
	if (a->sources.header)
		atomic_load_explicit(&a->sources.header->bucket, memory_order_relaxed);
}

struct decision admission_decide(struct admission *a, struct connection *c, const struct board *board, uint32_t slot)
{
	struct decision d = { ask_gate(board), ACCESS_NO_RULE, PROXY_FOUND };

	if (d.reason == REFUSED_NOT)
		d.reason = ask_header(a, c, &d);
	if (d.reason == REFUSED_NOT)
		d.reason = ask_list(a, c, &d);
	if (d.reason == REFUSED_NOT)
		d.reason = ask_limits(a, c, &board->slot[slot].hold);
	return d;
}

void admission_end(struct admission *a, const struct board *board, uint32_t slot)
{
	if (a->sources.header)
		sources_leave(&a->sources, &board->slot[slot].hold);
}

/* Reads away what has arrived: closing with unread data would reset the connection, and a text with it. */
static void drain(int fd)
{
	char rest[1024];

	for (int i = 0; i < 64; i++)
		if (kernel_receive(fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
			return;
}

void admission_answer(int fd, const struct answer *a)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	switch (a->kind) {
	case ANSWER_RESET:
		kernel_setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	case ANSWER_TEXT:
		kernel_send(fd, a->text, a->length, MSG_DONTWAIT | MSG_NOSIGNAL);
		kernel_shutdown(fd, SHUT_WR);
		drain(fd);
		break;
	case ANSWER_CLOSE:
		kernel_shutdown(fd, SHUT_WR);
		drain(fd);
		break;
	case ANSWER_QUEUE:
	default:
		break;
	}
}
