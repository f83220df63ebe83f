#!/bin/sh
# SPDX-License-Identifier: ISC
# Each fuzz target runs over a copy of its corpus: FUZZ_RUNS inputs, or FUZZ_TIME seconds if they are over before. With FUZZ_SEED=0 they are
# others each time. An input that breaks one is kept in the build directory: fuzz/NAME-crash-...
set -u
dir=$(mktemp -d "${TMPDIR:-/tmp}/fuzz.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT

# shellcheck disable=SC2086
set -- $FUZZERS
echo "1..$#"
count=0 failed=0
for fuzzer; do
	count=$((count + 1))
	name=${fuzzer##*/fuzz_}
	mkdir "$dir/$name" && cp "$srcdir/fuzz/corpus-$name"/* "$dir/$name" || exit 99
	if "$builddir/$fuzzer" -runs="$FUZZ_RUNS" -max_total_time="$FUZZ_TIME" -seed="$FUZZ_SEED" -timeout=30 -print_final_stats=1 \
		-artifact_prefix="$builddir/fuzz/$name-" "$dir/$name" >"$dir/output" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$dir/output")
		echo "ok $count - fuzz_$name survives what libFuzzer invents"
		echo "# $runs inputs"
	else
		echo "not ok $count - fuzz_$name survives what libFuzzer invents"
		failed=1
		tail -n 60 "$dir/output" | sed 's/^/# /'
	fi
done
exit $failed
