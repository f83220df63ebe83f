/* SPDX-License-Identifier: ISC */
/* Linux: sock_diag(7). */
#include "config.h"

#include "handshakes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LINUX_INET_DIAG_H
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

struct inet_request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

static int ask(int netlink, int family)
{
	struct inet_request r = {
		.header = {
			.nlmsg_len = sizeof(r),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = {
			.sdiag_family = (uint8_t)family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1U << TCP_SYN_RECV,
		},
	};

	return send(netlink, &r, sizeof(r), 0) == sizeof(r) ? 0 : -1;
}

static void enter(struct handshakes *h, const struct inet_diag_msg *m)
{
	struct handshake *one = &h->list[h->count];

	if (h->count == HANDSHAKES_MOST)
		return;
	h->count++;
	one->family = m->idiag_family;
	one->port = ntohs(m->id.idiag_sport);
	memcpy(one->address, m->id.idiag_src, sizeof(one->address));
}

/* The end may say that there was no beginning: a kernel without the diagnosis of TCP. */
static int read_end(struct nlmsghdr *end)
{
	int error = 0;

	if (end->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(end), sizeof(error));
	return error < 0 ? -1 : 0;
}

/* One part of the answer: 1 when there is more, 0 at the end, -1 if the kernel does not tell. */
static int read_part(int netlink, struct handshakes *h)
{
	_Alignas(struct nlmsghdr) char buffer[32768];
	ssize_t size = recv(netlink, buffer, sizeof(buffer), MSG_DONTWAIT);
	size_t left = size > 0 ? (size_t)size : 0;

	if (size <= 0)
		return -1;
	for (struct nlmsghdr *m = (void *)buffer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_type == NLMSG_DONE)
			return read_end(m);
		if (m->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return -1;
		enter(h, NLMSG_DATA(m));
	}
	return 1;
}

static int look_for(struct handshakes *h, int family)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int more;

	if (netlink < 0)
		return -1;
	more = ask(netlink, family) == 0 ? 1 : -1;
	while (more > 0)
		more = read_part(netlink, h);
	close(netlink);
	return more;
}

#else

static int look_for(struct handshakes *h, int family)
{
	(void)h;
	(void)family;
	return -1;
}

#endif

/* Without IPv6 there is nothing to be told about it. */
static void look(struct handshakes *h)
{
	h->looked = true;
	h->known = look_for(h, AF_INET) == 0;
	look_for(h, AF_INET6);
}

static bool is_with(const struct handshake *one, const struct address *bound)
{
	if (one->port != address_port(bound))
		return false;
	if (address_is_wildcard(bound))
		return one->family == address_family(bound) || address_family(bound) == AF_INET6;
	if (one->family != address_family(bound))
		return false;
	if (one->family == AF_INET)
		return memcmp(one->address, &bound->socket.v4.sin_addr, sizeof(bound->socket.v4.sin_addr)) == 0;
	return memcmp(one->address, &bound->socket.v6.sin6_addr, sizeof(bound->socket.v6.sin6_addr)) == 0;
}

int handshakes_with(struct handshakes *h, const struct address *bound)
{
	int n = 0;

	if (!h->looked)
		look(h);
	if (!h->known)
		return -1;
	for (unsigned i = 0; i < h->count; i++)
		n += is_with(&h->list[i], bound);
	return n == 0 && h->count == HANDSHAKES_MOST ? 1 : n;
}
