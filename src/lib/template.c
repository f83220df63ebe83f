/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "template.h"
#include "image.h"
#include "server.h"
#include "spawn.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_WITHIN 10.0 /* s, for a program to come to its stop */
#define DOUBT 1.0          /* s, for a worker that was ordered to announce itself, where somebody died whom nobody knows */
#define NEWS_AT_ONCE 1024  /* messages of one image before others get their turn; more than its socket holds */
#define FAILURES_MAX 3     /* of templates in a row; then it is given up */
#define PAUSE_FIRST 0.1    /* s, before the next template is tried */

struct template {
	TAILQ_ENTRY(template) next;
	struct pool *pool;
	struct pool_worker *process; /* NULL: of LAUNCH_PREEXEC, or it has ended */
	int news, theirs, brief; /* both ends of the socket; theirs is kept for LAUNCH_PREEXEC */
	bool loaded, ready, ending;
	struct stat program; /* as it was executed */
	struct order order;  /* not yet sent */
	int ordered;         /* workers that have not announced themselves */
	int users;           /* pool_workers that name it, its own process among them */
	bool doubted;        /* some of those that were ordered may be dead */
	struct ev_io on_news;
	struct ev_timer limit, doubt;
};

static struct ev_loop *loop_of(const struct pool *p)
{
	return p->service->server->loop;
}

static const char *name_of(const struct pool *p)
{
	return p->config->name;
}

static const char *const launches[LAUNCHES] = { "exec", "preexec", "forkserver" };
static const char *const stops[STOPS] = { "main", "first-io", "first-write" };

static void let_go(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void free_template(struct template *t)
{
	struct ev_loop *loop = loop_of(t->pool);

	ev_io_stop(loop, &t->on_news);
	ev_timer_stop(loop, &t->limit);
	ev_timer_stop(loop, &t->doubt);
	let_go(&t->news);
	let_go(&t->theirs);
	let_go(&t->brief);
	free(t);
}

/* When nothing more can come from it. */
static bool is_over(const struct template *t)
{
	return t->ending && t->users == 0;
}

static void use(struct pool_worker *worker, struct template *t)
{
	worker->by = t;
	t->users++;
}

/* Freed is what is over between events: whoever is at work with it does not lose it. */
void launching_sweep(struct pool *p)
{
	struct template *t, *next;

	TAILQ_FOREACH_SAFE(t, &p->templates, next, next) {
		if (!is_over(t))
			continue;
		TAILQ_REMOVE(&p->templates, t, next);
		free_template(t);
	}
}

void launching_left(struct pool_worker *worker)
{
	struct template *t = worker->by;

	if (!t)
		return;
	worker->by = NULL;
	t->users--;
	t->ordered -= worker->pid == 0;
	worker->pool->service->server->to_sweep = true;
}

/* It is still the program, which reads no orders, and may have children. */
static void kill_program(const struct template *t)
{
	if (kill(-t->process->pid, SIGKILL) < 0)
		kill(t->process->pid, SIGKILL);
}

/* Takes a template out of use: it makes no more workers. */
static void end_template(struct template *t)
{
	struct launching *l = &t->pool->launching;

	if (l->current == t)
		l->current = NULL;
	if (l->fresh == t)
		l->fresh = NULL;
	if (t->ending)
		return;
	t->ending = true;
	t->pool->service->server->to_sweep = true;
	ev_timer_stop(loop_of(t->pool), &t->limit);
	shutdown(t->news, SHUT_WR); /* it reads the end of its orders */
	if (t->process && !t->ready)
		kill_program(t);
}

static void end_all(struct pool *p)
{
	struct template *t;

	TAILQ_FOREACH(t, &p->templates, next)
		end_template(t);
}

/* Said once: from now on workers are made in another way. Those that wait in an image that is used no longer leave. */
static void fall_back(struct pool *p, enum launch launch, enum stop_at stop_at, const char *why)
{
	struct launching *l = &p->launching;
	bool renew;

	strlcpy(l->why, why, sizeof(l->why));
	if (launch != l->launch)
		log_warning("%s: launch = \"%s\" instead of \"%s\": %s", name_of(p), launches[launch], launches[l->launch], why);
	else if (stop_at != l->stop_at)
		log_warning("%s: stop-at = \"%s\" instead of \"%s\": %s", name_of(p), stops[stop_at], stops[l->stop_at], why);
	l->launch = launch;
	l->stop_at = stop_at;
	l->failures = 0;
	renew = l->current && l->current->ready;
	end_all(p);
	if (renew)
		pool_renew(p);
}

/* The template can be used: it takes the place of the one before, and so do its workers. */
static void take_over(struct template *t, const struct news *n)
{
	struct launching *l = &t->pool->launching;
	struct template *before = l->current;

	if (t != l->fresh)
		return; /* nobody waits for that */
	t->ready = true;
	ev_timer_stop(loop_of(t->pool), &t->limit);
	log_notice("%s: the image is ready: stopped at %s, threads %u, memory %u KiB", name_of(t->pool),
	           n->value >= 0 && n->value < STOPS ? stops[n->value] : "an unknown place", n->threads, n->memory);
	l->fresh = NULL;
	l->current = t;
	if (before)
		end_template(before);
	pool_renew(t->pool);
}

static bool is_child(pid_t pid)
{
	siginfo_t info;

	return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* A worker that was ordered is there: the kernel says who has sent this. */
static void announced(struct template *t, uint32_t slot, pid_t pid)
{
	struct pool *p = t->pool;
	struct pool_worker *w = slot < p->board.slots ? p->workers[slot] : NULL;

	if (!is_child(pid) || server_find_worker(p->service->server, pid))
		return;
	if (!w || w->by != t || w->pid != 0) {
		kill(pid, SIGKILL); /* a child of ours that nobody has asked for */
		return;
	}
	w->pid = pid;
	t->ordered--;
	server_enter_worker(p->service->server, w);
}

static void not_made(struct template *t, const struct news *n)
{
	struct pool *p = t->pool;
	struct pool_worker *w = n->slot < p->board.slots ? p->workers[n->slot] : NULL;

	if (!w || w->by != t || w->pid != 0)
		return;
	pool_worker_gone(w);
	server_fork_failed(p->service->server, n->value);
}

/* It cannot be stopped where it should be: then before main(), and if that is not possible either, not at all. */
static void stop_sooner(struct pool *p, const char *why)
{
	const struct launching *l = &p->launching;

	fall_back(p, l->stop_at == STOP_MAIN ? LAUNCH_EXEC : l->launch, STOP_MAIN, why);
}

static void exited_early(struct pool *p, int status)
{
	char why[NEWS_TEXT];

	snprintf(why, sizeof(why), "the program exits with status %d before it asks anything of its connection", status);
	stop_sooner(p, why);
}

static void hear_one(struct template *t, struct news *n, pid_t sender)
{
	struct pool *p = t->pool;

	n->text[NEWS_TEXT - 1] = '\0';
	if (t->ending && n->kind != NEWS_WORKER && n->kind != NEWS_TROUBLE)
		return;
	switch (n->kind) {
	case NEWS_LOADED:
		t->loaded = true;
		break;
	case NEWS_READY:
		take_over(t, n);
		break;
	case NEWS_WORKER:
		announced(t, n->slot, sender);
		break;
	case NEWS_UNFIT:
		fall_back(p, LAUNCH_PREEXEC, p->launching.stop_at, n->text);
		break;
	case NEWS_EARLY:
		stop_sooner(p, n->text);
		break;
	case NEWS_EXITED:
		exited_early(p, n->value);
		break;
	case NEWS_TROUBLE:
		not_made(t, n);
		break;
	default:
		log_debug("%s: news of unknown kind %u", name_of(p), n->kind);
	}
}

/* One message with its sender; false when there is none. */
static bool receive(const struct template *t, struct news *n, pid_t *sender)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + 64];
	struct iovec data = { n, sizeof(*n) };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t size = recvmsg(t->news, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct ucred credentials;

	*sender = 0;
	if (size < 0 || (size == 0 && m.msg_controllen == 0))
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
		*sender = credentials.pid;
	}
	if (size != sizeof(*n))
		n->kind = 0;
	return true;
}

static void hear_all(struct template *t)
{
	struct news n;
	pid_t sender;

	for (int i = 0; i < NEWS_AT_ONCE && receive(t, &n, &sender); i++)
		hear_one(t, &n, sender);
}

static void on_news(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct template *t = io->data;
	struct pool *p = t->pool;
	char unused;

	(void)events;
	hear_all(t);
	/* At its end the socket is readable for ever. */
	if (recv(t->news, &unused, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		ev_io_stop(loop, io);
	service_look(p->service);
}

/* Workers that have executed the program and are not where they should be by now. */
static bool kill_late(const struct template *t)
{
	struct pool *p = t->pool;
	bool any = false;

	for (uint32_t i = 0; i < p->high; i++) {
		struct pool_worker *w = p->workers[i];

		if (!w || w->by != t || w->pid == 0 || server_now() - w->born < (int64_t)(REPORT_WITHIN * 1000) ||
		    !board_change(&p->board, i, WORKER_STARTING, WORKER_RETIRING))
			continue;
		any = true;
		w->signalled = true;
		if (kill(-w->pid, SIGKILL) < 0)
			kill(w->pid, SIGKILL);
	}
	return any;
}

/* The program runs, but does not come to its stop. */
static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct template *t = timer->data;
	struct pool *p = t->pool;

	(void)loop;
	(void)events;
	if (!t->process && !kill_late(t))
		return;
	if (!t->loaded)
		fall_back(p, LAUNCH_EXEC, STOP_MAIN, "the preload library has not reported");
	else
		stop_sooner(p, "the program waits for something else than its connection");
	service_look(p->service);
}

static void start_doubt(struct template *t)
{
	if (!ev_is_active(&t->doubt))
		ev_timer_again(loop_of(t->pool), &t->doubt);
}

/* Workers that were ordered longer ago than that are given up. */
static void forget_ordered(struct template *t, double longer_ago)
{
	struct pool *p = t->pool;

	for (uint32_t i = 0; i < p->high; i++) {
		struct pool_worker *w = p->workers[i];

		if (w && w->by == t && w->pid == 0 && server_now() - w->born >= (int64_t)(longer_ago * 1000))
			pool_worker_gone(w);
	}
}

static void template_failed(struct pool *p, const char *why);

/* While there are workers that were ordered and have not announced themselves. */
static void on_doubt(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct template *t = timer->data;
	struct pool *p = t->pool;
	bool is_stuck = t->process && !t->doubted && !t->ending;
	int before = t->ordered;

	(void)events;
	forget_ordered(t, t->doubted || !t->process ? DOUBT : REPORT_WITHIN);
	if (t->ordered == 0) {
		ev_timer_stop(loop, timer);
		t->doubted = false;
	}
	if (t->ordered == before)
		return;
	if (is_stuck) {
		kill(t->process->pid, SIGKILL); /* somebody has stopped it, perhaps */
		end_template(t);
		template_failed(p, "its template makes no workers");
	}
	service_look(p->service);
}

static int make_channel(struct template *t)
{
	const int one = 1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	t->news = pair[0];
	t->theirs = pair[1];
	return setsockopt(t->news, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
}

/* A channel and a brief, without a process. */
static struct template *new_template(struct pool *p)
{
	struct launching *l = &p->launching;
	struct template *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->pool = p;
	t->news = t->theirs = -1;
	ev_timer_init(&t->limit, on_limit, REPORT_WITHIN, 0.);
	ev_timer_init(&t->doubt, on_doubt, 0., DOUBT);
	t->brief = image_brief(p, l->launch, l->stop_at, l->library);
	if (t->brief < 0 || make_channel(t) < 0) {
		int error = errno;

		free_template(t);
		errno = error;
		return NULL;
	}
	ev_io_init(&t->on_news, on_news, t->news, EV_READ);
	t->limit.data = t->doubt.data = t->on_news.data = t;
	ev_io_start(loop_of(p), &t->on_news);
	TAILQ_INSERT_TAIL(&p->templates, t, next);
	return t;
}

static bool stat_program(const struct pool *p, struct stat *st)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", p->config->chroot ? p->config->chroot : "", p->config->program);
	return stat(path, st) == 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static double pause_of(const struct launching *l)
{
	double pause = PAUSE_FIRST;

	for (int i = 1; i < l->failures; i++)
		pause *= 2;
	return pause;
}

/* A template could not be made or has died: it is tried again a little later, and given up when that goes on. */
static void template_failed(struct pool *p, const char *why)
{
	struct launching *l = &p->launching;

	log_warning("%s: the image is lost: %s", name_of(p), why);
	if (++l->failures >= FAILURES_MAX) {
		fall_back(p, LAUNCH_EXEC, STOP_MAIN, why);
		return;
	}
	ev_timer_stop(loop_of(p), &l->pause);
	ev_timer_set(&l->pause, pause_of(l), 0.);
	ev_timer_start(loop_of(p), &l->pause);
}

static void start_template(struct pool *p)
{
	struct launching *l = &p->launching;
	struct template *t = new_template(p);

	if (t && stat_program(p, &t->program))
		t->process = pool_spawn_template(p, t->brief, t->theirs);
	if (!t || !t->process) {
		template_failed(p, strerror(errno));
		if (t)
			end_template(t);
		return;
	}
	use(t->process, t);
	let_go(&t->theirs);
	l->fresh = t;
	ev_timer_start(loop_of(p), &t->limit);
}

/* Workers that execute ahead of their connection need no template, but a channel to tell through. */
static void open_channel(struct pool *p)
{
	struct template *t = new_template(p);

	if (t && stat_program(p, &t->program)) {
		p->launching.current = t;
		return;
	}
	template_failed(p, strerror(errno));
	if (t)
		end_template(t);
}

static void on_pause(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct pool *p = timer->data;

	(void)loop;
	(void)events;
	service_look(p->service);
}

void launching_init(struct pool *p, const char *library)
{
	struct launching *l = &p->launching;
	const char *obstacle;

	TAILQ_INIT(&p->templates);
	ev_timer_init(&l->pause, on_pause, 0., 0.);
	l->pause.data = p;
	l->library = library;
	l->launch = p->config->program ? (enum launch)p->config->launch : LAUNCH_EXEC;
	l->stop_at = (enum stop_at)p->config->stop_at;
	if (l->launch == LAUNCH_EXEC)
		return;
	obstacle = library ? image_obstacle(p->config, library) : "this server was started without a preload library";
	if (obstacle)
		fall_back(p, LAUNCH_EXEC, STOP_MAIN, obstacle);
}

bool launching_is_settled(const struct pool *p)
{
	const struct launching *l = &p->launching;

	return l->launch != LAUNCH_FORKSERVER || (l->current && l->current->ready);
}

/* The program's file is another than the image was made of. */
static void renew_changed(struct pool *p)
{
	struct launching *l = &p->launching;
	struct stat now;

	if (!l->current || l->fresh || !stat_program(p, &now) || is_same_file(&now, &l->current->program))
		return;
	log_notice("%s: %s has changed", name_of(p), p->config->program);
	if (l->launch == LAUNCH_FORKSERVER) {
		start_template(p);
		return;
	}
	l->current->program = now;
	pool_renew(p);
}

void launching_renew(struct pool *p)
{
	struct launching *l = &p->launching;

	if (l->launch == LAUNCH_FORKSERVER && l->current && !l->fresh && p->state != POOL_CLOSED)
		start_template(p);
}

void launching_look(struct pool *p)
{
	struct launching *l = &p->launching;

	if (l->launch == LAUNCH_EXEC || p->state == POOL_CLOSED || ev_is_active(&l->pause))
		return;
	renew_changed(p);
	if (l->current || l->fresh)
		return;
	if (l->launch == LAUNCH_FORKSERVER)
		start_template(p);
	else
		open_channel(p);
}

static pid_t order(struct template *t, struct pool_worker *worker)
{
	t->order.generation = atomic_load(&t->pool->board.header->generation);
	t->order.slots[t->order.count++] = worker->slot;
	t->ordered++;
	use(worker, t);
	return 0;
}

pid_t launching_make(struct pool *p, struct pool_worker *worker)
{
	struct template *t = p->launching.current;
	pid_t pid;

	if (t && t->order.count == ORDER_MAX) {
		launching_flush(p);
		t = p->launching.current;
	}
	if (worker->usher || !t)
		return spawn_worker(p, worker->slot, worker->usher);
	if (t->ready)
		return order(t, worker);
	pid = image_spawn(p, worker->slot, t->brief, t->theirs);
	if (pid < 0)
		return pid;
	use(worker, t);
	if (!ev_is_active(&t->limit)) {
		ev_timer_set(&t->limit, REPORT_WITHIN + DOUBT, 0.);
		ev_timer_start(loop_of(p), &t->limit);
	}
	return pid;
}

/* What was not sent is nobody's. */
static void take_back(struct template *t, int error)
{
	struct pool *p = t->pool;

	for (uint32_t i = 0; i < t->order.count; i++)
		pool_worker_gone(p->workers[t->order.slots[i]]);
	if (error == EAGAIN)
		server_fork_failed(p->service->server, error);
	else
		p->launching.current = NULL; /* its process is dead, and will be found so */
}

void launching_flush(struct pool *p)
{
	struct template *t = p->launching.current;

	if (!t || t->order.count == 0)
		return;
	if (send(t->news, &t->order, sizeof(t->order), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		take_back(t, errno);
	else
		start_doubt(t);
	t->order.count = 0;
}

void launching_crashed(struct pool_worker *worker)
{
	struct pool *p = worker->pool;
	struct template *t = p->launching.current;

	if (!t || !t->ready || worker->by != t)
		return;
	log_warning("%s: a worker crashed: its image is made anew", name_of(p));
	end_template(t);
	pool_renew(p);
}

void launching_went_well(const struct pool_worker *worker)
{
	struct launching *l = &worker->pool->launching;

	if (worker->by && worker->by == l->current)
		l->failures = 0;
}

bool launching_owns_group(const struct pool_worker *worker)
{
	const struct template *t = worker->by;

	if (!t)
		return false;
	return worker->template ? !t->ready : !t->process && board_state(&worker->pool->board, worker->slot) == WORKER_STARTING;
}

void template_ended(struct pool_worker *process, int status)
{
	struct template *t = process->by;
	struct pool *p = process->pool;

	hear_all(t);
	t->process = NULL;
	if (t->ordered > 0)
		start_doubt(t);
	if (t->ending) /* it has said why, or was told to */
		return;
	end_template(t);
	if (!t->loaded && WIFEXITED(status) && WEXITSTATUS(status) != WORKER_EXIT_FAILED)
		fall_back(p, LAUNCH_EXEC, STOP_MAIN, "the program ran without the preload library");
	else
		template_failed(p, WIFSIGNALED(status) ? "its template was killed" : "its template has ended");
}

bool launching_explains(const struct pool_worker *worker)
{
	struct template *t = worker->by;

	if (!t)
		return false;
	hear_all(t);
	if (!t->loaded && !t->ending)
		fall_back(t->pool, LAUNCH_EXEC, STOP_MAIN, "the preload library has not reported");
	return t->ending;
}

void launching_hear(struct pool *p)
{
	struct template *t;

	TAILQ_FOREACH(t, &p->templates, next)
		hear_all(t);
}

void launching_doubt(struct pool *p)
{
	struct template *t;

	TAILQ_FOREACH(t, &p->templates, next) {
		if (t->ordered == 0)
			continue;
		t->doubted = true;
		start_doubt(t);
	}
}

void launching_end(struct pool *p)
{
	ev_timer_stop(loop_of(p), &p->launching.pause);
	end_all(p);
}

void launching_free(struct pool *p)
{
	struct template *t;

	ev_timer_stop(loop_of(p), &p->launching.pause);
	while ((t = TAILQ_FIRST(&p->templates))) {
		TAILQ_REMOVE(&p->templates, t, next);
		free_template(t);
	}
}
