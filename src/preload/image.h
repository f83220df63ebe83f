/* SPDX-License-Identifier: ISC */
/*
 * The preload library: what lives inside the image of a service's program until it gets a connection.
 *
 *     start.c      the constructor: reads the brief, hides every trace of it, stops here or arms the dispatch
 *     dispatch.c   catches the program's system calls until it asks something of its connection (first-io)
 *     touch.c      which call asks what; a function of its number and arguments
 *     stop.c       the program has stopped: the process becomes a worker, or a template that makes workers
 *     examine.c    can this image be shared? what has it open?
 *     target.c     can a program be stopped that this one is about to execute?
 *     become.c     a worker has a connection: the program goes on with it
 *
 * The library uses nothing but the kernel and libpath: every function that it could call in the C library may be the program's own. It
 * allocates nothing and leaves no descriptor, no signal and no variable behind.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include "brief.h"
#include "kernel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILES_MAX 64 /* files that an image may have open when it stops */

/* A file that the program has open at the stop: each worker opens it again for itself, at the same place. */
struct image_file {
	int fd, flags, descriptor_flags;
	int same; /* another one of them that shares its place with this; -1: none */
	int64_t offset;
};

struct image {
	const struct brief *brief;
	int descriptor; /* of the brief */
	struct worker worker;
	struct answer answers[REFUSALS], banner;
	char **envp; /* as the kernel gave it, our own variables taken out */
	struct image_file files[FILES_MAX];
	unsigned file_count;
	int is_subreaper;
	int death_signal; /* that the program wants when its parent ends */
};

extern struct image image;

/* The kernel's view of a signal's action. */
struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	kernel_sigset mask;
};

static inline long kernel_action(int sig, const struct kernel_action *action, struct kernel_action *old)
{
	return kernel_call(SYS_rt_sigaction, sig, (long)action, (long)old, sizeof(kernel_sigset), 0);
}

/* Tells the master; false if it is gone. */
bool tell_master(enum news_kind kind, uint32_t slot, int value, const char *text);

/*
 * The program has stopped, and goes on only in a process that has a connection: then it returns with the signals as they were. A template
 * never returns.
 */
void stop(enum stop_at where);

/* Why this image cannot be forked, or NULL. Fills image.files and how many threads there are. */
const char *examine(uint32_t *threads);
uint32_t memory_in_use(void);
bool has_timer(void);
bool has_pending(void);

/* Why an image that execve makes of this file cannot be stopped, or NULL. */
const char *obstacle_to_stop(int directory, const char *path, int flags);

/* The worker's files become its own; a negative errno if one cannot. */
int reopen_files(void);

/* The connection goes to the program, and all that is ours goes away. */
void become_program(void);

/* Catches every system call of the program from now on; false where the kernel or the machine cannot. */
bool dispatch_arm(void);
void dispatch_end(void);

/* Is it one of the image's own descriptors? */
static inline bool is_ours(long fd)
{
	return image.brief && fd >= image.brief->first && fd <= image.brief->last;
}

/* For execve before the stop: the environment with the library in it again; NULL if there is no room. */
#define CARRIED_MAX 1024
char **carry_environment(char *const *envp, char **list, size_t size);

/* What is ours goes into the image that an execve makes, or not: a child that the program makes for itself has nothing of it. */
void keep_over_exec(bool keep);

#endif
