#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Taps, macvtaps and packet sockets as back ends, on the stock module and on ours: one test for both.
. "$SHUNT_TOP/tests/driver/lab.sh"
modprobe -q veth; modprobe -q macvtap
driver_tap stock backend
driver_tap ours backend
done_testing
