/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "proxy.h"

#include "kernel.h"

#define LINE_MAX_V1 107 /* bytes, CRLF among them */
#define FIXED_V2 16     /* bytes before the addresses */
#define UNIQUE_ID_MAX 128

enum { COMMAND_LOCAL, COMMAND_PROXY, COMMANDS };
enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX, FAMILIES };
enum { TRANSPORT_UNSPEC, TRANSPORT_STREAM, TRANSPORT_DGRAM, TRANSPORTS };

enum {
	TYPE_ALPN = 0x01,
	TYPE_AUTHORITY = 0x02,
	TYPE_CRC32C = 0x03,
	TYPE_UNIQUE_ID = 0x05,
	TYPE_TLS = 0x20,
	TYPE_TLS_VERSION = 0x21,
	TYPE_TLS_NAME = 0x22,
	TYPE_TLS_CIPHER = 0x23,
};

/* Bits of the byte that begins TYPE_TLS. */
enum { CLIENT_TLS = 1, CLIENT_CERTIFICATE_NOW = 2, CLIENT_CERTIFICATE_BEFORE = 4 };

static const unsigned char word_v1[] = { 'P', 'R', 'O', 'X', 'Y' };
static const unsigned char signature_v2[] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

/* What of a header has not been read yet. */
struct span {
	const unsigned char *at, *end;
};

static void clear(void *memory, size_t size)
{
	volatile unsigned char *byte = memory;

	while (size-- > 0)
		*byte++ = 0;
}

/* Addresses, as both versions tell them */

static void set_v4(struct address *a, const unsigned char *ip, unsigned port)
{
	unsigned char *to = (unsigned char *)&a->socket.v4.sin_addr;

	a->length = sizeof(a->socket.v4);
	a->socket.v4.sin_family = AF_INET;
	for (int i = 0; i < 4; i++)
		to[i] = ip[i];
	address_set_port(a, port);
}

static void set_v6(struct address *a, const unsigned char *ip, unsigned port)
{
	a->length = sizeof(a->socket.v6);
	a->socket.v6.sin6_family = AF_INET6;
	for (int i = 0; i < 16; i++)
		a->socket.v6.sin6_addr.s6_addr[i] = ip[i];
	address_set_port(a, port);
	address_unmap(a);
}

/* Version 1: a line of text */

static bool skip(struct span *s, const char *word)
{
	const unsigned char *at = s->at;

	for (; *word; word++, at++)
		if (at == s->end || *at != (unsigned char)*word)
			return false;
	s->at = at;
	return true;
}

/* Decimal, without a zero in front. */
static bool read_number(struct span *s, unsigned max, unsigned *number)
{
	const unsigned char *start = s->at;

	*number = 0;
	for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
		if (s->at > start && *start == '0')
			return false;
		*number = *number * 10 + (unsigned)(*s->at - '0');
		if (*number > max)
			return false;
	}
	return s->at > start;
}

static bool read_v4(struct span *s, unsigned char *ip)
{
	struct span rest = *s;

	for (int i = 0; i < 4; i++) {
		unsigned number;

		if ((i > 0 && !skip(&rest, ".")) || !read_number(&rest, 255, &number))
			return false;
		ip[i] = (unsigned char)number;
	}
	*s = rest;
	return true;
}

/* The value of a hexadecimal digit, -1: it is none. */
static int digit(const struct span *s)
{
	if (s->at == s->end)
		return -1;
	if (*s->at >= '0' && *s->at <= '9')
		return *s->at - '0';
	if (*s->at >= 'a' && *s->at <= 'f')
		return *s->at - 'a' + 10;
	if (*s->at >= 'A' && *s->at <= 'F')
		return *s->at - 'A' + 10;
	return -1;
}

static bool read_group(struct span *s, unsigned char *to)
{
	unsigned value = 0;
	int n = 0;

	for (; n < 4 && digit(s) >= 0; n++, s->at++)
		value = value << 4 | (unsigned)digit(s);
	to[0] = (unsigned char)(value >> 8);
	to[1] = (unsigned char)value;
	return n > 0;
}

#define NO_GAP 17

/* Puts zeros where :: stood. */
static bool spread(unsigned char *ip, size_t used, size_t gap)
{
	if (gap == NO_GAP)
		return used == 16;
	if (used > 14)
		return false;
	for (size_t i = 0; i < used - gap; i++)
		ip[15 - i] = ip[used - 1 - i];
	for (size_t i = gap; i < gap + 16 - used; i++)
		ip[i] = 0;
	return true;
}

/* RFC 4291, 2.2: eight groups, once :: for one or more that are zero, IPv4's form for the last two. */
static bool read_v6(struct span *s, unsigned char *ip)
{
	size_t used = 0, gap = skip(s, "::") ? 0 : NO_GAP;
	bool wanted = false; /* a group must follow */

	while (wanted || digit(s) >= 0) {
		if (used <= 12 && read_v4(s, ip + used)) {
			used += 4;
			break;
		}
		if (used == 16 || !read_group(s, ip + used))
			return false;
		used += 2;
		wanted = false;
		if (skip(s, "::")) {
			if (gap != NO_GAP)
				return false;
			gap = used;
		} else if (skip(s, ":")) {
			wanted = true;
		} else {
			break;
		}
	}
	return spread(ip, used, gap);
}

static bool read_addresses(struct span *s, bool (*read_ip)(struct span *s, unsigned char *ip),
                           void (*set)(struct address *a, const unsigned char *ip, unsigned port), struct proxy *out)
{
	unsigned char peer[16], own[16];
	unsigned peer_port, own_port;

	if (!read_ip(s, peer) || !skip(s, " ") || !read_ip(s, own) || !skip(s, " "))
		return false;
	if (!read_number(s, 65535, &peer_port) || !skip(s, " ") || !read_number(s, 65535, &own_port))
		return false;
	set(&out->peer, peer, peer_port);
	set(&out->own, own, own_port);
	return s->at == s->end;
}

/* The line without its CRLF. */
static bool read_line(struct span *s, struct proxy *out)
{
	clear(out, sizeof(*out));
	out->version = 1;
	s->at += sizeof(word_v1);
	if (skip(s, " TCP4 "))
		return read_addresses(s, read_v4, set_v4, out);
	if (skip(s, " TCP6 "))
		return read_addresses(s, read_v6, set_v6, out);
	out->local = skip(s, " UNKNOWN");
	return out->local && (s->at == s->end || *s->at == ' '); /* what follows means nothing */
}

/* Nothing of the line is read before its end is there; the first CR or LF must be that end. */
static enum proxy_result parse_v1(const unsigned char *data, size_t size, struct proxy *out, size_t *length)
{
	size_t limit = size < LINE_MAX_V1 ? size : LINE_MAX_V1, n = sizeof(word_v1);
	struct span s = { data, data };

	if (n < size && data[n] != ' ')
		return PROXY_BAD;
	while (n < limit && data[n] != '\r' && data[n] != '\n')
		n++;
	if (n == limit)
		return limit < LINE_MAX_V1 ? PROXY_SHORT : PROXY_BAD;
	if (data[n] != '\r' || n + 1 == LINE_MAX_V1)
		return PROXY_BAD;
	if (n + 1 == size)
		return PROXY_SHORT;
	s.end = data + n;
	*length = n + 2;
	return data[n + 1] == '\n' && read_line(&s, out) ? PROXY_FOUND : PROXY_BAD;
}

/* Version 2: bytes */

struct tlv {
	unsigned type;
	struct proxy_text value;
};

static unsigned number16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static uint32_t number32(const unsigned char *at)
{
	return (uint32_t)number16(at) << 16 | number16(at + 2);
}

static bool read_tlv(struct span *s, struct tlv *t)
{
	size_t left = (size_t)(s->end - s->at);

	if (left < 3)
		return false;
	t->type = s->at[0];
	t->value.at = s->at + 3;
	t->value.length = number16(s->at + 1);
	if (t->value.length > left - 3)
		return false;
	s->at += 3 + t->value.length;
	return true;
}

static uint32_t crc32c(uint32_t crc, unsigned char byte)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	crc ^= byte;
	crc = crc >> 4 ^ table[crc & 15];
	return crc >> 4 ^ table[crc & 15];
}

/* Over the whole header, with zeros where the checksum itself stands. */
static bool is_intact(const unsigned char *header, size_t length, const struct proxy_text *sum)
{
	uint32_t crc = UINT32_MAX;

	if (sum->length != 4)
		return false;
	for (const unsigned char *at = header; at < header + length; at++)
		crc = crc32c(crc, at >= sum->at && at < sum->at + 4 ? 0 : *at);
	return number32(sum->at) == ~crc;
}

/*
 * A client without a certificate is told with a verify of 0, too, by haproxy at least: a certificate must have been there for it to mean
 * that one was good.
 */
static bool read_tls(const struct proxy_text *value, struct proxy *out)
{
	struct span s = { value->at + 5, value->at + value->length };
	struct tlv t;
	unsigned client;

	if (value->length < 5)
		return false;
	client = value->at[0];
	out->tls = client & CLIENT_TLS;
	out->verified = out->tls && client & (CLIENT_CERTIFICATE_NOW | CLIENT_CERTIFICATE_BEFORE) && number32(value->at + 1) == 0;
	while (s.at < s.end) {
		if (!read_tlv(&s, &t))
			return false;
		if (!out->tls)
			continue;
		if (t.type == TYPE_TLS_VERSION)
			out->tls_version = t.value;
		else if (t.type == TYPE_TLS_NAME)
			out->tls_name = t.value;
		else if (t.type == TYPE_TLS_CIPHER)
			out->tls_cipher = t.value;
	}
	return true;
}

static bool read_tlvs(const unsigned char *header, size_t length, size_t from, struct proxy *out)
{
	struct span s = { header + from, header + length };
	struct tlv t;

	while (s.at < s.end) {
		if (!read_tlv(&s, &t))
			return false;
		switch (t.type) {
		case TYPE_ALPN:
			out->alpn = t.value;
			break;
		case TYPE_AUTHORITY:
			out->authority = t.value;
			break;
		case TYPE_CRC32C:
			if (!is_intact(header, length, &t.value))
				return false;
			break;
		case TYPE_UNIQUE_ID:
			if (t.value.length > UNIQUE_ID_MAX)
				return false;
			out->unique_id = t.value;
			break;
		case TYPE_TLS:
			if (!read_tls(&t.value, out))
				return false;
			break;
		default: /* NOOP, NETNS, and what is not known here */
			break;
		}
	}
	return true;
}

static size_t address_block(unsigned family)
{
	switch (family) {
	case FAMILY_INET:
		return 2 * 4 + 2 * 2;
	case FAMILY_INET6:
		return 2 * 16 + 2 * 2;
	case FAMILY_UNIX:
		return 2 * 108;
	default:
		return 0;
	}
}

static void read_block(const unsigned char *at, unsigned family, struct proxy *out)
{
	if (family == FAMILY_INET) {
		set_v4(&out->peer, at, number16(at + 8));
		set_v4(&out->own, at + 4, number16(at + 10));
	} else if (family == FAMILY_INET6) {
		set_v6(&out->peer, at, number16(at + 32));
		set_v6(&out->own, at + 16, number16(at + 34));
	}
}

/*
 * A whole header. Where its addresses do not count, nothing behind them does: LOCAL, what is not specified, and datagrams, which no
 * stream carries and for which the specification wants just that.
 */
static bool read_header(const unsigned char *header, size_t length, struct proxy *out)
{
	unsigned command = header[12] & 15, family = header[13] >> 4, transport = header[13] & 15;
	size_t block = transport == TRANSPORT_UNSPEC ? 0 : address_block(family);

	clear(out, sizeof(*out));
	out->version = 2;
	out->local = command == COMMAND_LOCAL || family == FAMILY_UNSPEC || transport != TRANSPORT_STREAM;
	if (command == COMMAND_LOCAL)
		return true;
	if (length < FIXED_V2 + block)
		return false;
	if (out->local)
		return true;
	read_block(header + FIXED_V2, family, out);
	return read_tlvs(header, length, FIXED_V2 + block, out);
}

/* Of the two bytes behind the signature, those that are there. LOCAL's family is ignored, as the specification wants. */
static bool is_known(const unsigned char *data, size_t size)
{
	if (size > 12 && (data[12] >> 4 != 2 || (data[12] & 15) >= COMMANDS))
		return false;
	if (size > 13 && (data[12] & 15) == COMMAND_PROXY)
		return data[13] >> 4 < FAMILIES && (data[13] & 15) < TRANSPORTS;
	return true;
}

static enum proxy_result parse_v2(const unsigned char *data, size_t size, struct proxy *out, size_t *length)
{
	if (!is_known(data, size))
		return PROXY_BAD;
	if (size < FIXED_V2)
		return PROXY_SHORT;
	*length = FIXED_V2 + number16(data + 14);
	if (*length > PROXY_HEADER_MAX)
		return PROXY_BAD;
	if (size < *length)
		return PROXY_SHORT;
	return read_header(data, *length, out) ? PROXY_FOUND : PROXY_BAD;
}

/* Either version */

/* How many of the bytes are those of the word; its length: it is there. */
static size_t agree(const unsigned char *data, size_t size, const unsigned char *word, size_t length)
{
	size_t n = 0;

	while (n < size && n < length && data[n] == word[n])
		n++;
	return n;
}

enum proxy_result proxy_parse(const unsigned char *data, size_t size, struct proxy *out, size_t *length)
{
	size_t v1 = agree(data, size, word_v1, sizeof(word_v1));
	size_t v2 = agree(data, size, signature_v2, sizeof(signature_v2));

	if (v1 == sizeof(word_v1))
		return parse_v1(data, size, out, length);
	if (v2 == sizeof(signature_v2))
		return parse_v2(data, size, out, length);
	return v1 == size || v2 == size ? PROXY_SHORT : PROXY_ABSENT;
}

const char *proxy_result_name(enum proxy_result result)
{
	switch (result) {
	case PROXY_FOUND:
		return "found";
	case PROXY_ABSENT:
	case PROXY_SILENT:
		return "missing";
	case PROXY_SHORT:
	case PROXY_TIMEOUT:
		return "late";
	case PROXY_CLOSED:
		return "closed";
	case PROXY_BAD:
	default:
		return "malformed";
	}
}

/* Reading */

/*
 * A look (MSG_PEEK) shows what has arrived. As soon as it begins with the word or the signature, every byte up to the header's end can
 * be taken, and then waiting for more is plain. Before that nothing may be taken, and waiting for more than is there already is
 * what SO_RCVLOWAT does for TCP. Where it does nothing, naps stand between the looks that bring nothing new.
 */
struct reading {
	int fd;
	uint64_t deadline;
	unsigned char *buffer;
	size_t taken;  /* bytes in the buffer that are no longer in the socket */
	size_t seen;   /* bytes in the buffer */
	bool ended;    /* no more will come */
	unsigned idle; /* looks in a row that brought nothing */
};

static void set_time(struct timespec *t, uint64_t ms)
{
	t->tv_sec = (time_t)(ms / 1000);
	t->tv_nsec = (long)(ms % 1000) * 1000000;
}

static uint64_t time_left(const struct reading *r)
{
	uint64_t now = kernel_now();

	return now < r->deadline ? r->deadline - now : 0;
}

/* False: there is an error, or the end with nothing new before it. */
static bool look(struct reading *r)
{
	ssize_t n;
	size_t before = r->seen;

	do
		n = kernel_receive(r->fd, r->buffer + r->taken, PROXY_HEADER_MAX - r->taken, MSG_PEEK | MSG_DONTWAIT);
	while (n == -EINTR);
	if (n == 0 || (n < 0 && n != -EAGAIN))
		return false;
	r->seen = r->taken + (n > 0 ? (size_t)n : 0);
	r->idle = r->seen > before ? 0 : r->idle + 1;
	return r->idle == 0 || !r->ended;
}

/* Takes what was seen up to `end`. */
static bool take(struct reading *r, size_t end)
{
	while (r->taken < end) {
		ssize_t n = kernel_receive(r->fd, r->buffer + r->taken, end - r->taken, MSG_DONTWAIT);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return false;
		r->taken += (size_t)n;
	}
	return true;
}

static bool set_low_water(const struct reading *r, size_t bytes)
{
	int value = (int)bytes;

	return kernel_setsockopt(r->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value)) >= 0;
}

/* Until something has come, or the end; false: the time is over. */
static bool await(struct reading *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN | POLLRDHUP };
	struct timespec limit;
	int n;

	do {
		set_time(&limit, time_left(r));
		n = kernel_poll(&p, 1, &limit);
	} while (n == -EINTR);
	r->ended = n < 0 || (n > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
	return n != 0;
}

/*
 * Where there was something to look at and yet nothing new, twice, waiting does not wait: a nap does, of 1 ms, then twice as long each
 * time up to 64. False: the time is over.
 */
static bool nap(const struct reading *r)
{
	uint64_t ms = 1U << (r->idle < 8 ? r->idle - 2 : 6), left = time_left(r);
	struct timespec time;

	set_time(&time, ms < left ? ms : left);
	kernel_sleep(&time); /* a signal may end it early */
	return left > 0;
}

/* Nothing is taken yet, and some bytes of what may become a header are there. */
static bool await_more(struct reading *r)
{
	bool waits = set_low_water(r, r->seen + 1);
	bool came = await(r);

	if (waits && !set_low_water(r, 1))
		r->ended = true;
	return came;
}

static bool begins(const struct reading *r)
{
	return r->seen > 0 && r->seen >= (r->buffer[0] == word_v1[0] ? sizeof(word_v1) : sizeof(signature_v2));
}

enum proxy_result proxy_read(int fd, int timeout, unsigned char *buffer, struct proxy *out, size_t *length)
{
	struct reading r = { .fd = fd, .deadline = kernel_now() + (uint64_t)timeout, .buffer = buffer };

	for (;;) {
		enum proxy_result result;

		if (!look(&r))
			return PROXY_CLOSED;
		result = proxy_parse(buffer, r.seen, out, length);
		if (result == PROXY_FOUND)
			return take(&r, *length) ? PROXY_FOUND : PROXY_CLOSED;
		if (result != PROXY_SHORT)
			return result;
		if (begins(&r) && !take(&r, r.seen))
			return PROXY_CLOSED;
		if ((r.idle > 1 && !nap(&r)) || !(r.taken == r.seen ? await(&r) : await_more(&r)))
			return r.seen > 0 ? PROXY_TIMEOUT : PROXY_SILENT;
	}
}
