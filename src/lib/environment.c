/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const char *environment_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

/* Puts a copy of NAME=value in, in the place of an older one of that name. */
static int put(struct service_config *c, const char *name, size_t length, const char *value)
{
	char *text, **entry = c->environment;

	if (asprintf(&text, "%.*s=%s", (int)length, name, value) < 0)
		return -1;
	while (*entry && !(strncmp(*entry, name, length) == 0 && (*entry)[length] == '='))
		entry++;
	if (!*entry)
		c->environment_count++;
	free(*entry);
	*entry = text;
	return 0;
}

static int put_name(struct service_config *c, const char *name, const char *value)
{
	return value ? put(c, name, strlen(name), value) : 0;
}

static int put_assignment(struct service_config *c, const char *assignment)
{
	const char *value = strchr(assignment, '=');

	return value ? put(c, assignment, (size_t)(value - assignment), value + 1) : 0;
}

static int put_user(struct service_config *c)
{
	const struct identity *who = &c->identity;

	if (!who->home)
		return 0;
	return put_name(c, "HOME", who->home) | put_name(c, "USER", who->name) | put_name(c, "LOGNAME", who->name) |
	       put_name(c, "SHELL", who->shell);
}

static size_t length_of(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

int environment_prepare(struct service_config *c, char *const *from)
{
	char *const *pass = c->pass_environment, *const *own = c->own_environment;
	const size_t ours = 6; /* HOME USER LOGNAME SHELL PATH PREFORK_SERVICE */
	size_t size = length_of(pass) + length_of(own) + ours + VARIABLES_MAX + 1;
	int failed = 0;

	c->environment_count = 0;
	c->environment = calloc(size, sizeof(*c->environment));
	if (!c->environment)
		return -1;
	for (; pass && *pass; pass++)
		if (!variables_known(*pass))
			failed |= put_name(c, *pass, environment_get(from, *pass));
	failed |= put_user(c);
	for (; own && *own; own++)
		failed |= put_assignment(c, *own);
	if (!environment_get(c->environment, "PATH"))
		failed |= put_name(c, "PATH", DEFAULT_PATH);
	failed |= put_name(c, "PREFORK_SERVICE", c->name);
	if (!failed)
		return 0;
	environment_release(c);
	errno = ENOMEM;
	return -1;
}

void environment_release(struct service_config *c)
{
	for (size_t i = 0; c->environment && c->environment[i] && i < c->environment_count; i++)
		free(c->environment[i]);
	free(c->environment);
	c->environment = NULL;
	c->environment_count = 0;
}
