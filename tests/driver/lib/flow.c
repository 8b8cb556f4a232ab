// SPDX-License-Identifier: GPL-2.0
/* Traffic through a rig, see flow.h. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/driver/lib/flow.h"

#define STALL_MS	10000

static unsigned char frame_buf[VDRV_ETH_HLEN + 70000];

static unsigned int len_of(struct flow *f, uint32_t seq)
{
	return f->min + (seq * 2654435761u >> 8) % (f->max - f->min + 1);
}

static int bad(struct flow *f, const char *why, int ret)
{
	f->why = why;
	return ret;
}

static int flow_open(struct flow *f, struct rig *r, struct vdrv_vq *vq)
{
	unsigned int i;
	size_t room = r->mem.size - r->mem.taken;

	f->r = r;
	f->why = "";
	if (!f->min)
		f->min = 60;
	if (!f->max)
		f->max = f->min;
	if (!f->segments)
		f->segments = 1;
	if (!f->buf_size)
		f->buf_size = f->max + r->hdr_len;
	if (!f->batch)
		f->batch = 16;
	f->slot_size = f->rx ? f->buf_size : f->max + r->hdr_len;
	f->nslots = vq->num;
	/* Half of what is left, so that the other direction finds room as well. */
	if ((size_t)f->nslots * f->slot_size > room / 2)
		f->nslots = room / 2 / f->slot_size;
	if (f->rx && f->nslots < (f->max + r->hdr_len + f->buf_size - 1) / f->buf_size)
		return bad(f, "a frame does not fit into all buffers", -EINVAL);
	f->pool = vdrv_mem_take(&r->mem, (size_t)f->nslots * f->slot_size, 16);
	f->free_slot = calloc(f->nslots, sizeof(*f->free_slot));
	if (!f->pool || !f->free_slot)
		return bad(f, "guest memory", -ENOMEM);
	for (i = 0; i < f->nslots; i++)
		f->free_slot[i] = f->nslots - 1 - i;
	f->nfree = f->nslots;
	return 0;
}

int flow_open_tx(struct flow *f, struct rig *r)
{
	f->rx = false;
	f->inject.fd = -1;
	f->inject.ring = NULL;
	return flow_open(f, r, &r->vq[VDRV_TX]);
}

static int rx_refill(struct flow *f)
{
	struct vdrv_vq *vq = &f->r->vq[VDRV_RX];

	while (f->nfree) {
		uint32_t slot = f->free_slot[f->nfree - 1];
		struct vdrv_buf b = { f->pool + (uint64_t)slot * f->slot_size, f->slot_size, true };

		if (vdrv_vq_add(vq, &b, 1, slot))
			break;
		f->nfree--;
	}
	return vdrv_vq_kick(vq) < 0 ? bad(f, "kick", -EIO) : 0;
}

int flow_open_rx(struct flow *f, struct rig *r)
{
	int ret;

	f->rx = true;
	ret = flow_open(f, r, &r->vq[VDRV_RX]);
	if (!ret)
		ret = vdrv_inject_open(&f->inject, r->tap.ifindex, f->max, 256, false);
	if (!ret)
		ret = rx_refill(f);
	return ret;
}

void flow_close(struct flow *f)
{
	if (f->rx)
		vdrv_inject_close(&f->inject);
	free(f->free_slot);
	f->free_slot = NULL;
}

static int tx_add(struct flow *f)
{
	struct vdrv_vq *vq = &f->r->vq[VDRV_TX];
	struct vdrv_buf b[256];
	unsigned int n = f->segments, i, len, part, flen = len_of(f, f->next);
	uint32_t slot = f->free_slot[f->nfree - 1];
	uint64_t gpa = f->pool + (uint64_t)slot * f->slot_size;
	unsigned char *va = vdrv_mem_va(&f->r->mem, gpa);

	memset(va, 0, f->r->hdr_len);
	vdrv_frame_fill(va + f->r->hdr_len, flen, f->next);
	len = flen + f->r->hdr_len;
	if (n > len)
		n = len;
	for (i = 0; i < n; i++, gpa += part, len -= part) {
		part = i + 1 < n ? len / (n - i) : len;
		b[i] = (struct vdrv_buf){ gpa, part, false };
	}
	if (vdrv_vq_add(vq, b, n, slot))
		return -ENOSPC;
	f->nfree--;
	f->next++;
	return 0;
}

static int tx_reap(struct flow *f)
{
	struct vdrv_vq *vq = &f->r->vq[VDRV_TX];
	uint32_t slot, len;
	int ret, n = 0;

	while ((ret = vdrv_vq_get(vq, &slot, &len)) == 1) {
		if (len)
			return bad(f, "transmit completed with a length", -EPROTO);
		f->free_slot[f->nfree++] = slot;
		n++;
	}
	return ret ? bad(f, "used ring", ret) : n;
}

/* What came out of the tap since the last time */
static int tx_check(struct flow *f)
{
	uint32_t seq;
	ssize_t n;

	while ((n = recv(f->r->sock, frame_buf, sizeof(frame_buf), MSG_TRUNC)) >= 0) {
		if (vdrv_frame_check(frame_buf, n, &seq))
			return bad(f, "contents of a frame differ", -EBADMSG);
		if (seq != f->expect)
			return bad(f, seq < f->expect ? "a frame came twice" : "a frame was lost",
				   -EBADMSG);
		if (n != len_of(f, seq))
			return bad(f, "length of a frame differs", -EBADMSG);
		f->expect++;
	}
	return errno == EAGAIN ? 0 : bad(f, "packet socket", -errno);
}

/*
 * Until the device calls or a tenth of a second is over. A completion that is there but was not
 * announced within two more seconds is a lost interrupt: a guest would hang on it.
 */
static int sleep_on(struct flow *f, struct vdrv_vq *vq)
{
	bool called = true;

	if (!vdrv_vq_enable_call(vq)) {
		called = vdrv_event_wait(vq->call, f->no_call ? 1 : 100);
		if (called)
			f->calls++;
		else if (vdrv_vq_pending(vq) && !f->no_call)
			called = vdrv_event_wait(vq->call, 2000);
		else
			called = true;
	}
	vdrv_vq_disable_call(vq);
	return called ? 0 : bad(f, "an interrupt was lost", -EPROTO);
}

int flow_tx_queue(struct flow *f, unsigned int count)
{
	while (count--) {
		if (!f->nfree || tx_add(f))
			return bad(f, "ring is full", -ENOSPC);
	}
	vdrv_vq_publish(&f->r->vq[VDRV_TX]);
	return 0;
}

int flow_tx_finish(struct flow *f, unsigned int timeout_ms)
{
	struct vdrv_vq *vq = &f->r->vq[VDRV_TX];
	uint64_t end = t_now_ms() + timeout_ms;
	int ret;

	for (;;) {
		ret = tx_reap(f);
		if (ret >= 0)
			ret = tx_check(f);
		if (ret)
			return ret;
		if (f->nfree == f->nslots && f->expect == f->next)
			return 0;
		if (t_now_ms() >= end)
			return bad(f, f->nfree == f->nslots ? "frames were lost" :
				   "transmit does not complete", -ETIMEDOUT);
		ret = sleep_on(f, vq);
		if (ret)
			return ret;
	}
}

int flow_tx(struct flow *f, unsigned int count)
{
	struct vdrv_vq *vq = &f->r->vq[VDRV_TX];
	uint32_t end = f->next + count;
	uint64_t last = t_now_ms();
	unsigned int i;
	int ret;

	while (f->next != end) {
		ret = tx_reap(f);
		if (ret > 0)
			last = t_now_ms();
		if (ret >= 0)
			ret = tx_check(f);
		if (ret < 0)
			return ret;
		for (i = 0; i < f->batch && f->next != end && f->nfree && !tx_add(f); i++)
			;
		if (vdrv_vq_kick(vq) < 0)
			return bad(f, "kick", -EIO);
		if (i)
			continue;
		if (t_now_ms() - last > STALL_MS)
			return bad(f, "transmit stalled", -ETIMEDOUT);
		ret = sleep_on(f, vq);
		if (ret)
			return ret;
	}
	return flow_tx_finish(f, STALL_MS);
}

int flow_rx_send(struct flow *f, unsigned int count)
{
	unsigned char *p;
	unsigned int len;

	while (count--) {
		p = vdrv_inject_slot(&f->inject);
		if (!p)
			return bad(f, "packet socket is full", -ENOSPC);
		len = len_of(f, f->next);
		vdrv_frame_fill(p, len, f->next++);
		vdrv_inject_put(&f->inject, len);
	}
	return vdrv_inject_flush(&f->inject) ? bad(f, "packet socket", -EIO) : 0;
}

/* One buffer from the ring to the end of what there is of its frame */
static int rx_take(struct flow *f, unsigned int *have)
{
	struct vdrv_vq *vq = &f->r->vq[VDRV_RX];
	uint32_t slot, len;
	int ret;

	ret = vdrv_vq_get(vq, &slot, &len);
	if (ret != 1)
		return ret < 0 ? bad(f, "used ring", ret) : 0;
	if (len > f->slot_size || *have + len > sizeof(frame_buf))
		return bad(f, "used length", -EPROTO);
	memcpy(frame_buf + *have, vdrv_mem_va(&f->r->mem, f->pool + (uint64_t)slot * f->slot_size),
	       len);
	*have += len;
	f->free_slot[f->nfree++] = slot;
	return 1;
}

static int rx_frame(struct flow *f)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int have = 0, nbuf = 1, i, want;
	size_t hlen = f->r->hdr_len;
	uint32_t seq, *expect;
	int ret;

	ret = rx_take(f, &have);
	if (ret <= 0)
		return ret;
	if (have < hlen)
		return bad(f, "first buffer is shorter than the header", -EPROTO);
	memset(&hdr, 0, sizeof(hdr));
	memcpy(&hdr, frame_buf, hlen);
	if (f->r->dev.features & VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF)) {
		nbuf = le16toh(hdr.num_buffers);
		want = (hlen + len_of(f, f->expect) + f->slot_size - 1) / f->slot_size;
		if (nbuf != want && !f->gaps && !f->other && vdrv_frame_ours(frame_buf + hlen, have - hlen))
			return bad(f, "num_buffers", -EPROTO);
	}
	for (i = 1; i < nbuf; i++) {
		ret = rx_take(f, &have);
		if (ret != 1)
			return ret ? ret : bad(f, "buffers of a frame came apart", -EPROTO);
	}
	if (!vdrv_frame_ours(frame_buf + hlen, have - hlen))
		return 1;
	if (vdrv_frame_check(frame_buf + hlen, have - hlen, &seq))
		return bad(f, "contents of a frame differ", -EBADMSG);
	expect = f->other && (seq ^ f->expect) & FLOW_OTHER ? f->other : &f->expect;
	if (f->gaps && seq > *expect)
		*expect = seq;
	if (seq != *expect)
		return bad(f, seq < *expect ? "a frame came twice" : "a frame was lost",
			   -EBADMSG);
	if (have - hlen != len_of(f, seq))
		return bad(f, "length of a frame differs", -EBADMSG);
	if (hdr.hdr.gso_type || hdr.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return bad(f, "header of a plain frame", -EBADMSG);
	++*expect;
	return 1;
}

int flow_rx_finish(struct flow *f, unsigned int timeout_ms)
{
	uint64_t end = t_now_ms() + timeout_ms;
	int ret;

	while (f->expect != f->next) {
		ret = rx_frame(f);
		if (ret < 0)
			return ret;
		if (rx_refill(f))
			return -EIO;
		if (ret)
			continue;
		if (t_now_ms() >= end)
			return bad(f, "frames do not arrive", -ETIMEDOUT);
		ret = sleep_on(f, &f->r->vq[VDRV_RX]);
		if (ret)
			return ret;
	}
	return 0;
}

int flow_rx(struct flow *f, unsigned int count)
{
	unsigned int n;
	int ret = 0;

	/* A whole batch at a time: what the tap queues must not overflow. */
	for (; count && !ret; count -= n) {
		n = count < f->batch ? count : f->batch;
		ret = flow_rx_send(f, n);
		if (!ret)
			ret = flow_rx_finish(f, STALL_MS);
	}
	return ret;
}

int both_open_flows(struct both *b)
{
	return flow_open_tx(&b->tx, &b->r) ?: flow_open_rx(&b->rx, &b->r);
}

int both_open(struct both *b, const struct rig_opt *o)
{
	return rig_open(&b->r, o) ?: both_open_flows(b);
}

int both_start(struct both *b, const struct rig_opt *o)
{
	return both_open(b, o) ?: rig_start(&b->r);
}

void both_close(struct both *b)
{
	flow_close(&b->tx);
	flow_close(&b->rx);
	rig_close(&b->r);
}

int both_run(struct both *b, unsigned int count)
{
	return flow_tx(&b->tx, count) ?: flow_rx(&b->rx, count);
}

int both_send(struct both *b, unsigned int out, unsigned int in)
{
	int ret = flow_tx_queue(&b->tx, out);

	if (!ret && vdrv_vq_kick(&b->r.vq[VDRV_TX]) < 0)
		ret = bad(&b->tx, "kick", -EIO);
	return ret ?: flow_rx_send(&b->rx, in);
}

int both_finish(struct both *b, unsigned int timeout_ms)
{
	return flow_tx_finish(&b->tx, timeout_ms) ?: flow_rx_finish(&b->rx, timeout_ms);
}

static bool told(const struct flow *f)
{
	return f->why && *f->why;
}

const char *both_why(const struct both *b)
{
	return told(&b->tx) ? b->tx.why : told(&b->rx) ? b->rx.why : "";
}

void both_report(const struct both *b, int ret, const char *fmt, ...)
{
	char name[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	t_ok(!ret, "%s: %s%s%s", name, t_err(ret),
	     told(&b->tx) ? ", out: " : told(&b->rx) ? ", in: " : "", both_why(b));
}
