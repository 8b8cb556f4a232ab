// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-scsi: who is there, and blocks of the disk id=n,lun=n that are written, read back and compared; whoever serves them
 * may be killed meanwhile. seconds=n, packed; "# unit ID LUN TYPE PRODUCT" says who is there. watch: it only tells of each
 * size that the unit gets; lock: and has its medium locked
 */
#include "rt/virtio.h"

#define SCSI		8
#define QUEUE		2	/* the first of those for requests */
#define BLOCK		512u
#define BLOCKS		64u
#define DEPTH		16u	/* commands under way */
#define LOST_MS		20000
#define VEC_QUEUE	0x50

struct request {
	u8 lun[8];
	u64 id;
	u8 attr, prio, crn, cdb[32];
} __attribute__((packed));

struct response {
	u32 sense_len, resid;
	u16 qualifier;
	u8 status, response, sense[96];
} __attribute__((packed));

/* struct slot - a command; @block: that it writes or reads, if it is one of many */
static struct slot {
	struct request *req;
	struct response *resp;
	u8 *data;
	bool busy;
	u32 block;
} slot[DEPTH];

static struct virtio v;
static struct vq q;
static u8 *data;
static u32 done;

static void nothing(struct regs *r)
{
	(void)r;
}

static void send(struct slot *s, u32 id, u32 lun, const u8 *cdb, u32 len, u32 out, u32 in)
{
	struct vbuf b[3] = { { s->req, sizeof(*s->req) } };
	u32 n = 1;

	*s->req = (struct request){ .lun = { 1, (u8)id, (u8)(0x40 | lun >> 8), (u8)lun }, .id = ++done };
	memcpy(s->req->cdb, cdb, len);
	memset(s->resp, 0xff, sizeof(*s->resp));
	s->busy = true;
	if (out)
		b[n++] = (struct vbuf){ s->data, out };
	b[n++] = (struct vbuf){ s->resp, sizeof(*s->resp) };
	if (in)
		b[n++] = (struct vbuf){ s->data, in };
	if (!vq_add(&q, b, out ? 2 : 1, in ? 2 : 1, s))
		rt_die("the ring overflows");
}

/* Return: one that has ended; or NULL, they are lost */
static struct slot *ended(void)
{
	struct slot *s;
	u32 seen;

	do {
		seen = irq_count[VEC_QUEUE];
		vq_irq(&q, true);
		s = vq_pop(&q, NULL);
	} while (!s && wait_until(irq_count[VEC_QUEUE] != seen, LOST_MS));
	if (s)
		s->busy = false;
	return s;
}

/* The first one that a process gets, be it in the place of another, is told of a reset. */
static bool is_attention(const struct slot *s)
{
	return !s->resp->response && s->resp->status == 2 && (s->resp->sense[2] & 15) == 6;
}

static bool is_good(const struct slot *s)
{
	return !s->resp->response && !s->resp->status;
}

/* Return: whether it went well; what has come is in @data */
static bool command(u32 id, u32 lun, const u8 *cdb, u32 len, u32 out, u32 in)
{
	do {
		send(&slot[0], id, lun, cdb, len, out, in);
		vq_kick(&q);
		if (!ended())
			rt_die("command 0x%x is lost", cdb[0]);
	} while (is_attention(&slot[0]));
	return is_good(&slot[0]);
}

static void introduce(u32 id, u32 lun)
{
	const u8 inquiry[6] = { 0x12, 0, 0, 0, 36 };
	char product[17] = "";
	u32 i;

	if (!command(id, lun, inquiry, 6, 0, 36) || data[0] & 0xe0)
		return;
	memcpy(product, data + 16, 16);
	for (i = 16; i && product[i - 1] == ' '; i--)
		product[i - 1] = 0;
	rt_printf("# unit %u %u %s %s\n", id, lun, data[0] ? "cd" : "disk", product);
}

static bool capacity(u32 id, u32 lun, u32 *blocks)
{
	const u8 cdb[10] = { 0x25 };
	bool ok = command(id, lun, cdb, 10, 0, 8);

	*blocks = ((u32)data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3]) + 1;
	return ok && data[6] == BLOCK >> 8;
}

/* For so long */
static void watch(u32 id, u32 lun, u64 end)
{
	const u8 prevent[6] = { 0x1e, 0, 0, 0, 1 };
	u32 blocks, seen = ~0u;

	if (cmdline_has("lock"))
		report(command(id, lun, prevent, 6, 0, 0), "it is locked");
	while (rdtsc() < end) {
		capacity(id, lun, &blocks);
		if (!is_good(&slot[0]))
			blocks = 0;
		if (blocks != seen)
			rt_printf("# now %u\n", blocks);
		seen = blocks;
	}
}

static u64 pattern(u32 block, u32 generation)
{
	return ((u64)block << 32 | generation) * 0x0123456789abcdefull;
}

static void fill(const struct slot *s, u32 generation)
{
	u64 *word = (void *)s->data;
	u32 i;

	for (i = 0; i < BLOCK / 8; i++)
		word[i] = pattern(s->block, generation) + i;
}

static bool is_filled(const struct slot *s, u32 generation)
{
	const u64 *word = (const void *)s->data;
	u32 i;

	for (i = 0; i < BLOCK / 8 && word[i] == pattern(s->block, generation) + i; i++)
		;
	return i == BLOCK / 8;
}

static void transfer(struct slot *s, u32 id, u32 lun, bool write, u32 generation)
{
	u8 cdb[10] = { write ? 0x2a : 0x28, 0, 0, 0, (u8)(s->block >> 8), (u8)s->block, 0, 0, 1 };

	memset(s->data, 0, BLOCK);
	if (write)
		fill(s, generation);
	send(s, id, lun, cdb, 10, write ? BLOCK : 0, write ? 0 : BLOCK);
}

/* All blocks, as many at a time as there are slots. Return: those that went wrong */
static u32 all(u32 id, u32 lun, bool write, u32 generation)
{
	u32 next = 0, left = BLOCKS, bad = 0, i;
	struct slot *s;

	while (left) {
		for (i = 0; i < DEPTH && next < BLOCKS; i++) {
			if (slot[i].busy)
				continue;
			slot[i].block = next++;
			transfer(&slot[i], id, lun, write, generation);
		}
		vq_kick(&q);
		s = ended();
		if (!s)
			rt_die("of %u commands one is lost", done);
		if (is_attention(s)) {
			transfer(s, id, lun, write, generation);
			continue;
		}
		bad += !is_good(s) || (!write && !is_filled(s, generation));
		left--;
	}
	return bad;
}

static bool start(void)
{
	if (!virtio_negotiate(&v, cmdline_has("packed") ? VF_PACKED : 0))
		return false;
	msix_fmask(&v.msix, true);
	msix_enable(&v.msix, true);
	msix_set(&v.msix, 0, VEC_QUEUE);
	msix_fmask(&v.msix, false);
	if (!vq_setup(&q, &v, QUEUE, 64, 0))
		return false;
	virtio_driver_ok(&v);
	return true;
}

int main(void)
{
	u32 id = cmdline_num("id", 0), lun = cmdline_num("lun", 0), blocks, i, bad = 0;
	u64 end = rdtsc() + cmdline_num("seconds", 0) * 1000 * tsc_per_ms();

	if (!virtio_find(&v, SCSI, 0))
		rt_die("no virtio-scsi");
	irq_set(VEC_QUEUE, nothing);
	for (i = 0; i < DEPTH; i++) {
		slot[i].req = alloc_pages(1);
		slot[i].resp = alloc_pages(1);
		slot[i].data = alloc_pages(1);
	}
	data = slot[0].data;
	if (!report(start(), "it starts"))
		return 0;
	for (i = 0; i < 32; i++)
		introduce(i / 4, i % 4);
	if (cmdline_has("watch")) {
		watch(id, lun, end);
		return 0;
	}
	if (!report(capacity(id, lun, &blocks), "it has a capacity"))
		return 0;
	rt_printf("# %u blocks\n", blocks);
	rt_printf("# ready\n");
	for (i = 0; !i || rdtsc() < end; i++)
		bad += all(id, lun, true, i) + all(id, lun, false, i);
	report(!bad, "%u of %u commands went wrong", bad, done);
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
