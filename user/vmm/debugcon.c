// SPDX-License-Identifier: GPL-2.0
/* isa-debugcon: a port whose bytes go to a chardev, and that reads as 0xe9 to who asks whether it is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "chardev.h"
#include "device.h"
#include "vm.h"

static const char opt[] = "-device isa-debugcon";

struct debugcon_props {
	uint32_t iobase, readback;
	char *chardev;
};

struct debugcon {
	struct bus_range range;
	struct vm_hook hook;
	struct chardev *chr;
	uint8_t readback;
};

static const struct prop debugcon_props[] = {
	PROP("iobase", PROP_U32, struct debugcon_props, iobase, .def = "0xe9", .min = 1,
	     .max = 0xffff, .help = "I/O port; SeaBIOS writes to 0x402"),
	PROP("readback", PROP_U32, struct debugcon_props, readback, .def = "0xe9", .max = 0xff, .help = "what the port reads as"),
	PROP("chardev", PROP_STR, struct debugcon_props, chardev, .required = true, .help = "ID of a -chardev"),
	{ 0 }
};

static uint64_t debugcon_read(void *dev, uint64_t off, unsigned int len)
{
	(void)off;
	(void)len;
	return ((struct debugcon *)dev)->readback;
}

static void debugcon_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	uint8_t byte = (uint8_t)val;

	(void)off;
	(void)len;
	chardev_write(((struct debugcon *)dev)->chr, &byte, 1);
}

static const struct bus_ops debugcon_ops = { .read = debugcon_read, .write = debugcon_write };

static size_t no_room(void *arg)
{
	(void)arg;
	return 0;
}

static int debugcon_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	static const struct chardev_client nobody = { .room = no_room };
	const struct debugcon_props *p = props;
	struct debugcon *d;
	int err;

	(void)type;
	(void)id;
	d = calloc(1, sizeof(*d));
	if (!d)
		return log_err("%s: out of memory", opt);
	d->readback = (uint8_t)p->readback;
	d->range = (struct bus_range){ p->iobase, 1, &debugcon_ops, d, "isa-debugcon" };
	d->hook = (struct vm_hook){ .destroy = free, .dev = d };
	vm_hook(vm, &d->hook);
	d->chr = chardev_find(p->chardev);
	if (!d->chr)
		return log_err("%s: chardev=%s: there is no such chardev", opt, p->chardev);
	if (chardev_attach(d->chr, &nobody))
		return log_err("%s: chardev=%s is in use", opt, p->chardev);
	err = bus_add(&vm->pio, &d->range);
	return err ? log_err("%s: iobase=%#x: %s", opt, p->iobase,
			     err == -EEXIST ? "taken by another device" : strerror(-err)) : 0;
}

const struct device_type isa_debugcon_type = {
	.name = "isa-debugcon",
	.desc = "a port whose bytes go to a chardev",
	.bus = "ISA",
	.props = debugcon_props,
	.props_size = sizeof(struct debugcon_props),
	.create = debugcon_create,
};
