/* SPDX-License-Identifier: ISC */
#include "address.h"

/* The compiler may turn loops into memcpy and memset; it is not asked to here. */
static void copy(void *to, const void *from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	while (size-- > 0)
		*t++ = *f++;
}

static bool same(const void *a, const void *b, size_t size)
{
	const unsigned char *p = a, *q = b;

	for (; size > 0; size--)
		if (*p++ != *q++)
			return false;
	return true;
}

/* Ports stand in network order; this is ntohs and htons without asking which of them is a function. */
static uint16_t swap(uint16_t port)
{
	const unsigned char *byte = (const unsigned char *)&port;

	return (uint16_t)(byte[0] << 8 | byte[1]);
}

unsigned address_port(const struct address *a)
{
	switch (address_family(a)) {
	case AF_INET:
		return swap(a->socket.v4.sin_port);
	case AF_INET6:
		return swap(a->socket.v6.sin6_port);
	default:
		return 0;
	}
}

void address_set_port(struct address *a, unsigned port)
{
	if (address_family(a) == AF_INET)
		a->socket.v4.sin_port = swap((uint16_t)port);
	else if (address_family(a) == AF_INET6)
		a->socket.v6.sin6_port = swap((uint16_t)port);
}

static bool is_mapped(const unsigned char *ip)
{
	static const unsigned char prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return same(ip, prefix, sizeof(prefix));
}

void address_unmap(struct address *a)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (address_family(a) != AF_INET6 || !is_mapped(a->socket.v6.sin6_addr.s6_addr))
		return;
	v4.sin_port = a->socket.v6.sin6_port;
	copy(&v4.sin_addr, a->socket.v6.sin6_addr.s6_addr + 12, 4);
	a->socket.v4 = v4;
	a->length = sizeof(v4);
}

bool address_is_wildcard(const struct address *a)
{
	static const unsigned char zero[16];

	switch (address_family(a)) {
	case AF_INET:
		return same(&a->socket.v4.sin_addr, zero, 4);
	case AF_INET6:
		return same(&a->socket.v6.sin6_addr, zero, 16);
	default:
		return false;
	}
}

static bool same_ip(const struct address *a, const struct address *b)
{
	if (address_family(a) == AF_INET)
		return same(&a->socket.v4.sin_addr, &b->socket.v4.sin_addr, 4);
	return same(&a->socket.v6.sin6_addr, &b->socket.v6.sin6_addr, 16) &&
	       a->socket.v6.sin6_scope_id == b->socket.v6.sin6_scope_id;
}

bool address_equal(const struct address *a, const struct address *b)
{
	if (address_family(a) != address_family(b))
		return false;
	switch (address_family(a)) {
	case AF_INET:
	case AF_INET6:
		return address_port(a) == address_port(b) && same_ip(a, b);
	default:
		return a->length == b->length && same(&a->socket, &b->socket, a->length);
	}
}

bool address_conflicts(const struct address *a, bool a_dual, const struct address *b, bool b_dual)
{
	int fa = address_family(a), fb = address_family(b);

	if ((fa != AF_INET && fa != AF_INET6) || (fb != AF_INET && fb != AF_INET6))
		return address_equal(a, b);
	if (address_port(a) == 0 || address_port(a) != address_port(b))
		return false;
	if (fa == fb)
		return address_is_wildcard(a) || address_is_wildcard(b) || same_ip(a, b);
	return fa == AF_INET6 ? a_dual && address_is_wildcard(a) : b_dual && address_is_wildcard(b);
}

static void clear(struct flow *f)
{
	f->family = f->local_port = f->peer_port = f->spare = 0;
	f->interface = 0;
	for (size_t i = 0; i < sizeof(f->local); i++)
		f->local[i] = f->peer[i] = 0;
}

void address_flow(const struct address *local, const struct address *peer, struct flow *out)
{
	int family = address_family(local);

	clear(out);
	if (family != address_family(peer) || (family != AF_INET && family != AF_INET6))
		return;
	out->family = (uint16_t)family;
	if (family == AF_INET) {
		copy(out->local, &local->socket.v4.sin_addr, 4);
		copy(out->peer, &peer->socket.v4.sin_addr, 4);
		out->local_port = local->socket.v4.sin_port;
		out->peer_port = peer->socket.v4.sin_port;
		return;
	}
	copy(out->local, &local->socket.v6.sin6_addr, 16);
	copy(out->peer, &peer->socket.v6.sin6_addr, 16);
	out->local_port = local->socket.v6.sin6_port;
	out->peer_port = peer->socket.v6.sin6_port;
	out->interface = peer->socket.v6.sin6_scope_id;
}

size_t address_decimal(unsigned long long number, char *out)
{
	char digits[20];
	size_t n = 0, length = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (n > 0)
		out[length++] = digits[--n];
	out[length] = '\0';
	return length;
}

size_t address_hexadecimal(unsigned long long number, char *out)
{
	unsigned shift = 60;
	size_t length = 0;

	while (shift > 0 && (number >> shift & 15) == 0)
		shift -= 4;
	for (;; shift -= 4) {
		out[length++] = "0123456789abcdef"[number >> shift & 15];
		if (shift == 0)
			break;
	}
	out[length] = '\0';
	return length;
}

static size_t write_v4(const unsigned char *ip, char *out)
{
	size_t length = 0;

	for (int i = 0; i < 4; i++) {
		if (i > 0)
			out[length++] = '.';
		length += address_decimal(ip[i], out + length);
	}
	return length;
}

/* Finds the longest run of two or more zero groups, the first of equals (RFC 5952, 4.2); its length, or 0. */
static int longest_zero_run(const unsigned *group, int *start)
{
	int best = 0;

	for (int i = 0; i < 8; i++) {
		int run = 0;

		while (i + run < 8 && group[i + run] == 0)
			run++;
		if (run >= 2 && run > best) {
			best = run;
			*start = i;
		}
	}
	return best;
}

static size_t write_v6(const struct sockaddr_in6 *v6, char *out)
{
	const unsigned char *ip = v6->sin6_addr.s6_addr;
	unsigned group[8];
	int start = -1, run;
	size_t length = 0;

	for (int i = 0; i < 8; i++)
		group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
	run = longest_zero_run(group, &start);
	for (int i = 0; i < 8; i++) {
		if (run > 0 && i == start) {
			out[length++] = ':';
			out[length++] = ':';
			i += run - 1;
			continue;
		}
		if (length > 0 && out[length - 1] != ':')
			out[length++] = ':';
		length += address_hexadecimal(group[i], out + length);
	}
	if (v6->sin6_scope_id != 0) {
		out[length++] = '%';
		length += address_decimal(v6->sin6_scope_id, out + length);
	}
	out[length] = '\0';
	return length;
}

size_t address_ip(const struct address *a, char *out)
{
	struct address plain = *a;

	address_unmap(&plain);
	switch (address_family(&plain)) {
	case AF_INET:
		return write_v4((const unsigned char *)&plain.socket.v4.sin_addr, out);
	case AF_INET6:
		return write_v6(&plain.socket.v6, out);
	default:
		out[0] = '\0';
		return 0;
	}
}

/* Bytes that would spoil a line of a log are written as \xNN. */
static size_t write_visible(const char *name, size_t size, char *out)
{
	size_t length = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c > ' ' && c < 0x7f && c != '\\') {
			out[length++] = (char)c;
			continue;
		}
		out[length++] = '\\';
		out[length++] = 'x';
		out[length++] = "0123456789abcdef"[c >> 4];
		out[length++] = "0123456789abcdef"[c & 15];
	}
	out[length] = '\0';
	return length;
}

/* A string can have any byte but NUL, which an abstract name may have, too. */
static size_t write_plain(const char *name, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++)
		out[i] = name[i] ? name[i] : '@';
	out[size] = '\0';
	return size;
}

static size_t write_path(const struct address *a, size_t (*write)(const char *name, size_t size, char *out), char *out)
{
	const char *name = a->socket.path.sun_path;
	size_t size = a->length - offsetof(struct sockaddr_un, sun_path);
	size_t length = 0;

	if (a->length <= offsetof(struct sockaddr_un, sun_path) || size > sizeof(a->socket.path.sun_path)) {
		copy(out, "unix", 5);
		return 4;
	}
	if (name[0] == '\0') {
		out[0] = '@';
		return 1 + write(name + 1, size - 1, out + 1);
	}
	while (length < size && name[length] != '\0')
		length++;
	return write(name, length, out);
}

size_t address_path(const struct address *a, char *out)
{
	return write_path(a, write_plain, out);
}

size_t address_text(const struct address *a, char *out)
{
	struct address plain = *a;
	size_t length = 0;

	address_unmap(&plain);
	switch (address_family(&plain)) {
	case AF_INET:
		length = address_ip(&plain, out);
		break;
	case AF_INET6:
		out[length++] = '[';
		length += address_ip(&plain, out + length);
		out[length++] = ']';
		break;
	case AF_UNIX:
		return write_path(a, write_visible, out);
	default:
		copy(out, "unknown", 8);
		return 7;
	}
	out[length++] = ':';
	return length + address_decimal(address_port(&plain), out + length);
}
