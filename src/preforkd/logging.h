/* SPDX-License-Identifier: ISC */
/* Where the daemon's messages go: standard error, a file, or syslogd. */
#ifndef LOGGING_H
#define LOGGING_H

#include <stdbool.h>

struct log_place;

/* Remembers standard error, which in the background leads nowhere. 0, or -1 with errno. */
int logging_init(bool detached);

/* Opens what `to` names, "stderr", "syslog" or "file:PATH", and changes nothing yet. NULL with errno. */
struct log_place *logging_prepare(const char *to);

/*
 * From now on messages go there. A file becomes descriptor 2, so that programs with stderr = log write to it as well; otherwise 2 is
 * the daemon's own standard error. 0, or -1 with errno: nothing has changed. The place is taken over in any case.
 */
int logging_use(struct log_place *place);

/* It is not used after all. NULL: nothing. */
void logging_drop(struct log_place *place);

/* For a file, after it was renamed: opens it anew. 0, or -1 with errno: nothing has changed. */
int logging_reopen(void);

/* Warnings and errors also go to a copy of fd, until this is called with -1. */
void logging_echo(int fd);

void logging_close(void);

/* Is it a file, which workers hold open too? */
bool logging_is_file(void);

#endif
