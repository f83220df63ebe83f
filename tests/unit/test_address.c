/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "address.h"
#include "given.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What RFC 5952 gives as examples, by its sections, then what it leaves out. */
static const struct {
	const char *written, *text;
} ips[] = {
	/* 1 */
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "2001:db8::1:0:0:1", "2001:db8::1:0:0:1" },
	{ "2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "2001:0db8::1:0:0:1", "2001:db8::1:0:0:1" },
	{ "2001:db8:0:0:1::1", "2001:db8::1:0:0:1" },
	{ "2001:db8:0000:0:1::1", "2001:db8::1:0:0:1" },
	{ "2001:DB8:0:0:1::1", "2001:db8::1:0:0:1" },
	/* 2.1 */
	{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1" },
	{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1" },
	{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:01", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1" },
	{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1" },
	/* 2.2 */
	{ "2001:db8:aaaa:bbbb:cccc:dddd::1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1" },
	{ "2001:db8:aaaa:bbbb:cccc:dddd:0:1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1" },
	{ "2001:db8:0:0:0::1", "2001:db8::1" },
	{ "2001:db8:0:0::1", "2001:db8::1" },
	{ "2001:db8:0::1", "2001:db8::1" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "2001:db8::aaaa:0:0:1", "2001:db8::aaaa:0:0:1" },
	{ "2001:db8:0:0:aaaa::1", "2001:db8::aaaa:0:0:1" },
	/* 2.3 */
	{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa" },
	{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:AAAA", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa" },
	{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:AaAa", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa" },
	/* 4.1 */
	{ "2001:0db8::0001", "2001:db8::1" },
	/* 4.2.1 */
	{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
	{ "2001:db8::0:1", "2001:db8::1" },
	/* 4.2.2 */
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	/* 4.2.3 */
	{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
	/* 5: the mapped prefix; here it is shown as the IPv4 address */
	{ "::ffff:192.0.2.1", "192.0.2.1" },
	{ "0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1" },

	{ "::", "::" },
	{ "::1", "::1" },
	{ "1::", "1::" },
	{ "1:0:0:0:0:0:0:2", "1::2" },
	{ "0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7" },
	{ "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0" },
	{ "0:0:1:2:3:4:5:6", "::1:2:3:4:5:6" },
	{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
	{ "0:0:1:0:0:1:0:0", "::1:0:0:1:0:0" },
	{ "1:0:0:2:0:0:0:0", "1:0:0:2::" },
	{ "0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "10:100:1000:a:ab:abc:abcd:0", "10:100:1000:a:ab:abc:abcd:0" },
	{ "::192.0.2.1", "::c000:201" },
	{ "::fffe:192.0.2.1", "::fffe:c000:201" },
	{ "::1:ffff:192.0.2.1", "::1:ffff:c000:201" },
	{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "9.10.99.100", "9.10.99.100" },
	{ "255.255.255.255", "255.255.255.255" },
};

static struct address ip(const char *text)
{
	char whole[128];

	snprintf(whole, sizeof(whole), strchr(text, ':') ? "[%s]:0" : "%s:0", text);
	return given_address(whole);
}

START_TEST(an_ip_address_is_written_as_rfc_5952_says)
{
	struct address a = ip(ips[_i].written);
	char text[ADDRESS_IP];
	size_t length = address_ip(&a, text);

	ck_assert_msg(strcmp(text, ips[_i].text) == 0, "%s: %s", ips[_i].written, text);
	ck_assert_msg(length == strlen(text), "%s: length %zu", ips[_i].written, length);
}
END_TEST

static const struct {
	const char *address, *text, *ip;
} texts[] = {
	{ "192.0.2.7:50312", "192.0.2.7:50312", "192.0.2.7" },
	{ "0.0.0.0:0", "0.0.0.0:0", "0.0.0.0" },
	{ "255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255" },
	{ "[2001:db8::1]:80", "[2001:db8::1]:80", "2001:db8::1" },
	{ "[::]:0", "[::]:0", "::" },
	{ "[::ffff:192.0.2.7]:80", "192.0.2.7:80", "192.0.2.7" },
	{ "[::ffff:0.0.0.0]:80", "0.0.0.0:80", "0.0.0.0" },
	{ "[fe80::1%12]:80", "[fe80::1%12]:80", "fe80::1%12" },
	{ "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295" },
	{ "/run/x.sock", "/run/x.sock", "" },
	{ "/a b\tc\nd\\e\x7f", "/a\\x20b\\x09c\\x0ad\\x5ce\\x7f", "" },
	{ "/\xc3\xa4!\"'~", "/\\xc3\\xa4!\"'~", "" },
	{ "@name", "@name", "" },
	{ "@two words", "@two\\x20words", "" },
	{ "@@", "@@", "" },
	{ "@", "@", "" },
	{ "", "unknown", "" },
};

START_TEST(an_address_has_its_text)
{
	struct address a = given_address(texts[_i].address);
	char text[ADDRESS_TEXT], alone[ADDRESS_IP];
	size_t length = address_text(&a, text);

	ck_assert_msg(strcmp(text, texts[_i].text) == 0, "%s: %s", texts[_i].address, text);
	ck_assert_msg(length == strlen(text), "%s: length %zu", texts[_i].address, length);
	length = address_ip(&a, alone);
	ck_assert_msg(strcmp(alone, texts[_i].ip) == 0, "%s: ip %s", texts[_i].address, alone);
	ck_assert_msg(length == strlen(alone), "%s: length of ip %zu", texts[_i].address, length);
}
END_TEST

/* Deterministic: the same numbers in every run. */
static unsigned draw(unsigned *state)
{
	*state = *state * 1103515245U + 12345U;
	return *state >> 16 & 0x7fff;
}

START_TEST(the_text_of_an_ipv6_address_reads_as_the_same_address)
{
	unsigned state = 5952;

	for (int i = 0; i < 20000; i++) {
		struct address a = ip("::"), b;
		unsigned char *byte = a.socket.v6.sin6_addr.s6_addr;
		char text[ADDRESS_TEXT];

		for (int j = 0; j < 8; j++) {
			unsigned group = draw(&state) % 3 == 0 ? draw(&state) << 1 : draw(&state) % 2;

			byte[2 * j] = (unsigned char)(group >> 8);
			byte[2 * j + 1] = (unsigned char)group;
		}
		address_set_port(&a, draw(&state));
		address_text(&a, text);
		b = given_address(text);
		address_unmap(&a);
		ck_assert_msg(address_equal(&a, &b), "%s", text);
	}
}
END_TEST

enum { PATH_ROOM = sizeof(((struct address *)0)->socket.path.sun_path) };

static struct address path_of(const char *name, size_t size)
{
	struct address a;

	memset(&a, 0, sizeof(a));
	a.socket.path.sun_family = AF_UNIX;
	memcpy(a.socket.path.sun_path, name, size);
	a.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return a;
}

START_TEST(a_socket_without_a_name_is_called_unix)
{
	struct address a = path_of("", 0);
	char text[ADDRESS_TEXT];

	ck_assert_uint_eq(address_text(&a, text), 4);
	ck_assert_str_eq(text, "unix");
	a.length = sizeof(sa_family_t); /* as accept tells it */
	address_text(&a, text);
	ck_assert_str_eq(text, "unix");
	a.length = 1000; /* more than there is */
	address_text(&a, text);
	ck_assert_str_eq(text, "unix");
}
END_TEST

START_TEST(an_abstract_name_may_have_any_bytes)
{
	struct address a = path_of("\0a\0b\0", 5);
	char text[ADDRESS_TEXT];

	ck_assert_uint_eq(address_text(&a, text), 11);
	ck_assert_str_eq(text, "@a\\x00b\\x00");
	ck_assert_uint_eq(address_path(&a, text), 5);
	ck_assert_str_eq(text, "@a@b@");
}
END_TEST

START_TEST(a_path_may_fill_its_place_without_a_nul)
{
	char name[PATH_ROOM], text[ADDRESS_TEXT];
	struct address a;

	memset(name, 'x', sizeof(name));
	name[0] = '/';
	a = path_of(name, sizeof(name));
	ck_assert_uint_eq(address_text(&a, text), sizeof(name));
	ck_assert_int_eq(strncmp(text, name, sizeof(name)), 0);
}
END_TEST

START_TEST(the_longest_text_has_room)
{
	char name[PATH_ROOM];
	char *text = malloc(ADDRESS_TEXT); /* of its own, so that AddressSanitizer and valgrind see its end */
	struct address a;

	ck_assert_ptr_nonnull(text);
	memset(name, 0xff, sizeof(name));
	a = path_of(name, sizeof(name));
	ck_assert_uint_eq(address_text(&a, text), sizeof(name) * 4);
	ck_assert_uint_lt(strlen(text), ADDRESS_TEXT);
	name[0] = '\0';
	a = path_of(name, sizeof(name));
	ck_assert_uint_eq(address_text(&a, text), (sizeof(name) - 1) * 4 + 1);
	free(text);
}
END_TEST

START_TEST(a_mapped_address_becomes_ipv4_and_keeps_its_port)
{
	struct address a = given_address("[::ffff:192.0.2.7]:8080"), b = given_address("192.0.2.7:8080");

	address_unmap(&a);
	ck_assert_int_eq(address_family(&a), AF_INET);
	ck_assert_uint_eq(a.length, sizeof(struct sockaddr_in));
	ck_assert(address_equal(&a, &b));
}
END_TEST

static const char *const not_mapped[] = { "192.0.2.7:80", "[::192.0.2.7]:80", "[::fffe:192.0.2.7]:80", "[2001:db8::1]:80", "[::]:80",
	                                  "/run/x.sock", "@name", "" };

START_TEST(other_addresses_are_left_as_they_are)
{
	struct address a = given_address(not_mapped[_i]), before = a;

	address_unmap(&a);
	ck_assert_msg(memcmp(&a, &before, sizeof(a)) == 0, "%s", not_mapped[_i]);
}
END_TEST

static const struct {
	const char *address;
	int family;
	unsigned port, after; /* setting it to 65535 */
	bool wildcard;
} properties[] = {
	{ "0.0.0.0:80", AF_INET, 80, 65535, true },       { "127.0.0.1:0", AF_INET, 0, 65535, false },
	{ "0.0.0.1:256", AF_INET, 256, 65535, false },    { "[::]:443", AF_INET6, 443, 65535, true },
	{ "[::1]:65535", AF_INET6, 65535, 65535, false }, { "/run/x.sock", AF_UNIX, 0, 0, false },
	{ "@name", AF_UNIX, 0, 0, false },                { "", AF_UNSPEC, 0, 0, false },
};

START_TEST(family_port_and_wildcard_are_told)
{
	struct address a = given_address(properties[_i].address);
	const char *what = properties[_i].address;

	ck_assert_msg(address_family(&a) == properties[_i].family, "%s: family", what);
	ck_assert_msg(address_port(&a) == properties[_i].port, "%s: port", what);
	ck_assert_msg(address_is_wildcard(&a) == properties[_i].wildcard, "%s: wildcard", what);
	address_set_port(&a, 65535);
	ck_assert_msg(address_port(&a) == properties[_i].after, "%s: port after it was set", what);
}
END_TEST

static const struct {
	const char *one, *other;
	bool equal;
} pairs[] = {
	{ "192.0.2.1:80", "192.0.2.1:80", true },       { "192.0.2.1:80", "192.0.2.1:81", false },
	{ "192.0.2.1:80", "192.0.2.2:80", false },      { "192.0.2.1:80", "[::ffff:192.0.2.1]:80", false },
	{ "[::1]:80", "[::1]:80", true },               { "[::1]:80", "[::1]:81", false },
	{ "[fe80::1%1]:80", "[fe80::1%2]:80", false },  { "[fe80::1%2]:80", "[fe80::1%2]:80", true },
	{ "0.0.0.0:80", "[::]:80", false },             { "/run/a", "/run/a", true },
	{ "/run/a", "/run/b", false },                  { "/run/a", "/run/ab", false },
	{ "@run", "@run", true },                       { "@/run/a", "/run/a", false },
	{ "@a", "@ab", false },                         { "", "", true },
	{ "", "192.0.2.1:80", false },                  { "/run/a", "192.0.2.1:80", false },
};

START_TEST(addresses_are_equal_or_not)
{
	struct address a = given_address(pairs[_i].one), b = given_address(pairs[_i].other);

	ck_assert_msg(address_equal(&a, &b) == pairs[_i].equal, "%s and %s", pairs[_i].one, pairs[_i].other);
	ck_assert_msg(address_equal(&b, &a) == pairs[_i].equal, "%s and %s", pairs[_i].other, pairs[_i].one);
}
END_TEST

/* What a kernel leaves behind the address (padding, flow) says nothing. */
START_TEST(equal_looks_only_at_what_identifies)
{
	struct address a = given_address("192.0.2.1:80"), b = a, c = given_address("[::1]:80"), d = c;

	memset(b.socket.v4.sin_zero, 0xff, sizeof(b.socket.v4.sin_zero));
	d.socket.v6.sin6_flowinfo = 7;
	ck_assert(address_equal(&a, &b));
	ck_assert(address_equal(&c, &d));
}
END_TEST

/* "*:80" is the dual wildcard. */
static const struct {
	const char *one, *other;
	bool conflict;
} conflicts[] = {
	{ "192.0.2.1:80", "192.0.2.1:80", true },
	{ "192.0.2.1:80", "192.0.2.2:80", false },
	{ "192.0.2.1:80", "192.0.2.1:81", false },
	{ "192.0.2.1:80", "0.0.0.0:80", true },
	{ "192.0.2.1:80", "0.0.0.0:81", false },
	{ "0.0.0.0:80", "0.0.0.0:80", true },
	{ "192.0.2.1:0", "192.0.2.1:0", false },
	{ "0.0.0.0:0", "192.0.2.1:0", false },
	{ "*:0", "*:0", false },
	{ "*:80", "*:80", true },
	{ "*:80", "*:81", false },
	{ "*:80", "[::]:80", true },
	{ "*:80", "[::1]:80", true },
	{ "*:80", "0.0.0.0:80", true },
	{ "*:80", "192.0.2.1:80", true },
	{ "*:80", "192.0.2.1:81", false },
	{ "[::]:80", "[::]:80", true },
	{ "[::]:80", "[::1]:80", true },
	{ "[::]:80", "0.0.0.0:80", false },
	{ "[::]:80", "192.0.2.1:80", false },
	{ "[::1]:80", "0.0.0.0:80", false },
	{ "[::1]:80", "127.0.0.1:80", false },
	{ "[::1]:80", "[::1]:80", true },
	{ "[::1]:80", "[::2]:80", false },
	{ "[fe80::1%1]:80", "[fe80::1%2]:80", false },
	{ "[fe80::1%1]:80", "[fe80::1%1]:80", true },
	{ "/run/a", "/run/a", true },
	{ "/run/a", "/run/b", false },
	{ "@a", "@a", true },
	{ "@run/a", "/run/a", false },
	{ "/run/a", "*:80", false },
	{ "@a", "0.0.0.0:80", false },
};

START_TEST(addresses_conflict_where_a_bind_would_fail)
{
	struct endpoint a = given_endpoint(conflicts[_i].one), b = given_endpoint(conflicts[_i].other);

	ck_assert_msg(address_conflicts(&a.address, a.dual, &b.address, b.dual) == conflicts[_i].conflict, "%s and %s",
	              conflicts[_i].one, conflicts[_i].other);
	ck_assert_msg(address_conflicts(&b.address, b.dual, &a.address, a.dual) == conflicts[_i].conflict, "%s and %s",
	              conflicts[_i].other, conflicts[_i].one);
}
END_TEST

/* A specific IPv6 address never takes IPv4, whatever its socket was told. */
START_TEST(only_a_wildcard_is_dual)
{
	struct address a = given_address("[::1]:80"), b = given_address("127.0.0.1:80");

	ck_assert(!address_conflicts(&a, true, &b, true));
	ck_assert(!address_conflicts(&b, true, &a, true));
}
END_TEST

static const struct {
	unsigned long long number;
	const char *decimal, *hexadecimal;
} numbers[] = {
	{ 0, "0", "0" },
	{ 9, "9", "9" },
	{ 10, "10", "a" },
	{ 15, "15", "f" },
	{ 16, "16", "10" },
	{ 255, "255", "ff" },
	{ 65535, "65535", "ffff" },
	{ 4294967295ULL, "4294967295", "ffffffff" },
	{ 4294967296ULL, "4294967296", "100000000" },
	{ 1000000000000000000ULL, "1000000000000000000", "de0b6b3a7640000" },
	{ 0x8000000000000000ULL, "9223372036854775808", "8000000000000000" },
	{ 18446744073709551615ULL, "18446744073709551615", "ffffffffffffffff" },
};

START_TEST(numbers_are_written_up_to_their_limits)
{
	/* Exactly the room that the header asks for. */
	char *decimal = malloc(21), *hexadecimal = malloc(17);
	size_t one = address_decimal(numbers[_i].number, decimal), other = address_hexadecimal(numbers[_i].number, hexadecimal);

	ck_assert_msg(strcmp(decimal, numbers[_i].decimal) == 0, "%s: %s", numbers[_i].decimal, decimal);
	ck_assert_msg(one == strlen(decimal), "%s: length %zu", numbers[_i].decimal, one);
	ck_assert_msg(strcmp(hexadecimal, numbers[_i].hexadecimal) == 0, "%s: %s", numbers[_i].hexadecimal, hexadecimal);
	ck_assert_msg(other == strlen(hexadecimal), "%s: length %zu", numbers[_i].hexadecimal, other);
	free(decimal);
	free(hexadecimal);
}
END_TEST

static const struct {
	const char *local, *peer;
	int family;
	unsigned local_port, peer_port;
	uint32_t interface;
	unsigned char local_bytes[16], peer_bytes[16];
} flows[] = {
	{ "192.0.2.1:80", "198.51.100.7:50312", AF_INET, 80, 50312, 0, { 192, 0, 2, 1 }, { 198, 51, 100, 7 } },
	{ "[2001:db8::1]:443", "[::2]:1", AF_INET6, 443, 1, 0, { 0x20, 1, 0x0d, 0xb8, [15] = 1 }, { [15] = 2 } },
	{ "[fe80::1%3]:1", "[fe80::2%3]:2", AF_INET6, 1, 2, 3, { 0xfe, 0x80, [15] = 1 }, { 0xfe, 0x80, [15] = 2 } },
	{ "192.0.2.1:80", "[::1]:1", 0, 0, 0, 0, { 0 }, { 0 } },
	{ "[::1]:1", "192.0.2.1:80", 0, 0, 0, 0, { 0 }, { 0 } },
	{ "/run/x", "/run/x", 0, 0, 0, 0, { 0 }, { 0 } },
	{ "192.0.2.1:80", "", 0, 0, 0, 0, { 0 }, { 0 } },
	{ "", "", 0, 0, 0, 0, { 0 }, { 0 } },
};

START_TEST(a_flow_has_both_ends_of_one_family_or_none)
{
	struct address local = given_address(flows[_i].local), peer = given_address(flows[_i].peer);
	struct flow f;

	memset(&f, 0xff, sizeof(f));
	address_flow(&local, &peer, &f);
	ck_assert_msg(f.family == flows[_i].family, "%s %s: %d", flows[_i].local, flows[_i].peer, f.family);
	ck_assert_msg(ntohs(f.local_port) == flows[_i].local_port, "%s: %u", flows[_i].local, ntohs(f.local_port));
	ck_assert_msg(ntohs(f.peer_port) == flows[_i].peer_port, "%s: %u", flows[_i].peer, ntohs(f.peer_port));
	ck_assert_msg(f.interface == flows[_i].interface, "%s: %u", flows[_i].peer, f.interface);
	ck_assert_msg(memcmp(f.local, flows[_i].local_bytes, 16) == 0, "%s", flows[_i].local);
	ck_assert_msg(memcmp(f.peer, flows[_i].peer_bytes, 16) == 0, "%s", flows[_i].peer);
}
END_TEST

Suite *address_suite(void)
{
	Suite *s = suite_create("address");
	TCase *t = tcase_create("address");

	tcase_add_loop_test(t, an_ip_address_is_written_as_rfc_5952_says, 0, rows(ips));
	tcase_add_loop_test(t, an_address_has_its_text, 0, rows(texts));
	tcase_add_test(t, the_text_of_an_ipv6_address_reads_as_the_same_address);
	tcase_add_test(t, a_socket_without_a_name_is_called_unix);
	tcase_add_test(t, an_abstract_name_may_have_any_bytes);
	tcase_add_test(t, a_path_may_fill_its_place_without_a_nul);
	tcase_add_test(t, the_longest_text_has_room);
	tcase_add_test(t, a_mapped_address_becomes_ipv4_and_keeps_its_port);
	tcase_add_loop_test(t, other_addresses_are_left_as_they_are, 0, rows(not_mapped));
	tcase_add_loop_test(t, family_port_and_wildcard_are_told, 0, rows(properties));
	tcase_add_loop_test(t, addresses_are_equal_or_not, 0, rows(pairs));
	tcase_add_test(t, equal_looks_only_at_what_identifies);
	tcase_add_loop_test(t, addresses_conflict_where_a_bind_would_fail, 0, rows(conflicts));
	tcase_add_test(t, only_a_wildcard_is_dual);
	tcase_add_loop_test(t, a_flow_has_both_ends_of_one_family_or_none, 0, rows(flows));
	tcase_add_loop_test(t, numbers_are_written_up_to_their_limits, 0, rows(numbers));
	suite_add_tcase(s, t);
	return s;
}
