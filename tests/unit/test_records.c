/* SPDX-License-Identifier: ISC */
/* Whatever a worker writes into its pool's record pipe, the master goes on. */
#include "config.h"

#include "suites.h"
#include "given.h"
#include "records.h"
#include "server.h"

#include <sys/mman.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pool pool;
static struct pool_worker worker;
static struct pool_worker *workers[1];
static char logged[4096];

static void keep(enum log_level level, const char *line, void *data)
{
	size_t length = strlen(logged);

	(void)data;
	(void)level;
	snprintf(logged + length, sizeof(logged) - length, "%s\n", line);
}

static void prepare(void)
{
	void *memory = mmap(NULL, board_size(1), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(memory != MAP_FAILED);
	memset(&pool, 0, sizeof(pool));
	ck_assert_int_eq(pipe2(pool.record, O_CLOEXEC | O_NONBLOCK), 0);
	board_attach(&pool.board, memory, 1);
	pool.config = service_config_new();
	pool.config->name = strdup("test");
	pool.config->log_connections = LOG_CONNECTIONS_BOTH;
	workers[0] = &worker;
	pool.workers = workers;
	worker = (struct pool_worker){ .pool = &pool, .pid = 4711, .born = server_now() };
	logged[0] = '\0';
	log_to(keep, NULL);
	log_set_level(LOG_LEVEL_INFO);
}

static void clean_up(void)
{
	log_to(NULL, NULL);
	munmap(pool.board.header, board_size(1));
	close(pool.record[0]);
	close(pool.record[1]);
	service_config_release(pool.config);
}

static struct record record(enum record_kind kind, uint64_t at)
{
	return (struct record){ .kind = (uint8_t)kind, .pid = 4711, .id = 10, .at = at, .peer = given_address("192.0.2.1:80") };
}

static void write_record(enum record_kind kind, uint64_t at)
{
	struct record r = record(kind, at);

	ck_assert_int_eq(write(pool.record[1], &r, sizeof(r)), sizeof(r));
}

static bool is_readable(void)
{
	struct pollfd p = { .fd = pool.record[0], .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Start and end as a worker that lies may write them, and the longest that it can have taken. */
static const struct {
	uint64_t start, end;
} lies[] = {
	{ 0, 0 },
	{ UINT64_MAX, 0 },
	{ 0, UINT64_MAX },
	{ 0, INT64_MAX },
	{ INT64_MAX, INT64_MAX },
	{ (uint64_t)INT64_MAX + 1, INT64_MAX },
	{ INT64_MAX, (uint64_t)INT64_MAX + 1 },
};

START_TEST(times_that_cannot_be_are_corrected)
{
	double longest, told = -1;
	const char *at;

	write_record(RECORD_START, lies[_i].start);
	write_record(RECORD_END, lies[_i].end);
	pool_read_records(&pool);
	longest = (double)(server_now() - worker.born) / 1000;
	at = strstr(logged, "duration=");
	ck_assert_msg(at && sscanf(at, "duration=%lfs", &told) == 1 && told >= 0 && told < longest + 0.001, "%s", logged);
}
END_TEST

START_TEST(times_that_can_be_are_told)
{
	worker.born -= 10000;
	write_record(RECORD_START, (uint64_t)worker.born + 1000);
	write_record(RECORD_END, (uint64_t)worker.born + 3500);
	pool_read_records(&pool);
	ck_assert_msg(strstr(logged, "duration=2.500s"), "%s", logged);
}
END_TEST

/* A worker may enlarge the pipe, and write while the master reads. */
START_TEST(what_is_read_in_one_go_is_bounded)
{
	struct record r = record(RECORD_START, 0);
	int goes = 0;

	r.pid = 1; /* nobody's, so nothing is told */
	if (fcntl(pool.record[1], F_SETPIPE_SZ, 1 << 20) < 0)
		return; /* a system that does not let it */
	while (write(pool.record[1], &r, sizeof(r)) == sizeof(r))
		;
	for (; is_readable(); goes++)
		pool_read_records(&pool);
	ck_assert_int_gt(goes, 1);
	ck_assert_str_eq(logged, "");
}
END_TEST

Suite *records_suite(void)
{
	Suite *s = suite_create("records");
	TCase *t = tcase_create("records");

	tcase_add_checked_fixture(t, prepare, clean_up);
	tcase_add_loop_test(t, times_that_cannot_be_are_corrected, 0, rows(lies));
	tcase_add_test(t, times_that_can_be_are_told);
	tcase_add_test(t, what_is_read_in_one_go_is_bounded);
	suite_add_tcase(s, t);
	return s;
}
