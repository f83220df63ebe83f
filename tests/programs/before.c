/* SPDX-License-Identifier: ISC */
/*
 * before [STAGE]: does what programs do before they ask anything of their connection, notes what came of it, then reads a line and prints
 * the notes. Under every way of launching they are to be the same. What it executes before is itself, at the next stage.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static char notes[16384];

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	size_t at = strlen(notes);
	va_list list;

	va_start(list, format);
	vsnprintf(notes + at, sizeof(notes) - at, format, list);
	va_end(list);
}

/* The number of descriptors that a child has: its standard three and the directory's own. */
static int count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void try_children(void)
{
	static char name[] = "sh", option[] = "-c", command[] = "exit $(env | grep -c 'PREFORK_BRIEF\\|preload')";
	char *const argv[] = { name, option, command, NULL };
	char text[64] = "";
	FILE *f;
	pid_t pid = vfork();

	if (pid == 0)
		_exit(3);
	note("vfork %d\n", status_of(pid));
	pid = vfork();
	if (pid == 0) {
		execv("/bin/sh", argv);
		_exit(99);
	}
	note("vfork and execute %d\n", status_of(pid));
	note("posix_spawn %d", posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ));
	note(" %d\n", status_of(pid));
	pid = fork();
	if (pid == 0)
		_exit(count_descriptors());
	note("fork %d\n", status_of(pid));
	note("system %d\n", WEXITSTATUS(system("exit 5")));
	f = popen("echo through a pipe", "r");
	note("popen %s", f && fgets(text, sizeof(text), f) ? text : "nothing\n");
	note("pclose %d\n", f ? pclose(f) : -1);
}

static int on_own_stack(void *data)
{
	*(int *)data = 17;
	return 4;
}

static void *in_thread(void *data)
{
	note("in a thread %d\n", count_descriptors() > 0);
	return data;
}

static void try_clones(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	static _Alignas(16) char stack[65536];
	static int shared;
	pthread_t thread;
	void *result = NULL;
	long pid = clone(on_own_stack, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &shared);

	note("clone with shared memory %d", status_of((pid_t)pid));
	note(" %d\n", shared);
	pid = clone(on_own_stack, stack + sizeof(stack), SIGCHLD, &shared);
	note("clone with a stack of its own %d\n", status_of((pid_t)pid));
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(count_descriptors());
	note("clone3 %d\n", status_of((pid_t)pid));
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, in_thread, &args);
		pthread_join(thread, &result);
		note("thread %d\n", result == &args);
	}
}

static volatile sig_atomic_t hits, depth, deepest, was_on_stack, ended;
static sigjmp_buf back;

static void on_signal(int sig)
{
	stack_t now;

	hits++;
	depth++;
	if (depth > deepest)
		deepest = depth;
	sigaltstack(NULL, &now);
	was_on_stack = (now.ss_flags & SS_ONSTACK) != 0;
	if (sig == SIGUSR2 && hits < 3)
		raise(SIGUSR2);
	depth--;
}

static void jump(int sig)
{
	siglongjmp(back, sig);
}

static void at_end(int sig)
{
	ended = sig;
}

static void act(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(sig, &action, NULL);
}

static void forget(void)
{
	hits = depth = deepest = was_on_stack = 0;
}

static void try_handlers(void)
{
	static char memory[65536];
	const stack_t other = { .ss_sp = memory, .ss_size = sizeof(memory) }, none = { .ss_flags = SS_DISABLE };
	struct sigaction now;
	int jumped;

	note("sigaltstack %d\n", sigaltstack(&other, NULL));
	act(SIGUSR1, on_signal, SA_ONSTACK);
	raise(SIGUSR1);
	note("on the other stack: hits %d, on it %d\n", hits, was_on_stack);
	forget();
	act(SIGUSR2, on_signal, SA_NODEFER);
	raise(SIGUSR2);
	note("not deferred: hits %d, deepest %d, on it %d\n", hits, deepest, was_on_stack);
	forget();
	act(SIGUSR2, on_signal, 0);
	raise(SIGUSR2);
	note("deferred: hits %d, deepest %d\n", hits, deepest);
	forget();
	act(SIGUSR1, on_signal, (int)SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &now);
	note("reset: hits %d, default %d\n", hits, now.sa_handler == SIG_DFL);
	act(SIGUSR1, jump, SA_ONSTACK);
	jumped = sigsetjmp(back, 1);
	if (jumped == 0)
		raise(SIGUSR1);
	note("jumped %d\n", jumped);
	sigaltstack(&none, NULL);
	act(SIGUSR1, SIG_DFL, 0);
	act(SIGUSR2, SIG_DFL, 0);
}

static void note_mask(const char *what)
{
	sigset_t now;

	sigprocmask(SIG_SETMASK, NULL, &now);
	note("%s:", what);
	for (int sig = 1; sig < 32; sig++)
		if (sigismember(&now, sig) == 1)
			note(" %d", sig);
	note("\n");
}

static void try_masks(void)
{
	struct sigaction action = { .sa_handler = on_signal }, now;
	sigset_t all, some, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	note_mask("all blocked");
	sigemptyset(&some);
	sigaddset(&some, SIGSYS);
	sigprocmask(SIG_UNBLOCK, &some, NULL);
	note_mask("all but one");
	sigprocmask(SIG_BLOCK, &some, NULL);
	note_mask("all again");
	sigprocmask(SIG_SETMASK, &before, NULL);
	note_mask("none");
	note("what is no way to block %d\n", sigprocmask(77, &some, NULL) < 0 ? errno : 0);
	sigfillset(&action.sa_mask);
	sigaction(SIGSYS, &action, &now);
	note("SIGSYS was default %d\n", now.sa_handler == SIG_DFL);
	sigaction(SIGSYS, NULL, &now);
	note("SIGSYS is ours %d, masks %d\n", now.sa_handler == on_signal, sigismember(&now.sa_mask, SIGSYS));
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR1, NULL, &now);
	note("SIGUSR1 masks SIGSYS %d\n", sigismember(&now.sa_mask, SIGSYS));
}

static void try_timers(void)
{
	const struct itimerval soon = { .it_value.tv_usec = 1000 };
	const struct timespec moment = { .tv_nsec = 20000000 };
	sigset_t blocked, none;
	fd_set set;
	int fds[2], result;

	act(SIGALRM, at_end, 0);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	for (int way = 0; way < 4; way++) {
		ended = 0;
		if (pipe(fds) < 0)
			exit(99);
		FD_ZERO(&set);
		FD_SET(fds[0], &set);
		setitimer(ITIMER_REAL, &soon, NULL);
		errno = 0;
		result = way == 0 ? sigsuspend(&none) :
		         way == 1 ? ppoll(&(struct pollfd){ fds[0], POLLIN, 0 }, 1, NULL, &none) :
		         way == 2 ? pselect(fds[0] + 1, &set, NULL, NULL, NULL, &none) :
		                    sigwaitinfo(&blocked, NULL);
		note("wait %d: %d, errno %d, ended %d\n", way, result, result < 0 ? errno : 0, ended);
		close(fds[0]);
		close(fds[1]);
	}
	note_mask("after waits");
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	for (int flags = 0; flags <= (int)SA_RESTART; flags += (int)SA_RESTART) {
		ended = 0;
		act(SIGALRM, at_end, flags);
		setitimer(ITIMER_REAL, &soon, NULL);
		do
			result = nanosleep(&moment, NULL);
		while (!ended);
		note("nanosleep interrupted, ended %d\n", ended);
	}
	act(SIGALRM, SIG_DFL, 0);
}

static void try_descriptors(void)
{
	int fd = open("/dev/null", O_RDONLY);

	note("the first that is free %d\n", fd);
	note("a high one %d\n", dup2(fd, 200));
	note("a higher one %d\n", fcntl(fd, F_DUPFD, 300));
	note("they are there: %d\n", count_descriptors());
	note("close_range %d\n", close_range(3, ~0U, 0));
	note("nothing is there: %d\n", count_descriptors());
	fd = open("/dev/null", O_RDONLY);
	note("again the first %d\n", fd);
	for (int i = 3; i < 1024; i++)
		close(i);
	note("nothing is there: %d\n", count_descriptors());
	note("a close of what is not there %d\n", close(fd) < 0 ? errno : 0);
}

static void try_attributes(void)
{
	int sig = -1;

	prctl(PR_SET_PDEATHSIG, SIGHUP);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "another");
	umask(077);
	prctl(PR_GET_PDEATHSIG, &sig);
	note("tells of the parent's death %d\n", sig);
}

/* What was set before the line was read holds afterwards. */
static void look_back(void)
{
	struct sigaction now;
	char name[32] = "";
	int sig = -1, reaper = -1;

	sigaction(SIGSYS, NULL, &now);
	note("afterwards: SIGSYS is ours %d, masks %d\n", now.sa_handler == on_signal, sigismember(&now.sa_mask, SIGSYS));
	sigaction(SIGUSR1, NULL, &now);
	note("afterwards: SIGUSR1 is ours %d, masks SIGSYS %d\n", now.sa_handler == on_signal, sigismember(&now.sa_mask, SIGSYS));
	note_mask("afterwards blocked");
	prctl(PR_GET_PDEATHSIG, &sig);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	prctl(PR_GET_NAME, name);
	note("afterwards: death %d, subreaper %d, name %s, umask %o\n", sig, reaper, name, umask(0));
	forget();
	raise(SIGSYS);
	note("afterwards: SIGSYS hits %d\n", hits);
	note("afterwards open: %d\n", count_descriptors());
	try_children();
}

static void answer(void)
{
	char line[64] = "";
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	look_back();
	printf("%s%s", n > 0 ? line : "nothing\n", notes);
}

static void block_two(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigdelset(&set, SIGSYS);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char *argv[])
{
	if (argc > 1) {
		execlp("no-such-program-here", "x", (char *)NULL);
		execlp("nice", "nice", "sh", "-c", "exec env BETWEEN=yes \"$0\"", argv[0], (char *)NULL);
		return 99;
	}
	note("between %s\n", getenv("BETWEEN") ? getenv("BETWEEN") : "no");
	try_children();
	try_clones();
	try_handlers();
	try_timers();
	try_descriptors();
	try_masks();
	try_attributes();
	block_two();
	answer();
	return 0;
}
