// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-scsi before a hostile front-end and a hostile driver, see front.h: commands, task management functions, buffers
 * for events; and a thread that meanwhile has units and media come and go, as a control socket would.
 */
#define _GNU_SOURCE
#include <linux/virtio_scsi.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhost-user/scsi.h"
#include "vhost-user/session.h"

#define QUEUES		4
#define CHANGES_MAX	16

static struct scsi scsi;

static struct {
	pthread_t thread;
	unsigned int nr;
	uint8_t change[CHANGES_MAX];
	int file;
} hot;

static void get_config(void *dev, void *config)
{
	scsi_config(dev, config);
}

static int set_config(void *dev, uint32_t offset, const uint8_t *data, uint32_t size)
{
	struct scsi *s = dev;
	uint32_t n = size ? data[0] : 0;

	__atomic_store_n(offset & 1 ? &s->sense_size : &s->cdb_size, offset & 1 ? n % (SCSI_SENSE_MAX + 1) : 6 + n % 251,
			 __ATOMIC_RELAXED);
	return 0;
}

/* Its size is another one each time. */
static bool refresh(void *dev)
{
	static unsigned int n;

	if (ftruncate(hot.file, ++n & 1 ? 1 << 19 : 1 << 20))
		abort();
	scsi_refresh(dev);
	return false;
}

static void set_features(void *dev, uint64_t features)
{
	struct scsi *s = dev;

	pthread_mutex_lock(&s->lock);
	s->features = features;
	pthread_mutex_unlock(&s->lock);
}

static void reset(void *dev)
{
	scsi_reset(dev);
}

static struct vu_device device = {
	.name = "fuzz",
	.dev = &scsi,
	.num_queues = QUEUES,
	.features = 1ULL << VIRTIO_SCSI_F_HOTPLUG | 1ULL << VIRTIO_SCSI_F_CHANGE,
	.config_size = sizeof(struct virtio_scsi_config),
	.get_config = get_config,
	.set_config = set_config,
	.set_features = set_features,
	.refresh = refresh,
	.reset = reset,
};

#include "front.h"

/* --- units: a disk, one that is read only, a CD-ROM; and LUN 300, which comes and goes --- */

static void add(unsigned int lun, bool cd, bool rdonly)
{
	struct scsi_lun_opts o = {
		.disk = { .option = "add", .name = "file", .fd = file_new("unit", 1 << 20), .rdonly = rdonly },
		.target = 1, .lun = lun, .cd = cd,
	};

	if (!lun)
		hot.file = o.disk.fd;
	scsi_lun_add(&scsi, &o);
}

static void change(uint8_t what)
{
	struct disk_opts medium = { .option = "change", .name = "medium", .rdonly = true };
	struct scsi_lun *cd = scsi_find(&scsi, 1, 2), *more = scsi_find(&scsi, 1, 300);

	switch (what % 4) {
	case 0:
		if (more)
			scsi_lun_remove(&scsi, more);
		else
			add(300, what & 4, what & 8);
		break;
	case 1:
		medium.fd = file_new("medium", 1 << 19);
		scsi_lun_change(&scsi, cd, &medium);
		break;
	case 2:
		scsi_lun_change(&scsi, cd, NULL);
		break;
	default:
		scsi_medium_asked(cd);
	}
}

static void *change_all(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < hot.nr; i++)
		change(hot.change[i]);
	return NULL;
}

static void begin(void)
{
	if (hot.nr && pthread_create(&hot.thread, NULL, change_all, NULL))
		abort();
}

/* As it was before */
static void end(void)
{
	if (hot.nr)
		pthread_join(hot.thread, NULL);
	hot.nr = 0;
	if (scsi_find(&scsi, 1, 300))
		change(0);
	if (scsi_find(&scsi, 1, 2)->disk.fd < 0)
		change(1);
}

static const struct vu_queue_ops *queue_ops(unsigned int q)
{
	return q == SCSI_QUEUE_CTL ? &scsi_ctl_ops : q == SCSI_QUEUE_EVENT ? &scsi_event_ops : &scsi_req_ops;
}

static void setup(void)
{
	if (scsi_open(&scsi, QUEUES - SCSI_QUEUE_REQ, device.queue))
		abort();
	add(0, false, false);
	add(1, false, true);
	add(2, true, true);
	scsi.hotplug = true;
	queues_new(queue_ops, &scsi, -1);
}

/* --- requests --- */

static void address(uint8_t lun[8], uint8_t which)
{
	static const uint8_t luns[4][2] = { { 0x40, 0 }, { 0, 1 }, { 0x40, 2 }, { 0x41, 0x2c } };

	memset(lun, 0, 8);
	lun[0] = lun[1] = 1;
	memcpy(lun + 2, luns[which % 4], 2);
	if (which & 0x80)
		lun[which >> 2 & 7] ^= get8();
}

static void control(uint8_t odd)
{
	union {
		struct virtio_scsi_ctrl_tmf_req tmf;
		struct virtio_scsi_ctrl_an_req an;
	} *h = header(SCSI_QUEUE_CTL);
	const struct vring_desc part[] = {
		{ gpa(h), odd & 1 ? get8() : sizeof(*h), 0, 0 },
		{ gpa(h) + 256, odd & 2 ? get8() : sizeof(struct virtio_scsi_ctrl_an_resp), VRING_DESC_F_WRITE, 0 },
	};

	memset(h, 0, sizeof(*h));
	h->tmf.type = odd & 4 ? get8() % 4 : VIRTIO_SCSI_T_TMF;
	h->tmf.subtype = get8() % 9;
	address(h->tmf.lun, get8());
	h->tmf.tag = get8();
	chain(SCSI_QUEUE_CTL, part, 2, odd);
}

static void event(uint8_t odd)
{
	const struct vring_desc part[] = {
		{ gpa(header(SCSI_QUEUE_EVENT)), odd & 1 ? get8() : 0, 0, 0 },
		{ payload(SCSI_QUEUE_EVENT), odd & 2 ? get8() : sizeof(struct virtio_scsi_event), VRING_DESC_F_WRITE, 0 },
	};

	chain(SCSI_QUEUE_EVENT, part, 2, odd);
}

static void command(unsigned int q, uint8_t odd)
{
	struct virtio_scsi_cmd_req *h = header(q);
	uint32_t len = odd & 4 ? get32() % 8192 : odd & 64 ? 0 : 512;
	struct vring_desc part[] = {
		{ gpa(h), odd & 1 ? get8() : sizeof(*h), 0, 0 },
		{ gpa(h) + 128, odd & 2 ? get8() : sizeof(struct virtio_scsi_cmd_resp), VRING_DESC_F_WRITE, 0 },
		{ payload(q), len, VRING_DESC_F_WRITE, 0 },
	};

	memset(h, 0, sizeof(*h));
	address(h->lun, get8());
	h->tag = f.avail[q];
	take(h->cdb, SCSI_CDB_LEN);
	take(f.va + DATA + f.avail[q] % 64 * 1024, get8() % 64);
	/* Data that are to be read come before the response. */
	if (!(odd & 0x80)) {
		part[2] = part[1];
		part[1] = (struct vring_desc){ payload(q), len, 0, 0 };
	}
	chain(q, part, 3, odd);
}

static void request(unsigned int q)
{
	uint8_t odd = get8();

	if (!(odd & 0x87) && hot.nr < CHANGES_MAX)
		hot.change[hot.nr++] = get8();
	if (q == SCSI_QUEUE_CTL)
		control(odd);
	else if (q == SCSI_QUEUE_EVENT)
		event(odd);
	else
		command(q, odd);
}
