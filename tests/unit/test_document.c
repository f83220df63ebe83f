/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "document.h"
#include "given.h"

#include <sys/stat.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_document(struct document *d, const char *path)
{
	struct complaints c = { 0 };
	char *said;

	memset(d, 0, sizeof(*d));
	document_read(d, path, &c);
	said = given_complaints(&c);
	complaints_free(&c);
	return said;
}

/* The sections of a document, as "name title;" each. */
static void sections_of(const struct document *d, char *out, size_t size)
{
	size_t length = 0;

	out[0] = '\0';
	for (size_t i = 0; i < d->count; i++)
		length += (size_t)snprintf(out + length, size - length, "%s%s%s;", d->sections[i].name, d->sections[i].title ? " " : "",
		                           d->sections[i].title ? d->sections[i].title : "");
}

/* Complaints are patterns of fnmatch(3), one in a line. */
static const struct {
	const char *what, *main, *other;
	const char *complaints;
} bad[] = {
	{ "an unknown key, with a hint", "service \"a\" {\n\tlisen = { \"*:80\" }\n}\n", NULL, "main.conf:2: *lisen*listen*\n" },
	{ "an unknown key of the top", "\n\ncolor = red\n", NULL, "main.conf:3: *color; preforkd.conf(5) *\n" },
	{ "a semicolon", "service \"a\" {\n\tlisten = { \"*:80\" };\n}\n", NULL, "main.conf:2: *;*no semicolon*\n" },
	{ "an unknown key of a sub-section", "service \"a\" {\n\tworkers {\n\t\tmin-spares = 3\n\t}\n}\n", NULL,
	  "main.conf:3: *min-spares*min-spare*\n" },
	{ "an unknown key of defaults", "defaults {\n\n\n\tuser = a\n\tusr = b\n}\n", NULL, "main.conf:5: *usr*user*\n" },
	{ "an unknown section", "\nservise \"a\" {\n}\n", NULL, "main.conf:2: *servise*service*\n" },
	{ "a key of a service outside of one", "listen = { \"*:80\" }\n", NULL, "main.conf:1: *listen*\n" },
	{ "a key of the top inside of a service", "service \"a\" {\n\tpid-file = /a\n}\n", NULL, "main.conf:2: *pid-file*\n" },
	{ "an unknown key in another file", "include(\"other.conf\")\n", "\n\n\nservice \"a\" {\n\n\tlisen = { }\n}\n",
	  "other.conf:6: *lisen*listen*\n" },

	{ "a key twice", "service \"a\" {\n\tuser = a\n\n\tuser = b\n}\n", NULL, "main.conf:4: user*twice*line 2\n" },
	{ "a key twice with one value", "service \"a\" {\n\tuser = a\n\tuser = a\n}\n", NULL, "main.conf:3: user*twice*line 2\n" },
	{ "a key thrice", "service \"a\" {\n\tuser = a\n\tuser = b\n\tuser = c\n}\n", NULL,
	  "main.conf:3: user*twice*line 2\nmain.conf:4: user*twice*line 2\n" },
	{ "a key of the top twice", "pid-file = /a\n\npid-file = /b\n", NULL, "main.conf:3: pid-file*twice*line 1\n" },
	{ "a list twice", "service \"a\" {\n\tlisten = { a,\n\tb }\n\tlisten = { c }\n}\n", NULL, "main.conf:4: listen*twice*line 2\n" },
	{ "a list twice, the second empty", "service \"a\" {\n\tlisten = { a }\n\tlisten = { }\n}\n", NULL,
	  "main.conf:3: listen*twice*line 2\n" },
	{ "an empty list twice", "service \"a\" {\n\tlisten = { }\n\tlisten = {\n\t}\n}\n", NULL, "main.conf:3: listen*twice*line 2\n" },
	{ "a list twice, the first empty", "service \"a\" {\n\tlisten = { }\n\tlisten = { a }\n}\n", NULL, "main.conf:3: listen*twice*\n" },
	{ "a key of a sub-section twice", "service \"a\" {\n\tworkers {\n\t\tmax = 1\n\t\tmax = 2\n\t}\n}\n", NULL,
	  "main.conf:4: *max*twice*line 3\n" },
	{ "a sub-section twice", "service \"a\" {\n\tworkers { max = 1 }\n\tworkers { min-spare = 1 }\n}\n", NULL,
	  "main.conf:3: workers*twice*line 2\n" },
	{ "an empty sub-section twice", "service \"a\" {\n\tlimit { }\n\tlimit { }\n}\n", NULL, "main.conf:3: limit*twice*line 2\n" },
	{ "a section of the top twice", "log { to = stderr }\nlog { level = info }\n", NULL, "main.conf:2: log*twice*line 1\n" },
	{ "defaults twice", "defaults { user = a }\ndefaults { group = a }\n", NULL, "main.conf:2: defaults*twice*line 1\n" },
	{ "a service twice", "service \"a\" { }\n\nservice \"a\" { }\n", NULL, "main.conf:3: *\"a\"*twice*\n" },

	{ "a string without end, double quotes", "service \"a\" {\n\tuser = \"a\n}\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a string without end, single quotes", "service \"a\" {\n\tuser = 'a\n}\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a variable without end", "service \"a\" {\n\tuser = \"${a\n}\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a variable without end in a string", "service \"a\" {\n\tuser = \"${a\"\n}\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a comment without end", "service \"a\" { user = a }\n/* b\nservice \"b\" { user = b }\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a comment without end in a section", "service \"a\" {\n\tuser = a\n/* }\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a section without end", "service \"a\" {\n\tuser = a\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a sub-section without end", "service \"a\" {\n\tworkers {\n\t\tmax = 3\n}\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a section without end before another", "log {\n}\nservice \"a\" {\n\tuser = a\n\nservice \"b\" {\n}\n", NULL, "main.conf:3: *end*\n" },
	{ "a list without end", "service \"a\" {\n\tlisten = { \"*:80\",\n", NULL, "main.conf:[0-9]*: ?*\n" },
	{ "a section without end in another file", "include(\"other.conf\")\n", "service \"a\" {\n", "other.conf:[0-9]*: ?*\n" },

	{ "a section without a brace", "service \"a\"\n\tuser = a\n}\n", NULL, "main.conf:2: ?*\n" },
	{ "a service without a name", "\nservice {\n}\n", NULL, "main.conf:2: ?*\n" },
	{ "a brace too many", "service \"a\" {\n}\n\n}\n", NULL, "main.conf:4: ?*\n" },
	{ "a key without a sign", "service \"a\" {\n\tuser a\n}\n", NULL, "main.conf:2: ?*\n" },
	{ "a key without a value", "service \"a\" {\n\tuser =\n}\n", NULL, "main.conf:3: ?*\n" },
	{ "a key without a value at the end", "pid-file =", NULL, "main.conf:[12]: ?*\n" },
	{ "a list for one value", "service \"a\" {\n\tuser = { a }\n}\n", NULL, "main.conf:2: ?*\n" },
	{ "an empty list for one value", "service \"a\" {\n\tuser = { }\n}\n", NULL, "main.conf:2: user *list\n" },
	{ "an empty list for a sub-section", "service \"a\" {\n\tworkers = { }\n}\n", NULL, "main.conf:2: ?*\n" },
	{ "a list without commas", "service \"a\" {\n\tlisten = { a\n\tb }\n}\n", NULL, "main.conf:3: ?*\n" },
	{ "a title for defaults", "defaults \"a\" {\n}\n", NULL, "main.conf:1: ?*\n" },

	{ "an include of nothing", "\ninclude(\"missing.conf\")\n", NULL, "main.conf:2: *missing.conf*No such file*\n" },
	{ "an include of itself", "\n\ninclude(\"main.conf\")\n", NULL, "main.conf:3: *main.conf*\n" },
	{ "an include of itself by another way", "include(\"./main.conf\")\n", NULL, "main.conf:1: *main.conf*\n" },
	{ "an include twice", "include(\"other.conf\")\ninclude(\"other.conf\")\n", "\n", "main.conf:2: *other.conf*\n" },
	{ "an include of the including file", "include(\"other.conf\")\n", "\ninclude(\"main.conf\")\n", "other.conf:2: *main.conf*\n" },
	{ "a pattern that includes itself", "include(\"*.conf\")\n", "\n", "main.conf:1: *main.conf*\n" },
	{ "an include of a directory", "include(\"directory\")\n", NULL, "directory:0: *Is a directory*\n" },
	{ "an include without a name", "\ninclude()\n", NULL, "main.conf:2: include*\n" },
	{ "an include with two names", "include(\"other.conf\", \"more.conf\")\n", "\n", "main.conf:1: include*\n" },
	{ "an include without parentheses", "include \"other.conf\"\n", "\n", "main.conf:1: ?*\n" },

	{ "mistakes in two files", "include(\"other.conf\")\nlissten = a\n", "\nusr = a\n", "main.conf:2: *lissten*\nother.conf:2: *usr*\n" },
};

START_TEST(a_mistake_is_told_with_its_file_and_line)
{
	struct document d;
	char *said;

	mkdir("directory", 0755);
	given_file("main.conf", bad[_i].main);
	given_file("other.conf", bad[_i].other);
	said = read_document(&d, "main.conf");
	ck_assert_msg(matches(bad[_i].complaints, said), "%s:\n%s", bad[_i].what, said);
	document_free(&d);
	free(said);
}
END_TEST

/* A key that has no value must not look as if it had one. */
START_TEST(a_setting_of_one_value_has_one)
{
	struct document d;
	char *said;

	mkdir("directory", 0755);
	given_file("main.conf", bad[_i].main);
	given_file("other.conf", bad[_i].other);
	said = read_document(&d, "main.conf");
	for (size_t i = 0; i < d.count; i++)
		for (size_t j = 0; j < d.sections[i].count; j++) {
			const struct setting *s = &d.sections[i].settings[j];

			ck_assert_msg(s->key->type->list || s->count == 1, "%s: %s has %zu", bad[_i].what, s->key->name, s->count);
			ck_assert_msg(!s->values[s->count], "%s: %s", bad[_i].what, s->key->name);
		}
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told)
{
	struct document d;
	char *said = read_document(&d, "missing.conf");

	ck_assert_msg(matches("missing.conf:0: *No such file*\n", said), "%s", said);
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(a_directory_is_no_file)
{
	struct document d;
	char *said;

	mkdir("directory", 0755);
	said = read_document(&d, "directory");
	ck_assert_msg(matches("directory:0: *Is a directory*\n", said), "%s", said);
	document_free(&d);
	free(said);
}
END_TEST

/* libconfuse's scanner is global; what one file leaves it in must not reach the next. */
static const char *const unterminated[] = {
	"service \"a\" {\n\tuser = \"a\n}\n",
	"service \"a\" {\n\tuser = 'a\n}\n",
	"service \"a\" {\n\tuser = a\n/* }\n",
	"service \"a\" {\n\tuser = \"a\\",
	"service \"a\" {\n\tuser = \"${a",
	"service \"a\" {\n\tuser = \"${a\"\n}\n", /* the parser takes all up to the brace for a name */
	"service \"a\" {\n\tuser = \"/* ' \n",
	"service \"a\" {\n\tuser = '/* \" \n",
	"service \"a\" {\n/* ' \" \n",
	"service \"a\" {\n\tlisten = { \"a\", \"b\n",
	"pid-file = \"",
	"'",
	"/*",
};

static const char good[] = "# 'one\" /*\nservice \"b\" {\n\tuser = \"b\" # two\n\tgroup = 'c'\n\tlisten = { d, \"e\" }\n}\n";

static void check_good(const struct section *s)
{
	const struct setting *listen = section_find(s, key_find(service_keys, "listen"));

	ck_assert_str_eq(s->title, "b");
	ck_assert_str_eq(section_find(s, key_find(service_keys, "user"))->values[0], "b");
	ck_assert_str_eq(section_find(s, key_find(service_keys, "group"))->values[0], "c");
	ck_assert_uint_eq(listen->count, 2);
	ck_assert_str_eq(listen->values[1], "e");
	ck_assert_int_eq(listen->line, 5);
}

START_TEST(after_a_string_or_comment_without_end_the_next_file_is_read_well)
{
	struct document d;
	char *said;

	given_file("main.conf", "include(\"bad.conf\")\ninclude(\"good.conf\")\n");
	given_file("bad.conf", unterminated[_i]);
	given_file("good.conf", good);
	said = read_document(&d, "main.conf");
	ck_assert_msg(strstr(said, "bad.conf") && !strstr(said, "good.conf"), "%s:\n%s", unterminated[_i], said);
	ck_assert_str_eq(d.sections[d.count - 1].file, "good.conf");
	check_good(&d.sections[d.count - 1]);
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(after_a_string_or_comment_without_end_the_next_document_is_read_well)
{
	struct document d;
	char *said;

	given_file("bad.conf", unterminated[_i]);
	given_file("good.conf", good);
	said = read_document(&d, "bad.conf");
	document_free(&d);
	free(said);
	said = read_document(&d, "good.conf");
	ck_assert_msg(said[0] == '\0', "%s:\n%s", unterminated[_i], said);
	check_good(&d.sections[1]);
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(each_value_has_its_line)
{
	static const char text[] = "pid-file = \"/run/a\" # 1\n"
	                           "\n"
	                           "/* 3\n"
	                           "   4 */\n"
	                           "service \"a\" {\n"
	                           "\tlisten = { \"*:80\",\n"
	                           "\t\t\"*:81\", '*:82',\n"
	                           "\n"
	                           "\t\t:83\n"
	                           "\t}\n"
	                           "\tworkers {\n"
	                           "\t\tmax = 7\n"
	                           "\t}\n"
	                           "\tuser\n"
	                           "\t=\n"
	                           "\ta\n"
	                           "}\n";
	static const int lines[] = { 6, 7, 7, 9 };
	struct document d;
	const struct section *s;
	const struct setting *t;
	char *said;

	given_file("main.conf", text);
	said = read_document(&d, "main.conf");
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(section_find(&d.sections[0], key_find(global_keys, "pid-file"))->line, 1);
	s = &d.sections[1];
	t = section_find(s, key_find(service_keys, "listen"));
	ck_assert_uint_eq(t->count, 4);
	for (int i = 0; i < 4; i++)
		ck_assert_msg(t->lines[i] == lines[i], "%s: line %d", t->values[i], t->lines[i]);
	ck_assert_int_eq(t->line, 6);
	ck_assert_str_eq(t->file, "main.conf");
	ck_assert_str_eq(t->values[3], ":83");
	ck_assert_ptr_null(t->values[4]);
	ck_assert_int_eq(section_find(s, key_find(service_keys, "workers.max"))->line, 12);
	ck_assert_int_eq(section_find(s, key_find(service_keys, "user"))->line, 16);
	ck_assert_ptr_null(section_find(s, key_find(service_keys, "group")));
	ck_assert_ptr_null(section_find(NULL, key_find(service_keys, "group")));
	document_free(&d);
	free(said);
}
END_TEST

/* After each of these the key stands in the line that is given. */
static const struct {
	const char *text;
	int line;
} comments[] = {
	{ "", 1 },
	{ "\n\n", 3 },
	{ "# one\n", 2 },
	{ "#\n", 2 },
	{ "### one ###\n", 2 },
	{ "# one\n# two\n# three\n", 4 },
	{ "# one\n\n\n# two\n", 5 },
	{ "/* one */\n", 2 },
	{ "/* one */ ", 1 },
	{ "/* one\n * two\n */\n", 4 },
	{ "/**/", 1 },
	{ "/***/\n", 2 },
	{ "log { level = info } # one\n", 2 },
	{ "log { # one\n\tlevel = info # two\n} # three\n", 4 },
	{ "log {\n\t# one\n\t# two\n\tlevel = info\n}\n", 6 },
	{ "service \"a\" {\n\t# one\n\tlisten = { a }\n\t/* two */\n}\n# three\n\n", 8 },
	{ "service \"a\" { user = \"b # no comment\" }\n", 2 },
	{ "service \"a\" { user = '/* no comment' }\n", 2 },
	{ "service \"a\" { user = \"two\nlines\" }\n", 3 },
	{ "include(\"*.none\") # one\n", 2 },
};

START_TEST(comments_do_not_shift_lines)
{
	struct document d;
	char *said, text[256];

	snprintf(text, sizeof(text), "%spid-file = /a\n", comments[_i].text);
	given_file("main.conf", text);
	said = read_document(&d, "main.conf");
	ck_assert_msg(said[0] == '\0', "%s%s", comments[_i].text, said);
	ck_assert_msg(section_find(&d.sections[0], key_find(global_keys, "pid-file"))->line == comments[_i].line, "%sline %d",
	              comments[_i].text, section_find(&d.sections[0], key_find(global_keys, "pid-file"))->line);
	document_free(&d);
	free(said);
}
END_TEST

/* A comment may stand wherever white space may. */
static const char *const commented[] = {
	"service \"a\" {\n\tlisten = { b, # one\n\t\tc }\n}\n",
	"service \"a\" {\n\tlisten = { # one\n\t\tb,\n\t\tc\n\t}\n}\n",
	"service \"a\" {\n\tlisten = {\n\t\tb, c # one\n\t}\n}\n",
	"service \"a\" {\n\tlisten = {\n\t\t# one, b\n\t\tb,\n\t\t# two\n\t\tc\n\t}\n}\n",
	"service \"a\" {\n\tlisten = { b, /* one */ c }\n}\n",
	"service \"a\" {\n\tlisten = # one\n\t{ b, c }\n}\n",
	"service \"a\" {\n\tlisten # one\n\t= { b, c }\n}\n",
	"service \"a\" # one\n{\n\tlisten = { b, c }\n}\n",
	"service # one\n\"a\" {\n\tlisten = { b, c }\n}\n",
	"service \"a\" { # one\n\tlisten = { b, c } # two\n} # three\n",
};

START_TEST(a_comment_may_stand_between_any_two_words)
{
	struct document d;
	const struct setting *s;
	char *said;

	given_file("main.conf", commented[_i]);
	said = read_document(&d, "main.conf");
	ck_assert_msg(said[0] == '\0', "%s%s", commented[_i], said);
	s = section_find(&d.sections[1], key_find(service_keys, "listen"));
	ck_assert_msg(s && s->count == 2 && strcmp(s->values[0], "b") == 0 && strcmp(s->values[1], "c") == 0, "%s", commented[_i]);
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(an_empty_list_is_a_setting)
{
	struct document d;
	const struct setting *s;
	char *said;

	given_file("main.conf", "service \"a\" {\n\tuser = a\n\tenv-set = { }\n}\n");
	said = read_document(&d, "main.conf");
	ck_assert_str_eq(said, "");
	s = section_find(&d.sections[1], key_find(service_keys, "env-set"));
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->count, 0);
	ck_assert_ptr_null(s->values[0]);
	document_free(&d);
	free(said);
}
END_TEST

static const struct {
	const char *text;
	size_t count;
} sums[] = {
	{ "listen = { }\n\tlisten += { b, c }", 2 },
	{ "listen = { b, c }\n\tlisten += { }", 2 },
	{ "listen = { }\n\tlisten += { }", 0 },
};

START_TEST(an_empty_list_can_be_added_to)
{
	struct document d;
	const struct setting *s;
	char *said, text[128];

	snprintf(text, sizeof(text), "service \"a\" {\n\t%s\n}\n", sums[_i].text);
	given_file("main.conf", text);
	said = read_document(&d, "main.conf");
	ck_assert_msg(said[0] == '\0', "%s: %s", sums[_i].text, said);
	s = section_find(&d.sections[1], key_find(service_keys, "listen"));
	ck_assert_msg(s && s->count == sums[_i].count, "%s", sums[_i].text);
	ck_assert_int_eq(s->line, 2);
	ck_assert(s->count == 0 || strcmp(s->values[0], "b") == 0);
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(sections_come_in_the_order_of_the_files)
{
	struct document d;
	char *said, sections[256];

	given_file("main.conf", "service \"b\" { }\ninclude(\"one.conf\")\nservice \"a\" { }\ninclude(\"two.conf\")\ndefaults { }\n");
	given_file("one.conf", "service \"one\" { }\ninclude(\"three.conf\")\n");
	given_file("two.conf", "service \"two\" { }\n");
	given_file("three.conf", "service \"three\" { }\n");
	said = read_document(&d, "main.conf");
	ck_assert_str_eq(said, "");
	sections_of(&d, sections, sizeof(sections));
	ck_assert_str_eq(sections, ";defaults;service b;service a;;service one;;service two;;service three;");
	ck_assert_uint_eq(d.file_count, 4);
	ck_assert_str_eq(d.files[3], "three.conf");
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(a_pattern_takes_files_in_the_order_of_their_bytes)
{
	static const char *const names[] = { "d/a.conf", "d/B.conf", "d/9.conf", "d/10.conf", "d/_.conf", "d/\xc3\xa4.conf", "d/b.conf" };
	static const char *const order[] = { "d/10.conf", "d/9.conf", "d/B.conf", "d/_.conf", "d/a.conf", "d/b.conf", "d/\xc3\xa4.conf" };
	struct document d;
	char *said;

	mkdir("d", 0755);
	for (int i = 0; i < rows(names); i++)
		given_file(names[i], "");
	given_file("d/.hidden.conf", "unknown = 1\n");
	given_file("d/other.txt", "unknown = 1\n");
	given_file("main.conf", "include(\"d/*.conf\")\n");
	said = read_document(&d, "main.conf");
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(d.file_count, 1 + (size_t)rows(order));
	for (int i = 0; i < rows(order); i++)
		ck_assert_str_eq(d.files[i + 1], order[i]);
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(a_pattern_may_match_nothing)
{
	static const char *const patterns[] = { "include(\"d/*.conf\")\n", "include(\"missing/*\")\n", "include(\"?.conf\")\n",
		                                "include(\"[a-l].conf\")\n" };
	struct document d;
	char *said;

	mkdir("d", 0755);
	for (int i = 0; i < rows(patterns); i++) {
		given_file("main.conf", patterns[i]);
		said = read_document(&d, "main.conf");
		ck_assert_msg(said[0] == '\0', "%s%s", patterns[i], said);
		ck_assert_uint_eq(d.file_count, 1);
		document_free(&d);
		free(said);
	}
}
END_TEST

START_TEST(a_relative_include_is_beside_its_file)
{
	struct document d;
	char *said, path[4096], text[5000];

	mkdir("sub", 0755);
	mkdir("sub/deep", 0755);
	given_file("main.conf", "include(\"sub/one.conf\")\n");
	given_file("sub/one.conf", "include(\"deep/two.conf\")\ninclude(\"../three.conf\")\n");
	given_file("sub/deep/two.conf", "service \"two\" { }\n");
	given_file("three.conf", "service \"three\" { }\n");
	snprintf(path, sizeof(path), "%s/main.conf", given_here());
	said = read_document(&d, path);
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(d.file_count, 4);
	ck_assert_str_eq(d.files[3] + strlen(given_here()), "/sub/../three.conf");
	document_free(&d);
	free(said);

	/* And an absolute one is where it says. */
	snprintf(text, sizeof(text), "include(\"%s/three.conf\")\n", given_here());
	given_file("sub/four.conf", text);
	said = read_document(&d, "sub/four.conf");
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(d.file_count, 2);
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(a_file_is_the_same_under_another_name)
{
	struct document d;
	char *said;

	given_file("main.conf", "include(\"one.conf\")\ninclude(\"two.conf\")\ninclude(\"three.conf\")\n");
	given_file("one.conf", "");
	ck_assert_int_eq(symlink("one.conf", "two.conf"), 0);
	ck_assert_int_eq(link("one.conf", "three.conf"), 0);
	said = read_document(&d, "main.conf");
	ck_assert_msg(matches("main.conf:2: *two.conf*\nmain.conf:3: *three.conf*\n", said), "%s", said);
	document_free(&d);
	free(said);
}
END_TEST

/* Strings of libconfuse: variables in double quotes and in bare words, none in single quotes. */
static const struct {
	const char *written, *value;
} strings[] = {
	{ "plain", "plain" },
	{ "\"\"", "" },
	{ "''", "" },
	{ "\"a b\"", "a b" },
	{ "'a b'", "a b" },
	{ "\"a # b\"", "a # b" },
	{ "\"/* a */\"", "/* a */" },
	{ "\"a'b\"", "a'b" },
	{ "'a\"b'", "a\"b" },
	{ "\"a\\\"b\"", "a\"b" },
	{ "\"a\\\\b\"", "a\\b" },
	{ "\"a\\tb\"", "a\tb" },
	{ "\"a\\x41b\"", "aAb" },
	{ "${UNIT_SET}", "here" },
	{ "\"${UNIT_SET}\"", "here" },
	{ "\"a${UNIT_SET}b\"", "ahereb" },
	{ "\"${UNIT_SET:-there}\"", "here" },
	{ "\"${UNIT_UNSET:-there}\"", "there" },
	{ "\"${UNIT_UNSET:-a b}\"", "a b" },
	{ "\"${UNIT_UNSET:-}\"", "" },
	{ "\"${UNIT_UNSET}\"", "" },
	{ "\"a${UNIT_UNSET}b\"", "ab" },
	{ "${UNIT_UNSET:-there}", "there" },
	{ "'${UNIT_SET}'", "${UNIT_SET}" },
	{ "\"$UNIT_SET\"", "$UNIT_SET" },
	{ "\"\\x24{UNIT_SET}\"", "${UNIT_SET}" },
};

START_TEST(a_string_has_its_value)
{
	struct document d;
	char *said, text[256];
	const struct setting *s;

	setenv("UNIT_SET", "here", 1);
	unsetenv("UNIT_UNSET");
	snprintf(text, sizeof(text), "pid-file = %s\n", strings[_i].written);
	given_file("main.conf", text);
	said = read_document(&d, "main.conf");
	ck_assert_msg(said[0] == '\0', "%s: %s", strings[_i].written, said);
	s = section_find(&d.sections[0], key_find(global_keys, "pid-file"));
	ck_assert_msg(s && strcmp(s->values[0], strings[_i].value) == 0, "%s: %s", strings[_i].written, s ? s->values[0] : "none");
	document_free(&d);
	free(said);
}
END_TEST

/* libconfuse has no place for these in a bare word. Nothing is guessed: such a word is read whole, or complained of. */
static const char *const bare[] = { "*:80", "a*", "a*b", "+5", "a+b", "a+", "*", "+" };

START_TEST(no_character_of_a_bare_word_is_dropped)
{
	struct document d;
	char *said, text[64];
	const struct setting *s;

	snprintf(text, sizeof(text), "pid-file = %s\n", bare[_i]);
	given_file("main.conf", text);
	said = read_document(&d, "main.conf");
	s = d.count > 0 ? section_find(&d.sections[0], key_find(global_keys, "pid-file")) : NULL;
	ck_assert_msg(said[0] != '\0' || (s && strcmp(s->values[0], bare[_i]) == 0), "%s: %s", bare[_i], s ? s->values[0] : "none");
	document_free(&d);
	free(said);
}
END_TEST

START_TEST(a_document_can_be_freed_before_it_is_read)
{
	struct document d = { 0 };

	document_free(&d);
	ck_assert_uint_eq(d.count, 0);
}
END_TEST

Suite *document_suite(void)
{
	Suite *s = suite_create("document");
	TCase *t = tcase_create("document");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_loop_test(t, a_mistake_is_told_with_its_file_and_line, 0, rows(bad));
	tcase_add_loop_test(t, a_setting_of_one_value_has_one, 0, rows(bad));
	tcase_add_test(t, a_file_that_is_not_there_is_told);
	tcase_add_test(t, a_directory_is_no_file);
	tcase_add_loop_test(t, after_a_string_or_comment_without_end_the_next_file_is_read_well, 0, rows(unterminated));
	tcase_add_loop_test(t, after_a_string_or_comment_without_end_the_next_document_is_read_well, 0, rows(unterminated));
	tcase_add_test(t, each_value_has_its_line);
	tcase_add_loop_test(t, comments_do_not_shift_lines, 0, rows(comments));
	tcase_add_loop_test(t, a_comment_may_stand_between_any_two_words, 0, rows(commented));
	tcase_add_test(t, an_empty_list_is_a_setting);
	tcase_add_loop_test(t, an_empty_list_can_be_added_to, 0, rows(sums));
	tcase_add_test(t, sections_come_in_the_order_of_the_files);
	tcase_add_test(t, a_pattern_takes_files_in_the_order_of_their_bytes);
	tcase_add_test(t, a_pattern_may_match_nothing);
	tcase_add_test(t, a_relative_include_is_beside_its_file);
	tcase_add_test(t, a_file_is_the_same_under_another_name);
	tcase_add_loop_test(t, a_string_has_its_value, 0, rows(strings));
	tcase_add_loop_test(t, no_character_of_a_bare_word_is_dropped, 0, rows(bare));
	tcase_add_test(t, a_document_can_be_freed_before_it_is_read);
	suite_add_tcase(s, t);
	return s;
}
