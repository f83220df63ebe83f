/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "processes.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A child that has done what it was asked to, and waits to be killed. */
static pid_t start(int (*act)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* outside of the group of a test that fails */
		if (act() < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static bool find(pid_t pid, struct process *out)
{
	DIR *all = processes_open();
	bool found = false;

	ck_assert_ptr_nonnull(all);
	while (!found && processes_next(all, out))
		found = out->pid == pid;
	closedir(all);
	return found;
}

static int own_session(void)
{
	return setsid();
}

static int own_group(void)
{
	return setpgid(0, 0);
}

static int nothing(void)
{
	return 0;
}

static const struct {
	const char *what;
	int (*act)(void);
	bool own_group, own_session;
} ways[] = { { "setsid", own_session, true, true }, { "setpgid", own_group, true, false }, { "none", nothing, false, false } };

START_TEST(group_and_session_of_a_process_are_seen)
{
	pid_t pid = start(ways[_i].act);
	struct process p;

	ck_assert_msg(find(pid, &p), "%s", ways[_i].what);
	ck_assert_msg(p.group == (ways[_i].own_group ? pid : getpgrp()), "%s: %d", ways[_i].what, (int)p.group);
	ck_assert_msg(p.session == (ways[_i].own_session ? pid : getsid(0)), "%s: %d", ways[_i].what, (int)p.session);
	ck_assert_msg(!p.ended, "%s", ways[_i].what);
	end(pid);
}
END_TEST

START_TEST(one_that_has_ended_is_seen_until_it_is_reaped)
{
	pid_t pid = start(own_session);
	siginfo_t info;
	struct process p;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert(find(pid, &p));
	ck_assert(p.ended);
	ck_assert_int_eq(p.group, pid);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(!find(pid, &p));
}
END_TEST

/* Its name stands in parentheses in the middle of what is read. */
static const char *const names[] = { "a b", ") Z 1 1 1", "(((", "0123456789abcde" };

static const char *new_name;

static int take_name(void)
{
	return prctl(PR_SET_NAME, new_name) < 0 ? -1 : setsid();
}

START_TEST(a_process_may_have_any_name)
{
	struct process p;
	pid_t pid;

	new_name = names[_i];
	pid = start(take_name);
	ck_assert_msg(find(pid, &p), "%s", names[_i]);
	ck_assert_msg(p.group == pid && p.session == pid && !p.ended, "%s", names[_i]);
	end(pid);
}
END_TEST

static pid_t start_with(const char *const environment[])
{
	const char *const argv[] = { "sleep", "1000", NULL };
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* execve takes its words without const and changes nothing. */
		execve("/bin/sleep", (char **)(uintptr_t)argv, (char **)(uintptr_t)environment);
		_exit(1);
	}
	return pid;
}

struct wanted {
	pid_t pid;
	const char *name;
	char value[64];
};

/* What a new process has executed shows its variables in a moment. */
static bool has_variable(void *data)
{
	struct wanted *w = data;

	return process_variable(w->pid, w->name, w->value, sizeof(w->value));
}

START_TEST(a_variable_is_found_wherever_it_stands)
{
	static char large[100000] = "LARGE=";
	const char *const environment[] = { "FIRST=1", large, "NAME_LONGER=2", "EMPTY=", "NAME=value=3", "LAST=4", NULL };
	const char *const found[][2] = { { "LAST", "4" }, { "FIRST", "1" }, { "NAME", "value=3" }, { "EMPTY", "" } };
	char value[64];
	pid_t pid;

	memset(large + strlen(large), 'x', sizeof(large) - strlen(large) - 1);
	pid = start_with(environment);
	for (int i = 0; i < rows(found); i++) {
		struct wanted w = { .pid = pid, .name = found[i][0] };

		ck_assert_msg(becomes(has_variable, &w), "%s", found[i][0]);
		ck_assert_str_eq(w.value, found[i][1]);
	}
	ck_assert(!process_variable(pid, "NAM", value, sizeof(value)));
	ck_assert(!process_variable(pid, "OTHER", value, sizeof(value)));
	end(pid);
}
END_TEST

START_TEST(a_value_that_is_too_long_is_cut)
{
	const char *const environment[] = { "NAME=0123456789", NULL };
	char value[5];
	struct wanted w = { .pid = start_with(environment), .name = "NAME" };

	ck_assert(becomes(has_variable, &w));
	ck_assert(process_variable(w.pid, "NAME", value, sizeof(value)));
	ck_assert_str_eq(value, "0123");
	end(w.pid);
}
END_TEST

START_TEST(a_process_that_is_gone_has_no_variable)
{
	char value[5];
	pid_t pid = start(nothing);

	end(pid);
	ck_assert(!process_variable(pid, "PATH", value, sizeof(value)));
}
END_TEST

Suite *processes_suite(void)
{
	Suite *s = suite_create("processes");
	TCase *t = tcase_create("processes");

	tcase_add_loop_test(t, group_and_session_of_a_process_are_seen, 0, rows(ways));
	tcase_add_test(t, one_that_has_ended_is_seen_until_it_is_reaped);
	tcase_add_loop_test(t, a_process_may_have_any_name, 0, rows(names));
	tcase_add_test(t, a_variable_is_found_wherever_it_stands);
	tcase_add_test(t, a_value_that_is_too_long_is_cut);
	tcase_add_test(t, a_process_that_is_gone_has_no_variable);
	suite_add_tcase(s, t);
	return s;
}
