// SPDX-License-Identifier: GPL-2.0
/*
 * fw_cfg, see fw_cfg.h. The guest owns the selector and the address of a DMA descriptor: it reads what there is, and zeroes
 * behind that, into memory that it has. It writes nothing.
 */
#include "fw_cfg.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "machine.h"

#define PORT_SELECT	0x510
#define PORT_DMA	0x514

#define KEY_SIGNATURE	0x00
#define KEY_ID		0x01
#define KEY_DIR		0x19
#define KEY_FIRST	0x20
#define KEY_NONE	0xffff

#define ID_PORTS	1
#define ID_DMA		2

#define FILES_MAX	32
#define ITEMS_MAX	(FILES_MAX + 12)
#define NAME_SIZE	56

#define DMA_ERROR	0x01
#define DMA_READ	0x02
#define DMA_SKIP	0x04
#define DMA_SELECT	0x08
#define DMA_WRITE	0x10
#define DMA_SIGNATURE	0x51454d5520434647ull	/* "QEMU CFG" */

struct item {
	uint16_t key;
	size_t len;
	uint8_t *data;
};

/* In the directory, big-endian */
struct file {
	uint32_t size;
	uint16_t key;
	uint16_t reserved;
	char name[NAME_SIZE];
};

struct directory {
	uint32_t nr;
	struct file file[FILES_MAX];
};

/** struct dma - a descriptor in guest memory, big-endian */
struct dma {
	uint32_t control;
	uint32_t len;
	uint64_t addr;
};

/**
 * struct fw_cfg
 * @dir: as the guest reads it
 * @key: that is selected, and @pos: where in it
 * @addr: of the descriptor: what has been written of it
 */
struct fw_cfg {
	struct vm *vm;
	struct bus_range select, dma;
	struct vm_hook hook;
	struct item item[ITEMS_MAX];
	unsigned int nr_items;
	struct directory dir;
	uint16_t key;
	size_t pos;
	uint64_t addr;
};

/* --- items --- */

static struct item *item_find(struct fw_cfg *f, uint16_t key)
{
	unsigned int i;

	for (i = 0; i < f->nr_items; i++)
		if (f->item[i].key == key)
			return &f->item[i];
	return NULL;
}

int fw_cfg_item(struct vm *vm, uint16_t key, const void *data, size_t len)
{
	struct fw_cfg *f = vm->fw_cfg;
	struct item *it = item_find(f, key);
	uint8_t *copy = malloc(len ?: 1);

	if (!copy || (!it && f->nr_items == ITEMS_MAX)) {
		free(copy);
		return log_err("fw_cfg: no room for item %#x", key);
	}
	memcpy(copy, data, len);
	if (!it)
		it = &f->item[f->nr_items++];
	free(it->data);
	*it = (struct item){ .key = key, .len = len, .data = copy };
	return 0;
}

int fw_cfg_int(struct vm *vm, uint16_t key, uint64_t value, size_t len)
{
	value = htole64(value);
	return fw_cfg_item(vm, key, &value, len);
}

int fw_cfg_file(struct vm *vm, const char *name, const void *data, size_t len)
{
	struct fw_cfg *f = vm->fw_cfg;
	unsigned int nr = be32toh(f->dir.nr), i;
	struct file *file = f->dir.file;

	for (i = 0; i < nr && strcmp(file[i].name, name); i++)
		;
	if (i == FILES_MAX || strlen(name) >= NAME_SIZE)
		return log_err("fw_cfg: no room for a file %s", name);
	file[i].key = htobe16((uint16_t)(KEY_FIRST + i));
	file[i].size = htobe32((uint32_t)len);
	strcpy(file[i].name, name);
	if (i == nr)
		f->dir.nr = htobe32(nr + 1);
	return fw_cfg_item(vm, (uint16_t)(KEY_FIRST + i), data, len) ?: fw_cfg_item(vm, KEY_DIR, &f->dir, sizeof(f->dir));
}

/* --- reading --- */

static void selected(struct fw_cfg *f, uint16_t key)
{
	f->key = key;
	f->pos = 0;
}

/* @len bytes of what is selected, @to NULL: are passed over. Behind its end are zeroes. */
static void take(struct fw_cfg *f, uint8_t *to, size_t len)
{
	const struct item *it = item_find(f, f->key);
	size_t left = it ? it->len - f->pos : 0, n = len < left ? len : left;

	if (to && n)
		memcpy(to, it->data + f->pos, n);
	if (to)
		memset(to + n, 0, len - n);
	f->pos += n;
}

static uint64_t select_read(void *dev, uint64_t off, unsigned int len)
{
	struct fw_cfg *f = dev;
	uint64_t v = 0;

	/* The data port is a byte wide. */
	if (off == 1 && len == 1)
		take(f, (uint8_t *)&v, 1);
	return v;
}

static void select_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	if (!off && len == 2)
		selected(dev, (uint16_t)val);
}

/* --- DMA --- */

/* Return: what is left of the control word: 0, or that it did not work */
static uint32_t dma_run(struct fw_cfg *f, uint32_t control, size_t len, uint64_t addr)
{
	uint8_t *to = NULL;

	if (control & DMA_SELECT)
		selected(f, (uint16_t)(control >> 16));
	if (control & DMA_WRITE)
		return DMA_ERROR;
	if (!(control & (DMA_READ | DMA_SKIP)))
		return 0;
	if (control & DMA_READ && len) {
		to = vm_ram(f->vm, addr, len);
		if (!to)
			return DMA_ERROR;
	}
	take(f, to, len);
	return 0;
}

static void dma_begin(struct fw_cfg *f)
{
	uint8_t *d = vm_ram(f->vm, f->addr, sizeof(struct dma));	/* aligned or not */
	struct dma copy;

	f->addr = 0;
	/* There is nobody to tell. */
	if (!d)
		return;
	memcpy(&copy, d, sizeof(copy));
	copy.control = htobe32(dma_run(f, be32toh(copy.control), be32toh(copy.len), be64toh(copy.addr)));
	memcpy(d + offsetof(struct dma, control), &copy.control, sizeof(copy.control));
}

static uint64_t dma_read(void *dev, uint64_t off, unsigned int len)
{
	uint64_t signature = htobe64(DMA_SIGNATURE), v = 0;

	(void)dev;
	memcpy(&v, (uint8_t *)&signature + off, len);
	return v;
}

/* The low half begins it. */
static void dma_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct fw_cfg *f = dev;

	if (len == 4 && !off) {
		f->addr = (uint64_t)be32toh((uint32_t)val) << 32;
	} else if (len == 4 && off == 4) {
		f->addr |= be32toh((uint32_t)val);
		dma_begin(f);
	}
}

static const struct bus_ops select_ops = { .read = select_read, .write = select_write };
static const struct bus_ops dma_ops = { .read = dma_read, .write = dma_write };

/* --- making it --- */

static void fw_cfg_reset(void *dev)
{
	struct fw_cfg *f = dev;

	selected(f, KEY_SIGNATURE);
	f->addr = 0;
}

static void fw_cfg_destroy(void *dev)
{
	struct fw_cfg *f = dev;
	unsigned int i;

	f->vm->fw_cfg = NULL;
	for (i = 0; i < f->nr_items; i++)
		free(f->item[i].data);
	free(f);
}

int fw_cfg_create(struct vm *vm)
{
	struct fw_cfg *f = calloc(1, sizeof(*f));

	if (!f)
		return log_err("out of memory");
	vm->fw_cfg = f;
	f->vm = vm;
	f->select = (struct bus_range){ PORT_SELECT, 2, &select_ops, f, "fw_cfg" };
	f->dma = (struct bus_range){ PORT_DMA, 8, &dma_ops, f, "fw_cfg DMA" };
	f->hook = (struct vm_hook){ .reset = fw_cfg_reset, .destroy = fw_cfg_destroy, .dev = f };
	vm_hook(vm, &f->hook);
	if (bus_add(&vm->pio, &f->select) || bus_add(&vm->pio, &f->dma))
		return log_err("the ports of fw_cfg are taken");
	return fw_cfg_item(vm, KEY_SIGNATURE, "QEMU", 4) ?: fw_cfg_int(vm, KEY_ID, ID_PORTS | ID_DMA, 4);
}
