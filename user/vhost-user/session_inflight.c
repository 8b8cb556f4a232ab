// SPDX-License-Identifier: GPL-2.0
/* GET_INFLIGHT_FD, SET_INFLIGHT_FD: memory that outlives the process. What is in it is the queues', see inflight.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard.h"
#include "session_priv.h"

/* Largest ring of the specification: regions of others may be for larger ones than ours. */
#define QUEUE_SIZE_MAX 32768

/* Regions may be of either layout. Return: what is the device's own, or NULL */
static void *kept_of(const struct vu_session *s)
{
	size_t at = s->inflight.num_queues * vu_inflight_size(true, s->inflight.queue_size);

	if (!s->inflight.map || !s->d->kept_size || at > s->inflight.len || s->inflight.len - at < s->d->kept_size)
		return NULL;
	return s->inflight.map + at;
}

void vu_inflight_keep(const struct vu_session *s)
{
	if (s->d->keep)
		s->d->keep(s->d->dev, kept_of(s));
}

void vu_inflight_unmap(struct vu_session *s)
{
	if (s->d->keep)
		s->d->keep(s->d->dev, NULL);
	vu_unmap(s->inflight.map, s->inflight.len);
	s->inflight = (struct vu_inflight_mem){ 0 };
}

static size_t region_size(const struct vu_session *s)
{
	return vu_inflight_size(vu_has_feature(s, VIRTIO_F_RING_PACKED), s->inflight.queue_size);
}

void *vu_inflight_region(const struct vu_session *s, unsigned int index, int *error)
{
	size_t size = region_size(s);

	*error = 0;
	if (!s->inflight.map || index >= s->inflight.num_queues)
		return NULL;
	if ((index + 1) * size > s->inflight.len) {
		*error = -ENOSPC;
		return NULL;
	}
	return s->inflight.map + index * size;
}

void vu_inflight_forget(struct vu_session *s)
{
	uint64_t *kept = kept_of(s);
	unsigned int i;
	void *region;
	int error;

	if (kept)
		__atomic_store_n(kept, 0, __ATOMIC_RELAXED);
	for (i = 0; i < s->inflight.num_queues; i++) {
		region = vu_inflight_region(s, i, &error);
		if (region)
			vu_inflight_clear(region);
	}
}

/* Rings may be of either layout later. */
int vu_get_inflight_fd(struct vu_session *s, struct vhost_user_msg *m)
{
	size_t len = m->inflight.num_queues * vu_inflight_size(true, m->inflight.queue_size) + s->d->kept_size;
	int fd;

	if (!m->inflight.num_queues || m->inflight.num_queues > s->d->num_queues ||
	    !m->inflight.queue_size || m->inflight.queue_size > VU_QUEUE_NUM_MAX)
		return -EINVAL;
	fd = memfd_create("inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		close(fd);
		return -errno;
	}
	m->inflight.size = len;
	m->inflight.offset = 0;
	m->fds[0] = fd;
	m->nr_fds = 1;
	return 1;
}

int vu_set_inflight_fd(struct vu_session *s, struct vhost_user_msg *m)
{
	uint64_t size = m->inflight.size, end = m->inflight.offset + size;
	struct vu_inflight_mem new = {
		.len = size,
		.num_queues = m->inflight.num_queues,
		.queue_size = m->inflight.queue_size,
	};
	struct stat st;

	if (!new.num_queues || new.num_queues > VU_QUEUES_MAX || !new.queue_size || new.queue_size > QUEUE_SIZE_MAX)
		return -EINVAL;
	if (end < size || size < new.num_queues * vu_inflight_size(false, new.queue_size) ||
	    fstat(m->fds[0], &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < end)
		return -EINVAL;
	new.map = vu_map(m->fds[0], m->inflight.offset, size, (size_t)st.st_blksize);
	if (!new.map)
		return -errno;
	vu_stop_all(s);
	vu_inflight_unmap(s);
	s->inflight = new;
	vu_inflight_keep(s);
	return vu_start_all(s);
}
