/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "configuration.h"
#include "document.h"
#include "keys.h"
#include "lists.h"
#include "log.h"
#include "meaning.h"
#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *field_of(void *record, const struct key *k)
{
	return (char *)record + k->offset;
}

static const void *const_field_of(const void *record, const struct key *k)
{
	return (const char *)record + k->offset;
}

static void read_setting(const struct setting *s, void *record, struct complaints *complaints)
{
	const struct key *k = s->key;
	char why[VALUE_WHY] = "";
	size_t bad = 0;

	if (k->type->read(k, s, field_of(record, k), why, &bad) < 0)
		complain(complaints, s->file, bad < s->count ? s->lines[bad] : s->line, "%s: %s", k->name, why);
}

/* Loading */

static const struct section *find_defaults(const struct document *d, struct complaints *complaints)
{
	const struct section *found = NULL;

	for (size_t i = 0; i < d->count; i++) {
		const struct section *s = &d->sections[i];

		if (strcmp(s->name, "defaults") != 0)
			continue;
		if (found)
			complain(complaints, s->file, s->line, "defaults are given twice; the first time in %s:%d", found->file, found->line);
		else
			found = s;
	}
	return found;
}

static void check_log_to(const struct configuration *c, const struct setting *s, struct complaints *complaints)
{
	const char *to = c->log_to;
	bool file = strncmp(to, "file:/", 6) == 0;
	char why[VALUE_WHY];

	if (strcmp(to, "stderr") != 0 && strcmp(to, "syslog") != 0 && !file)
		complain(complaints, s->file, s->line, "log.to: \"%s\" is neither stderr, syslog nor file: with an absolute path", to);
	else if (file && meaning_find_parent(to + 5, why) < 0)
		complain(complaints, s->file, s->line, "log.to: %s", why);
}

static void check_pid_file(const struct configuration *c, const struct setting *s, struct complaints *complaints)
{
	char why[VALUE_WHY];

	if (c->pid_file && c->pid_file[0] != '/')
		complain(complaints, s->file, s->line, "pid-file: %s is no absolute path", c->pid_file);
	else if (c->pid_file && meaning_find_parent(c->pid_file, why) < 0)
		complain(complaints, s->file, s->line, "pid-file: %s", why);
}

static void read_global(struct configuration *c, const struct setting *s, struct complaints *complaints)
{
	read_setting(s, c, complaints);
	if (strcmp(s->key->name, "log.to") == 0)
		check_log_to(c, s, complaints);
	else if (strcmp(s->key->name, "pid-file") == 0)
		check_pid_file(c, s, complaints);
}

static void read_globals(struct configuration *c, const struct document *d, struct complaints *complaints)
{
	for (const struct key *k = global_keys; k->name; k++) {
		const struct setting *first = NULL;

		for (size_t i = 0; i < d->count; i++) {
			const struct setting *s = d->sections[i].name[0] ? NULL : section_find(&d->sections[i], k);

			if (s && first)
				complain(complaints, s->file, s->line, "%s is given twice; the first time in %s:%d", k->name, first->file,
				         first->line);
			else if (s)
				read_global(c, first = s, complaints);
		}
	}
}

static struct service_config *new_service(const struct section *s)
{
	struct service_config *c = service_config_new();

	if (!c)
		return NULL;
	c->name = strdup(s->title ? s->title : "defaults");
	c->file = strdup(s->file);
	c->line = s->line;
	if (c->name && c->file)
		return c;
	service_config_release(c);
	return NULL;
}

static void read_service(struct service_config *c, const struct origin *o, struct complaints *complaints)
{
	for (const struct key *k = service_keys; k->name; k++) {
		const struct setting *s = origin_find(o, k);

		if (s)
			read_setting(s, c, complaints);
	}
}

/* Defaults are checked even where no service uses them. */
static void check_defaults(const struct section *defaults, struct complaints *complaints)
{
	const struct origin o = { .own = defaults };
	struct service_config *c = defaults ? new_service(defaults) : NULL;

	if (c)
		read_service(c, &o, complaints);
	service_config_release(c);
}

static const struct service_config *find_service(const struct configuration *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->services[i]->name, name) == 0)
			return c->services[i];
	return NULL;
}

static int load_service(struct configuration *conf, const struct origin *o, const struct surroundings *around,
                        struct shared_lists *lists, struct complaints *complaints)
{
	const struct service_config *twin = find_service(conf, o->own->title);
	struct service_config **list = reallocarray(conf->services, conf->count + 1, sizeof(*list));
	struct service_config *c;

	if (!list)
		return -1;
	conf->services = list;
	c = new_service(o->own);
	if (!c)
		return -1;
	conf->services[conf->count++] = c;
	if (twin)
		complain(complaints, c->file, c->line, "service \"%s\" is configured twice; the first time in %s:%d", c->name, twin->file,
		         twin->line);
	read_service(c, o, complaints);
	meaning_resolve(c, o, around, complaints);
	lists_resolve(c, o, lists, complaints);
	return 0;
}

static void load_services(struct configuration *conf, const struct document *d, const struct surroundings *around,
                          struct complaints *complaints)
{
	const struct section *defaults = find_defaults(d, complaints);
	struct shared_lists lists = { 0 };

	check_defaults(defaults, complaints);
	for (size_t i = 0; i < d->count; i++) {
		const struct origin o = { .own = &d->sections[i], .defaults = defaults };

		if (strcmp(o.own->name, "service") == 0 && load_service(conf, &o, around, &lists, complaints) < 0)
			complain(complaints, NULL, 0, "%s", strerror(ENOMEM));
	}
	lists_release(&lists);
}

/* Two services on one address would fight for it at bind; one of them is a mistake that can be told now, and where. */

static bool may_share(const struct service_config *c)
{
	return !c->enabled || c->socket.reuse_port == 1 || c->socket.interface;
}

static bool is_dual(const struct service_config *c, const struct endpoint *e)
{
	return c->socket.v6only == UNSET ? e->dual : !c->socket.v6only;
}

static void compare_endpoints(const struct service_config *a, const struct endpoint_config *one, const struct service_config *b,
                              const struct endpoint_config *other, struct complaints *complaints)
{
	if (one == other || !address_conflicts(&one->endpoint.address, is_dual(a, &one->endpoint), &other->endpoint.address,
	                                       is_dual(b, &other->endpoint)))
		return;
	complain(complaints, other->file, other->line, "listen: %s is taken by %s of service %s (%s:%d)", other->text, one->text,
	         a->name, one->file, one->line);
}

static void compare_services(const struct service_config *a, const struct service_config *b, struct complaints *complaints)
{
	if (may_share(a) || may_share(b))
		return;
	for (size_t i = 0; i < a->endpoint_count; i++)
		for (size_t j = a == b ? i + 1 : 0; j < b->endpoint_count; j++)
			compare_endpoints(a, &a->endpoints[i], b, &b->endpoints[j], complaints);
}

static void check_conflicts(const struct configuration *c, struct complaints *complaints)
{
	for (size_t i = 0; i < c->count; i++)
		for (size_t j = i; j < c->count; j++)
			compare_services(c->services[i], c->services[j], complaints);
}

static struct configuration *new_configuration(void)
{
	struct configuration *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->log_to = strdup("stderr");
	c->log_level = LOG_LEVEL_INFO;
	c->stop_timeout = 30 * 1000;
	if (c->log_to)
		return c;
	configuration_free(c);
	return NULL;
}

struct configuration *configuration_load(const char *path, const struct surroundings *around, struct complaints *complaints)
{
	struct configuration *c = new_configuration();
	struct document d = { 0 };

	if (!c) {
		complain(complaints, NULL, 0, "%s", strerror(errno));
		return NULL;
	}
	document_read(&d, path, complaints);
	read_globals(c, &d, complaints);
	load_services(c, &d, around, complaints);
	check_conflicts(c, complaints);
	if (c->count == 0 && complaints->count == 0)
		complain(complaints, path, 0, "no service is configured");
	document_free(&d);
	if (complaints->count == 0)
		return c;
	configuration_free(c);
	return NULL;
}

void configuration_free(struct configuration *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		service_config_release(c->services[i]);
	free(c->services);
	free(c->log_to);
	free(c->pid_file);
	free(c);
}

/* Printing */

/* Sub-sections open and close as the names of the keys change. */
struct printing {
	FILE *out;
	int depth;
	size_t inner; /* length of the open sub-section's name, 0: none */
	const char *inner_name;
};

static void indent(const struct printing *p)
{
	for (int i = 0; i < p->depth + (p->inner > 0); i++)
		putc('\t', p->out);
}

static void close_inner(struct printing *p)
{
	if (p->inner == 0)
		return;
	p->inner = 0;
	indent(p);
	fputs("}\n", p->out);
}

static void enter_inner(struct printing *p, const char *name)
{
	const char *dot = strchr(name, '.');
	size_t length = dot ? (size_t)(dot - name) : 0;

	if (p->inner > 0 && (length != p->inner || strncmp(name, p->inner_name, length) != 0))
		close_inner(p);
	if (length == 0 || p->inner > 0)
		return;
	indent(p);
	fprintf(p->out, "%.*s {\n", (int)length, name);
	p->inner = length;
	p->inner_name = name;
}

/* Whether a field is set is known only by printing it, so each value goes to memory first. */
static char *value_text(const struct key *k, const void *record)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	bool set;

	if (!f)
		return NULL;
	set = k->type->print(k, const_field_of(record, k), f);
	if (fclose(f) == 0 && set)
		return text;
	free(text);
	return NULL;
}

static void print_keys(struct printing *p, const struct key *keys, const void *record)
{
	for (; keys->name; keys++) {
		char *text = value_text(keys, record);

		if (!text)
			continue;
		enter_inner(p, keys->name);
		indent(p);
		fprintf(p->out, "%s = %s\n", p->inner > 0 ? keys->name + p->inner + 1 : keys->name, text);
		free(text);
	}
	close_inner(p);
}

void configuration_print(const struct configuration *c, FILE *out)
{
	struct printing p = { .out = out };

	print_keys(&p, global_keys, c);
	for (size_t i = 0; i < c->count; i++) {
		fputs("\nservice ", out);
		key_print_text(c->services[i]->name, out);
		fputs(" {\n", out);
		p.depth = 1;
		print_keys(&p, service_keys, c->services[i]);
		p.depth = 0;
		fputs("}\n", out);
	}
}

/* Comparing */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(char *const *a, char *const *b)
{
	for (; a && b && *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return a && b ? *a == *b : a == b;
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
	return a->change == b->change && a->user == b->user && a->group == b->group && a->group_count == b->group_count &&
	       memcmp(a->groups ? a->groups : (gid_t[]){ 0 }, b->groups ? b->groups : (gid_t[]){ 0 },
	              a->group_count * sizeof(gid_t)) == 0;
}

static bool same_endpoints(const struct service_config *a, const struct service_config *b)
{
	if (a->endpoint_count != b->endpoint_count)
		return false;
	for (size_t i = 0; i < a->endpoint_count; i++)
		if (!address_equal(&a->endpoints[i].endpoint.address, &b->endpoints[i].endpoint.address))
			return false;
	return true;
}

static bool same_answer(const struct answer *a, const struct answer *b)
{
	return a->kind == b->kind && a->length == b->length && (a->length == 0 || memcmp(a->text, b->text, a->length) == 0);
}

static bool same_user_written(const struct service_config *a, const struct service_config *b)
{
	return same_text(a->user, b->user) && same_text(a->group, b->group) && same_list(a->groups, b->groups);
}

/* A user's HOME and the like stand in the environment, too. */
static bool same_environment_written(const struct service_config *a, const struct service_config *b)
{
	return same_list(a->own_environment, b->own_environment) && same_list(a->pass_environment, b->pass_environment) &&
	       same_user_written(a, b);
}

/* PATH decides where a plain name is found. */
static bool same_program_written(const struct service_config *a, const struct service_config *b)
{
	return same_list(a->exec, b->exec) && same_text(a->chroot, b->chroot) && same_environment_written(a, b);
}

static bool same_owner_written(const struct socket_options *a, const struct socket_options *b)
{
	return same_text(a->owner, b->owner) && same_text(a->group, b->group);
}

static void name_it(FILE *f, const char *name)
{
	fprintf(f, "%s%s", ftell(f) > 0 ? ", " : "", name);
}

static void compare_answers(const char *key, const char *written_a, const struct answer *a, const char *written_b,
                            const struct answer *b, FILE *f)
{
	char name[32];

	snprintf(name, sizeof(name), "the text of %s", key);
	if (same_text(written_a, written_b) && !same_answer(a, b))
		name_it(f, name);
}

/*
 * The same words may mean something else by now: a user's number, a program's place, a text's content. Where the words themselves
 * are others, their keys are named and what follows from them is not.
 */
static void compare_meanings(const struct service_config *a, const struct service_config *b, FILE *f)
{
	if (same_list(a->listen, b->listen) && !same_endpoints(a, b))
		name_it(f, "the addresses of listen");
	if (same_user_written(a, b) && !same_identity(&a->identity, &b->identity))
		name_it(f, "the user's ids");
	if (same_program_written(a, b) && !same_text(a->program, b->program))
		name_it(f, "the place of the program");
	compare_answers("when-full", a->when_full, &a->answer_full, b->when_full, &b->answer_full, f);
	compare_answers("when-denied", a->when_denied, &a->answer_denied, b->when_denied, &b->answer_denied, f);
	compare_answers("when-limited", a->when_limited, &a->answer_limited, b->when_limited, &b->answer_limited, f);
	compare_answers("banner", a->banner, &a->welcome, b->banner, &b->welcome, f);
	if (same_list(a->allow, b->allow) && same_list(a->deny, b->deny) && !access_list_same(a->access, b->access))
		name_it(f, "the content of allow and deny");
	if (same_list(a->proxy.from, b->proxy.from) && !access_list_same(a->proxy_from, b->proxy_from))
		name_it(f, "the content of proxy-protocol.from");
	if (same_owner_written(&a->socket, &b->socket) &&
	    (a->socket.owner_id != b->socket.owner_id || a->socket.group_id != b->socket.group_id))
		name_it(f, "the socket's owner");
	if (same_environment_written(a, b) && !same_list(a->environment, b->environment))
		name_it(f, "the environment's values");
}

/* All of a service as it prints; NULL for want of memory. */
static char *whole_text(const struct service_config *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (const struct key *k = service_keys; k->name; k++) {
		fprintf(f, "%s = ", k->name);
		k->type->print(k, const_field_of(c, k), f);
		putc('\n', f);
	}
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static void compare_texts(const struct service_config *a, const struct service_config *b, FILE *f)
{
	for (const struct key *k = service_keys; k->name; k++) {
		char *one = value_text(k, a), *other = value_text(k, b);

		if (!same_text(one, other))
			name_it(f, k->name);
		free(one);
		free(other);
	}
}

char *configuration_difference(const struct service_config *a, const struct service_config *b)
{
	char *names = NULL, *one, *other;
	size_t size;
	FILE *f = open_memstream(&names, &size);

	if (!f)
		return NULL;
	/* Most services of a reload are unchanged: key by key only for the others. */
	one = whole_text(a);
	other = whole_text(b);
	if (!one || !other || strcmp(one, other) != 0)
		compare_texts(a, b, f);
	free(one);
	free(other);
	compare_meanings(a, b, f);
	if (fclose(f) == 0)
		return names;
	free(names);
	return NULL;
}
