/* SPDX-License-Identifier: ISC */
/*
 * A socket address and its text. Nothing here allocates, asks the C library or keeps state: it runs in every worker, also inside
 * another program's image. Turning text into addresses needs the resolver and is resolve.h.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
	socklen_t length; /* 0: no address */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un path;
	} socket;
};

/* The two ends of a TCP connection as the kernel finds it; ports in network order. IPv4 has 4 bytes of 16. */
struct flow {
	uint16_t family; /* AF_INET or AF_INET6; 0: none */
	uint16_t local_port, peer_port;
	uint16_t spare;
	uint32_t interface; /* that a link-local address belongs to */
	unsigned char local[16], peer[16];
};

/* Room for the longest text: a path or abstract name of 108 bytes, each byte perhaps as \xNN, and a NUL. */
#define ADDRESS_TEXT 440
/* Room for an IP address alone, with an interface's number behind it ("fe80::1%12"), and a NUL. */
#define ADDRESS_IP 64

static inline int address_family(const struct address *a)
{
	return a->length ? a->socket.any.sa_family : AF_UNSPEC;
}

/* Port in host order, 0 where the family has none. */
unsigned address_port(const struct address *a);
void address_set_port(struct address *a, unsigned port);

/* An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for. */
void address_unmap(struct address *a);

bool address_is_wildcard(const struct address *a);
bool address_equal(const struct address *a, const struct address *b);

/*
 * Can a and b not be bound at the same time? True where family, port and address are the same or one of the addresses is
 * the wildcard; an IPv6 wildcard meets IPv4 only when it is dual.
 */
bool address_conflicts(const struct address *a, bool a_dual, const struct address *b, bool b_dual);

/*
 * Writes the address as text and returns its length without the NUL. "192.0.2.7:50312", "[2001:db8::1]:80", "/run/x.sock",
 * "@name", "unix" for a socket without a name. IPv6 as in RFC 5952. In names bytes that are not visible ASCII become \xNN. Needs
 * ADDRESS_TEXT bytes.
 */
size_t address_text(const struct address *a, char *out);

/* A path or abstract name as it is, for programs: only a NUL in an abstract name becomes '@'. Needs ADDRESS_TEXT bytes. */
size_t address_path(const struct address *a, char *out);

/* The address alone, without port, brackets or path: "192.0.2.7". Needs ADDRESS_IP bytes. Empty for other families. */
size_t address_ip(const struct address *a, char *out);

/* No flow where the two are not IP addresses of one family. */
void address_flow(const struct address *local, const struct address *peer, struct flow *out);

/* An unsigned number in decimal (at most 20 digits and a NUL), or in lower-case hexadecimal (16 and a NUL). */
size_t address_decimal(unsigned long long number, char *out);
size_t address_hexadecimal(unsigned long long number, char *out);

#endif
