/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "spawn.h"
#include "server.h"
#include "shared.h"
#include "title.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* How many connections before it leaves: some more or fewer for each worker, so that they do not all end together. */
static uint32_t recycle_after(const struct service_config *c, bool usher)
{
	const struct pool_size *size = &c->workers;
	uint32_t many = (uint32_t)size->max_connections;
	uint32_t jitter = (uint32_t)((uint64_t)many * (uint32_t)size->recycle_jitter / 100);

	if (usher || many == 0)
		return 0;
	many = many - jitter + arc4random_uniform(2 * jitter + 1);
	return many > 0 ? many : 1;
}

static struct bucket_rate bucket_of(const struct rate_config *r)
{
	if (r->count == UNSET)
		return (struct bucket_rate){ 0 };
	return bucket_rate_of((uint32_t)r->count, (uint32_t)r->per, (uint32_t)(r->burst == UNSET ? r->count : r->burst));
}

static const struct answer *answer_of(const struct service_config *c, enum refusal reason)
{
	switch (reason) {
	case REFUSED_FULL:
		return &c->answer_full;
	case REFUSED_LOAD:
	case REFUSED_SOURCE_MAX:
	case REFUSED_SOURCE_RATE:
	case REFUSED_SOURCE_TABLE:
	case REFUSED_SERVICE_RATE:
		return &c->answer_limited;
	case REFUSED_NOT:
	case REFUSED_HOURS:
	case REFUSED_PROXY_SENDER:
	case REFUSED_PROXY_HEADER:
	case REFUSED_DENIED:
	case REFUSALS:
	default:
		return &c->answer_denied;
	}
}

#define HEADER_SPARE 100 /* ms */

/* A client whose header is not there when its time is over is refused by the worker itself, a little before the master would end it. */
static int header_timeout(const struct service_config *c)
{
	int limit = c->time_limit, spare = limit / 8;

	if (limit == UNSET)
		return c->proxy.timeout;
	limit -= spare < HEADER_SPARE ? spare : HEADER_SPARE;
	return limit < c->proxy.timeout ? limit : c->proxy.timeout;
}

/* All but what lies in shared memory. */
static struct admission describe_admission(const struct service_config *c)
{
	const struct source_limits *s = &c->source;

	return (struct admission){
		.proxy = (enum proxy_mode)c->proxy.mode,
		.proxy_timeout = header_timeout(c),
		.source = {
			.max = s->max == UNSET ? 0 : (uint32_t)s->max,
			.rate = bucket_of(&s->rate),
			.prefix_v4 = s->prefix_v4,
			.prefix_v6 = s->prefix_v6,
		},
		.rate = bucket_of(&c->rate),
	};
}

struct worker spawn_describe(const struct pool *p, uint32_t slot, bool usher)
{
	const struct service_config *c = p->config;
	struct worker w = {
		.listener = p->listener->fd,
		.devnull = p->service->server->devnull,
		.record = p->record[1],
		.wake = p->wake[1],
		.master = getpid(),
		.board = p->board,
		.slot = slot,
		.generation = atomic_load(&p->board.header->generation),
		.limit = recycle_after(c, usher),
		.log = c->log_connections != LOG_CONNECTIONS_NONE || deadline_is_set(c),
		.limited = deadline_is_set(c),
		.flow = c->first_byte_limit != UNSET,
		.sets = c->handler->repeats ? 0 : c->sets,
		.stderr_to = (enum stderr_to)c->stderr_to,
		.usher = usher,
		.admission = describe_admission(c),
		.banner = c->welcome.length > 0 ? &c->welcome : NULL,
		.lookup = usher ? -1 : resolvers_door(p->resolvers),
		.lookup_timeout = c->lookup_timeout,
	};

	for (int i = 0; i < REFUSALS; i++)
		w.answers[i] = answer_of(c, (enum refusal)i);
	return w;
}

static void forget_handlers(void)
{
	static const int handled[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE };

	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		signal(handled[i], SIG_DFL);
}

static int map_list(const struct access_list *l, const struct access **out)
{
	*out = l ? shared_map_constant(l->fd, l->size) : NULL;
	return l && !*out ? -1 : 0;
}

/* The master's mappings were not inherited; this process has its own, of its own pool and service and no other. */
void spawn_map(struct worker *w, const struct pool *p)
{
	void *memory = shared_map(p->board_fd, board_size(w->board.slots));

	if (!memory || (p->ledger && ledger_map(p->ledger, &w->admission.sources) < 0) ||
	    map_list(p->config->access, &w->admission.access) < 0 || map_list(p->config->proxy_from, &w->admission.proxy_from) < 0)
		_exit(WORKER_EXIT_FAILED); /* the slot stays `starting`: the master sees a worker that died before accept */
	board_attach(&w->board, memory, w->board.slots);
}

static void show(const struct service_config *c, const struct worker *w, bool busy)
{
	char peer[ADDRESS_TEXT];

	if (!busy) {
		title_set("%s: %s", c->name, w->usher ? "usher" : "idle");
	} else if (c->handler->repeats) {
		address_text(&w->connection.peer, peer);
		title_set("%s: %s", c->name, peer);
	}
}

_Noreturn static void live(struct worker *w, const struct service_config *c)
{
	if (!worker_enter(w))
		worker_leave(w);
	do {
		show(c, w, false);
		if (!worker_accept(w))
			break;
		if (!worker_admit(w))
			continue;
		show(c, w, true);
		c->handler->serve(w, c);
	} while (worker_finish(w));
	worker_leave(w);
}

pid_t spawn_fork(void)
{
	sigset_t all, before;
	pid_t pid;
	int error;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		forget_handlers();
		return 0;
	}
	error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return pid;
}

void spawn_clear_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t spawn_worker(const struct pool *p, uint32_t slot, bool usher)
{
	struct worker w = spawn_describe(p, slot, usher);
	pid_t pid = spawn_fork();

	if (pid != 0)
		return pid;
	title_set("%s: starting", p->config->name);
	spawn_map(&w, p);
	birth(&w, p->config, &p->service->server->before);
	live(&w, p->config);
}
