#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# sparse over the modules, both kernels, as TAP. What it finds in kernel headers is not ours.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/lab/tap.sh

for series in 6.1 6.12; do
	kdir=$(scripts/kernel.sh kdir "$series") || { fail "headers of $series"; continue; }
	rc=0
	out=$(scripts/build-modules.sh "$kdir" C=2 CF=-Wbitwise 2>&1) || rc=$?
	is "$rc" 0 "sparse runs over the modules for $series"
	[ $rc = 0 ] || note "$out"
	is "$(grep -E '^[^ ]*(kernel|ring)/[^ ]*: (warning|error)' <<<"$out" | grep -v '^/usr')" "" \
		"sparse finds nothing in the modules for $series"
	check "and it looked at something" grep -q CHECK <<<"$out"
done
done_testing
