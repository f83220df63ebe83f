/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "backlog.h"
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A service that is no longer full or failing has to stay so for that long before it is believed. */
#define SETTLE 1.0 /* s */

#define RETRY_FIRST 0.25 /* s */
#define RETRY_LAST 8.0

const char *service_state_name(enum service_state state)
{
	static const char *const name[SERVICE_STATES] = {
		[SERVICE_UP] = "up",           [SERVICE_FULL] = "full",         [SERVICE_FAILING] = "failing",
		[SERVICE_WAITING] = "waiting", [SERVICE_DISABLED] = "disabled", [SERVICE_DRAINING] = "draining",
	};

	return name[state];
}

bool service_may_spawn(struct service *s)
{
	return !ev_is_active(&s->restart) && !ev_is_active(&s->server->fork_pause);
}

static void start_timer(struct service *s, struct ev_timer *timer, double after)
{
	ev_timer_stop(s->server->loop, timer);
	ev_timer_set(timer, after, 0.);
	ev_timer_start(s->server->loop, timer);
}

/* The figures of every listener, as many as fit. */
static char *describe_backlogs(const struct service *s, char *out, size_t size)
{
	const struct pool *p;
	size_t n = 0;

	out[0] = '\0';
	TAILQ_FOREACH(p, &s->pools, next) {
		char one[BACKLOG_TEXT];

		if (p->state == POOL_OPEN)
			n += strlcpy(out + n, n > 0 ? "; " : "", size - n);
		if (p->state == POOL_OPEN && n < size)
			n += strlcpy(out + n, backlog_describe(p, one, sizeof(one)), size - n);
		if (n >= size)
			break;
	}
	return out;
}

static void tell_full(struct service *s)
{
	char figures[LOG_LINE];
	struct pool *p;

	s->full_since = server_now();
	log_warning("%s: full: all of its %d workers are busy; %s", s->config->name, s->config->workers.max,
	            describe_backlogs(s, figures, sizeof(figures)));
	TAILQ_FOREACH(p, &s->pools, next)
		pool_reset_waited(p);
}

static void tell_recovered(const struct service *s)
{
	char figures[LOG_LINE];
	int64_t ms = server_now() - s->full_since;

	log_notice("%s: up again after %lld.%03d s; %s", s->config->name, (long long)(ms / 1000), (int)(ms % 1000),
	           describe_backlogs(s, figures, sizeof(figures)));
}

static void tell_state(struct service *s, enum service_state before)
{
	if (s->state == SERVICE_FULL)
		tell_full(s);
	else if (s->state == SERVICE_UP && before == SERVICE_FULL)
		tell_recovered(s);
	else if (s->state == SERVICE_UP && before == SERVICE_FAILING)
		log_notice("%s: up again", s->config->name);
	else if (s->state != SERVICE_UP)
		log_debug("%s: %s", s->config->name, service_state_name(s->state));
}

static void set_state(struct service *s, enum service_state state)
{
	enum service_state before = s->state;

	if (state == before)
		return;
	s->state = state;
	tell_state(s, before);
	server_changed(s->server);
}

static bool is_listening(const struct service *s)
{
	const struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next)
		if (p->state == POOL_OPEN)
			return true;
	return false;
}

void service_update_state(struct service *s, bool full)
{
	if (s->ending)
		set_state(s, SERVICE_DRAINING);
	else if (!s->config->enabled)
		set_state(s, SERVICE_DISABLED);
	else if (s->failures > 0)
		set_state(s, SERVICE_FAILING);
	else if (!is_listening(s))
		set_state(s, SERVICE_WAITING);
	else if (full)
		set_state(s, SERVICE_FULL);
	else if (s->state != SERVICE_FULL)
		set_state(s, SERVICE_UP);
	else if (!ev_is_active(&s->settle))
		start_timer(s, &s->settle, SETTLE);
	if (full)
		ev_timer_stop(s->server->loop, &s->settle);
}

static int restart_delay(const struct service *s)
{
	int64_t delay = s->config->restart_min;

	for (int i = 1; i < s->failures && delay < s->config->restart_max; i++)
		delay *= 2;
	return (int)(delay < s->config->restart_max ? delay : s->config->restart_max);
}

static void fail(struct service *s)
{
	int delay;

	/* Others of the same batch say nothing new. */
	if (ev_is_active(&s->restart))
		return;
	s->failures++;
	s->failed_at = server_now();
	delay = restart_delay(s);
	ev_timer_stop(s->server->loop, &s->settle);
	start_timer(s, &s->restart, delay / 1000.);
	log_at(s->failures == 1 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
	       "%s: failing: workers are made again from %d ms on, with longer pauses up to %d ms while it lasts; clients wait",
	       s->config->name, delay, s->config->restart_max);
	service_update_state(s, false);
}

void service_failed(struct service *s, const struct pool_worker *worker)
{
	if (worker->pool->state != POOL_CLOSED)
		fail(s);
}

void service_lost_listener(struct service *s, const struct pool *p)
{
	log_at(s->failures == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
	       "%s: %s does not listen any more: a process that shares it has shut it down", s->config->name, p->listener->text);
	fail(s);
}

static void recover(struct service *s)
{
	s->failures = 0;
	ev_timer_stop(s->server->loop, &s->settle);
	service_look(s);
}

void service_start_afresh(struct service *s)
{
	s->failures = 0;
	ev_timer_stop(s->server->loop, &s->restart);
	ev_timer_stop(s->server->loop, &s->settle);
}

void service_went_well(struct service *s, const struct pool_worker *worker)
{
	if (s->failures == 0 || worker->born < s->failed_at || ev_is_active(&s->restart))
		return;
	recover(s);
}

static void settle_after_failure(struct service *s)
{
	double pause = restart_delay(s) / 1000.;

	start_timer(s, &s->settle, pause > SETTLE ? pause : SETTLE);
}

static void listen_again(struct service *s, struct pool *p)
{
	bool first = s->failures == 1;

	if (p->state != POOL_OPEN || !listener_has_ended(p->listener))
		return;
	if (listener_listen_again(p->listener) == 0)
		log_notice("%s: %s listens again", s->config->name, p->listener->text);
	else
		log_at(first ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "%s: cannot listen on %s again: %s", s->config->name,
		       p->listener->text, strerror(errno));
}

/* Time to try again; if nothing fails for as long as this pause was, it works. */
static void on_restart(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct service *s = timer->data;
	struct pool *p;

	(void)loop;
	(void)events;
	TAILQ_FOREACH(p, &s->pools, next)
		listen_again(s, p);
	service_look(s);
	if (!ev_is_active(&s->restart))
		settle_after_failure(s);
}

static bool has_starting(const struct service *s)
{
	const struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next)
		if (p->state != POOL_CLOSED && pool_count(p).starting > 0)
			return true;
	return false;
}

static void on_settle(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct service *s = timer->data;

	(void)loop;
	(void)events;
	if (s->failures == 0)
		set_state(s, SERVICE_UP);
	else if (has_starting(s)) /* on a slow machine even birth takes its time */
		settle_after_failure(s);
	else
		recover(s);
}

uint64_t service_refused(const struct service *s, enum refusal reason)
{
	uint64_t all = s->refused[reason];
	const struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next)
		all += atomic_load(&p->board.header->refused[reason]);
	return all;
}

void service_keep_counts(struct service *s, struct pool *p)
{
	pool_tell_refusals(p);
	for (int i = 0; i < REFUSALS; i++)
		s->refused[i] += atomic_load(&p->board.header->refused[i]);
}

bool service_counts(const struct service_config *c)
{
	return c->rate.count != UNSET || c->source.max != UNSET || c->source.rate.count != UNSET;
}

/* The one that is there counts on, so that a reload forgives nobody. */
static int prepare_ledger(struct service *s)
{
	uint32_t workers = (uint32_t)s->config->workers.max;
	struct ledger *l;

	if (!service_counts(s->config)) {
		ledger_release(s->ledger);
		s->ledger = NULL;
		return 0;
	}
	if (s->ledger && ledger_suits(s->ledger, workers))
		return 0;
	l = ledger_new(workers);
	if (!l)
		return -1;
	if (s->ledger)
		log_warning("%s: what each source has is counted anew: there was not room enough for %u workers", s->config->name, workers);
	ledger_release(s->ledger);
	s->ledger = l;
	return 0;
}

int service_open_pool(struct service *s, struct listener *l, size_t index)
{
	struct pool *p = prepare_ledger(s) == 0 ? pool_new(s, l, index) : NULL;

	if (!p)
		return -1;
	TAILQ_INSERT_TAIL(&s->pools, p, next);
	return 0;
}

/* Tries one missing address again; true if it is there now. */
static bool try_address(struct service *s, const struct service_address *a)
{
	const struct endpoint_config *e = &s->config->endpoints[a->index];
	char why[LOG_LINE];
	struct listener *l = listener_open(&e->endpoint, &s->config->socket, 0, why, sizeof(why));
	int result;

	if (!l)
		return false;
	result = service_open_pool(s, l, a->index);
	if (result == 0)
		log_notice("%s: listening on %s, backlog %d", s->config->name, l->text, l->backlog);
	listener_release(l);
	return result == 0;
}

static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct service *s = timer->data;
	struct service_address *a, *next;

	(void)loop;
	(void)events;
	STAILQ_FOREACH_SAFE(a, &s->missing, next, next) {
		if (!try_address(s, a))
			continue;
		STAILQ_REMOVE(&s->missing, a, service_address, next);
		free(a);
	}
	s->retry_delay = s->retry_delay * 2 < RETRY_LAST ? s->retry_delay * 2 : RETRY_LAST;
	if (!STAILQ_EMPTY(&s->missing))
		start_timer(s, &s->retry, s->retry_delay);
	service_look(s);
}

int service_await_address(struct service *s, size_t index, int error)
{
	struct service_address *a = calloc(1, sizeof(*a));

	if (!a)
		return -1;
	a->index = index;
	a->error = error;
	STAILQ_INSERT_TAIL(&s->missing, a, next);
	s->retry_delay = RETRY_FIRST;
	start_timer(s, &s->retry, s->retry_delay);
	log_warning("%s: waits for the address %s: %s", s->config->name, s->config->endpoints[index].text, strerror(error));
	return 0;
}

void service_forget_addresses(struct service *s)
{
	struct service_address *a;

	ev_timer_stop(s->server->loop, &s->retry);
	while ((a = STAILQ_FIRST(&s->missing))) {
		STAILQ_REMOVE_HEAD(&s->missing, next);
		free(a);
	}
}

static bool has_ready_successor(const struct service *s, const struct pool *old)
{
	const struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next)
		if (p->listener == old->listener && !p->relieved && p->state == POOL_OPEN)
			return launching_is_settled(p);
	return true;
}

void service_relieve(struct service *s, bool all)
{
	struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next)
		if (p->relieved && p->state == POOL_OPEN && (all || has_ready_successor(s, p)))
			pool_close(p);
}

void service_drain(struct service *s)
{
	struct pool *p;

	s->ending = true;
	service_forget_addresses(s);
	TAILQ_FOREACH(p, &s->pools, next)
		pool_drain(p);
	service_update_state(s, false);
	server_watch_drain(s->server);
}

struct service *service_new(struct server *server, struct service_config *c)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->server = server;
	s->config = service_config_hold(c);
	s->state = SERVICE_WAITING;
	s->generation = 1;
	TAILQ_INIT(&s->pools);
	STAILQ_INIT(&s->missing);
	ev_timer_init(&s->restart, on_restart, 0., 0.);
	ev_timer_init(&s->settle, on_settle, 0., 0.);
	ev_timer_init(&s->retry, on_retry, 0., 0.);
	s->restart.data = s->settle.data = s->retry.data = s;
	gate_init(s);
	gate_follow(s);
	return s;
}

void service_free(struct service *s)
{
	service_forget_addresses(s);
	ev_timer_stop(s->server->loop, &s->restart);
	ev_timer_stop(s->server->loop, &s->settle);
	ledger_release(s->ledger);
	gate_stop(s);
	resolvers_forget(s);
	service_config_release(s->config);
	free(s);
}
