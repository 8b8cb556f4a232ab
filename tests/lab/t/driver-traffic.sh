#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Frames and offloads through our modules. DRIVER_MODULE=stock tries the tests on the stock module.
. "$SHUNT_TOP/tests/driver/lab.sh"
driver_tap "${DRIVER_MODULE:-ours}" traffic offload
done_testing
