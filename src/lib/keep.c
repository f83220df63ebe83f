/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "keep.h"
#include "processes.h"
#include "server.h"

#include <time.h>

#define TICK 0.02         /* s */
#define PASS_EVERY 100000 /* us */
#define PART_EVERY 20000  /* us; a pass goes on so often, */
#define PART 1000         /* us; and for so long */
#define REST 4            /* times as long as it took */
#define ALL_EVERY 200000  /* us */

static int64_t microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	server_reap(timer->data);
}

void keep_init(struct server *s)
{
	TAILQ_INIT(&s->keep.list);
	ev_timer_init(&s->keep.tick, on_tick, TICK, TICK);
	s->keep.tick.data = s;
}

static void end_pass(struct keep *k)
{
	if (k->pass)
		closedir(k->pass);
	k->pass = NULL;
}

void keep_end(struct server *s)
{
	ev_timer_stop(s->loop, &s->keep.tick);
	end_pass(&s->keep);
}

void keep_worker(struct server *s, struct pool_worker *w)
{
	TAILQ_INSERT_TAIL(&s->keep.list, w, next_kept);
	w->keeping = KEEPING_WAITS;
	if (ev_is_active(&s->keep.tick))
		return;
	ev_timer_set(&s->keep.tick, TICK, TICK);
	ev_timer_start(s->loop, &s->keep.tick);
}

void keep_no_more(struct server *s, struct pool_worker *w)
{
	if (w->keeping == KEEPING_NOT)
		return;
	TAILQ_REMOVE(&s->keep.list, w, next_kept);
	w->keeping = KEEPING_NOT;
	if (TAILQ_EMPTY(&s->keep.list))
		keep_end(s);
}

bool keep_is_alone(const struct pool_worker *w)
{
	return w->keeping == KEEPING_ALONE;
}

static void set_all(struct keep *k, enum keeping from, enum keeping to)
{
	struct pool_worker *w;

	TAILQ_FOREACH(w, &k->list, next_kept)
		if (w->keeping == from)
			w->keeping = to;
}

/* Without /proc nothing is known, and the group is given all of its time. */
static bool begin_pass(struct keep *k, int64_t now)
{
	if (k->begun && now - k->begun < PASS_EVERY)
		return false;
	k->begun = now;
	k->pass = processes_open();
	if (k->pass)
		set_all(k, KEEPING_WAITS, KEEPING_SOUGHT);
	return k->pass;
}

static void see(struct server *s, const struct process *p)
{
	struct pool_worker *w;

	if (p->ended || p->group == p->pid)
		return;
	w = server_find_worker(s, p->group);
	if (w && w->keeping == KEEPING_SOUGHT)
		w->keeping = KEEPING_WAITS;
}

/* True at the end of the pass. */
static bool look_on(struct server *s, int64_t until)
{
	struct process p;

	while (processes_next(s->keep.pass, &p)) {
		see(s, &p);
		if (microseconds() >= until)
			return false;
	}
	return true;
}

void keep_look(struct server *s)
{
	struct keep *k = &s->keep;
	int64_t now = microseconds();

	if (TAILQ_EMPTY(&k->list) || (k->pass && now - k->looked < PART_EVERY) || (!k->pass && !begin_pass(k, now)))
		return;
	k->looked = now;
	if (!look_on(s, now + PART))
		return;
	end_pass(k);
	set_all(k, KEEPING_SOUGHT, KEEPING_ALONE);
}

bool keep_may_collect(struct server *s)
{
	s->keep.asked = microseconds();
	return s->keep.asked >= s->keep.rest_until;
}

bool keep_asks_all(struct server *s)
{
	struct keep *k = &s->keep;

	if (k->all && k->asked - k->all < ALL_EVERY)
		return false;
	k->all = k->asked;
	return true;
}

void keep_collected(struct server *s)
{
	int64_t now = microseconds();

	s->keep.rest_until = now + REST * (now - s->keep.asked);
}
