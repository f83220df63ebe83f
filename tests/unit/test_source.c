/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "source.h"

#include <sys/stat.h>
#include <stdlib.h>
#include <string.h>

/* Comments become blanks of the same length; all else stays as it is. */
static const struct {
	const char *text, *read;
} good[] = {
	{ "", "" },
	{ "\n", "\n" },
	{ "a = b\n", "a = b\n" },
	{ "a = b", "a = b" },
	{ "# c\n", "   \n" },
	{ "# c", "   " },
	{ "#\n#\n", " \n \n" },
	{ "a # c\nb", "a    \nb" },
	{ "a // c\nb", "a     \nb" },
	{ "a /* c */ b", "a         b" },
	{ "a /* c\n c\n */ b", "a     \n  \n    b" },
	{ "/**/a", "    a" },
	{ "/***/a", "     a" },
	{ "/* * / ** */a", "            a" },
	{ "/* # \" ' */a", "           a" },
	{ "# \" ' /*\na", "        \na" },
	{ "a = \"# /* // '\" b", "a = \"# /* // '\" b" },
	{ "a = '# /* // \"' b", "a = '# /* // \"' b" },
	{ "a = \"\\\"#\" # c", "a = \"\\\"#\"    " },
	{ "a = \"\\\\\"# c", "a = \"\\\\\"   " },
	{ "a = '\\'#' # c", "a = '\\'#'    " },
	{ "a = \"one\ntwo\" # c", "a = \"one\ntwo\"    " },
	{ "a = \"${B:-'c'}\"", "a = \"${B:-'c'}\"" },
	{ "a = /b/c # d", "a = /b/c    " },
	{ "a = /b/ c", "a = /b/ c" },
	{ "a += b", "a += b" },
	{ "a = \"*+\x01\" b", "a = \"*+\x01\" b" },
	{ "a\r\n\tb\r\n", "a\r\n\tb\r\n" },
	{ "a = \xc3\xa4", "a = \xc3\xa4" },
};

static char *read_source(const char *path, char **said)
{
	struct complaints c = { 0 };
	char *text = source_read(path, &c);

	*said = given_complaints(&c);
	complaints_free(&c);
	return text;
}

START_TEST(comments_are_blanked_and_nothing_else)
{
	char *said, *text;

	given_file("main.conf", good[_i].text);
	text = read_source("main.conf", &said);
	ck_assert_msg(text && said[0] == '\0', "%s: %s", good[_i].text, said);
	ck_assert_msg(strcmp(text, good[_i].read) == 0, "%s: %s", good[_i].text, text);
	free(text);
	free(said);
}
END_TEST

/* It is there for the parser, and the lines behind it are where they were. */
static const struct {
	const char *text, *read;
} lists[] = {
	{ "a = {}", "a = " SOURCE_EMPTY_LIST },
	{ "a={ }b", "a=" SOURCE_EMPTY_LIST " b" },
	{ "a = {\n}\nb", "a = " SOURCE_EMPTY_LIST "\n\nb" },
	{ "a\n=\n{ # c\n\t/* d */\n}", "a\n=\n" SOURCE_EMPTY_LIST "            \n\n" },
	{ "a = /* b */ { }", "a =         " SOURCE_EMPTY_LIST " " },
	{ "a = { b }", "a = { b }" },
	{ "a = { \"\" }", "a = { \"\" }" },
	{ "a = { ${B} }", "a = { ${B} }" },
	{ "a += { }", "a += { }" },
	{ "a { }", "a { }" },
	{ "a \"=\" { }", "a \"=\" { }" },
	{ "a = b c { }", "a = b c { }" },
	{ "a = { { } }", "a = { { } }" },
};

START_TEST(an_empty_list_becomes_a_value)
{
	char *said, *text;

	given_file("main.conf", lists[_i].text);
	text = read_source("main.conf", &said);
	ck_assert_msg(text && said[0] == '\0', "%s: %s", lists[_i].text, said);
	ck_assert_msg(strcmp(text, lists[_i].read) == 0, "%s: %s", lists[_i].text, text);
	free(text);
	free(said);
}
END_TEST

static const struct {
	const char *text;
	int line;
} bad[] = {
	{ "a\n/* b\nc\n", 2 },
	{ "/*", 1 },
	{ "/*/", 1 },
	{ "a\n\n/* b *\n/\n", 3 },
	{ "a\nb = \"c\nd\n", 2 },
	{ "a\nb = 'c\nd\n", 2 },
	{ "a = \"", 1 },
	{ "a = '", 1 },
	{ "a = \"b\\", 1 },
	{ "a = \"b\\\"", 1 },
	{ "a = 'b\\'", 1 },
	{ "# c\n/* d\n */\na = \"b", 4 },
	{ "a = \"b\nc\" # d\n'", 3 },
	{ "\na = *:80", 2 },
	{ "\n\na = +5", 3 },
	{ "a +\n= b", 1 },
	{ "a\n\x01\n", 2 },
	{ "a\n\x7f\n", 2 },
	{ "a = \"x\n\n\" *", 3 },
	{ "a\nb {\n", 2 },
	{ "a {\n}\nb {\n\tc {\n}\n", 3 },
	{ "a { b = c }\nd { # }\n", 2 },
	{ "a {\n\tb = \"}\"\n", 1 },
	{ "\na = {", 2 },
	{ "a\nb = ${c\n", 2 },
};

START_TEST(what_the_parser_would_stumble_over_is_told_with_its_line)
{
	char *said, pattern[64];

	snprintf(pattern, sizeof(pattern), "main.conf:%d: ?*\n", bad[_i].line);
	given_file("main.conf", bad[_i].text);
	ck_assert_msg(!read_source("main.conf", &said), "%s", bad[_i].text);
	ck_assert_msg(matches(pattern, said), "%s: %s", bad[_i].text, said);
	free(said);
}
END_TEST

START_TEST(a_nul_is_no_text)
{
	char *said;

	given_file_of("main.conf", "a = b\0\nc", 8);
	ck_assert_ptr_null(read_source("main.conf", &said));
	ck_assert_msg(matches("main.conf:*: *NUL*\n", said), "%s", said);
	free(said);
}
END_TEST

START_TEST(a_missing_file_is_told)
{
	char *said;

	ck_assert_ptr_null(read_source("missing.conf", &said));
	ck_assert_msg(matches("missing.conf:0: *No such file*\n", said), "%s", said);
	free(said);
}
END_TEST

START_TEST(a_directory_is_told)
{
	char *said;

	mkdir("directory", 0755);
	ck_assert_ptr_null(read_source("directory", &said));
	ck_assert_msg(matches("directory:0: *Is a directory*\n", said), "%s", said);
	free(said);
}
END_TEST

START_TEST(a_file_without_a_size_is_read)
{
	char *said, *text = read_source("/proc/self/comm", &said);

	ck_assert_msg(text, "%s", said);
	ck_assert_uint_gt(strlen(text), 1);
	free(text);
	free(said);
}
END_TEST

START_TEST(a_large_file_is_read_whole)
{
	const size_t size = 1000000;
	char *data = malloc(size + 1), *said, *text;

	memset(data, 'x', size);
	data[size] = '\0';
	given_file_of("main.conf", data, size);
	text = read_source("main.conf", &said);
	ck_assert_msg(text && strcmp(text, data) == 0, "%s", said);
	free(text);
	free(said);
	free(data);
}
END_TEST

START_TEST(a_file_may_be_too_large)
{
	FILE *f = fopen("main.conf", "w");
	char *said;

	ck_assert_int_eq(fseek(f, 64L * 1024 * 1024, SEEK_SET), 0); /* a hole */
	fputs("\n", f);
	fclose(f);
	ck_assert_ptr_null(read_source("main.conf", &said));
	ck_assert_msg(matches("main.conf:0: *\n", said), "%s", said);
	free(said);
}
END_TEST

Suite *source_suite(void)
{
	Suite *s = suite_create("source");
	TCase *t = tcase_create("source");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_loop_test(t, comments_are_blanked_and_nothing_else, 0, rows(good));
	tcase_add_loop_test(t, an_empty_list_becomes_a_value, 0, rows(lists));
	tcase_add_loop_test(t, what_the_parser_would_stumble_over_is_told_with_its_line, 0, rows(bad));
	tcase_add_test(t, a_nul_is_no_text);
	tcase_add_test(t, a_missing_file_is_told);
	tcase_add_test(t, a_directory_is_told);
	tcase_add_test(t, a_file_without_a_size_is_read);
	tcase_add_test(t, a_large_file_is_read_whole);
	tcase_add_test(t, a_file_may_be_too_large);
	suite_add_tcase(s, t);
	return s;
}
