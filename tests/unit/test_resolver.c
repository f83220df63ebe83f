/* SPDX-License-Identifier: ISC */
/* A resolver at its door, in a child of the test. What is the name of an address is the system's business: it is asked, too. */
#include "config.h"

#include "suites.h"
#include "given.h"
#include "lookup.h"
#include "resolver.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSED_MAX 16

static int door[2];
static pid_t resolver;

static void start_resolver(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, LOOKUP_DOOR | SOCK_CLOEXEC, 0, door), 0);
	resolver = fork();
	ck_assert_int_ge(resolver, 0);
	if (resolver > 0)
		return;
	close(door[1]);
	while (resolver_answer(door[0]))
		;
	_exit(0);
}

static void end_resolver(void)
{
	kill(resolver, SIGKILL);
	waitpid(resolver, NULL, 0);
	close(door[0]);
	close(door[1]);
}

static void request(const void *data, size_t size, const int *descriptors, size_t count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	} passed;
	struct iovec address = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &address, .msg_iovlen = 1 };

	if (count > 0) {
		passed.header = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int)),
		};
		memcpy(CMSG_DATA(&passed.header), descriptors, count * sizeof(int));
		message.msg_control = &passed;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(door[1], &message, 0), (ssize_t)size);
}

/* The answer to a request, "" when there was none. */
static void ask(const void *data, size_t size, char *text)
{
	int pair[2];
	ssize_t n;

	ck_assert_int_eq(socketpair(AF_UNIX, LOOKUP_ANSWER | SOCK_CLOEXEC, 0, pair), 0);
	request(data, size, &pair[1], 1);
	close(pair[1]);
	ck_assert(comes(pair[0], POLLIN));
	n = recv(pair[0], text, NI_MAXHOST - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(pair[0]);
}

static void check_name(const char *address)
{
	const struct address a = given_address(address);
	char expected[NI_MAXHOST] = "", text[NI_MAXHOST];

	if (getnameinfo(&a.socket.any, a.length, expected, sizeof(expected), NULL, 0, NI_NAMEREQD) != 0)
		expected[0] = '\0';
	ask(&a.socket, a.length, text);
	ck_assert_msg(strcmp(text, expected) == 0, "%s: %s, not %s", address, text, expected);
}

/* Only what hosts(5) has, usually: no name server should be needed for a test. */
static const char *const addresses[] = { "127.0.0.1:1", "[::1]:65535" };

START_TEST(an_address_gets_the_name_that_the_system_knows)
{
	check_name(addresses[_i]);
}
END_TEST

static int descriptors_of(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static const struct {
	const char *what;
	size_t size;
	int family;
} nonsense[] = {
	{ "nothing", 0, 0 },
	{ "one byte", 1, AF_INET },
	{ "a family alone", sizeof(sa_family_t), AF_INET },
	{ "too short an IPv4 address", sizeof(struct sockaddr_in) - 1, AF_INET },
	{ "too long an IPv4 address", sizeof(struct sockaddr_in) + 1, AF_INET },
	{ "too short an IPv6 address", sizeof(struct sockaddr_in6) - 1, AF_INET6 },
	{ "a path", sizeof(struct sockaddr_un), AF_UNIX },
	{ "an unknown family", sizeof(struct sockaddr_in), 200 },
	{ "too much", 4096, AF_INET },
};

START_TEST(nonsense_gets_no_name_and_does_no_harm)
{
	char data[4096] = { 0 }, text[NI_MAXHOST];
	sa_family_t family = (sa_family_t)nonsense[_i].family;

	memcpy(data, &family, sizeof(family));
	ask(data, nonsense[_i].size, text);
	ck_assert_msg(text[0] == '\0', "%s: %s", nonsense[_i].what, text);
	check_name("127.0.0.1:1");
}
END_TEST

/* How many descriptors come with a request; only the first of them may ever be used. */
static const size_t passed[] = { 0, 2, 3, PASSED_MAX };

START_TEST(no_request_leaves_a_descriptor_behind)
{
	const struct address a = given_address("127.0.0.1:1");
	int many[PASSED_MAX], before;

	for (int i = 0; i < PASSED_MAX; i++)
		many[i] = door[1];
	check_name("127.0.0.1:1"); /* from now on it has opened what it wants to keep */
	before = descriptors_of(resolver);
	for (int i = 0; i < 50; i++)
		request(&a.socket, a.length, many, passed[_i]);
	check_name("127.0.0.1:1");
	ck_assert_int_le(descriptors_of(resolver), before + 1); /* it closes the last one a moment after its answer */
}
END_TEST

/* None of these can be answered to. */
START_TEST(a_descriptor_that_is_no_socket_does_no_harm)
{
	const struct address a = given_address("127.0.0.1:1");
	int fds[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	request(&a.socket, a.length, &null, 1);
	request(&a.socket, a.length, &fds[0], 1);
	request(&a.socket, a.length, &fds[1], 1);
	close(fds[0]);
	close(fds[1]);
	close(null);
	check_name("127.0.0.1:1");
}
END_TEST

START_TEST(who_gave_up_is_no_reason_to_die)
{
	const struct address a = given_address("127.0.0.1:1");

	for (int i = 0; i < 50; i++) {
		int pair[2];

		ck_assert_int_eq(socketpair(AF_UNIX, LOOKUP_ANSWER | SOCK_CLOEXEC, 0, pair), 0);
		request(&a.socket, a.length, &pair[1], 1);
		close(pair[0]);
		close(pair[1]);
	}
	check_name("127.0.0.1:1");
	ck_assert_int_eq(waitpid(resolver, NULL, WNOHANG), 0);
}
END_TEST

START_TEST(who_does_not_listen_is_no_reason_to_die)
{
	const struct address a = given_address("127.0.0.1:1");
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0); /* others bring no SIGPIPE */
	ck_assert_int_eq(shutdown(pair[0], SHUT_RD), 0);
	request(&a.socket, a.length, &pair[1], 1);
	check_name("127.0.0.1:1");
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(a_door_that_is_none_is_the_end)
{
	ck_assert(!resolver_answer(-1));
}
END_TEST

Suite *resolver_suite(void)
{
	Suite *s = suite_create("resolver");
	TCase *t = tcase_create("resolver");

	tcase_add_checked_fixture(t, start_resolver, end_resolver);
	tcase_add_loop_test(t, an_address_gets_the_name_that_the_system_knows, 0, rows(addresses));
	tcase_add_loop_test(t, nonsense_gets_no_name_and_does_no_harm, 0, rows(nonsense));
	tcase_add_loop_test(t, no_request_leaves_a_descriptor_behind, 0, rows(passed));
	tcase_add_test(t, a_descriptor_that_is_no_socket_does_no_harm);
	tcase_add_test(t, who_gave_up_is_no_reason_to_die);
	tcase_add_test(t, who_does_not_listen_is_no_reason_to_die);
	tcase_add_test(t, a_door_that_is_none_is_the_end);
	suite_add_tcase(s, t);
	return s;
}
