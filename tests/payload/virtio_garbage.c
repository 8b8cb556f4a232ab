// SPDX-License-Identifier: GPL-2.0
/*
 * Garbage into every virtio-pci register, in each width, through memory and through the PCI_CFG window,
 * before, during and after set-up. The VMM survives, and after a reset the device works.
 */
#include "rt/net.h"

static struct net n;
static u32 total;

/* Rings that the device writes must not land on this program: nothing below 16 MiB is named. */
static u32 safe_addr(u32 v)
{
	return v < 16u << 20 ? v | 16u << 20 : v;
}

static void poke(u64 at, unsigned int width, u32 v)
{
	total++;
	switch (width) {
	case 1: mmio_w8(at, v); break;
	case 2: mmio_w16(at, v); break;
	case 4: mmio_w32(at, v); break;
	default: mmio_w64(at, (u64)safe_addr(~v) << 32 | v);
	}
}

static void peek(u64 at, unsigned int width)
{
	total++;
	switch (width) {
	case 1: mmio_r8(at); break;
	case 2: mmio_r16(at); break;
	case 4: mmio_r32(at); break;
	default: mmio_r64(at);
	}
}

static u32 interesting(void)
{
	static const u32 v[] = { 0, 1, 2, 3, 4, 7, 8, 0x0f, 0x10, 0x40, 0x7f, 0x80, 0xff, 0x100, 0x101, 0x7fff,
		0x8000, 0xfffe, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	u32 r = rt_random();

	return r & 0x100 ? rt_random() : v[r % ARRAY_SIZE(v)];
}

/* @region: its length; addresses of rings are kept away from the program. */
static void scribble(u64 base, u32 region, u32 count, bool common)
{
	u32 i;

	for (i = 0; i < count; i++) {
		u32 r = rt_random(), off = (r >> 8) % region, v = interesting();
		unsigned int width = 1u << (r & 3);

		if (common && off + width > VC_QDESC) {
			/* Whole halves of an address only, so that it stays what safe_addr() said. */
			off = VC_QDESC + (r >> 8 & 7) % 6 * 4;
			width = 4;
			v = safe_addr(v);
		} else if (!(r & 0x80)) {
			off &= -width;
		}
		if (r & 0x40)
			peek(base + off, width);
		else
			poke(base + off, width, v);
	}
}

static void works(const char *after)
{
	bool ok;

	pci_write(n.v.devfn, PCI_COMMAND, 2, 7);
	ok = net_start(&n, VF_EVENT_IDX | VF_INDIRECT);
	report(ok && net_echo(&n, 5, 300, 2) == 5, "after %s it works", after);
	virtio_reset(&n.v);
}

static void odd_orders(void)
{
	u64 c = n.v.common;
	u32 i;

	virtio_reset(&n.v);
	mmio_w8(c + VC_STATUS, 0xff);
	mmio_w8(c + VC_STATUS, VS_DRIVER_OK);
	virtio_reset(&n.v);
	mmio_w8(c + VC_STATUS, VS_ACK | VS_DRIVER | VS_DRIVER_OK);
	mmio_w16(c + VC_QSEL, 1);
	mmio_w16(c + VC_QENABLE, 1);
	for (i = 0; i < 3; i++)
		mmio_w16(n.v.notify + i * n.v.notify_mult, i);
	virtio_reset(&n.v);
	works("DRIVER_OK before anything else");

	virtio_negotiate(&n.v, 0);
	for (i = 0; i < 8; i++) {
		static const u16 size[] = { 0, 1, 3, 255, 257, 1024, 0x8000, 0xffff };

		mmio_w16(c + VC_QSEL, 1);
		mmio_w16(c + VC_QSIZE, size[i]);
		mmio_w16(c + VC_QENABLE, 1);
		mmio_w16(c + VC_QENABLE, 0);
		mmio_w16(c + VC_QENABLE, 0xffff);
	}
	virtio_driver_ok(&n.v);
	mmio_w16(n.v.notify + n.v.notify_mult, 1);
	virtio_reset(&n.v);
	works("impossible queue sizes");

	virtio_negotiate(&n.v, 0);
	vq_setup(&n.tx, &n.v, 1, 16, NO_VECTOR);
	virtio_driver_ok(&n.v);
	mmio_w16(c + VC_QSEL, 1);
	mmio_w16(c + VC_QSIZE, 4);
	mmio_w32(c + VC_QDESC, 0x1800000);
	mmio_w16(c + VC_QENABLE, 0);
	mmio_w16(c + VC_QMSIX, 0x1234);
	report(mmio_r16(c + VC_QMSIX) == NO_VECTOR, "a vector that is not there reads back as none");
	mmio_w16(c + VC_MSIX, 0x7fff);
	report(mmio_r16(c + VC_MSIX) == NO_VECTOR, "also for the configuration");
	mmio_w16(n.v.notify + n.v.notify_mult, 1);
	works("changes to a queue that is enabled");

	for (i = 0; i < 400; i++) {
		u32 off = n.v.notify_len > 4 ? rt_random() % (n.v.notify_len - 3) : 0;

		poke(n.v.notify + off, 1u << (i % 3), i % 7 ? rt_random() : i);
	}
	works("notifications of queues that are not there, before DRIVER_OK");
	net_start(&n, 0);
	for (i = 0; i < 400; i++) {
		u32 off = n.v.notify_len > 4 ? rt_random() % (n.v.notify_len - 3) : 0;

		poke(n.v.notify + off, 1u << (i % 3), i % 7 ? rt_random() : i);
	}
	report(net_echo(&n, 5, 100, 1) == 5, "and after it the queues still work");
	works("that");
}

static void pci_cfg_window(void)
{
	u8 cap = n.v.cap_pci_cfg, d = n.v.devfn;
	u32 i, status;

	if (!report(cap != 0, "there is a PCI_CFG capability"))
		return;
	/* It works as it should: the common configuration seen through it. */
	virtio_reset(&n.v);
	pci_write(d, cap + 4, 1, pci_read(d, pci_cap(d, PCI_CAP_VENDOR, 0) + 4, 1));
	{
		u8 c = 0;

		while ((c = pci_cap(d, PCI_CAP_VENDOR, c)))
			if (pci_read(d, c + 3, 1) == 1) {
				pci_write(d, cap + 4, 1, pci_read(d, c + 4, 1));
				pci_write(d, cap + 8, 4, pci_read(d, c + 8, 4) + VC_STATUS);
			}
	}
	pci_write(d, cap + 12, 4, 1);
	pci_write(d, cap + 16, 1, VS_ACK | VS_DRIVER);
	status = pci_read(d, cap + 16, 1);
	report(virtio_status(&n.v) == (VS_ACK | VS_DRIVER) && status == (VS_ACK | VS_DRIVER),
	       "device_status is written and read through it (%02x, %02x)", virtio_status(&n.v), status);
	pci_write(d, cap + 16, 1, 0);
	report(virtio_status(&n.v) == 0, "and reset");

	/* And a notification: the queue answers without the doorbell. */
	if (net_start(&n, 0)) {
		u8 c = 0;
		u32 sent;

		while ((c = pci_cap(d, PCI_CAP_VENDOR, c)))
			if (pci_read(d, c + 3, 1) == 2) {
				pci_write(d, cap + 4, 1, pci_read(d, c + 4, 1));
				pci_write(d, cap + 8, 4, pci_read(d, c + 8, 4) + (n.tx.bell - n.v.notify));
			}
		pci_write(d, cap + 12, 4, 2);
		net_send(&n, 'C', 0, 0, 60, false);
		vq_publish(&n.tx);
		n.tx.kicked = n.tx.next_avail;
		sent = n.tx_done;
		pci_write(d, cap + 16, 2, 1);
		report(wait_until((net_reap(&n), n.tx_done != sent), 2000), "a queue is notified through it");
		virtio_reset(&n.v);
	}

	for (i = 0; i < 2000; i++) {
		u32 r = rt_random();
		static const u8 lens[] = { 0, 1, 2, 3, 4, 5, 8, 255 };

		pci_write(d, cap + 4, 1, r & 7 ? (r >> 3) % 7 : r >> 8);
		pci_write(d, cap + 8, 4, r & 0x400 ? rt_random() & 0x3fff : interesting());
		pci_write(d, cap + 12, 4, r & 0x800 ? lens[r >> 16 & 7] : interesting());
		total += 4;
		/* Only read where a write could aim a ring at this program. */
		if ((r & 0x3000) == 0)
			pci_write(d, cap + 16 + (r >> 14 & 3), 1, r & 0xff);
		else
			pci_read(d, cap + 16, 4);
	}
	pci_write(d, cap + 12, 4, 0);
	works("2000 garbage windows");
}

static void config_space(void)
{
	u32 saved[16], i;
	u8 d = n.v.devfn, cap = n.v.msix.cap;

	for (i = 0; i < 16; i++)
		saved[i] = pci_read(d, 4 * i, 4);
	for (i = 0; i < 600; i++) {
		u32 r = rt_random(), off = r >> 8 & 0xff;

		/* PCI_CFG's data register is a write to the device: seen to above. */
		if (off + 4 > n.v.cap_pci_cfg && off < n.v.cap_pci_cfg + 20u)
			continue;
		pci_write(d, off & -(1 << (r & 3) % 3), 1u << (r & 3) % 3, interesting());
		total++;
	}
	pci_write(d, PCI_COMMAND, 2, 0);
	for (i = 4; i < 16; i++)
		pci_write(d, 4 * i, 4, saved[i]);
	pci_write(d, cap + 2, 2, 0);
	pci_write(d, PCI_COMMAND, 2, 7);
	works("600 garbage writes to configuration space");

	/* BARs and decoding change while traffic flows. */
	if (net_start(&n, 0)) {
		for (i = 0; i < 20; i++) {
			u32 old = saved[4 + 4], l;

			net_send(&n, 'B', 0, 5u << 16 | 200, 60, true);
			pci_write(d, PCI_COMMAND, 2, i & 1 ? 0 : 4);
			if (saved[4] && i & 2)
				pci_write(d, 0x10, 4, 0xd0000000);
			(void)old;
			delay_us(100);
			pci_write(d, 0x10, 4, saved[4]);
			pci_write(d, PCI_COMMAND, 2, 7);
			net_recv(&n, 'b', &l);
		}
		works("decoding that went off and on under traffic");
	}
}

static void msix_table(void)
{
	struct msix *m = &n.v.msix;
	u32 i, l;

	if (!net_start(&n, 0))
		return;
	for (i = 0; i < 600; i++) {
		u64 at;
		u32 v, r = msix_garbage(m, &at, &v);

		total++;
		switch (r & 7) {
		case 0:
		case 1: mmio_w32(at & ~3ull, v); break;
		case 2:
			if ((at & 12) != 8)
				mmio_w8(at, v & 0x0f);
			break;
		case 3: mmio_w32((at & ~15ull) + 12, v & 1); break;
		case 4: msix_enable(m, v & 1); break;
		case 5: msix_fmask(m, v & 1); break;
		case 6: mmio_r32(m->pba); break;
		default:
			if (!(i & 3))
				net_send(&n, 'E', i, 0, 60, true);
			net_recv(&n, 'e', &l);
		}
	}
	works("600 garbage writes to the MSI-X table under traffic");
}

int main(void)
{
	u32 rounds = cmdline_num("rounds", 3), count = cmdline_num("count", 1000), i;

	net_find(&n);
	works("power-on");
	odd_orders();
	for (i = 0; i < rounds; i++) {
		virtio_reset(&n.v);
		scribble(n.v.common, VC_SIZE, count, true);
		virtio_reset(&n.v);
		works("garbage in the common configuration");
		net_start(&n, i & 1 ? VF_EVENT_IDX : 0);
		net_send(&n, 'B', 0, 30u << 16 | 300, 60, true);
		scribble(n.v.common, VC_SIZE, count, true);
		virtio_reset(&n.v);
		works("the same under traffic");
	}
	scribble(n.v.notify, n.v.notify_len, 500, false);
	scribble(n.v.isr, 1, 50, false);
	if (n.v.dev_len)
		scribble(n.v.dev, n.v.dev_len, 500, false);
	scribble(n.v.common + VC_SIZE, 0x100, 300, false);
	works("garbage in the other regions");
	pci_cfg_window();
	msix_table();
	config_space();
	rt_printf("# %u accesses\n", total);
	return 0;
}
