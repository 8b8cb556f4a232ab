// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that comes: an SCI with general purpose event 3 says so, the ports of a slot say where. It is empty, keeps what
 * is written there, and a disk reads and writes it, in one queue that has run before. dimms=n that come;
 * there=n that are there before; packed
 */
#include "rt/virtio.h"

#define VIRTIO_BLK	2
#define PORTS		0xa00
#define PORTS_SLOT	64
#define EVENT		3
#define SCI		9
#define VEC_SCI		0x52
#define SECTOR		512
#define LOST_MS		20000

struct resources {
	u8 tag;
	u16 len;
	u8 type, flags, type_flags;
	u64 granularity, min, max, translation, size;
	u16 end;
} __attribute__((packed));

static struct virtio v;
static struct vq q;
static u32 gpe;
static volatile bool events;
static u64 end = 0x100000000;

static void sci(struct regs *r)
{
	(void)r;
	if (inb((u16)gpe) & 1 << EVENT)
		events = true;
	outb((u16)gpe, 0xff);
}

static bool transfer(u32 type, u64 phys)
{
	static struct {
		u32 type, reserved;
		u64 sector;
	} hdr;
	static volatile u8 status;
	struct vbuf b[3] = { { &hdr, sizeof(hdr) }, { (void *)phys, SECTOR }, { (void *)&status, 1 } };

	hdr.type = type;
	status = 0xff;
	if (!vq_add(&q, b, type ? 2 : 1, type ? 1 : 2, &hdr))
		rt_die("the ring overflows");
	vq_kick(&q);
	return wait_until(vq_pop(&q, NULL), LOST_MS) && !status;
}

/* To the disk from its first bytes, back to its last ones */
static bool disk_does(const struct resources *r)
{
	u64 *p = rt_window(r->min), i;

	for (i = 0; i < SECTOR / 8; i++)
		p[i] = r->min ^ i * 0x0123456789abcdef;
	if (!transfer(1, r->min) || !transfer(0, r->max + 1 - SECTOR))
		return false;
	p = rt_window(r->max + 1 - SECTOR);
	for (i = 0; i < SECTOR / 8; i++)
		if (p[i] != (r->min ^ i * 0x0123456789abcdef))
			return false;
	return true;
}

static bool is_memory(u64 phys)
{
	volatile u64 *p = rt_window(phys);
	bool empty = !*p;

	*p = phys;
	return empty && *p == phys;
}

static void look(u32 n)
{
	struct resources r;
	u32 i;

	report(inb((u16)(PORTS + n * PORTS_SLOT)) == 0xf, "slot %u is filled", n);
	for (i = 0; i < sizeof(r); i++)
		((u8 *)&r)[i] = inb((u16)(PORTS + n * PORTS_SLOT + 2 + i));
	rt_printf("# 0x%lx + 0x%lx\n", r.min, r.size);
	report(r.tag == 0x8a && r.len == 43 && !r.type && r.end == 0x79 && r.size && r.max == r.min + r.size - 1,
	       "it has a range");
	report(r.min >= end && !(r.min & 0x7ffffff), "at 0x%lx, where nothing was", r.min);
	end = r.max + 1;
	report(is_memory(r.min) && is_memory(r.max - 7) && is_memory(r.min + r.size / 2), "which is memory");
	report(disk_does(&r), "the disk writes and reads it");
}

int main(void)
{
	u32 there = cmdline_num("there", 0), dimms = there + cmdline_num("dimms", 1), i;
	struct acpi_hdr *fadt = acpi_find("FACP");

	if (!fadt || !virtio_find(&v, VIRTIO_BLK, 0))
		rt_die("no FADT, or no virtio-blk");
	memcpy(&gpe, (u8 *)fadt + 80, 4);
	report(gpe && ((u8 *)fadt)[92] == 2, "there are general purpose events");
	if (!virtio_negotiate(&v, cmdline_has("packed") ? VF_PACKED : 0) || !vq_setup(&q, &v, 0, 16, NO_VECTOR))
		rt_die("no queue");
	virtio_driver_ok(&v);
	report(transfer(1, (u64)alloc_pages(1)), "a disk");
	irq_set(VEC_SCI, sci);
	ioapic_route(SCI, VEC_SCI, true, false, false);
	outb((u16)(gpe + 1), 1 << EVENT);
	for (i = 0; i < there; i++)
		look(i);
	report(!inb((u16)(PORTS + there * PORTS_SLOT)), "slot %u is empty", there);
	rt_printf("# ready\n");
	for (i = there; i < dimms; i++) {
		report(wait_until(events, LOST_MS), "an event");
		events = false;
		report(inb((u16)(PORTS + i * PORTS_SLOT + 1)) == 1 && !inb((u16)(PORTS + i * PORTS_SLOT + 1)),
		       "of slot %u, once", i);
		look(i);
		rt_printf("# plugged %u\n", i);
	}
	report(transfer(1, (u64)alloc_pages(1)), "the disk is content");
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
