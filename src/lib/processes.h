/* SPDX-License-Identifier: ISC */
/* The processes of this machine, as far as they can be seen. Where there is no /proc there are none. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <sys/types.h>
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

struct process {
	pid_t pid, group, session;
	bool ended; /* it is only not reaped yet */
};

/* For processes_next; NULL with errno. To be closed with closedir. */
DIR *processes_open(void);

/* The next of them, in order of their numbers; false at the end. One that is gone when it is looked at has no group. */
bool processes_next(DIR *all, struct process *out);

/* The value of a variable in the environment that a process was started with. False: it had none, or that cannot be read. */
bool process_variable(pid_t pid, const char *name, char *out, size_t size);

#endif
