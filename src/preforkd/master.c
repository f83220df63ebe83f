/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "master.h"
#include "log.h"
#include "logging.h"
#include "notify.h"

#include <netinet/in.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What each signal means; preforkd(8) has the same table. */
struct intention {
	int sig;
	const char *name;
	void (*act)(struct master *m);
};

static void stop(struct master *m)
{
	notify_stopping();
	server_stop(&m->server, m->configuration->stop_timeout);
}

/* The second time it goes on to the next step at once. */
static void stop_gracefully(struct master *m)
{
	if (m->server.phase != SERVER_RUNS) {
		server_stop(&m->server, 0);
		return;
	}
	log_notice("stopping: the queues are served, then busy workers have until %d s from now",
	           m->configuration->stop_timeout / 1000);
	stop(m);
}

static void stop_at_once(struct master *m)
{
	if (m->server.phase == SERVER_RUNS) {
		log_notice("stopping at once");
		stop(m);
	}
	if (m->server.phase == SERVER_STOPS)
		server_stop(&m->server, 0);
}

static void start_reload(struct master *m)
{
	if (m->server.phase == SERVER_RUNS)
		reload(m);
}

/* Idle workers hold the old file as their standard error: new ones take their place. */
static void renew_workers(struct master *m)
{
	struct service *s;
	struct pool *p;

	TAILQ_FOREACH(s, &m->server.services, next) {
		TAILQ_FOREACH(p, &s->pools, next) {
			if (p->config->stderr_to != STDERR_LOG)
				continue;
			pool_renew(p);
			launching_renew(p);
		}
		service_look(s);
	}
}

static void reopen_logs(struct master *m)
{
	if (!logging_is_file())
		return;
	if (logging_reopen() < 0) {
		log_error("cannot open %s again: %s; the log goes on to the old file", m->configuration->log_to, strerror(errno));
		return;
	}
	log_notice("log opened again");
	renew_workers(m);
}

/* Its default would end the daemon, and other servers have taught it a meaning. */
static void refuse_upgrade(struct master *m)
{
	(void)m;
	log_warning("SIGUSR2 has no meaning to this version; start the new one when this one has stopped");
}

static void reap(struct master *m)
{
	server_reap(&m->server);
}

static const struct intention intentions[] = {
	{ SIGCHLD, "SIGCHLD", reap },
	{ SIGQUIT, "SIGQUIT", stop_at_once },
	{ SIGTERM, "SIGTERM", stop_gracefully },
	{ SIGINT, "SIGINT", stop_gracefully },
	{ SIGHUP, "SIGHUP", start_reload },
	{ SIGUSR1, "SIGUSR1", reopen_logs },
	{ SIGUSR2, "SIGUSR2", refuse_upgrade },
};

#define INTENTIONS (sizeof(intentions) / sizeof(intentions[0]))

_Static_assert(INTENTIONS <= sizeof(((struct master *)0)->signals) / sizeof(struct ev_signal), "a watcher for each signal");

/* libev's handler has only noted the signal; this runs in the loop. */
static void on_signal(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	struct master *m = watcher->data;

	(void)loop;
	(void)events;
	for (size_t i = 0; i < INTENTIONS; i++)
		if (intentions[i].sig == watcher->signum)
			intentions[i].act(m);
}

static void set_blocked(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < INTENTIONS; i++)
		sigaddset(&set, intentions[i].sig);
	sigprocmask(how, &set, NULL);
}

void master_hold_signals(void)
{
	set_blocked(SIG_BLOCK);
}

void master_watch(struct master *m)
{
	for (size_t i = 0; i < INTENTIONS; i++) {
		ev_signal_init(&m->signals[i], on_signal, intentions[i].sig);
		ev_set_priority(&m->signals[i], (int)(i == 0) * EV_MAXPRI);
		m->signals[i].data = m;
		ev_signal_start(m->loop, &m->signals[i]);
	}
	set_blocked(SIG_UNBLOCK);
}

void master_unwatch(struct master *m)
{
	set_blocked(SIG_BLOCK);
	for (size_t i = 0; i < INTENTIONS; i++)
		ev_signal_stop(m->loop, &m->signals[i]);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void show_status(void *data)
{
	struct master *m = data;
	const struct service *s;
	size_t services = 0, not_up = 0;

	TAILQ_FOREACH(s, &m->server.services, next) {
		services++;
		not_up += s->state != SERVICE_UP && s->state != SERVICE_DISABLED;
	}
	if (not_up > 0)
		notify_status("%zu service%s, %zu of them not up", services, plural(services), not_up);
	else
		notify_status("%zu service%s up", services, plural(services));
}

void master_log_complaints(const struct complaints *c, const char *prefix)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct complaint *one = &c->list[i];

		if (one->line > 0)
			log_error("%s%s:%d: %s", prefix, one->file, one->line, one->text);
		else
			log_error("%s%s%s%s", prefix, one->file ? one->file : "", one->file ? ": " : "", one->text);
	}
}

static bool can_appear(int error)
{
	return error == EADDRNOTAVAIL || error == EADDRINUSE || error == ENODEV;
}

/* What is short now may be there later, whatever `bind` says. */
static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* What would help, behind a semicolon. */
static const char *remedy(const struct endpoint *e, int error, bool waits)
{
	unsigned port = address_port(&e->address);

	if (error == EADDRNOTAVAIL && !waits)
		return "; bind = \"retry\" would wait for it";
	if (error == EACCES && port > 0 && port < IPPORT_RESERVED)
		return "; a port below 1024 needs root or the capability CAP_NET_BIND_SERVICE";
	return "";
}

struct listener *master_open_address(const struct service_config *c, size_t index, unsigned how, bool *wait, char *why)
{
	const struct endpoint_config *e = &c->endpoints[index];
	char text[LOG_LINE - 256];
	struct listener *l = listener_open(&e->endpoint, &c->socket, how, text, sizeof(text));
	int error = errno;

	*wait = false;
	if (l)
		return l;
	*wait = c->socket.bind == BIND_RETRY && can_appear(error);
	snprintf(why, LOG_LINE, "%s:%d: service %s: %s%s", e->file, e->line, c->name, text, remedy(&e->endpoint, error, *wait));
	errno = error;
	return NULL;
}

struct outcome {
	unsigned opened, failed;
};

static void start_pool(struct service *s, struct listener *l, size_t index, struct outcome *o)
{
	if (service_open_pool(s, l, index) == 0) {
		log_notice("%s: listening on %s, backlog %d", s->config->name, l->text, l->backlog);
		o->opened++;
		return;
	}
	o->failed++;
	log_error("service %s: cannot make a pool for %s: %s", s->config->name, l->text, strerror(errno));
	service_await_address(s, index, errno);
}

static void start_address(struct service *s, size_t index, struct outcome *o)
{
	char why[LOG_LINE];
	bool wait;
	struct listener *l = master_open_address(s->config, index, OPEN_PATIENTLY, &wait, why);

	if (l) {
		start_pool(s, l, index, o);
		listener_release(l);
	} else if (wait && service_await_address(s, index, errno) == 0) {
		o->opened++;
	} else {
		o->failed++;
		log_error("%s", why);
		if (is_shortage(errno))
			service_await_address(s, index, errno);
	}
}

static void start_service(struct master *m, struct service_config *c, struct outcome *o)
{
	struct service *s = server_add(&m->server, c);

	if (!s) {
		log_error("service %s: %s", c->name, strerror(errno));
		o->failed++;
		return;
	}
	for (size_t i = 0; c->enabled && i < c->endpoint_count; i++)
		start_address(s, i, o);
}

int master_open(struct master *m)
{
	struct outcome o = { 0 };

	for (size_t i = 0; i < m->configuration->count; i++)
		start_service(m, m->configuration->services[i], &o);
	if (o.opened > 0 || o.failed == 0)
		return 0;
	log_error("no address could be opened; nothing to do");
	return -1;
}

const char *master_log_destination(const struct master *m, const struct configuration *c)
{
	return m->options->detach && strcmp(c->log_to, "stderr") == 0 ? "syslog" : c->log_to;
}

void master_set_log_level(const struct master *m)
{
	log_set_level(m->options->verbose ? LOG_LEVEL_DEBUG : (enum log_level)m->configuration->log_level);
}

void master_change_log(struct master *m, struct log_place *place)
{
	const char *to = master_log_destination(m, m->configuration);

	log_notice("the log goes on in %s", to);
	if (logging_use(place) < 0)
		log_error("cannot log to %s: %s; the log stays here", to, strerror(errno));
	else
		renew_workers(m);
}

static void count_addresses(const struct master *m, size_t *open, size_t *all)
{
	const struct service *s;
	const struct pool *p;

	*open = *all = 0;
	TAILQ_FOREACH(s, &m->server.services, next) {
		TAILQ_FOREACH(p, &s->pools, next)
			++*open;
		if (s->config->enabled)
			*all += s->config->endpoint_count;
	}
}

static void tell_start(const struct master *m)
{
	size_t services = m->configuration->count, open, all;
	char of[32] = "";

	count_addresses(m, &open, &all);
	if (open < all)
		snprintf(of, sizeof(of), "%zu of ", open);
	log_notice("%s runs with %zu service%s on %s%zu address%s", PACKAGE_STRING, services, plural(services), of, all,
	           all == 1 ? "" : "es");
}

/* Workers come when every listener stands, so that an early service cannot take what a later one needs. */
void master_run(struct master *m)
{
	struct service *s;

	m->server.changed = show_status;
	m->server.data = m;
	TAILQ_FOREACH(s, &m->server.services, next)
		service_look(s);
	tell_start(m);
	notify_ready();
	show_status(m);
	ev_run(m->loop, 0);
	m->server.changed = NULL;
}
