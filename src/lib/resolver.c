/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "resolver.h"
#include "birth.h"
#include "lookup.h"
#include "server.h"
#include "spawn.h"
#include "title.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The process */

/* Room for one descriptor and no more: the kernel closes what a message has besides. */
union passed {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

/* The descriptor that came with a message, or -1. */
static int passed_with(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

struct request {
	struct sockaddr_storage client;
	socklen_t length;
	int answer; /* descriptor, -1: none came with it */
};

/* False: there is an error that the next one would meet again. */
static bool take_request(int door, struct request *r)
{
	union passed passed;
	struct iovec address = { .iov_base = &r->client, .iov_len = sizeof(r->client) };
	struct msghdr message = {
		.msg_iov = &address, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n = recvmsg(door, &message, MSG_CMSG_CLOEXEC);

	r->answer = n >= 0 ? passed_with(&message) : -1;
	r->length = n >= 0 ? (socklen_t)n : 0;
	return n >= 0 || errno == EINTR;
}

static bool has_address(const struct request *r)
{
	return (r->client.ss_family == AF_INET && r->length == sizeof(struct sockaddr_in)) ||
	       (r->client.ss_family == AF_INET6 && r->length == sizeof(struct sockaddr_in6));
}

/* When name servers are slow, requests are found here whose workers have given up; those behind them have not. */
static bool is_awaited(int answer)
{
	struct pollfd p = { .fd = answer };

	return poll(&p, 1, 0) == 0;
}

static void answer(const struct request *r)
{
	char name[NI_MAXHOST];

	if (has_address(r) && is_awaited(r->answer) &&
	    getnameinfo((const struct sockaddr *)&r->client, r->length, name, sizeof(name), NULL, 0, NI_NAMEREQD) == 0)
		send(r->answer, name, strlen(name), MSG_DONTWAIT | MSG_NOSIGNAL); /* the worker may have given up just now */
}

bool resolver_answer(int door)
{
	struct request r = { .answer = -1 };
	bool well = take_request(door, &r);

	if (r.answer >= 0) {
		answer(&r);
		close(r.answer);
	}
	return well;
}

/*
 * A resolver is its service's user, without anything that makes a program of the service: no root directory of its own, where
 * the system's resolv.conf(5) and nsswitch.conf(5) would be missing; no limits, which are meant for one connection's life; and no
 * standard error, which it would keep open when the log is opened again.
 */
static struct service_config plain(const struct service_config *c)
{
	struct service_config mine = *c;
	static char root[] = "/";

	mine.chroot = NULL;
	mine.directory = root;
	mine.program = NULL;
	mine.no_new_privileges = true;
	mine.stderr_to = STDERR_NULL;
	for (int i = 0; i < LIMITS; i++)
		mine.limit[i].set = false;
	return mine;
}

/* Birth is that of a worker. What fails there is told by the workers as well, so nobody reads this slot. */
static void be_born(const struct resolvers *r)
{
	struct board_slot slot = { 0 };
	const struct service_config mine = plain(r->config);
	const struct worker w = {
		.listener = -1,
		.devnull = r->server->devnull,
		.record = -1,
		.wake = -1,
		.lookup = r->door[0],
		.board = { .slot = &slot, .slots = 1 },
	};

	birth(&w, &mine, &r->server->before);
}

_Noreturn static void live(const struct resolvers *r, pid_t master)
{
	sigset_t none;

	be_born(r);
	title_set("%s: resolver", r->config->name);
	signal(SIGPIPE, SIG_IGN); /* the system's own modules may talk to daemons */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(WORKER_EXIT_FAILED);
	while (getppid() == master && resolver_answer(r->door[0]))
		;
	_exit(0);
}

/* The master's side */

static void make_later(struct resolvers *r, double pause)
{
	if (ev_is_active(&r->make))
		return;
	ev_timer_set(&r->make, pause, 0.);
	ev_timer_start(r->server->loop, &r->make);
}

/* Longer each time. */
static void make_after_pause(struct resolvers *r)
{
	make_later(r, r->pause);
	r->pause = r->pause * 2 < RESOLVER_PAUSE_LAST ? r->pause * 2 : RESOLVER_PAUSE_LAST;
}

/* Something went wrong: it is told for the first time, and then only to those who want to know everything. */
static enum log_level level_of(const struct resolvers *r)
{
	return r->pause > RESOLVER_PAUSE_FIRST ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING;
}

static int make_one(struct resolvers *r)
{
	struct resolver *one = calloc(1, sizeof(*one));
	pid_t master = getpid();

	if (!one)
		return -1;
	one->pid = spawn_fork();
	if (one->pid == 0)
		live(r, master);
	if (one->pid < 0) {
		free(one);
		return -1;
	}
	one->team = r;
	one->born = server_now();
	r->live++;
	LIST_INSERT_HEAD(&r->server->resolvers, one, next);
	return 0;
}

static void on_make(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct resolvers *r = timer->data;

	(void)loop;
	(void)events;
	while (r->live < RESOLVERS)
		if (make_one(r) < 0) {
			log_at(level_of(r), "%s: cannot make a resolver: %s", r->config->name, strerror(errno));
			make_after_pause(r);
			return;
		}
}

static void end_all(struct resolvers *r)
{
	struct resolver *one;

	LIST_FOREACH(one, &r->server->resolvers, next)
		if (one->team == r) {
			one->team = NULL;
			kill(one->pid, SIGKILL);
		}
}

/* They are made by the loop, when all addresses are open. */
static struct resolvers *new_team(struct service *s)
{
	struct resolvers *r = calloc(1, sizeof(*r));

	if (!r || socketpair(AF_UNIX, LOOKUP_DOOR | SOCK_CLOEXEC, 0, r->door) < 0) {
		log_warning("%s: cannot make resolvers: %s; clients are served without their names", s->config->name, strerror(errno));
		free(r);
		return NULL;
	}
	r->server = s->server;
	r->config = service_config_hold(s->config);
	r->holders = 1;
	r->pause = RESOLVER_PAUSE_FIRST;
	ev_timer_init(&r->make, on_make, 0., 0.);
	r->make.data = r;
	make_later(r, 0.);
	return r;
}

/* A name is of use only to a program that is told it. */
static bool are_wanted(const struct service_config *c)
{
	return c->lookup_hostname && c->sets & VARIABLES_UCSPI && !(c->handler && c->handler->repeats);
}

struct resolvers *resolvers_hold(struct service *s)
{
	if (!are_wanted(s->config))
		return NULL;
	if (!s->resolvers)
		s->resolvers = new_team(s);
	if (s->resolvers)
		s->resolvers->holders++;
	return s->resolvers;
}

void resolvers_release(struct resolvers *r)
{
	if (!r || --r->holders > 0)
		return;
	end_all(r);
	ev_timer_stop(r->server->loop, &r->make);
	close(r->door[0]);
	close(r->door[1]);
	service_config_release(r->config);
	free(r);
}

void resolvers_forget(struct service *s)
{
	resolvers_release(s->resolvers);
	s->resolvers = NULL;
}

int resolvers_door(const struct resolvers *r)
{
	return r ? r->door[1] : -1;
}

static void replace(struct resolvers *r, const struct resolver *dead, const char *outcome)
{
	if (server_now() - dead->born >= RESOLVER_WELL && !ev_is_active(&r->make))
		r->pause = RESOLVER_PAUSE_FIRST;
	log_at(level_of(r), "%s: resolver %d died (%s); another takes its place", r->config->name, (int)dead->pid, outcome);
	r->live--;
	if (!ev_is_active(&r->make))
		make_after_pause(r);
}

void resolver_gone(struct server *s, pid_t pid, const char *outcome)
{
	struct resolver *one;

	LIST_FOREACH(one, &s->resolvers, next)
		if (one->pid == pid)
			break;
	if (!one)
		return;
	if (one->team)
		replace(one->team, one, outcome);
	LIST_REMOVE(one, next);
	free(one);
	s->to_sweep = true; /* a server that stops waits for this one, too */
}
