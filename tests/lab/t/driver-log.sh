#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The dirty log, on the stock module and on ours.
. "$SHUNT_TOP/tests/driver/lab.sh"
driver_tap stock log
driver_tap ours log
layout() { driver_tap ours log; }
driver_layouts layout
done_testing
