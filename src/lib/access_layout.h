/* SPDX-License-Identifier: ISC */
/*
 * How a compiled access list lies in memory: written once by access_compile.c, read by access.c in every worker, and by
 * access_list.c for the log. Places are distances from the beginning, so that it may be mapped anywhere.
 *
 * Addresses, user ids and group ids are looked up alike. For each kind the rules, nested as they may be, were flattened into intervals
 * that do not overlap, each with the word of the rule that decides there. Over the first values of the intervals stands a tree: a
 * level has every ACCESS_FANOUT-th value of the level below. A look-up reads one node of each level, two cache lines for a user
 * id or an IPv4 address, and the upper levels of even a million intervals stay in the cache.
 */
#ifndef ACCESS_LAYOUT_H
#define ACCESS_LAYOUT_H

#include <stdint.h>

#define ACCESS_FANOUT 16
#define ACCESS_LEVELS 8 /* enough for UINT32_MAX intervals */

/* The kinds whose values have 32 bits come first. */
enum access_kind {
	ACCESS_IPV4,
	ACCESS_USER,
	ACCESS_GROUP,
	ACCESS_IPV6,
	ACCESS_KINDS,
};

/* A value of 128 bits. Where 32 are enough, they are its upper ones. */
struct access_key {
	uint64_t high, low;
};

/*
 * What decides in an interval: the number of a rule, and above it whether it denies (0) or allows. So the lesser of two words is
 * the stronger one.
 */
#define ACCESS_ALLOWS 0x80000000U
#define ACCESS_UNDECIDED UINT32_MAX
#define ACCESS_RULES_MAX (ACCESS_ALLOWS - 1)

struct access_tree {
	uint32_t levels;
	uint32_t count[ACCESS_LEVELS]; /* of values on each level, from the intervals up */
	uint64_t keys[ACCESS_LEVELS];  /* where they are: uint32_t, or struct access_key for IPv6 */
	uint64_t words;                /* uint32_t of each interval */
};

/* A rule, for the log. */
struct access_origin {
	uint32_t line;
	uint16_t file;
	uint8_t bits;
	uint8_t allow;
};

/* Rules are numbered by kind, and within a kind by value and length. */
struct access {
	uint64_t size; /* of it all */
	uint32_t has_allow;
	uint32_t spare;
	uint32_t first[ACCESS_KINDS + 1]; /* the number of the first rule of each kind, and of all */
	uint32_t files;
	struct access_tree tree[ACCESS_KINDS];
	uint64_t origins; /* struct access_origin of each rule */
	uint64_t narrow;  /* uint32_t of each rule of the kinds before IPv6 */
	uint64_t wide;    /* struct access_key of each rule of IPv6 */
	uint64_t names;   /* of the files, each with its NUL */
};

static inline const void *access_at(const struct access *a, uint64_t place)
{
	return (const unsigned char *)a + place;
}

#endif
