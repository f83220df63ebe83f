/* SPDX-License-Identifier: ISC */
/* The small services of RFC 862 to 868 over TCP, in workers that live for many connections. */
#include "config.h"

#include "handlers.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_1900_TO_1970 2208988800ULL
#define LINE_WIDTH 72 /* of chargen */
#define LINGER 2000   /* ms for all that a client still sends after its answer */

/* 0, or -1 when the client is gone. */
static int send_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

/* 0 at the end or when the client is gone. */
static size_t receive(int fd, char *data, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, data, size, 0);
	while (n < 0 && errno == EINTR);
	return n > 0 ? (size_t)n : 0;
}

/* RFC 862 */
static void echo(struct worker *w, const struct service_config *c)
{
	char data[16384];
	size_t n;

	(void)c;
	while ((n = receive(w->connection.fd, data, sizeof(data))) > 0)
		if (send_all(w->connection.fd, data, n) < 0)
			return;
}

/* RFC 863 */
static void discard(struct worker *w, const struct service_config *c)
{
	char data[16384];

	(void)c;
	while (receive(w->connection.fd, data, sizeof(data)) > 0)
		;
}

/* RFC 864: lines of 72 of the 95 printing characters, each line one character further. */
static void chargen(struct worker *w, const struct service_config *c)
{
	const int first = ' ', count = 95;
	char page[95 * (LINE_WIDTH + 2)];
	char *at = page;

	(void)c;
	for (int line = 0; line < count; line++) {
		for (int column = 0; column < LINE_WIDTH; column++)
			*at++ = (char)(first + (line + column) % count);
		*at++ = '\r';
		*at++ = '\n';
	}
	while (send_all(w->connection.fd, page, sizeof(page)) == 0)
		;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Does anything come, or the end, before the time is over? */
static bool comes_before(int fd, long long end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long long left;
	int n;

	do {
		left = end - now();
		n = left > 0 ? poll(&p, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Closing while something is unread would reset the connection and take the answer along. */
static void answer(int fd, const char *data, size_t size)
{
	long long end = now() + LINGER;
	char rest[4096];

	if (send_all(fd, data, size) < 0 || shutdown(fd, SHUT_WR) < 0)
		return;
	while (comes_before(fd, end) && receive(fd, rest, sizeof(rest)) > 0)
		;
}

/* RFC 867 leaves the form open; this is the usual one. */
static void daytime(struct worker *w, const struct service_config *c)
{
	time_t t = time(NULL);
	struct tm local;
	char text[64];
	size_t length;

	(void)c;
	localtime_r(&t, &local);
	length = strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y\r\n", &local);
	answer(w->connection.fd, text, length);
}

/* RFC 868: 32 bits, which begin anew in 2036. */
static void seconds(struct worker *w, const struct service_config *c)
{
	uint32_t since_1900 = htonl((uint32_t)((unsigned long long)time(NULL) + SECONDS_1900_TO_1970));

	(void)c;
	answer(w->connection.fd, (const char *)&since_1900, sizeof(since_1900));
}

static const struct handler builtins[] = {
	{ "echo", true, echo },       { "discard", true, discard }, { "chargen", true, chargen },
	{ "daytime", true, daytime }, { "time", true, seconds },
};

const struct handler *builtin_find(const char *name)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

const char *builtin_names(void)
{
	return "echo, discard, chargen, daytime, time";
}
