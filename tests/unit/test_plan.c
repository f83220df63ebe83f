/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "plan.h"

#include <string.h>

/* The clock of these tests, in ms. It is never 0 on a machine that runs. */
#define NOW 1000000
#define TIMEOUT 60000

#define UNKNOWN PLAN_QUEUE_UNKNOWN

#define DEFAULTS { .min_spare = 1, .max_spare = 4, .start = 1, .idle_timeout = TIMEOUT }
#define ON_DEMAND { .min_spare = 0, .max_spare = 4, .start = 0, .idle_timeout = TIMEOUT }
#define MANY { .min_spare = 4, .max_spare = 16, .start = 4, .idle_timeout = TIMEOUT }
#define RUNNING { .started = true, .step = 1 }

/* One decision. */
static const struct {
	const char *what;
	struct plan_limits limits;
	struct plan_counts counts;
	struct plan_memory memory;
	int fork;
	bool usher, watch;
} decisions[] = {
	/* start */
	{ "a new pool gets its start", { 1, 8, 5, TIMEOUT, false, false }, { .room = 64 }, { 0 }, 5, false, false },
	{ "start below min-spare is min-spare", { 4, 8, 2, TIMEOUT, false, false }, { .room = 64 }, { 0 }, 4, false, false },
	{ "start counts those that are there", { 1, 8, 5, TIMEOUT, false, false }, { .starting = 2, .idle = 1, .room = 64 }, { 0 }, 2,
	  false, false },
	{ "start on demand may be more than none", { 0, 4, 2, TIMEOUT, false, false }, { .room = 64 }, { 0 }, 2, false, false },
	{ "start is once", { 1, 8, 5, TIMEOUT, false, false }, { .idle = 1, .room = 64 }, RUNNING, 0, false, false },
	{ "start stays in its room", { 1, 8, 5, TIMEOUT, false, false }, { .room = 3 }, { 0 }, 3, false, false },
	{ "a large start comes in batches", { 1, 8, 100, TIMEOUT, false, false }, { .room = 200 }, { 0 }, PLAN_BATCH, false, false },

	/* growing */
	{ "enough spares", DEFAULTS, { .idle = 1, .room = 64 }, RUNNING, 0, false, false },
	{ "a starting one is a spare", DEFAULTS, { .starting = 1, .room = 64 }, RUNNING, 0, false, false },
	{ "the last spare is busy", DEFAULTS, { .busy = 1, .room = 63 }, RUNNING, 1, false, false },
	{ "what is missing", MANY, { .idle = 1, .busy = 3, .room = 60 }, RUNNING, 3, false, false },
	{ "what waits", DEFAULTS, { .busy = 1, .queue = 3, .room = 63 }, RUNNING, 4, false, false },
	{ "spares serve what waits first", DEFAULTS, { .idle = 2, .busy = 1, .queue = 3, .room = 61 }, RUNNING, 2, false, false },
	{ "more spares than wait", DEFAULTS, { .idle = 4, .queue = 3, .room = 60 }, RUNNING, 0, false, false },
	{ "those that start serve what waits", DEFAULTS, { .starting = 4, .queue = 3, .room = 60 }, RUNNING, 0, false, false },
	{ "a long queue comes in batches", DEFAULTS, { .queue = 1000, .room = 2000 }, RUNNING, PLAN_BATCH, false, false },
	{ "a lasting shortage makes some in advance", MANY, { .idle = 3, .busy = 8, .room = 53 }, { .started = true, .step = 4 }, 4,
	  false, false },
	{ "but no more spares than max-spare", MANY, { .idle = 3, .busy = 8, .room = 53 }, { .started = true, .step = 32 }, 13, false,
	  false },
	{ "what waits is served also above max-spare", DEFAULTS, { .queue = 10, .room = 64 }, { .started = true, .step = 32 }, 11,
	  false, false },

	/* an unknown queue */
	{ "nobody is there: somebody waits perhaps", DEFAULTS, { .busy = 1, .queue = UNKNOWN, .room = 63 },
	  { .started = true, .step = 4 }, 4, false, false },
	{ "somebody is there", DEFAULTS, { .idle = 1, .busy = 1, .queue = UNKNOWN, .room = 63 }, { .started = true, .step = 4 }, 0,
	  false, false },
	{ "somebody is there, but fewer than should be", MANY, { .idle = 3, .queue = UNKNOWN, .room = 60 }, RUNNING, 1, false, false },
	{ "a new pool", DEFAULTS, { .queue = UNKNOWN, .room = 64 }, { 0 }, 1, false, false },

	/* room */
	{ "no room", DEFAULTS, { .busy = 64, .queue = 10, .room = 0 }, RUNNING, 0, false, true },
	{ "less than no room", DEFAULTS, { .busy = 64, .queue = 10, .room = -5 }, RUNNING, 0, false, true },
	{ "little room", DEFAULTS, { .busy = 62, .queue = 10, .room = 2 }, RUNNING, 2, false, false },
	{ "room does not make a shortage", DEFAULTS, { .idle = 1, .room = 1000 }, RUNNING, 0, false, false },
	{ "no room, but one is there", DEFAULTS, { .idle = 1, .busy = 63, .queue = 10, .room = 0 }, RUNNING, 0, false, false },

	/* on demand */
	{ "nobody waits: the listener is watched", ON_DEMAND, { .room = 64 }, { 0 }, 0, false, true },
	{ "nobody waits, later", ON_DEMAND, { .busy = 3, .room = 61 }, RUNNING, 0, false, true },
	{ "somebody waits", ON_DEMAND, { .queue = 1, .room = 64 }, RUNNING, 1, false, false },
	{ "three wait", ON_DEMAND, { .queue = 3, .room = 64 }, RUNNING, 3, false, false },
	{ "one waits and one is coming", ON_DEMAND, { .starting = 1, .queue = 1, .room = 63 }, RUNNING, 0, false, false },
	{ "one waits, no room", ON_DEMAND, { .busy = 64, .queue = 1, .room = 0 }, RUNNING, 0, false, true },

	/* draining: only what waits is served */
	{ "draining, nobody waits", { 4, 8, 4, TIMEOUT, false, true }, { .busy = 1, .room = 60 }, RUNNING, 0, false, true },
	{ "draining, three wait", { 4, 8, 4, TIMEOUT, false, true }, { .busy = 1, .queue = 3, .room = 60 }, RUNNING, 3, false, false },
	{ "draining, three wait, in a lasting shortage", { 4, 8, 4, TIMEOUT, false, true }, { .queue = 3, .room = 60 },
	  { .started = true, .step = 32 }, 3, false, false },
	{ "draining, three wait, two are there", { 4, 8, 4, TIMEOUT, false, true }, { .idle = 2, .queue = 3, .room = 60 }, RUNNING, 1,
	  false, false },
	{ "draining before it ever started", { 4, 8, 8, TIMEOUT, false, true }, { .room = 60 }, { 0 }, 0, false, true },
	{ "draining, an unknown queue", { 4, 8, 4, TIMEOUT, false, true }, { .queue = UNKNOWN, .room = 60 }, RUNNING, 1, false, false },
	{ "draining, no room", { 4, 8, 4, TIMEOUT, false, true }, { .queue = 3, .room = 0 }, RUNNING, 0, false, true },

	/* the usher, who is there while nobody else can be */
	{ "full: an usher", { 1, 4, 1, TIMEOUT, true, false }, { .busy = 64, .room = 0 }, RUNNING, 0, true, false },
	{ "full, and he is there already", { 1, 4, 1, TIMEOUT, true, false }, { .busy = 64, .ushers = 1, .room = 0 }, RUNNING, 0, true,
	  false },
	{ "full, and many wait", { 1, 4, 1, TIMEOUT, true, false }, { .busy = 64, .queue = 100, .room = -1 }, RUNNING, 0, true, false },
	{ "one is idle", { 1, 4, 1, TIMEOUT, true, false }, { .idle = 1, .busy = 63, .room = 0 }, RUNNING, 0, false, false },
	{ "one is coming", { 1, 4, 1, TIMEOUT, true, false }, { .starting = 1, .busy = 63, .room = 0 }, RUNNING, 0, false, false },
	{ "there is room again", { 1, 4, 1, TIMEOUT, true, false }, { .busy = 63, .ushers = 1, .room = 1 }, RUNNING, 1, false, false },
	{ "on demand, nobody waits", { 0, 4, 0, TIMEOUT, true, false }, { .busy = 3, .room = 61 }, RUNNING, 0, false, true },
	{ "draining needs no usher", { 1, 4, 1, TIMEOUT, true, true }, { .busy = 64, .room = 0 }, RUNNING, 0, false, true },
	{ "full, and it queues", DEFAULTS, { .busy = 64, .room = 0 }, RUNNING, 0, false, true },
};

START_TEST(one_decision)
{
	struct plan_memory memory = decisions[_i].memory;
	struct plan p = plan_pool(&decisions[_i].limits, &decisions[_i].counts, &memory, NOW);

	ck_assert_msg(p.fork == decisions[_i].fork, "%s: fork %d", decisions[_i].what, p.fork);
	ck_assert_msg(p.retire == 0, "%s: retire %d", decisions[_i].what, p.retire);
	ck_assert_msg(p.usher == decisions[_i].usher, "%s: usher %d", decisions[_i].what, p.usher);
	ck_assert_msg(p.watch == decisions[_i].watch, "%s: watch %d", decisions[_i].what, p.watch);
}
END_TEST

/* A pool that does what is planned at once. */
struct world {
	struct plan_limits limits;
	struct plan_counts counts;
	struct plan_memory memory;
	int64_t now;
	int most; /* the service's maximum */
};

static struct plan look(struct world *w)
{
	struct plan p;

	w->counts.room = w->most - w->counts.starting - w->counts.idle - w->counts.busy;
	p = plan_pool(&w->limits, &w->counts, &w->memory, w->now);
	w->counts.idle += p.fork - p.retire;
	return p;
}

static void make_busy(struct world *w, int n)
{
	w->counts.idle -= n;
	w->counts.busy += n;
}

/* Each time the pool is looked at, every spare has been taken. */
START_TEST(while_a_shortage_lasts_twice_as_many_are_made_each_time)
{
	static const int made[] = { 1, 2, 4, 8, 16, 32, 32, 32 };
	struct world w = { .limits = { 1, 1000, 1, TIMEOUT, false, false }, .memory = RUNNING, .now = NOW, .most = 100000 };

	for (int i = 0; i < rows(made); i++) {
		struct plan p = look(&w);

		ck_assert_msg(p.fork == made[i], "round %d: %d", i, p.fork);
		make_busy(&w, w.counts.idle);
	}
}
END_TEST

START_TEST(doubling_ends_at_max_spare)
{
	static const int made[] = { 1, 2, 4, 4, 4 };
	struct world w = { .limits = DEFAULTS, .memory = RUNNING, .now = NOW, .most = 1000 };

	for (int i = 0; i < rows(made); i++) {
		struct plan p = look(&w);

		ck_assert_msg(p.fork == made[i], "round %d: %d", i, p.fork);
		make_busy(&w, w.counts.idle);
	}
}
END_TEST

START_TEST(after_a_shortage_the_next_begins_with_one_again)
{
	struct world w = { .limits = { 1, 1000, 1, TIMEOUT, false, false }, .memory = RUNNING, .now = NOW, .most = 100000 };

	for (int i = 0; i < 4; i++) {
		look(&w);
		make_busy(&w, w.counts.idle);
	}
	w.counts.idle = 2; /* two came back */
	ck_assert_int_eq(look(&w).fork, 0);
	make_busy(&w, 2);
	ck_assert_int_eq(look(&w).fork, 1);
}
END_TEST

/* Such a pool never had any spares. */
START_TEST(a_start_that_found_no_room_comes_when_there_is_some)
{
	struct plan_limits limits = { 1, 8, 5, TIMEOUT, false, false };
	struct plan_counts counts = { .room = 0 };
	struct plan_memory memory = { 0 };

	ck_assert_int_eq(plan_pool(&limits, &counts, &memory, NOW).fork, 0);
	counts.room = 64;
	ck_assert_int_eq(plan_pool(&limits, &counts, &memory, NOW + 1).fork, 5);
}
END_TEST

START_TEST(a_batch_that_is_full_asks_for_the_next_turn)
{
	struct world w = { .limits = { 1, 4, 100, TIMEOUT, false, false }, .now = NOW, .most = 1000 };
	int made = 0, turns = 0;

	for (struct plan p = { .look = 0 }; p.look == 0 && turns < 100; turns++) {
		p = look(&w);
		ck_assert_int_le(p.fork, PLAN_BATCH);
		made += p.fork;
	}
	ck_assert_int_eq(made, 100);
	ck_assert_int_eq(turns, 4);
}
END_TEST

START_TEST(a_burst_is_served_in_a_few_turns)
{
	struct world w = { .limits = DEFAULTS, .memory = RUNNING, .now = NOW, .most = 1000 };
	int turns = 0;

	w.counts.queue = 320;
	while (w.counts.queue > 0 && turns < 100) {
		int taken;

		look(&w);
		taken = w.counts.idle < w.counts.queue ? w.counts.idle : w.counts.queue;
		w.counts.queue -= taken;
		make_busy(&w, taken);
		turns++;
	}
	ck_assert_int_eq(turns, 10);
}
END_TEST

START_TEST(what_was_not_needed_for_the_idle_timeout_retires)
{
	struct world w = { .limits = DEFAULTS, .counts = { .idle = 10 }, .memory = RUNNING, .now = NOW, .most = 64 };
	struct plan p = look(&w);

	ck_assert_int_eq(p.retire, 0);
	ck_assert_int_eq(p.look, TIMEOUT);
	w.now += TIMEOUT - 1;
	p = look(&w);
	ck_assert_int_eq(p.retire, 0);
	ck_assert_int_eq(p.look, 1);
	w.now++;
	p = look(&w);
	ck_assert_int_eq(p.retire, 6);
	ck_assert_int_eq(p.look, -1);
	w.now += 10 * TIMEOUT;
	ck_assert_int_eq(look(&w).retire, 0);
	ck_assert_int_eq(w.counts.idle, 4);
}
END_TEST

/* Idle workers are woken in rotation: what counts is how few were idle at a time. */
START_TEST(the_low_water_mark_decides)
{
	struct world w = { .limits = DEFAULTS, .counts = { .idle = 10 }, .memory = RUNNING, .now = NOW, .most = 64 };
	struct plan p;

	look(&w);
	w.now += TIMEOUT / 2;
	make_busy(&w, 3); /* 7 idle for a moment */
	ck_assert_int_eq(look(&w).retire, 0);
	make_busy(&w, -3);
	w.now += TIMEOUT / 2;
	p = look(&w);
	ck_assert_int_eq(p.retire, 3); /* of the 7 that nobody needed 4 may stay */
	ck_assert_int_eq(p.look, TIMEOUT);
	ck_assert_int_eq(w.counts.idle, 7);
	w.now += TIMEOUT;
	ck_assert_int_eq(look(&w).retire, 3);
	ck_assert_int_eq(w.counts.idle, 4);
}
END_TEST

START_TEST(a_need_for_all_of_them_begins_the_watch_anew)
{
	struct world w = { .limits = DEFAULTS, .counts = { .idle = 10 }, .memory = RUNNING, .now = NOW, .most = 64 };

	look(&w);
	w.now += TIMEOUT - 1;
	make_busy(&w, 8); /* 2 idle */
	ck_assert_int_eq(look(&w).retire, 0);
	make_busy(&w, -8);
	w.now++;
	ck_assert_int_eq(look(&w).retire, 0);
	w.now += TIMEOUT - 1;
	ck_assert_int_eq(look(&w).retire, 0);
	w.now++;
	ck_assert_int_eq(look(&w).retire, 6);
}
END_TEST

/* Nobody tells when a busy one is idle again, so the pool is looked at where that could be too many. */
START_TEST(busy_ones_that_may_come_back_are_looked_for)
{
	struct world w = { .limits = DEFAULTS, .counts = { .idle = 2, .busy = 8 }, .memory = RUNNING, .now = NOW, .most = 64 };

	ck_assert_int_eq(look(&w).look, TIMEOUT);
	w.now += TIMEOUT;
	make_busy(&w, -8);
	ck_assert_int_eq(look(&w).look, TIMEOUT);
	w.now += TIMEOUT;
	ck_assert_int_eq(look(&w).retire, 6);
	make_busy(&w, 2);
	ck_assert_int_eq(look(&w).look, -1); /* 2 idle and 2 busy are no more than may be */
}
END_TEST

START_TEST(growing_in_between_begins_nothing_and_retires_nobody)
{
	struct world w = { .limits = MANY, .counts = { .idle = 20 }, .memory = RUNNING, .now = NOW, .most = 640 };
	struct plan p;

	look(&w);
	w.now += TIMEOUT;
	make_busy(&w, 19);
	p = look(&w);
	ck_assert_int_gt(p.fork, 0);
	ck_assert_int_eq(p.retire, 0);
}
END_TEST

START_TEST(on_demand_all_retire)
{
	struct world w = { .limits = ON_DEMAND, .counts = { .idle = 3 }, .memory = RUNNING, .now = NOW, .most = 64 };
	struct plan p = look(&w);

	ck_assert_int_eq(p.look, TIMEOUT);
	ck_assert(!p.watch);
	w.now += TIMEOUT;
	p = look(&w);
	ck_assert_int_eq(p.retire, 3);
	ck_assert_int_eq(w.counts.idle, 0);
	ck_assert(look(&w).watch);
}
END_TEST

START_TEST(on_demand_those_in_use_stay)
{
	struct world w = { .limits = ON_DEMAND, .counts = { .idle = 3, .busy = 2 }, .memory = RUNNING, .now = NOW, .most = 64 };

	look(&w);
	w.now += TIMEOUT / 2;
	make_busy(&w, 2);
	look(&w);
	make_busy(&w, -2);
	w.now += TIMEOUT / 2;
	ck_assert_int_eq(look(&w).retire, 1);
}
END_TEST

START_TEST(at_max_spare_nobody_retires)
{
	struct world w = { .limits = DEFAULTS, .counts = { .idle = 4 }, .memory = RUNNING, .now = NOW, .most = 64 };

	for (int i = 0; i < 10; i++) {
		struct plan p = look(&w);

		ck_assert_int_eq(p.retire, 0);
		ck_assert_int_eq(p.look, -1);
		w.now += TIMEOUT;
	}
}
END_TEST

START_TEST(while_the_clock_stands_still_nobody_retires)
{
	struct world w = { .limits = DEFAULTS, .counts = { .idle = 60 }, .memory = RUNNING, .now = NOW, .most = 64 };

	for (int i = 0; i < 1000; i++) {
		struct plan p = look(&w);

		ck_assert_int_eq(p.retire, 0);
		ck_assert_int_eq(p.fork, 0);
		ck_assert_int_eq(p.look, TIMEOUT);
	}
}
END_TEST

START_TEST(without_an_idle_timeout_surplus_retires_at_once)
{
	struct world w = { .limits = { 1, 4, 1, 0, false, false }, .counts = { .idle = 10 }, .memory = RUNNING, .now = NOW, .most = 64 };
	struct plan p = look(&w);

	ck_assert_int_eq(p.retire, 6);
	p = look(&w);
	ck_assert_int_eq(p.retire, 0);
	ck_assert_int_eq(p.look, -1);
}
END_TEST

START_TEST(draining_retires_nobody)
{
	struct world w = { .limits = { 1, 4, 1, TIMEOUT, false, true }, .counts = { .idle = 10 }, .memory = RUNNING, .now = NOW, .most = 64 };

	look(&w);
	w.now += 10 * TIMEOUT;
	ck_assert_int_eq(look(&w).retire, 0);
}
END_TEST

/* Properties. The numbers are pseudo-random, and the same in every run. */

struct dice {
	uint64_t state;
};

static int draw(struct dice *d, int from, int to)
{
	d->state = d->state * 6364136223846793005U + 1442695040888963407U;
	return from + (int)((d->state >> 33) % (uint64_t)(to - from + 1));
}

static struct plan_limits draw_limits(struct dice *d)
{
	struct plan_limits l = { .min_spare = draw(d, 0, 8) };

	l.max_spare = l.min_spare + draw(d, 0, 16);
	l.start = draw(d, 0, 50);
	l.idle_timeout = draw(d, 0, 3) ? draw(d, 1, 100000) : 0;
	l.usher = draw(d, 0, 1);
	l.draining = draw(d, 0, 7) == 0;
	return l;
}

static struct plan_counts draw_counts(struct dice *d)
{
	struct plan_counts c = { .starting = draw(d, 0, 2) ? 0 : draw(d, 0, 40) };

	c.idle = draw(d, 0, 2) ? draw(d, 0, 40) : 0;
	c.busy = draw(d, 0, 100);
	c.ushers = draw(d, 0, 1);
	c.queue = draw(d, 0, 2) ? draw(d, PLAN_QUEUE_UNKNOWN, 2) : draw(d, 0, 4096);
	c.room = draw(d, 0, 2) ? draw(d, -5, 5) : draw(d, 0, 1000);
	return c;
}

static struct plan_memory draw_memory(struct dice *d)
{
	struct plan_memory m = { .started = draw(d, 0, 3) };

	m.step = draw(d, 0, PLAN_BATCH);
	m.lowest = draw(d, 0, 40);
	m.low_since = draw(d, 0, 1) ? NOW - draw(d, 0, 200000) : 0;
	return m;
}

static void check_plan(int round, const struct plan_limits *l, const struct plan_counts *c, const struct plan *p,
                       const struct plan_memory *m)
{
	int spare = c->starting + c->idle;

	ck_assert_msg(p->fork >= 0 && p->fork <= (c->room > 0 ? c->room : 0), "round %d: fork %d, room %d", round, p->fork, c->room);
	ck_assert_msg(p->fork <= PLAN_BATCH, "round %d: fork %d", round, p->fork);
	ck_assert_msg(p->retire >= 0 && p->retire <= c->idle, "round %d: retire %d of %d", round, p->retire, c->idle);
	ck_assert_msg(p->fork == 0 || p->retire == 0, "round %d: fork %d and retire %d", round, p->fork, p->retire);
	ck_assert_msg(p->retire == 0 || c->idle - p->retire >= (l->min_spare ? l->max_spare : 0), "round %d: retire %d of %d", round,
	              p->retire, c->idle);
	ck_assert_msg(!l->draining || p->retire == 0, "round %d: draining, retire %d", round, p->retire);
	ck_assert_msg(!p->usher || (l->usher && !l->draining && c->room <= 0 && spare == 0), "round %d: an usher", round);
	ck_assert_msg(p->watch == (spare + p->fork == 0 && !p->usher), "round %d: watch %d", round, p->watch);
	ck_assert_msg(p->look >= -1, "round %d: look %lld", round, (long long)p->look);
	ck_assert_msg(m->step >= 1 && m->step <= PLAN_BATCH, "round %d: step %d", round, m->step);
}

START_TEST(a_plan_is_always_possible)
{
	struct dice d = { 17 };

	for (int i = 0; i < 200000; i++) {
		struct plan_limits l = draw_limits(&d);
		struct plan_counts c = draw_counts(&d);
		struct plan_memory m = draw_memory(&d);
		struct plan p = plan_pool(&l, &c, &m, NOW);

		check_plan(i, &l, &c, &p, &m);
	}
}
END_TEST

/* Clients come and go at random; the pool does what is planned and is looked at when the plan says so, or something happens. */
START_TEST(a_pool_that_follows_its_plans_stays_in_its_limits)
{
	struct dice d = { 4 };

	for (int i = 0; i < 200; i++) {
		struct world w = { .limits = draw_limits(&d), .now = NOW, .most = draw(&d, 1, 100) };

		w.limits.draining = false;
		for (int j = 0; j < 500; j++) {
			bool started = w.memory.started;
			struct plan_counts before = w.counts;
			struct plan p = look(&w);
			int taken;

			before.room = w.counts.room;
			check_plan(j, &w.limits, &before, &p, &w.memory);
			ck_assert_msg(w.counts.idle + w.counts.busy <= w.most, "round %d, %d: more than %d", i, j, w.most);
			ck_assert_msg(p.fork == 0 || !started || before.queue > 0 || w.counts.idle <= w.limits.max_spare,
			              "round %d, %d: fork %d for %d idle", i, j, p.fork, before.idle);
			w.counts.queue += draw(&d, 0, 3) ? 0 : draw(&d, 0, 60);
			taken = w.counts.queue < w.counts.idle ? w.counts.queue : w.counts.idle;
			w.counts.queue -= taken;
			make_busy(&w, taken);
			make_busy(&w, -draw(&d, 0, w.counts.busy));
			w.now += draw(&d, 0, 1) && p.look > 0 ? p.look : draw(&d, 0, 5000);
		}
	}
}
END_TEST

/* Whatever happened before: when nobody comes, it ends at min-spare or more and at max-spare or less, and stays there. */
START_TEST(a_pool_that_nobody_uses_comes_to_rest)
{
	struct dice d = { 99 };

	for (int i = 0; i < 2000; i++) {
		struct world w = { .limits = draw_limits(&d), .counts = { .idle = draw(&d, 0, 200) }, .memory = draw_memory(&d),
			           .now = NOW, .most = 1000 };
		struct plan p = { .look = 0 };
		int least = w.limits.min_spare, most = least > 0 ? w.limits.max_spare : 0, turns = 0;

		w.limits.draining = false;
		w.memory.started = true;
		while (p.look >= 0 && turns++ < 100) {
			p = look(&w);
			w.now += p.look > 0 ? p.look : 0;
		}
		ck_assert_msg(p.look == -1, "round %d: no rest", i);
		ck_assert_msg(w.counts.idle >= least && w.counts.idle <= most, "round %d: %d idle, not %d to %d", i, w.counts.idle, least, most);
		w.now += 1000000;
		p = look(&w);
		ck_assert_msg(p.fork == 0 && p.retire == 0, "round %d: fork %d, retire %d", i, p.fork, p.retire);
	}
}
END_TEST

Suite *plan_suite(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");

	tcase_add_loop_test(t, one_decision, 0, rows(decisions));
	tcase_add_test(t, while_a_shortage_lasts_twice_as_many_are_made_each_time);
	tcase_add_test(t, doubling_ends_at_max_spare);
	tcase_add_test(t, after_a_shortage_the_next_begins_with_one_again);
	tcase_add_test(t, a_start_that_found_no_room_comes_when_there_is_some);
	tcase_add_test(t, a_batch_that_is_full_asks_for_the_next_turn);
	tcase_add_test(t, a_burst_is_served_in_a_few_turns);
	tcase_add_test(t, what_was_not_needed_for_the_idle_timeout_retires);
	tcase_add_test(t, the_low_water_mark_decides);
	tcase_add_test(t, a_need_for_all_of_them_begins_the_watch_anew);
	tcase_add_test(t, busy_ones_that_may_come_back_are_looked_for);
	tcase_add_test(t, growing_in_between_begins_nothing_and_retires_nobody);
	tcase_add_test(t, on_demand_all_retire);
	tcase_add_test(t, on_demand_those_in_use_stay);
	tcase_add_test(t, at_max_spare_nobody_retires);
	tcase_add_test(t, while_the_clock_stands_still_nobody_retires);
	tcase_add_test(t, without_an_idle_timeout_surplus_retires_at_once);
	tcase_add_test(t, draining_retires_nobody);
	tcase_add_test(t, a_plan_is_always_possible);
	tcase_add_test(t, a_pool_that_follows_its_plans_stays_in_its_limits);
	tcase_add_test(t, a_pool_that_nobody_uses_comes_to_rest);
	suite_add_tcase(s, t);
	return s;
}
