/* SPDX-License-Identifier: ISC */
/* --check-forkserver: would a program do as an image? */
#ifndef TRIAL_H
#define TRIAL_H

/*
 * Executes the program with the preload library, as the user who runs this, until it has stopped or it is clear that it will not. Says
 * on standard output what was seen and what a service with launch = forkserver would choose. Returns the exit status: 0 if it can be
 * forked, 1 if not, 100 if there is no such program, 111 for trouble.
 */
int trial_run(const char *library, char *const program[]);

#endif
