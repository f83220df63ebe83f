/* SPDX-License-Identifier: ISC */
/*
 * The master never waits for its log: what a full pipe, a stopped terminal, a full disk or a syslogd that does not read does not
 * take is counted and told later.
 */
#include "config.h"

#include "logging.h"
#include "log.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct log_place {
	enum { TO_STDERR, TO_FILE, TO_SYSLOG } kind;
	char *path; /* of a file */
	int fd;     /* of a file until it is descriptor 2, of a socket always; else -1 */
};

static struct {
	struct log_place *place;
	int standard_error; /* what descriptor 2 is while the log is no file */
	bool journal;       /* stderr is the journal, which knows time and name and wants the level */
	bool cut;           /* the last line was written in part */
	unsigned lost;      /* lines since the log was last able to take one */
	time_t stamped;     /* the second that the stamps show */
	char stamp[32];     /* "2026-11-23T14:28:01" */
	char zone[8];       /* "+0100" */
	char old_stamp[32]; /* "Nov 23 14:28:01", as syslog has it */
	int echo;           /* a descriptor, or -1 */
} logging = { .standard_error = -1, .echo = -1 };

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
	strftime(logging.old_stamp, sizeof(logging.old_stamp), "%b %e %H:%M:%S", &local);
}

/* Returns the length, which is cut to what fits. */
static size_t format_line(enum log_level level, const char *text, char *line, size_t size)
{
	struct timespec now;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	update_stamp(now.tv_sec);
	if (logging.place->kind == TO_SYSLOG)
		n = snprintf(line, size, "<%d>%s preforkd[%d]: %s", LOG_DAEMON | priorities[level], logging.old_stamp, (int)getpid(),
		             text);
	else if (logging.journal)
		n = snprintf(line, size, "<%d>%s", priorities[level], text);
	else
		n = snprintf(line, size, "%s.%03ld%s preforkd[%d]: %s%s%s", logging.stamp, now.tv_nsec / 1000000, logging.zone,
		             (int)getpid(), level <= LOG_LEVEL_WARNING ? log_level_name(level) : "",
		             level <= LOG_LEVEL_WARNING ? ": " : "", text);
	return (size_t)n < size ? (size_t)n : size - 1;
}

/* A pipe or socket that says it is writable takes a line of up to PIPE_BUF without blocking. */
static bool is_writable(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

/* A full disk may have taken the beginning of a line: what follows begins another. */
static bool write_line(char *line, size_t length)
{
	ssize_t n;

	if (!is_writable())
		return false;
	line[length++] = '\n';
	if (logging.cut) {
		memmove(line + 1, line, length++);
		line[0] = '\n';
	}
	n = write(STDERR_FILENO, line, length);
	if (n > 0)
		logging.cut = (size_t)n < length;
	return n == (ssize_t)length;
}

/* syslog(3) would wait for a syslogd that does not read. Without connect(2) there is nothing to do when it is started again. */
static bool send_line(const char *line, size_t length)
{
	const struct sockaddr_un syslogd = { .sun_family = AF_UNIX, .sun_path = _PATH_LOG };

	return sendto(logging.place->fd, line, length, MSG_NOSIGNAL, (const struct sockaddr *)&syslogd, sizeof(syslogd)) >= 0;
}

static bool deliver(enum log_level level, const char *text)
{
	char line[LOG_LINE + 128];
	size_t length = format_line(level, text, line, sizeof(line) - 2); /* room for two newlines */

	return logging.place->kind == TO_SYSLOG ? send_line(line, length) : write_line(line, length);
}

static void echo(enum log_level level, const char *text)
{
	if (logging.echo >= 0 && level <= LOG_LEVEL_WARNING)
		dprintf(logging.echo, "preforkd: %s\n", text);
}

static void sink(enum log_level level, const char *text, void *data)
{
	char lost[80];

	(void)data;
	echo(level, text);
	if (logging.lost > 0) {
		snprintf(lost, sizeof(lost), "%u lines of the log were lost: it could not be written", logging.lost);
		if (!deliver(LOG_LEVEL_WARNING, lost)) {
			logging.lost++;
			return;
		}
		logging.lost = 0;
	}
	if (!deliver(level, text))
		logging.lost++;
}

int logging_init(bool detached)
{
	logging.standard_error = detached ? open("/dev/null", O_RDWR | O_CLOEXEC) :
	                                    fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return logging.standard_error < 0 ? -1 : 0;
}

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

static int open_place(struct log_place *place, const char *to)
{
	place->fd = -1;
	if (strcmp(to, "syslog") == 0) {
		place->kind = TO_SYSLOG;
		place->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		return place->fd < 0 ? -1 : 0;
	}
	if (strncmp(to, "file:", 5) != 0)
		return 0;
	place->kind = TO_FILE;
	place->path = strdup(to + 5);
	if (place->path)
		place->fd = open_file(place->path);
	return place->fd < 0 ? -1 : 0;
}

struct log_place *logging_prepare(const char *to)
{
	struct log_place *place = calloc(1, sizeof(*place));
	int error;

	if (!place || open_place(place, to) == 0)
		return place;
	error = errno;
	logging_drop(place);
	errno = error;
	return NULL;
}

void logging_drop(struct log_place *place)
{
	if (!place)
		return;
	if (place->fd >= 0)
		close(place->fd);
	free(place->path);
	free(place);
}

/* Programs have descriptor 2 as well: a file becomes it, and gives it back when the log goes elsewhere. */
static int set_standard_error(struct log_place *place)
{
	if (dup2(place->kind == TO_FILE ? place->fd : logging.standard_error, STDERR_FILENO) < 0)
		return -1;
	if (place->kind == TO_FILE) {
		close(place->fd);
		place->fd = -1;
	}
	logging.cut = false;
	return 0;
}

int logging_use(struct log_place *place)
{
	int error;

	if (set_standard_error(place) < 0) {
		error = errno;
		logging_drop(place);
		errno = error;
		return -1;
	}
	logging_drop(logging.place);
	logging.place = place;
	logging.journal = place->kind == TO_STDERR && is_journal();
	log_to(sink, NULL);
	return 0;
}

int logging_reopen(void)
{
	int fd = open_file(logging.place->path);

	if (fd < 0)
		return -1;
	logging.place->fd = fd;
	return set_standard_error(logging.place);
}

void logging_echo(int fd)
{
	if (logging.echo >= 0)
		close(logging.echo);
	logging.echo = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
}

void logging_close(void)
{
	log_to(NULL, NULL);
	logging_drop(logging.place);
	logging.place = NULL;
	if (logging.standard_error >= 0)
		close(logging.standard_error);
	logging.standard_error = -1;
}

bool logging_is_file(void)
{
	return logging.place->kind == TO_FILE;
}
