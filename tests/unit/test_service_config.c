/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "service_config.h"

#include <stdlib.h>
#include <string.h>

/* The defaults of CONFIG.md, in its order. */
START_TEST(a_new_service_has_every_default)
{
	struct service_config *c = service_config_new();
	const struct socket_options *o = &c->socket;

	ck_assert_int_eq(c->enabled, true);
	ck_assert_ptr_null(c->listen);
	ck_assert_ptr_null(c->exec);
	ck_assert_ptr_null(c->argv0);
	ck_assert_ptr_null(c->builtin);
	ck_assert_int_eq(c->stderr_to, STDERR_LOG);
	ck_assert_int_eq(o->backlog, BACKLOG_MAX);
	ck_assert_int_eq(o->bind, BIND_STRICT);
	ck_assert_ptr_null(o->owner);
	ck_assert_ptr_null(o->group);
	ck_assert_uint_eq(o->owner_id, (uid_t)-1);
	ck_assert_uint_eq(o->group_id, (gid_t)-1);
	ck_assert_int_eq(o->mode, 0666);
	ck_assert_ptr_null(c->user);
	ck_assert_ptr_null(c->group);
	ck_assert_ptr_null(c->groups);
	ck_assert_ptr_null(c->chroot);
	ck_assert_str_eq(c->directory, "/");
	ck_assert_int_eq(c->umask, 022);
	ck_assert_int_eq(c->nice, 0);
	ck_assert_int_eq(c->no_new_privileges, false);
	ck_assert_ptr_null(c->own_environment);
	ck_assert_str_eq(c->pass_environment[0], "PATH");
	ck_assert_str_eq(c->pass_environment[1], "LANG");
	ck_assert_str_eq(c->pass_environment[2], "TZ");
	ck_assert_ptr_null(c->pass_environment[3]);
	ck_assert_uint_eq(c->sets, VARIABLES_ALL);
	ck_assert_int_eq(c->workers.min_spare, 1);
	ck_assert_int_eq(c->workers.max, 64);
	ck_assert_int_eq(c->workers.max_connections, 0);
	ck_assert_int_eq(c->workers.recycle_jitter, 10);
	ck_assert_int_eq(c->workers.idle_timeout, 60 * 1000);
	ck_assert_str_eq(c->when_full, "queue");
	ck_assert_int_eq(c->restart_min, 100);
	ck_assert_int_eq(c->restart_max, 30 * 1000);
	ck_assert_int_eq(c->log_connections, LOG_CONNECTIONS_BOTH);
	service_config_release(c);
}
END_TEST

START_TEST(options_of_the_system_are_left_alone)
{
	struct service_config *c = service_config_new();
	const struct socket_options *o = &c->socket;
	const int unset[] = { o->v6only, o->reuse_port, o->nodelay, o->keepalive, o->keepalive_idle, o->keepalive_interval,
		              o->keepalive_count, o->defer_accept, o->send_buffer, o->receive_buffer, o->tos, o->mark, o->fast_open,
		              c->oom_score_adjust };

	for (int i = 0; i < rows(unset); i++)
		ck_assert_msg(unset[i] == UNSET, "option %d: %d", i, unset[i]);
	ck_assert_ptr_null(o->interface);
	service_config_release(c);
}
END_TEST

static const unsigned resources[LIMITS] = {
	[LIMIT_NOFILE] = RLIMIT_NOFILE, [LIMIT_CORE] = RLIMIT_CORE,   [LIMIT_CPU] = RLIMIT_CPU,
	[LIMIT_AS] = RLIMIT_AS,         [LIMIT_DATA] = RLIMIT_DATA,   [LIMIT_STACK] = RLIMIT_STACK,
	[LIMIT_FSIZE] = RLIMIT_FSIZE,   [LIMIT_NPROC] = RLIMIT_NPROC, [LIMIT_MEMLOCK] = RLIMIT_MEMLOCK,
};

START_TEST(each_limit_knows_its_resource_and_is_not_set)
{
	struct service_config *c = service_config_new();

	ck_assert_msg(c->limit[_i].resource == resources[_i], "limit %d: %u", _i, c->limit[_i].resource);
	ck_assert_msg(!c->limit[_i].set, "limit %d", _i);
	service_config_release(c);
}
END_TEST

START_TEST(the_last_holder_frees_it)
{
	struct service_config *c = service_config_new();

	ck_assert_ptr_eq(service_config_hold(c), c);
	service_config_release(c);
	ck_assert_str_eq(c->directory, "/"); /* still there */
	service_config_release(c);
	service_config_release(NULL);
}
END_TEST

static char **list_of(const char *one, const char *two)
{
	char **list = calloc(3, sizeof(*list));

	list[0] = strdup(one);
	list[1] = strdup(two);
	return list;
}

/* For the leak checkers: every part that can be allocated. */
START_TEST(everything_in_it_is_freed)
{
	struct service_config *c = service_config_new();

	c->name = strdup("name");
	c->file = strdup("file");
	c->listen = list_of("*:1", "*:2");
	c->exec = list_of("a", "b");
	c->argv0 = strdup("argv0");
	c->builtin = strdup("echo");
	c->user = strdup("user");
	c->group = strdup("group");
	c->groups = list_of("a", "b");
	c->chroot = strdup("/");
	c->own_environment = list_of("A=b", "C=d");
	c->socket.interface = strdup("lo");
	c->socket.owner = strdup("user");
	c->socket.group = strdup("group");
	c->endpoints = calloc(1, sizeof(*c->endpoints));
	c->endpoints[0].text = strdup("*:1");
	c->endpoint_count = 1;
	c->program = strdup("/bin/a");
	c->argv = list_of("a", "b");
	c->identity.name = strdup("user");
	c->identity.groups = calloc(1, sizeof(gid_t));
	c->identity.home = strdup("/");
	c->identity.shell = strdup("/bin/sh");
	c->environment = list_of("A=b", "C=d");
	c->environment_count = 2;
	c->answer_full.text = strdup("busy");
	service_config_release(c);
}
END_TEST

START_TEST(a_list_is_freed_with_its_strings)
{
	string_list_free(list_of("a", "b"));
	string_list_free(calloc(1, sizeof(char *)));
	string_list_free(NULL);
}
END_TEST

Suite *service_config_suite(void)
{
	Suite *s = suite_create("service_config");
	TCase *t = tcase_create("service_config");

	tcase_add_test(t, a_new_service_has_every_default);
	tcase_add_test(t, options_of_the_system_are_left_alone);
	tcase_add_loop_test(t, each_limit_knows_its_resource_and_is_not_set, 0, LIMITS);
	tcase_add_test(t, the_last_holder_frees_it);
	tcase_add_test(t, everything_in_it_is_freed);
	tcase_add_test(t, a_list_is_freed_with_its_strings);
	suite_add_tcase(s, t);
	return s;
}
