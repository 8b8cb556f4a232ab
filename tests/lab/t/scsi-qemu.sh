#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# QEMU, unchanged, on vhost_scsi: the guest of scsi-shunt.sh.
# check on: none
set -u
. "$SHUNT_TOP/tests/lab/scsi-guest-test.sh"
scsi_guest_test qemu 0
scsi_cleanup
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
