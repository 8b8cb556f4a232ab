// SPDX-License-Identifier: GPL-2.0
/*
 * The legacy interface of a virtio-blk device as old drivers use it, and as none should: resets that nobody waits for,
 * requests before DRIVER_OK, queues that are nowhere.
 */
#include "rt/virtio.h"

#define VIRTIO_BLK	2
#define QUEUES		4	/* num-queues= */
#define BLOCK		4096u
#define LOOK		32u	/* so many bytes of each buffer are looked at */
#define ROUNDS		60

static struct virtio v;
static struct vq q;
static struct {
	u32 type, reserved;
	u64 sector;
} hdr[64];
static u8 status[64];
static u8 *data[64];

static void submit(u32 i, u32 type)
{
	struct vbuf b[3] = { { &hdr[i], sizeof(hdr[i]) }, { data[i], BLOCK }, { &status[i], 1 } };

	hdr[i].type = type;
	hdr[i].sector = i * (BLOCK / 512);
	status[i] = 0xff;
	vq_add(&q, b, type ? 2 : 1, type ? 1 : 2, &status[i]);
}

static bool done(void)
{
	u8 *s = NULL;

	return wait_until((s = vq_pop(&q, NULL)), 10000) && !*s;
}

static bool prepare(void)
{
	virtio_reset(&v);
	virtio_set_status(&v, VS_ACK);
	virtio_set_status(&v, VS_DRIVER);
	v.offered = virtio_offered(&v);
	return legacy_negotiate(&v, 0) && vq_setup(&q, &v, 0, VQ_MAX, NO_VECTOR);
}

static bool works(void)
{
	if (!prepare())
		return false;
	virtio_driver_ok(&v);
	submit(0, 0);
	vq_kick(&q);
	return done() && virtio_status(&v) == (VS_ACK | VS_DRIVER | VS_DRIVER_OK);
}

static void registers(void)
{
	u32 i, sectors;
	u16 p = v.port;

	report(pci_read(v.devfn, 0, 4) == 0x10011af4 && pci_read(v.devfn, 0x2c, 4) == 0x00021af4, "the ids of a transitional disk");
	report(virtio_offered(&v) & VF_ANY_LAYOUT && !(virtio_offered(&v) >> 30), "offers 0x%lx", virtio_offered(&v));
	for (i = 0; i < QUEUES && legacy_size(&v, i) == VQ_MAX; i++)
		;
	report(i == QUEUES && !legacy_size(&v, i), "%u queues", i);
	virtio_set_status(&v, VS_ACK | VS_DRIVER | VS_FEATURES_OK);
	report(virtio_status(&v) == (VS_ACK | VS_DRIVER), "no FEATURES_OK");
	outl(p + VL_GF, 0xffffffff);
	report(inl(p + VL_GF) == virtio_offered(&v), "features that were not offered are dropped");
	virtio_reset(&v);
	report(!inl(p + VL_GF), "a reset forgets them");
	sectors = virtio_config(&v, 0, 4);
	msix_fmask(&v.msix, true);
	msix_enable(&v.msix, true);
	report(sectors && virtio_config(&v, 0, 4) == sectors, "%u sectors, behind the vectors while MSI-X is on", sectors);
	outw(p + VL_MSIX, 1);
	outw(p + VL_QSEL, 1);
	outw(p + VL_QMSIX, 0x123);
	report(inw(p + VL_MSIX) == 1 && inw(p + VL_QMSIX) == NO_VECTOR, "a vector that is there, and one that is not");
	msix_enable(&v.msix, false);
}

/* As Linux read the partition table, until 3.18: while the driver's probe runs. */
static void early(void)
{
	u32 i;

	prepare();
	submit(0, 0);
	vq_kick(&q);
	report(done() && !(virtio_status(&v) & VS_DRIVER_OK), "a request before DRIVER_OK");
	report(virtio_isr(&v) & 1, "is told by the ISR");
	virtio_driver_ok(&v);
	for (i = 0; i < 8; i++) {
		submit(i, 1);
		vq_kick(&q);
		if (!done())
			break;
	}
	report(i == 8 && virtio_status(&v) == (VS_ACK | VS_DRIVER | VS_DRIVER_OK), "and %u after it", i);
}

static u32 checksum(const void *p, u32 bytes, u32 s)
{
	const u32 *w = p;

	for (; bytes; bytes -= 4)
		s = (s << 1 | s >> 31) ^ *w++;
	return s;
}

static u32 memory(void)
{
	u32 i, s = checksum((void *)q.used, 4 + 8 * q.size, 0);

	for (i = 0; i < 32; i++)
		s = checksum(data[i], LOOK, s) + status[i];
	return s;
}

/* The driver may do with the memory as it likes once the write has returned. */
static void resets(void)
{
	u32 i, j, quiet = 0, before, flowed = 0;

	for (i = 0; i < ROUNDS; i++) {
		if (!prepare())
			break;
		virtio_driver_ok(&v);
		for (j = 0; j < 32; j++)
			submit(j, 0);
		vq_kick(&q);
		delay_us(rt_random() % 3000);
		flowed += vq_used(&q);
		if (i & 1) {
			virtio_reset(&v);
		} else {
			outw(v.port + VL_QSEL, 0);
			outl(v.port + VL_QPFN, 0);
			if (virtio_status(&v) || inl(v.port + VL_QPFN))
				break;
		}
		for (j = 0; j < 32; j++)
			memset(data[j], 0x5a, LOOK);
		memset((void *)q.used, 0x5a, 64);
		before = memory();
		delay_us(300);
		quiet += memory() == before;
	}
	report(i == ROUNDS, "%u resets, each done when the write had returned, half of them by page 0", i);
	report(quiet == ROUNDS && flowed, "memory was left alone after %u of them; %u with requests done", quiet, flowed);
	report(works(), "after that it works");
}

static void nowhere(u32 pfn)
{
	prepare();
	outl(v.port + VL_QPFN, 0);
	outl(v.port + VL_QPFN, pfn);
	virtio_driver_ok(&v);
	outw(v.port + VL_NOTIFY, 0);
	report(wait_until(virtio_status(&v) & VS_NEEDS_RESET, 5000), "page 0x%x: the device needs a reset", pfn);
	report(works(), "and works after it");
}

int main(void)
{
	u32 i;

	if (!virtio_find(&v, VIRTIO_BLK, 0))
		rt_die("no virtio-blk with I/O ports");
	for (i = 0; i < ARRAY_SIZE(data); i++)
		data[i] = alloc_pages(1);
	registers();
	early();
	report(works(), "it works");
	resets();
	nowhere(0xffffffff);
	nowhere(0x80000);
	nowhere((cmdline_num("mem", 32) << 8) - 1);
	for (i = 0; i < 2000; i++)
		outl(v.port + (rt_random() & 127), rt_random());
	report(works(), "after garbage in all ports, too");
	return 0;
}
