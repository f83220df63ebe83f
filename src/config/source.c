/* SPDX-License-Identifier: ISC */
/*
 * libconfuse counts the lines of comments wrongly, takes no comment inside a list, and its scanner, which is global, stays inside a
 * string that does not end. It takes the end of a file for the end of a section, and says nothing of an empty list. None of that
 * reaches it from here.
 */
#include "config.h"

#include "source.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_LIMIT (16 * 1024 * 1024)

struct scan {
	const char *path;
	struct complaints *complaints;
	char *at;
	int line;
	int depth;   /* braces that are open */
	int opened;  /* the line of the first of them */
	char before; /* what stood last that was neither white space nor a comment */
	char *list;  /* that is a brace behind an equals sign */
	bool failed;
};

static void fail(struct scan *s, int line, const char *text)
{
	complain(s->complaints, s->path, line, "%s", text);
	s->failed = true;
}

static void blank(struct scan *s)
{
	if (*s->at == '\n')
		s->line++;
	else
		*s->at = ' ';
	s->at++;
}

static void blank_line(struct scan *s)
{
	while (*s->at && *s->at != '\n')
		blank(s);
}

static void blank_block(struct scan *s)
{
	int begun = s->line;

	blank(s);
	blank(s);
	while (*s->at && !(s->at[0] == '*' && s->at[1] == '/'))
		blank(s);
	if (!*s->at) {
		fail(s, begun, "a comment begins here and does not end");
		return;
	}
	blank(s);
	blank(s);
}

static void remember(struct scan *s, char c)
{
	s->list = c == '{' && s->before == '=' ? s->at : NULL;
	if (c != '=' || s->before != '+') /* what is added to a list may be nothing */
		s->before = c;
}

static void skip_string(struct scan *s)
{
	int begun = s->line;
	char quote = *s->at;

	remember(s, quote);
	s->at++;
	while (*s->at && *s->at != quote) {
		if (*s->at == '\\' && s->at[1])
			s->at++;
		s->line += *s->at == '\n';
		s->at++;
	}
	if (*s->at)
		s->at++;
	else
		fail(s, begun, "a string begins here and does not end");
}

/* A variable's braces are no section's. */
static void skip_variable(struct scan *s)
{
	int begun = s->line;

	remember(s, '$');
	for (; *s->at && *s->at != '}'; s->at++)
		s->line += *s->at == '\n';
	if (*s->at)
		s->at++;
	else
		fail(s, begun, "a variable begins here and does not end");
}

static void open_brace(struct scan *s)
{
	if (s->depth++ == 0)
		s->opened = s->line;
}

/* From its first brace to its last, with as many newlines as before. */
static void replace_list(const struct scan *s)
{
	size_t size = (size_t)(s->at - s->list) + 1, lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += s->list[i] == '\n';
	memset(s->list, ' ', size);
	memset(s->list + size - lines, '\n', lines);
	memcpy(s->list, SOURCE_EMPTY_LIST, strlen(SOURCE_EMPTY_LIST));
}

static void close_brace(struct scan *s)
{
	if (s->depth > 0) /* one too many is told by the parser */
		s->depth--;
	if (s->list)
		replace_list(s);
}

static void check_character(struct scan *s)
{
	unsigned char c = (unsigned char)*s->at;

	if (c == '*')
		fail(s, s->line, "a * stands outside of quotes; write it as in \"*:80\"");
	else if (c == '+' && s->at[1] != '=')
		fail(s, s->line, "a + stands outside of quotes");
	else if ((c < ' ' && !strchr("\t\n\r", c)) || c == 0x7f)
		fail(s, s->line, "a control character stands outside of quotes");
	else if (c == '{')
		open_brace(s);
	else if (c == '}')
		close_brace(s);
	if (!strchr(" \t\n\r", c))
		remember(s, (char)c);
	s->line += c == '\n';
	s->at++;
}

static void scan(struct scan *s)
{
	while (*s->at && !s->failed) {
		if (s->at[0] == '#' || (s->at[0] == '/' && s->at[1] == '/'))
			blank_line(s);
		else if (s->at[0] == '/' && s->at[1] == '*')
			blank_block(s);
		else if (s->at[0] == '"' || s->at[0] == '\'')
			skip_string(s);
		else if (s->at[0] == '$' && s->at[1] == '{')
			skip_variable(s);
		else
			check_character(s);
	}
	if (s->depth > 0 && !s->failed)
		fail(s, s->opened, "a section begins here and does not end");
}

static ssize_t read_whole(int fd, char *text, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, text + have, size - have);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0)
			break;
		have += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)have;
}

/* Memory of one byte more than the file has, and a NUL. */
static char *read_text(int fd, size_t *length)
{
	struct stat st;
	size_t size;
	ssize_t have;
	char *text;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return NULL;
	}
	/* A pipe or a file of /proc has no size. */
	size = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 1 : SIZE_LIMIT;
	text = size <= SIZE_LIMIT ? malloc(size + 1) : NULL;
	have = text ? read_whole(fd, text, size) : -1;
	if (have < 0 || (size_t)have == size) {
		if (have >= 0 || !text)
			errno = EFBIG;
		free(text);
		return NULL;
	}
	text[have] = '\0';
	*length = (size_t)have;
	return text;
}

char *source_read(const char *path, struct complaints *complaints)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t length = 0;
	char *text = fd >= 0 ? read_text(fd, &length) : NULL;
	struct scan s = { .path = path, .complaints = complaints, .at = text, .line = 1 };

	if (!text)
		complain(complaints, path, 0, "cannot read it: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!text)
		return NULL;
	if (strlen(text) != length)
		fail(&s, 0, "a NUL stands in it; this is no text");
	scan(&s);
	if (!s.failed)
		return text;
	free(text);
	return NULL;
}
