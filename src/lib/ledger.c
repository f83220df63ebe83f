/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "ledger.h"
#include "shared.h"

#include <errno.h>
#include <stdlib.h>

struct ledger *ledger_new(uint32_t workers)
{
	uint32_t rows = sources_rows(workers);
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->holders = 1;
	l->fd = shared_make("preforkd sources", sources_size(rows), &l->memory);
	if (l->fd < 0) {
		int error = errno;

		free(l);
		errno = error;
		return NULL;
	}
	sources_attach(&l->sources, l->memory, rows);
	arc4random_buf(l->sources.header->key, sizeof(l->sources.header->key));
	return l;
}

struct ledger *ledger_hold(struct ledger *l)
{
	if (l)
		l->holders++;
	return l;
}

void ledger_release(struct ledger *l)
{
	if (!l || --l->holders > 0)
		return;
	shared_free(l->fd, l->memory, sources_size(l->sources.rows));
	free(l);
}

bool ledger_suits(const struct ledger *l, uint32_t workers)
{
	return (uint64_t)l->sources.rows * SOURCES_ROW >= (uint64_t)workers * 2;
}

int ledger_map(const struct ledger *l, struct sources *out)
{
	void *memory = shared_map(l->fd, sources_size(l->sources.rows));

	if (!memory)
		return -1;
	sources_attach(out, memory, l->sources.rows);
	return 0;
}
