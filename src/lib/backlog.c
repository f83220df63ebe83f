/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "backlog.h"

#include <stdio.h>

struct backlog pool_backlog(const struct pool *p)
{
	const struct board_header *header = p->board.header;

	return (struct backlog){
		.queue = queue_look(p->listener->fd),
		.accepted = atomic_load(&header->accepted),
		.waited_total = atomic_load(&header->waited_total),
		.waited_most = atomic_load(&header->waited_most),
	};
}

void pool_reset_waited(const struct pool *p)
{
	atomic_store(&p->board.header->waited_most, 0);
}

static size_t end_of(int written, size_t size)
{
	return written < 0 ? 0 : (size_t)written < size ? (size_t)written : size - 1;
}

char *backlog_describe(const struct pool *p, char *out, size_t size)
{
	struct backlog b = pool_backlog(p);
	size_t n = end_of(snprintf(out, size, "%s: ", p->listener->text), size);

	if (b.queue.waiting < 0)
		n += end_of(snprintf(out + n, size - n, "queue unknown"), size - n);
	else
		n += end_of(snprintf(out + n, size - n, "%d of %d wait", b.queue.waiting, b.queue.limit), size - n);
	if (b.queue.dropped >= 0)
		n += end_of(snprintf(out + n, size - n, ", %lld attempts dropped", b.queue.dropped), size - n);
	if (b.waited_most > 0)
		snprintf(out + n, size - n, ", longest wait %u.%03u s", b.waited_most / 1000, b.waited_most % 1000);
	return out;
}
