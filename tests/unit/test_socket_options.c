/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "socket_options.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct socket_options options(void)
{
	struct service_config *c = service_config_new();
	struct socket_options o = c->socket;

	service_config_release(c);
	return o;
}

static int get(int fd, int level, int option)
{
	int value = -1;
	socklen_t length = sizeof(value);

	ck_assert_msg(getsockopt(fd, level, option, &value, &length) == 0, "%d, %d: %s", level, option, strerror(errno));
	return value;
}

#define OPTION(member) offsetof(struct socket_options, member)

static const struct {
	const char *key;
	size_t offset;
	int value;
	int level, option;
	int least, most; /* what the kernel makes of it */
} table[] = {
	{ "nodelay", OPTION(nodelay), 1, IPPROTO_TCP, TCP_NODELAY, 1, 1 },
	{ "nodelay", OPTION(nodelay), 0, IPPROTO_TCP, TCP_NODELAY, 0, 0 },
	{ "keepalive", OPTION(keepalive), 1, SOL_SOCKET, SO_KEEPALIVE, 1, 1 },
	{ "keepalive-idle", OPTION(keepalive_idle), 7000, IPPROTO_TCP, TCP_KEEPIDLE, 7, 7 },
	{ "keepalive-idle, rounded up", OPTION(keepalive_idle), 6001, IPPROTO_TCP, TCP_KEEPIDLE, 7, 7 },
	{ "keepalive-idle, greatest", OPTION(keepalive_idle), 32767000, IPPROTO_TCP, TCP_KEEPIDLE, 32767, 32767 },
	{ "keepalive-interval", OPTION(keepalive_interval), 1000, IPPROTO_TCP, TCP_KEEPINTVL, 1, 1 },
	{ "keepalive-interval, greatest", OPTION(keepalive_interval), 32767000, IPPROTO_TCP, TCP_KEEPINTVL, 32767, 32767 },
	{ "keepalive-count", OPTION(keepalive_count), 1, IPPROTO_TCP, TCP_KEEPCNT, 1, 1 },
	{ "keepalive-count, greatest", OPTION(keepalive_count), 127, IPPROTO_TCP, TCP_KEEPCNT, 127, 127 },
	{ "defer-accept", OPTION(defer_accept), 1000, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1, 3 },
	{ "defer-accept, greatest", OPTION(defer_accept), 32767000, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1, INT_MAX },
	{ "fast-open", OPTION(fast_open), 16, IPPROTO_TCP, TCP_FASTOPEN, 16, 16 },
	{ "send-buffer", OPTION(send_buffer), 65536, SOL_SOCKET, SO_SNDBUF, 65536, 2 * 65536 },
	{ "receive-buffer", OPTION(receive_buffer), 65536, SOL_SOCKET, SO_RCVBUF, 65536, 2 * 65536 },
	{ "tos", OPTION(tos), 16, IPPROTO_IP, IP_TOS, 16, 16 },
};

static const int families[] = { AF_INET, AF_INET6 };

START_TEST(an_option_reaches_the_socket)
{
	struct socket_options o = options();

	*(int *)((char *)&o + table[_i].offset) = table[_i].value;
	for (int i = 0; i < rows(families); i++) {
		int fd = socket(families[i], SOCK_STREAM, 0), value;
		const char *failed;

		if (fd < 0)
			continue; /* a machine without IPv6 */
		failed = socket_options_any_time(fd, families[i], &o);
		ck_assert_msg(!failed, "%s: %s: %s", table[_i].key, failed, strerror(errno));
		value = get(fd, table[_i].level, table[_i].option);
		ck_assert_msg(value >= table[_i].least && value <= table[_i].most, "%s: %d", table[_i].key, value);
		close(fd);
	}
}
END_TEST

START_TEST(what_is_not_set_stays_the_systems)
{
	struct socket_options o = options();
	int fd = socket(AF_INET, SOCK_STREAM, 0), fresh = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_ptr_null(socket_options_any_time(fd, AF_INET, &o));
	for (int i = 0; i < rows(table); i++)
		ck_assert_msg(get(fd, table[i].level, table[i].option) == get(fresh, table[i].level, table[i].option), "%s", table[i].key);
	close(fd);
	close(fresh);
}
END_TEST

START_TEST(a_traffic_class_is_for_both_families)
{
	struct socket_options o = options();
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0)
		return; /* a machine without IPv6 */
	o.tos = 16;
	ck_assert_ptr_null(socket_options_any_time(fd, AF_INET6, &o));
	ck_assert_int_eq(get(fd, IPPROTO_IPV6, IPV6_TCLASS), 16);
	ck_assert_int_eq(get(fd, IPPROTO_IP, IP_TOS), 16);
	close(fd);
}
END_TEST

START_TEST(on_a_path_those_of_tcp_are_left_alone)
{
	struct socket_options o = options();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char name[] = "no-such-interface";

	o.nodelay = o.keepalive = o.keepalive_count = o.fast_open = 1;
	o.keepalive_idle = o.keepalive_interval = o.defer_accept = 1000;
	o.tos = o.mark = 1;
	o.reuse_port = o.v6only = 1;
	o.bind = BIND_FREE;
	o.interface = name;
	o.send_buffer = 65536;
	ck_assert_ptr_null(socket_options_before_bind(fd, AF_UNIX, false, &o));
	ck_assert_ptr_null(socket_options_any_time(fd, AF_UNIX, &o));
	ck_assert_int_ge(get(fd, SOL_SOCKET, SO_SNDBUF), 65536);
	close(fd);
}
END_TEST

START_TEST(before_bind_the_address_is_made_reusable)
{
	struct socket_options o = options();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_ptr_null(socket_options_before_bind(fd, AF_INET, false, &o));
	ck_assert_int_eq(get(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	ck_assert_int_eq(get(fd, SOL_SOCKET, SO_REUSEPORT), 0);
	ck_assert_int_eq(get(fd, IPPROTO_IP, IP_FREEBIND), 0);
	o.reuse_port = 1;
	o.bind = BIND_FREE;
	ck_assert_ptr_null(socket_options_before_bind(fd, AF_INET, false, &o));
	ck_assert_int_eq(get(fd, SOL_SOCKET, SO_REUSEPORT), 1);
	ck_assert_int_eq(get(fd, IPPROTO_IP, IP_FREEBIND), 1);
	close(fd);
}
END_TEST

/* Whatever /proc/sys/net/ipv6/bindv6only says. */
START_TEST(an_ipv6_socket_is_dual_or_not)
{
	struct socket_options o = options();
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0)
		return; /* a machine without IPv6 */
	ck_assert_ptr_null(socket_options_before_bind(fd, AF_INET6, true, &o));
	ck_assert_int_eq(get(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	ck_assert_ptr_null(socket_options_before_bind(fd, AF_INET6, false, &o));
	ck_assert_int_eq(get(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	close(fd);
}
END_TEST

START_TEST(an_option_that_cannot_be_set_is_named)
{
	struct socket_options o = options();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char name[] = "no-such-iface";
	const char *failed;

	o.interface = name;
	failed = socket_options_any_time(fd, AF_INET, &o);
	ck_assert_ptr_nonnull(failed);
	ck_assert_str_eq(failed, "interface");
	ck_assert_int_ne(errno, 0);
	o.interface = NULL;
	o.keepalive_count = 1000;
	failed = socket_options_any_time(fd, AF_INET, &o);
	ck_assert_ptr_nonnull(failed);
	ck_assert_str_eq(failed, "keepalive-count");
	ck_assert_int_eq(errno, EINVAL);
	close(fd);
}
END_TEST

START_TEST(a_mark_is_for_those_who_may)
{
	struct socket_options o = options();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	const char *failed;

	o.mark = 7;
	failed = socket_options_any_time(fd, AF_INET, &o);
	if (failed) {
		ck_assert_str_eq(failed, "mark");
		ck_assert_int_eq(errno, EPERM);
	} else {
		ck_assert_int_eq(get(fd, SOL_SOCKET, SO_MARK), 7);
	}
	close(fd);
}
END_TEST

/* Every option that the system has a value of its own for, but for the two that never change. */
static const struct {
	const char *key;
	size_t offset;
} systems[] = {
	{ "nodelay", OPTION(nodelay) },
	{ "keepalive", OPTION(keepalive) },
	{ "keepalive-idle", OPTION(keepalive_idle) },
	{ "keepalive-interval", OPTION(keepalive_interval) },
	{ "keepalive-count", OPTION(keepalive_count) },
	{ "defer-accept", OPTION(defer_accept) },
	{ "send-buffer", OPTION(send_buffer) },
	{ "receive-buffer", OPTION(receive_buffer) },
	{ "tos", OPTION(tos) },
	{ "mark", OPTION(mark) },
	{ "fast-open", OPTION(fast_open) },
};

START_TEST(an_option_can_change_but_not_go_back_to_the_systems_value)
{
	struct socket_options unset = options(), one = options(), other = options();

	*(int *)((char *)&one + systems[_i].offset) = 1;
	*(int *)((char *)&other + systems[_i].offset) = 2;
	ck_assert_msg(socket_options_can_become(&unset, &unset), "%s", systems[_i].key);
	ck_assert_msg(socket_options_can_become(&unset, &one), "%s", systems[_i].key);
	ck_assert_msg(socket_options_can_become(&one, &other), "%s", systems[_i].key);
	ck_assert_msg(!socket_options_can_become(&one, &unset), "%s", systems[_i].key);
}
END_TEST

static const struct {
	const char *key;
	size_t offset;
} fixed[] = { { "v6only", OPTION(v6only) }, { "reuse-port", OPTION(reuse_port) } };

START_TEST(an_option_of_bind_never_changes)
{
	struct socket_options unset = options(), yes = options(), no = options();

	*(int *)((char *)&yes + fixed[_i].offset) = 1;
	*(int *)((char *)&no + fixed[_i].offset) = 0;
	ck_assert_msg(socket_options_can_become(&yes, &yes), "%s", fixed[_i].key);
	ck_assert_msg(!socket_options_can_become(&yes, &no), "%s", fixed[_i].key);
	ck_assert_msg(!socket_options_can_become(&unset, &yes), "%s", fixed[_i].key);
	ck_assert_msg(!socket_options_can_become(&yes, &unset), "%s", fixed[_i].key);
}
END_TEST

START_TEST(a_socket_stays_bound_to_its_interface_or_another)
{
	struct socket_options unset = options(), one = options(), other = options();
	char lo[] = "lo", eth[] = "eth0";

	one.interface = lo;
	other.interface = eth;
	ck_assert(socket_options_can_become(&unset, &one));
	ck_assert(socket_options_can_become(&one, &other));
	ck_assert(!socket_options_can_become(&one, &unset));
}
END_TEST

START_TEST(backlog_owner_and_mode_can_always_change)
{
	struct socket_options was = options(), now = options();
	char name[] = "name";

	was.backlog = 7;
	was.mode = 0600;
	was.owner = was.group = name;
	ck_assert(socket_options_can_become(&was, &now));
	ck_assert(socket_options_can_become(&now, &was));
}
END_TEST

Suite *socket_options_suite(void)
{
	Suite *s = suite_create("socket_options");
	TCase *t = tcase_create("socket_options");

	tcase_add_loop_test(t, an_option_reaches_the_socket, 0, rows(table));
	tcase_add_test(t, what_is_not_set_stays_the_systems);
	tcase_add_test(t, a_traffic_class_is_for_both_families);
	tcase_add_test(t, on_a_path_those_of_tcp_are_left_alone);
	tcase_add_test(t, before_bind_the_address_is_made_reusable);
	tcase_add_test(t, an_ipv6_socket_is_dual_or_not);
	tcase_add_test(t, an_option_that_cannot_be_set_is_named);
	tcase_add_test(t, a_mark_is_for_those_who_may);
	tcase_add_loop_test(t, an_option_can_change_but_not_go_back_to_the_systems_value, 0, rows(systems));
	tcase_add_loop_test(t, an_option_of_bind_never_changes, 0, rows(fixed));
	tcase_add_test(t, a_socket_stays_bound_to_its_interface_or_another);
	tcase_add_test(t, backlog_owner_and_mode_can_always_change);
	suite_add_tcase(s, t);
	return s;
}
