/* SPDX-License-Identifier: ISC */
/*
 * bound COUNT FILE PROGRAM [ARG]...
 *     For a program that cannot listen on a port of the system's choice, but on a descriptor: opens COUNT sockets that listen on 127.0.0.1,
 *     as descriptors 20 and up, writes their ports to FILE, one a line, and becomes PROGRAM.
 */
#include <sys/socket.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST 20

/* The port of the socket that has become descriptor `number`, or -1. */
static int listen_as(int number)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0)
		return -1;
	if (getsockname(fd, (struct sockaddr *)&a, &length) < 0 || dup2(fd, number) < 0)
		return -1;
	close(fd);
	return ntohs(a.sin_port);
}

int main(int argc, char *argv[])
{
	int count = argc > 3 ? atoi(argv[1]) : 0;
	FILE *f = count > 0 ? fopen(argv[2], "we") : NULL;

	if (!f) {
		fputs("usage: bound COUNT FILE PROGRAM [ARG]...\n", stderr);
		return 100;
	}
	for (int i = 0; i < count; i++) {
		int port = listen_as(FIRST + i);

		if (port < 0) {
			perror("bound");
			return 111;
		}
		fprintf(f, "%d\n", port);
	}
	if (fclose(f) != 0)
		return 111;
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 111;
}
