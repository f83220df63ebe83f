/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "access_rule.h"
#include "address.h"

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who made the text may not be who reads the log: what does not print is shown as a question mark. */
__attribute__((format(printf, 4, 5))) static int refuse(char *why, size_t whysize, const char *text, const char *format, ...)
{
	char shown[64];
	char sentence[160];
	size_t n = 0;
	va_list ap;

	for (; text[n] && n + 1 < sizeof(shown); n++)
		shown[n] = text[n] >= ' ' && text[n] < 0x7f ? text[n] : '?';
	shown[n] = '\0';
	va_start(ap, format);
	vsnprintf(sentence, sizeof(sentence), format, ap);
	va_end(ap);
	snprintf(why, whysize, "\"%s\" %s", shown, sentence);
	return -1;
}

/* A decimal number and nothing else: no sign, no space, and no leading zero, which elsewhere means octal. */
static bool read_number(const char *text, unsigned long max, unsigned long *number)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 10 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
		return false;
	*number = strtoul(text, NULL, 10);
	return *number <= max;
}

/* Users and groups */

static bool find_user(const char *name, unsigned long *id)
{
	const struct passwd *p = getpwnam(name);

	if (p)
		*id = p->pw_uid;
	return p;
}

static bool find_group(const char *name, unsigned long *id)
{
	const struct group *g = getgrnam(name);

	if (g)
		*id = g->gr_gid;
	return g;
}

static bool begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

static int read_unix(const char *text, struct access_rule *rule, char *why, size_t whysize)
{
	const char *name = text + strlen("unix:uid=");
	bool user = begins_with(text, "unix:uid=");
	unsigned long id;

	if ((!user && !begins_with(text, "unix:gid=")) || !name[0])
		return refuse(why, whysize, text, "is neither unix:uid=USER nor unix:gid=GROUP");
	/* The last number is nobody's: it stands for none. */
	if (name[strspn(name, "0123456789")] == '\0') {
		if (!read_number(name, UINT32_MAX - 1, &id))
			return refuse(why, whysize, text, "has no number from 0 to %u", UINT32_MAX - 1);
	} else if (!(user ? find_user(name, &id) : find_group(name, &id))) {
		return refuse(why, whysize, text, "is not known: there is no such %s", user ? "user" : "group");
	}
	rule->kind = user ? ACCESS_USER : ACCESS_GROUP;
	rule->value = (struct access_key){ (uint64_t)id << 32, 0 };
	rule->bits = 32;
	return 0;
}

/* Addresses */

static struct access_key behind(unsigned bits)
{
	return (struct access_key){
		.high = bits < 64 ? UINT64_MAX >> bits : 0,
		.low = bits <= 64 ? UINT64_MAX : bits < 128 ? UINT64_MAX >> (bits - 64) : 0,
	};
}

struct access_key access_rule_last(struct access_key first, unsigned bits)
{
	const struct access_key rest = behind(bits);

	return (struct access_key){ first.high | rest.high, first.low | rest.low };
}

static uint64_t number_of(const unsigned char *byte, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | byte[i];
	return value;
}

/* Returns how many bits an address of its kind has, 0 if it is none. */
static unsigned read_address(const char *text, struct access_rule *rule)
{
	unsigned char ip[16];

	if (inet_pton(AF_INET, text, ip) == 1) {
		rule->kind = ACCESS_IPV4;
		rule->value = (struct access_key){ number_of(ip, 4) << 32, 0 };
		return 32;
	}
	if (inet_pton(AF_INET6, text, ip) == 1) {
		rule->kind = ACCESS_IPV6;
		rule->value = (struct access_key){ number_of(ip, 8), number_of(ip + 8, 8) };
		return 128;
	}
	return 0;
}

static void cut(struct access_rule *rule)
{
	const struct access_key rest = behind(rule->bits);

	rule->value.high &= ~rest.high;
	rule->value.low &= ~rest.low;
}

static bool has_bits_behind(const struct access_rule *rule)
{
	struct access_rule prefix = *rule;

	cut(&prefix);
	return prefix.value.high != rule->value.high || prefix.value.low != rule->value.low;
}

static void unmap(struct access_rule *rule)
{
	if (rule->kind != ACCESS_IPV6 || rule->bits < 96 || rule->value.high != 0 || rule->value.low >> 32 != 0xffff)
		return;
	rule->kind = ACCESS_IPV4;
	rule->value = (struct access_key){ rule->value.low << 32, 0 };
	rule->bits -= 96;
}

static int refuse_bits_behind(const char *text, const struct access_rule *rule, char *why, size_t whysize)
{
	struct access_rule prefix = *rule;
	char shown[ACCESS_RULE_TEXT];

	cut(&prefix);
	unmap(&prefix);
	access_rule_print(&prefix, shown);
	return refuse(why, whysize, text, "has address bits behind its prefix; write %s if that is meant", shown);
}

static int read_prefix(const char *text, struct access_rule *rule, char *why, size_t whysize)
{
	size_t length = strcspn(text, "/");
	char address[ADDRESS_IP];
	unsigned long bits;
	unsigned most = 0;

	if (length < sizeof(address)) {
		memcpy(address, text, length);
		address[length] = '\0';
		most = read_address(address, rule);
	}
	if (most == 0)
		return refuse(why, whysize, text, "is no address, no prefix, and neither unix:uid=USER nor unix:gid=GROUP");
	bits = most;
	if (text[length] == '/' && !read_number(text + length + 1, most, &bits))
		return refuse(why, whysize, text, "is no prefix; its length is a number from 0 to %u", most);
	rule->bits = (unsigned)bits;
	if (has_bits_behind(rule))
		return refuse_bits_behind(text, rule, why, whysize);
	unmap(rule);
	return 0;
}

int access_rule_read(const char *text, struct access_rule *rule, char *why, size_t whysize)
{
	if (begins_with(text, "file:"))
		return refuse(why, whysize, text, "names a list, which cannot stand here");
	if (begins_with(text, "unix:"))
		return read_unix(text, rule, why, whysize);
	return read_prefix(text, rule, why, whysize);
}

/* Back to text */

static void put_bytes(uint64_t value, size_t size, unsigned char *out)
{
	while (size-- > 0) {
		out[size] = (unsigned char)value;
		value >>= 8;
	}
}

static void print_prefix(const struct access_rule *rule, char *out)
{
	struct address a = { 0 };
	size_t length;

	if (rule->kind == ACCESS_IPV4) {
		a.length = sizeof(a.socket.v4);
		a.socket.v4.sin_family = AF_INET;
		put_bytes(rule->value.high >> 32, 4, (unsigned char *)&a.socket.v4.sin_addr);
	} else {
		a.length = sizeof(a.socket.v6);
		a.socket.v6.sin6_family = AF_INET6;
		put_bytes(rule->value.high, 8, a.socket.v6.sin6_addr.s6_addr);
		put_bytes(rule->value.low, 8, a.socket.v6.sin6_addr.s6_addr + 8);
	}
	length = address_ip(&a, out);
	if (rule->bits == (rule->kind == ACCESS_IPV4 ? 32 : 128))
		return;
	out[length++] = '/';
	address_decimal(rule->bits, out + length);
}

void access_rule_print(const struct access_rule *rule, char *out)
{
	if (rule->kind == ACCESS_USER || rule->kind == ACCESS_GROUP)
		snprintf(out, ACCESS_RULE_TEXT, "unix:%s=%u", rule->kind == ACCESS_USER ? "uid" : "gid",
		         (unsigned)(rule->value.high >> 32));
	else
		print_prefix(rule, out);
}
