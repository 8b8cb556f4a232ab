// SPDX-License-Identifier: GPL-2.0
/* Shared by the programs in tests/driver, see dtest.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/driver/dtest.h"
#include "tests/driver/lib/backend.h"

static unsigned int t_count, t_failed;

bool t_ok(bool ok, const char *fmt, ...)
{
	va_list ap;

	t_count++;
	t_failed += !ok;
	printf("%s %u - ", ok ? "ok" : "not ok", t_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return ok;
}

void t_skip(const char *fmt, ...)
{
	va_list ap;

	t_count++;
	printf("ok %u - # SKIP ", t_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void t_note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

int t_done(void)
{
	printf("1..%u\n", t_count);
	fflush(stdout);
	return t_failed || !t_count;
}

void t_need(int ret, const char *what)
{
	if (ret >= 0)
		return;
	printf("Bail out! %s: %s\n", what, strerror(-ret));
	fflush(stdout);
	exit(1);
}

void t_case(const char *name, const char *fmt, ...)
{
	va_list ap;

	printf("%s: ", name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

const char *t_err(int ret)
{
	static char other[24];

	if (!ret)
		return "0";
	if (ret < 0 && strerrorname_np(-ret))
		return strerrorname_np(-ret);
	snprintf(other, sizeof(other), "%d", ret);
	return other;
}

int t_read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	return n;
}

int t_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -errno : n == (ssize_t)strlen(text) ? 0 : -EIO;
}

uint64_t t_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

void t_sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

uint64_t t_layout(void)
{
	const char *e = getenv("DRIVER_LAYOUT");

	if (!e || !*e)
		return 0;
	if (!strcmp(e, "packed"))
		return VDRV_BIT(VIRTIO_F_RING_PACKED);
	if (!strcmp(e, "in_order"))
		return VDRV_BIT(VIRTIO_F_IN_ORDER);
	if (!strcmp(e, "packed-in_order"))
		return VDRV_BIT(VIRTIO_F_RING_PACKED) | VDRV_BIT(VIRTIO_F_IN_ORDER);
	t_need(-EINVAL, "DRIVER_LAYOUT");
	return 0;
}

bool t_packed(void)
{
	return t_layout() & VDRV_BIT(VIRTIO_F_RING_PACKED);
}

bool t_stock(void)
{
	const char *module = getenv("DRIVER_MODULE");

	return module && !strcmp(module, "stock");
}

/* At no page: what lies next to each other is one buffer's, more often than not. */
static int rig_cut_mem(struct rig *r, unsigned int n)
{
	return vdrv_dev_cut_mem(&r->dev, &r->mem, n, (r->mem.size / n) | 1);
}

int rig_open(struct rig *r, const struct rig_opt *o)
{
	struct vdrv_tap_opt topt = { .offload = o->offload, .mtu = o->mtu };
	uint64_t features = o->features;
	int ret, i;

	*r = (struct rig){ .mem.fd = -1, .dev.fd = -1, .tap.fd = -1, .sock = -1 };
	for (i = 0; i < 2; i++)
		r->vq[i] = (struct vdrv_vq){ .kick = -1, .call = -1, .err = -1 };
	if (features & VDRV_BIT(VIRTIO_F_VERSION_1))
		features |= t_layout();
	r->hdr_len = vdrv_net_hdr_len(features);
	if (!(o->features & VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR)))
		topt.hdr_len = r->hdr_len;

	ret = o->backend == BACKEND_TAP ? vdrv_tap_open(&r->tap, &topt) :
		backend_open(&r->tap, o->backend, topt.hdr_len);
	if (ret)
		goto out_close;
	ret = vdrv_packet_open(r->tap.ifindex, VDRV_ETHERTYPE, false);
	if (ret < 0)
		goto out_close;
	r->sock = ret;
	ret = vdrv_mem_open(&r->mem, o->mem_size ? o->mem_size : 16 << 20, VDRV_GPA);
	if (!ret)
		ret = vdrv_dev_open(&r->dev, DTEST_DEVICE);
	if (!ret)
		ret = vdrv_dev_start(&r->dev, &r->mem, features);
	if (!ret && o->regions)
		ret = rig_cut_mem(r, t_stock() && o->regions > 64 ? 64 : o->regions);
	for (i = 0; i < 2 && !ret; i++) {
		ret = vdrv_vq_open(&r->vq[i], &r->mem, i, o->num, features, o->indirect_max);
		if (ret)
			break;
		vdrv_vq_set_base(&r->vq[i], o->base);
		ret = vdrv_vq_attach(&r->vq[i], &r->dev);
	}
	if (!ret)
		return 0;
out_close:
	rig_close(r);
	return ret;
}

int rig_start(struct rig *r)
{
	int i, ret = 0;

	for (i = 0; i < 2 && !ret; i++)
		ret = vdrv_dev_set_backend(&r->dev, i, r->tap.fd);
	return ret;
}

void rig_stop(struct rig *r)
{
	int i;

	for (i = 0; i < 2; i++)
		vdrv_dev_set_backend(&r->dev, i, -1);
}

void rig_close(struct rig *r)
{
	int i;

	vdrv_dev_close(&r->dev);
	for (i = 0; i < 2; i++)
		vdrv_vq_close(&r->vq[i]);
	if (r->sock >= 0)
		close(r->sock);
	r->sock = -1;
	vdrv_tap_close(&r->tap);
	vdrv_mem_close(&r->mem);
}

int rig_wait_used(const struct vdrv_vq *vq)
{
	uint64_t end = t_now_ms() + 5000;

	while (!vdrv_vq_all_used(vq)) {
		if (t_now_ms() > end)
			return -ETIMEDOUT;
		t_sleep_ms(1);
	}
	return 0;
}

size_t rig_used_size(const struct vdrv_vq *vq)
{
	if (t_packed())
		return sizeof(*vq->device_event);
	return sizeof(*vq->used) + vq->num * sizeof(vq->used->ring[0]) + sizeof(uint16_t);
}
