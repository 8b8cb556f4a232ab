#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Worker threads, close and SIGKILL under load, hostile drivers; then what is left of memory.
#	LOOPS		kills under load (50, in make soak 1000)
#	SECONDS_LONG	hostile drivers for so long (8, in make soak 300)
. "$SHUNT_TOP/tests/driver/lab.sh"

# KiB that nobody can get back: guest memory of a worker that lives on would show at once.
free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemAvailable:/ { print $2 }' /proc/meminfo
}

if [ "${SHUNT_SOAK:-}" = 1 ]; then
	: "${LOOPS:=1000}" "${SECONDS_LONG:=300}"
fi
export LOOPS=${LOOPS:-50} SECONDS_LONG=${SECONDS_LONG:-8}
DRIVER_LIMIT=$((150 + LOOPS + SECONDS_LONG))
driver_load ours
LOOPS=5 timeout 60 "$programs/life" >/dev/null
before=$(free_kib)
driver_tap ours life hostile
after=$(free_kib)
lost=$((before - after))
if [ "$lost" -lt 65536 ]; then pass "no memory is left behind: $lost KiB"; else fail "memory lost: $lost KiB"; fi
if out=$("$load" none 2>&1); then pass "unload after all that"; else fail "unload: $out"; fi
done_testing
