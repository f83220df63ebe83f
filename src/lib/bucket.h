/* SPDX-License-Identifier: ISC */
/*
 * A token bucket in one word of shared memory: `burst` connections may come at once, then one every `interval`. There is
 * no timer and no window, so a limit recovers by itself and at its own rate, and a worker that is killed leaves nothing
 * half done.
 *
 * The word is the time at which the bucket will be full again, in nanoseconds of the monotonic clock: a token taken moves
 * it on by one interval. A word that lies further ahead than an empty bucket can be (the clock went back, the rate was
 * changed, or somebody wrote nonsense) is made that of an empty bucket, so that no limit ever lasts longer than it takes
 * to fill one.
 */
#ifndef BUCKET_H
#define BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bucket_rate {
	uint64_t interval; /* ns between two tokens; 0: no limit */
	uint64_t depth;    /* ns: burst times interval */
};

/*
 * So many (from 1) in so many ms (from 1), and a burst of so many (from 1). The interval is rounded up to a whole
 * nanosecond, so that the rate is never exceeded. A bucket that would take more than 292 years to fill has fewer tokens.
 */
struct bucket_rate bucket_rate_of(uint32_t count, uint32_t per, uint32_t burst);

/*
 * Takes a token at the time `now` (ns, monotonic). False if there is none: then nothing has changed, unless the word was
 * nonsense.
 *
 * now may be of some time ago, also when the caller was stopped in between: then the bucket has no more in it than it had
 * at that time. Only a word that seems to be nonsense makes it look at the clock again, since for one who comes late
 * every word seems to lie ahead.
 */
bool bucket_take(_Atomic uint64_t *bucket, const struct bucket_rate *rate, uint64_t now);

/* The same by another clock than the kernel's. */
bool bucket_take_by(_Atomic uint64_t *bucket, const struct bucket_rate *rate, uint64_t now, uint64_t (*clock)(void));

/* Gives back a token that was taken for a connection which was then refused for another reason. */
void bucket_give_back(_Atomic uint64_t *bucket, const struct bucket_rate *rate);

/* Is it full at that time: would forgetting it change nothing? */
static inline bool bucket_is_full(uint64_t bucket, uint64_t now)
{
	return bucket <= now;
}

#endif
