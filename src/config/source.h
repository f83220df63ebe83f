/* SPDX-License-Identifier: ISC */
/* The text of a configuration file, made fit for the parser. */
#ifndef SOURCE_H
#define SOURCE_H

#include "complaints.h"

/*
 * Reads a file and blanks out its comments; every newline stays where it was. What the parser would silently drop or stumble over is
 * complained of: strings and comments that do not end, characters that mean nothing outside of quotes.
 *
 * Returns the text, which the caller frees, or NULL after a complaint.
 */
char *source_read(const char *path, struct complaints *complaints);

#endif
