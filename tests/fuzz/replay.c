/* SPDX-License-Identifier: ISC */
/* Feeds every file of the directories that it is given to a fuzz target. */
#include "target.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static unsigned files;

/* In memory of just that size, so that the sanitizers see where it ends. */
static void replay(FILE *f)
{
	static uint8_t room[1 << 20];
	size_t size = fread(room, 1, sizeof(room), f);
	uint8_t *data = malloc(size ? size : 1);

	if (!data)
		abort();
	memcpy(data, room, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	files++;
}

static int replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];
	int result = 0;

	if (!dir) {
		perror(path);
		return -1;
	}
	while (result == 0 && (entry = readdir(dir))) {
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		puts(name); /* the last one is the one that broke it */
		fflush(stdout);
		f = fopen(name, "re");
		if (f) {
			replay(f);
			fclose(f);
		} else {
			perror(name);
			result = -1;
		}
	}
	closedir(dir);
	return result;
}

int main(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++)
		if (replay_directory(argv[i]) < 0)
			return 1;
	printf("%u files\n", files);
	return files == 0;
}
