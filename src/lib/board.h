/* SPDX-License-Identifier: ISC */
/*
 * The board: what the workers of one pool tell their master, in shared memory of fixed size.
 *
 * Each worker owns one slot and writes nothing else but its header's `wakes`. The master reads it all as gossip: which slot belongs
 * to which process stands in the master's private memory, and nothing found here chooses a pid or an index. There is no
 * counter of idle workers beside the slots, because a worker that is killed would leave it wrong; states are counted.
 *
 * States and sources lie in arrays of their own, so that counting ten thousand of them reads ten kilobytes and not ten
 * thousand cache lines.
 */
#ifndef BOARD_H
#define BOARD_H

#include "record.h"
#include "sources.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum worker_state {
	WORKER_NONE = 0, /* nobody has the slot */
	WORKER_STARTING,
	WORKER_IDLE,     /* in accept, or about to be */
	WORKER_BUSY,     /* has a connection; signalled only to end that */
	WORKER_RETIRING, /* will not accept again */
	WORKER_STATES,
};

struct board_header {
	_Atomic uint32_t generation; /* not the one a worker was born into: leave */
	_Atomic uint32_t wake_below; /* fewer idle workers than this: write to the wake pipe */
	_Atomic uint32_t dropped;    /* records that found the pipe full */
	_Atomic uint32_t full;       /* the service is: an usher may stay, and whoever becomes idle tells */
	_Atomic uint32_t gate;       /* enum refusal: nobody is served at present, for this reason; 0: open */

	/* How long connections lay in the kernel's queue, as far as it tells: */
	_Atomic uint32_t waited_most;  /* ms */
	_Atomic uint64_t waited_total; /* ms, of all connections together */
	_Atomic uint64_t accepted;

	/* For each reason: */
	_Atomic uint32_t refused[REFUSALS]; /* how many */
	_Atomic uint64_t told[REFUSALS];    /* ms, when a record was last written of one */
	_Atomic uint32_t watched;    /* the master looks at limits in time by itself: no need to wake it for them */
};

/* What a worker says about itself besides its state. */
struct board_slot {
	_Atomic uint64_t since;  /* when it took its connection: milliseconds of the monotonic clock */
	_Atomic uint64_t id;     /* of that connection */
	_Atomic uint32_t served; /* connections so far */
	_Atomic uint32_t step;   /* why it gave up (enum step), 0 if it did not */
	_Atomic uint32_t error;  /* the errno of that step */
	uint32_t spare[1];
	source_hold hold; /* where its connection is counted (sources.h) */
	uint64_t spares[3];
};

_Static_assert(sizeof(struct board_slot) == 64, "a slot is a cache line");

struct board {
	struct board_header *header;
	_Atomic uint8_t *state;   /* enum worker_state of each slot */
	_Atomic uint32_t *source; /* a hash of the client of each busy slot */
	struct board_slot *slot;
	uint32_t slots;
};

/* Bytes that a board of so many slots needs. */
size_t board_size(uint32_t slots);

/* Points a board at memory of board_size(slots) bytes, aligned to a page. */
void board_attach(struct board *b, void *memory, uint32_t slots);

/* One worker's compare-and-swap: true if the state was from and now is to. */
static inline bool board_change(const struct board *b, uint32_t slot, enum worker_state from, enum worker_state to)
{
	uint8_t expected = (uint8_t)from;

	return atomic_compare_exchange_strong(&b->state[slot], &expected, (uint8_t)to);
}

static inline void board_set(const struct board *b, uint32_t slot, enum worker_state to)
{
	atomic_store(&b->state[slot], (uint8_t)to);
}

/* A worker may have written anything here: what is no state reads as busy, and is not signalled. */
static inline enum worker_state board_state(const struct board *b, uint32_t slot)
{
	uint8_t state = atomic_load(&b->state[slot]);

	return state < WORKER_STATES ? (enum worker_state)state : WORKER_BUSY;
}

/* Are there fewer than count idle workers? */
bool board_idle_below(const struct board *b, uint32_t count);

/* Busy workers other than slot whose client has the same source. */
uint32_t board_same_source(const struct board *b, uint32_t slot, uint32_t source);

#endif
