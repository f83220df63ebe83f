/* SPDX-License-Identifier: ISC */
/* The worker has a connection: the program finds it on 0 and 1, what tells about it in its environment, and nothing of ours. */
#include "image.h"

static struct variables variables;

/* In the array that the kernel made there is room for them. A program that has copied its environment by now does not see them. */
static void set_variables(void)
{
	char **at = image.envp;

	while (*at)
		at++;
	for (unsigned i = 0; i <= variables.count; i++)
		at[i] = variables.list[i];
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
	if (kernel_call(SYS_close_range, first, last, 0, 0, 0) < 0)
		for (int fd = first; fd <= last; fd++)
			kernel_close(fd);
	forget(w->board.header, b->board.size);
	forget(w->admission.sources.header, b->sources.size);
	forget(w->admission.access, b->access.size);
	forget(w->admission.proxy_from, b->proxy_from.size);
	forget(b, sizeof(*b) + b->banner.offset + b->banner.length);
	image.brief = NULL;
}
