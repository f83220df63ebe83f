/* SPDX-License-Identifier: ISC */
/* Each test is born in a child, which tells over the record pipe, one of the few that stay open, what has become of it. */
#include "config.h"

#include "suites.h"
#include "birth.h"
#include "given.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct worker worker;
static struct service_config *config;
static struct inherited before;
static int told;

static void prepare(void)
{
	struct address bound;
	int record[2];
	void *memory = mmap(NULL, board_size(1), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	given_directory();
	ck_assert(memory != MAP_FAILED);
	ck_assert_int_eq(pipe2(record, O_CLOEXEC), 0);
	told = record[0];
	memset(&worker, 0, sizeof(worker));
	board_attach(&worker.board, memory, 1);
	worker.listener = given_server("127.0.0.1:0", 1, &bound);
	worker.devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
	worker.record = record[1];
	worker.wake = open("/dev/null", O_RDWR | O_CLOEXEC);
	worker.lookup = open("/dev/null", O_RDWR | O_CLOEXEC);
	config = service_config_new();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before.nofile), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NPROC, &before.nproc), 0);
}

static void clean_up(void)
{
	munmap(worker.board.header, board_size(1));
	close(worker.listener);
	close(worker.devnull);
	close(worker.record);
	close(worker.wake);
	close(worker.lookup);
	close(told);
	service_config_release(config);
}

static void tell_descriptors(FILE *f)
{
	fputs("descriptors=", f);
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			fprintf(f, "%d,", fd);
	fputs("\n", f);
}

static void tell_ids(FILE *f)
{
	uid_t user[3];
	gid_t group[3], groups[32];
	int n = getgroups(32, groups);

	(void)!getresuid(&user[0], &user[1], &user[2]);
	(void)!getresgid(&group[0], &group[1], &group[2]);
	fprintf(f, "user=%u,%u,%u\ngroup=%u,%u,%u\ngroups=", user[0], user[1], user[2], group[0], group[1], group[2]);
	for (int i = 0; i < n; i++)
		fprintf(f, "%u,", groups[i]);
	fputs("\n", f);
}

static void tell_limit(FILE *f, const char *name, int resource)
{
	struct rlimit limit;

	getrlimit((unsigned)resource, &limit);
	fprintf(f, "%s=%llu:%llu\n", name, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
}

static void tell_file(FILE *f, const char *name, const char *path)
{
	char text[64] = "";
	FILE *in = fopen(path, "r");

	if (in && fgets(text, sizeof(text), in))
		text[strcspn(text, "\n")] = '\0';
	if (in)
		fclose(in);
	fprintf(f, "%s=%s\n", name, text);
}

/* What there is to know of this process. */
static char *describe(size_t *size)
{
	char directory[PATH_MAX] = "", *text = NULL;
	FILE *f = open_memstream(&text, size);
	struct stat err, null;
	mode_t mask = umask(0);

	(void)!getcwd(directory, sizeof(directory));
	fstat(STDERR_FILENO, &err);
	fstat(worker.devnull, &null);
	tell_descriptors(f);
	fprintf(f, "session=%s\n", getsid(0) == getpid() ? "own" : "another's");
	fprintf(f, "directory=%s\n", directory);
	fprintf(f, "umask=%04o\n", mask);
	fprintf(f, "nice=%d\n", getpriority(PRIO_PROCESS, 0));
	fprintf(f, "privileges=%d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	fprintf(f, "stderr=%s\n", err.st_rdev == null.st_rdev && S_ISCHR(err.st_mode) ? "null" : "kept");
	tell_ids(f);
	tell_limit(f, "nofile", RLIMIT_NOFILE);
	tell_limit(f, "core", RLIMIT_CORE);
	tell_limit(f, "fsize", RLIMIT_FSIZE);
	tell_limit(f, "nproc", RLIMIT_NPROC);
	tell_file(f, "oom", "/proc/self/oom_score_adj");
	fclose(f);
	return text;
}

/* The lines of a worker that was born, or "" if it was not; *status is how it ended. */
static const char *born(int *status)
{
	static char text[8192];
	pid_t pid = fork();
	long n;

	if (pid == 0) {
		char *all;
		size_t size;

		close(told);
		birth(&worker, config, &before);
		all = describe(&size);
		(void)!write(worker.record, all, size);
		free(all);
		_exit(0);
	}
	close(worker.record);
	n = read_all(told, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	ck_assert_int_eq(waitpid(pid, status, 0), pid);
	return text;
}

static const char *born_well(void)
{
	int status;
	const char *text = born(&status);

	ck_assert_msg(status == 0, "status %x, cannot %s: %s", (unsigned)status, step_text(atomic_load(&worker.board.slot[0].step)),
	              strerror((int)atomic_load(&worker.board.slot[0].error)));
	return text;
}

static void check_line(const char *text, const char *line)
{
	char whole[PATH_MAX + 64];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	ck_assert_msg(strstr(text, whole), "no %s in\n%s", line, text);
}

START_TEST(only_its_own_descriptors_stay_open)
{
	int kept[] = { 0, 1, 2, worker.listener, worker.devnull, worker.record, worker.wake, worker.lookup }, extra[8];
	char wanted[256] = "descriptors=";
	const char *text;

	/* Below, between and above its own, with and without close-on-exec. */
	for (int i = 0; i < rows(extra); i++)
		extra[i] = fcntl(0, i % 2 ? F_DUPFD : F_DUPFD_CLOEXEC, i * 100);
	for (int fd = 0; fd < 1024; fd++)
		for (int i = 0; i < rows(kept); i++)
			if (kept[i] == fd)
				snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%d,", fd);
	text = born_well();
	ck_assert_msg(strncmp(text, wanted, strlen(wanted)) == 0 && text[strlen(wanted)] == '\n', "%s, not\n%s", wanted, text);
	for (int i = 0; i < rows(extra); i++)
		close(extra[i]);
}
END_TEST

START_TEST(without_pipes_the_rest_stays_open)
{
	int record = worker.record;
	const char *text;
	char wanted[32];

	close(worker.wake);
	worker.wake = -1;
	text = born_well();
	snprintf(wanted, sizeof(wanted), ",%d,", worker.listener);
	ck_assert_msg(strstr(text, wanted), "%s", text);
	ck_assert_int_eq(record, worker.record);
}
END_TEST

START_TEST(the_defaults_are_those_of_the_manual)
{
	const char *text = born_well();

	check_line(text, "session=own");
	check_line(text, "directory=/");
	check_line(text, "umask=0022");
	check_line(text, "stderr=kept");
	check_line(text, "privileges=0");
}
END_TEST

START_TEST(what_is_asked_for_is_done)
{
	char directory[PATH_MAX];
	const char *text;

	snprintf(directory, sizeof(directory), "directory=%s", given_here());
	free(config->directory);
	config->directory = strdup(given_here());
	config->umask = 0077;
	config->no_new_privileges = true;
	config->stderr_to = STDERR_NULL;
	text = born_well();
	check_line(text, directory);
	check_line(text, "umask=0077");
	check_line(text, "privileges=1");
	check_line(text, "stderr=null");
}
END_TEST

START_TEST(a_lower_priority_is_added)
{
	char line[32];

	snprintf(line, sizeof(line), "nice=%d", getpriority(PRIO_PROCESS, 0) + 3 > 19 ? 19 : getpriority(PRIO_PROCESS, 0) + 3);
	config->nice = 3;
	check_line(born_well(), line);
}
END_TEST

START_TEST(an_oom_score_is_set)
{
	config->oom_score_adjust = 700;
	check_line(born_well(), "oom=700");
}
END_TEST

/* What the master raised for itself a program does not get. */
START_TEST(the_limit_of_descriptors_is_that_of_before)
{
	char line[64];

	before.nofile.rlim_cur = 100;
	snprintf(line, sizeof(line), "nofile=100:%llu", (unsigned long long)before.nofile.rlim_max);
	check_line(born_well(), line);
}
END_TEST

static void limit(int which, rlim_t soft, rlim_t hard)
{
	config->limit[which].set = true;
	config->limit[which].value = (struct rlimit){ soft, hard };
}

START_TEST(limits_are_set)
{
	const char *text;
	char line[64];

	limit(LIMIT_NOFILE, 50, before.nofile.rlim_max); /* valgrind leaves this hard limit alone */
	limit(LIMIT_CORE, 0, 0);
	limit(LIMIT_FSIZE, 1000000, 2000000);
	limit(LIMIT_NPROC, 1000, 1000);
	text = born_well();
	snprintf(line, sizeof(line), "nofile=50:%llu", (unsigned long long)before.nofile.rlim_max);
	check_line(text, line);
	check_line(text, "core=0:0");
	check_line(text, "fsize=1000000:2000000");
	check_line(text, "nproc=1000:1000");
}
END_TEST

START_TEST(without_another_user_the_ids_stay)
{
	char line[64];

	snprintf(line, sizeof(line), "user=%u,%u,%u", getuid(), geteuid(), geteuid());
	check_line(born_well(), line);
}
END_TEST

/* Failures: the step and the errno stand in the slot. */

static void check_failure(enum step step, int error)
{
	int status;
	const char *text = born(&status);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_FAILED, "status %x", (unsigned)status);
	ck_assert_str_eq(text, "");
	ck_assert_uint_eq(atomic_load(&worker.board.slot[0].step), (unsigned)step);
	ck_assert_uint_eq(atomic_load(&worker.board.slot[0].error), (unsigned)error);
}

START_TEST(a_missing_directory_is_a_failure)
{
	free(config->directory);
	config->directory = strdup("/no/such/directory");
	check_failure(STEP_DIRECTORY, ENOENT);
}
END_TEST

START_TEST(a_missing_program_is_a_failure)
{
	config->program = strdup("/no/such/program");
	check_failure(STEP_EXEC, ENOENT);
}
END_TEST

START_TEST(a_program_that_may_not_be_executed_is_a_failure)
{
	config->program = strdup("/proc/version");
	check_failure(STEP_EXEC, EACCES);
}
END_TEST

START_TEST(a_limit_that_cannot_be_raised_is_a_failure)
{
	limit(LIMIT_CORE, 1, 0);
	check_failure(STEP_LIMITS, EINVAL);
}
END_TEST

START_TEST(a_root_directory_without_root_is_a_failure)
{
	if (geteuid() == 0)
		return; /* root may */
	config->chroot = strdup("/");
	check_failure(STEP_CHROOT, EPERM);
}
END_TEST

/* Only root can become another user, and only then is there something to see. */

static void become(uid_t user, gid_t group, size_t count, const gid_t *groups)
{
	struct identity *who = &config->identity;

	who->change = true;
	who->name = strdup("12345");
	who->user = user;
	who->group = group;
	who->groups = calloc(count + 1, sizeof(*who->groups));
	memcpy(who->groups, groups, count * sizeof(*groups));
	who->group_count = count;
}

START_TEST(root_becomes_the_user_for_good)
{
	const gid_t groups[] = { 7, 8 };
	const char *text;

	if (geteuid() != 0)
		return; /* needs root */
	become(12345, 12346, 2, groups);
	text = born_well();
	check_line(text, "user=12345,12345,12345");
	check_line(text, "group=12346,12346,12346");
	check_line(text, "groups=7,8,");
}
END_TEST

START_TEST(root_gives_up_its_groups)
{
	if (geteuid() != 0)
		return; /* needs root */
	become(12345, 12346, 0, (gid_t[]){ 0 });
	check_line(born_well(), "groups=");
}
END_TEST

/* Does this process have all of these capabilities? A container's root often has not. */
static bool has_capabilities(unsigned long long wanted)
{
	char line[256];
	unsigned long long has = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "CapEff:", 7) == 0)
			has = strtoull(line + 7, NULL, 16);
	if (f)
		fclose(f);
	return (has & wanted) == wanted;
}

#define SYS_NICE (1ULL << 23)
#define SYS_RESOURCE (1ULL << 24)

/* What only root may do is done before root is given up. */
START_TEST(root_is_given_up_after_what_needs_it)
{
	char path[PATH_MAX];
	const char *text;

	if (geteuid() != 0)
		return; /* needs root */
	become(12345, 12346, 0, (gid_t[]){ 0 });
	mkdir("root", 0755);
	mkdir("root/srv", 0755);
	ck_assert_int_eq(chmod(given_here(), 0700), 0); /* not the user's to enter */
	snprintf(path, sizeof(path), "%s/root", given_here());
	config->chroot = strdup(path);
	free(config->directory);
	config->directory = strdup("/srv");
	limit(LIMIT_NPROC, 1, 1); /* before the change of user it would count root's processes */
	text = born_well();
	check_line(text, "user=12345,12345,12345");
	check_line(text, "directory=/srv");
	check_line(text, "nproc=1:1");
}
END_TEST

/* The kernel looks at the change of user and fails the execve that follows. */
START_TEST(the_number_of_processes_does_not_stop_the_program)
{
	pid_t other, pid;
	int status, there[2];
	char byte;

	if (geteuid() != 0)
		return; /* needs root */
	become(12347, 12347, 0, (gid_t[]){ 0 });
	ck_assert_int_eq(pipe(there), 0);
	other = fork();
	if (other == 0) {
		(void)!setuid(12347);
		(void)!write(there[1], "", 1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(there[0], &byte, 1), 1);
	before.nproc.rlim_cur = 0;
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_NPROC, &before.nproc);
		birth(&worker, config, &before);
		execl("/bin/true", "true", NULL);
		_exit(errno);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "%s", strerror(WEXITSTATUS(status)));
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}
END_TEST

START_TEST(the_limit_of_processes_is_that_of_before)
{
	char line[64];

	if (geteuid() != 0)
		return; /* needs root */
	become(12345, 12346, 0, (gid_t[]){ 0 });
	before.nproc.rlim_cur = 30;
	snprintf(line, sizeof(line), "nproc=30:%llu", (unsigned long long)before.nproc.rlim_max);
	check_line(born_well(), line);
}
END_TEST

START_TEST(a_higher_priority_is_set_while_it_can_be)
{
	char line[32];

	if (geteuid() != 0 || !has_capabilities(SYS_NICE))
		return; /* needs root, and all of it */
	become(12345, 12346, 0, (gid_t[]){ 0 });
	snprintf(line, sizeof(line), "nice=%d", getpriority(PRIO_PROCESS, 0) - 5);
	config->nice = -5;
	check_line(born_well(), line);
}
END_TEST

START_TEST(a_lower_oom_score_is_set_while_it_can_be)
{
	if (geteuid() != 0 || !has_capabilities(SYS_RESOURCE))
		return; /* needs root, and all of it */
	become(12345, 12346, 0, (gid_t[]){ 0 });
	config->oom_score_adjust = -500;
	check_line(born_well(), "oom=-500");
}
END_TEST

START_TEST(a_missing_root_directory_is_a_failure)
{
	if (geteuid() != 0)
		return; /* needs root */
	config->chroot = strdup("/no/such/root");
	check_failure(STEP_CHROOT, ENOENT);
}
END_TEST

START_TEST(a_directory_that_the_root_directory_has_not_is_a_failure)
{
	char path[PATH_MAX];

	if (geteuid() != 0)
		return; /* needs root */
	mkdir("root", 0755);
	snprintf(path, sizeof(path), "%s/root", given_here());
	config->chroot = strdup(path);
	free(config->directory);
	config->directory = strdup("/tmp");
	check_failure(STEP_DIRECTORY, ENOENT);
}
END_TEST

Suite *birth_suite(void)
{
	Suite *s = suite_create("birth");
	TCase *t = tcase_create("birth");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, prepare, clean_up);
	tcase_add_test(t, only_its_own_descriptors_stay_open);
	tcase_add_test(t, without_pipes_the_rest_stays_open);
	tcase_add_test(t, the_defaults_are_those_of_the_manual);
	tcase_add_test(t, what_is_asked_for_is_done);
	tcase_add_test(t, a_lower_priority_is_added);
	tcase_add_test(t, an_oom_score_is_set);
	tcase_add_test(t, the_limit_of_descriptors_is_that_of_before);
	tcase_add_test(t, limits_are_set);
	tcase_add_test(t, without_another_user_the_ids_stay);
	tcase_add_test(t, a_missing_directory_is_a_failure);
	tcase_add_test(t, a_missing_program_is_a_failure);
	tcase_add_test(t, a_program_that_may_not_be_executed_is_a_failure);
	tcase_add_test(t, a_limit_that_cannot_be_raised_is_a_failure);
	tcase_add_test(t, a_root_directory_without_root_is_a_failure);
	tcase_add_test(t, root_becomes_the_user_for_good);
	tcase_add_test(t, root_gives_up_its_groups);
	tcase_add_test(t, root_is_given_up_after_what_needs_it);
	tcase_add_test(t, the_number_of_processes_does_not_stop_the_program);
	tcase_add_test(t, the_limit_of_processes_is_that_of_before);
	tcase_add_test(t, a_higher_priority_is_set_while_it_can_be);
	tcase_add_test(t, a_lower_oom_score_is_set_while_it_can_be);
	tcase_add_test(t, a_missing_root_directory_is_a_failure);
	tcase_add_test(t, a_directory_that_the_root_directory_has_not_is_a_failure);
	suite_add_tcase(s, t);
	return s;
}
