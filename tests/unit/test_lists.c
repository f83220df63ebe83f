/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "access_list.h"
#include "given.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USER 12345 /* needs no entry in passwd(5) */

#define IP "builtin = echo listen = { \"127.0.0.1:4000\" }"
#define LOCAL "builtin = echo listen = { \"/run/x\", \"@y\" }"
#define MIXED "builtin = echo listen = { \"/run/x\", \"[::1]:4000\" }"

/* %1$s stands for the working directory, which has the list files of given_lists. Complaints are patterns of fnmatch(3). */
static const struct {
	const char *what, *text, *complaints;
} bad[] = {
	{ "a rule that is none", "service \"a\" {\n\t" IP "\n\tallow = { \"10.0.0.0/8\",\n\t\t\"10.0.0.1/8\" }\n}\n",
	  "main.conf:4: allow: \"10.0.0.1/8\" *behind*10.0.0.0/8*\n" },
	{ "all that is wrong", "service \"a\" {\n\t" IP "\n\tallow = { \"x\",\n\t\t\"10.0.0.0/8\",\n\t\t\"y\" }\n\tdeny = { \"z\" }\n}\n",
	  "main.conf:3: allow: \"x\"*\nmain.conf:5: allow: \"y\"*\nmain.conf:6: deny: \"z\"*\n" },
	{ "in defaults, for several services",
	  "defaults {\n\tdeny = { \"x\" }\n}\nservice \"a\" { builtin = echo listen = { \"127.0.0.1:1\" } }\n"
	  "service \"b\" { builtin = echo listen = { \"127.0.0.1:2\" } }\n", "main.conf:2: deny: \"x\"*\n" },
	{ "an unknown user", "service \"a\" {\n\t" LOCAL "\n\tallow = { \"unix:uid=no-such-user\" }\n}\n",
	  "main.conf:3: allow: *no such user\n" },
	{ "a relative file", "service \"a\" {\n\t" IP "\n\tdeny = { \"file:bad\" }\n}\n", "main.conf:3: deny: \"bad\" is no absolute path*\n" },
	{ "no file", "service \"a\" {\n\t" IP "\n\tdeny = { \"file:\" }\n}\n", "main.conf:3: deny: \"\" is no absolute path*\n" },
	{ "a file that is not there", "service \"a\" {\n\t" IP "\n\tdeny = { \"10.0.0.0/8\",\n\t\"file:%1$s/none\" }\n}\n",
	  "main.conf:4: deny: */none: cannot read this list: No such file or directory\n" },
	{ "a directory", "service \"a\" {\n\t" IP "\n\tdeny = { \"file:/\" }\n}\n", "main.conf:3: deny: /: *Is a directory\n" },
	{ "bad lines of a file", "service \"a\" {\n\t" IP "\n\tdeny = { \"file:%1$s/bad\" }\n}\n", "*/bad:2: \"x\"*\n*/bad:4: \"192.0.2.1/24\"*\n" },
	{ "bad lines of two files and a rule", "service \"a\" {\n\t" IP "\n\tallow = { \"file:%1$s/bad\" }\n\tdeny = { \"file:%1$s/worse\", \"z\" }\n}\n",
	  "*/bad:2: *\n*/bad:4: *\n*/worse:1: *\nmain.conf:4: deny: \"z\"*\n" },
	{ "a file in two services",
	  "service \"a\" { builtin = echo listen = { \"127.0.0.1:1\" } deny = { \"file:%1$s/bad\" } }\n"
	  "service \"b\" { builtin = echo listen = { \"127.0.0.1:2\" } deny = { \"file:%1$s/bad\" } }\n", "*/bad:2: *\n*/bad:4: *\n" },
	{ "a list in a list", "service \"a\" {\n\t" IP "\n\tdeny = { \"file:%1$s/nested\" }\n}\n", "*/nested:1: *names a list*\n" },
	{ "nobody", "service \"a\" {\n\t" IP "\n\tallow = { }\n}\n", "main.conf:[2-4]: allow: an empty list*\n" },

	{ "users of an address", "service \"a\" {\n\t" IP "\n\tallow = { \"10.0.0.0/8\",\n\"unix:uid=1\",\n\"unix:gid=1\" }\n}\n",
	  "main.conf:4: allow: unix:uid=1 fits no client of service a: *write an IP address or a prefix\n"
	  "main.conf:5: allow: unix:gid=1 fits no client of service a: *write an IP address or a prefix\n" },
	{ "addresses of a path", "service \"a\" {\n\t" LOCAL "\n\tdeny = { \"unix:uid=1\",\n\"10.0.0.0/8\",\n\"2001:db8::1\" }\n}\n",
	  "main.conf:4: deny: 10.0.0.0/8 fits no client of service a: *write unix:uid=USER or unix:gid=GROUP\n"
	  "main.conf:5: deny: 2001:db8::1 fits no client of service a: *write unix:uid=USER or unix:gid=GROUP\n" },
	{ "a file of users of an address", "service \"a\" {\n\t" IP "\n\tallow = { \"file:%1$s/users\" }\n}\n",
	  "main.conf:3: allow: file:*/users fits no client *\n" },
	{ "a file of addresses of a path", "service \"a\" {\n\t" LOCAL "\n\tallow = { \"file:%1$s/friends\" }\n}\n",
	  "main.conf:3: allow: file:*/friends fits no client *\n" },
	{ "defaults for another service",
	  "defaults {\n\tdeny = { \"10.0.0.0/8\" }\n}\nservice \"a\" { " IP " }\nservice \"b\" { " LOCAL " }\n",
	  "main.conf:2: deny: 10.0.0.0/8 fits no client of service b: *defaults can be replaced in the service\n" },
	{ "users of an address behind a proxy",
	  "service \"a\" {\n\t" IP "\n\tproxy-protocol { mode = required from = { \"127.0.0.1\" } }\n\tallow = { \"unix:uid=1\" }\n}\n",
	  "main.conf:4: allow: unix:uid=1 fits no client *\n" },

	{ "a proxy without senders", "service \"a\" {\n\t" IP "\n\tproxy-protocol {\n\t\tmode = required\n\t}\n}\n",
	  "main.conf:4: proxy-protocol.mode: *from = { \"127.0.0.1\" }*\"0.0.0.0/0\", \"::/0\"*\n" },
	{ "an optional proxy without senders", "service \"a\" {\n\t" IP "\n\tproxy-protocol {\n\t\tmode = optional\n\t}\n}\n",
	  "main.conf:4: proxy-protocol.mode: *from = *\n" },
	{ "a proxy with an empty list of senders", "service \"a\" {\n\t" IP "\n\tproxy-protocol {\n\t\tmode = required\n\t\tfrom = { }\n\t}\n}\n",
	  "main.conf:4: proxy-protocol.mode: *from = *\n" },
	{ "a proxy on a path without senders", "service \"a\" {\n\t" LOCAL "\n\tproxy-protocol {\n\t\tmode = required\n\t}\n}\n",
	  "main.conf:4: proxy-protocol.mode: *from = { \"unix:uid=USER\" }\n" },
	{ "a proxy in defaults without senders", "defaults {\n\tproxy-protocol { mode = required }\n}\nservice \"a\" { " IP " }\n",
	  "main.conf:2: proxy-protocol.mode: *\n" },
	{ "senders that are none", "service \"a\" {\n\t" IP "\n\tproxy-protocol {\n\t\tfrom = { \"127.0.0.1\",\n\"localhost\" }\n\t}\n}\n",
	  "main.conf:5: proxy-protocol.from: \"localhost\"*\n" },
	{ "senders with an address for a path",
	  "service \"a\" {\n\t" LOCAL "\n\tproxy-protocol {\n\t\tmode = required\n\t\tfrom = { \"127.0.0.1\" }\n\t}\n}\n",
	  "main.conf:5: proxy-protocol.from: 127.0.0.1 fits no client *\n" },
	{ "senders with a user for an address",
	  "service \"a\" {\n\t" IP "\n\tproxy-protocol {\n\t\tmode = optional\n\t\tfrom = { \"unix:uid=1\" }\n\t}\n}\n",
	  "main.conf:5: proxy-protocol.from: unix:uid=1 fits no client *\n" },
};

/* What the texts name. */
static void given_lists(void)
{
	given_directory();
	given_file("friends", "# friends\n192.0.2.0/24\n\n2001:db8::/32\n");
	given_file("users", "unix:uid=1\nunix:gid=2\n");
	given_file("all", "192.0.2.0/24\nunix:uid=1\n");
	given_file("empty", "# nobody yet\n");
	given_file("bad", "192.0.2.1\nx\n192.0.2.2\n192.0.2.1/24\n");
	given_file("worse", "300.0.0.1\n");
	given_file("nested", "file:/etc/hosts\n");
}

/* Writes main.conf with the directory in place of each %1$s. */
static void write_main(const char *text)
{
	const char *mark = "%1$s", *next;
	char *whole = NULL;
	size_t size;
	FILE *f = open_memstream(&whole, &size);

	ck_assert_ptr_nonnull(f);
	for (; (next = strstr(text, mark)); text = next + strlen(mark))
		fprintf(f, "%.*s%s", (int)(next - text), text, given_here());
	fputs(text, f);
	fclose(f);
	given_file("main.conf", whole);
	free(whole);
}

START_TEST(a_list_that_cannot_be_meant_is_complained_of)
{
	char *said;

	write_main(bad[_i].text);
	ck_assert_msg(!given_configuration("main.conf", USER, &said), "%s", bad[_i].what);
	ck_assert_msg(matches(bad[_i].complaints, said), "%s:\n%s", bad[_i].what, said);
	free(said);
}
END_TEST

START_TEST(of_a_file_with_many_bad_lines_the_rest_is_counted_where_it_is_named)
{
	char *said, text[400] = "";

	for (int i = 0; i < 25; i++)
		strcat(text, "bad\n");
	given_file("many", text);
	write_main("service \"a\" {\n\t" IP "\n\tdeny = {\n\t\t\"file:%1$s/many\" }\n}\n");
	ck_assert_ptr_null(given_configuration("main.conf", USER, &said));
	ck_assert_msg(strstr(said, "/many:20: \"bad\""), "%s", said);
	ck_assert_msg(!strstr(said, "/many:21: "), "%s", said);
	ck_assert_msg(strstr(said, "main.conf:4: deny: ") && strstr(said, "/many: 5 more lines are wrong\n"), "%s", said);
	free(said);
}
END_TEST

static struct configuration *load(const char *text)
{
	struct configuration *c;
	char *said;

	write_main(text);
	c = given_configuration("main.conf", USER, &said);
	ck_assert_msg(c && said[0] == '\0', "%s:\n%s", text, said);
	free(said);
	return c;
}

/* The rules as they are described, without directories, one in a line; or a word for no list. */
static char *described(const struct access_list *l)
{
	char *text = NULL, rule[512];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(f);
	for (uint32_t i = 0; l && i < access_list_rules(l); i++) {
		const char *open, *slash;

		access_list_describe(l, i, rule, sizeof(rule));
		open = strchr(rule, '(') + 1;
		slash = strrchr(open, '/');
		fprintf(f, "%.*s%s\n", (int)(open - rule), rule, slash ? slash + 1 : open);
	}
	if (!l)
		fputs("none", f);
	fclose(f);
	return text;
}

static const struct {
	const char *what, *text, *access, *from;
} good[] = {
	{ "nothing", "service \"a\" { " IP " }\n", "none", "none" },
	{ "allow and deny", "service \"a\" {\n" IP "\nallow = { \"10.0.0.0/8\" }\ndeny = {\n\"10.0.0.1\" } }\n",
	  "allow 10.0.0.0/8 (main.conf:3)\ndeny 10.0.0.1 (main.conf:5)\n", "none" },
	{ "deny alone", "service \"a\" { " IP " deny = { \"2001:db8::/32\" } }\n", "deny 2001:db8::/32 (main.conf:1)\n", "none" },
	{ "a file among rules", "service \"a\" {\n" IP "\ndeny = { \"10.0.0.1\", \"file:%1$s/friends\",\n\"10.0.0.2\" } }\n",
	  "deny 10.0.0.1 (main.conf:3)\ndeny 10.0.0.2 (main.conf:4)\ndeny 192.0.2.0/24 (friends:2)\ndeny 2001:db8::/32 (friends:4)\n", "none" },
	{ "an empty file", "service \"a\" { " IP " allow = { \"file:%1$s/empty\" } }\n", "", "none" },
	{ "nothing denied", "service \"a\" { " IP " deny = { } }\n", "", "none" },
	{ "users of a path", "service \"a\" { " LOCAL " allow = { \"unix:uid=7\", \"file:%1$s/users\" } }\n",
	  "allow unix:uid=1 (users:1)\nallow unix:uid=7 (main.conf:1)\nallow unix:gid=2 (users:2)\n", "none" },
	{ "both for both", "service \"a\" { " MIXED " allow = { \"unix:uid=7\", \"10.0.0.0/8\" } }\n",
	  "allow 10.0.0.0/8 (main.conf:1)\nallow unix:uid=7 (main.conf:1)\n", "none" },
	{ "a file for several services on an address", "service \"a\" { " IP " allow = { \"file:%1$s/all\" } }\n",
	  "allow 192.0.2.0/24 (all:1)\nallow unix:uid=1 (all:2)\n", "none" },
	{ "and on a path", "service \"a\" { " LOCAL " allow = { \"file:%1$s/all\" } }\n",
	  "allow 192.0.2.0/24 (all:1)\nallow unix:uid=1 (all:2)\n", "none" },
	{ "defaults", "defaults {\ndeny = { \"10.0.0.0/8\" }\n}\nservice \"a\" {\n" IP "\nallow = { \"10.0.0.1\" } }\n",
	  "deny 10.0.0.0/8 (main.conf:2)\nallow 10.0.0.1 (main.conf:6)\n", "none" },
	{ "defaults replaced", "defaults { deny = { \"10.0.0.0/8\" } }\nservice \"a\" { " LOCAL " deny = { } }\n", "", "none" },
	{ "senders", "service \"a\" { " IP " proxy-protocol { mode = required from = { \"127.0.0.1\", \"::1\" } } }\n", "none",
	  "allow 127.0.0.1 (main.conf:1)\nallow ::1 (main.conf:1)\n" },
	{ "senders of a file", "service \"a\" { " IP " proxy-protocol { mode = optional from = { \"file:%1$s/friends\" } } }\n", "none",
	  "allow 192.0.2.0/24 (friends:2)\nallow 2001:db8::/32 (friends:4)\n" },
	{ "addresses of a path behind a proxy",
	  "service \"a\" { " LOCAL " allow = { \"10.0.0.0/8\" } proxy-protocol { mode = required from = { \"unix:uid=5\" } } }\n",
	  "allow 10.0.0.0/8 (main.conf:1)\n", "allow unix:uid=5 (main.conf:1)\n" },
	{ "senders while it is off", "service \"a\" { " IP " proxy-protocol { from = { \"unix:uid=5\" } } }\n", "none",
	  "allow unix:uid=5 (main.conf:1)\n" },
};

START_TEST(lists_are_made_of_rules_and_files)
{
	struct configuration *c = load(good[_i].text);
	char *access = described(c->services[0]->access), *from = described(c->services[0]->proxy_from);

	ck_assert_msg(strcmp(access, good[_i].access) == 0, "%s:\n%s", good[_i].what, access);
	ck_assert_msg(strcmp(from, good[_i].from) == 0, "%s:\n%s", good[_i].what, from);
	free(access);
	free(from);
	configuration_free(c);
}
END_TEST

START_TEST(an_empty_file_of_who_may_come_lets_nobody_in)
{
	struct configuration *c = load("service \"a\" { " IP " allow = { \"file:%1$s/empty\" } }\n");
	const struct address a = given_address("192.0.2.1:0");
	const struct access_client client = { .address = &a };
	uint32_t rule;

	ck_assert(!access_admits(c->services[0]->access->access, &client, &rule));
	configuration_free(c);
}
END_TEST

START_TEST(a_list_of_defaults_is_made_once)
{
	struct configuration *c = load("defaults { deny = { \"10.0.0.0/8\" } proxy-protocol { from = { \"10.0.0.1\" } } }\n"
	                               "service \"a\" { builtin = echo listen = { \"127.0.0.1:1\" } }\n"
	                               "service \"b\" { builtin = echo listen = { \"127.0.0.1:2\" } allow = { \"10.0.0.1\" } }\n"
	                               "service \"c\" { builtin = echo listen = { \"127.0.0.1:3\" } }\n");
	struct service_config *const *s = c->services;

	ck_assert_ptr_eq(s[0]->access, s[2]->access);
	ck_assert_ptr_ne(s[0]->access, s[1]->access);
	ck_assert_uint_eq(s[0]->access->holders, 2);
	ck_assert_uint_eq(s[1]->access->holders, 1);
	ck_assert_ptr_eq(s[0]->proxy_from, s[1]->proxy_from);
	ck_assert_uint_eq(s[0]->proxy_from->holders, 3);
	configuration_free(c);
}
END_TEST

/* What changes in a list file between two reads of a configuration, and what is told of it. */
static const struct {
	const char *before, *after;
	bool difference;
} changes[] = {
	{ "192.0.2.1\n", "192.0.2.1\n", false },
	{ "192.0.2.1\n", "# moved\n\n192.0.2.1 # here\n", false },
	{ "192.0.2.1\n192.0.2.2\n", "192.0.2.2\n192.0.2.1\n", false },
	{ "192.0.2.1\n", "192.0.2.2\n", true },
	{ "192.0.2.1\n", "192.0.2.1\n192.0.2.2\n", true },
	{ "192.0.2.1\n", "", true },
	{ "", "192.0.2.1\n", true },
};

static const struct {
	const char *text, *name;
} places[] = {
	{ "service \"a\" { " IP " allow = { \"file:%1$s/list\" } }\n", "allow and deny" },
	{ "service \"a\" { " IP " allow = { \"192.0.2.0/24\" } deny = { \"file:%1$s/list\" } }\n", "allow and deny" },
	{ "defaults { deny = { \"file:%1$s/list\" } } service \"a\" { " IP " }\n", "allow and deny" },
	{ "service \"a\" { " IP " proxy-protocol { mode = required from = { \"file:%1$s/list\" } } }\n", "proxy-protocol.from" },
};

START_TEST(a_changed_file_is_a_difference_and_an_unchanged_one_is_none)
{
	for (int i = 0; i < rows(places); i++) {
		struct configuration *one, *other;
		char expected[64], *names;

		given_file("list", changes[_i].before);
		one = load(places[i].text);
		given_file("list", changes[_i].after);
		other = load(places[i].text);
		snprintf(expected, sizeof(expected), "%s%s", changes[_i].difference ? "the content of " : "",
		         changes[_i].difference ? places[i].name : "");
		names = configuration_difference(one->services[0], other->services[0]);
		ck_assert_msg(strcmp(names, expected) == 0, "%s: \"%s\"", places[i].text, names);
		free(names);
		configuration_free(one);
		configuration_free(other);
	}
}
END_TEST

START_TEST(other_words_are_told_by_their_keys_alone)
{
	struct configuration *one = load("service \"a\" { " IP " allow = { \"10.0.0.0/8\" } deny = { \"10.0.0.1\" } }\n");
	struct configuration *other = load("\nservice \"a\" { " IP " allow = { \"10.0.0.0/8\" } deny = { \"10.0.0.2\" } }\n");
	struct configuration *moved = load("\n\nservice \"a\" { " IP " allow = { \"10.0.0.0/8\" } deny = { \"10.0.0.2\" } }\n");
	char *names = configuration_difference(one->services[0], other->services[0]);

	ck_assert_str_eq(names, "deny");
	free(names);
	/* Rules that only stand in another line are the same. */
	names = configuration_difference(other->services[0], moved->services[0]);
	ck_assert_str_eq(names, "");
	free(names);
	configuration_free(one);
	configuration_free(other);
	configuration_free(moved);
}
END_TEST

START_TEST(what_is_printed_has_the_same_lists)
{
	struct configuration *c = load(good[_i].text), *again;
	char *text = NULL, *names, *said;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	configuration_print(c, f);
	fclose(f);
	given_file("printed.conf", text);
	again = given_configuration("printed.conf", USER, &said);
	ck_assert_msg(again, "%s:\n%s\n%s", good[_i].what, said, text);
	names = configuration_difference(c->services[0], again->services[0]);
	ck_assert_msg(strcmp(names, "") == 0, "%s: %s", good[_i].what, names);
	free(names);
	free(said);
	free(text);
	configuration_free(c);
	configuration_free(again);
}
END_TEST

Suite *lists_suite(void)
{
	Suite *s = suite_create("lists");
	TCase *t = tcase_create("lists");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_lists, NULL);
	tcase_add_loop_test(t, a_list_that_cannot_be_meant_is_complained_of, 0, rows(bad));
	tcase_add_test(t, of_a_file_with_many_bad_lines_the_rest_is_counted_where_it_is_named);
	tcase_add_loop_test(t, lists_are_made_of_rules_and_files, 0, rows(good));
	tcase_add_test(t, an_empty_file_of_who_may_come_lets_nobody_in);
	tcase_add_test(t, a_list_of_defaults_is_made_once);
	tcase_add_loop_test(t, a_changed_file_is_a_difference_and_an_unchanged_one_is_none, 0, rows(changes));
	tcase_add_test(t, other_words_are_told_by_their_keys_alone);
	tcase_add_loop_test(t, what_is_printed_has_the_same_lists, 0, rows(good));
	suite_add_tcase(s, t);
	return s;
}
