# SPDX-License-Identifier: GPL-2.0
# Programs that drive /dev/vhost-net from user space; the lab runs them (tests/lab/t/driver-*.sh).

driver_src := $(wildcard tests/driver/*.c)
driver_tests := $(patsubst tests/driver/%.c,$(B)/tests/driver/%,$(driver_src))
driver_objs := $(call obj,$(wildcard tests/driver/lib/*.c) \
	$(addprefix tools/shunt-bench-,dev.c user.c vq.c split.c packed.c tap.c))

$(B)/tests/driver/%: $(B)/obj/tests/driver/%.o $(driver_objs)
	$(call quiet,LD)mkdir -p $(@D); $(CC) $(ldflags) $(LDFLAGS) -o $@ $^

tests: $(driver_tests)
