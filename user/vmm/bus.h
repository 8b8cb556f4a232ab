/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Port I/O and MMIO: where the exits that are left are sent, by one range-checked look-up.
 *
 * Context: the VM's device lock (vm_lock()) is held around every access and every change, so that a
 * device model has no lock of its own. Nothing here blocks.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdint.h>
#include <stdbool.h>

/**
 * struct bus_ops - a device's registers
 * @read: @off from the range's base, @len 1, 2, 4 or 8; off + len never passes the range's end
 * @write: likewise
 */
struct bus_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned int len);
	void (*write)(void *dev, uint64_t off, uint64_t val, unsigned int len);
};

/**
 * struct bus_range - a stretch of addresses that one device answers; embedded in the device
 * @base: @size: addresses; @size not zero
 * @name: for messages
 */
struct bus_range {
	uint64_t base, size;
	const struct bus_ops *ops;
	void *dev;
	const char *name;
};

struct bus {
	struct bus_range **range;	/* sorted by base */
	unsigned int nr, cap;
	struct bus_range *last;		/* the range that answered last: exits come in runs */
};

/** bus_add() - Return: 0; -EEXIST where the range overlaps another; -ENOMEM */
int bus_add(struct bus *bus, struct bus_range *r);
/** bus_del() - no effect if @r is not on the bus */
void bus_del(struct bus *bus, struct bus_range *r);

/**
 * bus_read() - bus_write() - one guest access, @len 1..8
 *
 * An access that no range holds as a whole reads all ones, and a write is dropped.
 * Return: whether a device answered
 */
bool bus_read(struct bus *bus, uint64_t addr, void *data, unsigned int len);
bool bus_write(struct bus *bus, uint64_t addr, const void *data, unsigned int len);

#endif
