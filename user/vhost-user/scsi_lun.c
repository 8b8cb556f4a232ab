// SPDX-License-Identifier: GPL-2.0
/* Logical units, and the device that they make up. */
#define _GNU_SOURCE
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "scsi_cmd.h"

#define CD_BLOCK	2048
#define CMD_PER_LUN	128

static void pad(char *to, size_t len, const char *from)
{
	size_t n = strlen(from);

	memset(to, ' ', len);
	memcpy(to, from, n < len ? n : len);
	to[len] = 0;
}

/* FNV-1a */
static uint64_t hash(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

/* Without a serial number, it is the file that tells one unit from the other. */
static void identify(struct scsi_lun *l, const struct scsi_lun_opts *o)
{
	const uint64_t basis = 0xcbf29ce484222325;
	char *path;

	pad(l->product, SCSI_PRODUCT_LEN, o->product ?: o->cd ? "CD-ROM" : "DISK");
	if (o->serial) {
		snprintf(l->serial, sizeof(l->serial), "%s", o->serial);
	} else {
		path = realpath(o->disk.path, NULL);
		snprintf(l->serial, sizeof(l->serial), "%016llx",
			 (unsigned long long)hash(basis, path ?: o->disk.path));
		free(path);
	}
	/* Locally assigned */
	l->naa = 3ULL << 60 | hash(hash(basis, l->product), l->serial) >> 4;
}

static int check_blocks(struct scsi_lun *l, const struct scsi_lun_opts *o)
{
	char why[80];

	l->block = o->cd ? CD_BLOCK : o->block ?: l->disk.block;
	l->blocks = l->disk.size / l->block;
	if (l->block > SCSI_IN_MAX)
		return disk_refuse(&o->disk, "its blocks have more than 4096 bytes");
	if (l->block % l->disk.block) {
		snprintf(why, sizeof(why), "block-size=%u: its own blocks have %u bytes", l->block, l->disk.block);
		return disk_refuse(&o->disk, why);
	}
	return l->blocks ? 0 : disk_refuse(&o->disk, "it has not one block");
}

/* Where it belongs in the order of addresses; -1 when there is one of that address */
static int place_of(const struct scsi *s, const struct scsi_lun_opts *o)
{
	unsigned int i;

	for (i = 0; i < s->nr_luns; i++) {
		const struct scsi_lun *l = &s->lun[i];

		if (l->target == o->target && l->lun == o->lun)
			return -1;
		if (l->target > o->target || (l->target == o->target && l->lun > o->lun))
			break;
	}
	return (int)i;
}

int scsi_lun_add(struct scsi *s, const struct scsi_lun_opts *o)
{
	struct scsi_lun l = { .target = o->target, .lun = o->lun, .cd = o->cd };
	int at = place_of(s, o);
	char why[80];

	if (s->nr_luns == SCSI_LUNS_MAX)
		return disk_refuse(&o->disk, "one more than there can be");
	if (at < 0) {
		snprintf(why, sizeof(why), "lun=%u: target %u has it already", o->lun, o->target);
		return disk_refuse(&o->disk, why);
	}
	if (disk_open(&l.disk, &o->disk))
		return -1;
	if (check_blocks(&l, o)) {
		close(l.disk.fd);
		return -1;
	}
	l.rdonly = l.disk.rdonly;
	l.disk.discards = l.disk.discards && !o->keep;
	identify(&l, o);
	memmove(&s->lun[at + 1], &s->lun[at], (s->nr_luns - (unsigned int)at) * sizeof(l));
	s->lun[at] = l;
	s->nr_luns++;
	return 0;
}

int scsi_open(struct scsi *s, unsigned int num_queues, struct vu_queue *const *queue)
{
	unsigned int i;

	s->queue = queue;
	s->num_queues = num_queues;
	s->tmf.last = &s->tmf.next;
	for (i = 0; i < s->nr_luns; i++)
		s->lun[i].disk.file = (int)i;
	for (i = 0; i < num_queues; i++) {
		s->reqs[i] = scsi_queue_new();
		if (!s->reqs[i])
			return log_err("out of memory");
	}
	scsi_reset(s);
	return 0;
}

void scsi_config(const struct scsi *s, struct virtio_scsi_config *c)
{
	*c = (struct virtio_scsi_config){
		.num_queues = htole32(s->num_queues),
		.seg_max = htole32(SCSI_SEG_MAX),
		.max_sectors = htole32(DISK_LEN_MAX >> SECTOR_SHIFT),
		.cmd_per_lun = htole32(CMD_PER_LUN),
		.event_info_size = htole32(sizeof(struct virtio_scsi_event)),
		.sense_size = htole32(s->sense_size),
		.cdb_size = htole32(s->cdb_size),
		.max_target = htole16(s->lun[s->nr_luns - 1].target),
		.max_lun = htole32(SCSI_LUN_MAX),
	};
}

void scsi_close(struct scsi *s)
{
	unsigned int i;

	for (i = 0; i < s->num_queues; i++)
		free(s->reqs[i]);
	for (i = 0; i < s->nr_luns; i++)
		close(s->lun[i].disk.fd);
}

void scsi_lun_reset(struct scsi_lun *l, uint16_t attention)
{
	__atomic_store_n(&l->wce, true, __ATOMIC_RELAXED);
	__atomic_store_n(&l->locked, false, __ATOMIC_RELAXED);
	__atomic_store_n(&l->attention, attention, __ATOMIC_RELAXED);
}

/* A file that has become smaller than a block keeps what it had: reading fails. */
static void lun_refresh(struct scsi *s, struct scsi_lun *l)
{
	uint64_t blocks;
	uint16_t none = 0;

	if (!disk_refresh(&l->disk))
		return;
	blocks = l->disk.size / l->block;
	if (!blocks || blocks == l->blocks)
		return;
	__atomic_store_n(&l->blocks, blocks, __ATOMIC_RELAXED);
	/* Whoever has not heard of a reset has not heard of a size, either. */
	__atomic_compare_exchange_n(&l->attention, &none, ATTENTION_CAPACITY, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	if (s->tells_changes)
		__atomic_store_n(&l->changed, true, __ATOMIC_RELEASE);
}

void scsi_refresh(struct scsi *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_luns; i++)
		lun_refresh(s, &s->lun[i]);
	vu_queue_wake(s->queue[SCSI_QUEUE_EVENT]);
}

void scsi_reset(struct scsi *s)
{
	unsigned int i;

	__atomic_store_n(&s->cdb_size, VIRTIO_SCSI_CDB_DEFAULT_SIZE, __ATOMIC_RELAXED);
	__atomic_store_n(&s->sense_size, VIRTIO_SCSI_SENSE_DEFAULT_SIZE, __ATOMIC_RELAXED);
	for (i = 0; i < s->nr_luns; i++) {
		scsi_lun_reset(&s->lun[i], ATTENTION_POWER_ON);
		__atomic_store_n(&s->lun[i].ejected, false, __ATOMIC_RELAXED);
		__atomic_store_n(&s->lun[i].event, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->lun[i].changed, false, __ATOMIC_RELAXED);
	}
}
