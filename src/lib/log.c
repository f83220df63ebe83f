/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct {
	log_sink *sink;
	void *data;
	enum log_level level;
} destination = { .level = LOG_LEVEL_INFO };

static const char *const names[LOG_LEVELS] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

void log_to(log_sink *sink, void *data)
{
	destination.sink = sink;
	destination.data = data;
}

void log_set_level(enum log_level level)
{
	destination.level = level;
}

const char *log_level_name(enum log_level level)
{
	return names[level];
}

int log_level_of(const char *name)
{
	for (int i = 0; i < LOG_LEVELS; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

bool log_wants(enum log_level level)
{
	return destination.sink && level <= destination.level;
}

void log_at(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE];
	int kept = errno;
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	destination.sink(level, line, destination.data);
	errno = kept;
}

bool trouble_met(struct trouble *t, int error, int64_t now, unsigned *again)
{
	bool tell = t->before != error || now - t->told >= TROUBLE_REPEAT;

	*again = t->before == error ? t->again : 0;
	t->silent = t->error == error ? t->silent && !tell : !tell;
	t->error = error;
	if (tell) {
		t->before = error;
		t->told = now;
		t->again = 0;
	} else {
		t->again++;
	}
	return tell;
}

bool trouble_over(struct trouble *t)
{
	bool was_told = t->error != 0 && !t->silent;

	t->error = 0;
	return was_told;
}
