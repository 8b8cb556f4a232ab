// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-bench: the network modes.
 *
 * One thread plays driver and, for net-rx, also the sender at the other end of the tap. All else
 * that runs is the worker of the device, so what its thread uses is what the packets cost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shunt-bench.h"
#include "linux/vhost_shunt.h"

#define STALL_NS	5000000000ULL

struct net_bench {
	const struct bench_opt *o;
	struct vdrv_mem mem;
	struct vdrv_dev dev;
	struct vdrv_tap tap;
	struct vdrv_vq vq[2];
	size_t hdr_len;
	unsigned char *dirty_log;
	uint64_t buf_gpa;
	unsigned int buf_size;
	unsigned int nbufs;
	struct bench_result *r;
	const char *what;
	uint64_t last_progress_ns;
	uint64_t calls;
	uint64_t paused_ns;
	uint64_t deadline_ns;
	struct bench_result start;
};

static uint64_t max_frame(const struct bench_opt *o)
{
	return o->size > 1514 ? o->size : 1514;
}

static void net_close(struct net_bench *b)
{
	/* Device first: it still uses the tap and the memory. */
	vdrv_dev_close(&b->dev);
	vdrv_vq_close(&b->vq[VDRV_RX]);
	vdrv_vq_close(&b->vq[VDRV_TX]);
	vdrv_tap_close(&b->tap);
	vdrv_mem_close(&b->mem);
	free(b->dirty_log);
}

/* Nobody reads it. A bit a page, from address 0 on */
static int net_log(struct net_bench *b)
{
	uint64_t base;

	b->dirty_log = calloc((b->mem.gpa + b->mem.size) / VHOST_PAGE_SIZE / 8 + 1, 1);
	if (!b->dirty_log)
		return -ENOMEM;
	base = (uintptr_t)b->dirty_log;
	return ioctl(b->dev.fd, VHOST_SET_LOG_BASE, &base) ? -errno : 0;
}

/* A vhost-user back end brings its own; by name it can be seen what came of the packets. */
static int net_tap(struct net_bench *b, const struct vdrv_tap_opt *topt)
{
	if (!b->dev.user)
		return vdrv_tap_open(&b->tap, topt);
	if (!b->o->tap)
		return 0;
	snprintf(b->tap.name, sizeof(b->tap.name), "%s", b->o->tap);
	b->tap.ifindex = if_nametoindex(b->o->tap);
	return b->tap.ifindex ? 0 : -errno;
}

static int net_open(struct net_bench *b, unsigned int nbufs, unsigned int buf_size)
{
	const struct bench_opt *o = b->o;
	struct vdrv_tap_opt topt = { .name = o->tap };
	unsigned int per_table = o->segments > 4 ? o->segments : 4;
	int ret, i;

	b->dev.fd = -1;
	b->tap.fd = -1;
	b->mem.fd = -1;
	for (i = 0; i < 2; i++) {
		b->vq[i].kick = -1;
		b->vq[i].call = -1;
		b->vq[i].err = -1;
	}
	b->nbufs = nbufs;
	b->buf_size = (buf_size + 63) & ~63u;

	b->what = o->device;
	ret = vdrv_dev_open(&b->dev, o->device);
	if (ret)
		return ret;
	b->what = "features not offered by the device";
	if (o->features & ~b->dev.offered)
		return -EOPNOTSUPP;
	b->hdr_len = vdrv_net_hdr_len(o->features);

	b->what = "tap";
	if (!(o->features & VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR)))
		topt.hdr_len = b->hdr_len;
	if (o->size > 1514)
		topt.mtu = o->size - VDRV_ETH_HLEN;
	ret = net_tap(b, &topt);
	if (ret)
		goto out;

	b->what = "guest memory";
	ret = vdrv_mem_open(&b->mem, ((size_t)b->nbufs + o->regions) * b->buf_size + (4 << 20) +
			    (size_t)o->ring * (2 * (16 * (per_table + 1) + 16)), VDRV_GPA);
	if (ret)
		goto out;
	b->buf_gpa = vdrv_mem_take(&b->mem, (size_t)b->nbufs * b->buf_size, 4096);

	b->what = "vhost device set-up";
	ret = vdrv_dev_start(&b->dev, &b->mem, o->features);
	if (!ret && o->regions > 1)
		ret = vdrv_dev_cut_mem(&b->dev, &b->mem, o->regions, b->buf_size);
	if (!ret && o->features & VDRV_BIT(VHOST_F_LOG_ALL))
		ret = net_log(b);
	for (i = 0; i < 2 && !ret; i++) {
		ret = vdrv_vq_open(&b->vq[i], &b->mem, i, o->ring, o->features,
				   o->indirect ? per_table : 0);
		if (!ret)
			ret = vdrv_vq_attach(&b->vq[i], &b->dev);
		if (!ret && o->poll_us)
			ret = bench_poll_us(&b->dev, i, o->poll_us);
		if (!ret && o->wait != BENCH_WAIT_CALL)
			vdrv_vq_disable_call(&b->vq[i]);
	}
	if (!ret && o->own_worker) {
		b->what = "a worker of its own";
		ret = bench_own_worker(&b->dev, strcmp(o->mode, "net-rx") ? VDRV_TX : VDRV_RX);
	}
	for (i = 0; i < 2 && !ret && !b->dev.user; i++)
		ret = vdrv_dev_set_backend(&b->dev, i, b->tap.fd);
out:
	if (ret)
		net_close(b);
	return ret;
}

static void measure_from(struct net_bench *b)
{
	unsigned int i;

	b->r->worker = bench_worker_time(&b->start.worker_ns, &b->start.worker_runs);
	b->start.elapsed_ns = bench_clock_ns(CLOCK_MONOTONIC);
	b->start.driver_ns = bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	b->start.packets = b->r->packets;
	b->start.calls = b->calls;
	b->paused_ns = 0;
	b->start.kicks = 0;
	for (i = 0; i < 2; i++)
		b->start.kicks += b->vq[i].kicks;
	b->last_progress_ns = b->start.elapsed_ns;
}

static void measure_to(struct net_bench *b)
{
	struct bench_result *r = b->r;

	r->elapsed_ns = bench_clock_ns(CLOCK_MONOTONIC) - b->start.elapsed_ns - b->paused_ns;
	r->worker = bench_worker_time(&r->worker_ns, &r->worker_runs);
	r->worker_ns -= b->start.worker_ns;
	r->worker_runs -= b->start.worker_runs;
	r->driver_ns = bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - b->start.driver_ns;
	r->packets -= b->start.packets;
	r->calls = b->calls - b->start.calls;
	r->kicks = b->vq[0].kicks + b->vq[1].kicks - b->start.kicks;
}

/*
 * Nothing to do until the device moves. Gives up when it has not for five seconds: a lost
 * notification must end the run with an error and not hang it.
 */
static int net_idle(struct net_bench *b, struct vdrv_vq *vq, bool progress)
{
	uint64_t now;

	if (progress) {
		b->last_progress_ns = 0;
	} else {
		now = bench_clock_ns(CLOCK_MONOTONIC);
		if (!b->last_progress_ns)
			b->last_progress_ns = now;
		b->what = "no progress for 5 s";
		if (now - b->last_progress_ns > STALL_NS)
			return -ETIMEDOUT;
	}
	switch (b->o->wait) {
	case BENCH_WAIT_YIELD:
		sched_yield();
		break;
	case BENCH_WAIT_CALL:
		if (progress || vdrv_vq_enable_call(vq))
			break;
		b->calls += vdrv_event_wait(vq->call, 100);
		vdrv_vq_disable_call(vq);
		break;
	case BENCH_WAIT_SPIN:
		break;
	}
	return 0;
}

static bool past(struct net_bench *b)
{
	return bench_stop || (b->deadline_ns && bench_clock_ns(CLOCK_MONOTONIC) >= b->deadline_ns);
}

static int tx_add(struct net_bench *b, uint32_t slot, uint32_t seq)
{
	const struct bench_opt *o = b->o;
	uint64_t gpa = b->buf_gpa + (uint64_t)slot * b->buf_size;
	unsigned int len = b->hdr_len + o->size, part, i;
	unsigned char *frame = (unsigned char *)vdrv_mem_va(&b->mem, gpa) + b->hdr_len;
	struct vdrv_buf buf[16];

	if (o->verify)
		vdrv_frame_fill(frame, o->size, seq);
	else
		vdrv_frame_seq(frame, seq);
	for (i = 0; i < o->segments; i++) {
		part = i + 1 < o->segments ? (i ? len / (o->segments - i) : b->hdr_len) : len;
		buf[i] = (struct vdrv_buf){ .gpa = gpa, .len = part };
		gpa += part;
		len -= part;
	}
	return vdrv_vq_add(&b->vq[VDRV_TX], buf, o->segments, slot);
}

/* What the tap handed to the network stack must be what was sent, in order. */
static int tx_verify(struct net_bench *b, int sock, uint64_t *next)
{
	static unsigned char frame[70000];
	uint32_t seq;
	ssize_t n;

	while ((n = recv(sock, frame, sizeof(frame), 0)) >= 0) {
		if (n != b->o->size || vdrv_frame_check(frame, n, &seq))
			b->r->bad++;
		else if (seq != (uint32_t)*next)
			b->r->lost++;
		*next = seq + 1;
	}
	return errno == EAGAIN ? 0 : -errno;
}

static int tx_run(struct net_bench *b, int sock, uint64_t total)
{
	const struct bench_opt *o = b->o;
	struct vdrv_vq *vq = &b->vq[VDRV_TX];
	uint64_t sent = 0, done = 0, next = 0;
	uint32_t slot, i;
	bool measuring = false, progress;
	uint32_t free_slot[b->nbufs];
	unsigned int nfree = b->nbufs;
	int ret = 0;

	for (i = 0; i < b->nbufs; i++)
		free_slot[i] = i;
	while (done < total) {
		if (!measuring && done >= o->warmup) {
			measure_from(b);
			measuring = true;
		}
		progress = false;
		b->what = "used ring";
		while ((ret = vdrv_vq_get(vq, &slot, NULL)) == 1) {
			free_slot[nfree++] = slot;
			done++;
			b->r->packets++;
			progress = true;
		}
		if (ret)
			return ret;
		if (past(b))
			total = sent;
		for (i = 0; i < o->batch && sent < total && nfree &&
		     sent - done < o->window; i++) {
			if (tx_add(b, free_slot[nfree - 1], sent))
				break;
			nfree--;
			sent++;
		}
		b->what = "kick";
		ret = vdrv_vq_kick(vq);
		if (ret < 0)
			return ret;
		b->what = "packet socket";
		if (sock >= 0)
			ret = tx_verify(b, sock, &next);
		if (ret < 0)
			return ret;
		if (i < o->batch || o->wait == BENCH_WAIT_YIELD) {
			ret = net_idle(b, vq, progress);
			if (ret)
				return ret;
		}
	}
	if (!measuring)
		measure_from(b);
	measure_to(b);
	if (sock >= 0) {
		ret = tx_verify(b, sock, &next);
		if (next != (uint32_t)sent)
			b->r->lost++;
	}
	return ret;
}

int bench_net_tx(const struct bench_opt *o, struct bench_result *r, const char **what)
{
	struct net_bench b = { .o = o, .r = r };
	struct vdrv_if_stats before, after;
	unsigned int i;
	uint64_t all;
	int ret, sock = -1;

	ret = net_open(&b, o->ring, o->size + 64);
	if (ret)
		goto out;
	for (i = 0; i < b.nbufs; i++)
		vdrv_frame_fill((unsigned char *)vdrv_mem_va(&b.mem, b.buf_gpa) +
				(size_t)i * b.buf_size + b.hdr_len, o->size, 0);
	if (o->verify) {
		b.what = "packet socket on the tap";
		sock = vdrv_packet_open(b.tap.ifindex, VDRV_ETHERTYPE, false);
		ret = sock;
		if (sock < 0)
			goto out_close;
	}
	if (o->timeout_s)
		b.deadline_ns = bench_clock_ns(CLOCK_MONOTONIC) + o->timeout_s * 1000000000ULL;
	b.what = "tap statistics";
	if (b.tap.ifindex)
		ret = vdrv_if_stats(b.tap.name, &before);
	if (ret)
		goto out_close;
	ret = tx_run(&b, sock, o->count + o->warmup);
	if (ret || !b.tap.ifindex)
		goto out_close;
	b.what = "tap statistics";
	ret = vdrv_if_stats(b.tap.name, &after);
	all = r->packets + b.start.packets;
	if (after.rx_packets - before.rx_packets < all)
		r->lost += all - (after.rx_packets - before.rx_packets);
out_close:
	if (sock >= 0)
		close(sock);
	net_close(&b);
out:
	*what = b.what;
	return ret;
}

struct rx_state {
	struct vdrv_inject in;
	uint64_t sent;
	uint64_t got;
	unsigned char *frame;
	uint32_t *held;
	unsigned int nheld;
};

static int rx_refill(struct net_bench *b, uint32_t slot)
{
	struct vdrv_buf buf = {
		.gpa = b->buf_gpa + (uint64_t)slot * b->buf_size,
		.len = b->buf_size,
		.device_writes = true,
	};

	return vdrv_vq_add(&b->vq[VDRV_RX], &buf, 1, slot);
}

/* Done with a buffer: into the ring at once, or with all others before the next backlog. */
static int rx_reuse(struct net_bench *b, struct rx_state *s, uint32_t slot)
{
	if (!b->o->backlog)
		return rx_refill(b, slot);
	s->held[s->nheld++] = slot;
	return 0;
}

static int rx_refill_held(struct net_bench *b, struct rx_state *s)
{
	int ret = 0;

	while (s->nheld && !ret)
		ret = rx_refill(b, s->held[--s->nheld]);
	return ret;
}

/* One frame from the ring: 1 when there was one, whose buffers are done with by then. */
static int rx_one(struct net_bench *b, struct rx_state *s)
{
	const struct bench_opt *o = b->o;
	struct vdrv_vq *vq = &b->vq[VDRV_RX];
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int nbuf = 1, i, frame_len = 0;
	unsigned char *va;
	uint32_t slot, len, seq;
	int ret;

	ret = vdrv_vq_get(vq, &slot, &len);
	if (ret <= 0)
		return ret;
	if (len < b->hdr_len || len > b->buf_size)
		return -EPROTO;
	va = vdrv_mem_va(&b->mem, b->buf_gpa + (uint64_t)slot * b->buf_size);
	memset(&hdr, 0, sizeof(hdr));
	memcpy(&hdr, va, b->hdr_len);
	if (o->features & VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF))
		nbuf = hdr.num_buffers;
	if (!nbuf || nbuf > o->ring)
		return -EPROTO;
	va += b->hdr_len;
	len -= b->hdr_len;
	for (i = 0;;) {
		if (frame_len + len > max_frame(o))
			return -EPROTO;
		memcpy(s->frame + frame_len, va, o->verify || !i ? len : 0);
		frame_len += len;
		ret = rx_reuse(b, s, slot);
		if (ret || ++i == nbuf)
			break;
		/* The device shows all buffers of a frame at once. */
		ret = vdrv_vq_get(vq, &slot, &len);
		if (ret != 1 || len > b->buf_size)
			return -EPROTO;
		va = vdrv_mem_va(&b->mem, b->buf_gpa + (uint64_t)slot * b->buf_size);
	}
	if (ret)
		return ret;
	if (b->tap.ifindex && !vdrv_frame_ours(s->frame, frame_len))
		return 1;
	if (frame_len != o->size || (o->verify && vdrv_frame_check(s->frame, frame_len, &seq))) {
		b->r->bad++;
	} else if (o->verify) {
		if (seq != (uint32_t)s->got)
			b->r->bad++;
	}
	s->got++;
	b->r->packets++;
	return 1;
}

/*
 * Where sender and worker share a processor, the scheduler decides after which frame the worker
 * runs, and what a frame costs follows from that. A sender that nobody preempts gives bursts.
 */
static void no_preemption(const struct bench_opt *o, bool on)
{
	struct sched_param p = { .sched_priority = on };

	if (!o->trickle)
		sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p);
}

static int rx_send(struct net_bench *b, struct rx_state *s, uint64_t total)
{
	const struct bench_opt *o = b->o;
	unsigned char *frame;
	unsigned int i;
	int ret;

	/* A back end without a tap makes packets by itself. */
	if (!b->tap.ifindex) {
		s->sent = total;
		return 0;
	}
	for (i = 0; i < o->batch && s->sent < total && s->sent - s->got < o->window; i++) {
		frame = vdrv_inject_slot(&s->in);
		if (!frame)
			break;
		if (o->verify)
			vdrv_frame_fill(frame, o->size, s->sent);
		else
			vdrv_frame_seq(frame, s->sent);
		vdrv_inject_put(&s->in, o->size);
		s->sent++;
	}
	b->what = "packet socket on the tap";
	no_preemption(o, true);
	ret = vdrv_inject_flush(&s->in);
	no_preemption(o, false);
	return ret;
}

/*
 * Once all is received, fill the tap while the device has no buffers, and then give it all of them.
 * What the sender costs is not in the time: the rate is that of device and driver.
 */
static int rx_send_backlog(struct net_bench *b, struct rx_state *s, uint64_t total)
{
	uint64_t begin;
	int ret = 0;

	if (s->sent != s->got)
		return 0;
	begin = bench_clock_ns(CLOCK_MONOTONIC);
	while (!ret && s->sent < total && s->sent - s->got < b->o->window)
		ret = rx_send(b, s, total);
	b->paused_ns += bench_clock_ns(CLOCK_MONOTONIC) - begin;
	if (ret)
		return ret;
	ret = rx_refill_held(b, s);
	if (ret)
		return ret;
	b->what = "kick";
	ret = vdrv_vq_kick(&b->vq[VDRV_RX]);
	return ret < 0 ? ret : 0;
}

static int rx_run(struct net_bench *b, struct rx_state *s, uint64_t total)
{
	const struct bench_opt *o = b->o;
	struct vdrv_vq *vq = &b->vq[VDRV_RX];
	bool measuring = false, progress;
	int ret;

	while (s->got < total) {
		if (!measuring && s->got >= o->warmup) {
			measure_from(b);
			measuring = true;
		}
		progress = false;
		b->what = "used ring";
		while ((ret = rx_one(b, s)) == 1)
			progress = true;
		if (ret)
			return ret;
		b->what = "kick";
		ret = vdrv_vq_kick(vq);
		if (ret < 0)
			return ret;
		if (past(b))
			total = s->sent;
		ret = o->backlog ? rx_send_backlog(b, s, total) : rx_send(b, s, total);
		if (ret)
			return ret;
		ret = net_idle(b, vq, progress);
		if (ret)
			return ret;
	}
	if (!measuring)
		measure_from(b);
	measure_to(b);
	return 0;
}

int bench_net_rx(const struct bench_opt *o, struct bench_result *r, const char **what)
{
	static unsigned char frame[70000];
	struct net_bench b = { .o = o, .r = r };
	uint32_t held[o->ring];
	struct rx_state s = { .in.fd = -1, .frame = frame, .held = held };
	unsigned int i, nslots = 2 * o->window < 64 ? 64 : 2 * o->window;
	unsigned char *p;
	int ret;

	ret = net_open(&b, o->ring, o->rx_buf);
	if (ret)
		goto out;
	b.what = "packet socket on the tap";
	if (b.tap.ifindex)
		ret = vdrv_inject_open(&s.in, b.tap.ifindex, o->size, nslots, !o->inject_copy);
	if (ret)
		goto out_close;
	for (i = 0; i < s.in.nframes; i++) {
		p = vdrv_inject_slot(&s.in);
		vdrv_frame_fill(p, o->size, 0);
		/* Only the pattern is wanted: step on without sending. */
		s.in.next = (i + 1) % s.in.nframes;
	}
	for (i = 0; i < o->ring && !ret; i++)
		ret = rx_reuse(&b, &s, i);
	if (o->timeout_s)
		b.deadline_ns = bench_clock_ns(CLOCK_MONOTONIC) + o->timeout_s * 1000000000ULL;
	if (!ret)
		ret = rx_run(&b, &s, o->count + o->warmup);
	if (ret == -ETIMEDOUT && s.sent > s.got) {
		r->lost = s.sent - s.got;
		b.what = "frames got lost on their way to the driver";
	}
	vdrv_inject_close(&s.in);
out_close:
	net_close(&b);
out:
	*what = b.what;
	return ret;
}
