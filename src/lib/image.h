/* SPDX-License-Identifier: ISC */
/* Executing a service's program with the preload library in front: the brief, and the process up to execve. */
#ifndef IMAGE_BIRTH_H
#define IMAGE_BIRTH_H

#include "brief.h"
#include "pool.h"

#include <sys/types.h>

/* Writes the brief of a pool's images into a memfd. Its descriptor, or -1 with errno. */
int image_brief(const struct pool *p, enum launch launch, enum stop_at stop_at, const char *library);

/*
 * Forks a process that executes the program with the library: for a template, or for one worker. It has the slot for what it has to tell
 * should it fail. Its pid, or -1 with errno.
 */
pid_t image_spawn(const struct pool *p, uint32_t slot, int brief, int news);

/*
 * Why the program cannot be executed so, as far as that can be known before: static, privileged, library out of reach. NULL: it can be
 * tried.
 */
const char *image_obstacle(const struct service_config *c, const char *library);

#endif
