/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "image.h"
#include "access_list.h"
#include "server.h"
#include "shared.h"
#include "spawn.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * What the image keeps open lies next to each other just below 64, as far as a process has room for descriptors without a larger table of
 * them, and out of the way of a program that counts from 3 or has numbers of its own from 10 on.
 */
#define BLOCK_END 63

enum block {
	BLOCK_LISTENER,
	BLOCK_DEVNULL,
	BLOCK_RECORD,
	BLOCK_WAKE,
	BLOCK_BOARD,
	BLOCK_SOURCES,
	BLOCK_ACCESS,
	BLOCK_PROXY_FROM,
	BLOCK_LOOKUP,
	BLOCK_BRIEF,
	BLOCK_NEWS,
	BLOCK_SIZE,
};

/* An image reads it, and no other image of the service can change that. */
#define BRIEF_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#define BLOCK_FIRST (BLOCK_END - BLOCK_SIZE + 1)

static int in_block(enum block which, int fd)
{
	return fd < 0 ? -1 : BLOCK_FIRST + (int)which;
}

/* Texts lie behind the struct, one after the other. */
static struct brief_text add_text(char *texts, uint32_t *used, const struct answer *a)
{
	struct brief_text t = { .kind = (uint32_t)a->kind, .offset = *used, .length = (uint32_t)a->length };

	if (a->length > 0)
		memcpy(texts + *used, a->text, a->length);
	*used += t.length;
	return t;
}

static size_t size_of_texts(const struct worker *w)
{
	size_t size = w->banner ? w->banner->length : 0;

	for (int i = 0; i < REFUSALS; i++)
		size += w->answers[i]->length;
	return size;
}

static void fill_texts(struct brief *b, const struct worker *w)
{
	const struct answer none = { ANSWER_CLOSE, NULL, 0 };
	uint32_t used = 0;

	for (int i = 0; i < REFUSALS; i++)
		b->answers[i] = add_text((char *)(b + 1), &used, w->answers[i]);
	b->banner = add_text((char *)(b + 1), &used, w->banner ? w->banner : &none);
}

static struct brief_memory list_memory(enum block which, const struct access_list *l)
{
	return (struct brief_memory){ in_block(which, l ? l->fd : -1), l ? l->size : 0 };
}

static void fill_brief(struct brief *b, const struct pool *p, const struct worker *w)
{
	const struct ledger *l = p->ledger;

	b->size = sizeof(*b);
	b->slots = p->board.slots;
	b->board = (struct brief_memory){ in_block(BLOCK_BOARD, p->board_fd), board_size(p->board.slots) };
	b->rows = l ? l->sources.rows : 0;
	b->sources = (struct brief_memory){ in_block(BLOCK_SOURCES, l ? l->fd : -1), l ? sources_size(l->sources.rows) : 0 };
	b->access = list_memory(BLOCK_ACCESS, p->config->access);
	b->proxy_from = list_memory(BLOCK_PROXY_FROM, p->config->proxy_from);
	b->news = in_block(BLOCK_NEWS, 0);
	b->first = BLOCK_FIRST;
	b->last = BLOCK_END;
	b->worker = *w;
	b->worker.listener = in_block(BLOCK_LISTENER, w->listener);
	b->worker.devnull = in_block(BLOCK_DEVNULL, w->devnull);
	b->worker.record = in_block(BLOCK_RECORD, w->record);
	b->worker.wake = in_block(BLOCK_WAKE, w->wake);
	b->worker.lookup = in_block(BLOCK_LOOKUP, w->lookup);
	fill_texts(b, w);
}

int image_brief(const struct pool *p, enum launch launch, enum stop_at stop_at, const char *library)
{
	struct worker w = spawn_describe(p, 0, false);
	size_t size = sizeof(struct brief) + size_of_texts(&w);
	struct brief *b = calloc(1, size);
	int fd = b ? memfd_create("preforkd brief", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
	int error;

	if (fd >= 0) {
		b->launch = launch;
		b->stop_at = stop_at;
		strlcpy(b->library, library, sizeof(b->library));
		fill_brief(b, p, &w);
		if (write(fd, b, size) == (ssize_t)size && fcntl(fd, F_ADD_SEALS, BRIEF_SEALS) == 0) {
			free(b);
			return fd;
		}
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	free(b);
	errno = error;
	return -1;
}

/* In the child: everything is closed but the block. Numbers of the block may be taken by others of it, so all move up first. */
static int make_block(const struct pool *p, const struct worker *w, int brief, int news)
{
	const struct access_list *access = p->config->access, *from = p->config->proxy_from;
	int fds[BLOCK_SIZE] = {
		[BLOCK_LISTENER] = w->listener, [BLOCK_DEVNULL] = w->devnull, [BLOCK_RECORD] = w->record, [BLOCK_WAKE] = w->wake,
		[BLOCK_BOARD] = p->board_fd, [BLOCK_SOURCES] = p->ledger ? p->ledger->fd : -1, [BLOCK_ACCESS] = access ? access->fd : -1,
		[BLOCK_PROXY_FROM] = from ? from->fd : -1, [BLOCK_LOOKUP] = w->lookup, [BLOCK_BRIEF] = brief, [BLOCK_NEWS] = news,
	};

	for (int i = 0; i < BLOCK_SIZE; i++)
		if (fds[i] >= 0 && (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, BLOCK_END + 1)) < 0)
			return -1;
	for (int i = 0; i < BLOCK_SIZE; i++) {
		/* No hole: a descriptor of the program's own could come to lie in it. */
		if (dup2(fds[i] < 0 ? fds[BLOCK_DEVNULL] : fds[i], BLOCK_FIRST + i) < 0)
			return -1;
	}
	closefrom(BLOCK_END + 1);
	for (int fd = STDERR_FILENO + 1; fd < BLOCK_FIRST; fd++)
		close(fd);
	return 0;
}

/* What the program finds on 0 and 1, and on 2 perhaps, until it has a connection: a socket of the same kind that is connected to nobody. */
static int put_placeholder(const struct pool *p)
{
	int fd = socket(address_family(&p->listener->bound), SOCK_STREAM, 0);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return -1;
	if (p->config->stderr_to == STDERR_SOCKET && dup2(fd, STDERR_FILENO) < 0)
		return -1;
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

/* The service's environment, and behind it what the library takes out again. */
static char **environment_with(const struct service_config *c, const char *library, const struct worker *w)
{
	static char empty[1];
	size_t n = c->environment_count;
	char **list = calloc(n + VARIABLES_MAX + 3, sizeof(*list)), *preload = NULL, *variable = NULL;
	const char *own = NULL;
	size_t at = 0;

	if (!list)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(c->environment[i], "LD_PRELOAD=", 11) == 0)
			own = c->environment[i] + 11;
		else
			list[at++] = c->environment[i];
	}
	if (asprintf(&preload, "LD_PRELOAD=%s%s%s", library, own ? ":" : "", own ? own : "") < 0 ||
	    asprintf(&variable, BRIEF_VARIABLE "=%d:%u:%u", in_block(BLOCK_BRIEF, 0), w->slot, w->generation) < 0)
		return NULL;
	list[at++] = preload;
	list[at++] = variable;
	while (at < n + VARIABLES_MAX + 2 - (own != NULL))
		list[at++] = empty;
	return list;
}

_Noreturn static void execute(struct worker *w, const struct pool *p, int brief, int news)
{
	const struct service_config *c = p->config;
	char **environment;

	spawn_map(w, p);
	environment = environment_with(c, p->launching.library, w);
	if (!environment || make_block(p, w, brief, news) < 0)
		worker_fail(w, STEP_DESCRIPTORS, errno);
	w->devnull = in_block(BLOCK_DEVNULL, w->devnull);
	birth_without_closing(w, c, &p->service->server->before);
	if (put_placeholder(p) < 0)
		worker_fail(w, STEP_DESCRIPTORS, errno);
	spawn_clear_signals();
	execve(c->program, c->argv, environment);
	worker_fail(w, STEP_EXEC, errno);
}

pid_t image_spawn(const struct pool *p, uint32_t slot, int brief, int news)
{
	struct worker w = spawn_describe(p, slot, false);
	pid_t pid = spawn_fork();

	if (pid == 0)
		execute(&w, p, brief, news);
	return pid;
}

/* Obstacles */

#define HEAD_SIZE 4096
#define INTERPRETERS_MAX 4 /* a script's interpreter may be a script, as far as Linux follows */

static ssize_t read_head(const struct service_config *c, const char *path, char *head, size_t size)
{
	char real[4096];
	ssize_t n;
	int fd;

	snprintf(real, sizeof(real), "%s%s", c->chroot ? c->chroot : "", path);
	fd = open(real, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, head, size);
	close(fd);
	return n;
}

static bool is_static(const char *head, ssize_t size)
{
	const Elf64_Ehdr *e = (const void *)head;

	if (size < (ssize_t)sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (int i = 0; i < e->e_phnum; i++) {
		const Elf64_Phdr *p = (const void *)(head + e->e_phoff + (size_t)i * sizeof(*p));

		if ((const char *)(p + 1) > head + size)
			return false;
		if (p->p_type == PT_INTERP)
			return false;
	}
	return true;
}

/* The interpreter of a script, into path. */
static bool is_script(const char *head, ssize_t size, char *path, size_t room)
{
	const char *at = head + 2;
	size_t n = 0;

	if (size < 3 || head[0] != '#' || head[1] != '!')
		return false;
	while (at < head + size && (*at == ' ' || *at == '\t'))
		at++;
	while (at < head + size && *at > ' ' && n + 1 < room)
		path[n++] = *at++;
	path[n] = '\0';
	return n > 0;
}

static const char *obstacle_in(const struct service_config *c, const char *program)
{
	_Alignas(Elf64_Ehdr) char head[HEAD_SIZE];
	char path[HEAD_SIZE];
	ssize_t size;

	snprintf(path, sizeof(path), "%s", program);
	for (int i = 0; i < INTERPRETERS_MAX; i++) {
		size = read_head(c, path, head, sizeof(head));
		if (is_static(head, size))
			return "it is linked statically, and no library can be put in front of it";
		if (!is_script(head, size, path, sizeof(path)))
			return NULL;
	}
	return NULL;
}

/* A set-user-ID program whose owner runs it is like any other: exim4, as root. */
static bool changes_identity(const struct service_config *c, const struct stat *st)
{
	return (st->st_mode & S_ISUID && st->st_uid != c->identity.user) || (st->st_mode & S_ISGID && st->st_gid != c->identity.group);
}

const char *image_obstacle(const struct service_config *c, const char *library)
{
	char real[4096];
	struct stat st;

	snprintf(real, sizeof(real), "%s%s", c->chroot ? c->chroot : "", library);
	if (access(real, R_OK) < 0)
		return "the preload library is out of its reach";
	snprintf(real, sizeof(real), "%s%s", c->chroot ? c->chroot : "", c->program);
	if ((stat(real, &st) == 0 && changes_identity(c, &st)) || getxattr(real, "security.capability", NULL, 0) > 0)
		return "it changes its user, group or capabilities, and then no library is put in front of it";
	return obstacle_in(c, c->program);
}
