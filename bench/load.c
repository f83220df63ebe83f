/* SPDX-License-Identifier: ISC */
/*
 * A load generator: so many clients in a closed loop, in one process. Each connects, says a line if it has one, reads to the end
 * of the answer, closes and begins anew. What is measured lies between the call of connect and the first byte, or the end.
 *
 * load [-c CLIENTS] [-t SECONDS] [-n CONNECTIONS] [-s LINE [-e] [-w]] [-a SOURCES] PORT
 * load -H HOLD [-c CLIENTS] [-t SECONDS] -s LINE PORT
 */
#include "config.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE 100
#define EXIT_TROUBLE 111

#define SECOND 1000000000ULL /* all times are nanoseconds */
#define EVENTS 256

static struct {
	size_t clients;     /* at once; while holding: being opened at once */
	size_t hold;        /* connections to open and keep; 0: closed loop */
	uint64_t count;     /* connections to make; 0: as many as there is time for */
	uint64_t time;
	const char *line;   /* what a client says, with its newline; NULL: nothing */
	size_t length;
	bool echo;          /* the line that comes back is the end; else EOF is */
	bool half_close;    /* after the line, say that there is no more */
	unsigned sources;   /* addresses to come from: 127.0.0.1 and following */
	struct sockaddr_in to;
} options = { .clients = 1, .sources = 1 };

struct client {
	int fd;
	bool said;
	uint64_t started;
	uint64_t first; /* 0: no byte has come */
	size_t got;
};

/* One number for each connection, in the order in which they ended. */
struct series {
	uint64_t *value;
	size_t count, room;
};

static struct {
	int epoll;
	struct client *client;
	uint64_t begun, errors, held;
	int error;          /* the last errno of one that failed; 0: a wrong or missing answer */
	bool over;          /* begin no more */
	struct series first, end;
} run;

__attribute__((format(printf, 2, 3))) static _Noreturn void die(int status, const char *format, ...)
{
	va_list ap;

	fputs("load: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

static _Noreturn void usage(void)
{
	die(EXIT_USAGE, "usage: load [-c CLIENTS] [-t SECONDS] [-n CONNECTIONS] [-H HOLD] [-s LINE [-e] [-w]] [-a SOURCES] PORT");
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void add(struct series *s, uint64_t value)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 4096;
		s->value = reallocarray(s->value, s->room, sizeof(*s->value));
		if (!s->value)
			die(EXIT_TROUBLE, "no memory");
	}
	s->value[s->count++] = value;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest value that `percent` of all do not exceed. The series is sorted. In microseconds. */
static double percentile(const struct series *s, unsigned percent)
{
	size_t rank = (s->count * percent + 99) / 100;

	return s->count == 0 ? 0. : (double)s->value[rank > 0 ? rank - 1 : 0] / 1000.;
}

/* The port is chosen at connect: ports of one address may then serve several destinations. */
static void come_from(int fd)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	const int yes = 1;

	if (options.sources < 2)
		return;
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(run.begun % options.sources));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		die(EXIT_TROUBLE, "cannot bind: %s", strerror(errno));
}

/*
 * Closing resets the connection, always after everything was received: neither side is left with a port in TIME_WAIT, of which
 * 28,000 would last for a second or two.
 */
static int make_socket(void)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die(EXIT_TROUBLE, "cannot make a socket: %s", strerror(errno));
	if (!options.half_close)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	come_from(fd);
	return fd;
}

/* False: not yet, or never; errno tells. */
static bool say(struct client *c)
{
	if (c->said || !options.line)
		return true;
	if (send(c->fd, options.line, options.length, MSG_NOSIGNAL) != (ssize_t)options.length)
		return false;
	c->said = true;
	if (options.half_close)
		shutdown(c->fd, SHUT_WR);
	return true;
}

/* On loopback the connection stands when connect returns, so the line seldom has to wait for an event. */
static void begin(struct client *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };

	*c = (struct client){ .fd = make_socket(), .started = now() };
	run.begun++;
	if (connect(c->fd, (struct sockaddr *)&options.to, sizeof(options.to)) < 0 && errno != EINPROGRESS)
		die(EXIT_TROUBLE, "cannot connect: %s", strerror(errno));
	if (!say(c))
		event.events |= EPOLLOUT;
	if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
		die(EXIT_TROUBLE, "cannot watch a socket: %s", strerror(errno));
}

static bool may_begin(void)
{
	return !run.over && (options.count == 0 || run.begun < options.count) && (options.hold == 0 || run.begun < options.hold);
}

static void end(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	if (may_begin())
		begin(c);
}

static void fail(struct client *c, int error)
{
	run.errors++;
	run.error = error;
	if (options.hold > 0)
		die(EXIT_TROUBLE, "one of %llu connections failed: %s", (unsigned long long)run.begun,
		    error ? strerror(error) : "wrong answer");
	end(c);
}

static void succeed(struct client *c)
{
	add(&run.first, c->first - c->started);
	add(&run.end, now() - c->started);
	if (options.hold == 0) {
		end(c);
		return;
	}
	run.held++;
	if (may_begin())
		begin(&run.client[run.begun]);
}

static bool is_echo(const struct client *c, const char *data, size_t size)
{
	return c->got + size <= options.length && memcmp(options.line + c->got, data, size) == 0;
}

/* Returns true if there may be more to read at once. */
static bool hear(struct client *c)
{
	char data[16384];
	ssize_t n = recv(c->fd, data, sizeof(data), 0);

	if (n < 0) {
		if (errno != EAGAIN)
			fail(c, errno);
		return false;
	}
	if (n > 0 && c->first == 0)
		c->first = now();
	if (options.echo && (n == 0 || !is_echo(c, data, (size_t)n))) {
		fail(c, 0);
		return false;
	}
	c->got += (size_t)n;
	if (options.echo ? c->got < options.length : n > 0)
		return true;
	if (c->got == 0)
		fail(c, 0);
	else
		succeed(c);
	return false;
}

static void advance(struct client *c)
{
	if (c->fd < 0)
		return;
	if (say(c)) {
		while (hear(c))
			;
	} else if (errno != EAGAIN && errno != ENOTCONN) {
		fail(c, errno);
	}
}

static bool is_done(uint64_t until)
{
	if (options.hold > 0 && run.held == options.hold)
		return true;
	if (options.count > 0 && run.first.count + run.errors >= options.count)
		return true;
	return now() >= until;
}

static void go(uint64_t until)
{
	struct epoll_event events[EVENTS];

	for (size_t i = 0; i < options.clients && may_begin(); i++)
		begin(&run.client[i]);
	while (!is_done(until)) {
		int n = epoll_wait(run.epoll, events, EVENTS, 10);

		for (int i = 0; i < n; i++)
			advance(events[i].data.ptr);
	}
}

/* One that takes more than a second has lost a packet, or is not served: the end of the run must not hide it. */
static void count_stuck(uint64_t at)
{
	for (size_t i = 0; i < options.clients; i++)
		if (run.client[i].fd >= 0 && at - run.client[i].started > SECOND)
			run.errors++;
}

static void print_series(const char *name, struct series *s)
{
	if (s->count > 0)
		qsort(s->value, s->count, sizeof(*s->value), by_size);
	printf(" %s_p50=%.1f %s_p99=%.1f %s_max=%.1f", name, percentile(s, 50), name, percentile(s, 99), name, percentile(s, 100));
}

/* Processor time of the load generator itself. */
static double own_seconds(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void report(uint64_t took)
{
	printf("connections=%zu errors=%llu rate=%.1f", run.end.count, (unsigned long long)run.errors,
	       (double)run.end.count * (double)SECOND / (double)took);
	print_series("first", &run.first);
	print_series("end", &run.end);
	printf(" last_error=%d cpu=%.3f\n", run.error, own_seconds());
}

/* Until it is killed. A connection that the server ends is told: fewer were held than was said. */
static _Noreturn void hold(uint64_t took)
{
	struct epoll_event event;

	if (run.held < options.hold)
		die(EXIT_TROUBLE, "only %llu of %zu connections were served in time", (unsigned long long)run.held, options.hold);
	printf("held=%llu seconds=%.2f\n", (unsigned long long)run.held, (double)took / (double)SECOND);
	for (;;) {
		fflush(stdout);
		if (epoll_wait(run.epoll, &event, 1, -1) == 1 && event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			puts("lost=1");
	}
}

static void allow_descriptors(size_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die(EXIT_TROUBLE, "cannot ask for the limit of descriptors: %s", strerror(errno));
	if (limit.rlim_max < count + 16)
		die(EXIT_TROUBLE, "%zu connections need more descriptors than ulimit -Hn allows", count);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die(EXIT_TROUBLE, "cannot raise the limit of descriptors: %s", strerror(errno));
}

static double number(const char *text, double least, double most)
{
	char *rest;
	double value = strtod(text, &rest);

	if (*text == '\0' || *rest != '\0' || !(value >= least && value <= most))
		die(EXIT_USAGE, "%s is not a number from %g to %g", text, least, most);
	return value;
}

static void set_line(const char *text)
{
	char *line;
	int length = asprintf(&line, "%s\n", text);

	if (length < 0)
		die(EXIT_TROUBLE, "no memory");
	options.line = line;
	options.length = (size_t)length;
}

static void read_option(int option, const char *value)
{
	switch (option) {
	case 'a':
		options.sources = (unsigned)number(value, 1, 250);
		break;
	case 'c':
		options.clients = (size_t)number(value, 1, 60000);
		break;
	case 'e':
		options.echo = true;
		break;
	case 'H':
		options.hold = (size_t)number(value, 1, 60000);
		break;
	case 'n':
		options.count = (uint64_t)number(value, 1, 1e9);
		break;
	case 's':
		set_line(value);
		break;
	case 't':
		options.time = (uint64_t)(number(value, 0.01, 86400) * (double)SECOND);
		break;
	case 'w':
		options.half_close = true;
		break;
	default:
		usage();
	}
}

static void read_options(int argc, char *argv[])
{
	int option;

	while ((option = getopt(argc, argv, "a:c:eH:n:s:t:w")) != -1)
		read_option(option, optarg);
	if (optind != argc - 1)
		usage();
	options.to.sin_family = AF_INET;
	options.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	options.to.sin_port = htons((uint16_t)number(argv[optind], 1, 65535));
	if (options.hold > 0) /* who is held has to have been served */
		options.echo = true;
	if (options.echo && !options.line)
		die(EXIT_USAGE, "what shall come back? -s LINE says it");
	if (options.time == 0)
		options.time = options.count > 0 || options.hold > 0 ? 600 * SECOND : SECOND;
}

int main(int argc, char *argv[])
{
	uint64_t start, took;
	size_t places;

	read_options(argc, argv);
	places = options.clients > options.hold ? options.clients : options.hold;
	allow_descriptors(places);
	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	run.client = calloc(places, sizeof(*run.client));
	if (run.epoll < 0 || !run.client)
		die(EXIT_TROUBLE, "cannot begin: %s", strerror(errno));
	for (size_t i = 0; i < places; i++)
		run.client[i].fd = -1;
	start = now();
	go(start + options.time);
	took = now() - start;
	run.over = true;
	if (options.hold > 0)
		hold(took);
	count_stuck(start + took);
	report(took);
	return run.end.count > 0 ? EXIT_SUCCESS : EXIT_TROUBLE;
}
