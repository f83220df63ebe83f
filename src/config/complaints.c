/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "complaints.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int same_file(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A mistake in `defaults` is met once for each service. */
static int is_known(const struct complaints *c, const char *file, int line, const char *text)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->list[i].line == line && same_file(c->list[i].file, file) && strcmp(c->list[i].text, text) == 0)
			return 1;
	return 0;
}

void complain(struct complaints *c, const char *file, int line, const char *format, ...)
{
	struct complaint *list;
	char *text;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	list = text && !is_known(c, file, line, text) ? reallocarray(c->list, c->count + 1, sizeof(*list)) : NULL;
	if (!list) {
		free(text);
		return;
	}
	c->list = list;
	list[c->count++] = (struct complaint){ .file = file ? strdup(file) : NULL, .line = line, .text = text };
}

void complaints_free(struct complaints *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->list[i].file);
		free(c->list[i].text);
	}
	free(c->list);
	*c = (struct complaints){ 0 };
}
