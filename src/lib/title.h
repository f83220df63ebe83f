/* SPDX-License-Identifier: ISC */
/* What ps(1) shows of a process. */
#ifndef TITLE_H
#define TITLE_H

/* To be called first in main; without it the rest does nothing. */
void title_init(int argc, char *argv[], char *envp[]);

/* "NAME: TEXT", where NAME is the program's. */
__attribute__((format(printf, 1, 2))) void title_set(const char *format, ...);

#endif
