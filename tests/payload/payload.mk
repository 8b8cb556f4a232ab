# SPDX-License-Identifier: GPL-2.0
# Bare-metal guests: every tests/payload/*.c becomes build/payload/<name>.elf, linked with tests/payload/rt.

PAYLOAD_DIR := tests/payload
PAYLOAD_OUT := build/payload
PAYLOAD_CC ?= gcc
PAYLOAD_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror -ffreestanding -fno-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-builtin -mno-red-zone -mgeneral-regs-only \
	-mno-sse -MMD -MP
PAYLOAD_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,--no-warn-rwx-segments -T $(PAYLOAD_DIR)/rt/payload.ld

PAYLOAD_RT_OBJS := $(patsubst $(PAYLOAD_DIR)/rt/%.c,$(PAYLOAD_OUT)/rt/%.o,$(wildcard $(PAYLOAD_DIR)/rt/*.c)) \
	$(PAYLOAD_OUT)/rt/start.o
PAYLOAD_ELFS := $(patsubst $(PAYLOAD_DIR)/%.c,$(PAYLOAD_OUT)/%.elf,$(wildcard $(PAYLOAD_DIR)/*.c))

.PHONY: payload
payload: $(PAYLOAD_ELFS) ## build the bare-metal guests into build/payload

$(PAYLOAD_OUT)/rt/%.o: $(PAYLOAD_DIR)/rt/%.c
	@mkdir -p $(@D)
	$(call quiet,GUEST)$(PAYLOAD_CC) $(PAYLOAD_CFLAGS) -c -o $@ $<

$(PAYLOAD_OUT)/rt/start.o: $(PAYLOAD_DIR)/rt/start.S
	@mkdir -p $(@D)
	$(call quiet,GUEST)$(PAYLOAD_CC) $(PAYLOAD_CFLAGS) -c -o $@ $<

$(PAYLOAD_OUT)/%.o: $(PAYLOAD_DIR)/%.c
	@mkdir -p $(@D)
	$(call quiet,GUEST)$(PAYLOAD_CC) $(PAYLOAD_CFLAGS) -c -o $@ $<

$(PAYLOAD_OUT)/%.elf: $(PAYLOAD_OUT)/%.o $(PAYLOAD_RT_OBJS) $(PAYLOAD_DIR)/rt/payload.ld
	$(call quiet,GUEST)$(PAYLOAD_CC) $(PAYLOAD_LDFLAGS) -o $@ $(PAYLOAD_OUT)/$*.o $(PAYLOAD_RT_OBJS)

.SECONDARY: $(PAYLOAD_RT_OBJS) $(PAYLOAD_ELFS:.elf=.o)

-include $(wildcard $(PAYLOAD_OUT)/*.d $(PAYLOAD_OUT)/rt/*.d)
