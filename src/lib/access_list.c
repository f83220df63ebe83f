/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "access_list.h"
#include "access_compile.h"
#include "access_rule.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY 256
#define LINE_LONGEST 255            /* bytes of a rule */
#define COMPLAINTS_MOST 20          /* about the lines of one file */
#define FILE_MOST ((size_t)1 << 30) /* bytes */

struct access_maker {
	struct access_entries entries;
	size_t room;
	struct access_fit fit;
	size_t name; /* where the name of the last file that was mentioned begins, and which it is */
	uint16_t file;
};

struct access_maker *access_maker_new(void)
{
	return calloc(1, sizeof(struct access_maker));
}

void access_maker_free(struct access_maker *m)
{
	if (!m)
		return;
	free(m->entries.list);
	free(m->entries.names);
	free(m);
}

struct access_fit access_maker_fit(const struct access_maker *m)
{
	return m->fit;
}

/* The files that rules stand in: few, and mostly the same as the time before */

static bool find_name(struct access_maker *m, const char *name)
{
	const struct access_entries *e = &m->entries;
	size_t at = 0;

	for (uint32_t i = 0; i < e->files; i++) {
		if (strcmp(e->names + at, name) == 0) {
			m->name = at;
			m->file = (uint16_t)i;
			return true;
		}
		at += strlen(e->names + at) + 1;
	}
	return false;
}

static int add_name(struct access_maker *m, const char *name)
{
	struct access_entries *e = &m->entries;
	size_t length = strlen(name) + 1;
	char *names = e->files <= UINT16_MAX ? realloc(e->names, e->names_size + length) : NULL;

	if (!names)
		return -1;
	memcpy(names + e->names_size, name, length);
	m->name = e->names_size;
	m->file = (uint16_t)e->files++;
	e->names = names;
	e->names_size += length;
	return 0;
}

static int name_file(struct access_maker *m, const char *name)
{
	if (m->entries.files > 0 && strcmp(m->entries.names + m->name, name) == 0)
		return 0;
	return find_name(m, name) ? 0 : add_name(m, name);
}

/* Rules */

static int make_room(struct access_maker *m)
{
	size_t room = m->room ? m->room * 2 : 16;
	struct access_entry *list;

	if (m->entries.count < m->room)
		return 0;
	if (m->entries.count >= ACCESS_RULES_MAX)
		return -1;
	list = reallocarray(m->entries.list, room, sizeof(*list));
	if (!list)
		return -1;
	m->entries.list = list;
	m->room = room;
	return 0;
}

static void count_fit(struct access_fit *fit, enum access_kind kind, size_t count)
{
	if (kind == ACCESS_USER || kind == ACCESS_GROUP)
		fit->local += count;
	else
		fit->ip += count;
}

static int add_rule(struct access_maker *m, bool allow, const struct access_rule *rule, const char *file, int line)
{
	struct access_entries *e = &m->entries;

	if (name_file(m, file) < 0 || make_room(m) < 0)
		return -1;
	e->list[e->count] = (struct access_entry){
		.value = rule->value,
		.order = (uint32_t)e->count,
		.line = (uint32_t)line,
		.file = m->file,
		.kind = (uint8_t)rule->kind,
		.bits = (uint8_t)rule->bits,
		.allow = allow,
	};
	e->count++;
	count_fit(&m->fit, rule->kind, 1);
	return 0;
}

int access_add(struct access_maker *m, bool allow, const char *text, const char *file, int line, char *why, size_t whysize)
{
	struct access_rule rule;

	m->entries.has_allow |= allow;
	if (access_rule_read(text, &rule, why, whysize) < 0)
		return -1;
	if (add_rule(m, allow, &rule, file, line) == 0)
		return 0;
	snprintf(why, whysize, "%s", strerror(ENOMEM));
	return -1;
}

/* List files */

struct reading {
	struct access_maker *maker;
	bool allow;
	const char *path;
	int line;
	size_t bad; /* lines so far */
	void (*complain)(void *data, const char *path, int line, const char *text);
	void *data;
};

static void refuse(struct reading *r, const char *why)
{
	if (r->bad++ < COMPLAINTS_MOST)
		r->complain(r->data, r->path, r->line, why);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The rule in a line, without what stands around it. */
static const char *trim(const char *line, size_t *length)
{
	const char *comment = memchr(line, '#', *length);
	const char *end = comment ? comment : line + *length;

	while (line < end && is_blank(line[0]))
		line++;
	while (line < end && is_blank(end[-1]))
		end--;
	*length = (size_t)(end - line);
	return line;
}

static void read_line(struct reading *r, const char *line, size_t length)
{
	char rule[LINE_LONGEST + 1], why[WHY];

	line = trim(line, &length);
	if (length == 0)
		return;
	if (length > LINE_LONGEST) {
		refuse(r, "this line is too long for a rule");
		return;
	}
	memcpy(rule, line, length);
	rule[length] = '\0';
	if (strlen(rule) != length)
		refuse(r, "there is a NUL in this line");
	else if (access_add(r->maker, r->allow, rule, r->path, r->line, why, sizeof(why)) < 0)
		refuse(r, why);
}

static void tell_more(struct reading *r)
{
	char text[64];

	if (r->bad <= COMPLAINTS_MOST)
		return;
	snprintf(text, sizeof(text), "%zu more lines are wrong", r->bad - COMPLAINTS_MOST);
	r->complain(r->data, r->path, 0, text);
}

int access_add_text(struct access_maker *m, bool allow, const char *text, size_t size, const char *path,
                    void (*complain)(void *data, const char *path, int line, const char *text), void *data)
{
	struct reading r = { .maker = m, .allow = allow, .path = path, .line = 1, .complain = complain, .data = data };

	/* An empty list of who may come is a list all the same: nobody may. */
	m->entries.has_allow |= allow;
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;

		read_line(&r, text, length);
		length += end ? 1 : 0;
		text += length;
		size -= length;
		r.line++;
	}
	tell_more(&r);
	return r.bad > 0 ? -1 : 0;
}

/* A pipe would keep the master waiting, and a device has no end. */
static int open_list(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int error = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else if (st.st_size < 0 || (size_t)st.st_size > FILE_MOST)
		error = EFBIG;
	if (error == 0) {
		*size = (size_t)st.st_size;
		return fd;
	}
	close(fd);
	errno = error;
	return -1;
}

/* Reads what the file had when it was opened; it may have become shorter since. */
static ssize_t read_whole(int fd, char *text, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, text + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static char *read_list(const char *path, size_t *size)
{
	int fd = open_list(path, size);
	char *text = fd >= 0 ? malloc(*size + 1) : NULL;
	ssize_t have = text ? read_whole(fd, text, *size) : -1;
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (have >= 0) {
		*size = (size_t)have;
		return text;
	}
	free(text);
	errno = error;
	return NULL;
}

int access_add_file(struct access_maker *m, bool allow, const char *path,
                    void (*complain)(void *data, const char *path, int line, const char *text), void *data)
{
	char why[WHY];
	size_t size;
	char *text = read_list(path, &size);
	int result;

	if (!text) {
		snprintf(why, sizeof(why), "cannot read this list: %s", errno == EINVAL ? "Not a regular file" : strerror(errno));
		complain(data, path, 0, why);
		return -1;
	}
	result = access_add_text(m, allow, text, size, path, complain, data);
	free(text);
	return result;
}

/* The list */

static struct access_list *map(int fd, size_t size)
{
	struct access_list *l = malloc(sizeof(*l));
	void *memory = l ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (memory == MAP_FAILED) {
		free(l);
		return NULL;
	}
	*l = (struct access_list){ .holders = 1, .fd = fd, .size = size, .access = memory };
	return l;
}

struct access_list *access_make(struct access_maker *m)
{
	struct access_list *l;
	size_t size;
	int fd = access_compile(&m->entries, &size);
	int error = errno;

	access_maker_free(m);
	errno = error;
	if (fd < 0)
		return NULL;
	l = map(fd, size);
	if (l)
		return l;
	error = errno;
	close(fd);
	errno = error;
	return NULL;
}

struct access_list *access_list_hold(struct access_list *l)
{
	l->holders++;
	return l;
}

void access_list_release(struct access_list *l)
{
	if (!l || --l->holders > 0)
		return;
	munmap((void *)(uintptr_t)l->access, l->size);
	close(l->fd);
	free(l);
}

uint32_t access_list_rules(const struct access_list *l)
{
	return l->access->first[ACCESS_KINDS];
}

struct access_fit access_list_fit(const struct access_list *l)
{
	struct access_fit fit = { 0, 0 };

	for (int kind = 0; kind < ACCESS_KINDS; kind++)
		count_fit(&fit, (enum access_kind)kind, l->access->first[kind + 1] - l->access->first[kind]);
	return fit;
}

/* Rules by number */

static const struct access_origin *origin_of(const struct access *a, uint32_t number)
{
	return (const struct access_origin *)access_at(a, a->origins) + number;
}

static struct access_rule rule_of(const struct access *a, uint32_t number)
{
	struct access_rule rule = { .kind = ACCESS_IPV4, .bits = origin_of(a, number)->bits };
	uint32_t wide = a->first[ACCESS_IPV6];

	while (number >= a->first[rule.kind + 1])
		rule.kind++;
	if (rule.kind == ACCESS_IPV6)
		rule.value = ((const struct access_key *)access_at(a, a->wide))[number - wide];
	else
		rule.value.high = (uint64_t)((const uint32_t *)access_at(a, a->narrow))[number] << 32;
	return rule;
}

static bool same_rules(const struct access *a, const struct access *b)
{
	uint32_t count = a->first[ACCESS_KINDS], narrow = a->first[ACCESS_IPV6];

	for (uint32_t i = 0; i < count; i++)
		if (origin_of(a, i)->bits != origin_of(b, i)->bits || origin_of(a, i)->allow != origin_of(b, i)->allow)
			return false;
	return memcmp(access_at(a, a->narrow), access_at(b, b->narrow), narrow * sizeof(uint32_t)) == 0 &&
	       memcmp(access_at(a, a->wide), access_at(b, b->wide), (count - narrow) * sizeof(struct access_key)) == 0;
}

bool access_list_same(const struct access_list *a, const struct access_list *b)
{
	if (!a || !b || a == b)
		return a == b;
	return a->access->has_allow == b->access->has_allow &&
	       memcmp(a->access->first, b->access->first, sizeof(a->access->first)) == 0 && same_rules(a->access, b->access);
}

static const char *name_of(const struct access *a, uint16_t file)
{
	const char *name = access_at(a, a->names);

	while (file-- > 0)
		name += strlen(name) + 1;
	return name;
}

void access_list_describe(const struct access_list *l, uint32_t rule, char *out, size_t size)
{
	const struct access *a = l->access;
	const struct access_origin *origin;
	char text[ACCESS_RULE_TEXT];
	struct access_rule r;

	if (rule >= access_list_rules(l)) {
		snprintf(out, size, "no rule");
		return;
	}
	origin = origin_of(a, rule);
	r = rule_of(a, rule);
	access_rule_print(&r, text);
	snprintf(out, size, "%s %s (%s:%u)", origin->allow ? "allow" : "deny", text, name_of(a, origin->file), origin->line);
}
