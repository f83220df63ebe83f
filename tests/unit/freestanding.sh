#!/bin/sh
# SPDX-License-Identifier: ISC
# The worker's path runs in images where the C library is somebody else's: it must do without, to the last memcpy that a compiler
# might put in.
set -u
source=$srcdir/../src
sources=$(sed -n '/^path_sources/,/[^\\]$/p' "$source/Makefile.am" | tr -s ' \t\\' '\n' | grep '\.c$')
dir=$(mktemp -d "${TMPDIR:-/tmp}/freestanding.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT

echo 1..1
set --
for file in $sources; do
	set -- "$@" "$source/$file"
done
# CC may be a command with arguments.
if [ $# -gt 0 ] && $CC -std=gnu17 -ffreestanding -fno-stack-protector -U_FORTIFY_SOURCE -D_GNU_SOURCE -O2 -fPIC -shared -nostdlib \
	-Wl,-z,defs -I"$top_builddir" -I"$source/lib" -o "$dir/path.so" "$@" >"$dir/log" 2>&1; then
	echo "ok 1 - the worker's path links without the C library"
else
	echo "not ok 1 - the worker's path links without the C library"
	sed 's/^/# /' "$dir/log"
	exit 1
fi
