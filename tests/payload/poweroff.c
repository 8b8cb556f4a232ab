// SPDX-License-Identifier: GPL-2.0
/* ACPI power off: PM1a control from the FADT, the sleep type from \_S5 in the DSDT. Status 0. */
#include "rt/rt.h"

/* An AML integer: ZeroOp, OneOp, or a byte with its prefix. */
static u32 aml_byte(const u8 *p)
{
	return *p == 0x0a ? p[1] : *p;
}

int main(void)
{
	struct acpi_hdr *fadt = acpi_find("FACP"), *dsdt;
	const u8 *f = (u8 *)fadt, *p, *end;
	u32 pm1a, addr, smi;
	u8 acpi_on;
	int typ = -1;

	if (!fadt)
		rt_die("no FADT");
	memcpy(&addr, f + 40, 4);
	memcpy(&smi, f + 48, 4);
	acpi_on = f[52];
	memcpy(&pm1a, f + 64, 4);
	report(pm1a != 0, "PM1a control is at 0x%x", pm1a);
	dsdt = (void *)(u64)addr;
	report(!memcmp(dsdt->sig, "DSDT", 4), "the FADT names the DSDT");
	end = (u8 *)dsdt + dsdt->len - 8;
	for (p = (u8 *)(dsdt + 1); p < end; p++)
		if (!memcmp(p, "_S5_", 4) && p[4] == 0x12)
			typ = aml_byte(p + 7);
	report(typ >= 0, "\\_S5 has sleep type %d", typ);
	if (smi && acpi_on && !(inw(pm1a) & 1)) {
		outb(smi, acpi_on);
		report(wait_until(inw(pm1a) & 1, 500), "ACPI mode is on");
	} else {
		report(inw(pm1a) & 1, "ACPI mode is on");
	}
	rt_printf("1..4\n");
	/* Without SLP_EN nothing happens; the sleep type alone is only stored. */
	outw(pm1a, (inw(pm1a) & ~0x3c00) | typ << 10);
	delay_us(2000);
	rt_printf("# now\n");
	outw(pm1a, (inw(pm1a) & ~0x3c00) | typ << 10 | 1 << 13);
	delay_us(500000);
	rt_die("still here");
}
