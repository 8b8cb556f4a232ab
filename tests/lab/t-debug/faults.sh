#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What if allocations and copies from and to user space fail? One by one in each step of a device's
# life, then at random below the fuzzers.
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/blk.sh"
seconds=$((SECONDS_LONG / 2))
driver_load ours
before=$(driver_free_kib)
driver_tap ours faults "fuzz-ioctl -f -t $seconds" "fuzz-ring -f -t $seconds -d 0"
blk_on "blk_loop 16" "fuzz-ring:-f:-t:$seconds:-d:0:-b"
blk_undo_all
driver_memory "$before"
done_testing
