/* SPDX-License-Identifier: ISC */
/*
 * List files of any bytes: what is read is compiled and looked up in, and each answer is compared with a look at every rule. The
 * addresses, users and groups looked for are the ends of each rule and what lies beside them.
 */
#include "config.h"

#include "access_list.h"
#include "access_rule.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MOST 64 /* whose every neighbour is looked up */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void count(void *data, const char *path, int line, const char *text)
{
	unsigned *complaints = data;

	must(strcmp(path, "list") == 0 && line >= 0 && text[0]);
	for (const char *at = text; *at; at++)
		must(*at >= ' ' && *at < 0x7f);
	must(++*complaints <= 21);
}

/* A rule as it is described, read again: "deny 192.0.2.0/24 (list:3)". */
static struct access_rule read_again(const struct access_list *l, uint32_t number, bool *allow)
{
	char text[256], why[256];
	struct access_rule rule;
	char *from, *to;

	access_list_describe(l, number, text, sizeof(text));
	*allow = strncmp(text, "allow ", 6) == 0;
	from = strchr(text, ' ') + 1;
	to = strchr(from, ' ');
	must(to && strncmp(to, " (list:", 7) == 0);
	*to = '\0';
	must(access_rule_read(from, &rule, why, sizeof(why)) == 0);
	return rule;
}

static bool fits(const struct access_rule *rule, enum access_kind kind, const struct access_key *value)
{
	const struct access_key last = access_rule_last(rule->value, rule->bits);

	if (rule->kind != kind || value->high < rule->value.high || value->high > last.high)
		return false;
	return !(value->high == rule->value.high && value->low < rule->value.low) &&
	       !(value->high == last.high && value->low > last.low);
}

/* The number of the rule that decides, and what it says. */
static uint32_t scan(const struct access_list *l, enum access_kind kind, const struct access_key *value, bool *allow)
{
	uint32_t best = ACCESS_NO_RULE;
	unsigned bits = 0;

	for (uint32_t i = 0; i < access_list_rules(l); i++) {
		bool says;
		const struct access_rule rule = read_again(l, i, &says);

		if (!fits(&rule, kind, value) || (best != ACCESS_NO_RULE && rule.bits <= bits))
			continue;
		best = i;
		bits = rule.bits;
		*allow = says;
	}
	return best;
}

static void put(uint64_t value, size_t size, void *out)
{
	for (unsigned char *byte = out; size-- > 0; value >>= 8)
		byte[size] = (unsigned char)value;
}

static void look_up(const struct access_list *l, enum access_kind kind, const struct access_key *value, bool otherwise)
{
	struct address a = { .length = sizeof(a.socket.any) };
	gid_t group = kind == ACCESS_GROUP ? (gid_t)(value->high >> 32) : 0;
	struct access_client client = { .address = &a, .uid = UINT32_MAX, .groups = &group, .group_count = kind == ACCESS_GROUP };
	uint32_t rule, expected;
	bool allow = otherwise;

	a.socket.any.sa_family = kind == ACCESS_IPV4 ? AF_INET : kind == ACCESS_IPV6 ? AF_INET6 : AF_UNIX;
	if (kind == ACCESS_USER)
		client.uid = (uid_t)(value->high >> 32);
	if (kind == ACCESS_IPV4)
		put(value->high >> 32, 4, &a.socket.v4.sin_addr);
	if (kind == ACCESS_IPV6) {
		if (value->high == 0 && value->low >> 32 == 0xffff)
			return; /* an IPv4 client */
		put(value->high, 8, a.socket.v6.sin6_addr.s6_addr);
		put(value->low, 8, a.socket.v6.sin6_addr.s6_addr + 8);
	}
	expected = scan(l, kind, value, &allow);
	must(access_admits(l->access, &client, &rule) == allow);
	must(rule == expected);
}

static struct access_key moved(struct access_key value, bool narrow, bool back)
{
	uint64_t by = narrow ? (uint64_t)1 << 32 : 1;

	if (narrow) {
		value.high = back ? value.high - by : value.high + by;
	} else if (back) {
		value.high -= value.low == 0;
		value.low--;
	} else {
		value.low++;
		value.high += value.low == 0;
	}
	return value;
}

static void look_around(const struct access_list *l, uint32_t number, bool otherwise)
{
	bool allow;
	const struct access_rule rule = read_again(l, number, &allow);
	bool narrow = rule.kind != ACCESS_IPV6;
	struct access_key last = access_rule_last(rule.value, rule.bits);
	const struct access_key before = moved(rule.value, narrow, true), after = moved(last, narrow, false);

	look_up(l, rule.kind, &rule.value, otherwise);
	look_up(l, rule.kind, &last, otherwise);
	look_up(l, rule.kind, &before, otherwise);
	look_up(l, rule.kind, &after, otherwise);
}

static struct access_list *make(const uint8_t *data, size_t size, bool allow)
{
	struct access_maker *m = access_maker_new();
	unsigned complaints = 0;
	int result;

	must(m != NULL);
	result = access_add_text(m, allow, (const char *)data, size, "list", count, &complaints);
	must((result < 0) == (complaints > 0));
	return access_make(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool allow = size > 0 && data[0] == '#';
	struct access_list *l = make(data, size, allow), *again = make(data, size, allow);

	must(l && again && access_list_same(l, again));
	for (uint32_t i = 0; i < access_list_rules(l) && i < RULES_MOST; i++)
		look_around(l, i, !allow);
	access_list_release(l);
	access_list_release(again);
	return 0;
}
