/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bootindex=: which devices firmware tries, and in which order; by the paths that SeaBIOS makes of what it finds.
 *
 * Context: main thread, before vCPUs run.
 */
#ifndef VMM_BOOT_ORDER_H
#define VMM_BOOT_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct pci_dev;

/* Not in the order: the default of bootindex= */
#define BOOT_NONE	UINT32_MAX
#define BOOT_PROP(_s, _field) \
	PROP("bootindex", PROP_U32, _s, _field, .def = "4294967295", .help = "place in the order in which firmware tries devices")

/**
 * boot_order_add() - @d, plugged in, is tried in place @index; BOOT_NONE: no effect
 * @opt: who says so, for messages
 * @name: of its node in firmware's tree; @path: what comes behind that
 * Return: 0, or -1 after one logged line
 */
int boot_order_add(const char *opt, uint32_t index, const struct pci_dev *d, const char *name, const char *path);
/** boot_order_text() - the order, a line each; @strict: and nothing else. Return: for free(); NULL if there is none */
char *boot_order_text(bool strict);

#endif
