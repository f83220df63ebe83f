/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "process.h"
#include "master.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* open(2) takes the lowest free number, so this fills 0, 1 and 2 from below. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		_exit(EXIT_TROUBLE);
	close(fd);
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		fcntl(fd, F_SETFD, 0);
}

static void on_pipe(int sig)
{
	(void)sig;
}

/*
 * Ignoring a signal takes away one that was left pending, which would end the daemon as soon as it is no longer blocked. SIGPIPE
 * gets a handler, not SIG_IGN: an ignored signal would stay ignored in every program. What is asked of a daemon that runs must not
 * end one that is about to.
 */
static void reset_signals(void)
{
	sigset_t early;

	for (int sig = 1; sig < NSIG; sig++) {
		signal(sig, SIG_IGN);
		signal(sig, SIG_DFL);
	}
	signal(SIGPIPE, on_pipe);
	sigemptyset(&early);
	sigaddset(&early, SIGHUP);
	sigaddset(&early, SIGUSR1);
	sigaddset(&early, SIGUSR2);
	sigprocmask(SIG_SETMASK, &early, NULL);
}

void process_sanitize(void)
{
	open_standard_descriptors();
	reset_signals();
	umask(022);
}

_Noreturn static void wait_for_child(pid_t pid, int fd)
{
	char ready;
	int status;

	if (read(fd, &ready, 1) == 1)
		_exit(EXIT_FINE);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_TROUBLE);
}

int process_detach(void)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	switch (pid) {
	case -1: /* nothing has changed */
		close(fd[0]);
		close(fd[1]);
		return -1;
	case 0: /* the daemon */
		close(fd[0]);
		setsid();
		return fd[1];
	default: /* whoever started it waits to hear whether it came up */
		close(fd[1]);
		wait_for_child(pid, fd[0]);
	}
}

void process_trim(void)
{
#ifdef HAVE_MALLOC_TRIM
	malloc_trim(0);
#endif
}

void process_close_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDOUT_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

void process_release_parent(int fd)
{
	if (fd < 0)
		return;
	(void)!chdir("/");
	(void)!write(fd, "", 1); /* the parent may have been killed */
	close(fd);
}
