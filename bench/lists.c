/* SPDX-License-Identifier: ISC */
/*
 * What a long access list costs: how long a million prefixes take to load, what one look-up costs, and how much memory there is for all
 * workers together. Half of the prefixes are IPv4; the same numbers in every run.
 *
 * lists [FILE]: the list is left in the file, if one is named.
 */
#include "config.h"

#include "access_list.h"

#include <sys/wait.h>
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PREFIXES 1000000
#define LOOKUPS 1000000

struct prefix {
	int family;
	unsigned bits;
	unsigned char ip[16];
};

static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fill(unsigned char *ip, size_t size, uint64_t *state)
{
	for (size_t i = 0; i < size; i++)
		ip[i] = (unsigned char)(draw(state) >> 24);
}

/* The bits behind a prefix: cleared, or drawn to get an address inside of it. */
static void set_behind(struct prefix *p, uint64_t *state)
{
	size_t size = p->family == AF_INET ? 4 : 16;

	for (size_t i = p->bits / 8; i < size; i++) {
		unsigned char behind = (unsigned char)(i == p->bits / 8 ? 0xff >> p->bits % 8 : 0xff);

		p->ip[i] = (unsigned char)((p->ip[i] & ~behind) | (state ? draw(state) >> 24 & behind : 0));
	}
}

/* As such lists are: networks of a few hundred addresses and single hosts, sites and single networks. */
static struct prefix draw_prefix(uint64_t *state)
{
	static const unsigned v6_bits[] = { 32, 40, 48, 48, 48, 56, 64, 64, 64, 64, 64, 64, 128, 128 };
	struct prefix p = { .family = draw(state) >> 20 & 1 ? AF_INET : AF_INET6 };

	fill(p.ip, sizeof(p.ip), state);
	if (p.family == AF_INET) {
		p.bits = 20 + (unsigned)(draw(state) >> 20) % 13;
	} else {
		p.ip[0] = (unsigned char)(0x20 | (p.ip[0] & 0x1f));
		p.bits = v6_bits[(draw(state) >> 20) % (sizeof(v6_bits) / sizeof(v6_bits[0]))];
	}
	set_behind(&p, NULL);
	return p;
}

static int write_list(const char *path, const struct prefix *list)
{
	FILE *f = fopen(path, "w");
	char text[INET6_ADDRSTRLEN];

	if (!f)
		return -1;
	for (size_t i = 0; i < PREFIXES; i++)
		fprintf(f, "%s/%u\n", inet_ntop(list[i].family, list[i].ip, text, sizeof(text)), list[i].bits);
	return fclose(f);
}

/* A look-up waits for nobody: its cost is processor time, which others on the machine do not change much. */
static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void complain(void *data, const char *path, int line, const char *text)
{
	(void)data;
	fprintf(stderr, "%s:%d: %s\n", path, line, text);
}

static struct access_list *load(const char *path)
{
	struct access_maker *m = access_maker_new();
	double begin = seconds(CLOCK_MONOTONIC), read;
	struct access_list *l;

	if (!m || access_add_file(m, false, path, complain, NULL) < 0)
		return NULL;
	read = seconds(CLOCK_MONOTONIC);
	l = access_make(m);
	if (l)
		printf("load      %.2f s: %.2f s to read %d lines, %.2f s to compile them\n", seconds(CLOCK_MONOTONIC) - begin,
		       read - begin, PREFIXES, seconds(CLOCK_MONOTONIC) - read);
	return l;
}

static void set_address(struct address *a, const struct prefix *p)
{
	a->socket.any.sa_family = (sa_family_t)p->family;
	if (p->family == AF_INET) {
		a->length = sizeof(a->socket.v4);
		memcpy(&a->socket.v4.sin_addr, p->ip, 4);
	} else {
		a->length = sizeof(a->socket.v6);
		memcpy(&a->socket.v6.sin6_addr, p->ip, 16);
	}
}

/* Looks all up that are of the family. */
static void look_up(const struct access_list *l, const struct prefix *list, int family, const char *what)
{
	struct address a = { 0 };
	const struct access_client client = { .address = &a };
	size_t count = 0, found = 0;
	double begin = seconds(CLOCK_PROCESS_CPUTIME_ID), took;

	for (size_t i = 0; i < LOOKUPS; i++) {
		uint32_t rule;

		if (list[i].family != family)
			continue;
		set_address(&a, &list[i]);
		access_admits(l->access, &client, &rule);
		found += rule != ACCESS_NO_RULE;
		count++;
	}
	took = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
	printf("look-up   %.0f ns: %s, %s; %zu of %zu found\n", took / (double)count * 1e9, family == AF_INET ? "IPv4" : "IPv6", what,
	       found, count);
}

/* Makes addresses in random order: inside of listed prefixes, or anywhere. */
static void draw_addresses(struct prefix *out, const struct prefix *list, uint64_t *state)
{
	for (size_t i = 0; i < LOOKUPS; i++) {
		out[i] = list ? list[(draw(state) >> 20) % PREFIXES] : draw_prefix(state);
		if (!list)
			out[i].bits = out[i].family == AF_INET ? 0 : 3;
		set_behind(&out[i], state);
	}
}

static void look_all_up(const struct access_list *l, struct prefix *out, const struct prefix *list, const char *what)
{
	uint64_t state = 88172645463325252;

	draw_addresses(out, list, &state);
	look_up(l, out, AF_INET, what);
	look_up(l, out, AF_INET6, what);
}

/* In a worker that was just forked nothing is at hand: the first look-up meets its page faults. */
static void look_up_first(const struct access_list *l, const struct prefix *list)
{
	struct address a = { 0 };
	const struct access_client client = { .address = &a };
	double begin;
	uint32_t rule;

	fflush(stdout);
	for (size_t i = 0; i < 4; i++) {
		pid_t child = fork();

		if (child == 0) {
			set_address(&a, &list[i]);
			begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
			access_admits(l->access, &client, &rule);
			printf("first     %.1f us: %s\n", (seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6,
			       list[i].family == AF_INET ? "IPv4" : "IPv6");
			fflush(stdout);
			_exit(EXIT_SUCCESS);
		}
		if (child > 0)
			waitpid(child, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	struct prefix *list = calloc(PREFIXES, sizeof(*list)), *out = calloc(LOOKUPS, sizeof(*out));
	const char *path = argc > 1 ? argv[1] : "lists.txt";
	uint64_t state = 2463534242;
	struct access_list *l;

	if (!list || !out)
		return EXIT_FAILURE;
	for (size_t i = 0; i < PREFIXES; i++)
		list[i] = draw_prefix(&state);
	if (write_list(path, list) < 0) {
		perror(path);
		return EXIT_FAILURE;
	}
	l = load(path);
	if (argc < 2)
		unlink(path);
	if (!l)
		return EXIT_FAILURE;
	look_all_up(l, out, list, "an address of the list");
	look_all_up(l, out, NULL, "any address");
	look_up_first(l, list);
	printf("memory    %.1f MB for %u rules, once for all workers\n", (double)l->size / 1e6, access_list_rules(l));
	access_list_release(l);
	free(list);
	free(out);
	return EXIT_SUCCESS;
}
