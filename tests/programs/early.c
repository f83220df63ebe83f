/* SPDX-License-Identifier: ISC */
/*
 * early WHAT [ARG]: does something before it asks anything of its connection, then reads a line and answers with WHAT, the line, its
 * parent's pid and its own.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *argument;
static pid_t child;

static void must(long result)
{
	if (result < 0) {
		perror("early");
		exit(99);
	}
}

static void *sleep_on(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void make_thread(void)
{
	pthread_t thread;

	must(-pthread_create(&thread, NULL, sleep_on, NULL));
}

static void make_child(void)
{
	child = fork();
	must(child);
	if (child == 0)
		sleep_on(NULL);
}

static void make_epoll(void)
{
	must(epoll_create1(0));
}

static void make_pipe(void)
{
	int fds[2];

	must(pipe(fds));
}

static void make_socket(void)
{
	must(socket(AF_INET, SOCK_DGRAM, 0));
}

static void make_timerfd(void)
{
	must(timerfd_create(CLOCK_MONOTONIC, 0));
}

static void make_eventfd(void)
{
	must(eventfd(0, 0));
}

static void set_interval(void)
{
	const struct itimerval hour = { .it_value.tv_sec = 3600 };

	must(setitimer(ITIMER_REAL, &hour, NULL));
}

static void set_timer(void)
{
	const struct itimerspec hour = { .it_value.tv_sec = 3600 };
	timer_t timer;

	must(timer_create(CLOCK_MONOTONIC, NULL, &timer));
	must(timer_settime(timer, 0, &hour, NULL));
}

static void lock_record(void)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(argument, O_RDONLY);

	must(fd);
	must(fcntl(fd, F_SETLK, &lock));
}

static void open_temporary(void)
{
	must(open(argument, O_RDWR | O_TMPFILE, 0600));
}

static void share_memory(void)
{
	must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
}

static void leave_pending(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	must(raise(SIGUSR1));
}

static void greet(void)
{
	must(write(STDOUT_FILENO, "welcome\n", 8));
}

static void leave(void)
{
	exit(7);
}

static void hang(void)
{
	sleep_on(NULL);
}

static void filter(void)
{
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	syscall(SYS_seccomp, 1, 0, NULL); /* without a filter it fails, but is tried */
}

/* Two numbers of one file: what is read by one moves the other. */
static void read_twice(void)
{
	int fd = open(argument, O_RDONLY);

	must(fd);
	must(dup(fd));
}

static void execute(void)
{
	must(execl(argument, argument, "nothing", (char *)NULL));
}

static void nothing(void)
{
}

static const struct {
	const char *what;
	void (*act)(void);
} acts[] = {
	{ "nothing", nothing },        { "thread", make_thread },         { "child", make_child },       { "epoll", make_epoll },
	{ "pipe", make_pipe },         { "socket", make_socket },         { "timerfd", make_timerfd },   { "eventfd", make_eventfd },
	{ "interval", set_interval },  { "timer", set_timer },            { "lock", lock_record },       { "temporary", open_temporary },
	{ "memory", share_memory },    { "pending", leave_pending },      { "greeting", greet },         { "exit", leave },
	{ "hang", hang },              { "filter", filter },              { "twice", read_twice },       { "execute", execute },
	{ "crash", nothing },
};

static void answer(const char *what)
{
	char line[256] = "", from[2][64] = { "", "" };

	must(fgets(line, sizeof(line), stdin) ? 0 : -1);
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(what, "crash") == 0 && strcmp(line, "crash") == 0)
		abort();
	printf("%s %s %d %d\n", what, line, (int)getppid(), (int)getpid());
	if (strcmp(what, "twice") == 0) {
		must(read(3, from[0], 4));
		must(read(4, from[1], 4));
		printf("%s %s\n", from[0], from[1]);
	}
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	must(fflush(stdout));
}

int main(int argc, char *argv[])
{
	argument = argc > 2 ? argv[2] : "";
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (argc > 1 && strcmp(acts[i].what, argv[1]) == 0) {
			acts[i].act();
			answer(argv[1]);
			return 0;
		}
	return 100;
}
