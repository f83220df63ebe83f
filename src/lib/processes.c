/* SPDX-License-Identifier: ISC */
/* Linux: /proc/PID/stat and /proc/PID/environ. */
#include "config.h"

#include "processes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DIR *processes_open(void)
{
	return opendir("/proc");
}

/* "pid (command) state parent group session ...", and a command may have any character in it. */
static void read_stat(pid_t pid, struct process *out)
{
	char path[32], text[512];
	const char *end;
	ssize_t size;
	char state;
	int fd;

	*out = (struct process){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size > 0 ? size : 0] = '\0';
	end = strrchr(text, ')');
	if (!end || sscanf(end, ") %c %*d %d %d", &state, &out->group, &out->session) != 3)
		*out = (struct process){ .pid = pid };
	else
		out->ended = state == 'Z' || state == 'X';
}

bool processes_next(DIR *all, struct process *out)
{
	const struct dirent *entry;

	while ((entry = readdir(all))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid <= 0)
			continue;
		read_stat((pid_t)pid, out);
		return true;
	}
	return false;
}

bool process_variable(pid_t pid, const char *name, char *out, size_t size)
{
	char path[32], *entry = NULL;
	size_t room = 0, length = strlen(name);
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	f = fopen(path, "re");
	while (f && !found && getdelim(&entry, &room, '\0', f) > 0)
		found = strncmp(entry, name, length) == 0 && entry[length] == '=';
	if (found)
		snprintf(out, size, "%s", entry + length + 1);
	free(entry);
	if (f)
		fclose(f);
	return found;
}
