#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt on vhost_scsi: a stock guest with four SCSI disks on two adapters that reboots, and whose disks come and go.
set -u
. "$SHUNT_TOP/tests/lab/scsi-guest-test.sh"
if [ -z "${SHUNT_SOAK:-}" ] && [ "$series" = 6.1 ]; then
	skip "a guest with SCSI disks under shunt" "two boots: make check has them on 6.12, make soak on both"
	done_testing
fi
scsi_guest_test shunt 1
scsi_cleanup
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
