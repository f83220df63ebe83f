/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "value.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A result of -1 is a refusal: no good value here is negative. */
#define BAD (-1L)

static const struct {
	const char *text;
	long min, max, value;
} numbers[] = {
	{ "0", 0, 10, 0 },
	{ "10", 0, 10, 10 },
	{ "010", 0, 10, 10 }, /* decimal, not octal */
	{ "11", 0, 10, BAD },
	{ "4", 5, 10, BAD },
	{ "5", 5, 10, 5 },
	{ "2147483647", 0, INT_MAX, INT_MAX },
	{ "2147483648", 0, INT_MAX, BAD },
	{ "9223372036854775807", 0, LONG_MAX, LONG_MAX },
	{ "9223372036854775808", 0, LONG_MAX, BAD },
	{ "99999999999999999999999999", 0, LONG_MAX, BAD },
	{ "-1", 0, 10, BAD },
	{ "-0", 0, 10, 0 },
	{ "", 0, 10, BAD },
	{ "-", 0, 10, BAD },
	{ "--1", -10, 10, BAD },
	{ "5-", 0, 10, BAD },
	{ " 5", 0, 10, BAD },
	{ "5 ", 0, 10, BAD },
	{ "+5", 0, 10, BAD },
	{ "0x5", 0, 10, BAD },
	{ "5.0", 0, 10, BAD },
	{ "1e1", 0, 10, BAD },
	{ "five", 0, 10, BAD },
};

START_TEST(a_number_is_read_or_refused)
{
	char why[VALUE_WHY] = "";
	long value = BAD;
	int result = value_number(numbers[_i].text, numbers[_i].min, numbers[_i].max, &value, why);

	ck_assert_msg(result == (numbers[_i].value == BAD ? -1 : 0), "\"%s\": %d", numbers[_i].text, result);
	ck_assert_msg(value == numbers[_i].value, "\"%s\": %ld", numbers[_i].text, value);
	ck_assert_msg(result == 0 || strstr(why, numbers[_i].text), "\"%s\": %s", numbers[_i].text, why);
}
END_TEST

START_TEST(a_number_may_be_negative)
{
	char why[VALUE_WHY];
	long value;

	ck_assert_int_eq(value_number("-40", -40, 40, &value, why), 0);
	ck_assert_int_eq(value, -40);
	ck_assert_int_eq(value_number("-41", -40, 40, &value, why), -1);
	ck_assert_str_eq(why, "\"-41\" is no number from -40 to 40");
}
END_TEST

static const struct {
	const char *text;
	long min, max, value;
} durations[] = {
	{ "0", 0, INT_MAX, 0 },
	{ "0ms", 0, INT_MAX, 0 },
	{ "250ms", 0, INT_MAX, 250 },
	{ "10", 0, INT_MAX, 10000 },
	{ "10s", 0, INT_MAX, 10000 },
	{ "5min", 0, INT_MAX, 300000 },
	{ "2h", 0, INT_MAX, 7200000 },
	{ "1d", 0, INT_MAX, 86400000 },
	{ "24d", 0, INT_MAX, 2073600000 },
	{ "25d", 0, INT_MAX, BAD },
	{ "2147483647ms", 0, INT_MAX, INT_MAX },
	{ "2147483648ms", 0, INT_MAX, BAD },
	{ "2147483s", 0, INT_MAX, 2147483000 },
	{ "2147484s", 0, INT_MAX, BAD },
	{ "9223372036854775807d", 0, LONG_MAX, BAD },
	{ "999ms", 1000, 32767000, BAD },
	{ "1000ms", 1000, 32767000, 1000 },
	{ "32767", 1000, 32767000, 32767000 },
	{ "32768", 1000, 32767000, BAD },
	{ "0007s", 0, INT_MAX, 7000 },
	{ "", 0, INT_MAX, BAD },
	{ "s", 0, INT_MAX, BAD },
	{ "10m", 0, INT_MAX, BAD },
	{ "10S", 0, INT_MAX, BAD },
	{ "10 s", 0, INT_MAX, BAD },
	{ " 10s", 0, INT_MAX, BAD },
	{ "10s ", 0, INT_MAX, BAD },
	{ "10sec", 0, INT_MAX, BAD },
	{ "-1s", 0, INT_MAX, BAD },
	{ "+1s", 0, INT_MAX, BAD },
	{ "1.5s", 0, INT_MAX, BAD },
	{ "1min30s", 0, INT_MAX, BAD },
	{ "18446744073709551617", 0, INT_MAX, BAD },
	{ "00000000000000000000000000000000000000000000000000000000000000000000000000001", 0, INT_MAX, BAD },
};

START_TEST(a_time_is_read_or_refused)
{
	char why[VALUE_WHY] = "";
	long value = BAD;
	int result = value_duration(durations[_i].text, durations[_i].min, durations[_i].max, &value, why);

	ck_assert_msg(result == (durations[_i].value == BAD ? -1 : 0), "\"%s\": %d", durations[_i].text, result);
	ck_assert_msg(value == durations[_i].value, "\"%s\": %ld", durations[_i].text, value);
	ck_assert_msg(result == 0 || why[0] == '"', "\"%s\": %s", durations[_i].text, why);
}
END_TEST

static const struct {
	const char *text;
	long min, max, value;
} lengths[] = {
	{ "0", 0, LONG_MAX, 0 },
	{ "512", 0, LONG_MAX, 512 },
	{ "64K", 0, LONG_MAX, 65536 },
	{ "2M", 0, LONG_MAX, 2097152 },
	{ "1G", 0, LONG_MAX, 1073741824 },
	{ "2147483647", 1, INT_MAX, INT_MAX },
	{ "2147483648", 1, INT_MAX, BAD },
	{ "2097151K", 1, INT_MAX, 2147482624 },
	{ "2097152K", 1, INT_MAX, BAD },
	{ "1G", 1, INT_MAX, 1073741824 },
	{ "2G", 1, INT_MAX, BAD },
	{ "9223372036854775807", 0, LONG_MAX, LONG_MAX },
	{ "9223372036854775808", 0, LONG_MAX, BAD },
	{ "8589934591G", 0, LONG_MAX, 8589934591L << 30 },
	{ "8589934592G", 0, LONG_MAX, BAD },
	{ "0", 1, INT_MAX, BAD },
	{ "", 0, LONG_MAX, BAD },
	{ "K", 0, LONG_MAX, BAD },
	{ "1k", 0, LONG_MAX, BAD },
	{ "1KB", 0, LONG_MAX, BAD },
	{ "1KiB", 0, LONG_MAX, BAD },
	{ "1 K", 0, LONG_MAX, BAD },
	{ "1T", 0, LONG_MAX, BAD },
	{ "-1", 0, LONG_MAX, BAD },
	{ "0.5M", 0, LONG_MAX, BAD },
	{ "10s", 0, LONG_MAX, BAD },
};

START_TEST(a_size_is_read_or_refused)
{
	char why[VALUE_WHY] = "";
	long value = BAD;
	int result = value_size(lengths[_i].text, lengths[_i].min, lengths[_i].max, &value, why);

	ck_assert_msg(result == (lengths[_i].value == BAD ? -1 : 0), "\"%s\": %d", lengths[_i].text, result);
	ck_assert_msg(value == lengths[_i].value, "\"%s\": %ld", lengths[_i].text, value);
	ck_assert_msg(result == 0 || why[0] == '"', "\"%s\": %s", lengths[_i].text, why);
}
END_TEST

static const struct {
	const char *text;
	long value;
} answers[] = {
	{ "yes", 1 }, { "no", 0 },  { "true", 1 }, { "false", 0 }, { "on", 1 }, { "off", 0 }, { "YES", 1 }, { "No", 0 },
	{ "", BAD },  { "y", BAD }, { "1", BAD },  { "0", BAD },   { "ja", BAD }, { "yes ", BAD }, { "maybe", BAD },
};

START_TEST(yes_or_no_is_read_or_refused)
{
	char why[VALUE_WHY] = "";
	long value = BAD;
	int result = value_yesno(answers[_i].text, &value, why);

	ck_assert_msg(result == (answers[_i].value == BAD ? -1 : 0) && value == answers[_i].value, "\"%s\": %d, %ld",
	              answers[_i].text, result, value);
	ck_assert_msg(result == 0 || why[0] == '"', "\"%s\": %s", answers[_i].text, why);
}
END_TEST

static const struct {
	const char *text;
	long max;
	int result;
	long value;
} modes[] = {
	{ "0", 0777, 0, 0 },       { "022", 0777, 0, 022 },   { "22", 0777, 0, 022 },    { "0022", 0777, 0, 022 },
	{ "777", 0777, 0, 0777 },  { "00777", 0777, 0, 0777 }, { "1000", 0777, -1, 0 },  { "07777", 07777, 0, 07777 },
	{ "77777", 0777, -1, 0 },  { "000777", 0777, -1, 0 }, { "", 0777, -1, 0 },       { "8", 0777, -1, 0 },
	{ "08", 0777, -1, 0 },     { "-22", 0777, -1, 0 },    { "+22", 0777, -1, 0 },    { " 22", 0777, -1, 0 },
	{ "0x1f", 0777, -1, 0 },   { "u=rw", 0777, -1, 0 },   { "rwxr-xr-x", 0777, -1, 0 },
};

START_TEST(a_mode_is_read_as_octal_or_refused)
{
	char why[VALUE_WHY] = "";
	long value = BAD;
	int result = value_mode(modes[_i].text, modes[_i].max, &value, why);

	ck_assert_msg(result == modes[_i].result, "\"%s\": %d", modes[_i].text, result);
	ck_assert_msg(result < 0 || value == modes[_i].value, "\"%s\": %lo", modes[_i].text, (unsigned long)value);
	ck_assert_msg(result == 0 || why[0] == '"', "\"%s\": %s", modes[_i].text, why);
}
END_TEST

START_TEST(a_long_text_is_cut_in_the_sentence)
{
	char text[4096], why[VALUE_WHY];
	long value;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(value_number(text, LONG_MIN, LONG_MAX, &value, why), -1);
	ck_assert_uint_lt(strlen(why), VALUE_WHY);
	ck_assert_int_eq(value_duration(text, 0, LONG_MAX, &value, why), -1);
	ck_assert_int_eq(value_size(text, 0, LONG_MAX, &value, why), -1);
	ck_assert_int_eq(value_mode(text, 0777, &value, why), -1);
	ck_assert_int_eq(value_yesno(text, &value, why), -1);
}
END_TEST

static const struct {
	long ms;
	const char *text;
} printed[] = {
	{ 0, "0s" }, { 1, "1ms" }, { 999, "999ms" }, { 1000, "1s" }, { 1001, "1001ms" }, { 60000, "60s" }, { INT_MAX, "2147483647ms" },
};

START_TEST(a_time_is_written_so_that_it_reads_the_same)
{
	char buffer[32], why[VALUE_WHY];
	long value = BAD;

	ck_assert_ptr_eq(value_print_duration(printed[_i].ms, buffer, sizeof(buffer)), buffer);
	ck_assert_msg(strcmp(buffer, printed[_i].text) == 0, "%ld: %s", printed[_i].ms, buffer);
	ck_assert_int_eq(value_duration(buffer, 0, INT_MAX, &value, why), 0);
	ck_assert_msg(value == printed[_i].ms, "%ld: %ld", printed[_i].ms, value);
}
END_TEST

Suite *value_suite(void)
{
	Suite *s = suite_create("value");
	TCase *t = tcase_create("value");

	tcase_add_loop_test(t, a_number_is_read_or_refused, 0, rows(numbers));
	tcase_add_test(t, a_number_may_be_negative);
	tcase_add_loop_test(t, a_time_is_read_or_refused, 0, rows(durations));
	tcase_add_loop_test(t, a_size_is_read_or_refused, 0, rows(lengths));
	tcase_add_loop_test(t, yes_or_no_is_read_or_refused, 0, rows(answers));
	tcase_add_loop_test(t, a_mode_is_read_as_octal_or_refused, 0, rows(modes));
	tcase_add_test(t, a_long_text_is_cut_in_the_sentence);
	tcase_add_loop_test(t, a_time_is_written_so_that_it_reads_the_same, 0, rows(printed));
	suite_add_tcase(s, t);
	return s;
}
