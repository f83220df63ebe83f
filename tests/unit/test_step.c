/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "step.h"

#include <limits.h>
#include <string.h>

START_TEST(every_step_has_a_text_of_its_own)
{
	ck_assert_str_ne(step_text((unsigned)_i), "");
	ck_assert_msg(strcmp(step_text((unsigned)_i), step_text(STEPS)) != 0, "step %d has no text", _i);
	for (int i = 0; i < _i; i++)
		ck_assert_msg(strcmp(step_text((unsigned)i), step_text((unsigned)_i)) != 0, "%d and %d", i, _i);
}
END_TEST

/* A worker may have written any number on the board. */
START_TEST(an_unknown_step_has_a_text_too)
{
	ck_assert_str_eq(step_text(STEPS), "do an unknown step");
	ck_assert_str_eq(step_text(UINT_MAX), "do an unknown step");
}
END_TEST

Suite *step_suite(void)
{
	Suite *s = suite_create("step");
	TCase *t = tcase_create("step");

	tcase_add_loop_test(t, every_step_has_a_text_of_its_own, 0, STEPS);
	tcase_add_test(t, an_unknown_step_has_a_text_too);
	suite_add_tcase(s, t);
	return s;
}
