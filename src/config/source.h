/* SPDX-License-Identifier: ISC */
/* The text of a configuration file, made fit for the parser. */
#ifndef SOURCE_H
#define SOURCE_H

#include "complaints.h"

/* As long as two braces. Outside of quotes it is refused, and inside nobody writes it. */
#define SOURCE_EMPTY_LIST "\x7f\x01"

/*
 * Reads a file and blanks out its comments; every newline stays where it was. What the parser would silently drop or stumble over is
 * complained of: strings, comments and sections that do not end, characters that mean nothing outside of quotes. An empty list
 * becomes one value, SOURCE_EMPTY_LIST, because the parser tells of values only.
 *
 * Returns the text, which the caller frees, or NULL after a complaint.
 */
char *source_read(const char *path, struct complaints *complaints);

#endif
