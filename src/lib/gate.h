/* SPDX-License-Identifier: ISC */
/*
 * A service's gate: whether the hour and the machine's load let its clients in. The master works it out and says it on the
 * boards of the service's pools, where a worker reads one number; nobody looks at a clock or a load for each connection.
 */
#ifndef GATE_H
#define GATE_H

#include "record.h"
#include "service_config.h"

#include <ev.h>
#include <time.h>

struct server;
struct service;

#define LOAD_EVERY 5.0 /* s */
#define LOAD_UNKNOWN (-1)

struct gate {
	enum refusal state;      /* REFUSED_NOT: open */
	struct ev_periodic hour; /* runs while there are hours: fires when they change, also because the clock was set */
};

/* The machine's load. */
struct load {
	int latest; /* over one minute, in hundredths; LOAD_UNKNOWN */
	struct ev_timer timer; /* runs while a service has a max-load */
};

/* What a gate is to be: a function of a configuration, the time, and the load in hundredths. */
enum refusal gate_decide(const struct service_config *c, time_t now, int load);

/* Works a service's gate out anew and tells its pools; a change is logged. */
void gate_look(struct service *s, time_t now);

/* The service has this configuration from now on: before its pools are made. */
void gate_follow(struct service *s);

void gate_init(struct service *s);
void gate_stop(struct service *s);

void gate_init_load(struct server *s);
void gate_stop_load(struct server *s);

#endif
