/* SPDX-License-Identifier: ISC */
#ifndef RECORDS_H
#define RECORDS_H

#include "pool.h"

/* A worker's connection has ended at the time `at` (ms): logs it with its outcome ("status=0"), in any case if a limit ended it. */
void records_end(struct pool_worker *w, int64_t at, const char *outcome);

#endif
