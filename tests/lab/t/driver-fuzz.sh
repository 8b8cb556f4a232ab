#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Requests and rings full of nonsense for a while; then what the kernel says, and what is left.
#	SECONDS_LONG	each fuzzer for so long (6, in make soak 600)
#	MILLIONS	of descriptors at least (0, in make soak 20)
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/blk.sh"

driver_load ours
driver_fuzz
timeout 60 "$programs/fuzz-ring" -n 2 >/dev/null
before=$(driver_free_kib)
driver_tap ours fuzz-ioctl fuzz-ring
# A disk is slower than a tap that drops all, and to give a queue one takes some grace periods of RCU.
disks=("blk_loop 16")
[ "${SHUNT_SOAK:-}" != 1 ] || disks+=("blk_file ext4" "blk_null nullb1 cache_size=4 discard=1")
for disk in "${disks[@]}"; do
	SLOW=$((2 * ${SLOW:-1})) blk_on "$disk" "fuzz-ring:-d:$((MILLIONS / 20)):-b"
done
blk_undo_all
driver_memory "$before"
driver_log_quiet
done_testing
