/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "hours.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY (24 * 60)
#define EVERY_DAY 0x7fU /* one bit for each day, Sunday first, as tm_wday counts */

static const char days[] = "SunMonTueWedThuFriSat";

__attribute__((format(printf, 2, 3))) static int complain(char *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, HOURS_WHY, format, ap);
	va_end(ap);
	return -1;
}

/* The day at *at, which is moved behind it, or -1. */
static int read_day(const char **at)
{
	for (int day = 0; day < 7; day++)
		if (strncmp(*at, days + day * 3, 3) == 0) {
			*at += 3;
			return day;
		}
	return -1;
}

/* One day, or a range that may go over the week's end: adds its days to the set. */
static int read_days_between(const char **at, unsigned *set, char *why)
{
	const char *text = *at;
	int first = read_day(at), last = first;

	if (first >= 0 && **at == '-') {
		++*at;
		last = read_day(at);
	}
	if (first < 0 || last < 0)
		return complain(why, "\"%.64s\" does not begin with a day; days are Sun Mon Tue Wed Thu Fri Sat", first < 0 ? text : *at);
	if (first == last && *at - text > 3)
		return complain(why, "\"%.64s\" begins and ends with the same day; one day is written once, every day not at all", text);
	for (; first != last; first = (first + 1) % 7)
		*set |= 1U << first;
	*set |= 1U << last;
	return 0;
}

/* "Mon-Wed,Fri " in front of the times; nothing: every day. */
static int read_days(const char **at, unsigned *set, char *why)
{
	const char *entry = *at;

	*set = EVERY_DAY;
	if (**at >= '0' && **at <= '9')
		return 0;
	*set = 0;
	do {
		if (read_days_between(at, set, why) < 0)
			return -1;
	} while (*(*at)++ == ',');
	if ((*at)[-1] == ' ')
		return 0;
	return complain(why, "\"%.64s\" is not of the form \"Mon-Wed,Fri 08:00-18:00\"", entry);
}

static int two_digits(const char *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* HH:MM, in minutes; *at is moved behind it. */
static int read_time(const char **at, char *why)
{
	const char *text = *at;
	int hour = two_digits(text);
	int minute = hour >= 0 && text[2] == ':' ? two_digits(text + 3) : -1;

	if (minute < 0 || minute > 59 || hour * 60 + minute > DAY)
		return complain(why, "\"%.64s\" does not begin with a time; times are written 00:00 to 24:00", text);
	*at += 5;
	return hour * 60 + minute;
}

/* HH:MM-HH:MM and no more; *to is above DAY if it goes over midnight. */
static int read_times(const char *text, int *from, int *to, char *why)
{
	const char *at = text;

	*from = read_time(&at, why);
	if (*from < 0)
		return -1;
	if (*from == DAY)
		return complain(why, "\"%.64s\" begins at 24:00, which is the next day's 00:00", text);
	if (*at++ != '-')
		return complain(why, "\"%.64s\" has no end; write as 08:00-18:00", text);
	*to = read_time(&at, why);
	if (*to < 0)
		return -1;
	if (*at)
		return complain(why, "\"%.64s\" has something behind it: \"%.64s\"", text, at);
	if (*to == *from)
		return complain(why, "\"%.64s\" ends when it begins; the whole day is 00:00-24:00", text);
	if (*to < *from)
		*to += DAY;
	return 0;
}

static void set_minutes(struct hours *h, int from, int to)
{
	for (; from < to; from++) {
		int minute = from % HOURS_MINUTES;

		h->open[minute / 64] |= (uint64_t)1 << minute % 64;
	}
}

int hours_add(struct hours *h, const char *entry, char *why)
{
	const char *at = entry;
	unsigned set;
	int from = 0, to = 0;

	if (read_days(&at, &set, why) < 0 || read_times(at, &from, &to, why) < 0)
		return -1;
	for (int day = 0; day < 7; day++)
		if (set & 1U << day)
			set_minutes(h, day * DAY + from, day * DAY + to);
	return 0;
}

bool hours_open(const struct hours *h, const struct tm *wall)
{
	int minute = wall->tm_wday * DAY + wall->tm_hour * 60 + wall->tm_min;

	return h->open[minute / 64] >> minute % 64 & 1;
}

bool hours_open_at(const struct hours *h, time_t when)
{
	struct tm wall;

	return localtime_r(&when, &wall) && hours_open(h, &wall);
}

/* Where the clock on the wall shows the next minute. A leap second may be its 60th. */
static time_t next_minute(time_t when)
{
	struct tm wall;

	return when + (localtime_r(&when, &wall) && wall.tm_sec < 60 ? 60 - wall.tm_sec : 1);
}

/* Minute by minute, because the wall's clock may jump at any of them. */
time_t hours_next(const struct hours *h, time_t now)
{
	bool open = hours_open_at(h, now);
	time_t last = now + HOURS_AHEAD;

	for (time_t at = next_minute(now); at < last; at = next_minute(at))
		if (hours_open_at(h, at) != open)
			return at;
	return last;
}
