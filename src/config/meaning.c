/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "meaning.h"
#include "environment.h"
#include "handlers.h"
#include "value.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENDPOINTS_EACH 16          /* addresses that one host name may have */
#define ANSWER_MAX (64 * 1024)     /* bytes of a refusal's text, or a banner's */
#define DEFAULT_MAX_SPARE 4

struct resolving {
	struct service_config *c;
	const struct origin *origin;
	const struct surroundings *around;
	struct complaints *complaints;
};

const struct setting *origin_find(const struct origin *o, const struct key *key)
{
	const struct setting *s = section_find(o->own, key);

	return s ? s : section_find(o->defaults, key);
}

/* Complains of the n-th value of a key, or of the service where the key was not given. */
__attribute__((format(printf, 4, 5))) static void object(const struct resolving *r, const char *name, size_t n, const char *format, ...)
{
	const struct setting *s = origin_find(r->origin, key_find(service_keys, name));
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (s)
		complain(r->complaints, s->file, n < s->count ? s->lines[n] : s->line, "%s: %s", name, text);
	else
		complain(r->complaints, r->c->file, r->c->line, "service %s: %s", r->c->name, text);
}

static bool is_root(const struct resolving *r)
{
	return r->around->user == 0;
}

static void no_memory(const struct resolving *r)
{
	complain(r->complaints, NULL, 0, "%s", strerror(ENOMEM));
}

int meaning_find_parent(const char *path, char *why)
{
	const char *slash = strrchr(path, '/');
	char *parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	struct stat st;
	int result = -1;

	if (!parent || stat(parent, &st) < 0)
		snprintf(why, VALUE_WHY, "the directory %.128s: %s", parent ? parent : path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		snprintf(why, VALUE_WHY, "%.128s is no directory", parent);
	else
		result = 0;
	free(parent);
	return result;
}

/* listen */

/* Of the n-th value of a setting, which may stand in the defaults and so in another file than the service. */
static int add_endpoint(struct service_config *c, const struct endpoint *e, const struct setting *s, size_t n)
{
	struct endpoint_config *list = reallocarray(c->endpoints, c->endpoint_count + 1, sizeof(*list));

	if (!list)
		return -1;
	c->endpoints = list;
	list += c->endpoint_count++;
	*list = (struct endpoint_config){
		.endpoint = *e, .text = strdup(s->values[n]), .file = strdup(s->file), .line = s->lines[n],
	};
	return list->text && list->file ? 0 : -1;
}

static void resolve_listen(const struct resolving *r)
{
	const struct setting *s = origin_find(r->origin, key_find(service_keys, "listen"));
	struct service_config *c = r->c;

	if (!c->listen || !c->listen[0]) {
		object(r, "listen", 0, "no address; write listen = { \"*:PORT\" }");
		return;
	}
	for (size_t i = 0; c->listen[i]; i++) {
		struct endpoint found[ENDPOINTS_EACH];
		char why[VALUE_WHY * 2];
		int n = resolve_endpoint(c->listen[i], "tcp", found, ENDPOINTS_EACH, why, sizeof(why));

		if (n > 0 && c->listen[i][0] == '/' && meaning_find_parent(c->listen[i], why) < 0)
			n = -1;
		if (n < 0)
			object(r, "listen", i, "%s", why);
		if (n == ENDPOINTS_EACH)
			object(r, "listen", i, "%s has %d addresses or more; write those that you mean", c->listen[i], ENDPOINTS_EACH);
		for (int j = 0; j < n; j++)
			if (add_endpoint(c, &found[j], s, i) < 0)
				no_memory(r);
	}
}

static void check_interface(const struct resolving *r)
{
	const char *name = r->c->socket.interface;

	if (name && strlen(name) >= IFNAMSIZ)
		object(r, "interface", 0, "\"%s\" is too long for an interface", name);
}

/* Users and groups */

static bool is_id(const char *text, unsigned *id)
{
	char why[VALUE_WHY];
	long value;

	if (text[strspn(text, "0123456789")] != '\0' || value_number(text, 0, UINT_MAX - 1, &value, why) < 0)
		return false;
	*id = (unsigned)value;
	return true;
}

static bool find_group(const char *name, gid_t *gid)
{
	const struct group *g = getgrnam(name);
	unsigned id;

	if (g)
		*gid = g->gr_gid;
	else if (is_id(name, &id))
		*gid = id;
	else
		return false;
	return true;
}

/* A number needs no entry in passwd(5). */
static bool find_user(const char *name, struct identity *who)
{
	const struct passwd *p = getpwnam(name);
	unsigned id;

	if (!p && is_id(name, &id)) {
		p = getpwuid(id);
		who->user = id;
		who->group = id;
	} else if (!p) {
		return false;
	}
	if (p) {
		who->user = p->pw_uid;
		who->group = p->pw_gid;
	}
	who->name = strdup(p ? p->pw_name : name);
	who->home = strdup(p && p->pw_dir[0] ? p->pw_dir : "/");
	who->shell = strdup(p && p->pw_shell[0] ? p->pw_shell : "/bin/sh");
	return true;
}

static void use_listed_groups(const struct resolving *r)
{
	struct identity *who = &r->c->identity;
	size_t n = 0;

	while (r->c->groups[n])
		n++;
	who->groups = calloc(n + 1, sizeof(*who->groups));
	if (!who->groups) {
		no_memory(r);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!find_group(r->c->groups[i], &who->groups[i]))
			object(r, "groups", i, "no group %s", r->c->groups[i]);
	who->group_count = n;
}

/* As login(1) would find them. */
static void use_own_groups(const struct resolving *r)
{
	struct identity *who = &r->c->identity;
	int n = 32, room;

	do {
		gid_t *list = reallocarray(who->groups, (size_t)n, sizeof(*list));

		if (!list) {
			no_memory(r);
			return;
		}
		who->groups = list;
		room = n;
	} while (getgrouplist(who->name, who->group, who->groups, &n) < 0 && n > room);
	who->group_count = n > 0 ? (size_t)n : 0;
}

static void resolve_other_user(const struct resolving *r)
{
	struct identity *who = &r->c->identity;

	who->change = true;
	if (r->c->group && !find_group(r->c->group, &who->group))
		object(r, "group", 0, "no group %s", r->c->group);
	if (r->c->groups)
		use_listed_groups(r);
	else
		use_own_groups(r);
}

static void check_same_user(const struct resolving *r)
{
	if (r->c->identity.user != r->around->user)
		object(r, "user", 0, "only root can serve as user %s", r->c->user);
	if (r->c->group)
		object(r, "group", 0, "only root can serve as another group");
	if (r->c->groups)
		object(r, "groups", 0, "only root can serve with other groups");
}

static void resolve_user(const struct resolving *r)
{
	const char *name = r->c->user;
	char own[16];

	if (!name && is_root(r) && r->c->builtin)
		name = "nobody";
	if (!name && is_root(r)) {
		object(r, "user", 0, "no user; write user = \"NAME\" (\"root\" if it must be)");
		return;
	}
	if (!name) {
		snprintf(own, sizeof(own), "%u", (unsigned)r->around->user);
		name = own;
	}
	if (!find_user(name, &r->c->identity))
		object(r, "user", 0, "no user %s", name);
	else if (is_root(r))
		resolve_other_user(r);
	else
		check_same_user(r);
}

static void resolve_socket_owner(const struct resolving *r)
{
	struct socket_options *o = &r->c->socket;
	struct identity who = { 0 };

	if (o->owner && !find_user(o->owner, &who))
		object(r, "socket-user", 0, "no user %s", o->owner);
	else if (o->owner)
		o->owner_id = who.user;
	if (o->group && !find_group(o->group, &o->group_id))
		object(r, "socket-group", 0, "no group %s", o->group);
	free(who.name);
	free(who.home);
	free(who.shell);
}

/* Directories and programs, which lie inside the root directory if there is one */

static char *inside(const struct service_config *c, const char *path)
{
	char *joined;

	return asprintf(&joined, "%s%s", c->chroot ? c->chroot : "", path) < 0 ? NULL : joined;
}

static void check_directory(const struct resolving *r, const char *key, const char *written, const char *path)
{
	struct stat st;

	if (written[0] != '/')
		object(r, key, 0, "%s is no absolute path", written);
	else if (stat(path, &st) < 0)
		object(r, key, 0, "%s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		object(r, key, 0, "%s is no directory", path);
}

static void resolve_directories(const struct resolving *r)
{
	struct service_config *c = r->c;
	char *path;

	if (c->chroot && !is_root(r))
		object(r, "chroot", 0, "only root can change the root directory");
	if (c->chroot)
		check_directory(r, "chroot", c->chroot, c->chroot);
	path = inside(c, c->directory);
	if (!path)
		no_memory(r);
	else
		check_directory(r, "directory", c->directory, path);
	free(path);
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Looks a bare name up as a shell would, in the PATH that the program itself will have. */
static char *search_path(const struct resolving *r, const char *name)
{
	const char *path = environment_get(r->c->environment, "PATH");

	while (path && *path) {
		size_t length = strcspn(path, ":");
		char *candidate, *real;

		if (path[0] == '/' && asprintf(&candidate, "%.*s/%s", (int)length, path, name) >= 0) {
			real = inside(r->c, candidate);
			if (real && is_program(real)) {
				free(real);
				return candidate;
			}
			free(real);
			free(candidate);
		}
		path += length + (path[length] == ':');
	}
	return NULL;
}

static void check_nice(const struct resolving *r)
{
	if (r->c->nice < 0 && !is_root(r))
		object(r, "nice", 0, "only root can give a program a higher priority");
}

static void resolve_program(const struct resolving *r)
{
	struct service_config *c = r->c;
	const char *name = c->exec[0];
	char *real;

	if (name[0] != '/' && strchr(name, '/')) {
		object(r, "exec", 0, "%s is neither an absolute path nor a plain name to look up in PATH", name);
		return;
	}
	if (name[0] != '/') {
		c->program = search_path(r, name);
		if (!c->program)
			object(r, "exec", 0, "no program %s in PATH (%s)", name, environment_get(c->environment, "PATH"));
		return;
	}
	c->program = strdup(name);
	real = inside(c, name);
	if (!real || !c->program)
		no_memory(r);
	else if (!is_program(real))
		object(r, "exec", 0, "cannot execute %s: %s", real, strerror(errno ? errno : EACCES));
	free(real);
}

static void resolve_arguments(const struct resolving *r)
{
	struct service_config *c = r->c;
	size_t n = 0;

	while (c->exec[n])
		n++;
	c->argv = calloc(n + 1, sizeof(*c->argv));
	if (!c->argv) {
		no_memory(r);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		c->argv[i] = strdup(i == 0 && c->argv0 ? c->argv0 : c->exec[i]);
		if (!c->argv[i])
			no_memory(r);
	}
}

static void resolve_handler(const struct resolving *r)
{
	struct service_config *c = r->c;

	if (c->exec && c->builtin) {
		object(r, "builtin", 0, "a service has either exec or builtin");
	} else if (c->builtin) {
		c->handler = builtin_find(c->builtin);
		if (!c->handler)
			object(r, "builtin", 0, "no built-in %s; there are %s", c->builtin, builtin_names());
	} else if (c->exec && c->exec[0] && c->exec[0][0]) {
		c->handler = &handler_exec;
		errno = 0;
		resolve_program(r);
		resolve_arguments(r);
	} else {
		object(r, "exec", 0, "nothing to do; write exec = { \"/path/of/program\", \"argument\" } or builtin = \"NAME\"");
	}
}

/* environment */

static bool is_assignment(const char *text)
{
	const char *sign = strchr(text, '=');

	return sign && sign > text;
}

static void resolve_environment(const struct resolving *r)
{
	struct service_config *c = r->c;
	char **own = c->own_environment, **pass = c->pass_environment;

	for (size_t i = 0; own && own[i]; i++) {
		if (!is_assignment(own[i]))
			object(r, "environment", i, "\"%s\" is not of the form NAME=value", own[i]);
		else if (variables_known(own[i]))
			object(r, "environment", i, "%.*s is set for each connection", (int)strcspn(own[i], "="), own[i]);
	}
	for (size_t i = 0; pass && pass[i]; i++)
		if (!pass[i][0] || strchr(pass[i], '='))
			object(r, "pass-environment", i, "\"%s\" is no name of a variable", pass[i]);
	if (environment_prepare(c, r->around->environment) < 0)
		no_memory(r);
}

/* workers */

static void resolve_workers(const struct resolving *r)
{
	struct pool_size *w = &r->c->workers;
	bool own_start = w->start != UNSET;

	if (w->max_spare == UNSET)
		w->max_spare = w->min_spare > DEFAULT_MAX_SPARE ? w->min_spare : DEFAULT_MAX_SPARE;
	if (!own_start)
		w->start = w->min_spare;
	if (w->max_spare < w->min_spare)
		object(r, "workers.max-spare", 0, "%d is below min-spare, which is %d", w->max_spare, w->min_spare);
	if (w->min_spare > w->max)
		object(r, "workers.min-spare", 0, "%d is above max, which is %d", w->min_spare, w->max);
	if (own_start && w->start > w->max)
		object(r, "workers.start", 0, "%d is above max, which is %d", w->start, w->max);
	if ((size_t)w->max < r->c->endpoint_count)
		object(r, "workers.max", 0, "a max of %d is too few for %zu addresses: each needs one worker", w->max, r->c->endpoint_count);
}

/* Limits in time */

/* The kernel counts what TCP connections have received, and nothing of the others. */
static void check_deadlines(const struct resolving *r)
{
	const struct service_config *c = r->c;

	if (c->first_byte_limit == UNSET)
		return;
	if (c->time_limit != UNSET && c->first_byte_limit >= c->time_limit)
		object(r, "first-byte-limit", 0, "%d ms is not below time-limit, which is %d ms", c->first_byte_limit, c->time_limit);
	for (size_t i = 0; i < c->endpoint_count; i++)
		if (address_family(&c->endpoints[i].endpoint.address) == AF_UNIX)
			object(r, "first-byte-limit", 0, "not possible with %s: only of TCP connections it is known what has come",
			       c->endpoints[i].text);
}

/* The answers: when-full, when-denied, when-limited, and the banner */

static int read_whole(int fd, char *data, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, data + have, size - have);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (int)have;
}

static void read_answer(const struct resolving *r, const char *key, const char *path, struct answer *a)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = malloc(ANSWER_MAX);
	int length = fd >= 0 && text ? read_whole(fd, text, ANSWER_MAX) : -1;

	if (length < 0)
		object(r, key, 0, "cannot read %s: %s", path, strerror(errno));
	else if (length == ANSWER_MAX)
		object(r, key, 0, "%s is too long; at most %d bytes", path, ANSWER_MAX - 1);
	if (fd >= 0)
		close(fd);
	if (length < 0) {
		free(text);
		return;
	}
	*a = (struct answer){ .kind = ANSWER_TEXT, .text = text, .length = (size_t)length };
}

/* Only a full service may leave its clients in the queue: `first` is the first of the words that may be said. */
static void resolve_answer(const struct resolving *r, const char *key, const char *written, enum answer_kind first,
                           struct answer *a)
{
	static const char *const words[] = { [ANSWER_QUEUE] = "queue", [ANSWER_CLOSE] = "close", [ANSWER_RESET] = "reset" };

	for (int i = (int)first; i <= ANSWER_RESET; i++)
		if (strcmp(written, words[i]) == 0) {
			a->kind = (enum answer_kind)i;
			return;
		}
	if (written[0] == '/')
		read_answer(r, key, written, a);
	else
		object(r, key, 0, "\"%s\" is neither %sclose, reset nor the absolute path of a text file", written,
		       first == ANSWER_QUEUE ? "queue, " : "");
}

static void resolve_banner(const struct resolving *r)
{
	const char *path = r->c->banner;

	if (!path)
		return;
	if (path[0] == '/')
		read_answer(r, "banner", path, &r->c->welcome);
	else
		object(r, "banner", 0, "\"%s\" is no absolute path", path);
}

static void resolve_hours(const struct resolving *r)
{
	char **times = r->c->access_times;
	char why[HOURS_WHY];

	if (!times || !times[0])
		return;
	r->c->hours = calloc(1, sizeof(*r->c->hours));
	if (!r->c->hours) {
		no_memory(r);
		return;
	}
	for (size_t i = 0; times[i]; i++)
		if (hours_add(r->c->hours, times[i], why) < 0)
			object(r, "access-times", i, "%s", why);
}

static void check_name(const struct resolving *r)
{
	const char *name = r->c->name;
	const char *good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t length = strlen(name);

	if (length == 0 || length > 64 || strspn(name, good) != length)
		complain(r->complaints, r->c->file, r->c->line, "service \"%s\": a name has 1 to 64 letters, digits, and . _ -", name);
}

void meaning_resolve(struct service_config *c, const struct origin *o, const struct surroundings *around,
                     struct complaints *complaints)
{
	const struct resolving r = { c, o, around, complaints };

	check_name(&r);
	resolve_listen(&r);
	check_interface(&r);
	resolve_socket_owner(&r);
	resolve_user(&r);
	resolve_directories(&r);
	check_nice(&r);
	resolve_environment(&r);
	resolve_handler(&r);
	resolve_workers(&r);
	check_deadlines(&r);
	resolve_answer(&r, "when-full", c->when_full, ANSWER_QUEUE, &c->answer_full);
	resolve_answer(&r, "when-denied", c->when_denied, ANSWER_CLOSE, &c->answer_denied);
	resolve_answer(&r, "when-limited", c->when_limited, ANSWER_CLOSE, &c->answer_limited);
	resolve_banner(&r);
	resolve_hours(&r);
}
