#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net on this kernel's io_uring and taps, driven by its unit tests.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
modprobe -q -a tun veth macvtap
for t in null tap ctrl user; do
	check "shunt-net-$t.sh" env NET="$SHUNT_TOP/build/bin/shunt-net" timeout 100 "$SHUNT_TOP/tests/unit/shunt-net-$t.sh"
done
done_testing
