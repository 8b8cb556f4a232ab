// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk: blocks are written, flushed and read back and compared, several at a time. An interrupt that does
 * not come is an error, as is any status but OK: whoever serves the disk may be killed meanwhile.
 *
 * depth=n, blocks=n of 4 KiB, seconds=n: writes and reads at least so long, then reads all of it once more;
 * packed, event, indirect: switch these on; legacy: by that interface
 * again: a device that needs a reset gets one, once, and all is written anew
 */
#include "rt/virtio.h"

#define VIRTIO_BLK	2
#define BF_RO		(1ull << 5)
#define BF_FLUSH	(1ull << 9)
#define T_IN		0
#define T_OUT		1
#define T_FLUSH		4
#define BLOCK		4096u
#define SECTORS		(BLOCK / 512)
#define WORDS		(BLOCK / 8)
#define VEC_CONFIG	0x50
#define VEC_QUEUE	0x51
#define DEPTH_MAX	32
#define BLOCKS_MAX	4096
#define LOST_MS		20000

struct slot {
	struct {
		u32 type, reserved;
		u64 sector;
	} hdr;
	u64 *data;
	volatile u8 status;
	u32 block;
	bool busy;
};

static struct virtio v;
static struct vq q;
static struct slot slot[DEPTH_MAX];
/* How often each block was written; of a block one request at a time is under way */
static u32 written[BLOCKS_MAX];
static bool taken[BLOCKS_MAX];
static u32 depth, blocks, done, failed, differ;

static void nothing(struct regs *r)
{
	(void)r;
}

/* Word @i of a block; the host reads the block's number and generation back from it. */
static u64 pattern(u32 block, u32 generation, u32 i)
{
	return ((u64)block << 32 | generation) + i * 0x0123456789abcdefull;
}

static void submit(struct slot *s, u32 type, u32 block)
{
	struct vbuf b[3] = { { &s->hdr, sizeof(s->hdr) } };
	u32 n = 1, i;

	s->hdr.type = type;
	s->hdr.reserved = 0;
	s->hdr.sector = type == T_FLUSH ? 0 : (u64)block * SECTORS;
	s->block = block;
	s->busy = true;
	s->status = 0xff;
	for (i = 0; type == T_OUT && i < WORDS; i++)
		s->data[i] = pattern(block, written[block], i);
	if (type == T_IN)
		for (i = 0; i < WORDS; i++)
			s->data[i] = 0;
	if (type != T_FLUSH)
		b[n++] = (struct vbuf){ s->data, BLOCK };
	b[n++] = (struct vbuf){ (void *)&s->status, 1 };
	if (!vq_add(&q, b, type == T_OUT ? 2 : 1, type == T_IN ? 2 : 1, s))
		rt_die("the ring overflows");
}

static void complete(struct slot *s)
{
	u32 i;

	s->busy = false;
	done++;
	if (s->status)
		failed++;
	if (s->hdr.type == T_FLUSH)
		return;
	taken[s->block] = false;
	for (i = 0; s->hdr.type == T_IN && i < WORDS; i++) {
		if (s->data[i] == pattern(s->block, written[s->block], i))
			continue;
		if (!differ++)
			rt_printf("# block %u, word %u: 0x%lx, written %u times\n", s->block, i, s->data[i],
				  written[s->block]);
		return;
	}
}

static bool reap(void)
{
	struct slot *s;
	bool any = false;

	while ((s = vq_pop(&q, NULL))) {
		complete(s);
		any = true;
	}
	return any;
}

/* By interrupt only: what is in the ring without one is not looked at. */
static bool reap_some(void)
{
	u32 seen = irq_count[VEC_QUEUE];

	vq_irq(&q, true);
	if (reap())
		return true;
	/* a change of the configuration: it needs a reset */
	wait_until(irq_count[VEC_QUEUE] != seen || irq_count[VEC_CONFIG], LOST_MS);
	return irq_count[VEC_QUEUE] != seen;
}

static bool idle(void)
{
	u32 i;

	for (i = 0; i < depth; i++)
		if (slot[i].busy)
			return false;
	return true;
}

static bool drain(void)
{
	vq_kick(&q);
	while (!idle())
		if (!reap_some())
			return false;
	return true;
}

static u32 free_block(void)
{
	u32 b = rt_random() % blocks;

	while (taken[b])
		b = (b + 1) % blocks;
	taken[b] = true;
	return b;
}

/* One more request for each slot that has none; in 16 a flush. */
static void refill(void)
{
	u32 i, b;

	for (i = 0; i < depth; i++) {
		if (slot[i].busy)
			continue;
		if (!(rt_random() & 15)) {
			submit(&slot[i], T_FLUSH, 0);
			continue;
		}
		b = free_block();
		if (written[b] && rt_random() & 1) {
			submit(&slot[i], T_IN, b);
		} else {
			written[b]++;
			submit(&slot[i], T_OUT, b);
		}
	}
	vq_kick(&q);
}

static bool read_all(void)
{
	u32 b;

	for (b = 0; b < blocks; b++) {
		if (!written[b])
			continue;
		taken[b] = true;
		submit(&slot[0], T_IN, b);
		if (!drain())
			return false;
	}
	return true;
}

static bool start(void)
{
	u64 want = BF_FLUSH;

	want |= cmdline_has("packed") ? VF_PACKED : 0;
	want |= cmdline_has("event") ? VF_EVENT_IDX : 0;
	want |= cmdline_has("indirect") ? VF_INDIRECT : 0;
	if (!virtio_negotiate(&v, want) || v.features & BF_RO)
		return false;
	msix_fmask(&v.msix, true);
	msix_enable(&v.msix, true);
	msix_set(&v.msix, 0, VEC_CONFIG);
	msix_set(&v.msix, 1, VEC_QUEUE);
	msix_fmask(&v.msix, false);
	virtio_config_vector(&v, 0);
	if (!vq_setup(&q, &v, 0, 128, 1))
		return false;
	virtio_driver_ok(&v);
	return true;
}

/* Of what was under way, and of what was not flushed, nobody knows. */
static bool start_again(void)
{
	u32 i;

	for (i = 0; i < depth; i++)
		slot[i].busy = false;
	for (i = 0; i < blocks; i++) {
		written[i] = 0;
		taken[i] = false;
	}
	irq_count[VEC_CONFIG] = 0;
	if (!start())
		return false;
	rt_printf("# again\n");
	return true;
}

int main(void)
{
	bool again = cmdline_has("again"), ok;
	u64 end;
	u32 i, said = 0;

	if (!virtio_find(&v, VIRTIO_BLK, 0))
		rt_die("no virtio-blk with its capabilities");
	irq_set(VEC_CONFIG, nothing);
	irq_set(VEC_QUEUE, nothing);
	depth = cmdline_num("depth", 8);
	blocks = cmdline_num("blocks", 256);
	if (!depth || depth > DEPTH_MAX || blocks < depth || blocks > BLOCKS_MAX)
		rt_die("depth= or blocks=");
	for (i = 0; i < depth; i++)
		slot[i].data = alloc_pages(1);
	if (!report(start(), "it starts"))
		return 0;
	rt_printf("# %u sectors\n", virtio_config(&v, 0, 4));
	rt_printf("# ready\n");
	end = rdtsc() + cmdline_num("seconds", 1) * 1000 * tsc_per_ms();
	do {
		refill();
		ok = reap_some();
		if (!ok && again && virtio_status(&v) & VS_NEEDS_RESET) {
			again = false;
			ok = start_again();
		}
		/* For who waits for it to get on */
		if (done >> 6 != said) {
			said = done >> 6;
			rt_printf("# done %u\n", done);
		}
	} while (ok && !failed && !differ && rdtsc() < end);
	ok = ok && drain();
	report(ok, "no request is lost: %u done", done);
	ok = ok && read_all();
	report(ok, "all of it is read once more: %u done", done);
	report(!failed, "%u failed", failed);
	report(!differ, "%u differ", differ);
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
