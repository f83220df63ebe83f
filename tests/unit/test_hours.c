/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "hours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 4

/* A moment of the week as "Mon 08:00", or one later than Saturday 23:59 as "Sat 24:00". */
static struct tm moment(const char *text)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	char day[4];
	struct tm t = { 0 };

	ck_assert_int_eq(sscanf(text, "%3s %d:%d", day, &t.tm_hour, &t.tm_min), 3);
	t.tm_wday = (int)(strstr(days, day) - days) / 3;
	return t;
}

static int minute_of(const char *text)
{
	struct tm t = moment(text);

	return t.tm_wday * 24 * 60 + t.tm_hour * 60 + t.tm_min;
}

static struct hours hours_of(const char *const entries[])
{
	struct hours h = { { 0 } };
	char why[HOURS_WHY] = "";

	for (int i = 0; i < LIST_MAX && entries[i]; i++)
		ck_assert_msg(hours_add(&h, entries[i], why) == 0, "\"%s\": %s", entries[i], why);
	return h;
}

static bool open_in_minute(const struct hours *h, int minute)
{
	const struct tm t = { .tm_wday = minute / (24 * 60), .tm_hour = minute / 60 % 24, .tm_min = minute % 60 };

	return hours_open(h, &t);
}

/* Each minute of the week is in exactly the intervals "from to", and in no other. */
static const struct {
	const char *entries[LIST_MAX];
	const char *open[14];
} good[] = {
	{ { "Mon 08:00-18:00" }, { "Mon 08:00", "Mon 18:00" } },
	{ { "Mon-Fri 08:00-18:00" },
	  { "Mon 08:00", "Mon 18:00", "Tue 08:00", "Tue 18:00", "Wed 08:00", "Wed 18:00", "Thu 08:00", "Thu 18:00", "Fri 08:00", "Fri 18:00" } },
	{ { "Sat 10:00-12:30" }, { "Sat 10:00", "Sat 12:30" } },
	{ { "Sat,Sun 00:00-24:00" }, { "Sat 00:00", "Sat 24:00", "Sun 00:00", "Sun 24:00" } },
	{ { "Sun,Wed,Fri 01:02-01:03" }, { "Sun 01:02", "Sun 01:03", "Wed 01:02", "Wed 01:03", "Fri 01:02", "Fri 01:03" } },
	{ { "Mon-Tue,Fri-Sat 09:00-10:00" },
	  { "Mon 09:00", "Mon 10:00", "Tue 09:00", "Tue 10:00", "Fri 09:00", "Fri 10:00", "Sat 09:00", "Sat 10:00" } },
	{ { "Mon-Wed,Tue,Tue 09:00-10:00" }, { "Mon 09:00", "Mon 10:00", "Tue 09:00", "Tue 10:00", "Wed 09:00", "Wed 10:00" } },
	{ { "08:00-18:00" },
	  { "Sun 08:00", "Sun 18:00", "Mon 08:00", "Mon 18:00", "Tue 08:00", "Tue 18:00", "Wed 08:00", "Wed 18:00", "Thu 08:00",
	    "Thu 18:00", "Fri 08:00", "Fri 18:00", "Sat 08:00", "Sat 18:00" } },
	{ { "00:00-24:00" }, { "Sun 00:00", "Sat 24:00" } },
	{ { "Sun-Sat 00:00-24:00" }, { "Sun 00:00", "Sat 24:00" } },
	{ { "Wed-Tue 00:00-24:00" }, { "Sun 00:00", "Sat 24:00" } },

	/* Over the week's end */
	{ { "Fri-Mon 00:00-24:00" }, { "Fri 00:00", "Sat 24:00", "Sun 00:00", "Mon 24:00" } },
	{ { "Sat-Sun 12:00-13:00" }, { "Sat 12:00", "Sat 13:00", "Sun 12:00", "Sun 13:00" } },

	/* Over midnight */
	{ { "Tue 22:00-06:00" }, { "Tue 22:00", "Wed 06:00" } },
	{ { "Sat 22:00-06:00" }, { "Sat 22:00", "Sat 24:00", "Sun 00:00", "Sun 06:00" } },
	{ { "Fri,Sat 22:00-06:00" }, { "Fri 22:00", "Sat 06:00", "Sat 22:00", "Sat 24:00", "Sun 00:00", "Sun 06:00" } },
	{ { "22:00-06:00" },
	  { "Sun 00:00", "Sun 06:00", "Sun 22:00", "Mon 06:00", "Mon 22:00", "Tue 06:00", "Tue 22:00", "Wed 06:00", "Wed 22:00",
	    "Thu 06:00", "Thu 22:00", "Fri 06:00", "Fri 22:00", "Sat 06:00" } }, /* and Saturday's, below */
	{ { "Mon 22:00-00:00" }, { "Mon 22:00", "Mon 24:00" } },
	{ { "Mon 22:00-24:00" }, { "Mon 22:00", "Mon 24:00" } },
	{ { "Mon 00:01-00:00" }, { "Mon 00:01", "Mon 24:00" } },
	{ { "Mon 23:59-23:58" }, { "Mon 23:59", "Tue 23:58" } },

	/* Unions */
	{ { "Mon 08:00-12:00", "Mon 13:00-17:00" }, { "Mon 08:00", "Mon 12:00", "Mon 13:00", "Mon 17:00" } },
	{ { "Mon 08:00-12:00", "Mon 11:00-17:00" }, { "Mon 08:00", "Mon 17:00" } },
	{ { "Mon 08:00-17:00", "Mon 11:00-12:00" }, { "Mon 08:00", "Mon 17:00" } },
	{ { "Mon 08:00-12:00", "Mon 12:00-17:00" }, { "Mon 08:00", "Mon 17:00" } },
	{ { "Mon 20:00-02:00", "Tue 01:00-03:00", "Sun 00:00-00:01" }, { "Mon 20:00", "Tue 03:00", "Sun 00:00", "Sun 00:01" } },
	{ { NULL }, { NULL } },
};

static bool is_expected(int row, int minute)
{
	for (int i = 0; i < 14 && good[row].open[i]; i += 2)
		if (minute >= minute_of(good[row].open[i]) && minute < minute_of(good[row].open[i + 1]))
			return true;
	/* The one night that is in two pieces, for which the table has no room. */
	return good[row].entries[0] && strcmp(good[row].entries[0], "22:00-06:00") == 0 && minute >= minute_of("Sat 22:00");
}

START_TEST(entries_are_open_in_their_minutes_and_in_no_other)
{
	const struct hours h = hours_of(good[_i].entries);

	for (int minute = 0; minute < HOURS_MINUTES; minute++)
		ck_assert_msg(open_in_minute(&h, minute) == is_expected(_i, minute), "\"%s\", minute %d, which is day %d %02d:%02d",
		              good[_i].entries[0], minute, minute / (24 * 60), minute / 60 % 24, minute % 60);
}
END_TEST

static const struct {
	const char *entry, *why;
} bad[] = {
	{ "", "\"\" does not begin with a day; days are Sun Mon Tue Wed Thu Fri Sat" },
	{ "always", "\"always\" does not begin with a day" },
	{ "mon 08:00-18:00", "\"mon 08:00-18:00\" does not begin with a day" },
	{ "MON 08:00-18:00", "\"MON 08:00-18:00\" does not begin with a day" },
	{ "Monday 08:00-18:00", "\"Monday 08:00-18:00\" is not of the form" },
	{ "Mo 08:00-18:00", "\"Mo 08:00-18:00\" does not begin with a day" },
	{ " Mon 08:00-18:00", "\" Mon 08:00-18:00\" does not begin with a day" },
	{ "Mon", "\"Mon\" is not of the form" },
	{ "Mon ", "\"\" does not begin with a time" },
	{ "Mon-", "\"\" does not begin with a day" },
	{ "Mon- 08:00-18:00", "\" 08:00-18:00\" does not begin with a day" },
	{ "Mon-Tues 08:00-18:00", "\"Mon-Tues 08:00-18:00\" is not of the form" },
	{ "Mon-Xyz 08:00-18:00", "\"Xyz 08:00-18:00\" does not begin with a day" },
	{ "Mon-Mon 08:00-18:00", "\"Mon-Mon 08:00-18:00\" begins and ends with the same day" },
	{ "Mon-Tue-Wed 08:00-18:00", "\"Mon-Tue-Wed 08:00-18:00\" is not of the form" },
	{ "Mon, 08:00-18:00", "\" 08:00-18:00\" does not begin with a day" },
	{ "Mon,,Tue 08:00-18:00", "\",Tue 08:00-18:00\" does not begin with a day" },
	{ "Mon, Tue 08:00-18:00", "\" Tue 08:00-18:00\" does not begin with a day" },
	{ "Mon Tue 08:00-18:00", "\"Tue 08:00-18:00\" does not begin with a time" },
	{ "Mon  08:00-18:00", "\" 08:00-18:00\" does not begin with a time" },
	{ "Mon\t08:00-18:00", "is not of the form" },
	{ "Mon08:00-18:00", "is not of the form" },
	{ "08:00-18:00 Mon", "\"08:00-18:00 Mon\" has something behind it: \" Mon\"" },
	{ "08:00-18:00,", "has something behind it: \",\"" },
	{ "08:00-18:00 ", "has something behind it: \" \"" },
	{ "08:00-18:000", "has something behind it: \"0\"" },
	{ "08:00-18:00:00", "has something behind it: \":00\"" },
	{ "08:00", "\"08:00\" has no end; write as 08:00-18:00" },
	{ "08:00 - 18:00", "\"08:00 - 18:00\" has no end" },
	{ "08:00-", "\"\" does not begin with a time; times are written 00:00 to 24:00" },
	{ "08:00- 18:00", "\" 18:00\" does not begin with a time" },
	{ "8:00-18:00", "\"8:00-18:00\" does not begin with a time" },
	{ "08:0-18:00", "\"08:0-18:00\" does not begin with a time" },
	{ "0800-1800", "\"0800-1800\" does not begin with a time" },
	{ "08-18", "\"08-18\" does not begin with a time" },
	{ "08:00-18", "\"18\" does not begin with a time" },
	{ "08:00-18:", "\"18:\" does not begin with a time" },
	{ "08:00-18:0", "\"18:0\" does not begin with a time" },
	{ "08:60-18:00", "\"08:60-18:00\" does not begin with a time" },
	{ "08:00-25:00", "\"25:00\" does not begin with a time" },
	{ "08:00-24:01", "\"24:01\" does not begin with a time" },
	{ "-1:00-18:00", "does not begin with a day" },
	{ "24:00-24:00", "\"24:00-24:00\" begins at 24:00" },
	{ "Mon 24:00-06:00", "\"24:00-06:00\" begins at 24:00, which is the next day's 00:00" },
	{ "08:00-08:00", "\"08:00-08:00\" ends when it begins; the whole day is 00:00-24:00" },
	{ "00:00-00:00", "\"00:00-00:00\" ends when it begins" },
};

START_TEST(a_bad_entry_is_refused_with_a_sentence_and_adds_nothing)
{
	const struct hours nothing = { { 0 } };
	struct hours h = nothing;
	char why[HOURS_WHY] = "";

	ck_assert_msg(hours_add(&h, bad[_i].entry, why) == -1, "\"%s\"", bad[_i].entry);
	ck_assert_msg(strstr(why, bad[_i].why), "\"%s\": %s", bad[_i].entry, why);
	ck_assert_msg(memcmp(&h, &nothing, sizeof(h)) == 0, "\"%s\"", bad[_i].entry);
}
END_TEST

START_TEST(a_long_entry_is_cut_in_its_sentence)
{
	char entry[2000], why[HOURS_WHY + 1] = "";
	struct hours h = { { 0 } };

	memset(entry, 'x', sizeof(entry) - 1);
	entry[sizeof(entry) - 1] = '\0';
	why[HOURS_WHY] = '~';
	ck_assert_int_eq(hours_add(&h, entry, why), -1);
	ck_assert_uint_lt(strlen(why), HOURS_WHY);
	ck_assert_int_eq(why[HOURS_WHY], '~');
}
END_TEST

/* Time zones. 2026-03-01 was a Sunday, and so was 1970-01-04. */

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3" /* 2026: from March 29th, 01:00 UTC, to October 25th, 01:00 UTC */

static time_t utc(int month, int day, int hour, int minute, int second)
{
	struct tm t = { .tm_year = 126, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute, .tm_sec = second };

	return timegm(&t);
}

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void no_zone(void)
{
	unsetenv("TZ");
	tzset();
}

/* From a moment on (UTC) to where the next look leads, in seconds. */
static const struct {
	const char *what, *zone, *entry;
	int month, day, hour, minute, second;
	bool open;
	int next;
} looks[] = {
	{ "before it opens", "UTC0", "Mon 08:00-18:00", 3, 2, 7, 30, 0, false, 30 * 60 },
	{ "a second before it opens", "UTC0", "Mon 08:00-18:00", 3, 2, 7, 59, 59, false, 1 },
	{ "when it opens", "UTC0", "Mon 08:00-18:00", 3, 2, 8, 0, 0, true, HOURS_AHEAD },
	{ "before it closes", "UTC0", "Mon 08:00-18:00", 3, 2, 17, 0, 1, true, 60 * 60 - 1 },
	{ "the last second", "UTC0", "Mon 08:00-18:00", 3, 2, 17, 59, 59, true, 1 },
	{ "when it closes", "UTC0", "Mon 08:00-18:00", 3, 2, 18, 0, 0, false, HOURS_AHEAD },
	{ "the change is just an hour away", "UTC0", "Mon 08:00-18:00", 3, 2, 7, 0, 0, false, HOURS_AHEAD },
	{ "one minute between", "UTC0", "Mon 08:00-08:01", 3, 2, 8, 0, 20, true, 40 },
	{ "at the week's end", "UTC0", "Sat 23:00-24:00", 2, 28, 23, 30, 0, true, 30 * 60 },
	{ "over the week's end", "UTC0", "Sat 23:00-00:10", 2, 28, 23, 30, 0, true, 40 * 60 },
	{ "always open", "UTC0", "00:00-24:00", 3, 2, 7, 0, 0, true, HOURS_AHEAD },
	{ "another day", "UTC0", "Tue 00:00-24:00", 3, 2, 7, 0, 0, false, HOURS_AHEAD },
	{ "west of Greenwich it is still Sunday", "EST5", "Sun 00:00-24:00", 3, 2, 4, 30, 0, true, 30 * 60 },
	{ "a zone of odd minutes", "IST-5:30", "Mon 08:00-18:00", 3, 2, 2, 0, 0, false, 30 * 60 },

	/* Daylight saving: 02:00 to 03:00 is not there in spring and there twice in autumn. */
	{ "spring, opens when the clock has jumped", BERLIN, "Sun 03:00-04:00", 3, 29, 0, 50, 0, false, 10 * 60 },
	{ "spring, opens in the hour that is left out", BERLIN, "Sun 02:30-04:00", 3, 29, 0, 50, 0, false, 10 * 60 },
	{ "spring, closes in the hour that is left out", BERLIN, "Sun 01:00-02:30", 3, 29, 0, 50, 0, true, 10 * 60 },
	{ "spring, all of it is left out", BERLIN, "Sun 02:00-03:00", 3, 29, 0, 50, 0, false, HOURS_AHEAD },
	{ "spring, from then on it is an hour earlier", BERLIN, "Mon 08:00-18:00", 3, 30, 5, 30, 0, false, 30 * 60 },
	{ "autumn, the first time", BERLIN, "Sun 02:30-04:00", 10, 25, 0, 10, 0, false, 20 * 60 },
	{ "autumn, closes for the second time", BERLIN, "Sun 02:30-04:00", 10, 25, 0, 40, 0, true, 20 * 60 },
	{ "autumn, the second time", BERLIN, "Sun 02:30-04:00", 10, 25, 1, 10, 0, false, 20 * 60 },
	{ "autumn, over both", BERLIN, "Sun 02:00-03:00", 10, 25, 1, 30, 0, true, 30 * 60 },
};

START_TEST(the_next_look_is_at_the_next_change_or_in_an_hour)
{
	const struct hours h = hours_of((const char *const[]){ looks[_i].entry, NULL });
	time_t now = utc(looks[_i].month, looks[_i].day, looks[_i].hour, looks[_i].minute, looks[_i].second);

	set_zone(looks[_i].zone);
	ck_assert_msg(hours_open_at(&h, now) == looks[_i].open, "%s", looks[_i].what);
	ck_assert_msg(hours_next(&h, now) - now == looks[_i].next, "%s: %lld", looks[_i].what, (long long)(hours_next(&h, now) - now));
}
END_TEST

/* Whoever only looks when it was told to has seen every change of two weeks, and each at its very second. */
START_TEST(from_look_to_look_no_change_is_missed)
{
	const struct hours h = hours_of((const char *const[]){ "Mon-Fri 08:00-18:00", "Sat 02:30-02:31", "Sun 02:15-05:00", "22:00-01:00" });
	const time_t first = utc(10, 18, 0, 0, 17), last = utc(11, 1, 0, 0, 0);
	time_t now = first, at = first;
	bool open;

	set_zone(BERLIN);
	open = hours_open_at(&h, now);
	while (now < last) {
		time_t next = hours_next(&h, now);

		ck_assert_int_gt(next, now);
		ck_assert_int_le(next, now + HOURS_AHEAD);
		for (; at < next; at++)
			ck_assert_msg(hours_open_at(&h, at) == open, "%lld", (long long)at);
		now = next;
		open = hours_open_at(&h, now);
	}
}
END_TEST

Suite *hours_suite(void)
{
	Suite *s = suite_create("hours");
	TCase *t = tcase_create("hours");

	tcase_add_checked_fixture(t, NULL, no_zone);
	tcase_add_loop_test(t, entries_are_open_in_their_minutes_and_in_no_other, 0, rows(good));
	tcase_add_loop_test(t, a_bad_entry_is_refused_with_a_sentence_and_adds_nothing, 0, rows(bad));
	tcase_add_test(t, a_long_entry_is_cut_in_its_sentence);
	tcase_add_loop_test(t, the_next_look_is_at_the_next_change_or_in_an_hour, 0, rows(looks));
	tcase_add_test(t, from_look_to_look_no_change_is_missed);
	suite_add_tcase(s, t);
	return s;
}
