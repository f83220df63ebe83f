/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "listener.h"
#include "holder.h"
#include "queue.h"
#include "socket_options.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_LINUX_FILTER_H
#include <linux/filter.h>
#endif

#define BIND_PAUSE 20 /* ms between two tries */
#define MODE_BITS 07777

struct complaint {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int complain(struct complaint *why, const char *format, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, format);
	vsnprintf(why->text, why->size, format, ap);
	va_end(ap);
	errno = error;
	return -1;
}

/* The cannot-sentence of an address, with the process that is in the way if it can be named. */
static int complain_address(struct complaint *why, const char *what, const struct listener *l, int error)
{
	char text[ADDRESS_TEXT];
	struct holder h;

	address_text(&l->asked.address, text);
	if (error != EADDRINUSE || holder_find(&l->asked.address, l->dual, &h) != 1)
		complain(why, "cannot %s %s: %s", what, text, strerror(error));
	else
		complain(why, "cannot %s %s: %s (held by pid %d, %s)", what, text, strerror(error), (int)h.pid, h.command);
	errno = error;
	return -1;
}

static bool is_path(const struct address *a)
{
	return address_family(a) == AF_UNIX && a->socket.path.sun_path[0] == '/';
}

/* Does somebody answer at a path? Only a refusal says surely that nobody does. */
static bool is_live(const struct address *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused;

	if (fd < 0)
		return true;
	refused = connect(fd, &a->socket.any, a->length) < 0 && errno == ECONNREFUSED;
	close(fd);
	return !refused;
}

/* A pause before an address in use is tried once more; false when there were enough. */
static bool is_patient(unsigned how, int *waited)
{
	struct timespec pause = { .tv_nsec = BIND_PAUSE * 1000000L };

	if (!(how & OPEN_PATIENTLY) || *waited >= BIND_PATIENCE)
		return false;
	nanosleep(&pause, NULL);
	*waited += BIND_PAUSE;
	return true;
}

/* Removes a socket file that no server holds any more. Nothing else is ever removed. */
static int remove_stale(const struct listener *l, unsigned how, struct complaint *why)
{
	const struct address *a = &l->asked.address;
	const char *path = a->socket.path.sun_path;
	struct stat st;
	int waited = 0;

	if (lstat(path, &st) < 0)
		return 0; /* bind will say what is wrong with the path */
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return complain(why, "cannot bind %s: there is a file of that name that is no socket; remove it or choose another path",
		                path);
	}
	while (is_live(a))
		if (!is_patient(how, &waited))
			return complain_address(why, "bind", l, EADDRINUSE);
	if (unlink(path) < 0)
		return complain(why, "cannot remove the stale socket %s: %s", path, strerror(errno));
	return 0;
}

/*
 * The socket file, held by a descriptor: who may write to its directory can put anything else in its place at any time, and owner
 * and mode must never go to that. -1 with errno.
 */
static int open_file(const struct listener *l, struct stat *st)
{
	int fd = open(l->asked.address.socket.path.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && S_ISSOCK(st->st_mode))
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

static int set_owner(int file, const struct stat *st, const struct socket_options *o)
{
	bool same_user = o->owner_id == (uid_t)-1 || o->owner_id == st->st_uid;
	bool same_group = o->group_id == (gid_t)-1 || o->group_id == st->st_gid;

	return same_user && same_group ? 0 : fchownat(file, "", o->owner_id, o->group_id, AT_EMPTY_PATH);
}

/* A descriptor that only names a file has no fchmod(2). */
static int set_mode(int file, const struct stat *st, const struct socket_options *o)
{
	char name[64];

	if ((st->st_mode & MODE_BITS) == (mode_t)o->mode)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	return chmod(name, (mode_t)o->mode);
}

/* What was bound just now is known by its mode: a socket to which nobody may connect. */
static int own_file(struct listener *l, const struct socket_options *o, struct complaint *why)
{
	const char *path = l->asked.address.socket.path.sun_path;
	struct stat st;
	int file = open_file(l, &st), result = 0;

	if (file < 0 || (st.st_mode & MODE_BITS) != 0) {
		result = complain(why, "cannot bind %s: something else was put in its place", path);
	} else {
		l->device = st.st_dev;
		l->inode = st.st_ino;
		if (set_owner(file, &st, o) < 0)
			result = complain(why, "cannot give %s to its owner: %s", path, strerror(errno));
		else if (set_mode(file, &st, o) < 0)
			result = complain(why, "cannot set the mode of %s: %s", path, strerror(errno));
	}
	if (file >= 0)
		close(file);
	return result;
}

static int bind_path(struct listener *l, const struct socket_options *o, unsigned how, struct complaint *why)
{
	mode_t before;
	int result;

	if (remove_stale(l, how, why) < 0)
		return -1;
	before = umask(0777); /* nobody may connect before owner and mode are right */
	result = fchmod(l->fd, 0); /* nor where the directory has rules that replace the umask */
	if (result == 0)
		result = bind(l->fd, &l->asked.address.socket.any, l->asked.address.length);
	umask(before);
	return result < 0 ? complain_address(why, "bind", l, errno) : own_file(l, o, why);
}

static int bind_patiently(const struct listener *l, unsigned how)
{
	int waited = 0;

	while (bind(l->fd, &l->asked.address.socket.any, l->asked.address.length) < 0)
		if (errno != EADDRINUSE || !is_patient(how, &waited))
			return -1;
	return 0;
}

static int bind_it(struct listener *l, const struct socket_options *o, unsigned how, struct complaint *why)
{
	if (is_path(&l->asked.address))
		return bind_path(l, o, how, why);
	return bind_patiently(l, how) == 0 ? 0 : complain_address(why, "bind", l, errno);
}

/* After `*` became the IPv4 wildcard because there is no IPv6. */
static void fall_back_to_v4(struct listener *l)
{
	unsigned port = address_port(&l->asked.address);

	memset(&l->asked.address, 0, sizeof(l->asked.address));
	l->asked.address.length = sizeof(l->asked.address.socket.v4);
	l->asked.address.socket.v4.sin_family = AF_INET;
	address_set_port(&l->asked.address, port);
	l->dual = false;
}

static int make_socket(struct listener *l)
{
	l->fd = socket(address_family(&l->asked.address), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 && errno == EAFNOSUPPORT && l->asked.dual) {
		fall_back_to_v4(l);
		l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	return l->fd;
}

void listener_share(const struct listener *l, bool share)
{
	int value = share || l->options.reuse_port == true;

#ifdef SO_REUSEPORT
	if (address_family(&l->asked.address) != AF_UNIX)
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
#else
	(void)value;
#endif
}

static int construct(struct listener *l, const struct socket_options *o, unsigned how, struct complaint *why)
{
	int family;
	const char *key;

	if (make_socket(l) < 0)
		return complain_address(why, "make a socket for", l, errno);
	family = address_family(&l->asked.address);
	key = socket_options_before_bind(l->fd, family, l->dual, o);
	if (!key)
		key = socket_options_any_time(l->fd, family, o);
	if (!key && how & OPEN_SHARING)
		listener_share(l, true);
	if (key)
		return complain(why, "cannot set %s: %s", key, strerror(errno));
	return 0;
}

static int listen_with(struct listener *l, int backlog)
{
	if (listen(l->fd, backlog) < 0)
		return -1;
	l->backlog = queue_look(l->fd).limit;
	return 0;
}

static void read_back(struct listener *l)
{
	l->bound.length = sizeof(l->bound.socket);
	if (getsockname(l->fd, &l->bound.socket.any, &l->bound.length) < 0)
		l->bound = l->asked.address;
	address_text(&l->bound, l->text);
	if (l->dual && address_is_wildcard(&l->bound))
		snprintf(l->text, sizeof(l->text), "*:%u", address_port(&l->bound));
}

static int open_all(struct listener *l, const struct socket_options *o, unsigned how, struct complaint *why)
{
	if (construct(l, o, how, why) < 0)
		return -1;
	if (bind_it(l, o, how, why) < 0) {
		/* IPv6 may be compiled in and yet have no address at all. */
		if (errno != EADDRNOTAVAIL || !l->asked.dual || !l->dual)
			return -1;
		close(l->fd);
		fall_back_to_v4(l);
		if (construct(l, o, how, why) < 0 || bind_it(l, o, how, why) < 0)
			return -1;
	}
	read_back(l);
	return 0;
}

static bool wants_dual(const struct endpoint *e, const struct socket_options *o)
{
	if (address_family(&e->address) != AF_INET6)
		return false;
	return o->v6only == UNSET ? e->dual : !o->v6only;
}

/* The options outlive the configuration that they came from. */
static int remember(struct listener *l, const struct socket_options *o)
{
	char *interface = o->interface ? strdup(o->interface) : NULL;

	if (o->interface && !interface)
		return -1;
	free(l->options.interface);
	l->options = *o;
	l->options.interface = interface;
	l->options.owner = l->options.group = NULL;
	return 0;
}

static int start(struct listener *l, unsigned how, struct complaint *why)
{
	int result = listen_with(l, l->options.backlog), error = errno;

	if (how & OPEN_SHARING)
		listener_share(l, false);
	return result < 0 ? complain_address(why, "listen on", l, error) : 0;
}

int listener_start(struct listener *l, unsigned how, char *text, size_t size)
{
	struct complaint why = { text, size };

	return start(l, how, &why);
}

struct listener *listener_open(const struct endpoint *e, const struct socket_options *o, unsigned how, char *text, size_t size)
{
	struct complaint why = { text, size };
	struct listener *l = calloc(1, sizeof(*l));
	int error;

	if (!l) {
		complain(&why, "cannot open a listener: %s", strerror(errno));
		return NULL;
	}
	l->fd = -1;
	l->holders = 1;
	l->asked = *e;
	l->dual = wants_dual(e, o);
	if (open_all(l, o, how, &why) == 0 && remember(l, o) == 0 && (how & OPEN_SILENTLY || start(l, how, &why) == 0)) {
		l->asked = *e;
		return l;
	}
	error = errno;
	listener_release(l);
	errno = error;
	return NULL;
}

static bool is_own(const struct listener *l, const struct stat *st)
{
	return l->inode && S_ISSOCK(st->st_mode) && st->st_dev == l->device && st->st_ino == l->inode;
}

/* Does its path still lead to it? */
static bool has_path(const struct listener *l)
{
	struct stat st;

	return lstat(l->asked.address.socket.path.sun_path, &st) == 0 && is_own(l, &st);
}

bool listener_fits(const struct listener *l, const struct endpoint *e, const struct socket_options *o)
{
	if (!address_equal(&l->asked.address, &e->address))
		return false;
	/* Of a path's options there are only buffers, for which nobody's connect should fail. */
	if (address_family(&e->address) == AF_UNIX)
		return !is_path(&e->address) || has_path(l);
	return l->asked.dual == e->dual && socket_options_can_become(&l->options, o);
}

static int adjust_path(const struct listener *l, const struct socket_options *o)
{
	struct stat st;
	int file = open_file(l, &st), result = -1, error;

	if (file < 0)
		return -1;
	errno = ESTALE;
	if (is_own(l, &st) && set_owner(file, &st, o) == 0)
		result = set_mode(file, &st, o);
	error = errno;
	close(file);
	errno = error;
	return result;
}

int listener_adjust(struct listener *l, const struct socket_options *o)
{
	if (socket_options_any_time(l->fd, address_family(&l->bound), o))
		return -1;
	if (is_path(&l->asked.address) && adjust_path(l, o) < 0)
		return -1;
	return remember(l, o) < 0 ? -1 : listen_with(l, o->backlog);
}

struct listener *listener_hold(struct listener *l)
{
	l->holders++;
	return l;
}

/* A successor may have its own socket there by now. */
static void remove_own_path(struct listener *l)
{
	if (is_path(&l->asked.address) && has_path(l))
		unlink(l->asked.address.socket.path.sun_path);
	l->inode = 0;
}

void listener_release(struct listener *l)
{
	if (--l->holders > 0)
		return;
	remove_own_path(l);
	if (l->fd >= 0)
		close(l->fd);
	free(l->options.interface);
	free(l);
}

#ifdef HAVE_LINUX_FILTER_H

/* On a TCP socket the filter's packet begins with the TCP header, whose flags are byte 13. */
static void ignore_handshakes(int fd)
{
	const unsigned syn = 0x02, ack = 0x10;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, syn | ack),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, syn, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* There is nothing to take away where nothing could be put. */
static int hear_handshakes(int fd)
{
	int unused = 0;

	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) == 0 || errno == ENOENT ? 0 : -1;
}

#else

static int hear_handshakes(int fd)
{
	(void)fd;
	return 0;
}

static void ignore_handshakes(int fd)
{
	(void)fd;
}

#endif

/*
 * An abstract name cannot be unlinked. Linux refuses whoever connects to a listener that is shut for reading, and lets accept empty
 * the queue before it ends. From then on poll says that it is readable, so this is only for a queue that can be counted.
 */
static void refuse_connects(int fd)
{
	if (queue_waiting(fd) >= 0)
		shutdown(fd, SHUT_RD);
}

void listener_shut_door(struct listener *l)
{
	if (is_path(&l->asked.address))
		remove_own_path(l);
	else if (address_family(&l->bound) == AF_UNIX)
		refuse_connects(l->fd);
	else
		ignore_handshakes(l->fd);
}

int listener_open_door(const struct listener *l)
{
	return hear_handshakes(l->fd);
}

bool listener_is_empty(const struct listener *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	int waiting = queue_waiting(l->fd);

	return waiting < 0 ? poll(&p, 1, 0) == 0 || p.revents & POLLHUP : waiting == 0;
}

/* A socket that listens has neither of these, whatever happens to its connections. */
bool listener_has_ended(const struct listener *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLRDHUP);
}

/* A port that the system had chosen was given back with the end; one that was asked for is kept, which bind calls EINVAL. */
static int bind_again(const struct listener *l)
{
	return bind(l->fd, &l->bound.socket.any, l->bound.length) == 0 || errno == EINVAL ? 0 : -1;
}

/* A path or name that was shut down stays so; the number stays the same for those who watch it. */
static int replace(struct listener *l)
{
	char text[ADDRESS_TEXT + 256];
	struct complaint why = { text, sizeof(text) };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = fd < 0 ? -1 : dup3(fd, l->fd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	if (result < 0 || socket_options_any_time(l->fd, AF_UNIX, &l->options))
		return -1;
	return bind_it(l, &l->options, 0, &why);
}

int listener_listen_again(struct listener *l)
{
	int result = address_family(&l->bound) == AF_UNIX ? replace(l) : bind_again(l);

	return result < 0 ? -1 : listen_with(l, l->options.backlog);
}

void listener_end(struct listener *l)
{
	shutdown(l->fd, SHUT_RDWR);
}
