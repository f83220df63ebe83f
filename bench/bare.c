/* SPDX-License-Identifier: ISC */
/*
 * What the kernel alone costs: the same work in loops that do nothing else. No logs, no limits, no errors handled.
 *
 * bare [-u UID:GID] echo WORKERS     so many processes, each: accept, read, write, close
 * bare [-u UID:GID] exec PROGRAM...  one process: accept, vfork, exec
 * bare [-u UID:GID] fork WORKERS     one process keeps so many others, each: accept, write a line, exit
 * bare port                          a port that is free, for those who cannot ask for one
 *
 * The first line of output is the port.
 */
#include "config.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 100
#define EXIT_TROUBLE 111

extern char **environ;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bare: cannot %s: %s\n", what, strerror(errno));
	exit(EXIT_TROUBLE);
}

static _Noreturn void usage(void)
{
	fputs("usage: bare [-u UID:GID] echo|fork WORKERS | exec PROGRAM [ARG...] | port\n", stderr);
	exit(EXIT_USAGE);
}

static void print_port(int fd)
{
	struct sockaddr_in name;
	socklen_t length = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		die("ask for the port");
	printf("%d\n", ntohs(name.sin_port));
	fflush(stdout);
}

static int bind_somewhere(void)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		die("bind");
	return fd;
}

static void become(const char *who)
{
	char *end;
	uid_t user = (uid_t)strtoul(who, &end, 10);
	gid_t group = *end == ':' ? (gid_t)strtoul(end + 1, &end, 10) : (gid_t)-1;

	if (*end != '\0' || group == (gid_t)-1)
		usage();
	if (setgroups(0, NULL) < 0 || setgid(group) < 0 || setuid(user) < 0)
		die("change the user");
}

static _Noreturn void serve(int listener)
{
	char data[16384];
	ssize_t n;

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		while ((n = recv(fd, data, sizeof(data), 0)) > 0)
			if (send(fd, data, (size_t)n, MSG_NOSIGNAL) < 0)
				break;
		close(fd);
	}
}

/* When the parent is ended, so is this process. */
static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
}

/* The parent does no work. */
static _Noreturn void echo(int listener, int workers)
{
	pid_t parent = getpid();

	for (int i = 0; i < workers; i++) {
		switch (fork()) {
		case -1:
			die("fork");
		case 0:
			end_with(parent);
			serve(listener);
		default:
			break;
		}
	}
	for (;;)
		pause();
}

/* Those who have ended are waited for, and what they used is counted as this process's, when the next client comes. */
static _Noreturn void execute(int listener, char *program[])
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (vfork() == 0) {
			dup2(fd, STDIN_FILENO);
			dup2(fd, STDOUT_FILENO);
			execve(program[0], program, environ);
			_exit(EXIT_TROUBLE);
		}
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static _Noreturn void serve_one(int listener)
{
	static const char line[] = "hello\n";
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	_exit(fd >= 0 && write(fd, line, sizeof(line) - 1) > 0 ? 0 : EXIT_TROUBLE);
}

static _Noreturn void keep_forking(int listener, int workers)
{
	pid_t parent = getpid();

	for (;; workers++) {
		while (workers-- > 0)
			switch (fork()) {
			case 0:
				end_with(parent);
				serve_one(listener);
			case -1:
				die("fork");
			default:
				break;
			}
		workers = 0;
		waitpid(-1, NULL, 0);
	}
}

int main(int argc, char *argv[])
{
	int listener = bind_somewhere(), option, workers;

	while ((option = getopt(argc, argv, "+u:")) != -1) {
		if (option != 'u')
			usage();
		become(optarg);
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
		usage();
	print_port(listener);
	if (strcmp(argv[0], "port") == 0)
		return 0;
	if (argc < 2 || listen(listener, 4096) < 0)
		usage();
	if (strcmp(argv[0], "exec") == 0)
		execute(listener, argv + 1);
	workers = atoi(argv[1]);
	if (workers < 1)
		usage();
	if (strcmp(argv[0], "echo") == 0)
		echo(listener, workers);
	if (strcmp(argv[0], "fork") != 0)
		usage();
	keep_forking(listener, workers);
}
