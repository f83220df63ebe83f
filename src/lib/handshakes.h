/* SPDX-License-Identifier: ISC */
/*
 * TCP handshakes that have begun and not ended: clients that will be in a listener's queue when their answer is here, or when they
 * send something, where accept is deferred. The queue does not count them.
 */
#ifndef HANDSHAKES_H
#define HANDSHAKES_H

#include "address.h"

#include <stdbool.h>
#include <stdint.h>

#define HANDSHAKES_MOST 1024

/* All of this machine at one moment; the kernel goes through every connection to find them. */
struct handshakes {
	bool looked, known;
	unsigned count; /* HANDSHAKES_MOST: there may be more */
	struct handshake {
		int family;
		uint16_t port;
		uint8_t address[16];
	} list[HANDSHAKES_MOST];
};

/*
 * How many there are with a listener that is bound to this address; more than those in the list count as one of every listener. -1:
 * the kernel does not tell. Looks when it is called for the first time; the list begins as zeros.
 */
int handshakes_with(struct handshakes *h, const struct address *bound);

#endif
