/* SPDX-License-Identifier: ISC */
#include "accept.h"

#include <errno.h>

enum accept_verdict accept_verdict(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED: /* the client went away while it waited */
	case EPROTO:
	case EPERM: /* a packet filter forbade this one */
	/* Errors of the new connection's network, which Linux hands to accept: */
	case ENETDOWN:
	case ENETUNREACH:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
#ifdef ENONET
	case ENONET:
#endif
	case EOPNOTSUPP:
	case ETIMEDOUT:
		return ACCEPT_AGAIN;
	case EAGAIN: /* somebody who shares the description made it non-blocking */
#if EWOULDBLOCK != EAGAIN
	case EWOULDBLOCK:
#endif
		return ACCEPT_READY;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
#ifdef ENOSR
	case ENOSR:
#endif
		return ACCEPT_PAUSE;
	case ENOTSOCK: /* our own handler put /dev/null in its place */
	case EINVAL:   /* the master ended it with shutdown(2) */
		return ACCEPT_ENDED;
	default:
		return ACCEPT_BROKEN;
	}
}
