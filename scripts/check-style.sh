#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# checkpatch --strict over kernel/ and ring/, as TAP: one line a file.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/lab/tap.sh

checkpatch=$(scripts/checkpatch.sh) || { echo "Bail out! no checkpatch"; exit 1; }

for file in $(git ls-files -co --exclude-standard -- kernel ring | grep -E '\.[ch]$'); do
	[ -f "$file" ] || continue
	case $file in
	# LINUX_VERSION_CODE < KERNEL_VERSION(...): the version is what compat is about, and the
	# constant does stand on the right
	kernel/compat/*) ignore=LINUX_VERSION_CODE,CONSTANT_COMPARISON ;;
	# env_get(x, ptr, label): jumping to the label is what these macros are for
	ring/env.h)	ignore=MACRO_WITH_FLOW_CONTROL ;;
	*)		ignore=NONE ;;
	esac
	out=$("$checkpatch" --no-tree --strict --terse --show-types --no-summary --max-line-length=100 \
		--ignore "$ignore" -f "$file" 2>&1)
	if [ -z "$out" ]; then pass "checkpatch $file"; else fail "checkpatch $file"; note "$out"; fi
done
done_testing
