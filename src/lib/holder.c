/* SPDX-License-Identifier: ISC */
/*
 * Linux: /proc/net/{tcp,tcp6,unix} name the socket's inode, and /proc/PID/fd who has it open. Other users' descriptors can only be
 * read by root.
 */
#include "config.h"

#include "holder.h"

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTENING 0x0a /* TCP_LISTEN in the column `st` */
#define FLAG_ACCEPTS 0x10000 /* __SO_ACCEPTCON in the column `Flags` of unix */

/* The table has addresses as the hexadecimal of their 32-bit words in the machine's own order. */
static int read_address(const char *text, int family, struct address *a)
{
	size_t words = family == AF_INET ? 1 : 4;
	unsigned char *ip;
	unsigned port;

	memset(a, 0, sizeof(*a));
	a->socket.any.sa_family = (sa_family_t)family;
	a->length = family == AF_INET ? sizeof(a->socket.v4) : sizeof(a->socket.v6);
	ip = family == AF_INET ? (void *)&a->socket.v4.sin_addr : (void *)&a->socket.v6.sin6_addr;
	for (size_t i = 0; i < words; i++) {
		char word[9] = "";
		uint32_t value;

		for (size_t j = 0; j < 8 && text[i * 8 + j]; j++)
			word[j] = text[i * 8 + j];
		value = (uint32_t)strtoul(word, NULL, 16);
		memcpy(ip + i * 4, &value, 4);
	}
	if (sscanf(text + words * 8, ":%x", &port) != 1)
		return -1;
	address_set_port(a, port);
	return 0;
}

/* The inode of a listening socket in the way of a; 0 if there is none. */
static unsigned long find_tcp(const char *table, int family, const struct address *a, bool dual)
{
	FILE *f = fopen(table, "re");
	char line[512], local[64];
	unsigned long inode, found = 0;
	unsigned state;

	while (f && !found && fgets(line, sizeof(line), f)) {
		struct address other;

		if (sscanf(line, " %*d: %63s %*s %x %*s %*s %*s %*s %*s %lu", local, &state, &inode) != 3)
			continue;
		if (state != LISTENING || read_address(local, family, &other) < 0)
			continue;
		/* Whether an IPv6 wildcard is dual is not in the table: here it counts as one, which only names it. */
		if (address_conflicts(a, dual, &other, true))
			found = inode;
	}
	if (f)
		fclose(f);
	return found;
}

static unsigned long find_unix(const struct address *a)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512], name[ADDRESS_TEXT];
	char path[sizeof(a->socket.path.sun_path) + 1] = "";
	unsigned long flags, inode, found = 0;
	size_t length = a->length - offsetof(struct sockaddr_un, sun_path);

	memcpy(path, a->socket.path.sun_path, length);
	if (path[0] == '\0')
		path[0] = '@';
	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*[^:]: %*x %*x %lx %*x %*x %lu %439[^\n]", &flags, &inode, name) == 3 &&
		    flags & FLAG_ACCEPTS && strcmp(name, path) == 0)
			found = inode;
	if (f)
		fclose(f);
	return found;
}

static bool has_open(pid_t pid, const char *wanted)
{
	char path[PATH_MAX], link[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid, entry->d_name);
		length = readlink(path, link, sizeof(link) - 1);
		if (length <= 0)
			continue;
		link[length] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void read_command(struct holder *h)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)h->pid);
	f = fopen(path, "re");
	if (!f || !fgets(h->command, sizeof(h->command), f))
		snprintf(h->command, sizeof(h->command), "unknown");
	h->command[strcspn(h->command, "\n")] = '\0';
	if (f)
		fclose(f);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[512] = "";
	const char *command;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	/* "PID (COMMAND) STATE PARENT ...", where the command may have parentheses too */
	if (f && fgets(line, sizeof(line), f) && (command = strrchr(line, ')')))
		sscanf(command, ") %*c %d", &parent);
	if (f)
		fclose(f);
	return (pid_t)parent;
}

static pid_t find_process(const char *wanted)
{
	struct dirent *entry;
	pid_t found = 0;
	DIR *dir = opendir("/proc");

	while (dir && found == 0 && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && has_open(pid, wanted))
			found = pid;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A server rather than its children, which share the socket. Numbers say nothing of that: they begin again some day. */
static int find_owner(unsigned long inode, struct holder *h)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	h->pid = find_process(wanted);
	if (h->pid == 0)
		return 0;
	for (pid_t pid = parent_of(h->pid); pid > 0 && has_open(pid, wanted); pid = parent_of(pid))
		h->pid = pid;
	read_command(h);
	return 1;
}

int holder_find(const struct address *a, bool dual, struct holder *h)
{
	unsigned long inode = 0;

	if (access("/proc/net/unix", R_OK) < 0)
		return 0;
	if (address_family(a) == AF_UNIX) {
		inode = find_unix(a);
	} else {
		inode = find_tcp("/proc/net/tcp", AF_INET, a, dual);
		if (!inode)
			inode = find_tcp("/proc/net/tcp6", AF_INET6, a, dual);
	}
	return inode ? find_owner(inode, h) : -1;
}
