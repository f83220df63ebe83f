/* SPDX-License-Identifier: ISC */
/* The access lists of a service: from allow and deny, and from the senders that proxy-protocol.from trusts. */
#ifndef LISTS_H
#define LISTS_H

#include "access_list.h"
#include "meaning.h"

/* A list that comes from `defaults` alone is the same for every service that has it: made once, held by all. */
struct made_list {
	bool made;
	struct access_list *list;
	struct access_fit *fits; /* what the entries are for: those of allow, then those of deny */
};

/* All zero at first. */
struct shared_lists {
	struct made_list access, from;
};

/* Makes c->access and c->proxy_from; the endpoints are known by now. What is wrong goes to complaints, each with its place. */
void lists_resolve(struct service_config *c, const struct origin *o, struct shared_lists *shared, struct complaints *complaints);

void lists_release(struct shared_lists *shared);

#endif
