/* SPDX-License-Identifier: ISC */
/* dirty COMMAND [ARG]...: executes a command as a careless parent would: signals ignored and blocked, descriptors left open, odd limits. */
#define _GNU_SOURCE
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	struct rlimit files = { .rlim_cur = 500, .rlim_max = 2000 };
	sigset_t all;

	if (argc < 2)
		return 100;
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, sig == SIGUSR2 ? SIG_DFL : SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	raise(SIGUSR2); /* blocked: stays pending over execve */
	for (int i = 0; i < 20; i++)
		if (open("/etc/passwd", O_RDONLY | (i % 2 ? O_NONBLOCK : 0)) < 0)
			return 111;
	setrlimit(RLIMIT_NOFILE, &files);
	prctl(PR_SET_PDEATHSIG, SIGHUP);
	umask(0);
	setenv("TCPREMOTEIP", "192.0.2.66", 1);
	setenv("REMOTE_HOST", "evil", 1);
	setenv("LD_PRELOAD_NOT", "x", 1);
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 111;
}
