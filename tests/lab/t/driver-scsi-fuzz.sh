#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /dev/vhost-scsi: rings and requests full of nonsense for a while, as driver-fuzz.sh does.
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/scsi.sh"

driver_load ours
driver_fuzz
# scsi_fuzz LUN [OPTION...]
scsi_fuzz() {
	driver_load ours
	scsi_target "$1"
	shift
	# To give a queue an endpoint takes some grace periods of RCU, and a broken queue wants both anew.
	SLOW=$((4 * ${SLOW:-1})) driver_tap ours "fuzz-ring $* -b $wwpn"
	scsi_remove
}
blk_loop 16 || bail "no loop device"
before=$(driver_free_kib)
scsi_fuzz ramdisk:8M,pi_prot_type=1 -d $((MILLIONS / 20))
[ "${SHUNT_SOAK:-}" != 1 ] || scsi_fuzz "iblock:$backend" -d $((MILLIONS / 20))
blk_undo_all
driver_memory "$before"
# LIO names its fabric in what it says of commands.
driver_log_quiet 'TARGET_CORE\[vhost\]'
done_testing
