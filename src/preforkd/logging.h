/* SPDX-License-Identifier: ISC */
/* Where the daemon's messages go: standard error, a file, or syslog(3). */
#ifndef LOGGING_H
#define LOGGING_H

#include <stdbool.h>

/*
 * Sends messages to `to`: "stderr", "syslog" or "file:PATH". A file becomes descriptor 2, so that programs with stderr = log write to
 * it as well. 0, or -1 with errno: nothing has changed.
 */
int logging_open(const char *to);

/* After the file was renamed: opens it anew. Likewise. */
int logging_reopen(void);

/* Warnings and errors also go to a copy of fd, until this is called with -1. */
void logging_echo(int fd);

void logging_close(void);

/* Is it a file, which workers hold open too? */
bool logging_is_file(void);

#endif
