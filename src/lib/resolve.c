/* SPDX-License-Identifier: ISC */
#include "resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the host ends and the port begins. */
struct parts {
	char host[256];
	const char *port;
	bool bracketed;
};

static int resolve_path(const char *text, struct endpoint *e, char *why, size_t whysize)
{
	struct sockaddr_un *path = &e->address.socket.path;
	size_t length = strlen(text);
	bool abstract = text[0] == '@';
	/* A path keeps its NUL; an abstract name begins with one in place of the '@' and has none at the end. */
	size_t size = abstract ? length : length + 1;

	if (length < 2 || size > sizeof(path->sun_path)) {
		snprintf(why, whysize, "the socket name %s is %s; it may have 1 to %zu bytes", text,
		         length < 2 ? "empty" : "too long", sizeof(path->sun_path) - 2);
		return -1;
	}
	memset(e, 0, sizeof(*e));
	path->sun_family = AF_UNIX;
	memcpy(path->sun_path, text, size);
	if (abstract)
		path->sun_path[0] = '\0';
	e->address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return 1;
}

static int split(const char *text, struct parts *p, char *why, size_t whysize)
{
	const char *colon = strrchr(text, ':');
	const char *end = colon;
	const char *start = text;

	if (!colon || colon[1] == '\0') {
		snprintf(why, whysize, "%s has no port; write address:port, *:port, [IPv6]:port, /path or @name", text);
		return -1;
	}
	p->bracketed = text[0] == '[';
	if (p->bracketed) {
		if (colon == text || colon[-1] != ']') {
			snprintf(why, whysize, "%s has no port behind the bracket; write [IPv6]:port", text);
			return -1;
		}
		start++;
		end--;
	} else if (memchr(text, ':', (size_t)(colon - text))) {
		snprintf(why, whysize, "%s has several colons; write an IPv6 address as [IPv6]:port", text);
		return -1;
	}
	if (end == start || (size_t)(end - start) >= sizeof(p->host)) {
		snprintf(why, whysize, "%s has no address before the port; write *:%s for every address", text, colon + 1);
		return -1;
	}
	memcpy(p->host, start, (size_t)(end - start));
	p->host[end - start] = '\0';
	p->port = colon + 1;
	return 0;
}

static int resolve_port(const char *text, const char *protocol, unsigned *port, char *why, size_t whysize)
{
	if (strspn(text, "0123456789") == strlen(text)) {
		unsigned long number = strlen(text) > 5 ? 65536 : strtoul(text, NULL, 10);

		if (number > 65535) {
			snprintf(why, whysize, "port %s is out of range; ports are 0 to 65535", text);
			return -1;
		}
		*port = (unsigned)number;
		return 0;
	}
	const struct servent *entry = getservbyname(text, protocol);
	if (!entry) {
		snprintf(why, whysize, "no %s service %s in services(5); write its number", protocol, text);
		return -1;
	}
	*port = (unsigned)ntohs((uint16_t)entry->s_port);
	return 0;
}

static int resolve_host(const struct parts *p, unsigned port, struct endpoint *list, size_t size, char *why, size_t whysize)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found, *i;
	size_t count = 0;
	int error;

	if (p->bracketed) {
		hints.ai_family = AF_INET6;
		hints.ai_flags |= AI_NUMERICHOST;
	}
	error = getaddrinfo(p->host, NULL, &hints, &found);
	if (error) {
		snprintf(why, whysize, "cannot find the address of %s: %s", p->host, gai_strerror(error));
		return -1;
	}
	for (i = found; i && count < size; i = i->ai_next) {
		struct endpoint *e = &list[count];

		if (i->ai_addrlen > sizeof(e->address.socket) || (i->ai_family != AF_INET && i->ai_family != AF_INET6))
			continue;
		memset(e, 0, sizeof(*e));
		memcpy(&e->address.socket, i->ai_addr, i->ai_addrlen);
		e->address.length = i->ai_addrlen;
		address_set_port(&e->address, port);
		count++;
	}
	freeaddrinfo(found);
	if (count == 0)
		snprintf(why, whysize, "%s has no IPv4 or IPv6 address", p->host);
	return count > 0 ? (int)count : -1;
}

int resolve_endpoint(const char *text, const char *protocol, struct endpoint *list, size_t size, char *why, size_t whysize)
{
	struct parts p;
	unsigned port;

	if (text[0] == '/' || text[0] == '@')
		return resolve_path(text, &list[0], why, whysize);
	if (split(text, &p, why, whysize) < 0 || resolve_port(p.port, protocol, &port, why, whysize) < 0)
		return -1;
	if (p.bracketed || strcmp(p.host, "*") != 0)
		return resolve_host(&p, port, list, size, why, whysize);
	memset(&list[0], 0, sizeof(list[0]));
	list[0].address.length = sizeof(list[0].address.socket.v6);
	list[0].address.socket.v6.sin6_family = AF_INET6;
	address_set_port(&list[0].address, port);
	list[0].dual = true;
	return 1;
}
