/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "socket_options.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <string.h>

/* Options that a system does not have fail as if the kernel had said so. */
#ifndef SO_BINDTODEVICE
#define SO_BINDTODEVICE (-1)
#endif
#ifndef SO_MARK
#define SO_MARK (-1)
#endif
#ifndef SO_REUSEPORT
#define SO_REUSEPORT (-1)
#endif
#ifndef IP_FREEBIND
#define IP_FREEBIND (-1)
#endif
#ifndef TCP_DEFER_ACCEPT
#define TCP_DEFER_ACCEPT (-1)
#endif
#ifndef TCP_KEEPIDLE
#define TCP_KEEPIDLE (-1)
#endif

static int set(int fd, int level, int option, int value)
{
	if (value == UNSET)
		return 0;
	if (option < 0) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int set_interface(int fd, const char *name)
{
	if (!name)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
}

static int set_tos(int fd, int family, int tos)
{
	/* On a dual socket both are needed, and IP_TOS on an IPv6 socket is for its IPv4 connections. */
	if (family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_TCLASS, tos) < 0)
		return -1;
	return set(fd, IPPROTO_IP, IP_TOS, tos);
}

/* TCP counts in seconds. */
static int in_seconds(int ms)
{
	return ms == UNSET ? UNSET : (ms + 999) / 1000;
}

const char *socket_options_before_bind(int fd, int family, bool dual, const struct socket_options *o)
{
	if (family == AF_UNIX)
		return NULL;
	if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return "SO_REUSEADDR";
	if (set(fd, SOL_SOCKET, SO_REUSEPORT, o->reuse_port) < 0)
		return "reuse-port";
	if (family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual) < 0)
		return "v6only";
	if (o->bind == BIND_FREE && set(fd, IPPROTO_IP, IP_FREEBIND, 1) < 0)
		return "bind = free";
	return NULL;
}

const char *socket_options_any_time(int fd, int family, const struct socket_options *o)
{
	const struct {
		const char *key;
		int level, option, value;
	} list[] = {
		{ "nodelay", IPPROTO_TCP, TCP_NODELAY, o->nodelay },
		{ "keepalive", SOL_SOCKET, SO_KEEPALIVE, o->keepalive },
		{ "keepalive-idle", IPPROTO_TCP, TCP_KEEPIDLE, in_seconds(o->keepalive_idle) },
		{ "keepalive-interval", IPPROTO_TCP, TCP_KEEPINTVL, in_seconds(o->keepalive_interval) },
		{ "keepalive-count", IPPROTO_TCP, TCP_KEEPCNT, o->keepalive_count },
		{ "defer-accept", IPPROTO_TCP, TCP_DEFER_ACCEPT, in_seconds(o->defer_accept) },
		{ "fast-open", IPPROTO_TCP, TCP_FASTOPEN, o->fast_open },
		{ "mark", SOL_SOCKET, SO_MARK, o->mark },
	};

	if (set(fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer) < 0)
		return "send-buffer";
	if (set(fd, SOL_SOCKET, SO_RCVBUF, o->receive_buffer) < 0)
		return "receive-buffer";
	if (family == AF_UNIX)
		return NULL;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (set(fd, list[i].level, list[i].option, list[i].value) < 0)
			return list[i].key;
	if (set_tos(fd, family, o->tos) < 0)
		return "tos";
	if (set_interface(fd, o->interface) < 0)
		return "interface";
	return NULL;
}

static bool is_kept(int was, int now)
{
	return was == UNSET || now != UNSET;
}

bool socket_options_can_become(const struct socket_options *was, const struct socket_options *now)
{
	return was->v6only == now->v6only && was->reuse_port == now->reuse_port && is_kept(was->nodelay, now->nodelay) &&
	       is_kept(was->keepalive, now->keepalive) && is_kept(was->keepalive_idle, now->keepalive_idle) &&
	       is_kept(was->keepalive_interval, now->keepalive_interval) && is_kept(was->keepalive_count, now->keepalive_count) &&
	       is_kept(was->defer_accept, now->defer_accept) && is_kept(was->fast_open, now->fast_open) &&
	       is_kept(was->mark, now->mark) && is_kept(was->tos, now->tos) && is_kept(was->send_buffer, now->send_buffer) &&
	       is_kept(was->receive_buffer, now->receive_buffer) && (!was->interface || now->interface);
}
