/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "sources.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
#define S UINT64_C(1000000000)
#define DAY_MS 86400000

/* A table in memory of exactly its size. */
static struct sources new_table(uint32_t rows)
{
	struct sources s;
	void *memory = NULL;

	ck_assert_int_eq(posix_memalign(&memory, PAGE, sources_size(rows)), 0);
	memset(memory, 0, sources_size(rows));
	sources_attach(&s, memory, rows);
	s.header->key[0] = UINT64_C(0x0123456789abcdef);
	s.header->key[1] = UINT64_C(0xfedcba9876543210);
	return s;
}

static void free_table(struct sources *s)
{
	free(s->header);
}

/* Sources by letter or number; in a table of one row all of them meet. */
static uint64_t source(unsigned n)
{
	return (uint64_t)(n + 1) << 32;
}

/* Memory */

static const struct {
	uint32_t workers, rows;
} sizes[] = {
	{ 1, 256 }, { 64, 256 }, { 512, 256 }, { 513, 512 }, { 1024, 512 }, { 1025, 1024 }, { 10000, 8192 },
	{ 100000, 65536 }, { UINT32_MAX, 1U << 24 },
};

START_TEST(there_are_eight_entries_for_each_worker_and_4096_at_least)
{
	ck_assert_uint_eq(sources_rows(sizes[_i].workers), sizes[_i].rows);
}
END_TEST

START_TEST(every_entry_can_be_written)
{
	struct sources s = new_table(1U << _i);

	ck_assert_uint_eq((uintptr_t)s.entry % 64, 0);
	memset(s.entry, 0xff, sources_size(s.rows) - sizeof(*s.header));
	ck_assert_uint_eq(s.header->key[0], UINT64_C(0x0123456789abcdef));
	free_table(&s);
}
END_TEST

/* Hashes */

static const struct {
	const char *one, *other;
	int v4, v6;
	bool same;
} networks[] = {
	{ "192.0.2.1:1", "192.0.2.1:1", 32, 64, true },
	{ "192.0.2.1:1", "192.0.2.1:2", 32, 64, true },
	{ "192.0.2.1:1", "192.0.2.2:1", 32, 64, false },
	{ "192.0.2.1:1", "192.0.2.2:1", 31, 64, false },
	{ "192.0.2.2:1", "192.0.2.3:1", 31, 64, true },
	{ "192.0.2.0:1", "192.0.2.255:1", 24, 64, true },
	{ "192.0.2.0:1", "192.0.3.0:1", 24, 64, false },
	{ "192.0.2.0:1", "192.0.3.0:1", 23, 64, true },
	{ "10.0.0.1:1", "11.255.255.255:1", 7, 64, true },
	{ "10.0.0.1:1", "11.255.255.255:1", 8, 64, false },
	{ "127.255.255.255:1", "128.0.0.0:1", 1, 64, false },
	{ "0.0.0.0:1", "255.255.255.255:1", 0, 64, true },
	{ "0.0.0.0:1", "255.255.255.255:1", 1, 64, false },
	{ "192.0.2.1:1", "192.0.2.1:1", 32, 0, true },
	{ "[2001:db8::1]:1", "[2001:db8::1]:2", 32, 128, true },
	{ "[2001:db8::1]:1", "[2001:db8::2]:1", 32, 128, false },
	{ "[2001:db8::2]:1", "[2001:db8::3]:1", 32, 127, true },
	{ "[2001:db8::2]:1", "[2001:db8::3]:1", 32, 128, false },
	{ "[2001:db8::]:1", "[2001:db8::ffff:ffff:ffff:ffff]:1", 32, 64, true },
	{ "[2001:db8::]:1", "[2001:db8::8000:0:0:0]:1", 32, 65, false },
	{ "[2001:db8::]:1", "[2001:db8::8000:0:0:0]:1", 32, 64, true },
	{ "[2001:db8::]:1", "[2001:db8:0:1::]:1", 32, 64, false },
	{ "[2001:db8::]:1", "[2001:db8:0:1::]:1", 32, 63, true },
	{ "[2001:db8::]:1", "[2001:db9::]:1", 32, 32, false },
	{ "[2001:db8::]:1", "[2001:db9::]:1", 32, 31, true },
	{ "[::]:1", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", 32, 0, true },
	{ "[::]:1", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", 32, 1, false },
	{ "[fe80::1%1]:1", "[fe80::1%2]:1", 32, 64, true },
	{ "[::1]:1", "0.0.0.1:1", 32, 128, false },
	{ "[::]:1", "0.0.0.0:1", 0, 0, false },
	{ "@name", "0.0.0.0:1", 0, 0, false },
	{ "@name", "[::]:1", 0, 0, false },
	{ "@name", "/other", 32, 64, true },
};

static uint64_t hash_of(const struct sources *s, const char *text, int v4, int v6, uid_t uid)
{
	const struct source_rules rules = { .prefix_v4 = v4, .prefix_v6 = v6 };
	struct address a = given_address(text);

	return sources_hash(s, &rules, &a, uid);
}

START_TEST(addresses_of_one_network_are_one_source)
{
	struct sources s = new_table(1);
	uint64_t one = hash_of(&s, networks[_i].one, networks[_i].v4, networks[_i].v6, 0);
	uint64_t other = hash_of(&s, networks[_i].other, networks[_i].v4, networks[_i].v6, 0);

	ck_assert_msg((one == other) == networks[_i].same, "%s, %s, /%d, /%d", networks[_i].one, networks[_i].other,
	              networks[_i].v4, networks[_i].v6);
	ck_assert(one != 0 && other != 0);
	free_table(&s);
}
END_TEST

START_TEST(clients_of_a_path_are_told_apart_by_their_user)
{
	struct sources s = new_table(1);

	ck_assert(hash_of(&s, "@name", 32, 64, 1000) == hash_of(&s, "/path", 32, 64, 1000));
	ck_assert(hash_of(&s, "@name", 32, 64, 1000) != hash_of(&s, "@name", 32, 64, 1001));
	ck_assert(hash_of(&s, "192.0.2.1:1", 32, 64, 1000) == hash_of(&s, "192.0.2.1:1", 32, 64, 1001));
	free_table(&s);
}
END_TEST

START_TEST(each_half_of_the_key_decides_about_the_hash)
{
	struct sources s = new_table(1);
	uint64_t first = hash_of(&s, "192.0.2.1:1", 32, 64, 0), second;

	s.header->key[0] ^= 1;
	second = hash_of(&s, "192.0.2.1:1", 32, 64, 0);
	s.header->key[1] ^= UINT64_C(1) << 63;
	ck_assert(first != second && second != hash_of(&s, "192.0.2.1:1", 32, 64, 0));
	free_table(&s);
}
END_TEST

/* Addresses of 64 times 64 neighbours, wherever they differ. */
static void neighbour(char *out, size_t size, int pattern, unsigned i, unsigned j)
{
	switch (pattern) {
	case 0:
		snprintf(out, size, "10.0.%u.%u:1", i, j);
		break;
	case 1:
		snprintf(out, size, "%u.%u.0.1:1", i, j);
		break;
	case 2:
		snprintf(out, size, "[2001:db8:%x:%x::]:1", i, j);
		break;
	case 3:
		snprintf(out, size, "[2001:db8::%x:%x]:1", i, j);
		break;
	default:
		snprintf(out, size, "[%x::%x]:1", i, j);
		break;
	}
}

/* 16 in each row would be even; chance makes it twice as many somewhere, and a hash that is none many more. */
START_TEST(neighbours_spread_over_the_rows)
{
	struct sources s = new_table(1);
	unsigned filled[256] = { 0 }, tags[256] = { 0 };

	for (unsigned i = 0; i < 4096; i++) {
		char text[64];
		uint64_t h;

		neighbour(text, sizeof(text), _i, i / 64, i % 64);
		h = hash_of(&s, text, 32, 128, 0);
		filled[h % 256]++;
		tags[h >> 56]++;
	}
	for (unsigned i = 0; i < 256; i++)
		ck_assert_msg(filled[i] < 40 && tags[i] < 40, "pattern %d: %u and %u in %u", _i, filled[i], tags[i], i);
	free_table(&s);
}
END_TEST

/* Verdicts */

#define SLOTS 40

static const char verdict_letter[] = {
	[SOURCE_ADMITTED] = '+', [SOURCE_TOO_MANY] = 'm', [SOURCE_TOO_FAST] = 'f', [SOURCE_NO_PLACE] = 'p',
};

/*
 * One token for each second. In events, with a blank behind each: "1A+" the worker 1 asks for A and is admitted, "1Am"
 * there are too many, "1Af" too fast; "1-" the connection ends, "1~" it is undone; "A=2" it has two; "@7" it is the
 * seventh second.
 */
static const struct {
	uint32_t max, burst;
	const char *events;
} sequences[] = {
	{ 1, 0, "1A+ 2Am 1- 2A+ A=1 2- A=0" },
	{ 2, 0, "1A+ 2A+ 3Am A=2 1- 3A+ 1Am 2- 3- A=0" },
	{ 1, 0, "1A+ 2B+ 3Am 3Bm A=1 B=1 1- 3A+ 2- 3- A=0 B=0" },
	{ 1, 0, "1A+ 1~ 1A+ 2Am 1~ 2A+ 2-" },
	{ 1, 0, "1- 1~ 1A+ 1- 1- 1- A=0 1A+ 2Am" },
	{ 0, 2, "1A+ 2A+ 3Af A=2 @1 3A+ 4Af @3 4A+ 5A+ 6Af A=5" },
	{ 0, 2, "1A+ 1- 1A+ 1- 1Af A=0 @1 1A+ 1- 1Af" },
	{ 0, 1, "1A+ 2Af 1~ 2A+ 1Af 2- 1Af @1 1A+" },
	{ 0, 1, "1A+ 2B+ 3Af 3Bf @1 3A+ 4B+" },
	{ 1, 2, "1A+ 2Am 2Am 2Am 1- 2A+ 2- 1Af @1 1A+ 2Am" },
	{ 2, 1, "1A+ 2Af A=1 @1 2A+ 3Am A=2 1- 3Af A=1" },
	{ 1, 1, "1A+ 1~ 1A+ 2Am 1- 2Af @1 2A+ 2~ 1A+ A=1" },
	{ 131071, 0, "1A+ 2A+ A=2" },
	{ UINT32_MAX, 0, "1A+ 2A+ A=2" },
};

struct stage {
	struct sources sources;
	struct source_rules rules;
	source_hold hold[SLOTS];
	uint64_t now;
};

static struct stage new_stage(uint32_t max, uint32_t burst)
{
	struct stage s = { .sources = new_table(1), .rules = { .max = max }, .now = 100 * S };

	if (burst > 0)
		s.rules.rate = bucket_rate_of(1, 1000, burst);
	return s;
}

static enum source_verdict enter(struct stage *s, unsigned slot, unsigned n)
{
	return sources_enter(&s->sources, &s->rules, source(n), &s->hold[slot], s->now);
}

static void leave(struct stage *s, unsigned slot)
{
	sources_leave(&s->sources, &s->hold[slot]);
}

static uint32_t count_of(const struct stage *s, unsigned n)
{
	return sources_count(&s->sources, source(n));
}

static void play(struct stage *s, const char *e)
{
	unsigned slot = (unsigned)(e[0] - '0'), letter = (unsigned)(e[1] - 'A');

	if (e[0] == '@')
		s->now = (100 + (uint64_t)(e[1] - '0')) * S;
	else if (e[1] == '=')
		ck_assert_msg(count_of(s, (unsigned)(e[0] - 'A')) == (uint32_t)(e[2] - '0'), "%s", e);
	else if (e[1] == '-')
		leave(s, slot);
	else if (e[1] == '~')
		sources_undo(&s->sources, &s->rules, &s->hold[slot]);
	else
		ck_assert_msg(verdict_letter[enter(s, slot, letter)] == e[2], "%s", e);
}

START_TEST(a_source_has_its_connections_and_its_tokens)
{
	struct stage s = new_stage(sequences[_i].max, sequences[_i].burst);

	for (const char *e = sequences[_i].events; e; e = strchr(e, ' ') ? strchr(e, ' ') + 1 : NULL)
		play(&s, e);
	for (unsigned i = 0; i < SLOTS; i++)
		leave(&s, i);
	ck_assert_uint_eq(sources_total(&s.sources), 0);
	free_table(&s.sources);
}
END_TEST

START_TEST(where_there_are_no_rules_nothing_is_touched)
{
	const struct source_rules none = { .max = 0 };
	struct sources nowhere = { NULL, NULL, 0 };
	source_hold hold = 0;

	ck_assert_int_eq(sources_enter(&nowhere, &none, source(0), &hold, S), SOURCE_ADMITTED);
	ck_assert_uint_eq(hold, 0);
	sources_undo(&nowhere, &none, &hold);
	sources_leave(&nowhere, &hold);
	ck_assert_uint_eq(hold, 0);
}
END_TEST

START_TEST(a_refused_one_is_not_counted)
{
	struct stage s = new_stage(1, 1);

	ck_assert_int_eq(enter(&s, 0, 0), SOURCE_ADMITTED);
	ck_assert_int_eq(enter(&s, 1, 0), SOURCE_TOO_MANY);
	ck_assert_uint_eq(s.hold[1], 0);
	leave(&s, 0);
	ck_assert_int_eq(enter(&s, 1, 0), SOURCE_TOO_FAST);
	ck_assert_uint_eq(s.hold[1], 0);
	ck_assert_uint_eq(sources_total(&s.sources), 0);
	free_table(&s.sources);
}
END_TEST

START_TEST(no_source_has_more_connections_than_can_be_counted)
{
	struct stage s = new_stage(0, 1000000000);
	source_hold *holds = calloc(131072, sizeof(*holds));

	for (unsigned i = 0; i < 131071; i++)
		ck_assert_int_eq(sources_enter(&s.sources, &s.rules, source(0), &holds[i], s.now), SOURCE_ADMITTED);
	ck_assert_int_eq(sources_enter(&s.sources, &s.rules, source(0), &holds[131071], s.now), SOURCE_TOO_MANY);
	ck_assert_uint_eq(count_of(&s, 0), 131071);
	for (unsigned i = 0; i < 131072; i++)
		sources_leave(&s.sources, &holds[i]);
	ck_assert_uint_eq(sources_total(&s.sources), 0);
	ck_assert_int_eq(enter(&s, 0, 0), SOURCE_ADMITTED);
	free(holds);
	free_table(&s.sources);
}
END_TEST

/* Who goes */

/* Is the source still known? Its bucket of one token was emptied, and a forgotten one gets in at once. */
static bool is_known(struct stage *s, unsigned n)
{
	bool known = enter(s, SLOTS - 1, n) == SOURCE_TOO_FAST;

	leave(s, SLOTS - 1);
	return known;
}

/* Comes and goes at that second. */
static void visit(struct stage *s, unsigned n, unsigned second)
{
	s->now = second * S;
	ck_assert_int_eq(enter(s, 0, n), SOURCE_ADMITTED);
	leave(s, 0);
}

static void fill_row(struct stage *s)
{
	for (unsigned n = 0; n < SOURCES_ROW; n++)
		ck_assert_int_eq(enter(s, n, n), SOURCE_ADMITTED);
}

START_TEST(sources_of_a_full_row_are_refused_until_one_can_go)
{
	struct stage s = new_stage(5, 0);

	fill_row(&s);
	for (unsigned n = 0; n < SOURCES_ROW; n++) {
		ck_assert_int_eq(enter(&s, 20, 100), SOURCE_NO_PLACE);
		ck_assert_uint_eq(s.hold[20], 0);
		ck_assert_int_eq(enter(&s, 20, n), SOURCE_ADMITTED); /* who has a place is not concerned */
		leave(&s, 20);
		leave(&s, n);
		ck_assert_int_eq(enter(&s, n, 100), SOURCE_ADMITTED);
		leave(&s, n);
		ck_assert_int_eq(enter(&s, n, n), SOURCE_ADMITTED);
	}
	ck_assert_uint_eq(sources_total(&s.sources), SOURCES_ROW);
	free_table(&s.sources);
}
END_TEST

START_TEST(places_that_were_never_used_are_taken_first)
{
	struct stage s = new_stage(0, 1);

	s.rules.rate = bucket_rate_of(1, DAY_MS, 1);
	for (unsigned n = 0; n < SOURCES_ROW; n++)
		visit(&s, n, 100 + n);
	for (unsigned n = 0; n < SOURCES_ROW; n++)
		ck_assert_msg(is_known(&s, n), "%u", n);
	free_table(&s.sources);
}
END_TEST

/* In this order they came last. */
static const unsigned orders[][SOURCES_ROW] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 },
	{ 3, 9, 1, 15, 0, 4, 12, 7, 14, 2, 8, 5, 11, 6, 13, 10 },
};

START_TEST(the_one_that_was_idle_for_the_longest_time_goes_next)
{
	for (unsigned flood = 0; flood <= SOURCES_ROW; flood++) {
		struct stage s = new_stage(0, 1);

		s.rules.rate = bucket_rate_of(1, DAY_MS, 1);
		for (unsigned n = 0; n < SOURCES_ROW; n++)
			visit(&s, n, 100);
		s.rules.rate.depth *= 2;
		for (unsigned i = 0; i < SOURCES_ROW; i++)
			visit(&s, orders[_i][i], 200 + i);
		for (unsigned i = 0; i < flood; i++)
			visit(&s, 100 + i, 300 + i);
		for (unsigned i = SOURCES_ROW; i-- > flood;)
			ck_assert_msg(is_known(&s, orders[_i][i]), "%u after %u", orders[_i][i], flood);
		if (flood > 0)
			ck_assert_msg(!is_known(&s, orders[_i][flood - 1]), "%u after %u", orders[_i][flood - 1], flood);
		free_table(&s.sources);
	}
}
END_TEST

/* Those with even numbers were here earlier, and the odd ones' buckets are full again. */
START_TEST(one_whose_bucket_is_full_goes_before_one_whose_is_not)
{
	struct stage s = new_stage(0, 1);

	for (unsigned n = 0; n < SOURCES_ROW; n += 2) {
		s.rules.rate = bucket_rate_of(1, DAY_MS, 1);
		visit(&s, n, 100 + n);
	}
	for (unsigned n = 1; n < SOURCES_ROW; n += 2) {
		s.rules.rate = bucket_rate_of(1, 1000, 1);
		visit(&s, n, 150 + n);
	}
	s.rules.rate = bucket_rate_of(1, DAY_MS, 1);
	for (unsigned n = 0; n < SOURCES_ROW / 2; n++)
		visit(&s, 100 + n, 200 + n);
	for (unsigned n = 0; n < SOURCES_ROW; n += 2)
		ck_assert_msg(is_known(&s, n), "%u", n);
	visit(&s, 200, 300);
	ck_assert(is_known(&s, 2));
	ck_assert(!is_known(&s, 0));
	free_table(&s.sources);
}
END_TEST

START_TEST(one_with_a_connection_never_goes)
{
	struct stage s = new_stage(1, 0);

	ck_assert_int_eq(enter(&s, 1, 7), SOURCE_ADMITTED);
	for (unsigned n = 0; n < 10000; n++)
		visit(&s, 100 + n, 200 + n);
	ck_assert_uint_eq(count_of(&s, 7), 1);
	ck_assert_int_eq(enter(&s, 2, 7), SOURCE_TOO_MANY);
	free_table(&s.sources);
}
END_TEST

START_TEST(a_newcomer_begins_with_a_full_bucket)
{
	struct stage s = new_stage(0, 3);

	s.rules.rate = bucket_rate_of(1, DAY_MS, 3);
	for (unsigned n = 0; n < 100; n++) {
		for (unsigned i = 0; i < 3; i++)
			visit(&s, n, 200);
		ck_assert_int_eq(enter(&s, 0, n), SOURCE_TOO_FAST);
	}
	free_table(&s.sources);
}
END_TEST

/* Rows do not concern each other. */
START_TEST(a_flood_of_sources_leaves_whoever_is_connected_alone)
{
	struct sources t = new_table(256);
	const struct source_rules rules = { .max = 1, .prefix_v4 = 32 };
	source_hold mine = 0, other = 0, hold = 0;
	uint64_t first = hash_of(&t, "192.0.2.1:1", 32, 64, 0);

	ck_assert_int_eq(sources_enter(&t, &rules, first, &mine, S), SOURCE_ADMITTED);
	for (uint32_t i = 0; i < 20000; i++) {
		struct address a = given_address("10.0.0.0:1");

		a.socket.v4.sin_addr.s_addr += i * 1000003;
		ck_assert_int_eq(sources_enter(&t, &rules, sources_hash(&t, &rules, &a, 0), &hold, S + i), SOURCE_ADMITTED);
		sources_leave(&t, &hold);
	}
	ck_assert_int_eq(sources_enter(&t, &rules, first, &other, 2 * S), SOURCE_TOO_MANY);
	ck_assert_uint_eq(sources_total(&t), 1);
	free_table(&t);
}
END_TEST

/* The dead */

static void each_of_stage(void (*visit_slot)(const source_hold *hold, void *tally), void *tally, void *slots)
{
	struct stage *s = slots;

	for (unsigned i = 0; i < SLOTS; i++)
		visit_slot(&s->hold[i], tally);
}

START_TEST(a_dead_ones_connection_is_given_back)
{
	struct stage s = new_stage(2, 0);

	ck_assert_int_eq(enter(&s, 0, 0), SOURCE_ADMITTED);
	ck_assert_int_eq(enter(&s, 1, 0), SOURCE_ADMITTED);
	ck_assert(sources_bury(&s.sources, &s.hold[0], each_of_stage, &s));
	ck_assert_uint_eq(s.hold[0], 0);
	ck_assert_uint_eq(count_of(&s, 0), 1);
	ck_assert(sources_bury(&s.sources, &s.hold[0], each_of_stage, &s));
	ck_assert_uint_eq(count_of(&s, 0), 1);
	ck_assert_int_eq(enter(&s, 2, 0), SOURCE_ADMITTED);
	ck_assert_int_eq(enter(&s, 3, 0), SOURCE_TOO_MANY);
	free_table(&s.sources);
}
END_TEST

/* Every byte that a hold can end with, and indices inside and outside. */
static const uint64_t indices[] = { 0, 1, SOURCES_ROW - 1, SOURCES_ROW, UINT64_C(1) << 31, (UINT64_C(1) << 56) - 1 };

START_TEST(whatever_a_worker_wrote_its_burial_is_harmless)
{
	for (uint64_t byte = 0; byte < 256; byte++) {
		struct stage s = new_stage(1, 0);

		s.hold[0] = indices[_i] << 8 | byte;
		ck_assert_msg(sources_bury(&s.sources, &s.hold[0], each_of_stage, &s), "%ju", (uintmax_t)byte);
		ck_assert_msg(s.hold[0] == 0 && sources_total(&s.sources) == 0, "%ju", (uintmax_t)byte);
		s.hold[0] = indices[_i] << 8 | byte;
		sources_leave(&s.sources, &s.hold[0]);
		sources_undo(&s.sources, &s.rules, &s.hold[0]);
		ck_assert_msg(sources_total(&s.sources) == 0, "%ju", (uintmax_t)byte);
		free_table(&s.sources);
	}
}
END_TEST

/* What a hold says of one who died while he counted is only known to be neither nothing nor `counted`. */
START_TEST(the_count_becomes_that_of_the_slots_when_one_died_while_it_counted)
{
	struct stage s = new_stage(0, 1000000);

	for (uint64_t byte = 1; byte < 256; byte++) {
		uint64_t counted;

		for (unsigned i = 1; i <= 3; i++)
			ck_assert_int_eq(enter(&s, i, 0), SOURCE_ADMITTED);
		counted = s.hold[1];
		if ((counted & 255) != byte) {
			s.hold[0] = (counted & ~UINT64_C(255)) | byte; /* not in the count */
			ck_assert(sources_bury(&s.sources, &s.hold[0], each_of_stage, &s));
			ck_assert_msg(count_of(&s, 0) == 3, "%ju", (uintmax_t)byte);
			s.hold[1] = (counted & ~UINT64_C(255)) | byte; /* in the count */
		}
		ck_assert(sources_bury(&s.sources, &s.hold[1], each_of_stage, &s));
		ck_assert_msg(count_of(&s, 0) == 2, "%ju", (uintmax_t)byte);
		leave(&s, 2);
		leave(&s, 3);
		ck_assert_msg(sources_total(&s.sources) == 0, "%ju", (uintmax_t)byte);
	}
	free_table(&s.sources);
}
END_TEST

/* Each of them may be the one who counts just now: then it is put off, and settled when he is done. */
START_TEST(who_died_where_another_is_just_counting_is_buried_later)
{
	unsigned put_off = 0;

	for (uint64_t byte = 1; byte < 256; byte++) {
		struct stage s = new_stage(0, 100);
		uint64_t place;

		ck_assert_int_eq(enter(&s, 1, 0), SOURCE_ADMITTED);
		ck_assert_int_eq(enter(&s, 2, 0), SOURCE_ADMITTED);
		place = s.hold[1] & ~UINT64_C(255);
		s.hold[0] = place | 0xff;
		s.hold[2] = place | byte;
		if (!sources_bury(&s.sources, &s.hold[0], each_of_stage, &s)) {
			put_off++;
			ck_assert(s.hold[0] != 0);
			s.hold[2] = s.hold[1];
			ck_assert(sources_bury(&s.sources, &s.hold[0], each_of_stage, &s));
			ck_assert_uint_eq(count_of(&s, 0), 2);
		}
		ck_assert_uint_eq(s.hold[0], 0);
		free_table(&s.sources);
	}
	ck_assert_uint_eq(put_off, 2); /* counting, leaving */
}
END_TEST

static uint64_t number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void scribble(struct stage *s, uint64_t *random)
{
	for (unsigned i = 0; i < SOURCES_ROW; i++) {
		struct source_entry *e = &s->sources.entry[i];

		e->word = number(random) & (number(random) | number(random));
		if (number(random) % 4 == 0)
			e->word = source((unsigned)(number(random) % 4)) | (e->word & 0xffffffff);
		e->bucket = number(random);
		e->used = number(random);
		e->stamp = number(random);
	}
}

/* Then the limits of its own service are worth nothing, but everybody goes on. */
START_TEST(whatever_is_in_the_table_everything_ends)
{
	uint64_t random = 1;

	for (unsigned i = 0; i < 3000; i++) {
		struct stage s = new_stage(1 + i % 3, i % 2);

		scribble(&s, &random);
		enter(&s, 0, i % 4);
		enter(&s, 1, i % 4);
		leave(&s, 0);
		sources_undo(&s.sources, &s.rules, &s.hold[1]);
		s.hold[2] = number(&random) % SOURCES_ROW << 8 | number(&random) % 8;
		sources_bury(&s.sources, &s.hold[2], each_of_stage, &s);
		sources_total(&s.sources);
		free_table(&s.sources);
	}
}
END_TEST

/* Many processes */

#define CROWD 16
#define MANY_SOURCES 32

struct crowd {
	_Atomic uint64_t held[MANY_SOURCES]; /* a bit for each process that has a connection of the source */
	_Atomic uint64_t admitted;
	_Atomic bool over;
	_Atomic int wrong; /* a letter */
	source_hold hold[CROWD];
	struct sources sources;
	struct source_rules rules;
	unsigned source_count;
	const char *verdicts; /* that may come */
};

static struct crowd *crowd;

/* In memory that the processes share; the table has one row, so that they meet. */
static void new_crowd(unsigned source_count, uint32_t max, const char *verdicts)
{
	size_t size = PAGE + sources_size(1);

	_Static_assert(sizeof(struct crowd) <= PAGE, "the table lies behind it");
	crowd = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(crowd != MAP_FAILED);
	sources_attach(&crowd->sources, (char *)crowd + PAGE, 1);
	crowd->source_count = source_count;
	crowd->rules.max = max;
	crowd->verdicts = verdicts;
}

static void free_crowd(void)
{
	munmap(crowd, PAGE + sources_size(1));
}

/* One atomic word: so no more can be seen in it than there are at one time. */
static void hold_for_a_while(unsigned n, unsigned who, uint64_t *random)
{
	uint64_t bit = UINT64_C(1) << n;
	uint64_t all = atomic_fetch_or(&crowd->held[who], bit) | bit;

	if (crowd->rules.max > 0 && __builtin_popcountll(all) > (int)crowd->rules.max)
		crowd->wrong = '>';
	for (uint64_t i = number(random) % 64; i > 0; i--)
		atomic_load(&crowd->held[who]);
	atomic_fetch_and(&crowd->held[who], ~bit);
}

static void come_and_go(unsigned n, uint64_t *random)
{
	unsigned who = (unsigned)(number(random) % crowd->source_count);
	enum source_verdict verdict = sources_enter(&crowd->sources, &crowd->rules, source(who), &crowd->hold[n], S);

	if (!strchr(crowd->verdicts, verdict_letter[verdict]))
		crowd->wrong = verdict_letter[verdict];
	if (verdict != SOURCE_ADMITTED)
		return;
	crowd->admitted++;
	hold_for_a_while(n, who, random);
	if (number(random) % 4 == 0)
		sources_undo(&crowd->sources, &crowd->rules, &crowd->hold[n]);
	else
		sources_leave(&crowd->sources, &crowd->hold[n]);
}

/* SIGALRM ends it as SIGKILL would: while it runs, and so at any instruction. */
static void die_soon(uint64_t *random)
{
	const struct itimerval time = { .it_value.tv_usec = 1 + (suseconds_t)(number(random) % 100) };

	setitimer(ITIMER_REAL, &time, NULL);
}

/* It comes and goes a while, and then until it dies. */
static pid_t start(unsigned n, uint64_t seed)
{
	pid_t parent = getpid(), pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL); /* check has its own */
	for (uint64_t turns = number(&seed) % 8; !crowd->over && getppid() == parent; turns--) {
		if (turns == 0)
			die_soon(&seed);
		for (unsigned i = 0; i < 64; i++)
			come_and_go(n, &seed);
		if (turns < 8)
			sched_yield();
	}
	_exit(0);
}

static void each_of_crowd(void (*visit_slot)(const source_hold *hold, void *tally), void *tally, void *slots)
{
	(void)slots;
	for (unsigned i = 0; i < CROWD; i++)
		visit_slot(&crowd->hold[i], tally);
}

static bool bury(unsigned n)
{
	return sources_bury(&crowd->sources, &crowd->hold[n], each_of_crowd, NULL);
}

static void forget(unsigned n)
{
	for (unsigned i = 0; i < MANY_SOURCES; i++)
		atomic_fetch_and(&crowd->held[i], ~(UINT64_C(1) << n));
}

static const struct {
	const char *name;
	unsigned source_count;
	uint32_t max;
	const char *verdicts;
	bool stops; /* some are stopped for a while */
	unsigned deaths;
} storms[] = {
	{ "a few sources", 4, 2, "+m", false, 700 },
	{ "everybody may come, and some are stopped", 1, CROWD, "+", true, 700 },
	{ "more sources than places, and some are stopped", 24, 2, "+mp", true, 700 },
};

struct process {
	pid_t pid; /* 0: it died and is not buried yet */
	bool stopped;
};

static void stop(struct process *p, bool stopped)
{
	if (p->pid == 0 || p->stopped == stopped)
		return;
	kill(p->pid, stopped ? SIGSTOP : SIGCONT);
	p->stopped = stopped;
}

static bool is_anybody_running(const struct process *p)
{
	for (unsigned i = 0; i < CROWD; i++)
		if (p[i].pid && !p[i].stopped)
			return true;
	return false;
}

/* Whose burial must wait has no successor until then. */
static void bury_and_replace(struct process *p, uint64_t *random)
{
	for (unsigned i = 0; i < CROWD; i++)
		if (p[i].pid == 0 && bury(i))
			p[i].pid = start(i, number(random));
}

/* Waits for one that ended. Nobody ends by himself before it is over. */
static void await_one(struct process *p)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	ck_assert_int_gt(pid, 0);
	ck_assert_msg(sig == SIGALRM || sig == SIGKILL || (status == 0 && crowd->over), "status %x", (unsigned)status);
	for (unsigned i = 0; i < CROWD; i++)
		if (p[i].pid == pid) {
			p[i] = (struct process){ 0, false };
			forget(i);
		}
}

/* Most die by themselves; some are killed while they wait for a processor, or are stopped. */
static void rage(struct process *p, int row)
{
	uint64_t random = 7;

	for (unsigned deaths = 0; deaths < storms[row].deaths; deaths++) {
		const struct process *victim = &p[number(&random) % CROWD];

		bury_and_replace(p, &random);
		if (storms[row].stops)
			stop(&p[number(&random) % CROWD], number(&random) % 2);
		if (victim->pid && number(&random) % 8 == 0)
			kill(victim->pid, SIGKILL);
		for (unsigned i = 0; i < CROWD && !is_anybody_running(p); i++)
			stop(&p[i], false);
		await_one(p);
	}
}

static void calm_down(struct process *p)
{
	crowd->over = true;
	for (unsigned i = 0; i < CROWD; i++)
		stop(&p[i], false);
	while (is_anybody_running(p))
		await_one(p);
	for (unsigned i = 0; i < 2 * CROWD; i++)
		bury(i % CROWD);
}

START_TEST(whoever_is_killed_limits_hold_and_no_count_is_left)
{
	struct process p[CROWD] = { { 0, false } };

	new_crowd(storms[_i].source_count, storms[_i].max, storms[_i].verdicts);
	for (unsigned i = 0; i < CROWD; i++)
		p[i].pid = start(i, 1000 + i);
	rage(p, _i);
	calm_down(p);
	ck_assert_msg(crowd->wrong == 0, "%s: %c", storms[_i].name, crowd->wrong);
	ck_assert_msg(sources_total(&crowd->sources) == 0, "%s: %u left", storms[_i].name, sources_total(&crowd->sources));
	for (unsigned i = 0; i < CROWD; i++)
		ck_assert_msg(crowd->hold[i] == 0, "%s: %u", storms[_i].name, i);
	ck_assert_uint_gt(crowd->admitted, storms[_i].deaths);
	free_crowd();
}
END_TEST

_Noreturn static void use_up(unsigned n)
{
	for (unsigned i = 0; i < 600 * SOURCES_ROW; i++) {
		uint64_t who = source((i + n) % SOURCES_ROW);

		if (sources_enter(&crowd->sources, &crowd->rules, who, &crowd->hold[n], S) == SOURCE_ADMITTED)
			crowd->admitted++;
		sources_leave(&crowd->sources, &crowd->hold[n]);
	}
	_exit(0);
}

/* The clock stands still, so there is a burst for each source and no more, whoever takes it. */
START_TEST(many_processes_together_get_exactly_a_burst)
{
	pid_t pids[CROWD];
	int status;

	new_crowd(SOURCES_ROW, 0, "+f");
	crowd->rules.rate = bucket_rate_of(1, DAY_MS, 500);
	for (unsigned n = 0; n < CROWD; n++) {
		pids[n] = fork();
		ck_assert_int_ge(pids[n], 0);
		if (pids[n] == 0)
			use_up(n);
	}
	for (unsigned n = 0; n < CROWD; n++) {
		ck_assert_int_eq(waitpid(pids[n], &status, 0), pids[n]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(crowd->admitted, 500 * SOURCES_ROW);
	ck_assert_uint_eq(sources_total(&crowd->sources), 0);
	free_crowd();
}
END_TEST

Suite *sources_suite(void)
{
	Suite *s = suite_create("sources");
	TCase *t = tcase_create("sources");

	tcase_add_loop_test(t, there_are_eight_entries_for_each_worker_and_4096_at_least, 0, rows(sizes));
	tcase_add_loop_test(t, every_entry_can_be_written, 0, 10);
	tcase_add_loop_test(t, addresses_of_one_network_are_one_source, 0, rows(networks));
	tcase_add_test(t, clients_of_a_path_are_told_apart_by_their_user);
	tcase_add_test(t, each_half_of_the_key_decides_about_the_hash);
	tcase_add_loop_test(t, neighbours_spread_over_the_rows, 0, 5);
	tcase_add_loop_test(t, a_source_has_its_connections_and_its_tokens, 0, rows(sequences));
	tcase_add_test(t, where_there_are_no_rules_nothing_is_touched);
	tcase_add_test(t, a_refused_one_is_not_counted);
	tcase_add_test(t, no_source_has_more_connections_than_can_be_counted);
	tcase_add_test(t, sources_of_a_full_row_are_refused_until_one_can_go);
	tcase_add_test(t, places_that_were_never_used_are_taken_first);
	tcase_add_loop_test(t, the_one_that_was_idle_for_the_longest_time_goes_next, 0, rows(orders));
	tcase_add_test(t, one_whose_bucket_is_full_goes_before_one_whose_is_not);
	tcase_add_test(t, one_with_a_connection_never_goes);
	tcase_add_test(t, a_newcomer_begins_with_a_full_bucket);
	tcase_add_test(t, a_flood_of_sources_leaves_whoever_is_connected_alone);
	tcase_add_test(t, a_dead_ones_connection_is_given_back);
	tcase_add_loop_test(t, whatever_a_worker_wrote_its_burial_is_harmless, 0, rows(indices));
	tcase_add_test(t, the_count_becomes_that_of_the_slots_when_one_died_while_it_counted);
	tcase_add_test(t, who_died_where_another_is_just_counting_is_buried_later);
	tcase_add_test(t, whatever_is_in_the_table_everything_ends);
	tcase_add_loop_test(t, whoever_is_killed_limits_hold_and_no_count_is_left, 0, rows(storms));
	tcase_add_test(t, many_processes_together_get_exactly_a_burst);
	suite_add_tcase(s, t);
	return s;
}
