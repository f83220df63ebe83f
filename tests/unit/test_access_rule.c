/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "access_rule.h"
#include "given.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *written, *text;
	enum access_kind kind;
} good[] = {
	{ "192.0.2.1", "192.0.2.1", ACCESS_IPV4 },
	{ "0.0.0.0", "0.0.0.0", ACCESS_IPV4 },
	{ "255.255.255.255", "255.255.255.255", ACCESS_IPV4 },
	{ "192.0.2.1/32", "192.0.2.1", ACCESS_IPV4 },
	{ "192.0.2.0/31", "192.0.2.0/31", ACCESS_IPV4 },
	{ "192.0.2.0/24", "192.0.2.0/24", ACCESS_IPV4 },
	{ "192.0.2.0/23", "192.0.2.0/23", ACCESS_IPV4 },
	{ "128.0.0.0/1", "128.0.0.0/1", ACCESS_IPV4 },
	{ "0.0.0.0/0", "0.0.0.0/0", ACCESS_IPV4 },
	{ "0.0.0.0/32", "0.0.0.0", ACCESS_IPV4 },
	{ "2001:db8::1", "2001:db8::1", ACCESS_IPV6 },
	{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", ACCESS_IPV6 },
	{ "2001:db8::/32", "2001:db8::/32", ACCESS_IPV6 },
	{ "2001:db8::/128", "2001:db8::", ACCESS_IPV6 },
	{ "2001:db8:0:1::/64", "2001:db8:0:1::/64", ACCESS_IPV6 },
	{ "2001:db8:0:1:8000::/65", "2001:db8:0:1:8000::/65", ACCESS_IPV6 },
	{ "2001:db8::fffe/127", "2001:db8::fffe/127", ACCESS_IPV6 },
	{ "8000::/1", "8000::/1", ACCESS_IPV6 },
	{ "::/0", "::/0", ACCESS_IPV6 },
	{ "::", "::", ACCESS_IPV6 },
	{ "::192.0.2.1", "::c000:201", ACCESS_IPV6 },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ACCESS_IPV6 },
	/* The mapped ones are IPv4; what lies around all of them is not. */
	{ "::ffff:192.0.2.1", "192.0.2.1", ACCESS_IPV4 },
	{ "::ffff:c000:201", "192.0.2.1", ACCESS_IPV4 },
	{ "::ffff:192.0.2.0/120", "192.0.2.0/24", ACCESS_IPV4 },
	{ "::ffff:192.0.2.1/128", "192.0.2.1", ACCESS_IPV4 },
	{ "::ffff:0:0/96", "0.0.0.0/0", ACCESS_IPV4 },
	{ "::ffff:128.0.0.0/97", "128.0.0.0/1", ACCESS_IPV4 },
	{ "::fffe:0:0/95", "::fffe:0:0/95", ACCESS_IPV6 },
	{ "::/80", "::/80", ACCESS_IPV6 },
	{ "::/96", "::/96", ACCESS_IPV6 },
	{ "1::ffff:0:0/96", "1::ffff:0:0/96", ACCESS_IPV6 },
	{ "unix:uid=0", "unix:uid=0", ACCESS_USER },
	{ "unix:uid=1000", "unix:uid=1000", ACCESS_USER },
	{ "unix:uid=4294967294", "unix:uid=4294967294", ACCESS_USER },
	{ "unix:uid=root", "unix:uid=0", ACCESS_USER },
	{ "unix:gid=0", "unix:gid=0", ACCESS_GROUP },
	{ "unix:gid=4294967294", "unix:gid=4294967294", ACCESS_GROUP },
	{ "unix:gid=root", "unix:gid=0", ACCESS_GROUP },
};

START_TEST(a_rule_is_read_and_written_again)
{
	struct access_rule rule;
	char text[ACCESS_RULE_TEXT], why[256] = "";

	ck_assert_msg(access_rule_read(good[_i].written, &rule, why, sizeof(why)) == 0, "%s: %s", good[_i].written, why);
	ck_assert_msg(rule.kind == good[_i].kind, "%s: kind %d", good[_i].written, (int)rule.kind);
	access_rule_print(&rule, text);
	ck_assert_msg(strcmp(text, good[_i].text) == 0, "%s: %s", good[_i].written, text);
}
END_TEST

/* Patterns of fnmatch(3). */
static const struct {
	const char *written, *why;
} bad[] = {
	{ "", "\"\" is no address*" },
	{ " ", "*is no address*" },
	{ "192.0.2", "*is no address*" },
	{ "192.0.2.", "*is no address*" },
	{ "1.2.3", "*is no address*" },
	{ "3221225985", "*is no address*" },
	{ "0xc0000201", "*is no address*" },
	{ "192.0.2.256", "*is no address*" },
	{ "192.0.2.01", "*is no address*" },
	{ "0300.0.2.1", "*is no address*" },
	{ "192.0.2.1.", "*is no address*" },
	{ "192.0.2.1.1", "*is no address*" },
	{ " 192.0.2.1", "*is no address*" },
	{ "192.0.2.1 ", "*is no address*" },
	{ "192.0.2.1\n", "\"192.0.2.1[?]\" is no address*" },
	{ "192.0.2.1,192.0.2.2", "*is no address*" },
	{ "192.0.2.1-192.0.2.9", "*is no address*" },
	{ "192.0.2.*", "*is no address*" },
	{ "192.0.2.1:80", "*is no address*" },
	{ "[2001:db8::1]", "*is no address*" },
	{ "localhost", "*is no address*" },
	{ "*", "*is no address*" },
	{ "all", "*is no address*" },
	{ "/24", "*is no address*" },
	{ "192.0.2.0/", "*no prefix*0 to 32" },
	{ "192.0.2.0/33", "*no prefix*0 to 32" },
	{ "192.0.2.0/-1", "*no prefix*0 to 32" },
	{ "192.0.2.0/+24", "*no prefix*0 to 32" },
	{ "192.0.2.0/024", "*no prefix*0 to 32" },
	{ "192.0.2.0/ 24", "*no prefix*0 to 32" },
	{ "192.0.2.0/24 ", "*no prefix*0 to 32" },
	{ "192.0.2.0/24/24", "*no prefix*0 to 32" },
	{ "192.0.2.0/24x", "*no prefix*0 to 32" },
	{ "192.0.2.0/0x18", "*no prefix*0 to 32" },
	{ "192.0.2.0/99999999999999999999", "*no prefix*0 to 32" },
	{ "192.0.2.0/4294967320", "*no prefix*0 to 32" },
	{ "192.0.2.0/255.255.255.0", "*no prefix*0 to 32" },
	{ "192.0.2.0 /24", "*is no address*" },
	{ "192.0.2.1/24", "*behind its prefix; write 192.0.2.0/24 *" },
	{ "192.0.2.1/31", "*behind its prefix; write 192.0.2.0/31 *" },
	{ "128.0.0.0/0", "*behind its prefix; write 0.0.0.0/0 *" },
	{ "2001:db8::1/64", "*behind its prefix; write 2001:db8::/64 *" },
	{ "2001:db8::8000:0:0:0/64", "*behind its prefix; write 2001:db8::/64 *" },
	{ "2001:db8:0:1::/63", "*behind its prefix; write 2001:db8::/63 *" },
	{ "2001:db8::1/127", "*behind its prefix; write 2001:db8::/127 *" },
	{ "::1/0", "*behind its prefix; write ::/0 *" },
	{ "::ffff:192.0.2.1/120", "*behind its prefix; write 192.0.2.0/24 *" },
	{ "::ffff:192.0.2.1/96", "*behind its prefix; write 0.0.0.0/0 *" },
	{ "::ffff:192.0.2.0/24", "*behind its prefix; write ::/24 *" },
	{ "::ffff:0:0/95", "*behind its prefix; write ::fffe:0:0/95 *" },
	{ "2001:db8::/129", "*no prefix*0 to 128" },
	{ "2001:db8:::", "*is no address*" },
	{ "2001:db8::1::2", "*is no address*" },
	{ "2001:db8::12345", "*is no address*" },
	{ "1:2:3:4:5:6:7", "*is no address*" },
	{ "1:2:3:4:5:6:7:8:9", "*is no address*" },
	{ "fe80::1%lo", "*is no address*" },
	{ "fe80::1%1/64", "*is no address*" },
	{ "::ffff:192.0.2.01", "*is no address*" },
	{ "::ffff:192.0.2", "*is no address*" },
	{ "aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa",
	  "\"aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaa\" is no address*" },
	{ "\x1b[31m\x7f\xff", "\"[?][[]31m[?][?]\" is no address*" },
	{ "unix:", "*is neither unix:uid=USER nor unix:gid=GROUP" },
	{ "unix:uid", "*is neither*" },
	{ "unix:uid=", "*is neither*" },
	{ "unix:gid=", "*is neither*" },
	{ "unix:pid=1", "*is neither*" },
	{ "unix:UID=1", "*is neither*" },
	{ "unix: uid=1", "*is neither*" },
	{ "UNIX:uid=1", "*is no address*" },
	{ "unix:uid=4294967295", "*no number from 0 to 4294967294" },
	{ "unix:uid=4294967296", "*no number*" },
	{ "unix:uid=99999999999999999999", "*no number*" },
	{ "unix:uid=01", "*no number*" },
	{ "unix:gid=00", "*no number*" },
	{ "unix:uid=-1", "*no such user" },
	{ "unix:uid=+1", "*no such user" },
	{ "unix:uid= 1", "*no such user" },
	{ "unix:uid=1x", "*no such user" },
	{ "unix:uid=no-such-user", "\"unix:uid=no-such-user\" *no such user" },
	{ "unix:gid=no-such-group", "*no such group" },
	{ "file:/etc/list", "*names a list*" },
	{ "file:", "*names a list*" },
};

START_TEST(what_is_no_rule_is_refused_with_a_reason)
{
	struct access_rule rule;
	char why[256] = "", pattern[256], said[256];

	ck_assert_msg(access_rule_read(bad[_i].written, &rule, why, sizeof(why)) == -1, "%s", bad[_i].written);
	snprintf(pattern, sizeof(pattern), "%.250s\n", bad[_i].why);
	snprintf(said, sizeof(said), "%.250s\n", why);
	ck_assert_msg(matches(pattern, said), "%s: %s", bad[_i].written, why);
}
END_TEST

START_TEST(a_name_stands_for_its_number)
{
	const struct passwd *user = getpwnam("nobody");
	const struct group *group = getgrnam("daemon");
	struct access_rule rule;
	char why[256];

	if (user) {
		ck_assert_int_eq(access_rule_read("unix:uid=nobody", &rule, why, sizeof(why)), 0);
		ck_assert_uint_eq(rule.value.high >> 32, user->pw_uid);
	}
	if (group) {
		ck_assert_int_eq(access_rule_read("unix:gid=daemon", &rule, why, sizeof(why)), 0);
		ck_assert_uint_eq(rule.value.high >> 32, group->gr_gid);
	}
	ck_assert_int_eq(access_rule_read("unix:uid=root", &rule, why, sizeof(why)), 0);
	ck_assert_uint_eq(rule.bits, 32);
	ck_assert_uint_eq(rule.value.high, 0);
	ck_assert_uint_eq(rule.value.low, 0);
}
END_TEST

static const struct {
	const char *prefix;
	uint64_t high, low;
} lasts[] = {
	{ "::/0", UINT64_MAX, UINT64_MAX },
	{ "::/1", UINT64_MAX >> 1, UINT64_MAX },
	{ "::/63", 1, UINT64_MAX },
	{ "::/64", 0, UINT64_MAX },
	{ "::/65", 0, UINT64_MAX >> 1 },
	{ "::/127", 0, 1 },
	{ "::/128", 0, 0 },
	{ "2001:db8::/32", 0x20010db8ffffffff, UINT64_MAX },
	{ "2001:db8::ff00/120", 0x20010db800000000, 0xffff },
	{ "192.0.2.0/24", 0xc00002ffffffffff, UINT64_MAX },
	{ "192.0.2.1/32", 0xc0000201ffffffff, UINT64_MAX },
	{ "0.0.0.0/0", UINT64_MAX, UINT64_MAX },
};

START_TEST(a_prefix_has_a_last_value)
{
	struct access_rule rule;
	struct access_key last;
	char why[256] = "";

	ck_assert_msg(access_rule_read(lasts[_i].prefix, &rule, why, sizeof(why)) == 0, "%s", why);
	last = access_rule_last(rule.value, rule.bits);
	ck_assert_msg(last.high == lasts[_i].high && last.low == lasts[_i].low, "%s: %llx %llx", lasts[_i].prefix,
	              (unsigned long long)last.high, (unsigned long long)last.low);
}
END_TEST

START_TEST(the_sentence_stays_in_its_room)
{
	struct access_rule rule;
	char why[16];

	memset(why, 'x', sizeof(why));
	ck_assert_int_eq(access_rule_read("unix:gid=no-such-group", &rule, why, 8), -1);
	ck_assert_str_eq(why, "\"unix:g");
	ck_assert_int_eq(why[8], 'x');
}
END_TEST

Suite *access_rule_suite(void)
{
	Suite *s = suite_create("access_rule");
	TCase *t = tcase_create("access_rule");

	tcase_add_loop_test(t, a_rule_is_read_and_written_again, 0, rows(good));
	tcase_add_loop_test(t, what_is_no_rule_is_refused_with_a_reason, 0, rows(bad));
	tcase_add_test(t, a_name_stands_for_its_number);
	tcase_add_loop_test(t, a_prefix_has_a_last_value, 0, rows(lasts));
	tcase_add_test(t, the_sentence_stays_in_its_room);
	suite_add_tcase(s, t);
	return s;
}
