/* SPDX-License-Identifier: ISC */
/*
 * Linux: a listening TCP socket tells its queue in TCP_INFO, in fields that mean something else on a connection (tcpi_unacked: waiting,
 * tcpi_sacked: the limit), and its drops in SO_MEMINFO. Path and abstract sockets are asked for through sock_diag(7).
 */
#include "config.h"

#include "queue.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LINUX_UNIX_DIAG_H
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#endif

#ifdef TCP_INFO
static void look_tcp(int fd, struct queue *q)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 || info.tcpi_state != TCP_LISTEN)
		return;
	q->waiting = (int)info.tcpi_unacked;
	q->limit = (int)info.tcpi_sacked;
}
#else
static void look_tcp(int fd, struct queue *q)
{
	(void)fd;
	(void)q;
}
#endif

#ifdef HAVE_LINUX_UNIX_DIAG_H

static void look_drops(int fd, struct queue *q)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t length = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) == 0 && length > SK_MEMINFO_DROPS * sizeof(info[0]))
		q->dropped = info[SK_MEMINFO_DROPS];
}

struct unix_request {
	struct nlmsghdr header;
	struct unix_diag_req body;
};

static int send_request(int netlink, ino_t inode)
{
	struct unix_request r = {
		.header = {
			.nlmsg_len = sizeof(r),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.body = {
			.sdiag_family = AF_UNIX,
			.udiag_ino = (uint32_t)inode,
			.udiag_show = UDIAG_SHOW_RQLEN,
			.udiag_cookie = { UINT32_MAX, UINT32_MAX },
		},
	};

	return send(netlink, &r, sizeof(r), 0) == sizeof(r) ? 0 : -1;
}

static void read_reply(int netlink, struct queue *q)
{
	_Alignas(struct nlmsghdr) char buffer[4096];
	ssize_t size = recv(netlink, buffer, sizeof(buffer), 0);
	struct nlmsghdr *h = (void *)buffer;

	if (size <= 0 || !NLMSG_OK(h, (size_t)size) || h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return;

	struct unix_diag_msg *m = NLMSG_DATA(h);
	struct rtattr *a = (void *)(m + 1);
	unsigned left = h->nlmsg_len - (unsigned)NLMSG_LENGTH(sizeof(*m));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		struct unix_diag_rqlen length;

		if (a->rta_type != UNIX_DIAG_RQLEN || RTA_PAYLOAD(a) < sizeof(length))
			continue;
		memcpy(&length, RTA_DATA(a), sizeof(length));
		q->waiting = (int)length.udiag_rqueue;
		q->limit = (int)length.udiag_wqueue;
	}
}

static void look_unix(int fd, struct queue *q)
{
	struct stat st;
	int netlink;

	if (fstat(fd, &st) < 0)
		return;
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (netlink < 0)
		return;
	if (send_request(netlink, st.st_ino) == 0)
		read_reply(netlink, q);
	close(netlink);
}

#else

static void look_drops(int fd, struct queue *q)
{
	(void)fd;
	(void)q;
}

static void look_unix(int fd, struct queue *q)
{
	(void)fd;
	(void)q;
}

#endif

int queue_waiting(int fd)
{
	struct queue q = { -1, -1, -1 };

	look_tcp(fd, &q);
	if (q.waiting < 0)
		look_unix(fd, &q);
	return q.waiting;
}

struct queue queue_look(int fd)
{
	struct queue q = { -1, -1, -1 };
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		return q;
	if (name.ss_family == AF_UNIX) { /* whose drops nobody counts */
		look_unix(fd, &q);
		return q;
	}
	look_tcp(fd, &q);
	look_drops(fd, &q);
	return q;
}
