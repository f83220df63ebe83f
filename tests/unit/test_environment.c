/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "environment.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 8
#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Lists end with NULL. `from` is what the daemon has, `environment` what the program gets, in any order. */
static const struct {
	const char *what;
	const char *from[LIST_MAX], *pass[LIST_MAX], *own[LIST_MAX];
	bool user;
	const char *environment[LIST_MAX + 4];
} table[] = {
	{ "nothing at all", { NULL }, { NULL }, { NULL }, false, { PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "what is not passed is not there", { "SECRET=1", "PATH=/bin" }, { "LANG" }, { NULL }, false,
	  { PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "what is passed", { "PATH=/opt", "LANG=C", "TZ=UTC" }, { "PATH", "LANG", "TZ" }, { NULL }, false,
	  { "PATH=/opt", "LANG=C", "TZ=UTC", "PREFORK_SERVICE=git" } },
	{ "an empty value is a value", { "PATH=", "LANG=" }, { "PATH", "LANG" }, { NULL }, false,
	  { "PATH=", "LANG=", "PREFORK_SERVICE=git" } },
	{ "a value with an equals sign", { "OPTIONS=a=b=c" }, { "OPTIONS" }, { NULL }, false,
	  { "OPTIONS=a=b=c", PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "names are not prefixes", { "LANGUAGE=de", "LAN=1" }, { "LANG" }, { NULL }, false, { PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "passed twice is there once", { "LANG=C" }, { "LANG", "LANG" }, { NULL }, false,
	  { "LANG=C", PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "the user's own", { NULL }, { NULL }, { NULL }, true,
	  { "HOME=/home/git", "USER=git", "LOGNAME=git", "SHELL=/bin/sh", PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "the user's own win over what is passed", { "HOME=/root", "USER=root", "SHELL=/bin/bash" }, { "HOME", "USER", "SHELL" },
	  { NULL }, true,
	  { "HOME=/home/git", "USER=git", "LOGNAME=git", "SHELL=/bin/sh", PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "what is written wins over what is passed", { "LANG=C", "PATH=/opt" }, { "LANG", "PATH" }, { "LANG=de", "PATH=/srv/bin" },
	  false, { "LANG=de", "PATH=/srv/bin", "PREFORK_SERVICE=git" } },
	{ "what is written wins over the user's own", { NULL }, { NULL }, { "HOME=/srv/git", "SHELL=" }, true,
	  { "HOME=/srv/git", "USER=git", "LOGNAME=git", "SHELL=", PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "of two that are written the later wins", { NULL }, { NULL }, { "A=1", "B=2", "A=3" }, false,
	  { "A=3", "B=2", PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "a written PATH keeps the default away", { NULL }, { NULL }, { "PATH=" }, false, { "PATH=", "PREFORK_SERVICE=git" } },
	{ "another server's connection is never passed on",
	  { "PROTO=TCP", "TCPREMOTEIP=192.0.2.1", "TCPREMOTEHOST=a", "REMOTE_ADDR=192.0.2.1", "SO_COOKIE=1", "LANG=C" },
	  { "PROTO", "TCPREMOTEIP", "TCPREMOTEHOST", "REMOTE_ADDR", "SO_COOKIE", "LANG" }, { NULL }, false,
	  { "LANG=C", PATH_DEFAULT, "PREFORK_SERVICE=git" } },
	{ "nor its other names",
	  { "REMOTE_HOST=a", "REMOTE_PORT=1", "UNIXREMOTEPID=1", "TCPCONNNUM=4", "PREFORK_CONNECTION=1", "PREFORK_SERVICE=ssh" },
	  { "REMOTE_HOST", "REMOTE_PORT", "UNIXREMOTEPID", "TCPCONNNUM", "PREFORK_CONNECTION", "PREFORK_SERVICE" }, { NULL }, false,
	  { PATH_DEFAULT, "PREFORK_SERVICE=git" } },
};

static char **copy(const char *const *list)
{
	char **out = calloc(LIST_MAX + 1, sizeof(*out));

	for (int i = 0; i < LIST_MAX && list[i]; i++)
		out[i] = strdup(list[i]);
	return out;
}

static bool has(char *const *list, const char *entry)
{
	while (*list && strcmp(*list, entry) != 0)
		list++;
	return *list != NULL;
}

static struct service_config *service(int row)
{
	struct service_config *c = service_config_new();

	c->name = strdup("git");
	string_list_free(c->pass_environment);
	c->pass_environment = copy(table[row].pass);
	c->own_environment = copy(table[row].own);
	if (table[row].user) {
		c->identity.name = strdup("git");
		c->identity.home = strdup("/home/git");
		c->identity.shell = strdup("/bin/sh");
	}
	return c;
}

START_TEST(an_environment_is_prepared)
{
	struct service_config *c = service(_i);
	char **from = copy(table[_i].from);
	size_t n = 0;

	ck_assert_int_eq(environment_prepare(c, from), 0);
	for (; table[_i].environment[n]; n++)
		ck_assert_msg(has(c->environment, table[_i].environment[n]), "%s: no %s", table[_i].what, table[_i].environment[n]);
	for (size_t i = 0; c->environment[i]; i++)
		ck_assert_msg(i < n, "%s: more than %zu, such as %s", table[_i].what, n, c->environment[i]);
	ck_assert_msg(c->environment_count == n, "%s: count %zu", table[_i].what, c->environment_count);
	string_list_free(from);
	service_config_release(c);
}
END_TEST

/* A worker writes the connection's there, and removes nothing. */
START_TEST(there_is_room_for_the_variables_of_a_connection)
{
	struct service_config *c = service(_i);
	char **from = copy(table[_i].from), text[] = "X=";

	ck_assert_int_eq(environment_prepare(c, from), 0);
	for (size_t i = 0; i < VARIABLES_MAX; i++)
		c->environment[c->environment_count + i] = text;
	c->environment[c->environment_count + VARIABLES_MAX] = NULL;
	environment_release(c);
	ck_assert_ptr_null(c->environment);
	ck_assert_uint_eq(c->environment_count, 0);
	string_list_free(from);
	service_config_release(c);
}
END_TEST

START_TEST(the_daemon_may_have_no_environment)
{
	struct service_config *c = service(2);

	ck_assert_int_eq(environment_prepare(c, NULL), 0);
	ck_assert_uint_eq(c->environment_count, 2);
	service_config_release(c);
}
END_TEST

static const struct {
	const char *name, *value; /* NULL: none */
} gets[] = {
	{ "A", "1" }, { "AB", "2" }, { "B", "" }, { "C", "x=y" }, { "D", NULL }, { "", NULL }, { "A=1", NULL }, { "ABC", NULL },
};

START_TEST(a_variable_is_found_by_its_name)
{
	char a[] = "A=1", ab[] = "AB=2", b[] = "B=", c[] = "C=x=y", again[] = "A=3";
	char *list[] = { ab, a, b, c, again, NULL };
	const char *value = environment_get(list, gets[_i].name), *wanted = gets[_i].value;

	ck_assert_msg(wanted ? value && strcmp(value, wanted) == 0 : !value, "\"%s\": %s", gets[_i].name, value ? value : "none");
	ck_assert_ptr_null(environment_get(NULL, gets[_i].name));
}
END_TEST

Suite *environment_suite(void)
{
	Suite *s = suite_create("environment");
	TCase *t = tcase_create("environment");

	tcase_add_loop_test(t, an_environment_is_prepared, 0, rows(table));
	tcase_add_loop_test(t, there_is_room_for_the_variables_of_a_connection, 0, rows(table));
	tcase_add_test(t, the_daemon_may_have_no_environment);
	tcase_add_loop_test(t, a_variable_is_found_by_its_name, 0, rows(gets));
	suite_add_tcase(s, t);
	return s;
}
