#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /dev/vhost-blk driven from user space, on block devices and files of all kinds.
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/blk.sh"
driver_load ours
all="blk-data blk-req"
most="blk-data:-q blk-req"

blk_on blk_ram "$all"
layout() { blk_programs "$most blk-hold"; }
driver_layouts layout
blk_on "blk_loop 16" "$most"
blk_on "blk_loop 16 4096" "$most"
blk_on "blk_null nullb0" "$most"
blk_on "blk_null nullb1 cache_size=4 discard=1" "$most"
blk_on blk_linear "$most"
blk_on "blk_file tmpfs" "$all"
for fs in ext4 xfs; do
	blk_on "blk_file $fs" "$most blk-data:-q:-d blk-req:-d"
done
done_testing
