#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /dev/vhost-scsi driven from user space: commands, protection information, events and the dirty log, on the
# stock module and on ours.
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/scsi.sh"
file=$blk/disk

run() {
	driver_load "$1"
	scsi_target "fileio:$file,size=16M,emulate_tpu=on,emulate_tpws=on" ramdisk:8M
	driver_tap "$1" "scsi-req $wwpn $file"
	[ "$1" != ours ] || driver_layouts driver_tap ours "scsi-req $wwpn $file"
	scsi_remove
	scsi_target ramdisk:8M,pi_prot_type=1
	driver_tap "$1" "scsi-pi $wwpn" "scsi-log $wwpn"
	scsi_remove
	scsi_target ramdisk:8M "iblock:$loop"
	driver_tap "$1" "scsi-event $wwpn $loop $loop_file"
	scsi_remove
	check "and the module" "$load" none
}

blk_loop 16 || bail "no loop device"
loop=$backend
loop_file=$(losetup -n -O BACK-FILE "$loop")
scsi_modules run
done_testing
