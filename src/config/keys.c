/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "keys.h"
#include "configuration.h"
#include "document.h"
#include "value.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void key_print_text(const char *text, FILE *out)
{
	putc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else if (c == '$' && text[1] == '{')
			fputs("\\x24", out); /* no variable */
		else
			putc(c, out);
	}
	putc('"', out);
}

/* Text */

static int out_of_memory(char *why)
{
	snprintf(why, VALUE_WHY, "%s", strerror(ENOMEM));
	return -1;
}

static int read_text(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	char **text = field;

	(void)k;
	(void)bad;
	if (s->values[0][0] == '\0') {
		snprintf(why, VALUE_WHY, "it is empty");
		return -1;
	}
	free(*text);
	*text = strdup(s->values[0]);
	return *text ? 0 : out_of_memory(why);
}

static bool print_text(const struct key *k, const void *field, FILE *out)
{
	char *const *text = field;

	(void)k;
	if (!*text)
		return false;
	key_print_text(*text, out);
	return true;
}

static void release_text(void *field)
{
	char **text = field;

	free(*text);
	*text = NULL;
}

static const struct type type_text = { false, read_text, print_text, release_text };

/* Lists of text */

static int read_list(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	char ***list = field;
	char **copy = calloc(s->count + 1, sizeof(*copy));

	(void)k;
	(void)bad;
	if (!copy)
		return out_of_memory(why);
	for (size_t i = 0; i < s->count; i++)
		if (!(copy[i] = strdup(s->values[i]))) {
			string_list_free(copy);
			return out_of_memory(why);
		}
	string_list_free(*list);
	*list = copy;
	return 0;
}

static bool print_list(const struct key *k, const void *field, FILE *out)
{
	char **const *list = field;

	(void)k;
	if (!*list)
		return false;
	fputs("{", out);
	for (char **at = *list; *at; at++) {
		fputs(at == *list ? " " : ", ", out);
		key_print_text(*at, out);
	}
	fputs(" }", out);
	return true;
}

static void release_list(void *field)
{
	char ***list = field;

	string_list_free(*list);
	*list = NULL;
}

static const struct type type_list = { true, read_list, print_list, release_list };

/* Numbers of several kinds, all in an int */

static int read_number(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	long value;

	(void)bad;
	if (value_number(s->values[0], k->min, k->max, &value, why) < 0)
		return -1;
	*(int *)field = (int)value;
	return 0;
}

static bool print_number(const struct key *k, const void *field, FILE *out)
{
	(void)k;
	if (*(const int *)field == UNSET)
		return false;
	fprintf(out, "%d", *(const int *)field);
	return true;
}

static const struct type type_number = { false, read_number, print_number, NULL };

static int read_duration(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	long value;

	(void)bad;
	if (value_duration(s->values[0], k->min, k->max, &value, why) < 0)
		return -1;
	*(int *)field = (int)value;
	return 0;
}

static bool print_duration(const struct key *k, const void *field, FILE *out)
{
	char text[32];

	(void)k;
	if (*(const int *)field == UNSET)
		return false;
	fputs(value_print_duration(*(const int *)field, text, sizeof(text)), out);
	return true;
}

static const struct type type_duration = { false, read_duration, print_duration, NULL };

/* A limit in time: a duration, or "off" */

static int read_time_limit(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	if (strcmp(s->values[0], "off") != 0)
		return read_duration(k, s, field, why, bad);
	*(int *)field = UNSET;
	return 0;
}

static const struct type type_time_limit = { false, read_time_limit, print_duration, NULL };

/* A number, or "off" */

static int read_number_or_off(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	if (strcmp(s->values[0], "off") != 0)
		return read_number(k, s, field, why, bad);
	*(int *)field = UNSET;
	return 0;
}

static const struct type type_number_or_off = { false, read_number_or_off, print_number, NULL };

/* Hundredths, or "off" */

static int read_load(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	long value;

	(void)bad;
	if (strcmp(s->values[0], "off") == 0) {
		*(int *)field = UNSET;
		return 0;
	}
	if (value_hundredths(s->values[0], k->max, &value, why) < 0)
		return -1;
	*(int *)field = (int)value;
	return 0;
}

static bool print_load(const struct key *k, const void *field, FILE *out)
{
	int value = *(const int *)field;

	(void)k;
	if (value == UNSET)
		return false;
	fprintf(out, "\"%d.%02d\"", value / 100, value % 100);
	return true;
}

static const struct type type_load = { false, read_load, print_load, NULL };

/* A rate, or "off" */

static int read_rate(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	struct rate_config *rate = field;
	long count, per;

	(void)k;
	(void)bad;
	if (strcmp(s->values[0], "off") == 0) {
		rate->count = UNSET;
		rate->per = 0;
		return 0;
	}
	if (value_rate(s->values[0], &count, &per, why) < 0)
		return -1;
	rate->count = (int)count;
	rate->per = (int)per;
	return 0;
}

static bool print_rate(const struct key *k, const void *field, FILE *out)
{
	const struct rate_config *rate = field;
	char time[32];

	(void)k;
	if (rate->count == UNSET)
		return false;
	fprintf(out, "\"%d/%s\"", rate->count, value_print_duration(rate->per, time, sizeof(time)));
	return true;
}

static const struct type type_rate = { false, read_rate, print_rate, NULL };

static int read_size(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	long value;

	(void)bad;
	if (value_size(s->values[0], k->min, k->max, &value, why) < 0)
		return -1;
	*(int *)field = (int)value;
	return 0;
}

static const struct type type_size = { false, read_size, print_number, NULL };

static int read_yesno(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	long value;

	(void)k;
	(void)bad;
	if (value_yesno(s->values[0], &value, why) < 0)
		return -1;
	*(int *)field = (int)value;
	return 0;
}

static bool print_yesno(const struct key *k, const void *field, FILE *out)
{
	(void)k;
	if (*(const int *)field == UNSET)
		return false;
	fputs(*(const int *)field ? "yes" : "no", out);
	return true;
}

static const struct type type_yesno = { false, read_yesno, print_yesno, NULL };

static int read_mode(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	long value;

	(void)bad;
	if (value_mode(s->values[0], k->max, &value, why) < 0)
		return -1;
	*(int *)field = (int)value;
	return 0;
}

static bool print_mode(const struct key *k, const void *field, FILE *out)
{
	(void)k;
	fprintf(out, "%04o", (unsigned)*(const int *)field);
	return true;
}

static const struct type type_mode = { false, read_mode, print_mode, NULL };

static int complain_choice(const char *text, const char *const *choices, char *why)
{
	int length = snprintf(why, VALUE_WHY, "\"%.64s\" is none of", text);

	for (; *choices && length < VALUE_WHY; choices++)
		length += snprintf(why + length, VALUE_WHY - (size_t)length, " %s", *choices);
	return -1;
}

static int find_choice(const char *text, const char *const *choices)
{
	for (int i = 0; choices[i]; i++)
		if (strcmp(text, choices[i]) == 0)
			return i;
	return -1;
}

static int read_choice(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	int value = find_choice(s->values[0], k->choices);

	(void)bad;
	if (value < 0)
		return complain_choice(s->values[0], k->choices, why);
	*(int *)field = value;
	return 0;
}

static bool print_choice(const struct key *k, const void *field, FILE *out)
{
	fputs(k->choices[*(const int *)field], out);
	return true;
}

static const struct type type_choice = { false, read_choice, print_choice, NULL };

/* A set of the choices, one bit each */

static int read_set(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	unsigned set = 0;

	for (size_t i = 0; i < s->count; i++) {
		int value = find_choice(s->values[i], k->choices);

		*bad = i;
		if (value < 0)
			return complain_choice(s->values[i], k->choices, why);
		set |= 1U << value;
	}
	*(unsigned *)field = set;
	return 0;
}

static bool print_set(const struct key *k, const void *field, FILE *out)
{
	unsigned set = *(const unsigned *)field;
	const char *before = " ";

	fputs("{", out);
	for (int i = 0; k->choices[i]; i++) {
		if (!(set & 1U << i))
			continue;
		fprintf(out, "%s\"%s\"", before, k->choices[i]);
		before = ", ";
	}
	fputs(" }", out);
	return true;
}

static const struct type type_set = { true, read_set, print_set, NULL };

/* A number, or "max" */

static int read_backlog(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	if (strcmp(s->values[0], "max") != 0)
		return read_number(k, s, field, why, bad);
	*(int *)field = BACKLOG_MAX;
	return 0;
}

static bool print_backlog(const struct key *k, const void *field, FILE *out)
{
	if (*(const int *)field != BACKLOG_MAX)
		return print_number(k, field, out);
	fputs("max", out);
	return true;
}

static const struct type type_backlog = { false, read_backlog, print_backlog, NULL };

/* A percentage; the sign may be there */

static int read_percent(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	size_t length = strlen(s->values[0]);
	char *number;
	long value;
	int result;

	(void)bad;
	if (length > 0 && s->values[0][length - 1] == '%')
		length--;
	number = strndup(s->values[0], length);
	if (!number)
		return out_of_memory(why);
	result = value_number(number, k->min, k->max, &value, why);
	free(number);
	if (result == 0)
		*(int *)field = (int)value;
	return result;
}

static const struct type type_percent = { false, read_percent, print_number, NULL };

/* "100ms..30s", into two ints one after the other */

static int read_range(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	const char *dots = strstr(s->values[0], "..");
	char first[32];
	long min, max;
	int *out = field;

	(void)bad;
	if (!dots || (size_t)(dots - s->values[0]) >= sizeof(first)) {
		snprintf(why, VALUE_WHY, "\"%.64s\" is no range; write the shortest and the longest time as in 100ms..30s",
		         s->values[0]);
		return -1;
	}
	memcpy(first, s->values[0], (size_t)(dots - s->values[0]));
	first[dots - s->values[0]] = '\0';
	if (value_duration(first, k->min, k->max, &min, why) < 0 || value_duration(dots + 2, k->min, k->max, &max, why) < 0)
		return -1;
	if (min > max) {
		snprintf(why, VALUE_WHY, "\"%.64s\" ends before it begins", s->values[0]);
		return -1;
	}
	out[0] = (int)min;
	out[1] = (int)max;
	return 0;
}

static bool print_range(const struct key *k, const void *field, FILE *out)
{
	const int *range = field;
	char first[32], last[32];

	(void)k;
	fprintf(out, "\"%s..%s\"", value_print_duration(range[0], first, sizeof(first)),
	        value_print_duration(range[1], last, sizeof(last)));
	return true;
}

static const struct type type_range = { false, read_range, print_range, NULL };

/* A resource limit: one number, or soft:hard; "unlimited" */

static const struct type type_count;

static int read_rlim(const struct key *k, const char *text, rlim_t *out, char *why)
{
	/* Of files, processes and seconds there are numbers, of the rest sizes. */
	int (*read)(const char *, long, long, long *, char *) = k->type == &type_count ? value_number : value_size;
	long value;

	if (strcmp(text, "unlimited") == 0) {
		*out = RLIM_INFINITY;
		return 0;
	}
	if (read(text, k->min, k->max, &value, why) < 0)
		return -1;
	*out = (rlim_t)value;
	return 0;
}

static int read_limit(const struct key *k, const struct setting *s, void *field, char *why, size_t *bad)
{
	struct limit *l = field;
	const char *colon = strchr(s->values[0], ':');
	char *soft = strndup(s->values[0], strcspn(s->values[0], ":"));
	int result;

	(void)bad;
	if (!soft)
		return out_of_memory(why);
	result = read_rlim(k, soft, &l->value.rlim_cur, why);
	free(soft);
	if (result < 0 || read_rlim(k, colon ? colon + 1 : s->values[0], &l->value.rlim_max, why) < 0)
		return -1;
	if (l->value.rlim_cur > l->value.rlim_max) {
		snprintf(why, VALUE_WHY, "the soft limit of \"%.64s\" is above the hard one; write soft:hard", s->values[0]);
		return -1;
	}
	l->set = true;
	return 0;
}

static void print_rlim(rlim_t value, FILE *out)
{
	if (value == RLIM_INFINITY)
		fputs("unlimited", out);
	else
		fprintf(out, "%llu", (unsigned long long)value);
}

static bool print_limit(const struct key *k, const void *field, FILE *out)
{
	const struct limit *l = field;

	(void)k;
	if (!l->set)
		return false;
	putc('"', out);
	print_rlim(l->value.rlim_cur, out);
	putc(':', out);
	print_rlim(l->value.rlim_max, out);
	putc('"', out);
	return true;
}

static const struct type type_limit = { false, read_limit, print_limit, NULL };
static const struct type type_count = { false, read_limit, print_limit, NULL };

/* The choices, in the order of the enums that they stand for. */
static const char *const choices_bind[] = { "strict", "retry", "free", NULL };
static const char *const choices_stderr[] = { "log", "socket", "null", NULL };
static const char *const choices_launch[] = { "exec", "preexec", "forkserver", NULL };
static const char *const choices_stop[] = { "main", "first-io", "first-write", NULL };
static const char *const choices_sets[] = { "ucspi", "systemd", "xinetd", NULL };
static const char *const choices_log_connections[] = { "none", "start", "end", "both", NULL };
static const char *const choices_proxy[] = { "off", "required", "optional", NULL };
static const char *const choices_level[] = { "error", "warning", "notice", "info", "debug", NULL };

#define FIELD(member) offsetof(struct service_config, member)
#define GLOBAL(member) offsetof(struct configuration, member)

/* The longest time that fits an int of milliseconds: 24 days. */
#define TIME_MAX INT_MAX

const struct key service_keys[] = {
	{ "enabled", &type_yesno, FIELD(enabled), 0, 0, NULL },
	{ "listen", &type_list, FIELD(listen), 0, 0, NULL },
	{ "backlog", &type_backlog, FIELD(socket.backlog), 1, INT_MAX - 1, NULL },
	{ "bind", &type_choice, FIELD(socket.bind), 0, 0, choices_bind },
	{ "v6only", &type_yesno, FIELD(socket.v6only), 0, 0, NULL },
	{ "reuse-port", &type_yesno, FIELD(socket.reuse_port), 0, 0, NULL },
	{ "interface", &type_text, FIELD(socket.interface), 0, 0, NULL },
	{ "nodelay", &type_yesno, FIELD(socket.nodelay), 0, 0, NULL },
	{ "keepalive", &type_yesno, FIELD(socket.keepalive), 0, 0, NULL },
	{ "keepalive-idle", &type_duration, FIELD(socket.keepalive_idle), 1000, 32767000, NULL },
	{ "keepalive-interval", &type_duration, FIELD(socket.keepalive_interval), 1000, 32767000, NULL },
	{ "keepalive-count", &type_number, FIELD(socket.keepalive_count), 1, 127, NULL },
	{ "defer-accept", &type_duration, FIELD(socket.defer_accept), 1000, 32767000, NULL },
	{ "send-buffer", &type_size, FIELD(socket.send_buffer), 1, INT_MAX, NULL },
	{ "receive-buffer", &type_size, FIELD(socket.receive_buffer), 1, INT_MAX, NULL },
	{ "tos", &type_number, FIELD(socket.tos), 0, 255, NULL },
	{ "mark", &type_number, FIELD(socket.mark), 0, INT_MAX, NULL },
	{ "fast-open", &type_number, FIELD(socket.fast_open), 0, 65535, NULL },
	{ "socket-user", &type_text, FIELD(socket.owner), 0, 0, NULL },
	{ "socket-group", &type_text, FIELD(socket.group), 0, 0, NULL },
	{ "socket-mode", &type_mode, FIELD(socket.mode), 0, 0777, NULL },

	{ "exec", &type_list, FIELD(exec), 0, 0, NULL },
	{ "argv0", &type_text, FIELD(argv0), 0, 0, NULL },
	{ "builtin", &type_text, FIELD(builtin), 0, 0, NULL },
	{ "stderr", &type_choice, FIELD(stderr_to), 0, 0, choices_stderr },
	{ "launch", &type_choice, FIELD(launch), 0, 0, choices_launch },
	{ "stop-at", &type_choice, FIELD(stop_at), 0, 0, choices_stop },

	{ "user", &type_text, FIELD(user), 0, 0, NULL },
	{ "group", &type_text, FIELD(group), 0, 0, NULL },
	{ "groups", &type_list, FIELD(groups), 0, 0, NULL },
	{ "chroot", &type_text, FIELD(chroot), 0, 0, NULL },
	{ "directory", &type_text, FIELD(directory), 0, 0, NULL },
	{ "umask", &type_mode, FIELD(umask), 0, 0777, NULL },
	{ "nice", &type_number, FIELD(nice), -40, 40, NULL },
	{ "oom-score-adjust", &type_number, FIELD(oom_score_adjust), -1000, 1000, NULL },
	{ "no-new-privileges", &type_yesno, FIELD(no_new_privileges), 0, 0, NULL },
	{ "limit.nofile", &type_count, FIELD(limit[LIMIT_NOFILE]), 5, LONG_MAX, NULL },
	{ "limit.core", &type_limit, FIELD(limit[LIMIT_CORE]), 0, LONG_MAX, NULL },
	{ "limit.cpu", &type_count, FIELD(limit[LIMIT_CPU]), 1, LONG_MAX, NULL },
	{ "limit.as", &type_limit, FIELD(limit[LIMIT_AS]), 0, LONG_MAX, NULL },
	{ "limit.data", &type_limit, FIELD(limit[LIMIT_DATA]), 0, LONG_MAX, NULL },
	{ "limit.stack", &type_limit, FIELD(limit[LIMIT_STACK]), 0, LONG_MAX, NULL },
	{ "limit.fsize", &type_limit, FIELD(limit[LIMIT_FSIZE]), 0, LONG_MAX, NULL },
	{ "limit.nproc", &type_count, FIELD(limit[LIMIT_NPROC]), 0, LONG_MAX, NULL },
	{ "limit.memlock", &type_limit, FIELD(limit[LIMIT_MEMLOCK]), 0, LONG_MAX, NULL },

	{ "environment", &type_list, FIELD(own_environment), 0, 0, NULL },
	{ "pass-environment", &type_list, FIELD(pass_environment), 0, 0, NULL },
	{ "env-set", &type_set, FIELD(sets), 0, 0, choices_sets },

	{ "workers.min-spare", &type_number, FIELD(workers.min_spare), 0, 100000, NULL },
	{ "workers.max-spare", &type_number, FIELD(workers.max_spare), 0, 100000, NULL },
	{ "workers.max", &type_number, FIELD(workers.max), 1, 100000, NULL },
	{ "workers.start", &type_number, FIELD(workers.start), 0, 100000, NULL },
	{ "workers.max-connections", &type_number, FIELD(workers.max_connections), 0, 1000000000, NULL },
	{ "workers.recycle-jitter", &type_percent, FIELD(workers.recycle_jitter), 0, 100, NULL },
	{ "workers.idle-timeout", &type_duration, FIELD(workers.idle_timeout), 0, TIME_MAX, NULL },
	{ "when-full", &type_text, FIELD(when_full), 0, 0, NULL },

	{ "allow", &type_list, FIELD(allow), 0, 0, NULL },
	{ "deny", &type_list, FIELD(deny), 0, 0, NULL },
	{ "when-denied", &type_text, FIELD(when_denied), 0, 0, NULL },
	{ "access-times", &type_list, FIELD(access_times), 0, 0, NULL },
	{ "max-load", &type_load, FIELD(max_load), 0, 100000000, NULL },
	{ "rate", &type_rate, FIELD(rate), 0, 0, NULL },
	{ "burst", &type_number, FIELD(rate.burst), 1, 1000000000, NULL },
	{ "per-source.max", &type_number_or_off, FIELD(source.max), 1, 100000, NULL },
	{ "per-source.rate", &type_rate, FIELD(source.rate), 0, 0, NULL },
	{ "per-source.burst", &type_number, FIELD(source.rate.burst), 1, 1000000000, NULL },
	{ "per-source.prefix-v4", &type_number, FIELD(source.prefix_v4), 0, 32, NULL },
	{ "per-source.prefix-v6", &type_number, FIELD(source.prefix_v6), 0, 128, NULL },
	{ "when-limited", &type_text, FIELD(when_limited), 0, 0, NULL },
	{ "proxy-protocol.mode", &type_choice, FIELD(proxy.mode), 0, 0, choices_proxy },
	{ "proxy-protocol.from", &type_list, FIELD(proxy.from), 0, 0, NULL },
	{ "proxy-protocol.timeout", &type_duration, FIELD(proxy.timeout), 1, TIME_MAX, NULL },
	{ "time-limit", &type_time_limit, FIELD(time_limit), 1, TIME_MAX, NULL },
	{ "first-byte-limit", &type_time_limit, FIELD(first_byte_limit), 1, TIME_MAX, NULL },
	{ "kill-after", &type_duration, FIELD(kill_after), 0, TIME_MAX, NULL },
	{ "banner", &type_text, FIELD(banner), 0, 0, NULL },
	{ "lookup-hostname", &type_yesno, FIELD(lookup_hostname), 0, 0, NULL },
	{ "lookup-timeout", &type_duration, FIELD(lookup_timeout), 1, TIME_MAX, NULL },

	{ "restart-delay", &type_range, FIELD(restart_min), 1, TIME_MAX, NULL },
	{ "log-connections", &type_choice, FIELD(log_connections), 0, 0, choices_log_connections },
	{ NULL, NULL, 0, 0, 0, NULL },
};

_Static_assert(FIELD(restart_max) == FIELD(restart_min) + sizeof(int), "a range is two ints");

const struct key global_keys[] = {
	{ "log.to", &type_text, GLOBAL(log_to), 0, 0, NULL },
	{ "log.level", &type_choice, GLOBAL(log_level), 0, 0, choices_level },
	{ "pid-file", &type_text, GLOBAL(pid_file), 0, 0, NULL },
	{ "stop-timeout", &type_duration, GLOBAL(stop_timeout), 0, TIME_MAX, NULL },
	{ NULL, NULL, 0, 0, 0, NULL },
};

const struct key *key_find(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}
