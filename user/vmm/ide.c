// SPDX-License-Identifier: GPL-2.0
/*
 * PIIX3's IDE: function 1 of the south bridge, two channels at the addresses that PCs have had them at, and a bus master.
 * It is there where a -device or -drive needs it.
 */
#define _GNU_SOURCE
#include "ide.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/log.h"
#include "boot_order.h"
#include "device.h"
#include "machine.h"

#define BRIDGE_SLOT	1
#define CTL_NIEN	0x02
#define CTL_SRST	0x04
#define CTL_HOB		0x80
#define DEV_UNIT	0x10

enum { REG_DATA, REG_FEATURE, REG_NSECTOR, REG_LBA0, REG_LBA1, REG_LBA2, REG_DEVICE, REG_COMMAND };

struct ide {
	struct pci_dev bridge, pci;
	struct bus_range cmd[2], ctl[2];
	struct ide_channel ch[2];
};

static const uint16_t cmd_base[2] = { 0x1f0, 0x170 }, ctl_base[2] = { 0x3f6, 0x376 };

/* One a process: drives find it when they are made. */
static struct ide *the_ide;

struct vm *ide_vm(const struct ide_channel *ch)
{
	return ch->ide->pci.vm;
}

/* ---- interrupts and ends ---- */

static void irq_update(struct ide_channel *ch)
{
	vm_irq_line(ide_vm(ch), 14 + ch->nr, ch->irq && !(ch->control & CTL_NIEN));
}

void ide_irq(struct ide_channel *ch, bool on)
{
	ch->irq = on;
	if (on)
		ch->bm_status |= BM_IRQ;
	irq_update(ch);
}

void ide_end(struct ide_drive *d, uint8_t error)
{
	d->error = error;
	d->status = ST_DRDY | ST_DSC | (error ? ST_ERR : 0);
	ide_irq(d->ch, true);
}

/* ---- reset ---- */

/* Registers say what a drive is. */
static void signature(struct ide_drive *d)
{
	static const uint8_t of[2][2] = { { 0, 0 }, { 0x14, 0xeb } };

	d->regs = (struct ide_regs){ .nsector = { 1 }, .lba = { { 1 }, { of[d->cd][0] }, { of[d->cd][1] } } };
	d->error = 1;	/* it is well */
	d->status = d->cd ? 0 : ST_DRDY | ST_DSC;
}

static void channel_reset(struct ide_channel *ch)
{
	unsigned int i;

	ide_cancel(ch);
	ch->selected = 0;
	for (i = 0; i < 2; i++) {
		if (!ch->drive[i])
			continue;
		ata_reset(ch->drive[i]);
		signature(ch->drive[i]);
	}
	ide_irq(ch, false);
}

/* ---- the command block ---- */

static void command(struct ide_channel *ch, uint8_t cmd)
{
	struct ide_drive *d = ch->drive[ch->selected];
	unsigned int i;

	if (cmd == 0x90 && (ch->drive[0] || ch->drive[1])) {	/* EXECUTE DEVICE DIAGNOSTIC: for both */
		for (i = 0; i < 2; i++)
			if (ch->drive[i])
				signature(ch->drive[i]);
		ch->selected = 0;
		ide_irq(ch, true);
		return;
	}
	if (!d)
		return;
	if (cmd == 0x08 && d->cd) {	/* DEVICE RESET, at any time */
		if (ch->x.way != IDE_IDLE || d->status & ST_BSY)
			ide_cancel(ch);
		signature(d);
		return;
	}
	/* one channel, one buffer: the other drive may have it */
	if (ch->x.way != IDE_IDLE || d->status & (ST_BSY | ST_DRQ))
		return;
	ide_irq(ch, false);
	d->error = 0;
	if (d->cd)
		atapi_command(d, cmd);
	else
		ata_command(d, cmd);
}

static bool busy(const struct ide_channel *ch)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (ch->drive[i] && ch->drive[i]->status & (ST_BSY | ST_DRQ))
			return true;
	return false;
}

static void set(uint8_t reg[2], uint8_t val)
{
	reg[1] = reg[0];
	reg[0] = val;
}

static void reg_write(struct ide_drive *d, unsigned int reg, uint8_t val)
{
	struct ide_regs *r = &d->regs;

	switch (reg) {
	case REG_FEATURE:
		set(r->feature, val);
		break;
	case REG_NSECTOR:
		set(r->nsector, val);
		break;
	case REG_LBA0:
	case REG_LBA1:
	case REG_LBA2:
		set(r->lba[reg - REG_LBA0], val);
		break;
	case REG_DEVICE:
		r->device = val;
		break;
	}
}

static uint8_t reg_read(struct ide_channel *ch, unsigned int reg)
{
	const struct ide_drive *d = ch->drive[ch->selected];
	unsigned int hob = !!(ch->control & CTL_HOB);

	/* without a drive the other one answers, but is not ready */
	if (!d && reg != REG_COMMAND)
		d = ch->drive[!ch->selected];
	if (!d)
		return 0;
	switch (reg) {
	case REG_FEATURE:
		return d->error;
	case REG_NSECTOR:
		return d->regs.nsector[hob];
	case REG_LBA0:
	case REG_LBA1:
	case REG_LBA2:
		return d->regs.lba[reg - REG_LBA0][hob];
	case REG_DEVICE:
		return (uint8_t)((d->regs.device & ~DEV_UNIT) | 0xa0 | ch->selected << 4);
	}
	return d->status;
}

static uint64_t cmd_read(void *dev, uint64_t off, unsigned int len)
{
	struct ide_channel *ch = dev;
	uint64_t v = 0;

	if (off == REG_DATA && len > 1) {
		ide_data(ch, &v, len, false);
		return v;
	}
	v = reg_read(ch, (unsigned int)off);
	if (off == REG_COMMAND)
		ide_irq(ch, false);
	return v;
}

static void cmd_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct ide_channel *ch = dev;
	unsigned int i;

	if (off == REG_DATA) {
		if (len > 1)
			ide_data(ch, &val, len, true);
		return;
	}
	ch->control &= (uint8_t)~CTL_HOB;
	if (off == REG_COMMAND) {
		command(ch, (uint8_t)val);
		return;
	}
	if (busy(ch))
		return;
	if (off == REG_DEVICE)
		ch->selected = !!(val & DEV_UNIT);
	for (i = 0; i < 2; i++)
		if (ch->drive[i])
			reg_write(ch->drive[i], (unsigned int)off, (uint8_t)val);
}

static uint64_t ctl_read(void *dev, uint64_t off, unsigned int len)
{
	(void)off;
	(void)len;
	return reg_read(dev, REG_COMMAND);
}

static void ctl_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct ide_channel *ch = dev;
	bool was = ch->control & CTL_SRST;

	(void)off;
	(void)len;
	ch->control = (uint8_t)val & (CTL_HOB | CTL_SRST | CTL_NIEN);
	/* from its first edge to its last they are busy with it: no guest sees that in between */
	if (was && !(val & CTL_SRST))
		channel_reset(ch);
	irq_update(ch);
}

static const struct bus_ops cmd_ops = { .read = cmd_read, .write = cmd_write };
static const struct bus_ops ctl_ops = { .read = ctl_read, .write = ctl_write };

/* ---- the bus master: eight bytes a channel ---- */

static uint64_t bm_read(void *dev, uint64_t off, unsigned int len)
{
	struct ide *ide = dev;
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < len; i++, off++) {
		const struct ide_channel *ch = &ide->ch[off >> 3 & 1];
		unsigned int at = off & 7;
		uint8_t b = at == 0 ? ch->bm_cmd : at == 2 ? ch->bm_status : at < 4 ? 0 : (uint8_t)(ch->prdt >> 8 * (at - 4));

		v |= (uint64_t)b << 8 * i;
	}
	return v;
}

static void bm_command(struct ide_channel *ch, uint8_t val)
{
	bool was = ch->bm_cmd & BM_START;

	ch->bm_cmd = val & (BM_START | BM_TO_MEMORY);
	if (!was && val & BM_START)
		ide_dma_start(ch);
	else if (was && !(val & BM_START))
		ide_dma_stop(ch);
}

static void bm_byte(struct ide_channel *ch, unsigned int at, uint8_t val)
{
	unsigned int shift = 8 * (at & 3);

	if (at == 0)
		bm_command(ch, val);
	else if (at == 2)
		ch->bm_status = (uint8_t)((ch->bm_status & ~BM_CAPABLE & ~(val & (BM_ERROR | BM_IRQ))) | (val & BM_CAPABLE));
	else if (at >= 4)
		ch->prdt = (ch->prdt & ~(0xffu << shift)) | (uint32_t)val << shift;
}

static void bm_write(void *dev, uint64_t off, uint64_t val, unsigned int len)
{
	struct ide *ide = dev;
	unsigned int i;

	for (i = 0; i < len; i++, off++, val >>= 8)
		bm_byte(&ide->ch[off >> 3 & 1], off & 7, (uint8_t)val);
}

static const struct bus_ops bm_ops = { .read = bm_read, .write = bm_write };

/* ---- the controller ---- */

static void ide_reset(struct pci_dev *pci)
{
	struct ide *ide = (void *)((char *)pci - offsetof(struct ide, pci));
	unsigned int i, j;

	for (i = 0; i < 2; i++) {
		struct ide_channel *ch = &ide->ch[i];

		ch->control = 0;
		channel_reset(ch);
		ch->bm_cmd = ch->bm_status = 0;
		ch->prdt = 0;
		for (j = 0; j < 2; j++) {
			struct ide_drive *d = ch->drive[j];

			if (!d)
				continue;
			d->locked = d->open = d->changed = false;
			d->mdma = d->udma = 0;
			d->wcache = d->bd->writeback;
		}
	}
}

static void drive_free(struct ide_drive *d)
{
	if (!d)
		return;
	d->bd->user = NULL;
	ide_close(d->ch, d->fd);
	free(d);
}

static void ide_destroy(struct pci_dev *pci)
{
	struct ide *ide = (void *)((char *)pci - offsetof(struct ide, pci));
	unsigned int i;

	the_ide = NULL;
	for (i = 0; i < 4; i++) {
		bus_del(&pci->vm->pio, i & 1 ? &ide->cmd[i / 2] : &ide->ctl[i / 2]);
		drive_free(ide->ch[i / 2].drive[i & 1]);
	}
	for (i = 0; i < 2; i++)
		ide_io_free(&ide->ch[i]);
	free(ide);
}

static const struct pci_dev_ops bridge_ops = { 0 };
static const struct pci_dev_ops ide_ops = { .reset = ide_reset, .destroy = ide_destroy };

static int channel_create(struct vm *vm, struct ide *ide, unsigned int i)
{
	struct ide_channel *ch = &ide->ch[i];

	ch->ide = ide;
	ch->nr = i;
	ide->cmd[i] = (struct bus_range){ cmd_base[i], 8, &cmd_ops, ch, "ide" };
	ide->ctl[i] = (struct bus_range){ ctl_base[i], 1, &ctl_ops, ch, "ide control" };
	if (ide_io_init(ch))
		return -1;
	if (bus_add(&vm->pio, &ide->cmd[i]) || bus_add(&vm->pio, &ide->ctl[i]))
		return log_err("ide: ports %#x or %#x are taken", cmd_base[i], ctl_base[i]);
	return 0;
}

static bool wanted(const struct vm_config *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->nr_devices; i++)
		if (cfg->device[i].type == &ide_hd_type || cfg->device[i].type == &ide_cd_type ||
		    cfg->device[i].type == &ide_drive_type)
			return true;
	return false;
}

int ide_create(struct vm *vm)
{
	struct prop_pciaddr bridge = { .slot = BRIDGE_SLOT, .set = true }, at = { .slot = BRIDGE_SLOT, .fn = 1, .set = true };
	struct ide *ide;

	if (!wanted(vm->cfg))
		return 0;
	ide = calloc(1, sizeof(*ide));
	if (!ide)
		return log_err("ide: out of memory");
	ide->bridge.name = "piix3";
	ide->bridge.ops = &bridge_ops;
	pci_set_ids(&ide->bridge, 0x8086, 0x7000, 0x1af4, 0x1100, 0x06010000);
	ide->pci.name = "piix3-ide";
	ide->pci.ops = &ide_ops;
	pci_set_ids(&ide->pci, 0x8086, 0x7010, 0x1af4, 0x1100, 0x01018000);
	ide->pci.cfg[0x41] = ide->pci.cfg[0x43] = 0x80;	/* IDETIM: each channel decodes */
	memset(ide->pci.wmask + 0x40, 0xff, 4);
	pci_bar_init(&ide->pci, 4, true, 16, &bm_ops, ide);
	if (pci_add(vm, &ide->bridge, bridge) || pci_add(vm, &ide->pci, at)) {
		free(ide);
		return -1;
	}
	/* its interrupts are those of its channels */
	ide->pci.cfg[0x3c] = ide->pci.cfg[0x3d] = ide->pci.cfg_init[0x3c] = ide->pci.cfg_init[0x3d] = 0;
	ide->bridge.cfg[0x3d] = ide->bridge.cfg_init[0x3d] = 0;
	the_ide = ide;
	if (channel_create(vm, ide, 0) || channel_create(vm, ide, 1))
		return -1;
	return 0;
}

/* ---- drives ---- */

struct ide_props {
	char *drive, *serial, *model;
	int bus;
	uint32_t unit, bootindex;
};

#define UNIT_ANY	2

static const char *const buses[] = { "", "ide.0", "ide.1", NULL };

static void drive_resized(struct blockdev_user *user)
{
	/* a driver reads the size when it finds the drive */
	(void)user;
}

static void drive_stats(struct blockdev_user *user, FILE *out)
{
	struct ide_drive *d = (void *)((char *)user - offsetof(struct ide_drive, user));

	fprintf(out, " rd_bytes=%llu wr_bytes=%llu rd_operations=%llu wr_operations=%llu flush_operations=%llu",
		(unsigned long long)d->bytes_read, (unsigned long long)d->bytes_written, (unsigned long long)d->reads,
		(unsigned long long)d->writes, (unsigned long long)d->flushes);
}

/* Where it goes: what was said, else the first free place. Return: NULL after one logged line */
static struct ide_channel *place(const char *name, const struct ide_props *p, unsigned int *unit)
{
	unsigned int i, bus;

	for (i = 0; i < 4; i++) {
		bus = i / 2;
		*unit = i % 2;
		if ((p->bus && p->bus - 1 != (int)bus) || (p->unit != UNIT_ANY && p->unit != *unit))
			continue;
		if (!the_ide->ch[bus].drive[*unit])
			return &the_ide->ch[bus];
	}
	log_err("-device %s: bus=%s,unit=%u: another drive is there", name, p->bus ? buses[p->bus] : "any",
		p->unit == UNIT_ANY ? 0 : p->unit);
	return NULL;
}

static int drive_medium(struct ide_drive *d)
{
	int64_t size;

	d->fd = -1;
	if (d->bd->fd < 0)
		return d->cd ? 0 : log_err("-device %s: drive=%s: it has no file", d->name, d->bd->id);
	if (!blockdev_is_raw(d->bd))
		return log_err("-device %s: drive=%s: format=%s: takes raw", d->name, d->bd->id, d->bd->format);
	size = blockdev_size(d->bd);
	if (size < 0)
		return log_err("-device %s: %s: %s", d->name, d->bd->file, strerror((int)-size));
	if (!d->cd && (size < IDE_SECTOR || size >> 57))
		return log_err("-device %s: %s: takes 512 bytes or more", d->name, d->bd->file);
	d->size = (uint64_t)size;
	d->fd = fcntl(d->bd->fd, F_DUPFD_CLOEXEC, 0);
	return d->fd < 0 ? log_err("-device %s: %s", d->name, strerror(errno)) : 0;
}

static int name_check(const struct ide_drive *d, const char *key, const char *val, size_t max)
{
	return val && strlen(val) > max ? log_err("-device %s: %s=%s: takes up to %zu characters", d->name, key, val, max) : 0;
}

static int drive_init(struct ide_drive *d, const struct ide_props *p)
{
	if (!d->bd)
		return log_err("-device %s: drive=%s: there is no -drive with this id", d->name, p->drive);
	if (d->bd->user)
		return log_err("-device %s: drive=%s: %s has it", d->name, p->drive, d->bd->user->name);
	if (name_check(d, "serial", p->serial, 20) || name_check(d, "model", p->model, 40) || drive_medium(d))
		return -1;
	if (p->serial)
		snprintf(d->serial, sizeof(d->serial), "%s", p->serial);
	else
		snprintf(d->serial, sizeof(d->serial), "SH%05u", d->ch->nr * 2 + d->unit + 1);
	snprintf(d->model, sizeof(d->model), "%s", p->model ?: d->cd ? "SHUNT CD-ROM" : "SHUNT HARDDISK");
	d->wcache = d->bd->writeback;
	ata_reset(d);
	signature(d);
	return 0;
}

static int drive_create(struct vm *vm, const char *type, const char *id, const struct ide_props *p, bool cd)
{
	struct ide_drive *d = calloc(1, sizeof(*d));
	char path[32];

	if (!d)
		return log_err("-device %s: out of memory", type);
	snprintf(d->name, sizeof(d->name), "%s%s%s", type, id ? "." : "", id ? id : "");
	d->cd = cd;
	d->ch = place(d->name, p, &d->unit);
	d->bd = blockdev_find_tray(p->drive);
	if (!d->ch || drive_init(d, p)) {
		free(d);
		return -1;
	}
	d->user = (struct blockdev_user){
		.name = d->name, .resized = drive_resized, .stats = drive_stats, .change = cd ? atapi_change : NULL,
	};
	vm_lock(vm);
	d->bd->user = &d->user;
	d->ch->drive[d->unit] = d;
	vm_unlock(vm);
	snprintf(path, sizeof(path), "/drive@%u/disk@%u", d->ch->nr, d->unit);
	return boot_order_add(d->name, p->bootindex == BOOT_NONE && d->bd->boot ? 0 : p->bootindex, &the_ide->pci, "ide", path);
}

static int hd_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	return drive_create(vm, type->name, id, props, false);
}

static int cd_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	return drive_create(vm, type->name, id, props, true);
}

/* The older name of both */
static int either_create(const struct device_type *type, struct vm *vm, const char *id, void *props)
{
	const struct ide_props *p = props;

	return drive_create(vm, type->name, id, props, blockdev_is_cdrom(p->drive));
}

static const struct prop ide_props[] = {
	PROP("drive", PROP_STR, struct ide_props, drive, .required = true, .help = "ID of a -drive"),
	PROP("bus", PROP_ENUM, struct ide_props, bus, .names = buses, .help = "channel; without it the first that has room"),
	PROP("unit", PROP_U32, struct ide_props, unit, .def = "2", .max = UNIT_ANY, .help = "0 or 1 on it; 2: any"),
	PROP("serial", PROP_STR, struct ide_props, serial, .help = "serial number"),
	PROP("model", PROP_STR, struct ide_props, model, .help = "what the drive calls itself"),
	BOOT_PROP(struct ide_props, bootindex),
	{ 0 },
};

#define IDE_TYPE(_name, _desc, _create) { \
	.name = _name, .desc = _desc, .bus = "IDE", .props = ide_props, .props_size = sizeof(struct ide_props), .create = _create, \
}

const struct device_type ide_hd_type = IDE_TYPE("ide-hd", "IDE disk", hd_create);
const struct device_type ide_cd_type = IDE_TYPE("ide-cd", "IDE CD-ROM", cd_create);
const struct device_type ide_drive_type = IDE_TYPE("ide-drive", "IDE disk, or CD-ROM where the drive has media=cdrom", either_create);
