#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Frames and offloads through our modules, frames in each layout of rings. DRIVER_MODULE=stock tries the tests on the stock module.
. "$SHUNT_TOP/tests/driver/lab.sh"
driver_tap "${DRIVER_MODULE:-ours}" traffic offload
[ "${DRIVER_MODULE:-ours}" = stock ] || driver_layouts driver_tap ours traffic
done_testing
