#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The runner takes programs by their suffix; the work is in ring-mutants.py.
exec python3 "$(dirname "$0")/ring-mutants.py" "$@"
