/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "service_config.h"
#include "environment.h"

#include <stdlib.h>
#include <string.h>

static const unsigned resources[LIMITS] = {
	[LIMIT_NOFILE] = RLIMIT_NOFILE, [LIMIT_CORE] = RLIMIT_CORE,   [LIMIT_CPU] = RLIMIT_CPU,
	[LIMIT_AS] = RLIMIT_AS,         [LIMIT_DATA] = RLIMIT_DATA,   [LIMIT_STACK] = RLIMIT_STACK,
	[LIMIT_FSIZE] = RLIMIT_FSIZE,   [LIMIT_NPROC] = RLIMIT_NPROC, [LIMIT_MEMLOCK] = RLIMIT_MEMLOCK,
};

static const struct socket_options default_socket = {
	.backlog = BACKLOG_MAX,
	.bind = BIND_STRICT,
	.v6only = UNSET,
	.reuse_port = UNSET,
	.nodelay = UNSET,
	.keepalive = UNSET,
	.keepalive_idle = UNSET,
	.keepalive_interval = UNSET,
	.keepalive_count = UNSET,
	.defer_accept = UNSET,
	.send_buffer = UNSET,
	.receive_buffer = UNSET,
	.tos = UNSET,
	.mark = UNSET,
	.fast_open = UNSET,
	.owner_id = (uid_t)-1,
	.group_id = (gid_t)-1,
	.mode = 0666,
};

static const struct pool_size default_workers = {
	.min_spare = 1,
	.max_spare = UNSET, /* 4, or min_spare */
	.max = 64,
	.start = UNSET, /* min_spare */
	.recycle_jitter = 10,
	.idle_timeout = 60 * 1000,
};

static const struct rate_config no_rate = { .count = UNSET, .burst = UNSET };

/* What a program sees of the daemon's own environment. */
static char **default_pass(void)
{
	static const char *const names[] = { "PATH", "LANG", "TZ" };
	const size_t count = sizeof(names) / sizeof(names[0]);
	char **list = calloc(count + 1, sizeof(*list));

	for (size_t i = 0; list && i < count; i++)
		if (!(list[i] = strdup(names[i]))) {
			string_list_free(list);
			return NULL;
		}
	return list;
}

struct service_config *service_config_new(void)
{
	struct service_config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->pass_environment = default_pass();
	c->when_full = strdup("queue");
	c->when_denied = strdup("close");
	c->when_limited = strdup("close");
	c->directory = strdup("/");
	c->holders = 1;
	c->enabled = true;
	c->socket = default_socket;
	c->workers = default_workers;
	c->sets = VARIABLES_ALL;
	c->stderr_to = STDERR_LOG;
	c->log_connections = LOG_CONNECTIONS_BOTH;
	c->umask = 022;
	c->oom_score_adjust = UNSET;
	c->max_load = UNSET;
	c->rate = no_rate;
	c->source = (struct source_limits){ .max = UNSET, .rate = no_rate, .prefix_v4 = 32, .prefix_v6 = 64 };
	c->proxy.timeout = 5 * 1000;
	c->time_limit = UNSET;
	c->first_byte_limit = UNSET;
	c->kill_after = 10 * 1000;
	c->lookup_timeout = 5 * 1000;
	c->restart_min = 100;
	c->restart_max = 30 * 1000;
	for (int i = 0; i < LIMITS; i++)
		c->limit[i].resource = resources[i];
	if (c->pass_environment && c->when_full && c->when_denied && c->when_limited && c->directory)
		return c;
	service_config_release(c);
	return NULL;
}

struct service_config *service_config_hold(struct service_config *c)
{
	c->holders++;
	return c;
}

void string_list_free(char **list)
{
	for (char **at = list; at && *at; at++)
		free(*at);
	free(list);
}

static void release_written(struct service_config *c)
{
	string_list_free(c->listen);
	string_list_free(c->exec);
	free(c->argv0);
	free(c->builtin);
	free(c->user);
	free(c->group);
	string_list_free(c->groups);
	free(c->chroot);
	free(c->directory);
	string_list_free(c->own_environment);
	string_list_free(c->pass_environment);
	free(c->when_full);
	free(c->when_denied);
	free(c->when_limited);
	string_list_free(c->allow);
	string_list_free(c->deny);
	string_list_free(c->access_times);
	string_list_free(c->proxy.from);
	free(c->banner);
	free(c->socket.interface);
	free(c->socket.owner);
	free(c->socket.group);
}

static void release_resolved(struct service_config *c)
{
	for (size_t i = 0; i < c->endpoint_count; i++)
		free(c->endpoints[i].text);
	free(c->endpoints);
	free(c->program);
	string_list_free(c->argv);
	free(c->identity.name);
	free(c->identity.groups);
	free(c->identity.home);
	free(c->identity.shell);
	environment_release(c);
	free(c->answer_full.text);
	free(c->answer_denied.text);
	free(c->answer_limited.text);
	free(c->welcome.text);
	access_list_release(c->access);
	access_list_release(c->proxy_from);
}

void service_config_release(struct service_config *c)
{
	if (!c || --c->holders > 0)
		return;
	release_written(c);
	release_resolved(c);
	free(c->name);
	free(c->file);
	free(c);
}
