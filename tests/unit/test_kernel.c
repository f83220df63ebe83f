/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "kernel.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

START_TEST(a_failure_is_a_negative_errno_and_errno_is_left_alone)
{
	struct timespec none = { 0, 0 };
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);
	char word[] = "program", *argv[] = { word, NULL }, *envp[] = { NULL };
	int value = 0;

	errno = EDOM;
	ck_assert_int_eq(kernel_close(-1), -EBADF);
	ck_assert_int_eq(kernel_dup3(0, 0, 0), -EINVAL);
	ck_assert_int_eq(kernel_write(-1, "", 1), -EBADF);
	ck_assert_int_eq(kernel_send(-1, "", 1, 0), -EBADF);
	ck_assert_int_eq(kernel_receive(-1, word, sizeof(word), 0), -EBADF);
	ck_assert_int_eq(kernel_shutdown(-1, SHUT_RD), -EBADF);
	ck_assert_int_eq(kernel_accept(-1, NULL, NULL), -EBADF);
	ck_assert_int_eq(kernel_getsockname(-1, (struct sockaddr *)&name, &length), -EBADF);
	ck_assert_int_eq(kernel_getsockopt(-1, 0, 0, &value, &length), -EBADF);
	ck_assert_int_eq(kernel_setsockopt(-1, 0, 0, &value, sizeof(value)), -EBADF);
	ck_assert_int_eq(kernel_poll(NULL, 0, &none), 0);
	ck_assert_int_eq(kernel_execve("/no/such/program", argv, envp), -ENOENT);
	ck_assert_int_eq(errno, EDOM);
}
END_TEST

START_TEST(the_process_knows_itself_and_its_parent)
{
	ck_assert_int_eq(kernel_getpid(), getpid());
	ck_assert_int_eq(kernel_getppid(), getppid());
}
END_TEST

START_TEST(what_is_written_arrives)
{
	char text[8] = "";
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	ck_assert_int_eq(kernel_write(fd[1], "news", 4), 4);
	ck_assert_int_eq(read(fd[0], text, sizeof(text)), 4);
	ck_assert_str_eq(text, "news");
	ck_assert_int_eq(kernel_close(fd[0]), 0);
	ck_assert_int_eq(kernel_close(fd[1]), 0);
}
END_TEST

START_TEST(the_other_calls_reach_the_kernel_with_their_arguments)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);
	int fd[2], value = 0, copy;
	char text[4];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	ck_assert_int_eq(kernel_getsockname(fd[0], (struct sockaddr *)&name, &length), 0);
	ck_assert_int_eq(name.ss_family, AF_UNIX);
	value = 1;
	ck_assert_int_eq(kernel_setsockopt(fd[0], SOL_SOCKET, SO_PASSCRED, &value, sizeof(value)), 0);
	value = 0;
	length = sizeof(value);
	ck_assert_int_eq(kernel_getsockopt(fd[0], SOL_SOCKET, SO_PASSCRED, &value, &length), 0);
	ck_assert_int_eq(value, 1);
	ck_assert_int_eq(kernel_receive(fd[0], text, sizeof(text), MSG_DONTWAIT), -EAGAIN);
	ck_assert_int_eq(kernel_send(fd[1], "abc", 3, MSG_NOSIGNAL), 3);
	ck_assert_int_eq(kernel_poll(&(struct pollfd){ .fd = fd[0], .events = POLLIN }, 1, NULL), 1);
	ck_assert_int_eq(kernel_receive(fd[0], text, sizeof(text), MSG_DONTWAIT), 3);
	ck_assert_int_eq(kernel_shutdown(fd[1], SHUT_WR), 0);
	ck_assert_int_eq(kernel_receive(fd[0], text, sizeof(text), 0), 0);
	copy = kernel_dup3(fd[0], 100, O_CLOEXEC);
	ck_assert_int_eq(copy, 100);
	ck_assert_int_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(kernel_prctl(PR_SET_DUMPABLE, 0), 0);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
}
END_TEST

static volatile sig_atomic_t handled;

static void note(int sig)
{
	handled = sig;
}

START_TEST(a_handler_is_called_and_returns)
{
	struct sigaction now;

	handled = 0;
	ck_assert_int_eq(kernel_handle(SIGURG, note), 0);
	ck_assert_int_eq(sigaction(SIGURG, NULL, &now), 0);
	ck_assert(now.sa_flags & SA_RESTART);
	ck_assert(((unsigned)now.sa_flags & SA_RESETHAND) == 0);
	for (int i = 0; i < 3; i++) {
		handled = 0;
		raise(SIGURG);
		ck_assert_int_eq(handled, SIGURG);
	}
	ck_assert_int_eq(kernel_handle(SIGURG, SIG_DFL), 0);
	ck_assert_int_eq(sigaction(SIGURG, NULL, &now), 0);
	ck_assert_ptr_eq(now.sa_handler, SIG_DFL);
	ck_assert_int_eq(kernel_handle(SIGKILL, note), -EINVAL);
}
END_TEST

START_TEST(signals_are_blocked_taken_and_waited_for)
{
	kernel_sigset set = KERNEL_SIGBIT(SIGURG);
	sigset_t now;

	handled = 0;
	kernel_handle(SIGURG, note);
	ck_assert_int_eq(kernel_sigmask(SIG_SETMASK, set | KERNEL_SIGBIT(SIGPIPE)), 0);
	sigprocmask(SIG_SETMASK, NULL, &now);
	for (int sig = 1; sig <= 31; sig++)
		ck_assert_msg(sigismember(&now, sig) == (sig == SIGURG || sig == SIGPIPE), "signal %d", sig);
	ck_assert_int_eq(kernel_sigtake(set), -EAGAIN);
	raise(SIGURG);
	ck_assert_int_eq(kernel_sigtake(set), SIGURG);
	ck_assert_int_eq(kernel_sigtake(set), -EAGAIN);
	ck_assert_int_eq(handled, 0);
	raise(SIGURG);
	kernel_sigsuspend(~set);
	ck_assert_int_eq(handled, SIGURG);
	ck_assert_int_eq(kernel_sigmask(SIG_SETMASK, 0), 0);
}
END_TEST

/* The C library keeps 32 and 33 for itself, valgrind the last. */
START_TEST(signals_above_31_have_their_bits_too)
{
	kernel_sigset set = KERNEL_SIGBIT(62);

	ck_assert_int_eq(kernel_sigmask(SIG_BLOCK, set), 0);
	ck_assert_int_eq(raise(62), 0);
	ck_assert_int_eq(kernel_sigtake(KERNEL_SIGBIT(61)), -EAGAIN);
	ck_assert_int_eq(kernel_sigtake(set), 62);
	ck_assert_int_eq(kernel_sigmask(SIG_UNBLOCK, set), 0);
	ck_assert(KERNEL_SIGBIT(64) == 1ULL << 63);
	ck_assert(KERNEL_SIGALL == UINT64_MAX);
}
END_TEST

START_TEST(the_clock_is_the_monotonic_one_in_milliseconds)
{
	struct timespec before, after;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &before);
	now = kernel_now();
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_uint_ge(now, (uint64_t)before.tv_sec * 1000 + (uint64_t)before.tv_nsec / 1000000);
	ck_assert_uint_le(now, (uint64_t)after.tv_sec * 1000 + (uint64_t)after.tv_nsec / 1000000);
}
END_TEST

START_TEST(exit_ends_the_process_with_its_status)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		kernel_exit(111);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 111);
}
END_TEST

START_TEST(execve_becomes_the_program)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "exit $STATUS" }, NULL };
	char *envp[] = { (char[]){ "STATUS=7" }, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		kernel_execve("/bin/sh", argv, envp);
		_exit(99);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

Suite *kernel_suite(void)
{
	Suite *s = suite_create("kernel");
	TCase *t = tcase_create("kernel");

	tcase_add_test(t, a_failure_is_a_negative_errno_and_errno_is_left_alone);
	tcase_add_test(t, the_process_knows_itself_and_its_parent);
	tcase_add_test(t, what_is_written_arrives);
	tcase_add_test(t, the_other_calls_reach_the_kernel_with_their_arguments);
	tcase_add_test(t, a_handler_is_called_and_returns);
	tcase_add_test(t, signals_are_blocked_taken_and_waited_for);
	tcase_add_test(t, signals_above_31_have_their_bits_too);
	tcase_add_test(t, the_clock_is_the_monotonic_one_in_milliseconds);
	tcase_add_test(t, exit_ends_the_process_with_its_status);
	tcase_add_test(t, execve_becomes_the_program);
	suite_add_tcase(s, t);
	return s;
}
