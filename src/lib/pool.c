/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "pool.h"
#include "image.h"
#include "server.h"
#include "shared.h"
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Wakes without news are listened to so many times in a row, then only once in WAKE_PAUSE seconds. */
#define WAKES_WITHOUT_NEWS 32
#define WAKE_PAUSE 0.1

#define BURIAL_EVERY 0.01 /* s */
#define REFUSALS_EVERY 2.0 /* s; workers write a record each second while it lasts */

/* Handshakes that had begun when the door was shut may take so long; where they cannot be counted they get less. */
#define HANDSHAKES_LIMIT 5000 /* ms */
#define HANDSHAKES_UNSEEN 1000

static int make_board(struct pool *p, uint32_t slots)
{
	p->board_fd = shared_make("preforkd board", board_size(slots), &p->memory);
	if (p->board_fd < 0)
		return -1;
	board_attach(&p->board, p->memory, slots);
	atomic_store(&p->board.header->wake_below, (uint32_t)(p->config->workers.min_spare > 0 ? p->config->workers.min_spare : 1));
	atomic_store(&p->board.header->gate, (uint32_t)p->service->gate.state);
	return 0;
}

/* Master reads, workers write; neither end ever blocks. */
static int make_pipes(struct pool *p)
{
	if (pipe2(p->wake, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	return pipe2(p->record, O_CLOEXEC | O_NONBLOCK);
}

static void close_pipe(const int *fd)
{
	if (fd[0] >= 0)
		close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
}

static int make_slots(struct pool *p, uint32_t slots)
{
	p->workers = calloc(slots, sizeof(*p->workers));
	p->free_slots = calloc(slots, sizeof(*p->free_slots));
	p->graves = calloc(slots, sizeof(*p->graves));
	if (!p->workers || !p->free_slots || !p->graves)
		return -1;
	for (uint32_t i = 0; i < slots; i++)
		p->free_slots[i] = slots - 1 - i;
	p->free_count = slots;
	return 0;
}

static void look_service(struct pool *p)
{
	service_look(p->service);
}

/* As much as a pipe holds, and not what is written meanwhile. */
static void drain_pipe(int fd)
{
	char unused[512];

	for (int i = 0; i < 128 && read(fd, unused, sizeof(unused)) == sizeof(unused); i++)
		;
}

/* A worker that wakes us for nothing, again and again, gets us at most ten times a second. */
static void on_wake(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct pool *p = io->data;
	unsigned before = p->news;

	(void)events;
	drain_pipe(p->wake[0]);
	deadline_watch(p);
	look_service(p);
	p->idle_wakes = p->news != before ? 0 : p->idle_wakes + 1;
	if (p->idle_wakes < WAKES_WITHOUT_NEWS)
		return;
	ev_io_stop(loop, &p->on_wake);
	ev_timer_set(&p->quiet, WAKE_PAUSE, 0.);
	ev_timer_start(loop, &p->quiet);
}

static void on_quiet_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct pool *p = timer->data;

	(void)events;
	p->idle_wakes = 0;
	ev_io_start(loop, &p->on_wake);
	deadline_watch(p);
	look_service(p);
}

static void on_record(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	(void)events;
	pool_read_records(io->data);
	deadline_watch(io->data);
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct pool *p = io->data;

	(void)loop;
	(void)events;
	pool_watch(p, false);
	/* Nobody waits where nobody can come: polling it again would find the same. */
	if (p->state == POOL_OPEN && listener_has_ended(p->listener))
		service_lost_listener(p->service, p);
	look_service(p);
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	look_service(timer->data);
}

/* Calls visit for the hold of every slot that counts in the same ledger, whatever pool of the service it is in. */
static void each_slot(void (*visit)(const source_hold *hold, void *tally), void *tally, void *data)
{
	const struct pool *of = data, *p;

	TAILQ_FOREACH(p, &of->service->pools, next)
		for (uint32_t i = 0; p->ledger == of->ledger && i < p->high; i++)
			visit(&p->board.slot[i].hold, tally);
}

/* A dead worker's connection is counted no longer. False: not just now. */
static bool bury(struct pool *p, uint32_t slot)
{
	return !p->ledger || sources_bury(&p->ledger->sources, &p->board.slot[slot].hold, each_slot, p);
}

/* Another worker was just counting in the same place. The slot stays taken until it can be said what the dead one had counted. */
static void put_off(struct pool *p, uint32_t slot)
{
	p->graves[p->grave_count++] = slot;
	if (!ev_is_active(&p->burial))
		ev_timer_start(p->service->server->loop, &p->burial);
}

static void on_burial(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct pool *p = timer->data;
	uint32_t left = 0;

	(void)events;
	for (uint32_t i = 0; i < p->grave_count; i++) {
		if (bury(p, p->graves[i]))
			p->free_slots[p->free_count++] = p->graves[i];
		else
			p->graves[left++] = p->graves[i];
	}
	p->grave_count = left;
	if (left == 0)
		ev_timer_stop(loop, timer);
	p->service->server->to_sweep = true;
	look_service(p);
}

/* A flood ends some time, and then nobody writes a record of what came after the last one. */
static void on_refusals(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	if (!pool_tell_refusals(timer->data))
		ev_timer_stop(loop, timer);
}

static void init_events(struct pool *p)
{
	ev_io_init(&p->on_wake, on_wake, p->wake[0], EV_READ);
	ev_io_init(&p->on_record, on_record, p->record[0], EV_READ);
	ev_io_init(&p->on_client, on_client, p->listener->fd, EV_READ);
	ev_timer_init(&p->look, on_look, 0., 0.);
	ev_timer_init(&p->quiet, on_quiet_over, 0., 0.);
	ev_timer_init(&p->burial, on_burial, BURIAL_EVERY, BURIAL_EVERY);
	ev_timer_init(&p->refusals, on_refusals, REFUSALS_EVERY, REFUSALS_EVERY);
	p->refusals.data = p;
	p->on_wake.data = p->on_record.data = p->on_client.data = p->look.data = p->quiet.data = p->burial.data = p;
}

struct pool *pool_new(struct service *s, struct listener *l, size_t index)
{
	uint32_t slots = (uint32_t)s->config->workers.max + 3; /* one for an usher, two for templates */
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->service = s;
	p->config = service_config_hold(s->config);
	p->listener = listener_hold(l);
	p->ledger = ledger_hold(s->ledger);
	p->index = index;
	p->board_fd = p->wake[0] = p->wake[1] = p->record[0] = p->record[1] = -1;
	init_events(p);
	launching_init(p, s->server->library);
	if (make_slots(p, slots) < 0 || make_board(p, slots) < 0 || make_pipes(p) < 0) {
		int error = errno;

		pool_free(p);
		errno = error;
		return NULL;
	}
	init_events(p);
	p->resolvers = resolvers_hold(s);
	ev_io_start(s->server->loop, &p->on_wake);
	ev_io_start(s->server->loop, &p->on_record);
	deadline_init(p);
	return p;
}

void pool_free(struct pool *p)
{
	struct ev_loop *loop = p->service->server->loop;

	ev_io_stop(loop, &p->on_wake);
	ev_io_stop(loop, &p->on_record);
	ev_io_stop(loop, &p->on_client);
	ev_timer_stop(loop, &p->look);
	ev_timer_stop(loop, &p->quiet);
	ev_timer_stop(loop, &p->burial);
	ev_timer_stop(loop, &p->refusals);
	launching_free(p);
	ev_timer_stop(loop, &p->deadline);
	close_pipe(p->wake);
	close_pipe(p->record);
	shared_free(p->board_fd, p->memory, board_size(p->board.slots));
	ledger_release(p->ledger);
	for (uint32_t i = 0; p->workers && i < p->high; i++)
		free(p->workers[i]);
	free(p->workers);
	free(p->free_slots);
	free(p->graves);
	listener_release(p->listener);
	resolvers_release(p->resolvers);
	service_config_release(p->config);
	free(p);
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

/*
 * Workers write their states themselves, so the sum is bounded by what the master knows: a lie costs the liar's pool its
 * spares and nobody anything else.
 */
struct plan_counts pool_count(const struct pool *p)
{
	int seen[WORKER_STATES] = { 0 };
	struct plan_counts c = { .ushers = p->usher != NULL };

	for (uint32_t i = 0; i < p->high; i++)
		seen[board_state(&p->board, i)]++;
	if (p->usher)
		seen[board_state(&p->board, p->usher->slot)]--;
	c.idle = least(seen[WORKER_IDLE], p->live);
	c.starting = least(seen[WORKER_STARTING], p->live - c.idle);
	c.busy = least(seen[WORKER_BUSY], p->live - c.idle - c.starting);
	c.retiring = least(seen[WORKER_RETIRING], p->live - c.idle - c.starting - c.busy);
	return c;
}

static void prepare_slot(struct pool *p, uint32_t slot)
{
	struct board_slot *b = &p->board.slot[slot];

	atomic_store(&b->step, STEP_NONE);
	atomic_store(&b->error, 0);
	atomic_store(&b->served, 0);
	atomic_store(&b->since, 0);
	atomic_store(&b->hold, 0);
	board_set(&p->board, slot, WORKER_STARTING);
}

/* A worker that is there: from here on its end will be told by SIGCHLD. */
static void enter(struct pool *p, struct pool_worker *worker)
{
	p->workers[worker->slot] = worker;
	p->free_count--;
	if (worker->slot >= p->high)
		p->high = worker->slot + 1;
	if (worker->pid > 0)
		server_enter_worker(p->service->server, worker);
	p->news++;
	p->idle_wakes = 0;
	if (worker->usher) {
		p->usher = worker;
	} else if (!worker->template) {
		p->live++;
		p->service->workers++;
	}
}

/* A worker without a process, in a free slot. */
static struct pool_worker *take_slot(struct pool *p)
{
	struct pool_worker *worker;

	if (p->free_count == 0) {
		errno = EAGAIN;
		return NULL;
	}
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	worker->pool = p;
	worker->slot = p->free_slots[p->free_count - 1];
	worker->generation = p->generation;
	worker->born = server_now();
	prepare_slot(p, worker->slot);
	return worker;
}

/* Enters it with its pid; or forgets it where there is no process. */
static int settle(struct pool *p, struct pool_worker *worker, pid_t pid)
{
	int error = errno;

	worker->pid = pid;
	if (pid >= 0) {
		enter(p, worker);
		return 0;
	}
	board_set(&p->board, worker->slot, WORKER_NONE);
	free(worker);
	errno = error;
	return -1;
}

int pool_spawn(struct pool *p, bool usher)
{
	struct pool_worker *worker = take_slot(p);

	if (!worker)
		return -1;
	worker->usher = usher;
	return settle(p, worker, launching_make(p, worker));
}

/* Its slot is none of a worker's: no state of it is ever counted. */
struct pool_worker *pool_spawn_template(struct pool *p, int brief, int news)
{
	struct pool_worker *worker = take_slot(p);

	if (!worker)
		return NULL;
	worker->template = true;
	board_set(&p->board, worker->slot, WORKER_NONE);
	return settle(p, worker, image_spawn(p, worker->slot, brief, news)) == 0 ? worker : NULL;
}

void pool_worker_gone(struct pool_worker *worker)
{
	struct pool *p = worker->pool;

	launching_left(worker);
	if (worker->pid > 0)
		server_remove_worker(p->service->server, worker);
	board_set(&p->board, worker->slot, WORKER_NONE);
	if (bury(p, worker->slot))
		p->free_slots[p->free_count++] = worker->slot;
	else
		put_off(p, worker->slot);
	if (worker->usher) {
		p->usher = NULL;
	} else if (!worker->template) {
		p->live--;
		p->service->workers--;
	}
	p->workers[worker->slot] = NULL;
	free(worker);
}

/* The one place that signals a worker as such: only after the change from idle was won, and once. */
static bool retire(struct pool_worker *worker)
{
	struct pool *p = worker->pool;

	if (worker->signalled || worker->pid == 0 || worker->template ||
	    !board_change(&p->board, worker->slot, WORKER_IDLE, WORKER_RETIRING))
		return false;
	worker->signalled = true;
	p->news++;
	kill(worker->pid, WORKER_SIGNAL);
	return true;
}

int pool_retire(struct pool *p, int n)
{
	int retired = 0;

	for (uint32_t i = 0; i < p->high && retired < n; i++)
		if (p->workers[i] && !p->workers[i]->usher)
			retired += retire(p->workers[i]);
	return retired;
}

void pool_show_full(struct pool *p, bool full)
{
	p->full = full;
	atomic_store(&p->board.header->full, full);
}

void pool_want_usher(struct pool *p, bool wanted)
{
	if (!wanted && p->usher)
		retire(p->usher);
}

void pool_watch(struct pool *p, bool watch)
{
	struct ev_loop *loop = p->service->server->loop;

	/* One that drains is looked at all the time, and its listener may seem readable without a client. */
	watch = watch && p->state == POOL_OPEN;
	if (watch == ev_is_active(&p->on_client))
		return;
	p->news++;
	if (watch)
		ev_io_start(loop, &p->on_client);
	else
		ev_io_stop(loop, &p->on_client);
}

/* First the generation, then the idle: whoever becomes idle in between reads the new one. */
void pool_renew(struct pool *p)
{
	atomic_store(&p->board.header->generation, ++p->generation);
	pool_retire(p, p->live);
	pool_want_usher(p, false);
}

void pool_close(struct pool *p)
{
	if (p->state == POOL_CLOSED)
		return;
	p->state = POOL_CLOSED;
	pool_watch(p, false);
	launching_end(p);
	ev_timer_stop(p->service->server->loop, &p->look);
	pool_renew(p);
	p->service->server->to_sweep = true;
}

void pool_drain(struct pool *p)
{
	if (p->state != POOL_OPEN)
		return;
	p->state = POOL_DRAINING;
	p->times_empty = 0;
	p->shut = server_now();
	listener_shut_door(p->listener);
}

void pool_end_listener(struct pool *p)
{
	if (p->state == POOL_CLOSED)
		return;
	listener_end(p->listener);
	pool_close(p);
}

/* A client whose handshake is under way would be reset as well as one in the queue. */
static bool is_anybody_coming(const struct pool *p, struct handshakes *h)
{
	int64_t since = server_now() - p->shut;
	int coming;

	if (address_family(&p->listener->bound) == AF_UNIX || since >= HANDSHAKES_LIMIT)
		return false;
	coming = handshakes_with(h, &p->listener->bound);
	return coming < 0 ? since < HANDSHAKES_UNSEEN : coming > 0;
}

/* Twice, some time apart: between the end of a handshake and the queue there is a moment. */
void pool_check_drained(struct pool *p, struct handshakes *h)
{
	if (p->state != POOL_DRAINING)
		return;
	p->times_empty = listener_is_empty(p->listener) && !is_anybody_coming(p, h) ? p->times_empty + 1 : 0;
	if (p->times_empty >= 2)
		pool_end_listener(p);
}

/* One that was born just now may not have its own process group yet; one that was ordered has no process that is known. */
void pool_signal_worker(const struct pool_worker *worker, int sig)
{
	if (worker->pid > 0 && kill(-worker->pid, sig) < 0)
		kill(worker->pid, sig);
}

void pool_signal(struct pool *p, int sig)
{
	for (uint32_t i = 0; i < p->high; i++)
		if (p->workers[i])
			pool_signal_worker(p->workers[i], sig);
}
