// SPDX-License-Identifier: GPL-2.0
/* A stream to port 7 of CID 2, where everything comes back; and one to where nobody is. */
#include "rt/virtio.h"

#define VSOCK		19
#define HOST		2
#define ECHO		7
#define STREAM		1
#define LOST_MS		15000
#define BUFS		4

enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW };

struct packet {
	u64 src, dst;
	u32 sport, dport, len;
	u16 type, op;
	u32 flags, buf_alloc, fwd_cnt;
	u8 data[84];
} __attribute__((packed));

#define HDR	44

static struct virtio v;
static struct vq q[3];		/* rx, tx, events */
static struct packet *out, *in;

static void post(struct packet *p)
{
	struct vbuf b = { p, sizeof(*p) };

	if (!vq_add(&q[0], &b, 0, 1, p))
		rt_die("the ring overflows");
	vq_kick(&q[0]);
}

/* Return: what comes back */
static struct packet *ask(u64 cid, u32 port, u16 op, const char *data)
{
	struct vbuf b = { out, HDR + strlen(data) };
	struct packet *p = NULL;
	u32 len;

	*out = (struct packet){
		.src = cid, .dst = HOST, .sport = 1024, .dport = port, .len = strlen(data), .type = STREAM, .op = op,
		.buf_alloc = 65536,
	};
	memcpy(out->data, data, strlen(data));
	if (!vq_add(&q[1], &b, 1, 0, out))
		rt_die("the ring overflows");
	vq_kick(&q[1]);
	if (!wait_until(vq_pop(&q[1], NULL), LOST_MS) || !wait_until((p = vq_pop(&q[0], &len)) != NULL, LOST_MS))
		rt_die("the device does not answer");
	if (p->dst != cid || p->src != HOST || p->sport != port || p->dport != 1024 || len != HDR + p->len)
		rt_die("the answer is somebody else's");
	return p;
}

int main(void)
{
	u32 rounds = cmdline_num("rounds", 20), good = 0, i;
	struct packet *p;
	u64 cid;

	out = alloc_zeroed(4096);
	in = alloc_zeroed(4096);
	if (!virtio_find(&v, VSOCK, 0))
		rt_die("no virtio-vsock");
	report(virtio_negotiate(&v, 0) && mmio_r16(v.common + VC_NUMQ) == 3, "it has three queues");
	cid = mmio_r32(v.dev) | (u64)mmio_r32(v.dev + 4) << 32;
	report(cid == 3, "this is CID %lu", cid);
	for (i = 0; i < ARRAY_SIZE(q); i++)
		if (!vq_setup(&q[i], &v, (u16)i, 16, NO_VECTOR))
			rt_die("no queues");
	virtio_driver_ok(&v);
	for (i = 0; i < BUFS; i++)
		post(in + i);
	p = ask(cid, ECHO, REQUEST, "");
	report(p->op == RESPONSE, "port 7 is open");
	post(p);
	for (i = 0; i < rounds; i++) {
		p = ask(cid, ECHO, RW, "hello, vsock");
		good += p->op == RW && p->len == 12 && !memcmp(p->data, "hello, vsock", 12);
		post(p);
	}
	report(good == rounds, "%u of %u packets come back", good, rounds);
	p = ask(cid, ECHO, SHUTDOWN, "");
	report(p->op == RST, "port 7 is closed");
	post(p);
	report(ask(cid, 8, REQUEST, "")->op == RST, "there is no port 8");
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
