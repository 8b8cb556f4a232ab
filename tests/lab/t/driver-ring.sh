#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/driver/ring on the stock module and on ours: results differ only where we say so.
. "$SHUNT_TOP/tests/driver/lab.sh"
driver_compare ring
