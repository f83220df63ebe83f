/* SPDX-License-Identifier: ISC */
#include "bucket.h"

#include "kernel.h"

#define NS_PER_MS UINT64_C(1000000)

/* Now and depth together stay below the largest number for as long as a machine can run. */
#define DEPTH_MAX (UINT64_MAX / 2)

struct bucket_rate bucket_rate_of(uint32_t count, uint32_t per, uint32_t burst)
{
	uint64_t time = per * NS_PER_MS;
	uint64_t interval = time / count + (time % count > 0);
	uint64_t tokens = burst < DEPTH_MAX / interval ? burst : DEPTH_MAX / interval;

	return (struct bucket_rate){ .interval = interval, .depth = tokens * interval };
}

/* At the end of time buckets become less deep rather than forget what was taken. */
static uint64_t depth_at(const struct bucket_rate *rate, uint64_t now)
{
	return rate->depth < UINT64_MAX - now ? rate->depth : UINT64_MAX - now;
}

static bool is_nonsense(uint64_t full, const struct bucket_rate *rate, uint64_t now)
{
	return full > now && full - now > depth_at(rate, now);
}

/* What the word becomes when a token is taken at that time; *taken: was there one? */
static uint64_t after(uint64_t full, const struct bucket_rate *rate, uint64_t now, bool *taken)
{
	uint64_t depth = depth_at(rate, now);
	uint64_t used = full > now ? full - now : 0;

	if (used > depth)
		used = depth;
	*taken = depth - used >= rate->interval;
	if (*taken)
		return now + used + rate->interval;
	return used > 0 ? now + used : full;
}

/*
 * The clock is looked at after the word: what others wrote before that, and rightly, is nonsense at no later time. And if
 * this process is stopped before it has put nonsense right, it declares the bucket to have been empty at a time that is
 * long past, as it was.
 */
bool bucket_take_by(_Atomic uint64_t *bucket, const struct bucket_rate *rate, uint64_t now, uint64_t (*clock)(void))
{
	uint64_t full = atomic_load(bucket), next;
	bool taken;

	if (rate->interval == 0)
		return true;
	do {
		if (is_nonsense(full, rate, now))
			now = clock();
		next = after(full, rate, now, &taken);
		if (next == full)
			return false;
	} while (!atomic_compare_exchange_strong(bucket, &full, next));
	return taken;
}

bool bucket_take(_Atomic uint64_t *bucket, const struct bucket_rate *rate, uint64_t now)
{
	return bucket_take_by(bucket, rate, now, kernel_now_ns);
}

void bucket_give_back(_Atomic uint64_t *bucket, const struct bucket_rate *rate)
{
	uint64_t full = atomic_load(bucket), before;

	if (rate->interval == 0)
		return;
	do
		before = full > rate->interval ? full - rate->interval : 0;
	while (!atomic_compare_exchange_strong(bucket, &full, before));
}
