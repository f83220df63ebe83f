/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "hint.h"

#include <string.h>

static const char *const candidates[] = { "listen", "backlog", "exec", "user", "group", "groups", "nice", "workers", "min-spare", NULL };

static const struct {
	const char *word, *nearest; /* NULL: none */
} words[] = {
	{ "listen", "listen" },   { "lisen", "listen" },    { "listn", "listen" },       { "listenn", "listen" }, { "lsiten", "listen" },
	{ "Listen", "listen" },   { "backlogs", "backlog" }, { "exce", "exec" },          { "uesr", "user" },      { "usr", "user" },
	{ "grops", "groups" },    { "group", "group" },     { "min_spare", "min-spare" }, { "minspare", "min-spare" },
	{ "wokrers", "workers" }, { "rice", "nice" },       { "", NULL },                { "x", NULL },           { "zz", NULL },
	{ "color", NULL },        { "something-else", NULL },
};

START_TEST(a_mistyped_word_finds_the_nearest)
{
	const char *found = hint_nearest(words[_i].word, candidates), *wanted = words[_i].nearest;

	ck_assert_msg(wanted ? found && strcmp(found, wanted) == 0 : !found, "\"%s\": %s", words[_i].word, found ? found : "none");
}
END_TEST

START_TEST(of_equally_near_words_the_first_is_taken)
{
	static const char *const list[] = { "bat", "cat", NULL };

	ck_assert_str_eq(hint_nearest("rat", list), "bat");
}
END_TEST

START_TEST(without_candidates_there_is_no_hint)
{
	static const char *const none[] = { NULL };

	ck_assert_ptr_null(hint_nearest("listen", none));
}
END_TEST

static const size_t lengths[] = { 62, 63, 64, 100, 183, 184, 190, 1000 };

/* A word of that length is near to nothing that is short. */
START_TEST(a_word_of_any_length_is_near_to_no_short_one)
{
	char word[1001];
	const char *found;

	memset(word, 'x', lengths[_i]);
	word[lengths[_i]] = '\0';
	found = hint_nearest(word, candidates);
	ck_assert_msg(!found, "%zu letters: %s", lengths[_i], found);
}
END_TEST

START_TEST(long_words_are_compared_too)
{
	char word[64], good[64];
	const char *const list[] = { "exec", good, NULL };

	memset(good, 'x', 63);
	good[63] = '\0';
	memcpy(word, good, sizeof(good));
	word[30] = 'y';
	ck_assert_ptr_eq(hint_nearest(word, list), good);
}
END_TEST

Suite *hint_suite(void)
{
	Suite *s = suite_create("hint");
	TCase *t = tcase_create("hint");

	tcase_add_loop_test(t, a_mistyped_word_finds_the_nearest, 0, rows(words));
	tcase_add_test(t, of_equally_near_words_the_first_is_taken);
	tcase_add_test(t, without_candidates_there_is_no_hint);
	tcase_add_loop_test(t, a_word_of_any_length_is_near_to_no_short_one, 0, rows(lengths));
	tcase_add_test(t, long_words_are_compared_too);
	suite_add_tcase(s, t);
	return s;
}
