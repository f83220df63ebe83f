/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lists.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct resolving {
	struct service_config *c;
	const struct origin *origin;
	struct complaints *complaints;
	bool bad; /* something in the list at hand */
};

static const struct setting *find(const struct resolving *r, const char *name)
{
	return origin_find(r->origin, key_find(service_keys, name));
}

/* Does the service say it itself, or did `defaults`? */
static bool is_own(const struct resolving *r, const struct setting *s)
{
	return s && section_find(r->origin->own, s->key) == s;
}

__attribute__((format(printf, 4, 5))) static void object(struct resolving *r, const struct setting *s, size_t n, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	complain(r->complaints, s->file, n < s->count ? s->lines[n] : s->line, "%s: %s", s->key->name, text);
	r->bad = true;
}

/* Entries */

struct place {
	struct resolving *r;
	const struct setting *s;
	size_t n;
};

/* What is wrong with a line stands there, what is wrong with the file as a whole where it is named. */
static void object_to_file(void *data, const char *path, int line, const char *text)
{
	struct place *p = data;

	if (line == 0)
		object(p->r, p->s, p->n, "%s: %s", path, text);
	else
		complain(p->r->complaints, path, line, "%s", text);
	p->r->bad = true;
}

static void add_entry(struct resolving *r, struct access_maker *m, const struct setting *s, size_t n, bool allow)
{
	const char *text = s->values[n];
	struct place here = { r, s, n };
	char why[256];

	if (strncmp(text, "file:/", 6) == 0)
		access_add_file(m, allow, text + 5, object_to_file, &here);
	else if (strncmp(text, "file:", 5) == 0)
		object(r, s, n, "\"%s\" is no absolute path; write file:/PATH", text + 5);
	else if (access_add(m, allow, text, s->file, s->lines[n], why, sizeof(why)) < 0)
		object(r, s, n, "%s", why);
}

static void add_setting(struct resolving *r, struct access_maker *m, const struct setting *s, bool allow, struct access_fit *fits)
{
	for (size_t i = 0; s && i < s->count; i++) {
		const struct access_fit before = access_maker_fit(m);
		struct access_fit after;

		add_entry(r, m, s, i, allow);
		after = access_maker_fit(m);
		fits[i] = (struct access_fit){ after.ip - before.ip, after.local - before.local };
	}
}

/* Lists */

static size_t count_of(const struct setting *s)
{
	return s ? s->count : 0;
}

static struct made_list make(struct resolving *r, const struct setting *allow, const struct setting *deny)
{
	struct made_list made = { .made = true };
	struct access_maker *m = access_maker_new();

	made.fits = calloc(count_of(allow) + count_of(deny) + 1, sizeof(*made.fits));
	if (m && made.fits) {
		add_setting(r, m, allow, true, made.fits);
		add_setting(r, m, deny, false, made.fits + count_of(allow));
	}
	if (m && made.fits && !r->bad) {
		made.list = access_make(m);
		m = NULL;
	}
	if (!made.list && !r->bad)
		object(r, allow ? allow : deny, 0, "cannot make the list: %s", strerror(errno));
	access_maker_free(m);
	return made;
}

static void release_made(struct made_list *made)
{
	access_list_release(made->list);
	free(made->fits);
	*made = (struct made_list){ 0 };
}

/* A rule that nobody can fit is a mistake, and one that may lock everybody out. */

/* With a PROXY header a client may have any address, whatever it is that the proxy connects to. */
static struct access_fit who_comes(const struct service_config *c, bool proxied)
{
	struct access_fit comes = { c->endpoint_count == 0 || proxied, c->endpoint_count == 0 };

	for (size_t i = 0; i < c->endpoint_count; i++)
		if (address_family(&c->endpoints[i].endpoint.address) == AF_UNIX)
			comes.local = 1;
		else
			comes.ip = 1;
	return comes;
}

/* A file may have rules for several services, so one that fits is enough. */
static bool fits_nobody(const struct access_fit *rules, const struct access_fit *comes)
{
	return (rules->ip || rules->local) && !(rules->ip && comes->ip) && !(rules->local && comes->local);
}

static void check_fit(struct resolving *r, const struct setting *s, const struct access_fit *fits, const struct access_fit *comes)
{
	const char *why = comes->ip ? "no address of its listen is a path or an abstract name; write an IP address or a prefix"
	                            : "each address of its listen is a path or an abstract name; write unix:uid=USER or unix:gid=GROUP";

	for (size_t i = 0; i < count_of(s); i++)
		if (fits_nobody(&fits[i], comes))
			object(r, s, i, "%s fits no client of service %s: %s%s", s->values[i], r->c->name, why,
			       is_own(r, s) ? "" : "; what stands in defaults can be replaced in the service");
}

static struct access_list *resolve(struct resolving *r, const struct setting *allow, const struct setting *deny,
                                   const struct access_fit *comes, struct made_list *shared)
{
	bool own = is_own(r, allow) || is_own(r, deny);
	struct made_list alone = { 0 }, *made = own ? &alone : shared;
	struct access_list *list;

	if (!made->made)
		*made = make(r, allow, deny);
	if (made->fits) {
		check_fit(r, allow, made->fits, comes);
		check_fit(r, deny, made->fits + count_of(allow), comes);
	}
	list = made->list ? access_list_hold(made->list) : NULL;
	if (own)
		release_made(made);
	return list;
}

static void resolve_access(struct resolving *r, struct made_list *shared)
{
	const struct setting *allow = find(r, "allow"), *deny = find(r, "deny");
	const struct access_fit comes = who_comes(r->c, r->c->proxy.mode != PROXY_OFF);

	r->bad = false;
	if (allow && allow->count == 0)
		object(r, allow, 0, "an empty list, by which nobody could connect; write who may, or leave it out");
	else if (allow || deny)
		r->c->access = resolve(r, allow, deny, &comes, shared);
}

static void resolve_from(struct resolving *r, struct made_list *shared)
{
	static const struct access_fit anybody = { 1, 1 };
	const struct setting *mode = find(r, "proxy-protocol.mode"), *from = find(r, "proxy-protocol.from");
	const struct access_fit comes = who_comes(r->c, false);
	bool on = r->c->proxy.mode != PROXY_OFF;

	r->bad = false;
	if (from && from->count > 0)
		r->c->proxy_from = resolve(r, from, NULL, on ? &comes : &anybody, shared);
	else if (on && mode)
		object(r, mode, 0, "no sender is trusted; name those who are, as in from = { %s",
		       comes.ip ? "\"127.0.0.1\" }, or { \"0.0.0.0/0\", \"::/0\" } if it must be everyone" : "\"unix:uid=USER\" }");
}

void lists_resolve(struct service_config *c, const struct origin *o, struct shared_lists *shared, struct complaints *complaints)
{
	struct resolving r = { .c = c, .origin = o, .complaints = complaints };

	resolve_access(&r, &shared->access);
	resolve_from(&r, &shared->from);
}

void lists_release(struct shared_lists *shared)
{
	release_made(&shared->access);
	release_made(&shared->from);
}
