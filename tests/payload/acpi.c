// SPDX-License-Identifier: GPL-2.0
/* ACPI tables as a system walks them: checksums, lengths, MADT entries, FADT's registers work. */
#include "rt/rt.h"

#define PM_TMR_HZ	3579545

static void walk_madt(struct acpi_hdr *madt, u32 cpus)
{
	u8 *p = (u8 *)madt + 44, *end = (u8 *)madt + madt->len;
	u32 lapic, n = 0, ioapics = 0, at = 0, base = 0, sci = 0;

	memcpy(&lapic, (u8 *)madt + 36, 4);
	report(lapic == 0xfee00000, "the MADT's local APIC is at 0x%x", lapic);
	for (; p + 2 <= end && p[1] >= 2 && p + p[1] <= end; p += p[1]) {
		if (p[0] == 0)
			n += p[4] & 1;
		else if (p[0] == 9)
			n += p[8] & 1;
		else if (p[0] == 1) {
			ioapics++;
			memcpy(&at, p + 4, 4);
			memcpy(&base, p + 8, 4);
		} else if (p[0] == 2 && p[3] == 9) {
			sci = p[8];
		}
	}
	report(p == end, "the MADT's entries fill it exactly");
	report(n == cpus, "%u processors are enabled", n);
	report(ioapics == 1 && at == 0xfec00000 && base == 0, "one IOAPIC, at 0x%x", at);
	report((ioapic_read(1) >> 16 & 0xff) == 23, "with 24 pins");
	report((sci & 0x0c) != 0x04, "the SCI is not called edge-triggered (%02x)", sci);
}

static void walk_fadt(struct acpi_hdr *fadt)
{
	u8 *f = (u8 *)fadt;
	u32 facs, dsdt, tmr, flags, evt;
	struct acpi_hdr *d;
	u16 sci;

	memcpy(&facs, f + 36, 4);
	memcpy(&dsdt, f + 40, 4);
	memcpy(&sci, f + 46, 2);
	memcpy(&evt, f + 56, 4);
	memcpy(&tmr, f + 76, 4);
	memcpy(&flags, f + 112, 4);
	d = (void *)(u64)dsdt;
	report(!memcmp(d->sig, "DSDT", 4) && acpi_sum_ok(d, d->len), "DSDT: %u bytes, sum is right", d->len);
	if (facs)
		report(!(facs & 63) && !memcmp((void *)(u64)facs, "FACS", 4), "FACS at 0x%x, aligned", facs);
	else
		report_skip("no FACS");
	report(sci == 9, "the SCI is interrupt %u", sci);
	if (evt) {
		u16 en;

		outw(evt + 2, 0x0100);
		en = inw(evt + 2);
		outw(evt + 2, 0);
		report(en == 0x0100 && inw(evt + 2) == 0, "PM1 enable keeps the power button's bit");
		outw(evt, 0xffff);
		report(!(inw(evt) & 0x0100), "PM1 status is cleared by writing ones (%04x)", inw(evt));
	} else {
		report_skip("no PM1 event block");
	}
	if (tmr) {
		u32 hz = 0, tries;

		/* A busy host stretches single readings: one good one of three is enough. */
		for (tries = 0; tries < 3; tries++) {
			u64 t0 = rdtsc();
			u32 a = inl(tmr), ticks;

			delay_us(10000);
			ticks = (inl(tmr) - a) & ((flags & 0x100) ? 0xffffffff : 0xffffff);
			hz = ticks * tsc_per_ms() / ((rdtsc() - t0) / 1000 + 1);
			if (hz > PM_TMR_HZ * 9 / 10 && hz < PM_TMR_HZ / 10 * 11)
				break;
		}
		report(tries < 3, "PM timer runs at about %u Hz", hz);
	} else {
		report_skip("no PM timer");
	}
}

int main(void)
{
	struct acpi_hdr *h, *fadt, *madt;
	u32 i, bad = 0;
	u8 *r = (u8 *)rsdp_paddr, rev;

	tsc_per_ms();
	if (!report(r && !memcmp(r, "RSD PTR ", 8), "RSDP at 0x%lx", rsdp_paddr))
		return 0;
	rev = r[15];
	report(!(rsdp_paddr & 15), "aligned to 16");
	report(acpi_sum_ok(r, 20) && (rev < 2 || acpi_sum_ok(r, 36)), "its sums are right (revision %u)", rev);
	for (i = 0; (h = acpi_nth(i)); i++) {
		bool ok = h->len >= sizeof(*h) && h->len < 0x100000 && acpi_sum_ok(h, h->len);

		if (!ok)
			bad++;
		rt_printf("# %c%c%c%c at 0x%lx, %u bytes%s\n", h->sig[0], h->sig[1], h->sig[2],
			  h->sig[3], (u64)h, h->len, ok ? "" : ", BAD");
	}
	report(i >= 2 && !bad, "%u tables, %u of them bad", i, bad);
	fadt = acpi_find("FACP");
	madt = acpi_find("APIC");
	if (report(madt != NULL, "there is a MADT"))
		walk_madt(madt, cmdline_num("cpus", 1));
	if (report(fadt != NULL && fadt->len >= 116, "there is a FADT"))
		walk_fadt(fadt);
	return 0;
}
