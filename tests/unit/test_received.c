/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "suites.h"
#include "given.h"
#include "received.h"

#include <sys/socket.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A connection over loopback, and how its server's end is asked for. */
static struct {
	int client, server;
	struct flow flow;
	uint64_t cookie;
} c;

static const struct {
	const char *listener, *host;
	bool dual;
} families[] = { { "127.0.0.1:0", "127.0.0.1", false }, { "[::1]:0", "[::1]", false }, { "[::]:0", "127.0.0.1", true } };

static int accept_one(const char *text, bool dual, struct address *bound)
{
	struct address a = given_address(text);
	int fd = socket(address_family(&a), SOCK_STREAM | SOCK_CLOEXEC, 0), only = !dual;

	if (address_family(&a) == AF_INET6)
		ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	ck_assert_int_eq(bind(fd, &a.socket.any, a.length), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	bound->length = sizeof(bound->socket);
	ck_assert_int_eq(getsockname(fd, &bound->socket.any, &bound->length), 0);
	return fd;
}

static void find_flow(void)
{
	struct address own = { .length = sizeof(own.socket) }, peer = { .length = sizeof(peer.socket) };
	socklen_t length = sizeof(c.cookie);

	ck_assert_int_eq(getsockname(c.server, &own.socket.any, &own.length), 0);
	ck_assert_int_eq(getpeername(c.server, &peer.socket.any, &peer.length), 0);
	ck_assert_int_eq(getsockopt(c.server, SOL_SOCKET, SO_COOKIE, &c.cookie, &length), 0);
	address_unmap(&own);
	address_unmap(&peer);
	address_flow(&own, &peer, &c.flow);
}

static void connect_as(int row)
{
	struct address bound;
	int listener = accept_one(families[row].listener, families[row].dual, &bound), now = 1;
	char text[64];

	snprintf(text, sizeof(text), "%s:%u", families[row].host, address_port(&bound));
	bound = given_address(text);
	c.client = given_client(&bound);
	c.server = accept(listener, NULL, NULL);
	ck_assert_int_ge(c.server, 0);
	ck_assert_int_eq(setsockopt(c.client, IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now)), 0);
	close(listener);
	find_flow();
}

static void disconnect(void)
{
	close(c.client);
	close(c.server);
}

static int64_t count(void)
{
	return received_bytes(&c.flow, c.cookie, 0);
}

static bool has_received(void *data)
{
	return count() == *(int64_t *)data;
}

static void await_count(int64_t bytes)
{
	ck_assert_msg(becomes(has_received, &bytes), "%lld bytes, not %lld", (long long)count(), (long long)bytes);
}

static void say(size_t size)
{
	char data[1000] = "";

	ck_assert_int_eq(send(c.client, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Is there no such row on this machine? */
static bool is_missing(int row)
{
	return families[row].listener[0] == '[' && !given_ipv6();
}

START_TEST(every_byte_is_counted_read_or_not)
{
	char data[1000];

	if (is_missing(_i))
		return;
	connect_as(_i);
	ck_assert_int_eq(count(), 0);
	say(1);
	await_count(1);
	say(999);
	await_count(1000);
	ck_assert_int_eq(recv(c.server, data, sizeof(data), MSG_WAITALL), 1000);
	ck_assert_int_eq(count(), 1000);
	disconnect();
}
END_TEST

START_TEST(what_the_server_sends_is_not_counted)
{
	char data[10];

	connect_as(_i);
	ck_assert_int_eq(send(c.server, "0123456789", 10, 0), 10);
	ck_assert_int_eq(recv(c.client, data, sizeof(data), MSG_WAITALL), 10);
	ck_assert_int_eq(count(), 0);
	disconnect();
}
END_TEST

START_TEST(the_end_of_what_a_client_says_is_no_byte)
{
	if (is_missing(_i))
		return;
	connect_as(_i);
	ck_assert_int_eq(shutdown(c.client, SHUT_WR), 0);
	ck_assert(comes(c.server, POLLRDHUP));
	ck_assert_int_eq(count(), 0);
	disconnect();
	connect_as(_i);
	say(5);
	ck_assert_int_eq(shutdown(c.client, SHUT_WR), 0);
	ck_assert(comes(c.server, POLLRDHUP));
	ck_assert_int_eq(count(), 5);
	disconnect();
}
END_TEST

/* The server has said all, too: the connection waits for the client's last acknowledgement or its end. */
START_TEST(a_connection_that_is_half_closed_by_the_server_is_counted)
{
	char data[1];

	connect_as(_i);
	ck_assert_int_eq(shutdown(c.server, SHUT_WR), 0);
	ck_assert_int_eq(recv(c.client, data, sizeof(data), 0), 0);
	ck_assert_int_eq(count(), 0);
	say(1);
	await_count(1);
	disconnect();
}
END_TEST

START_TEST(of_a_connection_that_is_gone_nothing_is_known)
{
	if (is_missing(_i))
		return;
	connect_as(_i);
	say(1);
	await_count(1);
	disconnect();
	await_count(-1);
}
END_TEST

/* Two connections may have the same ends, one after the other. */
START_TEST(another_cookie_is_another_connection)
{
	connect_as(_i);
	c.cookie++;
	ck_assert_int_eq(count(), -1);
	c.cookie += 1ULL << 32;
	c.cookie--;
	ck_assert_int_eq(count(), -1);
	disconnect();
}
END_TEST

START_TEST(other_ends_are_another_connection)
{
	struct flow right;

	connect_as(_i);
	right = c.flow;
	c.flow.peer_port ^= 1;
	ck_assert_int_eq(count(), -1);
	c.flow = right;
	c.flow.local[3] ^= 2;
	ck_assert_int_eq(count(), -1);
	c.flow = right;
	c.flow.family = 0;
	ck_assert_int_eq(count(), -1);
	c.flow = right;
	ck_assert_int_eq(count(), 0);
	disconnect();
}
END_TEST

/* The listener of a connection has its address, too, and must not be taken for it. */
START_TEST(a_listener_is_no_connection)
{
	struct address bound, peer = given_address("127.0.0.1:1");
	int fd = accept_one("127.0.0.1:0", false, &bound);
	socklen_t length = sizeof(c.cookie);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &c.cookie, &length), 0);
	address_flow(&bound, &peer, &c.flow);
	ck_assert_int_le(count(), 0);
	close(fd);
}
END_TEST

START_TEST(this_kernel_tells)
{
	ck_assert(received_is_told());
}
END_TEST

START_TEST(asking_leaves_no_descriptor_open)
{
	int next;

	connect_as(_i);
	next = dup(c.server);
	close(next);
	for (int i = 0; i < 10; i++) {
		count();
		received_is_told();
	}
	ck_assert_int_eq(dup(c.server), next);
	close(next);
	disconnect();
}
END_TEST

Suite *received_suite(void)
{
	Suite *s = suite_create("received");
	TCase *t = tcase_create("received");

	tcase_add_loop_test(t, every_byte_is_counted_read_or_not, 0, rows(families));
	tcase_add_test(t, what_the_server_sends_is_not_counted);
	tcase_add_loop_test(t, the_end_of_what_a_client_says_is_no_byte, 0, rows(families));
	tcase_add_test(t, a_connection_that_is_half_closed_by_the_server_is_counted);
	tcase_add_loop_test(t, of_a_connection_that_is_gone_nothing_is_known, 0, rows(families));
	tcase_add_test(t, another_cookie_is_another_connection);
	tcase_add_test(t, other_ends_are_another_connection);
	tcase_add_test(t, a_listener_is_no_connection);
	tcase_add_test(t, this_kernel_tells);
	tcase_add_test(t, asking_leaves_no_descriptor_open);
	suite_add_tcase(s, t);
	return s;
}
