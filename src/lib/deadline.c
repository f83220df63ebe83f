/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "deadline.h"
#include "received.h"
#include "server.h"

#include <sys/wait.h>
#include <net/if.h>
#include <signal.h>
#include <stdatomic.h>

#define ACTS 256 /* at most so much is done in one look; then others get their turn */

#define GAP_MAX 100        /* ms */
#define GAP_PART 256       /* of the shortest limit */
#define ASK_LEAST 20       /* ms, until a record that was not there is looked for again */
#define ASK_MOST 1000      /* ms, likewise */
#define RECORD_LATE 10000  /* ms after its PROXY header had to be there a record is lost */
#define SLOTS_IN_A_MS 1000 /* what a look may cost, 10% of the time at worst */

bool deadline_is_set(const struct service_config *c)
{
	return c->time_limit != UNSET || c->first_byte_limit != UNSET;
}

const char *deadline_reason_name(enum deadline_reason reason)
{
	static const char *const names[] = {
		[DEADLINE_NO_REASON] = "none", [DEADLINE_TIME] = "time-limit", [DEADLINE_FIRST_BYTE] = "first-byte-limit",
	};

	return names[reason];
}

/* The first-byte-limit is the shorter one of the two. */
static int64_t shortest(const struct service_config *c)
{
	return c->first_byte_limit != UNSET ? c->first_byte_limit : c->time_limit;
}

int64_t deadline_gap(const struct service_config *c, uint32_t slots)
{
	int64_t gap = shortest(c) / GAP_PART;

	if (gap < slots / SLOTS_IN_A_MS)
		gap = slots / SLOTS_IN_A_MS;
	if (gap > GAP_MAX)
		gap = GAP_MAX;
	return gap > 1 ? gap : 1;
}

/* No connection began before its worker was born, and none will begin in the future. */
static int64_t believable(uint64_t since, int64_t born, int64_t now)
{
	if (since > (uint64_t)now)
		return now;
	return (int64_t)since > born ? (int64_t)since : born;
}

/* Times are cut to whole milliseconds: one more, and it is never too early. */
static int64_t end_of(int64_t since, int limit)
{
	return limit == UNSET ? DEADLINE_NEVER : since + limit + 1;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static struct deadline_due at_once(enum deadline_act act, int64_t now)
{
	return (struct deadline_due){ act, now };
}

struct deadline_due deadline_due(const struct service_config *c, const struct deadline *d, const struct deadline_view *v, int64_t now)
{
	int64_t since = believable(v->since, v->born, now);
	int64_t time = end_of(since, c->time_limit);
	int64_t byte = d->heard == v->since ? DEADLINE_NEVER : later(end_of(since, c->first_byte_limit), d->ask_at);

	if (d->over)
		return (struct deadline_due){ DEADLINE_WAIT, DEADLINE_NEVER };
	if (d->reason)
		return now >= d->kill_at ? at_once(DEADLINE_KILL, now) : (struct deadline_due){ DEADLINE_WAIT, d->kill_at };
	if (!v->busy)
		return (struct deadline_due){ DEADLINE_WAIT, DEADLINE_NEVER };
	if (now >= time)
		return at_once(DEADLINE_END, now);
	if (now >= byte)
		return at_once(DEADLINE_ASK, now);
	return (struct deadline_due){ DEADLINE_WAIT, earlier(time, byte) };
}

/* A value that is no state counts as busy elsewhere, but cannot be claimed. */
static struct deadline_view view(const struct pool_worker *w)
{
	const struct board *b = &w->pool->board;

	return (struct deadline_view){
		.busy = w->deadline.claimed || atomic_load(&b->state[w->slot]) == WORKER_BUSY,
		.since = atomic_load(&b->slot[w->slot].since),
		.born = w->born,
	};
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/*
 * The worker will not go on to another client: it looks at its slot when it is done. If it has another one already, it serves that
 * to the end and leaves.
 */
static bool claim(struct pool_worker *w, uint64_t since)
{
	struct deadline *d = &w->deadline;
	const struct board *b = &w->pool->board;

	if (!d->claimed)
		d->claimed = board_change(b, w->slot, WORKER_BUSY, WORKER_RETIRING);
	return d->claimed && atomic_load(&b->slot[w->slot].since) == since;
}

static void end(struct pool_worker *w, uint64_t since, enum deadline_reason reason, int64_t now)
{
	struct deadline *d = &w->deadline;

	if (has_ended(w->pid)) { /* by itself: it will be reaped in a moment */
		d->over = true;
		return;
	}
	if (!claim(w, since))
		return;
	d->reason = reason;
	d->kill_at = now + w->pool->config->kill_after;
	pool_signal_worker(w, SIGTERM);
	pool_signal_worker(w, SIGCONT); /* a stopped program could not hear it */
}

static unsigned interface_of(const struct pool *p)
{
	const char *name = p->config->socket.interface;

	return name ? if_nametoindex(name) : 0;
}

static bool is_recorded(const struct pool_worker *w, uint64_t since)
{
	return w->connection.open && (uint64_t)w->connection.since == since;
}

/* As long again as it has been due already, but neither very soon nor very late. */
static int64_t ask_gap(int64_t overdue)
{
	return overdue < ASK_LEAST ? ASK_LEAST : earlier(overdue, ASK_MOST);
}

/* Its worker may be waiting for the PROXY header. One that never comes was lost: that connection has the benefit of the doubt. */
static void ask_later(struct pool_worker *w, uint64_t since, int64_t now)
{
	const struct service_config *c = w->pool->config;
	int64_t waits = now - believable(since, w->born, now);

	if (waits > (int64_t)c->proxy.timeout + c->first_byte_limit + RECORD_LATE)
		w->deadline.heard = since;
	else
		w->deadline.ask_at = now + ask_gap(waits - c->first_byte_limit);
}

/* So has one of which the kernel knows nothing. */
static bool is_silent(const struct pool_worker *w)
{
	int64_t bytes = received_bytes(&w->connection.flow, w->connection.id, interface_of(w->pool));

	return bytes >= 0 && bytes <= w->connection.header;
}

static void ask(struct pool_worker *w, uint64_t since, int64_t now)
{
	if (!is_recorded(w, since))
		pool_read_records(w->pool);
	if (!is_recorded(w, since))
		ask_later(w, since, now);
	else if (is_silent(w))
		end(w, since, DEADLINE_FIRST_BYTE, now);
	else
		w->deadline.heard = since;
}

static void make_end(struct pool_worker *w)
{
	w->deadline.over = true;
	pool_signal_worker(w, SIGKILL);
}

static void act(struct pool_worker *w, enum deadline_act act, uint64_t since, int64_t now)
{
	switch (act) {
	case DEADLINE_ASK:
		ask(w, since, now);
		break;
	case DEADLINE_END:
		end(w, since, DEADLINE_TIME, now);
		break;
	case DEADLINE_KILL:
		make_end(w);
		break;
	case DEADLINE_WAIT:
	default:
		break;
	}
}

/* Does what is due for one worker, unless enough is done; returns when it is to be looked at again. */
static int64_t attend(struct pool_worker *w, int64_t now, int *left)
{
	const struct service_config *c = w->pool->config;
	struct deadline_view v = view(w);
	struct deadline_due due = deadline_due(c, &w->deadline, &v, now);

	if (due.act == DEADLINE_WAIT || *left == 0)
		return due.next;
	(*left)--;
	act(w, due.act, v.since, now);
	v = view(w);
	return deadline_due(c, &w->deadline, &v, now).next;
}

/* An usher's clients are refused, which takes no time. */
static int64_t look(struct pool *p, int64_t now, int *left)
{
	int64_t next = DEADLINE_NEVER;

	for (uint32_t i = 0; i < p->high; i++)
		if (p->workers[i] && !p->workers[i]->usher)
			next = earlier(next, attend(p->workers[i], now, left));
	return next;
}

static void set_timer(struct pool *p, int64_t in)
{
	struct ev_loop *loop = p->service->server->loop;

	ev_timer_stop(loop, &p->deadline);
	ev_timer_set(&p->deadline, (double)in / 1000, 0.);
	ev_timer_start(loop, &p->deadline);
}

/* Nobody is busy: whoever becomes so from here on wakes us, and one that has become so meanwhile is seen now. */
static int64_t cease(struct pool *p, int64_t now, int *left)
{
	atomic_store(&p->board.header->watched, 0);
	return look(p, now, left);
}

/* Those who become busy before the timer fires must not be due before. */
static void go_on(struct pool *p, int64_t in, int left)
{
	int64_t gap = deadline_gap(p->config, p->high);

	atomic_store(&p->board.header->watched, 1);
	in = earlier(in, shortest(p->config));
	set_timer(p, left == 0 ? 1 : in > gap ? in : gap);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct pool *p = timer->data;
	int64_t now = server_now(), next;
	int left = ACTS;

	(void)loop;
	(void)events;
	next = look(p, now, &left);
	if (next == DEADLINE_NEVER)
		next = cease(p, now, &left);
	if (next != DEADLINE_NEVER)
		go_on(p, next - now, left);
}

/* Also when nobody is busy any more it goes on for one limit: else each of many short connections would wake us. */
void deadline_watch(struct pool *p)
{
	int64_t now = server_now();
	int left = ACTS;

	if (!deadline_is_set(p->config) || ev_is_active(&p->deadline))
		return;
	p->news++;
	go_on(p, look(p, now, &left) - now, left);
}

void deadline_init(struct pool *p)
{
	ev_timer_init(&p->deadline, on_time, 0., 0.);
	p->deadline.data = p;
	if (p->config->first_byte_limit != UNSET && !received_is_told())
		log_warning("%s: first-byte-limit has no effect: this kernel does not tell what a connection has received",
		            p->config->name);
}

bool deadline_waits(const struct pool_worker *w)
{
	const struct deadline *d = &w->deadline;

	return d->reason && !d->over && !w->pool->config->handler->repeats;
}
