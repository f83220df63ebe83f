/* SPDX-License-Identifier: ISC */
/*
 * Reload: the whole new configuration is read, then everything that it needs is opened, and only when all of that went well does
 * anything change. A listener is carried over by its address, with whoever waits in its queue. A listener that goes may be in the
 * way of one that comes, as *:80 of 192.0.2.1:80: for the moment of bind(2) the two share the port, so that there is none
 * without a listener.
 */
#include "config.h"

#include "log.h"
#include "logging.h"
#include "master.h"
#include "notify.h"
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One address of the new configuration, and where its listener comes from. */
struct place {
	struct service_config *config;
	size_t index;
	struct listener *listener; /* held; NULL while there is none */
	struct pool *from;         /* the pool that it is carried over from */
	bool back;                 /* which was draining already */
	bool wait;                 /* to be waited for, because of */
	int error;
};

struct reload {
	struct master *master;
	struct configuration *configuration;
	struct place *places;
	size_t count;
	size_t service_count;
	char **changes; /* of each service of the configuration: what is different, NULL: nothing or everything */
};

static struct reload *reload_new(struct master *m, struct configuration *c)
{
	struct reload *r = calloc(1, sizeof(*r));
	size_t total = 0;

	for (size_t i = 0; i < c->count; i++)
		total += c->services[i]->endpoint_count;
	if (r)
		r->places = calloc(total + 1, sizeof(*r->places));
	if (r && r->places)
		r->changes = calloc(c->count + 1, sizeof(*r->changes));
	if (!r || !r->changes) {
		free(r ? r->places : NULL);
		free(r);
		return NULL;
	}
	r->master = m;
	r->configuration = c;
	r->service_count = c->count;
	for (size_t i = 0; i < c->count; i++)
		for (size_t j = 0; c->services[i]->enabled && j < c->services[i]->endpoint_count; j++)
			r->places[r->count++] = (struct place){ .config = c->services[i], .index = j };
	return r;
}

static void reload_free(struct reload *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->places[i].listener)
			listener_release(r->places[i].listener);
	free(r->places);
	for (size_t i = 0; i < r->service_count; i++)
		free(r->changes[i]);
	free(r->changes);
	configuration_free(r->configuration);
	free(r);
}

static const struct endpoint *endpoint_of(const struct place *at)
{
	return &at->config->endpoints[at->index].endpoint;
}

static bool is_claimed(const struct reload *r, const struct pool *p)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->places[i].from == p)
			return true;
	return false;
}

/* A path and a name cannot be taken back once their door was shut. */
static bool may_serve(const struct pool *p, enum pool_state state)
{
	return p->state == state && (state == POOL_OPEN || address_family(&p->listener->bound) != AF_UNIX);
}

/* Port 0 is any port, and its owner is known by the service's name alone. */
static bool can_carry(const struct place *at, const struct pool *p)
{
	const struct endpoint *e = endpoint_of(at);
	bool any_port = address_family(&e->address) != AF_UNIX && address_port(&e->address) == 0;

	if (!listener_fits(p->listener, e, &at->config->socket))
		return false;
	return !any_port || strcmp(p->config->name, at->config->name) == 0;
}

static void carry_over(struct reload *r, struct place *at, enum pool_state state)
{
	struct service *s;
	struct pool *p;

	TAILQ_FOREACH(s, &r->master->server.services, next)
		TAILQ_FOREACH(p, &s->pools, next)
			if (!at->listener && may_serve(p, state) && can_carry(at, p) && !is_claimed(r, p)) {
				at->listener = listener_hold(p->listener);
				at->from = p;
				at->back = state == POOL_DRAINING;
			}
}

/* A listener that is not wanted any more and would make bind(2) fail. */
static bool is_in_the_way(const struct reload *r, const struct pool *p, const struct place *at)
{
	const struct endpoint *e = endpoint_of(at);
	int v6only = at->config->socket.v6only;
	bool dual = v6only == UNSET ? e->dual : !v6only;

	return p->state != POOL_CLOSED && !is_claimed(r, p) &&
	       address_conflicts(&e->address, dual, &p->listener->bound, p->listener->dual);
}

/* Lets all listeners in the way of a place share their port, or no longer. Returns how many there are. */
static int share_ports(const struct reload *r, const struct place *at, bool share)
{
	struct service *s;
	struct pool *p;
	int n = 0;

	TAILQ_FOREACH(s, &r->master->server.services, next)
		TAILQ_FOREACH(p, &s->pools, next)
			if (is_in_the_way(r, p, at)) {
				listener_share(p->listener, share);
				n++;
			}
	return n;
}

/* A name that one of our own listeners has until it is drained; no port, and no path, is kept from others so long. */
static bool comes_free(const struct place *at, bool shared)
{
	const struct endpoint *e = endpoint_of(at);

	return shared && at->error == EADDRINUSE && address_family(&e->address) == AF_UNIX &&
	       e->address.socket.path.sun_path[0] == '\0';
}

static int open_place(const struct reload *r, struct place *at)
{
	bool share = share_ports(r, at, true) > 0;
	char why[LOG_LINE];

	at->listener = master_open_address(at->config, at->index, OPEN_SILENTLY | (share ? OPEN_SHARING : 0), &at->wait, why);
	at->error = errno;
	if (share)
		share_ports(r, at, false);
	if (!at->listener && comes_free(at, share))
		at->wait = true;
	if (at->listener || at->wait)
		return 0;
	log_error("%s", why);
	return -1;
}

/* Every failure is told, not only the first. */
static int open_places(struct reload *r)
{
	int result = 0;

	for (size_t i = 0; i < r->count; i++)
		carry_over(r, &r->places[i], POOL_OPEN);
	for (size_t i = 0; i < r->count; i++)
		carry_over(r, &r->places[i], POOL_DRAINING);
	for (size_t i = 0; i < r->count; i++) {
		struct place *at = &r->places[i];

		if (!at->listener && open_place(r, at) < 0)
			result = -1;
	}
	return result;
}

static int adjust(struct place *at, const struct service_config *c)
{
	if (listener_adjust(at->listener, &c->socket) == 0)
		return 0;
	log_error("service %s: cannot change the options of %s: %s", c->name, at->listener->text, strerror(errno));
	return -1;
}

/* The options of the first so many carried listeners go back to what they were. */
static void adjust_back(struct reload *r, size_t count)
{
	while (count-- > 0)
		if (r->places[count].from)
			adjust(&r->places[count], r->places[count].from->config);
}

/* The options of carried listeners: all or none. */
static int adjust_places(struct reload *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (!r->places[i].from || adjust(&r->places[i], r->places[i].config) == 0)
			continue;
		adjust_back(r, i);
		return -1;
	}
	return 0;
}

static int start_place(const struct reload *r, const struct place *at)
{
	const struct endpoint_config *e = &at->config->endpoints[at->index];
	bool share = share_ports(r, at, true) > 0;
	char why[LOG_LINE - 256];
	int result = listener_start(at->listener, share ? OPEN_SHARING : 0, why, sizeof(why));

	if (share)
		share_ports(r, at, false);
	if (result < 0)
		log_error("%s:%d: service %s: %s", e->file, e->line, at->config->name, why);
	return result;
}

/* The last of what can fail: whoever connects to a new listener will be served. */
static int start_places(struct reload *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct place *at = &r->places[i];

		if (!at->listener || at->from || start_place(r, at) == 0)
			continue;
		adjust_back(r, r->count);
		return -1;
	}
	return 0;
}

/* Making it so */

static struct place *place_of(const struct reload *r, const struct pool *p)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->places[i].from == p)
			return &r->places[i];
	return NULL;
}

/* Are the pools of a service just what its new configuration asks for, and does it wait for the same addresses? */
static bool keeps_its_pools(const struct reload *r, const struct service *s, const struct service_config *c)
{
	const struct service_address *a;
	const struct pool *p;
	int surplus = 0;

	TAILQ_FOREACH(p, &s->pools, next) {
		const struct place *at = place_of(r, p);

		if (p->state == POOL_OPEN && !(at && at->config == c))
			return false;
	}
	for (size_t i = 0; i < r->count; i++)
		if (r->places[i].config == c && ((!r->places[i].from && !r->places[i].wait) || r->places[i].back))
			return false;
		else if (r->places[i].config == c && r->places[i].wait)
			surplus++;
	STAILQ_FOREACH(a, &s->missing, next)
		surplus--;
	return surplus == 0;
}

/* A listener that was to go and is wanted again; its pool ends without it. */
static void take_back(const struct place *at)
{
	if (listener_open_door(at->listener) < 0)
		log_error("service %s: cannot open %s again: %s", at->config->name, at->listener->text, strerror(errno));
	pool_close(at->from);
}

/* The old generation: what is carried over lives on without it, what is not runs empty first. */
static void retire_pools(const struct reload *r, struct service *s)
{
	struct pool *p;

	TAILQ_FOREACH(p, &s->pools, next) {
		if (is_claimed(r, p))
			pool_close(p);
		else
			pool_drain(p);
	}
}

static void fill_service(struct reload *r, struct service *s)
{
	for (size_t i = 0; i < r->count; i++) {
		struct place *at = &r->places[i];

		if (at->config != s->config)
			continue;
		if (at->wait)
			service_await_address(s, at->index, at->error);
		else if (service_open_pool(s, at->listener, at->index) < 0)
			log_error("service %s: cannot make a pool for %s: %s", s->config->name, at->listener->text, strerror(errno));
		else if (!at->from || at->back)
			log_notice("%s: listening on %s, backlog %d", s->config->name, at->listener->text, at->listener->backlog);
	}
}

static void set_config(struct service *s, struct service_config *c)
{
	service_config_hold(c);
	service_config_release(s->config);
	s->config = c;
}

static void change_service(struct reload *r, struct service *s, struct service_config *c, const char *what)
{
	s->generation++;
	log_notice("reload: %s: changed (%s), generation %u", c->name, what[0] ? what : "its addresses", s->generation);
	service_forget_addresses(s);
	retire_pools(r, s);
	set_config(s, c);
	fill_service(r, s);
	service_start_afresh(s);
}

static void add_service(struct reload *r, struct service_config *c)
{
	struct service *s = server_add(&r->master->server, c);

	if (!s) {
		log_error("reload: cannot add service %s: %s", c->name, strerror(errno));
		return;
	}
	log_notice("reload: %s: added", c->name);
	fill_service(r, s);
}

static bool is_configured(const struct configuration *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->services[i]->name, name) == 0)
			return true;
	return false;
}

struct tally {
	unsigned added, changed, removed, unchanged;
};

static void remove_services(struct reload *r, struct tally *t)
{
	struct service *s;

	TAILQ_FOREACH(s, &r->master->server.services, next) {
		if (s->ending || is_configured(r->configuration, s->config->name))
			continue;
		log_notice("reload: %s: removed", s->config->name);
		retire_pools(r, s);
		service_drain(s);
		t->removed++;
	}
}

static void bring_service(struct reload *r, size_t i, struct tally *t)
{
	struct service_config *c = r->configuration->services[i];
	struct service *s = server_find(&r->master->server, c->name);

	if (!s) {
		add_service(r, c);
		t->added++;
	} else if (!r->changes[i]) {
		set_config(s, c);
		t->unchanged++;
	} else {
		change_service(r, s, c, r->changes[i]);
		t->changed++;
	}
}

/* Everything is at hand; from here on nothing can fail but for want of memory. */
static void commit(struct reload *r)
{
	struct master *m = r->master;
	struct configuration *before;
	struct tally t = { 0 };
	struct service *s;

	for (size_t i = 0; i < r->count; i++)
		if (r->places[i].back)
			take_back(&r->places[i]);
	remove_services(r, &t);
	for (size_t i = 0; i < r->configuration->count; i++)
		bring_service(r, i, &t);
	before = m->configuration;
	m->configuration = r->configuration;
	master_apply_globals(m, before);
	r->configuration = before; /* to be freed with the rest */
	server_watch_drain(&m->server);
	TAILQ_FOREACH(s, &m->server.services, next)
		service_look(s);
	log_notice("reload: done: %u added, %u changed, %u removed, %u unchanged", t.added, t.changed, t.removed, t.unchanged);
}

/* 0, or -1 for want of memory. */
static int find_changes(struct reload *r)
{
	const struct configuration *c = r->configuration;

	for (size_t i = 0; i < c->count; i++) {
		const struct service *s = server_find(&r->master->server, c->services[i]->name);
		char *what = s ? configuration_difference(s->config, c->services[i]) : NULL;

		if (s && !what) {
			log_error("reload: %s", strerror(errno));
			return -1;
		}
		if (what && !what[0] && keeps_its_pools(r, s, c->services[i])) {
			free(what);
			what = NULL;
		}
		r->changes[i] = what;
	}
	return 0;
}

/* How many pools are to be made. */
static size_t count_new_pools(const struct reload *r)
{
	const struct configuration *c = r->configuration;
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		if (r->changes[i] || !server_find(&r->master->server, c->services[i]->name))
			n += c->services[i]->endpoint_count;
	return n;
}

#define DESCRIPTORS_EACH 5 /* of a pool: the board and two pipes */

/* Are there descriptors for all the new pools? Better to know before than after. */
static int check_descriptors(const struct reload *r)
{
	size_t needed = count_new_pools(r) * DESCRIPTORS_EACH, got = 0;
	int *fds = calloc(needed + 1, sizeof(*fds));

	while (fds && got < needed && (fds[got] = dup(STDERR_FILENO)) >= 0)
		got++;
	if (got < needed)
		log_error("reload: cannot make %zu pools: %s", needed / DESCRIPTORS_EACH, strerror(errno));
	for (size_t i = 0; i < got; i++)
		close(fds[i]);
	free(fds);
	return got < needed ? -1 : 0;
}

static struct configuration *read_new(struct master *m)
{
	struct complaints complaints = { 0 };
	struct configuration *c = configuration_load(m->file, &m->around, &complaints);

	master_log_complaints(&complaints, "reload: ");
	complaints_free(&complaints);
	return c;
}

/* All that can fail, and nothing that shows. */
static struct reload *prepare(struct master *m)
{
	struct configuration *c = read_new(m);
	struct reload *r = c ? reload_new(m, c) : NULL;

	if (!r) {
		configuration_free(c);
		return NULL;
	}
	if (open_places(r) == 0 && find_changes(r) == 0 && check_descriptors(r) == 0 && adjust_places(r) == 0 &&
	    start_places(r) == 0)
		return r;
	reload_free(r);
	return NULL;
}

void reload(struct master *m)
{
	struct reload *r;

	notify_reloading();
	log_notice("reload: reading %s", m->file);
	r = prepare(m);
	if (r) {
		commit(r);
		reload_free(r);
	} else {
		log_error("reload: refused; the old configuration stays");
	}
	process_trim();
	notify_ready();
}
