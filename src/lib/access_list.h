/* SPDX-License-Identifier: ISC */
/* Making an access list, and what the master needs to know of it. */
#ifndef ACCESS_LIST_H
#define ACCESS_LIST_H

#include "access.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_maker;

/* NULL with errno ENOMEM. */
struct access_maker *access_maker_new(void);
void access_maker_free(struct access_maker *m);

/*
 * Adds a rule as it is written: "192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "::ffff:192.0.2.0/120", "unix:uid=1000", "unix:gid=100"
 * (a name in place of the number is looked up). Address bits behind the prefix are an error: one of the two is a mistake. file and line
 * are where it stands, for the log. 0, or -1 with a sentence for the user in why (whysize bytes).
 */
int access_add(struct access_maker *m, bool allow, const char *text, const char *file, int line, char *why, size_t whysize);

/*
 * Adds a list file: one rule a line, `#` to the end of the line is a comment, blank lines are nothing. Calls complain for each bad
 * line (at most 20 of a file, then once with how many more) with the line number, or with 0 for the file as a whole. 0, or -1 if it has
 * complained.
 */
int access_add_file(struct access_maker *m, bool allow, const char *path,
                    void (*complain)(void *data, const char *path, int line, const char *text), void *data);

/* The same from memory: for the above, and for tests. */
int access_add_text(struct access_maker *m, bool allow, const char *text, size_t size, const char *path,
                    void (*complain)(void *data, const char *path, int line, const char *text), void *data);

/* How many rules were added so far for clients with an IP address, and how many for those of a path or abstract name. */
struct access_fit {
	size_t ip, local;
};

struct access_fit access_maker_fit(const struct access_maker *m);

/* Compiles what was added, into sealed shared memory. NULL with errno. The maker is freed in any case. */
struct access_list *access_make(struct access_maker *m);

struct access_list {
	unsigned holders;
	int fd; /* memfd, close-on-exec: another image maps it from here */
	size_t size;
	const struct access *access;
};

struct access_list *access_list_hold(struct access_list *l);
void access_list_release(struct access_list *l);

/* Do both decide alike, rule by rule, wherever the rules stand? NULL is no list. */
bool access_list_same(const struct access_list *a, const struct access_list *b);

/* How many rules there are that can decide. */
uint32_t access_list_rules(const struct access_list *l);
struct access_fit access_list_fit(const struct access_list *l);

/* One of them for the log: "allow 192.0.2.0/24 (/etc/friends:17)". An unknown number gets a text too. */
void access_list_describe(const struct access_list *l, uint32_t rule, char *out, size_t size);

#endif
