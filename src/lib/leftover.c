/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "leftover.h"
#include "processes.h"
#include "server.h"
#include "spawn.h"
#include "title.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEARCH_EVERY 1000 /* ms */
#define SEARCH_LIMIT 30   /* s; /proc/PID/environ of a process that is stuck may block */

/* What has stayed in the group was sent SIGKILL, and may need another moment to be gone. */
static void see(const struct leftovers *l, const struct process *p, unsigned *found)
{
	char id[32];

	if (p->group == 0 || !process_variable(p->pid, "PREFORK_CONNECTION", id, sizeof(id)))
		return;
	for (unsigned i = 0; i < l->count; i++)
		found[i] += p->group != l->list[i].group && strtoull(id, NULL, 16) == l->list[i].id;
}

static void tell(const struct ended *e, unsigned n)
{
	if (n > 0)
		log_warning("%s: connection %llx: %u process%s that left its session %s still running", e->service,
		            (unsigned long long)e->id, n, n == 1 ? "" : "es", n == 1 ? "is" : "are");
}

static void search(const struct leftovers *l)
{
	unsigned found[LEFTOVERS] = { 0 };
	struct process p;
	DIR *all = processes_open();

	while (all && processes_next(all, &p))
		see(l, &p, found);
	if (all)
		closedir(all);
	for (unsigned i = 0; i < l->count; i++)
		tell(&l->list[i], found[i]);
}

/* It keeps standard error, where the log may be; that of syslog(3) is opened anew by itself. */
_Noreturn static void become_searcher(const struct leftovers *l)
{
	sigset_t none;

	closefrom(STDERR_FILENO + 1);
	title_set("search");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(SEARCH_LIMIT);
	search(l);
	_exit(EXIT_SUCCESS);
}

static void start(struct server *s)
{
	struct leftovers *l = &s->leftovers;
	pid_t pid = spawn_fork();

	switch (pid) {
	case 0: /* the searcher */
		become_searcher(l);
	case -1: /* it would have been good to know */
		log_debug("cannot look for processes that are left: %s", strerror(errno));
		break;
	default: /* the master */
		l->searcher = pid;
	}
	l->searched = server_now();
	l->count = 0;
}

static void start_or_wait(struct server *s)
{
	struct leftovers *l = &s->leftovers;
	int64_t rest = l->searched ? l->searched + SEARCH_EVERY - server_now() : 0;

	if (l->count == 0 || l->searcher || ev_is_active(&l->next))
		return;
	if (rest <= 0) {
		start(s);
		return;
	}
	ev_timer_set(&l->next, (double)rest / 1000, 0.);
	ev_timer_start(s->loop, &l->next);
}

static void on_next(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	start_or_wait(timer->data);
}

void leftovers_init(struct server *s)
{
	ev_timer_init(&s->leftovers.next, on_next, 0., 0.);
	s->leftovers.next.data = s;
}

void leftovers_end(struct server *s)
{
	ev_timer_stop(s->loop, &s->leftovers.next);
}

/* A worker that lives on has started nothing. */
void leftovers_expect(struct server *s, const struct pool_worker *w)
{
	struct leftovers *l = &s->leftovers;
	const struct service_config *c = w->pool->config;
	struct ended *e = &l->list[l->count];

	if (c->handler->repeats || l->count == LEFTOVERS)
		return;
	e->id = atomic_load(&w->pool->board.slot[w->slot].id);
	e->group = w->pid;
	snprintf(e->service, sizeof(e->service), "%s", c->name);
	l->count++;
	start_or_wait(s);
}

void leftovers_reaped(struct server *s, pid_t pid)
{
	if (pid != s->leftovers.searcher)
		return;
	s->leftovers.searcher = 0;
	start_or_wait(s);
}
