/* SPDX-License-Identifier: ISC */
/* One look at a service: count, plan, act, for each of its pools. */
#include "config.h"

#include "queue.h"
#include "server.h"

#include <errno.h>
#include <string.h>

#define BIRTH 20 /* ms; about what a worker needs from its fork to accept */

/* In which order pools get what room there is. */
enum need {
	NEED_CLIENTS, /* clients wait and nobody is there or coming */
	NEED_FIRST,   /* it has no worker at all */
	NEED_REST,
	NEEDS,
};

static bool is_alive(const struct pool *p)
{
	return p->state != POOL_CLOSED;
}

static int spare(const struct pool *p)
{
	return p->counts.starting + p->counts.idle;
}

/* The queue matters only when there are few to serve it. */
static void count(struct pool *p)
{
	p->counts = pool_count(p);
	if (!is_alive(p) || (spare(p) > p->config->workers.min_spare && p->state == POOL_OPEN))
		return;
	p->counts.queue = queue_waiting(p->listener->fd);
	if (p->counts.queue < 0)
		p->counts.queue = listener_is_empty(p->listener) ? 0 : PLAN_QUEUE_UNKNOWN;
}

static enum need need_of(const struct pool *p)
{
	if (spare(p) > 0)
		return NEED_REST;
	if (p->counts.queue != 0)
		return NEED_CLIENTS;
	return p->live == 0 && p->config->workers.min_spare > 0 ? NEED_FIRST : NEED_REST;
}

/* A service that failed tries with one worker. */
static int room_in(struct service *s)
{
	int room = s->config->workers.max - s->workers;
	const struct pool *p;

	if (!service_may_spawn(s))
		return 0;
	if (s->failures == 0)
		return room;
	TAILQ_FOREACH(p, &s->pools, next)
		if (is_alive(p) && spare(p) > 0)
			return 0;
	return room > 0 ? 1 : 0;
}

/* At its maximum, and no worker is idle, on its way, or about to leave its place to another. */
static bool is_full(const struct service *s)
{
	const struct pool *p;

	if (s->workers < s->config->workers.max)
		return false;
	TAILQ_FOREACH(p, &s->pools, next)
		if (spare(p) + p->counts.retiring > 0)
			return false;
	return true;
}

static struct plan make_plan(struct pool *p, int room)
{
	const struct service_config *c = p->config;
	const struct plan_limits limits = {
		.min_spare = c->workers.min_spare,
		.max_spare = c->workers.max_spare,
		.start = c->workers.start,
		.idle_timeout = c->workers.idle_timeout,
		.usher = c->answer_full.kind != ANSWER_QUEUE && is_full(p->service),
		.draining = p->state == POOL_DRAINING,
	};

	p->counts.room = room;
	return plan_pool(&limits, &p->counts, &p->remembered, server_now());
}

static void spawn(struct pool *p, int n)
{
	for (int i = 0; i < n; i++) {
		if (pool_spawn(p, false) < 0) {
			server_fork_failed(p->service->server, errno);
			launching_flush(p);
			return;
		}
		p->counts.starting++;
	}
	launching_flush(p);
	if (n > 0)
		server_fork_worked(p->service->server);
}

/* "In no time" is the loop's next turn, so that others get theirs. */
static void look_again(struct pool *p, int64_t in)
{
	struct ev_loop *loop = p->service->server->loop;

	ev_timer_stop(loop, &p->look);
	if (in < 0)
		return;
	ev_timer_set(&p->look, (double)in / 1000, 0.);
	ev_timer_start(loop, &p->look);
}

/* Who becomes idle from now on tells; who did so just before has not. */
static void show_full(struct pool *p)
{
	bool full = p->state == POOL_OPEN && is_full(p->service);
	bool news = full && !p->full;

	pool_show_full(p, full);
	if (news)
		look_again(p, 0);
}

static void set_usher(struct pool *p, bool wanted)
{
	pool_want_usher(p, wanted);
	if (wanted && !p->usher && pool_spawn(p, true) < 0)
		server_fork_failed(p->service->server, errno);
}

/* An idle worker elsewhere in the service whose place a pool without any could have. */
static struct pool *find_lender(const struct service *s, const struct pool *needy)
{
	struct pool *p, *lender = NULL;

	TAILQ_FOREACH(p, &s->pools, next)
		if (p != needy && is_alive(p) && p->counts.idle > 0 && (!lender || p->counts.idle > lender->counts.idle))
			lender = p;
	return lender;
}

static void retire(struct pool *p, int n)
{
	n = pool_retire(p, n);
	p->counts.idle -= n;
	p->counts.retiring += n;
}

static bool is_anybody_starting(const struct service *s)
{
	const struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next)
		if (is_alive(p) && p->counts.starting > 0)
			return true;
	return false;
}

/* Nobody is in accept here, and there is no room for one. One that starts elsewhere can be lent when it is idle, and does not tell. */
static void borrow(struct pool *p)
{
	struct pool *lender = find_lender(p->service, p);

	if (lender && p->counts.queue != 0)
		retire(lender, 1);
	else if (!lender && is_anybody_starting(p->service))
		look_again(p, BIRTH);
	pool_watch(p, lender && p->counts.queue == 0);
}

/* The generation before serves on until this one has its image. */
static bool is_successor(const struct pool *p)
{
	const struct pool *old;

	if (launching_is_settled(p))
		return false;
	TAILQ_FOREACH(old, &p->service->pools, next)
		if (old->relieved && old->state == POOL_OPEN && old->listener == p->listener)
			return true;
	return false;
}

static void act(struct pool *p, int room)
{
	struct plan plan;

	launching_look(p);
	if (is_successor(p))
		return;
	plan = make_plan(p, room);

	spawn(p, plan.fork);
	if (plan.retire > 0)
		retire(p, plan.retire);
	look_again(p, plan.look);
	show_full(p);
	set_usher(p, plan.usher);
	if (!plan.watch || !service_may_spawn(p->service))
		pool_watch(p, false);
	else if (room > 0 || p->service->workers < p->config->workers.max)
		pool_watch(p, true);
	else
		borrow(p);
}

static int count_needy(const struct service *s, enum need need)
{
	const struct pool *p;
	int n = 0;

	TAILQ_FOREACH(p, &s->pools, next)
		n += is_alive(p) && p->need == need;
	return n;
}

/* Those in need share what room there is, each at least one place; the rest take what is left, in order. */
static void serve(struct service *s, enum need need)
{
	int left = count_needy(s, need);
	struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next) {
		int room = room_in(s);

		if (!is_alive(p) || p->need != need)
			continue;
		if (need != NEED_REST && room > left)
			room /= left;
		else if (need != NEED_REST && room > 1)
			room = 1;
		left--;
		act(p, room);
	}
}

void service_look(struct service *s)
{
	struct pool *p;

	s->due = false;
	service_relieve(s, false);
	TAILQ_FOREACH(p, &s->pools, next) {
		count(p);
		p->need = need_of(p);
	}
	for (unsigned need = NEED_CLIENTS; need < NEEDS; need++)
		serve(s, (enum need)need);
	service_update_state(s, is_full(s));
}
