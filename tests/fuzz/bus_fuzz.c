// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that hammers each legacy port (libFuzzer): IDE with its bus master, serial ports, clock, keyboard controller, fw_cfg,
 * PCI configuration, power management. Nothing may be touched out of bounds or hang. Interrupt lines are KVM's; no guest
 * code runs. Without access to /dev/kvm there is nothing to do.
 *
 * The input is a list of accesses: what and how wide, a port of a table and an offset, a value. One is the main thread's turn.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/loop.h"
#include "vmm/blockdev.h"
#include "vmm/chardev.h"
#include "vmm/cmdline.h"
#include "vmm/device.h"
#include "vmm/machine.h"

#define PATH	"/dev/shm/bus-fuzz"
#define BM	0xc000
#define OPS	400

static struct vm_config cfg;
static struct vm vm;
static struct loop *loop;

static const uint16_t bases[] = { 0x1f0, 0x170, 0x3f6, 0x376, BM, BM + 8, 0x3f8, 0x2f8, 0x70, 0x60, 0x64, 0x510, 0x514, 0xcf8, 0xcfc,
				  0x600, 0x92, 0x80, 0x402, 0xafe0 };

static void stop(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

static void turn(void)
{
	struct loop_timer t = { .fn = stop };

	vm_unlock(&vm);
	loop_timer_set(loop, &t, loop_now_ns() + 20000);
	loop_run(loop);
	loop_timer_del(loop, &t);
	vm_lock(&vm);
}

static void out(uint16_t port, uint64_t v, unsigned int len)
{
	bus_write(&vm.pio, port, &v, len);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char *words[] = { "shunt", "-nodefaults", "-display", "none", "-m", "16", "-bios", PATH ".bios", "-hda", PATH, "-cdrom", PATH ".bios",
			  "-serial", "null", "-serial", "null", "-chardev", "null,id=d", "-device", "isa-debugcon,iobase=0x402,chardev=d",
			  NULL };
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unsigned int i;

	(void)argc;
	(void)argv;
	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("no access to /dev/kvm\n");
		exit(0);
	}
	if (fd < 0 || ftruncate(fd, 1 << 20) || close(fd))
		abort();
	fd = open(PATH ".bios", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 64 << 10) || close(fd))
		abort();
	loop = loop_new();
	if (!loop || cmdline_parse(&cfg, 20, words) != CMDLINE_RUN || blockdev_open_all() || chardev_open_all(&vm, loop) ||
	    vm_create(&vm, &cfg, loop))
		abort();
	for (i = 0; i < cfg.nr_devices; i++)
		if (cfg.device[i].type->create(cfg.device[i].type, &vm, cfg.device[i].id, cfg.device[i].props))
			abort();
	if (vm_ready(&vm))
		abort();
	unlink(PATH);
	unlink(PATH ".bios");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int n, len;
	uint64_t v = 0;
	uint16_t port;

	vm_lock(&vm);
	/* the bus master's ports, which a guest may have moved */
	out(0xcf8, 0x80000904, 4);
	out(0xcfc, 5, 2);
	out(0xcf8, 0x80000920, 4);
	out(0xcfc, BM | 1, 4);
	for (n = 0; n < OPS && size >= 6; n++, data += 6, size -= 6) {
		port = bases[data[1] % (sizeof(bases) / sizeof(bases[0]))] + (data[0] >> 4 & 7);
		len = 1u << (data[0] >> 1 & 3) % 3;
		memcpy(&v, data + 2, 4);
		if (data[0] >= 0xf0)
			turn();
		else if (data[0] & 1)
			out(port, v, len);
		else
			bus_read(&vm.pio, port, &v, len);
	}
	/* each input begins alike: nothing is under way */
	out(0x3f6, 4, 1);
	out(0x3f6, 0, 1);
	out(0x376, 4, 1);
	out(0x376, 0, 1);
	turn();
	vm_unlock(&vm);
	return 0;
}
