#!/bin/sh
# SPDX-License-Identifier: ISC
# Each fuzz target survives its corpus.
set -u
dir=$(mktemp -d "${TMPDIR:-/tmp}/replay.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT

# shellcheck disable=SC2086
set -- $FUZZERS
echo "1..$#"
count=0 failed=0
for fuzzer; do
	count=$((count + 1))
	name=${fuzzer##*/fuzz_}
	if "$builddir/$fuzzer" "$srcdir/fuzz/corpus-$name" >"$dir/output" 2>&1; then
		echo "ok $count - fuzz_$name survives its corpus of $(tail -n 1 "$dir/output")"
	else
		echo "not ok $count - fuzz_$name survives its corpus"
		failed=1
		tail -n 30 "$dir/output" | sed 's/^/# /'
	fi
done
exit $failed
