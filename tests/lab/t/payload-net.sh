#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Payload guests on a real KVM, and those that need /dev/vhost-net: virtio-net well-behaved and
# hostile, in shunt, on our modules. MODULES=stock: on the kernel's own, the reference.
# check on: 6.12
set -u
"$SHUNT_TOP/scripts/load.sh" "${MODULES:-ours}" > /dev/null || { echo "Bail out! no modules"; exit 1; }
# Names and globs, for run to match.
set -f
# shellcheck disable=SC2086
LAB=1 TIMES=3 "$SHUNT_TOP/tests/payload/run" ${PAYLOADS:-irqfd doorbell msix reboot-triple-smp virtio_*}
rc=$?
"$SHUNT_TOP/scripts/load.sh" none > /dev/null || rc=1
exit $rc
