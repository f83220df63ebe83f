/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "birth.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_SYS_PRCTL_H
#include <sys/prctl.h>
#endif

static void check(const struct worker *w, enum step step, int result)
{
	if (result < 0)
		worker_fail(w, step, errno);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_between(int first, int last)
{
#ifdef HAVE_CLOSE_RANGE
	if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
#endif
	for (int fd = first; fd <= last; fd++)
		close(fd);
}

/* Closes everything from 3 up but the worker's own descriptors: what the master has open, and what it inherited. */
static void close_others(const struct worker *w)
{
	int keep[] = { 2, w->listener, w->devnull, w->record, w->wake, w->lookup };
	const size_t count = sizeof(keep) / sizeof(keep[0]);

	qsort(keep, count, sizeof(keep[0]), by_number);
	for (size_t i = 0; i + 1 < count; i++)
		if (keep[i] >= 2)
			close_between(keep[i] + 1, keep[i + 1] - 1);
	closefrom(keep[count - 1] + 1);
}

static int set_oom_score(int score)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	int length = 0;
	unsigned value = (unsigned)(score < 0 ? -score : score);

	if (fd < 0)
		return -1;
	if (score < 0)
		text[length++] = '-';
	length += (int)address_decimal(value, text + length);
	ssize_t written = write(fd, text, (size_t)length);
	int error = errno;
	close(fd);
	errno = error;
	return written == length ? 0 : -1;
}

/* nice(2) may return -1 and mean it. */
static int add_nice(int increment)
{
	errno = 0;
	return nice(increment) == -1 && errno ? -1 : 0;
}

static int set_limit(const struct limit *l)
{
	return l->set ? setrlimit(l->resource, &l->value) : 0;
}

/* These two are set late, but only root can raise their hard limit, so that is done early. */
static int raise_hard_limit(const struct limit *l)
{
	struct rlimit now;

	if (!l->set || getrlimit(l->resource, &now) < 0 || l->value.rlim_max <= now.rlim_max)
		return 0;
	now.rlim_max = l->value.rlim_max;
	return setrlimit(l->resource, &now);
}

static void set_limits(const struct worker *w, const struct service_config *c)
{
	for (int i = 0; i < LIMITS; i++) {
		bool late = i == LIMIT_NOFILE || i == LIMIT_NPROC;

		check(w, STEP_LIMITS, late ? raise_hard_limit(&c->limit[i]) : set_limit(&c->limit[i]));
	}
}

static void enter_root(const struct worker *w, const struct service_config *c)
{
	if (c->chroot)
		check(w, STEP_CHROOT, chdir(c->chroot) < 0 ? -1 : chroot("."));
	check(w, STEP_DIRECTORY, chdir(c->directory));
}

/* A process that may still become root again has not become the user. */
static bool can_regain(const struct identity *who)
{
	return who->user != 0 && (setuid(0) == 0 || seteuid(0) == 0);
}

/*
 * Where the user has more processes than this limit allows, the kernel lets the change of user pass and the program's execve fail,
 * when the client is already there.
 */
static void lift_nproc(void)
{
	struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_NPROC, &most) == 0 || getrlimit(RLIMIT_NPROC, &most) < 0)
		return;
	most.rlim_cur = most.rlim_max; /* not every root may raise a hard limit */
	setrlimit(RLIMIT_NPROC, &most);
}

static void become(const struct worker *w, const struct identity *who)
{
	if (!who->change)
		return;
	if (geteuid() == 0) {
		lift_nproc();
		check(w, STEP_GROUPS, setgroups(who->group_count, who->groups));
		check(w, STEP_GROUP, setresgid(who->group, who->group, who->group));
		check(w, STEP_USER, setresuid(who->user, who->user, who->user));
	}
	if (can_regain(who))
		worker_fail(w, STEP_REGAINED, EPERM);
}

/* Capabilities that were given to the daemon for itself, as systemd's AmbientCapabilities=, would pass to every program. */
static void drop_ambient(void)
{
#ifdef PR_CAP_AMBIENT
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* fails only where there are none */
#endif
}

static int renounce_privileges(void)
{
#ifdef PR_SET_NO_NEW_PRIVS
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#else
	errno = ENOSYS;
	return -1;
#endif
}

/* A limit that is set late: as configured, or as it was. */
static int set_or_restore(const struct limit *l, const struct rlimit *before)
{
	return setrlimit(l->resource, l->set ? &l->value : before);
}

void birth(const struct worker *w, const struct service_config *c, const struct inherited *before)
{
	close_others(w);
	birth_without_closing(w, c, before);
}

void birth_without_closing(const struct worker *w, const struct service_config *c, const struct inherited *before)
{
	const struct identity *who = &c->identity;

	check(w, STEP_SESSION, setsid());
	/* A hard limit, a negative nice and the oom score can no longer be set once root is given up. */
	if (c->oom_score_adjust != UNSET)
		check(w, STEP_OOM_SCORE, set_oom_score(c->oom_score_adjust));
	if (c->nice != 0)
		check(w, STEP_NICE, add_nice(c->nice));
	set_limits(w, c);
	enter_root(w, c);
	become(w, who);
	drop_ambient();
	check(w, STEP_LIMITS, set_or_restore(&c->limit[LIMIT_NPROC], &before->nproc));
	if (c->no_new_privileges)
		check(w, STEP_NO_NEW_PRIVILEGES, renounce_privileges());
	umask((mode_t)c->umask);
	if (c->stderr_to == STDERR_NULL)
		check(w, STEP_STDERR, dup2(w->devnull, STDERR_FILENO));
	/* Accept needs a free number below it, so it comes when everything else is open and closed. */
	check(w, STEP_LIMITS, set_or_restore(&c->limit[LIMIT_NOFILE], &before->nofile));
	/* A program that has gone away is noticed before a client is taken from the queue, not after. */
	if (c->program)
		check(w, STEP_EXEC, access(c->program, X_OK));
}
