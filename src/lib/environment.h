/* SPDX-License-Identifier: ISC */
/* The part of a program's environment that does not depend on its connection, prepared once. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "service_config.h"

/*
 * Fills c->environment: the variables of c->pass_environment that the environment `from` has, the user's HOME, USER, LOGNAME and SHELL, a PATH if
 * there is none yet, PREFORK_SERVICE, and c->own_environment, where the later of two wins.
 * Variables of another server's connection are never passed on.
 *
 * Returns 0, or -1 with errno ENOMEM.
 */
int environment_prepare(struct service_config *c, char *const *from);

void environment_release(struct service_config *c);

/* The value of name in an environment, or NULL. */
const char *environment_get(char *const *environment, const char *name);

#endif
