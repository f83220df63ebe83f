/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "queue.h"

#include <sys/socket.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 3
#define HELD (BACKLOG + 1) /* Linux holds one more than it was asked for */

/* Each in the directory of the test. */
static const char *const addresses[] = { "127.0.0.1:0", "/path", "@abstract" };

static int serve(const char *text, int backlog, struct address *bound)
{
	char path[200];

	if (text[0] == '/')
		snprintf(path, sizeof(path), "%.100s/socket", given_here());
	else
		snprintf(path, sizeof(path), text[0] == '@' ? "@%.100s" : "%s", text[0] == '@' ? given_here() : text);
	return given_server(path, backlog, bound);
}

/* The last packet of a handshake may be under way when connect returns. */
struct expected {
	int fd, waiting;
};

static bool has_come(void *data)
{
	const struct expected *e = data;

	return queue_waiting(e->fd) == e->waiting;
}

static bool has_dropped(void *data)
{
	const struct expected *e = data;

	return queue_look(e->fd).dropped > 0;
}

START_TEST(those_who_wait_are_counted_up_to_the_limit)
{
	struct address bound;
	int fd = serve(addresses[_i], BACKLOG, &bound), client[HELD], one;
	struct queue q = queue_look(fd);

	ck_assert_msg(q.waiting == 0 && q.limit == BACKLOG, "%s: %d of %d", addresses[_i], q.waiting, q.limit);
	for (int i = 0; i < HELD; i++) {
		client[i] = given_client(&bound);
		ck_assert_msg(becomes(has_come, &(struct expected){ fd, i + 1 }), "%s: %d", addresses[_i], queue_waiting(fd));
		q = queue_look(fd);
		ck_assert_msg(q.waiting == i + 1 && q.limit == BACKLOG, "%s: %d of %d", addresses[_i], q.waiting, q.limit);
		ck_assert_msg(q.dropped == (address_family(&bound) == AF_UNIX ? -1 : 0), "%s: %lld", addresses[_i], q.dropped);
	}
	one = accept(fd, NULL, NULL);
	ck_assert_int_ge(one, 0);
	ck_assert_msg(queue_waiting(fd) == HELD - 1, "%s: %d", addresses[_i], queue_waiting(fd));
	close(one);
	for (int i = 0; i < HELD; i++)
		close(client[i]);
	close(fd);
}
END_TEST

START_TEST(listen_again_changes_the_limit)
{
	struct address bound;
	int fd = serve(addresses[_i], BACKLOG, &bound), client = given_client(&bound);

	ck_assert(becomes(has_come, &(struct expected){ fd, 1 }));
	ck_assert_int_eq(listen(fd, 2 * BACKLOG), 0);
	ck_assert_msg(queue_look(fd).limit == 2 * BACKLOG, "%s", addresses[_i]);
	ck_assert_msg(queue_look(fd).waiting == 1, "%s", addresses[_i]);
	close(client);
	close(fd);
}
END_TEST

START_TEST(attempts_that_find_it_full_are_counted_as_dropped)
{
	struct address bound;
	int fd = serve("127.0.0.1:0", BACKLOG, &bound), client[HELD + 1];

	for (int i = 0; i < HELD; i++)
		client[i] = given_client(&bound);
	ck_assert(becomes(has_come, &(struct expected){ fd, HELD }));
	ck_assert_int_eq(queue_look(fd).dropped, 0);
	client[HELD] = given_attempt(&bound);
	ck_assert(becomes(has_dropped, &(struct expected){ .fd = fd }));
	ck_assert_int_eq(queue_look(fd).waiting, HELD);
	for (int i = 0; i < HELD + 1; i++)
		close(client[i]);
	close(fd);
}
END_TEST

START_TEST(a_client_that_gave_up_still_waits)
{
	struct address bound;
	int fd = serve(addresses[_i], BACKLOG, &bound);

	close(given_client(&bound));
	ck_assert_msg(becomes(has_come, &(struct expected){ fd, 1 }), "%s: %d", addresses[_i], queue_waiting(fd));
	close(fd);
}
END_TEST

START_TEST(what_is_no_listening_socket_has_no_queue)
{
	struct address bound;
	int fd = serve("127.0.0.1:0", BACKLOG, &bound), client = given_client(&bound), udp = socket(AF_INET, SOCK_DGRAM, 0), pipes[2];
	const int sockets[] = { client, udp };
	struct queue q;

	for (int i = 0; i < rows(sockets); i++) {
		q = queue_look(sockets[i]);
		ck_assert_msg(q.waiting == -1 && q.limit == -1, "socket %d: %d of %d", i, q.waiting, q.limit);
	}
	ck_assert_int_eq(pipe(pipes), 0);
	q = queue_look(pipes[0]);
	ck_assert(q.waiting == -1 && q.limit == -1 && q.dropped == -1);
	q = queue_look(-1);
	ck_assert(q.waiting == -1 && q.limit == -1 && q.dropped == -1);
	ck_assert_int_eq(queue_waiting(-1), -1);
	close(pipes[0]);
	close(pipes[1]);
	close(udp);
	close(client);
	close(fd);
}
END_TEST

/* A look makes a socket of its own on some systems. */
START_TEST(looking_leaves_no_descriptor_open)
{
	struct address bound;
	int fd = serve("/path", BACKLOG, &bound), next = dup(fd);

	close(next);
	for (int i = 0; i < 10; i++)
		queue_look(fd);
	ck_assert_int_eq(dup(fd), next);
	close(next);
	close(fd);
}
END_TEST

Suite *queue_suite(void)
{
	Suite *s = suite_create("queue");
	TCase *t = tcase_create("queue");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_loop_test(t, those_who_wait_are_counted_up_to_the_limit, 0, rows(addresses));
	tcase_add_loop_test(t, listen_again_changes_the_limit, 0, rows(addresses));
	tcase_add_test(t, attempts_that_find_it_full_are_counted_as_dropped);
	tcase_add_loop_test(t, a_client_that_gave_up_still_waits, 0, rows(addresses));
	tcase_add_test(t, what_is_no_listening_socket_has_no_queue);
	tcase_add_test(t, looking_leaves_no_descriptor_open);
	suite_add_tcase(s, t);
	return s;
}
