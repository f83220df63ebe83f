/* SPDX-License-Identifier: ISC */
/* The steps of a worker's birth and hand-over, so that a failure can be told as step, object and errno. */
#ifndef STEP_H
#define STEP_H

enum step {
	STEP_NONE,
	STEP_BOARD,
	STEP_SIGNALS,
	STEP_SESSION,
	STEP_OOM_SCORE,
	STEP_NICE,
	STEP_LIMITS,
	STEP_CHROOT,
	STEP_DIRECTORY,
	STEP_GROUPS,
	STEP_GROUP,
	STEP_USER,
	STEP_REGAINED,
	STEP_NO_NEW_PRIVILEGES,
	STEP_STDERR,
	STEP_PARENT,
	STEP_ACCEPT,
	STEP_DESCRIPTORS,
	STEP_FILES,
	STEP_EXEC,
	STEPS,
};

/* "change to the directory", to be read behind "cannot" and before the object. An unknown number gets a text too. */
const char *step_text(unsigned step);

#endif
