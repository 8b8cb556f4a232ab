// SPDX-License-Identifier: GPL-2.0
/*
 * Keyboard controller without a keyboard: what is asked of the controller is answered, what is sent to
 * a keyboard or mouse times out. It is here for its reset and A20 lines.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"

#define IRQ_KBD		1

#define STAT_OBF	0x01	/* a byte waits at port 0x60 */
#define STAT_SYS	0x04	/* self test passed */
#define STAT_CMD	0x08	/* the last write went to port 0x64 */
#define STAT_KEYLOCK	0x10	/* not locked */
#define STAT_TIMEOUT	0x40

#define CTR_KBDINT	0x01
#define CTR_SYS		0x04
#define CTR_KBDDIS	0x10
#define CTR_AUXDIS	0x20

#define OUT_RESET	0x01	/* 0 resets */
#define OUT_A20		0x02

#define KBD_RESEND	0xfe

struct i8042 {
	struct vm *vm;
	struct bus_range data_range, cmd_range;
	struct vm_hook hook;
	uint8_t status, ctr, out, data;
	uint8_t cmd;			/* waits for its data byte at port 0x60; 0: none */
};

static void put_byte(struct i8042 *k, uint8_t v, uint8_t extra)
{
	k->data = v;
	k->status = (uint8_t)((k->status & ~STAT_TIMEOUT) | STAT_OBF | extra);
	vm_irq_line(k->vm, IRQ_KBD, k->ctr & CTR_KBDINT);
}

static void write_out(struct i8042 *k, uint8_t v)
{
	k->out = v;
	if (!(v & OUT_RESET))
		vm_request(k->vm, VM_RESET, 0);
}

static void command(struct i8042 *k, uint8_t cmd)
{
	k->cmd = 0;
	switch (cmd) {
	case 0x20:
		put_byte(k, k->ctr, 0);
		break;
	case 0x60:			/* these take a byte */
	case 0xd1:
	case 0xd2:
	case 0xd3:
	case 0xd4:
		k->cmd = cmd;
		break;
	case 0xa7:
		k->ctr |= CTR_AUXDIS;
		break;
	case 0xa8:
		k->ctr &= (uint8_t)~CTR_AUXDIS;
		break;
	case 0xa9:			/* test the mouse's lines: there are none */
		put_byte(k, 0xff, 0);
		break;
	case 0xaa:
		k->status |= STAT_SYS;
		put_byte(k, 0x55, 0);
		break;
	case 0xab:			/* test the keyboard's lines: the clock is stuck */
		put_byte(k, 0x01, 0);
		break;
	case 0xad:
		k->ctr |= CTR_KBDDIS;
		break;
	case 0xae:
		k->ctr &= (uint8_t)~CTR_KBDDIS;
		break;
	case 0xd0:
		put_byte(k, k->out, 0);
		break;
	default:
		/* 0xf0..0xff pulse output lines low; line 0 is the processor's reset */
		if (cmd >= 0xf0 && !(cmd & OUT_RESET))
			vm_request(k->vm, VM_RESET, 0);
	}
}

static void data_byte(struct i8042 *k, uint8_t v)
{
	uint8_t cmd = k->cmd;

	k->cmd = 0;
	switch (cmd) {
	case 0x60:
		k->ctr = v;
		break;
	case 0xd1:
		write_out(k, v);
		break;
	case 0xd2:			/* as if the keyboard had sent it */
		put_byte(k, v, 0);
		break;
	case 0xd3:
		break;
	default:
		put_byte(k, KBD_RESEND, STAT_TIMEOUT);
	}
}

static uint64_t data_read(void *dev, uint64_t off, unsigned int len)
{
	struct i8042 *k = dev;

	(void)off;
	(void)len;
	k->status &= (uint8_t)~(STAT_OBF | STAT_TIMEOUT);
	vm_irq_line(k->vm, IRQ_KBD, 0);
	return k->data;
}

static void data_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct i8042 *k = dev;

	(void)off;
	(void)len;
	k->status &= (uint8_t)~STAT_CMD;
	data_byte(k, (uint8_t)val);
}

static uint64_t cmd_read(void *dev, uint64_t off, unsigned int len)
{
	struct i8042 *k = dev;

	(void)off;
	(void)len;
	return k->status;
}

static void cmd_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct i8042 *k = dev;

	(void)off;
	(void)len;
	k->status |= STAT_CMD;
	command(k, (uint8_t)val);
}

static const struct bus_ops data_ops = { .read = data_read, .write = data_write };
static const struct bus_ops cmd_ops = { .read = cmd_read, .write = cmd_write };

static void i8042_reset(void *dev)
{
	struct i8042 *k = dev;

	k->status = STAT_KEYLOCK | STAT_SYS;
	k->ctr = CTR_SYS | CTR_KBDDIS | CTR_AUXDIS;
	k->out = OUT_RESET | OUT_A20;
	k->data = 0;
	k->cmd = 0;
	vm_irq_line(k->vm, IRQ_KBD, 0);
}

static void i8042_destroy(void *dev)
{
	free(dev);
}

int i8042_create(struct vm *vm)
{
	struct i8042 *k = calloc(1, sizeof(*k));

	if (!k)
		return log_err("out of memory");
	k->vm = vm;
	k->data_range = (struct bus_range){ 0x60, 1, &data_ops, k, "i8042" };
	k->cmd_range = (struct bus_range){ 0x64, 1, &cmd_ops, k, "i8042" };
	k->hook = (struct vm_hook){ .reset = i8042_reset, .destroy = i8042_destroy, .dev = k };
	vm_hook(vm, &k->hook);
	i8042_reset(k);
	if (bus_add(&vm->pio, &k->data_range) || bus_add(&vm->pio, &k->cmd_range))
		return log_err("ports 0x60 and 0x64 are taken");
	return 0;
}
