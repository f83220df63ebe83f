/* SPDX-License-Identifier: ISC */
/* The one place that knows the errnos of accept(2), each with its reason. */
#ifndef ACCEPT_H
#define ACCEPT_H

enum accept_verdict {
	ACCEPT_AGAIN,  /* that connection is gone, or the call was interrupted: accept the next */
	ACCEPT_READY,  /* the socket does not block: wait until it is readable */
	ACCEPT_PAUSE,  /* the machine is short of something: wait a little, the queue keeps the clients */
	ACCEPT_ENDED,  /* the listener was let go of or has ended: leave */
	ACCEPT_BROKEN, /* it will never work: give up and say so */
};

enum accept_verdict accept_verdict(int error);

#endif
