/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int room; /* bytes of argv[0] that a title has to cover; 0: not initialised */

void title_init(int argc, char *argv[], char *envp[])
{
	setproctitle_init(argc, argv, envp);
	room = (int)strlen(argv[0]) + 1;
}

/* libbsd marks a title that is shorter than argv[0] with a dot behind it, which ps shows; spaces it does not. */
void title_set(const char *format, ...)
{
	char text[256];
	int prefix = (int)strlen(getprogname()) + 2;
	va_list ap;

	if (room == 0)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	setproctitle("%-*s", room > prefix ? room - prefix : 0, text);
}
