/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "complaints.h"
#include "given.h"

#include <stdlib.h>
#include <string.h>

START_TEST(complaints_are_kept_in_order)
{
	struct complaints c = { 0 };
	char *text;

	complain(&c, "b.conf", 3, "%s: %d is too many", "max", 7);
	complain(&c, "a.conf", 1, "second");
	complain(&c, NULL, 0, "of no place");
	text = given_complaints(&c);
	ck_assert_str_eq(text, "b.conf:3: max: 7 is too many\na.conf:1: second\n:0: of no place\n");
	free(text);
	complaints_free(&c);
}
END_TEST

START_TEST(the_same_complaint_is_kept_once)
{
	struct complaints c = { 0 };

	for (int i = 0; i < 3; i++) {
		complain(&c, "a.conf", 1, "text");
		complain(&c, NULL, 0, "text");
	}
	ck_assert_uint_eq(c.count, 2);
	complaints_free(&c);
}
END_TEST

START_TEST(another_file_line_or_text_is_another_complaint)
{
	struct complaints c = { 0 };

	complain(&c, "a.conf", 1, "text");
	complain(&c, "b.conf", 1, "text");
	complain(&c, "a.conf", 2, "text");
	complain(&c, "a.conf", 1, "texts");
	complain(&c, NULL, 1, "text");
	ck_assert_uint_eq(c.count, 5);
	complaints_free(&c);
}
END_TEST

START_TEST(a_complaint_has_its_own_copy_of_the_file_name)
{
	struct complaints c = { 0 };
	char name[] = "a.conf";

	complain(&c, name, 1, "text");
	name[0] = 'z';
	ck_assert_str_eq(c.list[0].file, "a.conf");
	complaints_free(&c);
}
END_TEST

START_TEST(a_complaint_may_be_long)
{
	struct complaints c = { 0 };
	char long_text[5000];

	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	complain(&c, "a.conf", 1, "%s!", long_text);
	ck_assert_uint_eq(strlen(c.list[0].text), sizeof(long_text));
	complaints_free(&c);
}
END_TEST

START_TEST(after_freeing_there_are_none)
{
	struct complaints c = { 0 };

	complaints_free(&c);
	complain(&c, "a.conf", 1, "text");
	complaints_free(&c);
	ck_assert_uint_eq(c.count, 0);
	ck_assert_ptr_null(c.list);
	complain(&c, "a.conf", 1, "text");
	ck_assert_uint_eq(c.count, 1);
	complaints_free(&c);
}
END_TEST

Suite *complaints_suite(void)
{
	Suite *s = suite_create("complaints");
	TCase *t = tcase_create("complaints");

	tcase_add_test(t, complaints_are_kept_in_order);
	tcase_add_test(t, the_same_complaint_is_kept_once);
	tcase_add_test(t, another_file_line_or_text_is_another_complaint);
	tcase_add_test(t, a_complaint_has_its_own_copy_of_the_file_name);
	tcase_add_test(t, a_complaint_may_be_long);
	tcase_add_test(t, after_freeing_there_are_none);
	suite_add_tcase(s, t);
	return s;
}
