/* SPDX-License-Identifier: ISC */
/*
 * What each client network has at present: how many connections, and its token bucket. One table for each service, in
 * shared memory of fixed size, written by all its workers without locks.
 *
 * The slots are the truth, the table is an index. A worker writes into its own slot (its `hold`, on the board) which
 * entry it is about to count in, then counts, then says in its slot that it has; and likewise backwards. Whoever dies in
 * between is told by its slot, and the master counts that entry anew from all slots. So kill -9 at any instant leaves no
 * count behind.
 *
 * A flood of distinct sources meets a table that is full of them: then the entry that was idle for the longest time goes,
 * one whose bucket is full first, since forgetting that changes nothing. An entry with connections never goes. A source
 * that finds only such entries in its row of SOURCES_ROW is refused.
 *
 * An entry is found by a keyed hash, whose key is of the service and never leaves the machine: nobody can choose
 * addresses that meet in one row.
 */
#ifndef SOURCES_H
#define SOURCES_H

#include "address.h"
#include "bucket.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SOURCES_ROW 16 /* entries among which a source has its place */

struct sources_header {
	uint64_t key[2];
	_Atomic uint64_t bucket; /* of the service as a whole */
	uint64_t spare[5];
};

struct source_entry {
	_Atomic uint64_t word;   /* whose it is and how many connections it has, changed together */
	_Atomic uint64_t bucket;
	_Atomic uint64_t used;   /* ns, when a connection last came */
	_Atomic uint64_t stamp;  /* of a row's first entry: how many newcomers the row has seen */
};

struct sources {
	struct sources_header *header;
	struct source_entry *entry;
	uint32_t rows; /* a power of two */
};

struct source_rules {
	uint32_t max;            /* connections at a time; 0: no limit */
	struct bucket_rate rate; /* interval 0: no limit */
	int prefix_v4, prefix_v6;
};

enum source_verdict {
	SOURCE_ADMITTED,
	SOURCE_TOO_MANY, /* connections at a time */
	SOURCE_TOO_FAST,
	SOURCE_NO_PLACE, /* nobody in its row can go */
};

/* What a slot says: 0, or an entry and how far counting in it has come. Only these functions read it. */
typedef _Atomic uint64_t source_hold;

/* Bytes for so many rows; and how many rows a service of so many workers gets: several entries for each, 4,096 at least. */
size_t sources_size(uint32_t rows);
uint32_t sources_rows(uint32_t workers);

/* Points s at memory of sources_size(rows) bytes, aligned to a page. */
void sources_attach(struct sources *s, void *memory, uint32_t rows);

/* The source of a client, never 0: a hash of its network, or of its uid where it came through a path or abstract socket. */
uint64_t sources_hash(const struct sources *s, const struct source_rules *rules, const struct address *peer, uid_t uid);

/*
 * A worker has a connection from this source: counts it and takes a token, or says why not, and then nothing is counted
 * or taken. hold is the worker's own slot's and holds nothing before. Allocates nothing, takes no lock, calls nothing of
 * the C library. Without any rules it admits and does not look at the table.
 */
enum source_verdict sources_enter(struct sources *s, const struct source_rules *rules, uint64_t source, source_hold *hold,
                                  uint64_t now);

/* The connection has ended: not counted any more. By the worker that lives on, or by the master for one that ended. */
void sources_leave(struct sources *s, source_hold *hold);

/* The connection was refused after all, for another reason: as if it had never come. */
void sources_undo(struct sources *s, const struct source_rules *rules, source_hold *hold);

/* The master's side: what a dead worker's slot holds is given back or, if it died while it counted, counted anew. */

/* Calls visit for each slot of the service but no other. */
typedef void sources_each_slot(void (*visit)(const source_hold *hold, void *tally), void *tally, void *slots);

/*
 * True if all is well, and the slot may be used again. False if the entry could not be counted just now, as another
 * worker was in the middle of counting in it: call again a little later with the same hold, which belongs to the dead
 * until then. The worker must have been waited for: one that is killed may still run for a moment.
 */
bool sources_bury(struct sources *s, source_hold *hold, sources_each_slot *each, void *slots);

/* How many connections a source has, and all of them together; for tests and for status. */
uint32_t sources_count(const struct sources *s, uint64_t source);
uint32_t sources_total(const struct sources *s);

#endif
