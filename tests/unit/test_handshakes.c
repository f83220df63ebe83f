/* SPDX-License-Identifier: ISC */
/* Where accept is deferred a handshake ends with the client's first byte, however fast the network is. */
#include "suites.h"
#include "given.h"
#include "handshakes.h"
#include "queue.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

static int look(const struct address *bound)
{
	struct handshakes h = { .looked = false };

	return handshakes_with(&h, bound);
}

static int serve(const char *text, int backlog, struct address *bound)
{
	int seconds = 60, fd = given_server(text, backlog, bound);

	ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	return fd;
}

static struct address with_port_of(const struct address *bound, const char *host)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%u", host, address_port(bound));
	return given_address(text);
}

struct expected {
	const struct address *bound;
	int fd, count;
};

static bool are_coming(void *data)
{
	const struct expected *e = data;

	return look(e->bound) == e->count;
}

static bool are_waiting(void *data)
{
	const struct expected *e = data;

	return queue_waiting(e->fd) == e->count;
}

static const struct {
	const char *server, *client;
	const char *other; /* which has nobody on the same port */
	bool ipv6;
} cases[] = {
	{ "127.0.0.1:0", "127.0.0.1", "127.0.0.2", false },
	{ "0.0.0.0:0", "127.0.0.1", NULL, false },
	{ "[::1]:0", "[::1]", "127.0.0.1", true },
	{ "[::]:0", "[::1]", "0.0.0.0", true },
};

START_TEST(who_is_coming_is_counted)
{
	struct address bound, a;
	int fd, client;

	if (cases[_i].ipv6 && !given_ipv6())
		return; /* a machine without IPv6 */
	fd = serve(cases[_i].server, 3, &bound);
	if (look(&bound) < 0) {
		close(fd);
		return; /* a kernel that does not tell */
	}
	ck_assert_int_eq(look(&bound), 0);
	a = with_port_of(&bound, cases[_i].client);
	client = given_client(&a);
	ck_assert_msg(becomes(are_coming, &(struct expected){ &bound, fd, 1 }), "%s: %d", cases[_i].server, look(&bound));
	ck_assert_int_eq(queue_waiting(fd), 0);
	if (cases[_i].other) {
		a = with_port_of(&bound, cases[_i].other);
		ck_assert_msg(look(&a) == 0, "%s: %d", cases[_i].other, look(&a));
	}
	ck_assert_int_eq(write(client, "x", 1), 1);
	ck_assert(becomes(are_waiting, &(struct expected){ &bound, fd, 1 }));
	ck_assert_int_eq(look(&bound), 0);
	close(client);
	close(fd);
}
END_TEST

START_TEST(many_are_counted)
{
	enum { MANY = 100 };
	static int client[MANY];
	struct address bound;
	int fd = serve("127.0.0.1:0", MANY, &bound);

	if (look(&bound) >= 0) {
		for (int i = 0; i < MANY; i++)
			client[i] = given_client(&bound);
		ck_assert_msg(becomes(are_coming, &(struct expected){ &bound, fd, MANY }), "%d", look(&bound));
		for (int i = 0; i < MANY; i++)
			close(client[i]);
	}
	close(fd);
}
END_TEST

START_TEST(of_too_many_one_is_everybodys)
{
	static struct handshakes h;
	struct address bound = given_address("127.0.0.1:80");

	h.looked = h.known = true;
	h.count = HANDSHAKES_MOST - 1;
	ck_assert_int_eq(handshakes_with(&h, &bound), 0);
	h.count = HANDSHAKES_MOST;
	ck_assert_int_eq(handshakes_with(&h, &bound), 1);
}
END_TEST

Suite *handshakes_suite(void)
{
	Suite *s = suite_create("handshakes");
	TCase *t = tcase_create("handshakes");

	tcase_add_loop_test(t, who_is_coming_is_counted, 0, rows(cases));
	tcase_add_test(t, many_are_counted);
	tcase_add_test(t, of_too_many_one_is_everybodys);
	suite_add_tcase(s, t);
	return s;
}
