/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "given.h"

#include <sys/stat.h>
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <linux/filter.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Addresses */

static void set_v6(struct address *a, char *host)
{
	char *scope = strchr(host, '%');

	if (scope)
		*scope++ = '\0';
	a->length = sizeof(a->socket.v6);
	a->socket.v6.sin6_family = AF_INET6;
	ck_assert_msg(inet_pton(AF_INET6, host, &a->socket.v6.sin6_addr) == 1, "%s", host);
	a->socket.v6.sin6_scope_id = scope ? (uint32_t)strtoul(scope, NULL, 10) : 0;
}

static void set_v4(struct address *a, const char *host)
{
	a->length = sizeof(a->socket.v4);
	a->socket.v4.sin_family = AF_INET;
	ck_assert_msg(inet_pton(AF_INET, host, &a->socket.v4.sin_addr) == 1, "%s", host);
}

static void set_path(struct address *a, const char *text)
{
	size_t size = strlen(text) + (text[0] == '/');

	ck_assert_msg(size <= sizeof(a->socket.path.sun_path), "%s", text);
	a->socket.path.sun_family = AF_UNIX;
	memcpy(a->socket.path.sun_path, text, size);
	if (text[0] == '@')
		a->socket.path.sun_path[0] = '\0';
	a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

struct address given_address(const char *text)
{
	struct address a;
	char host[128];
	const char *colon = strrchr(text, ':');

	memset(&a, 0, sizeof(a));
	if (text[0] == '\0')
		return a;
	if (text[0] == '/' || text[0] == '@') {
		set_path(&a, text);
		return a;
	}
	ck_assert_msg(colon, "%s", text);
	if (text[0] == '[') {
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text - 2), text + 1);
		set_v6(&a, host);
	} else {
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
		set_v4(&a, host);
	}
	address_set_port(&a, (unsigned)strtoul(colon + 1, NULL, 10));
	return a;
}

struct endpoint given_endpoint(const char *text)
{
	struct endpoint e = { .dual = text[0] == '*' };
	char wildcard[32];

	snprintf(wildcard, sizeof(wildcard), "[::]%s", e.dual ? text + 1 : "");
	e.address = given_address(e.dual ? wildcard : text);
	return e;
}

/* Directories and files */

static char base[PATH_MAX], here[PATH_MAX];

void given_suite_directory(void)
{
	const char *tmp = getenv("TMPDIR");

	/* Paths of sockets have 108 bytes. */
	snprintf(base, sizeof(base), "%s/unit.XXXXXX", tmp && tmp[0] == '/' && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(base)) {
		perror(base);
		exit(EXIT_FAILURE);
	}
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void given_no_suite_directory(void)
{
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void given_directory(void)
{
	snprintf(here, sizeof(here), "%.4000s/XXXXXX", base);
	ck_assert_msg(mkdtemp(here) && chdir(here) == 0, "%s: %s", here, strerror(errno));
}

const char *given_here(void)
{
	return here;
}

void given_file_of(const char *name, const void *data, size_t size)
{
	FILE *f = fopen(name, "w");

	ck_assert_msg(f, "%s: %s", name, strerror(errno));
	ck_assert_uint_eq(fwrite(data, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
}

void given_file(const char *name, const char *text)
{
	if (text)
		given_file_of(name, text, strlen(text));
}

/* Complaints */

char *given_complaints(const struct complaints *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < c->count; i++) {
		const struct complaint *one = &c->list[i];

		fprintf(f, "%s:%d: %s\n", one->file ? one->file : "", one->line, one->text);
	}
	fclose(f);
	return text;
}

bool matches(const char *patterns, const char *text)
{
	while (*patterns && *text) {
		size_t m = strcspn(patterns, "\n"), n = strcspn(text, "\n");
		char pattern[1024], line[2048];

		snprintf(pattern, sizeof(pattern), "%.*s", (int)m, patterns);
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		if (fnmatch(pattern, line, FNM_NOESCAPE) != 0)
			return false;
		patterns += m + (patterns[m] == '\n');
		text += n + (text[n] == '\n');
	}
	return !*patterns && !*text;
}

struct configuration *given_configuration(const char *path, uid_t user, char **said)
{
	char directories[] = "PATH=/usr/bin:/bin", language[] = "LANG=C";
	char *environment[] = { directories, language, NULL };
	const struct surroundings around = { .user = user, .environment = environment };
	struct complaints complaints = { 0 };
	struct configuration *c = configuration_load(path, &around, &complaints);

	*said = given_complaints(&complaints);
	complaints_free(&complaints);
	return c;
}

/* Waiting */

bool comes(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, PATIENCE) == 1;
}

bool becomes(bool (*condition)(void *data), void *data)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	for (int i = 0; i < PATIENCE; i++) {
		if (condition(data))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Sockets */

bool given_ipv6(void)
{
	struct address a = given_address("[::1]:0");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, &a.socket.any, a.length) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

bool given_filters(void)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, UINT32_MAX) };
	struct sock_fprog program = { .len = 1, .filter = code };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool may = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;

	close(fd);
	return may;
}

int given_client(const struct address *server)
{
	int fd = socket(address_family(server), SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(connect(fd, &server->socket.any, server->length) == 0, "connect: %s", strerror(errno));
	return fd;
}

int given_attempt(const struct address *server)
{
	int fd = socket(address_family(server), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	(void)!connect(fd, &server->socket.any, server->length);
	return fd;
}

int given_server(const char *text, int backlog, struct address *bound)
{
	struct address a = given_address(text);
	int fd = socket(address_family(&a), SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(bind(fd, &a.socket.any, a.length) == 0, "%s: %s", text, strerror(errno));
	ck_assert_int_eq(listen(fd, backlog), 0);
	bound->length = sizeof(bound->socket);
	ck_assert_int_eq(getsockname(fd, &bound->socket.any, &bound->length), 0);
	return fd;
}

long read_all(int fd, void *data, size_t size)
{
	size_t have = 0;

	while (have < size && comes(fd, POLLIN)) {
		ssize_t n = read(fd, (char *)data + have, size - have);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (long)have;
}
