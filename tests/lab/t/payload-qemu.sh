#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Payload guests under QEMU with vhost=on, on our modules: an independent VMM in front of them. IN_ORDER
# takes QEMU 10.0, which is the lab's own.
# check on: 6.1
set -u
"$SHUNT_TOP/scripts/load.sh" "${MODULES:-ours}" > /dev/null || { echo "Bail out! no modules"; exit 1; }
# Names and globs, for run to match.
set -f
# shellcheck disable=SC2086
QEMU=1 VHOST=1 ACCEL=kvm LAB=1 TIMES=2 "$SHUNT_TOP/tests/payload/run" \
	${PAYLOADS:-virtio_net virtio_net-mrg virtio_net-packed virtio_reset-plain virtio_reboot}
rc=$?
qemu=$("$SHUNT_TOP/scripts/qemu.sh")
if "$qemu" -device virtio-net-pci,help | grep -q in_order; then
	QEMU=$qemu VHOST=1 ACCEL=kvm LAB=1 TIMES=2 "$SHUNT_TOP/tests/payload/run" \
		virtio_net-in_order virtio_net-packed-in_order || rc=1
else
	echo "1..0 # SKIP no QEMU that has in_order"
fi
"$SHUNT_TOP/scripts/load.sh" none > /dev/null || rc=1
exit $rc
