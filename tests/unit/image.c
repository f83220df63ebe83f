/* SPDX-License-Identifier: ISC */
/*
 * A process image that preforkd never was: it has the worker's path (libpath) and nothing else of it, and is told all that a
 * worker must know in words NAME=NUMBER. Behind "--" comes the program that it becomes; without one it echoes.
 */
#include "kernel.h"
#include "worker.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define BAD_USAGE 99

static char **words;

static int number(const char *name, int otherwise)
{
	size_t length = strlen(name);

	for (char **at = words; *at && strcmp(*at, "--") != 0; at++)
		if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
			return atoi(*at + length + 1);
	return otherwise;
}

static int descriptor(const char *name)
{
	int fd = number(name, -1);

	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static void map_board(struct worker *w)
{
	int fd = number("board", -1);
	uint32_t slots = (uint32_t)number("slots", 1);
	void *memory = mmap(NULL, board_size(slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		exit(BAD_USAGE);
	close(fd);
	board_attach(&w->board, memory, slots);
}

/* From now on there are so many descriptors, beginning with the lowest that is free above the listener. */
static void limit_descriptors(const struct worker *w, int room)
{
	struct rlimit limit;
	int next = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

	while (next < w->listener)
		next = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	close(next);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)(next + room);
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* As in a master that has many listeners and a service that may have few descriptors. */
static void move_listener(struct worker *w, int above)
{
	struct rlimit limit;

	w->listener = fcntl(w->listener, F_DUPFD_CLOEXEC, above);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)above;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void become(struct worker *w, char *program[])
{
	struct variables v;
	int error;

	variables_fill(&v, &w->connection, w->sets);
	error = worker_hand_over(w);
	if (error < 0)
		worker_fail(w, STEP_DESCRIPTORS, -error);
	worker_fail(w, STEP_EXEC, -kernel_execve(program[0], program, v.list));
}

static void echo(const struct worker *w)
{
	char data[4096];
	ssize_t n;

	while ((n = kernel_receive(w->connection.fd, data, sizeof(data), 0)) > 0 || n == -EINTR)
		if (n > 0)
			kernel_send(w->connection.fd, data, (size_t)n, MSG_NOSIGNAL);
}

int main(int argc, char *argv[])
{
	static char text[] = "busy, come back later\n";
	struct answer answer = { (enum answer_kind)0, text, sizeof(text) - 1 };
	struct worker w = { 0 };
	char **program = NULL;

	(void)argc;
	words = argv;
	for (char **at = argv; *at; at++)
		if (strcmp(*at, "--") == 0) {
			program = at + 1;
			break;
		}
	w.listener = descriptor("listener");
	w.devnull = descriptor("devnull");
	w.record = descriptor("record");
	w.wake = descriptor("wake");
	w.lookup = descriptor("lookup");
	w.lookup_timeout = number("lookup-timeout", 0);
	w.master = number("master", 0);
	w.slot = (uint32_t)number("slot", 0);
	w.generation = (uint32_t)number("generation", 0);
	w.limit = (uint32_t)number("limit", 0);
	w.log = number("log", 1);
	w.limited = number("limited", 0);
	w.flow = number("flow", 0);
	w.sets = (unsigned)number("sets", VARIABLES_ALL);
	w.stderr_to = (enum stderr_to)number("stderr", STDERR_LOG);
	answer.kind = (enum answer_kind)number("refuse", 0);
	w.usher = answer.kind != ANSWER_QUEUE;
	w.answers[REFUSED_FULL] = &answer;
	map_board(&w);
	if (number("room", -1) >= 0)
		limit_descriptors(&w, number("room", 0));
	if (number("above", 0))
		move_listener(&w, number("above", 0));

	if (!worker_enter(&w))
		worker_leave(&w);
	while (worker_accept(&w)) {
		if (worker_admit(&w)) {
			if (program)
				become(&w, program);
			echo(&w);
		}
		if (!worker_finish(&w))
			break;
	}
	worker_leave(&w);
}
