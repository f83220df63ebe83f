/* SPDX-License-Identifier: ISC */
/*
 * What a process that is not preforkd's image is told so that it can be a worker or make some: the contract between the master and
 * the preload library.
 *
 * The master writes a brief into a memfd and executes the service's program with the library in front. The number of the memfd
 * stands in BRIEF_VARIABLE. All other descriptors that the image needs are open under the numbers that the brief names, next to each other
 * and out of the program's way. Both sides are of one build: the size says so.
 *
 * What the image tells goes through a socket, where the kernel vouches for the sender's pid (SO_PASSCRED). A pid that a message merely
 * names is never used, and a message decides nothing about any other service.
 */
#ifndef BRIEF_H
#define BRIEF_H

#include "worker.h"

#include <stddef.h>
#include <stdint.h>

#define BRIEF_VARIABLE "PREFORK_BRIEF"

enum launch {
	LAUNCH_EXEC,       /* the worker executes the program when it has a connection */
	LAUNCH_PREEXEC,    /* it has executed it before, and waits for a connection inside of it */
	LAUNCH_FORKSERVER, /* one image has executed it, and workers are forked from there */
	LAUNCHES,
};

enum stop_at {
	STOP_MAIN,        /* before main() */
	STOP_FIRST_IO,    /* when it first asks something of its connection */
	STOP_FIRST_WRITE, /* or answers it before it has asked */
	STOPS,
};

struct brief_memory {
	int fd; /* -1: there is none */
	uint64_t size;
};

struct brief_text {
	uint32_t kind; /* enum answer_kind */
	uint32_t offset, length; /* behind the struct */
};

struct brief {
	uint32_t size; /* of the struct */
	uint32_t launch;
	uint32_t stop_at;
	uint32_t slots, rows; /* of the board and of the sources */
	struct brief_memory board, sources, access, proxy_from;
	struct brief_text answers[REFUSALS], banner;
	int news;        /* the socket, -1 in a worker of LAUNCH_PREEXEC */
	int first, last; /* the image's own descriptors; the brief's is among them */
	char library[1024]; /* the path of the preload library */
	struct worker worker; /* its pointers mean nothing here */
};

/* What the master asks of a template. */
#define ORDER_MAX 32

struct order {
	uint32_t generation;
	uint32_t count; /* workers, one for each of these slots */
	uint32_t slots[ORDER_MAX];
};

/* What an image tells. */
enum news_kind {
	NEWS_LOADED = 1, /* the library is there */
	NEWS_READY,     /* a template has stopped where it should; value: where (enum stop_at) */
	NEWS_WORKER,    /* the sender is the worker of this slot */
	NEWS_UNFIT,     /* the image cannot be shared; text says why, value is what is left (enum launch) */
	NEWS_EARLY,     /* the program answered before it asked: it can be stopped before main() only */
	NEWS_EXITED,    /* it exits without having asked anything; value: the status */
	NEWS_TROUBLE,   /* no worker could be made; value: errno */
};

#define NEWS_TEXT 96

struct news {
	uint32_t kind;
	uint32_t slot;
	int32_t value;
	uint32_t threads;
	uint32_t memory; /* KiB in use */
	char text[NEWS_TEXT];
};

#endif
