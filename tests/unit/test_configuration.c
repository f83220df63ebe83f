/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "configuration.h"
#include "given.h"
#include "keys.h"
#include "log.h"

#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT 0
#define USER 12345 /* needs no entry in passwd(5) */

#define ECHO "listen = { \"127.0.0.1:4000\" } builtin = echo"

/* Loads what must be in order. */
static struct configuration *load_good(const char *path, uid_t user)
{
	char *said;
	struct configuration *c = given_configuration(path, user, &said);

	ck_assert_msg(c && said[0] == '\0', "%s:\n%s", path, said);
	free(said);
	return c;
}

static char *printed(const struct configuration *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	configuration_print(c, f);
	fclose(f);
	return text;
}

START_TEST(without_a_word_the_daemon_has_its_defaults)
{
	struct configuration *c;

	given_file("main.conf", "service \"a\" { " ECHO " }\n");
	c = load_good("main.conf", USER);
	ck_assert_str_eq(c->log_to, "stderr");
	ck_assert_int_eq(c->log_level, LOG_LEVEL_INFO);
	ck_assert_ptr_null(c->pid_file);
	ck_assert_int_eq(c->stop_timeout, 30000);
	ck_assert_uint_eq(c->count, 1);
	ck_assert_str_eq(c->services[0]->name, "a");
	ck_assert_str_eq(c->services[0]->file, "main.conf");
	ck_assert_int_eq(c->services[0]->line, 1);
	configuration_free(c);
	configuration_free(NULL);
}
END_TEST

START_TEST(what_is_written_is_there)
{
	struct configuration *c;

	given_file("main.conf", "log {\n\tto = \"file:/var/log/x\"\n\tlevel = debug\n}\npid-file = /run/x\nstop-timeout = 2min\n"
	                        "service \"b\" { " ECHO " }\nservice \"a\" { listen = { \"127.0.0.1:4001\" } builtin = discard }\n");
	c = load_good("main.conf", USER);
	ck_assert_str_eq(c->log_to, "file:/var/log/x");
	ck_assert_int_eq(c->log_level, LOG_LEVEL_DEBUG);
	ck_assert_str_eq(c->pid_file, "/run/x");
	ck_assert_int_eq(c->stop_timeout, 120000);
	ck_assert_uint_eq(c->count, 2);
	ck_assert_str_eq(c->services[0]->name, "b");
	ck_assert_str_eq(c->services[1]->name, "a");
	configuration_free(c);
}
END_TEST

/* Complaints are patterns of fnmatch(3), one in a line. */
static const struct {
	const char *what, *main, *other;
	const char *complaints;
} bad[] = {
	{ "an empty file", "", NULL, "main.conf:0: *no service*\n" },
	{ "defaults alone", "defaults { user = nobody }\n", NULL, "main.conf:0: *no service*\n" },

	{ "a key of the top twice, in two files", "include(\"other.conf\")\n\npid-file = /a\nservice \"a\" { " ECHO " }\n",
	  "\npid-file = /b\n", "other.conf:2: pid-file*twice*main.conf:3\n" },
	{ "a key of a section twice, in two files", "include(\"other.conf\")\nlog { level = info }\nservice \"a\" { " ECHO " }\n",
	  "log {\n\tlevel = info\n}\n", "other.conf:2: log.level*twice*main.conf:2\n" },
	{ "a service twice, in two files", "include(\"other.conf\")\nservice \"a\" {\n\t" ECHO "\n}\n",
	  "\nservice \"a\" {\n\tlisten = { \"127.0.0.1:4001\" } builtin = echo\n}\n", "other.conf:3: *\"a\"*twice*main.conf:3\n" },
	{ "defaults twice, in two files", "include(\"other.conf\")\ndefaults {\n\tumask = 077\n}\nservice \"a\" { " ECHO " }\n",
	  "defaults {\n\n\tnice = 1\n}\n", "other.conf:3: defaults*twice*main.conf:3\n" },

	{ "a log to nowhere", "\nlog {\n\tto = nowhere\n}\nservice \"a\" { " ECHO " }\n", NULL, "main.conf:3: log.to: *nowhere*\n" },
	{ "a log to a relative file", "log {\n\tto = \"file:log\"\n}\nservice \"a\" { " ECHO " }\n", NULL,
	  "main.conf:2: log.to: *file:log*absolute*\n" },
	{ "a log to no file", "log {\n\tto = \"file:\"\n}\nservice \"a\" { " ECHO " }\n", NULL, "main.conf:2: log.to: *\n" },
	{ "a log level that is none", "log {\n\tlevel = loud\n}\nservice \"a\" { " ECHO " }\n", NULL,
	  "main.conf:2: log.level: *loud*error warning notice info debug*\n" },
	{ "a relative pid file", "\n\npid-file = x\nservice \"a\" { " ECHO " }\n", NULL, "main.conf:3: pid-file: x *absolute*\n" },
	{ "a pid file in no directory", "\npid-file = /no/such/pid\nservice \"a\" { " ECHO " }\n", NULL,
	  "main.conf:2: pid-file: the directory /no/such: No such file or directory\n" },
	{ "a log in no directory", "log {\n\tto = \"file:/no/such/log\"\n}\nservice \"a\" { " ECHO " }\n", NULL,
	  "main.conf:2: log.to: the directory /no/such: No such file or directory\n" },
	{ "a log in a file", "log {\n\tto = \"file:/bin/sh/log\"\n}\nservice \"a\" { " ECHO " }\n", NULL,
	  "main.conf:2: log.to: /bin/sh is no directory\n" },
	{ "a relative pid file in another file", "include(\"other.conf\")\nservice \"a\" { " ECHO " }\n", "\npid-file = x\n",
	  "other.conf:2: pid-file: x *absolute*\n" },
	{ "a relative log file in another file", "include(\"other.conf\")\nservice \"a\" { " ECHO " }\n", "log {\n\tto = \"file:x\"\n}\n",
	  "other.conf:2: log.to: *absolute*\n" },
	{ "a stop-timeout that is no time", "stop-timeout = soon\nservice \"a\" { " ECHO " }\n", NULL,
	  "main.conf:1: stop-timeout: \"soon\"*\n" },

	{ "a bad value in defaults is told once", "defaults {\n\tumask = 999\n}\nservice \"a\" { " ECHO " }\n"
	  "service \"b\" { listen = { \"127.0.0.1:4001\" } builtin = echo }\n", NULL, "main.conf:2: umask: \"999\"*\n" },
	{ "a bad value in defaults that no service uses", "defaults {\n\tumask = 999\n}\nservice \"a\" { umask = 077 " ECHO " }\n", NULL,
	  "main.conf:2: umask: \"999\"*\n" },
	{ "a bad value in defaults of another file", "include(\"other.conf\")\nservice \"a\" { " ECHO " }\n",
	  "defaults {\n\tworkers {\n\t\tmax = 0\n\t}\n}\n", "other.conf:3: workers.max: \"0\"*\n" },

	{ "all mistakes are told", "stop-timeout = soon\nservice \"a\" {\n\tlisten = { \"80\" }\n\tbuiltin = ekko\n\tumask = 999\n}\n"
	  "service \"b c\" {\n\t" ECHO "\n}\n", NULL,
	  "main.conf:1: stop-timeout: *\nmain.conf:5: umask: *\nmain.conf:3: listen: *\nmain.conf:4: builtin: *ekko*\nmain.conf:8: *\"b c\"*\n" },

	/* What stands behind a mistake of syntax was not read: to complain that it is missing would be wrong. */
	{ "nothing follows from an unknown key", "service \"a\" {\n\tusr = a\n\tlisten = { \"127.0.0.1:4000\" }\n\tbuiltin = echo\n}\n", NULL,
	  "main.conf:2: *usr*user*\n" },
	{ "nothing follows from a mistake of syntax", "service \"a\" {\n\tumask 077\n\tlisten = { \"127.0.0.1:4000\" }\n\tbuiltin = echo\n}\n",
	  NULL, "main.conf:2: ?*\n" },
	{ "a key without a value", "service \"a\" {\n\t" ECHO "\n\tuser =\n}\n", NULL, "main.conf:4: ?*\n" },
	{ "a list for one value", "service \"a\" {\n\t" ECHO "\n\tuser = { a }\n}\n", NULL, "main.conf:3: ?*\n" },
};

START_TEST(a_mistake_is_told_with_its_file_and_line)
{
	char *said;
	struct configuration *c;

	given_file("main.conf", bad[_i].main);
	given_file("other.conf", bad[_i].other);
	c = given_configuration("main.conf", USER, &said);
	ck_assert_msg(matches(bad[_i].complaints, said), "%s:\n%s", bad[_i].what, said);
	ck_assert_msg(!c, "%s", bad[_i].what);
	free(said);
}
END_TEST

START_TEST(a_missing_file_is_told)
{
	char *said;

	ck_assert_ptr_null(given_configuration("missing.conf", USER, &said));
	ck_assert_msg(matches("missing.conf:0: *No such file*\n", said), "%s", said);
	free(said);
}
END_TEST

/* Each kind of value at its limits: one line of a service, and the complaint about it, NULL for none. */
static const struct {
	const char *line, *complaint;
} values[] = {
	{ "backlog = 1", NULL },
	{ "backlog = max", NULL },
	{ "backlog = 2147483646", NULL },
	{ "backlog = 0", "backlog: \"0\"*" },
	{ "backlog = 2147483647", "backlog: *" },
	{ "backlog = -1", "backlog: \"-1\"*" },
	{ "backlog = most", "backlog: \"most\"*" },
	{ "bind = strict", NULL },
	{ "bind = retry", NULL },
	{ "bind = free", NULL },
	{ "bind = Strict", "bind: \"Strict\"*strict retry free" },
	{ "v6only = yes", NULL },
	{ "v6only = maybe", "v6only: \"maybe\"*" },
	{ "keepalive-idle = 1", NULL },
	{ "keepalive-idle = 32767", NULL },
	{ "keepalive-idle = 999ms", "keepalive-idle: \"999ms\"*" },
	{ "keepalive-idle = 32768", "keepalive-idle: \"32768\"*" },
	{ "keepalive-interval = 32767s", NULL },
	{ "keepalive-interval = 0", "keepalive-interval: *" },
	{ "keepalive-count = 1", NULL },
	{ "keepalive-count = 127", NULL },
	{ "keepalive-count = 0", "keepalive-count: *1 to 127" },
	{ "keepalive-count = 128", "keepalive-count: *1 to 127" },
	{ "defer-accept = 1s", NULL },
	{ "defer-accept = 10h", "defer-accept: *" },
	{ "send-buffer = 1", NULL },
	{ "send-buffer = 2147483647", NULL },
	{ "send-buffer = 0", "send-buffer: *" },
	{ "send-buffer = 2G", "send-buffer: \"2G\"*" },
	{ "receive-buffer = 1G", NULL },
	{ "receive-buffer = 1T", "receive-buffer: \"1T\"*" },
	{ "tos = 0", NULL },
	{ "tos = 255", NULL },
	{ "tos = 256", "tos: *" },
	{ "mark = 2147483647", NULL },
	{ "mark = 2147483648", "mark: *" },
	{ "fast-open = 65535", NULL },
	{ "fast-open = 65536", "fast-open: *" },
	{ "interface = lo", NULL },
	{ "interface = abcdefghijklmno", NULL },
	{ "interface = abcdefghijklmnop", "interface: *abcdefghijklmnop*" },
	{ "interface = \"\"", "interface: *empty*" },
	{ "socket-mode = 0", NULL },
	{ "socket-mode = 0777", NULL },
	{ "socket-mode = 1000", "socket-mode: *" },
	{ "socket-mode = rw", "socket-mode: *" },
	{ "stderr = log", NULL },
	{ "stderr = socket", NULL },
	{ "stderr = null", NULL },
	{ "stderr = syslog", "stderr: \"syslog\"*log socket null" },
	{ "umask = 0", NULL },
	{ "umask = 777", NULL },
	{ "umask = 01000", "umask: *" },
	{ "umask = 8", "umask: *" },
	{ "nice = 40", NULL },
	{ "nice = -40", "nice: *root*" },
	{ "nice = 41", "nice: *" },
	{ "nice = -41", "nice: *" },
	{ "nice = 010", NULL },
	{ "oom-score-adjust = -1000", NULL },
	{ "oom-score-adjust = 1000", NULL },
	{ "oom-score-adjust = 1001", "oom-score-adjust: *" },
	{ "no-new-privileges = on", NULL },
	{ "no-new-privileges = 1", "no-new-privileges: \"1\"*" },
	{ "limit { nofile = 5 }", NULL },
	{ "limit { nofile = 4 }", "limit.nofile: *" },
	{ "limit { nofile = 1K }", "limit.nofile: \"1K\"*" }, /* a number, not a size */
	{ "limit { core = 1K }", NULL },
	{ "limit { nofile = \"5:6\" }", NULL },
	{ "limit { nofile = \"6:5\" }", "limit.nofile: *soft*6:5*hard*" },
	{ "limit { nofile = unlimited }", NULL },
	{ "limit { nofile = \"5:unlimited\" }", NULL },
	{ "limit { nofile = \"unlimited:5\" }", "limit.nofile: *soft*" },
	{ "limit { nofile = \":5\" }", "limit.nofile: *" },
	{ "limit { nofile = \"5:\" }", "limit.nofile: *" },
	{ "limit { nofile = \"5:6:7\" }", "limit.nofile: *" },
	{ "limit { nproc = \"0000000000000000000000000000000000100:99\" }", "limit.nproc: *soft*" },
	{ "limit { nproc = \"0000000000000000000000000000000000100:100\" }", NULL },
	{ "limit { nofile = many }", "limit.nofile: \"many\"*" },
	{ "limit { core = 0 }", NULL },
	{ "limit { cpu = 0 }", "limit.cpu: *" },
	{ "limit { as = 9223372036854775807 }", NULL },
	{ "limit { as = 9223372036854775808 }", "limit.as: *" },
	{ "limit { as = 8589934591G }", NULL },
	{ "limit { data = 64M stack = 8M fsize = 1G nproc = 10 memlock = 64K }", NULL },
	{ "env-set = { }", NULL },
	{ "env-set = { ucspi, systemd, xinetd }", NULL },
	{ "env-set = { ucspi, cgi }", "env-set: \"cgi\"*ucspi systemd xinetd" },
	{ "log-connections = none", NULL },
	{ "log-connections = both", NULL },
	{ "log-connections = all", "log-connections: \"all\"*none start end both" },
	{ "workers { min-spare = 0 }", NULL },
	{ "workers { min-spare = -1 }", "workers.min-spare: *" },
	{ "workers { max = 1 }", NULL },
	{ "workers { max = 100000 }", NULL },
	{ "workers { max = 0 }", "workers.max: *" },
	{ "workers { max = 100001 }", "workers.max: *" },
	{ "workers { max-connections = 0 }", NULL },
	{ "workers { max-connections = 1000000000 }", NULL },
	{ "workers { max-connections = 1000000001 }", "workers.max-connections: *" },
	{ "workers { recycle-jitter = 0 }", NULL },
	{ "workers { recycle-jitter = 100 }", NULL },
	{ "workers { recycle-jitter = \"100%\" }", NULL },
	{ "workers { recycle-jitter = 101 }", "workers.recycle-jitter: *" },
	{ "workers { recycle-jitter = \"101%\" }", "workers.recycle-jitter: *" },
	{ "workers { recycle-jitter = \"%\" }", "workers.recycle-jitter: *" },
	{ "workers { recycle-jitter = \"10%%\" }", "workers.recycle-jitter: *" },
	{ "workers { recycle-jitter = \"-1%\" }", "workers.recycle-jitter: *" },
	{ "workers { recycle-jitter = \"0000000000000000000100%\" }", NULL },
	{ "workers { recycle-jitter = \"0000000000000000000101%\" }", "workers.recycle-jitter: *" },
	{ "workers { idle-timeout = 0 }", NULL },
	{ "workers { idle-timeout = 2147483647ms }", NULL },
	{ "workers { idle-timeout = 25d }", "workers.idle-timeout: *" },
	{ "restart-delay = \"1ms..1ms\"", NULL },
	{ "restart-delay = \"100ms..24d\"", NULL },
	{ "restart-delay = 1..2", NULL },
	{ "restart-delay = \"0..1s\"", "restart-delay: *" },
	{ "restart-delay = \"2s..1s\"", "restart-delay: \"2s..1s\"*" },
	{ "restart-delay = 1s", "restart-delay: \"1s\"*range*" },
	{ "restart-delay = \"1s..\"", "restart-delay: *" },
	{ "restart-delay = \"..1s\"", "restart-delay: *" },
	{ "restart-delay = \"1s...2s\"", "restart-delay: *" },
	{ "restart-delay = \"\"", "restart-delay: *" },
	{ "restart-delay = \"1s..25d\"", "restart-delay: *" },
	{ "enabled = no", NULL },
	{ "enabled = never", "enabled: *" },
};

START_TEST(a_value_is_taken_or_complained_of)
{
	char text[512], pattern[256] = "", *said;
	struct configuration *c;

	snprintf(text, sizeof(text), "service \"a\" {\n\t" ECHO "\n\t%s\n}\n", values[_i].line);
	if (values[_i].complaint)
		snprintf(pattern, sizeof(pattern), "main.conf:3: %s\n", values[_i].complaint);
	given_file("main.conf", text);
	c = given_configuration("main.conf", USER, &said);
	ck_assert_msg(matches(pattern, said), "%s:\n%s", values[_i].line, said);
	ck_assert_msg(!c == !!values[_i].complaint, "%s", values[_i].line);
	configuration_free(c);
	free(said);
}
END_TEST

/* Addresses of two services a and b, with more of each; the complaint names b's line and a's place. */
static const struct {
	const char *a, *a_more, *b, *b_more;
	bool conflict;
} conflicts[] = {
	{ "127.0.0.1:80", "", "127.0.0.1:80", "", true },
	{ "127.0.0.1:80", "", "127.0.0.1:81", "", false },
	{ "127.0.0.1:80", "", "127.0.0.2:80", "", false },
	{ "0.0.0.0:80", "", "127.0.0.1:80", "", true },
	{ "127.0.0.1:80", "", "0.0.0.0:80", "", true },
	{ "*:80", "", "*:80", "", true },
	{ "*:80", "", "0.0.0.0:80", "", true },
	{ "*:80", "", "127.0.0.1:80", "", true },
	{ "*:80", "", "[::1]:80", "", true },
	{ "[::]:80", "", "*:80", "", true },
	{ "[::]:80", "", "0.0.0.0:80", "", false },
	{ "[::]:80", "", "127.0.0.1:80", "", false },
	{ "[::]:80", "", "[::1]:80", "", true },
	{ "[::1]:80", "", "127.0.0.1:80", "", false },
	{ "*:0", "", "*:0", "", false },
	{ "127.0.0.1:0", "", "127.0.0.1:0", "", false },
	{ "/run/x", "", "/run/x", "", true },
	{ "/run/x", "", "/run/y", "", false },
	{ "@x", "", "@x", "", true },
	{ "@x", "", "@y", "", false },
	{ "*:80", "v6only = yes", "0.0.0.0:80", "", false },
	{ "*:80", "v6only = yes", "[::1]:80", "", true },
	{ "*:80", "v6only = no", "0.0.0.0:80", "", true },
	{ "[::]:80", "v6only = no", "0.0.0.0:80", "", true },
	{ "0.0.0.0:80", "", "[::]:80", "v6only = no", true },
	{ "127.0.0.1:80", "reuse-port = yes", "127.0.0.1:80", "reuse-port = yes", false },
	{ "127.0.0.1:80", "interface = lo", "127.0.0.1:80", "interface = eth0", false },
	{ "127.0.0.1:80", "enabled = no", "127.0.0.1:80", "", false },
	{ "127.0.0.1:80", "", "127.0.0.1:80", "enabled = no", false },
};

START_TEST(two_services_on_one_address_conflict)
{
	char text[512], pattern[512] = "", *said;
	struct configuration *c;

	snprintf(text, sizeof(text), "service \"a\" {\n\tlisten = {\n\t\"%s\" }\n\tbuiltin = echo %s\n}\n"
	                             "service \"b\" {\n\tlisten = {\n\t\"%s\" }\n\tbuiltin = echo %s\n}\n",
	         conflicts[_i].a, conflicts[_i].a_more, conflicts[_i].b, conflicts[_i].b_more);
	/* The brackets of IPv6 mean something to fnmatch: the addresses are looked for apart. */
	if (conflicts[_i].conflict)
		snprintf(pattern, sizeof(pattern), "main.conf:8: listen: * of service a (main.conf:3)\n");
	given_file("main.conf", text);
	c = given_configuration("main.conf", USER, &said);
	ck_assert_msg(matches(pattern, said), "%s %s and %s %s:\n%s", conflicts[_i].a, conflicts[_i].a_more, conflicts[_i].b,
	              conflicts[_i].b_more, said);
	if (conflicts[_i].conflict)
		ck_assert_msg(strstr(said, conflicts[_i].a) && strstr(said, conflicts[_i].b), "%s", said);
	configuration_free(c);
	free(said);
}
END_TEST

START_TEST(one_service_conflicts_with_itself)
{
	char *said;

	given_file("main.conf", "service \"a\" {\n\tbuiltin = echo\n\tlisten = { \"*:80\",\n\t\t\"*:81\",\n\t\t\"127.0.0.1:80\" }\n}\n");
	ck_assert_ptr_null(given_configuration("main.conf", USER, &said));
	ck_assert_msg(matches("main.conf:5: listen: 127.0.0.1:80 *:80 of service a (main.conf:3)\n", said), "%s", said);
	free(said);
}
END_TEST

START_TEST(a_conflict_across_files_names_both)
{
	char *said;

	given_file("main.conf", "include(\"other.conf\")\n\nservice \"a\" {\n\tlisten = { \"*:80\" } builtin = echo\n}\n");
	given_file("other.conf", "service \"b\" {\n\tlisten = { \"0.0.0.0:80\" } builtin = echo\n}\n");
	ck_assert_ptr_null(given_configuration("main.conf", USER, &said));
	ck_assert_msg(matches("other.conf:2: listen: 0.0.0.0:80 *:80 of service a (main.conf:4)\n", said), "%s", said);
	free(said);
}
END_TEST

/* Both listen on what stands in the defaults: its place is there and nowhere else. */
START_TEST(a_conflict_over_the_defaults_names_the_defaults)
{
	char *said;

	given_file("main.conf", "include(\"other.conf\")\nservice \"a\" { builtin = echo }\nservice \"b\" { builtin = echo }\n");
	given_file("other.conf", "\n\n\ndefaults {\n\n\tlisten = { \"127.0.0.1:80\" }\n}\n");
	ck_assert_ptr_null(given_configuration("main.conf", USER, &said));
	ck_assert_msg(matches("other.conf:6: listen: 127.0.0.1:80 *127.0.0.1:80 of service a (other.conf:6)\n", said), "%s", said);
	free(said);
}
END_TEST

/* Defaults */

START_TEST(defaults_hold_wherever_they_stand)
{
	struct configuration *c;

	given_file("main.conf", "service \"a\" { " ECHO " }\ninclude(\"other.conf\")\n");
	given_file("other.conf", "service \"b\" { listen = { \"127.0.0.1:4001\" } nice = 1 }\n"
	                         "defaults { umask = 077 nice = 5 builtin = discard workers { max = 7 min-spare = 2 } env-set = { ucspi } }\n"
	                         "service \"c\" { listen = { \"127.0.0.1:4002\" } workers { max = 9 } env-set = { xinetd } }\n");
	c = load_good("main.conf", USER);
	ck_assert_uint_eq(c->count, 3);
	ck_assert_str_eq(c->services[0]->builtin, "echo");
	ck_assert_int_eq(c->services[0]->umask, 077);
	ck_assert_int_eq(c->services[0]->nice, 5);
	ck_assert_str_eq(c->services[1]->builtin, "discard");
	ck_assert_int_eq(c->services[1]->nice, 1);
	ck_assert_int_eq(c->services[1]->workers.max, 7);
	ck_assert_uint_eq(c->services[1]->sets, VARIABLES_UCSPI);
	/* Sub-sections merge by key, lists replace. */
	ck_assert_int_eq(c->services[2]->workers.max, 9);
	ck_assert_int_eq(c->services[2]->workers.min_spare, 2);
	ck_assert_uint_eq(c->services[2]->sets, VARIABLES_XINETD);
	configuration_free(c);
}
END_TEST

/* Printing and comparing: two good values of each key. */

static const struct {
	const char *key, *one, *other;
} changes[] = {
	{ "enabled", "yes", "no" },
	{ "listen", "{ \"127.0.0.1:4000\" }", "{ \"127.0.0.1:4000\", \"[::1]:4000\" }" },
	{ "backlog", "max", "7" },
	{ "bind", "retry", "free" },
	{ "v6only", "yes", "no" },
	{ "reuse-port", "yes", "no" },
	{ "interface", "lo", "eth0" },
	{ "nodelay", "yes", "no" },
	{ "keepalive", "yes", "no" },
	{ "keepalive-idle", "1s", "1500ms" },
	{ "keepalive-interval", "1s", "2s" },
	{ "keepalive-count", "1", "2" },
	{ "defer-accept", "1s", "2s" },
	{ "send-buffer", "1K", "2K" },
	{ "receive-buffer", "1K", "2K" },
	{ "tos", "0", "16" },
	{ "mark", "0", "1" },
	{ "fast-open", "0", "1" },
	{ "socket-user", "1", "2" },
	{ "socket-group", "1", "2" },
	{ "socket-mode", "0600", "0660" },
	{ "exec", "{ \"/bin/sh\", \"-c\", \"echo \\\"a\\\\b\\\"; exit\" }", "{ \"/bin/cat\" }" },
	{ "argv0", "\"-sh\"", "\"sh \\x24{HOME}\"" },
	{ "builtin", "echo", "discard" },
	{ "stderr", "socket", "null" },
	{ "user", "12345", "12346" },
	{ "group", "12345", "12346" },
	{ "groups", "{ }", "{ \"1\", \"2\" }" },
	{ "chroot", "/", "/tmp" },
	{ "directory", "/", "/tmp" },
	{ "umask", "0", "0777" },
	{ "nice", "-5", "5" },
	{ "oom-score-adjust", "-1000", "1000" },
	{ "no-new-privileges", "yes", "no" },
	{ "limit.nofile", "5", "\"5:6\"" },
	{ "limit.core", "0", "unlimited" },
	{ "limit.cpu", "1", "2" },
	{ "limit.as", "1G", "2G" },
	{ "limit.data", "1G", "2G" },
	{ "limit.stack", "1G", "2G" },
	{ "limit.fsize", "1G", "2G" },
	{ "limit.nproc", "1", "2" },
	{ "limit.memlock", "1G", "\"1G:unlimited\"" },
	{ "environment", "{ \"A=1\", \"B=two words\" }", "{ \"A=\\n\\t\\\"'\\\\\" }" },
	{ "pass-environment", "{ }", "{ \"LANG\" }" },
	{ "env-set", "{ }", "{ systemd, xinetd }" },
	{ "workers.min-spare", "0 start = 1", "3 start = 1" }, /* start follows it otherwise */
	{ "workers.max-spare", "5", "6" },
	{ "workers.max", "10", "20" },
	{ "workers.start", "0", "2" },
	{ "workers.max-connections", "0", "1000" },
	{ "workers.recycle-jitter", "0", "\"50%\"" },
	{ "workers.idle-timeout", "0", "1min" },
	{ "launch", "preexec", "forkserver" },
	{ "stop-at", "first-io", "first-write" },
	{ "when-full", "close", "reset" },
	{ "allow", "{ \"127.0.0.1\" }", "{ \"127.0.0.0/8\", \"::1\" }" },
	{ "deny", "{ \"192.0.2.0/24\" }", "{ }" },
	{ "when-denied", "reset", "close" },
	{ "access-times", "{ \"08:00-18:00\" }", "{ \"Mon-Fri 08:00-18:00\", \"22:00-06:00\" }" },
	{ "max-load", "2.5", "\"10\"" },
	{ "rate", "\"30/min\"", "\"100/10s\"" },
	{ "burst", "1", "1000" },
	{ "per-source.max", "1", "100000" },
	{ "per-source.rate", "\"1/d\"", "\"1000/s\"" },
	{ "per-source.burst", "2", "3" },
	{ "per-source.prefix-v4", "0", "24" },
	{ "per-source.prefix-v6", "128", "48" },
	{ "when-limited", "reset", "close" },
	{ "proxy-protocol.mode", "required from = { \"::1\" }", "optional from = { \"::1\" }" },
	{ "proxy-protocol.from", "{ \"127.0.0.1\" }", "{ \"127.0.0.0/8\" }" },
	{ "proxy-protocol.timeout", "1ms", "1min" },
	{ "time-limit", "10s", "1d" },
	{ "first-byte-limit", "1", "2" },
	{ "kill-after", "0", "1min" },
	{ "banner", "\"/etc/passwd\"", "\"/etc/group\"" },
	{ "lookup-hostname", "yes", "no" },
	{ "lookup-timeout", "1ms", "10s" },
	{ "restart-delay", "\"1ms..1s\"", "\"1ms..2s\"" },
	{ "log-connections", "none", "start" },
};

START_TEST(the_table_has_every_key)
{
	int n = 0;

	for (const struct key *k = service_keys; k->name; k++, n++) {
		bool found = false;

		for (int i = 0; i < rows(changes); i++)
			found |= strcmp(changes[i].key, k->name) == 0;
		ck_assert_msg(found, "%s", k->name);
	}
	ck_assert_int_eq(rows(changes), n);
}
END_TEST

/* A service that has what it needs, and one key besides. */
static void write_service(const char *key, const char *value)
{
	const char *dot = strchr(key, '.');
	const char *handler = "builtin = echo";
	char setting[512], text[1024];

	if (dot)
		snprintf(setting, sizeof(setting), "%.*s { %s = %s }", (int)(dot - key), key, dot + 1, value);
	else
		snprintf(setting, sizeof(setting), "%s = %s", key, value);
	if (strcmp(key, "exec") == 0 || strcmp(key, "builtin") == 0)
		handler = "";
	else if (strcmp(key, "argv0") == 0)
		handler = "exec = { \"/bin/sh\" }";
	snprintf(text, sizeof(text), "service \"s\" {\n\t%s\n\t%s\n\t%s\n\t%s\n}\n",
	         strcmp(key, "listen") == 0 ? "" : "listen = { \"127.0.0.1:4000\" }", strcmp(key, "user") == 0 ? "" : "user = 12345",
	         handler, setting);
	given_file("one.conf", text);
}

static struct configuration *load_service(const char *key, const char *value)
{
	write_service(key, value);
	return load_good("one.conf", ROOT);
}

static void check_difference(const struct configuration *one, const struct configuration *other, const char *names, const char *what)
{
	char *found;

	ck_assert_uint_eq(one->count, other->count);
	for (size_t i = 0; i < one->count; i++) {
		found = configuration_difference(one->services[i], other->services[i]);
		ck_assert_msg(strcmp(found, names) == 0, "%s: \"%s\", not \"%s\"", what, found, names);
		free(found);
	}
}

/* Prints it, reads that, and prints again. */
static void check_reads_the_same(const struct configuration *c, uid_t user, const char *what)
{
	char *first = printed(c), *second;
	struct configuration *again;

	given_file("printed.conf", first);
	again = load_good("printed.conf", user);
	second = printed(again);
	ck_assert_msg(strcmp(first, second) == 0, "%s:\n%s\n%s", what, first, second);
	check_difference(c, again, "", what);
	ck_assert_str_eq(c->log_to, again->log_to);
	ck_assert_int_eq(c->log_level, again->log_level);
	ck_assert_int_eq(c->stop_timeout, again->stop_timeout);
	free(first);
	free(second);
	configuration_free(again);
}

START_TEST(what_is_printed_reads_as_the_same)
{
	struct configuration *one = load_service(changes[_i].key, changes[_i].one);
	struct configuration *other = load_service(changes[_i].key, changes[_i].other);

	check_reads_the_same(one, ROOT, changes[_i].one);
	check_reads_the_same(other, ROOT, changes[_i].other);
	configuration_free(one);
	configuration_free(other);
}
END_TEST

START_TEST(a_changed_key_is_named_and_no_other)
{
	struct configuration *one = load_service(changes[_i].key, changes[_i].one);
	struct configuration *other = load_service(changes[_i].key, changes[_i].other);

	check_difference(one, one, "", "itself");
	check_difference(one, other, changes[_i].key, "forth");
	check_difference(other, one, changes[_i].key, "back");
	configuration_free(one);
	configuration_free(other);
}
END_TEST

START_TEST(changed_keys_are_named_in_their_order)
{
	struct configuration *one, *other;

	given_file("one.conf", "service \"s\" { " ECHO " umask = 077 nice = 1 workers { max = 7 } }\n");
	given_file("other.conf", "service \"s\" { workers { max = 8 } nice = 2 " ECHO " }\n");
	one = load_good("one.conf", USER);
	other = load_good("other.conf", USER);
	check_difference(one, other, "umask, nice, workers.max", "three");
	configuration_free(one);
	configuration_free(other);
}
END_TEST

/* Where and in what order something is written is no difference. */
START_TEST(the_same_in_other_words_is_no_difference)
{
	struct configuration *one, *other;

	given_file("one.conf", "defaults { nice = 1 keepalive-idle = 2min }\nservice \"s\" { " ECHO " }\n");
	given_file("other.conf", "\n\nservice \"s\" { keepalive-idle = 120s nice = 01 umask = 22 builtin = \"echo\" listen = 127.0.0.1:4000 }\n");
	one = load_good("one.conf", USER);
	other = load_good("other.conf", USER);
	check_difference(one, other, "", "the same");
	configuration_free(one);
	configuration_free(other);
}
END_TEST

/* The same words may mean something else by now. */

START_TEST(a_changed_text_of_a_refusal_is_a_difference)
{
	struct configuration *one, *other;
	char text[5000];

	snprintf(text, sizeof(text), "service \"s\" { " ECHO " when-full = \"%s/full\" }\n", given_here());
	given_file("one.conf", text);
	given_file("full", "busy\n");
	one = load_good("one.conf", USER);
	check_reads_the_same(one, USER, "text");
	given_file("full", "Busy\n");
	other = load_good("one.conf", USER);
	check_difference(one, other, "the text of when-full", "text");
	configuration_free(one);
	configuration_free(other);
}
END_TEST

START_TEST(a_program_that_is_found_elsewhere_is_a_difference)
{
	struct configuration *one, *other;
	char text[9000];

	snprintf(text, sizeof(text), "service \"s\" { listen = { \"127.0.0.1:4000\" } exec = { \"program\" } "
	                             "environment = { \"PATH=%s/one:%s/other\" } }\n", given_here(), given_here());
	given_file("one.conf", text);
	mkdir("one", 0755);
	mkdir("other", 0755);
	given_file("other/program", "");
	chmod("other/program", 0755);
	one = load_good("one.conf", USER);
	given_file("one/program", "");
	chmod("one/program", 0755);
	other = load_good("one.conf", USER);
	check_difference(one, other, "the place of the program", "program");
	configuration_free(one);
	configuration_free(other);
}
END_TEST

START_TEST(a_changed_environment_of_the_daemon_is_a_difference)
{
	char de[] = "LANG=de", c_locale[] = "LANG=C";
	char *before[] = { c_locale, NULL }, *after[] = { de, NULL };
	struct complaints complaints = { 0 };
	struct configuration *one, *other;

	given_file("one.conf", "service \"s\" { " ECHO " }\n");
	one = configuration_load("one.conf", &(struct surroundings){ USER, before }, &complaints);
	other = configuration_load("one.conf", &(struct surroundings){ USER, after }, &complaints);
	ck_assert_uint_eq(complaints.count, 0);
	check_difference(one, other, "the environment's values", "environment");
	configuration_free(one);
	configuration_free(other);
}
END_TEST

START_TEST(everything_together_is_printed_and_reads_as_the_same)
{
	struct configuration *c;

	given_file("main.conf",
	           "log { to = \"file:/tmp/a \\\"b\\\"\" level = warning }\npid-file = \"/run/${UNSET:-x}\"\nstop-timeout = 1500ms\n"
	           "defaults { limit { nofile = 100 core = 0 } environment = { \"A=\\x01\\x24{B}\" } }\n"
	           "service \"one\" { listen = { \"*:4000\", \"@a b\", \"/tmp/s\\\\x\" } builtin = echo socket-mode = 0 workers { max = 9 } }\n"
	           "service \"two\" { listen = { \"127.0.0.1:4001\" } exec = { \"/bin/sh\", \"\", \"-c\", \"x\\ny\" } user = 12345 }\n");
	c = load_good("main.conf", ROOT);
	check_reads_the_same(c, ROOT, "everything");
	configuration_free(c);
}
END_TEST

START_TEST(what_is_printed_has_every_default)
{
	struct configuration *c;
	char *text;

	given_file("main.conf", "service \"a\" { " ECHO " }\n");
	c = load_good("main.conf", USER);
	text = printed(c);
	ck_assert_ptr_nonnull(strstr(text, "\tlevel = info\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nservice \"a\" {\n"));
	ck_assert_ptr_nonnull(strstr(text, "\tbacklog = max\n"));
	ck_assert_ptr_nonnull(strstr(text, "\t\tmax-spare = 4\n"));
	ck_assert_ptr_nonnull(strstr(text, "\trestart-delay = \"100ms..30s\"\n"));
	ck_assert_ptr_null(strstr(text, "nodelay")); /* the system's own */
	free(text);
	configuration_free(c);
}
END_TEST

START_TEST(reading_a_bad_file_leaves_the_next_one_alone)
{
	char *said;

	given_file("bad.conf", "service \"a\" {\n\tuser = \"a\n");
	given_file("main.conf", "service \"a\" { " ECHO " }\n");
	ck_assert_ptr_null(given_configuration("bad.conf", USER, &said));
	free(said);
	configuration_free(load_good("main.conf", USER));
}
END_TEST

Suite *configuration_suite(void)
{
	Suite *s = suite_create("configuration");
	TCase *t = tcase_create("configuration");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_test(t, without_a_word_the_daemon_has_its_defaults);
	tcase_add_test(t, what_is_written_is_there);
	tcase_add_loop_test(t, a_mistake_is_told_with_its_file_and_line, 0, rows(bad));
	tcase_add_test(t, a_missing_file_is_told);
	tcase_add_loop_test(t, a_value_is_taken_or_complained_of, 0, rows(values));
	tcase_add_loop_test(t, two_services_on_one_address_conflict, 0, rows(conflicts));
	tcase_add_test(t, one_service_conflicts_with_itself);
	tcase_add_test(t, a_conflict_across_files_names_both);
	tcase_add_test(t, a_conflict_over_the_defaults_names_the_defaults);
	tcase_add_test(t, defaults_hold_wherever_they_stand);
	tcase_add_test(t, the_table_has_every_key);
	tcase_add_loop_test(t, what_is_printed_reads_as_the_same, 0, rows(changes));
	tcase_add_loop_test(t, a_changed_key_is_named_and_no_other, 0, rows(changes));
	tcase_add_test(t, changed_keys_are_named_in_their_order);
	tcase_add_test(t, the_same_in_other_words_is_no_difference);
	tcase_add_test(t, a_changed_text_of_a_refusal_is_a_difference);
	tcase_add_test(t, a_program_that_is_found_elsewhere_is_a_difference);
	tcase_add_test(t, a_changed_environment_of_the_daemon_is_a_difference);
	tcase_add_test(t, everything_together_is_printed_and_reads_as_the_same);
	tcase_add_test(t, what_is_printed_has_every_default);
	tcase_add_test(t, reading_a_bad_file_leaves_the_next_one_alone);
	suite_add_tcase(s, t);
	return s;
}
