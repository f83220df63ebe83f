/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "holder.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A listening socket on `bound`, and an address that is wanted; PORT is that of the first. */
static const struct {
	const char *bound, *wanted;
	bool found;
} table[] = {
	{ "127.0.0.1:0", "127.0.0.1:PORT", true },
	{ "127.0.0.1:0", "0.0.0.0:PORT", true },
	{ "127.0.0.1:0", "*:PORT", true },
	{ "0.0.0.0:0", "127.0.0.1:PORT", true },
	{ "127.0.0.1:0", "127.0.0.2:PORT", false },
	{ "127.0.0.1:0", "[::1]:PORT", false },
	{ "[::1]:0", "[::1]:PORT", true },
	{ "[::1]:0", "[::]:PORT", true },
	{ "[::1]:0", "*:PORT", true },
	{ "[::]:0", "[::1]:PORT", true },
	{ "[::]:0", "127.0.0.1:PORT", true }, /* dual, as a socket is until it is told otherwise */
	{ "[::1]:0", "127.0.0.1:PORT", false },
	{ "/path", "/path", true },
	{ "/path", "/pathetic", false },
	{ "@name", "@name", true },
	{ "@name", "@names", false },
};

/* Names of the test's own. */
static struct endpoint endpoint_of(const char *text, unsigned port)
{
	const char *mark = strstr(text, "PORT");
	char whole[200];

	if (text[0] == '/')
		snprintf(whole, sizeof(whole), "%.100s%s", given_here(), text);
	else if (text[0] == '@')
		snprintf(whole, sizeof(whole), "@%.100s%s", given_here(), text + 1);
	else if (mark)
		snprintf(whole, sizeof(whole), "%.*s%u", (int)(mark - text), text, port);
	else
		snprintf(whole, sizeof(whole), "%s", text);
	return given_endpoint(whole);
}

/* -1 where the machine has no such address. */
static int serve(const char *text, struct address *bound)
{
	struct endpoint e = endpoint_of(text, 0);
	int fd = socket(address_family(&e.address), SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, &e.address.socket.any, e.address.length) < 0) {
		ck_assert_msg(text[0] == '[', "%s", text);
		close(fd);
		return -1;
	}
	ck_assert_int_eq(listen(fd, 1), 0);
	bound->length = sizeof(bound->socket);
	ck_assert_int_eq(getsockname(fd, &bound->socket.any, &bound->length), 0);
	return fd;
}

START_TEST(who_listens_is_found)
{
	struct address bound;
	struct holder h = { 0 };
	int fd = serve(table[_i].bound, &bound);
	struct endpoint e;

	if (fd < 0)
		return; /* a machine without IPv6 */
	prctl(PR_SET_NAME, "unit holder");
	e = endpoint_of(table[_i].wanted, address_port(&bound));
	ck_assert_msg(holder_find(&e.address, e.dual, &h) == (table[_i].found ? 1 : -1), "%s and %s", table[_i].bound, table[_i].wanted);
	if (table[_i].found) {
		ck_assert_msg(h.pid == getpid(), "%s: pid %d", table[_i].bound, (int)h.pid);
		ck_assert_str_eq(h.command, "unit holder");
	}
	close(fd);
}
END_TEST

START_TEST(afterwards_nobody_is_found)
{
	struct address bound;
	struct holder h;
	int fd = serve(table[_i].bound, &bound);

	if (fd < 0)
		return; /* a machine without IPv6 */
	close(fd);
	ck_assert_msg(holder_find(&bound, false, &h) == -1, "%s", table[_i].bound);
}
END_TEST

START_TEST(a_socket_that_does_not_listen_holds_nothing)
{
	struct endpoint e = given_endpoint("127.0.0.1:0");
	struct address bound, local;
	struct holder h;
	int fd = socket(AF_INET, SOCK_STREAM, 0), server, client;

	ck_assert_int_eq(bind(fd, &e.address.socket.any, e.address.length), 0);
	bound.length = sizeof(bound.socket);
	ck_assert_int_eq(getsockname(fd, &bound.socket.any, &bound.length), 0);
	ck_assert_int_eq(holder_find(&bound, false, &h), -1);
	close(fd);

	/* Nor does a connection, which has a port too. */
	server = serve("127.0.0.1:0", &bound);
	client = given_client(&bound);
	local.length = sizeof(local.socket);
	ck_assert_int_eq(getsockname(client, &local.socket.any, &local.length), 0);
	ck_assert_int_eq(holder_find(&local, false, &h), -1);
	close(client);
	close(server);
}
END_TEST

START_TEST(another_process_is_named)
{
	struct address bound = { 0 };
	struct holder h = { 0 };
	int ready[2], hold[2];
	pid_t pid;

	ck_assert(pipe(ready) == 0 && pipe(hold) == 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		prctl(PR_SET_NAME, "somebody else");
		close(hold[1]);
		if (serve("127.0.0.1:0", &bound) < 0 || write(ready[1], &bound, sizeof(bound)) != sizeof(bound))
			_exit(1);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(read_all(ready[0], &bound, sizeof(bound)), sizeof(bound));
	ck_assert_int_eq(holder_find(&bound, false, &h), 1);
	ck_assert_int_eq(h.pid, pid);
	ck_assert_str_eq(h.command, "somebody else");
	close(hold[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

/* Whichever of them is found first. */
START_TEST(a_server_is_named_and_not_its_child)
{
	struct address bound;
	struct holder h = { 0 };
	int fd = serve("127.0.0.1:0", &bound), hold[2];
	pid_t pid;

	prctl(PR_SET_NAME, "un) R 1 (it"); /* for the reader of /proc */
	ck_assert_int_eq(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(holder_find(&bound, false, &h), 1);
	ck_assert_int_eq(h.pid, getpid());
	close(fd);
	ck_assert_int_eq(holder_find(&bound, false, &h), 1);
	ck_assert_int_eq(h.pid, pid);
	close(hold[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

/* As long as a path can be. */
START_TEST(a_long_path_is_found)
{
	struct address bound, a;
	struct holder h;
	char path[sizeof(a.socket.path.sun_path)];
	int fd;

	memset(path, 'x', sizeof(path));
	path[snprintf(path, 60, "%s/", given_here())] = 'x';
	path[sizeof(path) - 1] = '\0';
	fd = given_server(path, 1, &bound);
	a = given_address(path);
	ck_assert_int_eq(holder_find(&a, false, &h), 1);
	ck_assert_int_eq(h.pid, getpid());
	close(fd);
}
END_TEST

Suite *holder_suite(void)
{
	Suite *s = suite_create("holder");
	TCase *t = tcase_create("holder");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_loop_test(t, who_listens_is_found, 0, rows(table));
	tcase_add_loop_test(t, afterwards_nobody_is_found, 0, rows(table));
	tcase_add_test(t, a_socket_that_does_not_listen_holds_nothing);
	tcase_add_test(t, another_process_is_named);
	tcase_add_test(t, a_server_is_named_and_not_its_child);
	tcase_add_test(t, a_long_path_is_found);
	suite_add_tcase(s, t);
	return s;
}
