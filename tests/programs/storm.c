/* SPDX-License-Identifier: ISC */
/*
 * storm PID N: kills -9 N children of a process, chosen at random one after the other, whatever they do. A killed one has ended before
 * the next is chosen, so that each of the N kills meets a live process. Prints how many there were. The same N is the same choice.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN_MAX 4096

static int read_children(long parent, pid_t *list)
{
	char path[64];
	FILE *f;
	int n = 0, pid;

	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", parent, parent);
	f = fopen(path, "re");
	if (!f) {
		perror(path);
		exit(1);
	}
	while (n < CHILDREN_MAX && fscanf(f, "%d", &pid) == 1)
		list[n++] = pid;
	fclose(f);
	return n;
}

int main(int argc, char *argv[])
{
	static pid_t list[CHILDREN_MAX];
	const struct timespec moment = { .tv_nsec = 200000 };
	long parent = argc == 3 ? atol(argv[1]) : 0, wanted = argc == 3 ? atol(argv[2]) : 0, done = 0;

	if (parent <= 0 || wanted <= 0) {
		fputs("usage: storm PID N\n", stderr);
		return 100;
	}
	srandom((unsigned)wanted);
	while (done < wanted) {
		int n = read_children(parent, list);

		if (n > 0 && kill(list[random() % n], SIGKILL) == 0)
			done++;
		nanosleep(&moment, NULL); /* paces it; nothing is hoped for */
	}
	printf("%ld killed\n", done);
	return 0;
}
