// SPDX-License-Identifier: GPL-2.0
/* Logical units, and the device that they make up. */
#define _GNU_SOURCE
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/hash.h"
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

/* Without a serial number, it is the file that tells one unit from the other; or its address, where nothing is known of one. */
static void identify(struct scsi_lun *l, const struct scsi_lun_opts *o)
{
	char where[32], *path;

	pad(l->product, SCSI_PRODUCT_LEN, o->product ?: o->cd ? "CD-ROM" : "DISK");
	if (o->serial) {
		snprintf(l->serial, sizeof(l->serial), "%s", o->serial);
	} else {
		path = o->disk.path ? realpath(o->disk.path, NULL) : NULL;
		snprintf(where, sizeof(where), "%u:%u", l->target, l->lun);
		snprintf(l->serial, sizeof(l->serial), "%016llx",
			 (unsigned long long)hash_text(HASH_BASIS, path ?: (*l->name ? l->name : where)));
		free(path);
	}
	/* Locally assigned */
	l->naa = 3ULL << 60 | hash_text(hash_text(HASH_BASIS, l->product), l->serial) >> 4;
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

/* An empty tray has no file, and still blocks of some size. */
static int lun_file(struct scsi_lun *l, const struct scsi_lun_opts *o)
{
	if (o->empty) {
		l->disk = (struct disk){ .fd = -1, .rdonly = true, .block = CD_BLOCK, .physical = CD_BLOCK };
		l->block = CD_BLOCK;
		l->ejected = true;
		return 0;
	}
	return disk_open(&l->disk, &o->disk) ?: check_blocks(l, o);
}

struct scsi_lun *scsi_lun_new(const struct scsi_lun_opts *o)
{
	struct scsi_lun *l = calloc(1, sizeof(*l));

	if (l)
		l->name = strdup(o->empty ? "" : o->disk.path ?: o->disk.name ?: "");
	if (!l || !l->name) {
		free(l);
		log_err("out of memory");
		return NULL;
	}
	l->disk.fd = -1;
	l->target = o->target;
	l->lun = o->lun;
	l->cd = o->cd;
	if (lun_file(l, o)) {
		scsi_lun_free(l);
		return NULL;
	}
	l->rdonly = l->disk.rdonly;
	identify(l, o);
	scsi_lun_reset(l, ATTENTION_POWER_ON);
	return l;
}

void scsi_lun_free(struct scsi_lun *l)
{
	if (l->disk.fd >= 0)
		close(l->disk.fd);
	free(l->name);
	free(l);
}

int scsi_open(struct scsi *s, unsigned int num_queues, struct vu_queue *const *queue)
{
	unsigned int i;

	pthread_mutex_init(&s->lock, NULL);
	sem_init(&s->swapped, 0, 0);
	s->queue = queue;
	s->num_queues = num_queues;
	s->tmf.last = &s->tmf.next;
	s->luns = calloc(1, sizeof(*s->luns));
	for (i = 0; i < num_queues && s->luns; i++) {
		s->reqs[i] = scsi_queue_new();
		if (!s->reqs[i])
			break;
	}
	if (!s->luns || i < num_queues)
		return log_err("out of memory");
	scsi_reset(s);
	return 0;
}

void scsi_config(struct scsi *s, struct virtio_scsi_config *c)
{
	const struct scsi_luns *luns;

	pthread_mutex_lock(&s->lock);
	luns = scsi_luns(s);
	*c = (struct virtio_scsi_config){
		.num_queues = htole32(s->num_queues),
		.seg_max = htole32(SCSI_SEG_MAX),
		.max_sectors = htole32(DISK_LEN_MAX >> SECTOR_SHIFT),
		.cmd_per_lun = htole32(CMD_PER_LUN),
		.event_info_size = htole32(sizeof(struct virtio_scsi_event)),
		.sense_size = htole32(s->sense_size),
		.cdb_size = htole32(s->cdb_size),
		.max_target = htole16(s->hotplug ? SCSI_TARGET_MAX : luns->lun[luns->nr - 1]->target),
		.max_lun = htole32(SCSI_LUN_MAX),
	};
	pthread_mutex_unlock(&s->lock);
}

void scsi_close(struct scsi *s)
{
	unsigned int i;

	for (i = 0; i < s->num_queues; i++)
		free(s->reqs[i]);
	for (i = 0; s->luns && i < s->luns->nr; i++)
		scsi_lun_free(s->luns->lun[i]);
	free(s->luns);
}

void scsi_lun_reset(struct scsi_lun *l, uint16_t attention)
{
	__atomic_store_n(&l->wce, true, __ATOMIC_RELAXED);
	__atomic_store_n(&l->locked, false, __ATOMIC_RELAXED);
	__atomic_store_n(&l->attention, attention, __ATOMIC_RELAXED);
}

/* Whoever has not heard of a reset has not heard of a size, either. */
void scsi_lun_attend(struct scsi_lun *l, uint16_t attention)
{
	uint16_t none = 0;

	__atomic_compare_exchange_n(&l->attention, &none, attention, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* A file that has become smaller than a block keeps what it had: reading fails. */
void scsi_lun_refresh(struct scsi *s, struct scsi_lun *l)
{
	uint64_t blocks;

	if (l->disk.fd < 0 || !disk_refresh(&l->disk))
		return;
	blocks = l->disk.size / l->block;
	if (!blocks || blocks == l->blocks)
		return;
	__atomic_store_n(&l->blocks, blocks, __ATOMIC_RELAXED);
	scsi_lun_attend(l, ATTENTION_CAPACITY);
	scsi_event(s, l, VIRTIO_SCSI_T_PARAM_CHANGE, ATTENTION_CAPACITY >> 8 | (ATTENTION_CAPACITY & 0xff) << 8);
}

void scsi_refresh(struct scsi *s)
{
	const struct scsi_luns *luns;
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	luns = scsi_luns(s);
	for (i = 0; i < luns->nr; i++)
		scsi_lun_refresh(s, luns->lun[i]);
	pthread_mutex_unlock(&s->lock);
}

void scsi_reset(struct scsi *s)
{
	const struct scsi_luns *luns;
	unsigned int i;

	__atomic_store_n(&s->cdb_size, VIRTIO_SCSI_CDB_DEFAULT_SIZE, __ATOMIC_RELAXED);
	__atomic_store_n(&s->sense_size, VIRTIO_SCSI_SENSE_DEFAULT_SIZE, __ATOMIC_RELAXED);
	pthread_mutex_lock(&s->lock);
	luns = scsi_luns(s);
	for (i = 0; i < luns->nr; i++) {
		struct scsi_lun *l = luns->lun[i];

		scsi_lun_reset(l, ATTENTION_POWER_ON);
		__atomic_store_n(&l->ejected, l->disk.fd < 0, __ATOMIC_RELAXED);
		__atomic_store_n(&l->event, 0, __ATOMIC_RELAXED);
	}
	s->events.nr = 0;
	s->events.missed = false;
	pthread_mutex_unlock(&s->lock);
}
