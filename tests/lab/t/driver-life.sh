#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Workers, busy polling, counters, close and SIGKILL under load; then what is left of memory.
#	LOOPS		kills under load (50, in make soak 1000)
. "$SHUNT_TOP/tests/driver/lab.sh"

[ "${SHUNT_SOAK:-}" != 1 ] || : "${LOOPS:=1000}"
export LOOPS=${LOOPS:-50}
DRIVER_LIMIT=$((150 + LOOPS))
driver_load ours
LOOPS=5 timeout 60 "$programs/life" >/dev/null
before=$(driver_free_kib)
driver_tap ours worker busy stats life
driver_memory "$before"
done_testing
