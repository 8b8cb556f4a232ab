// SPDX-License-Identifier: GPL-2.0
/*
 * MSI-X: mask, unmask, pending bits, function mask, moved vectors; INTx when it is off. What raises
 * the interrupts: shunt-testdev by doorbell (irqfd) and by register (user space); under QEMU a
 * virtio-rng queue.
 */
#include "rt/testdev.h"
#include "rt/virtio.h"

#define VEC(i)	(0x50 + (i))
#define VEC_ALT	0x70
#define VEC_INTX 0x71

static struct msix *m;
static struct testdev td;
static struct virtio rng;
static struct vq rngq;
static bool qemu;
static enum { BELL, RAISE, RNG } how;
static const char *const how_name[] = { "doorbell", "register", "queue" };

static void nothing(struct regs *r)
{
	(void)r;
}

static void on_intx(struct regs *r)
{
	(void)r;
	if (qemu)
		mmio_r8(rng.isr);
	else
		mmio_r32(td.mem + TD_R_PENDING);
}

static void raise(unsigned int i)
{
	static u8 *buf;
	struct vbuf b;

	if (how == BELL) {
		mmio_w32(td.mem + TD_R_BELL(i), 1);
		return;
	}
	if (how == RAISE) {
		mmio_w32(td.mem + TD_R_RAISE, i);
		return;
	}
	if (!buf)
		buf = alloc_pages(1);
	b.p = buf;
	b.len = 16;
	mmio_w16(rng.common + VC_QSEL, 0);
	mmio_w16(rng.common + VC_QMSIX, i);
	vq_add(&rngq, &b, 0, 1, buf);
	vq_kick(&rngq);
	if (!wait_until(vq_pop(&rngq, NULL), 1000))
		rt_die("the queue does not answer");
}

static bool arrives(u8 vec, u32 before)
{
	return wait_until(irq_count[vec] != before, 1000) && irq_count[vec] == before + 1;
}

static void quiet(void)
{
	let_irqs(3);
}

static void vectors(void)
{
	const char *by = how_name[how];
	unsigned int i, good = 0, n = m->n < 4 ? m->n : 4;
	u32 before, alt;
	bool pend, after, both;

	for (i = 0; i < n; i++) {
		before = irq_count[VEC(i)];
		raise(i);
		good += arrives(VEC(i), before);
	}
	report(good == n, "%s: %u of %u vectors arrive", by, good, n);

	before = irq_count[VEC(1)];
	msix_mask(m, 1, true);
	report(!msix_pending(m, 1), "%s: nothing pends before", by);
	raise(1);
	quiet();
	pend = wait_until(msix_pending(m, 1), 500);
	report(irq_count[VEC(1)] == before, "%s: a masked vector stays silent", by);
	report(pend, "%s: its pending bit is set", by);
	report(msix_pending(m, 1), "%s: and reading does not lose it", by);
	raise(1);
	msix_mask(m, 1, false);
	after = arrives(VEC(1), before);
	quiet();
	report(after && irq_count[VEC(1)] == before + 1, "%s: unmasking delivers it, once (%u)", by,
	       irq_count[VEC(1)] - before);
	report(!msix_pending(m, 1), "%s: and clears the pending bit", by);

	/* One queue has one vector: binding it to the next forgets what the last had pending. */
	both = how != RNG;
	before = irq_count[VEC(0)];
	alt = irq_count[VEC(1)];
	msix_fmask(m, true);
	if (both)
		raise(0);
	raise(1);
	quiet();
	report(irq_count[VEC(0)] == before && irq_count[VEC(1)] == alt, "%s: function mask holds back", by);
	report(msix_pending(m, 0) == both && msix_pending(m, 1), "%s: function mask: they pend", by);
	msix_fmask(m, false);
	report((!both || arrives(VEC(0), before)) & arrives(VEC(1), alt),
	       "%s: function unmask delivers them", by);
	report(!msix_pending(m, 0) && !msix_pending(m, 1), "%s: nothing pends after", by);

	/* The message changes while it is masked and pending: the new one counts. */
	before = irq_count[VEC(1)];
	alt = irq_count[VEC_ALT];
	msix_mask(m, 1, true);
	raise(1);
	quiet();
	mmio_w32(m->table + 16 + 8, VEC_ALT);
	msix_mask(m, 1, false);
	report(arrives(VEC_ALT, alt) && irq_count[VEC(1)] == before, "%s: a new message is used", by);
	msix_set(m, 1, VEC(1));
	before = irq_count[VEC(1)];
	raise(1);
	report(arrives(VEC(1), before), "%s: and the old one again", by);
}

static void table(void)
{
	u64 e = m->table + 16;
	bool ok;

	mmio_w32(e + 12, 1);
	mmio_w64(e, 0xfee00000ull | (apic_id() & 0xff) << 12);
	mmio_w64(e + 8, 1ull << 32 | VEC(1));
	ok = mmio_r32(e) == (0xfee00000 | (apic_id() & 0xff) << 12) && mmio_r32(e + 8) == VEC(1) &&
	     mmio_r32(e + 12) == 1 && mmio_r64(e + 8) == (1ull << 32 | VEC(1));
	report(ok, "the table takes quadwords");
	mmio_w32(e + 12, 0);
	mmio_w32(m->pba, 0xffffffff);
	quiet();
	report(mmio_r32(m->pba) == 0, "the pending bits cannot be written");
}

static void intx(void)
{
	u8 pin = pci_intx_pin(m->devfn);
	u32 before, msi = irq_count[VEC(0)];

	irq_set(VEC_INTX, on_intx);
	msix_enable(m, false);
	report(!msix_enabled(m), "MSI-X is off");
	ioapic_route(pin, VEC_INTX, true, !qemu, false);
	before = irq_count[VEC_INTX];
	raise(how == RNG ? NO_VECTOR : 0);
	report(arrives(VEC_INTX, before), "INTx arrives at IOAPIC pin %u", pin);
	quiet();
	/* Some KVMs deliver a level twice; a line that stays up would come for ever. */
	report(irq_count[VEC_INTX] <= before + 2 && irq_count[VEC(0)] == msi,
	       "and ends, and comes as nothing else (%u)", irq_count[VEC_INTX] - before);

	before = irq_count[VEC_INTX];
	pci_write(m->devfn, PCI_COMMAND, 2, pci_read(m->devfn, PCI_COMMAND, 2) | PCI_CMD_NOINTX);
	raise(how == RNG ? NO_VECTOR : 0);
	quiet();
	report(wait_until(pci_read(m->devfn, PCI_STATUS, 2) & PCI_STATUS_INTX, 500),
	       "INTx disabled: status says it is asserted");
	report(irq_count[VEC_INTX] == before, "but none arrives");
	pci_write(m->devfn, PCI_COMMAND, 2, pci_read(m->devfn, PCI_COMMAND, 2) & ~PCI_CMD_NOINTX);
	report(arrives(VEC_INTX, before), "it arrives when it is enabled");
	quiet();
	report(!(pci_read(m->devfn, PCI_STATUS, 2) & PCI_STATUS_INTX), "and is deasserted");

	msix_enable(m, true);
	before = irq_count[VEC_INTX];
	msi = irq_count[VEC(0)];
	raise(0);
	report(arrives(VEC(0), msi) && irq_count[VEC_INTX] == before, "MSI-X is on again");
	ioapic_route(pin, VEC_INTX, true, true, true);
}

/* Messages that lead nowhere, and control bits in any order. */
static void garbage(void)
{
	u32 i, before;

	for (i = 0; i < cmdline_num("garbage", 1000); i++) {
		u64 at;
		u32 v, r = msix_garbage(m, &at, &v);

		switch (r & 7) {
		case 0: mmio_w32(at & ~3, v); break;
		case 1: mmio_w32((at & ~15) + 12, v); break;
		case 2: msix_enable(m, v & 1); break;
		case 3: msix_fmask(m, v & 1); break;
		case 4:
			if ((at & 12) != 8)
				mmio_w8(at, v & 0x0f);
			break;
		case 5: mmio_r64(at & ~7); break;
		case 6: mmio_r32(m->pba + (v & 0x7c)); break;
		case 7:
			if (how != RNG)
				raise(v % m->n);
		}
	}
	msix_enable(m, true);
	msix_fmask(m, true);
	for (i = 0; i < m->n; i++)
		msix_set(m, i, VEC(i & 7));
	msix_fmask(m, false);
	quiet();
	before = irq_count[VEC(1)];
	raise(1);
	report(arrives(VEC(1), before), "after garbage in table and control it works");
	quiet();
	irq_unexpected = 0;
}

int main(void)
{
	unsigned int i;
	bool masked = true;

	if (cmdline_has("vmm=qemu")) {
		qemu = true;
		how = RNG;
		if (!virtio_find(&rng, VIRTIO_RNG, 0) || !virtio_negotiate(&rng, 0))
			rt_die("no virtio-rng");
		m = &rng.msix;
	} else {
		testdev_find(&td);
		m = &td.msix;
	}
	report(!msix_enabled(m), "MSI-X is off after power-on");
	for (i = 0; i < m->n; i++)
		masked &= mmio_r32(m->table + 16 * i + 12) & 1;
	report(masked, "all %u entries are masked", m->n);
	for (i = 0; i < 8; i++)
		irq_set(VEC(i), nothing);
	irq_set(VEC_ALT, nothing);
	for (i = 0; i < m->n; i++)
		msix_set(m, i, VEC(i & 7));
	msix_enable(m, true);
	if (qemu) {
		if (!vq_setup(&rngq, &rng, 0, 8, 0))
			rt_die("no queue");
		virtio_driver_ok(&rng);
		vectors();
	} else {
		how = RAISE;
		vectors();
		how = BELL;
		vectors();
	}
	table();
	intx();
	garbage();
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}
