// SPDX-License-Identifier: GPL-2.0
/* The list behind bootindex=, sorted. */
#define _GNU_SOURCE
#include "boot_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "config.h"
#include "pci.h"

static struct entry {
	uint32_t index;
	char path[96];
} entries[sizeof(((struct vm_config *)0)->device) / sizeof(struct device_spec)];

static unsigned int nr_entries;

int boot_order_add(const char *opt, uint32_t index, const struct pci_dev *d, const char *name, const char *path)
{
	unsigned int slot = d->devfn >> 3, fn = d->devfn & 7, at = nr_entries;
	char function[4] = "";

	if (index == BOOT_NONE)
		return 0;
	if (nr_entries == sizeof(entries) / sizeof(entries[0]))
		return log_err("-device %s: bootindex=%u: too many", opt, index);
	while (at && entries[at - 1].index >= index)
		at--;
	if (at < nr_entries && entries[at].index == index)
		return log_err("-device %s: bootindex=%u: another device has it", opt, index);
	memmove(entries + at + 1, entries + at, (nr_entries++ - at) * sizeof(entries[0]));
	if (fn)
		snprintf(function, sizeof(function), ",%x", fn);
	entries[at].index = index;
	snprintf(entries[at].path, sizeof(entries[at].path), "/pci@i0cf8/%s@%x%s%s", name, slot, function, path);
	return 0;
}

char *boot_order_text(bool strict)
{
	char *text = NULL;
	size_t size;
	FILE *f = nr_entries ? open_memstream(&text, &size) : NULL;
	unsigned int i;

	if (!f)
		return NULL;
	for (i = 0; i < nr_entries; i++)
		fprintf(f, "%s%s", i ? "\n" : "", entries[i].path);
	if (strict)
		fputs("\nHALT", f);
	fclose(f);
	return text;
}
