// SPDX-License-Identifier: GPL-2.0
/* Port I/O and MMIO look-up: a sorted array, the range that answered last tried first. */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* First range that ends after @addr; bus->nr if none does. */
static unsigned int bus_search(const struct bus *bus, uint64_t addr)
{
	unsigned int lo = 0, hi = bus->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct bus_range *r = bus->range[mid];

		/* Written so that a range at the very top of the address space does not wrap. */
		if (addr >= r->base && addr - r->base >= r->size)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int bus_add(struct bus *bus, struct bus_range *r)
{
	uint64_t last = r->base + (r->size - 1);
	unsigned int i;

	if (!r->size || last < r->base)
		return -EINVAL;
	i = bus_search(bus, r->base);
	if (i < bus->nr && bus->range[i]->base <= last)
		return -EEXIST;
	if (bus->nr == bus->cap) {
		unsigned int cap = bus->cap ? bus->cap * 2 : 32;
		struct bus_range **range = realloc(bus->range, cap * sizeof(*range));

		if (!range)
			return -ENOMEM;
		bus->range = range;
		bus->cap = cap;
	}
	memmove(bus->range + i + 1, bus->range + i, (bus->nr - i) * sizeof(*bus->range));
	bus->range[i] = r;
	bus->nr++;
	return 0;
}

void bus_del(struct bus *bus, struct bus_range *r)
{
	for (unsigned int i = 0; i < bus->nr; i++) {
		if (bus->range[i] != r)
			continue;
		bus->nr--;
		memmove(bus->range + i, bus->range + i + 1, (bus->nr - i) * sizeof(*bus->range));
		break;
	}
	if (bus->last == r)
		bus->last = NULL;
}

static inline bool range_holds(const struct bus_range *r, uint64_t addr, unsigned int len)
{
	return addr >= r->base && len <= r->size && addr - r->base <= r->size - len;
}

static struct bus_range *bus_find(struct bus *bus, uint64_t addr, unsigned int len)
{
	unsigned int i;

	if (bus->last && range_holds(bus->last, addr, len))
		return bus->last;
	i = bus_search(bus, addr);
	if (i == bus->nr || !range_holds(bus->range[i], addr, len))
		return NULL;
	bus->last = bus->range[i];
	return bus->last;
}

/* Accesses that cross a page arrive in pieces of odd lengths; devices see those as bytes. */
static inline bool len_is_plain(unsigned int len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

bool bus_read(struct bus *bus, uint64_t addr, void *data, unsigned int len)
{
	struct bus_range *r = bus_find(bus, addr, len);
	unsigned int step = len_is_plain(len) ? len : 1;
	uint8_t *p = data;

	if (!r) {
		memset(data, 0xff, len);
		return false;
	}
	for (unsigned int i = 0; i < len; i += step) {
		uint64_t val = r->ops->read(r->dev, addr - r->base + i, step);

		memcpy(p + i, &val, step);
	}
	return true;
}

bool bus_write(struct bus *bus, uint64_t addr, const void *data, unsigned int len)
{
	struct bus_range *r = bus_find(bus, addr, len);
	unsigned int step = len_is_plain(len) ? len : 1;
	const uint8_t *p = data;
	uint64_t base;

	if (!r)
		return false;
	base = r->base;
	for (unsigned int i = 0; i < len; i += step) {
		uint64_t val = 0;

		memcpy(&val, p + i, step);
		r->ops->write(r->dev, addr - base + i, val, step);
	}
	return true;
}
