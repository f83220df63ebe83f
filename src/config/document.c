/* SPDX-License-Identifier: ISC */
/*
 * libconfuse 3.3 needs some care. It keeps no line for a value: a callback notes it. A key given twice wins silently: the same note
 * finds it. Its own include nests badly: files are queued and read one after the other. Callbacks get no argument of ours:
 * `parsing` is set while the parser runs. What its scanner does not do well is done in source.c.
 */
#include "config.h"

#include "document.h"
#include "hint.h"
#include "service_config.h"
#include "source.h"

#include <sys/stat.h>
#include <sys/tree.h>
#include <confuse.h>
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Where a value was given. */
struct note {
	RB_ENTRY(note) by_place;
	const cfg_opt_t *option;
	unsigned index;
	int line;
};

static int note_order(const struct note *a, const struct note *b)
{
	if (a->option != b->option)
		return (uintptr_t)a->option < (uintptr_t)b->option ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

RB_HEAD(notes, note);
RB_PROTOTYPE(notes, note, by_place, note_order)
RB_GENERATE(notes, note, by_place, note_order)

struct parse {
	struct document *document;
	struct complaints *complaints;
	const char *file;
	struct notes notes;
	int failed;
};

static struct parse *parsing;

static void free_notes(struct parse *p)
{
	struct note *n;

	while ((n = RB_ROOT(&p->notes))) {
		RB_REMOVE(notes, &p->notes, n);
		free(n);
	}
}

static int line_of(struct parse *p, const cfg_opt_t *option, unsigned index, int otherwise)
{
	struct note wanted = { .option = option, .index = index };
	const struct note *n = RB_FIND(notes, &p->notes, &wanted);

	return n ? n->line : otherwise;
}

/* Returns the line where that place was noted before, or 0. */
static int note_place(const cfg_opt_t *option, unsigned index, int line)
{
	struct note *n = calloc(1, sizeof(*n)), *before;

	if (!n)
		return 0;
	n->option = option;
	n->index = index;
	n->line = line;
	before = RB_INSERT(notes, &parsing->notes, n);
	if (before)
		free(n);
	return before ? before->line : 0;
}

static bool is_empty_list(const char *value)
{
	return strcmp(value, SOURCE_EMPTY_LIST) == 0;
}

static void complain_twice(const char *name, int line, int before)
{
	complain(parsing->complaints, parsing->file, line, "%s is given twice; the first time in line %d", name, before);
}

/* Called by the parser for each value, of a list for each element. */
static int note_value(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result)
{
	int before = note_place(option, option->nvalues - 1, cfg->line);

	if (before)
		complain_twice(option->name, cfg->line, before);
	if (is_empty_list(value) && !(option->flags & CFGF_LIST)) {
		complain(parsing->complaints, parsing->file, cfg->line, "%s is one value and no list", option->name);
		parsing->failed++;
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

/* Called by the parser at the end of each sub-section or single section. */
static int note_section(cfg_t *cfg, cfg_opt_t *option)
{
	int before = note_place(option, 0, cfg->line);

	if (before)
		complain_twice(option->name, cfg->line, before);
	return 0;
}

/* What to do about a key that is none. */
static void advise(const char *name, const char *const *known, char *advice, size_t size)
{
	const char *nearest = hint_nearest(name, known);

	if (name[0] == ';')
		snprintf(advice, size, "no semicolon is needed");
	else if (nearest)
		snprintf(advice, size, "did you mean %s?", nearest);
	else
		snprintf(advice, size, "preforkd.conf(5) has all keys of this version");
}

static void complain_unknown(const cfg_t *cfg, const char *name)
{
	const char *known[128];
	char advice[128];
	size_t n = 0;

	for (const cfg_opt_t *o = cfg->opts; o->name && n < sizeof(known) / sizeof(known[0]) - 1; o++)
		known[n++] = o->name;
	known[n] = NULL;
	advise(name, known, advice, sizeof(advice));
	complain(parsing->complaints, parsing->file, cfg->line, "unknown key %s; %s", name, advice);
}

/* The parser's own words are for programmers; two of its messages are users' everyday mistakes. */
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
	char text[512];

	parsing->failed++;
	if (strcmp(format, "no such option '%s'") == 0) {
		complain_unknown(cfg, va_arg(ap, const char *));
		return;
	}
	if (strcmp(format, "found duplicate title '%s'") == 0) {
		complain(parsing->complaints, parsing->file, cfg->line, "service \"%s\" is configured twice", va_arg(ap, const char *));
		return;
	}
	vsnprintf(text, sizeof(text), format, ap);
	complain(parsing->complaints, parsing->file, cfg->line, "%s", text);
}

static bool has_file(const struct document *d, const char *path)
{
	struct stat one, other;

	if (stat(path, &one) < 0)
		return false;
	for (size_t i = 0; i < d->file_count; i++)
		if (stat(d->files[i], &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino)
			return true;
	return false;
}

static int add_file(struct document *d, const char *path)
{
	char **files = reallocarray(d->files, d->file_count + 1, sizeof(*files));

	if (!files)
		return -1;
	d->files = files;
	files[d->file_count] = strdup(path);
	if (!files[d->file_count])
		return -1;
	d->file_count++;
	return 0;
}

/* A path in a file is relative to that file. */
static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *joined;

	if (path[0] == '/' || !slash)
		return strdup(path);
	return asprintf(&joined, "%.*s/%s", (int)(slash - file), file, path) < 0 ? NULL : joined;
}

/* glob(3) sorts by the locale; a configuration does not depend on that. */
static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void include_glob(const char *pattern, int line)
{
	glob_t found = { 0 };
	int result = glob(pattern, GLOB_NOSORT, NULL, &found);

	/* Patterns may match nothing: an empty directory is in order. A plain name that is not there is not. */
	if (result == GLOB_NOMATCH && !strpbrk(pattern, "*?["))
		complain(parsing->complaints, parsing->file, line, "cannot include %s: %s", pattern, strerror(ENOENT));
	else if (result != 0 && result != GLOB_NOMATCH)
		complain(parsing->complaints, parsing->file, line, "cannot look for %s: %s", pattern,
		         strerror(result == GLOB_NOSPACE ? ENOMEM : errno));
	if (result == 0)
		qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), by_bytes);
	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];

		if (has_file(parsing->document, path))
			complain(parsing->complaints, parsing->file, line, "%s is read already", path);
		else if (add_file(parsing->document, path) < 0)
			complain(parsing->complaints, parsing->file, line, "%s", strerror(ENOMEM));
	}
	globfree(&found);
}

/* include("pattern") */
static int on_include(cfg_t *cfg, cfg_opt_t *option, int argc, const char **argv)
{
	char *pattern;

	(void)option;
	if (argc != 1) {
		complain(parsing->complaints, parsing->file, cfg->line, "include takes one file name or pattern");
		return 0;
	}
	pattern = beside(parsing->file, argv[0]);
	if (pattern)
		include_glob(pattern, cfg->line);
	free(pattern);
	return 0;
}

/* The grammar */

static cfg_opt_t value_option(const char *name, const struct type *type)
{
	cfg_opt_t one = CFG_STR_CB(name, NULL, CFGF_NODEFAULT, note_value);
	cfg_opt_t list = CFG_STR_LIST_CB(name, NULL, CFGF_NODEFAULT, note_value);

	return type->list ? list : one;
}

static size_t prefix_length(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? (size_t)(dot - name) : 0;
}

static bool same_prefix(const char *a, const char *b)
{
	size_t n = prefix_length(a);

	return n > 0 && n == prefix_length(b) && strncmp(a, b, n) == 0;
}

#define OPTIONS_MAX 80

struct grammar {
	cfg_opt_t options[OPTIONS_MAX];
	size_t count;
	cfg_opt_t inner[8][16]; /* of sub-sections */
	char inner_names[8][16];
	size_t inner_count;
};

/* Adds the sub-section that begins at key k; returns the key behind it. Keys of one sub-section stand together. */
static const struct key *add_inner(struct grammar *g, const struct key *k)
{
	const char *name = k->name;
	size_t n = 0, i = g->inner_count++;
	cfg_opt_t end = CFG_END();

	snprintf(g->inner_names[i], sizeof(g->inner_names[i]), "%.*s", (int)prefix_length(name), name);
	for (; k->name && same_prefix(k->name, name); k++)
		g->inner[i][n++] = value_option(k->name + prefix_length(name) + 1, k->type);
	g->inner[i][n] = end;
	cfg_opt_t section = CFG_SEC(g->inner_names[i], g->inner[i], CFGF_NODEFAULT);
	section.validcb = note_section;
	g->options[g->count++] = section;
	return k;
}

static void add_keys(struct grammar *g, const struct key *k)
{
	while (k->name)
		if (prefix_length(k->name) > 0)
			k = add_inner(g, k);
		else {
			g->options[g->count++] = value_option(k->name, k->type);
			k++;
		}
}

static void add_option(struct grammar *g, cfg_opt_t option)
{
	g->options[g->count++] = option;
}

/* libconfuse copies what it is given. */
static cfg_t *make_parser(void)
{
	struct grammar service = { .count = 0 }, file = { .count = 0 };
	cfg_opt_t end = CFG_END();

	add_keys(&service, service_keys);
	add_option(&service, end);
	add_keys(&file, global_keys);
	cfg_opt_t services = CFG_SEC("service", service.options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	cfg_opt_t defaults = CFG_SEC("defaults", service.options, CFGF_NODEFAULT);
	cfg_opt_t include = CFG_FUNC("include", on_include);
	defaults.validcb = note_section;
	add_option(&file, services);
	add_option(&file, defaults);
	add_option(&file, include);
	add_option(&file, end);
	return cfg_init(file.options, CFGF_NONE);
}

/* From libconfuse's tree to ours */

static struct section *add_section(struct document *d, const char *name, const char *title, const char *file, int line)
{
	struct section *s = reallocarray(d->sections, d->count + 1, sizeof(*s));

	if (!s)
		return NULL;
	d->sections = s;
	s += d->count;
	*s = (struct section){ .name = strdup(name), .title = title ? strdup(title) : NULL, .file = file, .line = line };
	d->count++;
	return s->name && (s->title || !title) ? s : NULL;
}

static struct setting *add_setting(struct section *s)
{
	struct setting *list = reallocarray(s->settings, s->count + 1, sizeof(*list));

	if (!list)
		return NULL;
	s->settings = list;
	memset(&list[s->count], 0, sizeof(*list));
	return &list[s->count++];
}

static int take_values(struct parse *p, struct setting *t, const cfg_opt_t *option)
{
	t->values = calloc(option->nvalues + 1, sizeof(*t->values));
	t->lines = calloc(option->nvalues + 1, sizeof(*t->lines));
	if (!t->values || !t->lines)
		return -1;
	t->line = line_of(p, option, 0, t->line);
	for (unsigned i = 0; i < option->nvalues; i++) {
		if (is_empty_list(option->values[i]->string))
			continue;
		t->values[t->count] = strdup(option->values[i]->string);
		if (!t->values[t->count])
			return -1;
		t->lines[t->count++] = line_of(p, option, i, t->line);
	}
	return 0;
}

static int take_option(struct parse *p, struct section *s, const struct key *k, const cfg_opt_t *option)
{
	struct setting *t;

	if (option->nvalues == 0)
		return 0;
	t = add_setting(s);
	if (!t)
		return -1;
	t->key = k;
	t->file = s->file;
	t->line = s->line;
	return take_values(p, t, option);
}

/*
 * A section of libconfuse's has its options in the order of the keys, a sub-section in the place of its first key: both are walked
 * side by side. Returns the key behind those that were taken, NULL for want of memory.
 */
static const struct key *take_inner(struct parse *p, struct section *s, const cfg_opt_t *section, const struct key *k)
{
	const char *name = k->name;
	const cfg_opt_t *option = section->nvalues > 0 ? section->values[0]->section->opts : NULL;

	for (; k->name && same_prefix(k->name, name); k++)
		if (option && take_option(p, s, k, option++) < 0)
			return NULL;
	return k;
}

static int take_section(struct parse *p, struct section *s, const cfg_t *cfg, const struct key *k)
{
	const cfg_opt_t *option = cfg->opts;

	if (!s)
		return -1;
	for (; k->name; option++)
		if (prefix_length(k->name) > 0) {
			k = take_inner(p, s, option, k);
			if (!k)
				return -1;
		} else if (take_option(p, s, k++, option) < 0) {
			return -1;
		}
	/* Where a section begins is not kept; where its first setting stands is near enough. */
	for (size_t i = 0; i < s->count; i++)
		if (i == 0 || s->settings[i].line < s->line)
			s->line = s->settings[i].line;
	return 0;
}

static int take_all(struct parse *p, cfg_t *cfg)
{
	struct document *d = p->document;
	cfg_t *sec;

	if (take_section(p, add_section(d, "", NULL, p->file, 1), cfg, global_keys) < 0)
		return -1;
	if (cfg_size(cfg, "defaults") > 0) {
		sec = cfg_getsec(cfg, "defaults");
		if (take_section(p, add_section(d, "defaults", NULL, p->file, sec->line), sec, service_keys) < 0)
			return -1;
	}
	for (unsigned i = 0; i < cfg_size(cfg, "service"); i++) {
		sec = cfg_getnsec(cfg, "service", i);
		if (take_section(p, add_section(d, "service", cfg_title(sec), p->file, sec->line), sec, service_keys) < 0)
			return -1;
	}
	return 0;
}

static void parse(struct parse *p, const char *text)
{
	cfg_t *cfg = make_parser();

	if (!cfg) {
		complain(p->complaints, p->file, 0, "%s", strerror(ENOMEM));
		return;
	}
	cfg_set_error_function(cfg, on_error);
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS) {
		/* What was read up to there would only give rise to more complaints. */
		if (!p->failed)
			complain(p->complaints, p->file, cfg->line, "syntax error");
	} else if (take_all(p, cfg) < 0) {
		complain(p->complaints, p->file, 0, "%s", strerror(ENOMEM));
	}
	cfg_free(cfg);
}

static void read_file(struct document *d, const char *path, struct complaints *complaints)
{
	struct parse p = { .document = d, .complaints = complaints, .file = path };
	char *text = source_read(path, complaints);

	if (!text)
		return;
	RB_INIT(&p.notes);
	parsing = &p;
	parse(&p, text);
	parsing = NULL;
	free_notes(&p);
	free(text);
}

void document_read(struct document *d, const char *path, struct complaints *complaints)
{
	if (add_file(d, path) < 0)
		complain(complaints, path, 0, "%s", strerror(ENOMEM));
	/* Reading a file may add files behind it. */
	for (size_t i = 0; i < d->file_count; i++)
		read_file(d, d->files[i], complaints);
}

static void free_section(struct section *s)
{
	for (size_t i = 0; i < s->count; i++) {
		string_list_free(s->settings[i].values);
		free(s->settings[i].lines);
	}
	free(s->settings);
	free(s->name);
	free(s->title);
}

void document_free(struct document *d)
{
	for (size_t i = 0; i < d->count; i++)
		free_section(&d->sections[i]);
	free(d->sections);
	for (size_t i = 0; i < d->file_count; i++)
		free(d->files[i]);
	free(d->files);
	*d = (struct document){ 0 };
}

const struct setting *section_find(const struct section *s, const struct key *key)
{
	for (size_t i = 0; s && i < s->count; i++)
		if (s->settings[i].key == key)
			return &s->settings[i];
	return NULL;
}
