#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt on our modules: a stock guest with two vCPUs, and a pair of queues for each, that reboots.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/net-guest-test.sh"
net_guest_test shunt 2 2 in_order=on
done_testing
