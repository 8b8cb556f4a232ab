#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt on vhost_scsi: a stock guest with four SCSI disks on two adapters that reboots, and whose disks come and go.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/scsi-guest-test.sh"
scsi_guest_test shunt 1
scsi_cleanup
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
