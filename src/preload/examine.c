/* SPDX-License-Identifier: ISC */
/*
 * What a program has at the stop that its workers would share, or that a fork would lose. Files can be opened again; for all else that two
 * connections could disturb each other by, the image is not forked.
 */
#include "image.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>

struct entry {
	uint64_t inode;
	int64_t offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

static int number_in(const char *text)
{
	int n = 0;

	if (*text < '0' || *text > '9')
		return -1;
	for (; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (*text - '0');
	return n;
}

/* Reads a small file of /proc whole; its size, ended by a NUL. */
static size_t read_file(const char *path, char *data, size_t size)
{
	int fd = kernel_open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	size_t have = 0;

	data[0] = '\0';
	if (fd < 0)
		return 0;
	while (have < size - 1 && (n = kernel_read(fd, data + have, size - 1 - have)) > 0)
		have += (size_t)n;
	kernel_close(fd);
	data[have] = '\0';
	return have;
}

/* Calls visit for each number that a directory of /proc lists, until it says no. False if it did, or if there is no such directory. */
static bool each_number(const char *path, bool (*visit)(int number, void *data), void *data)
{
	_Alignas(struct entry) char buffer[2048];
	int fd = kernel_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0;
	long n;

	while (good && (n = kernel_call(SYS_getdents64, fd, (long)buffer, sizeof(buffer), 0, 0)) > 0)
		for (long at = 0; good && at < n; at += ((struct entry *)(void *)(buffer + at))->size) {
			int number = number_in(((struct entry *)(void *)(buffer + at))->name);

			if (number >= 0 && number != fd)
				good = visit(number, data);
		}
	if (fd >= 0)
		kernel_close(fd);
	return good;
}

static bool count_one(int number, void *data)
{
	(void)number;
	++*(uint32_t *)data;
	return true;
}

static void path_of(const char *directory, int fd, char *out)
{
	while (*directory)
		*out++ = *directory++;
	address_decimal((unsigned)fd, out);
}

static bool contains(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t n = 0;

		while (word[n] && text[n] == word[n])
			n++;
		if (word[n] == '\0')
			return true;
	}
	return false;
}

static bool is_locked(int fd)
{
	char path[48], text[1024];

	path_of("/proc/self/fdinfo/", fd, path);
	read_file(path, text, sizeof(text));
	return contains(text, "lock:");
}

/* What a file is to a fork: NULL for one that harms nobody or can be opened again. */
static const char *judge_file(int fd)
{
	struct stat st;
	struct image_file *f = &image.files[image.file_count];

	if (kernel_call(SYS_fstat, fd, (long)&st, 0, 0, 0) < 0 || S_ISCHR(st.st_mode))
		return NULL;
	if (S_ISSOCK(st.st_mode))
		return "it has a socket open besides its connection";
	if (S_ISFIFO(st.st_mode))
		return "it has a pipe open";
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return "it has a descriptor of the kernel's own kind open (epoll, a timer, an event)";
	if (is_locked(fd))
		return "it holds a lock on a file";
	if (image.file_count == FILES_MAX)
		return "it has too many files open";
	*f = (struct image_file){
		.fd = fd,
		.flags = kernel_fcntl(fd, F_GETFL, 0),
		.descriptor_flags = kernel_fcntl(fd, F_GETFD, 0),
		.offset = kernel_call(SYS_lseek, fd, 0, SEEK_CUR, 0, 0),
	};
	image.file_count++;
	return NULL;
}

static bool look_at(int fd, void *data)
{
	const char **why = data;

	if (fd > STDERR_FILENO && !is_ours(fd))
		*why = judge_file(fd);
	return !*why;
}

bool has_timer(void)
{
	struct itimerval value;
	char text[256];

	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++)
		if (kernel_call(SYS_getitimer, which, (long)&value, 0, 0, 0) == 0 &&
		    (value.it_value.tv_sec || value.it_value.tv_usec))
			return true;
	return read_file("/proc/self/timers", text, sizeof(text)) > 0;
}

static bool has_children(void)
{
	return kernel_call(SYS_waitid, P_ALL, 0, 0, WEXITED | WNOHANG | WNOWAIT, 0) != -ECHILD;
}

const char *examine(uint32_t *threads)
{
	const char *why = NULL;

	*threads = 0;
	image.file_count = 0;
	if (!each_number("/proc/self/task", count_one, threads))
		return "its threads cannot be counted";
	if (*threads > 1)
		return "it has threads";
	if (has_children())
		return "it has children";
	if (has_timer())
		return "it has a timer running";
	if (!each_number("/proc/self/fd", look_at, &why) && !why)
		return "its descriptors cannot be listed";
	return why;
}

/* KiB, of pages that are its own or shared. */
uint32_t memory_in_use(void)
{
	char text[128], *at = text;

	read_file("/proc/self/statm", text, sizeof(text));
	while (*at && *at != ' ')
		at++;
	return *at ? (uint32_t)number_in(at + 1) * 4 : 0;
}

static int reopen(const struct image_file *f)
{
	char path[48];
	int fd, error;

	path_of("/proc/self/fd/", f->fd, path);
	fd = kernel_open(path, f->flags & ~(O_CREAT | O_EXCL | O_TRUNC));
	if (fd < 0)
		return fd;
	error = kernel_dup3(fd, f->fd, f->descriptor_flags & FD_CLOEXEC ? O_CLOEXEC : 0);
	kernel_close(fd);
	if (error >= 0 && f->offset > 0)
		error = (int)(kernel_call(SYS_lseek, f->fd, f->offset, SEEK_SET, 0, 0) < 0);
	return error < 0 ? error : 0;
}

int reopen_files(void)
{
	for (unsigned i = 0; i < image.file_count; i++) {
		int error = reopen(&image.files[i]);

		if (error < 0)
			return error;
	}
	return 0;
}
