/* SPDX-License-Identifier: ISC */
/* A server without workers: what its gates are, and what they say on the boards of the pools. */
#include "config.h"

#include "suites.h"
#include "gate.h"
#include "given.h"
#include "hours.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct server server;

static struct {
	int lines;
	char text[LOG_LINE];
} heard;

static void hear(enum log_level level, const char *line, void *data)
{
	(void)level;
	(void)data;
	heard.lines++;
	snprintf(heard.text, sizeof(heard.text), "%s", line);
}

static void start_server(void)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV);

	setenv("TZ", "UTC0", 1);
	tzset();
	memset(&heard, 0, sizeof(heard));
	log_to(hear, NULL);
	ck_assert_ptr_nonnull(loop);
	ck_assert_int_eq(server_init(&server, loop), 0);
}

static void end_server(void)
{
	server_free(&server);
	ev_loop_destroy(server.loop);
	log_to(NULL, NULL);
	unsetenv("TZ");
	tzset();
}

/* entry: "" for none. */
static struct service_config *config_of(const char *entry, int max_load)
{
	struct service_config *c = service_config_new();
	char why[HOURS_WHY] = "";

	ck_assert_ptr_nonnull(c);
	c->name = strdup("git");
	c->max_load = max_load;
	if (entry[0]) {
		c->hours = calloc(1, sizeof(*c->hours));
		ck_assert_msg(hours_add(c->hours, entry, why) == 0, "%s", why);
	}
	return c;
}

static struct service *given_service(const char *entry, int max_load)
{
	struct service_config *c = config_of(entry, max_load);
	struct service *s = server_add(&server, c);

	service_config_release(c);
	ck_assert_ptr_nonnull(s);
	return s;
}

static void change_config(struct service *s, const char *entry, int max_load)
{
	service_config_release(s->config);
	s->config = config_of(entry, max_load);
	gate_follow(s);
}

static struct pool *given_pool(struct service *s)
{
	const struct endpoint e = given_endpoint("127.0.0.1:0");
	char why[LOG_LINE] = "";
	struct listener *l = listener_open(&e, &s->config->socket, 0, why, sizeof(why));

	ck_assert_msg(l, "%s", why);
	ck_assert_int_eq(service_open_pool(s, l, 0), 0);
	listener_release(l);
	return TAILQ_LAST(&s->pools, pool_list);
}

static unsigned said(const struct pool *p)
{
	return atomic_load(&p->board.header->gate);
}

#define MONDAY_NOON 1772452800 /* 2026-03-02 12:00:00 UTC */
#define OFF UNSET

static const struct {
	const char *what, *entry;
	int max_load, load;
	enum refusal state;
} decisions[] = {
	{ "without limits it is open", "", OFF, 100000, REFUSED_NOT },
	{ "within the hours", "Mon 12:00-12:01", OFF, 100000, REFUSED_NOT },
	{ "before the hours", "Mon 12:01-12:02", OFF, 0, REFUSED_HOURS },
	{ "after the hours", "Mon 11:59-12:00", OFF, 0, REFUSED_HOURS },
	{ "on another day", "Tue 12:00-12:01", OFF, 0, REFUSED_HOURS },
	{ "below the load", "", 1000, 999, REFUSED_NOT },
	{ "at the load", "", 1000, 1000, REFUSED_NOT },
	{ "above the load", "", 1000, 1001, REFUSED_LOAD },
	{ "any load is above none", "", 0, 1, REFUSED_LOAD },
	{ "no load is not above none", "", 0, 0, REFUSED_NOT },
	{ "a load that is not known is no reason", "", 0, LOAD_UNKNOWN, REFUSED_NOT },
	{ "within the hours and above the load", "00:00-24:00", 1000, 1001, REFUSED_LOAD },
	{ "outside of the hours and above the load", "Tue 00:00-24:00", 1000, 1001, REFUSED_HOURS },
	{ "outside of the hours and below the load", "Tue 00:00-24:00", 1000, 0, REFUSED_HOURS },
};

START_TEST(hours_and_load_decide_and_hours_come_first)
{
	struct service_config *c = config_of(decisions[_i].entry, decisions[_i].max_load);

	ck_assert_msg(gate_decide(c, MONDAY_NOON, decisions[_i].load) == decisions[_i].state, "%s", decisions[_i].what);
	service_config_release(c);
}
END_TEST

START_TEST(a_change_is_said_on_every_board_and_logged_once)
{
	struct service *s = given_service("", 1000);
	struct pool *pools[] = { given_pool(s), given_pool(s) };

	server.load.latest = 0;
	gate_look(s, MONDAY_NOON);
	heard.lines = 0;
	server.load.latest = 1230;
	for (int i = 0; i < 3; i++)
		gate_look(s, MONDAY_NOON);
	ck_assert_uint_eq(said(pools[0]), REFUSED_LOAD);
	ck_assert_uint_eq(said(pools[1]), REFUSED_LOAD);
	ck_assert_int_eq(heard.lines, 1);
	ck_assert_str_eq(heard.text, "git: load 12.30 is above max-load 10.00: clients are refused");
	server.load.latest = 1000;
	for (int i = 0; i < 3; i++)
		gate_look(s, MONDAY_NOON);
	ck_assert_uint_eq(said(pools[0]), REFUSED_NOT);
	ck_assert_uint_eq(said(pools[1]), REFUSED_NOT);
	ck_assert_int_eq(heard.lines, 2);
	ck_assert_str_eq(heard.text, "git: open again");
}
END_TEST

START_TEST(from_hour_to_hour_the_gate_is_opened_and_shut)
{
	struct service *s = given_service("00:00-24:00", OFF);
	struct pool *p = given_pool(s);
	char why[HOURS_WHY];

	memset(s->config->hours, 0, sizeof(*s->config->hours));
	ck_assert_int_eq(hours_add(s->config->hours, "Mon 11:00-13:00", why), 0);
	gate_look(s, MONDAY_NOON);
	ck_assert_uint_eq(said(p), REFUSED_NOT);
	ck_assert_int_eq(heard.lines, 0);
	gate_look(s, MONDAY_NOON + 60 * 60);
	ck_assert_uint_eq(said(p), REFUSED_HOURS);
	ck_assert_str_eq(heard.text, "git: outside of its access-times from now on: clients are refused");
	gate_look(s, MONDAY_NOON + 60 * 60 - 1);
	ck_assert_uint_eq(said(p), REFUSED_NOT);
	ck_assert_str_eq(heard.text, "git: open again");
	ck_assert_int_eq(heard.lines, 2);
}
END_TEST

/* Hours that hold for no minute of the week are those of a service that is shut for certain, whatever the time is. */
static void shut_for_good(struct service *s)
{
	memset(s->config->hours, 0, sizeof(*s->config->hours));
	gate_follow(s);
}

START_TEST(a_new_pool_is_told_before_it_has_a_worker)
{
	struct service *s = given_service("00:00-24:00", OFF);

	ck_assert_uint_eq(said(given_pool(s)), REFUSED_NOT);
	shut_for_good(s);
	ck_assert_uint_eq(said(given_pool(s)), REFUSED_HOURS);
}
END_TEST

START_TEST(another_configuration_has_another_gate_at_once)
{
	struct service *s = given_service("00:00-24:00", OFF);
	struct pool *p = given_pool(s);

	shut_for_good(s);
	ck_assert_uint_eq(said(p), REFUSED_HOURS);
	change_config(s, "", OFF);
	ck_assert_uint_eq(said(p), REFUSED_NOT);
	ck_assert_str_eq(heard.text, "git: open again");
	ck_assert(!ev_is_active(&s->gate.hour));
}
END_TEST

START_TEST(a_gate_with_hours_is_looked_at_when_they_change)
{
	struct service *s = given_service("00:00-24:00", OFF);
	time_t now = (time_t)ev_now(server.loop);

	ck_assert(ev_is_active(&s->gate.hour));
	ck_assert_int_eq((time_t)ev_periodic_at(&s->gate.hour), hours_next(s->config->hours, now));
}
END_TEST

/* As when the clock was set: libev then asks each watcher anew. */
START_TEST(what_is_due_already_is_done_at_once)
{
	struct service *s = given_service("00:00-24:00", OFF);
	struct pool *p = given_pool(s);

	memset(s->config->hours, 0, sizeof(*s->config->hours));
	ev_periodic_again(server.loop, &s->gate.hour);
	while (said(p) == REFUSED_NOT)
		ev_run(server.loop, EVRUN_ONCE);
	ck_assert_uint_eq(said(p), REFUSED_HOURS);
	while (ev_periodic_at(&s->gate.hour) <= ev_now(server.loop)) /* it settles, and does not go on at once for ever */
		ev_run(server.loop, EVRUN_ONCE);
}
END_TEST

START_TEST(the_load_is_watched_while_a_service_minds_it)
{
	struct service *s = given_service("00:00-24:00", OFF);

	ck_assert(!ev_is_active(&server.load.timer));
	change_config(s, "", 100000000);
	ck_assert(ev_is_active(&server.load.timer));
	ck_assert_int_ne(server.load.latest, LOAD_UNKNOWN);
	ev_invoke(server.loop, &server.load.timer, EV_TIMER);
	ck_assert(ev_is_active(&server.load.timer));
	change_config(s, "", OFF);
	ev_invoke(server.loop, &server.load.timer, EV_TIMER);
	ck_assert(!ev_is_active(&server.load.timer));
}
END_TEST

START_TEST(the_load_is_read_anew_each_time)
{
	struct service *s = given_service("", 100000000);
	struct pool *p = given_pool(s);

	server.load.latest = 100000001;
	gate_look(s, MONDAY_NOON);
	ck_assert_uint_eq(said(p), REFUSED_LOAD);
	ev_invoke(server.loop, &server.load.timer, EV_TIMER);
	ck_assert_uint_eq(said(p), REFUSED_NOT);
}
END_TEST

START_TEST(a_disabled_service_has_no_gate)
{
	struct service *s = given_service("00:00-24:00", 0);

	s->config->enabled = false;
	gate_follow(s);
	ck_assert(!ev_is_active(&s->gate.hour));
	ev_invoke(server.loop, &server.load.timer, EV_TIMER);
	ck_assert(!ev_is_active(&server.load.timer));
}
END_TEST

Suite *gate_suite(void)
{
	Suite *s = suite_create("gate");
	TCase *t = tcase_create("gate");

	tcase_add_checked_fixture(t, start_server, end_server);
	tcase_add_loop_test(t, hours_and_load_decide_and_hours_come_first, 0, rows(decisions));
	tcase_add_test(t, a_change_is_said_on_every_board_and_logged_once);
	tcase_add_test(t, from_hour_to_hour_the_gate_is_opened_and_shut);
	tcase_add_test(t, a_new_pool_is_told_before_it_has_a_worker);
	tcase_add_test(t, another_configuration_has_another_gate_at_once);
	tcase_add_test(t, a_gate_with_hours_is_looked_at_when_they_change);
	tcase_add_test(t, what_is_due_already_is_done_at_once);
	tcase_add_test(t, the_load_is_watched_while_a_service_minds_it);
	tcase_add_test(t, the_load_is_read_anew_each_time);
	tcase_add_test(t, a_disabled_service_has_no_gate);
	suite_add_tcase(s, t);
	return s;
}
