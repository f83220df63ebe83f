/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "log.h"

#include <errno.h>
#include <string.h>

static struct {
	int lines;
	enum log_level level;
	char text[LOG_LINE];
	void *data;
} heard;

static void hear(enum log_level level, const char *line, void *data)
{
	heard.lines++;
	heard.level = level;
	heard.data = data;
	strncpy(heard.text, line, sizeof(heard.text) - 1);
	errno = EDOM;
}

static void listen_to(enum log_level level)
{
	memset(&heard, 0, sizeof(heard));
	log_to(hear, &heard);
	log_set_level(level);
}

START_TEST(a_message_of_the_level_or_above_arrives)
{
	enum log_level level = (enum log_level)(_i / LOG_LEVELS), of = (enum log_level)(_i % LOG_LEVELS);

	listen_to(level);
	log_at(of, "%s %d", "number", 7);
	ck_assert_msg(heard.lines == (of <= level), "%s at %s", log_level_name(of), log_level_name(level));
	ck_assert_msg(log_wants(of) == (of <= level), "%s at %s", log_level_name(of), log_level_name(level));
	if (heard.lines == 0)
		return;
	ck_assert_str_eq(heard.text, "number 7");
	ck_assert_int_eq(heard.level, of);
	ck_assert_ptr_eq(heard.data, &heard);
}
END_TEST

START_TEST(without_a_sink_messages_go_nowhere)
{
	log_to(NULL, NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	ck_assert(!log_wants(LOG_LEVEL_ERROR));
	log_error("nobody hears this");
}
END_TEST

START_TEST(until_it_is_told_otherwise_the_level_is_info)
{
	log_to(hear, NULL);
	ck_assert(log_wants(LOG_LEVEL_INFO));
	ck_assert(!log_wants(LOG_LEVEL_DEBUG));
}
END_TEST

START_TEST(errno_is_kept_whatever_the_sink_does)
{
	listen_to(LOG_LEVEL_INFO);
	errno = ENOENT;
	log_error("text");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(heard.lines, 1);
}
END_TEST

START_TEST(a_long_message_is_cut)
{
	char text[2 * LOG_LINE];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	listen_to(LOG_LEVEL_INFO);
	log_info("%s", text);
	ck_assert_uint_eq(strlen(heard.text), LOG_LINE - 1);
}
END_TEST

static const char *const names[] = { "error", "warning", "notice", "info", "debug" };

START_TEST(a_level_has_a_name_and_the_name_its_level)
{
	ck_assert_int_eq(rows(names), LOG_LEVELS);
	ck_assert_str_eq(log_level_name((enum log_level)_i), names[_i]);
	ck_assert_msg(log_level_of(names[_i]) == _i, "%s", names[_i]);
}
END_TEST

START_TEST(other_words_are_no_level)
{
	ck_assert_int_eq(log_level_of(""), -1);
	ck_assert_int_eq(log_level_of("Error"), -1);
	ck_assert_int_eq(log_level_of("warn"), -1);
}
END_TEST

/* One trouble's story: what is met when, and what is told. */
static const struct {
	int64_t now;
	int error; /* 0: it went well */
	bool told;
	unsigned again;
} story[] = {
	{ 1000, EMFILE, true, 0 },  /* it begins */
	{ 1001, EMFILE, false, 0 },
	{ 30000, EMFILE, false, 0 },
	{ 1000 + TROUBLE_REPEAT - 1, EMFILE, false, 0 },
	{ 1000 + TROUBLE_REPEAT, EMFILE, true, 3 }, /* a minute later, with how often it was met since */
	{ 1000 + TROUBLE_REPEAT, EMFILE, false, 0 },
	{ 70000, ENFILE, true, 0 }, /* it changes */
	{ 70001, ENFILE, false, 0 },
	{ 70002, EMFILE, true, 0 },
	{ 70003, 0, true, 0 },      /* it ends */
	{ 70004, 0, false, 0 },
	{ 70005, EMFILE, false, 0 }, /* it comes and goes: told as one that lasts */
	{ 70006, EMFILE, false, 0 },
	{ 70007, 0, false, 0 },      /* of its end nobody was waiting to hear */
	{ 80000, EMFILE, false, 0 },
	{ 80001, 0, false, 0 },
	{ 80002, ENFILE, true, 0 },  /* another one is told at once */
	{ 80003, 0, true, 0 },
	{ 80004, ENFILE, false, 0 },
	{ 80002 + TROUBLE_REPEAT, ENFILE, true, 1 },
	{ 90000 + TROUBLE_REPEAT, 0, true, 0 },
	{ 90000 + 2 * TROUBLE_REPEAT, ENFILE, true, 0 }, /* long ago */
	{ 90001 + 2 * TROUBLE_REPEAT, 0, true, 0 },
};

START_TEST(a_trouble_that_lasts_is_told_when_it_changes_and_once_a_minute)
{
	struct trouble t = { 0 };

	for (int i = 0; i < rows(story); i++) {
		unsigned again = 12345;
		bool told = story[i].error ? trouble_met(&t, story[i].error, story[i].now, &again) : trouble_over(&t);

		ck_assert_msg(told == story[i].told, "row %d: %d", i, told);
		if (told && story[i].error)
			ck_assert_msg(again == story[i].again, "row %d: %u", i, again);
	}
}
END_TEST

START_TEST(a_clock_that_stands_still_tells_a_trouble_once)
{
	struct trouble t = { 0 };
	unsigned again;

	ck_assert(trouble_met(&t, EMFILE, 5, &again));
	for (int i = 0; i < 1000; i++)
		ck_assert(!trouble_met(&t, EMFILE, 5, &again));
	ck_assert(trouble_met(&t, EMFILE, 5 + TROUBLE_REPEAT, &again));
	ck_assert_uint_eq(again, 1000);
}
END_TEST

Suite *log_suite(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_test(t, until_it_is_told_otherwise_the_level_is_info);
	tcase_add_loop_test(t, a_message_of_the_level_or_above_arrives, 0, LOG_LEVELS * LOG_LEVELS);
	tcase_add_test(t, without_a_sink_messages_go_nowhere);
	tcase_add_test(t, errno_is_kept_whatever_the_sink_does);
	tcase_add_test(t, a_long_message_is_cut);
	tcase_add_loop_test(t, a_level_has_a_name_and_the_name_its_level, 0, rows(names));
	tcase_add_test(t, other_words_are_no_level);
	tcase_add_test(t, a_trouble_that_lasts_is_told_when_it_changes_and_once_a_minute);
	tcase_add_test(t, a_clock_that_stands_still_tells_a_trouble_once);
	suite_add_tcase(s, t);
	return s;
}
