/* SPDX-License-Identifier: ISC */
/*
 * syslogd PATH: stands in for syslogd. Says `bound` when it is, then prints each message as a line. Stopped with SIGSTOP it is one
 * that does not read.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char message[8192];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t n;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 100;
	strcpy(address.sun_path, argv[1]);
	unlink(argv[1]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("syslogd");
		return 111;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("bound");
	while ((n = recv(fd, message, sizeof(message), 0)) >= 0)
		printf("%.*s\n", (int)n, message);
	return 111;
}
