/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lists.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct resolving {
	struct service_config *c;
	const struct origin *origin;
	struct complaints *complaints;
	struct access_fit comes; /* which sorts of clients there are */
	bool bad;
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

/* Rules that nobody can fit are a mistake, and one that may lock everybody out */

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

static bool fits_nobody(const struct resolving *r, const struct access_fit *rules)
{
	bool ip = rules->ip > 0 && r->comes.ip, local = rules->local > 0 && r->comes.local;

	return rules->ip + rules->local > 0 && !ip && !local;
}

static const char *what_comes(const struct resolving *r)
{
	return r->comes.ip ? "no address of listen is a path or an abstract name; write an IP address or a prefix"
	                   : "each address of listen is a path or an abstract name; write unix:uid=USER or unix:gid=GROUP";
}

static void check_entry(struct resolving *r, const struct setting *s, size_t n, const struct access_fit *rules)
{
	if (fits_nobody(r, rules))
		object(r, s, n, "%s fits no client: %s", s->values[n], what_comes(r));
}

/* A list in `defaults` may have rules for all sorts of services, but an allow that has none for this one shuts it. */
static void check_inherited(struct resolving *r, const struct setting *s, const struct access_fit *rules)
{
	if (!fits_nobody(r, rules))
		return;
	complain(r->complaints, r->c->file, r->c->line, "service %s: %s of defaults (%s:%d) fits no client: %s", r->c->name, s->key->name,
	         s->file, s->line, what_comes(r));
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
	const char *text = s->values[n], *path = text + strlen("file:");
	struct place here = { r, s, n };
	char why[256];

	if (strncmp(text, "file:", strlen("file:")) != 0) {
		if (access_add(m, allow, text, s->file, s->lines[n], why, sizeof(why)) < 0)
			object(r, s, n, "%s", why);
	} else if (path[0] != '/') {
		object(r, s, n, "\"%s\" is no absolute path; write file:/PATH", path);
	} else {
		access_add_file(m, allow, path, object_to_file, &here);
	}
}

static struct access_fit since(const struct access_maker *m, struct access_fit before)
{
	const struct access_fit now = access_maker_fit(m);

	return (struct access_fit){ now.ip - before.ip, now.local - before.local };
}

static struct access_fit add_setting(struct resolving *r, struct access_maker *m, const struct setting *s, bool allow)
{
	const struct access_fit before = access_maker_fit(m);

	for (size_t i = 0; s && i < s->count; i++) {
		const struct access_fit so_far = access_maker_fit(m);
		struct access_fit added;

		add_entry(r, m, s, i, allow);
		added = since(m, so_far);
		if (is_own(r, s))
			check_entry(r, s, i, &added);
	}
	return since(m, before);
}

/* Lists */

static struct shared_list make(struct resolving *r, const struct setting *allow, const struct setting *deny)
{
	struct access_maker *m = access_maker_new();
	struct shared_list made = { .made = true };

	if (m) {
		made.allowed = add_setting(r, m, allow, true);
		add_setting(r, m, deny, false);
	}
	if (m && r->bad) {
		access_maker_free(m);
		return made;
	}
	made.list = m ? access_make(m) : NULL;
	if (!made.list)
		object(r, allow ? allow : deny, 0, "cannot make the list: %s", strerror(errno));
	return made;
}

static struct access_list *resolve(struct resolving *r, const struct setting *allow, const struct setting *deny,
                                   struct shared_list *shared)
{
	struct shared_list made;

	if (is_own(r, allow) || is_own(r, deny)) {
		made = make(r, allow, deny);
	} else {
		if (!shared->made)
			*shared = make(r, allow, deny);
		made = *shared;
		if (made.list)
			access_list_hold(made.list);
	}
	if (allow && !is_own(r, allow))
		check_inherited(r, allow, &made.allowed);
	return made.list;
}

static void resolve_access(struct resolving *r, struct shared_lists *shared)
{
	const struct setting *allow = find(r, "allow"), *deny = find(r, "deny");

	r->comes = who_comes(r->c, r->c->proxy.mode != PROXY_OFF);
	r->bad = false;
	if (allow && allow->count == 0)
		object(r, allow, 0, "an empty list, by which nobody could connect; write who may, or leave it out");
	else if (allow || deny)
		r->c->access = resolve(r, allow, deny, &shared->access);
}

static void resolve_from(struct resolving *r, struct shared_lists *shared)
{
	const struct setting *mode = find(r, "proxy-protocol.mode"), *from = find(r, "proxy-protocol.from");
	bool on = r->c->proxy.mode != PROXY_OFF;

	/* While it is off, nobody comes to whom the list is applied, so any rule will do. */
	r->comes = on ? who_comes(r->c, false) : (struct access_fit){ 1, 1 };
	r->bad = false;
	if (from && from->count > 0)
		r->c->proxy_from = resolve(r, from, NULL, &shared->from);
	else if (on && mode)
		object(r, mode, 0, "no sender is trusted; write %s",
		       r->comes.ip ? "from = { \"127.0.0.1\" } (\"0.0.0.0/0\", \"::/0\" if it must be everyone)"
		                   : "from = { \"unix:uid=USER\" }");
}

void lists_resolve(struct service_config *c, const struct origin *o, struct shared_lists *shared, struct complaints *complaints)
{
	struct resolving r = { .c = c, .origin = o, .complaints = complaints };

	resolve_access(&r, shared);
	resolve_from(&r, shared);
}

void lists_release(struct shared_lists *shared)
{
	access_list_release(shared->access.list);
	access_list_release(shared->from.list);
	*shared = (struct shared_lists){ 0 };
}
