/* SPDX-License-Identifier: ISC */
/* From the text of a `listen` entry to the addresses that it means. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "address.h"

#include <stdbool.h>
#include <stddef.h>

struct endpoint {
	struct address address;
	bool dual; /* "*": one IPv6 socket that takes IPv4 too, an IPv4 one where IPv6 is missing */
};

/*
 * Reads "192.0.2.1:80", "*:80", "[::1]:http", "host:80", "/path" or "@name". Ports are numbers from 0 to 65535 or names of services(5)
 * for the protocol ("tcp"). A host name stands for each of its addresses.
 *
 * Returns the number of endpoints written to list, at most size; or -1 with a sentence for the user in why (whysize
 * bytes).
 */
int resolve_endpoint(const char *text, const char *protocol, struct endpoint *list, size_t size, char *why, size_t whysize);

#endif
