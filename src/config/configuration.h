/* SPDX-License-Identifier: ISC */
/* The whole configuration, as a value: reading it opens no socket, changes no process and touches no global. */
#ifndef CONFIGURATION_H
#define CONFIGURATION_H

#include "complaints.h"
#include "service_config.h"

#include <stdio.h>

/* What the meaning of a configuration depends on besides its text. */
struct surroundings {
	uid_t user;               /* whoever will run it */
	char *const *environment;
};

struct configuration {
	char *log_to; /* "stderr", "syslog" or "file:PATH" */
	int log_level;
	char *pid_file; /* NULL: none */
	int stop_timeout;

	struct service_config **services;
	size_t count;
};

/*
 * Reads a file and all that it includes. NULL if anything is wrong: then complaints has at least one entry, and if nothing is
 * wrong, none.
 */
struct configuration *configuration_load(const char *path, const struct surroundings *around, struct complaints *complaints);

void configuration_free(struct configuration *c);

/* Writes it in its own language, with every default. Reading that gives the same configuration. */
void configuration_print(const struct configuration *c, FILE *out);

/*
 * What is different between two services: the names of keys, separated by commas, in memory that the caller frees. "" if
 * nothing. NULL with errno ENOMEM.
 */
char *configuration_difference(const struct service_config *a, const struct service_config *b);

#endif
