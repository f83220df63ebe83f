/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "configuration.h"
#include "document.h"
#include "given.h"
#include "keys.h"
#include "value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(a_key_is_found_by_its_whole_name)
{
	ck_assert_ptr_eq(key_find(service_keys, service_keys[0].name), &service_keys[0]);
	ck_assert_str_eq(key_find(service_keys, "workers.max")->name, "workers.max");
	ck_assert_str_eq(key_find(global_keys, "log.to")->name, "log.to");
	ck_assert_ptr_null(key_find(service_keys, "workers"));
	ck_assert_ptr_null(key_find(service_keys, "max"));
	ck_assert_ptr_null(key_find(service_keys, "workers.ma"));
	ck_assert_ptr_null(key_find(service_keys, "log.to"));
	ck_assert_ptr_null(key_find(service_keys, ""));
}
END_TEST

static const struct key *const tables[] = { service_keys, global_keys };

START_TEST(no_two_keys_have_one_name_or_one_field)
{
	for (const struct key *k = tables[_i]; k->name; k++) {
		ck_assert_ptr_eq(key_find(tables[_i], k->name), k);
		for (const struct key *other = k + 1; other->name; other++)
			ck_assert_msg(other->offset != k->offset, "%s and %s", k->name, other->name);
	}
}
END_TEST

static size_t prefix(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? (size_t)(dot - name) : 0;
}

/* The grammar is built from keys that follow each other, and printing opens and closes sub-sections as they come. */
START_TEST(the_keys_of_a_sub_section_stand_together)
{
	for (const struct key *k = tables[_i]; k->name; k++) {
		size_t n = prefix(k->name);
		bool over = false;

		for (const struct key *other = k + 1; n > 0 && other->name; other++) {
			bool same = prefix(other->name) == n && strncmp(other->name, k->name, n) == 0;

			ck_assert_msg(!(same && over), "%s and %s", k->name, other->name);
			over |= !same;
		}
	}
}
END_TEST

START_TEST(what_is_a_choice_has_choices_and_what_is_a_number_has_limits)
{
	for (const struct key *k = tables[_i]; k->name; k++) {
		ck_assert_msg(k->min <= k->max, "%s", k->name);
		ck_assert_msg(k->type->read && k->type->print, "%s", k->name);
		ck_assert_msg(!k->choices || k->choices[0], "%s", k->name);
	}
}
END_TEST

static const struct {
	const char *text, *printed;
} texts[] = {
	{ "", "\"\"" },
	{ "plain", "\"plain\"" },
	{ "two words", "\"two words\"" },
	{ "a\"b", "\"a\\\"b\"" },
	{ "a\\b", "\"a\\\\b\"" },
	{ "a\nb", "\"a\\x0ab\"" },
	{ "a\tb\x7f", "\"a\\x09b\\x7f\"" },
	{ "a'b # c", "\"a'b # c\"" },
	{ "$HOME", "\"$HOME\"" },
	{ "${HOME}", "\"\\x24{HOME}\"" },
	{ "$", "\"$\"" },
	{ "$${", "\"$\\x24{\"" },
	{ "\xc3\xa4", "\"\xc3\xa4\"" },
};

START_TEST(a_text_is_put_between_quotes)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	key_print_text(texts[_i].text, f);
	fclose(f);
	ck_assert_msg(strcmp(out, texts[_i].printed) == 0, "%s: %s", texts[_i].printed, out);
	free(out);
}
END_TEST

/* Writes `pid-file = TEXT` as it is printed, and reads it. */
static void check_reads_the_same(const char *text)
{
	struct complaints c = { 0 };
	struct document d = { 0 };
	const struct setting *s;
	FILE *f = fopen("main.conf", "w");

	ck_assert_ptr_nonnull(f);
	fputs("pid-file = ", f);
	key_print_text(text, f);
	fputs("\nstop-timeout = 7\n", f);
	fclose(f);
	document_read(&d, "main.conf", &c);
	ck_assert_msg(c.count == 0, "%s: %s", text, c.count ? c.list[0].text : "");
	s = section_find(&d.sections[0], key_find(global_keys, "pid-file"));
	ck_assert_msg(s && strcmp(s->values[0], text) == 0, "\"%s\" reads as \"%s\"", text, s ? s->values[0] : "nothing");
	s = section_find(&d.sections[0], key_find(global_keys, "stop-timeout"));
	ck_assert_msg(s && s->line == 2, "\"%s\": line %d", text, s ? s->line : 0);
	document_free(&d);
	complaints_free(&c);
}

START_TEST(every_byte_reads_as_it_was)
{
	char text[8];

	for (int c = 1; c < 256; c++) {
		snprintf(text, sizeof(text), "%c", c);
		check_reads_the_same(text);
		/* A digit behind it must not become part of an escape. */
		snprintf(text, sizeof(text), "a%c1{", c);
		check_reads_the_same(text);
	}
}
END_TEST

START_TEST(all_bytes_together_read_as_they_were)
{
	char text[256];

	for (int i = 0; i < 255; i++)
		text[i] = (char)(i + 1);
	text[255] = '\0';
	check_reads_the_same(text);
}
END_TEST

static const char *const tricky[] = {
	"", "${HOME}", "$${HOME}", "${", "$", "\\${HOME}", "\\", "\\\\", "\"", "'", "\"\"", "#", "/* */", "//", "a\\\nb", "\\x41", "\\n", "}", "{",
	"a=b", ",", "+=", "%s%n", "include(\"x\")",
};

START_TEST(a_tricky_text_reads_as_it_was)
{
	check_reads_the_same(tricky[_i]);
}
END_TEST

START_TEST(a_long_text_reads_as_it_was)
{
	char *text = malloc(100001);

	memset(text, 'x', 100000);
	text[100000] = '\0';
	check_reads_the_same(text);
	free(text);
}
END_TEST

/* A type reads into its field, prints it, and releases it. */
static const struct {
	const char *key;
	const char *values[4]; /* end with NULL */
	const char *printed;
} types[] = {
	{ "user", { "a b" }, "\"a b\"" },
	{ "listen", { "a", "b" }, "{ \"a\", \"b\" }" },
	{ "listen", { NULL }, "{ }" },
	{ "keepalive-count", { "7" }, "7" },
	{ "nice", { "-7" }, "-7" },
	{ "keepalive-idle", { "2min" }, "120s" },
	{ "send-buffer", { "64K" }, "65536" },
	{ "nodelay", { "On" }, "yes" },
	{ "nodelay", { "false" }, "no" },
	{ "umask", { "77" }, "0077" },
	{ "bind", { "retry" }, "retry" },
	{ "env-set", { "xinetd", "ucspi" }, "{ \"ucspi\", \"xinetd\" }" },
	{ "env-set", { NULL }, "{ }" },
	{ "env-set", { "ucspi", "ucspi" }, "{ \"ucspi\" }" },
	{ "backlog", { "max" }, "max" },
	{ "backlog", { "128" }, "128" },
	{ "workers.recycle-jitter", { "5%" }, "5" },
	{ "restart-delay", { "1ms..1min" }, "\"1ms..60s\"" },
	{ "limit.core", { "0" }, "\"0:0\"" },
	{ "limit.core", { "1K:unlimited" }, "\"1024:unlimited\"" },
	{ "limit.core", { "unlimited" }, "\"unlimited:unlimited\"" },
};

static char *printed(const struct key *k, const struct service_config *c)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);
	bool set = k->type->print(k, (const char *)c + k->offset, f);

	fclose(f);
	if (set)
		return out;
	ck_assert_msg(out[0] == '\0', "%s: %s", k->name, out);
	free(out);
	return NULL;
}

START_TEST(a_value_is_read_and_printed)
{
	const struct key *k = key_find(service_keys, types[_i].key);
	struct service_config *c = service_config_new();
	char *values[4] = { 0 }, why[VALUE_WHY] = "", *out;
	struct setting s = { .key = k, .values = values };
	size_t bad = 0;
	void *field = (char *)c + k->offset;

	for (; types[_i].values[s.count]; s.count++)
		values[s.count] = strdup(types[_i].values[s.count]);
	/* Twice, as a service does after its defaults: nothing of the first is left. */
	ck_assert_msg(k->type->read(k, &s, field, why, &bad) == 0, "%s: %s", k->name, why);
	ck_assert_msg(k->type->read(k, &s, field, why, &bad) == 0, "%s: %s", k->name, why);
	out = printed(k, c);
	ck_assert_msg(out && strcmp(out, types[_i].printed) == 0, "%s: %s", k->name, out ? out : "nothing");
	if (k->type->release)
		k->type->release(field);
	free(out);
	for (size_t i = 0; i < s.count; i++)
		free(values[i]);
	service_config_release(c);
}
END_TEST

START_TEST(what_is_not_set_is_not_printed)
{
	static const char *const unset[] = { "listen", "v6only", "interface", "keepalive-idle", "send-buffer", "tos", "exec", "user", "groups",
		                             "oom-score-adjust", "limit.nofile", "limit.cpu", "environment" };
	struct service_config *c = service_config_new();

	for (int i = 0; i < rows(unset); i++)
		ck_assert_msg(!printed(key_find(service_keys, unset[i]), c), "%s", unset[i]);
	service_config_release(c);
}
END_TEST

START_TEST(the_bad_value_of_a_list_is_pointed_at)
{
	const struct key *k = key_find(service_keys, "env-set");
	char one[] = "ucspi", two[] = "systemd", three[] = "ucspy", why[VALUE_WHY] = "";
	char *values[] = { one, two, three, NULL };
	const struct setting s = { .key = k, .values = values, .count = 3 };
	unsigned field = 7;
	size_t bad = 0;

	ck_assert_int_eq(k->type->read(k, &s, &field, why, &bad), -1);
	ck_assert_uint_eq(bad, 2);
	ck_assert_ptr_nonnull(strstr(why, "ucspy"));
	ck_assert_ptr_nonnull(strstr(why, "ucspi systemd xinetd"));
	ck_assert_uint_eq(field, 7);
}
END_TEST

Suite *keys_suite(void)
{
	Suite *s = suite_create("keys");
	TCase *t = tcase_create("keys");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_test(t, a_key_is_found_by_its_whole_name);
	tcase_add_loop_test(t, no_two_keys_have_one_name_or_one_field, 0, rows(tables));
	tcase_add_loop_test(t, the_keys_of_a_sub_section_stand_together, 0, rows(tables));
	tcase_add_loop_test(t, what_is_a_choice_has_choices_and_what_is_a_number_has_limits, 0, rows(tables));
	tcase_add_loop_test(t, a_text_is_put_between_quotes, 0, rows(texts));
	tcase_add_test(t, every_byte_reads_as_it_was);
	tcase_add_test(t, all_bytes_together_read_as_they_were);
	tcase_add_loop_test(t, a_tricky_text_reads_as_it_was, 0, rows(tricky));
	tcase_add_test(t, a_long_text_reads_as_it_was);
	tcase_add_loop_test(t, a_value_is_read_and_printed, 0, rows(types));
	tcase_add_test(t, what_is_not_set_is_not_printed);
	tcase_add_test(t, the_bad_value_of_a_list_is_pointed_at);
	suite_add_tcase(s, t);
	return s;
}
