/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "resolve.h"

#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers only: nothing here asks a name server. */
static const struct {
	const char *written, *text;
	bool dual;
} good[] = {
	{ "192.0.2.1:80", "192.0.2.1:80", false },
	{ "192.0.2.1:0", "192.0.2.1:0", false },
	{ "192.0.2.1:65535", "192.0.2.1:65535", false },
	{ "0.0.0.0:80", "0.0.0.0:80", false },
	{ "*:80", "[::]:80", true },
	{ "*:0", "[::]:0", true },
	{ "[::1]:0", "[::1]:0", false },
	{ "[::]:80", "[::]:80", false },
	{ "[2001:DB8:0::1]:65535", "[2001:db8::1]:65535", false },
	{ "[fe80::1%1]:80", "[fe80::1%1]:80", false },
	{ "/p", "/p", false },
	{ "/run/x.sock", "/run/x.sock", false },
	{ "/run/with:colon", "/run/with:colon", false },
	{ "@n", "@n", false },
	{ "@name:80", "@name:80", false },
	{ "@/run/x", "@/run/x", false },
};

START_TEST(every_form_of_an_address_is_read)
{
	struct endpoint list[4];
	char why[256] = "", text[ADDRESS_TEXT];

	ck_assert_msg(resolve_endpoint(good[_i].written, "tcp", list, 4, why, sizeof(why)) == 1, "%s: %s", good[_i].written, why);
	address_text(&list[0].address, text);
	ck_assert_msg(strcmp(text, good[_i].text) == 0, "%s: %s", good[_i].written, text);
	ck_assert_msg(list[0].dual == good[_i].dual, "%s", good[_i].written);
	ck_assert_msg(list[0].address.length <= sizeof(list[0].address.socket), "%s", good[_i].written);
}
END_TEST

/* What the sentence must name, besides being one. */
static const struct {
	const char *written, *named;
} bad[] = {
	{ "", "port" },
	{ "80", "80" },
	{ "*", "*" },
	{ "*:", "*:" },
	{ "192.0.2.1", "192.0.2.1" },
	{ "192.0.2.1:", "192.0.2.1:" },
	{ "localhost", "localhost" },
	{ ":80", ":80" },
	{ ":", ":" },
	{ "192.0.2.1:65536", "65536" },
	{ "192.0.2.1:99999", "99999" },
	{ "192.0.2.1:100000", "100000" },
	{ "192.0.2.1:18446744073709551616", "18446744073709551616" },
	{ "*:65536", "65536" },
	{ "[::1]:65536", "65536" },
	{ "192.0.2.1:-1", "-1" },
	{ "192.0.2.1:+80", "+80" },
	{ "192.0.2.1: 80", " 80" },
	{ "192.0.2.1:80x", "80x" },
	{ "192.0.2.1:0x50", "0x50" },
	{ "192.0.2.1:no-such-service", "no-such-service" },
	{ "*:no-such-service", "no-such-service" },
	{ "[::1]:no-such-service", "no-such-service" },
	{ "::1:80", "::1:80" },
	{ ":::80", ":::80" },
	{ "2001:db8::1:80", "2001:db8::1:80" },
	{ "192.0.2.1:80:81", "192.0.2.1:80:81" },
	{ "*:80:81", "*:80:81" },
	{ "[::1]", "[::1]" },
	{ "[::1]80", "[::1]80" },
	{ "[::1]:", "[::1]:" },
	{ "[::1]:80:81", "[::1]:80:81" },
	{ "[::1]x:80", "[::1]x:80" },
	{ "[::1:80", "[::1:80" },
	{ "[:80", "[:80" },
	{ "[]:80", "[]:80" },
	{ "[192.0.2.1]:80", "192.0.2.1" },
	{ "[localhost]:80", "localhost" },
	{ "[*]:80", "*" },
	{ "[1::2::3]:80", "1::2::3" },
	{ "[12345::]:80", "12345::" },
	{ "[::1%no-such-interface]:80", "no-such-interface" },
	{ "/", "/" },
	{ "@", "@" },
};

START_TEST(what_is_no_address_is_explained)
{
	struct endpoint list[4];
	char why[512] = "";

	ck_assert_msg(resolve_endpoint(bad[_i].written, "tcp", list, 4, why, sizeof(why)) == -1, "%s", bad[_i].written);
	ck_assert_msg(why[0] != '\0', "%s: no sentence", bad[_i].written);
	ck_assert_msg(strstr(why, bad[_i].named), "%s: %s", bad[_i].written, why);
}
END_TEST

enum { PATH_ROOM = sizeof(((struct address *)0)->socket.path.sun_path) };

/* A path keeps its NUL; an abstract name has one in place of its '@'. */
static const struct {
	char first;
	size_t length;
	int result;
} lengths[] = {
	{ '/', PATH_ROOM - 1, 1 }, { '/', PATH_ROOM, -1 },     { '/', 400, -1 },
	{ '@', PATH_ROOM, 1 },     { '@', PATH_ROOM + 1, -1 }, { '@', 400, -1 },
};

START_TEST(a_name_of_a_socket_has_a_greatest_length)
{
	struct endpoint list[1];
	char name[512], why[1024] = "", text[ADDRESS_TEXT];
	size_t length = lengths[_i].length;

	memset(name, 'x', length);
	name[0] = lengths[_i].first;
	name[length] = '\0';
	ck_assert_msg(resolve_endpoint(name, "tcp", list, 1, why, sizeof(why)) == lengths[_i].result, "%c, %zu bytes: %s",
	              name[0], length, why);
	if (lengths[_i].result < 0) {
		ck_assert_msg(strstr(why, name), "%c, %zu bytes: %s", name[0], length, why);
		return;
	}
	address_text(&list[0].address, text);
	ck_assert_str_eq(text, name);
}
END_TEST

START_TEST(a_host_name_of_any_length_is_no_accident)
{
	struct endpoint list[1];
	char text[600], why[64];

	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 4, ":80", 4);
	ck_assert_int_eq(resolve_endpoint(text, "tcp", list, 1, why, sizeof(why)), -1);
	ck_assert_uint_eq(strlen(why), sizeof(why) - 1);
}
END_TEST

START_TEST(the_sentence_stays_in_its_room)
{
	struct endpoint list[1];
	char why[24];

	memset(why, '#', sizeof(why));
	ck_assert_int_eq(resolve_endpoint("2001:db8::1:80", "tcp", list, 1, why, 16), -1);
	ck_assert_uint_eq(strlen(why), 15);
	ck_assert_int_eq(why[16], '#');
}
END_TEST

/* Whatever services(5) has, a name of it is read as it says. */
START_TEST(a_port_may_be_a_name_of_services)
{
	const struct servent *entry;
	struct endpoint list[1];
	char text[256], why[256] = "";
	unsigned port = 0;

	setservent(1);
	do
		entry = getservent();
	while (entry && strcmp(entry->s_proto, "tcp") != 0);
	if (entry) {
		port = (unsigned)ntohs((uint16_t)entry->s_port);
		snprintf(text, sizeof(text), "192.0.2.1:%s", entry->s_name);
	}
	endservent();
	if (port == 0)
		return; /* a machine without services(5) */
	ck_assert_msg(resolve_endpoint(text, "tcp", list, 1, why, sizeof(why)) == 1, "%s: %s", text, why);
	ck_assert_uint_eq(address_port(&list[0].address), port);
	ck_assert_int_eq(resolve_endpoint(text, "no-such-protocol", list, 1, why, sizeof(why)), -1);
	ck_assert_ptr_nonnull(strstr(why, "no-such-protocol"));
}
END_TEST

START_TEST(an_interface_of_a_link_local_address_may_be_a_name)
{
	struct endpoint list[1];
	char name[IF_NAMESIZE], text[64], why[256] = "";

	if (!if_indextoname(1, name))
		return; /* a machine without interfaces */
	snprintf(text, sizeof(text), "[fe80::1%%%s]:80", name);
	ck_assert_msg(resolve_endpoint(text, "tcp", list, 1, why, sizeof(why)) == 1, "%s: %s", text, why);
	ck_assert_uint_eq(list[0].address.socket.v6.sin6_scope_id, 1);
}
END_TEST

/* /etc/hosts decides what it is; each of its addresses counts, and none is dual. */
START_TEST(a_host_name_stands_for_each_of_its_addresses)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found, *i;
	struct endpoint list[16];
	char why[256] = "";
	int n, count = 0;

	if (getaddrinfo("localhost", NULL, &hints, &found) != 0)
		return; /* a machine that does not know itself */
	n = resolve_endpoint("localhost:80", "tcp", list, 16, why, sizeof(why));
	for (i = found; i; i = i->ai_next, count++) {
		ck_assert_int_lt(count, n);
		ck_assert_int_eq(address_family(&list[count].address), i->ai_family);
		ck_assert_uint_eq(address_port(&list[count].address), 80);
		ck_assert(!list[count].dual);
	}
	freeaddrinfo(found);
	ck_assert_int_eq(n, count);
	ck_assert_int_eq(resolve_endpoint("localhost:80", "tcp", list, 1, why, sizeof(why)), 1);
}
END_TEST

Suite *resolve_suite(void)
{
	Suite *s = suite_create("resolve");
	TCase *t = tcase_create("resolve");

	tcase_add_loop_test(t, every_form_of_an_address_is_read, 0, rows(good));
	tcase_add_loop_test(t, what_is_no_address_is_explained, 0, rows(bad));
	tcase_add_loop_test(t, a_name_of_a_socket_has_a_greatest_length, 0, rows(lengths));
	tcase_add_test(t, a_host_name_of_any_length_is_no_accident);
	tcase_add_test(t, the_sentence_stays_in_its_room);
	tcase_add_test(t, a_port_may_be_a_name_of_services);
	tcase_add_test(t, an_interface_of_a_link_local_address_may_be_a_name);
	tcase_add_test(t, a_host_name_stands_for_each_of_its_addresses);
	suite_add_tcase(s, t);
	return s;
}
