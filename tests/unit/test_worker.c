/* SPDX-License-Identifier: ISC */
/*
 * The worker's path, in an image that preforkd never was (image.c): the test is its master, with a board, two pipes and a
 * listener of its own.
 */
#include "config.h"

#include "suites.h"
#include "given.h"
#include "kernel.h"
#include "listener.h"
#include "queue.h"
#include "worker.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 4
#define WORDS_MAX 32

static struct {
	struct listener *listener;
	struct board board;
	int board_fd, devnull, record[2], wake[2];
} master;

static char image[PATH_MAX];

/* It lies beside this program. */
static void find_image(void)
{
	ssize_t length = readlink("/proc/self/exe", image, sizeof(image) - 10);
	char *slash;

	ck_assert_int_gt(length, 0);
	image[length] = '\0';
	slash = strrchr(image, '/');
	strcpy(slash, "/image");
	ck_assert_msg(access(image, X_OK) == 0, "%s: %s", image, strerror(errno));
}

static void make_board(void)
{
	void *memory;

	master.board_fd = memfd_create("unit board", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(master.board_fd, (off_t)board_size(SLOTS)), 0);
	memory = mmap(NULL, board_size(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, master.board_fd, 0);
	ck_assert(memory != MAP_FAILED);
	board_attach(&master.board, memory, SLOTS);
}

static void listen_on(const char *text)
{
	struct service_config *c = service_config_new();
	char whole[200], why[1024] = "";
	struct endpoint e;

	snprintf(whole, sizeof(whole), text[0] == '@' ? "@%.100s%s" : "%.100s%s", given_here(), text + (text[0] == '@'));
	e = given_endpoint(text[0] == '/' || text[0] == '@' ? whole : text);
	master.listener = listener_open(&e, &c->socket, 0, why, sizeof(why));
	ck_assert_msg(master.listener, "%s", why);
	service_config_release(c);
}

/* Checked fixtures */

static void be_master(void)
{
	given_directory();
	find_image();
	make_board();
	master.devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pipe2(master.record, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(pipe2(master.wake, O_CLOEXEC | O_NONBLOCK), 0);
	listen_on("127.0.0.1:0");
	atomic_store(&master.board.header->generation, 7);
}

static void be_master_no_more(void)
{
	munmap(master.board.header, board_size(SLOTS));
	close(master.board_fd);
	close(master.devnull);
	close(master.record[0]);
	close(master.record[1]);
	close(master.wake[0]);
	close(master.wake[1]);
	listener_release(master.listener);
}

/* Starting */

/* What an image is told, unless the test tells it otherwise: the first of two words of one name counts. */
_Noreturn static void become_image(uint32_t slot, pid_t parent, const char *const more[])
{
	const int passed[] = { master.listener->fd, master.devnull, master.record[1], master.wake[1], master.board_fd };
	const struct {
		const char *name;
		int value;
	} words[] = {
		{ "slot", (int)slot }, { "slots", SLOTS }, { "generation", 7 }, { "listener", master.listener->fd }, { "devnull", master.devnull },
		{ "record", master.record[1] }, { "wake", master.wake[1] }, { "board", master.board_fd }, { "master", (int)parent },
	};
	char text[sizeof(words) / sizeof(words[0])][32];
	const char *argv[WORDS_MAX] = { image };
	int n = 1, own = 0;

	/* What this process has inherited, from make perhaps, is nothing that an image of ours should see. */
	for (int fd = 3; fd < 1024; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (int sig = 1; sig < NSIG; sig++)
		kernel_handle(sig, SIG_DFL); /* signal(3) keeps two for itself */
	for (int i = 0; i < rows(passed); i++)
		fcntl(passed[i], F_SETFD, 0);
	while (more[own] && strcmp(more[own], "--") != 0)
		argv[n++] = more[own++];
	for (int i = 0; i < rows(words); i++) {
		snprintf(text[i], sizeof(text[i]), "%s=%d", words[i].name, words[i].value);
		argv[n++] = text[i];
	}
	while (more[own] && n < WORDS_MAX - 1)
		argv[n++] = more[own++];
	/* execve takes its words without const and changes nothing. */
	execve(image, (char **)(uintptr_t)argv, (char *[]){ NULL });
	_exit(98);
}

static pid_t start_with(uint32_t slot, const char *const more[])
{
	pid_t parent = getpid(), pid;

	board_set(&master.board, slot, WORKER_STARTING);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		become_image(slot, parent, more);
	return pid;
}

#define start(slot, ...) start_with(slot, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* Looking */

struct expected_state {
	uint32_t slot;
	enum worker_state state;
};

static bool has_state(void *data)
{
	const struct expected_state *e = data;

	return board_state(&master.board, e->slot) == e->state;
}

static void await_state(uint32_t slot, enum worker_state state)
{
	ck_assert_msg(becomes(has_state, &(struct expected_state){ slot, state }), "slot %u: %d, not %d", slot,
	              (int)board_state(&master.board, slot), (int)state);
}

static pid_t start_idle(uint32_t slot)
{
	pid_t pid = start(slot);

	await_state(slot, WORKER_IDLE);
	return pid;
}

struct expected_end {
	pid_t pid;
	int status;
	struct rusage usage;
};

static bool has_ended(void *data)
{
	struct expected_end *e = data;

	return wait4(e->pid, &e->status, WNOHANG, &e->usage) == e->pid;
}

/* It leaves as a worker that did nothing wrong. */
static struct rusage await_leave(pid_t pid, uint32_t slot)
{
	struct expected_end e = { .pid = pid };

	ck_assert_msg(becomes(has_ended, &e), "the worker is still there");
	ck_assert_msg(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 0, "status %x, step %u, error %u", (unsigned)e.status,
	              atomic_load(&master.board.slot[slot].step), atomic_load(&master.board.slot[slot].error));
	ck_assert_int_eq(board_state(&master.board, slot), WORKER_RETIRING);
	return e.usage;
}

static void await_failure(pid_t pid, uint32_t slot, enum step step, int error)
{
	struct expected_end e = { .pid = pid };

	ck_assert_msg(becomes(has_ended, &e), "the worker is still there");
	ck_assert_msg(WIFEXITED(e.status) && WEXITSTATUS(e.status) == WORKER_EXIT_FAILED, "status %x", (unsigned)e.status);
	ck_assert_uint_eq(atomic_load(&master.board.slot[slot].step), (unsigned)step);
	ck_assert_uint_eq(atomic_load(&master.board.slot[slot].error), (unsigned)error);
}

static struct record await_record(enum record_kind kind)
{
	struct record r;

	memset(&r, 0, sizeof(r));
	ck_assert_int_eq(read_all(master.record[0], &r, sizeof(r)), sizeof(r));
	ck_assert_msg(r.kind == kind, "a record of kind %u, not %d", r.kind, (int)kind);
	return r;
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void check_echo(int client, const char *text)
{
	char answer[64] = "";
	size_t length = strlen(text);

	ck_assert_int_eq(write(client, text, length), (ssize_t)length);
	ck_assert_int_eq(read_all(client, answer, length), (long)length);
	ck_assert_str_eq(answer, text);
}

static int client(void)
{
	return given_client(&master.listener->bound);
}

static void retire(pid_t pid, uint32_t slot)
{
	await_state(slot, WORKER_IDLE);
	ck_assert(board_change(&master.board, slot, WORKER_IDLE, WORKER_RETIRING));
	kill(pid, WORKER_SIGNAL);
	await_leave(pid, slot);
}

/* A line of /proc/PID/status, without its name. */
static void status_line(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64], line[256];
	size_t length = strlen(name);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			snprintf(out, size, "%s", line + length + 1 + strspn(line + length + 1, " \t"));
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

static uint64_t milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Serving */

START_TEST(an_idle_worker_handles_one_signal_and_blocks_one)
{
	pid_t pid;
	char blocked[64], caught[64], wanted[64];
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = start_idle(0); /* with all signals blocked, as preforkd forks */
	sigprocmask(SIG_SETMASK, &before, NULL);
	status_line(pid, "SigBlk", blocked, sizeof(blocked));
	snprintf(wanted, sizeof(wanted), "%016llx", 1ULL << (SIGPIPE - 1));
	ck_assert_str_eq(blocked, wanted);
	status_line(pid, "SigCgt", caught, sizeof(caught));
	ck_assert(strtoull(caught, NULL, 16) & 1ULL << (WORKER_SIGNAL - 1));
	retire(pid, 0);
}
END_TEST

START_TEST(a_connection_is_recorded_when_it_starts_and_ends)
{
	uint64_t before = milliseconds();
	pid_t pid = start_idle(2);
	int c = client();
	struct address own = { .length = sizeof(own.socket) };
	struct record r = await_record(RECORD_START), end;
	const struct board_slot *slot = &master.board.slot[2];

	ck_assert_int_eq(getsockname(c, &own.socket.any, &own.length), 0);
	ck_assert_int_eq(board_state(&master.board, 2), WORKER_BUSY);
	ck_assert_uint_eq(r.slot, 2);
	ck_assert_int_eq(r.pid, pid);
	ck_assert_uint_eq(r.refusal, 0);
	ck_assert_uint_eq(r.error, 0);
	ck_assert_uint_ne(r.id, 0);
	ck_assert(r.at >= before && r.at <= milliseconds());
	ck_assert(address_equal(&r.peer, &own));
	ck_assert_int_eq(r.peer_pid, 0);
	ck_assert_uint_eq(r.peer_uid, 0);
	ck_assert_uint_eq(atomic_load(&slot->since), r.at);
	ck_assert_uint_eq(atomic_load(&slot->served), 1);
	ck_assert_uint_ne(atomic_load(&master.board.source[2]), 0);
	check_echo(c, "hello");
	close(c);
	end = await_record(RECORD_END);
	ck_assert_uint_eq(end.id, r.id);
	ck_assert_uint_eq(end.slot, 2);
	ck_assert_int_eq(end.pid, pid);
	ck_assert_uint_ge(end.at, r.at);
	retire(pid, 2);
	ck_assert(!is_readable(master.record[0]));
}
END_TEST

START_TEST(a_worker_serves_one_connection_after_the_other)
{
	pid_t pid = start_idle(0);
	uint64_t last = 0;

	for (int i = 1; i <= 3; i++) {
		int c = client();
		struct record r = await_record(RECORD_START);

		ck_assert_uint_ne(r.id, last);
		last = r.id;
		check_echo(c, "again");
		ck_assert_uint_eq(atomic_load(&master.board.slot[0].served), (unsigned)i);
		close(c);
		await_record(RECORD_END);
	}
	retire(pid, 0);
}
END_TEST

START_TEST(without_logging_there_are_no_records)
{
	pid_t pid = start(0, "log=0");
	int c = client();

	check_echo(c, "quietly");
	close(c);
	retire(pid, 0);
	ck_assert(!is_readable(master.record[0]));
}
END_TEST

START_TEST(without_pipes_it_serves_all_the_same)
{
	pid_t pid = start(0, "record=-1", "wake=-1");
	int c = client();

	check_echo(c, "quietly");
	close(c);
	retire(pid, 0);
}
END_TEST

static const struct {
	const char *listener, *client;
	int family;
} families[] = {
	{ "[::1]:0", "[::1]", AF_INET6 }, { "*:0", "[::1]", AF_INET6 }, { "*:0", "127.0.0.1", AF_INET },
	{ "/path", NULL, AF_UNIX },       { "@name", NULL, AF_UNIX },
};

START_TEST(a_client_of_any_family_is_known)
{
	struct address a, own = { .length = sizeof(own.socket) };
	struct record r;
	char text[64];
	pid_t pid;
	const char *host = families[_i].client;
	int c;

	if (families[_i].family == AF_INET6 && !given_ipv6())
		return; /* a machine without IPv6 */
	listener_release(master.listener);
	listen_on(families[_i].listener);
	a = master.listener->bound;
	if (host) {
		snprintf(text, sizeof(text), "%s:%u", host, address_port(&a));
		a = given_address(text);
	}
	pid = start_idle(0);
	c = given_client(&a);
	r = await_record(RECORD_START);
	ck_assert_msg(address_family(&r.peer) == families[_i].family, "%s: family %d", families[_i].listener, address_family(&r.peer));
	if (families[_i].family == AF_UNIX) {
		ck_assert_int_eq(r.peer_pid, getpid());
		ck_assert_uint_eq(r.peer_uid, geteuid());
	} else {
		ck_assert_int_eq(getsockname(c, &own.socket.any, &own.length), 0);
		ck_assert_uint_eq(address_port(&r.peer), address_port(&own));
	}
	check_echo(c, "hello");
	close(c);
	await_record(RECORD_END);
	retire(pid, 0);
}
END_TEST

/* Also where the program does not want to know its own address. */
START_TEST(a_record_tells_both_ends_if_asked)
{
	struct address own = { .length = sizeof(own.socket) };
	pid_t pid = start(0, "flow=1", "sets=0");
	struct flow expected;
	struct record r;
	int c;

	await_state(0, WORKER_IDLE);
	c = client();
	r = await_record(RECORD_START);
	ck_assert_int_eq(getsockname(c, &own.socket.any, &own.length), 0);
	address_flow(&master.listener->bound, &own, &expected);
	ck_assert_int_eq(expected.family, AF_INET);
	ck_assert_mem_eq(&r.flow, &expected, sizeof(expected));
	ck_assert_uint_eq(r.header, 0);
	close(c);
	await_record(RECORD_END);
	retire(pid, 0);
}
END_TEST

START_TEST(unless_it_is_asked_a_record_has_no_ends)
{
	pid_t pid = start_idle(0);
	int c = client();

	ck_assert_int_eq(await_record(RECORD_START).flow.family, 0);
	close(c);
	await_record(RECORD_END);
	retire(pid, 0);
}
END_TEST

/* What a master compares before it ends a connection. */
START_TEST(a_slot_shows_since_when_and_which_connection)
{
	pid_t pid = start_idle(0);
	int c = client();
	struct record r = await_record(RECORD_START);

	await_state(0, WORKER_BUSY);
	ck_assert_uint_eq(atomic_load(&master.board.slot[0].since), r.at);
	ck_assert_uint_eq(atomic_load(&master.board.slot[0].id), r.id);
	close(c);
	await_record(RECORD_END);
	retire(pid, 0);
}
END_TEST

START_TEST(a_full_record_pipe_drops_and_counts_and_delays_nobody)
{
	struct record filler = { 0 };
	pid_t pid = start_idle(0);
	int c;

	while (write(master.record[1], &filler, sizeof(filler)) == sizeof(filler))
		;
	ck_assert_int_eq(errno, EAGAIN);
	c = client();
	check_echo(c, "hello");
	ck_assert_uint_eq(atomic_load(&master.board.header->dropped), 1);
	close(c);
	retire(pid, 0);
	ck_assert_uint_eq(atomic_load(&master.board.header->dropped), 2);
}
END_TEST

/* Somebody who shares the listener made it non-blocking. */
START_TEST(a_listener_that_does_not_block_is_waited_for)
{
	pid_t pid;
	int c;

	fcntl(master.listener->fd, F_SETFL, O_NONBLOCK);
	pid = start_idle(0);
	c = client();
	check_echo(c, "hello");
	close(c);
	retire(pid, 0);
}
END_TEST

/* Waking */

START_TEST(the_master_is_woken_when_too_few_are_idle)
{
	pid_t first, second;
	int one, two;
	char byte;

	atomic_store(&master.board.header->wake_below, 1);
	first = start_idle(0);
	second = start_idle(1);
	one = client();
	await_record(RECORD_START); /* written after the wake */
	ck_assert_msg(!is_readable(master.wake[0]), "woken although one is idle");
	two = client();
	await_record(RECORD_START);
	ck_assert_int_eq(read(master.wake[0], &byte, 1), 1);
	ck_assert(!is_readable(master.wake[0]));
	close(one);
	close(two);
	await_record(RECORD_END);
	await_record(RECORD_END);
	retire(first, 0);
	retire(second, 1);
}
END_TEST

START_TEST(a_master_who_asks_for_no_wake_gets_none)
{
	pid_t pid = start_idle(0); /* wake_below is 0 */
	int c = client();

	await_record(RECORD_START);
	ck_assert(!is_readable(master.wake[0]));
	close(c);
	retire(pid, 0);
}
END_TEST

/* A master that watches for limits in time looks by itself. */
START_TEST(a_master_who_does_not_watch_is_woken_by_a_limited_worker)
{
	pid_t pid = start(0, "limited=1");
	char byte;
	int c;

	await_state(0, WORKER_IDLE);
	for (uint32_t watched = 0; watched < 2; watched++) {
		atomic_store(&master.board.header->watched, watched);
		c = client();
		await_record(RECORD_START); /* written after the wake */
		ck_assert_msg(read(master.wake[0], &byte, 1) == (watched ? -1 : 1), "watched: %u", watched);
		check_echo(c, "hello");
		close(c);
		await_record(RECORD_END);
		await_state(0, WORKER_IDLE);
	}
	retire(pid, 0);
}
END_TEST

/* Somebody may wait for its place. */
START_TEST(the_master_of_a_full_service_is_woken_when_one_is_idle_again)
{
	pid_t pid = start_idle(0); /* wake_below is 0 */
	int c = client();
	char byte;

	await_record(RECORD_START);
	atomic_store(&master.board.header->full, 1);
	ck_assert(!is_readable(master.wake[0]));
	close(c);
	ck_assert_msg(comes(master.wake[0], POLLIN), "the master is not woken");
	ck_assert_int_eq(read(master.wake[0], &byte, 1), 1);
	ck_assert(board_state(&master.board, 0) == WORKER_IDLE);
	await_record(RECORD_END);
	retire(pid, 0);
}
END_TEST

START_TEST(a_full_wake_pipe_delays_nobody)
{
	pid_t pid;
	int c;

	while (write(master.wake[1], "", 1) == 1)
		;
	atomic_store(&master.board.header->wake_below, 1);
	pid = start_idle(0);
	c = client();
	check_echo(c, "hello");
	close(c);
	retire(pid, 0);
}
END_TEST

/* Retiring */

START_TEST(an_idle_worker_leaves_when_it_is_asked_to)
{
	retire(start_idle(0), 0);
	ck_assert(!is_readable(master.record[0]));
}
END_TEST

/* The server's end of a client's connection has an inode as soon as it was accepted, and not before. */
static bool is_accepted(void *data)
{
	const int *fd = data;
	struct address own = { .length = sizeof(own.socket) };
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/net/tcp", "r");

	ck_assert_int_eq(getsockname(*fd, &own.socket.any, &own.length), 0);
	while (f && fgets(line, sizeof(line), f)) {
		unsigned local, remote;
		unsigned long inode;

		if (sscanf(line, " %*d: %*8x:%x %*8x:%x %*x %*s %*s %*s %*s %*s %lu", &local, &remote, &inode) == 3)
			found |= local == address_port(&master.listener->bound) && remote == address_port(&own) && inode != 0;
	}
	if (f)
		fclose(f);
	return found;
}

/* It took a connection while the master had already decided that it is to go: the signal comes only then. */
START_TEST(a_worker_that_lost_the_swap_serves_and_leaves)
{
	pid_t pid = start_idle(0);
	int c;

	ck_assert(board_change(&master.board, 0, WORKER_IDLE, WORKER_RETIRING));
	c = client();
	ck_assert_msg(becomes(is_accepted, &c), "nobody accepts");
	ck_assert_int_eq(board_state(&master.board, 0), WORKER_RETIRING);
	ck_assert(!is_readable(master.record[0]));
	kill(pid, WORKER_SIGNAL);
	await_record(RECORD_START);
	ck_assert_int_eq(board_state(&master.board, 0), WORKER_BUSY);
	check_echo(c, "hello");
	close(c);
	await_record(RECORD_END);
	await_leave(pid, 0);
}
END_TEST

START_TEST(a_worker_that_lost_the_swap_may_become_a_program)
{
	pid_t pid = start(0, "--", "/bin/cat", "/proc/self/status");
	char text[8192] = "";
	int c, status;

	await_state(0, WORKER_IDLE);
	ck_assert(board_change(&master.board, 0, WORKER_IDLE, WORKER_RETIRING));
	c = client();
	ck_assert_msg(becomes(is_accepted, &c), "nobody accepts");
	kill(pid, WORKER_SIGNAL);
	ck_assert_int_gt(read_all(c, text, sizeof(text) - 1), 0);
	ck_assert_ptr_nonnull(strstr(text, "Name:\tcat\n"));
	ck_assert_ptr_nonnull(strstr(text, "SigPnd:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(text, "ShdPnd:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(text, "SigBlk:\t0000000000000000\n"));
	close(c);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* However connections and retirements meet, each client is served by somebody and each worker leaves in peace. */
START_TEST(no_client_is_lost_while_workers_retire)
{
	for (int i = 0; i < 100; i++) {
		pid_t first = start_idle(0), second;
		int c = i % 2 ? client() : -1;
		bool won = board_change(&master.board, 0, WORKER_IDLE, WORKER_RETIRING);

		if (c < 0)
			c = given_attempt(&master.listener->bound);
		if (won)
			kill(first, WORKER_SIGNAL);
		second = start(1);
		ck_assert_msg(comes(c, POLLOUT), "round %d", i);
		fcntl(c, F_SETFL, 0);
		check_echo(c, "served");
		await_record(RECORD_START);
		close(c);
		await_record(RECORD_END);
		if (won)
			await_leave(first, 0);
		else
			retire(first, 0);
		retire(second, 1);
		ck_assert_msg(queue_waiting(master.listener->fd) == 0, "round %d", i);
	}
}
END_TEST

/* The last packet of a handshake may be under way when connect returns. */
static bool one_waits(void *data)
{
	(void)data;
	return queue_waiting(master.listener->fd) == 1;
}

/* The master ends its connection, but it was done just before it heard of that. No signal comes, and no client may. */
START_TEST(a_busy_worker_that_is_to_end_takes_no_other_client)
{
	pid_t pid = start_idle(0);
	int c = client(), other;

	await_record(RECORD_START);
	ck_assert(board_change(&master.board, 0, WORKER_BUSY, WORKER_RETIRING));
	other = client();
	check_echo(c, "still here");
	close(c);
	await_record(RECORD_END);
	await_leave(pid, 0);
	ck_assert_msg(becomes(one_waits, NULL), "%d wait", queue_waiting(master.listener->fd));
	close(other);
}
END_TEST

START_TEST(a_worker_of_an_old_generation_leaves_after_its_connection)
{
	pid_t pid = start_idle(0);
	int c = client();

	await_record(RECORD_START);
	atomic_fetch_add(&master.board.header->generation, 1);
	check_echo(c, "still here");
	close(c);
	await_record(RECORD_END);
	await_leave(pid, 0);
}
END_TEST

START_TEST(a_worker_that_is_born_too_late_leaves_at_once)
{
	atomic_store(&master.board.header->generation, 8);
	await_leave(start(0), 0);
}
END_TEST

START_TEST(a_worker_leaves_when_it_has_served_its_share)
{
	pid_t pid = start(0, "limit=2");

	for (int i = 0; i < 2; i++) {
		int c = client();

		check_echo(c, "hello");
		close(c);
		await_record(RECORD_START);
		await_record(RECORD_END);
	}
	await_leave(pid, 0);
	ck_assert_uint_eq(atomic_load(&master.board.slot[0].served), 2);
}
END_TEST

START_TEST(a_worker_leaves_when_its_listener_has_ended)
{
	pid_t pid = start_idle(0);

	listener_end(master.listener);
	await_leave(pid, 0);
}
END_TEST

START_TEST(a_worker_without_a_listener_says_why_it_fails)
{
	await_failure(start(3, "listener=1000"), 3, STEP_ACCEPT, EBADF);
}
END_TEST

/* The program that a worker becomes */

/* Everything that a program says until it ends. */
static void program_says(pid_t pid, int c, char *out, size_t size)
{
	long n = read_all(c, out, size - 1);
	int status;

	ck_assert_int_ge(n, 0);
	out[n] = '\0';
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "status %x: %s", (unsigned)status, out);
}

START_TEST(a_program_has_the_connection_and_no_descriptor_of_ours)
{
	pid_t pid = start(0, "--", "/bin/sh", "-c", "/bin/ls /proc/$$/fd");
	int c = client();
	char text[256];

	program_says(pid, c, text, sizeof(text));
	ck_assert_str_eq(text, "0\n1\n2\n");
	close(c);
}
END_TEST

START_TEST(a_program_has_all_signals_at_their_defaults)
{
	static const char *const lines[] = { "SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd" };
	pid_t pid = start(0, "--", "/bin/cat", "/proc/self/status");
	int c = client();
	char text[8192], line[64];

	program_says(pid, c, text, sizeof(text));
	for (int i = 0; i < rows(lines); i++) {
		snprintf(line, sizeof(line), "\n%s:\t0000000000000000\n", lines[i]);
		ck_assert_msg(strstr(text, line), "%s:\n%s", lines[i], text);
	}
	close(c);
}
END_TEST

static const char *environment_line(const char *text, size_t size, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = text; at < text + size; at += strlen(at) + 1)
		if (strncmp(at, name, length) == 0 && at[length] == '=')
			return at + length + 1;
	return "none";
}

START_TEST(a_program_has_the_variables_that_its_record_tells)
{
	pid_t pid = start(0, "--", "/bin/cat", "/proc/self/environ");
	int c = client();
	char text[4096], number[32];
	struct record r;
	size_t size = sizeof(text);

	memset(text, 0, sizeof(text));
	program_says(pid, c, text, sizeof(text));
	r = await_record(RECORD_START);
	snprintf(number, sizeof(number), "%llx", (unsigned long long)r.id);
	ck_assert_str_eq(environment_line(text, size, "PREFORK_CONNECTION"), number);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)r.id);
	ck_assert_str_eq(environment_line(text, size, "SO_COOKIE"), number);
	snprintf(number, sizeof(number), "%u", address_port(&r.peer));
	ck_assert_str_eq(environment_line(text, size, "TCPREMOTEPORT"), number);
	snprintf(number, sizeof(number), "%u", address_port(&master.listener->bound));
	ck_assert_str_eq(environment_line(text, size, "TCPLOCALPORT"), number);
	ck_assert_str_eq(environment_line(text, size, "TCPREMOTEIP"), "127.0.0.1");
	ck_assert_str_eq(environment_line(text, size, "TCPLOCALIP"), "127.0.0.1");
	ck_assert_str_eq(environment_line(text, size, "PROTO"), "TCP");
	close(c);
}
END_TEST

/* enum stderr_to, as a word */
static const struct {
	const char *word, *said;
} errors[] = { { "stderr=0", "other\n" }, { "stderr=1", "connection\n" } };

START_TEST(standard_error_is_the_connection_only_if_asked)
{
	pid_t pid;
	char text[64];
	int c;

	pid = start(0, errors[_i].word, "--", "/bin/sh", "-c", "[ /proc/self/fd/2 -ef /proc/self/fd/1 ] && echo connection || echo other");
	c = client();
	program_says(pid, c, text, sizeof(text));
	ck_assert_msg(strcmp(text, errors[_i].said) == 0, "%s: %s", errors[_i].word, text);
	close(c);
}
END_TEST

static int client_from(const char *text)
{
	struct address own = given_address(text);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, &own.socket.any, own.length), 0);
	ck_assert_int_eq(connect(fd, &master.listener->bound.socket.any, master.listener->bound.length), 0);
	return fd;
}

START_TEST(a_client_learns_how_many_others_it_has)
{
	static const struct {
		const char *from, *others;
	} clients[] = { { "127.0.0.1:0", "0\n" }, { "127.0.0.1:0", "1\n" }, { "127.0.0.2:0", "0\n" }, { "127.0.0.1:0", "2\n" } };
	pid_t pid[SLOTS];
	int c[SLOTS];

	for (uint32_t i = 0; i < SLOTS; i++) {
		char text[8] = "";

		pid[i] = start(i, "--", "/bin/sh", "-c", "echo $TCPCONNNUM; read unused");
		c[i] = client_from(clients[i].from);
		ck_assert_int_eq(read_all(c[i], text, 2), 2);
		ck_assert_msg(strcmp(text, clients[i].others) == 0, "client %u: %s", i, text);
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		close(c[i]);
		ck_assert_int_eq(waitpid(pid[i], NULL, 0), pid[i]);
	}
}
END_TEST

START_TEST(a_program_that_is_not_there_is_a_failure)
{
	pid_t pid = start(1, "--", "/no/such/program");
	int c = client();

	await_failure(pid, 1, STEP_EXEC, ENOENT);
	close(c);
}
END_TEST

START_TEST(a_worker_ends_by_other_signals_as_any_process)
{
	pid_t pid = start_idle(0);
	int status;

	kill(pid, SIGTERM);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
END_TEST

/* The death of the master */

/* A worker of another master than this process, which can be killed; what that one leaves behind is ours. */
struct orphan {
	pid_t master, worker;
};

static struct orphan start_orphan(const char *const more[])
{
	struct orphan o = { .worker = -1 };
	int told[2];

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ck_assert_int_eq(pipe(told), 0);
	o.master = fork();
	if (o.master == 0) {
		pid_t pid = start_with(0, more);

		if (write(told[1], &pid, sizeof(pid)) == sizeof(pid))
			for (;;)
				pause();
		_exit(1);
	}
	ck_assert_int_eq(read_all(told[0], &o.worker, sizeof(o.worker)), sizeof(o.worker));
	close(told[0]);
	close(told[1]);
	await_state(0, WORKER_IDLE);
	return o;
}

static void kill_master(const struct orphan *o)
{
	kill(o->master, SIGKILL);
	ck_assert_int_eq(waitpid(o->master, NULL, 0), o->master);
}

START_TEST(an_idle_worker_does_not_outlive_its_master)
{
	struct orphan o = start_orphan((const char *const[]){ NULL });

	kill_master(&o);
	await_leave(o.worker, 0);
}
END_TEST

static bool can_listen(void *data)
{
	struct endpoint e = { .address = *(struct address *)data };
	struct service_config *c = service_config_new();
	char why[1024];

	master.listener = listener_open(&e, &c->socket, 0, why, sizeof(why));
	service_config_release(c);
	return master.listener;
}

START_TEST(a_busy_worker_lets_go_of_the_listener_and_serves_to_the_end)
{
	struct orphan o = start_orphan((const char *const[]){ NULL });
	struct address bound = master.listener->bound;
	int c = client();

	check_echo(c, "before");
	await_record(RECORD_START);
	kill_master(&o);
	listener_release(master.listener);
	ck_assert_msg(becomes(can_listen, &bound), "the port is not free");
	check_echo(c, "after");
	close(c);
	await_record(RECORD_END);
	await_leave(o.worker, 0);
}
END_TEST

START_TEST(a_program_hears_nothing_of_the_masters_death)
{
	struct orphan o = start_orphan(
		(const char *const[]){ "--", "/bin/sh", "-c", "trap 'echo signal' URG; echo ready; read word; echo $word", NULL });
	int c = client();
	char text[64] = "";

	ck_assert_int_eq(read_all(c, text, 6), 6);
	ck_assert_str_eq(text, "ready\n");
	kill_master(&o);
	ck_assert_int_eq(write(c, "end\n", 4), 4);
	memset(text, 0, sizeof(text));
	program_says(o.worker, c, text, sizeof(text));
	ck_assert_str_eq(text, "end\n");
	close(c);
}
END_TEST

START_TEST(a_worker_whose_master_is_gone_already_leaves_at_once)
{
	await_leave(start(0, "master=1"), 0);
}
END_TEST

/* Ushers */

static const char *const refusals[] = { NULL, "refuse=1", "refuse=2", "refuse=3" };

static void check_refusal(pid_t pid, int client)
{
	struct address own = { .length = sizeof(own.socket) };
	struct record r = await_record(RECORD_REFUSED);

	ck_assert_uint_eq(r.refusal, REFUSED_FULL);
	ck_assert_int_eq(r.pid, pid);
	/* After a reset the client no longer knows who it was. */
	if (getsockname(client, &own.socket.any, &own.length) == 0 && address_port(&own) != 0)
		ck_assert_uint_eq(address_port(&r.peer), address_port(&own));
}

START_TEST(an_usher_answers_one_client_after_the_other)
{
	char text[64];
	pid_t pid;

	atomic_store(&master.board.header->wake_below, SLOTS + 1);
	atomic_store(&master.board.header->full, 1);
	pid = start(0, refusals[_i]);
	for (int i = 0; i < 3; i++) {
		int c = client();
		long n = read_all(c, memset(text, 0, sizeof(text)), sizeof(text) - 1);

		if (_i == ANSWER_RESET)
			ck_assert_msg(n == -1 && errno == ECONNRESET, "%ld: %s", n, text);
		else
			ck_assert_str_eq(text, _i == ANSWER_TEXT ? "busy, come back later\n" : "");
		if (i == 0)
			check_refusal(pid, c);
		close(c);
	}
	retire(pid, 0);
	ck_assert_msg(!is_readable(master.wake[0]), "an usher wakes nobody");
	ck_assert_msg(!is_readable(master.record[0]), "an usher starts and ends nothing, and tells one refusal of many");
	ck_assert_uint_eq(atomic_load(&master.board.header->refused[REFUSED_FULL]), 3);
}
END_TEST

/* Closing while something is unread would reset the connection, and the text with it. */
START_TEST(the_text_arrives_although_the_client_spoke_first)
{
	char text[64] = "", request[5000];
	int c = client();
	pid_t pid;

	memset(request, 'x', sizeof(request));
	ck_assert_int_eq(write(c, request, sizeof(request)), sizeof(request));
	atomic_store(&master.board.header->full, 1);
	pid = start(0, "refuse=3");
	ck_assert_int_eq(read_all(c, text, sizeof(text)), (long)strlen("busy, come back later\n"));
	ck_assert_str_eq(text, "busy, come back later\n");
	close(c);
	retire(pid, 0);
}
END_TEST

START_TEST(an_usher_leaves_as_soon_as_the_service_is_no_longer_full)
{
	char text[64];
	pid_t pid;
	int c;

	atomic_store(&master.board.header->full, 1);
	pid = start_with(0, (const char *const[]){ "refuse=1", NULL });
	await_state(0, WORKER_IDLE);
	atomic_store(&master.board.header->full, 0); /* he was busy when he was to be asked to retire */
	c = client();
	ck_assert_int_eq(read_all(c, text, sizeof(text)), 0);
	check_refusal(pid, c);
	close(c);
	await_leave(pid, 0);
}
END_TEST

START_TEST(an_usher_who_comes_too_late_leaves_at_once)
{
	await_leave(start(0, "refuse=1"), 0);
	ck_assert(!is_readable(master.record[0]));
}
END_TEST

/* Few descriptors */

struct sleeper {
	pid_t pid;
	long times;
};

static long times_slept(pid_t pid)
{
	char line[64];

	status_line(pid, "voluntary_ctxt_switches", line, sizeof(line));
	return atol(line);
}

static bool slept_often(void *data)
{
	const struct sleeper *s = data;

	return times_slept(s->pid) >= s->times;
}

static void feed(pid_t pid)
{
	struct rlimit limit;

	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

START_TEST(want_of_descriptors_is_told_once_and_its_end_too)
{
	pid_t pid = start(0, "room=0");
	int c = client();
	struct record r = await_record(RECORD_TROUBLE);
	struct rusage usage;

	ck_assert_uint_eq(r.error, EMFILE);
	ck_assert_int_eq(r.pid, pid);
	/* It pauses between its attempts: a worker that spins would never give up the processor. */
	ck_assert_msg(becomes(slept_often, &(struct sleeper){ pid, times_slept(pid) + 3 }), "it does not pause");
	ck_assert_msg(!is_readable(master.record[0]), "trouble is told more than once");
	ck_assert_int_eq(board_state(&master.board, 0), WORKER_IDLE);
	feed(pid);
	check_echo(c, "at last");
	r = await_record(RECORD_WELL);
	ck_assert_int_eq(r.pid, pid);
	await_record(RECORD_START);
	close(c);
	await_record(RECORD_END);
	await_state(0, WORKER_IDLE);
	ck_assert(board_change(&master.board, 0, WORKER_IDLE, WORKER_RETIRING));
	kill(pid, WORKER_SIGNAL);
	usage = await_leave(pid, 0);
	ck_assert_msg(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec == 0 && usage.ru_utime.tv_usec + usage.ru_stime.tv_usec < 500000,
	              "it used %ld ms of the processor",
	              (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
}
END_TEST

START_TEST(a_worker_that_wants_descriptors_can_be_retired)
{
	pid_t pid = start(0, "room=0");

	await_record(RECORD_TROUBLE);
	retire(pid, 0);
	ck_assert(!is_readable(master.record[0]));
}
END_TEST

/* A limit holds for new numbers only: the listener may have one above it. */
START_TEST(a_worker_whose_listener_is_above_its_limit_can_be_retired)
{
	pid_t pid = start(0, "above=64");
	int c = client();

	check_echo(c, "hello");
	close(c);
	retire(pid, 0);
}
END_TEST

START_TEST(a_worker_whose_listener_is_above_its_limit_does_not_outlive_its_master)
{
	struct orphan o = start_orphan((const char *const[]){ "above=64", NULL });

	kill_master(&o);
	await_leave(o.worker, 0);
}
END_TEST

Suite *worker_suite(void)
{
	Suite *s = suite_create("worker");
	TCase *t = tcase_create("worker");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, be_master, be_master_no_more);
	tcase_add_test(t, an_idle_worker_handles_one_signal_and_blocks_one);
	tcase_add_test(t, a_connection_is_recorded_when_it_starts_and_ends);
	tcase_add_test(t, a_worker_serves_one_connection_after_the_other);
	tcase_add_test(t, without_logging_there_are_no_records);
	tcase_add_test(t, without_pipes_it_serves_all_the_same);
	tcase_add_loop_test(t, a_client_of_any_family_is_known, 0, rows(families));
	tcase_add_test(t, a_record_tells_both_ends_if_asked);
	tcase_add_test(t, unless_it_is_asked_a_record_has_no_ends);
	tcase_add_test(t, a_slot_shows_since_when_and_which_connection);
	tcase_add_test(t, a_full_record_pipe_drops_and_counts_and_delays_nobody);
	tcase_add_test(t, a_listener_that_does_not_block_is_waited_for);
	tcase_add_test(t, the_master_is_woken_when_too_few_are_idle);
	tcase_add_test(t, a_master_who_asks_for_no_wake_gets_none);
	tcase_add_test(t, a_master_who_does_not_watch_is_woken_by_a_limited_worker);
	tcase_add_test(t, the_master_of_a_full_service_is_woken_when_one_is_idle_again);
	tcase_add_test(t, a_full_wake_pipe_delays_nobody);
	tcase_add_test(t, an_idle_worker_leaves_when_it_is_asked_to);
	tcase_add_test(t, a_worker_that_lost_the_swap_serves_and_leaves);
	tcase_add_test(t, a_worker_that_lost_the_swap_may_become_a_program);
	tcase_add_test(t, no_client_is_lost_while_workers_retire);
	tcase_add_test(t, a_busy_worker_that_is_to_end_takes_no_other_client);
	tcase_add_test(t, a_worker_of_an_old_generation_leaves_after_its_connection);
	tcase_add_test(t, a_worker_that_is_born_too_late_leaves_at_once);
	tcase_add_test(t, a_worker_leaves_when_it_has_served_its_share);
	tcase_add_test(t, a_worker_leaves_when_its_listener_has_ended);
	tcase_add_test(t, a_worker_without_a_listener_says_why_it_fails);
	tcase_add_test(t, a_program_has_the_connection_and_no_descriptor_of_ours);
	tcase_add_test(t, a_program_has_all_signals_at_their_defaults);
	tcase_add_test(t, a_program_has_the_variables_that_its_record_tells);
	tcase_add_loop_test(t, standard_error_is_the_connection_only_if_asked, 0, rows(errors));
	tcase_add_test(t, a_client_learns_how_many_others_it_has);
	tcase_add_test(t, a_program_that_is_not_there_is_a_failure);
	tcase_add_test(t, a_worker_ends_by_other_signals_as_any_process);
	tcase_add_test(t, an_idle_worker_does_not_outlive_its_master);
	tcase_add_test(t, a_busy_worker_lets_go_of_the_listener_and_serves_to_the_end);
	tcase_add_test(t, a_program_hears_nothing_of_the_masters_death);
	tcase_add_test(t, a_worker_whose_master_is_gone_already_leaves_at_once);
	tcase_add_loop_test(t, an_usher_answers_one_client_after_the_other, ANSWER_CLOSE, rows(refusals));
	tcase_add_test(t, an_usher_leaves_as_soon_as_the_service_is_no_longer_full);
	tcase_add_test(t, an_usher_who_comes_too_late_leaves_at_once);
	tcase_add_test(t, the_text_arrives_although_the_client_spoke_first);
	tcase_add_test(t, want_of_descriptors_is_told_once_and_its_end_too);
	tcase_add_test(t, a_worker_that_wants_descriptors_can_be_retired);
	tcase_add_test(t, a_worker_whose_listener_is_above_its_limit_can_be_retired);
	tcase_add_test(t, a_worker_whose_listener_is_above_its_limit_does_not_outlive_its_master);
	suite_add_tcase(s, t);
	return s;
}
