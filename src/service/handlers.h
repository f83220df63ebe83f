/* SPDX-License-Identifier: ISC */
/* What a worker can do with a connection. */
#ifndef HANDLERS_H
#define HANDLERS_H

#include "service_config.h"

/* Becomes the service's program. */
extern const struct handler handler_exec;

/* The built-in of that name (echo, discard, chargen, daytime, time), or NULL. */
const struct handler *builtin_find(const char *name);

/* The names of all built-ins, for messages: "echo, discard, ...". */
const char *builtin_names(void);

#endif
