/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "suites.h"
#include "given.h"
#include "handlers.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = { "echo", "discard", "chargen", "daytime", "time" };

START_TEST(a_built_in_is_found_by_its_name)
{
	const struct handler *h = builtin_find(names[_i]);

	ck_assert_ptr_nonnull(h);
	ck_assert_str_eq(h->name, names[_i]);
	ck_assert(h->repeats);
	ck_assert_msg(strstr(builtin_names(), names[_i]), "%s", names[_i]);
}
END_TEST

START_TEST(other_names_are_none)
{
	ck_assert_ptr_null(builtin_find(""));
	ck_assert_ptr_null(builtin_find("Echo"));
	ck_assert_ptr_null(builtin_find("ech"));
	ck_assert_ptr_null(builtin_find("exec"));
}
END_TEST

/* A process that serves one connection and ends. */
struct served {
	pid_t pid;
	int client;
};

static struct served serve(const char *name)
{
	struct address bound;
	int listener = given_server("127.0.0.1:0", 1, &bound);
	struct served s;

	s.client = given_client(&bound);
	s.pid = fork();
	if (s.pid == 0) {
		struct worker w = { .connection = { .fd = accept(listener, NULL, NULL) } };

		close(s.client);
		builtin_find(name)->serve(&w, NULL);
		_exit(0);
	}
	close(listener);
	return s;
}

static void await_end(const struct served *s)
{
	int status;

	close(s->client);
	ck_assert_int_eq(waitpid(s->pid, &status, 0), s->pid);
	ck_assert_msg(status == 0, "status %x", (unsigned)status);
}

START_TEST(echo_sends_back_what_it_gets)
{
	struct served s = serve("echo");
	char answer[16] = "";

	ck_assert_int_eq(write(s.client, "hello", 5), 5);
	ck_assert_int_eq(read_all(s.client, answer, 5), 5);
	ck_assert_str_eq(answer, "hello");
	ck_assert_int_eq(write(s.client, "again", 5), 5);
	ck_assert_int_eq(read_all(s.client, answer, 5), 5);
	ck_assert_str_eq(answer, "again");
	shutdown(s.client, SHUT_WR);
	ck_assert_int_eq(read_all(s.client, answer, 1), 0);
	await_end(&s);
}
END_TEST

/* Both ends write until something can be read: more than the buffers hold, every byte as it was. */
START_TEST(echo_sends_back_any_amount)
{
	static char data[1 << 20], answer[1 << 20];
	struct served s = serve("echo");
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
	fcntl(s.client, F_SETFL, O_NONBLOCK);
	while (got < sizeof(data)) {
		ssize_t n;

		ck_assert(comes(s.client, sent < sizeof(data) ? POLLIN | POLLOUT : POLLIN));
		n = sent < sizeof(data) ? write(s.client, data + sent, sizeof(data) - sent) : 0;
		sent += n > 0 ? (size_t)n : 0;
		if (sent == sizeof(data))
			shutdown(s.client, SHUT_WR);
		n = read(s.client, answer + got, sizeof(answer) - got);
		ck_assert(n > 0 || (n < 0 && errno == EAGAIN));
		got += n > 0 ? (size_t)n : 0;
	}
	ck_assert_int_eq(memcmp(data, answer, sizeof(data)), 0);
	await_end(&s);
}
END_TEST

START_TEST(discard_says_nothing)
{
	struct served s = serve("discard");
	char data[100000] = "", answer[1];

	ck_assert_int_eq(write(s.client, data, sizeof(data)), (ssize_t)sizeof(data));
	shutdown(s.client, SHUT_WR);
	ck_assert_int_eq(read_all(s.client, answer, 1), 0);
	await_end(&s);
}
END_TEST

/* RFC 864: 72 characters in a line, each line one further in the ring of 95. */
START_TEST(chargen_sends_a_ring_of_characters_until_the_client_is_gone)
{
	struct served s = serve("chargen");
	char text[200 * 74];

	ck_assert_int_eq(read_all(s.client, text, sizeof(text)), (long)sizeof(text));
	for (int line = 0; line < 200; line++) {
		const char *at = text + line * 74;

		for (int column = 0; column < 72; column++)
			ck_assert_msg(at[column] == ' ' + (line + column) % 95, "line %d, column %d: %c", line, column, at[column]);
		ck_assert_int_eq(memcmp(at + 72, "\r\n", 2), 0);
	}
	await_end(&s);
}
END_TEST

START_TEST(daytime_sends_a_line_with_the_time)
{
	struct served s = serve("daytime");
	char text[128] = "";
	struct tm told;
	time_t before = time(NULL), then;
	char *rest;

	ck_assert_int_gt(read_all(s.client, text, sizeof(text) - 1), 0);
	memset(&told, 0, sizeof(told));
	rest = strptime(text, "%a %b %d %H:%M:%S %Y", &told);
	ck_assert_msg(rest && strcmp(rest, "\r\n") == 0, "%s", text);
	told.tm_isdst = -1;
	then = mktime(&told);
	ck_assert_msg(then >= before - 1 && then <= time(NULL), "%s", text);
	await_end(&s);
}
END_TEST

/* RFC 868 counts from 1900. */
START_TEST(time_sends_four_bytes)
{
	struct served s = serve("time");
	uint32_t before = (uint32_t)time(NULL), told[2];

	ck_assert_int_eq(read_all(s.client, told, sizeof(told)), 4);
	told[0] = ntohl(told[0]) - 2208988800U;
	ck_assert_uint_ge(told[0], before - 1);
	ck_assert_uint_le(told[0], (uint32_t)time(NULL));
	await_end(&s);
}
END_TEST

/* Closing while something is unread would reset the connection, and the answer with it. */
START_TEST(an_answer_arrives_although_the_client_spoke_first)
{
	struct served s = serve("time");
	char data[50000] = "", answer[8];

	ck_assert_int_eq(write(s.client, data, sizeof(data)), (ssize_t)sizeof(data));
	ck_assert_int_eq(read_all(s.client, answer, sizeof(answer)), 4);
	await_end(&s);
}
END_TEST

/* Each byte comes in good time for the one before, but all of them together do not. */
START_TEST(a_client_that_goes_on_sending_is_left)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	struct served s = serve("time");
	int sent = 0;

	while (sent < 50 && send(s.client, "x", 1, MSG_NOSIGNAL) == 1) {
		nanosleep(&pause, NULL);
		sent++;
	}
	ck_assert_int_lt(sent, 50);
	await_end(&s);
}
END_TEST

static const char *const lasting[] = { "echo", "discard", "chargen" };

START_TEST(a_client_that_resets_ends_it)
{
	const struct linger reset = { .l_onoff = 1 };
	struct served s = serve(lasting[_i]);

	setsockopt(s.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	await_end(&s);
}
END_TEST

Suite *builtin_suite(void)
{
	Suite *s = suite_create("builtin");
	TCase *t = tcase_create("builtin");

	tcase_add_loop_test(t, a_built_in_is_found_by_its_name, 0, rows(names));
	tcase_add_test(t, other_names_are_none);
	tcase_add_test(t, echo_sends_back_what_it_gets);
	tcase_add_test(t, echo_sends_back_any_amount);
	tcase_add_test(t, discard_says_nothing);
	tcase_add_test(t, chargen_sends_a_ring_of_characters_until_the_client_is_gone);
	tcase_add_test(t, daytime_sends_a_line_with_the_time);
	tcase_add_test(t, time_sends_four_bytes);
	tcase_add_test(t, an_answer_arrives_although_the_client_spoke_first);
	tcase_add_test(t, a_client_that_goes_on_sending_is_left);
	tcase_add_loop_test(t, a_client_that_resets_ends_it, 0, rows(lasting));
	suite_add_tcase(s, t);
	return s;
}
