/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "trial.h"
#include "configuration.h"
#include "keys.h"
#include "log.h"
#include "master.h"

#include <sys/mman.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

#define EXIT_UNFIT 1

struct trial {
	struct server server;
	struct pool *pool;
	struct ev_loop *loop;
	struct ev_signal on_child;
	struct ev_prepare look;
};

/* The same grammar as everybody's: one service that nobody will connect to. */
static int write_configuration(char *const program[], char *path, size_t size)
{
	int fd = memfd_create("trial", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!f)
		return -1;
	fprintf(f, "service \"trial\" {\n\tlisten = { \"127.0.0.1:0\" }\n\tuser = \"%u\"\n", (unsigned)geteuid());
	fputs("\tlaunch = forkserver\n\tstop-at = first-io\n\tworkers { min-spare = 0 }\n\tpass-environment = { \"PATH\", \"LANG\", \"TZ\", \"HOME\" }\n\texec = {", f);
	for (size_t i = 0; program[i]; i++) {
		fputs(i > 0 ? ", " : " ", f);
		key_print_text(program[i], f);
	}
	fputs(" }\n}\n", f);
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fclose(f) == 0 ? fd : -1;
}

static struct configuration *load(char *const program[])
{
	const struct surroundings around = { .user = geteuid(), .environment = environ };
	struct complaints complaints = { 0 };
	struct configuration *c = NULL;
	char path[64];
	int fd = write_configuration(program, path, sizeof(path));

	if (fd < 0)
		return NULL;
	c = configuration_load(path, &around, &complaints);
	for (size_t i = 0; i < complaints.count; i++)
		fprintf(stderr, "preforkd: %s\n", complaints.list[i].text);
	complaints_free(&complaints);
	close(fd);
	return c;
}

/* What the pool says on its way is just what is to be known. */
static void say(enum log_level level, const char *line, void *data)
{
	const char *text = strncmp(line, "trial: ", 7) == 0 ? line + 7 : line;

	(void)data;
	printf("%s%s\n", level <= LOG_LEVEL_WARNING ? "! " : "  ", text);
}

static void on_child(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	struct trial *t = watcher->data;

	(void)loop;
	(void)events;
	server_reap(&t->server);
}

static void on_look(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
	struct trial *t = watcher->data;

	(void)events;
	launching_look(t->pool);
	if (launching_is_settled(t->pool))
		ev_break(loop, EVBREAK_ALL);
}

static int open_service(struct trial *t, struct service_config *c)
{
	struct service *s = server_add(&t->server, c);
	char why[LOG_LINE];
	struct listener *l = s ? listener_open(&c->endpoints[0].endpoint, &c->socket, 0, why, sizeof(why)) : NULL;
	int result = l ? service_open_pool(s, l, 0) : -1;

	if (l)
		listener_release(l);
	t->pool = result == 0 ? TAILQ_FIRST(&s->pools) : NULL;
	return result;
}

static int conclude(const struct pool *p)
{
	static const char *const launches[] = { "exec", "preexec", "forkserver" };
	static const char *const stops[] = { "main", "first-io", "first-write" };
	const struct launching *l = &p->launching;

	printf("launch = \"%s\"", launches[l->launch]);
	if (l->launch != LAUNCH_EXEC)
		printf("  stop-at = \"%s\"", stops[l->stop_at]);
	printf("%s%s\n", l->why[0] ? ": " : "", l->why);
	return l->launch == LAUNCH_FORKSERVER ? EXIT_FINE : EXIT_UNFIT;
}

static int run(struct trial *t, struct service_config *c, const char *library)
{
	int status = EXIT_TROUBLE;

	t->server.library = library;
	ev_signal_init(&t->on_child, on_child, SIGCHLD);
	ev_prepare_init(&t->look, on_look);
	t->on_child.data = t->look.data = t;
	ev_signal_start(t->loop, &t->on_child);
	if (open_service(t, c) == 0) {
		launching_look(t->pool);
		ev_prepare_start(t->loop, &t->look);
		if (!launching_is_settled(t->pool))
			ev_run(t->loop, 0);
		status = conclude(t->pool);
		pool_signal(t->pool, SIGKILL);
	}
	ev_prepare_stop(t->loop, &t->look);
	ev_signal_stop(t->loop, &t->on_child);
	server_free(&t->server);
	return status;
}

int trial_run(const char *library, char *const program[])
{
	struct configuration *c = load(program);
	struct trial t = { .loop = ev_loop_new(EVFLAG_NOENV) };
	int status = EXIT_TROUBLE;

	if (!c)
		return EXIT_USAGE;
	log_to(say, NULL);
	log_set_level(LOG_LEVEL_NOTICE);
	if (t.loop && server_init(&t.server, t.loop) == 0)
		status = run(&t, c->services[0], library);
	else
		fprintf(stderr, "preforkd: cannot start: %s\n", strerror(errno));
	if (t.loop)
		ev_loop_destroy(t.loop);
	configuration_free(c);
	return status;
}
