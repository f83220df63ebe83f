/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "spawn.h"
#include "server.h"
#include "title.h"

#include <sys/mman.h>
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

static struct worker describe(const struct pool *p, uint32_t slot, bool usher)
{
	const struct service_config *c = p->config;

	return (struct worker){
		.listener = p->listener->fd,
		.devnull = p->service->server->devnull,
		.record = p->record[1],
		.wake = p->wake[1],
		.master = getpid(),
		.board = p->board,
		.slot = slot,
		.generation = atomic_load(&p->board.header->generation),
		.limit = recycle_after(c, usher),
		.log = c->log_connections != LOG_CONNECTIONS_NONE,
		.sets = c->handler->repeats ? 0 : c->sets,
		.stderr_to = (enum stderr_to)c->stderr_to,
		.refuse = usher ? &c->answer_full : NULL,
	};
}

/* The master's handlers write to the master's own pipes. All signals are still blocked here. */
static void forget_handlers(void)
{
	static const int handled[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE };

	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		signal(handled[i], SIG_DFL);
}

/* The master's mapping was not inherited; this process has its own, of its own pool and no other. */
static void map_board(struct worker *w, int fd)
{
	void *memory = mmap(NULL, board_size(w->board.slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		_exit(WORKER_EXIT_FAILED); /* the slot stays `starting`: the master sees a worker that died before accept */
	board_attach(&w->board, memory, w->board.slots);
}

static void show(const struct service_config *c, const struct worker *w, bool busy)
{
	char peer[ADDRESS_TEXT];

	if (!busy) {
		title_set("%s: %s", c->name, w->refuse ? "usher" : "idle");
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

pid_t spawn_worker(const struct pool *p, uint32_t slot, bool usher)
{
	struct worker w = describe(p, slot, usher);
	sigset_t all, before;
	pid_t pid;
	int error;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	switch (pid) {
	case 0: /* the worker: unblocks signals when it has its own handler */
		forget_handlers();
		title_set("%s: starting", p->config->name);
		map_board(&w, p->board_fd);
		birth(&w, p->config, &p->service->server->before);
		live(&w, p->config);
	case -1: /* no process to be had: the caller waits */
	default: /* the master */
		error = errno;
		sigprocmask(SIG_SETMASK, &before, NULL);
		errno = error;
		return pid;
	}
}
