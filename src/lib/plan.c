/* SPDX-License-Identifier: ISC */
#include "plan.h"

static int least(int a, int b)
{
	return a < b ? a : b;
}

static int most(int a, int b)
{
	return a > b ? a : b;
}

/* Spares that are missing now; 0 if there are enough. */
static int shortage(const struct plan_limits *l, const struct plan_counts *c, const struct plan_memory *m)
{
	int spare = c->starting + c->idle;
	int wanted = l->draining ? 0 : m->started ? l->min_spare : most(l->start, l->min_spare);

	if (c->queue > 0)
		wanted += c->queue;
	/* Where the queue cannot be counted, a pool without spares is taken to have somebody waiting. */
	else if (c->queue == PLAN_QUEUE_UNKNOWN && spare == 0 && m->started && l->min_spare > 0)
		wanted = most(wanted, m->step);
	return most(0, wanted - spare);
}

static int grow(const struct plan_limits *l, const struct plan_counts *c, struct plan_memory *m)
{
	int missing = shortage(l, c, m);
	int spare = c->starting + c->idle;
	int more;

	if (missing == 0) {
		m->step = 1;
		return 0;
	}
	/* While it lasts, make some in advance: a burst seldom ends with the connection that shows it. */
	more = l->draining || !m->started ? 0 : least(m->step, l->max_spare - spare);
	m->step = least(m->step * 2, PLAN_BATCH);
	return least(most(missing, more), most(0, least(c->room, PLAN_BATCH)));
}

static void watch_low_water(const struct plan_counts *c, struct plan_memory *m, int64_t now)
{
	if (m->low_since == 0) {
		m->low_since = now;
		m->lowest = c->idle;
	}
	m->lowest = least(m->lowest, c->idle);
}

static int shrink(const struct plan_limits *l, const struct plan_counts *c, struct plan_memory *m, int64_t now, int64_t *look)
{
	int keep = l->min_spare == 0 ? 0 : l->max_spare;
	int surplus;

	if (c->idle <= keep) {
		m->low_since = 0;
		/* Nobody tells when a busy one is idle again. */
		*look = c->idle + c->busy + c->starting > keep ? l->idle_timeout : -1;
		return 0;
	}
	watch_low_water(c, m, now);
	*look = m->low_since + l->idle_timeout - now;
	if (*look > 0)
		return 0;
	surplus = most(0, m->lowest - keep);
	m->low_since = now;
	m->lowest = c->idle - surplus;
	*look = m->lowest > keep ? l->idle_timeout : -1;
	return surplus;
}

struct plan plan_pool(const struct plan_limits *l, const struct plan_counts *c, struct plan_memory *m, int64_t now)
{
	struct plan p = { .look = -1 };
	bool absent;

	m->step = most(m->step, 1);
	p.fork = grow(l, c, m);
	absent = c->starting + c->idle + p.fork == 0;
	if (p.fork == PLAN_BATCH)
		p.look = 0;
	else if (!absent || c->room > 0) /* a start that found no room at all is still to come */
		m->started = true;
	if (p.fork == 0 && !l->draining)
		p.retire = shrink(l, c, m, now, &p.look);
	p.usher = l->usher && !l->draining && absent && c->room <= 0;
	p.watch = absent && !p.usher;
	return p;
}
