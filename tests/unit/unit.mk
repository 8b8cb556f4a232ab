# SPDX-License-Identifier: GPL-2.0
# Some tests run the VMM, and guests in it.
tests: $(B)/bin/shunt $(addprefix $(B)/bin/shunt-,$(processes)) payload

# The user-space driver, with a device that is in the test.
$(B)/tests/vdrv: $(call obj,$(addprefix tools/shunt-bench-,dev.c user.c vq.c split.c packed.c))
$(B)/tests/vmm_user: $(call obj,$(addprefix tools/shunt-bench-,dev.c user.c vq.c split.c packed.c))
