/* SPDX-License-Identifier: ISC */
/* Before main(): reads the brief, and leaves nothing of it for the program to find. */
#include "image.h"

#include <sys/mman.h>
#include <sys/prctl.h>

struct image image;

static bool begins(const char *text, const char *with)
{
	while (*with && *text == *with)
		text++, with++;
	return *with == '\0';
}

static const char *read_number(const char *text, uint32_t *out)
{
	*out = 0;
	for (; *text >= '0' && *text <= '9' && *out < 100000000; text++)
		*out = *out * 10 + (uint32_t)(*text - '0');
	return text;
}

/* "57:3:1": the brief's descriptor, and the slot and generation that this process has. -1 for anything else. */
static int read_variable(const char *text)
{
	uint32_t fd;

	text = read_number(text, &fd);
	if (*text++ != ':')
		return -1;
	text = read_number(text, &image.worker.slot);
	if (*text++ != ':')
		return -1;
	text = read_number(text, &image.worker.generation);
	return *text == '\0' ? (int)fd : -1;
}

static void *map(int fd, size_t size, int protection, int flags)
{
	long at = kernel_mmap(size, protection, flags, fd);

	return at < 0 && at > -4096 ? NULL : (void *)at;
}

static const struct brief *read_brief(int fd)
{
	const struct brief *b = map(fd, sizeof(*b), PROT_READ, MAP_PRIVATE);
	size_t whole;

	if (!b || b->size != sizeof(*b))
		return NULL;
	whole = sizeof(*b) + b->banner.offset + b->banner.length;
	kernel_munmap(b, sizeof(*b));
	return map(fd, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static struct answer answer_of(const struct brief *b, const struct brief_text *t)
{
	return (struct answer){
		.kind = (enum answer_kind)t->kind,
		.text = (char *)(uintptr_t)(b + 1) + t->offset,
		.length = t->length,
	};
}

static const void *map_list(const struct brief_memory *m)
{
	return m->fd >= 0 ? map(m->fd, m->size, PROT_READ, MAP_SHARED) : NULL;
}

/* The worker as the brief describes it, with its shared memory and texts where they are in this image. */
static bool make_worker(const struct brief *b)
{
	struct worker *w = &image.worker;
	uint32_t slot = w->slot, generation = w->generation;
	void *board = map(b->board.fd, b->board.size, PROT_READ | PROT_WRITE, MAP_SHARED);
	void *sources = b->sources.fd >= 0 ? map(b->sources.fd, b->sources.size, PROT_READ | PROT_WRITE, MAP_SHARED) : NULL;

	kernel_copy(w, &b->worker, sizeof(*w));
	w->slot = slot;
	w->generation = generation;
	if (!board || (b->sources.fd >= 0 && !sources))
		return false;
	board_attach(&w->board, board, b->slots);
	w->admission.sources.header = NULL;
	if (sources)
		sources_attach(&w->admission.sources, sources, b->rows);
	w->admission.access = map_list(&b->access);
	w->admission.proxy_from = map_list(&b->proxy_from);
	if ((b->access.fd >= 0 && !w->admission.access) || (b->proxy_from.fd >= 0 && !w->admission.proxy_from))
		return false;
	for (int i = 0; i < REFUSALS; i++) {
		image.answers[i] = answer_of(b, &b->answers[i]);
		w->answers[i] = &image.answers[i];
	}
	image.banner = answer_of(b, &b->banner);
	w->banner = b->banner.length > 0 ? &image.banner : NULL;
	return true;
}

/* An empty string in its place: /proc/PID/environ shows no more of it. */
static void erase(char *text)
{
	while (*text)
		*(volatile char *)text++ = '\0';
}

/* "LD_PRELOAD=ours:theirs" becomes "LD_PRELOAD=theirs", in its place; false if there is nothing but ours. */
static bool keep_own_preload(char *text)
{
	char *to = text + sizeof("LD_PRELOAD=") - 1, *from = to;

	while (*from && *from != ':')
		from++;
	if (*from == '\0')
		return false;
	for (from++; *from; from++)
		*(volatile char *)to++ = *from;
	erase(to);
	return true;
}

/*
 * Takes out of the environment what the master has put in for us: the brief, the library, and the empty strings behind, whose places
 * will take the variables of the connection. Returns the brief's descriptor, or -1 without a change.
 */
static int clean_environment(char **envp)
{
	char **kept = envp;
	int fd = -1;

	for (char **at = envp; *at && fd < 0; at++)
		if (begins(*at, BRIEF_VARIABLE "="))
			fd = read_variable(*at + sizeof(BRIEF_VARIABLE "=") - 1);
	if (fd < 0)
		return -1;
	for (char **at = envp; *at; at++) {
		bool ours = begins(*at, BRIEF_VARIABLE "=") || (begins(*at, "LD_PRELOAD=") && !keep_own_preload(*at));

		if (!ours && **at)
			*kept++ = *at;
		else
			erase(*at);
	}
	*kept = NULL;
	image.envp = envp;
	return fd;
}

static char *put(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = '\0';
	return to;
}

/* The new image is to be stopped, too: `#!/usr/bin/env`, nice(1), a shell's exec. */
char **carry_environment(char *const *envp, char **list, size_t size)
{
	static char preload[sizeof(image.brief->library) + 4096], brief[sizeof(BRIEF_VARIABLE) + 48];
	static char empty[1];
	const char *own = NULL;
	size_t n = 0;
	char *at;

	for (; envp && *envp; envp++) {
		if (n + VARIABLES_MAX + 3 >= size)
			return NULL;
		if (begins(*envp, "LD_PRELOAD="))
			own = *envp + sizeof("LD_PRELOAD=") - 1;
		else
			list[n++] = *envp;
	}
	at = put(put(preload, "LD_PRELOAD="), image.brief->library);
	if (own) {
		size_t length = 0;

		while (own[length])
			length++;
		if (length >= 4000)
			return NULL;
		put(put(at, ":"), own);
	}
	at = put(brief, BRIEF_VARIABLE "=");
	at += address_decimal((unsigned)image.descriptor, at);
	*at++ = ':';
	at += address_decimal(image.worker.slot, at);
	*at++ = ':';
	address_decimal(image.worker.generation, at);
	list[n++] = preload;
	list[n++] = brief;
	for (int i = 0; i < VARIABLES_MAX; i++)
		list[n++] = empty;
	list[n] = NULL;
	return list;
}

void keep_over_exec(bool keep)
{
	for (int fd = image.brief->first; fd <= image.brief->last; fd++)
		kernel_fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void start(int argc, char **argv, char **envp)
{
	int fd = clean_environment(envp);

	(void)argc;
	(void)argv;
	if (fd < 0)
		return;
	image.descriptor = fd;
	image.brief = read_brief(fd);
	if (!image.brief || !make_worker(image.brief))
		kernel_exit(WORKER_EXIT_FAILED);
	keep_over_exec(false);
	kernel_prctl(PR_SET_PDEATHSIG, SIGKILL); /* until the process is a worker, or its program's own */
	if (kernel_getppid() != image.worker.master)
		kernel_exit(0);
	tell_master(NEWS_LOADED, image.worker.slot, 0, NULL);
	if (image.brief->stop_at == STOP_MAIN) {
		stop(STOP_MAIN);
	} else if (!dispatch_arm()) {
		tell_master(NEWS_EARLY, image.worker.slot, 0, "this kernel or machine cannot watch system calls");
		kernel_exit(0);
	}
}

__attribute__((section(".init_array"), used)) static void (*const constructor)(int, char **, char **) = start;
