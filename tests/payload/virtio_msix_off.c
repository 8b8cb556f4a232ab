// SPDX-License-Identifier: GPL-2.0
/* MSI-X switched off and on, and masked, under traffic: no interrupt is lost for good, nothing breaks. */
#include "rt/net.h"

static struct net n;

int main(void)
{
	u32 rounds = cmdline_num("rounds", 40), i, good = 0, woke = 0, got = 0, l;
	struct msix *m;

	net_find(&n);
	m = &n.v.msix;
	if (!n.use_msix)
		rt_die("no MSI-X");
	if (!report(net_start(&n, cmdline_has("event") ? VF_EVENT_IDX : 0), "it starts"))
		return 0;
	/* INTx comes in while MSI-X is off; the ISR read takes it back. */
	ioapic_route(pci_intx_pin(n.v.devfn), VEC_NET_INTX, true, !cmdline_has("vmm=qemu"), true);

	for (i = 0; i < rounds; i++) {
		u64 end, t[4];

		t[0] = rdtsc();
		net_send(&n, 'B', 0, 20u << 16 | 500, 60, true);
		delay_us(rt_random() % 500);
		switch (i % 4) {
		case 0:
			msix_enable(m, false);
			delay_us(rt_random() % 500);
			mmio_r8(n.v.isr);
			msix_enable(m, true);
			break;
		case 1:
			msix_fmask(m, true);
			delay_us(rt_random() % 500);
			msix_fmask(m, false);
			break;
		case 2:
			msix_mask(m, 1, true);
			delay_us(rt_random() % 500);
			msix_pending(m, 1);
			msix_mask(m, 1, false);
			break;
		case 3:
			msix_enable(m, false);
			msix_mask(m, 1, true);
			msix_enable(m, true);
			msix_mask(m, 2, true);
			msix_mask(m, 1, false);
			msix_mask(m, 2, false);
			break;
		}
		t[1] = rdtsc();
		/* What arrived while nothing could be told is found by looking. */
		end = rdtsc() + 15000 * tsc_per_ms();
		for (got = 0; got < 20 && rdtsc() < end; ) {
			struct frame *f = net_recv(&n, 'b', &l);

			if (f)
				got++;
			let_irqs(0);
		}
		good += got == 20;
		t[2] = rdtsc();
		/* And the next one is told again, on a ring that has been emptied. */
		let_irqs(1);
		while (net_recv(&n, 'b', &l))
			;
		{
			u32 before = irq_count[VEC_RX];

			net_send(&n, 'E', i, 0, 60, true);
			woke += wait_until(irq_count[VEC_RX] != before, 10000);
			end = rdtsc() + 15000 * tsc_per_ms();
			while (!net_recv(&n, 'e', &l) && rdtsc() < end)
				pause();
		}
		t[3] = rdtsc();
		if (got < 20 || i < 8 || t[3] - t[0] > 500 * tsc_per_ms())
			rt_printf("# round %u: %u frames; %lu ms, %lu, %lu\n", i, got,
				  (t[1] - t[0]) / tsc_per_ms(), (t[2] - t[1]) / tsc_per_ms(),
				  (t[3] - t[2]) / tsc_per_ms());
	}
	report(good == rounds, "all frames came in %u of %u rounds", good, rounds);
	report(woke == rounds, "interrupts came again after %u of %u", woke, rounds);

	/* Left off: the device goes on, the driver looks for itself. */
	msix_enable(m, false);
	report(net_echo(&n, 50, 300, 4) == 50, "with MSI-X off frames still come and go");
	mmio_r8(n.v.isr);
	pci_write(n.v.devfn, PCI_COMMAND, 2, pci_read(n.v.devfn, PCI_COMMAND, 2) & ~PCI_CMD_NOINTX);
	ioapic_route(pci_intx_pin(n.v.devfn), VEC_NET_INTX, true, !cmdline_has("vmm=qemu"), true);
	msix_enable(m, true);
	report(net_echo(&n, 50, 300, 4) == 50, "and with it on");
	report(n.rx_bad == 0, "no frame was damaged");
	report(!(virtio_status(&n.v) & VS_NEEDS_RESET), "the device is well");
	report(!irq_unexpected, "no unexpected interrupt");
	return 0;
}
