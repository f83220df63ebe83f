/* SPDX-License-Identifier: ISC */
/* What tests are given: addresses from text, a directory of their own, clients, and a bounded wait for what must happen. */
#ifndef GIVEN_H
#define GIVEN_H

#include "address.h"
#include "configuration.h"
#include "resolve.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

/* Milliseconds that something which must happen may take. Reached only by a test that fails. */
#define PATIENCE (20 * 1000)

/* "192.0.2.1:80", "[::1]:80", "[fe80::1%3]:80", "/path", "@name", or "" for no address. Asks no resolver. */
struct address given_address(const char *text);

/* The same; "*:80" is the dual wildcard. */
struct endpoint given_endpoint(const char *text);

/* Unchecked fixtures: a directory for the suite, removed with all that is in it. Checked: the test runs in one of its own. */
void given_suite_directory(void);
void given_no_suite_directory(void);
void given_directory(void);

/* Writes a file into the working directory. NULL for the text: no file. */
void given_file(const char *name, const char *text);
void given_file_of(const char *name, const void *data, size_t size);

/* The working directory. */
const char *given_here(void);

/* Loads a configuration for a user whose environment has PATH=/usr/bin:/bin and LANG=C; *said is set to given_complaints. */
struct configuration *given_configuration(const char *path, uid_t user, char **said);

/* Every complaint as "file:line: text\n", in memory that the caller frees. */
char *given_complaints(const struct complaints *c);

/* Does the text have exactly the lines of patterns (fnmatch(3), one in a line, each ended by a newline)? */
bool matches(const char *patterns, const char *text);

/* Waits until events are there; false if they do not come. */
bool comes(int fd, short events);

/* Waits until a condition holds, which is looked at again and again; false if it never does. */
bool becomes(bool (*condition)(void *data), void *data);

/* Has this machine IPv6, to itself at least? */
bool given_ipv6(void);

/* May this user's sockets have a filter? */
bool given_filters(void);

/* A connected client. */
int given_client(const struct address *server);

/* A client whose connect was begun: connected, refused, or under way. */
int given_attempt(const struct address *server);

/* A plain listening socket on an address; *bound tells where. */
int given_server(const char *text, int backlog, struct address *bound);

/* Reads until the end or size bytes; -1 with errno for an error, such as ECONNRESET. */
long read_all(int fd, void *data, size_t size);

#endif
