/* SPDX-License-Identifier: ISC */
/*
 * shut PID                              shuts down every listening socket of a process, as any process can that shares them
 *
 * Exit status 0 if there was one, 77 if the system does not let us.
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 1024 /* descriptors of that process */

/* The same open socket, or -1. */
static int borrow(int process, int number)
{
#ifdef SYS_pidfd_getfd
	return (int)syscall(SYS_pidfd_getfd, process, number, 0);
#else
	(void)process;
	(void)number;
	return -1;
#endif
}

static int shut(int fd)
{
	int listens = 0;
	socklen_t length = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) < 0 || !listens)
		return 0;
	return shutdown(fd, SHUT_RDWR) == 0;
}

int main(int argc, char *argv[])
{
	int process = argc == 2 ? (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0) : -1, found = 0;

	if (process < 0 || borrow(process, STDERR_FILENO) < 0)
		return 77;
	for (int number = 0; number < MOST; number++) {
		int fd = borrow(process, number);

		if (fd < 0)
			continue;
		found += shut(fd);
		close(fd);
	}
	printf("%d listeners\n", found);
	return found == 0;
}
