// SPDX-License-Identifier: GPL-2.0
/* vdrv: guest memory, the vhost character device and the threads that serve it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vdrv.h"

int vdrv_mem_open(struct vdrv_mem *m, size_t size, uint64_t gpa)
{
	int ret;

	*m = (struct vdrv_mem){ .fd = -1, .size = size, .gpa = gpa };
	m->fd = memfd_create("vdrv", MFD_CLOEXEC);
	if (m->fd < 0)
		return -errno;
	if (ftruncate(m->fd, size)) {
		ret = -errno;
		goto out_close;
	}
	m->va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (m->va == MAP_FAILED) {
		ret = -errno;
		goto out_close;
	}
	return 0;

out_close:
	close(m->fd);
	m->fd = -1;
	m->va = NULL;
	return ret;
}

void vdrv_mem_close(struct vdrv_mem *m)
{
	if (m->va)
		munmap(m->va, m->size);
	if (m->fd >= 0)
		close(m->fd);
	m->va = NULL;
	m->fd = -1;
}

uint64_t vdrv_mem_take(struct vdrv_mem *m, size_t size, size_t align)
{
	size_t at = (m->taken + align - 1) & ~(align - 1);

	if (at > m->size || size > m->size - at)
		return 0;
	m->taken = at + size;
	return m->gpa + at;
}

int vdrv_dev_open(struct vdrv_dev *d, const char *path)
{
	struct stat st;
	int ret;

	*d = (struct vdrv_dev){ .user = !stat(path, &st) && S_ISSOCK(st.st_mode) };
	d->fd = d->user ? vdrv_user_open(path) : open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return d->user ? d->fd : -errno;
	ret = vdrv_dev_call(d, VHOST_GET_FEATURES, &d->offered);
	if (ret)
		vdrv_dev_close(d);
	return ret;
}

void vdrv_dev_close(struct vdrv_dev *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

int vdrv_dev_call(const struct vdrv_dev *d, unsigned long request, void *arg)
{
	if (d->user)
		return vdrv_user_call(d->fd, request, arg);
	return ioctl(d->fd, request, arg) ? -errno : 0;
}

int vdrv_dev_set_regions(struct vdrv_dev *d, const struct vhost_memory_region *r, unsigned int n)
{
	struct vhost_memory *table;
	int ret = 0;

	table = calloc(1, sizeof(*table) + n * sizeof(*r));
	if (!table)
		return -ENOMEM;
	table->nregions = n;
	memcpy(table->regions, r, n * sizeof(*r));
	if (ioctl(d->fd, VHOST_SET_MEM_TABLE, table))
		ret = -errno;
	free(table);
	return ret;
}

int vdrv_dev_cut_mem(struct vdrv_dev *d, const struct vdrv_mem *m, unsigned int n, size_t piece)
{
	struct vhost_memory_region r[n];
	unsigned int i;

	for (i = 0; i < n; i++)
		r[i] = (struct vhost_memory_region){
			.guest_phys_addr = m->gpa + i * piece,
			.memory_size = i + 1 < n ? piece : m->size - i * piece,
			.userspace_addr = (uintptr_t)m->va + i * piece,
		};
	return vdrv_dev_set_regions(d, r, n);
}

int vdrv_dev_start(struct vdrv_dev *d, const struct vdrv_mem *m, uint64_t features)
{
	struct vhost_memory_region region = {
		.guest_phys_addr = m->gpa,
		.memory_size = m->size,
		.userspace_addr = (uintptr_t)m->va,
	};

	int ret;

	ret = vdrv_dev_call(d, VHOST_SET_OWNER, NULL);
	if (!ret)
		ret = vdrv_dev_call(d, VHOST_SET_FEATURES, &features);
	if (ret)
		return ret;
	d->features = features;
	return d->user ? vdrv_user_set_mem(d->fd, m) : vdrv_dev_set_regions(d, &region, 1);
}

int vdrv_dev_set_backend(struct vdrv_dev *d, unsigned int index, int fd)
{
	struct vhost_vring_file f = { .index = index, .fd = fd };

	return ioctl(d->fd, VHOST_NET_SET_BACKEND, &f) ? -errno : 0;
}

size_t vdrv_net_hdr_len(uint64_t features)
{
	if (features & (VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF) | VDRV_BIT(VIRTIO_F_VERSION_1)))
		return sizeof(struct virtio_net_hdr_mrg_rxbuf);
	return sizeof(struct virtio_net_hdr);
}

static bool comm_is(const char *path, const char *name)
{
	char buf[64];
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return !strcmp(buf, name);
}

static int find_in(const char *dir, const char *name, pid_t *tids, int max)
{
	struct dirent *e;
	char path[300];
	int found = 0;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return 0;
	while ((e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/%s/comm", dir, e->d_name);
		if (!comm_is(path, name))
			continue;
		if (found < max)
			tids[found] = atoi(e->d_name);
		found++;
	}
	closedir(d);
	return found;
}

int vdrv_worker_find(pid_t owner, pid_t *tids, int max)
{
	char name[32], dir[64];
	int found;

	snprintf(name, sizeof(name), "vhost-%d", owner);
	snprintf(dir, sizeof(dir), "/proc/%d/task", owner);
	found = find_in(dir, name, tids, max);
	return found ? found : find_in("/proc", name, tids, max);
}

int vdrv_worker_runtime(pid_t tid, uint64_t *ns, uint64_t *slices)
{
	unsigned long long v, n_slices;
	char path[64];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", tid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	n = fscanf(f, "%llu %*u %llu", &v, &n_slices);
	fclose(f);
	if (n != 2)
		return -ENODATA;
	*ns = v;
	*slices = n_slices;
	return 0;
}
