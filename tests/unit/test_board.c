/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "board.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096

/* A board in memory of exactly its size, all zero. */
static struct board new_board(uint32_t slots)
{
	struct board b;
	void *memory = NULL;

	ck_assert_int_eq(posix_memalign(&memory, PAGE, board_size(slots)), 0);
	memset(memory, 0, board_size(slots));
	board_attach(&b, memory, slots);
	return b;
}

static void free_board(struct board *b)
{
	free(b->header);
}

static const uint32_t sizes[] = { 1, 2, 15, 16, 17, 63, 64, 65, 128, 1000, 100001 };

START_TEST(the_arrays_lie_in_lines_of_their_own_one_behind_the_other)
{
	uint32_t n = sizes[_i];
	struct board b = new_board(n);
	uintptr_t start = (uintptr_t)b.header, state = (uintptr_t)b.state, source = (uintptr_t)b.source, slot = (uintptr_t)b.slot;

	ck_assert_msg(b.slots == n, "%u slots", n);
	ck_assert_msg(state >= start + sizeof(*b.header) && source >= state + n && slot >= source + n * sizeof(uint32_t), "%u slots", n);
	ck_assert_msg(start + board_size(n) == slot + n * sizeof(struct board_slot), "%u slots", n);
	ck_assert_msg((state | source | slot) % 64 == 0, "%u slots", n);
	free_board(&b);
}
END_TEST

START_TEST(every_slot_can_be_written)
{
	uint32_t n = sizes[_i];
	struct board b = new_board(n);

	for (uint32_t i = 0; i < n; i++) {
		board_set(&b, i, WORKER_IDLE);
		atomic_store(&b.source[i], i + 1);
		memset(&b.slot[i], 0xff, sizeof(b.slot[i]));
	}
	for (uint32_t i = 0; i < n; i++)
		ck_assert_msg(board_state(&b, i) == WORKER_IDLE && atomic_load(&b.source[i]) == i + 1, "%u slots, %u", n, i);
	ck_assert_uint_eq(atomic_load(&b.header->generation), 0);
	free_board(&b);
}
END_TEST

/* One letter for each slot: n(one), s(tarting), i(dle), b(usy), r(etiring), and x for what is no state. */
static struct board board_of(const char *states)
{
	static const char letters[] = "nsibr";
	struct board b = new_board((uint32_t)strlen(states));

	for (uint32_t i = 0; i < b.slots; i++) {
		const char *at = strchr(letters, states[i]);

		atomic_store(&b.state[i], (uint8_t)(at ? at - letters : 0x80));
	}
	return b;
}

static const struct {
	const char *states;
	uint32_t count;
	bool below;
} idle[] = {
	{ "n", 0, false },     { "n", 1, true },      { "i", 0, false },      { "i", 1, false },       { "i", 2, true },
	{ "nsbr", 1, true },   { "nsbri", 1, false }, { "insbr", 1, false },  { "nsbri", 2, true },    { "iii", 3, false },
	{ "iii", 4, true },    { "ibibi", 3, false }, { "ibibi", 4, true },   { "xxxx", 1, true },     { "xxix", 1, false },
	{ "iiii", UINT32_MAX, true },
};

START_TEST(idle_workers_are_counted)
{
	struct board b = board_of(idle[_i].states);

	ck_assert_msg(board_idle_below(&b, idle[_i].count) == idle[_i].below, "%s, %u", idle[_i].states, idle[_i].count);
	free_board(&b);
}
END_TEST

/* One digit for each slot's source. */
static const struct {
	const char *states, *sources;
	uint32_t slot, source, same;
} sources[] = {
	{ "b", "7", 0, 7, 0 },          { "bb", "77", 0, 7, 1 },     { "bb", "77", 1, 7, 1 },     { "bb", "78", 0, 7, 0 },
	{ "bi", "77", 0, 7, 0 },        { "bbbb", "7777", 2, 7, 3 }, { "bnsir", "77777", 0, 7, 0 }, { "bbbbb", "17371", 0, 1, 1 },
	{ "bbbbb", "17371", 2, 3, 0 },  { "ibb", "777", 0, 7, 2 },   { "bb", "77", 0, 9, 0 },
};

START_TEST(busy_workers_of_one_source_are_counted)
{
	struct board b = board_of(sources[_i].states);

	for (uint32_t i = 0; i < b.slots; i++)
		atomic_store(&b.source[i], (uint32_t)(sources[_i].sources[i] - '0'));
	ck_assert_msg(board_same_source(&b, sources[_i].slot, sources[_i].source) == sources[_i].same, "%s, %s, slot %u",
	              sources[_i].states, sources[_i].sources, sources[_i].slot);
	free_board(&b);
}
END_TEST

START_TEST(a_byte_that_is_no_state_reads_as_busy)
{
	struct board b = new_board(1);

	for (unsigned byte = 0; byte < 256; byte++) {
		enum worker_state wanted = byte < WORKER_STATES ? (enum worker_state)byte : WORKER_BUSY;

		atomic_store(&b.state[0], (uint8_t)byte);
		ck_assert_msg(board_state(&b, 0) == wanted, "%u", byte);
	}
	free_board(&b);
}
END_TEST

START_TEST(a_change_is_made_only_from_the_state_that_was_expected)
{
	struct board b = new_board(2);

	ck_assert(!board_change(&b, 0, WORKER_IDLE, WORKER_RETIRING));
	ck_assert_int_eq(board_state(&b, 0), WORKER_NONE);
	board_set(&b, 0, WORKER_IDLE);
	ck_assert(board_change(&b, 0, WORKER_IDLE, WORKER_BUSY));
	ck_assert(!board_change(&b, 0, WORKER_IDLE, WORKER_RETIRING));
	ck_assert_int_eq(board_state(&b, 0), WORKER_BUSY);
	ck_assert_int_eq(board_state(&b, 1), WORKER_NONE);
	free_board(&b);
}
END_TEST

struct race {
	struct board *board;
	enum worker_state to;
	pthread_barrier_t *start;
	unsigned won;
};

#define ROUNDS 2000

static void *run(void *data)
{
	struct race *r = data;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(r->start);
		r->won += board_change(r->board, 0, WORKER_IDLE, r->to);
		pthread_barrier_wait(r->start);
		if (r->to == WORKER_BUSY)
			board_set(r->board, 0, WORKER_IDLE);
	}
	return NULL;
}

/* The master retires, the worker takes a connection: one of them. */
START_TEST(of_two_who_change_a_state_one_wins)
{
	struct board b = new_board(1);
	pthread_barrier_t start;
	struct race worker = { &b, WORKER_BUSY, &start, 0 }, master = { &b, WORKER_RETIRING, &start, 0 };
	pthread_t thread;

	board_set(&b, 0, WORKER_IDLE);
	ck_assert_int_eq(pthread_barrier_init(&start, NULL, 2), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, &worker), 0);
	run(&master);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&start);
	ck_assert_uint_eq(worker.won + master.won, ROUNDS);
	free_board(&b);
}
END_TEST

Suite *board_suite(void)
{
	Suite *s = suite_create("board");
	TCase *t = tcase_create("board");

	tcase_add_loop_test(t, the_arrays_lie_in_lines_of_their_own_one_behind_the_other, 0, rows(sizes));
	tcase_add_loop_test(t, every_slot_can_be_written, 0, rows(sizes));
	tcase_add_loop_test(t, idle_workers_are_counted, 0, rows(idle));
	tcase_add_loop_test(t, busy_workers_of_one_source_are_counted, 0, rows(sources));
	tcase_add_test(t, a_byte_that_is_no_state_reads_as_busy);
	tcase_add_test(t, a_change_is_made_only_from_the_state_that_was_expected);
	tcase_add_test(t, of_two_who_change_a_state_one_wins);
	suite_add_tcase(s, t);
	return s;
}
