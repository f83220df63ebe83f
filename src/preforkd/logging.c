/* SPDX-License-Identifier: ISC */
/*
 * The master never waits for its log: what a full pipe, a stopped terminal or a full disk does not take is counted and told
 * later.
 */
#include "config.h"

#include "logging.h"
#include "log.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static struct {
	char *path;      /* of a file, else NULL */
	bool journal;    /* stderr is the journal, which knows time and name and wants the level */
	unsigned lost;   /* lines since the log was last able to take one */
	time_t stamped;  /* the second that `stamp` shows */
	char stamp[32];  /* "2026-11-23T14:28:01" */
	char zone[8];    /* "+0100" */
	int echo;        /* a descriptor, or -1 */
} logging = { .echo = -1 };

static const int priorities[LOG_LEVELS] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,   [LOG_LEVEL_WARNING] = LOG_WARNING, [LOG_LEVEL_NOTICE] = LOG_NOTICE,
	[LOG_LEVEL_INFO] = LOG_INFO,   [LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

/* systemd names the stream that it connected to standard error: "device:inode". */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return strcmp(stream, own) == 0;
}

static void update_stamp(time_t now)
{
	struct tm local;

	if (now == logging.stamped)
		return;
	logging.stamped = now;
	localtime_r(&now, &local);
	strftime(logging.stamp, sizeof(logging.stamp), "%Y-%m-%dT%H:%M:%S", &local);
	strftime(logging.zone, sizeof(logging.zone), "%z", &local);
}

static int format_line(enum log_level level, const char *text, char *line, size_t size)
{
	struct timespec now;

	if (logging.journal)
		return snprintf(line, size, "<%d>%s\n", priorities[level], text);
	clock_gettime(CLOCK_REALTIME, &now);
	update_stamp(now.tv_sec);
	return snprintf(line, size, "%s.%03ld%s preforkd[%d]: %s%s%s\n", logging.stamp, now.tv_nsec / 1000000, logging.zone,
	                (int)getpid(), level <= LOG_LEVEL_WARNING ? log_level_name(level) : "",
	                level <= LOG_LEVEL_WARNING ? ": " : "", text);
}

/* A pipe or socket that says it is writable takes a line of up to PIPE_BUF without blocking. */
static bool is_writable(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

static bool write_line(enum log_level level, const char *text)
{
	char line[LOG_LINE + 128];
	int length = format_line(level, text, line, sizeof(line));

	if (length >= (int)sizeof(line)) {
		length = sizeof(line) - 1;
		line[length - 1] = '\n';
	}
	return is_writable() && write(STDERR_FILENO, line, (size_t)length) == length;
}

static void echo(enum log_level level, const char *text)
{
	if (logging.echo >= 0 && level <= LOG_LEVEL_WARNING)
		dprintf(logging.echo, "preforkd: %s\n", text);
}

static void to_stderr(enum log_level level, const char *text, void *data)
{
	char lost[80];

	(void)data;
	echo(level, text);
	if (logging.lost > 0) {
		snprintf(lost, sizeof(lost), "%u lines of the log were lost: it could not be written", logging.lost);
		if (!write_line(LOG_LEVEL_WARNING, lost)) {
			logging.lost++;
			return;
		}
		logging.lost = 0;
	}
	if (!write_line(level, text))
		logging.lost++;
}

static void to_syslog(enum log_level level, const char *text, void *data)
{
	(void)data;
	echo(level, text);
	syslog(priorities[level], "%s", text);
}

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return -1;
	if (dup2(fd, STDERR_FILENO) < 0) {
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

int logging_open(const char *to)
{
	char *path = NULL;

	if (strncmp(to, "file:", 5) == 0) {
		path = strdup(to + 5);
		if (!path || open_file(path) < 0) {
			free(path);
			return -1;
		}
	}
	logging_close();
	logging.path = path;
	logging.journal = !path && is_journal();
	if (strcmp(to, "syslog") == 0) {
		openlog("preforkd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
		log_to(to_syslog, NULL);
	} else {
		log_to(to_stderr, NULL);
	}
	return 0;
}

int logging_reopen(void)
{
	return logging.path ? open_file(logging.path) : 0;
}

void logging_echo(int fd)
{
	if (logging.echo >= 0)
		close(logging.echo);
	logging.echo = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
}

void logging_close(void)
{
	free(logging.path);
	logging.path = NULL;
	closelog();
}

bool logging_is_file(void)
{
	return logging.path != NULL;
}
