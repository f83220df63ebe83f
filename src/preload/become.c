/* SPDX-License-Identifier: ISC */
/* The worker has a connection: the program finds it on 0 and 1, what tells about it in its environment, and nothing of ours. */
#include "image.h"

#include <sys/prctl.h>

/* The C library's, where there is one. */
extern char **environ __attribute__((weak));

static struct variables variables;

#define ENVIRONMENT_MAX 4096 /* entries of an environment that the program has made anew */

static char *renewed[ENVIRONMENT_MAX + VARIABLES_MAX + 1];

static unsigned append(char **list, unsigned at)
{
	for (unsigned i = 0; i <= variables.count; i++)
		list[at + i] = variables.list[i];
	return at + variables.count;
}

/* In its own place there is room for them; a copy that the program has made since is copied once more. */
static void set_variables(void)
{
	char **list = &environ && environ ? environ : image.envp;
	unsigned n = 0;

	while (list[n])
		n++;
	if (list == image.envp) {
		append(list, n);
		return;
	}
	for (unsigned i = 0; i < n && i < ENVIRONMENT_MAX; i++)
		renewed[i] = list[i];
	append(renewed, n < ENVIRONMENT_MAX ? n : ENVIRONMENT_MAX);
	environ = renewed;
}

static void forget(const void *memory, size_t size)
{
	if (memory)
		kernel_munmap(memory, size);
}

void become_program(void)
{
	struct worker *w = &image.worker;
	const struct brief *b = image.brief;
	int first = b->first, last = b->last, error;

	variables_fill(&variables, &w->connection, w->sets);
	set_variables();
	error = worker_hand_over(w);
	if (error < 0)
		worker_fail(w, STEP_DESCRIPTORS, -error);
	kernel_close(w->connection.fd);
	kernel_call(SYS_close_range, first, last, 0, 0, 0);
	forget(w->board.header, b->board.size);
	forget(w->admission.sources.header, b->sources.size);
	forget(w->admission.access, b->access.size);
	forget(w->admission.proxy_from, b->proxy_from.size);
	kernel_prctl(PR_SET_DUMPABLE, 1);
}
