#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/fuzz.sh SECONDS [NAME...]
#
# Runs the fuzzers built by `make fuzz`, as TAP: first the committed corpus (tests/fuzz/corpus/NAME),
# then SECONDS of new inputs each. What they find worth keeping goes to build/fuzz/corpus/NAME, what
# makes them fail to build/fuzz/NAME-crash-*.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/lab/tap.sh

[ $# -ge 1 ] || { echo "usage: $0 SECONDS [NAME...]" >&2; exit 2; }
seconds=$1
shift
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls ./*.c 2>/dev/null | sed 's,^\./,,; s,\.c$,,')
[ $# -gt 0 ] || { echo "1..0 # SKIP no fuzzers"; exit 0; }

export ASAN_OPTIONS=abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
for name; do
	new=build/fuzz/corpus/$name
	old=tests/fuzz/corpus/$name
	mkdir -p "$new" "$old"
	common=(-artifact_prefix="build/fuzz/$name-" -rss_limit_mb=2048 -timeout=20 -verbosity=0)
	if [ -n "$(ls "$old")" ]; then
		check "$name: the corpus ($(ls "$old" | wc -l) inputs)" "build/fuzz/$name" "${common[@]}" -runs=0 "$old"
	fi
	check "$name: $seconds s of new inputs" "build/fuzz/$name" "${common[@]}" \
		-max_total_time="$seconds" -print_final_stats=1 "$new" "$old"
done
done_testing
