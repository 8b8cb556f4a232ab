// SPDX-License-Identifier: GPL-2.0
/* isa-debug-exit: a guest's write ends the process with status (value << 1) | 1. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "device.h"
#include "vm.h"

struct debug_exit_props {
	uint32_t iobase, iosize;
};

struct debug_exit {
	struct vm *vm;
	struct bus_range range;
	struct vm_hook hook;
};

static const struct prop debug_exit_props[] = {
	PROP("iobase", PROP_U32, struct debug_exit_props, iobase, .def = "0x501", .min = 1,
	     .max = 0xffff, .help = "I/O port"),
	PROP("iosize", PROP_U32, struct debug_exit_props, iosize, .def = "0x4", .min = 1,
	     .max = 8, .help = "number of ports"),
	{ 0 }
};

static uint64_t debug_exit_read(void *dev, uint64_t off, unsigned int len)
{
	(void)dev;
	(void)off;
	(void)len;
	return 0;
}

static void debug_exit_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct debug_exit *d = dev;

	(void)off;
	(void)len;
	vm_request(d->vm, VM_DEBUG_EXIT, (int)((val << 1 | 1) & 0xff));
}

static const struct bus_ops debug_exit_ops = { .read = debug_exit_read, .write = debug_exit_write };

static int debug_exit_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	struct debug_exit_props *p = props;
	struct debug_exit *d;
	int err;

	(void)type;
	(void)id;
	if (p->iobase + p->iosize > 0x10000)
		return log_err("-device isa-debug-exit: iobase=0x%x,iosize=0x%x pass the last port",
			       p->iobase, p->iosize);
	d = calloc(1, sizeof(*d));
	if (!d)
		return log_err("-device isa-debug-exit: out of memory");
	d->vm = vm;
	d->range = (struct bus_range){ .base = p->iobase, .size = p->iosize,
				       .ops = &debug_exit_ops, .dev = d, .name = "isa-debug-exit" };
	err = bus_add(&vm->pio, &d->range);
	if (!err) {
		d->hook = (struct vm_hook){ .destroy = free, .dev = d };
		vm_hook(vm, &d->hook);
		return 0;
	}
	free(d);
	return log_err("-device isa-debug-exit: ports 0x%x-0x%x: %s", p->iobase,
		       p->iobase + p->iosize - 1,
		       err == -EEXIST ? "taken by another device" : strerror(-err));
}

const struct device_type isa_debug_exit_type = {
	.name = "isa-debug-exit",
	.desc = "ends the process with a status the guest chooses",
	.bus = "ISA",
	.props = debug_exit_props,
	.props_size = sizeof(struct debug_exit_props),
	.create = debug_exit_create,
};
