/* SPDX-License-Identifier: ISC */
/*
 * The hours of a week in which something is open: a union of entries such as
 *
 *     Mon-Fri 08:00-18:00    from the first of these days to the last
 *     Sat,Sun 10:00-12:30    these days
 *     Fri-Mon 00:00-24:00    ranges may go over the week's end
 *     08:00-18:00            every day
 *     Fri 22:00-06:00        over midnight; the day is the one on which it begins
 *
 * Times are those of the clock on the wall. What it shows twice in autumn is open twice, and what it leaves out in spring is
 * not there.
 */
#ifndef HOURS_H
#define HOURS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define HOURS_MINUTES (7 * 24 * 60)

/* One bit for each minute of the week, from Sunday 00:00 on. All zero: never open. */
struct hours {
	uint64_t open[(HOURS_MINUTES + 63) / 64];
};

#define HOURS_WHY 256

/* Adds an entry. Returns 0, or -1 with a sentence for the user in why (HOURS_WHY bytes) and nothing added. */
int hours_add(struct hours *h, const char *entry, char *why);

/* Is it open at that time on the wall? Only the day of the week, the hour and the minute are looked at. */
bool hours_open(const struct hours *h, const struct tm *wall);

/* The same, by the local time zone. */
bool hours_open_at(const struct hours *h, time_t when);

#define HOURS_AHEAD (60 * 60) /* s */

/*
 * The first moment after `now` at which it is not as it is now, HOURS_AHEAD later at most: whoever waits for a change asks again then,
 * and so it does no harm that a zone's rules or its clock change meanwhile.
 */
time_t hours_next(const struct hours *h, time_t now);

#endif
