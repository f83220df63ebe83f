/* SPDX-License-Identifier: ISC */
/*
 * A client's host name, asked of a resolver (resolver.h): a worker must not ask the C library, and it must not wait for a name
 * longer than it was told to.
 *
 * A request is one datagram through the door that all workers of a service share: the client's socket address, and with it one end of
 * a socket pair (SCM_RIGHTS) for the answer. The answer is one message there: the name, without an end of its own. No
 * name: the end is closed.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "address.h"
#include "variables.h"

#include <stdbool.h>

#define LOOKUP_DOOR SOCK_DGRAM       /* a socket pair: resolvers read one end, workers write the other */
#define LOOKUP_ANSWER SOCK_SEQPACKET /* keeps messages whole, and tells when the other end is gone */

/*
 * Waits for at most `timeout` ms. True with the name in `name` (HOST_NAME bytes, ended by a NUL). False if there is none: it
 * did not come in time, the door is full or shut, or it is not made of letters, digits, '-', '.' and '_'.
 */
bool lookup_host(int door, int timeout, const struct address *peer, char *name);

#endif
