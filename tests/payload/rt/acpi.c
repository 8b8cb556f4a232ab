// SPDX-License-Identifier: GPL-2.0
/* Walk of the ACPI tables from the RSDP that the boot protocol names. */
#include "rt.h"

struct rsdp {
	char sig[8];
	u8 sum;
	char oem[6];
	u8 rev;
	u32 rsdt, len;
	u64 xsdt;
	u8 xsum, pad[3];
} __attribute__((packed));

bool acpi_sum_ok(const void *p, u32 len)
{
	const u8 *b = p;
	u8 s = 0;

	while (len--)
		s += *b++;
	return !s;
}

struct acpi_hdr *acpi_nth(unsigned int i)
{
	const struct rsdp *r = (void *)rsdp_paddr;
	const struct acpi_hdr *h;
	bool x;
	u64 at;

	if (!r || memcmp(r->sig, "RSD PTR ", 8))
		return NULL;
	x = r->rev >= 2 && r->xsdt;
	h = (void *)(x ? r->xsdt : r->rsdt);
	if (i >= (h->len - sizeof(*h)) / (x ? 8 : 4))
		return NULL;
	at = (u64)(h + 1);
	at = x ? mmio_r64(at + 8 * i) : mmio_r32(at + 4 * i);
	return (void *)at;
}

struct acpi_hdr *acpi_find(const char *sig)
{
	struct acpi_hdr *h;
	unsigned int i;

	for (i = 0; (h = acpi_nth(i)); i++)
		if (!memcmp(h->sig, sig, 4))
			return h;
	return NULL;
}
