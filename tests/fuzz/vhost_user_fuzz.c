// SPDX-License-Identifier: GPL-2.0
/* shunt-blk before a hostile front-end and a hostile driver, see front.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_blk.h>

#include "lib/vhost_user.h"
#include "vhost-user/blk.h"
#include "vhost-user/session.h"

#define QUEUES		2
#define PATH		"/dev/shm/vhost-user-fuzz"

static struct blk blk;

static void get_config(void *dev, void *config)
{
	memcpy(config, &((struct blk *)dev)->config, sizeof(blk.config));
}

static int set_config(void *dev, uint32_t offset, const uint8_t *data, uint32_t size)
{
	(void)offset;
	__atomic_store_n(&((struct blk *)dev)->config.wce, size && data[0] & 1, __ATOMIC_RELAXED);
	return 0;
}

/* It has always changed. */
static bool refresh(void *dev)
{
	(void)dev;
	return true;
}

static void set_features(void *dev, uint64_t features)
{
	((struct blk *)dev)->always_sync = !(features >> VIRTIO_BLK_F_FLUSH & 1);
}

static size_t save(void *dev, void *state)
{
	memcpy(state, &((struct blk *)dev)->config, sizeof(blk.config));
	return sizeof(blk.config);
}

static int load(void *dev, const void *state, size_t len)
{
	(void)dev;
	return len && *(const uint8_t *)state == 1 ? 0 : -EINVAL;
}

static struct vu_device device = {
	.name = "fuzz",
	.dev = &blk,
	.num_queues = QUEUES,
	.config_size = sizeof(struct virtio_blk_config),
	.get_config = get_config,
	.set_config = set_config,
	.set_features = set_features,
	.refresh = refresh,
	.protocol = 1ULL << VHOST_USER_PROTOCOL_F_DEVICE_STATE,
	.state_size = 200,
	.save = save,
	.load = load,
};

#include "front.h"

static const struct vu_queue_ops *queue_ops(unsigned int q)
{
	(void)q;
	return &blk_queue_ops;
}

static void setup(void)
{
	struct blk_opts o = { .disk.path = PATH, .num_queues = QUEUES };
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, 1 << 20) || blk_open(&blk, &o))
		abort();
	close(fd);
	unlink(PATH);
	device.features = blk.features;
	queues_new(queue_ops, &blk, blk.disk.fd);
}

static void request(unsigned int q)
{
	uint8_t type = get8() % 16, odd = get8();
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct virtio_blk_outhdr *h = header(q);
	const struct vring_desc part[] = {
		{ gpa(h), sizeof(*h), 0, 0 },
		{ payload(q), odd & 4 ? get32() % 8192 : 1024, in ? VRING_DESC_F_WRITE : 0, 0 },
		{ gpa(h) + 400, 1, VRING_DESC_F_WRITE, 0 },
	};

	h->type = type;
	h->sector = odd & 1 ? get32() : f.avail[q] * 8;
	take(h + 1, odd & 2 ? 64 : 0);
	chain(q, part, 3, odd);
}

static void begin(void)
{
}

static void end(void)
{
}
