#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/soak.sh [SECONDS]
#
# What takes too long for every check: each fuzzer for SECONDS (3600), then the lab tests on both
# kernels with SHUNT_SOAK=1, where loops run a thousand times, those in debug kernels of both, the
# headers of newer suites, and a thousand processes killed at work.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
export FUZZ_SECONDS=${1:-3600} SHUNT_SOAK=1 SHUNT_LIMIT=7200 SHUNT_SUITE_LIMIT=36000

scripts/setup.sh || exit 1
tests/run build fuzz payload lab headers
status=$?
tests/unit/ring-mutants.sh || status=1
KILLS=250 tests/unit/vhost-user-inflight.sh || status=1
DEBUG_SERIES="6.1 6.12" SECONDS_LONG=600 MILLIONS=1 LOOPS=100 tests/run debug || status=1
exit $status
