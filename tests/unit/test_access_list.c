/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "suites.h"
#include "access_list.h"
#include "shared.h"
#include "given.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Complaints are gathered as "path:line: text\n". */
static void gather(void *data, const char *path, int line, const char *text)
{
	fprintf(data, "%s:%d: %s\n", path, line, text);
}

struct said {
	char *text;
	size_t size;
	FILE *f;
};

static void begin(struct said *s)
{
	*s = (struct said){ 0 };
	s->f = open_memstream(&s->text, &s->size);
	ck_assert_ptr_nonnull(s->f);
}

static const char *end(struct said *s)
{
	fclose(s->f);
	return s->text;
}

static struct access_list *made(struct access_maker *m)
{
	struct access_list *l = access_make(m);

	ck_assert_ptr_nonnull(l);
	return l;
}

/* A list of what denies, one rule a line, without a mistake. */
static struct access_list *denied(const char *text)
{
	struct access_maker *m = access_maker_new();
	struct said s;

	begin(&s);
	ck_assert_msg(access_add_text(m, false, text, strlen(text), "list", gather, s.f) == 0, "%s", text);
	ck_assert_str_eq(end(&s), "");
	free(s.text);
	return made(m);
}

static bool admits(const struct access_list *l, const char *ip)
{
	char whole[128];
	struct address a;
	const struct access_client client = { .address = &a };
	uint32_t rule;

	snprintf(whole, sizeof(whole), strchr(ip, ':') ? "[%s]:0" : "%s:0", ip);
	a = given_address(whole);
	return access_admits(l->access, &client, &rule);
}

/* Each rule of the list as it is described, one in a line. */
static char *described(const struct access_list *l)
{
	struct said s;
	char text[256];

	begin(&s);
	for (uint32_t i = 0; i < access_list_rules(l); i++) {
		access_list_describe(l, i, text, sizeof(text));
		fprintf(s.f, "%s\n", text);
	}
	end(&s);
	return s.text;
}

/* List files */

#define TEXT(t) t, sizeof(t) - 1
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *text;
	size_t size;
	const char *rules;      /* as they are described, without "deny " and the place's name */
	const char *complaints; /* patterns of fnmatch(3) */
} texts[] = {
	{ TEXT(""), "", "" },
	{ TEXT("\n"), "", "" },
	{ TEXT("\n\n\n"), "", "" },
	{ TEXT("# nothing"), "", "" },
	{ TEXT("  \t\r\n#\n # x\n"), "", "" },
	{ TEXT("192.0.2.1"), "192.0.2.1 1\n", "" },
	{ TEXT("192.0.2.1\n"), "192.0.2.1 1\n", "" },
	{ TEXT("192.0.2.1\r\n2001:db8::/32\r\n"), "192.0.2.1 1\n2001:db8::/32 2\n", "" },
	{ TEXT("192.0.2.1\r"), "192.0.2.1 1\n", "" },
	{ TEXT("\t 192.0.2.0/24 \t\n"), "192.0.2.0/24 1\n", "" },
	{ TEXT("192.0.2.1# office\n192.0.2.2 # home # 192.0.2.3\n#192.0.2.4\n"), "192.0.2.1 1\n192.0.2.2 2\n", "" },
	{ TEXT("\n\n192.0.2.1\n\n# x\n192.0.2.2"), "192.0.2.1 3\n192.0.2.2 6\n", "" },
	{ TEXT("unix:uid=7\nunix:gid=8\n::ffff:192.0.2.1\n"), "192.0.2.1 3\nunix:uid=7 1\nunix:gid=8 2\n", "" },
	{ TEXT("192.0.2.1 192.0.2.2\n"), "", "list:1: *192.0.2.1 192.0.2.2*\n" },
	{ TEXT("192.0.2.1,\n192.0.2.2;\n"), "", "list:1: *\nlist:2: *\n" },
	{ TEXT("192.0.2.1\n192.0.2.0/33\n192.0.2.3\nx"), "", "list:2: *192.0.2.0/33*\nlist:4: \"x\"*\n" },
	{ TEXT("192.0.2.1\f\n"), "", "list:1: *\n" },
	{ TEXT("\xef\xbb\xbf" "192.0.2.1\n"), "", "list:1: \"[?][?][?]192.0.2.1\"*\n" },
	{ TEXT("192.0.2.1\r192.0.2.2\n"), "", "list:1: \"192.0.2.1[?]192.0.2.2\"*\n" },
	{ TEXT("192.0.2.1\0\n"), "", "list:1: *NUL*\n" },
	{ TEXT("192.0.2.1\0 192.0.2.2\n192.0.2.3\n"), "", "list:1: *NUL*\n" },
	{ TEXT("\0"), "", "list:1: *NUL*\n" },
	{ TEXT("# \0\n192.0.2.1"), "192.0.2.1 2\n", "" },
	{ TEXT("file:/etc/other\n"), "", "list:1: *names a list*\n" },
	{ TEXT("deny 192.0.2.1\n"), "", "list:1: *\n" },
	{ TEXT("\n" LONG LONG LONG LONG "\n"), "", "list:2: *too long*\n" },
	{ TEXT("192.0.2.1 #" LONG LONG LONG LONG LONG "\n"), "192.0.2.1 1\n", "" },
};

static char *expected_rules(const char *rules)
{
	char *text = NULL, rule[128];
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int line, length;

	ck_assert_ptr_nonnull(f);
	for (; sscanf(rules, "%127s %d\n%n", rule, &line, &length) == 2; rules += length)
		fprintf(f, "deny %s (list:%d)\n", rule, line);
	fclose(f);
	return text;
}

START_TEST(a_list_has_a_rule_on_each_line)
{
	/* Of its own size, so that AddressSanitizer and valgrind see its end. */
	char *text = malloc(texts[_i].size + 1), *copy = text + 1, *rules, *expected;
	struct access_maker *m = access_maker_new();
	struct said s;
	struct access_list *l;
	int result;

	memcpy(copy, texts[_i].text, texts[_i].size);
	begin(&s);
	result = access_add_text(m, false, copy, texts[_i].size, "list", gather, s.f);
	ck_assert_msg(matches(texts[_i].complaints, end(&s)), "%s: %s", texts[_i].text, s.text);
	ck_assert_msg(result == (texts[_i].complaints[0] ? -1 : 0), "%s: %d", texts[_i].text, result);
	free(s.text);
	free(text);
	if (result < 0) {
		access_maker_free(m);
		return;
	}
	l = made(m);
	rules = described(l);
	expected = expected_rules(texts[_i].rules);
	ck_assert_msg(strcmp(rules, expected) == 0, "%s:\n%s", texts[_i].text, rules);
	free(rules);
	free(expected);
	access_list_release(l);
}
END_TEST

static const struct {
	int bad;
	const char *last;
} many[] = {
	{ 19, "list:19: \"bad\" *" },
	{ 20, "list:20: \"bad\" *" },
	{ 21, "list:0: 1 more lines are wrong" },
	{ 1000, "list:0: 980 more lines are wrong" },
};

START_TEST(of_many_bad_lines_the_first_are_told_and_how_many_more)
{
	struct access_maker *m = access_maker_new();
	struct said s;
	char text[8000] = "", pattern[128];
	const char *line;
	int lines = 0;

	for (int i = 0; i < many[_i].bad; i++)
		strcat(text, "bad\n");
	begin(&s);
	ck_assert_int_eq(access_add_text(m, true, text, strlen(text), "list", gather, s.f), -1);
	end(&s);
	for (const char *at = s.text; *at; at++)
		lines += *at == '\n';
	ck_assert_int_eq(lines, many[_i].bad < 21 ? many[_i].bad : 21);
	s.text[s.size - 1] = '\0';
	line = strrchr(s.text, '\n');
	s.text[s.size - 1] = '\n';
	snprintf(pattern, sizeof(pattern), "%s\n", many[_i].last);
	ck_assert_msg(line && matches(pattern, line + 1), "%s", s.text);
	free(s.text);
	access_maker_free(m);
}
END_TEST

static const struct {
	const char *what, *complaint;
} no_files[] = {
	{ "nothing", "list:0: *No such file or directory\n" },
	{ "a directory", "list:0: *Is a directory\n" },
	{ "a pipe", "list:0: *Not a regular file\n" },
	{ "a link in a circle", "list:0: *Too many levels of symbolic links\n" },
	{ "a device", "list:0: *Not a regular file\n" },
	{ "too large a file", "list:0: *File too large\n" },
};

static int make_no_file(int which)
{
	switch (which) {
	case 1:
		return mkdir("list", 0700);
	case 2:
		return mkfifo("list", 0600);
	case 3:
		return symlink("list", "list");
	case 4:
		return symlink("/dev/zero", "list");
	case 5:
		given_file("list", "");
		return truncate("list", 1L << 40);
	default:
		return 0;
	}
}

START_TEST(a_list_that_cannot_be_read_is_complained_of_as_a_whole)
{
	struct access_maker *m = access_maker_new();
	struct said s;

	ck_assert_msg(make_no_file(_i) == 0, "%s: %s", no_files[_i].what, strerror(errno));
	begin(&s);
	ck_assert_msg(access_add_file(m, true, "list", gather, s.f) == -1, "%s", no_files[_i].what);
	ck_assert_msg(matches(no_files[_i].complaint, end(&s)), "%s: %s", no_files[_i].what, s.text);
	free(s.text);
	access_maker_free(m);
}
END_TEST

START_TEST(a_list_file_is_read_as_its_text)
{
	struct access_maker *m = access_maker_new();
	struct said s;
	struct access_list *l;
	char *rules;

	given_file("one", "# x\n192.0.2.0/24\n");
	given_file("other", "2001:db8::/32\n192.0.2.1");
	given_file("none", "");
	begin(&s);
	ck_assert_int_eq(access_add_file(m, true, "one", gather, s.f), 0);
	ck_assert_int_eq(access_add_file(m, false, "other", gather, s.f), 0);
	ck_assert_int_eq(access_add_file(m, false, "none", gather, s.f), 0);
	ck_assert_int_eq(access_add_file(m, false, "one", gather, s.f), 0);
	ck_assert_str_eq(end(&s), "");
	free(s.text);
	l = made(m);
	rules = described(l);
	ck_assert_str_eq(rules, "deny 192.0.2.0/24 (one:2)\ndeny 192.0.2.1 (other:2)\ndeny 2001:db8::/32 (other:1)\n");
	free(rules);
	access_list_release(l);
}
END_TEST

START_TEST(an_empty_list_of_who_may_come_lets_nobody_in)
{
	static const char *const empty[] = { "", "\n", "# soon\n" };

	for (int i = 0; i < rows(empty); i++) {
		struct access_maker *m = access_maker_new();
		struct access_list *l;

		ck_assert_int_eq(access_add_text(m, true, empty[i], strlen(empty[i]), "list", gather, NULL), 0);
		l = made(m);
		ck_assert_uint_eq(access_list_rules(l), 0);
		ck_assert(!admits(l, "192.0.2.1"));
		access_list_release(l);
		l = denied(empty[i]);
		ck_assert(admits(l, "192.0.2.1"));
		access_list_release(l);
	}
}
END_TEST

/* Making */

START_TEST(a_bad_rule_adds_nothing)
{
	struct access_maker *m = access_maker_new();
	char why[256] = "";
	struct access_list *l;

	ck_assert_int_eq(access_add(m, false, "192.0.2.0/33", "f", 1, why, sizeof(why)), -1);
	ck_assert_str_ne(why, "");
	ck_assert_int_eq(access_add(m, false, "192.0.2.0/32", "f", 2, why, sizeof(why)), 0);
	l = made(m);
	ck_assert_uint_eq(access_list_rules(l), 1);
	access_list_release(l);
	access_maker_free(access_maker_new());
	access_maker_free(NULL);
	access_list_release(NULL);
}
END_TEST

START_TEST(a_maker_tells_whom_its_rules_could_fit)
{
	struct access_maker *m = access_maker_new();
	const char *text = "192.0.2.1\n192.0.2.1\n2001:db8::1\nunix:uid=1\nunix:gid=1\n";
	struct access_fit fit = access_maker_fit(m);
	struct access_list *l;

	ck_assert_uint_eq(fit.ip + fit.local, 0);
	ck_assert_int_eq(access_add_text(m, false, text, strlen(text), "list", gather, NULL), 0);
	fit = access_maker_fit(m);
	ck_assert_uint_eq(fit.ip, 3);
	ck_assert_uint_eq(fit.local, 2);
	l = made(m);
	fit = access_list_fit(l); /* without the one that is there twice */
	ck_assert_uint_eq(fit.ip, 2);
	ck_assert_uint_eq(fit.local, 2);
	access_list_release(l);
}
END_TEST

START_TEST(rules_of_many_files_name_theirs)
{
	struct access_maker *m = access_maker_new();
	char name[32], rule[32], why[256], text[256], expected[256];
	struct access_list *l;

	/* Twice: all names are known by then, and the first mention is named. */
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "/lists/%d", i % 300);
		snprintf(rule, sizeof(rule), "10.0.%d.%d", i % 300 / 256, i % 300 % 256);
		ck_assert_int_eq(access_add(m, true, rule, name, i + 1, why, sizeof(why)), 0);
	}
	l = made(m);
	ck_assert_uint_eq(access_list_rules(l), 300);
	for (uint32_t i = 0; i < 300; i++) {
		access_list_describe(l, i, text, sizeof(text));
		snprintf(expected, sizeof(expected), "allow 10.0.%u.%u (/lists/%u:%u)", i / 256, i % 256, i, i + 1);
		ck_assert_str_eq(text, expected);
	}
	access_list_release(l);
}
END_TEST

START_TEST(an_unknown_rule_has_a_text_too)
{
	struct access_list *l = denied("192.0.2.1\n2001:db8::1");
	static const uint32_t unknown[] = { 2, 3, 0x7fffffff, 0x80000000, ACCESS_NO_RULE };
	char text[256], small[8];

	for (int i = 0; i < rows(unknown); i++) {
		access_list_describe(l, unknown[i], text, sizeof(text));
		ck_assert_str_eq(text, "no rule");
	}
	access_list_describe(l, 1, text, sizeof(text));
	ck_assert_str_eq(text, "deny 2001:db8::1 (list:2)");
	access_list_describe(l, 1, small, sizeof(small));
	ck_assert_str_eq(small, "deny 20");
	access_list_release(l);
}
END_TEST

START_TEST(without_descriptors_there_is_no_list)
{
	struct rlimit before, none;
	struct access_maker *m = access_maker_new();
	char why[256];

	ck_assert_int_eq(access_add(m, false, "192.0.2.1", "f", 1, why, sizeof(why)), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	errno = 0;
	ck_assert_ptr_null(access_make(m));
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* Same */

static const struct {
	const char *what, *one, *other; /* before a bar: who may come */
	bool same;
} pairs[] = {
	{ "nothing", "|", "|", true },
	{ "the same", "10.0.0.0/8\n|192.0.2.1\nunix:uid=1\n2001:db8::/32\n", "10.0.0.0/8\n|192.0.2.1\nunix:uid=1\n2001:db8::/32\n", true },
	{ "another order", "|192.0.2.1\n192.0.2.2\n", "|192.0.2.2\n192.0.2.1\n", true },
	{ "comments and other lines", "|192.0.2.1\n", "|# x\n\n192.0.2.1 # y", true },
	{ "twice", "|192.0.2.1\n192.0.2.1\n", "|192.0.2.1\n", true },
	{ "written otherwise", "|::ffff:192.0.2.1", "|192.0.2.1/32", true },
	{ "an allow that never decides", "192.0.2.1\n10.0.0.1\n|192.0.2.1\n", "10.0.0.1\n|192.0.2.1\n", true },
	{ "one more", "|192.0.2.1\n", "|192.0.2.1\n192.0.2.2\n", false },
	{ "one instead of another", "|192.0.2.1\n", "|192.0.2.2\n", false },
	{ "one of IPv6 instead of another", "|2001:db8::1\n", "|2001:db8::2\n", false },
	{ "another length", "|192.0.2.0/24\n", "|192.0.2.0/25\n", false },
	{ "another length of IPv6", "|2001:db8::/32\n", "|2001:db8::/33\n", false },
	{ "a verdict", "10.0.0.0/8\n192.0.2.1\n|", "10.0.0.0/8\n|192.0.2.1\n", false },
	{ "an empty allow", "|192.0.2.1\n", "192.0.2.1\n|192.0.2.1\n", false },
	{ "user and group", "|unix:uid=1\n", "|unix:gid=1\n", false },
	{ "user and address", "|unix:uid=1\n", "|0.0.0.1\n", false },
	{ "another user", "|unix:uid=1\n", "|unix:uid=2\n", false },
	{ "IPv4 and IPv6", "|0.0.0.0/0\n", "|::/0\n", false },
};

static struct access_list *both(const char *text)
{
	struct access_maker *m = access_maker_new();
	const char *bar = strchr(text, '|');

	if (bar > text)
		ck_assert_int_eq(access_add_text(m, true, text, (size_t)(bar - text), "allowed", gather, NULL), 0);
	ck_assert_int_eq(access_add_text(m, false, bar + 1, strlen(bar + 1), "denied", gather, NULL), 0);
	return made(m);
}

START_TEST(lists_are_the_same_if_they_decide_alike)
{
	struct access_list *a = both(pairs[_i].one), *b = both(pairs[_i].other);

	ck_assert_msg(access_list_same(a, b) == pairs[_i].same, "%s", pairs[_i].what);
	ck_assert_msg(access_list_same(b, a) == pairs[_i].same, "%s, the other way round", pairs[_i].what);
	ck_assert(access_list_same(a, a));
	ck_assert(!access_list_same(a, NULL));
	ck_assert(!access_list_same(NULL, a));
	ck_assert(access_list_same(NULL, NULL));
	access_list_release(a);
	access_list_release(b);
}
END_TEST

/* Memory */

START_TEST(it_lives_as_long_as_somebody_holds_it)
{
	struct access_list *l = denied("192.0.2.1");
	int fd = l->fd;

	ck_assert_ptr_eq(access_list_hold(l), l);
	access_list_release(l);
	ck_assert(!admits(l, "192.0.2.1"));
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	access_list_release(l);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(it_can_be_mapped_from_its_descriptor)
{
	struct access_list *l = denied("192.0.2.1");
	struct access_list copy = *l;
	struct stat st;

	copy.access = mmap(NULL, l->size, PROT_READ, MAP_SHARED, l->fd, 0);
	ck_assert(copy.access != MAP_FAILED);
	ck_assert_ptr_ne(copy.access, l->access);
	access_list_release(l);
	ck_assert(!admits(&copy, "192.0.2.1"));
	ck_assert(admits(&copy, "192.0.2.2"));
	ck_assert_int_eq(munmap((void *)(uintptr_t)copy.access, copy.size), 0);
	ck_assert_int_eq(fstat(copy.fd, &st), -1);
}
END_TEST

/* Tries everything that could change it; how many of these the kernel let pass. */
static int try_to_change(const struct access_list *l, int fd)
{
	void *memory = mmap(NULL, l->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int passed = memory != MAP_FAILED;

	if (memory != MAP_FAILED)
		memset(memory, 0xff, l->size);
	memory = mmap(NULL, l->size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory != MAP_FAILED)
		passed += mprotect(memory, l->size, PROT_READ | PROT_WRITE) == 0;
	passed += mprotect((void *)(uintptr_t)l->access, l->size, PROT_READ | PROT_WRITE) == 0;
	passed += pwrite(fd, "x", 1, 0) > 0;
	passed += pwrite(fd, "x", 1, (off_t)l->size) > 0;
	passed += ftruncate(fd, 0) == 0;
	passed += ftruncate(fd, (off_t)l->size * 2) == 0;
	passed += fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)l->size) == 0;
	passed += fcntl(fd, F_ADD_SEALS, 0) == 0;
	passed += madvise((void *)(uintptr_t)l->access, l->size, MADV_REMOVE) == 0;
	return passed;
}

/* The same through a descriptor of its own, which was opened for writing, if /proc gives one. */
static int try_again_to_change(const struct access_list *l)
{
	char path[64];
	int fd, passed;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	passed = try_to_change(l, fd);
	close(fd);
	return passed;
}

START_TEST(no_worker_can_change_it)
{
	struct access_list *l = denied("192.0.2.1\n2001:db8::/32\nunix:uid=7\nunix:gid=8\n");
	void *before = malloc(l->size);
	int status;
	pid_t child;

	memcpy(before, l->access, l->size);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(try_to_change(l, l->fd) + try_again_to_change(l));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status), "status %x", (unsigned)status);
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_eq(memcmp(before, l->access, l->size), 0);
	/* Nor can its maker. */
	ck_assert_int_eq(try_to_change(l, l->fd), 0);
	ck_assert_int_eq(memcmp(before, l->access, l->size), 0);
	free(before);
	access_list_release(l);
}
END_TEST

#define MILLION 1000000U

/* Half of them IPv4; every other address, so that each needs an interval of its own. */
static void write_prefix(char *out, size_t size, unsigned i)
{
	if (i % 2)
		snprintf(out, size, "2001:db8:%x:%x::/64", i >> 16, i & 0xffff);
	else
		snprintf(out, size, "%u.%u.%u.%u", 10 + (i >> 24), i >> 16 & 0xff, i >> 8 & 0xff, i & 0xff);
}

static struct access_list *given_million(void)
{
	struct access_maker *m = access_maker_new();
	struct said s;
	char prefix[64];
	FILE *f = fopen("million", "w");

	ck_assert_ptr_nonnull(f);
	for (unsigned i = 0; i < MILLION; i++) {
		write_prefix(prefix, sizeof(prefix), i);
		fprintf(f, "%s\n", prefix);
	}
	ck_assert_int_eq(fclose(f), 0);
	begin(&s);
	ck_assert_int_eq(access_add_file(m, false, "million", gather, s.f), 0);
	ck_assert_str_eq(end(&s), "");
	free(s.text);
	return made(m);
}

/* The client of the i-th prefix, or the one after it, which no prefix has. */
static struct address client_of(unsigned i, bool next)
{
	struct address a = { 0 };

	if (i % 2) {
		const uint32_t network[] = { htonl(0x20010db8), htonl((i >> 16 << 16) | ((i & 0xffff) + next)), 0, htonl(1) };

		a.length = sizeof(a.socket.v6);
		a.socket.v6.sin6_family = AF_INET6;
		memcpy(&a.socket.v6.sin6_addr, network, sizeof(network));
		return a;
	}
	a.length = sizeof(a.socket.v4);
	a.socket.v4.sin_family = AF_INET;
	a.socket.v4.sin_addr.s_addr = htonl((10U << 24) + i + next);
	return a;
}

/* What is wrong with how the i-th is decided; NULL: nothing. */
static const char *wrong(const struct access_list *l, unsigned i)
{
	struct address a = client_of(i, false);
	struct access_client client = { .address = &a };
	char text[128], prefix[64], expected[128];
	uint32_t rule;

	if (access_admits(l->access, &client, &rule) || rule == ACCESS_NO_RULE)
		return "it is admitted";
	if (i % 1001 == 0) {
		access_list_describe(l, rule, text, sizeof(text));
		write_prefix(prefix, sizeof(prefix), i);
		snprintf(expected, sizeof(expected), "deny %s (million:%u)", prefix, i + 1);
		if (strcmp(text, expected) != 0)
			return "another rule is named";
	}
	a = client_of(i, true);
	if (!access_admits(l->access, &client, &rule) || rule != ACCESS_NO_RULE)
		return "the one after it is not admitted";
	return NULL;
}

START_TEST(a_million_prefixes_load_and_each_decides)
{
	struct access_list *l = given_million();

	ck_assert_uint_eq(access_list_rules(l), MILLION);
	for (unsigned i = 0; i < MILLION; i++) {
		const char *what = wrong(l, i);

		ck_assert_msg(!what, "%u: %s", i, what);
	}
	access_list_release(l);
}
END_TEST

/* Sums up a field of the mapping in /proc/self/smaps, in KiB; -1: the mapping is not there. */
static long mapped(const void *memory, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long from, to;
	bool inside = false;
	long sum = -1, kilobytes;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (uintptr_t)memory && (uintptr_t)memory < to;
		else if (inside && strncmp(line, field, strlen(field)) == 0 && sscanf(line + strlen(field), ": %ld", &kilobytes) == 1)
			sum = (sum < 0 ? 0 : sum) + kilobytes;
	}
	fclose(f);
	return sum;
}

static unsigned touch(const struct access_list *l)
{
	const unsigned char *byte = (const void *)l->access;
	unsigned sum = 0;

	for (size_t i = 0; i < l->size; i += 1024)
		sum += ((const volatile unsigned char *)byte)[i];
	return sum;
}

/* A worker maps it for itself. When it has looked at all of it, it has all of it in its memory and none of it to itself. */
static int copied(const struct access_list *of)
{
	const struct access_list own = { .fd = of->fd, .size = of->size, .access = shared_map_constant(of->fd, of->size) };
	const struct access_list *l = &own;
	long size = (long)(l->size / 1024);

	if (!l->access)
		return 5;
	for (unsigned i = 0; i < MILLION; i += 7)
		if (wrong(l, i))
			return 1;
	touch(l);
	if (mapped(l->access, "Rss") < size)
		return 2;
	if (mapped(l->access, "Anonymous") != 0)
		return 3;
	if (mapped(l->access, "Private_Dirty") + mapped(l->access, "Private_Clean") != 0)
		return 4;
	return 0;
}

START_TEST(a_worker_copies_nothing_of_it)
{
	struct access_list *l = given_million();
	int status;
	pid_t child;

	ck_assert_uint_gt(l->size, MILLION * 8);
	touch(l);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(copied(l));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status), "status %x", (unsigned)status);
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	access_list_release(l);
}
END_TEST

Suite *access_list_suite(void)
{
	Suite *s = suite_create("access_list");
	TCase *t = tcase_create("access_list");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_loop_test(t, a_list_has_a_rule_on_each_line, 0, rows(texts));
	tcase_add_loop_test(t, of_many_bad_lines_the_first_are_told_and_how_many_more, 0, rows(many));
	tcase_add_loop_test(t, a_list_that_cannot_be_read_is_complained_of_as_a_whole, 0, rows(no_files));
	tcase_add_test(t, a_list_file_is_read_as_its_text);
	tcase_add_test(t, an_empty_list_of_who_may_come_lets_nobody_in);
	tcase_add_test(t, a_bad_rule_adds_nothing);
	tcase_add_test(t, a_maker_tells_whom_its_rules_could_fit);
	tcase_add_test(t, rules_of_many_files_name_theirs);
	tcase_add_test(t, an_unknown_rule_has_a_text_too);
	tcase_add_test(t, without_descriptors_there_is_no_list);
	tcase_add_loop_test(t, lists_are_the_same_if_they_decide_alike, 0, rows(pairs));
	tcase_add_test(t, it_lives_as_long_as_somebody_holds_it);
	tcase_add_test(t, it_can_be_mapped_from_its_descriptor);
	tcase_add_test(t, no_worker_can_change_it);
	tcase_add_test(t, a_million_prefixes_load_and_each_decides);
	tcase_add_test(t, a_worker_copies_nothing_of_it);
	suite_add_tcase(s, t);
	return s;
}
