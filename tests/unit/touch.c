/* SPDX-License-Identifier: ISC */
/* The preload library exports nothing: its table of calls is compiled for its test once more. */
#include "../../src/preload/touch.c"
