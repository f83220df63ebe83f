/* SPDX-License-Identifier: ISC */
#include "worker.h"

#include "accept.h"
#include "kernel.h"
#include "lookup.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <netinet/tcp.h>

#define REFUSAL_EVERY 1000 /* ms */

/* For the handler alone: which descriptor to let go of, and whether it has. */
static struct {
	volatile int listener;
	volatile int devnull;
	volatile sig_atomic_t asked;
} retirement;

static void let_go(int sig)
{
	(void)sig;
	retirement.asked = 1;
	if (kernel_dup3(retirement.devnull, retirement.listener, O_CLOEXEC) >= 0)
		return;
	/* A number above RLIMIT_NOFILE cannot be replaced; nor can anything take its place once it is closed. */
	kernel_close(retirement.listener);
}

static void fill(void *memory, size_t size)
{
	volatile unsigned char *byte = memory;

	while (size-- > 0)
		*byte++ = 0;
}

/* Fills what every record has. */
static void describe(struct record *r, const struct worker *w, enum record_kind kind)
{
	const struct connection *c = &w->connection;

	fill(r, sizeof(*r));
	r->kind = (uint8_t)kind;
	r->slot = w->slot;
	r->pid = w->pid;
	r->id = c->id;
	r->at = kind == RECORD_START ? c->since : kernel_now();
	r->peer = c->peer;
	r->flow = c->flow;
	r->header = c->header;
	r->peer_pid = c->credentials.pid;
	r->peer_uid = c->credentials.uid;
}

static void send_record(const struct worker *w, const struct record *r)
{
	if (kernel_write(w->record, r, sizeof(*r)) == -EAGAIN)
		atomic_fetch_add(&w->board.header->dropped, 1);
}

static void tell(const struct worker *w, enum record_kind kind, uint32_t error)
{
	struct record r;

	if (w->record < 0)
		return;
	describe(&r, w, kind);
	r.error = error;
	send_record(w, &r);
}

/* The pipe may be full: then the master has not looked yet and will. */
static void wake(const struct worker *w)
{
	if (w->wake >= 0)
		kernel_write(w->wake, "", 1);
}

/*
 * Few idle ones are left, or nobody watches for limits in time. The master ceases to watch in this order: it says so, then it looks whether
 * anybody is busy. A worker is busy first and then reads what it says: one of the two sees the other.
 */
static void wake_if_wanted(const struct worker *w)
{
	const struct board_header *header = w->board.header;
	bool unwatched = w->limited && !atomic_load(&header->watched);

	if (unwatched || board_idle_below(&w->board, atomic_load(&header->wake_below)))
		wake(w);
}

_Noreturn void worker_fail(const struct worker *w, enum step step, int error)
{
	struct board_slot *slot = &w->board.slot[w->slot];

	atomic_store(&slot->error, (uint32_t)error);
	atomic_store(&slot->step, (uint32_t)step);
	kernel_exit(WORKER_EXIT_FAILED);
}

_Noreturn void worker_leave(const struct worker *w)
{
	board_set(&w->board, w->slot, WORKER_RETIRING);
	kernel_exit(0);
}

static bool is_wanted(const struct worker *w)
{
	const struct board_header *header = w->board.header;

	if (w->usher && !atomic_load(&header->full))
		return false;
	return !retirement.asked && atomic_load(&header->generation) == w->generation;
}

bool worker_enter(struct worker *w)
{
	int error;

	w->pid = kernel_getpid();
	w->connection.fd = -1;
	w->connection.proxy = NULL;
	retirement.listener = w->listener;
	retirement.devnull = w->devnull;
	retirement.asked = 0;
	error = kernel_handle(WORKER_SIGNAL, let_go);
	if (error == 0)
		error = kernel_sigmask(SIG_SETMASK, KERNEL_SIGBIT(SIGPIPE));
	if (error < 0)
		worker_fail(w, STEP_SIGNALS, -error);
	error = kernel_prctl(PR_SET_PDEATHSIG, WORKER_SIGNAL);
	if (error < 0)
		worker_fail(w, STEP_PARENT, -error);
	if (kernel_getppid() != w->master) /* it died before the call */
		return false;
	admission_prepare(&w->admission);
	return board_change(&w->board, w->slot, WORKER_STARTING, WORKER_IDLE) && is_wanted(w);
}

/* The master asked this worker to retire while it took a connection: the signal is on its way or was here. */
static void await_signal(void)
{
	kernel_sigset blocked = KERNEL_SIGBIT(WORKER_SIGNAL) | KERNEL_SIGBIT(SIGPIPE);

	kernel_sigmask(SIG_SETMASK, blocked);
	while (!retirement.asked)
		kernel_sigsuspend(~KERNEL_SIGBIT(WORKER_SIGNAL));
	kernel_sigmask(SIG_SETMASK, KERNEL_SIGBIT(SIGPIPE));
}

/* A hash of the client's address, never 0 (FNV-1a). */
static uint32_t source_of(const struct connection *c)
{
	const unsigned char *byte = (const unsigned char *)&c->peer.socket.v4.sin_addr;
	size_t size = sizeof(c->peer.socket.v4.sin_addr);
	uint32_t hash = 2166136261U;

	if (address_family(&c->peer) == AF_INET6) {
		byte = c->peer.socket.v6.sin6_addr.s6_addr;
		size = sizeof(c->peer.socket.v6.sin6_addr);
	} else if (address_family(&c->peer) == AF_UNIX) {
		byte = (const unsigned char *)&c->credentials.uid;
		size = sizeof(c->credentials.uid);
	}
	for (; size > 0; size--)
		hash = (hash ^ *byte++) * 16777619U;
	return hash ? hash : 1;
}

static void identify(struct worker *w)
{
	struct connection *c = &w->connection;
	socklen_t length = sizeof(c->id);

	if (kernel_getsockopt(c->fd, SOL_SOCKET, SO_COOKIE, &c->id, &length) < 0)
		c->id = (uint64_t)w->pid << 32 | w->served;
	if (address_family(&c->peer) == AF_UNIX) {
		length = sizeof(c->credentials);
		kernel_getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &c->credentials, &length);
	}
	address_unmap(&c->peer);
	c->local.length = 0;
	if (w->sets & VARIABLES_UCSPI || w->flow) {
		c->local.length = sizeof(c->local.socket);
		if (kernel_getsockname(c->fd, &c->local.socket.any, &c->local.length) < 0)
			c->local.length = 0;
		address_unmap(&c->local);
	}
	if (w->flow)
		address_flow(&c->local, &c->peer, &c->flow);
}

/* How long it lay in the queue: nothing was sent on it yet, and the kernel counts from when it was established. */
static void ask_waited(struct worker *w)
{
	struct board_header *header = w->board.header;
	struct tcp_info info;
	socklen_t length = offsetof(struct tcp_info, tcpi_last_data_sent) + sizeof(info.tcpi_last_data_sent);
	uint32_t most;

	w->waited = 0;
	atomic_fetch_add_explicit(&header->accepted, 1, memory_order_relaxed);
	if (address_family(&w->connection.peer) == AF_UNIX ||
	    kernel_getsockopt(w->connection.fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 || info.tcpi_last_data_sent == 0)
		return;
	w->waited = info.tcpi_last_data_sent;
	atomic_fetch_add_explicit(&header->waited_total, w->waited, memory_order_relaxed);
	most = atomic_load_explicit(&header->waited_most, memory_order_relaxed);
	while (most < w->waited && !atomic_compare_exchange_weak(&header->waited_most, &most, w->waited))
		;
}

static void take(struct worker *w, int fd)
{
	w->connection.fd = fd;
	w->connection.accepted = kernel_now_ns();
	w->connection.since = w->connection.accepted / 1000000;
	w->connection.header = 0;
	w->serving = false;
	/* First the time, then the state: a busy slot never shows that of the connection before. */
	atomic_store(&w->board.slot[w->slot].since, w->connection.since);
	if (!board_change(&w->board, w->slot, WORKER_IDLE, WORKER_BUSY)) {
		await_signal();
		board_set(&w->board, w->slot, WORKER_BUSY);
		w->leaving = true;
	}
	if (!w->usher)
		wake_if_wanted(w);
	identify(w);
	ask_waited(w);
}

/* Sleeps 10 ms, then twice as long each time up to a second; a signal ends it early. */
static void pause_before(unsigned attempt)
{
	unsigned shift = attempt < 7 ? attempt : 7;
	long ms = 10L << shift;
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	kernel_sleep(&time);
}

static void wait_readable(const struct worker *w)
{
	struct pollfd p = { .fd = w->listener, .events = POLLIN };

	kernel_poll(&p, 1, NULL);
}

static void note_trouble(struct worker *w, int error)
{
	if (w->trouble != error)
		tell(w, error ? RECORD_TROUBLE : RECORD_WELL, (uint32_t)error);
	w->trouble = error;
}

/* What to do about a failed accept. False: leave. */
static bool recover(struct worker *w, int error, unsigned failures)
{
	switch (accept_verdict(error)) {
	case ACCEPT_AGAIN:
		if (failures % 16 == 15) /* each such error should have cost a client; if they never end, do not spin */
			pause_before(7);
		return true;
	case ACCEPT_READY:
		wait_readable(w);
		return true;
	case ACCEPT_PAUSE:
		note_trouble(w, error);
		pause_before(failures);
		return true;
	case ACCEPT_ENDED:
		return false;
	case ACCEPT_BROKEN:
	default:
		worker_fail(w, STEP_ACCEPT, error);
	}
}

bool worker_accept(struct worker *w)
{
	struct address *peer = &w->connection.peer;

	for (unsigned failures = 0;; failures++) {
		peer->length = sizeof(peer->socket);
		int fd = kernel_accept(w->listener, &peer->socket.any, &peer->length);

		if (fd >= 0) {
			take(w, fd);
			if (w->trouble)
				note_trouble(w, 0);
			return true;
		}
		/* Who is asked to go need not know what failed: for want of descriptors the kernel does not even look at the listener. */
		if (retirement.asked || !recover(w, -fd, failures))
			return false;
	}
}

/* Whoever refuses the most has the least to say: the master hears of one connection for each reason and REFUSAL_EVERY. */
static bool is_to_be_told(const struct worker *w, enum refusal reason)
{
	_Atomic uint64_t *told = &w->board.header->told[reason];
	uint64_t before = atomic_load_explicit(told, memory_order_relaxed), now = w->connection.since;

	if (before != 0 && now < before + REFUSAL_EVERY)
		return false;
	return atomic_compare_exchange_strong(told, &before, now);
}

static void refuse(const struct worker *w, const struct decision *d)
{
	const struct answer *answer = w->answers[d->reason];
	struct record r;

	atomic_fetch_add_explicit(&w->board.header->refused[d->reason], 1, memory_order_relaxed);
	if (w->record >= 0 && is_to_be_told(w, d->reason)) {
		describe(&r, w, RECORD_REFUSED);
		r.refusal = (uint8_t)d->reason;
		r.proxy = (uint8_t)d->header;
		r.rule = d->rule;
		send_record(w, &r);
	}
	if (answer)
		admission_answer(w->connection.fd, answer);
}

/* It is the connection's own time that this takes. */
static void greet(const struct worker *w)
{
	const char *at = w->banner->text;
	size_t left = w->banner->length;

	while (left > 0) {
		ssize_t sent = kernel_send(w->connection.fd, at, left, MSG_NOSIGNAL);

		if (sent < 0 && sent != -EINTR)
			return; /* the program will find out */
		if (sent > 0) {
			at += sent;
			left -= (size_t)sent;
		}
	}
}

/* The client's name, where the service wants it; whatever comes of it, the connection is served. */
static void look_up(struct worker *w)
{
	w->connection.host = NULL;
	if (w->lookup >= 0 && lookup_host(w->lookup, w->lookup_timeout, &w->connection.peer, w->host))
		w->connection.host = w->host;
}

static void serve(struct worker *w)
{
	struct board *b = &w->board;
	uint32_t source = source_of(&w->connection);
	struct record r;

	w->serving = true;
	atomic_store(&b->source[w->slot], source);
	atomic_store_explicit(&b->slot[w->slot].id, w->connection.id, memory_order_relaxed);
	atomic_store_explicit(&b->slot[w->slot].served, ++w->served, memory_order_relaxed);
	w->connection.others = w->sets & VARIABLES_UCSPI ? board_same_source(b, w->slot, source) : 0;
	if (w->log && w->record >= 0) {
		describe(&r, w, RECORD_START);
		r.waited = w->waited;
		send_record(w, &r);
	}
	if (w->banner)
		greet(w);
	look_up(w);
}

bool worker_admit(struct worker *w)
{
	struct decision d = { REFUSED_FULL, ACCESS_NO_RULE, PROXY_FOUND };

	if (!w->usher)
		d = admission_decide(&w->admission, &w->connection, &w->board, w->slot);
	if (d.reason != REFUSED_NOT) {
		refuse(w, &d);
		return false;
	}
	serve(w);
	return true;
}

int worker_hand_over(struct worker *w)
{
	int fd = w->connection.fd;
	kernel_sigset ours = KERNEL_SIGBIT(WORKER_SIGNAL) | KERNEL_SIGBIT(SIGPIPE);
	int error;

	kernel_sigmask(SIG_SETMASK, ours);
	kernel_prctl(PR_SET_PDEATHSIG, 0);
	while (kernel_sigtake(ours) > 0)
		;
	error = kernel_handle(WORKER_SIGNAL, SIG_DFL);
	if (error >= 0)
		error = kernel_dup3(fd, STDIN_FILENO, 0);
	if (error >= 0)
		error = kernel_dup3(fd, STDOUT_FILENO, 0);
	if (error >= 0 && w->stderr_to == STDERR_SOCKET)
		error = kernel_dup3(fd, STDERR_FILENO, 0);
	if (error >= 0)
		error = kernel_sigmask(SIG_SETMASK, 0);
	return error < 0 ? error : 0;
}

bool worker_finish(struct worker *w)
{
	/* First the count: a client that sees the end of its connection has its place back. */
	admission_end(&w->admission, &w->board, w->slot);
	kernel_close(w->connection.fd);
	w->connection.fd = -1;
	w->connection.proxy = NULL;
	if (w->log && w->serving)
		tell(w, RECORD_END, 0);
	if (w->leaving || (w->limit && w->served >= w->limit))
		return false;
	/* The master may just be ending the connection, and with it this worker. */
	if (!board_change(&w->board, w->slot, WORKER_BUSY, WORKER_IDLE))
		return false;
	if (!w->usher && atomic_load(&w->board.header->full)) /* it is not any more */
		wake(w);
	return is_wanted(w);
}
