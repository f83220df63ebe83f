/* SPDX-License-Identifier: ISC */
/*
 * sources.c in every order that is possible. It is compiled here once more, with each access to shared memory made a
 * step, and a few workers and the master take their steps in all orders; at each of them a worker may be killed. A worker
 * that is stopped is one whose next step comes late, so that is in it too.
 *
 * A worker's script is run again from the beginning for each step: what it did before is answered from its history, and
 * at the next access but one it is left by longjmp. So memory and histories are all there is of a state, which can be
 * copied, and compared with those that were seen before.
 */
#define sources_size model_size
#define sources_rows model_rows
#define sources_attach model_attach
#define sources_hash model_hash
#define sources_enter model_enter
#define sources_leave model_leave
#define sources_undo model_undo
#define sources_bury model_bury
#define sources_count model_count
#define sources_total model_total
#define bucket_rate_of model_rate_of
#define bucket_take model_take
#define bucket_take_by model_take_by
#define bucket_give_back model_give_back

#include "suites.h"
#include "kernel.h"
#include "sources.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define S UINT64_C(1000000000)
#define NOW (100 * S)
#define HISTORY 48 /* steps of one attempt */

static uint64_t step_load(const _Atomic uint64_t *at, memory_order order);
static void step_store(_Atomic uint64_t *at, uint64_t value, memory_order order);
static bool step_swap(_Atomic uint64_t *at, uint64_t *expected, uint64_t to);
static uint64_t step_add(_Atomic uint64_t *at, uint64_t by);
static unsigned attempts(unsigned *i, unsigned *full);

static uint64_t model_now(void)
{
	return NOW;
}

#undef SOURCES_ROW
#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_compare_exchange_strong
#undef atomic_fetch_add
#define SOURCES_ROW 2
#define SOURCES_ATTEMPTS attempts(&i, &full)
#define SOURCES_PATIENCE 1
#define kernel_sleep(time) ((void)(time))
#define kernel_now_ns model_now
#define atomic_load(at) step_load(at, memory_order_seq_cst)
#define atomic_load_explicit(at, order) step_load(at, order)
#define atomic_store_explicit(at, value, order) step_store(at, value, order)
#define atomic_compare_exchange_strong(at, expected, to) step_swap(at, expected, to)
#define atomic_fetch_add(at, by) step_add(at, by)

#include "bucket.c"
#include "sources.c"

#define WORKERS 3
#define MASTER WORKERS
#define ACTORS (WORKERS + 1)
#define ROUNDS 3 /* of burying, while others go on */

enum life {
	ALIVE,
	FINISHED,
	KILLED,
};

struct actor {
	unsigned life, length, done, met; /* done: of its script; met: the most others there were since it asked */
	uint64_t history[HISTORY];        /* since then, or since its last attempt began */
	unsigned attempt, full;
	uint64_t digest;                  /* of the history */
	char asks, holds;                 /* which source */
};

/* All that there is, at one place: the code under test has pointers into it. */
static struct world {
	struct sources_header header;
	struct source_entry entry[SOURCES_ROW];
	source_hold hold[WORKERS];
	uint64_t killed, buried;
	uint64_t kills;       /* that may still happen */
	uint64_t granted[26]; /* tokens that were taken for good */
	struct actor actor[ACTORS];
} world;

struct scenario {
	const char *name;
	/*
	 * What each entry is before: '.' never used, 'a' idle, 'A' with a connection, '1' a tentative entry of A and '2' of B, left
	 * by somebody who was killed. An 'x' in empty: its bucket is.
	 */
	const char *row, *empty;
	/* 'A' asks for a connection from A; '-' ends it, '~' undoes it, if there is one. A first 'a' has the one in the row. */
	const char *script[WORKERS];
	uint32_t max, burst;
	unsigned kills;
	const char *verdicts; /* that may come: a(dmitted), m(any), f(ast), p(lace) */
	const char *all;      /* all tokens of these sources are taken at the end */
};

static const struct scenario *scenario;
static struct sources table = { &world.header, world.entry, 1 };
static struct source_rules rules;

/* Steps */

static struct actor *running; /* NULL: nothing is a step */
static unsigned at, budget;
static bool resumed;
static jmp_buf left;

static void wrong(const char *what);

static bool known(uint64_t *value)
{
	if (at == running->length)
		return false;
	*value = running->history[at++];
	return true;
}

/* Whoever has taken his step waits before the next. What is relaxed concerns nobody else's order and is no step. */
static void wait_turn(memory_order order)
{
	if (order == memory_order_relaxed)
		return;
	if (budget == 0)
		longjmp(left, 1);
	budget--;
}

static uint64_t mixed(uint64_t digest, uint64_t value)
{
	digest = (digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return digest ^ digest >> 29;
}

static uint64_t note(uint64_t value)
{
	if (running->length == HISTORY)
		wrong("goes on for ever");
	running->history[running->length++] = value;
	running->digest = mixed(running->digest, value);
	at = running->length;
	return value;
}

static uint64_t step_load(const _Atomic uint64_t *from, memory_order order)
{
	uint64_t value;

	if (!running)
		return *from;
	if (known(&value))
		return value;
	wait_turn(order);
	return note(*from);
}

static void step_store(_Atomic uint64_t *to, uint64_t value, memory_order order)
{
	uint64_t unused;

	if (!running) {
		*to = value;
	} else if (!known(&unused)) {
		wait_turn(order);
		*to = value;
		note(0);
	}
}

/* Its history is what it found. */
static bool step_swap(_Atomic uint64_t *word, uint64_t *expected, uint64_t to)
{
	uint64_t found, wanted = *expected;

	if (!running || !known(&found)) {
		if (running)
			wait_turn(memory_order_seq_cst);
		found = *word;
		if (found == wanted)
			*word = to;
		if (running)
			note(found);
	}
	*expected = found;
	return found == wanted;
}

static uint64_t step_add(_Atomic uint64_t *word, uint64_t by)
{
	uint64_t value;

	if (running && known(&value))
		return value;
	if (running)
		wait_turn(memory_order_seq_cst);
	value = *word;
	*word = value + by;
	return running ? note(value) : value;
}

/*
 * All that an attempt has from those before it are these two numbers, so their history is forgotten: many states become
 * one. Where a script is run again it begins with the last attempt.
 */
static unsigned attempts(unsigned *i, unsigned *full)
{
	struct actor *a = running;

	if (!resumed) {
		*i = a->attempt;
		*full = a->full;
	} else {
		a->attempt = *i;
		a->full = *full;
		a->length = at = 0;
		a->digest = 0;
	}
	resumed = true;
	return 4;
}

/* The actors */

static char trail[ACTORS * HISTORY + 1];
static size_t trail_length;

static void wrong(const char *what)
{
	ck_abort_msg("%s: %s, after %.*s", scenario->name, what, (int)trail_length, trail);
}

static uint64_t source_named(char letter)
{
	return (uint64_t)(letter - 'A' + 1) << TAG_SHIFT;
}

static void judge(const struct actor *a, enum source_verdict verdict)
{
	static const char letters[] = {
		[SOURCE_ADMITTED] = 'a', [SOURCE_TOO_MANY] = 'm', [SOURCE_TOO_FAST] = 'f', [SOURCE_NO_PLACE] = 'p',
	};

	if (!strchr(scenario->verdicts, letters[verdict]))
		wrong("a verdict that should not be");
	if (verdict == SOURCE_TOO_MANY && a->met < scenario->max)
		wrong("refused although there were fewer");
	if (verdict == SOURCE_ADMITTED)
		world.granted[a->asks - 'A']++;
}

static void ask(struct actor *a, source_hold *hold, char source)
{
	enum source_verdict verdict;

	a->asks = source;
	verdict = sources_enter(&table, &rules, source_named(source), hold, NOW);
	judge(a, verdict);
	a->holds = verdict == SOURCE_ADMITTED ? source : 0;
}

static void undo(struct actor *a, source_hold *hold)
{
	if (a->holds)
		world.granted[a->holds - 'A']--;
	a->holds = 0;
	sources_undo(&table, &rules, hold);
}

static void end(struct actor *a, source_hold *hold)
{
	a->holds = 0;
	sources_leave(&table, hold);
}

static void follow(struct actor *a, source_hold *hold, char letter)
{
	if (letter == '~')
		undo(a, hold);
	else if (letter == '-')
		end(a, hold);
	else
		ask(a, hold, letter);
	a->asks = a->holds;
}

static void each(void (*visit)(const source_hold *hold, void *tally), void *tally, void *slots)
{
	(void)slots;
	for (unsigned i = 0; i < WORKERS; i++)
		visit(&world.hold[i], tally);
}

static bool is_unburied(unsigned n)
{
	return (world.killed & ~world.buried) >> n & 1;
}

static void bury(unsigned n)
{
	if (sources_bury(&table, &world.hold[n], each, NULL))
		world.buried |= UINT64_C(1) << n;
}

/* The next thing that an actor has to do; false: nothing more. What came before it is not looked at again. */
static bool carry_on(struct actor *a)
{
	unsigned n = (unsigned)(a - world.actor);

	if (n == MASTER && a->done == ROUNDS * WORKERS)
		return false;
	if (n != MASTER && (!scenario->script[n] || !scenario->script[n][a->done]))
		return false;
	if (n != MASTER)
		follow(a, &world.hold[n], scenario->script[n][a->done]);
	else if (a->length > 0 || is_unburied(a->done % WORKERS))
		bury(a->done % WORKERS);
	a->done++;
	a->length = a->met = a->attempt = a->full = 0;
	a->digest = 0;
	return true;
}

/* Takes so many steps, and stops before the next. */
static void advance(struct actor *a, unsigned steps)
{
	running = a;
	budget = steps;
	if (setjmp(left) == 0) {
		do {
			at = 0;
			resumed = false;
		} while (carry_on(a));
		a->life = FINISHED;
	}
	running = NULL;
}

/* What must hold in every state */

static bool is_there(unsigned n)
{
	return world.actor[n].life != KILLED || is_unburied(n);
}

static void check_limit(void)
{
	for (char source = 'A'; source <= 'Z'; source++) {
		unsigned held = 0;

		for (unsigned n = 0; n < WORKERS; n++)
			held += is_there(n) && world.actor[n].holds == source;
		if (scenario->max > 0 && held > scenario->max)
			wrong("more than max");
		if (scenario->burst > 0 && world.granted[source - 'A'] > scenario->burst)
			wrong("more than the burst");
	}
}

static void check_entries(void)
{
	for (unsigned i = 0; i < SOURCES_ROW; i++)
		for (unsigned j = 0; j < i; j++)
			if (is(world.entry[i].word, FIRM) && label(world.entry[i].word) == label(world.entry[j].word))
				wrong("two entries for one source");
}

static void count_others(void)
{
	for (unsigned n = 0; n < WORKERS; n++) {
		struct actor *a = &world.actor[n];
		unsigned others = 0;

		for (unsigned i = 0; i < WORKERS; i++)
			others += i != n && a->asks && is_there(i) && world.actor[i].asks == a->asks;
		if (a->met < others)
			a->met = others;
	}
}

static bool is_held_at_first(const char *script, char source)
{
	return script && script[0] == source - 'A' + 'a';
}

/* A connection that is in the row from the beginning and nobody's stays there. */
static unsigned holders(char source)
{
	unsigned n = strchr(scenario->row, source) != NULL;

	for (unsigned i = 0; i < WORKERS; i++)
		n -= is_held_at_first(scenario->script[i], source);
	for (unsigned i = 0; i < WORKERS; i++)
		n += world.actor[i].life != KILLED && world.actor[i].holds == source;
	return n;
}

static void check_end(void)
{
	for (unsigned i = 0; i < 2 * WORKERS; i++)
		if (is_unburied(i % WORKERS))
			bury(i % WORKERS);
	if (world.killed != world.buried)
		wrong("a dead one cannot be buried");
	for (char source = 'A'; source <= 'Z'; source++)
		if (sources_count(&table, source_named(source)) != holders(source))
			wrong("the count is wrong at the end");
	for (unsigned n = 0; n < WORKERS; n++)
		if ((world.actor[n].life == KILLED || !world.actor[n].holds) && phase_in(world.hold[n]) != NOWHERE)
			wrong("a hold is left");
	for (const char *source = scenario->all; source && *source; source++)
		if (world.granted[*source - 'A'] != scenario->burst)
			wrong("tokens are missing");
}

/* All orders */

#define SEEN (1U << 19)

static uint64_t *seen;
static size_t states, ends;

/* What the dead and those who have finished did before concerns nobody any more. */
static uint64_t digest_of(const struct actor *a)
{
	uint64_t d = a->life << 16 | (unsigned)a->asks << 8 | (unsigned char)a->holds;

	if (a->life != ALIVE)
		return d;
	d = mixed(d, (uint64_t)a->done << 32 | a->met << 16 | a->length);
	return mixed(d, a->digest ^ (a->attempt << 8 | a->full));
}

static uint64_t digest(void)
{
	const uint64_t *word = (const uint64_t *)&world;
	uint64_t d = 1;

	for (size_t i = 0; i < offsetof(struct world, actor) / sizeof(*word); i++)
		d = mixed(d, word[i]);
	for (unsigned i = 0; i < ACTORS; i++)
		d = mixed(d, digest_of(&world.actor[i]));
	return d ? d : 1;
}

static bool is_new(void)
{
	uint64_t d = digest();

	for (size_t i = d % SEEN;; i = (i + 1) % SEEN) {
		if (seen[i] == d)
			return false;
		if (seen[i] == 0) {
			seen[i] = d;
			break;
		}
	}
	ck_assert_msg(++states < SEEN / 4 * 3, "%s: too many states", scenario->name);
	return true;
}

static void explore(void);

static void try_step(unsigned n, const struct world *before)
{
	trail[trail_length++] = n == MASTER ? 'M' : (char)('0' + n);
	advance(&world.actor[n], 1);
	count_others();
	check_limit();
	check_entries();
	explore();
	trail_length--;
	world = *before;
}

static void try_kill(unsigned n, const struct world *before)
{
	trail[trail_length++] = (char)('x' + n);
	world.actor[n].life = KILLED;
	world.killed |= UINT64_C(1) << n;
	world.kills--;
	explore();
	trail_length--;
	world = *before;
}

/* Everything that can happen next. */
static void branch(void)
{
	const struct world before = world;
	bool ended = true;

	for (unsigned n = 0; n < ACTORS; n++) {
		if (world.actor[n].life != ALIVE)
			continue;
		if (n == MASTER && world.killed == world.buried && world.actor[n].length == 0)
			continue;
		ended = false;
		if (n != MASTER && world.kills > 0)
			try_kill(n, &before);
		try_step(n, &before);
	}
	if (ended) {
		ends++;
		check_end();
		world = before;
	}
}

static void explore(void)
{
	if (is_new())
		branch();
}

static void fill_entry(struct source_entry *e, char what, char bucket, uint64_t used)
{
	*e = (struct source_entry){ .used = used, .bucket = bucket == 'x' ? NOW + S - 7 : 0 };
	if (what >= 'a' && what <= 'z')
		e->word = label_of(source_named((char)(what - 'a' + 'A')), FIRM) << STATE_SHIFT;
	else if (what >= 'A' && what <= 'Z')
		e->word = (label_of(source_named(what), FIRM) << STATE_SHIFT) + 1;
	else if (what >= '1' && what <= '9')
		e->word = label_of(source_named((char)(what - '1' + 'A')), TENTATIVE) << STATE_SHIFT | (STAMP_MASK - used);
}

static void hold_at_first(unsigned n)
{
	const char *script = scenario->script[n];
	struct actor *a = &world.actor[n];

	if (!script || script[0] < 'a' || script[0] > 'z')
		return;
	a->asks = a->holds = (char)(script[0] - 'a' + 'A');
	a->done = 1;
	world.granted[a->holds - 'A'] = 1;
	say(&world.hold[n], (uint64_t)(strchr(scenario->row, a->holds) - scenario->row), COUNTED);
}

static void begin(void)
{
	memset(&world, 0, sizeof(world));
	rules = (struct source_rules){ .max = scenario->max };
	if (scenario->burst > 0)
		rules.rate = bucket_rate_of(1, 1000, scenario->burst);
	for (unsigned i = 0; i < SOURCES_ROW; i++)
		fill_entry(&world.entry[i], scenario->row[i], scenario->empty ? scenario->empty[i] : '.', i + 1);
	world.kills = scenario->kills;
	for (unsigned n = 0; n < WORKERS; n++) {
		hold_at_first(n);
		advance(&world.actor[n], 0);
	}
	count_others();
}

static const struct scenario scenarios[] = {
	{ "two newcomers of a source that may have one", "..", NULL, { "A", "A" }, 1, 0, 0, "am", NULL },
	{ "two newcomers of a source that may have two", "..", NULL, { "A-", "A-" }, 2, 0, 0, "a", NULL },
	{ "three newcomers of a source", "1C", NULL, { "A", "A", "A" }, 2, 0, 0, "am", NULL },
	{ "three come and go", "AC", NULL, { "A-", "A-", "a-A-" }, 2, 0, 0, "am", NULL },
	{ "two sources for one place", ".C", NULL, { "A-", "B-" }, 1, 0, 0, "ap", NULL },
	{ "two sources and one place, twice", "Cd", NULL, { "A-A", "B" }, 1, 0, 0, "ap", NULL },
	{ "one source is put out by another", "cd", NULL, { "A-A", "B-" }, 1, 0, 0, "a", NULL },
	{ "two newcomers at two places", "Cd", ".x", { "A", "A", "c-" }, 1, 0, 0, "am", NULL },
	{ "two newcomers at two places, in turn", "Cd", ".x", { "A-", "A-", "c-" }, 2, 0, 0, "a", NULL },
	{ "the last token at two places", "Cd", ".x", { "A", "A", "c-" }, 0, 1, 0, "af", "A" },
	{ "one of two is killed at two places", "11", NULL, { "A-", "A-" }, 2, 0, 1, "a", NULL },
	{ "what a dead newcomer left", ".1", NULL, { "A-", "A-" }, 1, 0, 0, "am", NULL },
	{ "the only place is what a dead newcomer left", "C2", NULL, { "A-" }, 1, 0, 0, "a", NULL },
	{ "what two dead newcomers left", "11", NULL, { "A-", "A-" }, 1, 0, 0, "am", NULL },
	{ "what a dead newcomer of another source left", "C2", NULL, { "A-", "B-" }, 1, 0, 0, "ap", NULL },
	{ "the last token", "..", NULL, { "A", "A" }, 0, 1, 0, "af", "A" },
	{ "an empty bucket of another source", "cD", "x.", { "A", "A" }, 0, 1, 0, "af", "A" },
	{ "an empty bucket that a dead newcomer left", "1D", "x.", { "A", "A" }, 0, 1, 0, "af", "A" },
	{ "empty buckets all over", "cd", "xx", { "A", "A" }, 0, 1, 0, "af", "A" },
	{ "number and rate", "..", NULL, { "A-", "A-" }, 1, 1, 0, "amf", NULL },
	{ "undone", "..", NULL, { "A~", "A-" }, 0, 1, 0, "af", NULL },
	{ "undone, and the token taken again", "..", NULL, { "A~A" }, 0, 1, 0, "a", "A" },
	{ "undone while its place is taken", "AD", "x.", { "a~", "B-B-" }, 0, 1, 0, "afp", NULL },
	{ "one of two is killed", "..", NULL, { "A-", "A-" }, 1, 0, 1, "am", NULL },
	{ "one of two is killed, the other stays", "..", NULL, { "A-", "A" }, 2, 0, 1, "a", NULL },
	{ "both are killed", "a.", NULL, { "A-", "A-" }, 2, 0, 2, "a", NULL },
	{ "one of two sources is killed", "C.", NULL, { "A", "B-" }, 1, 0, 1, "ap", NULL },
	{ "one is killed while its source is counted", "a.", NULL, { "A-", "A-A-" }, 2, 0, 1, "a", NULL },
	{ "one is killed after tokens were taken", "aC", NULL, { "A~", "A-" }, 1, 2, 1, "am", NULL },
};

START_TEST(in_every_order_and_whoever_is_killed_limits_and_counts_hold)
{
	scenario = &scenarios[_i];
	seen = calloc(SEEN, sizeof(*seen));
	ck_assert_ptr_nonnull(seen);
	begin();
	explore();
	ck_assert_msg(ends > 0, "%s", scenario->name);
	free(seen);
}
END_TEST

Suite *sources_model_suite(void)
{
	Suite *s = suite_create("sources_model");
	TCase *t = tcase_create("sources_model");

	tcase_add_loop_test(t, in_every_order_and_whoever_is_killed_limits_and_counts_hold, 0, rows(scenarios));
	suite_add_tcase(s, t);
	return s;
}
