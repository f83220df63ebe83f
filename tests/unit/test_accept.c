/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "accept.h"

#include <errno.h>
#include <string.h>

static const struct {
	int error;
	enum accept_verdict verdict;
} table[] = {
	{ EINTR, ACCEPT_AGAIN },       { ECONNABORTED, ACCEPT_AGAIN }, { EPROTO, ACCEPT_AGAIN },  { EPERM, ACCEPT_AGAIN },
	{ ENETDOWN, ACCEPT_AGAIN },    { EHOSTUNREACH, ACCEPT_AGAIN }, { ETIMEDOUT, ACCEPT_AGAIN }, { EAGAIN, ACCEPT_READY },
	{ EWOULDBLOCK, ACCEPT_READY }, { EMFILE, ACCEPT_PAUSE },       { ENFILE, ACCEPT_PAUSE },  { ENOMEM, ACCEPT_PAUSE },
	{ ENOBUFS, ACCEPT_PAUSE },     { ENOTSOCK, ACCEPT_ENDED },     { EINVAL, ACCEPT_ENDED },  { EBADF, ACCEPT_BROKEN },
	{ EFAULT, ACCEPT_BROKEN },     { ENOSYS, ACCEPT_BROKEN },      { 0, ACCEPT_BROKEN },
};

START_TEST(each_errno_has_its_verdict)
{
	ck_assert_msg(accept_verdict(table[_i].error) == table[_i].verdict, "%s", strerror(table[_i].error));
}
END_TEST

Suite *accept_suite(void)
{
	Suite *s = suite_create("accept");
	TCase *t = tcase_create("accept");

	tcase_add_loop_test(t, each_errno_has_its_verdict, 0, rows(table));
	suite_add_tcase(s, t);
	return s;
}
