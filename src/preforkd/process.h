/* SPDX-License-Identifier: ISC */
/* The daemon's own process: what it inherited, and how it goes into the background. */
#ifndef PROCESS_H
#define PROCESS_H

/*
 * Brings the process to a known state, whatever started it: descriptors 0 to 2 are open, every signal has its default and none
 * is blocked but SIGHUP, SIGUSR1 and SIGUSR2, which wait; the umask is 022. Exits with 111 if that can't be done.
 */
void process_sanitize(void);

/*
 * Forks; the parent waits and exits as the child says. Returns, in the child, the descriptor for process_release_parent; or -1
 * with errno.
 */
int process_detach(void);

/*
 * 0 and 1 become /dev/null: the daemon reads and writes neither, and its workers keep no terminal or pipe of whoever started it
 * open.
 */
void process_close_terminal(void);

/*
 * The daemon is ready: it goes to /, and the parent exits with 0. -1: there is no parent, and nothing is done. If the child exits
 * without this call, the parent exits with the child's status.
 */
void process_release_parent(int fd);

/* Gives memory that is free back to the system: what is still mapped costs each fork its page tables. */
void process_trim(void);

#endif
