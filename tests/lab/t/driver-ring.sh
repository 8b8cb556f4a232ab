#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/driver/ring on the stock module and on ours: results differ only where we say so. Then in the other
# layouts of rings: each chain has the fate that it has in a split ring.
. "$SHUNT_TOP/tests/driver/lab.sh"
driver_compare ring
driver_layouts driver_ring_layout
"$load" none >/dev/null 2>&1 || bail "cannot unload"
done_testing
