/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "access_list.h"
#include "given.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds "allow RULE" or "deny RULE"; the line is the n-th. */
static void add(struct access_maker *m, const char *text, int n)
{
	bool allow = strncmp(text, "allow ", 6) == 0;
	char why[256] = "";

	ck_assert_msg(access_add(m, allow, strchr(text, ' ') + 1, "list", n, why, sizeof(why)) == 0, "%s: %s", text, why);
}

/* From rules separated by commas. */
static struct access_list *given_list(const char *rules)
{
	struct access_maker *m = access_maker_new();
	char copy[1024], *rest = copy, *rule;
	struct access_list *l;
	int n = 0;

	ck_assert_ptr_nonnull(m);
	ck_assert_uint_lt(strlcpy(copy, rules, sizeof(copy)), sizeof(copy));
	while ((rule = strsep(&rest, ",")) && rule[0])
		add(m, rule, ++n);
	l = access_make(m);
	ck_assert_ptr_nonnull(l);
	return l;
}

/* An IP address without a port. */
static struct address ip(const char *text)
{
	char whole[128];

	snprintf(whole, sizeof(whole), strchr(text, ':') ? "[%s]:0" : "%s:0", text);
	return given_address(whole);
}

/* What the list says of a client: "allow 10.0.0.0/8 (list:1)", or "admitted" and "refused" where no rule decides. */
static const char *answer(const struct access_list *l, const struct access_client *client)
{
	static char text[256];
	uint32_t rule = 12345;
	bool admitted = access_admits(l->access, client, &rule);

	if (rule == ACCESS_NO_RULE)
		return admitted ? "admitted" : "refused";
	access_list_describe(l, rule, text, sizeof(text));
	ck_assert_msg(admitted == (strncmp(text, "allow ", 6) == 0), "%s, but it is %s", text, admitted ? "admitted" : "refused");
	return text;
}

static const char *answer_ip(const struct access_list *l, const char *text)
{
	const struct address a = ip(text);
	const struct access_client client = { .address = &a };

	return answer(l, &client);
}

static const struct {
	const char *rules, *ip, *answer;
} decisions[] = {
	{ "", "192.0.2.1", "admitted" },
	{ "deny 192.0.2.1", "192.0.2.1", "deny 192.0.2.1 (list:1)" },
	{ "deny 192.0.2.1", "192.0.2.0", "admitted" },
	{ "deny 192.0.2.1", "192.0.2.2", "admitted" },
	{ "allow 192.0.2.1", "192.0.2.1", "allow 192.0.2.1 (list:1)" },
	{ "allow 192.0.2.1", "192.0.2.2", "refused" },
	{ "allow 192.0.2.1", "2001:db8::1", "refused" },
	{ "deny 192.0.2.1", "2001:db8::1", "admitted" },
	{ "deny 192.0.2.0/24", "192.0.1.255", "admitted" },
	{ "deny 192.0.2.0/24", "192.0.2.0", "deny 192.0.2.0/24 (list:1)" },
	{ "deny 192.0.2.0/24", "192.0.2.255", "deny 192.0.2.0/24 (list:1)" },
	{ "deny 192.0.2.0/24", "192.0.3.0", "admitted" },
	{ "deny 0.0.0.0", "0.0.0.0", "deny 0.0.0.0 (list:1)" },
	{ "deny 0.0.0.0", "0.0.0.1", "admitted" },
	{ "deny 255.255.255.255", "255.255.255.254", "admitted" },
	{ "deny 255.255.255.255", "255.255.255.255", "deny 255.255.255.255 (list:1)" },
	{ "deny 0.0.0.0/0", "0.0.0.0", "deny 0.0.0.0/0 (list:1)" },
	{ "deny 0.0.0.0/0", "255.255.255.255", "deny 0.0.0.0/0 (list:1)" },
	{ "deny 0.0.0.0/0", "::1", "admitted" },
	{ "deny 0.0.0.0/1", "127.255.255.255", "deny 0.0.0.0/1 (list:1)" },
	{ "deny 0.0.0.0/1", "128.0.0.0", "admitted" },
	{ "deny 128.0.0.0/1", "127.255.255.255", "admitted" },
	{ "deny 128.0.0.0/1", "255.255.255.255", "deny 128.0.0.0/1 (list:1)" },
	/* The longest prefix, whatever the order */
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "10.0.0.1", "allow 10.0.0.0/8 (list:1)" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "10.1.0.1", "deny 10.1.0.0/16 (list:2)" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "10.1.2.2", "allow 10.1.2.0/24 (list:3)" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "10.1.2.3", "deny 10.1.2.3 (list:4)" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "10.1.2.4", "allow 10.1.2.0/24 (list:3)" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "10.1.3.0", "deny 10.1.0.0/16 (list:2)" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "10.2.0.0", "allow 10.0.0.0/8 (list:1)" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "11.0.0.0", "refused" },
	{ "allow 10.0.0.0/8,deny 10.1.0.0/16,allow 10.1.2.0/24,deny 10.1.2.3", "9.255.255.255", "refused" },
	{ "deny 10.1.2.3,allow 10.1.2.0/24,deny 10.1.0.0/16,allow 10.0.0.0/8", "10.1.2.3", "deny 10.1.2.3 (list:1)" },
	{ "deny 10.1.2.3,allow 10.1.2.0/24,deny 10.1.0.0/16,allow 10.0.0.0/8", "10.1.2.4", "allow 10.1.2.0/24 (list:2)" },
	{ "deny 0.0.0.0/0,allow 10.0.0.0/8", "10.0.0.1", "allow 10.0.0.0/8 (list:2)" },
	{ "deny 0.0.0.0/0,allow 10.0.0.0/8", "11.0.0.1", "deny 0.0.0.0/0 (list:1)" },
	/* Prefixes that begin or end together */
	{ "deny 10.0.0.0/8,allow 10.0.0.0/9,deny 10.0.0.0/10", "10.0.0.0", "deny 10.0.0.0/10 (list:3)" },
	{ "deny 10.0.0.0/8,allow 10.0.0.0/9,deny 10.0.0.0/10", "10.64.0.0", "allow 10.0.0.0/9 (list:2)" },
	{ "deny 10.0.0.0/8,allow 10.0.0.0/9,deny 10.0.0.0/10", "10.128.0.0", "deny 10.0.0.0/8 (list:1)" },
	{ "deny 10.0.0.0/8,allow 10.128.0.0/9,deny 10.192.0.0/10", "10.255.255.255", "deny 10.192.0.0/10 (list:3)" },
	{ "deny 10.0.0.0/8,allow 10.128.0.0/9,deny 10.192.0.0/10", "11.0.0.0", "refused" },
	{ "allow 10.0.0.0/9,deny 10.128.0.0/9", "10.127.255.255", "allow 10.0.0.0/9 (list:1)" },
	{ "allow 10.0.0.0/9,deny 10.128.0.0/9", "10.128.0.0", "deny 10.128.0.0/9 (list:2)" },
	{ "allow 255.255.255.0/24,deny 255.255.255.255", "255.255.255.255", "deny 255.255.255.255 (list:2)" },
	{ "allow 255.255.255.0/24,deny 255.255.255.255", "255.255.255.254", "allow 255.255.255.0/24 (list:1)" },
	{ "allow 10.0.0.0/8,deny 10.0.0.0/9,deny 10.128.0.0/9", "10.128.0.0", "deny 10.128.0.0/9 (list:3)" },
	/* The same prefix twice: deny, and the first mention */
	{ "allow 10.0.0.0/8,deny 10.0.0.0/8", "10.0.0.1", "deny 10.0.0.0/8 (list:2)" },
	{ "deny 10.0.0.0/8,allow 10.0.0.0/8", "10.0.0.1", "deny 10.0.0.0/8 (list:1)" },
	{ "deny 10.0.0.0/8,allow 10.0.0.0/8", "11.0.0.1", "refused" },
	{ "deny 10.0.0.0/8,deny 10.0.0.0/8,deny 10.0.0.0/8", "10.0.0.1", "deny 10.0.0.0/8 (list:1)" },
	{ "allow 10.0.0.0/8,allow 10.0.0.0/8", "10.0.0.1", "allow 10.0.0.0/8 (list:1)" },
	{ "allow 10.0.0.0/8,allow 10.0.0.0/8,deny 10.0.0.0/8,deny 10.0.0.0/8", "10.0.0.1", "deny 10.0.0.0/8 (list:3)" },
	{ "deny 10.0.0.1,deny 10.0.0.1/32", "10.0.0.1", "deny 10.0.0.1 (list:1)" },
	{ "allow ::ffff:10.0.0.0/104,deny 10.0.0.0/8", "10.0.0.1", "deny 10.0.0.0/8 (list:2)" },
	/* IPv6 */
	{ "deny 2001:db8::1", "2001:db8::1", "deny 2001:db8::1 (list:1)" },
	{ "deny 2001:db8::1", "2001:db8::", "admitted" },
	{ "deny 2001:db8::1", "2001:db8::2", "admitted" },
	{ "deny 2001:db8::1", "2001:db8:0:1::1", "admitted" },
	{ "deny 2001:db8::/32", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "admitted" },
	{ "deny 2001:db8::/32", "2001:db8::", "deny 2001:db8::/32 (list:1)" },
	{ "deny 2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "deny 2001:db8::/32 (list:1)" },
	{ "deny 2001:db8::/32", "2001:db9::", "admitted" },
	{ "deny 2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", "deny 2001:db8::/64 (list:1)" },
	{ "deny 2001:db8::/64", "2001:db8:0:1::", "admitted" },
	{ "deny 2001:db8:0:0:8000::/65", "2001:db8::7fff:ffff:ffff:ffff", "admitted" },
	{ "deny 2001:db8:0:0:8000::/65", "2001:db8::8000:0:0:0", "deny 2001:db8:0:0:8000::/65 (list:1)" },
	{ "deny 2001:db8:0:0:8000::/65", "2001:db8:0:1::", "admitted" },
	{ "deny ::/0", "::", "deny ::/0 (list:1)" },
	{ "deny ::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "deny ::/0 (list:1)" },
	{ "deny ::/0", "192.0.2.1", "admitted" },
	{ "deny ::/0", "::ffff:192.0.2.1", "admitted" },
	{ "deny ::", "::", "deny :: (list:1)" },
	{ "deny ::", "::1", "admitted" },
	{ "deny ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "admitted" },
	{ "deny ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	  "deny ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff (list:1)" },
	{ "deny ::/64,allow ::1", "::1", "allow ::1 (list:2)" },
	{ "deny ::/64,allow ::1", "::2", "deny ::/64 (list:1)" },
	{ "allow 2001:db8::/32,deny 2001:db8::/33", "2001:db8:8000::", "allow 2001:db8::/32 (list:1)" },
	{ "allow 2001:db8::/32,deny 2001:db8::/33", "2001:db8:7fff::", "deny 2001:db8::/33 (list:2)" },
	{ "allow 2001:db8::/127,deny 2001:db8::1", "2001:db8::", "allow 2001:db8::/127 (list:1)" },
	{ "allow 2001:db8::/127,deny 2001:db8::1", "2001:db8::1", "deny 2001:db8::1 (list:2)" },
	{ "allow 2001:db8::/127,deny 2001:db8::1", "2001:db8::2", "refused" },
	{ "allow 192.0.2.0/31,deny 192.0.2.1", "192.0.2.1", "deny 192.0.2.1 (list:2)" },
	{ "allow 192.0.2.0/31,deny 192.0.2.1", "192.0.2.2", "refused" },
	/* An IPv4-mapped client is an IPv4 one, also if nobody has unmapped it */
	{ "deny 192.0.2.0/24", "::ffff:192.0.2.7", "deny 192.0.2.0/24 (list:1)" },
	{ "deny ::ffff:192.0.2.0/120", "192.0.2.7", "deny 192.0.2.0/24 (list:1)" },
	{ "deny ::ffff:0:0/96", "203.0.113.1", "deny 0.0.0.0/0 (list:1)" },
	{ "deny ::ffff:0:0/96", "::fffe:cb00:7101", "admitted" },
	{ "deny ::/96", "::192.0.2.1", "deny ::/96 (list:1)" },
	{ "deny 192.0.2.1", "::192.0.2.1", "admitted" },
	{ "deny 192.0.2.1", "::1:ffff:192.0.2.1", "admitted" },
	/* Rules of other kinds fit no address */
	{ "deny unix:uid=0,deny unix:gid=0", "0.0.0.0", "admitted" },
	{ "allow unix:uid=0", "0.0.0.0", "refused" },
};

START_TEST(the_longest_prefix_decides_and_deny_on_a_tie)
{
	struct access_list *l = given_list(decisions[_i].rules);
	const char *said = answer_ip(l, decisions[_i].ip);

	ck_assert_msg(strcmp(said, decisions[_i].answer) == 0, "%s: %s: %s", decisions[_i].rules, decisions[_i].ip, said);
	access_list_release(l);
}
END_TEST

static const struct {
	const char *rules;
	uid_t uid;
	gid_t groups[4]; /* ends with 0 */
	const char *answer;
} unix_decisions[] = {
	{ "", 1000, { 100 }, "admitted" },
	{ "deny unix:uid=1000", 1000, { 100 }, "deny unix:uid=1000 (list:1)" },
	{ "deny unix:uid=1000", 999, { 100 }, "admitted" },
	{ "deny unix:uid=1000", 1001, { 1000 }, "admitted" },
	{ "allow unix:uid=1000", 1000, { 100 }, "allow unix:uid=1000 (list:1)" },
	{ "allow unix:uid=1000", 1001, { 100 }, "refused" },
	{ "allow unix:uid=0", 0, { 100 }, "allow unix:uid=0 (list:1)" },
	{ "allow unix:uid=0", 1, { 100 }, "refused" },
	{ "allow unix:uid=4294967294", 4294967294, { 100 }, "allow unix:uid=4294967294 (list:1)" },
	{ "deny unix:uid=4294967294", 4294967295, { 100 }, "admitted" },
	{ "deny unix:gid=100", 1000, { 100 }, "deny unix:gid=100 (list:1)" },
	{ "deny unix:gid=100", 100, { 1000 }, "admitted" },
	{ "deny unix:gid=100", 1000, { 99, 101, 100 }, "deny unix:gid=100 (list:1)" },
	{ "deny unix:gid=100", 1000, { 99, 101 }, "admitted" },
	{ "allow unix:gid=100", 1000, { 99, 101 }, "refused" },
	{ "allow unix:gid=100", 1000, { 0 }, "refused" },
	/* A uid rule before a gid rule, whatever either says */
	{ "deny unix:gid=100,allow unix:uid=1000", 1000, { 100 }, "allow unix:uid=1000 (list:2)" },
	{ "allow unix:gid=100,deny unix:uid=1000", 1000, { 100 }, "deny unix:uid=1000 (list:2)" },
	{ "allow unix:gid=100,deny unix:uid=1000", 1001, { 100 }, "allow unix:gid=100 (list:1)" },
	/* Of several gid rules deny, and of several of those the least number */
	{ "allow unix:gid=100,deny unix:gid=200", 1000, { 100, 200 }, "deny unix:gid=200 (list:2)" },
	{ "allow unix:gid=100,deny unix:gid=200", 1000, { 200, 100 }, "deny unix:gid=200 (list:2)" },
	{ "deny unix:gid=100,allow unix:gid=200", 1000, { 200, 100 }, "deny unix:gid=100 (list:1)" },
	{ "deny unix:gid=100,allow unix:gid=200", 1000, { 200, 300 }, "allow unix:gid=200 (list:2)" },
	{ "allow unix:gid=300,allow unix:gid=200", 1000, { 300, 200 }, "allow unix:gid=200 (list:2)" },
	{ "deny unix:gid=300,deny unix:gid=200", 1000, { 300, 200 }, "deny unix:gid=200 (list:2)" },
	/* The same one twice */
	{ "allow unix:uid=1,deny unix:uid=1", 1, { 100 }, "deny unix:uid=1 (list:2)" },
	{ "allow unix:gid=1,deny unix:gid=1,deny unix:gid=1", 1, { 1 }, "deny unix:gid=1 (list:2)" },
	/* Rules of addresses fit nobody who has none */
	{ "deny 0.0.0.0/0,deny ::/0", 0, { 100 }, "admitted" },
	{ "allow 0.0.0.0/0,allow ::/0", 0, { 100 }, "refused" },
	{ "deny 0.0.3.232", 1000, { 1000 }, "admitted" },
	{ "allow 0.0.0.0/0,allow unix:gid=100", 0, { 100 }, "allow unix:gid=100 (list:2)" },
};

START_TEST(a_user_decides_before_groups)
{
	static const char *const names[] = { "/run/x.sock", "@name" };

	for (size_t i = 0; i < 2; i++) {
		struct access_list *l = given_list(unix_decisions[_i].rules);
		const struct address a = given_address(names[i]);
		struct access_client client = { .address = &a, .uid = unix_decisions[_i].uid, .groups = unix_decisions[_i].groups };
		const char *said;

		while (client.group_count < 4 && client.groups[client.group_count])
			client.group_count++;
		said = answer(l, &client);
		ck_assert_msg(strcmp(said, unix_decisions[_i].answer) == 0, "%s: %s", unix_decisions[_i].rules, said);
		access_list_release(l);
	}
}
END_TEST

/* accept tells no more than the family of a client that did not bind. */
START_TEST(a_client_without_a_name_is_a_unix_client)
{
	struct access_list *l = given_list("allow unix:uid=1000,deny 0.0.0.0/0");
	struct address a = { .length = sizeof(sa_family_t), .socket.any.sa_family = AF_UNIX };
	const struct access_client client = { .address = &a, .uid = 1000 };

	ck_assert_str_eq(answer(l, &client), "allow unix:uid=1000 (list:1)");
	access_list_release(l);
}
END_TEST

START_TEST(a_client_with_an_address_has_no_user)
{
	struct access_list *l = given_list("deny unix:uid=1000,deny unix:gid=100");
	const gid_t groups[] = { 100 };
	const struct address a = ip("192.0.2.1"), none = { 0 };
	struct access_client client = { .address = &a, .uid = 1000, .groups = groups, .group_count = 1 };

	ck_assert_str_eq(answer(l, &client), "admitted");
	client.address = &none;
	ck_assert_str_eq(answer(l, &client), "admitted");
	access_list_release(l);
}
END_TEST

START_TEST(a_client_without_any_address_fits_no_rule)
{
	struct access_list *l = given_list("deny 0.0.0.0/0,deny ::/0,allow unix:uid=0,allow unix:gid=0");
	const struct address none = { 0 };
	const struct access_client client = { .address = &none };

	ck_assert_str_eq(answer(l, &client), "refused");
	access_list_release(l);
}
END_TEST

START_TEST(groups_are_asked_for_only_where_a_rule_names_one)
{
	static const struct {
		const char *rules;
		bool groups;
	} lists[] = {
		{ "", false },
		{ "deny 192.0.2.1,deny 2001:db8::1,deny unix:uid=1", false },
		{ "deny unix:gid=1", true },
		{ "allow unix:gid=0,deny 192.0.2.1,deny 2001:db8::1,deny unix:uid=1", true },
	};

	for (int i = 0; i < rows(lists); i++) {
		struct access_list *l = given_list(lists[i].rules);

		ck_assert_msg(access_has_groups(l->access) == lists[i].groups, "%s", lists[i].rules);
		access_list_release(l);
	}
}
END_TEST

/* Every prefix of one address, from all to one: each decides where the next longer one does not. */
START_TEST(prefixes_may_be_nested_as_deep_as_there_are_bits)
{
	bool v6 = _i;
	unsigned bits = v6 ? 128 : 32;
	struct access_maker *m = access_maker_new();
	struct access_list *l;

	for (unsigned i = 0; i <= bits; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s %s/%u", i % 2 ? "deny" : "allow", v6 ? "::" : "0.0.0.0", i);
		add(m, text, (int)i);
	}
	l = access_make(m);
	ck_assert_ptr_nonnull(l);
	for (unsigned i = 0; i <= bits; i++) {
		struct address a = ip(v6 ? "::" : "0.0.0.0");
		unsigned char *byte = v6 ? a.socket.v6.sin6_addr.s6_addr : (unsigned char *)&a.socket.v4.sin_addr;
		const struct access_client client = { .address = &a };
		char end[16];

		/* The first bit outside of the next longer prefix. */
		if (i < bits)
			byte[i / 8] = (unsigned char)(0x80 >> i % 8);
		snprintf(end, sizeof(end), "(list:%u)", i);
		ck_assert_msg(strstr(answer(l, &client), end), "%u: %s", i, answer(l, &client));
	}
	access_list_release(l);
}
END_TEST

/* Sizes at which the tree gets another node or another level. */
static const unsigned sizes[] = { 1, 2, 7, 8, 9, 15, 16, 17, 127, 128, 129, 255, 256, 257, 2047, 2048, 2049, 4095, 4096, 4097, 33000 };

static const char *member(bool v6, unsigned i)
{
	static char text[64];

	if (v6)
		snprintf(text, sizeof(text), "2001:db8:1:1:1:1%02x:1%02x:1%02x", i >> 16, i >> 8 & 0xff, i & 0xff);
	else
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
	return text;
}

static void check_neighbours(const struct access_list *l, bool v6, unsigned i)
{
	char expected[96];

	snprintf(expected, sizeof(expected), "deny %s (list:%u)", member(v6, i), i + 1);
	ck_assert_str_eq(answer_ip(l, member(v6, i)), expected);
	ck_assert_str_eq(answer_ip(l, member(v6, i + 1)), "admitted");
}

START_TEST(each_of_many_is_found_and_nothing_between_them)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct access_maker *m = access_maker_new();
		struct access_list *l;
		char rule[80];

		for (unsigned i = 0; i < sizes[_i]; i++) {
			snprintf(rule, sizeof(rule), "deny %s", member(v6, 2 * i));
			add(m, rule, (int)(2 * i + 1));
		}
		l = access_make(m);
		ck_assert_ptr_nonnull(l);
		for (unsigned i = 0; i < sizes[_i]; i++)
			check_neighbours(l, v6, 2 * i);
		access_list_release(l);
	}
}
END_TEST

/* A slow look at all rules that shares nothing with the fast one, over random prefixes that overlap. */

struct random_rule {
	unsigned char ip[16];
	unsigned bits;
	bool allow;
};

#define RANDOM_RULES 600

static unsigned draw(unsigned *state)
{
	*state = *state * 1103515245U + 12345U;
	return *state >> 16 & 0x7fff;
}

/* Few different bytes, so that prefixes meet; and the ends of the range. */
static void draw_ip(unsigned char *ip, size_t size, unsigned *state)
{
	static const unsigned char bytes[] = { 0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff };

	for (size_t i = 0; i < size; i++)
		ip[i] = bytes[draw(state) % (draw(state) % 4 ? 2 : sizeof(bytes))];
	if (draw(state) % 8 == 0)
		memset(ip, draw(state) % 2 ? 0xff : 0, size);
}

static bool bit_of(const unsigned char *ip, unsigned n)
{
	return ip[n / 8] >> (7 - n % 8) & 1;
}

static bool fits(const struct random_rule *r, const unsigned char *ip)
{
	for (unsigned i = 0; i < r->bits; i++)
		if (bit_of(r->ip, i) != bit_of(ip, i))
			return false;
	return true;
}

static bool is_stronger(const struct random_rule *r, const struct random_rule *than)
{
	return !than || r->bits > than->bits || (r->bits == than->bits && !r->allow && than->allow);
}

static const struct random_rule *scan(const struct random_rule *list, const unsigned char *ip)
{
	const struct random_rule *best = NULL;

	for (const struct random_rule *r = list; r < list + RANDOM_RULES; r++)
		if (fits(r, ip) && is_stronger(r, best))
			best = r;
	return best;
}

static void draw_rules(struct random_rule *list, size_t size, unsigned *state)
{
	for (struct random_rule *r = list; r < list + RANDOM_RULES; r++) {
		draw_ip(r->ip, size, state);
		r->bits = draw(state) % ((unsigned)size * 8 + 1);
		r->allow = draw(state) % 2;
		for (unsigned i = r->bits; i < size * 8; i++)
			r->ip[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	}
}

static struct access_list *compiled(const struct random_rule *list, int family)
{
	struct access_maker *m = access_maker_new();
	struct access_list *l;
	char text[INET6_ADDRSTRLEN], rule[128];

	for (int i = 0; i < RANDOM_RULES; i++) {
		inet_ntop(family, list[i].ip, text, sizeof(text));
		snprintf(rule, sizeof(rule), "%s %s/%u", list[i].allow ? "allow" : "deny", text, list[i].bits);
		add(m, rule, i + 1);
	}
	l = access_make(m);
	ck_assert_ptr_nonnull(l);
	return l;
}

/* An IPv4-mapped address is no IPv6 one, whatever prefix it may lie in. */
static bool is_mapped(const unsigned char *ip)
{
	static const unsigned char prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(ip, prefix, sizeof(prefix)) == 0;
}

static void compare(const struct access_list *l, const struct random_rule *list, int family, const unsigned char *ip)
{
	struct address a = { .length = family == AF_INET ? sizeof(a.socket.v4) : sizeof(a.socket.v6) };
	const struct access_client client = { .address = &a };
	const struct random_rule *decides = family == AF_INET6 && is_mapped(ip) ? NULL : scan(list, ip);
	char text[INET6_ADDRSTRLEN], end[32];
	const char *said;

	a.socket.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		memcpy(&a.socket.v4.sin_addr, ip, 4);
	else
		memcpy(&a.socket.v6.sin6_addr, ip, 16);
	said = answer(l, &client);
	snprintf(end, sizeof(end), "(list:%d)", decides ? (int)(decides - list) + 1 : 0);
	ck_assert_msg(decides ? strstr(said, end) != NULL : strcmp(said, "refused") == 0, "%s: %s, not %s",
	              inet_ntop(family, ip, text, sizeof(text)), said, end);
}

/* Moves an address on by one or back by one, around the end if need be. */
static void step(unsigned char *ip, size_t size, int by)
{
	for (size_t i = size; i-- > 0;) {
		ip[i] = (unsigned char)(ip[i] + by);
		if (ip[i] != (by > 0 ? 0x00 : 0xff))
			break;
	}
}

static void compare_around(const struct access_list *l, const struct random_rule *list, int family, const struct random_rule *r)
{
	size_t size = family == AF_INET ? 4 : 16;
	unsigned char ip[16];

	memcpy(ip, r->ip, sizeof(ip));
	compare(l, list, family, ip);
	step(ip, size, -1);
	compare(l, list, family, ip);
	memcpy(ip, r->ip, sizeof(ip));
	for (unsigned i = r->bits; i < size * 8; i++)
		ip[i / 8] |= (unsigned char)(0x80 >> i % 8);
	compare(l, list, family, ip);
	step(ip, size, 1);
	compare(l, list, family, ip);
}

START_TEST(it_finds_what_a_look_at_every_rule_finds)
{
	static struct random_rule list[RANDOM_RULES];
	int family = _i % 2 ? AF_INET6 : AF_INET;
	size_t size = family == AF_INET ? 4 : 16;
	unsigned state = 20000U + (unsigned)_i;
	struct access_list *l;
	unsigned char ip[16];

	memset(list, 0, sizeof(list));
	draw_rules(list, size, &state);
	l = compiled(list, family);
	for (const struct random_rule *r = list; r < list + RANDOM_RULES; r++)
		compare_around(l, list, family, r);
	for (int i = 0; i < 2000; i++) {
		draw_ip(ip, size, &state);
		compare(l, list, family, ip);
	}
	access_list_release(l);
}
END_TEST

Suite *access_suite(void)
{
	Suite *s = suite_create("access");
	TCase *t = tcase_create("access");

	tcase_add_loop_test(t, the_longest_prefix_decides_and_deny_on_a_tie, 0, rows(decisions));
	tcase_add_loop_test(t, a_user_decides_before_groups, 0, rows(unix_decisions));
	tcase_add_test(t, a_client_without_a_name_is_a_unix_client);
	tcase_add_test(t, a_client_with_an_address_has_no_user);
	tcase_add_test(t, a_client_without_any_address_fits_no_rule);
	tcase_add_test(t, groups_are_asked_for_only_where_a_rule_names_one);
	tcase_add_loop_test(t, prefixes_may_be_nested_as_deep_as_there_are_bits, 0, 2);
	tcase_add_loop_test(t, each_of_many_is_found_and_nothing_between_them, 0, rows(sizes));
	tcase_add_loop_test(t, it_finds_what_a_look_at_every_rule_finds, 0, 20);
	suite_add_tcase(s, t);
	return s;
}
