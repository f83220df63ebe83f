/* SPDX-License-Identifier: ISC */
/* The worker becomes the service's program, which finds what preforkd.conf(5) promises and nothing else. */
#include "config.h"

#include "handlers.h"
#include "kernel.h"

static void serve(struct worker *w, const struct service_config *c)
{
	struct variables connection;
	int error;

	variables_fill(&connection, &w->connection, w->sets);
	for (unsigned i = 0; i <= connection.count; i++)
		c->environment[c->environment_count + i] = connection.list[i];
	error = worker_hand_over(w);
	if (error < 0)
		worker_fail(w, STEP_DESCRIPTORS, -error);
	error = kernel_execve(c->program, c->argv, c->environment);
	worker_fail(w, STEP_EXEC, -error);
}

const struct handler handler_exec = { .name = "exec", .repeats = false, .serve = serve };
