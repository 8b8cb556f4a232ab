#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# QEMU, unchanged, on our modules: two queues, two vCPUs, a guest that reboots.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/net-guest-test.sh"
net_guest_test qemu 2 2
done_testing
