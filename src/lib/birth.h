/* SPDX-License-Identifier: ISC */
/*
 * The order of a worker's birth: from a fork of the master to a process that is the service's user, in its directory, under its
 * limits, with nothing open that it does not need. Each step stands where it does for a reason; see birth.c.
 */
#ifndef BIRTH_H
#define BIRTH_H

#include "service_config.h"

/* Limits that are raised on the way, by the master for itself or at birth; a worker gets them back as the daemon was started. */
struct inherited {
	struct rlimit nofile, nproc;
};

/* Goes through all steps, or ends in worker_fail. */
void birth(const struct worker *w, const struct service_config *c, const struct inherited *before);

/* The same for a process that has closed what it does not need. */
void birth_without_closing(const struct worker *w, const struct service_config *c, const struct inherited *before);

#endif
