/* SPDX-License-Identifier: ISC */
/*
 * Linux: inet_diag, a part of sock_diag(7), finds one connection by both of its ends and tells its TCP_INFO. The C library's struct
 * tcp_info ends before the bytes received, the kernel's own has them.
 */
#include "config.h"

#include "received.h"

#ifdef HAVE_LINUX_INET_DIAG_H

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>
#include <unistd.h>

/* States in which a FIN has come, which counts like a byte. <linux/tcp.h> does not name them. */
#define STATE_LAST_ACK 9
#define STATE_CLOSE_WAIT 8
#define STATE_CLOSING 11

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

union answer {
	struct nlmsghdr header;
	char space[8192];
};

/* The kernel has answered when send(2) returns, so nothing here waits. Returns the answer's size, 0 for none. */
static size_t ask(struct request *r, union answer *a)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t size = -1;

	if (netlink < 0)
		return 0;
	r->header.nlmsg_len = sizeof(*r);
	r->header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	if (send(netlink, r, sizeof(*r), 0) == sizeof(*r))
		size = recv(netlink, a, sizeof(*a), MSG_DONTWAIT);
	close(netlink);
	return size > 0 && NLMSG_OK(&a->header, (size_t)size) ? (size_t)size : 0;
}

static int64_t count_of(const struct inet_diag_msg *m, const struct tcp_info *info)
{
	bool ended = m->idiag_state == STATE_LAST_ACK || m->idiag_state == STATE_CLOSE_WAIT || m->idiag_state == STATE_CLOSING;
	int64_t bytes = (int64_t)info->tcpi_bytes_received;

	return bytes > 0 && ended ? bytes - 1 : bytes;
}

static int64_t read_answer(union answer *a)
{
	const struct inet_diag_msg *m = NLMSG_DATA(&a->header);
	struct rtattr *attribute;
	const size_t needed = offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(uint64_t);
	unsigned left;

	if (a->header.nlmsg_type != SOCK_DIAG_BY_FAMILY || a->header.nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return -1;
	attribute = (void *)(a->space + NLMSG_LENGTH(sizeof(*m)));
	left = a->header.nlmsg_len - (unsigned)NLMSG_LENGTH(sizeof(*m));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		struct tcp_info info;

		if (attribute->rta_type != INET_DIAG_INFO || RTA_PAYLOAD(attribute) < needed)
			continue;
		memcpy(&info, RTA_DATA(attribute), needed);
		return count_of(m, &info);
	}
	return -1;
}

int64_t received_bytes(const struct flow *f, uint64_t cookie, unsigned interface)
{
	union answer a;
	struct request r = {
		.header.nlmsg_flags = NLM_F_REQUEST,
		.body = {
			.sdiag_family = (uint8_t)f->family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = 1 << (INET_DIAG_INFO - 1),
			.idiag_states = UINT32_MAX,
			.id = {
				.idiag_sport = f->local_port,
				.idiag_dport = f->peer_port,
				.idiag_if = f->interface ? f->interface : interface,
				.idiag_cookie = { (uint32_t)cookie, (uint32_t)(cookie >> 32) },
			},
		},
	};

	if (f->family == 0)
		return -1;
	memcpy(r.body.id.idiag_src, f->local, sizeof(f->local));
	memcpy(r.body.id.idiag_dst, f->peer, sizeof(f->peer));
	return ask(&r, &a) > 0 ? read_answer(&a) : -1;
}

/* A list of the connections in no state at all: it is empty, or it is an error. */
bool received_is_told(void)
{
	union answer a;
	struct request r = {
		.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.body = { .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP },
	};
	int error;

	if (ask(&r, &a) == 0 || a.header.nlmsg_type != NLMSG_DONE || a.header.nlmsg_len < NLMSG_LENGTH(sizeof(error)))
		return false;
	memcpy(&error, NLMSG_DATA(&a.header), sizeof(error));
	return error == 0;
}

#else

int64_t received_bytes(const struct flow *f, uint64_t cookie, unsigned interface)
{
	(void)f;
	(void)cookie;
	(void)interface;
	return -1;
}

bool received_is_told(void)
{
	return false;
}

#endif
