/* SPDX-License-Identifier: ISC */
/* The daemon: a server, the configuration that it runs, and the signals that move it. */
#ifndef MASTER_H
#define MASTER_H

#include "configuration.h"
#include "logging.h"
#include "server.h"

#include <ev.h>
#include <stdbool.h>

struct options {
	const char *file;
	const char *pid_file; /* NULL: not given */
	bool check;
	bool detach;
	bool verbose;
};

struct master {
	const struct options *options;
	char *file;     /* absolute */
	char *pid_file; /* likewise; NULL: as the configuration says */
	struct surroundings around;
	struct configuration *configuration;
	struct server server;
	struct ev_loop *loop;
	struct ev_signal signals[8];
};

/* Exit statuses, as in UCSPI. */
#define EXIT_FINE 0
#define EXIT_USAGE 100   /* or configuration */
#define EXIT_TROUBLE 111 /* of the system */

/* From now on signals wait: what is being made would stay behind if one ended the daemon. */
void master_hold_signals(void);

/* From now on signals are noted, to be acted upon by master_run, and so are those that have waited. */
void master_watch(struct master *m);

/* Signals wait again, for the end of the process. */
void master_unwatch(struct master *m);

/*
 * Opens the services of the configuration, without workers. 0, or -1 if not one of its addresses could be opened or is waited for;
 * each failure has been logged.
 */
int master_open(struct master *m);

/* Makes the workers and runs until it is stopped. */
void master_run(struct master *m);

/* Reads the configuration anew and brings the server to it; or keeps the old one and says why. */
void reload(struct master *m);

/* Logs every complaint. */
void master_log_complaints(const struct complaints *c, const char *prefix);

/*
 * Opens one address of a service's configuration: a listener, or NULL with errno and the sentence for it in why (LOG_LINE bytes). Then
 * *wait says whether the address is to be waited for. `how` is that of listener_open.
 */
struct listener *master_open_address(const struct service_config *c, size_t index, unsigned how, bool *wait, char *why);

/* Where the log goes: in the background standard error leads nowhere. */
const char *master_log_destination(const struct master *m, const struct configuration *c);

/* Brings the log's level to the configuration. */
void master_set_log_level(const struct master *m);

/* Brings the log to the place that was prepared for the configuration, and takes that over. */
void master_change_log(struct master *m, struct log_place *place);

#endif
