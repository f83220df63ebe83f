/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	long factor;
};

static const struct unit times[] = {
	{ "ms", 1 }, { "s", 1000 }, { "", 1000 }, { "min", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 }, { NULL, 0 },
};

static const struct unit sizes[] = {
	{ "", 1 }, { "K", 1L << 10 }, { "M", 1L << 20 }, { "G", 1L << 30 }, { NULL, 0 },
};

static int complain(char *why, const char *text, const char *wanted)
{
	snprintf(why, VALUE_WHY, "\"%.64s\" is %s", text, wanted);
	return -1;
}

int value_number(const char *text, long min, long max, long *out, char *why)
{
	const char *error;
	long long number = strtonum(text, min, max, &error);

	/* strtonum takes white space and a plus sign, too. */
	if (!error && strspn(text, "-0123456789") == strlen(text)) {
		*out = (long)number;
		return 0;
	}
	snprintf(why, VALUE_WHY, "\"%.64s\" is no number from %ld to %ld", text, min, max);
	return -1;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	while (units->name && strcmp(units->name, name) != 0)
		units++;
	return units->name ? units : NULL;
}

static int with_unit(const char *text, const struct unit *units, long min, long max, long *out, char *why, const char *wanted)
{
	size_t digits = strspn(text, "0123456789");
	const struct unit *unit = find_unit(units, text + digits);
	long long number;
	char copy[20];
	const char *error;

	if (digits == 0 || digits >= sizeof(copy) || !unit)
		return complain(why, text, wanted);
	memcpy(copy, text, digits);
	copy[digits] = '\0';
	number = strtonum(copy, 0, max / unit->factor, &error);
	if (error || number * unit->factor < min) {
		snprintf(why, VALUE_WHY, "\"%.64s\" is out of range", text);
		return -1;
	}
	*out = (long)number * unit->factor;
	return 0;
}

int value_duration(const char *text, long min, long max, long *out, char *why)
{
	return with_unit(text, times, min, max, out, why, "no time; write a number and ms, s, min, h or d");
}

#define RATE_COUNT_MAX 1000000000L
#define RATE_TIME_MAX (24 * 3600 * 1000L)

/* The time may be a unit alone: "30/min". */
int value_rate(const char *text, long *count, long *per, char *why)
{
	const char *slash = strchr(text, '/');
	char number[16], time[16];
	const char *digit = slash && slash[1] >= '0' && slash[1] <= '9' ? "" : "1";

	if (!slash || slash == text || !slash[1] || (size_t)(slash - text) >= sizeof(number) || strlen(slash) >= sizeof(time) - 1)
		return complain(why, text, "no rate; write a number and a time as in 30/min or 100/10s");
	snprintf(number, sizeof(number), "%.*s", (int)(slash - text), text);
	snprintf(time, sizeof(time), "%s%s", digit, slash + 1);
	if (value_number(number, 1, RATE_COUNT_MAX, count, why) < 0)
		return -1;
	return value_duration(time, 1, RATE_TIME_MAX, per, why);
}

int value_hundredths(const char *text, long max, long *out, char *why)
{
	size_t whole = strspn(text, "0123456789"), decimals = 0;
	long value = 0;

	if (text[whole] == '.')
		decimals = strspn(text + whole + 1, "0123456789");
	if (whole == 0 || whole > 9 || decimals > 2 || text[whole + (decimals > 0) + decimals] != '\0')
		return complain(why, text, "no number with at most two decimals");
	for (size_t i = 0; i < whole; i++)
		value = value * 10 + (text[i] - '0');
	for (size_t i = 0; i < 2; i++)
		value = value * 10 + (i < decimals ? text[whole + 1 + i] - '0' : 0);
	if (value > max)
		return complain(why, text, "out of range");
	*out = value;
	return 0;
}

int value_size(const char *text, long min, long max, long *out, char *why)
{
	return with_unit(text, sizes, min, max, out, why, "no size; write a number of bytes, or one with K, M or G");
}

int value_yesno(const char *text, long *out, char *why)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (int i = 0; i < 6; i++)
		if (strcasecmp(text, words[i]) == 0) {
			*out = i % 2;
			return 0;
		}
	return complain(why, text, "neither yes nor no");
}

int value_mode(const char *text, long max, long *out, char *why)
{
	size_t length = strlen(text);

	if (length == 0 || length > 5 || strspn(text, "01234567") != length)
		return complain(why, text, "no octal mode");
	*out = strtol(text, NULL, 8);
	return *out <= max ? 0 : complain(why, text, "out of range for a mode");
}

char *value_print_duration(long ms, char *buffer, size_t size)
{
	if (ms % 1000 == 0)
		snprintf(buffer, size, "%lds", ms / 1000);
	else
		snprintf(buffer, size, "%ldms", ms);
	return buffer;
}
