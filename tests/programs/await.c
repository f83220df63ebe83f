/* SPDX-License-Identifier: ISC */
/*
 * await [-n COUNT] [-w PID] FILE REGEX SECONDS
 *                                       until so many lines of a growing file match; with -w at most until a process ends
 * await -p PID SECONDS                  until a process has ended
 * await -m MILLISECONDS                 for so long
 *
 * Exit status 0, or 1 when the time is over.
 */
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_readable(int fd, long long deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long long left = deadline - now_ms();

	return left > 0 && poll(&p, 1, (int)left) == 1;
}

static int count_matches(const char *path, const regex_t *regex)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int count = 0;

	while (f && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		count += regexec(regex, line, 0, NULL, 0) == 0;
	}
	free(line);
	if (f)
		fclose(f);
	return count;
}

/* Waits for news of the file, or for the end of its writer; 0 when neither can come any more. */
static int wait_for_news(int notes, int writer, long long deadline)
{
	struct pollfd p[2] = { { .fd = notes, .events = POLLIN }, { .fd = writer, .events = POLLIN } };
	long long left = deadline - now_ms();

	if (left <= 0 || poll(p, 2, (int)left) <= 0)
		return 0;
	return p[0].revents != 0;
}

/* The directory is watched too: the file may not be there yet, or be replaced. */
static int await_lines(const char *path, const char *pattern, int wanted, int writer, long long deadline)
{
	char directory[PATH_MAX], events[4096];
	int notes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char *slash;
	regex_t regex;

	if (notes < 0 || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return 2;
	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash)
		*slash = '\0';
	inotify_add_watch(notes, slash ? directory : ".", IN_CREATE | IN_MOVED_TO | IN_MODIFY);
	while (count_matches(path, &regex) < wanted) {
		if (!wait_for_news(notes, writer, deadline))
			return count_matches(path, &regex) < wanted;
		while (read(notes, events, sizeof(events)) > 0)
			;
	}
	return 0;
}

static int await_process(pid_t pid, long long deadline)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 || wait_readable(fd, deadline) ? 0 : 1;
}

int main(int argc, char *argv[])
{
	int wanted = 1, writer = -1, option;

	if (argc == 3 && strcmp(argv[1], "-m") == 0)
		return poll(NULL, 0, atoi(argv[2])) < 0;
	if (argc == 4 && strcmp(argv[1], "-p") == 0)
		return await_process((pid_t)atoi(argv[2]), now_ms() + 1000LL * atoi(argv[3]));
	while ((option = getopt(argc, argv, "n:w:")) != -1)
		if (option == 'n')
			wanted = atoi(optarg);
		else if (option == 'w')
			writer = (int)syscall(SYS_pidfd_open, atoi(optarg), 0);
	if (argc - optind != 3) {
		fputs("usage: await [-n COUNT] [-w PID] FILE REGEX SECONDS | -p PID SECONDS | -m MILLISECONDS\n", stderr);
		return 100;
	}
	argv += optind;
	return await_lines(argv[0], argv[1], wanted, writer, now_ms() + 1000LL * atoi(argv[2]));
}
