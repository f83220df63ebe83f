/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "server.h"
#include "kernel.h"

#include <sys/resource.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_EVERY 0.05 /* s */

#define FORK_PAUSE_FIRST 0.1 /* s */
#define FORK_PAUSE_LAST 2.0

static int pid_order(const struct pool_worker *a, const struct pool_worker *b)
{
	return (a->pid > b->pid) - (a->pid < b->pid);
}

RB_PROTOTYPE(pool_worker_tree, pool_worker, by_pid, pid_order)
RB_GENERATE(pool_worker_tree, pool_worker, by_pid, pid_order)

void server_enter_worker(struct server *s, struct pool_worker *worker)
{
	RB_INSERT(pool_worker_tree, &s->workers, worker);
}

void server_remove_worker(struct server *s, struct pool_worker *worker)
{
	RB_REMOVE(pool_worker_tree, &s->workers, worker);
	s->to_sweep = true;
}

struct pool_worker *server_find_worker(struct server *s, pid_t pid)
{
	struct pool_worker wanted = { .pid = pid };

	return RB_FIND(pool_worker_tree, &s->workers, &wanted);
}

int64_t server_now(void)
{
	return (int64_t)kernel_now();
}

void server_changed(struct server *s)
{
	if (s->changed)
		s->changed(s->data);
}

/* A look may find a pool at its end, and its caller still holds it: what is over is freed between events. */
static void sweep_service(struct service *s)
{
	struct pool *p, *next;

	TAILQ_FOREACH_SAFE(p, &s->pools, next, next) {
		if (p->state != POOL_CLOSED || p->live > 0 || p->usher)
			continue;
		TAILQ_REMOVE(&s->pools, p, next);
		pool_free(p);
	}
}

static void sweep(struct server *s)
{
	struct service *service, *next;

	s->to_sweep = false;
	TAILQ_FOREACH_SAFE(service, &s->services, next, next) {
		sweep_service(service);
		if (!service->ending || !TAILQ_EMPTY(&service->pools))
			continue;
		TAILQ_REMOVE(&s->services, service, next);
		service_free(service);
		server_changed(s);
	}
	if (s->phase != SERVER_RUNS && TAILQ_EMPTY(&s->services))
		ev_break(s->loop, EVBREAK_ALL);
}

static void on_sweep(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
	struct server *s = prepare->data;

	(void)loop;
	(void)events;
	if (s->to_sweep)
		sweep(s);
}

/* The next try of a service that fails would come after the end of the stop, so those in its queue wait for nothing. */
static bool is_in_vain(struct service *service)
{
	struct server *s = service->server;

	return s->phase == SERVER_STOPS && ev_is_active(&service->restart) &&
	       ev_timer_remaining(s->loop, &service->restart) >= ev_timer_remaining(s->loop, &s->deadline);
}

/* Returns how many of a service's pools still drain. */
static int check_drained(struct service *service, struct handshakes *h)
{
	bool in_vain = is_in_vain(service);
	struct pool *p;
	int left = 0;

	TAILQ_FOREACH(p, &service->pools, next) {
		if (in_vain)
			pool_end_listener(p);
		else
			pool_check_drained(p, h);
		left += p->state == POOL_DRAINING;
	}
	/* Those who wait may need workers. */
	if (left > 0)
		service_look(service);
	return left;
}

static void on_drain(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct server *s = timer->data;
	struct handshakes handshakes = { .looked = false };
	struct service *service;
	int left = 0;

	(void)events;
	TAILQ_FOREACH(service, &s->services, next)
		left += check_drained(service, &handshakes);
	s->to_sweep = true;
	if (left == 0)
		ev_timer_stop(loop, &s->drain);
}

void server_watch_drain(struct server *s)
{
	s->to_sweep = true;
	if (!ev_is_active(&s->drain))
		ev_timer_again(s->loop, &s->drain);
}

static void look_at_all(struct server *s)
{
	struct service *service;

	TAILQ_FOREACH(service, &s->services, next)
		service_look(service);
}

static void on_fork_pause(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	look_at_all(timer->data);
}

void server_fork_failed(struct server *s, int error)
{
	unsigned again;

	if (trouble_met(&s->fork_trouble, error, server_now(), &again))
		log_error("cannot make a worker: %s; trying again, clients wait in the queue (met %u times before)", strerror(error),
		          again);
	if (ev_is_active(&s->fork_pause))
		return;
	s->fork_delay = s->fork_delay == 0. ? FORK_PAUSE_FIRST : s->fork_delay * 2;
	if (s->fork_delay > FORK_PAUSE_LAST)
		s->fork_delay = FORK_PAUSE_LAST;
	ev_timer_set(&s->fork_pause, s->fork_delay, 0.);
	ev_timer_start(s->loop, &s->fork_pause);
}

void server_fork_worked(struct server *s)
{
	s->fork_delay = 0.;
	if (trouble_over(&s->fork_trouble))
		log_notice("workers can be made again");
}

/* Each pool needs six descriptors. Where no more are allowed, the first that is missing will be told. */
static int raise_nofile(struct server *s)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &s->before.nofile) < 0 || getrlimit(RLIMIT_NPROC, &s->before.nproc) < 0)
		return -1;
	most = s->before.nofile;
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	return 0;
}

static void for_each_pool(struct server *s, void (*act)(struct pool *p))
{
	struct service *service;
	struct pool *p;

	TAILQ_FOREACH(service, &s->services, next)
		TAILQ_FOREACH(p, &service->pools, next)
			act(p);
}

static void ask_to_end(struct pool *p)
{
	pool_end_listener(p);
	pool_signal(p, SIGTERM);
	pool_signal(p, SIGCONT); /* a stopped program could not hear it */
}

static void make_end(struct pool *p)
{
	pool_signal(p, SIGKILL);
}

static int count_busy(const struct server *s)
{
	const struct service *service;
	const struct pool *p;
	int n = 0;

	TAILQ_FOREACH(service, &s->services, next)
		TAILQ_FOREACH(p, &service->pools, next)
			n += pool_count(p).busy;
	return n;
}

static void set_deadline(struct server *s, int ms)
{
	ev_timer_stop(s->loop, &s->deadline);
	ev_timer_set(&s->deadline, ms / 1000., 0.);
	ev_timer_start(s->loop, &s->deadline);
}

static void drain_all(struct server *s)
{
	struct service *service;

	TAILQ_FOREACH(service, &s->services, next)
		service_drain(service);
}

static void go_on_stopping(struct server *s)
{
	s->to_sweep = true;
	if (s->phase == SERVER_STOPS) {
		s->phase = SERVER_TERMS;
		log_notice("stopping: %d workers are busy and are sent SIGTERM", count_busy(s));
		for_each_pool(s, ask_to_end);
		set_deadline(s, KILL_DELAY);
	} else if (s->phase == SERVER_TERMS) {
		s->phase = SERVER_KILLS;
		log_warning("stopping: %d workers are busy still and are killed", count_busy(s));
		for_each_pool(s, make_end);
	}
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	go_on_stopping(timer->data);
}

void server_stop(struct server *s, int timeout)
{
	if (s->phase != SERVER_RUNS) {
		go_on_stopping(s);
		return;
	}
	s->phase = SERVER_STOPS;
	s->to_sweep = true;
	drain_all(s);
	set_deadline(s, timeout);
}

struct service *server_add(struct server *s, struct service_config *c)
{
	struct service *service = service_new(s, c);

	if (service)
		TAILQ_INSERT_TAIL(&s->services, service, next);
	return service;
}

struct service *server_find(const struct server *s, const char *name)
{
	struct service *service;

	TAILQ_FOREACH(service, &s->services, next)
		if (!service->ending && strcmp(service->config->name, name) == 0)
			return service;
	return NULL;
}

int server_init(struct server *s, struct ev_loop *loop)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop;
	TAILQ_INIT(&s->services);
	RB_INIT(&s->workers);
	s->devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->devnull < 0 || raise_nofile(s) < 0)
		return -1;
	ev_timer_init(&s->drain, on_drain, 0., DRAIN_EVERY);
	ev_timer_init(&s->fork_pause, on_fork_pause, 0., 0.);
	ev_timer_init(&s->deadline, on_deadline, 0., 0.);
	ev_prepare_init(&s->sweep, on_sweep);
	s->drain.data = s->fork_pause.data = s->deadline.data = s->sweep.data = s;
	ev_prepare_start(loop, &s->sweep);
	return 0;
}

void server_free(struct server *s)
{
	struct service *service;
	struct pool *p;

	while ((service = TAILQ_FIRST(&s->services))) {
		TAILQ_REMOVE(&s->services, service, next);
		while ((p = TAILQ_FIRST(&service->pools))) {
			TAILQ_REMOVE(&service->pools, p, next);
			pool_free(p);
		}
		service_free(service);
	}
	ev_timer_stop(s->loop, &s->drain);
	ev_timer_stop(s->loop, &s->fork_pause);
	ev_timer_stop(s->loop, &s->deadline);
	ev_prepare_stop(s->loop, &s->sweep);
	if (s->devnull >= 0)
		close(s->devnull);
}
