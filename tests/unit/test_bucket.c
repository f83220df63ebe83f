/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "bucket.h"
#include "given.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define S UINT64_C(1000000000)
#define DAY (UINT64_C(86400) * S)
#define FIRST UINT64_C(1000000000000) /* a time at which a test begins */

static uint64_t the_time;

static uint64_t test_clock(void)
{
	return the_time;
}

/* The clock is right when it is asked. */
static bool take(_Atomic uint64_t *bucket, const struct bucket_rate *rate, uint64_t now)
{
	the_time = now;
	return bucket_take_by(bucket, rate, now, test_clock);
}

static const struct {
	uint32_t count, per, burst;
	uint64_t interval, depth;
} rates[] = {
	{ 1, 1000, 1, S, S },
	{ 30, 60000, 30, 2 * S, 60 * S },
	{ 100, 1000, 5, S / 100, S / 20 },
	{ 3, 1000, 2, 333333334, 666666668 },
	{ 7, 1, 1, 142858, 142858 },
	{ 1, 86400000, 3, DAY, 3 * DAY },
	{ 1000000000, 1, 1, 1, 1 },
	{ 1000000000, 1, 1000000000, 1, S },
	{ 1000000000, 86400000, 1000000000, 86400, DAY },
	{ 999999937, 1000, 1, 2, 2 },
	{ 1, 86400000, 1000000000, DAY, INT64_MAX / DAY * DAY },
	{ 1, 86400000, INT64_MAX / DAY, DAY, INT64_MAX / DAY * DAY },
	{ 1, 86400000, INT64_MAX / DAY + 1, DAY, INT64_MAX / DAY * DAY },
};

START_TEST(a_rate_becomes_an_interval_and_a_depth)
{
	struct bucket_rate r = bucket_rate_of(rates[_i].count, rates[_i].per, rates[_i].burst);

	ck_assert_msg(r.interval == rates[_i].interval && r.depth == rates[_i].depth, "row %d: %ju, %ju", _i,
	              (uintmax_t)r.interval, (uintmax_t)r.depth);
}
END_TEST

/* A burst of three, then one every ten: who comes so long after the start is admitted (+) or refused (-). */
static const struct {
	const char *name;
	uint64_t word; /* at the start */
	const char *events;
} sequences[] = {
	{ "a burst, then nothing", 0, "0+ 0+ 0+ 0- 0-" },
	{ "one for each interval", 0, "0+ 0+ 0+ 9- 10+ 10- 19- 20+" },
	{ "what was saved up", 0, "0+ 0+ 0+ 25+ 25+ 25- 29- 30+" },
	{ "never more than a burst", 0, "0+ 900+ 900+ 900+ 900- 910+ 910-" },
	{ "asking costs nothing", 0, "0+ 0+ 0+ 1- 2- 3- 9- 10+" },
	{ "a full one", FIRST, "0+ 0+ 0+ 0-" },
	{ "one token", FIRST + 20, "0+ 0- 10+ 10-" },
	{ "nearly one token", FIRST + 21, "0- 1+ 10- 11+" },
	{ "an empty one", FIRST + 30, "0- 9- 10+ 19- 20+" },
	{ "nonsense is an empty one", FIRST + 31, "0- 9- 10+ 10- 20+" },
	{ "the end of time", UINT64_MAX, "0- 9- 10+ 10- 40+ 40+ 40+ 40-" },
	{ "the clock goes back", 0, "1000+ 1000+ 0- 9- 10+ 10- 20+" },
	{ "the clock goes back a little", 0, "5+ 5+ 0- 4- 5+ 5-" },
	{ "the clock leaps", 0, "0+ 0+ 0+ 1000000000+ 1000000000+ 1000000000+ 1000000000-" },
	{ "forth and back again", 0, "0+ 1000000000+ 0- 10+ 10- 20+" },
};

START_TEST(a_bucket_has_a_burst_and_then_one_for_each_interval)
{
	const struct bucket_rate rate = { .interval = 10, .depth = 30 };
	const char *event = sequences[_i].events;
	_Atomic uint64_t bucket = sequences[_i].word;

	while (*event) {
		char *verdict;
		uint64_t now = FIRST + strtoul(event, &verdict, 10);

		ck_assert_msg(take(&bucket, &rate, now) == (*verdict == '+'), "%s: %s", sequences[_i].name, event);
		event = verdict + 1 + (verdict[1] == ' ');
	}
}
END_TEST

START_TEST(a_refusal_changes_nothing)
{
	const struct bucket_rate rate = { .interval = 10, .depth = 30 };
	_Atomic uint64_t bucket = FIRST + 25;

	ck_assert(!take(&bucket, &rate, FIRST));
	ck_assert_uint_eq(bucket, FIRST + 25);
}
END_TEST

START_TEST(nonsense_is_put_right_when_it_is_seen)
{
	const struct bucket_rate rate = { .interval = 10, .depth = 30 };
	_Atomic uint64_t bucket = UINT64_MAX;

	ck_assert(!take(&bucket, &rate, FIRST));
	ck_assert_uint_eq(bucket, FIRST + 30);
}
END_TEST

/* It was stopped after it had looked at the clock: for it, all that others have written since lies in the future. */
START_TEST(who_comes_late_does_not_take_the_others_tokens_for_nonsense)
{
	const struct bucket_rate rate = { .interval = 10, .depth = 30 };
	_Atomic uint64_t bucket = FIRST + 1030;

	the_time = FIRST + 1005;
	ck_assert(!bucket_take_by(&bucket, &rate, FIRST, test_clock));
	ck_assert_uint_eq(bucket, FIRST + 1030);
	the_time = FIRST + 1010;
	ck_assert(bucket_take_by(&bucket, &rate, FIRST, test_clock));
	ck_assert_uint_eq(bucket, FIRST + 1040);
}
END_TEST

START_TEST(who_comes_late_has_no_more_than_there_was_at_his_time)
{
	const struct bucket_rate rate = { .interval = 10, .depth = 30 };
	_Atomic uint64_t bucket = FIRST + 25;

	the_time = FIRST + 20;
	ck_assert(!bucket_take_by(&bucket, &rate, FIRST, test_clock));
	ck_assert(bucket_take_by(&bucket, &rate, FIRST + 5, test_clock));
	ck_assert_uint_eq(bucket, FIRST + 35);
}
END_TEST

START_TEST(without_a_limit_nothing_is_taken)
{
	const struct bucket_rate none = { 0, 0 };
	_Atomic uint64_t bucket = UINT64_MAX;

	ck_assert(bucket_take(&bucket, &none, 0));
	bucket_give_back(&bucket, &none);
	ck_assert_uint_eq(bucket, UINT64_MAX);
}
END_TEST

START_TEST(the_kernels_clock_is_the_monotonic_one)
{
	const struct bucket_rate rate = { .interval = S, .depth = S };
	_Atomic uint64_t bucket = UINT64_MAX;
	struct timespec t;

	ck_assert(!bucket_take(&bucket, &rate, 1));
	clock_gettime(CLOCK_MONOTONIC, &t);
	ck_assert_uint_le(bucket, (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec + S);
}
END_TEST

START_TEST(what_is_given_back_can_be_taken_again)
{
	const struct bucket_rate rate = { .interval = 10, .depth = 30 };
	_Atomic uint64_t bucket = 0;

	for (int i = 0; i < 100; i++) {
		ck_assert_msg(take(&bucket, &rate, FIRST), "%d", i);
		bucket_give_back(&bucket, &rate);
	}
	for (int i = 0; i < 3; i++)
		ck_assert(take(&bucket, &rate, FIRST));
	bucket_give_back(&bucket, &rate);
	ck_assert(take(&bucket, &rate, FIRST));
	ck_assert(!take(&bucket, &rate, FIRST));
}
END_TEST

START_TEST(what_is_given_back_to_a_full_one_is_lost)
{
	const struct bucket_rate rate = { .interval = 10, .depth = 30 };
	_Atomic uint64_t bucket = 5;

	for (int i = 0; i < 3; i++)
		bucket_give_back(&bucket, &rate);
	ck_assert_uint_eq(bucket, 0);
	for (int i = 0; i < 3; i++)
		ck_assert(take(&bucket, &rate, FIRST));
	ck_assert(!take(&bucket, &rate, FIRST));
}
END_TEST

START_TEST(one_whose_time_has_come_is_full)
{
	ck_assert(bucket_is_full(0, 0));
	ck_assert(bucket_is_full(FIRST, FIRST));
	ck_assert(bucket_is_full(FIRST, FIRST + 1));
	ck_assert(!bucket_is_full(FIRST + 1, FIRST));
	ck_assert(!bucket_is_full(UINT64_MAX, FIRST));
}
END_TEST

static const uint32_t numbers[] = { 1, 2, 3, 1000, 999999937, 1000000000 }, times[] = { 1, 7, 1000, 86400000 };
static const uint64_t moments[] = { 0, 1, FIRST, UINT64_MAX / 2, UINT64_MAX / 2 + 1, UINT64_MAX - 1, UINT64_MAX };

/* depth, or what is left of time. */
static uint64_t last(const struct bucket_rate *rate, uint64_t now)
{
	return rate->depth < UINT64_MAX - now ? now + rate->depth : UINT64_MAX;
}

static void check_extremes(const struct bucket_rate *rate, uint64_t now, uint64_t word)
{
	_Atomic uint64_t bucket = word;
	bool taken = take(&bucket, rate, now);
	uint64_t before = word < now ? now : word;

	ck_assert_msg(bucket <= last(rate, now) || bucket == word, "%ju at %ju", (uintmax_t)word, (uintmax_t)now);
	if (taken)
		ck_assert_msg(bucket == before + rate->interval && bucket > before, "%ju at %ju", (uintmax_t)word, (uintmax_t)now);
	else
		ck_assert_msg(last(rate, now) < before || last(rate, now) - before < rate->interval, "%ju at %ju",
		              (uintmax_t)word, (uintmax_t)now);
}

START_TEST(no_number_overflows)
{
	for (int c = 0; c < rows(numbers); c++)
		for (int b = 0; b < rows(numbers); b++)
			for (int m = 0; m < rows(moments); m++) {
				struct bucket_rate rate = bucket_rate_of(numbers[c], times[_i], numbers[b]);
				uint64_t now = moments[m];

				ck_assert(rate.interval > 0 && rate.depth >= rate.interval);
				for (int w = 0; w < rows(moments); w++)
					check_extremes(&rate, now, moments[w]);
				for (uint64_t d = 0; d < 3; d++)
					check_extremes(&rate, now, last(&rate, now) - d * rate.interval);
			}
}
END_TEST

/* Never more than a burst less one between two steps: a bucket that is full loses what comes in. */
static const struct {
	uint32_t count, per, burst;
	uint64_t step;
	int steps;
} runs[] = {
	{ 1, 1000, 1, 1, 1000 },
	{ 10, 1000, 1, S / 1000, 20000 },
	{ 10, 1000, 50, 7919 * 1000, 20000 },
	{ 3, 1000, 2, 104729, 50000 },
	{ 30, 60000, 30, S, 1000 },
	{ 7777, 1000, 10, 10007, 50000 },
	{ 1, 86400000, 2, 3571 * S, 1000 },
	{ 1000, 1, 5, 97, 50000 },
	{ 1000000, 1000, 1000, 499, 50000 },
};

/*
 * From a full bucket, asked at every step until it refuses. The rate that was asked for is not exceeded, that of the
 * interval kept.
 */
START_TEST(over_any_run_rate_and_burst_are_kept_exactly)
{
	struct bucket_rate rate = bucket_rate_of(runs[_i].count, runs[_i].per, runs[_i].burst);
	_Atomic uint64_t bucket = 0;
	uint64_t admitted = 0;

	for (int i = 0; i <= runs[_i].steps; i++) {
		uint64_t elapsed = (uint64_t)i * runs[_i].step;
		double allowed = (double)elapsed * runs[_i].count / (runs[_i].per * 1e6) + runs[_i].burst;

		while (take(&bucket, &rate, FIRST + elapsed))
			admitted++;
		ck_assert_msg((double)admitted <= allowed + 1e-6, "row %d: %ju of %f after %d steps", _i,
		              (uintmax_t)admitted, allowed, i);
		ck_assert_msg(admitted == runs[_i].burst + elapsed / rate.interval, "row %d: %ju of %f after %d steps", _i,
		              (uintmax_t)admitted, allowed, i);
	}
}
END_TEST

/* Many processes, one bucket, and a clock that the test drives. */

#define PROCESSES 8
#define TICKS 1500
#define BURST 20

static struct shared {
	_Atomic uint64_t bucket, clock, refused_at, admitted;
	_Atomic bool over;
} *shared;

static uint64_t shared_clock(void)
{
	return shared->clock;
}

static void note_refusal(uint64_t now)
{
	uint64_t before = shared->refused_at;

	while (before < now && !atomic_compare_exchange_weak(&shared->refused_at, &before, now))
		;
}

/* Between the clock and the bucket it often loses the processor: then it comes late. */
_Noreturn static void ask_and_ask(const struct bucket_rate *rate, unsigned n, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; !shared->over && getppid() == parent; i++) {
		uint64_t now = shared->clock;

		if (i % PROCESSES == n)
			sched_yield();
		if (bucket_take_by(&shared->bucket, rate, now, shared_clock))
			shared->admitted++;
		else
			note_refusal(now);
	}
	_exit(0);
}

static void start(const struct bucket_rate *rate, pid_t *pids)
{
	pid_t parent = getpid();

	for (unsigned n = 0; n < PROCESSES; n++) {
		pids[n] = fork();
		ck_assert_int_ge(pids[n], 0);
		if (pids[n] == 0)
			ask_and_ask(rate, n, parent);
	}
}

static void finish(const pid_t *pids)
{
	int status;

	shared->over = true;
	for (unsigned n = 0; n < PROCESSES; n++) {
		ck_assert_int_eq(waitpid(pids[n], &status, 0), pids[n]);
		ck_assert_int_eq(status, 0);
	}
}

START_TEST(many_processes_together_get_exactly_as_many)
{
	const struct bucket_rate rate = { .interval = 1000, .depth = BURST * 1000 };
	uint64_t elapsed = 0;
	pid_t pids[PROCESSES];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
	shared->clock = FIRST;
	srand(1);
	start(&rate, pids);
	for (int i = 0; i < TICKS; i++) {
		while (shared->refused_at < shared->clock) /* whoever is refused now says that there is nothing left */
			sched_yield();
		ck_assert_uint_le(shared->admitted, BURST + elapsed / rate.interval);
		elapsed += (uint64_t)(rand() % ((BURST - 1) * 1000));
		shared->clock = FIRST + elapsed;
	}
	while (shared->refused_at < shared->clock)
		sched_yield();
	finish(pids);
	ck_assert_uint_eq(shared->admitted, BURST + elapsed / rate.interval);
	munmap(shared, sizeof(*shared));
}
END_TEST

Suite *bucket_suite(void)
{
	Suite *s = suite_create("bucket");
	TCase *t = tcase_create("bucket");

	tcase_add_loop_test(t, a_rate_becomes_an_interval_and_a_depth, 0, rows(rates));
	tcase_add_loop_test(t, a_bucket_has_a_burst_and_then_one_for_each_interval, 0, rows(sequences));
	tcase_add_test(t, a_refusal_changes_nothing);
	tcase_add_test(t, nonsense_is_put_right_when_it_is_seen);
	tcase_add_test(t, who_comes_late_does_not_take_the_others_tokens_for_nonsense);
	tcase_add_test(t, who_comes_late_has_no_more_than_there_was_at_his_time);
	tcase_add_test(t, without_a_limit_nothing_is_taken);
	tcase_add_test(t, the_kernels_clock_is_the_monotonic_one);
	tcase_add_test(t, what_is_given_back_can_be_taken_again);
	tcase_add_test(t, what_is_given_back_to_a_full_one_is_lost);
	tcase_add_test(t, one_whose_time_has_come_is_full);
	tcase_add_loop_test(t, no_number_overflows, 0, rows(times));
	tcase_add_loop_test(t, over_any_run_rate_and_burst_are_kept_exactly, 0, rows(runs));
	tcase_add_test(t, many_processes_together_get_exactly_as_many);
	suite_add_tcase(s, t);
	return s;
}
