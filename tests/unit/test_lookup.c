/* SPDX-License-Identifier: ISC */
/* A worker's question, answered by resolvers that the tests make up. */
#include "config.h"

#include "suites.h"
#include "given.h"
#include "lookup.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG (60 * 60 * 1000) /* ms: nobody waits for so long */
#define SHORT 20              /* ms: for what is to time out */

static int door[2];
static char name[HOST_NAME + 1];

static void open_door(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, LOOKUP_DOOR | SOCK_CLOEXEC, 0, door), 0);
	memset(name, '~', sizeof(name));
}

static void close_door(void)
{
	if (door[0] >= 0)
		close(door[0]);
	close(door[1]);
}

/* The resolver's side, in a child of the test */

struct request {
	struct sockaddr_storage client;
	ssize_t length;
	int answer;
};

static struct request take_request(void)
{
	struct request r = { .answer = -1 };
	char space[256];
	struct iovec address = { .iov_base = &r.client, .iov_len = sizeof(r.client) };
	struct msghdr message = { .msg_iov = &address, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	struct cmsghdr *header;

	r.length = recvmsg(door[0], &message, MSG_CMSG_CLOEXEC);
	header = CMSG_FIRSTHDR(&message);
	if (r.length > 0 && header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&r.answer, CMSG_DATA(header), sizeof(r.answer));
	return r;
}

/* Answers each request with what is at `text`; a length of -1: with nothing. */
static pid_t resolver_saying(const char *text, ssize_t length)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	close(door[1]);
	for (;;) {
		struct request r = take_request();

		if (length >= 0)
			send(r.answer, text, (size_t)length, MSG_NOSIGNAL);
		close(r.answer);
	}
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool look_up(const char *peer, int timeout)
{
	const struct address a = given_address(peer);

	return lookup_host(door[1], timeout, &a, name);
}

#define LABEL "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789." /* 63 */
#define LONGEST LABEL LABEL LABEL LABEL "abc"                                        /* 255 */

static const struct {
	const char *what, *text;
	int length; /* 0: that of the text */
	bool good;
} answers[] = {
	{ "a plain name", "host.example.org", 0, true },
	{ "one letter", "x", 0, true },
	{ "digits and signs", "a-1_b.c-d", 0, true },
	{ "an underscore first", "_dmarc.example", 0, true },
	{ "capitals", "HOST.Example", 0, true },
	{ "the longest", LONGEST, 0, true },
	{ "one too long", LONGEST "d", 0, false },
	{ "twice the longest", LONGEST LONGEST, 0, false },
	{ "an empty message", "", 0, false },
	{ "a space", "host example", 0, false },
	{ "a newline at the end", "host.example\n", 0, false },
	{ "a command", "$(reboot).example", 0, false },
	{ "a semicolon", "a;b", 0, false },
	{ "a slash", "../etc/passwd", 0, false },
	{ "a colon", "fe80::1", 0, false },
	{ "a percent sign", "a%n", 0, false },
	{ "an equals sign", "PATH=/tmp", 0, false },
	{ "an option", "-oProxyCommand", 0, false },
	{ "a dot first", ".example", 0, false },
	{ "a NUL at the end", "host", 5, false },
	{ "a NUL within", "ho\0st", 5, false },
	{ "beyond ASCII", "m\xc3\xbcller.example", 0, false },
	{ "a control character", "a\x7f", 0, false },
};

START_TEST(a_name_is_taken_and_anything_else_is_none)
{
	const char *text = answers[_i].text;
	size_t length = answers[_i].length ? (size_t)answers[_i].length : strlen(text);
	pid_t pid = resolver_saying(text, (ssize_t)length);
	int before = open_descriptors();

	ck_assert_msg(look_up("198.51.100.7:50312", LONG) == answers[_i].good, "%s", answers[_i].what);
	ck_assert_msg(!answers[_i].good || strcmp(name, text) == 0, "%s: %s", answers[_i].what, name);
	ck_assert_int_eq(name[HOST_NAME], '~');
	ck_assert_int_eq(open_descriptors(), before);
	end(pid);
}
END_TEST

/* The resolver knows one address and says no name to any other. */
static pid_t resolver_knowing(const char *address, const char *text)
{
	const struct address a = given_address(address);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	for (;;) {
		struct request r = take_request();

		if (r.length == (ssize_t)a.length && memcmp(&r.client, &a.socket, a.length) == 0)
			send(r.answer, text, strlen(text), MSG_NOSIGNAL);
		close(r.answer);
	}
}

static const char *const addresses[] = { "198.51.100.7:50312", "[2001:db8::1]:443", "[fe80::1%3]:65535" };

START_TEST(the_clients_own_address_is_asked_for)
{
	pid_t pid = resolver_knowing(addresses[_i], "client.example");

	ck_assert(look_up(addresses[_i], LONG));
	ck_assert_str_eq(name, "client.example");
	ck_assert(!look_up("198.51.100.8:50312", LONG));
	ck_assert(look_up(addresses[_i], LONG));
	end(pid);
}
END_TEST

static const char *const nameless[] = { "/run/client", "@client", "" };

START_TEST(a_client_of_a_path_is_not_asked_for)
{
	char byte;

	ck_assert(!look_up(nameless[_i], LONG));
	ck_assert_int_eq(recv(door[0], &byte, 1, MSG_DONTWAIT), -1);
}
END_TEST

START_TEST(no_answer_is_no_name)
{
	pid_t pid = resolver_saying(NULL, -1);

	ck_assert(!look_up("198.51.100.7:50312", LONG));
	end(pid);
}
END_TEST

START_TEST(nobody_is_waited_for_longer_than_the_time_limit)
{
	int before = open_descriptors();

	ck_assert(!look_up("198.51.100.7:50312", SHORT));
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(an_answer_that_is_too_late_reaches_nobody)
{
	struct request r;

	ck_assert(!look_up("198.51.100.7:50312", SHORT));
	r = take_request();
	ck_assert_int_ge(r.answer, 0);
	ck_assert_int_eq(send(r.answer, "late.example", 12, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(r.answer);
}
END_TEST

START_TEST(a_resolver_that_dies_over_a_request_is_not_waited_for)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		take_request();
		_exit(0);
	}
	ck_assert(!look_up("198.51.100.7:50312", LONG));
	end(pid);
}
END_TEST

START_TEST(a_full_door_is_not_waited_for)
{
	int before;

	while (send(door[1], "x", 1, MSG_DONTWAIT) == 1)
		;
	ck_assert_int_eq(errno, EAGAIN);
	before = open_descriptors();
	ck_assert(!look_up("198.51.100.7:50312", LONG));
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_door_without_anybody_behind_it_is_not_waited_for)
{
	close(door[0]);
	door[0] = -1;
	ck_assert(!look_up("198.51.100.7:50312", LONG));
}
END_TEST

START_TEST(without_descriptors_there_is_no_name)
{
	struct rlimit before, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)fcntl(0, F_DUPFD_CLOEXEC, 0) + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert(!look_up("198.51.100.7:50312", LONG));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

static int heard[2]; /* pipe */

static void on_signal(int sig)
{
	(void)sig;
	(void)!write(heard[1], "", 1);
}

/* A worker hears of its master's death at any time. */
START_TEST(a_signal_does_not_end_the_wait)
{
	struct sigaction action = { .sa_handler = on_signal };
	pid_t parent = getpid(), pid;

	ck_assert_int_eq(pipe2(heard, O_CLOEXEC), 0);
	ck_assert_int_eq(sigaction(SIGURG, &action, NULL), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct request r = take_request();

		char byte;

		for (int i = 0; i < 20; i++) { /* the first may come before the wait */
			kill(parent, SIGURG);
			(void)!read(heard[0], &byte, 1);
		}
		send(r.answer, "host.example", 12, MSG_NOSIGNAL);
		_exit(0);
	}
	ck_assert(look_up("198.51.100.7:50312", LONG));
	ck_assert_str_eq(name, "host.example");
	end(pid);
	close(heard[0]);
	close(heard[1]);
}
END_TEST

/* What comes with an answer besides its text is not taken: a resolver could otherwise fill a worker with descriptors. */
START_TEST(descriptors_in_an_answer_are_not_taken)
{
	int before = open_descriptors();
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct request r = take_request();
		union {
			struct cmsghdr header;
			char space[CMSG_SPACE(sizeof(int))];
		} passed;
		struct iovec text = { .iov_base = name, .iov_len = 12 };
		struct msghdr message = {
			.msg_iov = &text, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = CMSG_LEN(sizeof(int)),
		};

		memcpy(name, "host.example", 12);
		passed.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
		memset(CMSG_DATA(&passed.header), 0, sizeof(int));
		sendmsg(r.answer, &message, MSG_NOSIGNAL);
		_exit(0);
	}
	ck_assert(look_up("198.51.100.7:50312", LONG));
	ck_assert_str_eq(name, "host.example");
	ck_assert_int_eq(open_descriptors(), before);
	end(pid);
}
END_TEST

Suite *lookup_suite(void)
{
	Suite *s = suite_create("lookup");
	TCase *t = tcase_create("lookup");

	tcase_add_checked_fixture(t, open_door, close_door);
	tcase_add_loop_test(t, a_name_is_taken_and_anything_else_is_none, 0, rows(answers));
	tcase_add_loop_test(t, the_clients_own_address_is_asked_for, 0, rows(addresses));
	tcase_add_loop_test(t, a_client_of_a_path_is_not_asked_for, 0, rows(nameless));
	tcase_add_test(t, no_answer_is_no_name);
	tcase_add_test(t, nobody_is_waited_for_longer_than_the_time_limit);
	tcase_add_test(t, an_answer_that_is_too_late_reaches_nobody);
	tcase_add_test(t, a_resolver_that_dies_over_a_request_is_not_waited_for);
	tcase_add_test(t, a_full_door_is_not_waited_for);
	tcase_add_test(t, a_door_without_anybody_behind_it_is_not_waited_for);
	tcase_add_test(t, without_descriptors_there_is_no_name);
	tcase_add_test(t, a_signal_does_not_end_the_wait);
	tcase_add_test(t, descriptors_in_an_answer_are_not_taken);
	suite_add_tcase(s, t);
	return s;
}
