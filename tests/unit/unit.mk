# SPDX-License-Identifier: GPL-2.0
# Some tests run the VMM, and guests in it.
tests: $(B)/bin/shunt payload
