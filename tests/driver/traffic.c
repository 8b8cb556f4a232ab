// SPDX-License-Identifier: GPL-2.0
/*
 * Frames both ways, every byte checked: header variants, ring sizes, chains, index wrap, start and
 * stop, and set-up in odd orders, in the layout that DRIVER_LAYOUT names. TAP on stdout. Offloads are in
 * offload.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/flow.h"

#define V1	VDRV_BIT(VIRTIO_F_VERSION_1)
#define MRG	VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF)
#define IND	VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define VHDR	VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR)
#define RESET	VDRV_BIT(VIRTIO_F_RING_RESET)

/* One line a test; @count frames each way */
static void run(const char *name, struct both *b, const struct rig_opt *o, unsigned int count)
{
	int ret = both_start(b, o) ?: both_run(b, count);

	both_report(b, ret, "%s: %u frames each way", name, count);
	both_close(b);
}

static void test_headers(void)
{
	uint64_t bits[] = { V1, MRG, IND, EVENT, VHDR };
	unsigned int i, j;
	char name[80];

	for (i = 0; i < 32; i++) {
		/* Without VERSION_1 there is but one layout. */
		if (t_layout() && !(i & 1))
			continue;
		struct rig_opt o = { .num = 64, .indirect_max = 4 };
		struct both b = { .tx = { .min = 18, .max = 1514, .segments = 3 },
				  .rx = { .min = 18, .max = 1514 } };

		for (j = 0; j < 5; j++)
			if (i & (1 << j))
				o.features |= bits[j];
		if (o.features & MRG)
			b.rx.buf_size = 600;
		snprintf(name, sizeof(name), "header%s%s%s%s%s", i & 1 ? " VERSION_1" : "",
			 i & 2 ? " MRG_RXBUF" : "", i & 4 ? " INDIRECT" : "",
			 i & 8 ? " EVENT_IDX" : "", i & 16 ? " VHOST_HDR" : "");
		run(name, &b, &o, 150);
	}
}

static void test_ring_sizes(void)
{
	static const unsigned int nums[] = { 1, 2, 4, 16, 256, 1024, 4096, 32768, 3, 100, 257 };
	unsigned int i;
	char name[40];

	for (i = 0; i < ARRAY_SIZE(nums); i++) {
		if (nums[i] & (nums[i] - 1) && !t_packed())
			continue;
		struct rig_opt o = { .num = nums[i], .features = RIG_FEATURES | EVENT,
				     .mem_size = 32 << 20 };
		struct both b = { .tx = { .min = 60, .max = 300 },
				  .rx = { .min = 60, .max = 300 } };

		snprintf(name, sizeof(name), "ring of %u", nums[i]);
		run(name, &b, &o, nums[i] < 300 ? 300 : nums[i] < 2000 ? nums[i] + 10 : 2000);
	}
}

static void test_chains(void)
{
	static const unsigned int segs[] = { 1, 2, 5, 17, 64, 200 };
	unsigned int i, ind;
	char name[60];

	for (ind = 0; ind < 2; ind++) {
		for (i = 0; i < ARRAY_SIZE(segs); i++) {
			struct rig_opt o = { .num = 256, .indirect_max = ind ? 256 : 0,
					     .features = RIG_FEATURES };
			struct both b = { .tx = { .min = 300, .max = 1514, .segments = segs[i] },
					  .rx = { .min = 300, .max = 1514,
						  .buf_size = 1536 / segs[i] + 12 } };

			snprintf(name, sizeof(name), "%u %s descriptors a frame", segs[i],
				 ind ? "indirect" : "direct");
			run(name, &b, &o, 100);
		}
	}
}

static void test_sizes(void)
{
	static const struct {
		unsigned int min, max, buf;
	} sizes[] = {
		{ 18, 18, 0 }, { 3000, 4200, 0 }, { 18, 9014, 2048 }, { 60, 65535, 4096 },
		{ 65535, 65535, 2048 }, { 60000, 65535, 300 },
	};
	unsigned int i;
	char name[60];

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT, .mtu = 65521,
				     .mem_size = 48 << 20 };
		struct both b = { .tx = { .min = sizes[i].min, .max = sizes[i].max },
				  .rx = { .min = sizes[i].min, .max = sizes[i].max,
					  .buf_size = sizes[i].buf, .batch = 8 } };

		snprintf(name, sizeof(name), "frames of %u to %u", sizes[i].min, sizes[i].max);
		run(name, &b, &o, 200);
	}
}

/* Each buffer takes several of as many regions as there may be. */
static void test_regions(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT, .mem_size = 4 << 20,
			     .regions = 509 };
	struct both b = { .tx = { .max = 9000, .segments = 3 }, .rx = { .max = 9000, .buf_size = 4096 } };

	o.mtu = 8986;
	run("509 regions", &b, &o, 500);
	o.indirect_max = 8;
	run("509 regions, indirect", &b, &o, 500);
}

static void test_wrap(void)
{
	struct rig_opt o = { .num = 128, .features = RIG_FEATURES, .base = 65530 };
	struct both long_run = { .tx = { .min = 64, .max = 64, .batch = 64 },
				 .rx = { .min = 64, .max = 64, .batch = 64 } };
	unsigned int event;

	for (event = 0; event < 2; event++) {
		struct both b = { .tx = { .min = 64, .max = 99 }, .rx = { .min = 64, .max = 99 } };

		o.features = RIG_FEATURES | (event ? EVENT : 0);
		run(event ? "index starts at 65530, EVENT_IDX" : "index starts at 65530", &b, &o,
		    500);
	}
	o = (struct rig_opt){ .num = 256, .features = RIG_FEATURES | EVENT };
	if (!t_layout())
		run("all 65536 indices", &long_run, &o, 66000);
}

static void test_at_once(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT };
	struct both b = { .tx = { .max = 1514 }, .rx = { .max = 1514 } };
	int ret, i;

	ret = both_start(&b, &o);
	for (i = 0; i < 200 && !ret; i++)
		ret = both_send(&b, 30, 20) ?: both_finish(&b, 5000);
	both_report(&b, ret, "both directions at once, 200 rounds");
	both_close(&b);
}

/* Take the backend away and give it back while frames are on their way: none is lost or doubled. */
static void test_stop_and_go(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT };
	struct both b = { .tx = { .max = 500 }, .rx = { .max = 500 } };
	struct vhost_vring_state s;
	int ret, i, q;

	ret = both_start(&b, &o);
	for (i = 0; i < 60 && !ret; i++) {
		ret = flow_tx_queue(&b.tx, 100) ?: vdrv_vq_kick_always(&b.r.vq[VDRV_TX]) ?:
		      flow_rx_send(&b.rx, 100);
		if (i % 3 == 1)
			usleep(300);
		rig_stop(&b.r);
		for (q = 0; q < 2 && !ret; q++) {
			struct vdrv_vq *vq = &b.r.vq[q];

			s = (struct vhost_vring_state){ .index = q };
			if (ioctl(b.r.dev.fd, VHOST_GET_VRING_BASE, &s)) {
				ret = -errno;
			} else if (s.num != vdrv_vq_device_base(vq)) {
				b.tx.why = "position is not what was used";
				ret = -EPROTO;
			}
			if (!ret && i % 2)
				ret = ioctl(b.r.dev.fd, VHOST_SET_VRING_BASE, &s) ? -errno : 0;
		}
		if (!ret)
			ret = rig_start(&b.r);
		if (!ret)
			ret = both_finish(&b, 5000);
	}
	both_report(&b, ret, "stop and go under load, round %d", i);
	both_close(&b);
}

/* As a driver resets a queue: another ring elsewhere, of another size, while the other one runs */
static int reset_queue(struct rig *r, unsigned int q, unsigned int num)
{
	struct vhost_vring_state s = { .index = q };
	struct vdrv_vq *vq = &r->vq[q];
	int ret;

	ret = vdrv_dev_set_backend(&r->dev, q, -1);
	vdrv_vq_close(vq);
	if (!ret)
		ret = vdrv_vq_open(vq, &r->mem, q, num, r->dev.features, 0);
	if (!ret)
		ret = ioctl(r->dev.fd, VHOST_SET_VRING_BASE, &s) ? -errno : 0;
	if (!ret)
		ret = vdrv_vq_attach(vq, &r->dev);
	return ret ?: vdrv_dev_set_backend(&r->dev, q, r->tap.fd);
}

static void test_queue_reset(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT, .mem_size = 128 << 20 };
	struct both b = { .tx = { .max = 500 }, .rx = { .max = 500 } };
	int ret, i;

	/* The bit changes nothing but the driver's manners; stock has it from 6.2 on. */
	if (!t_stock())
		o.features |= RESET;
	ret = both_start(&b, &o);
	for (i = 0; i < 20 && !ret; i++) {
		/* The transmit queue goes and comes between two halves of the other direction's run. */
		ret = flow_rx_send(&b.rx, 50);
		if (!ret)
			ret = reset_queue(&b.r, VDRV_TX, 32 << (i % 5));
		flow_close(&b.tx);
		if (!ret)
			ret = flow_open_tx(&b.tx, &b.r);
		if (!ret)
			ret = flow_rx_finish(&b.rx, 5000);
		if (!ret)
			ret = flow_tx(&b.tx, 50);
		/* And the other way round */
		if (!ret)
			ret = flow_tx_queue(&b.tx, 20);
		if (!ret)
			ret = vdrv_vq_kick_always(&b.r.vq[VDRV_TX]);
		if (!ret)
			ret = reset_queue(&b.r, VDRV_RX, 512 >> (i % 5));
		flow_close(&b.rx);
		if (!ret)
			ret = flow_open_rx(&b.rx, &b.r);
		if (!ret)
			ret = flow_tx_finish(&b.tx, 5000);
		if (!ret)
			ret = flow_rx(&b.rx, 50);
	}
	both_report(&b, ret, "a queue is reset while the other one runs, round %d", i);
	both_close(&b);
}

/* The same file descriptor again after RESET_OWNER */
static void test_reset_owner(void)
{
	struct rig_opt o = { .num = 64, .features = RIG_FEATURES };
	struct both b = { .tx = { .max = 500 }, .rx = { .max = 500 } };
	int ret, i, q;

	ret = both_start(&b, &o);
	for (i = 0; i < 10 && !ret; i++) {
		ret = both_run(&b, 50);
		if (!ret)
			ret = ioctl(b.r.dev.fd, VHOST_RESET_OWNER) ? -errno : 0;
		if (!ret)
			ret = vdrv_dev_start(&b.r.dev, &b.r.mem, o.features | t_layout());
		/* Buffers that wait in the receive ring stay there. */
		for (q = 0; q < 2 && !ret; q++)
			ret = vdrv_vq_attach(&b.r.vq[q], &b.r.dev);
		if (!ret)
			ret = rig_start(&b.r);
	}
	both_report(&b, ret, "RESET_OWNER and all again, 10 times");
	both_close(&b);
}

/* Work that is there before the device may look */
static void test_orders(void)
{
	struct rig_opt o = { .num = 64, .features = RIG_FEATURES };
	struct both b;
	struct vdrv_vq *tx;
	uint64_t one = 1;
	int ret, order;
	static const char *const names[] = {
		"work, then backend, no kick",
		"work, kick written, then SET_VRING_KICK, then backend",
		"backend, work, kick written, then SET_VRING_KICK",
		"backend, work, then SET_VRING_KICK, kick not written",
		"backend, another SET_VRING_KICK, work, kick",
		"no SET_VRING_CALL",
		"backend cleared and set with work waiting",
	};

	for (order = 0; order < 7; order++) {
		if (order == 3 && t_stock()) {
			t_skip("%s: stock waits for the next kick", names[order]);
			continue;
		}
		memset(&b, 0, sizeof(b));
		ret = rig_open(&b.r, &o);
		if (!ret)
			ret = flow_open_tx(&b.tx, &b.r);
		tx = &b.r.vq[VDRV_TX];
		if (!ret && (order == 1 || order == 2 || order == 3))
			ret = vdrv_vq_set_fd(tx, &b.r.dev, VHOST_SET_VRING_KICK, -1);
		b.tx.no_call = order == 5;
		if (!ret && order == 5)
			ret = vdrv_vq_set_fd(tx, &b.r.dev, VHOST_SET_VRING_CALL, -1);
		if (!ret && order >= 2)
			ret = rig_start(&b.r);
		if (!ret && order == 6) {
			rig_stop(&b.r);
			usleep(1000);
		}
		if (!ret && order == 4) {
			close(tx->kick);
			tx->kick = dup(b.r.vq[VDRV_RX].kick);
			ret = vdrv_vq_set_fd(tx, &b.r.dev, VHOST_SET_VRING_KICK, tx->kick);
		}
		if (!ret)
			usleep(2000);
		if (!ret)
			ret = flow_tx_queue(&b.tx, 20);
		if (!ret && (order == 1 || order == 2 || order >= 4))
			ret = write(tx->kick, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
		if (!ret && order >= 1 && order <= 3)
			ret = vdrv_vq_set_fd(tx, &b.r.dev, VHOST_SET_VRING_KICK, tx->kick);
		if (!ret && (order <= 1 || order == 6))
			ret = rig_start(&b.r);
		if (!ret)
			ret = flow_tx_finish(&b.tx, 2000);
		both_report(&b, ret, "%s", names[order]);
		both_close(&b);
	}
}

static void test_notifications(void)
{
	struct rig_opt o = { .num = 256 };
	struct both b;
	struct vdrv_vq *tx;
	uint64_t before;
	int ret, event, i;

	for (event = 0; event < 2; event++) {
		memset(&b, 0, sizeof(b));
		o.features = RIG_FEATURES | (event ? EVENT : 0);
		ret = both_start(&b, &o);
		tx = &b.r.vq[VDRV_TX];
		vdrv_vq_disable_call(tx);
		usleep(2000);
		vdrv_event_wait(tx->call, 0);
		if (!ret)
			ret = flow_tx_queue(&b.tx, 100);
		if (!ret)
			ret = vdrv_vq_kick_always(tx);
		for (i = 0; i < 1000 && !vdrv_vq_all_used(tx); i++)
			usleep(1000);
		usleep(2000);
		before = vdrv_event_wait(tx->call, 0);
		/* The very first signal is sent whatever used_event says. */
		t_ok(!ret && i < 1000 && before <= (event ? 1 : 0),
		     "no call while none is wanted%s: %llu", event ? ", EVENT_IDX" : "",
		     (unsigned long long)before);
		if (!ret)
			ret = flow_tx_finish(&b.tx, 1000);
		if (!ret)
			ret = flow_tx_queue(&b.tx, 3);
		vdrv_event_wait(tx->call, 0);
		t_ok(!ret && !vdrv_vq_enable_call(tx) && !vdrv_vq_kick_always(tx) &&
		     vdrv_event_wait(tx->call, 2000), "a call when one is wanted%s",
		     event ? ", EVENT_IDX" : "");
		/* At rest the device must want a kick. */
		if (!ret)
			ret = flow_tx_finish(&b.tx, 1000);
		usleep(2000);
		if (!ret)
			ret = flow_tx_queue(&b.tx, 1);
		before = tx->kicks;
		vdrv_vq_kick(tx);
		if (!ret)
			ret = flow_tx_finish(&b.tx, 1000);
		t_ok(!ret && tx->kicks == before + 1, "an idle device wants a kick%s",
		     event ? ", EVENT_IDX" : "");
		both_close(&b);
	}
}

/* A limited send buffer takes the path that sends frames one by one. */
static void test_sndbuf(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES };
	struct both b = { .tx = { .max = 1514 }, .rx = { .max = 1514 } };
	int ret, size = 65536;

	ret = rig_open(&b.r, &o);
	if (!ret)
		ret = ioctl(b.r.tap.fd, TUNSETSNDBUF, &size) ? -errno : 0;
	if (!ret)
		ret = flow_open_tx(&b.tx, &b.r);
	if (!ret)
		ret = rig_start(&b.r);
	if (!ret)
		ret = flow_tx(&b.tx, 3000);
	both_report(&b, ret, "tap with a limited send buffer, 3000 frames");
	both_close(&b);
}

/*
 * The same memory chained until a packet has about 4 GiB, which the tap counts as some bytes less
 * than none, or just more than can be allocated: dropped, without a word in the kernel's log. (The
 * stock module makes the tap warn, or tries for ever.)
 */
static void test_long(void)
{
	static const uint64_t lens[] = { 38ULL << 20, (4ULL << 30) - 88, (4ULL << 30) - 488 };
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES, .indirect_max = 1024,
			     .mem_size = 64 << 20 };
	const uint32_t piece = 4 << 20;
	struct vdrv_buf buf[1024];
	unsigned int i, n;
	struct rig r;
	uint64_t gpa, left;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(lens) && !ret; i++) {
		ret = rig_open(&r, &o);
		if (ret)
			break;
		gpa = vdrv_mem_take(&r.mem, piece, 4096);
		for (n = 0, left = lens[i]; left; n++) {
			buf[n] = (struct vdrv_buf){ .gpa = gpa, .len = left < piece ? left : piece };
			left -= buf[n].len;
		}
		ret = gpa ? rig_start(&r) : -ENOMEM;
		if (!ret)
			ret = vdrv_vq_add(&r.vq[VDRV_TX], buf, n, 0);
		if (!ret) {
			vdrv_vq_publish(&r.vq[VDRV_TX]);
			vdrv_vq_kick_always(&r.vq[VDRV_TX]);
			ret = rig_wait_used(&r.vq[VDRV_TX]);
		}
		rig_stop(&r);
		rig_close(&r);
	}
	t_ok(!ret, "packets that no network has are dropped: %s", t_err(ret));
}

/* The driver waits for entry 0, which is used while the device has no call eventfd. */
static void test_late_call(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT };
	struct vdrv_buf buf = { .len = 12 + 60 };
	struct vdrv_vq *vq;
	uint64_t calls = 0;
	struct rig r;
	int ret, i;

	ret = rig_open(&r, &o);
	if (!ret) {
		vq = &r.vq[VDRV_TX];
		buf.gpa = vdrv_mem_take(&r.mem, buf.len, 64);
		ret = vdrv_vq_set_fd(vq, &r.dev, VHOST_SET_VRING_CALL, -1);
	}
	if (!ret)
		ret = rig_start(&r);
	for (i = 0; i < 2 && !ret; i++) {
		if (i)
			ret = vdrv_vq_set_fd(vq, &r.dev, VHOST_SET_VRING_CALL, vq->call);
		if (!ret)
			ret = vdrv_vq_add(vq, &buf, 1, 0);
		if (!ret) {
			vdrv_vq_publish(vq);
			vdrv_vq_kick_always(vq);
			ret = rig_wait_used(vq);
		}
	}
	if (!ret)
		calls = vdrv_event_wait(vq->call, 1000);
	t_ok(!ret && calls == 1, "a call eventfd that comes late is signalled: %s, %llu", t_err(ret),
	     (unsigned long long)calls);
	rig_stop(&r);
	rig_close(&r);
}

/* The interface counts what the driver got, whichever way it went. */
static void test_counts(void)
{
	struct rig_opt o = { .num = 256, .features = RIG_FEATURES | EVENT };
	struct both b = { .rx = { .min = 18, .max = 400 } };
	struct vdrv_if_stats before, after = { 0 };
	int ret;

	ret = both_start(&b, &o);
	if (!ret)
		ret = vdrv_if_stats(b.r.tap.name, &before);
	if (!ret)
		ret = flow_rx(&b.rx, 500);
	if (!ret)
		ret = vdrv_if_stats(b.r.tap.name, &after);
	t_ok(!ret && after.tx_packets - before.tx_packets == 500 &&
	     after.tx_dropped == before.tx_dropped, "the tap has counted 500 packets: %s, %llu", t_err(ret),
	     (unsigned long long)(ret ? 0 : after.tx_packets - before.tx_packets));
	both_close(&b);
}

int main(void)
{
	test_headers();
	test_ring_sizes();
	test_chains();
	test_sizes();
	test_regions();
	test_wrap();
	test_at_once();
	test_stop_and_go();
	test_queue_reset();
	test_reset_owner();
	test_orders();
	test_notifications();
	test_sndbuf();
	test_long();
	test_late_call();
	test_counts();
	return t_done();
}
