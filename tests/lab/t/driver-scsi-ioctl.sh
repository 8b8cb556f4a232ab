#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/driver/scsi-ioctl on the stock module and on ours: results differ only where we say so.
. "$SHUNT_TOP/tests/driver/lab.sh"
. "$SHUNT_TOP/tests/driver/scsi.sh"
one=naa.5001405000000100 two=naa.5001405000000200
driver_before() {
	scsi_configfs
	"$shunt_target" create -w $one ramdisk:4M && "$shunt_target" create -w $two ramdisk:4M &&
		mkdir -p /sys/kernel/config/target/vhost/$one/tpgt_2 &&
		echo $one >/sys/kernel/config/target/vhost/$one/tpgt_2/nexus || bail "no targets"
} >/dev/null
driver_after() { "$shunt_target" remove $one && "$shunt_target" remove $two || bail "targets that stay"; }
driver_compare scsi-ioctl $one $two
