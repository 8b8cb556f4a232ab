// SPDX-License-Identifier: GPL-2.0
/* SMBIOS as a system looks for it: sums, every structure within the table, the machine's UUID and name, its processors and memory. */
#include "rt/rt.h"

/* The @n-th string behind a structure */
static const char *string(const u8 *s, u8 n)
{
	const char *p = (const char *)s + s[1];

	while (n > 1 && *p) {
		p += strlen(p) + 1;
		n--;
	}
	return n ? p : "";
}

static const u8 *next(const u8 *s)
{
	for (s += s[1]; s[0] || s[1]; s++)
		;
	return s + 2;
}

static const u8 *entry_point(void)
{
	const u8 *p;

	for (p = (u8 *)0xf0000; p < (u8 *)0x100000; p += 16)
		if (!memcmp(p, "_SM_", 4) && acpi_sum_ok(p, p[5]) && !memcmp(p + 16, "_DMI_", 5) && acpi_sum_ok(p + 16, 15))
			return p;
	return NULL;
}

int main(void)
{
	static const u8 uuid[16] = { 0x00, 0x84, 0x0e, 0x55, 0x9b, 0xe2, 0xd4, 0x41, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0, 0 };
	const u8 *ep = entry_point(), *s, *end;
	u32 at, cpus = 0, mib = 0;
	u16 len, nr, seen = 0, size;

	if (!report(ep != NULL, "there is an entry point, and its sums are right"))
		return 0;
	memcpy(&len, ep + 22, 2);
	memcpy(&at, ep + 24, 4);
	memcpy(&nr, ep + 28, 2);
	end = (u8 *)(u64)at + len;
	for (s = (u8 *)(u64)at; s < end; s = next(s), seen++) {
		if (s[0] == 1) {
			report(!memcmp(s + 8, uuid, 16), "the UUID is the machine's");
			report(!memcmp(string(s, s[7]), "guest-1", 8), "its serial number is the machine's name, '%s'", string(s, s[7]));
		} else if (s[0] == 4) {
			cpus += s[37];
		} else if (s[0] == 17) {
			memcpy(&size, s + 12, 2);
			mib += size;
		}
	}
	report(s == end && seen == nr, "%u structures fill %u bytes exactly", seen, len);
	report(cpus == cmdline_num("cpus", 1), "%u processors", cpus);
	report(mib == cmdline_num("mib", 0), "%u MiB", mib);
	return 0;
}
