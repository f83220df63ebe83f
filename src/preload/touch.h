/* SPDX-License-Identifier: ISC */
/*
 * First input or output: a call whose answer, or whose effect on the placeholder, would differ from the connection's. Interpreters ask
 * for a descriptor's kind long before they import anything; that does not differ, as the placeholder is a socket of the same family. To
 * give the connection another number, other flags or an end asks, too: the placeholder's would be none of the connection's. And so does to
 * make a child: it would have the placeholder, and nobody sees what it does with it.
 */
#ifndef TOUCH_H
#define TOUCH_H

#include <stdbool.h>

enum touch {
	TOUCH_NOT,
	TOUCH_ASKS,    /* reads, waits for input, asks about the peer */
	TOUCH_ANSWERS, /* writes */
	TOUCH_CANNOT,  /* works on descriptors where nobody can see them */
};

/*
 * What a system call does to descriptors 0 and 1, and 2 if that is a socket. The arguments are those of the call; what they point
 * to is read only as far as the call itself would.
 */
enum touch touch_of(long number, const long argument[6], bool error_is_socket);

#endif
