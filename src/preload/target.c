/* SPDX-License-Identifier: ISC */
/*
 * A program executes another before its stop. That one is stopped in its place if the library comes to live in it; if not, it would run
 * on without a connection. A file that cannot be read here is left to execve's own judgement.
 */
#include "config.h"

#include "image.h"

#include <sys/stat.h>
#include <elf.h>

#define INTERPRETERS_MAX 4 /* a script's interpreter may be a script, as far as Linux follows */

static _Alignas(Elf64_Ehdr) char head[4096];

static bool has_capabilities(int fd)
{
	return kernel_call(SYS_fgetxattr, fd, (long)"security.capability", 0, 0, 0) > 0;
}

static bool is_privileged(int fd)
{
	struct stat st;

	return kernel_call(SYS_fstat, fd, (long)&st, 0, 0, 0) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & (S_ISUID | S_ISGID) || has_capabilities(fd));
}

static bool is_elf(ssize_t size)
{
	return size > EI_CLASS && head[0] == ELFMAG0 && head[1] == ELFMAG1 && head[2] == ELFMAG2 && head[3] == ELFMAG3;
}

/* Of the library's own kind, and with a linker that loads it. */
static bool takes_library(ssize_t size)
{
	const Elf64_Ehdr *e = (const void *)head;

	if (size < (ssize_t)sizeof(*e) || head[EI_CLASS] != ELFCLASS64)
		return false;
	for (unsigned i = 0; i < e->e_phnum; i++) {
		uint64_t at = e->e_phoff + i * sizeof(Elf64_Phdr);

		if (at > (uint64_t)size - sizeof(Elf64_Phdr))
			return true; /* too far away to see */
		if (((const Elf64_Phdr *)(const void *)(head + at))->p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* The interpreter of a script, ended by a NUL in its place; NULL if it is none. */
static const char *interpreter_in(ssize_t size)
{
	char *at = head + 2, *end = head + size;
	const char *path;

	if (size < 3 || head[0] != '#' || head[1] != '!')
		return NULL;
	*end = '\0';
	while (*at == ' ' || *at == '\t')
		at++;
	path = at;
	while (*at > ' ')
		at++;
	*at = '\0';
	return path;
}

const char *obstacle_to_stop(int directory, const char *path, int flags)
{
	for (int i = 0; path && i <= INTERPRETERS_MAX; i++) {
		bool is_open = flags & AT_EMPTY_PATH && !*path;
		long fd = is_open ? directory : kernel_call(SYS_openat, directory, (long)path, O_RDONLY | O_CLOEXEC, 0, 0);
		bool privileged;
		ssize_t size;

		if (fd < 0)
			return NULL;
		privileged = is_privileged((int)fd);
		size = kernel_call(SYS_pread64, fd, (long)head, sizeof(head) - 1, 0, 0);
		if (!is_open)
			kernel_close((int)fd);
		if (privileged)
			return "it executes a program that changes its user, group or capabilities";
		if (is_elf(size))
			return takes_library(size) ? NULL : "it executes a program that no library can be put in front of";
		path = interpreter_in(size);
		flags = 0;
	}
	return NULL;
}
