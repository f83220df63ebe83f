/* SPDX-License-Identifier: ISC */
/* Reports everything that a program finds when it is started: one fact a line, in a fixed order. "probe ask" reads to the end first. */
#define _GNU_SOURCE
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void print_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	struct stat zero, one;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(dir))
			printf("fd %d %s\n", fd, fcntl(fd, F_GETFL) & O_NONBLOCK ? "nonblocking" : "blocking");
	}
	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &zero) == 0)
			printf("kind %d %o flags %x %x\n", fd, zero.st_mode & S_IFMT, (unsigned)fcntl(fd, F_GETFL), (unsigned)fcntl(fd, F_GETFD));
	if (dir)
		closedir(dir);
	if (fstat(0, &zero) == 0 && fstat(1, &one) == 0)
		printf("stdin %s, %s stdout\n", S_ISSOCK(zero.st_mode) ? "socket" : "no socket",
		       zero.st_ino == one.st_ino ? "the same as" : "not");
	if (fstat(2, &one) == 0)
		printf("stderr %s\n", one.st_ino == zero.st_ino ? "the connection" : S_ISCHR(one.st_mode) ? "a device" : "elsewhere");
}

static void print_signals(void)
{
	sigset_t set;

	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction action;

		if (sigismember(&set, sig) == 1)
			printf("blocked %d\n", sig);
		if (sigaction(sig, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			printf("not default %d\n", sig);
	}
	sigpending(&set);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&set, sig) == 1)
			printf("pending %d\n", sig);
}

static void print_process(void)
{
	char path[4096];
	mode_t mask = umask(0);
	int death = 0, tty;

	printf("session %s\n", getsid(0) == getpid() ? "own" : "not own");
	printf("group %s\n", getpgrp() == getpid() ? "own" : "not own");
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	printf("terminal %s\n", tty >= 0 ? "yes" : "none");
	printf("umask %03o\n", (unsigned)mask);
	printf("directory %s\n", getcwd(path, sizeof(path)) ? path : "unknown");
	printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
	prctl(PR_GET_PDEATHSIG, &death);
	printf("parent-death %d\n", death);
	printf("no-new-privileges %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* What the kernel keeps for a process that is seldom looked at. */
static void print_oddities(void)
{
	struct itimerval timer;
	stack_t stack;
	char text[4096] = "";
	ssize_t n = readlink("/proc/self/exe", text, sizeof(text) - 1);
	int flag = 0;

	printf("executable %s\n", n > 0 ? text : "unknown");
	prctl(PR_GET_NAME, text);
	printf("name %s\n", text);
	printf("dumpable %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	printf("timer-slack %d\n", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	printf("keeps-capabilities %d\n", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
	printf("secure-bits %d\n", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	prctl(PR_GET_CHILD_SUBREAPER, &flag);
	printf("subreaper %d\n", flag);
	printf("personality %x\n", (unsigned)personality(0xffffffff));
	sigaltstack(NULL, &stack);
	printf("alternate stack %s\n", stack.ss_flags & SS_DISABLE ? "none" : "yes");
	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++)
		if (getitimer((__itimer_which_t)which, &timer) == 0 && (timer.it_value.tv_sec || timer.it_value.tv_usec))
			printf("timer %d runs\n", which);
	printf("children %s\n", waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? "none" : "some");
	printf("leads its group: %s\n", setsid() < 0 && errno == EPERM ? "yes" : "no");
}

/* Also what was there and is hidden. */
static void print_given_environment(void)
{
	FILE *f = fopen("/proc/self/environ", "re");
	int c, at = 0;

	printf("preloaded");
	while (f && (c = getc(f)) != EOF) {
		at = c == "preload.so"[at] ? at + 1 : c == 'p';
		if (at == 10) {
			printf(" something");
			at = 0;
		}
	}
	puts("");
	if (f)
		fclose(f);
}

static void print_user(void)
{
	gid_t groups[256];
	uid_t r, e, s;
	int n = getgroups(256, groups);

	getresuid(&r, &e, &s);
	printf("uid %u %u %u\n", r, e, s);
	getresgid(&r, &e, &s);
	printf("gid %u %u %u\n", r, e, s);
	printf("groups");
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	puts("");
}

/* CapEff and the like, and the oom score, only the kernel's files tell. */
static void print_lines(const char *path, const char *prefix, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, prefix, strlen(prefix)) == 0)
			printf("%s%s", name, line);
	if (f)
		fclose(f);
}

static void print_limits(void)
{
	static const struct {
		const char *name;
		int resource;
	} list[] = {
		{ "nofile", RLIMIT_NOFILE }, { "core", RLIMIT_CORE },   { "cpu", RLIMIT_CPU },     { "as", RLIMIT_AS },           { "data", RLIMIT_DATA },
		{ "stack", RLIMIT_STACK },   { "fsize", RLIMIT_FSIZE }, { "nproc", RLIMIT_NPROC }, { "memlock", RLIMIT_MEMLOCK },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct rlimit l;

		getrlimit((__rlimit_resource_t)list[i].resource, &l);
		printf("limit %s %lld %lld\n", list[i].name, (long long)l.rlim_cur, (long long)l.rlim_max);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_environment(void)
{
	size_t n = 0;

	while (environ[n])
		n++;
	qsort(environ, n, sizeof(*environ), by_text);
	for (size_t i = 0; i < n; i++)
		printf("env %s\n", environ[i]);
}

/* Of the connection. */
static void print_options(void)
{
	static const struct {
		const char *name;
		int level, option;
	} list[] = {
		{ "nodelay", IPPROTO_TCP, TCP_NODELAY },
		{ "keepalive", SOL_SOCKET, SO_KEEPALIVE },
		{ "keepalive-idle", IPPROTO_TCP, TCP_KEEPIDLE },
		{ "keepalive-interval", IPPROTO_TCP, TCP_KEEPINTVL },
		{ "keepalive-count", IPPROTO_TCP, TCP_KEEPCNT },
		{ "send-buffer", SOL_SOCKET, SO_SNDBUF },
		{ "receive-buffer", SOL_SOCKET, SO_RCVBUF },
		{ "tos", IPPROTO_IP, IP_TOS },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		int value;
		socklen_t length = sizeof(value);

		if (getsockopt(0, list[i].level, list[i].option, &value, &length) == 0)
			printf("option %s %d\n", list[i].name, value);
	}
}

int main(int argc, char *argv[])
{
	char unused[256];

	while (argc > 1 && strcmp(argv[1], "ask") == 0 && read(STDIN_FILENO, unused, sizeof(unused)) > 0)
		;
	for (int i = 0; i < argc; i++)
		printf("argv %d %s\n", i, argv[i]);
	print_descriptors();
	print_signals();
	print_process();
	print_oddities();
	print_given_environment();
	print_user();
	print_lines("/proc/self/status", "Cap", "");
	print_lines("/proc/self/status", "Threads", "");
	print_lines("/proc/self/status", "Seccomp", "");
	print_lines("/proc/self/status", "Cpus_allowed", "");
	print_lines("/proc/self/status", "PPid", "");
	print_lines("/proc/self/oom_score_adj", "", "oom ");
	print_limits();
	print_environment();
	print_options();
	return fflush(stdout) != 0;
}
