#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /dev/vhost-scsi: endpoints that are cleared, LUNs that go or hang, resets, SIGKILL meanwhile; hostile rings.
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/scsi.sh"
blk_dm_loop && blk_dm vscsi-life "0 16384 linear $backend 0" || bail "no device-mapper device"

run() {
	driver_load "$1"
	scsi_target iblock:/dev/mapper/vscsi-life ramdisk:8M
	driver_tap "$1" "scsi-life $wwpn vscsi-life"
	[ "$1" = stock ] || driver_tap ours "scsi-hostile $wwpn"
	scsi_remove
	check "and the module" "$load" none
}

scsi_modules run
done_testing
