/* SPDX-License-Identifier: ISC */
/*
 * liar PID MILLISECONDS
 *
 * Finds the boards of a master and writes nonsense into all slots that are busy now, again and again, as a hostile service could:
 * states that change, and times that are long past, in the future, or none. Every other slot evades only, by times that never
 * come.
 */
#define _GNU_SOURCE
#include "board.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOARDS 64
#define SLOTS 1024

static struct board boards[BOARDS];
static int count;

static uint32_t slots_of(off_t size)
{
	uint32_t slots = 1;

	while (board_size(slots) < (size_t)size)
		slots++;
	return slots;
}

static void map(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	void *memory;

	if (fd < 0 || fstat(fd, &st) < 0 || count == BOARDS)
		return;
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED && slots_of(st.st_size) <= SLOTS)
		board_attach(&boards[count++], memory, slots_of(st.st_size));
}

static void find(const char *pid)
{
	char path[300], link[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
		length = readlink(path, link, sizeof(link) - 1);
		link[length > 0 ? length : 0] = '\0';
		if (strstr(link, "preforkd board"))
			map(path);
	}
	if (dir)
		closedir(dir);
}

static long long milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t some_time(int evades)
{
	uint64_t now = (uint64_t)milliseconds();

	switch (rand() % (evades ? 2 : 6)) {
	case 0:
		return UINT64_MAX;
	case 1:
		return now + (uint64_t)(rand() % 100000);
	case 2:
		return 0;
	case 3:
		return (uint64_t)rand();
	default:
		return now - (uint64_t)(rand() % 1000);
	}
}

static uint8_t some_state(void)
{
	static const uint8_t states[] = { WORKER_BUSY, WORKER_BUSY, WORKER_RETIRING, 77 };

	return states[rand() % 4];
}

/* `told` is what we wrote into a slot, 0: we do not lie there (any more), for it is somebody else's. */
static void lie(const struct board *b, uint8_t *told)
{
	for (uint32_t i = 0; i < b->slots; i++) {
		uint8_t expected = told[i], state = some_state();

		if (!told[i])
			continue;
		b->slot[i].since = some_time(i % 2);
		b->slot[i].id = (uint64_t)rand();
		b->header->watched = (uint32_t)(rand() % 2);
		if (atomic_compare_exchange_strong(&b->state[i], &expected, state))
			told[i] = state;
		else
			told[i] = expected == WORKER_RETIRING ? expected : 0;
	}
}

static void find_busy(const struct board *b, uint8_t *told)
{
	for (uint32_t i = 0; i < b->slots; i++)
		told[i] = b->state[i] == WORKER_BUSY ? WORKER_BUSY : 0;
}

int main(int argc, char *argv[])
{
	static uint8_t told[BOARDS][SLOTS];
	long long end;

	if (argc != 3) {
		fputs("usage: liar PID MILLISECONDS\n", stderr);
		return 100;
	}
	find(argv[1]);
	for (int i = 0; i < count; i++)
		find_busy(&boards[i], told[i]);
	end = milliseconds() + atoi(argv[2]);
	while (count > 0 && milliseconds() < end)
		for (int i = 0; i < count; i++)
			lie(&boards[i], told[i]);
	printf("%d boards\n", count);
	return count == 0;
}
