#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Taps, macvtaps and packet sockets as back ends, and what went wrong before: on the stock module and
# on ours, for what both do right is tested right.
. "$SHUNT_TOP/tests/driver/lab.sh"
modprobe -q veth; modprobe -q macvtap
driver_tap stock backend regress
driver_tap ours backend regress
layout() { driver_tap ours regress; }
driver_layouts layout
done_testing
