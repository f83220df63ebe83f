/* SPDX-License-Identifier: ISC */
/*
 * A fuzz target: a function that is given bytes and must survive them. libFuzzer calls it (configure --enable-fuzzing, make fuzz), and
 * otherwise replay.c does, with the files of the corpus.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input. */
static inline void require(bool holds)
{
	if (!holds)
		abort();
}

#endif
