/* SPDX-License-Identifier: ISC */
/*
 * The PROXY protocol, version 1 and 2, as haproxy's proxy-protocol.txt defines it: a header in front of the connection's own bytes in
 * which a trusted sender tells whose connection it is.
 *
 * Parsing is a function of bytes. Reading takes exactly the header from the socket and not a byte more: the program finds the rest.
 * Nothing here allocates or asks the C library.
 */
#ifndef PROXY_H
#define PROXY_H

#include "address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_HEADER_MAX 8192 /* bytes; a longer header is refused */

/* Bytes of a header; NULL: not there. Not ended by a NUL. */
struct proxy_text {
	const unsigned char *at;
	size_t length;
};

struct proxy {
	int version;   /* 1 or 2 */
	bool local;    /* LOCAL, UNKNOWN, AF_UNSPEC: the connection's own addresses hold */
	struct address peer, own; /* else: the client's and the address that it asked for; length 0 for AF_UNIX of version 2 */
	struct proxy_text authority, alpn, unique_id, tls_version, tls_cipher, tls_name; /* the client certificate's common name */
	bool tls;      /* the client came over TLS */
	bool verified; /* and showed a certificate that was found good */
};

enum proxy_result {
	PROXY_FOUND,
	PROXY_SHORT,   /* what is there is the beginning of a header */
	PROXY_ABSENT,  /* it does not begin like a header */
	PROXY_BAD,     /* it begins like one and is none */
	PROXY_TIMEOUT, /* from here on only of proxy_read: the rest did not come in time */
	PROXY_SILENT,  /* not one byte came in time */
	PROXY_CLOSED,  /* the end of the stream, or an error, came first */
};

/* Parses the first `size` bytes of a stream. PROXY_FOUND: *length is the header's; out points into data. */
enum proxy_result proxy_parse(const unsigned char *data, size_t size, struct proxy *out, size_t *length);

/*
 * Reads one header from a connected socket, within `timeout` ms. buffer has PROXY_HEADER_MAX bytes and must stay as long as out. When the
 * result is PROXY_ABSENT or PROXY_SILENT nothing was taken from the socket. *length is the header's with PROXY_FOUND.
 */
enum proxy_result proxy_read(int fd, int timeout, unsigned char *buffer, struct proxy *out, size_t *length);

/* "malformed", "missing", for the log. */
const char *proxy_result_name(enum proxy_result result);

#endif
