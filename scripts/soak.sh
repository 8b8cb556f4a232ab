#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/soak.sh [SECONDS]
#
# What takes too long for every check: each fuzzer for SECONDS (3600), then the lab tests on both
# kernels with SHUNT_SOAK=1, where loops run a thousand times, then the headers of newer suites.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
export FUZZ_SECONDS=${1:-3600} SHUNT_SOAK=1 SHUNT_LIMIT=7200 SHUNT_SUITE_LIMIT=36000

scripts/setup.sh || exit 1
exec tests/run build fuzz payload lab headers
