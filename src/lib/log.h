/* SPDX-License-Identifier: ISC */
/*
 * Messages. The library says what happened; where that goes is for its user to say with log_to, and until then it goes nowhere. A
 * message is one line without a newline, at most LOG_LINE bytes. errno is kept.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LINE 1024

enum log_level {
	LOG_LEVEL_ERROR,   /* something that was asked for does not happen */
	LOG_LEVEL_WARNING, /* it happens, but somebody should look */
	LOG_LEVEL_NOTICE,  /* the state of the daemon or a service changed */
	LOG_LEVEL_INFO,    /* connections */
	LOG_LEVEL_DEBUG,
	LOG_LEVELS,
};

typedef void log_sink(enum log_level level, const char *line, void *data);

/* Sends messages up to a level to a sink; NULL: nowhere. */
void log_to(log_sink *sink, void *data);
void log_set_level(enum log_level level);

/* The name of a level, and the level of a name or -1. */
const char *log_level_name(enum log_level level);
int log_level_of(const char *name);

__attribute__((format(printf, 2, 3))) void log_at(enum log_level level, const char *format, ...);

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Would a message of this level go anywhere? */
bool log_wants(enum log_level level);

/*
 * A trouble that lasts is told when it begins or changes, then once a minute with how often it was met, and when it ends. One that
 * comes and goes is told once and then as one that lasts.
 */
struct trouble {
	int error;      /* 0: none */
	int before;     /* the latest that was told */
	int64_t told;   /* ms, when */
	unsigned again; /* times met since then */
	bool silent;    /* the present one was not told */
};

#define TROUBLE_REPEAT (60 * 1000) /* ms */

/* Met an error at `now` (ms): true if it is to be told, with *again set to how often it was met since. */
bool trouble_met(struct trouble *t, int error, int64_t now, unsigned *again);

/* It went well: true if there was trouble before, so that its end is to be told. */
bool trouble_over(struct trouble *t);

#endif
