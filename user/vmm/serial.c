// SPDX-License-Identifier: GPL-2.0
/*
 * 16550A: registers, receive FIFO and interrupts. What is transmitted leaves at once, so that the
 * transmitter is always empty; the interrupt for that still comes and goes as the chip's does.
 *
 * The interrupt reaches the bus through OUT2, as on a PC.
 */
#include "serial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "chardev.h"
#include "device.h"

#define FIFO_SIZE	16

#define IER_RDI		0x01	/* received data */
#define IER_THRI	0x02	/* transmitter empty */
#define IER_RLSI	0x04	/* line status */
#define IER_MSI		0x08	/* modem status */
#define IIR_NONE	0x01
#define IIR_MSI		0x00
#define IIR_THRI	0x02
#define IIR_RDI		0x04
#define IIR_RLSI	0x06
#define IIR_TIMEOUT	0x0c
#define IIR_FIFO	0xc0
#define FCR_ENABLE	0x01
#define FCR_CLEAR_RX	0x02
#define FCR_TRIGGER	0xc0
#define LCR_DLAB	0x80
#define MCR_DTR		0x01
#define MCR_RTS		0x02
#define MCR_OUT1	0x04
#define MCR_OUT2	0x08
#define MCR_LOOP	0x10
#define LSR_DR		0x01
#define LSR_OE		0x02
#define LSR_THRE	0x20
#define LSR_TEMT	0x40
#define MSR_CTS		0x10
#define MSR_DSR		0x20
#define MSR_RI		0x40
#define MSR_DCD		0x80

struct serial {
	struct vm *vm;
	struct chardev *chr;
	struct bus_range range;
	struct vm_hook hook;
	unsigned int irq;
	int level;
	uint8_t ier, lcr, mcr, msr, fcr, scr, dll, dlm;
	uint8_t overrun;		/* LSR_OE until LSR is read */
	bool thr_pending;		/* "transmitter empty" not yet reported */
	uint8_t fifo[FIFO_SIZE];
	unsigned int head, count;
	struct serial *next;
};

static struct serial *serial_list;

static const struct {
	uint16_t iobase;
	uint8_t irq;
} ports[SERIAL_MAX] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

void serial_port(unsigned int index, uint16_t *iobase, unsigned int *irq)
{
	*iobase = ports[index].iobase;
	*irq = ports[index].irq;
}

unsigned int serial_ports(struct vm *vm)
{
	unsigned int mask = 0;

	for (struct serial *s = serial_list; s; s = s->next)
		for (unsigned int i = 0; i < SERIAL_MAX; i++)
			if (s->vm == vm && s->range.base == ports[i].iobase &&
			    s->irq == ports[i].irq)
				mask |= 1u << i;
	return mask;
}

static unsigned int fifo_size(const struct serial *s)
{
	return s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned int fifo_trigger(const struct serial *s)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	return s->fcr & FCR_ENABLE ? level[(s->fcr & FCR_TRIGGER) >> 6] : 1;
}

/* The highest of what is pending and enabled */
static uint8_t irq_source(const struct serial *s)
{
	if (s->ier & IER_RLSI && s->overrun)
		return IIR_RLSI;
	if (s->ier & IER_RDI && s->count)
		/* Below the trigger level the chip waits four characters' time; here none pass. */
		return s->count >= fifo_trigger(s) ? IIR_RDI : IIR_TIMEOUT;
	if (s->ier & IER_THRI && s->thr_pending)
		return IIR_THRI;
	if (s->ier & IER_MSI && s->msr & 0x0f)
		return IIR_MSI;
	return IIR_NONE;
}

/* COM1 and COM3 share a line, as do COM2 and COM4. */
static void irq_update(struct serial *s)
{
	int level = 0;

	s->level = irq_source(s) != IIR_NONE && s->mcr & MCR_OUT2;
	for (struct serial *o = serial_list; o; o = o->next)
		if (o->irq == s->irq && o->vm == s->vm)
			level |= o->level;
	vm_irq_line(s->vm, s->irq, level);
}

static void fifo_push(struct serial *s, uint8_t c)
{
	if (s->count == fifo_size(s)) {
		s->overrun = LSR_OE;
		return;
	}
	s->fifo[(s->head + s->count++) % FIFO_SIZE] = c;
}

/* ---- chardev side ---- */

static size_t serial_room(void *arg)
{
	struct serial *s = arg;

	return s->mcr & MCR_LOOP ? 0 : fifo_size(s) - s->count;
}

static void serial_input(void *arg, const uint8_t *buf, size_t len)
{
	struct serial *s = arg;

	while (len--)
		fifo_push(s, *buf++);
	irq_update(s);
}

static void room_again(struct serial *s)
{
	if (s->chr && !(s->mcr & MCR_LOOP))
		chardev_kick(s->chr);
}

/* ---- registers ---- */

static uint8_t read_rbr(struct serial *s)
{
	uint8_t c = 0;

	if (!s->count)
		return 0;
	c = s->fifo[s->head];
	s->head = (s->head + 1) % FIFO_SIZE;
	s->count--;
	if (!s->count)
		room_again(s);
	return c;
}

/* In loop-back the modem's inputs are the chip's own outputs. */
static uint8_t modem_status(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
	       (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void modem_update(struct serial *s)
{
	uint8_t now = modem_status(s), changed = (uint8_t)((now ^ s->msr) & 0xf0);
	uint8_t delta = (uint8_t)(changed >> 4);

	/* The ring indicator reports its trailing edge only. */
	if (changed & MSR_RI && now & MSR_RI)
		delta &= (uint8_t)~(MSR_RI >> 4);
	s->msr = (uint8_t)(now | (s->msr & 0x0f) | delta);
}

static uint64_t serial_read(void *dev, uint64_t off, unsigned int len)
{
	struct serial *s = dev;
	uint8_t v = 0;

	(void)len;
	switch (off) {
	case 0:
		v = s->lcr & LCR_DLAB ? s->dll : read_rbr(s);
		break;
	case 1:
		v = s->lcr & LCR_DLAB ? s->dlm : s->ier;
		break;
	case 2:
		v = irq_source(s);
		if (v == IIR_THRI)
			s->thr_pending = false;
		v |= s->fcr & FCR_ENABLE ? IIR_FIFO : 0;
		break;
	case 3:
		return s->lcr;
	case 4:
		return s->mcr;
	case 5:
		v = LSR_THRE | LSR_TEMT | (s->count ? LSR_DR : 0) | s->overrun;
		s->overrun = 0;
		break;
	case 6:
		v = s->msr;
		s->msr &= 0xf0;
		break;
	default:
		return s->scr;
	}
	irq_update(s);
	return v;
}

static void write_thr(struct serial *s, uint8_t c)
{
	if (s->mcr & MCR_LOOP)
		fifo_push(s, c);
	else if (s->chr)
		chardev_write(s->chr, &c, 1);
	s->thr_pending = true;
}

static void write_fcr(struct serial *s, uint8_t v)
{
	/* Switching FIFOs on or off empties them. */
	if ((v ^ s->fcr) & FCR_ENABLE || v & FCR_CLEAR_RX) {
		s->head = 0;
		s->count = 0;
	}
	s->fcr = v & FCR_ENABLE ? v & (FCR_ENABLE | FCR_TRIGGER) : 0;
	room_again(s);
}

static void serial_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct serial *s = dev;
	uint8_t v = (uint8_t)val;

	(void)len;
	switch (off) {
	case 0:
		if (s->lcr & LCR_DLAB)
			s->dll = v;
		else
			write_thr(s, v);
		break;
	case 1:
		if (s->lcr & LCR_DLAB) {
			s->dlm = v;
			break;
		}
		/* Enabling the interrupt while the transmitter is empty raises it. */
		if (v & IER_THRI && !(s->ier & IER_THRI))
			s->thr_pending = true;
		s->ier = v & 0x0f;
		break;
	case 2:
		write_fcr(s, v);
		break;
	case 3:
		s->lcr = v;
		break;
	case 4:
		s->mcr = v & 0x1f;
		modem_update(s);
		room_again(s);
		break;
	case 7:
		s->scr = v;
		break;
	}
	irq_update(s);
}

static const struct bus_ops serial_ops = { .read = serial_read, .write = serial_write };

static void serial_reset(void *dev)
{
	struct serial *s = dev;

	s->ier = 0;
	s->lcr = 0;
	s->mcr = 0;
	s->fcr = 0;
	s->scr = 0;
	s->dll = 0x0c;
	s->dlm = 0;
	s->overrun = 0;
	s->thr_pending = false;
	s->head = 0;
	s->count = 0;
	s->msr = MSR_CTS | MSR_DSR | MSR_DCD;
	irq_update(s);
	room_again(s);
}

static void serial_destroy(void *dev)
{
	struct serial *s = dev, **p;

	for (p = &serial_list; *p; p = &(*p)->next) {
		if (*p != s)
			continue;
		*p = s->next;
		break;
	}
	free(s);
}

int serial_add(struct vm *vm, const char *opt, uint16_t iobase, unsigned int irq,
	       struct chardev *chr)
{
	struct chardev_client client = { .room = serial_room, .input = serial_input };
	struct serial *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return log_err("%s: out of memory", opt);
	s->vm = vm;
	s->irq = irq;
	s->range = (struct bus_range){ .base = iobase, .size = 8, .ops = &serial_ops, .dev = s,
				       .name = "serial" };
	s->hook = (struct vm_hook){ .reset = serial_reset, .destroy = serial_destroy, .dev = s };
	err = bus_add(&vm->pio, &s->range);
	if (err) {
		free(s);
		return log_err("%s: ports 0x%x-0x%x: %s", opt, iobase, iobase + 7,
			       err == -EEXIST ? "taken by another device" : strerror(-err));
	}
	s->next = serial_list;
	serial_list = s;
	vm_hook(vm, &s->hook);
	serial_reset(s);
	if (!chr)
		return 0;
	client.arg = s;
	err = chardev_attach(chr, &client);
	if (err)
		return log_err("%s: the chardev is in use by another device", opt);
	s->chr = chr;
	return 0;
}

/* ---- -device isa-serial ---- */

struct isa_serial {
	char *chardev;
	uint32_t index, iobase, irq;
};

#define UNSET	0xffffffffu

static const struct prop isa_serial_props[] = {
	PROP("chardev", PROP_STR, struct isa_serial, chardev, .help = "ID of a -chardev",
	     .required = true),
	PROP("index", PROP_U32, struct isa_serial, index, .def = "0xffffffff",
	     .help = "0: COM1 to 3: COM4; default: the first free"),
	PROP("iobase", PROP_U32, struct isa_serial, iobase, .def = "0xffffffff",
	     .help = "I/O port; default: by index"),
	PROP("irq", PROP_U32, struct isa_serial, irq, .def = "0xffffffff",
	     .help = "interrupt; default: by index"),
	{ 0 }
};

static int isa_serial_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	static const char opt[] = "-device isa-serial";
	struct isa_serial *p = props;
	struct chardev *chr;

	(void)type;
	(void)id;
	if (p->index == UNSET && p->iobase == UNSET)
		for (p->index = 0; p->index < SERIAL_MAX - 1; p->index++)
			if (!(serial_ports(vm) & 1u << p->index))
				break;
	if (p->index != UNSET && p->index >= SERIAL_MAX)
		return log_err("%s: index=%u: 0 to %d", opt, p->index, SERIAL_MAX - 1);
	if (p->iobase == UNSET)
		p->iobase = ports[p->index].iobase;
	if (p->irq == UNSET)
		p->irq = p->index == UNSET ? 4 : ports[p->index].irq;
	if (p->iobase > 0xfff8)
		return log_err("%s: iobase=0x%x: not an I/O port", opt, p->iobase);
	if (p->irq > 15 || p->irq == 2)
		return log_err("%s: irq=%u: not an ISA interrupt", opt, p->irq);
	chr = chardev_find(p->chardev);
	if (!chr)
		return log_err("%s: chardev=%s: there is no such chardev", opt, p->chardev);
	return serial_add(vm, opt, (uint16_t)p->iobase, p->irq, chr);
}

const struct device_type isa_serial_type = {
	.name = "isa-serial",
	.desc = "16550A serial port",
	.bus = "ISA",
	.props = isa_serial_props,
	.props_size = sizeof(struct isa_serial),
	.create = isa_serial_create,
};
