/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "deadline.h"
#include "service_config.h"

/* The clock of these tests, in ms. */
#define NOW 1000000
#define BORN 900000
#define NEVER DEADLINE_NEVER

static const struct {
	const char *what;
	int time, byte; /* limits */
	struct deadline known;
	bool busy;
	uint64_t since;
	enum deadline_act act;
	int64_t next;
} cases[] = {
	{ "no limit", UNSET, UNSET, { 0 }, true, NOW - 5000, DEADLINE_WAIT, NEVER },
	{ "nobody is busy", 1000, 100, { 0 }, false, NOW - 5000, DEADLINE_WAIT, NEVER },

	/* time-limit */
	{ "just begun", 1000, UNSET, { 0 }, true, NOW, DEADLINE_WAIT, NOW + 1001 },
	{ "half of the time is over", 1000, UNSET, { 0 }, true, NOW - 500, DEADLINE_WAIT, NOW + 501 },
	{ "all of it, perhaps but for a part of a millisecond", 1000, UNSET, { 0 }, true, NOW - 1000, DEADLINE_WAIT, NOW + 1 },
	{ "all of it", 1000, UNSET, { 0 }, true, NOW - 1001, DEADLINE_END, NOW },
	{ "more than all of it", 1000, UNSET, { 0 }, true, NOW - 5000, DEADLINE_END, NOW },
	{ "the longest limit", INT_MAX, UNSET, { 0 }, true, NOW - 5000, DEADLINE_WAIT, NOW - 5000 + (int64_t)INT_MAX + 1 },

	/* first-byte-limit */
	{ "the first byte has time", UNSET, 100, { 0 }, true, NOW - 50, DEADLINE_WAIT, NOW + 51 },
	{ "it has not", UNSET, 100, { 0 }, true, NOW - 101, DEADLINE_ASK, NOW },
	{ "it has come", UNSET, 100, { .heard = NOW - 101 }, true, NOW - 101, DEADLINE_WAIT, NEVER },
	{ "it has come on the connection before", UNSET, 100, { .heard = NOW - 300 }, true, NOW - 101, DEADLINE_ASK, NOW },
	{ "its record was not there yet", UNSET, 100, { .ask_at = NOW + 20 }, true, NOW - 101, DEADLINE_WAIT, NOW + 20 },
	{ "it may be there now", UNSET, 100, { .ask_at = NOW }, true, NOW - 121, DEADLINE_ASK, NOW },

	/* both */
	{ "the earlier of two", 1000, 100, { 0 }, true, NOW - 50, DEADLINE_WAIT, NOW + 51 },
	{ "the other when the first byte has come", 1000, 100, { .heard = NOW - 101 }, true, NOW - 101, DEADLINE_WAIT, NOW + 900 },
	{ "when both are over nothing is asked", 1000, 100, { 0 }, true, NOW - 2000, DEADLINE_END, NOW },

	/* on its way out */
	{ "time to end by itself", 1000, UNSET, { .claimed = true, .reason = DEADLINE_TIME, .kill_at = NOW + 7 }, true, NOW - 2000,
	  DEADLINE_WAIT, NOW + 7 },
	{ "which is over", 1000, UNSET, { .claimed = true, .reason = DEADLINE_TIME, .kill_at = NOW }, true, NOW - 2000, DEADLINE_KILL, NOW },
	{ "whatever its slot says", 1000, UNSET, { .claimed = true, .reason = DEADLINE_TIME, .kill_at = NOW - 1 }, false, 0, DEADLINE_KILL,
	  NOW },
	{ "killed once is enough", 1000, UNSET, { .claimed = true, .reason = DEADLINE_TIME, .kill_at = NOW - 1, .over = true }, true,
	  NOW - 2000, DEADLINE_WAIT, NEVER },
	{ "it has ended by itself", 1000, UNSET, { .over = true }, true, NOW - 2000, DEADLINE_WAIT, NEVER },

	/* lies */
	{ "a time in the future is now", 1000, UNSET, { 0 }, true, NOW + 5000, DEADLINE_WAIT, NOW + 1001 },
	{ "the furthest future, too", 1000, 100, { 0 }, true, UINT64_MAX, DEADLINE_WAIT, NOW + 101 },
	{ "and what would be negative", 1000, UNSET, { 0 }, true, (uint64_t)INT64_MAX + 1, DEADLINE_WAIT, NOW + 1001 },
	{ "no time is the worker's birth", 200000, UNSET, { 0 }, true, 0, DEADLINE_WAIT, BORN + 200001 },
	{ "so is one before it", 200000, UNSET, { 0 }, true, 1, DEADLINE_WAIT, BORN + 200001 },
	{ "who says nothing of its time is not asked about", UNSET, 100, { 0 }, true, 0, DEADLINE_WAIT, NEVER },
};

START_TEST(what_is_due_and_when_to_look_again)
{
	struct service_config *c = service_config_new();
	const struct deadline_view v = { cases[_i].busy, cases[_i].since, BORN };
	struct deadline_due due;

	c->time_limit = cases[_i].time;
	c->first_byte_limit = cases[_i].byte;
	due = deadline_due(c, &cases[_i].known, &v, NOW);
	ck_assert_msg(due.act == cases[_i].act, "%s: %d", cases[_i].what, (int)due.act);
	ck_assert_msg(due.next == cases[_i].next, "%s: %lld", cases[_i].what, (long long)due.next);
	service_config_release(c);
}
END_TEST

/* Whatever the numbers: what is to be waited for lies ahead, so that nobody looks for nothing. */
START_TEST(waiting_is_never_for_the_past)
{
	static const uint64_t times[] = { 0, 1, BORN, NOW - 101, NOW - 100, NOW - 1, NOW, NOW + 1, INT64_MAX, UINT64_MAX };
	static const int limits[] = { UNSET, 1, 100, 101, INT_MAX };
	struct service_config *c = service_config_new();

	for (int i = 0; i < rows(times); i++)
		for (int j = 0; j < rows(limits); j++)
			for (int k = 0; k < rows(limits); k++) {
				const struct deadline_view v = { true, times[i], BORN };
				struct deadline known = { .heard = times[(i + 1) % rows(times)] };
				struct deadline_due due;

				c->time_limit = limits[j];
				c->first_byte_limit = limits[k];
				due = deadline_due(c, &known, &v, NOW);
				ck_assert_msg(due.act == DEADLINE_WAIT ? due.next > NOW : due.next == NOW, "%d %d %d: %lld", i, j, k,
				              (long long)due.next);
			}
	service_config_release(c);
}
END_TEST

static const struct {
	int time, byte;
	uint32_t slots;
	int64_t gap;
} gaps[] = {
	{ 1, UNSET, 1, 1 },
	{ 256, UNSET, 65, 1 },
	{ 512, UNSET, 65, 2 },
	{ 5120, UNSET, 65, 20 },
	{ 5120, 512, 65, 2 },
	{ UNSET, 5120, 65, 20 },
	{ 60 * 1000, UNSET, 65, 100 },
	{ INT_MAX, UNSET, 65, 100 },
	{ 100, UNSET, 10000, 10 },
	{ 100, UNSET, 10000000, 100 },
};

START_TEST(looks_are_a_small_part_of_the_limit_apart)
{
	struct service_config *c = service_config_new();
	int64_t gap;

	c->time_limit = gaps[_i].time;
	c->first_byte_limit = gaps[_i].byte;
	gap = deadline_gap(c, gaps[_i].slots);
	ck_assert_msg(gap == gaps[_i].gap, "%d %d %u: %lld", gaps[_i].time, gaps[_i].byte, gaps[_i].slots, (long long)gap);
	service_config_release(c);
}
END_TEST

START_TEST(a_service_has_limits_or_none)
{
	struct service_config *c = service_config_new();

	ck_assert(!deadline_is_set(c));
	c->time_limit = 1;
	ck_assert(deadline_is_set(c));
	c->time_limit = UNSET;
	c->first_byte_limit = 1;
	ck_assert(deadline_is_set(c));
	service_config_release(c);
}
END_TEST

START_TEST(a_reason_is_named_as_its_key)
{
	ck_assert_str_eq(deadline_reason_name(DEADLINE_TIME), "time-limit");
	ck_assert_str_eq(deadline_reason_name(DEADLINE_FIRST_BYTE), "first-byte-limit");
}
END_TEST

Suite *deadline_suite(void)
{
	Suite *s = suite_create("deadline");
	TCase *t = tcase_create("deadline");

	tcase_add_loop_test(t, what_is_due_and_when_to_look_again, 0, rows(cases));
	tcase_add_test(t, waiting_is_never_for_the_past);
	tcase_add_loop_test(t, looks_are_a_small_part_of_the_limit_apart, 0, rows(gaps));
	tcase_add_test(t, a_service_has_limits_or_none);
	tcase_add_test(t, a_reason_is_named_as_its_key);
	suite_add_tcase(s, t);
	return s;
}
