/* SPDX-License-Identifier: ISC */
#include "worker.h"

#include "accept.h"
#include "kernel.h"

#include <fcntl.h>
#include <linux/prctl.h>

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

static void tell(const struct worker *w, enum record_kind kind, enum refusal refusal, int error)
{
	const struct connection *c = &w->connection;
	struct record r;

	if (w->record < 0)
		return;
	fill(&r, sizeof(r));
	r.kind = (uint8_t)kind;
	r.refusal = (uint8_t)refusal;
	r.slot = w->slot;
	r.pid = w->pid;
	r.error = (uint32_t)error;
	r.id = c->id;
	r.at = kind == RECORD_START ? c->since : kernel_now();
	r.peer = c->peer;
	r.peer_pid = c->credentials.pid;
	r.peer_uid = c->credentials.uid;
	if (kernel_write(w->record, &r, sizeof(r)) == -EAGAIN)
		atomic_fetch_add(&w->board.header->dropped, 1);
}

/* The pipe may be full: then the master has not looked yet and will. */
static void wake(const struct worker *w)
{
	if (w->wake >= 0)
		kernel_write(w->wake, "", 1);
}

static void wake_if_few(const struct worker *w)
{
	if (board_idle_below(&w->board, atomic_load(&w->board.header->wake_below)))
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

	if (w->refuse && !atomic_load(&header->full))
		return false;
	return !retirement.asked && atomic_load(&header->generation) == w->generation;
}

bool worker_enter(struct worker *w)
{
	int error;

	w->pid = kernel_getpid();
	w->connection.fd = -1;
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
	if (w->sets & VARIABLES_UCSPI) {
		c->local.length = sizeof(c->local.socket);
		if (kernel_getsockname(c->fd, &c->local.socket.any, &c->local.length) < 0)
			c->local.length = 0;
		address_unmap(&c->local);
	}
}

static void enter_on_board(struct worker *w)
{
	struct board *b = &w->board;
	uint32_t source = source_of(&w->connection);

	atomic_store(&b->source[w->slot], source);
	atomic_store_explicit(&b->slot[w->slot].since, w->connection.since, memory_order_relaxed);
	atomic_store_explicit(&b->slot[w->slot].served, ++w->served, memory_order_relaxed);
	w->connection.others = w->sets & VARIABLES_UCSPI ? board_same_source(b, w->slot, source) : 0;
}

static void take(struct worker *w, int fd)
{
	w->connection.fd = fd;
	w->connection.since = kernel_now();
	if (!board_change(&w->board, w->slot, WORKER_IDLE, WORKER_BUSY)) {
		await_signal();
		board_set(&w->board, w->slot, WORKER_BUSY);
		w->leaving = true;
	}
	if (!w->refuse)
		wake_if_few(w);
	identify(w);
	enter_on_board(w);
	if (w->log && !w->refuse)
		tell(w, RECORD_START, 0, 0);
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
		tell(w, error ? RECORD_TROUBLE : RECORD_WELL, 0, error);
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

/* Reads away what has arrived: closing with unread data would reset the connection, and the text with it. */
static void drain(int fd)
{
	char rest[1024];

	for (int i = 0; i < 64; i++)
		if (kernel_receive(fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
			return;
}

static void refuse(const struct worker *w, enum refusal reason)
{
	const struct answer *a = w->refuse;
	int fd = w->connection.fd;
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	tell(w, RECORD_REFUSED, reason, 0);
	switch (a->kind) {
	case ANSWER_RESET:
		kernel_setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	case ANSWER_TEXT:
		kernel_send(fd, a->text, a->length, MSG_DONTWAIT | MSG_NOSIGNAL);
		kernel_shutdown(fd, SHUT_WR);
		drain(fd);
		break;
	case ANSWER_CLOSE:
	case ANSWER_QUEUE:
	default:
		break;
	}
}

bool worker_admit(struct worker *w)
{
	if (!w->refuse)
		return true;
	refuse(w, REFUSED_FULL);
	return false;
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
	kernel_close(w->connection.fd);
	w->connection.fd = -1;
	if (w->log && !w->refuse)
		tell(w, RECORD_END, 0, 0);
	if (w->leaving || (w->limit && w->served >= w->limit))
		return false;
	board_set(&w->board, w->slot, WORKER_IDLE);
	if (!w->refuse && atomic_load(&w->board.header->full)) /* it is not any more */
		wake(w);
	return is_wanted(w);
}
