/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "gate.h"
#include "hours.h"
#include "server.h"

#include <stdlib.h>
#include <time.h>

enum refusal gate_decide(const struct service_config *c, time_t now, int load)
{
	if (c->hours && !hours_open_at(c->hours, now))
		return REFUSED_HOURS;
	if (c->max_load != UNSET && load > c->max_load)
		return REFUSED_LOAD;
	return REFUSED_NOT;
}

static void tell(const struct service *s)
{
	const struct service_config *c = s->config;
	int load = s->server->load.latest;

	switch (s->gate.state) {
	case REFUSED_HOURS:
		log_notice("%s: outside of its access-times from now on: clients are refused", c->name);
		break;
	case REFUSED_LOAD:
		log_warning("%s: load %d.%02d is above max-load %d.%02d: clients are refused", c->name, load / 100, load % 100,
		            c->max_load / 100, c->max_load % 100);
		break;
	default:
		log_notice("%s: open again", c->name);
	}
}

void gate_look(struct service *s, time_t now)
{
	enum refusal state = gate_decide(s->config, now, s->server->load.latest);
	struct pool *p;

	if (state == s->gate.state)
		return;
	s->gate.state = state;
	TAILQ_FOREACH(p, &s->pools, next)
		atomic_store(&p->board.header->gate, (uint32_t)state);
	tell(s);
	server_changed(s->server);
}

static time_t loop_time(const struct service *s)
{
	return (time_t)ev_now(s->server->loop);
}

/* Hours */

static void on_hour(struct ev_loop *loop, struct ev_periodic *periodic, int events)
{
	(void)loop;
	(void)events;
	gate_look(periodic->data, loop_time(periodic->data));
}

/* libev asks for the next time after each one, and also when the clock was set: then what should have been may be due at once. */
static ev_tstamp next_hour(struct ev_periodic *periodic, ev_tstamp now)
{
	const struct service *s = periodic->data;
	const struct hours *h = s->config->hours;
	ev_tstamp next;

	if (hours_open_at(h, (time_t)now) == (s->gate.state == REFUSED_HOURS))
		return now;
	next = (ev_tstamp)hours_next(h, (time_t)now);
	return next > now ? next : now;
}

/* Load */

static void read_load(struct load *l)
{
	double load;

	l->latest = getloadavg(&load, 1) == 1 ? (int)(load * 100 + 0.5) : LOAD_UNKNOWN;
}

static bool minds_load(const struct service *s)
{
	return !s->ending && s->config->enabled && s->config->max_load != UNSET;
}

static void on_load(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct server *s = timer->data;
	struct service *service;
	bool needed = false;

	(void)events;
	read_load(&s->load);
	TAILQ_FOREACH(service, &s->services, next)
		if (minds_load(service)) {
			gate_look(service, loop_time(service));
			needed = true;
		}
	if (!needed)
		ev_timer_stop(loop, &s->load.timer);
}

static void watch_load(struct server *s)
{
	if (ev_is_active(&s->load.timer))
		return;
	read_load(&s->load);
	ev_timer_again(s->loop, &s->load.timer);
}

/* Both */

void gate_follow(struct service *s)
{
	ev_periodic_stop(s->server->loop, &s->gate.hour);
	if (!s->config->enabled)
		return;
	if (minds_load(s))
		watch_load(s->server);
	gate_look(s, loop_time(s));
	if (s->config->hours)
		ev_periodic_start(s->server->loop, &s->gate.hour);
}

void gate_init(struct service *s)
{
	s->gate.state = REFUSED_NOT;
	ev_periodic_init(&s->gate.hour, on_hour, 0., 0., next_hour);
	s->gate.hour.data = s;
}

void gate_stop(struct service *s)
{
	ev_periodic_stop(s->server->loop, &s->gate.hour);
}

void gate_init_load(struct server *s)
{
	s->load.latest = LOAD_UNKNOWN;
	ev_timer_init(&s->load.timer, on_load, 0., LOAD_EVERY);
	s->load.timer.data = s;
}

void gate_stop_load(struct server *s)
{
	ev_timer_stop(s->loop, &s->load.timer);
}
