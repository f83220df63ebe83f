/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "../../src/preload/touch.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/sched.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

#ifdef __x86_64__ /* others do not have these calls by the same names, and do not look at calls */

static enum touch touch(long number, long a, long b, long c, long d, bool error_is_socket)
{
	return touch_of(number, (const long[6]){ a, b, c, d, 0, 0 }, error_is_socket);
}

/* Calls whose first argument is the descriptor and decides alone. */
static const struct {
	long number, second, third;
	enum touch touch;
} firsts[] = {
	{ SYS_read, 0, 0, TOUCH_ASKS },
	{ SYS_readv, 0, 0, TOUCH_ASKS },
	{ SYS_pread64, 0, 0, TOUCH_ASKS },
	{ SYS_preadv, 0, 0, TOUCH_ASKS },
	{ SYS_preadv2, 0, 0, TOUCH_ASKS },
	{ SYS_recvfrom, 0, 0, TOUCH_ASKS },
	{ SYS_recvmsg, 0, 0, TOUCH_ASKS },
	{ SYS_recvmmsg, 0, 0, TOUCH_ASKS },
	{ SYS_getpeername, 0, 0, TOUCH_ASKS },
	{ SYS_getsockname, 0, 0, TOUCH_ASKS },
	{ SYS_shutdown, 0, 0, TOUCH_ASKS },
	{ SYS_setsockopt, SOL_SOCKET, SO_KEEPALIVE, TOUCH_ASKS },
	{ SYS_getsockopt, SOL_SOCKET, SO_ERROR, TOUCH_ASKS },
	{ SYS_getsockopt, SOL_SOCKET, SO_PEERCRED, TOUCH_ASKS },
	{ SYS_getsockopt, IPPROTO_TCP, TCP_INFO, TOUCH_ASKS },
	{ SYS_getsockopt, IPPROTO_TCP, SO_TYPE, TOUCH_ASKS },
	{ SYS_getsockopt, SOL_SOCKET, SO_TYPE, TOUCH_NOT },
	{ SYS_getsockopt, SOL_SOCKET, SO_DOMAIN, TOUCH_NOT },
	{ SYS_getsockopt, SOL_SOCKET, SO_PROTOCOL, TOUCH_NOT },
	{ SYS_getsockopt, SOL_SOCKET, SO_ACCEPTCONN, TOUCH_NOT },
	{ SYS_accept, 0, 0, TOUCH_ASKS },
	{ SYS_accept4, 0, 0, TOUCH_ASKS },
	{ SYS_connect, 0, 0, TOUCH_ASKS },
	{ SYS_bind, 0, 0, TOUCH_ASKS },
	{ SYS_listen, 0, 0, TOUCH_ASKS },
	{ SYS_ioctl, FIONREAD, 0, TOUCH_ASKS },
	{ SYS_ioctl, FIONBIO, 0, TOUCH_ASKS },
	{ SYS_ioctl, TIOCOUTQ, 0, TOUCH_ASKS },
	{ SYS_ioctl, TCGETS, 0, TOUCH_NOT },
	{ SYS_ioctl, TIOCGWINSZ, 0, TOUCH_NOT },
	{ SYS_fcntl, F_GETFD, 0, TOUCH_NOT },
	{ SYS_fcntl, F_GETFL, 0, TOUCH_NOT },
	{ SYS_fcntl, F_SETFD, 0, TOUCH_NOT },
	{ SYS_fcntl, F_SETFD, FD_CLOEXEC, TOUCH_ASKS },
	{ SYS_fcntl, F_SETFL, O_NONBLOCK, TOUCH_ASKS },
	{ SYS_fcntl, F_DUPFD, 3, TOUCH_ASKS },
	{ SYS_fcntl, F_DUPFD_CLOEXEC, 3, TOUCH_ASKS },
	{ SYS_dup, 0, 0, TOUCH_ASKS },
	{ SYS_dup2, 9, 0, TOUCH_ASKS },
	{ SYS_dup3, 9, 0, TOUCH_ASKS },
	{ SYS_close, 0, 0, TOUCH_ASKS },
	{ SYS_write, 0, 0, TOUCH_ANSWERS },
	{ SYS_writev, 0, 0, TOUCH_ANSWERS },
	{ SYS_pwrite64, 0, 0, TOUCH_ANSWERS },
	{ SYS_pwritev, 0, 0, TOUCH_ANSWERS },
	{ SYS_pwritev2, 0, 0, TOUCH_ANSWERS },
	{ SYS_sendto, 0, 0, TOUCH_ANSWERS },
	{ SYS_sendmsg, 0, 0, TOUCH_ANSWERS },
	{ SYS_sendmmsg, 0, 0, TOUCH_ANSWERS },
	{ SYS_fstat, 0, 0, TOUCH_NOT },
	{ SYS_lseek, 0, 0, TOUCH_NOT },
	{ SYS_mmap, 0, 0, TOUCH_NOT },
	{ SYS_exit_group, 0, 0, TOUCH_NOT },
};

START_TEST(a_call_on_a_descriptor)
{
	long n = firsts[_i].number, b = firsts[_i].second, c = firsts[_i].third;
	enum touch wanted = firsts[_i].touch;

	ck_assert_int_eq(touch(n, 0, b, c, 0, false), wanted);
	ck_assert_int_eq(touch(n, 1, b, c, 0, false), wanted);
	ck_assert_int_eq(touch(n, 2, b, c, 0, true), wanted);
	ck_assert_int_eq(touch(n, 2, b, c, 0, false), TOUCH_NOT);
	ck_assert_int_eq(touch(n, 3, b, c, 0, true), TOUCH_NOT);
	ck_assert_int_eq(touch(n, -1, b, c, 0, true), TOUCH_NOT);
	ck_assert_int_eq(touch(n, 1L << 32, b, c, 0, false), wanted); /* the kernel reads an int */
}
END_TEST

/* From one descriptor to another. */
static const struct {
	long number;
	int from, to; /* which arguments they are */
} moves[] = {
	{ SYS_sendfile, 1, 0 },
	{ SYS_splice, 0, 2 },
	{ SYS_tee, 0, 1 },
};

static enum touch move(int row, int from, int to, bool error_is_socket)
{
	long argument[6] = { 0 };

	argument[moves[row].from] = from;
	argument[moves[row].to] = to;
	return touch_of(moves[row].number, argument, error_is_socket);
}

START_TEST(a_move_asks_or_answers)
{
	ck_assert_int_eq(move(_i, 0, 5, false), TOUCH_ASKS);
	ck_assert_int_eq(move(_i, 0, 1, false), TOUCH_ASKS);
	ck_assert_int_eq(move(_i, 5, 1, false), TOUCH_ANSWERS);
	ck_assert_int_eq(move(_i, 5, 2, true), TOUCH_ANSWERS);
	ck_assert_int_eq(move(_i, 5, 2, false), TOUCH_NOT);
	ck_assert_int_eq(move(_i, 5, 6, true), TOUCH_NOT);
}
END_TEST

static const long polls[] = { SYS_poll, SYS_ppoll };

START_TEST(a_poll_asks_if_the_connection_is_in_its_list)
{
	struct pollfd list[3] = { { 7, POLLIN, 0 }, { -1, POLLIN, 0 }, { 2, POLLIN, 0 } };

	ck_assert_int_eq(touch(polls[_i], (long)list, 3, 0, 0, false), TOUCH_NOT);
	ck_assert_int_eq(touch(polls[_i], (long)list, 3, 0, 0, true), TOUCH_ASKS);
	ck_assert_int_eq(touch(polls[_i], (long)list, 2, 0, 0, true), TOUCH_NOT);
	list[1].fd = 1;
	ck_assert_int_eq(touch(polls[_i], (long)list, 2, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(polls[_i], 0, 0, 0, 0, true), TOUCH_NOT);
	ck_assert_int_eq(touch(polls[_i], 0, 3, 0, 0, true), TOUCH_NOT);
}
END_TEST

static const long selects[] = { SYS_select, SYS_pselect6 };

static enum touch select_one(long number, int count, int which, int fd, bool error_is_socket)
{
	long argument[6] = { count };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	argument[which] = (long)&set;
	return touch_of(number, argument, error_is_socket);
}

START_TEST(a_select_asks_if_the_connection_is_in_a_set)
{
	for (int which = 1; which <= 3; which++) {
		ck_assert_int_eq(select_one(selects[_i], 1, which, 0, false), TOUCH_ASKS);
		ck_assert_int_eq(select_one(selects[_i], 100, which, 1, false), TOUCH_ASKS);
		ck_assert_int_eq(select_one(selects[_i], 1, which, 1, false), TOUCH_NOT);
		ck_assert_int_eq(select_one(selects[_i], 3, which, 2, false), TOUCH_NOT);
		ck_assert_int_eq(select_one(selects[_i], 3, which, 2, true), TOUCH_ASKS);
		ck_assert_int_eq(select_one(selects[_i], 100, which, 3, true), TOUCH_NOT);
		ck_assert_int_eq(select_one(selects[_i], 100, which, 64, true), TOUCH_NOT);
	}
	ck_assert_int_eq(touch(selects[_i], 3, 0, 0, 0, true), TOUCH_NOT);
}
END_TEST

START_TEST(epoll_asks_for_its_third)
{
	ck_assert_int_eq(touch(SYS_epoll_ctl, 5, EPOLL_CTL_ADD, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_epoll_ctl, 5, EPOLL_CTL_ADD, 2, 0, true), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_epoll_ctl, 5, EPOLL_CTL_ADD, 2, 0, false), TOUCH_NOT);
	ck_assert_int_eq(touch(SYS_epoll_ctl, 5, EPOLL_CTL_ADD, 6, 0, true), TOUCH_NOT);
}
END_TEST

START_TEST(what_puts_something_else_in_its_place_asks)
{
	ck_assert_int_eq(touch(SYS_dup2, 7, 0, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_dup3, 7, 1, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_dup2, 7, 2, 0, 0, false), TOUCH_NOT);
	ck_assert_int_eq(touch(SYS_dup2, 7, 2, 0, 0, true), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_close_range, 0, ~0U, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_close_range, 1, 1, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_close_range, 2, ~0U, 0, 0, false), TOUCH_NOT);
	ck_assert_int_eq(touch(SYS_close_range, 2, ~0U, 0, 0, true), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_close_range, 3, ~0U, 0, 0, true), TOUCH_NOT);
	ck_assert_int_eq(touch(SYS_close_range, 1, 0, 0, 0, true), TOUCH_NOT);
}
END_TEST

START_TEST(a_child_would_have_it)
{
	struct clone_args child = { .exit_signal = SIGCHLD }, thread = { .flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD };

	ck_assert_int_eq(touch(SYS_fork, 0, 0, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_vfork, 9, 0, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_clone, SIGCHLD, 0, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, false), TOUCH_NOT);
	ck_assert_int_eq(touch(SYS_clone3, (long)&child, sizeof(child), 0, 0, false), TOUCH_ASKS);
	ck_assert_int_eq(touch(SYS_clone3, (long)&thread, sizeof(thread), 0, 0, false), TOUCH_NOT);
	ck_assert_int_eq(touch(SYS_clone3, 0, 0, 0, 0, false), TOUCH_NOT);
}
END_TEST

static const long unseen[] = { SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_io_submit };

START_TEST(what_works_out_of_sight_cannot_be_judged)
{
	ck_assert_int_eq(touch(unseen[_i], 9, 0, 0, 0, false), TOUCH_CANNOT);
	ck_assert_int_eq(touch(unseen[_i], 0, 0, 0, 0, false), TOUCH_CANNOT);
}
END_TEST

#endif

Suite *touch_suite(void)
{
	Suite *s = suite_create("touch");
	TCase *t = tcase_create("touch");

#ifdef __x86_64__
	tcase_add_loop_test(t, a_call_on_a_descriptor, 0, rows(firsts));
	tcase_add_loop_test(t, a_move_asks_or_answers, 0, rows(moves));
	tcase_add_loop_test(t, a_poll_asks_if_the_connection_is_in_its_list, 0, rows(polls));
	tcase_add_loop_test(t, a_select_asks_if_the_connection_is_in_a_set, 0, rows(selects));
	tcase_add_test(t, epoll_asks_for_its_third);
	tcase_add_test(t, what_puts_something_else_in_its_place_asks);
	tcase_add_test(t, a_child_would_have_it);
	tcase_add_loop_test(t, what_works_out_of_sight_cannot_be_judged, 0, rows(unseen));
#endif
	suite_add_tcase(s, t);
	return s;
}
