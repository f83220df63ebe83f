/* SPDX-License-Identifier: ISC */
/* Memory that a master shares with its workers: of fixed size, without a name, and sealed so that nobody can truncate it. */
#ifndef SHARED_H
#define SHARED_H

#include <stddef.h>

/*
 * Makes size bytes of it, all zero, and maps them for the master alone: a child of fork(2) does not have the mapping and maps
 * what is meant for it from the descriptor. Returns the descriptor (close-on-exec) with *memory set, or -1 with errno.
 */
int shared_make(const char *name, size_t size, void **memory);

/* Maps it in a worker. NULL with errno. */
void *shared_map(int fd, size_t size);

/* The same for what can only be read. */
const void *shared_map_constant(int fd, size_t size);

/* Gives it back; fd -1 or memory NULL: that part was never made. */
void shared_free(int fd, void *memory, size_t size);

#endif
