/* SPDX-License-Identifier: ISC */
/*
 * Who may connect: a list of prefixes, user ids and group ids, compiled for looking up.
 *
 * It is one piece of memory without pointers, sealed against writing, that all workers of a service share with the master and nobody
 * copies: a fork does not even copy its page tables. Looking up asks nothing of the C library; making a list is access_list.h.
 *
 * The longest prefix decides, deny on a tie. An IPv4-mapped address is the IPv4 address. A uid decides before a gid. Where no rule
 * fits, the client is admitted unless the list has an allow.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include "address.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCESS_NO_RULE UINT32_MAX

/* Its layout belongs to access.c and access_list.c. */
struct access;

struct access_client {
	const struct address *address; /* unmapped */
	uid_t uid;                     /* of a path or abstract socket's client, with its groups */
	const gid_t *groups;
	size_t group_count;
};

/* Is the client admitted? *rule is the number of the rule that decided, or ACCESS_NO_RULE. */
bool access_admits(const struct access *a, const struct access_client *client, uint32_t *rule);

/* Does the list ask for groups, so that it is worth asking the kernel for a client's? */
bool access_has_groups(const struct access *a);

#endif
