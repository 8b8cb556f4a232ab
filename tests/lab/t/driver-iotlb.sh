#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A device behind an IOMMU, on the stock module and on ours.
. "$SHUNT_TOP/tests/driver/lab.sh"
driver_tap stock iotlb
driver_tap ours iotlb
layout() { driver_tap ours iotlb; }
driver_layouts layout
done_testing
