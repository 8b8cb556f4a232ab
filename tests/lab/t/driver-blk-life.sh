#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /dev/vhost-blk: back ends that are exchanged, hang, fail, vanish or are full; close and SIGKILL meanwhile; signals
# held back.
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/blk.sh"
driver_load ours

blk_on blk_dm_loop "blk-life blk-error blk-log blk-hostile"
blk_on blk_ram blk-hold
blk_on "blk_full tmpfs" blk-error:-f
blk_on "blk_full ext4" blk-error:-f
done_testing
