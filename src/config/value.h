/* SPDX-License-Identifier: ISC */
/*
 * Numbers, times and sizes as they are written in a configuration. Each function returns 0 with *out set, or -1 with a sentence for
 * the user in why (VALUE_WHY bytes).
 */
#ifndef VALUE_H
#define VALUE_H

#include <stddef.h>

#define VALUE_WHY 256

/* A decimal number from min to max. */
int value_number(const char *text, long min, long max, long *out, char *why);

/* "250ms", "10s", "5min", "2h", "1d"; a bare number is seconds. In ms. */
int value_duration(const char *text, long min, long max, long *out, char *why);

/* "30/min", "100/10s", "5/s": a number from 1 on, and the time, in ms, in which so many are allowed. */
int value_rate(const char *text, long *count, long *per, char *why);

/* "4", "2.5": a number of at most two decimals, in hundredths. */
int value_hundredths(const char *text, long max, long *out, char *why);

/* "512", "64K", "2M", "1G": powers of 1024. In bytes. */
int value_size(const char *text, long min, long max, long *out, char *why);

/* yes no, true false, on off */
int value_yesno(const char *text, long *out, char *why);

/* Octal, as chmod(1) takes it, up to max. */
int value_mode(const char *text, long max, long *out, char *why);

/* Writes a time so that value_duration reads it. Returns buffer. */
char *value_print_duration(long ms, char *buffer, size_t size);

#endif
