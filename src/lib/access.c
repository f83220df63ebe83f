/* SPDX-License-Identifier: ISC */
#include "access.h"

#include "access_layout.h"

/* Where the children of a node end. */
static uint32_t end_of(const struct access_tree *tree, uint32_t level, uint32_t begin)
{
	uint32_t left = tree->count[level] - begin;

	return begin + (left < ACCESS_FANOUT ? left : ACCESS_FANOUT);
}

/* The first interval begins at 0, so there is always one that has the value. */
static uint32_t find_narrow(const struct access *a, enum access_kind kind, uint32_t value)
{
	const struct access_tree *tree = &a->tree[kind];
	uint32_t at = 0;

	for (uint32_t level = tree->levels; level-- > 0;) {
		const uint32_t *key = access_at(a, tree->keys[level]);
		uint32_t end = end_of(tree, level, at *= ACCESS_FANOUT);

		while (at + 1 < end && key[at + 1] <= value)
			at++;
	}
	return ((const uint32_t *)access_at(a, tree->words))[at];
}

static bool is_up_to(const struct access_key *key, const struct access_key *value)
{
	return key->high < value->high || (key->high == value->high && key->low <= value->low);
}

static uint32_t find_wide(const struct access *a, const struct access_key *value)
{
	const struct access_tree *tree = &a->tree[ACCESS_IPV6];
	uint32_t at = 0;

	for (uint32_t level = tree->levels; level-- > 0;) {
		const struct access_key *key = access_at(a, tree->keys[level]);
		uint32_t end = end_of(tree, level, at *= ACCESS_FANOUT);

		while (at + 1 < end && is_up_to(&key[at + 1], value))
			at++;
	}
	return ((const uint32_t *)access_at(a, tree->words))[at];
}

/* Bytes in network order as a number. */
static uint64_t number(const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | byte[i];
	return value;
}

static uint32_t decide_ipv4(const struct access *a, const void *ip)
{
	return find_narrow(a, ACCESS_IPV4, (uint32_t)number(ip, 4));
}

static uint32_t decide_ipv6(const struct access *a, const unsigned char *ip)
{
	const struct access_key value = { number(ip, 8), number(ip + 8, 8) };

	if (value.high == 0 && value.low >> 32 == 0xffff)
		return decide_ipv4(a, ip + 12);
	return find_wide(a, &value);
}

static uint32_t decide_unix(const struct access *a, const struct access_client *client)
{
	uint32_t word = find_narrow(a, ACCESS_USER, client->uid);

	if (word != ACCESS_UNDECIDED || !access_has_groups(a))
		return word;
	for (size_t i = 0; i < client->group_count; i++) {
		uint32_t found = find_narrow(a, ACCESS_GROUP, client->groups[i]);

		if (found < word)
			word = found;
	}
	return word;
}

static uint32_t decide(const struct access *a, const struct access_client *client)
{
	switch (address_family(client->address)) {
	case AF_INET:
		return decide_ipv4(a, &client->address->socket.v4.sin_addr);
	case AF_INET6:
		return decide_ipv6(a, client->address->socket.v6.sin6_addr.s6_addr);
	case AF_UNIX:
		return decide_unix(a, client);
	default:
		return ACCESS_UNDECIDED;
	}
}

bool access_admits(const struct access *a, const struct access_client *client, uint32_t *rule)
{
	uint32_t word = decide(a, client);

	if (word == ACCESS_UNDECIDED) {
		*rule = ACCESS_NO_RULE;
		return !a->has_allow;
	}
	*rule = word & ~ACCESS_ALLOWS;
	return word & ACCESS_ALLOWS;
}

bool access_has_groups(const struct access *a)
{
	return a->first[ACCESS_GROUP] != a->first[ACCESS_GROUP + 1];
}
