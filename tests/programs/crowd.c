/* SPDX-License-Identifier: ISC */
/*
 * Crowds of clients from chosen addresses of 127.0.0.0/8, for what is limited by source or by time. The service echoes.
 *
 * crowd limit PORT MAX PARALLEL COUNT NETWORK...
 *     COUNT connections from each network, PARALLEL at a time; a network is addresses separated by commas, taken in turn. A connection
 *     that gets its line back is served and stays open for a while. While a network has not yet had MAX served at once it goes on, to
 *     PATIENCE times COUNT: a slow program comes when the others have been refused. Fails if a network ever had more, or never as many.
 * crowd served PORT COUNT NETWORK
 *     COUNT connections one after the other; fails unless each is served.
 * crowd places PORT COUNT NETWORK
 *     opens connections and keeps them until one is refused; fails unless just COUNT were served.
 * crowd rate PORT RATE BURST SECONDS ADDRESS
 *     One connection after the other as fast as it goes. Fails unless as many are served as RATE a second and BURST allow, within one.
 *
 * Prints its numbers. Exit status 0, 1 as said, or 100.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 60000
#define PATIENCE 50
#define KEEP 16 /* a served connection stays open until so many other things have happened, at most */

struct network {
	char *addresses[64];
	unsigned count, next;
	unsigned started, served, refused, now, most;
};

struct client {
	struct network *of;
	int fd;
	bool served;
	unsigned long until; /* the event after which it is closed */
};

static in_port_t port;

static int dial(struct network *n)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET, .sin_port = port };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	inet_pton(AF_INET, n->addresses[n->next++ % n->count], &from.sin_addr);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* The kernel chooses the port when it knows both ends. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
		send(fd, "x\n", 2, MSG_NOSIGNAL);
		return fd;
	}
	perror("connect");
	exit(1);
}

/* 1: its line came back; 0: it is refused. */
static int outcome(int fd)
{
	char data[8];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, LIMIT_MS) <= 0) {
		fputs("no answer\n", stderr);
		exit(1);
	}
	return recv(fd, data, sizeof(data), 0) > 0;
}

/* Whoever has seen the end is not counted any more. */
static void see_end(int fd)
{
	char data[8];

	shutdown(fd, SHUT_WR);
	while (recv(fd, data, sizeof(data), 0) > 0)
		;
	close(fd);
}

static void read_network(struct network *n, char *text)
{
	for (char *word = strtok(text, ","); word && n->count < 64; word = strtok(NULL, ","))
		n->addresses[n->count++] = word;
}

static void start(struct client *c, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = dial(c->of);
	c->served = false;
	c->of->started++;
	epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void end(struct client *c)
{
	if (c->served)
		c->of->now--;
	close(c->fd);
	c->fd = -1;
}

static void hear(struct client *c, unsigned long now, int epoll)
{
	if (c->served || !outcome(c->fd)) {
		c->of->refused += !c->served;
		end(c);
		return;
	}
	epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
	c->served = true;
	c->until = now + 1 + (unsigned long)random() % KEEP;
	c->of->served++;
	if (++c->of->now > c->of->most)
		c->of->most = c->of->now;
}

static int judge(const struct network *networks, unsigned count, unsigned max)
{
	int result = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct network *n = &networks[i];

		printf("%s: %u served, %u refused, %u at once\n", n->addresses[0], n->served, n->refused, n->most);
		result |= n->most != max;
	}
	return result;
}

static int limit(unsigned max, unsigned parallel, unsigned total, char *texts[], unsigned count)
{
	struct network *networks = calloc(count, sizeof(*networks));
	struct client *clients = calloc((size_t)count * parallel, sizeof(*clients));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned long now = 0;
	unsigned open;

	for (unsigned i = 0; i < count; i++)
		read_network(&networks[i], texts[i]);
	for (unsigned i = 0; i < count * parallel; i++)
		clients[i] = (struct client){ .of = &networks[i % count], .fd = -1 };
	do {
		struct epoll_event events[32];
		int n;

		open = 0;
		now++;
		for (unsigned i = 0; i < count * parallel; i++) {
			struct client *c = &clients[i];

			if (c->fd >= 0 && c->served && c->until <= now)
				end(c);
			if (c->fd < 0 && c->of->started < (c->of->most < max ? PATIENCE * total : total))
				start(c, epoll);
			open += c->fd >= 0;
		}
		n = epoll_wait(epoll, events, 32, 1);
		for (int i = 0; i < n; i++)
			hear(events[i].data.ptr, now, epoll);
	} while (open > 0);
	return judge(networks, count, max);
}

static int serve_all(unsigned count, char *text)
{
	struct network n = { 0 };
	unsigned good = 0;

	read_network(&n, text);
	for (unsigned i = 0; i < count; i++) {
		int fd = dial(&n);

		good += (unsigned)outcome(fd);
		see_end(fd);
	}
	printf("%u of %u served\n", good, count);
	return good != count;
}

static int places(unsigned count, char *text)
{
	struct network n = { 0 };
	unsigned good = 0;

	read_network(&n, text);
	while (good <= count && outcome(dial(&n)))
		good++;
	printf("%u places\n", good);
	return good != count;
}

static double clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The worker's clock reads lie between the client's: at most so many, and at least so many, must have been let in. */
static int rate(double each_second, double burst, double seconds, char *text)
{
	struct network n = { 0 };
	double begin = clock_now(), first = 0, last = 0;
	unsigned served = 0, refused = 0;

	read_network(&n, text);
	do {
		double before = clock_now();
		int fd = dial(&n), good = outcome(fd);

		served += (unsigned)good;
		refused += (unsigned)!good;
		if (first == 0)
			first = clock_now();
		last = before;
		close(fd);
	} while (clock_now() - begin < seconds);

	double most = burst + each_second * (clock_now() - begin) + 1, least = burst + each_second * (last - first) - 1;
	printf("%u served, %u refused; at least %.1f, at most %.1f\n", served, refused, least, most);
	return !(served >= least && served <= most && refused > 0);
}

int main(int argc, char *argv[])
{
	const char *what = argc > 4 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	srandom(1);
	if (argc > 4)
		port = htons((in_port_t)atoi(argv[2]));
	if (strcmp(what, "limit") == 0 && argc > 6)
		return limit((unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]), argv + 6, (unsigned)argc - 6);
	if (strcmp(what, "served") == 0)
		return serve_all((unsigned)atoi(argv[3]), argv[4]);
	if (strcmp(what, "places") == 0)
		return places((unsigned)atoi(argv[3]), argv[4]);
	if (strcmp(what, "rate") == 0 && argc == 7)
		return rate(atof(argv[3]), atof(argv[4]), atof(argv[5]), argv[6]);
	fputs("usage: crowd limit|served|places|rate PORT ...\n", stderr);
	return 100;
}
