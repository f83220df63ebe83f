/* SPDX-License-Identifier: ISC */
/*
 * What a program has at the stop that its workers would share, or that a fork would lose. Files can be opened again; for all else that two
 * connections could disturb each other by, the image is not forked.
 */
#include "image.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <linux/kcmp.h>
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

/* Two numbers of one open file have one place in it. */
static int find_same(int fd)
{
	long self = kernel_getpid();

	for (unsigned i = 0; i < image.file_count; i++)
		if (kernel_call(SYS_kcmp, self, self, KCMP_FILE, fd, image.files[i].fd) == 0)
			return image.files[i].fd;
	return -1;
}

static int open_again(const struct image_file *f)
{
	char path[48];

	path_of("/proc/self/fd/", f->fd, path);
	return kernel_open(path, (f->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW)) | O_CLOEXEC);
}

static bool can_open_again(const struct image_file *f)
{
	int fd = open_again(f);

	if (fd >= 0)
		kernel_close(fd);
	return fd >= 0;
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
		.same = find_same(fd),
	};
	if (st.st_nlink == 0 && (f->flags & O_ACCMODE) != O_RDONLY)
		return "it has a temporary file open";
	if (!can_open_again(f))
		return "it has a file open that it may not open again";
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

bool has_pending(void)
{
	kernel_sigset set = 0;

	kernel_call(SYS_rt_sigpending, (long)&set, sizeof(set), 0, 0, 0);
	return set != 0;
}

static bool has_children(void)
{
	return kernel_call(SYS_waitid, P_ALL, 0, 0, WEXITED | WNOHANG | WNOWAIT | __WALL, 0) != -ECHILD;
}

/* Memory that it can write to and that has no name, but will have several owners. */
static bool is_shared_memory(const char *line)
{
	while (*line && *line != ' ')
		line++;
	return line[0] && line[1] && line[2] == 'w' && line[3] && line[4] == 's' && contains(line, " (deleted)") &&
	       !contains(line, "/memfd:preforkd");
}

/* Calls judge for each line of a file, of which it sees the first part, until it says yes. */
static bool any_line(const char *path, bool (*judge)(const char *line))
{
	int fd = kernel_open(path, O_RDONLY | O_CLOEXEC);
	char data[512], line[256];
	bool found = false;
	size_t have = 0;
	ssize_t n;

	while (fd >= 0 && !found && (n = kernel_read(fd, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n && !found; i++) {
			if (data[i] != '\n' && have < sizeof(line) - 1)
				line[have++] = data[i];
			if (data[i] != '\n')
				continue;
			line[have] = '\0';
			have = 0;
			found = judge(line);
		}
	if (fd >= 0)
		kernel_close(fd);
	return found;
}

static bool is_locked_memory(const char *line)
{
	return contains(line, "VmLck:") && !contains(line, "\t       0 kB");
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
	if (has_pending())
		return "it has a signal pending";
	if (any_line("/proc/self/maps", is_shared_memory))
		return "it shares memory without a name";
	if (any_line("/proc/self/status", is_locked_memory))
		return "it has locked its memory";
	kernel_prctl(PR_GET_CHILD_SUBREAPER, (unsigned long)&image.is_subreaper);
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
	int flags = f->descriptor_flags & FD_CLOEXEC ? O_CLOEXEC : 0, fd, error;

	if (f->same >= 0)
		return kernel_dup3(f->same, f->fd, flags);
	fd = open_again(f);
	if (fd < 0)
		return fd;
	error = kernel_dup3(fd, f->fd, flags);
	kernel_close(fd);
	if (error >= 0 && f->offset > 0)
		error = kernel_call(SYS_lseek, f->fd, f->offset, SEEK_SET, 0, 0) < 0 ? -ESPIPE : 0;
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
