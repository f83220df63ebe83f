/* SPDX-License-Identifier: ISC */
/*
 * What a service is, as its administrator wrote it: a record without behaviour, made by config/ (or by a caller of the library) and
 * constant from then on. Everything that changes while a service runs is in service.h.
 *
 * Times are milliseconds, sizes bytes. UNSET in a number means that the system's own value is left alone.
 */
#ifndef SERVICE_CONFIG_H
#define SERVICE_CONFIG_H

#include "access_list.h"
#include "resolve.h"
#include "worker.h"

#include <sys/resource.h>
#include <sys/types.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNSET INT_MIN

#define BACKLOG_MAX INT_MAX /* as much as the system allows */

enum bind_policy {
	BIND_STRICT, /* an address that is not there is an error */
	BIND_RETRY,  /* it is waited for */
	BIND_FREE,   /* it is bound all the same */
};

struct socket_options {
	int backlog;
	int bind; /* enum bind_policy */
	int v6only, reuse_port, nodelay, keepalive; /* yes or no */
	int keepalive_idle, keepalive_interval, keepalive_count;
	int defer_accept; /* ms */
	int send_buffer, receive_buffer;
	int tos, mark, fast_open;
	char *interface;
	/* Of a path: */
	char *owner, *group; /* as written, NULL: whoever makes it */
	uid_t owner_id;
	gid_t group_id;
	int mode;
};

/* Who a worker is. */
struct identity {
	bool change; /* false: whoever started the master, who is this user anyway */
	char *name;
	uid_t user;
	gid_t group;
	gid_t *groups;
	size_t group_count;
	char *home, *shell;
};

struct limit {
	unsigned resource; /* RLIMIT_* */
	bool set;
	struct rlimit value;
};

enum { LIMIT_NOFILE, LIMIT_CORE, LIMIT_CPU, LIMIT_AS, LIMIT_DATA, LIMIT_STACK, LIMIT_FSIZE, LIMIT_NPROC, LIMIT_MEMLOCK, LIMITS };

struct pool_size {
	int min_spare, max_spare, max, start;
	int max_connections, recycle_jitter; /* 0: no limit; per cent */
	int idle_timeout;
};

enum log_connections {
	LOG_CONNECTIONS_NONE,
	LOG_CONNECTIONS_START,
	LOG_CONNECTIONS_END,
	LOG_CONNECTIONS_BOTH,
};

/* "30/min": so many in so many ms, and how many at once. count UNSET: no limit; burst UNSET: as many as count. */
struct rate_config {
	int count, per, burst;
};

/* What one client network may have. */
struct source_limits {
	int max; /* connections at a time, UNSET: no limit */
	struct rate_config rate;
	int prefix_v4, prefix_v6; /* bits that make a network */
};

enum proxy_mode {
	PROXY_OFF,
	PROXY_REQUIRED,
	PROXY_OPTIONAL,
};

struct proxy_config {
	int mode; /* enum proxy_mode */
	char **from;
	int timeout;
};

struct service_config;

/* What a worker does with a connection. */
struct handler {
	const char *name;
	bool repeats; /* the worker comes back and may serve another */
	/* Serves w->connection. A handler that does not repeat returns only if it failed, after worker_fail. */
	void (*serve)(struct worker *w, const struct service_config *c);
};

struct endpoint_config {
	struct endpoint endpoint;
	char *text; /* as written */
	const char *file;
	int line;
};

struct service_config {
	unsigned holders;
	char *name;
	char *file; /* where it is configured */
	int line;

	/* As written; lists end with NULL, and what was not written is NULL or UNSET. */
	int enabled;
	char **listen;
	struct socket_options socket;
	char **exec, *argv0, *builtin;
	char *user, *group, **groups;
	char *chroot, *directory;
	int umask, nice, oom_score_adjust;
	int no_new_privileges;
	struct limit limit[LIMITS];
	char **own_environment, **pass_environment;
	unsigned sets;       /* VARIABLES_* */
	int stderr_to;       /* enum stderr_to */
	int log_connections; /* enum log_connections */
	struct pool_size workers;
	char *when_full, *when_denied, *when_limited;
	char **allow, **deny;
	char **access_times;
	int max_load; /* hundredths of the one-minute load, UNSET: no limit */
	struct rate_config rate;
	struct source_limits source;
	struct proxy_config proxy;
	int time_limit, first_byte_limit; /* UNSET: none */
	int kill_after;
	char *banner;
	int lookup_hostname;
	int lookup_timeout;
	int restart_min, restart_max;

	/* What follows from it. */
	struct endpoint_config *endpoints;
	size_t endpoint_count;
	const struct handler *handler;
	char *program; /* of exec: the path that is executed, inside the root directory if there is one */
	char **argv;
	struct identity identity;
	char **environment; /* all but the connection's variables, for which there is room at its end */
	size_t environment_count;
	struct answer answer_full, answer_denied, answer_limited;
	struct answer welcome; /* the text of banner; ANSWER_TEXT or nothing */
	struct access_list *access;     /* of allow and deny; NULL: neither was given, everybody may come */
	struct access_list *proxy_from; /* whose PROXY header is taken; NULL: nobody's */
};

/* A service with every default of preforkd.conf(5) and nothing else. NULL with errno ENOMEM. */
struct service_config *service_config_new(void);

/* Frees a list that ends with NULL, and its strings. */
void string_list_free(char **list);

struct service_config *service_config_hold(struct service_config *c);
void service_config_release(struct service_config *c);

#endif
