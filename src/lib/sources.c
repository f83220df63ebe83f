/* SPDX-License-Identifier: ISC */
/*
 * An entry's word has all that must change together: the source's tag, a state (free, tentative, firm) and the count.
 * Connections are counted in firm entries alone, and nobody takes an entry away that counts any; so whoever is counted
 * has the entry for himself and his like until he leaves. Tokens are taken and given back only while one is counted.
 *
 * No two entries of a row are firm for one source, or its limit would be twice what it is:
 *
 * - A newcomer writes a tentative word into a free or idle entry. It has a stamp, which makes it unlike every earlier
 *   one. (It comes again after four million newcomers in one row; to be deceived, a worker would have to be stopped in
 *   the middle of a search for exactly so many.)
 * - Who meets a tentative entry of his source, whoever wrote it, reads its word and then looks at every other entry of
 *   the row. If one of them is firm for that source, he takes the tentative one out; of two tentative ones the lower
 *   stays and he takes the higher out. Else he fills the bucket and makes the entry firm, if its word is still the one
 *   that he read first.
 *
 * Suppose i became firm, and then j while i still was. Who made j firm had its tentative word, then looked at i and did
 * not find the source there; so the tentative word of i is younger than that. Who made i firm had that word, then looked
 * at j, where all this time the tentative word stood: he cannot have gone on. A tentative entry belongs to nobody, so it
 * does not matter who was killed or stopped: the next who comes goes on with it, and nobody waits.
 *
 * A bucket is filled by compare-and-swap from what it was while the word was tentative, so whoever comes late with that
 * finds a bucket from which tokens were taken since, and fails.
 *
 * The dead. A slot that says `counted` is in the count, one that says nothing is not; `counting` and `leaving` may be
 * either. For one that died in those, the master marks the word, reads all slots, and writes their number if the mark is
 * still there; every change of the count takes the mark away. So no count changed while it read, and each slot that it
 * read as counted was in the count, and no other. A slot of a living worker that is just counting makes it try again
 * later.
 */
#include "sources.h"

#include "kernel.h"

/* How often a place may be snatched away, and how long a mark is respected. (A test makes both smaller.) */
#ifndef SOURCES_ATTEMPTS
#define SOURCES_ATTEMPTS 1000
#define SOURCES_PATIENCE 10
#endif

#define RECOUNTS 4   /* in a row, before it is put off */
#define BURIALS 1000 /* a worker that lives may change a word all the time, but the master does not wait for it */

/* word: 40 bits of tag, 2 of state, and 22 that are a tentative entry's stamp or a firm one's mark and count. */
#define TAG_SHIFT 24
#define STATE_SHIFT 22
#define STAMP_MASK ((UINT64_C(1) << STATE_SHIFT) - 1)
#define MARK (UINT64_C(1) << 17)
#define COUNT_MAX (MARK - 1)

enum state {
	FREE, /* the whole word is 0 */
	TENTATIVE,
	FIRM,
};

/* hold: the entry's index, and 8 bits of phase. */
#define INDEX_SHIFT 8

enum phase {
	NOWHERE,
	COUNTING, /* may be in the count */
	COUNTED,
	LEAVING, /* may be in the count */
	DEAD,    /* the master's word: it died, and is not to be counted */
};

static uint64_t label_of(uint64_t source, enum state state)
{
	return source >> TAG_SHIFT << 2 | state;
}

static uint64_t label(uint64_t word)
{
	return word >> STATE_SHIFT;
}

static bool is(uint64_t word, enum state state)
{
	return (label(word) & 3) == state;
}

static uint32_t count(uint64_t word)
{
	return (uint32_t)(word & COUNT_MAX);
}

static bool is_marked(uint64_t word)
{
	return is(word, FIRM) && word & MARK;
}

static uint64_t with_count(uint64_t word, uint64_t n)
{
	return (word & ~(MARK | COUNT_MAX)) | n;
}

static bool swap(struct source_entry *e, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong(&e->word, &from, to);
}

/* Memory */

size_t sources_size(uint32_t rows)
{
	return sizeof(struct sources_header) + (size_t)rows * SOURCES_ROW * sizeof(struct source_entry);
}

uint32_t sources_rows(uint32_t workers)
{
	uint32_t rows = 4096 / SOURCES_ROW;

	while ((uint64_t)rows * SOURCES_ROW < (uint64_t)workers * 8 && rows < 1U << TAG_SHIFT)
		rows *= 2;
	return rows;
}

void sources_attach(struct sources *s, void *memory, uint32_t rows)
{
	s->header = memory;
	s->entry = (struct source_entry *)(s->header + 1);
	s->rows = rows;
}

static uint64_t entries(const struct sources *s)
{
	return (uint64_t)s->rows * SOURCES_ROW;
}

static struct source_entry *row_of(const struct sources *s, uint64_t source)
{
	return s->entry + (source & (s->rows - 1)) * SOURCES_ROW;
}

/* The source of a client */

/* Both halves of the 128-bit product, one over the other. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
	uint64_t middle = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
	uint64_t other = (a & UINT32_MAX) * (b >> 32) + (middle & UINT32_MAX);

	return ((a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32)) ^ (other << 32 | (low & UINT32_MAX));
}

static uint64_t big_endian(const unsigned char *byte, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | (i < count ? byte[i] : 0);
	return value;
}

static uint64_t first_bits(uint64_t value, int bits)
{
	if (bits <= 0)
		return 0;
	return bits < 64 ? value & ~(UINT64_MAX >> bits) : value;
}

/*
 * Each bit of the address and of the key reaches every bit of the hash, through two products of unknown factors. Nobody
 * outside ever sees a hash, so there is nothing to learn the key from, and what is chosen without it falls into rows at
 * random.
 */
static uint64_t hash(const uint64_t key[2], uint64_t family, uint64_t high, uint64_t low)
{
	uint64_t h = fold(high ^ key[0] ^ UINT64_C(0x9e3779b97f4a7c15), low ^ key[1] ^ UINT64_C(0xd1b54a32d192ed03));

	h = fold(h ^ key[1] ^ UINT64_C(0x8cb92ba72f3d8dd7), family ^ key[0] ^ UINT64_C(0xaef17502108ef2d9));
	return h ? h : 1;
}

uint64_t sources_hash(const struct sources *s, const struct source_rules *rules, const struct address *peer, uid_t uid)
{
	const unsigned char *v4 = (const unsigned char *)&peer->socket.v4.sin_addr;
	const unsigned char *v6 = peer->socket.v6.sin6_addr.s6_addr;
	const uint64_t *key = s->header->key;

	switch (address_family(peer)) {
	case AF_INET:
		return hash(key, AF_INET, first_bits(big_endian(v4, 4), rules->prefix_v4), 0);
	case AF_INET6:
		return hash(key, AF_INET6, first_bits(big_endian(v6, 8), rules->prefix_v6),
		            first_bits(big_endian(v6 + 8, 8), rules->prefix_v6 - 64));
	default:
		return hash(key, AF_UNIX, 0, uid);
	}
}

/* The entry of a source */

/* The lowest entry of the row that says so, and its word. */
static struct source_entry *find(struct source_entry *row, uint64_t wanted, uint64_t *word)
{
	for (struct source_entry *e = row; e < row + SOURCES_ROW; e++) {
		*word = atomic_load(&e->word);
		if (label(*word) == wanted)
			return e;
	}
	return NULL;
}

#define STAYS 4

/* The lower, the sooner it goes. */
static unsigned rank(const struct source_entry *e, uint64_t word, uint64_t now)
{
	if (is(word, FREE))
		return 0;
	if (!is(word, FIRM))
		return 3; /* somebody is just bringing it in */
	if (count(word) > 0)
		return STAYS;
	return bucket_is_full(atomic_load_explicit(&e->bucket, memory_order_relaxed), now) ? 1 : 2;
}

/* What a search that found no firm entry of the source found instead: a tentative one, or whom it can replace. */
struct place {
	struct source_entry *entry; /* NULL: nobody can go */
	uint64_t word;
	bool ours;
	unsigned rank;
	uint64_t used;
};

static void consider(struct place *best, struct source_entry *e, uint64_t word, uint64_t now)
{
	uint64_t used = atomic_load_explicit(&e->used, memory_order_relaxed);
	unsigned r = rank(e, word, now);

	if (r == STAYS || r > best->rank || (r == best->rank && used >= best->used))
		return;
	best->entry = e;
	best->word = word;
	best->rank = r;
	best->used = used;
}

static struct place find_place(struct source_entry *row, uint64_t source, uint64_t now)
{
	struct place best = { .entry = NULL, .rank = STAYS };

	for (struct source_entry *e = row; e < row + SOURCES_ROW; e++) {
		uint64_t word = atomic_load(&e->word);

		if (word != 0 && word >> TAG_SHIFT == source >> TAG_SHIFT)
			return (struct place){ .entry = e, .word = word, .ours = true };
		if (best.rank > 0)
			consider(&best, e, word, now);
	}
	return best;
}

/* Is there no other entry of this source, or none any more, beside the tentative one? */
static bool is_alone(struct source_entry *row, struct source_entry *mine, uint64_t word, uint64_t source)
{
	for (struct source_entry *e = row; e < row + SOURCES_ROW; e++) {
		uint64_t other = atomic_load(&e->word);

		if (e == mine)
			continue;
		if (label(other) == label_of(source, FIRM)) {
			swap(mine, word, 0);
			return false;
		}
		if (label(other) == label_of(source, TENTATIVE) && (e < mine || !swap(e, other, 0)))
			return false;
	}
	return true;
}

/* It may have been the bucket of another source. False: the entry's word is not this one any more. */
static bool fill(struct source_entry *e, uint64_t word)
{
	uint64_t before = atomic_load(&e->bucket);

	if (atomic_load(&e->word) != word)
		return false;
	if (before != 0)
		atomic_compare_exchange_strong(&e->bucket, &before, 0);
	return true;
}

/* Goes on with a tentative entry. How far it came is seen when the row is searched again. */
static void make_firm(struct source_entry *row, struct source_entry *e, uint64_t word, uint64_t source)
{
	if (is_alone(row, e, word, source) && fill(e, word))
		swap(e, word, label_of(source, FIRM) << STATE_SHIFT);
}

static void bring_in(struct source_entry *row, const struct place *p, uint64_t source, uint64_t now)
{
	uint64_t stamp = atomic_fetch_add(&row->stamp, 1) & STAMP_MASK;
	uint64_t word = label_of(source, TENTATIVE) << STATE_SHIFT | stamp;

	if (!swap(p->entry, p->word, word))
		return;
	atomic_store_explicit(&p->entry->used, now, memory_order_relaxed);
	make_firm(row, p->entry, word, source);
}

/* Does what is to be done next so that the source has a firm entry. False: it has none, and nobody can go. */
static bool make_place(struct source_entry *row, uint64_t source, uint64_t now)
{
	struct place p = find_place(row, source, now);

	if (!p.entry)
		return false;
	if (!p.ours)
		bring_in(row, &p, source, now);
	else if (is(p.word, TENTATIVE))
		make_firm(row, p.entry, p.word, source);
	return true;
}

/* Counting */

static void say(source_hold *hold, uint64_t index, enum phase phase)
{
	atomic_store_explicit(hold, index << INDEX_SHIFT | phase, memory_order_release);
}

static uint64_t index_in(uint64_t held)
{
	return held >> INDEX_SHIFT;
}

static enum phase phase_in(uint64_t held)
{
	return (enum phase)(held & ((1U << INDEX_SHIFT) - 1));
}

/*
 * The word when the master is not just counting the entry anew: a change would make it begin again, and where
 * connections come all the time it would never end. It may be stopped or dead itself, so this is courtesy and no lock.
 */
static uint64_t undisturbing(const struct source_entry *e, uint64_t word)
{
	static const struct timespec moment = { 0, 20000 };

	for (unsigned i = 0; i < SOURCES_PATIENCE && is_marked(word); i++) {
		kernel_sleep(&moment);
		word = atomic_load(&e->word);
	}
	return word;
}

/* Where the source may have max connections. False: the entry has gone to another source. */
static bool count_in(struct source_entry *e, uint64_t word, uint32_t max, uint64_t index, source_hold *hold,
                     enum source_verdict *verdict)
{
	uint64_t ours = label(word);

	word = undisturbing(e, word);
	*verdict = SOURCE_TOO_MANY;
	if (label(word) == ours && count(word) >= max)
		return true;
	say(hold, index, COUNTING);
	while (label(word) == ours && count(word) < max)
		if (atomic_compare_exchange_strong(&e->word, &word, with_count(word, count(word) + 1))) {
			say(hold, index, COUNTED);
			*verdict = SOURCE_ADMITTED;
			return true;
		}
	atomic_store_explicit(hold, NOWHERE, memory_order_release);
	return label(word) == ours;
}

static enum source_verdict count_source(struct sources *s, const struct source_rules *rules, uint64_t source,
                                        source_hold *hold, uint64_t now)
{
	uint32_t max = rules->max && rules->max < COUNT_MAX ? rules->max : (uint32_t)COUNT_MAX;
	struct source_entry *row = row_of(s, source);
	enum source_verdict verdict;
	unsigned full = 0; /* what moved while it was looked for is found at the second look */

	for (unsigned i = 0; i < SOURCES_ATTEMPTS && full < 2; i++) {
		uint64_t word;
		struct source_entry *e = find(row, label_of(source, FIRM), &word);

		if (!e)
			full += !make_place(row, source, now);
		else if (count_in(e, word, max, (uint64_t)(e - s->entry), hold, &verdict))
			return verdict;
	}
	return SOURCE_NO_PLACE;
}

/* The entry in which the hold is counted for certain, or NULL. A worker may have written anything there. */
static struct source_entry *counted_in(const struct sources *s, uint64_t held)
{
	return phase_in(held) == COUNTED && index_in(held) < entries(s) ? s->entry + index_in(held) : NULL;
}

enum source_verdict sources_enter(struct sources *s, const struct source_rules *rules, uint64_t source, source_hold *hold,
                                  uint64_t now)
{
	enum source_verdict verdict;
	struct source_entry *e;

	if (rules->max == 0 && rules->rate.interval == 0)
		return SOURCE_ADMITTED;
	verdict = count_source(s, rules, source, hold, now);
	if (verdict != SOURCE_ADMITTED)
		return verdict;
	e = counted_in(s, atomic_load_explicit(hold, memory_order_relaxed));
	if (!e)
		return SOURCE_ADMITTED; /* another process has written into our slot: it lies about itself */
	if (!bucket_take(&e->bucket, &rules->rate, now)) {
		sources_leave(s, hold);
		return SOURCE_TOO_FAST;
	}
	atomic_store_explicit(&e->used, now, memory_order_relaxed);
	return SOURCE_ADMITTED;
}

/* False if others were quicker so many times. */
static bool count_out(struct source_entry *e, uint64_t word, uint64_t tries)
{
	while (is(word, FIRM) && count(word) > 0) {
		if (atomic_compare_exchange_strong(&e->word, &word, with_count(word, count(word) - 1)))
			return true;
		if (--tries == 0)
			return false;
	}
	return true;
}

void sources_leave(struct sources *s, source_hold *hold)
{
	uint64_t held = atomic_load_explicit(hold, memory_order_acquire), word;
	struct source_entry *e = counted_in(s, held);

	if (!e)
		return;
	word = undisturbing(e, atomic_load(&e->word));
	say(hold, index_in(held), LEAVING);
	count_out(e, word, UINT64_MAX);
	atomic_store_explicit(hold, NOWHERE, memory_order_release);
}

void sources_undo(struct sources *s, const struct source_rules *rules, source_hold *hold)
{
	struct source_entry *e = counted_in(s, atomic_load_explicit(hold, memory_order_acquire));

	if (!e)
		return;
	bucket_give_back(&e->bucket, &rules->rate);
	sources_leave(s, hold);
}

/* The dead */

struct tally {
	uint64_t index;
	uint32_t counted;
	bool uncertain;
};

static void tally_slot(const source_hold *hold, void *data)
{
	struct tally *t = data;
	uint64_t held = atomic_load_explicit(hold, memory_order_acquire);

	if (index_in(held) != t->index)
		return;
	t->counted += phase_in(held) == COUNTED;
	t->uncertain |= phase_in(held) == COUNTING || phase_in(held) == LEAVING;
}

/* Once. False if somebody counted meanwhile; *uncertain if somebody just might. */
static bool recount(struct source_entry *e, struct tally *t, sources_each_slot *each, void *slots)
{
	uint64_t word = atomic_load(&e->word);
	uint64_t marked = word | MARK;

	if (!is(word, FIRM) || count(word) == 0)
		return true; /* nobody is in the count, and so neither is the dead */
	if (!swap(e, word, marked))
		return false;
	t->counted = 0;
	each(tally_slot, t, slots);
	if (!t->uncertain)
		return swap(e, marked, with_count(marked, t->counted < COUNT_MAX ? t->counted : COUNT_MAX));
	swap(e, marked, with_count(marked, count(marked)));
	return false;
}

/* The slot says DEAD until it is done: so two that died in one entry do not wait for each other. */
static bool bury_uncertain(const struct sources *s, source_hold *hold, uint64_t index, sources_each_slot *each, void *slots)
{
	struct tally t = { .index = index };
	bool done = false;

	say(hold, index, DEAD);
	for (unsigned i = 0; i < RECOUNTS && !done && !t.uncertain; i++)
		done = recount(s->entry + index, &t, each, slots);
	return done;
}

bool sources_bury(struct sources *s, source_hold *hold, sources_each_slot *each, void *slots)
{
	uint64_t held = atomic_load_explicit(hold, memory_order_acquire);
	struct source_entry *e = counted_in(s, held);
	bool done = true;

	if (e)
		done = count_out(e, atomic_load(&e->word), BURIALS);
	else if (phase_in(held) != NOWHERE && index_in(held) < entries(s))
		done = bury_uncertain(s, hold, index_in(held), each, slots);
	if (done)
		atomic_store_explicit(hold, NOWHERE, memory_order_release);
	return done;
}

/* Looking */

uint32_t sources_count(const struct sources *s, uint64_t source)
{
	uint64_t word;

	return find(row_of(s, source), label_of(source, FIRM), &word) ? count(word) : 0;
}

uint32_t sources_total(const struct sources *s)
{
	uint32_t total = 0;

	for (uint64_t i = 0; i < entries(s); i++) {
		uint64_t word = atomic_load(&s->entry[i].word);

		total += is(word, FIRM) ? count(word) : 0;
	}
	return total;
}
