/* SPDX-License-Identifier: ISC */
#include "board.h"

static size_t rounded(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

size_t board_size(uint32_t slots)
{
	return rounded(sizeof(struct board_header)) + rounded(slots) + rounded(slots * sizeof(uint32_t)) +
	       slots * sizeof(struct board_slot);
}

void board_attach(struct board *b, void *memory, uint32_t slots)
{
	unsigned char *at = memory;

	b->slots = slots;
	b->header = (void *)at;
	at += rounded(sizeof(struct board_header));
	b->state = (void *)at;
	at += rounded(slots);
	b->source = (void *)at;
	at += rounded(slots * sizeof(uint32_t));
	b->slot = (void *)at;
}

bool board_idle_below(const struct board *b, uint32_t count)
{
	uint32_t idle = 0;

	for (uint32_t i = 0; i < b->slots && idle < count; i++)
		idle += atomic_load(&b->state[i]) == WORKER_IDLE;
	return idle < count;
}

uint32_t board_same_source(const struct board *b, uint32_t slot, uint32_t source)
{
	uint32_t same = 0;

	for (uint32_t i = 0; i < b->slots; i++)
		if (atomic_load_explicit(&b->source[i], memory_order_relaxed) == source && i != slot &&
		    atomic_load_explicit(&b->state[i], memory_order_relaxed) == WORKER_BUSY)
			same++;
	return same;
}
