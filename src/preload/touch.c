/* SPDX-License-Identifier: ISC */
#include "touch.h"

#if defined(__x86_64__) && defined(__LP64__) /* where calls are watched: see dispatch.c */

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/sched.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <asm/ioctls.h>
#include <unistd.h>

static bool is_connection(long fd, bool error_is_socket)
{
	fd = (int)fd; /* as the kernel reads it */
	return fd == STDIN_FILENO || fd == STDOUT_FILENO || (fd == STDERR_FILENO && error_is_socket);
}

static bool polls(const struct pollfd *list, unsigned long count, bool error_is_socket)
{
	for (unsigned long i = 0; list && i < count; i++)
		if (is_connection(list[i].fd, error_is_socket))
			return true;
	return false;
}

/* The three descriptors are in the first word of a set. */
static bool selects(const long argument[6], bool error_is_socket)
{
	int count = (int)argument[0];

	for (int i = 1; i <= 3; i++) {
		const unsigned long *set = (const unsigned long *)argument[i];

		for (int fd = 0; set && fd < count && fd <= STDERR_FILENO; fd++)
			if (set[0] & 1UL << fd && is_connection(fd, error_is_socket))
				return true;
	}
	return false;
}

static bool is_process(const struct clone_args *a, size_t size)
{
	return a && size >= CLONE_ARGS_SIZE_VER0 && !(a->flags & CLONE_THREAD);
}

/* From one descriptor to another: what comes from the connection asks, also where it goes back there. */
static enum touch moves(long from, long to, bool error_is_socket)
{
	if (is_connection(from, error_is_socket))
		return TOUCH_ASKS;
	return is_connection(to, error_is_socket) ? TOUCH_ANSWERS : TOUCH_NOT;
}

/* What the placeholder answers as the connection would. */
static bool is_same_option(long level, long option)
{
	return level == SOL_SOCKET && (option == SO_TYPE || option == SO_DOMAIN || option == SO_PROTOCOL || option == SO_ACCEPTCONN);
}

/* Is it a terminal? No socket is. */
static bool asks_for_terminal(long request)
{
	return request == TCGETS || request == TIOCGWINSZ || request == TIOCGPGRP;
}

/* What the placeholder has as the connection will. A second number for it would stay the placeholder's, and so would its flags. */
static bool is_same_flag(long command, long value)
{
	return command == F_GETFD || command == F_GETFL || (command == F_SETFD && value == 0);
}

static bool covers(unsigned long first, unsigned long last, bool error_is_socket)
{
	return first <= last && first <= (error_is_socket ? STDERR_FILENO : STDOUT_FILENO);
}

static enum touch touch_of_first(long number, const long argument[6])
{
	switch (number) {
	case SYS_read:
	case SYS_readv:
	case SYS_pread64:
	case SYS_preadv:
	case SYS_preadv2:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_getpeername:
	case SYS_getsockname:
	case SYS_setsockopt:
	case SYS_shutdown:
	case SYS_accept:
	case SYS_accept4:
	case SYS_connect:
	case SYS_bind:
	case SYS_listen:
	case SYS_dup:
	case SYS_dup2:
	case SYS_dup3:
	case SYS_close:
		return TOUCH_ASKS;
	case SYS_getsockopt:
		return is_same_option(argument[1], argument[2]) ? TOUCH_NOT : TOUCH_ASKS;
	case SYS_ioctl:
		return asks_for_terminal(argument[1]) ? TOUCH_NOT : TOUCH_ASKS;
	case SYS_fcntl:
		return is_same_flag(argument[1], argument[2]) ? TOUCH_NOT : TOUCH_ASKS;
	case SYS_write:
	case SYS_writev:
	case SYS_pwrite64:
	case SYS_pwritev:
	case SYS_pwritev2:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_vmsplice:
		return TOUCH_ANSWERS;
	default:
		return TOUCH_NOT;
	}
}

static enum touch touch_of_many(long number, const long argument[6], bool error_is_socket)
{
	switch (number) {
	case SYS_poll:
	case SYS_ppoll:
		return polls((const struct pollfd *)argument[0], (unsigned)argument[1], error_is_socket) ? TOUCH_ASKS : TOUCH_NOT;
	case SYS_select:
	case SYS_pselect6:
		return selects(argument, error_is_socket) ? TOUCH_ASKS : TOUCH_NOT;
	case SYS_epoll_ctl:
		return is_connection(argument[2], error_is_socket) ? TOUCH_ASKS : TOUCH_NOT;
	case SYS_dup2:
	case SYS_dup3:
		return is_connection(argument[1], error_is_socket) ? TOUCH_ASKS : TOUCH_NOT;
	case SYS_close_range:
		return covers((unsigned)argument[0], (unsigned)argument[1], error_is_socket) ? TOUCH_ASKS : TOUCH_NOT;
	case SYS_sendfile:
		return moves(argument[1], argument[0], error_is_socket);
	case SYS_splice:
		return moves(argument[0], argument[2], error_is_socket);
	case SYS_tee:
		return moves(argument[0], argument[1], error_is_socket);
	case SYS_fork:
	case SYS_vfork:
		return TOUCH_ASKS;
	case SYS_clone:
		return argument[0] & CLONE_THREAD ? TOUCH_NOT : TOUCH_ASKS;
	case SYS_clone3:
		return is_process((const struct clone_args *)argument[0], (size_t)argument[1]) ? TOUCH_ASKS : TOUCH_NOT;
	case SYS_io_uring_setup:
	case SYS_io_uring_enter:
	case SYS_io_uring_register:
	case SYS_io_submit:
		return TOUCH_CANNOT;
	default:
		return TOUCH_NOT;
	}
}

enum touch touch_of(long number, const long argument[6], bool error_is_socket)
{
	enum touch touch = TOUCH_NOT;

	if (is_connection(argument[0], error_is_socket))
		touch = touch_of_first(number, argument);
	return touch != TOUCH_NOT ? touch : touch_of_many(number, argument, error_is_socket);
}

#else

extern int none_here;

#endif
