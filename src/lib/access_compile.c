/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "access_compile.h"
#include "access_rule.h"

#include <sys/mman.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_keys(const struct access_key *a, const struct access_key *b)
{
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return (a->low > b->low) - (a->low < b->low);
}

/* Order: a prefix before those inside it, and of the same prefix first the one that decides. */

static int compare_prefixes(const struct access_entry *a, const struct access_entry *b)
{
	int by_value;

	if (a->kind != b->kind)
		return a->kind - b->kind;
	by_value = compare_keys(&a->value, &b->value);
	return by_value != 0 ? by_value : a->bits - b->bits;
}

static int compare_entries(const void *one, const void *other)
{
	const struct access_entry *a = one, *b = other;
	int by_prefix = compare_prefixes(a, b);

	if (by_prefix != 0)
		return by_prefix;
	if (a->allow != b->allow)
		return a->allow - b->allow;
	return (a->order > b->order) - (a->order < b->order);
}

static void put_in_order(struct access_entries *e)
{
	size_t kept = 0;

	if (e->count == 0)
		return;
	qsort(e->list, e->count, sizeof(*e->list), compare_entries);
	for (size_t i = 1; i < e->count; i++)
		if (compare_prefixes(&e->list[kept], &e->list[i]) != 0)
			e->list[++kept] = e->list[i];
	e->count = kept + 1;
}

/* Flattening: where a prefix begins it decides, and where it ends the one around it does again. */

struct flat {
	const struct access_entry *list;
	uint32_t open[130]; /* prefixes around the present place; each is longer than the one before */
	size_t depth;
	uint32_t count; /* of intervals so far */
	struct access_key last;
	/* Where they go; NULL: they are only counted. */
	uint32_t *words;
	uint32_t *narrow;
	struct access_key *wide;
};

static uint32_t word_of(const struct flat *f)
{
	uint32_t number;

	if (f->depth == 0)
		return ACCESS_UNDECIDED;
	number = f->open[f->depth - 1];
	return f->list[number].allow ? number | ACCESS_ALLOWS : number;
}

/* From here on the innermost prefix decides. Several may begin or end at the same place: the last one said counts. */
static void mark(struct flat *f, struct access_key at)
{
	if (f->count == 0 || compare_keys(&f->last, &at) != 0)
		f->count++;
	f->last = at;
	if (!f->words)
		return;
	f->words[f->count - 1] = word_of(f);
	if (f->narrow)
		f->narrow[f->count - 1] = (uint32_t)(at.high >> 32);
	else
		f->wide[f->count - 1] = at;
}

static struct access_key last_of_innermost(const struct flat *f)
{
	const struct access_entry *e = &f->list[f->open[f->depth - 1]];

	return access_rule_last(e->value, e->bits);
}

static void leave_innermost(struct flat *f)
{
	struct access_key next = last_of_innermost(f);

	f->depth--;
	if (++next.low == 0 && ++next.high == 0)
		return; /* there is nothing behind it */
	mark(f, next);
}

static void enter(struct flat *f, uint32_t number)
{
	const struct access_key value = f->list[number].value;

	while (f->depth > 0) {
		const struct access_key last = last_of_innermost(f);

		if (compare_keys(&last, &value) >= 0)
			break;
		leave_innermost(f);
	}
	f->open[f->depth++] = number;
	mark(f, value);
}

static void flatten(struct flat *f, uint32_t first, uint32_t end)
{
	mark(f, (struct access_key){ 0, 0 });
	for (uint32_t i = first; i < end; i++)
		enter(f, i);
	while (f->depth > 0)
		leave_innermost(f);
}

/* Placing: how large everything is, and where it goes */

static uint64_t rounded(uint64_t size)
{
	return (size + 63) & ~(uint64_t)63;
}

static uint64_t reserve(struct access *a, uint64_t count, size_t each)
{
	uint64_t place = a->size;

	a->size += rounded(count * each);
	return place;
}

static void number_rules(struct access *a, const struct access_entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		a->first[e->list[i].kind + 1]++;
	for (int kind = 0; kind < ACCESS_KINDS; kind++)
		a->first[kind + 1] += a->first[kind];
}

static size_t key_size(int kind)
{
	return kind == ACCESS_IPV6 ? sizeof(struct access_key) : sizeof(uint32_t);
}

static void place_tree(struct access *a, int kind, const struct access_entries *e)
{
	struct access_tree *tree = &a->tree[kind];
	struct flat f = { .list = e->list };
	uint32_t count;

	flatten(&f, a->first[kind], a->first[kind + 1]);
	count = f.count;
	for (;;) {
		tree->count[tree->levels] = count;
		tree->keys[tree->levels++] = reserve(a, count, key_size(kind));
		if (count <= ACCESS_FANOUT)
			break;
		count = (count - 1) / ACCESS_FANOUT + 1;
	}
	tree->words = reserve(a, f.count, sizeof(uint32_t));
}

static void place(struct access *a, const struct access_entries *e)
{
	a->size = rounded(sizeof(*a));
	a->has_allow = e->has_allow;
	a->files = e->files;
	number_rules(a, e);
	for (int kind = 0; kind < ACCESS_KINDS; kind++)
		place_tree(a, kind, e);
	a->origins = reserve(a, e->count, sizeof(struct access_origin));
	a->narrow = reserve(a, a->first[ACCESS_IPV6], sizeof(uint32_t));
	a->wide = reserve(a, e->count - a->first[ACCESS_IPV6], sizeof(struct access_key));
	a->names = reserve(a, e->names_size, 1);
}

/* Writing */

static void *in(void *memory, uint64_t at)
{
	return (unsigned char *)memory + at;
}

static void copy_key(void *to, size_t n, const void *from, size_t m, size_t size)
{
	memcpy((unsigned char *)to + n * size, (const unsigned char *)from + m * size, size);
}

/* Each level above the intervals has the first value of every node below. */
static void write_levels(void *memory, const struct access_tree *tree, size_t size)
{
	for (uint32_t level = 1; level < tree->levels; level++)
		for (uint32_t i = 0; i < tree->count[level]; i++)
			copy_key(in(memory, tree->keys[level]), i, in(memory, tree->keys[level - 1]), (size_t)i * ACCESS_FANOUT, size);
}

static void write_tree(void *memory, const struct access *a, int kind, const struct access_entries *e)
{
	const struct access_tree *tree = &a->tree[kind];
	struct flat f = { .list = e->list, .words = in(memory, tree->words) };

	if (kind == ACCESS_IPV6)
		f.wide = in(memory, tree->keys[0]);
	else
		f.narrow = in(memory, tree->keys[0]);
	flatten(&f, a->first[kind], a->first[kind + 1]);
	write_levels(memory, tree, key_size(kind));
}

static void write_rules(void *memory, const struct access *a, const struct access_entries *e)
{
	struct access_origin *origin = in(memory, a->origins);
	uint32_t *narrow = in(memory, a->narrow);
	struct access_key *wide = in(memory, a->wide);

	for (size_t i = 0; i < e->count; i++) {
		const struct access_entry *entry = &e->list[i];

		origin[i] = (struct access_origin){ entry->line, entry->file, entry->bits, entry->allow };
		if (i < a->first[ACCESS_IPV6])
			narrow[i] = (uint32_t)(entry->value.high >> 32);
		else
			wide[i - a->first[ACCESS_IPV6]] = entry->value;
	}
}

static void write_all(void *memory, const struct access *a, const struct access_entries *e)
{
	*(struct access *)memory = *a;
	for (int kind = 0; kind < ACCESS_KINDS; kind++)
		write_tree(memory, a, kind, e);
	write_rules(memory, a, e);
	if (e->names_size > 0)
		memcpy(in(memory, a->names), e->names, e->names_size);
}

/* The pages are had now: want of memory is an error here and a signal at the first write. */
static int allocate(int fd, uint64_t size)
{
	int result;

	do
		result = fallocate(fd, 0, 0, (off_t)size);
	while (result < 0 && errno == EINTR);
	return result;
}

/* A mapping that can be written must be gone before the seals are set. */
static int fill(int fd, const struct access *a, const struct access_entries *e)
{
	void *memory;

	if (allocate(fd, a->size) < 0)
		return -1;
	memory = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -1;
	write_all(memory, a, e);
	return munmap(memory, a->size);
}

/*
 * Nobody can change it any more, not even root. F_SEAL_WRITE would say the same but keeps older kernels from mapping it shared, even
 * for reading.
 */
static int seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
}

int access_compile(struct access_entries *e, size_t *size)
{
	struct access a = { 0 };
	int fd, error;

	put_in_order(e);
	place(&a, e);
	fd = memfd_create("access", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	*size = a.size;
	if (fill(fd, &a, e) == 0 && seal(fd) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
