# SPDX-License-Identifier: GPL-2.0
#
# For people. What the modules are made of stands in Kbuild; recipes longer than a few lines stand
# in scripts/.
#
#	make user [CC=clang] [SAN=1]	other compilers and sanitizers build into folders of their own
#	make modules [KDIR=...]		without KDIR: for both of Debian 12's kernels
#	V=1				shows the commands

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:

ifeq ($(origin CC),default)
CC := gcc
endif
V ?= 0
ifeq ($(V),0)
Q := @
quiet = @printf '  %-7s %s\n' $(1) $(patsubst build/%,%,$@);
else
quiet =
endif

# --- user space ----------------------------------------------------------------------------------

variant := $(if $(findstring clang,$(CC)),clang)$(if $(filter 1,$(SAN)),san)
B := build$(if $(variant),/$(variant))

cflags := -std=gnu11 -Wall -Wextra -Werror -g -fno-strict-aliasing -pthread -MMD -MP \
	-I. -Iuser -Ikernel/include/uapi
ifeq ($(SAN),1)
cflags += -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
ldflags := -fsanitize=address,undefined -pthread
else
cflags += -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
ldflags := -pie -pthread -Wl,-z,relro,-z,now
endif
libs := -Wl,--as-needed -luring -ljansson -lseccomp -lcap-ng
# CFLAGS and LDFLAGS belong to whoever calls make.
CFLAGS ?=
LDFLAGS ?=

lib_src := $(wildcard user/lib/*.c)
ring_src := $(wildcard ring/*.c)
vmm_src := $(filter-out %.bpf.c,$(wildcard user/vmm/*.c))
bench_src := $(wildcard tools/shunt-bench*.c)
unit_src := $(wildcard tests/unit/*.c)

comma := ,
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

# Processes that serve a device; what each is made of stands below.
processes := balloon blk console net rng scsi

programs := $(if $(vmm_src),$(B)/bin/shunt) $(if $(bench_src),$(B)/bin/shunt-bench) $(B)/bin/shunt-stat \
	$(B)/bin/shunt-target $(addprefix $(B)/bin/shunt-,$(processes))
unit_tests := $(patsubst tests/unit/%.c,$(B)/tests/%,$(unit_src))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile $(wildcard tests/*/*.mk) | \
		while IFS=$$'\t' read -r t text; do printf '  %-13s %s\n' "$$t" "$$text"; done

.DEFAULT_GOAL := help

.PHONY: setup
setup: ## install the Debian packages and fetch kernels and QEMU for the lab (silent when all is there)
	@scripts/setup.sh

.PHONY: user
user: $(programs) ## build the programs into build/bin

.PHONY: tests
tests: $(unit_tests) ## build the unit tests into build/tests

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(cflags) $(CFLAGS) -c -o $@ $<

# The list of members is a prerequisite: a removed source must leave the archive.
$(B)/lib/%.a:
	@mkdir -p $(@D); rm -f $@
	$(call quiet,AR)ar rcsD $@ $(filter %.o,$^)

define list
$(B)/lib/$(1).list: force
	@mkdir -p $$(@D); echo '$(2)' | cmp -s - $$@ || echo '$(2)' >$$@
endef
define members
$(B)/lib/$(1).a: $(2) $(B)/lib/$(1).list
$(call list,$(1),$(2))
endef
$(eval $(call members,libshunt,$(call obj,$(lib_src))))
$(eval $(call members,libring,$(call obj,$(ring_src))))
# The VMM without its main(): what unit tests link.
$(eval $(call members,libvmm,$(call obj,$(filter-out user/vmm/main.c,$(vmm_src)))))

.PHONY: force
force:

link = $(call quiet,LD)mkdir -p $(@D); $(CC) $(ldflags) $(LDFLAGS) -o $@ $(1) $(libs) $(2)

# Without clang and libbpf there is no rss=on.
bpf_has := $(and $(shell command -v clang),$(shell pkg-config --libs libbpf 2>/dev/null))
rss_object := $(B)/obj/user/vmm/rss.bpf.o
$(rss_object): user/vmm/rss.bpf.c Makefile
	@mkdir -p $(@D)
	$(call quiet,BPF)clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -MMD -MP \
		-I/usr/include/$(shell gcc -print-multiarch) -c -o $@ $<
$(if $(bpf_has),$(call obj,user/vmm/tap_rss.c): $(rss_object))
$(call obj,user/vmm/tap_rss.c): cflags += $(if $(bpf_has),-DRSS_OBJECT='"$(rss_object)"')
$(call obj,user/vmm/tap_rss.c): $(B)/lib/libbpf.list
$(eval $(call list,libbpf,$(bpf_has)))

$(B)/bin/shunt: $(call obj,$(vmm_src)) $(B)/lib/libshunt.a $(B)/lib/libvmm.list
	$(call link,$(filter %.o %.a,$^))

# A process is what all of them have, and a device.
session_src := $(addprefix user/vhost-user/,dirty.c guard.c inflight.c memory.c queue.c queue_buf.c queue_fixed.c \
	session.c session_backend.c session_inflight.c session_log.c session_ring.c session_state.c thread.c)
process_src := $(session_src) $(addprefix user/vhost-user/,endpoint.c program.c)

define process
$(B)/bin/shunt-$(1): $(call obj,$(process_src) $(addprefix user/vhost-user/,shunt-$(1).c $(2))) \
		$(B)/lib/libshunt.a $(B)/lib/libring.a
	$$(call link,$$(filter %.o %.a,$$^),$(3))
endef
disk_src := disk_file.c disk_io.c iov.c
$(eval $(call process,balloon,balloon.c balloon_control.c control.c iov.c))
$(eval $(call process,blk,blk.c blk_config.c $(disk_src)))
$(eval $(call process,console,console.c console_control.c console_port.c iov.c))
$(eval $(call process,rng,iov.c))
# Without libxdp there is no back end af-xdp.
xdp_libs := $(shell pkg-config --libs libxdp libbpf 2>/dev/null)
$(eval $(call process,net,net.c net_ctrl.c net_keep.c net_filter.c net_rx.c net_file.c net_null.c net_control.c net_tap.c \
	net_packet.c net_user.c net_slirp.c net_pipe.c $(if $(xdp_libs),net_xdp.c) iov.c,-lslirp $(xdp_libs)))
$(call obj,user/vhost-user/shunt-net.c): cflags += $(if $(xdp_libs),-DHAVE_LIBXDP)
$(call obj,user/vhost-user/shunt-net.c): $(B)/lib/libxdp.list
$(eval $(call list,libxdp,$(xdp_libs)))
scsi_src := $(addprefix scsi_,block.c cd.c cmd.c ctl.c event.c hot.c inquiry.c lun.c mode.c req.c)
$(eval $(call process,scsi,$(scsi_src) scsi_control.c scsi_opts.c control.c $(disk_src)))

$(B)/bin/shunt-bench: $(call obj,$(bench_src)) $(B)/lib/libshunt.a
	$(call link,$(filter %.o %.a,$^))

$(B)/bin/shunt-stat: $(call obj,tools/shunt-stat.c)
	$(call link,$^)

$(B)/bin/shunt-target: tools/shunt-target
	$(call quiet,CP)install -D -m 755 $< $@

# A test that includes nothing of the VMM does not wait for it.
$(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/lib/libshunt.a $(B)/lib/libring.a
	$(call link,$(filter %.o,$^) -Wl$(comma)--start-group $(filter %.a,$^) -Wl$(comma)--end-group,-lcmocka)

vmm_tests := $(shell grep -lE '^\#include ["<].*vmm/' $(unit_src) /dev/null)
$(patsubst tests/unit/%.c,$(B)/tests/%,$(vmm_tests)): $(B)/lib/libvmm.a

# --- fuzzers: clang's libFuzzer, everything they drive built with its instrumentation ------------

fuzzers := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*.c))
fuzz_cflags := -std=gnu11 -Wall -Wextra -Werror -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing \
	-pthread -MMD -MP -I. -Iuser -Ikernel/include/uapi \
	-fsanitize=address,undefined -fno-sanitize-recover=all
fuzz_obj := $(patsubst %.c,build/fuzz/obj/%.o,$(ring_src) $(lib_src))

.PHONY: fuzz
fuzz: $(fuzzers) ## build the fuzzers into build/fuzz (run: scripts/fuzz.sh SECONDS [NAME])

build/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,FUZZCC)clang $(fuzz_cflags) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/lib.a: $(fuzz_obj) $(B)/lib/libring.list $(B)/lib/libshunt.list
	@rm -f $@
	$(call quiet,AR)ar rcsD $@ $(filter %.o,$^)

build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/lib.a
	$(call quiet,LD)clang -fsanitize=fuzzer,address,undefined -pthread -o $@ $(filter %.o,$^) $(filter %.a,$^) $(libs)

build/fuzz/vhost_user_fuzz: $(patsubst %.c,build/fuzz/obj/%.o,\
	$(session_src) $(addprefix user/vhost-user/,blk.c blk_config.c $(disk_src)))

build/fuzz/scsi_fuzz build/fuzz/vhost_user_scsi_fuzz: $(patsubst %.c,build/fuzz/obj/%.o,\
	$(session_src) $(addprefix user/vhost-user/,$(scsi_src) $(disk_src)))

build/fuzz/bus_fuzz: $(patsubst %.c,build/fuzz/obj/%.o,$(filter-out user/vmm/main.c,$(vmm_src)))

# Objects reached through pattern rules only are worth keeping.
.SECONDARY: $(call obj,$(wildcard tests/*/*.c tests/*/*/*.c)) \
	$(patsubst %.c,build/fuzz/obj/%.o,$(wildcard tests/fuzz/*.c))

# Parts with rules of their own. A part adds prerequisites to user, tests or fuzz; B is the build folder.
-include $(wildcard tests/*/*.mk)
-include $(shell find $(wildcard $(B)/obj build/fuzz/obj) /dev/null -name '*.d')

# --- modules -------------------------------------------------------------------------------------

KDIR ?= $(foreach s,6.1 6.12,$(shell scripts/kernel.sh kdir $(s)))

.PHONY: modules
modules: ## build the kernel modules into build/modules/RELEASE [KDIR=headers, else both Debian kernels]
	@for k in $(KDIR); do scripts/build-modules.sh "$$k"; done; [ -n "$(strip $(KDIR))" ]

# --- tests ---------------------------------------------------------------------------------------

.PHONY: check
check: setup ## set up, build everything, run all tests on both kernels
	@tests/run

.PHONY: unit
unit: ## run the unit tests under ASan and UBSan
	@$(MAKE) SAN=1 tests
	@tests/run unit

.PHONY: static
static: user $(B)/lib/libring.a ## layering, style and sparse checks
	@tests/run static

.PHONY: check-debug
check-debug: setup ## the driver tests in a kernel with KASAN, lockdep, kmemleak, UBSAN [FULL=1 SECONDS_LONG=fuzzing]
	@$(MAKE) user tests
	@tests/run debug

.PHONY: check-headers
check-headers: ## build the modules, amd64 and arm64, for the newest kernels of Debian's newer suites
	@tests/run -v headers

.PHONY: soak
soak: ## the tests that take hours: long fuzzing, many boots [SOAK=seconds]
	@scripts/soak.sh $(SOAK)

.PHONY: lab
lab: setup ## a root shell in a lab machine with our modules loaded [K=6.1|6.12]
	@$(MAKE) user modules
	@tests/lab/run -k $(or $(K),6.1) -i -- sh -c 'scripts/load.sh ours; exec bash -i'

# --- running -------------------------------------------------------------------------------------

.PHONY: demo
demo: ## boot a stock Debian guest, its disk and network on our modules, and measure it
	@scripts/demo.sh

.PHONY: bench
bench: setup ## measure against the stock module, both sides in one boot [K=6.1|6.12, else both]
	@$(MAKE) user modules
	@scripts/bench.sh $(if $(K),-k $(K))
	@scripts/bench.sh -r -n 3 $(if $(K),-k $(K))
	@for k in $(or $(K),6.1 6.12); do scripts/bench-guest.sh -k $$k; done
	@scripts/bench-blk.sh -i $(if $(K),-k $(K))
	@scripts/bench-blk.sh $(if $(K),-k $(K))
	@for k in $(or $(K),6.1 6.12); do scripts/bench-guest-blk.sh -k $$k; done
	@scripts/bench-blk.sh -u
	@scripts/bench-net.sh
	@scripts/bench-scsi.sh -i $(if $(K),-k $(K))
	@scripts/bench-scsi.sh $(if $(K),-k $(K))
	@scripts/bench-start.py

.PHONY: load
load: ## load the modules into this kernel, ours or stock [MODULES=ours|stock]
	@scripts/load.sh $(or $(MODULES),ours)

.PHONY: unload
unload: ## unload the modules
	@scripts/load.sh none

# --- installing ----------------------------------------------------------------------------------

export prefix DESTDIR SIGN_KEY SIGN_CERT

.PHONY: install
install: user modules ## install modules, programs, man pages, udev rules, descriptors [prefix= DESTDIR= KDIR= SIGN_KEY= SIGN_CERT=]
	@scripts/install.sh install $(KDIR)

.PHONY: uninstall
uninstall: ## remove all that make install put somewhere [prefix= DESTDIR=]
	@scripts/install.sh uninstall

.PHONY: dkms
dkms: ## give the modules to DKMS, which builds them for every kernel that has headers, now and later
	@scripts/dkms.sh add

.PHONY: dkms-remove
dkms-remove: ## take them away from DKMS again
	@scripts/dkms.sh remove

.PHONY: clean
clean: ## remove what was built (fetched kernels stay in the cache)
	$(Q)rm -rf build
