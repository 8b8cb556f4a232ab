// SPDX-License-Identifier: GPL-2.0
/* virtio-net for the payloads. See net.h. */
#include "net.h"

static void nothing(struct regs *r)
{
	(void)r;
}

static struct virtio *isr_of;

static void on_intx(struct regs *r)
{
	(void)r;
	virtio_isr(isr_of);
}

/* In front of each frame: without VERSION_1 and MRG_RXBUF there is no count of buffers. */
static u32 hdr_len(const struct net *n)
{
	return sizeof(struct net_hdr) - (n->v.port && !(n->v.features & NF_MRG_RXBUF) ? 2 : 0);
}

void net_find(struct net *n)
{
	unsigned int i;

	memset(n, 0, sizeof(*n));
	if (!virtio_find(&n->v, VIRTIO_NET, 0))
		rt_die("no virtio-net with its capabilities");
	n->want_qsize = n->v.port ? legacy_size(&n->v, 0) : cmdline_num("qsize", 64);
	if (!n->want_qsize)
		rt_die("the size of queue 0");
	n->rx_size = cmdline_num("rxbuf", 2048);
	n->use_msix = n->v.has_msix && !cmdline_has("intx");
	n->whole = alloc_pages(17);
	for (i = 0; i < n->want_qsize; i++) {
		n->rxbuf[i] = alloc_pages(1);
		n->txbuf[i] = alloc_pages(1);
	}
	irq_set(VEC_CONFIG, nothing);
	irq_set(VEC_RX, nothing);
	irq_set(VEC_TX, nothing);
	irq_set(VEC_NET_INTX, on_intx);
}

static void post_rx(struct net *n, u8 *buf)
{
	struct vbuf b = { buf, n->rx_size };

	if (!vq_add(&n->rx, &b, 0, 1, buf))
		rt_die("the receive ring overflows");
}

void net_mac(struct net *n, u8 *mac)
{
	unsigned int i;

	for (i = 0; i < 6; i++)
		mac[i] = virtio_config(&n->v, i, 1);
}

/* Pairs behind the first one, and the control queue, polled: behind all pairs with MQ or RSS, behind the first without. */
static bool start_more(struct net *n)
{
	u16 i, nr = 2;

	n->pairs = 1;
	if (n->v.features & (NF_MQ | NF_RSS)) {
		n->pairs = virtio_config(&n->v, 8, 2);
		if (n->pairs > NET_MAX_PAIRS)
			return false;
		nr = 2 * n->pairs;
	}
	for (i = 2; i < nr; i++)
		if (!vq_setup(&n->more[i], &n->v, i, 16, NO_VECTOR))
			return false;
	return !(n->v.features & NF_CTRL_VQ) || vq_setup(&n->ctrl, &n->v, nr, 16, NO_VECTOR);
}

u8 net_command(struct net *n, u8 class, u8 cmd, const void *data, u32 len)
{
	static u8 *buf;
	struct vbuf b[3];
	u32 out = len ? 2 : 1;

	if (!buf)
		buf = alloc_pages(1);
	buf[0] = class;
	buf[1] = cmd;
	memcpy(buf + 16, data, len);
	buf[2048] = 0x55;
	b[0] = (struct vbuf){ buf, 2 };
	b[1] = (struct vbuf){ buf + 16, len };
	b[out] = (struct vbuf){ buf + 2048, 1 };
	if (!vq_add(&n->ctrl, b, out, 1, buf))
		return 0x55;
	vq_kick(&n->ctrl);
	return wait_until(vq_pop(&n->ctrl, NULL), 15000) ? buf[2048] : 0x55;
}

bool net_start(struct net *n, u64 want)
{
	struct virtio *v = &n->v;
	unsigned int i;

	if (!virtio_negotiate(v, want | NF_MAC))
		return false;
	if (!(v->features & NF_MRG_RXBUF) && n->rx_size < 1526)
		return false;
	net_mac(n, n->mac);
	if (v->has_msix) {
		msix_fmask(&v->msix, true);
		msix_enable(&v->msix, n->use_msix);
		for (i = 0; n->use_msix && i < 3; i++)
			msix_set(&v->msix, i, VEC_CONFIG + i);
		msix_fmask(&v->msix, false);
	}
	if (!n->use_msix) {
		isr_of = v;
		ioapic_route(pci_intx_pin(v->devfn), VEC_NET_INTX, true,
			     !cmdline_has("vmm=qemu"), false);
	}
	virtio_config_vector(v, n->use_msix ? 0 : NO_VECTOR);
	if (!vq_setup(&n->rx, v, 0, n->want_qsize, n->use_msix ? 1 : NO_VECTOR) ||
	    !vq_setup(&n->tx, v, 1, n->want_qsize, n->use_msix ? 2 : NO_VECTOR) || !start_more(n))
		return false;
	n->tx_sent = n->tx_done = n->rx_frames = n->rx_bad = 0;
	n->rx_max_bufs = 0;
	for (i = 0; i < n->rx.size; i++)
		post_rx(n, n->rxbuf[i]);
	virtio_driver_ok(v);
	vq_kick(&n->rx);
	return true;
}

void net_reap(struct net *n)
{
	while (vq_pop(&n->tx, NULL))
		n->tx_done++;
}

bool net_send(struct net *n, u8 op, u32 seq, u32 arg, u32 len, bool kick)
{
	u32 slot = n->tx_sent % n->tx.size, i;
	u8 *buf = n->txbuf[slot];
	struct net_hdr *h = (void *)buf;
	struct frame *f = (void *)(buf + hdr_len(n));
	struct vbuf b[2] = { { h, hdr_len(n) }, { f, len } };

	/* A slot's buffer is free only when all before it are; the device uses them in order. */
	net_reap(n);
	if (n->tx_sent - n->tx_done >= n->tx.size / 2) {
		vq_kick(&n->tx);
		if (!wait_until((net_reap(n), n->tx_sent - n->tx_done < n->tx.size / 2), 5000))
			return false;
	}
	memset(h, 0, sizeof(*h));
	memset(f->dst, 0xff, 6);
	memcpy(f->src, n->mac, 6);
	f->type = __builtin_bswap16(NET_TYPE);
	f->op = op;
	f->pad = 0;
	f->seq = be32(seq);
	f->arg = be32(arg);
	for (i = 0; i < len - sizeof(*f); i++)
		f->data[i] = seq + i;
	if (!vq_add(&n->tx, b, 2, 0, buf))
		return false;
	n->tx_sent++;
	if (kick)
		vq_kick(&n->tx);
	return true;
}

bool net_data_ok(const struct frame *f, u32 len)
{
	u8 seq = be32(f->seq);
	u32 i;

	for (i = 0; i < len - sizeof(*f); i++)
		if (f->data[i] != (u8)(seq + i))
			return false;
	return true;
}

struct frame *net_recv(struct net *n, u8 op, u32 *len)
{
	struct frame *f = NULL;
	u32 used, total = 0, bufs = 1, got = 0;
	u8 *buf;

	while ((buf = vq_pop(&n->rx, &used))) {
		u32 skip = 0;

		if (used > n->rx_size)
			rt_die("%u bytes used of a buffer of %u", used, n->rx_size);
		if (!got) {
			struct net_hdr *h = (void *)buf;

			skip = hdr_len(n);
			total = 0;
			bufs = n->v.features & NF_MRG_RXBUF ? h->num_buffers : 1;
			if (used < skip || !bufs || bufs > n->rx.size)
				rt_die("received %u bytes in %u buffers", used, bufs);
			if (bufs > n->rx_max_bufs)
				n->rx_max_bufs = bufs;
		}
		if (total + used - skip > 65536)
			rt_die("a frame of more than 64 KiB");
		memcpy(n->whole + total, buf + skip, used - skip);
		total += used - skip;
		post_rx(n, buf);
		if (++got < bufs) {
			/* The rest of a frame was published with its first buffer. */
			if (!vq_used(&n->rx))
				rt_die("a frame of %u buffers came in pieces", bufs);
			continue;
		}
		got = 0;
		f = (void *)n->whole;
		if (total < sizeof(*f) || f->type != __builtin_bswap16(NET_TYPE))
			continue;
		n->rx_frames++;
		if (!net_data_ok(f, total))
			n->rx_bad++;
		if (f->op != op)
			continue;
		vq_kick(&n->rx);
		*len = total;
		return f;
	}
	vq_kick(&n->rx);
	return NULL;
}

void net_drain(struct net *n)
{
	u64 end = rdtsc() + 40000 * tsc_per_ms(), quiet = 0;
	u32 l;

	/* A question of our own is answered after all that was asked before. */
	u32 tag = be32(rt_random());

	net_send(n, 'E', tag, 0, 60, true);
	while (rdtsc() < end) {
		struct frame *f = net_recv(n, 'e', &l);

		if (f && be32(f->seq) == tag)
			break;
		if (f || !quiet)
			quiet = rdtsc() + 1000 * tsc_per_ms();
		/* It may have been lost in a full queue: ask again. */
		if (rdtsc() > quiet) {
			net_send(n, 'E', tag, 0, 60, true);
			quiet = 0;
		}
		let_irqs(0);
	}
}

u32 net_echo(struct net *n, u32 count, u32 len, u32 window)
{
	u32 base = rt_random() & 0xffffff00, sent = 0, good = 0, next = 0, l;
	u64 deadline;

	net_drain(n);
	while (next < count) {
		struct frame *f;

		while (sent < count && sent - next < window)
			if (!net_send(n, 'E', base + sent++, 0, len, true))
				return good;
		deadline = rdtsc() + 15000 * tsc_per_ms();
		sti();
		while (!((f = net_recv(n, 'e', &l)) && be32(f->seq) - base < count) && rdtsc() < deadline)
			pause();
		cli();
		if (!f)
			break;
		if (l == (len < 60 ? 60 : len) || l == len)
			good += be32(f->seq) == base + next && !memcmp(f->dst, n->mac, 6);
		next++;
	}
	return good;
}

u32 net_burst(struct net *n, u32 count, u32 len, u32 ms)
{
	u64 deadline = rdtsc() + ms * tsc_per_ms();
	u32 got = 0, l;

	if (!net_send(n, 'B', 0, count << 16 | len, 60, true))
		return 0;
	sti();
	while (got < count && rdtsc() < deadline) {
		struct frame *f = net_recv(n, 'b', &l);

		if (!f) {
			pause();
			continue;
		}
		if (l == len && be32(f->seq) == got)
			got++;
		else
			break;
	}
	cli();
	return got;
}

/* ---- ARP: where the peer is a network ---- */

struct arp {
	u8 dst[6], src[6];
	u16 type, hw, proto;
	u8 hw_len, proto_len;
	u16 op;
	u8 from_mac[6], from_ip[4], to_mac[6], to_ip[4];
} __attribute__((packed));

void net_arp_ask(struct net *n, u8 *buf, const u8 *mac, u8 gateway)
{
	struct net_hdr *h = (void *)buf;
	struct arp *a = (void *)(buf + hdr_len(n));
	struct vbuf b[2] = { { h, hdr_len(n) }, { a, 60 } };

	memset(buf, 0, hdr_len(n) + 60);
	memset(a->dst, 0xff, 6);
	memcpy(a->src, mac, 6);
	a->type = __builtin_bswap16(0x0806);
	a->hw = __builtin_bswap16(1);
	a->proto = __builtin_bswap16(0x0800);
	a->hw_len = 6;
	a->proto_len = 4;
	a->op = __builtin_bswap16(1);
	memcpy(a->from_mac, mac, 6);
	memcpy(a->from_ip, (u8[]){ 10, 0, 2, 15 }, 4);
	memcpy(a->to_ip, (u8[]){ 10, 0, 2, gateway }, 4);
	if (!vq_add(&n->tx, b, 2, 0, buf))
		return;
	n->tx_sent++;
	vq_kick(&n->tx);
}

bool net_arp_answered(struct net *n, const u8 *mac, u8 gateway)
{
	struct vbuf b = { NULL, n->rx_size };
	bool good = false;
	struct arp *a;
	u32 len;

	net_reap(n);
	while ((b.p = vq_pop(&n->rx, &len))) {
		a = (void *)((u8 *)b.p + hdr_len(n));
		if (len >= hdr_len(n) + sizeof(*a) && a->type == __builtin_bswap16(0x0806) &&
		    a->op == __builtin_bswap16(2) && a->from_ip[3] == gateway && !memcmp(a->dst, mac, 6))
			good = true;
		vq_add(&n->rx, &b, 0, 1, b.p);
	}
	vq_kick(&n->rx);
	return good;
}
