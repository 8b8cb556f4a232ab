#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/driver/{ring,traffic} in packed rings and with IN_ORDER: each chain has the fate that it has in a
# split ring of the same module (differences that must be: tests/driver/layout-differences).
. "$SHUNT_TOP/tests/driver/lab.sh"
out=${SHUNT_OUT:-/tmp}
DRIVER_LIMIT=300

# The comparison's results are subtests with a plan of their own.
ring() {
	timeout "$DRIVER_LIMIT" "$programs/ring" >"$out/ring.$DRIVER_LAYOUT" ||
		echo "# ring, $DRIVER_LAYOUT, ended with status $?"
	# What a packed ring cannot have, the split one need not have had.
	awk -F': ' 'NR == FNR { have[$1]; next } $1 in have' "$out/ring.$DRIVER_LAYOUT" \
		"$out/ring.split" >"$out/ring.split.$DRIVER_LAYOUT"
	LIST=layout-differences "$SHUNT_TOP/tests/driver/compare" "ring-$DRIVER_LAYOUT" "$series" \
		"$out/ring.split.$DRIVER_LAYOUT" "$out/ring.$DRIVER_LAYOUT"
	awk -v n="$(wc -l <"$out/ring.$DRIVER_LAYOUT")" 'BEGIN { exit n < 100 }' &&
		pass "ring, $DRIVER_LAYOUT: all cases" || fail "ring, $DRIVER_LAYOUT: too few cases"
}

traffic() { driver_tap ours traffic; }

driver_load ours
timeout "$DRIVER_LIMIT" "$programs/ring" >"$out/ring.split" || echo "# ring ended with status $?"
driver_layouts ring
driver_layouts traffic
"$load" none >/dev/null 2>&1 || bail "cannot unload"
done_testing
