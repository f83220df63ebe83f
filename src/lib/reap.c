/* SPDX-License-Identifier: ISC */
/* What a worker's end means. */
#include "config.h"

#include "records.h"
#include "server.h"

#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* A worker that dies idle was in nobody's way, unless it was only just born: then it would be made again and again. */
#define YOUNG 1000 /* ms */

static const char *signal_name(int sig)
{
	const char *name = NULL;

#ifdef HAVE_SIGABBREV_NP
	name = sigabbrev_np(sig);
#endif
	return name ? name : strsignal(sig);
}

static void describe_status(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "signal=%s%s", signal_name(WTERMSIG(status)), WCOREDUMP(status) ? " core" : "");
	else
		snprintf(out, size, "status=%d", WEXITSTATUS(status));
}

/* It said so itself: a step could not be done. */
static bool gave_up(const struct pool_worker *w, int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_FAILED &&
	       atomic_load(&w->pool->board.slot[w->slot].step) != STEP_NONE;
}

/* The object of a step, for the sentence "cannot <step> <object>". */
static const char *object_of(const struct service_config *c, unsigned step)
{
	switch (step) {
	case STEP_CHROOT:
		return c->chroot;
	case STEP_DIRECTORY:
		return c->directory;
	case STEP_GROUPS:
	case STEP_GROUP:
	case STEP_USER:
	case STEP_REGAINED:
		return c->identity.name;
	case STEP_EXEC:
		return c->program;
	default:
		return NULL;
	}
}

static void tell_step(const struct pool_worker *w)
{
	const struct service_config *c = w->pool->config;
	const struct board_slot *slot = &w->pool->board.slot[w->slot];
	unsigned step = atomic_load(&slot->step);
	const char *object = object_of(c, step);
	struct service *s = w->pool->service;

	/* The same failure over and over is one line when it begins; the state's own line says how it goes on. */
	log_at(s->failures == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "%s: worker %d cannot %s%s%s: %s", c->name, (int)w->pid,
	       step_text(step), object ? " " : "", object ? object : "", strerror((int)atomic_load(&slot->error)));
}

/* Every other idle worker would find out with a client of its own, too: new ones look before they accept. */
static void spare_clients(const struct pool_worker *w)
{
	struct pool *p;

	if (atomic_load(&w->pool->board.slot[w->slot].step) != STEP_EXEC)
		return;
	TAILQ_FOREACH(p, &w->pool->service->pools, next)
		pool_renew(p);
}

static bool is_young(const struct pool_worker *w)
{
	return server_now() - w->born < YOUNG;
}

static void died_before_accept(struct pool_worker *w, enum worker_state state, int status)
{
	char outcome[64];

	if (launching_explains(w))
		return;
	describe_status(status, outcome, sizeof(outcome));
	log_warning("%s: worker %d died before it accepted (%s)", w->pool->config->name, (int)w->pid, outcome);
	if (state == WORKER_STARTING || is_young(w))
		service_failed(w->pool->service, w);
}

/*
 * Did it leave although nobody asked it to, and at once? Then so will the next one. An usher does that when it is not needed after
 * all.
 */
static bool left_unasked(const struct pool_worker *w)
{
	const struct pool *p = w->pool;

	if (w->signalled || p->state != POOL_OPEN || w->generation != p->generation)
		return false;
	return listener_has_ended(p->listener) ||
	       (!w->usher && is_young(w) && atomic_load(&p->board.slot[w->slot].served) == 0);
}

static void left(struct pool_worker *w)
{
	const struct pool *p = w->pool;

	if (listener_has_ended(p->listener)) {
		service_lost_listener(p->service, p);
		return;
	}
	log_at(p->service->failures == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "%s: worker %d left without being asked to: accept on %s fails",
	       p->config->name, (int)w->pid, p->listener->text);
	service_failed(p->service, w);
}

static void finished(struct pool_worker *w, int status)
{
	enum deadline_reason reason = w->deadline.reason;
	char end[64], outcome[128];

	describe_status(status, end, sizeof(end));
	snprintf(outcome, sizeof(outcome), "%s%s%s", end, reason ? " reason=" : "", reason ? deadline_reason_name(reason) : "");
	if (w->connection.open || !w->pool->config->handler->repeats)
		records_end(w, server_now(), outcome);
	service_went_well(w->pool->service, w);
}

/* A memory error: guessing at an address would profit from images that are all alike. */
static bool is_crash(int status)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGABRT || sig == SIGSYS;
}

static void template_over(struct pool_worker *w, int status)
{
	if (gave_up(w, status))
		tell_step(w);
	template_ended(w, status);
}

static void conclude(struct pool_worker *w, int status)
{
	enum worker_state state = board_state(&w->pool->board, w->slot);
	bool gone_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	pool_read_records(w->pool);
	if (w->template) {
		template_over(w, status);
		return;
	}
	if (is_crash(status))
		launching_crashed(w);
	if (gave_up(w, status)) {
		if (w->connection.open)
			records_end(w, server_now(), "failed");
		tell_step(w);
		spare_clients(w);
		service_failed(w->pool->service, w);
	} else if (state == WORKER_BUSY || w->deadline.claimed) {
		finished(w, status);
		launching_went_well(w);
	} else if (!(state == WORKER_RETIRING && (gone_well || w->signalled))) {
		died_before_accept(w, state, status);
	} else if (left_unasked(w)) {
		left(w);
	}
}

/*
 * What a program left in its process group ends with it when that was asked for, and always what it left before it had a connection. The
 * group is signalled while its leader is unreaped.
 */
static void end_group(const struct server *s, const struct pool_worker *w)
{
	if (s->phase >= SERVER_TERMS || w->deadline.reason || launching_owns_group(w))
		kill(-w->pid, SIGKILL);
}

static bool is_to_keep(const struct server *s, const struct pool_worker *w)
{
	return s->phase < SERVER_TERMS && deadline_waits(w) && !keep_is_alone(w);
}

static void bury(struct server *s, struct pool_worker *w)
{
	struct service *service = w->pool->service;
	int status;

	end_group(s, w);
	if (waitpid(w->pid, &status, WNOHANG) != w->pid)
		return;
	keep_no_more(s, w);
	conclude(w, status);
	if (w->deadline.reason) {
		service->ended[w->deadline.reason]++;
		leftovers_expect(s, w);
	}
	pool_worker_gone(w);
	service->due = true;
}

/* No worker: one who looks something up for workers, or looks for what they left. */
static void bury_other(struct server *s, pid_t pid)
{
	char outcome[64];
	int status;

	if (waitpid(pid, &status, WNOHANG) != pid)
		return;
	describe_status(status, outcome, sizeof(outcome));
	resolver_gone(s, pid, outcome);
	leftovers_reaped(s, pid);
}

/* Calls act for every pool that makes workers by a template. */
static void for_each_pool(struct server *s, void (*act)(struct pool *p))
{
	struct service *service;
	struct pool *p;

	TAILQ_FOREACH(service, &s->services, next)
		TAILQ_FOREACH(p, &service->pools, next)
			act(p);
}

/* One that a template has made may have died before its announcement was read. */
static struct pool_worker *find_worker(struct server *s, pid_t pid)
{
	struct pool_worker *w = server_find_worker(s, pid);

	if (w)
		return w;
	for_each_pool(s, launching_hear);
	w = server_find_worker(s, pid);
	if (!w)
		for_each_pool(s, launching_doubt);
	return w;
}

static void reap_one(struct server *s, pid_t pid)
{
	struct pool_worker *w = find_worker(s, pid);

	if (w && is_to_keep(s, w))
		keep_worker(s, w);
	else if (w)
		bury(s, w);
	else
		bury_other(s, pid);
}

/* One that is kept would be shown again and again: it ends this way of asking. */
static void collect_any(struct server *s)
{
	siginfo_t info;

	while (TAILQ_EMPTY(&s->keep.list)) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		reap_one(s, info.si_pid);
	}
}

static void collect(struct server *s, pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
		reap_one(s, pid);
}

static bool seems_idle(const struct pool_worker *w)
{
	return board_state(&w->pool->board, w->slot) == WORKER_IDLE;
}

static void collect_each(struct server *s)
{
	struct pool_worker *w, *next;
	bool all;

	if (!keep_may_collect(s))
		return;
	all = keep_asks_all(s);
	RB_FOREACH_SAFE(w, pool_worker_tree, &s->workers, next)
		if (w->keeping == KEEPING_NOT && (all || !seems_idle(w)))
			collect(s, w->pid);
	if (s->leftovers.searcher)
		collect(s, s->leftovers.searcher);
	keep_collected(s);
}

static void let_go(struct server *s)
{
	struct pool_worker *w, *next;

	keep_look(s);
	TAILQ_FOREACH_SAFE(w, &s->keep.list, next_kept, next)
		if (!is_to_keep(s, w))
			bury(s, w);
}

void server_reap(struct server *s)
{
	struct service *service, *next;

	collect_any(s);
	if (!TAILQ_EMPTY(&s->keep.list)) {
		collect_each(s);
		let_go(s);
		collect_any(s);
	}
	TAILQ_FOREACH_SAFE(service, &s->services, next, next)
		if (service->due)
			service_look(service);
}
