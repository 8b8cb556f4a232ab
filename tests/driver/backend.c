// SPDX-License-Identifier: GPL-2.0
/*
 * Back ends: tap, macvtap and packet socket, with every header; taken away, given back and exchanged
 * under load. Frames are numbered: none may be lost, doubled or out of order. TAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/backend.h"
#include "lib/flow.h"

#define V1	VDRV_BIT(VIRTIO_F_VERSION_1)
#define MRG	VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF)
#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define VHDR	VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR)

static void test_headers(int kind)
{
	static const struct {
		const char *name;
		uint64_t features;
		bool packet;
	} hdrs[] = {
		{ "header of 10", 0, true },
		{ "header of 12", V1, false },
		{ "header of 12, mergeable", V1 | MRG | EVENT, false },
		{ "header of 12, mergeable, legacy", MRG, false },
		{ "no header, 10 in the ring", VHDR, true },
		{ "no header, 12 in the ring", VHDR | V1, true },
		{ "no header, 12 in the ring, mergeable", VHDR | MRG | V1 | EVENT, true },
	};
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(hdrs); i++) {
		struct rig_opt o = { .num = 64, .features = hdrs[i].features, .backend = kind };
		struct both b = { .tx = { .min = 18, .max = 1514, .segments = 3 },
				  .rx = { .min = 18, .max = 1514 } };

		/* A packet socket's header always has 10 bytes. */
		if (kind == BACKEND_PACKET && !hdrs[i].packet)
			continue;
		if (o.features & MRG)
			b.rx.buf_size = 600;
		ret = both_start(&b, &o) ?: both_run(&b, 200);
		both_report(&b, ret, "%s, %s", backend_names[kind], hdrs[i].name);
		both_close(&b);
	}
}

/* What works with every back end */
static struct rig_opt any(int kind)
{
	return (struct rig_opt){ .num = 256, .backend = kind,
				 .features = EVENT | MRG | V1 | (kind == BACKEND_PACKET ? VHDR : 0) };
}

/* Frames wait in the ring and in the back end while it is cleared and set. */
static void test_stop_and_go(int kind)
{
	struct rig_opt o = any(kind);
	struct both b = { .tx = { .max = 500 }, .rx = { .max = 500 } };
	int ret, i;

	ret = both_start(&b, &o);
	for (i = 0; i < 30 && !ret; i++) {
		ret = flow_tx_queue(&b.tx, 100) ?: vdrv_vq_kick_always(&b.r.vq[VDRV_TX]) ?:
		      flow_rx_send(&b.rx, 100);
		if (i % 3 == 1)
			usleep(300);
		rig_stop(&b.r);
		if (!ret)
			ret = rig_start(&b.r);
		if (!ret)
			ret = both_finish(&b, 5000);
	}
	both_report(&b, ret, "%s, cleared and set under load", backend_names[kind]);
	both_close(&b);
}

/* A frame that came out of one of @sock: 1, 0 when there is none, or a negative errno */
static int swap_take(const int *sock, uint32_t expect)
{
	static unsigned char frame[2000];
	uint32_t seq;
	ssize_t n;
	int i;

	for (i = 0; i < 2; i++) {
		n = recv(sock[i], frame, sizeof(frame), MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 || vdrv_frame_check(frame, n, &seq) || seq != expect)
			continue;
		recv(sock[i], frame, sizeof(frame), MSG_DONTWAIT);
		return 1;
	}
	/* Whatever else is first in a queue is lost, doubled or too early. */
	return 0;
}

/* A queue goes from one back end to another of any kind, and back, with frames on their way. */
static void test_swap_tx(int kind_a, int kind_b)
{
	struct rig_opt o = { .num = 256, .features = EVENT | V1 | VHDR, .backend = kind_a };
	struct both b = { .tx = { .max = 500 } };
	struct vdrv_tap other = { .fd = -1 };
	unsigned int round, seen = 0;
	int ret, sock[2] = { -1, -1 };
	uint64_t end;

	ret = rig_open(&b.r, &o);
	if (!ret)
		ret = flow_open_tx(&b.tx, &b.r);
	if (!ret)
		ret = backend_open(&other, kind_b, 0);
	if (!ret) {
		sock[0] = b.r.sock;
		sock[1] = vdrv_packet_open(other.ifindex, VDRV_ETHERTYPE, false);
		ret = sock[1] < 0 ? sock[1] : rig_start(&b.r);
	}
	for (round = 0; round < 40 && !ret; round++) {
		ret = flow_tx_queue(&b.tx, 100);
		if (!ret)
			ret = vdrv_vq_kick_always(&b.r.vq[VDRV_TX]);
		if (round % 3 == 1)
			usleep(200);
		if (!ret)
			ret = vdrv_dev_set_backend(&b.r.dev, VDRV_TX,
						   round & 1 ? b.r.tap.fd : other.fd);
		/* Completed and sent: then each number is at one of the ends, in order. */
		end = t_now_ms() + 5000;
		while (!ret && seen < b.tx.next) {
			if (swap_take(sock, seen))
				seen++;
			else if (t_now_ms() > end)
				ret = -ETIMEDOUT;
			else
				usleep(1000);
		}
		/* The flow looks at one end only: what we saw ourselves is accounted for. */
		b.tx.expect = seen;
		if (!ret)
			ret = flow_tx_finish(&b.tx, 5000);
	}
	t_ok(!ret, "swapped under load, %s and %s, out: %s %s, %u frames of %u",
	     backend_names[kind_a], backend_names[kind_b], t_err(ret), b.tx.why ? b.tx.why : "",
	     seen, b.tx.next);
	flow_close(&b.tx);
	if (sock[1] >= 0)
		close(sock[1]);
	vdrv_tap_close(&other);
	rig_close(&b.r);
}

/*
 * Frames for both wait in their queues while the ring changes sides: each arrives once, in the order
 * of its own side. What the worker had taken from a side and not delivered is there at the next turn.
 */
static void test_swap_rx(int kind_a, int kind_b)
{
	struct rig_opt o = { .num = 256, .features = EVENT | MRG | V1 | VHDR, .backend = kind_a };
	struct both b = { .rx = { .max = 500, .buf_size = 300 } };
	struct vdrv_tap other = { .fd = -1 };
	struct vdrv_inject side[2] = { { .fd = -1 }, { .fd = -1 } };
	uint32_t next[2] = { 0, FLOW_OTHER }, expect[2] = { 0, FLOW_OTHER };
	unsigned int round;
	int ret, s;

	ret = rig_open(&b.r, &o);
	if (!ret)
		ret = flow_open_rx(&b.rx, &b.r);
	if (!ret)
		ret = backend_open(&other, kind_b, 0);
	side[0] = b.rx.inject;
	if (!ret)
		ret = vdrv_inject_open(&side[1], other.ifindex, 500, 256, false);
	if (!ret)
		ret = rig_start(&b.r);
	for (round = 0; round < 40 && !ret; round++) {
		int to = !(round & 1);

		/* Few enough that no side's queue overflows before its turn. */
		for (s = 0; s < 2 && !ret; s++) {
			b.rx.inject = side[s];
			b.rx.next = next[s];
			ret = flow_rx_send(&b.rx, 60);
			next[s] = b.rx.next;
			side[s] = b.rx.inject;
		}
		if (round % 3 == 1)
			usleep(200);
		if (!ret)
			ret = vdrv_dev_set_backend(&b.r.dev, VDRV_RX, to ? other.fd : b.r.tap.fd);
		/* The other side may have delivered any part of its frames before the change. */
		b.rx.other = &expect[!to];
		b.rx.expect = expect[to];
		b.rx.next = next[to];
		if (!ret)
			ret = flow_rx_finish(&b.rx, 5000);
		expect[to] = b.rx.expect;
	}
	t_ok(!ret, "swapped under load, %s and %s, in: %s %s", backend_names[kind_a],
	     backend_names[kind_b], t_err(ret), b.rx.why ? b.rx.why : "");
	b.rx.inject = side[0];
	vdrv_inject_close(&side[1]);
	flow_close(&b.rx);
	vdrv_tap_close(&other);
	rig_close(&b.r);
}

/* The interface goes down, which is an error to whoever waits at it, and comes back. */
static void test_link(int kind)
{
	struct rig_opt o = any(kind);
	struct both b = { .tx = { .max = 500 }, .rx = { .max = 500 } };
	int ret, i;

	if (t_stock() && kind == BACKEND_PACKET) {
		t_skip("packet socket, its interface goes down and up: stock loses the next frame");
		return;
	}
	ret = both_start(&b, &o);
	for (i = 0; i < 3 && !ret; i++) {
		ret = both_run(&b, 50);
		if (!ret)
			ret = backend_link(false);
		if (!ret)
			ret = backend_link(true);
	}
	if (!ret)
		ret = both_run(&b, 50);
	both_report(&b, ret, "%s, its interface goes down and up", backend_names[kind]);
	both_close(&b);
}

/*
 * Somebody else receives from the socket while the worker, which has seen the frames, waits for
 * buffers: all that is left arrives in order and unharmed, but for the one that is not what it was
 * taken for.
 */
static void test_thief(void)
{
	struct rig_opt o = any(BACKEND_PACKET);
	struct both b = { .rx = { .min = 60, .max = 1500, .buf_size = 600, .gaps = true } };
	static unsigned char frame[2000];
	unsigned int stolen = 0;
	int ret, i, j;

	o.num = 16;
	ret = both_start(&b, &o);
	for (i = 0; i < 10 && !ret; i++) {
		ret = flow_rx_send(&b.rx, 100);
		for (j = 0; j < 20; j++)
			stolen += recv(b.r.tap.fd, frame, sizeof(frame), MSG_DONTWAIT) > 0;
		if (!ret)
			ret = flow_rx_finish(&b.rx, 5000);
	}
	t_note("%u frames were taken by somebody else", stolen);
	both_report(&b, ret, "packet socket that somebody else reads, too");
	both_close(&b);
}

int main(void)
{
	int kind;

	for (kind = BACKEND_MACVTAP; kind < BACKEND_NR; kind++) {
		test_headers(kind);
		test_stop_and_go(kind);
		test_link(kind);
		test_swap_tx(BACKEND_TAP, kind);
		test_swap_rx(BACKEND_TAP, kind);
	}
	test_swap_tx(BACKEND_TAP, BACKEND_TAP);
	test_swap_rx(BACKEND_TAP, BACKEND_TAP);
	test_thief();
	return t_done();
}
