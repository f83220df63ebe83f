/* SPDX-License-Identifier: ISC */
/* What a TCP connection has received so far, by the kernel's own count. The connection may be another process's. */
#ifndef RECEIVED_H
#define RECEIVED_H

#include "address.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Bytes that have arrived, in order, read or not; -1 if that is unknown: the connection is gone, or the kernel does not tell. The
 * cookie (SO_COOKIE) says which connection of those two ends is meant. The interface is the one that the socket is bound to,
 * 0 for none.
 */
int64_t received_bytes(const struct flow *f, uint64_t cookie, unsigned interface);

/* Does this kernel tell? */
bool received_is_told(void);

#endif
