/* SPDX-License-Identifier: ISC */
/* The socket options of a listener. Linux hands all of them down to the connections. */
#ifndef SOCKET_OPTIONS_H
#define SOCKET_OPTIONS_H

#include "service_config.h"

/* Those that must be there before bind(2). NULL, or the name of the key that could not be set, with errno. */
const char *socket_options_before_bind(int fd, int family, bool dual, const struct socket_options *o);

/* Those that can change at any time. Likewise. TCP's are left alone on a path or abstract socket. */
const char *socket_options_any_time(int fd, int family, const struct socket_options *o);

/* Can a socket with the one be brought to the other? Not where an option goes back to the system's own value. */
bool socket_options_can_become(const struct socket_options *was, const struct socket_options *now);

#endif
