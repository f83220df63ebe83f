/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "environment.h"
#include "given.h"
#include "handlers.h"
#include "meaning.h"

#include <sys/stat.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT 0
#define USER 12345 /* needs no entry in passwd(5) */

#define ECHO "listen = { \"127.0.0.1:4000\" } builtin = echo"
#define LISTEN "listen = { \"127.0.0.1:4000\" }"

/* Complaints are patterns of fnmatch(3), one in a line. The service begins in line 1. */
static const struct {
	const char *what;
	uid_t user;
	const char *text;
	const char *complaints;
} bad[] = {
	{ "no address", USER, "service \"a\" {\n\tbuiltin = echo\n}\n", "main.conf:2: service a: *address*listen*\n" },
	{ "an empty list of addresses", USER, "service \"a\" {\n\tbuiltin = echo\n\tlisten = { }\n}\n", "main.conf:[23]: listen: *address*\n" },
	{ "an address without a port", USER, "service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"*:1\",\n\t\t\"192.0.2.1\" }\n}\n",
	  "main.conf:4: listen: 192.0.2.1 *port*\n" },
	{ "several bad addresses", USER, "service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"*:1\",\n\"80\",\n\"*:2\",\n\"@\",\n\":1\"\n}\n}\n",
	  "main.conf:4: listen: *\nmain.conf:6: listen: *\nmain.conf:7: listen: *\n" },
	{ "a path in no directory", USER, "service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"/x\",\n\"/no/such/x\" }\n}\n",
	  "main.conf:4: listen: the directory /no/such: No such file or directory\n" },
	{ "an unknown service name", USER, "service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"*:no-such-service\" }\n}\n",
	  "main.conf:3: listen: *no-such-service*\n" },

	{ "nothing to do", USER, "service \"a\" {\n\t" LISTEN "\n}\n", "main.conf:2: service a: *exec*builtin*\n" },
	{ "both to do", USER, "service \"a\" {\n\t" LISTEN "\n\tbuiltin = echo\n\texec = { \"/bin/sh\" }\n}\n",
	  "main.conf:3: builtin: *exec*builtin*\n" },
	{ "an empty program", USER, "service \"a\" {\n\t" LISTEN "\n\texec = { }\n}\n", "main.conf:[23]: exec: *\n" },
	{ "a program without a name", USER, "service \"a\" {\n\t" LISTEN "\n\texec = { \"\" }\n}\n", "main.conf:3: exec: *\n" },
	{ "an unknown built-in", USER, "service \"a\" {\n\t" LISTEN "\n\tbuiltin = ekko\n}\n",
	  "main.conf:3: builtin: *ekko*echo, discard, chargen, daytime, time\n" },
	{ "a program that is not there", USER, "service \"a\" {\n\t" LISTEN "\n\texec = { \"/no/such/program\" }\n}\n",
	  "main.conf:3: exec: */no/such/program: No such file or directory\n" },
	{ "a program that is a directory", USER, "service \"a\" {\n\t" LISTEN "\n\texec = { \"/\" }\n}\n",
	  "main.conf:3: exec: * /: *\n" },
	{ "a program that may not be executed", USER, "service \"a\" {\n\t" LISTEN "\n\texec = { \"/proc/version\" }\n}\n",
	  "main.conf:3: exec: */proc/version: Permission denied\n" },
	{ "a program that is nowhere", USER, "service \"a\" {\n\t" LISTEN "\n\texec = { \"no-such-program\" }\n}\n",
	  "main.conf:3: exec: *no-such-program*PATH*/usr/bin:/bin*\n" },
	{ "a program in a relative directory", USER, "service \"a\" {\n\t" LISTEN "\n\texec = { \"bin/sh\" }\n}\n",
	  "main.conf:3: exec: bin/sh *absolute*\n" },

	{ "root needs a user", ROOT, "service \"a\" {\n\t" LISTEN "\n\texec = { \"/bin/sh\" }\n}\n", "main.conf:2: service a: no user*root*\n" },
	{ "an unknown user", ROOT, "service \"a\" {\n\t" ECHO "\n\tuser = no-such-user\n}\n", "main.conf:3: user: *no-such-user\n" },
	{ "a number that is no user", ROOT, "service \"a\" {\n\t" ECHO "\n\tuser = 4294967295\n}\n", "main.conf:3: user: *4294967295\n" },
	{ "a negative user", ROOT, "service \"a\" {\n\t" ECHO "\n\tuser = -1\n}\n", "main.conf:3: user: *-1\n" },
	{ "no name of a user", ROOT, "service \"a\" {\n\t" ECHO "\n\tuser = \"\"\n}\n", "main.conf:3: user: *empty\n" },
	{ "an unknown group", ROOT, "service \"a\" {\n\t" ECHO "\n\tuser = 1\n\tgroup = no-such-group\n}\n",
	  "main.conf:4: group: *no-such-group\n" },
	{ "an unknown group of several", ROOT, "service \"a\" {\n\t" ECHO "\n\tuser = 1\n\tgroups = { 1,\n\t\tno-such-group,\n\t2 }\n}\n",
	  "main.conf:5: groups: *no-such-group\n" },
	{ "an unknown user in defaults", ROOT, "defaults {\n\tuser = no-such-user\n}\nservice \"a\" {\n\t" ECHO "\n}\n",
	  "main.conf:2: user: *no-such-user\n" },
	{ "another user without root", USER, "service \"a\" {\n\t" ECHO "\n\tuser = 54321\n}\n", "main.conf:3: user: *root*54321\n" },
	{ "another group without root", USER, "service \"a\" {\n\t" ECHO "\n\tgroup = 1\n}\n", "main.conf:3: group: *root*\n" },
	{ "other groups without root", USER, "service \"a\" {\n\t" ECHO "\n\tgroups = { }\n}\n", "main.conf:[23]: groups: *root*\n" },
	{ "an unknown owner of the socket", USER, "service \"a\" {\n\t" ECHO "\n\tsocket-user = no-such-user\n\tsocket-group = no-such-group\n}\n",
	  "main.conf:3: socket-user: *no-such-user\nmain.conf:4: socket-group: *no-such-group\n" },

	{ "a root directory without root", USER, "service \"a\" {\n\t" ECHO "\n\tchroot = /\n}\n", "main.conf:3: chroot: *root*\n" },
	{ "a relative root directory", ROOT, "service \"a\" {\n\t" ECHO "\n\tuser = 1\n\tchroot = tmp\n\tdirectory = \"/\"\n}\n",
	  "main.conf:4: chroot: tmp *absolute*\n*" },
	{ "a directory that is not there", USER, "service \"a\" {\n\t" ECHO "\n\tdirectory = /no/such/directory\n}\n",
	  "main.conf:3: directory: /no/such/directory: No such file or directory\n" },
	{ "a relative directory", USER, "service \"a\" {\n\t" ECHO "\n\tdirectory = tmp\n}\n", "main.conf:3: directory: tmp *absolute*\n" },
	{ "a directory that is a file", USER, "service \"a\" {\n\t" ECHO "\n\tdirectory = /bin/sh\n}\n",
	  "main.conf:3: directory: /bin/sh *directory\n" },

	{ "an assignment that is none", USER, "service \"a\" {\n\t" ECHO "\n\tenvironment = { \"A=1\",\n\t\"B\",\n\t\"=1\",\n\t\"\" }\n}\n",
	  "main.conf:4: environment: \"B\"*\nmain.conf:5: environment: \"=1\"*\nmain.conf:6: environment: \"\"*\n" },
	{ "a connection's variable", USER, "service \"a\" {\n\t" ECHO "\n\tenvironment = { \"REMOTE_ADDR=1\" }\n}\n",
	  "main.conf:3: environment: REMOTE_ADDR *connection*\n" },
	{ "the service's own name", USER, "service \"a\" {\n\t" ECHO "\n\tenvironment = { \"PREFORK_SERVICE=b\" }\n}\n",
	  "main.conf:3: environment: PREFORK_SERVICE *\n" },
	{ "a name that is none", USER, "service \"a\" {\n\t" ECHO "\n\tpass-environment = { \"A=1\",\n\t\"\" }\n}\n",
	  "main.conf:3: pass-environment: \"A=1\"*\nmain.conf:4: pass-environment: \"\"*\n" },

	{ "fewer spares at most than at least", USER, "service \"a\" {\n\t" ECHO "\n\tworkers {\n\t\tmin-spare = 5\n\t\tmax-spare = 4\n\t}\n}\n",
	  "main.conf:5: workers.max-spare: *4*5*\n" },
	{ "more spares than workers", USER, "service \"a\" {\n\t" ECHO "\n\tworkers {\n\t\tmin-spare = 5\n\t\tmax = 4\n\t\tstart = 4\n\t}\n}\n",
	  "main.conf:4: workers.min-spare: *5*4*\n" },
	{ "more at the start than workers", USER, "service \"a\" {\n\t" ECHO "\n\tworkers {\n\t\tstart = 5\n\t\tmax = 4\n\t}\n}\n",
	  "main.conf:4: workers.start: *5*4*\n" },
	{ "fewer workers than addresses", USER,
	  "service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"*:1\", \"*:2\", \"*:3\" }\n\tworkers {\n\t\tmax = 2\n\t}\n}\n",
	  "main.conf:5: workers.max: *2*3*\n" },
	{ "the default of spares above the most workers", USER,
	  "service \"a\" {\n\t" ECHO "\n\tworkers {\n\t\tmin-spare = 65\n\t}\n}\n", "main.conf:4: workers.min-spare: *65*64*\n" },

	{ "a first byte that may come as late as the end", USER, "service \"a\" {\n\t" ECHO "\n\ttime-limit = 2s\n\tfirst-byte-limit = 2000ms\n}\n",
	  "main.conf:4: first-byte-limit: *2000 ms*time-limit*2000 ms*\n" },
	{ "a first byte through a path", USER,
	  "service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"*:1\", \"/run/x\",\n\t\"@y\" }\n\tfirst-byte-limit = 1s\n}\n",
	  "main.conf:5: first-byte-limit: */run/x*\nmain.conf:5: first-byte-limit: *@y*\n" },
	{ "a first byte through a path, by default", USER,
	  "defaults {\n\tfirst-byte-limit = 1s\n}\nservice \"a\" {\n\tbuiltin = echo\n\tlisten = { \"/run/x\" }\n}\n",
	  "main.conf:2: first-byte-limit: */run/x*\n" },

	{ "a refusal that is none", USER, "service \"a\" {\n\t" ECHO "\n\twhen-full = wait\n}\n", "main.conf:3: when-full: \"wait\"*queue, close, reset*\n" },
	{ "a text that is not there", USER, "service \"a\" {\n\t" ECHO "\n\twhen-full = /no/such/file\n}\n",
	  "main.conf:3: when-full: */no/such/file: No such file or directory\n" },
	{ "a text that is a directory", USER, "service \"a\" {\n\t" ECHO "\n\twhen-full = /\n}\n", "main.conf:3: when-full: * /: Is a directory\n" },

	{ "hours that are none, each at its line", USER,
	  "service \"a\" {\n\t" ECHO "\n\taccess-times = {\n\t\t\"Mon 08:00-18:00\",\n\t\t\"8-18\",\n\t\t\"Sat,Son 10:00-12:00\"\n\t}\n}\n",
	  "main.conf:5: access-times: \"8-18\"*\nmain.conf:6: access-times: \"Son *\n" },
};

/* A last line of "*" stands for any more. */
START_TEST(a_service_that_cannot_be_run_is_complained_of)
{
	char *said, pattern[512], first[2048];
	bool more = bad[_i].complaints[strlen(bad[_i].complaints) - 1] == '*';

	given_file("main.conf", bad[_i].text);
	ck_assert_msg(!given_configuration("main.conf", bad[_i].user, &said), "%s", bad[_i].what);
	snprintf(pattern, sizeof(pattern), "%.*s", (int)strlen(bad[_i].complaints) - more, bad[_i].complaints);
	snprintf(first, sizeof(first), "%.*s", more ? (int)strcspn(said, "\n") + 1 : 2000, said);
	ck_assert_msg(matches(pattern, first), "%s:\n%s", bad[_i].what, said);
	free(said);
}
END_TEST

static struct configuration *load(const char *text, uid_t user)
{
	char *said;
	struct configuration *c;

	given_file("main.conf", text);
	c = given_configuration("main.conf", user, &said);
	ck_assert_msg(c && said[0] == '\0', "%s\n%s", text, said);
	free(said);
	return c;
}

START_TEST(addresses_are_resolved_in_their_order)
{
	struct configuration *c = load("service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"*:1\",\n\t\"[::1]:0\", \"/run/x\",\n\t\"@y\" }\n}\n", USER);
	const struct service_config *s = c->services[0];
	static const char *const texts[] = { "[::]:1", "[::1]:0", "/run/x", "@y" };
	static const char *const written[] = { "*:1", "[::1]:0", "/run/x", "@y" };
	static const int lines[] = { 3, 4, 4, 5 };

	ck_assert_uint_eq(s->endpoint_count, 4);
	for (int i = 0; i < 4; i++) {
		char text[ADDRESS_TEXT];

		address_text(&s->endpoints[i].endpoint.address, text);
		ck_assert_str_eq(text, texts[i]);
		ck_assert_str_eq(s->endpoints[i].text, written[i]);
		ck_assert_str_eq(s->endpoints[i].file, "main.conf");
		ck_assert_int_eq(s->endpoints[i].line, lines[i]);
		ck_assert(s->endpoints[i].endpoint.dual == (i == 0));
	}
	configuration_free(c);
}
END_TEST

/* Users */

START_TEST(a_user_may_be_a_number_without_a_name)
{
	struct configuration *c = load("service \"a\" { " ECHO " user = 12345 }\n", ROOT);
	const struct identity *who = &c->services[0]->identity;

	ck_assert(who->change);
	ck_assert_uint_eq(who->user, 12345);
	ck_assert_uint_eq(who->group, 12345);
	ck_assert_uint_eq(who->group_count, 1);
	ck_assert_uint_eq(who->groups[0], 12345);
	ck_assert_str_eq(who->name, "12345");
	ck_assert_str_eq(who->home, "/");
	ck_assert_str_eq(who->shell, "/bin/sh");
	configuration_free(c);
}
END_TEST

START_TEST(a_user_with_a_name_has_what_passwd_says)
{
	const struct passwd *p = getpwuid(getuid());
	struct configuration *c;
	const struct identity *who;
	char text[512];

	if (!p)
		return; /* a machine where even this user has no name */
	snprintf(text, sizeof(text), "service \"a\" { " ECHO " user = \"%s\" }\n", p->pw_name);
	c = load(text, ROOT);
	who = &c->services[0]->identity;
	p = getpwuid(getuid());
	ck_assert_uint_eq(who->user, p->pw_uid);
	ck_assert_uint_eq(who->group, p->pw_gid);
	ck_assert_str_eq(who->name, p->pw_name);
	ck_assert_str_eq(environment_get(c->services[0]->environment, "HOME"), p->pw_dir[0] ? p->pw_dir : "/");
	ck_assert_str_eq(environment_get(c->services[0]->environment, "USER"), p->pw_name);
	ck_assert_str_eq(environment_get(c->services[0]->environment, "LOGNAME"), p->pw_name);
	configuration_free(c);
}
END_TEST

START_TEST(groups_may_be_given)
{
	struct configuration *c = load("service \"a\" { " ECHO " user = 12345 group = 7 groups = { 8, 9 } }\n", ROOT);
	const struct identity *who = &c->services[0]->identity;

	ck_assert_uint_eq(who->group, 7);
	ck_assert_uint_eq(who->group_count, 2);
	ck_assert_uint_eq(who->groups[0], 8);
	ck_assert_uint_eq(who->groups[1], 9);
	configuration_free(c);
}
END_TEST

START_TEST(groups_may_be_given_as_none)
{
	struct configuration *c = load("service \"a\" { " ECHO " user = 12345 groups = { } }\n", ROOT);

	ck_assert_uint_eq(c->services[0]->identity.group_count, 0);
	configuration_free(c);
}
END_TEST

START_TEST(the_users_own_groups_are_those_of_the_given_group)
{
	struct configuration *c = load("service \"a\" { " ECHO " user = 12345 group = 7 }\n", ROOT);
	const struct identity *who = &c->services[0]->identity;

	ck_assert_uint_eq(who->group_count, 1);
	ck_assert_uint_eq(who->groups[0], 7);
	configuration_free(c);
}
END_TEST

START_TEST(a_built_in_of_root_is_served_as_nobody)
{
	const struct passwd *p = getpwnam("nobody");
	struct configuration *c;

	if (!p)
		return; /* a machine without nobody */
	c = load("service \"a\" { " ECHO " }\n", ROOT);
	ck_assert_uint_eq(c->services[0]->identity.user, p->pw_uid);
	ck_assert(c->services[0]->identity.change);
	configuration_free(c);
}
END_TEST

START_TEST(root_may_be_asked_for)
{
	struct configuration *c = load("service \"a\" { " LISTEN " exec = { \"/bin/sh\" } user = 0 }\n", ROOT);

	ck_assert_uint_eq(c->services[0]->identity.user, 0);
	configuration_free(c);
}
END_TEST

static const char *const own[] = { "", "user = 12345" };

START_TEST(without_root_a_service_runs_as_who_started_it)
{
	struct configuration *c;
	char text[256];

	snprintf(text, sizeof(text), "service \"a\" { " LISTEN " exec = { \"/bin/sh\" } %s }\n", own[_i]);
	c = load(text, USER);
	ck_assert(!c->services[0]->identity.change);
	ck_assert_uint_eq(c->services[0]->identity.user, USER);
	configuration_free(c);
}
END_TEST

START_TEST(the_owner_of_a_socket_is_resolved)
{
	struct configuration *c = load("service \"a\" { " ECHO " socket-user = 7 socket-group = 8 }\n", USER);

	ck_assert_uint_eq(c->services[0]->socket.owner_id, 7);
	ck_assert_uint_eq(c->services[0]->socket.group_id, 8);
	configuration_free(c);
}
END_TEST

/* Programs */

START_TEST(a_program_has_its_arguments)
{
	struct configuration *c = load("service \"a\" { " LISTEN " exec = { \"/bin/sh\", \"-c\", \"\", \"two words\" } }\n", USER);
	const struct service_config *s = c->services[0];

	ck_assert_ptr_eq(s->handler, &handler_exec);
	ck_assert_str_eq(s->program, "/bin/sh");
	ck_assert_str_eq(s->argv[0], "/bin/sh");
	ck_assert_str_eq(s->argv[1], "-c");
	ck_assert_str_eq(s->argv[2], "");
	ck_assert_str_eq(s->argv[3], "two words");
	ck_assert_ptr_null(s->argv[4]);
	configuration_free(c);
}
END_TEST

START_TEST(argv0_may_be_another)
{
	struct configuration *c = load("service \"a\" { " LISTEN " exec = { \"/bin/sh\", \"-c\" } argv0 = \"-sh\" }\n", USER);

	ck_assert_str_eq(c->services[0]->program, "/bin/sh");
	ck_assert_str_eq(c->services[0]->argv[0], "-sh");
	ck_assert_str_eq(c->services[0]->argv[1], "-c");
	configuration_free(c);
}
END_TEST

static void make_program(const char *path, mode_t mode)
{
	given_file(path, "");
	ck_assert_int_eq(chmod(path, mode), 0);
}

/* One of each that is no program comes first. */
START_TEST(a_plain_name_is_looked_up_in_path)
{
	struct configuration *c;
	char text[32768], wanted[4200];

	mkdir("one", 0755);
	mkdir("one/program", 0755);
	mkdir("two", 0755);
	make_program("two/program", 0644);
	mkdir("three", 0755);
	make_program("three/program", 0755);
	mkdir("four", 0755);
	make_program("four/program", 0755);
	make_program("program", 0755);
	snprintf(text, sizeof(text), "service \"a\" { " LISTEN " exec = { \"program\", \"x\" } "
	                             "environment = { \"PATH=:.:three:/no/such:%s/one:%s/two:%s/three:%s/four\" } }\n",
	         given_here(), given_here(), given_here(), given_here());
	c = load(text, USER);
	snprintf(wanted, sizeof(wanted), "%s/three/program", given_here());
	ck_assert_str_eq(c->services[0]->program, wanted);
	ck_assert_str_eq(c->services[0]->argv[0], "program");
	configuration_free(c);
}
END_TEST

START_TEST(the_path_is_that_of_the_program)
{
	struct configuration *c = load("service \"a\" { " LISTEN " exec = { \"sh\" } }\n", USER);

	/* given_configuration has PATH=/usr/bin:/bin */
	ck_assert_msg(strcmp(c->services[0]->program, "/usr/bin/sh") == 0 || strcmp(c->services[0]->program, "/bin/sh") == 0, "%s",
	              c->services[0]->program);
	configuration_free(c);
	c = load("service \"a\" { " LISTEN " exec = { \"sh\" } pass-environment = { } }\n", USER);
	ck_assert_ptr_nonnull(strstr(c->services[0]->program, "/bin/sh"));
	configuration_free(c);
}
END_TEST

START_TEST(program_and_directory_lie_inside_the_root_directory)
{
	struct configuration *c;
	char text[9000], *said;

	mkdir("root", 0755);
	mkdir("root/bin", 0755);
	mkdir("root/srv", 0755);
	make_program("root/bin/program", 0755);
	snprintf(text, sizeof(text), "service \"a\" { " LISTEN " exec = { \"/bin/program\" } user = 1 chroot = \"%s/root\" directory = /srv }\n",
	         given_here());
	c = load(text, ROOT);
	ck_assert_str_eq(c->services[0]->program, "/bin/program");
	configuration_free(c);
	snprintf(text, sizeof(text), "service \"a\" { " LISTEN " exec = { \"program\" } user = 1 chroot = \"%s/root\" }\n", given_here());
	c = load(text, ROOT);
	ck_assert_str_eq(c->services[0]->program, "/bin/program");
	configuration_free(c);
	snprintf(text, sizeof(text), "service \"a\" { " LISTEN "\nexec = { \"/bin/no-such\" }\nuser = 1 chroot = \"%s/root\"\ndirectory = /no-such }\n",
	         given_here());
	given_file("main.conf", text);
	ck_assert_ptr_null(given_configuration("main.conf", ROOT, &said));
	ck_assert_msg(matches("main.conf:4: directory: */root/no-such: *\nmain.conf:2: exec: */root/bin/no-such: *\n", said), "%s", said);
	free(said);
}
END_TEST

static const char *const builtins[] = { "echo", "discard", "chargen", "daytime", "time" };

START_TEST(a_built_in_has_its_handler)
{
	struct configuration *c;
	char text[256];

	snprintf(text, sizeof(text), "service \"a\" { " LISTEN " builtin = %s }\n", builtins[_i]);
	c = load(text, USER);
	ck_assert_ptr_eq(c->services[0]->handler, builtin_find(builtins[_i]));
	ck_assert_str_eq(c->services[0]->handler->name, builtins[_i]);
	ck_assert(c->services[0]->handler->repeats);
	configuration_free(c);
}
END_TEST

/* Workers */

static const struct {
	const char *text;
	int min_spare, max_spare, start;
} sizes[] = {
	{ "", 1, 4, 1 },
	{ "workers { min-spare = 0 }", 0, 4, 0 },
	{ "workers { min-spare = 3 }", 3, 4, 3 },
	{ "workers { min-spare = 9 }", 9, 9, 9 },
	{ "workers { max-spare = 2 }", 1, 2, 1 },
	{ "workers { max-spare = 1 }", 1, 1, 1 },
	{ "workers { start = 0 }", 1, 4, 0 },
	{ "workers { start = 64 }", 1, 4, 64 },
	{ "workers { min-spare = 64 }", 64, 64, 64 },
	{ "workers { max = 1 }", 1, 4, 1 },
};

START_TEST(spares_follow_from_one_another)
{
	struct configuration *c;
	const struct pool_size *w;
	char text[256];

	snprintf(text, sizeof(text), "service \"a\" { " ECHO " %s }\n", sizes[_i].text);
	c = load(text, USER);
	w = &c->services[0]->workers;
	ck_assert_msg(w->min_spare == sizes[_i].min_spare && w->max_spare == sizes[_i].max_spare && w->start == sizes[_i].start,
	              "%s: %d, %d, %d", sizes[_i].text, w->min_spare, w->max_spare, w->start);
	configuration_free(c);
}
END_TEST

/* Refusals */

static const struct {
	const char *word;
	enum answer_kind kind;
} answers[] = { { "queue", ANSWER_QUEUE }, { "close", ANSWER_CLOSE }, { "reset", ANSWER_RESET } };

START_TEST(a_refusal_may_be_a_word)
{
	struct configuration *c;
	char text[256];

	snprintf(text, sizeof(text), "service \"a\" { " ECHO " when-full = %s }\n", answers[_i].word);
	c = load(text, USER);
	ck_assert_msg(c->services[0]->answer_full.kind == answers[_i].kind, "%s", answers[_i].word);
	configuration_free(c);
}
END_TEST

START_TEST(hours_may_be_given)
{
	struct configuration *c = load("service \"a\" { " ECHO " access-times = { \"Sat 10:00-11:00\", \"Sun 12:00-13:00\" } }\n", USER);
	const struct hours *h = c->services[0]->hours;

	ck_assert_ptr_nonnull(h);
	ck_assert(hours_open(h, &(struct tm){ .tm_wday = 6, .tm_hour = 10 }));
	ck_assert(hours_open(h, &(struct tm){ .tm_wday = 0, .tm_hour = 12 }));
	ck_assert(!hours_open(h, &(struct tm){ .tm_wday = 1, .tm_hour = 12 }));
	configuration_free(c);
}
END_TEST

START_TEST(without_hours_or_with_an_empty_list_it_is_always_open)
{
	struct configuration *c = load("defaults { access-times = { \"Sat 10:00-11:00\" } }\n"
	                               "service \"a\" { " ECHO " access-times = {} }\n", USER);

	ck_assert_ptr_null(c->services[0]->hours);
	configuration_free(c);
	c = load("service \"a\" { " ECHO " }\n", USER);
	ck_assert_ptr_null(c->services[0]->hours);
	configuration_free(c);
}
END_TEST

static const size_t lengths[] = { 0, 1, 65535 };

START_TEST(a_refusal_may_be_a_text)
{
	struct configuration *c;
	char text[5000], *data = calloc(1, 65536);

	snprintf(text, sizeof(text), "service \"a\" { " ECHO " when-full = \"%s/full\" }\n", given_here());
	memset(data, 'x', lengths[_i]);
	given_file_of("full", data, lengths[_i]);
	c = load(text, USER);
	ck_assert_int_eq(c->services[0]->answer_full.kind, ANSWER_TEXT);
	ck_assert_uint_eq(c->services[0]->answer_full.length, lengths[_i]);
	ck_assert_int_eq(memcmp(c->services[0]->answer_full.text, data, lengths[_i]), 0);
	configuration_free(c);
	free(data);
}
END_TEST

START_TEST(a_text_may_be_too_long)
{
	char text[5000], *data = calloc(1, 65536), *said;

	snprintf(text, sizeof(text), "service \"a\" {\n\t" ECHO "\n\twhen-full = \"%s/full\"\n}\n", given_here());
	given_file_of("full", data, 65536);
	given_file("main.conf", text);
	ck_assert_ptr_null(given_configuration("main.conf", USER, &said));
	ck_assert_msg(matches("main.conf:3: when-full: */full *65535*\n", said), "%s", said);
	free(said);
	free(data);
}
END_TEST

/* Names */

static const struct {
	const char *name;
	bool good;
} names[] = {
	{ "a", true },
	{ "git-daemon_2.x", true },
	{ "0", true },
	{ "...", true },
	{ "0123456789012345678901234567890123456789012345678901234567890123", true },
	{ "01234567890123456789012345678901234567890123456789012345678901234", false },
	{ "", false },
	{ "a b", false },
	{ "a/b", false },
	{ "a:b", false },
	{ "\xc3\xa4", false },
	{ "a\\nb", false },
};

START_TEST(a_service_has_a_plain_name)
{
	char text[256], *said;
	struct configuration *c;

	snprintf(text, sizeof(text), "service \"%s\" {\n\t" ECHO "\n}\n", names[_i].name);
	given_file("main.conf", text);
	c = given_configuration("main.conf", USER, &said);
	ck_assert_msg(!!c == names[_i].good, "\"%s\": %s", names[_i].name, said);
	ck_assert_msg(c || strstr(said, "letters, digits"), "\"%s\": %s", names[_i].name, said);
	configuration_free(c);
	free(said);
}
END_TEST

START_TEST(a_setting_is_the_services_own_or_that_of_the_defaults)
{
	struct document d = { 0 };
	struct complaints complaints = { 0 };
	const struct key *user = key_find(service_keys, "user"), *group = key_find(service_keys, "group");
	struct origin o;

	given_file("main.conf", "service \"a\" { user = a }\ndefaults { user = b group = c }\n");
	document_read(&d, "main.conf", &complaints);
	o = (struct origin){ .own = &d.sections[2], .defaults = &d.sections[1] };
	ck_assert_str_eq(origin_find(&o, user)->values[0], "a");
	ck_assert_str_eq(origin_find(&o, group)->values[0], "c");
	ck_assert_ptr_null(origin_find(&o, key_find(service_keys, "nice")));
	o.defaults = NULL;
	ck_assert_ptr_null(origin_find(&o, group));
	document_free(&d);
	complaints_free(&complaints);
}
END_TEST

Suite *meaning_suite(void)
{
	Suite *s = suite_create("meaning");
	TCase *t = tcase_create("meaning");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_loop_test(t, a_service_that_cannot_be_run_is_complained_of, 0, rows(bad));
	tcase_add_test(t, addresses_are_resolved_in_their_order);
	tcase_add_test(t, a_user_may_be_a_number_without_a_name);
	tcase_add_test(t, a_user_with_a_name_has_what_passwd_says);
	tcase_add_test(t, groups_may_be_given);
	tcase_add_test(t, groups_may_be_given_as_none);
	tcase_add_test(t, the_users_own_groups_are_those_of_the_given_group);
	tcase_add_test(t, a_built_in_of_root_is_served_as_nobody);
	tcase_add_test(t, root_may_be_asked_for);
	tcase_add_loop_test(t, without_root_a_service_runs_as_who_started_it, 0, rows(own));
	tcase_add_test(t, the_owner_of_a_socket_is_resolved);
	tcase_add_test(t, a_program_has_its_arguments);
	tcase_add_test(t, argv0_may_be_another);
	tcase_add_test(t, a_plain_name_is_looked_up_in_path);
	tcase_add_test(t, the_path_is_that_of_the_program);
	tcase_add_test(t, program_and_directory_lie_inside_the_root_directory);
	tcase_add_loop_test(t, a_built_in_has_its_handler, 0, rows(builtins));
	tcase_add_loop_test(t, spares_follow_from_one_another, 0, rows(sizes));
	tcase_add_loop_test(t, a_refusal_may_be_a_word, 0, rows(answers));
	tcase_add_loop_test(t, a_refusal_may_be_a_text, 0, rows(lengths));
	tcase_add_test(t, a_text_may_be_too_long);
	tcase_add_test(t, hours_may_be_given);
	tcase_add_test(t, without_hours_or_with_an_empty_list_it_is_always_open);
	tcase_add_loop_test(t, a_service_has_a_plain_name, 0, rows(names));
	tcase_add_test(t, a_setting_is_the_services_own_or_that_of_the_defaults);
	suite_add_tcase(s, t);
	return s;
}
