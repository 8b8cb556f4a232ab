// SPDX-License-Identifier: GPL-2.0
/*
 * What vhost-net has got wrong somewhere before: packets larger than the ring, wake-ups lost between
 * batches, features that change while a back end is set. TAP on stdout.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define BIG	60000
#define BUF	2048

/* The worker comes to rest: there is a stretch of time in which it does not run at all. */
static bool worker_rests(void)
{
	uint64_t before, after, slices;
	pid_t tid;
	int i;

	if (vdrv_worker_find(getpid(), &tid, 1) != 1)
		return false;
	for (i = 0; i < 100; i++) {
		if (vdrv_worker_runtime(tid, &before, &slices))
			return false;
		t_sleep_ms(20);
		if (!vdrv_worker_runtime(tid, &after, &slices) && after == before)
			return true;
	}
	return false;
}

static int inject_big(const struct rig *r, uint32_t seq)
{
	struct vdrv_inject in;
	void *p;
	int ret;

	ret = vdrv_inject_open(&in, r->tap.ifindex, BIG, 2, false);
	if (ret)
		return ret;
	p = vdrv_inject_slot(&in);
	vdrv_frame_fill(p, BIG, seq);
	vdrv_inject_put(&in, BIG);
	ret = vdrv_inject_flush(&in);
	vdrv_inject_close(&in);
	return ret;
}

/* Not all buffers of the ring hold the packet: it is dropped, and those behind it arrive. */
static void test_larger_than_ring(uint64_t features)
{
	struct rig_opt o = { .num = 16, .features = features, .mtu = 65521 };
	struct flow rx = { .max = 500, .buf_size = BUF };
	struct rig r;
	int ret, i;

	if (t_stock()) {
		t_skip("a packet larger than the ring: stock waits for buffers that cannot come");
		return;
	}
	ret = rig_open(&r, &o);
	t_need(ret, "rig");
	ret = flow_open_rx(&rx, &r);
	if (!ret)
		ret = rig_start(&r);
	for (i = 0; i < 10 && !ret; i++) {
		ret = inject_big(&r, 0);
		if (!ret)
			ret = flow_rx(&rx, 5);
	}
	t_ok(!ret && worker_rests(), "a packet larger than the ring holds up nothing%s: %s %s",
	     features & EVENT ? ", EVENT_IDX" : "", t_err(ret), rx.why);
	flow_close(&rx);
	rig_close(&r);
}

static int rx_add(struct rig *r, uint64_t pool, unsigned int from, unsigned int to)
{
	struct vdrv_vq *vq = &r->vq[VDRV_RX];
	int ret = 0;

	for (; from < to && !ret; from++) {
		struct vdrv_buf b = { pool + from * BUF, BUF, true };

		ret = vdrv_vq_add(vq, &b, 1, from);
	}
	if (!ret && vdrv_vq_kick(vq) < 0)
		ret = -EIO;
	return ret;
}

/* There are buffers, but too few: the worker sleeps until there are more, then uses them all. */
static void test_too_few(uint64_t features)
{
	struct rig_opt o = { .num = 64, .features = features, .mtu = 65521 };
	static unsigned char frame[BIG + 2 * BUF];
	unsigned int n = 0, have = 0;
	uint32_t slot, len, seq = 0;
	uint64_t pool, end;
	bool rests = false;
	struct rig r;
	int ret;

	ret = rig_open(&r, &o);
	t_need(ret, "rig");
	pool = vdrv_mem_take(&r.mem, 64 * BUF, 4096);
	ret = rx_add(&r, pool, 0, 10);
	if (!ret)
		ret = rig_start(&r);
	if (!ret)
		ret = inject_big(&r, 77);
	if (!ret) {
		rests = worker_rests();
		ret = rx_add(&r, pool, 10, 20);
	}
	if (!ret) {
		rests &= worker_rests();
		ret = rx_add(&r, pool, 20, 40);
	}
	end = t_now_ms() + 5000;
	while (!ret && have < BIG + r.hdr_len && t_now_ms() < end) {
		if (vdrv_vq_get(&r.vq[VDRV_RX], &slot, &len) != 1 ||
		    have + len > sizeof(frame)) {
			t_sleep_ms(1);
			continue;
		}
		memcpy(frame + have, vdrv_mem_va(&r.mem, pool + slot * BUF), len);
		have += len;
		n++;
	}
	t_ok(!ret && rests && have == BIG + r.hdr_len && n == (have + BUF - 1) / BUF &&
	     le16toh(((struct virtio_net_hdr_mrg_rxbuf *)frame)->num_buffers) == n &&
	     !vdrv_frame_check(frame + r.hdr_len, BIG, &seq) && seq == 77 && worker_rests(),
	     "a packet waits for buffers, the worker sleeps%s: %s, %u bytes in %u buffers",
	     features & EVENT ? ", EVENT_IDX" : "", t_err(ret), have, n);
	rig_close(&r);
}

/*
 * Bursts around the sizes of batches. The driver kicks only when asked to and waits for an interrupt:
 * a notification that is put off and forgotten leaves both waiting.
 */
static void test_bursts(uint64_t features)
{
	struct rig_opt o = { .num = 256, .features = features };
	struct flow tx = { .max = 100 };
	struct rig r;
	unsigned int n;
	int ret;

	ret = rig_open(&r, &o);
	t_need(ret, "rig");
	ret = flow_open_tx(&tx, &r);
	if (!ret)
		ret = rig_start(&r);
	for (n = 1; n <= 256 && !ret; n += n < 130 ? 1 : 21) {
		ret = flow_tx_queue(&tx, n);
		if (!ret && vdrv_vq_kick(&r.vq[VDRV_TX]) < 0)
			ret = -EIO;
		if (!ret)
			ret = flow_tx_finish(&tx, 5000);
	}
	t_ok(!ret, "no wake-up is lost after bursts of 1 to 256%s: %s %s, burst %u",
	     features & EVENT ? ", EVENT_IDX" : "", t_err(ret), tx.why, n);
	flow_close(&tx);
	rig_close(&r);
}

/*
 * Headers change at rest, and back; a feature that the driver need not know of changes with frames on
 * their way. The layout stays: without it SET_FEATURES fails.
 */
static void test_feature_change(void)
{
	static const uint64_t others[] = {
		0, VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF), VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR),
		VDRV_BIT(VIRTIO_F_VERSION_1) | VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR),
	};
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT };
	struct both b = { .tx.max = 200, .rx.max = 200 };
	uint64_t f, layout = t_layout();
	int ret, i;

	ret = both_start(&b, &o);
	if (!ret && layout && (!ioctl(b.r.dev.fd, VHOST_SET_FEATURES, &o.features) || errno != EBUSY))
		ret = -EPROTO;
	for (i = 0; i < 40 && !ret; i++) {
		f = others[i % ARRAY_SIZE(others)] | EVENT | layout;
		ret = both_run(&b, 20);
		if (!ret && ioctl(b.r.dev.fd, VHOST_SET_FEATURES, &f))
			ret = -errno;
		f = o.features | layout;
		if (!ret && ioctl(b.r.dev.fd, VHOST_SET_FEATURES, &f))
			ret = -errno;
		if (!ret)
			ret = both_send(&b, 100, 100);
		f = o.features | layout | (i & 1 ? 0 : VDRV_BIT(VIRTIO_F_NOTIFY_ON_EMPTY));
		if (!ret && ioctl(b.r.dev.fd, VHOST_SET_FEATURES, &f))
			ret = -errno;
		if (!ret)
			ret = both_finish(&b, 5000);
	}
	both_report(&b, ret, "features change while back ends are set");
	both_close(&b);
}

int main(void)
{
	test_larger_than_ring(RIG_FEATURES);
	test_larger_than_ring(RIG_FEATURES | EVENT);
	test_too_few(RIG_FEATURES);
	test_too_few(RIG_FEATURES | EVENT);
	test_bursts(RIG_FEATURES);
	test_bursts(RIG_FEATURES | EVENT);
	test_feature_change();
	return t_done();
}
