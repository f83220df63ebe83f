/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "log.h"
#include "logging.h"
#include "master.h"
#include "notify.h"
#include "process.h"
#include "title.h"
#include "trial.h"

#include <errno.h>
#include <getopt.h>
#include <libutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const struct option long_options[] = {
	{ "file", required_argument, NULL, 'f' },  { "check", no_argument, NULL, 'n' },
	{ "daemon", no_argument, NULL, 'd' },      { "pid-file", required_argument, NULL, 'p' },
	{ "verbose", no_argument, NULL, 'v' },     { "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },        { "check-forkserver", no_argument, NULL, 'F' },
	{ NULL, 0, NULL, 0 },
};

static void usage(FILE *out)
{
	fputs("usage: preforkd [-dnvVh] [-f FILE] [-p PIDFILE]\n"
	      "  -f, --file FILE         configuration (" DEFAULT_FILE ")\n"
	      "  -n, --check             check the configuration and exit; with -v print it resolved\n"
	      "  -d, --daemon            go into the background\n"
	      "  -p, --pid-file PIDFILE  write the pid there\n"
	      "  -v, --verbose           log everything\n"
	      "  --check-forkserver PROGRAM [ARG]...\n"
	      "                          try whether a program can be launched by a fork server\n"
	      "  -V, --version\n"
	      "  -h, --help\n"
	      "Exit status: 0 fine, 100 usage or configuration, 111 system trouble. See preforkd(8).\n",
	      out);
}

/* Where it is installed, or where somebody says that it is: from the directory of a build, say. */
static const char *library(void)
{
	const char *given = getenv("PREFORK_LIBRARY");

	return given && given[0] == '/' ? given : DEFAULT_LIBRARY;
}

static int check_forkserver(char *const program[])
{
	if (program[0])
		return trial_run(library(), program);
	fputs("preforkd: --check-forkserver needs a program, and its arguments behind it\n", stderr);
	return EXIT_USAGE;
}

/* Returns -1 to go on, or the exit status. */
static int read_options(int argc, char *argv[], struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "+f:ndp:vVh", long_options, NULL)) != -1)
		switch (c) {
		case 'f':
			o->file = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 'd':
			o->detach = true;
			break;
		case 'p':
			o->pid_file = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'F':
			return check_forkserver(argv + optind);
		case 'V':
			puts(PACKAGE_STRING);
			return EXIT_FINE;
		case 'h':
			usage(stdout);
			return EXIT_FINE;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	if (optind == argc)
		return -1;
	fprintf(stderr, "preforkd: unexpected argument: %s\n", argv[optind]);
	usage(stderr);
	return EXIT_USAGE;
}

static void print_complaints(const struct complaints *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct complaint *c = &list->list[i];

		fputs("preforkd: ", stderr);
		if (c->file && c->line > 0)
			fprintf(stderr, "%s:%d: ", c->file, c->line);
		else if (c->file)
			fprintf(stderr, "%s: ", c->file);
		fprintf(stderr, "%s\n", c->text);
	}
}

static struct configuration *load(struct master *m)
{
	struct complaints complaints = { 0 };
	struct configuration *c = configuration_load(m->file, &m->around, &complaints);

	print_complaints(&complaints);
	complaints_free(&complaints);
	process_trim();
	return c;
}

static int check(const struct master *m)
{
	if (m->options->verbose)
		configuration_print(m->configuration, stdout);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "preforkd: cannot write to standard output: %s\n", strerror(errno));
		return EXIT_TROUBLE;
	}
	return EXIT_FINE;
}

static int open_log(struct master *m)
{
	const char *to = master_log_destination(m, m->configuration);
	struct log_place *place = logging_init(m->options->detach) == 0 ? logging_prepare(to) : NULL;

	/* Until the daemon stands, whoever starts it sees why it does not. */
	if (strcmp(to, "stderr") != 0)
		logging_echo(STDERR_FILENO);
	if (!place || logging_use(place) < 0) {
		fprintf(stderr, "preforkd: cannot log to %s: %s\n", to, strerror(errno));
		return -1;
	}
	master_set_log_level(m);
	return 0;
}

static const char *pid_path(const struct master *m)
{
	return m->pid_file ? m->pid_file : m->configuration->pid_file;
}

/* Locked before anything is opened, written when everything is. */
static int lock_pid_file(const struct master *m, struct pidfh **file)
{
	const char *path = pid_path(m);
	pid_t other = 0;

	*file = NULL;
	if (!path)
		return 0;
	*file = pidfile_open(path, 0644, &other);
	if (*file)
		return 0;
	if (errno == EEXIST)
		log_error("%s is held by pid %d: preforkd runs already", path, (int)other);
	else
		log_error("cannot open the pid file %s: %s", path, strerror(errno));
	return -1;
}

static int write_pid_file(const struct master *m, struct pidfh *file)
{
	if (!file || pidfile_write(file) == 0)
		return 0;
	log_error("cannot write the pid file %s: %s", pid_path(m), strerror(errno));
	return -1;
}

static int open_and_run(struct master *m, struct pidfh *pid_file, int parent)
{
	if (master_open(m) < 0 || write_pid_file(m, pid_file) < 0)
		return EXIT_TROUBLE;
	logging_echo(-1);
	process_release_parent(parent);
	title_set("master %s", m->file);
	master_run(m);
	log_notice("stopped");
	return EXIT_FINE;
}

static int serve(struct master *m, struct pidfh *pid_file, int parent)
{
	int status;

	if (server_init(&m->server, m->loop) < 0) {
		log_error("cannot start: %s", strerror(errno));
		return EXIT_TROUBLE;
	}
	m->server.library = library();
	/* Before the first worker, whose end must not be missed, and before anybody can think that it is ready. */
	master_watch(m);
	status = open_and_run(m, pid_file, parent);
	master_unwatch(m);
	return status;
}

static int run(struct master *m)
{
	struct pidfh *pid_file;
	int parent = -1, status;

	if (m->options->detach && (parent = process_detach()) < 0) {
		fprintf(stderr, "preforkd: cannot go into the background: %s\n", strerror(errno));
		return EXIT_TROUBLE;
	}
	master_hold_signals();
	if (open_log(m) < 0)
		return EXIT_TROUBLE;
	process_close_terminal();
	if (lock_pid_file(m, &pid_file) < 0)
		return EXIT_TROUBLE;
	m->loop = ev_loop_new(EVFLAG_NOENV);
	if (!m->loop) {
		log_error("cannot make an event loop: %s", strerror(errno));
		status = EXIT_TROUBLE;
	} else {
		status = serve(m, pid_file, parent);
		server_free(&m->server);
		ev_loop_destroy(m->loop);
	}
	pidfile_remove(pid_file);
	logging_close();
	return status;
}

/* Not realpath(3): a symbolic link may point somewhere else at the next reload. */
static char *absolute(const char *path)
{
	char *here, *joined;

	if (path[0] == '/')
		return strdup(path);
	here = getcwd(NULL, 0);
	if (!here || asprintf(&joined, "%s/%s", here, path) < 0)
		joined = NULL;
	free(here);
	return joined;
}

/* In the background the working directory is another. 0, or -1 with the message printed. */
static int find_files(struct master *m, const struct options *o)
{
	if (access(o->file, R_OK) == 0)
		m->file = absolute(o->file);
	if (!m->file) {
		fprintf(stderr, "preforkd: cannot read %s: %s\n", o->file, strerror(errno));
		return -1;
	}
	if (o->pid_file)
		m->pid_file = absolute(o->pid_file);
	if (o->pid_file && !m->pid_file) {
		fprintf(stderr, "preforkd: cannot find %s: %s\n", o->pid_file, strerror(errno));
		return -1;
	}
	return 0;
}

static int load_and_run(struct master *m)
{
	m->configuration = load(m);
	if (!m->configuration)
		return EXIT_USAGE;
	return m->options->check ? check(m) : run(m);
}

int main(int argc, char *argv[])
{
	struct options options = { .file = DEFAULT_FILE };
	struct master m = { .options = &options };
	int status;

	title_init(argc, argv, environ);
	process_sanitize();
	status = read_options(argc, argv, &options);
	if (status >= 0)
		return status;
	notify_init();
	m.around = (struct surroundings){ .user = geteuid(), .environment = environ };
	status = find_files(&m, &options) < 0 ? EXIT_USAGE : load_and_run(&m);
	configuration_free(m.configuration);
	free(m.file);
	free(m.pid_file);
	return status;
}
