/* SPDX-License-Identifier: ISC */
/*
 * Clients for the tests, all on 127.0.0.1 (or a path, where PORT begins with a slash or @). SOURCE in the environment is the address
 * that they come from.
 *
 * client talk PORT              sends standard input, shuts down writing, prints the answer up to its end
 * client hammer PORT N C        N connections, C at a time: each sends a line and must get it back, then the end
 * client burst PORT N           N connections at once, each must get its line back while all are open
 * client hold PORT N            opens N, prints "held", keeps them until standard input ends, then each gets a line back
 * client echo PORT BYTES        sends BYTES and must get the same back, the end only after the last
 * client count PORT             prints how many bytes come before the end
 * client fill PORT N            opens N connections, prints "filled", waits for standard input to end
 * client notify PATH            prints the datagrams that arrive at a path, a line for each line in them, until standard input ends
 * client state PORT             prints what becomes of one connection: "text: ...", "closed" or "reset"
 *
 * Exit status 0 if all went well, 1 if a connection failed, and a line on standard output with the numbers. Where one answer is all
 * that is waited for, SIGALRM ends it after LIMIT_MS.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MS 60000

struct target {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_un path;
	} address;
};

/* One connection of a hammer: sends its line, then expects it and the end. */
struct one {
	int fd;
	char line[32];
	size_t length, sent, got;
	bool shut;
};

static struct target target;

static void set_target(const char *text)
{
	if (text[0] == '/' || text[0] == '@') {
		target.address.path.sun_family = AF_UNIX;
		snprintf(target.address.path.sun_path, sizeof(target.address.path.sun_path), "%s", text);
		if (text[0] == '@')
			target.address.path.sun_path[0] = '\0';
		target.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + (text[0] == '/'));
		return;
	}
	target.address.v4.sin_family = AF_INET;
	target.address.v4.sin_port = htons((uint16_t)atoi(text));
	target.address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	target.length = sizeof(target.address.v4);
}

static int bind_source(int fd)
{
	const char *source = getenv("SOURCE");
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (!source || target.address.any.sa_family != AF_INET)
		return 0;
	if (inet_pton(AF_INET, source, &address.sin_addr) != 1)
		return -1;
	return bind(fd, (struct sockaddr *)&address, sizeof(address));
}

static int dial(int flags)
{
	int fd = socket(target.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		return -1;
	if (bind_source(fd) == 0 && (connect(fd, &target.address.any, target.length) == 0 || errno == EINPROGRESS))
		return fd;
	perror("connect");
	close(fd);
	return -1;
}

static int talk(void)
{
	char data[65536];
	int fd = dial(0);
	ssize_t n;

	if (fd < 0)
		return 1;
	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		if (send(fd, data, (size_t)n, MSG_NOSIGNAL) != n)
			break; /* the answer may be there all the same */
	shutdown(fd, SHUT_WR);
	alarm(LIMIT_MS / 1000); /* without an answer a test would never end */
	while ((n = read(fd, data, sizeof(data))) > 0)
		if (write(STDOUT_FILENO, data, (size_t)n) != n)
			return 1;
	if (n < 0)
		perror("read");
	return n < 0;
}

static int start_one(struct one *c, int epoll, unsigned number)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };

	c->fd = dial(SOCK_NONBLOCK);
	if (c->fd < 0)
		return -1;
	c->length = (size_t)snprintf(c->line, sizeof(c->line), "line %u\n", number);
	c->sent = c->got = 0;
	c->shut = false;
	return epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

/* 1: done and right, -1: failed, 0: goes on. When keep is set, it is done with the last byte and stays open. */
static int go_on(struct one *c, int epoll, bool keep)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	char data[64];
	ssize_t n;

	if (c->sent < c->length) {
		n = send(c->fd, c->line + c->sent, c->length - c->sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->sent += (size_t)n;
	}
	if (c->sent == c->length && !c->shut) {
		c->shut = true;
		if (!keep)
			shutdown(c->fd, SHUT_WR);
		epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
	}
	n = recv(c->fd, data, sizeof(data), 0);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (c->got + (size_t)n > c->length || memcmp(data, c->line + c->got, (size_t)n) != 0)
		return -1;
	c->got += (size_t)n;
	if (keep)
		return c->got == c->length ? 1 : n == 0 ? -1 : 0;
	return n > 0 ? 0 : c->got == c->length ? 1 : -1;
}

static int hammer(unsigned total, unsigned parallel, bool keep)
{
	struct one *all = calloc(parallel, sizeof(*all));
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned started = 0, good = 0, bad = 0;

	for (; started < parallel && started < total; started++)
		if (start_one(&all[started], epoll, started) < 0)
			bad++;
	while (good + bad < total) {
		int n = epoll_wait(epoll, events, 64, LIMIT_MS);

		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			struct one *c = events[i].data.ptr;
			int result = go_on(c, epoll, keep);

			if (result == 0)
				continue;
			if (result < 0)
				fprintf(stderr, "%s: %zu of %zu bytes: %s\n", c->line, c->got, c->length, strerror(errno));
			good += result > 0;
			bad += result < 0;
			if (keep) {
				epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
				continue;
			}
			close(c->fd);
			while (started < total && start_one(c, epoll, started++) < 0)
				bad++;
		}
	}
	printf("%u good, %u bad, %u lost\n", good, bad, total - good - bad);
	return good == total ? 0 : 1;
}

static void wait_for_stdin(void)
{
	char data[64];

	while (read(STDIN_FILENO, data, sizeof(data)) > 0)
		;
}

static int converse(int fd)
{
	char data[8];
	size_t got = 0;
	ssize_t n;

	if (send(fd, "x\n", 2, MSG_NOSIGNAL) != 2)
		return -1;
	shutdown(fd, SHUT_WR);
	while ((n = read(fd, data + got, sizeof(data) - got)) > 0)
		got += (size_t)n;
	return n == 0 && got == 2 ? 0 : -1;
}

static int hold(unsigned count, bool speak)
{
	int *fds = calloc(count, sizeof(*fds));
	unsigned bad = 0;

	for (unsigned i = 0; i < count; i++)
		if ((fds[i] = dial(0)) < 0)
			return 1;
	puts(speak ? "held" : "filled");
	fflush(stdout);
	wait_for_stdin();
	for (unsigned i = 0; speak && i < count; i++)
		if (converse(fds[i]) < 0)
			bad++;
	printf("%u good, %u bad\n", count - bad, bad);
	return bad > 0;
}

static char pattern(size_t at)
{
	return (char)(at * 2654435761U >> 13);
}

static int send_pattern(int fd, size_t from, size_t size)
{
	char data[65536];

	if (size > sizeof(data))
		size = sizeof(data);
	for (size_t i = 0; i < size; i++)
		data[i] = pattern(from + i);
	ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 && errno == EAGAIN ? 0 : (int)n;
}

static int echo(size_t size)
{
	char data[65536];
	size_t sent = 0, got = 0;
	int fd = dial(0);

	while (fd >= 0) {
		struct pollfd p = { .fd = fd, .events = (short)(POLLIN | (sent < size ? POLLOUT : 0)) };

		if (poll(&p, 1, LIMIT_MS) <= 0)
			break;
		if (p.revents & POLLOUT) {
			int n = send_pattern(fd, sent, size - sent);

			if (n < 0)
				break;
			sent += (size_t)n;
			if (sent == size)
				shutdown(fd, SHUT_WR);
		}
		if (!(p.revents & (POLLIN | POLLHUP)))
			continue;
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (data[i] != pattern(got + (size_t)i)) {
				printf("byte %zu is wrong\n", got + (size_t)i);
				return 1;
			}
		got += n > 0 ? (size_t)n : 0;
	}
	printf("%zu of %zu bytes\n", got, size);
	return got != size;
}

static int count_bytes(void)
{
	char data[65536];
	size_t got = 0;
	int fd = dial(0);
	ssize_t n;

	if (fd < 0)
		return 1;
	alarm(LIMIT_MS / 1000);
	while ((n = read(fd, data, sizeof(data))) > 0)
		got += (size_t)n;
	printf("%zu\n", got);
	return n < 0;
}

static int state(void)
{
	char data[256];
	size_t got = 0;
	int fd = dial(0);
	ssize_t n;

	if (fd < 0)
		return 1;
	alarm(LIMIT_MS / 1000);
	while ((n = read(fd, data + got, sizeof(data) - 1 - got)) > 0)
		got += (size_t)n;
	data[got] = '\0';
	if (got > 0)
		printf("text: %s", data);
	puts(n == 0 ? "closed" : errno == ECONNRESET ? "reset" : strerror(errno));
	return 0;
}

static int notify(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	char data[1024];

	if (fd < 0 || bind(fd, &target.address.any, target.length) < 0) {
		perror("bind");
		return 1;
	}
	puts("bound");
	fflush(stdout);
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents & POLLIN) {
			ssize_t n = recv(fd, data, sizeof(data), 0);

			printf("%.*s\n", n > 0 ? (int)n : 0, data);
			fflush(stdout);
		} else if (p[1].revents) {
			return 0;
		}
	}
	return 1;
}

int main(int argc, char *argv[])
{
	const char *what = argc > 2 ? argv[1] : "";
	unsigned n = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;

	if (argc > 2)
		set_target(argv[2]);
	if (strcmp(what, "talk") == 0)
		return talk();
	if (strcmp(what, "hammer") == 0 && argc == 5)
		return hammer(n, (unsigned)atoi(argv[4]), false);
	if (strcmp(what, "burst") == 0)
		return hammer(n, n, true);
	if (strcmp(what, "hold") == 0)
		return hold(n, true);
	if (strcmp(what, "fill") == 0)
		return hold(n, false);
	if (strcmp(what, "echo") == 0)
		return echo(strtoul(argv[3], NULL, 10));
	if (strcmp(what, "count") == 0)
		return count_bytes();
	if (strcmp(what, "state") == 0)
		return state();
	if (strcmp(what, "notify") == 0)
		return notify();
	fputs("usage: client talk|count|state|notify PORT | hammer PORT N C | burst|hold|fill|echo PORT N\n", stderr);
	return 100;
}
