/* SPDX-License-Identifier: ISC */
#include "suites.h"
#include "given.h"
#include "listener.h"
#include "queue.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct socket_options options(void)
{
	struct service_config *c = service_config_new();
	struct socket_options o = c->socket;

	service_config_release(c);
	return o;
}

/* Names of paths and abstract sockets are the test's own. */
static struct endpoint endpoint_of(const char *text)
{
	char whole[200];

	snprintf(whole, sizeof(whole), text[0] == '@' ? "@%.100s%s" : "%.100s%s", given_here(), text + (text[0] == '@'));
	return given_endpoint(text[0] == '/' || text[0] == '@' ? whole : text);
}

static struct listener *open_with(const char *text, const struct socket_options *o)
{
	struct endpoint e = endpoint_of(text);
	char why[1024] = "";
	struct listener *l = listener_open(&e, o, 0, why, sizeof(why));

	ck_assert_msg(l, "%s: %s", text, why);
	return l;
}

static struct listener *open_one(const char *text)
{
	struct socket_options o = options();

	return open_with(text, &o);
}

/* The listener's port on another address. */
static struct address at(const struct listener *l, const char *host)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%u", host, address_port(&l->bound));
	return given_address(text);
}

static void check_answers(const struct listener *l, const struct address *a)
{
	int client = given_client(a), server;

	ck_assert(comes(l->fd, POLLIN));
	server = accept(l->fd, NULL, NULL);
	ck_assert_int_ge(server, 0);
	close(server);
	close(client);
}

static void check_refuses(const struct address *a)
{
	int fd = socket(address_family(a), SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[ADDRESS_TEXT];

	address_text(a, text);
	ck_assert_msg(connect(fd, &a->socket.any, a->length) < 0 && errno == ECONNREFUSED, "%s: %s", text, strerror(errno));
	close(fd);
}

/* Opening */

static const struct {
	const char *text, *shown; /* with the port for N */
	bool dual, ipv6;
} opened[] = {
	{ "127.0.0.1:0", "127.0.0.1:%u", false, false }, { "0.0.0.0:0", "0.0.0.0:%u", false, false },
	{ "[::1]:0", "[::1]:%u", false, true },          { "[::]:0", "[::]:%u", false, true },
	{ "*:0", "*:%u", true, true },
};

START_TEST(a_port_is_chosen_and_told)
{
	struct endpoint e = given_endpoint(opened[_i].text);
	struct listener *l;
	char before[ADDRESS_TEXT], after[ADDRESS_TEXT], text[64] = "";
	const char *mark = strstr(opened[_i].shown, "%u");

	if (opened[_i].ipv6 && !given_ipv6())
		return; /* a machine without IPv6 */
	l = open_one(opened[_i].text);
	ck_assert_uint_ne(address_port(&l->bound), 0);
	ck_assert_msg(l->dual == opened[_i].dual, "%s", opened[_i].text);
	snprintf(text, sizeof(text), "%.*s%u", (int)(mark - opened[_i].shown), opened[_i].shown, address_port(&l->bound));
	ck_assert_str_eq(l->text, text);
	address_text(&e.address, before);
	address_text(&l->asked.address, after);
	ck_assert_str_eq(before, after);
	ck_assert_uint_eq(l->holders, 1);
	ck_assert_int_eq(fcntl(l->fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(l->fd, F_GETFL) & O_NONBLOCK, 0);
	listener_release(l);
}
END_TEST

START_TEST(an_ipv4_address_is_answered)
{
	struct listener *l = open_one("127.0.0.1:0");

	check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

START_TEST(a_star_is_answered_over_ipv4_and_ipv6)
{
	struct listener *l = open_one("*:0");
	struct address v4 = at(l, "127.0.0.1"), v6 = at(l, "[::1]");

	check_answers(l, &v4);
	if (given_ipv6())
		check_answers(l, &v6);
	listener_release(l);
}
END_TEST

START_TEST(a_written_ipv6_wildcard_leaves_ipv4_to_others)
{
	struct socket_options o = options();
	struct listener *l, *other;
	struct address v4, v6;
	char text[64];

	if (!given_ipv6())
		return; /* a machine without IPv6 */
	l = open_with("[::]:0", &o);
	v4 = at(l, "127.0.0.1");
	v6 = at(l, "[::1]");
	check_refuses(&v4);
	snprintf(text, sizeof(text), "0.0.0.0:%u", address_port(&l->bound));
	other = open_with(text, &o);
	check_answers(other, &v4);
	check_answers(l, &v6);
	listener_release(other);
	listener_release(l);
}
END_TEST

START_TEST(v6only_decides_whatever_is_written)
{
	struct socket_options only = options(), both = options();
	struct listener *l;
	struct address v4;

	if (!given_ipv6())
		return; /* a machine without IPv6 */
	only.v6only = 1;
	l = open_with("*:0", &only);
	ck_assert(!l->dual);
	v4 = at(l, "127.0.0.1");
	check_refuses(&v4);
	listener_release(l);
	both.v6only = 0;
	l = open_with("[::]:0", &both);
	ck_assert(l->dual);
	v4 = at(l, "127.0.0.1");
	check_answers(l, &v4);
	listener_release(l);
}
END_TEST

static const struct {
	const char *text;
	int backlog, effective; /* 0: the system's */
} backlogs[] = {
	{ "127.0.0.1:0", 3, 3 }, { "127.0.0.1:0", 1, 1 }, { "127.0.0.1:0", BACKLOG_MAX, 0 }, { "/path", 3, 3 },
	{ "/path", BACKLOG_MAX, 0 }, { "@name", 3, 3 },
};

static int system_backlog(void)
{
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "r");
	int value = -1;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%d", &value), 1);
	fclose(f);
	return value;
}

START_TEST(the_effective_backlog_is_read_back)
{
	struct socket_options o = options();
	struct listener *l;
	int wanted = backlogs[_i].effective ? backlogs[_i].effective : system_backlog();

	o.backlog = backlogs[_i].backlog;
	l = open_with(backlogs[_i].text, &o);
	ck_assert_msg(l->backlog == wanted, "%s, %d: %d", backlogs[_i].text, backlogs[_i].backlog, l->backlog);
	listener_release(l);
}
END_TEST

/* Failing */

static struct listener *try_open_how(const struct endpoint *e, const struct socket_options *o, unsigned how, char *why)
{
	int lowest = dup(0);
	struct listener *l;

	close(lowest);
	errno = 0;
	why[0] = '\0';
	l = listener_open(e, o, how, why, 1024);
	if (!l) {
		int error = errno, next = dup(0);

		ck_assert_msg(next == lowest, "a descriptor is left open: %s", why);
		close(next);
		errno = error;
	}
	return l;
}

static struct listener *try_open(const struct endpoint *e, const struct socket_options *o, char *why)
{
	return try_open_how(e, o, 0, why);
}

static const char *const taken[] = { "127.0.0.1:0", "/path", "@name" };

START_TEST(a_taken_address_names_who_has_it)
{
	struct socket_options o = options();
	struct listener *l = open_with(taken[_i], &o);
	struct endpoint e = { .address = l->bound };
	char why[1024], address[ADDRESS_TEXT], holder[64], command[32] = "";
	FILE *f = fopen("/proc/self/comm", "r");

	ck_assert(f && fgets(command, sizeof(command), f));
	fclose(f);
	command[strcspn(command, "\n")] = '\0';
	ck_assert_ptr_null(try_open(&e, &o, why));
	ck_assert_int_eq(errno, EADDRINUSE);
	address_text(&l->bound, address);
	snprintf(holder, sizeof(holder), "pid %d, %s", (int)getpid(), command);
	ck_assert_msg(strstr(why, address) && strstr(why, strerror(EADDRINUSE)) && strstr(why, holder), "%s: %s", taken[_i], why);
	check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

START_TEST(a_star_is_told_who_has_its_ipv4_half)
{
	struct socket_options o = options();
	struct listener *l = open_with("0.0.0.0:0", &o);
	struct endpoint e = given_endpoint("*:0");
	char why[1024], holder[64];

	address_set_port(&e.address, address_port(&l->bound));
	ck_assert_ptr_null(try_open(&e, &o, why));
	ck_assert_int_eq(errno, EADDRINUSE);
	snprintf(holder, sizeof(holder), "pid %d", (int)getpid());
	ck_assert_msg(strstr(why, holder), "%s", why);
	listener_release(l);
}
END_TEST

static int64_t milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

START_TEST(a_patient_one_tries_for_a_while)
{
	struct socket_options o = options();
	struct listener *l = open_with(taken[_i], &o);
	struct endpoint e = { .address = l->bound };
	int64_t begun = milliseconds();
	char why[1024] = "";

	ck_assert_ptr_null(listener_open(&e, &o, OPEN_PATIENTLY, why, sizeof(why)));
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_int_ge(milliseconds() - begun, BIND_PATIENCE);
	ck_assert_msg(strstr(why, "pid"), "%s", why);
	listener_release(l);
}
END_TEST

START_TEST(an_address_of_another_machine_is_refused)
{
	struct socket_options o = options();
	struct endpoint e = given_endpoint("192.0.2.1:0");
	char why[1024];

	ck_assert_ptr_null(try_open(&e, &o, why));
	ck_assert_int_eq(errno, EADDRNOTAVAIL);
	ck_assert_msg(strstr(why, "192.0.2.1:0") && strstr(why, strerror(EADDRNOTAVAIL)), "%s", why);
}
END_TEST

START_TEST(an_address_of_another_machine_is_bound_all_the_same_if_asked)
{
	struct socket_options o = options();
	struct listener *l;

	o.bind = BIND_FREE;
	l = open_with("192.0.2.1:0", &o);
	ck_assert_uint_ne(address_port(&l->bound), 0);
	listener_release(l);
}
END_TEST

/* A reload opens the new listener beside the old one. What is in the way may be the same address, or one that covers it. */
static const struct {
	const char *old, *new;
} shared[] = {
	{ "127.0.0.1:0", "127.0.0.1" }, { "0.0.0.0:0", "127.0.0.1" }, { "127.0.0.1:0", "0.0.0.0" }, { "*:0", "127.0.0.1" }, { "127.0.0.1:0", "*" },
};

static struct endpoint beside(const struct listener *l, const char *host)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%u", host, address_port(&l->bound));
	return given_endpoint(text);
}

START_TEST(two_listeners_share_a_port_only_if_both_want_to)
{
	struct socket_options o = options();
	struct listener *old = open_with(shared[_i].old, &o), *new;
	struct endpoint e = beside(old, shared[_i].new);
	struct address a = at(old, "127.0.0.1");
	char why[1024];

	ck_assert_msg(!try_open_how(&e, &o, OPEN_SHARING, why), "%s: the old one did not want to", shared[_i].old);
	ck_assert_int_eq(errno, EADDRINUSE);
	listener_share(old, true);
	ck_assert_msg(!try_open_how(&e, &o, 0, why), "%s: the new one did not want to", shared[_i].old);
	new = try_open_how(&e, &o, OPEN_SHARING, why);
	ck_assert_msg(new, "%s: %s", shared[_i].old, why);
	listener_share(old, false);
	listener_shut_door(old);
	listener_end(old);
	listener_release(old);
	check_answers(new, &a);
	listener_release(new);
}
END_TEST

static const char *const silent[] = { "127.0.0.1:0", "/path", "@name" };

START_TEST(nobody_can_connect_to_a_silent_one_before_it_is_started)
{
	struct socket_options o = options();
	struct endpoint e = endpoint_of(silent[_i]);
	char why[1024] = "";
	struct listener *l;

	o.backlog = 7;
	l = try_open_how(&e, &o, OPEN_SILENTLY, why);
	ck_assert_msg(l, "%s", why);
	check_refuses(&l->bound);
	ck_assert_msg(listener_start(l, 0, why, sizeof(why)) == 0, "%s", why);
	ck_assert_int_eq(l->backlog, 7);
	check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

/* Both were bound while nobody listened. */
START_TEST(a_silent_one_may_find_that_another_was_faster)
{
	struct socket_options o = options();
	struct endpoint e = given_endpoint("127.0.0.1:0");
	char why[1024] = "", text[64];
	struct listener *first = try_open_how(&e, &o, OPEN_SILENTLY, why), *second;

	ck_assert_msg(first, "%s", why);
	snprintf(text, sizeof(text), "127.0.0.1:%u", address_port(&first->bound));
	second = open_one(text);
	ck_assert_int_eq(listener_start(first, 0, why, sizeof(why)), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_msg(strstr(why, "cannot listen on 127.0.0.1:"), "%s", why);
	listener_release(first);
	check_answers(second, &second->bound);
	listener_release(second);
}
END_TEST

START_TEST(what_was_shared_is_shared_no_longer)
{
	struct socket_options o = options();
	struct listener *l = open_with("127.0.0.1:0", &o), *other;
	struct endpoint e = { .address = l->bound };
	char why[1024];

	listener_share(l, true);
	listener_share(l, false);
	other = try_open_how(&e, &o, OPEN_SHARING, why);
	ck_assert_msg(!other, "it is shared still");

	/* Once two have shared it, Linux lets a third of the same user in who asks for it, and nobody by accident. */
	listener_share(l, true);
	other = try_open_how(&e, &o, OPEN_SHARING, why);
	ck_assert_msg(other, "%s", why);
	listener_share(l, false);
	ck_assert_msg(!try_open(&e, &o, why), "it is shared still");
	listener_release(other);
	listener_release(l);
}
END_TEST

START_TEST(a_port_that_is_always_shared_stays_so)
{
	struct socket_options o = options();
	struct listener *l, *other;
	struct endpoint e;
	char why[1024];

	o.reuse_port = 1;
	l = open_with("127.0.0.1:0", &o);
	listener_share(l, true);
	listener_share(l, false);
	e = (struct endpoint){ .address = l->bound };
	other = try_open(&e, &o, why);
	ck_assert_msg(other, "%s", why);
	listener_release(l);
	check_answers(other, &other->bound);
	listener_release(other);
}
END_TEST

START_TEST(an_option_that_cannot_be_set_is_named)
{
	struct socket_options o = options();
	struct endpoint e = given_endpoint("127.0.0.1:0");
	char why[1024], name[] = "no-such-iface";

	o.interface = name;
	ck_assert_ptr_null(try_open(&e, &o, why));
	ck_assert_msg(strstr(why, "interface"), "%s", why);
}
END_TEST

START_TEST(a_port_is_free_at_once_while_its_connections_live)
{
	struct socket_options o = options();
	struct listener *l = open_one("127.0.0.1:0"), *again;
	struct endpoint e = { .address = l->bound };
	char why[1024];
	int client[3], server[3], count = rows(client);

	for (int i = 0; i < count; i++) {
		client[i] = given_client(&l->bound);
		server[i] = accept(l->fd, NULL, NULL);
		ck_assert_int_ge(server[i], 0);
	}
	close(server[0]); /* one the server closed first, one the client, one nobody */
	close(client[1]);
	listener_release(l);
	again = try_open(&e, &o, why);
	ck_assert_msg(again, "%s", why);
	ck_assert_int_eq(write(server[2], "x", 1), 1);
	ck_assert(comes(client[2], POLLIN));
	listener_release(again);
	for (int i = 0; i < count; i++) {
		close(client[i]);
		close(server[i]);
	}
}
END_TEST

/* Paths */

static const char *path_of(const struct listener *l)
{
	return l->asked.address.socket.path.sun_path;
}

static const mode_t modes[] = { 0666, 0600, 0, 0777, 0660 };

START_TEST(a_path_has_its_mode_and_the_umask_is_kept)
{
	struct socket_options o = options();
	struct listener *l;
	struct stat st;

	umask(027);
	o.mode = (int)modes[_i];
	l = open_with("/path", &o);
	ck_assert_int_eq(lstat(path_of(l), &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_msg((st.st_mode & 07777) == modes[_i], "%04o: %04o", modes[_i], st.st_mode & 07777);
	ck_assert_uint_eq(umask(0), 027);
	ck_assert_str_eq(l->text, path_of(l));
	if (geteuid() == 0 || (modes[_i] & 0200))
		check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

START_TEST(a_path_may_be_given_to_an_owner)
{
	struct socket_options o = options();
	struct listener *l;
	struct stat st;
	char name[] = "me";

	o.owner = o.group = name;
	o.owner_id = geteuid() == 0 ? 12345 : geteuid();
	o.group_id = geteuid() == 0 ? 12346 : getegid();
	l = open_with("/path", &o);
	ck_assert_int_eq(lstat(path_of(l), &st), 0);
	ck_assert_uint_eq(st.st_uid, o.owner_id);
	ck_assert_uint_eq(st.st_gid, o.group_id);
	listener_release(l);
}
END_TEST

/* A server that was killed leaves its file. */
static void leave_stale(const char *text)
{
	struct endpoint e = endpoint_of(text);
	struct address bound;
	int fd = given_server(e.address.socket.path.sun_path, 1, &bound);

	close(fd);
	ck_assert_int_eq(access(e.address.socket.path.sun_path, F_OK), 0);
}

START_TEST(a_stale_path_is_replaced)
{
	struct listener *l;

	leave_stale("/path");
	l = open_one("/path");
	check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

/* Nobody answers a full queue at once, and yet somebody lives there. */
static const int queues[] = { 0, 1, 3 };

START_TEST(a_live_path_is_left_alone)
{
	struct socket_options o = options();
	struct endpoint e = endpoint_of("/path");
	struct address bound;
	struct stat before, after;
	char why[1024];
	int fd = given_server(e.address.socket.path.sun_path, 2, &bound), client[3];

	for (int i = 0; i < queues[_i]; i++)
		client[i] = given_client(&bound);
	ck_assert_int_eq(lstat(e.address.socket.path.sun_path, &before), 0);
	ck_assert_ptr_null(try_open(&e, &o, why));
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_msg(strstr(why, e.address.socket.path.sun_path) && strstr(why, "pid"), "%s", why);
	ck_assert_int_eq(lstat(e.address.socket.path.sun_path, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	for (int i = 0; i < queues[_i]; i++)
		close(client[i]);
	close(fd);
}
END_TEST

static void make_file(const char *path)
{
	given_file(path, "precious\n");
}

static void make_directory(const char *path)
{
	mkdir(path, 0755);
}

static void make_fifo(const char *path)
{
	mkfifo(path, 0644);
}

static void make_link(const char *path)
{
	given_file("target", "precious\n");
	(void)!symlink("target", path);
}

static void make_dangling_link(const char *path)
{
	(void)!symlink("nowhere", path);
}

/* A link to a socket, even a stale one, is no socket of ours. */
static void make_link_to_socket(const char *path)
{
	leave_stale("/target");
	(void)!symlink("target", path);
}

static const struct {
	const char *what;
	void (*make)(const char *path);
	mode_t kind;
} files[] = {
	{ "a file", make_file, S_IFREG },          { "a directory", make_directory, S_IFDIR },
	{ "a fifo", make_fifo, S_IFIFO },          { "a link", make_link, S_IFLNK },
	{ "a dangling link", make_dangling_link, S_IFLNK }, { "a link to a socket", make_link_to_socket, S_IFLNK },
};

START_TEST(what_is_no_socket_is_never_removed)
{
	struct socket_options o = options();
	struct endpoint e = endpoint_of("/path");
	struct stat before, after;
	char why[1024];

	files[_i].make(e.address.socket.path.sun_path);
	ck_assert_int_eq(lstat(e.address.socket.path.sun_path, &before), 0);
	ck_assert_msg(!try_open(&e, &o, why), "%s", files[_i].what);
	ck_assert_msg(strstr(why, e.address.socket.path.sun_path), "%s: %s", files[_i].what, why);
	ck_assert_msg(lstat(e.address.socket.path.sun_path, &after) == 0, "%s is gone", files[_i].what);
	ck_assert_msg((after.st_mode & S_IFMT) == files[_i].kind && after.st_ino == before.st_ino, "%s", files[_i].what);
}
END_TEST

START_TEST(a_path_without_a_directory_is_told)
{
	struct socket_options o = options();
	struct endpoint e = endpoint_of("/missing/path");
	char why[1024];

	ck_assert_ptr_null(try_open(&e, &o, why));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_msg(strstr(why, "/missing/path") && strstr(why, strerror(ENOENT)), "%s", why);
}
END_TEST

START_TEST(an_abstract_name_is_answered_and_shown)
{
	struct listener *l = open_one("@name");
	char wanted[200];

	snprintf(wanted, sizeof(wanted), "@%.100sname", given_here());
	ck_assert_str_eq(l->text, wanted);
	check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

/* Holding and releasing */

START_TEST(the_last_holder_closes_and_removes)
{
	struct listener *l = open_one("/path");
	struct endpoint e = endpoint_of("/path");
	int fd = l->fd;

	ck_assert_ptr_eq(listener_hold(l), l);
	listener_release(l);
	check_answers(l, &l->bound);
	listener_release(l);
	ck_assert_int_eq(access(e.address.socket.path.sun_path, F_OK), -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(a_successors_path_is_left_alone)
{
	struct listener *l = open_one("/path"), *successor;
	struct endpoint e = endpoint_of("/path");

	ck_assert_int_eq(unlink(e.address.socket.path.sun_path), 0);
	successor = open_one("/path");
	listener_release(l);
	check_answers(successor, &successor->bound);
	listener_release(successor);
	ck_assert_int_eq(access(e.address.socket.path.sun_path, F_OK), -1);
}
END_TEST

START_TEST(a_file_in_its_place_is_left_alone)
{
	struct listener *l = open_one("/path");
	struct endpoint e = endpoint_of("/path");

	ck_assert_int_eq(unlink(e.address.socket.path.sun_path), 0);
	given_file(e.address.socket.path.sun_path, "precious\n");
	listener_release(l);
	ck_assert_int_eq(access(e.address.socket.path.sun_path, F_OK), 0);
}
END_TEST

/* Changing */

static void change_nothing(struct socket_options *o)
{
	(void)o;
}

static void change_easily(struct socket_options *o)
{
	o->backlog = 7;
	o->keepalive = o->nodelay = 1;
}

static void change_v6only(struct socket_options *o)
{
	o->v6only = 1;
}

static void change_reuse_port(struct socket_options *o)
{
	o->reuse_port = 1;
}

/* What it was opened with was keepalive = no. */
static void forget_keepalive(struct socket_options *o)
{
	o->keepalive = UNSET;
}

static const struct {
	const char *what, *text;
	void (*change)(struct socket_options *o);
	bool fits;
} changes[] = {
	{ "the same", "127.0.0.1:0", change_nothing, true },
	{ "what can be brought up to date", "127.0.0.1:0", change_easily, true },
	{ "another address", "127.0.0.2:0", change_nothing, false },
	{ "another port", "127.0.0.1:1", change_nothing, false },
	{ "another family", "[::1]:0", change_nothing, false },
	{ "a path", "/path", change_nothing, false },
	{ "v6only", "127.0.0.1:0", change_v6only, false },
	{ "reuse-port", "127.0.0.1:0", change_reuse_port, false },
	{ "back to the system's own", "127.0.0.1:0", forget_keepalive, false },
};

START_TEST(a_listener_fits_what_it_was_opened_for)
{
	struct socket_options o = options();
	struct listener *l;
	struct endpoint e = endpoint_of(changes[_i].text);

	o.keepalive = 0;
	l = open_with("127.0.0.1:0", &o);
	changes[_i].change(&o);
	ck_assert_msg(listener_fits(l, &e, &o) == changes[_i].fits, "%s", changes[_i].what);
	listener_release(l);
}
END_TEST

/* Clients of a path are never refused for the sake of an option. */
START_TEST(a_path_fits_whatever_its_options)
{
	struct socket_options o = options();
	struct listener *l;
	struct endpoint e = endpoint_of("/path");

	o.send_buffer = 65536;
	o.reuse_port = 1;
	l = open_with("/path", &o);
	o = options();
	ck_assert(listener_fits(l, &e, &o));
	listener_release(l);
}
END_TEST

/* The names in the options belong to a configuration that may be gone. */
START_TEST(a_listener_keeps_the_name_of_its_interface)
{
	struct socket_options o = options();
	struct listener *l;
	struct endpoint e = given_endpoint("127.0.0.1:0");
	char name[] = "lo";

	o.interface = name;
	l = open_with("127.0.0.1:0", &o);
	name[0] = 'x';
	ck_assert_str_eq(l->options.interface, "lo");
	o.interface = NULL;
	ck_assert(!listener_fits(l, &e, &o));
	listener_release(l);
}
END_TEST

START_TEST(a_star_fits_a_star_and_no_written_wildcard)
{
	struct socket_options o = options();
	struct listener *l = open_with("*:0", &o);
	struct endpoint star = given_endpoint("*:0"), v6 = given_endpoint("[::]:0"), v4 = given_endpoint("0.0.0.0:0");

	ck_assert(listener_fits(l, &star, &o));
	ck_assert(!listener_fits(l, &v6, &o));
	ck_assert(!listener_fits(l, &v4, &o));
	listener_release(l);
}
END_TEST

START_TEST(options_are_brought_up_to_date_while_it_listens)
{
	struct socket_options o = options();
	struct listener *l = open_with("127.0.0.1:0", &o);
	int value = 0;
	socklen_t length = sizeof(value);

	o.backlog = 7;
	o.keepalive = 1;
	ck_assert_int_eq(listener_adjust(l, &o), 0);
	ck_assert_int_eq(l->backlog, 7);
	ck_assert_int_eq(queue_look(l->fd).limit, 7);
	ck_assert_int_eq(getsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &value, &length), 0);
	ck_assert_int_eq(value, 1);
	check_answers(l, &l->bound);
	o.keepalive_count = 1000;
	ck_assert_int_eq(listener_adjust(l, &o), -1);
	ck_assert_int_eq(errno, EINVAL);
	listener_release(l);
}
END_TEST

START_TEST(the_mode_of_a_path_is_brought_up_to_date)
{
	struct socket_options o = options();
	struct listener *l = open_with("/path", &o);
	struct stat st;

	o.mode = 0600;
	ck_assert_int_eq(listener_adjust(l, &o), 0);
	ck_assert_int_eq(stat(path_of(l), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	listener_release(l);
}
END_TEST

static void leave_another(const char *path)
{
	(void)path;
	leave_stale("/path");
}

/* What somebody who may write to its directory puts in the place of a socket. */
static const struct {
	const char *what;
	void (*put)(const char *path);
} in_its_place[] = {
	{ "nothing", NULL },
	{ "a file", make_file },
	{ "a link to a file", make_link },
	{ "a link to another socket", make_link_to_socket },
	{ "another socket", leave_another },
};

START_TEST(a_path_that_leads_elsewhere_is_left_alone)
{
	struct socket_options o = options();
	struct listener *l = open_with("/path", &o);
	struct endpoint e = l->asked;
	struct stat before = { 0 }, after = { 0 };
	char path[sizeof(l->asked.address.socket.path.sun_path)];

	snprintf(path, sizeof(path), "%s", path_of(l));
	ck_assert(listener_fits(l, &e, &o));
	ck_assert_int_eq(rename(path, "own"), 0);
	if (in_its_place[_i].put)
		in_its_place[_i].put(path);
	stat(path, &before);
	ck_assert_msg(!listener_fits(l, &e, &o), "%s", in_its_place[_i].what);
	o.mode = 0606;
	ck_assert_int_eq(listener_adjust(l, &o), -1);
	listener_release(l);
	stat(path, &after);
	ck_assert_msg(before.st_ino == after.st_ino && before.st_mode == after.st_mode, "%s", in_its_place[_i].what);
	ck_assert_int_eq(stat("own", &after), 0);
	ck_assert_uint_eq(after.st_mode & 07777, 0666);
}
END_TEST

START_TEST(the_owner_of_a_path_is_brought_up_to_date)
{
	struct socket_options o = options();
	struct listener *l = open_with("/path", &o);
	struct stat st;

	o.owner_id = geteuid() == 0 ? 12345 : geteuid();
	ck_assert_int_eq(listener_adjust(l, &o), 0);
	ck_assert_int_eq(stat(path_of(l), &st), 0);
	ck_assert_uint_eq(st.st_uid, o.owner_id);
	ck_assert_uint_eq(st.st_gid, getegid());
	ck_assert_uint_eq(st.st_mode & 07777, 0666);
	listener_release(l);
}
END_TEST

/* The door */

struct expected {
	const struct listener *listener;
	int waiting;
	long long dropped;
};

static bool has_come(void *data)
{
	const struct expected *e = data;

	return queue_waiting(e->listener->fd) == e->waiting;
}

static bool has_dropped(void *data)
{
	const struct expected *e = data;

	return queue_look(e->listener->fd).dropped >= e->dropped;
}

static int state_of(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	return info.tcpi_state;
}

/* Listener and client. */
static const struct {
	const char *listener, *client;
} doors[] = { { "127.0.0.1:0", "127.0.0.1" }, { "[::1]:0", "[::1]" }, { "*:0", "127.0.0.1" }, { "*:0", "[::1]" } };

START_TEST(behind_a_shut_door_the_queue_only_shrinks)
{
	struct listener *l;
	struct address a;
	int first, second, server;

	if (!given_filters() || ((doors[_i].listener[0] == '[' || doors[_i].client[0] == '[') && !given_ipv6()))
		return; /* a kernel that gives filters to root alone, or a machine without IPv6 */
	l = open_one(doors[_i].listener);
	a = at(l, doors[_i].client);
	ck_assert(listener_is_empty(l));
	first = given_client(&a);
	ck_assert(becomes(has_come, &(struct expected){ l, 1, 0 }));
	ck_assert(!listener_is_empty(l));

	listener_shut_door(l);
	second = given_attempt(&a);
	ck_assert(becomes(has_dropped, &(struct expected){ l, 0, 1 }));
	ck_assert_int_eq(state_of(second), TCP_SYN_SENT); /* not refused: it will try again */
	ck_assert_int_eq(queue_waiting(l->fd), 1);

	/* Who was in the queue is served as ever. */
	server = accept(l->fd, NULL, NULL);
	ck_assert_int_ge(server, 0);
	ck_assert(listener_is_empty(l));
	ck_assert_int_eq(write(first, "ping", 4), 4);
	ck_assert(comes(server, POLLIN));
	ck_assert_int_eq(write(server, "pong", 4), 4);
	ck_assert(comes(first, POLLIN));
	close(server);
	close(first);
	close(second);
	listener_release(l);
}
END_TEST

START_TEST(a_client_behind_a_shut_door_meets_the_successor)
{
	struct listener *l = open_one("127.0.0.1:0"), *successor;
	struct socket_options o = options();
	struct endpoint e = { .address = l->bound };
	struct address bound = l->bound;
	char why[1024];
	int client, server;

	if (!given_filters()) {
		listener_release(l);
		return; /* a kernel that gives filters to root alone */
	}
	listener_shut_door(l);
	client = given_attempt(&bound);
	ck_assert(becomes(has_dropped, &(struct expected){ l, 0, 1 }));
	listener_end(l);
	successor = try_open(&e, &o, why);
	ck_assert_msg(successor, "%s", why);
	ck_assert(comes(successor->fd, POLLIN));
	server = accept(successor->fd, NULL, NULL);
	ck_assert_int_eq(write(server, "x", 1), 1);
	ck_assert(comes(client, POLLIN));
	close(server);
	close(client);
	listener_release(l);
	listener_release(successor);
}
END_TEST

START_TEST(a_door_can_be_shut_twice)
{
	struct listener *l = open_one("127.0.0.1:0");
	int first = given_client(&l->bound), second;

	listener_shut_door(l);
	listener_shut_door(l);
	if (!given_filters()) {
		close(first);
		listener_release(l);
		return; /* a kernel that gives filters to root alone */
	}
	second = given_attempt(&l->bound);
	ck_assert(becomes(has_dropped, &(struct expected){ l, 0, 1 }));
	ck_assert_int_eq(queue_waiting(l->fd), 1);
	close(first);
	close(second);
	listener_release(l);
}
END_TEST

START_TEST(a_door_can_be_opened_again)
{
	struct listener *l = open_one("127.0.0.1:0");

	ck_assert_int_eq(listener_open_door(l), 0);
	listener_shut_door(l);
	ck_assert_int_eq(listener_open_door(l), 0);
	check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

START_TEST(a_path_whose_door_is_shut_is_gone)
{
	struct listener *l = open_one("/path"), *successor;
	struct address a = l->bound;
	int first = given_client(&a), late = socket(AF_UNIX, SOCK_STREAM, 0), server;

	ck_assert(!listener_is_empty(l));
	listener_shut_door(l);
	ck_assert_int_eq(connect(late, &a.socket.any, a.length), -1);
	ck_assert_int_eq(errno, ENOENT);
	server = accept(l->fd, NULL, NULL);
	ck_assert_int_ge(server, 0);
	ck_assert(listener_is_empty(l));

	/* The successor's path is not ours to remove. */
	successor = open_one("/path");
	listener_release(l);
	check_answers(successor, &successor->bound);
	listener_release(successor);
	close(server);
	close(first);
	close(late);
}
END_TEST

START_TEST(behind_the_shut_door_of_an_abstract_name_the_queue_only_shrinks)
{
	struct listener *l = open_one("@name");
	struct address a = l->bound;
	int first = given_client(&a), late, server;

	ck_assert_int_eq(queue_waiting(l->fd), 1);
	listener_shut_door(l);
	late = given_attempt(&a);
	ck_assert_int_eq(queue_waiting(l->fd), 1);
	check_refuses(&a);
	ck_assert(!listener_is_empty(l));
	server = accept(l->fd, NULL, NULL);
	ck_assert_int_ge(server, 0);
	ck_assert(listener_is_empty(l));
	/* The last one to come back finds an end and not a wait. */
	ck_assert_int_eq(accept(l->fd, NULL, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(write(first, "ping", 4), 4);
	ck_assert(comes(server, POLLIN));
	close(server);
	close(first);
	close(late);
	listener_release(l);
}
END_TEST

/* The end */

/* A process that blocks in accept, tells its errno and keeps the listener until it is let go. */
struct holder_process {
	pid_t pid;
	int told, hold;
};

static struct holder_process hold(const struct listener *l)
{
	int told[2], kept[2];
	struct holder_process h;

	ck_assert(pipe(told) == 0 && pipe(kept) == 0);
	h.pid = fork();
	if (h.pid == 0) {
		int error;
		char byte;

		close(kept[1]);
		error = accept(l->fd, NULL, NULL) < 0 ? errno : 0;
		if (write(told[1], &error, sizeof(error)) != sizeof(error))
			_exit(1);
		_exit(read(kept[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(told[1]);
	close(kept[0]);
	h.told = told[0];
	h.hold = kept[1];
	return h;
}

static bool sleeps(void *data)
{
	const pid_t *pid = data;
	char path[64], line[64] = "";
	FILE *f;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)*pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		found |= strncmp(line, "State:\tS", 8) == 0;
	if (f)
		fclose(f);
	return found;
}

static const char *const ended[] = { "127.0.0.1:0", "*:0", "/path" };

START_TEST(the_end_is_for_all_and_frees_the_address)
{
	struct socket_options o = options();
	struct listener *l = open_one(ended[_i]), *again;
	struct endpoint e = l->asked;
	struct holder_process h = hold(l);
	struct address a;
	char why[1024];
	int error = 0, status;

	e.address = l->bound;
	ck_assert(becomes(sleeps, &h.pid));
	listener_end(l);
	ck_assert_msg(read_all(h.told, &error, sizeof(error)) == sizeof(error) && error == EINVAL, "%s: %s", ended[_i], strerror(error));
	ck_assert_int_eq(accept(l->fd, NULL, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	again = try_open(&e, &o, why);
	ck_assert_msg(again, "%s: %s", ended[_i], why);
	a = address_family(&again->bound) == AF_UNIX ? again->bound : at(again, "127.0.0.1");
	check_answers(again, &a);
	close(h.hold);
	ck_assert_int_eq(waitpid(h.pid, &status, 0), h.pid);
	ck_assert_int_eq(status, 0);
	close(h.told);
	listener_release(l);
	check_answers(again, &a);
	listener_release(again);
}
END_TEST

START_TEST(an_abstract_name_ends_for_all)
{
	struct listener *l = open_one("@name");
	struct holder_process h = hold(l);
	int error = 0;

	ck_assert(becomes(sleeps, &h.pid));
	listener_end(l);
	ck_assert_int_eq(read_all(h.told, &error, sizeof(error)), sizeof(error));
	ck_assert_int_eq(error, EINVAL);
	check_refuses(&l->bound);
	close(h.hold);
	waitpid(h.pid, NULL, 0);
	close(h.told);
	listener_release(l);
}
END_TEST

/* What an end was that nobody meant. */
static const char *const ended_by_others[] = { "127.0.0.1:0", "*:0", "/path", "@name" };

START_TEST(what_was_shut_down_listens_again)
{
	struct listener *l = open_one(ended_by_others[_i]);
	struct holder_process h = hold(l);
	struct address before = l->bound, a;
	int error = 0, fd = l->fd;

	ck_assert(becomes(sleeps, &h.pid));
	ck_assert(!listener_has_ended(l));
	ck_assert_int_eq(shutdown(l->fd, SHUT_RDWR), 0);
	ck_assert(listener_has_ended(l));
	ck_assert(listener_is_empty(l));
	ck_assert_int_eq(read_all(h.told, &error, sizeof(error)), sizeof(error));
	close(h.hold);
	waitpid(h.pid, NULL, 0);
	close(h.told);
	ck_assert_msg(listener_listen_again(l) == 0, "%s: %s", ended_by_others[_i], strerror(errno));
	ck_assert(!listener_has_ended(l));
	ck_assert_int_eq(l->fd, fd);
	ck_assert_int_eq(fcntl(l->fd, F_GETFD), FD_CLOEXEC);
	a = address_family(&before) == AF_UNIX ? before : at(l, "127.0.0.1");
	check_answers(l, &a);
	listener_release(l);
}
END_TEST

/* Until then somebody else may have taken the address. */
START_TEST(what_cannot_listen_again_may_try_once_more)
{
	struct socket_options o = options();
	struct listener *l = open_one("127.0.0.1:0"), *other;
	struct endpoint e = { .address = l->bound };
	char why[1024];

	ck_assert_int_eq(shutdown(l->fd, SHUT_RDWR), 0);
	other = try_open(&e, &o, why);
	ck_assert_msg(other, "%s", why);
	ck_assert_int_eq(listener_listen_again(l), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert(listener_has_ended(l));
	listener_release(other);
	ck_assert_int_eq(listener_listen_again(l), 0);
	check_answers(l, &l->bound);
	listener_release(l);
}
END_TEST

START_TEST(the_end_of_a_listener_touches_no_connection)
{
	struct listener *l = open_one("127.0.0.1:0");
	int client = given_client(&l->bound), server = accept(l->fd, NULL, NULL);

	listener_end(l);
	listener_release(l);
	ck_assert_int_eq(write(client, "ping", 4), 4);
	ck_assert(comes(server, POLLIN));
	ck_assert_int_eq(write(server, "pong", 4), 4);
	ck_assert(comes(client, POLLIN));
	close(server);
	close(client);
}
END_TEST

Suite *listener_suite(void)
{
	Suite *s = suite_create("listener");
	TCase *t = tcase_create("listener");

	tcase_add_unchecked_fixture(t, given_suite_directory, given_no_suite_directory);
	tcase_add_checked_fixture(t, given_directory, NULL);
	tcase_add_loop_test(t, a_port_is_chosen_and_told, 0, rows(opened));
	tcase_add_test(t, an_ipv4_address_is_answered);
	tcase_add_test(t, a_star_is_answered_over_ipv4_and_ipv6);
	tcase_add_test(t, a_written_ipv6_wildcard_leaves_ipv4_to_others);
	tcase_add_test(t, v6only_decides_whatever_is_written);
	tcase_add_loop_test(t, the_effective_backlog_is_read_back, 0, rows(backlogs));
	tcase_add_loop_test(t, a_taken_address_names_who_has_it, 0, rows(taken));
	tcase_add_test(t, a_star_is_told_who_has_its_ipv4_half);
	tcase_add_loop_test(t, a_patient_one_tries_for_a_while, 0, rows(taken));
	tcase_add_test(t, an_address_of_another_machine_is_refused);
	tcase_add_test(t, an_address_of_another_machine_is_bound_all_the_same_if_asked);
	tcase_add_loop_test(t, two_listeners_share_a_port_only_if_both_want_to, 0, rows(shared));
	tcase_add_loop_test(t, nobody_can_connect_to_a_silent_one_before_it_is_started, 0, rows(silent));
	tcase_add_test(t, a_silent_one_may_find_that_another_was_faster);
	tcase_add_test(t, what_was_shared_is_shared_no_longer);
	tcase_add_test(t, a_port_that_is_always_shared_stays_so);
	tcase_add_test(t, an_option_that_cannot_be_set_is_named);
	tcase_add_test(t, a_port_is_free_at_once_while_its_connections_live);
	tcase_add_loop_test(t, a_path_has_its_mode_and_the_umask_is_kept, 0, rows(modes));
	tcase_add_test(t, a_path_may_be_given_to_an_owner);
	tcase_add_test(t, a_stale_path_is_replaced);
	tcase_add_loop_test(t, a_live_path_is_left_alone, 0, rows(queues));
	tcase_add_loop_test(t, what_is_no_socket_is_never_removed, 0, rows(files));
	tcase_add_test(t, a_path_without_a_directory_is_told);
	tcase_add_test(t, an_abstract_name_is_answered_and_shown);
	tcase_add_test(t, the_last_holder_closes_and_removes);
	tcase_add_test(t, a_successors_path_is_left_alone);
	tcase_add_test(t, a_file_in_its_place_is_left_alone);
	tcase_add_loop_test(t, a_listener_fits_what_it_was_opened_for, 0, rows(changes));
	tcase_add_test(t, a_path_fits_whatever_its_options);
	tcase_add_test(t, a_listener_keeps_the_name_of_its_interface);
	tcase_add_test(t, a_star_fits_a_star_and_no_written_wildcard);
	tcase_add_test(t, options_are_brought_up_to_date_while_it_listens);
	tcase_add_test(t, the_mode_of_a_path_is_brought_up_to_date);
	tcase_add_test(t, the_owner_of_a_path_is_brought_up_to_date);
	tcase_add_loop_test(t, a_path_that_leads_elsewhere_is_left_alone, 0, rows(in_its_place));
	tcase_add_loop_test(t, behind_a_shut_door_the_queue_only_shrinks, 0, rows(doors));
	tcase_add_test(t, a_client_behind_a_shut_door_meets_the_successor);
	tcase_add_test(t, a_door_can_be_shut_twice);
	tcase_add_test(t, a_door_can_be_opened_again);
	tcase_add_test(t, a_path_whose_door_is_shut_is_gone);
	tcase_add_test(t, behind_the_shut_door_of_an_abstract_name_the_queue_only_shrinks);
	tcase_add_loop_test(t, the_end_is_for_all_and_frees_the_address, 0, rows(ended));
	tcase_add_test(t, an_abstract_name_ends_for_all);
	tcase_add_loop_test(t, what_was_shut_down_listens_again, 0, rows(ended_by_others));
	tcase_add_test(t, what_cannot_listen_again_may_try_once_more);
	tcase_add_test(t, the_end_of_a_listener_touches_no_connection);
	suite_add_tcase(s, t);
	return s;
}
