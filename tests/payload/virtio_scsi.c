// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-scsi: who is there, and blocks of the disk id=n,lun=n that are written, read back and compared; whoever serves them
 * may be killed meanwhile. seconds=n, packed; "# unit ID LUN TYPE PRODUCT" says who is there
 */
#include "rt/virtio.h"

#define SCSI		8
#define QUEUE		2	/* the first of those for requests */
#define BLOCK		512u
#define BLOCKS		64u
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

static struct virtio v;
static struct vq q;
static struct request *req;
static struct response *resp;
static u8 *data;
static u32 done;

static void nothing(struct regs *r)
{
	(void)r;
}

/* Return: whether it went well; what has come is in @data */
static bool command_once(u32 id, u32 lun, const u8 *cdb, u32 len, u32 out, u32 in)
{
	struct vbuf b[3] = { { req, sizeof(*req) } };
	u32 n = 1, seen = irq_count[VEC_QUEUE];

	*req = (struct request){ .lun = { 1, (u8)id, (u8)(0x40 | lun >> 8), (u8)lun }, .id = ++done };
	memcpy(req->cdb, cdb, len);
	memset(resp, 0xff, sizeof(*resp));
	if (out)
		b[n++] = (struct vbuf){ data, out };
	b[n++] = (struct vbuf){ resp, sizeof(*resp) };
	if (in)
		b[n++] = (struct vbuf){ data, in };
	vq_irq(&q, true);
	if (!vq_add(&q, b, out ? 2 : 1, in ? 2 : 1, req))
		rt_die("the ring overflows");
	vq_kick(&q);
	if (!wait_until(irq_count[VEC_QUEUE] != seen && vq_pop(&q, NULL), LOST_MS))
		rt_die("command 0x%x is lost", cdb[0]);
	return !resp->response && !resp->status;
}

/* The first one that a process gets, be it in the place of another, is told of a reset. */
static bool command(u32 id, u32 lun, const u8 *cdb, u32 len, u32 out, u32 in)
{
	return command_once(id, lun, cdb, len, out, in) ||
	       (resp->status == 2 && (resp->sense[2] & 15) == 6 && command_once(id, lun, cdb, len, out, in));
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

static u64 pattern(u32 block, u32 generation)
{
	return ((u64)block << 32 | generation) * 0x0123456789abcdefull;
}

static bool transfer(u32 id, u32 lun, u32 block, bool write)
{
	u8 cdb[10] = { write ? 0x2a : 0x28, 0, 0, 0, (u8)(block >> 8), (u8)block, 0, 0, 1 };

	return command(id, lun, cdb, 10, write ? BLOCK : 0, write ? 0 : BLOCK);
}

/* Return: blocks that went wrong */
static u32 round(u32 id, u32 lun, u32 generation)
{
	u64 *word = (void *)data;
	u32 block, i, bad = 0;

	for (block = 0; block < BLOCKS; block++) {
		for (i = 0; i < BLOCK / 8; i++)
			word[i] = pattern(block, generation) + i;
		bad += !transfer(id, lun, block, true);
	}
	for (block = 0; block < BLOCKS; block++) {
		memset(data, 0, BLOCK);
		bad += !transfer(id, lun, block, false);
		for (i = 0; i < BLOCK / 8 && word[i] == pattern(block, generation) + i; i++)
			;
		bad += i != BLOCK / 8;
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
	if (!vq_setup(&q, &v, QUEUE, 32, 0))
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
	req = alloc_pages(1);
	resp = alloc_pages(1);
	data = alloc_pages(1);
	if (!report(start(), "it starts"))
		return 0;
	for (i = 0; i < 32; i++)
		introduce(i / 4, i % 4);
	if (!report(capacity(id, lun, &blocks), "it has a capacity"))
		return 0;
	rt_printf("# %u blocks\n", blocks);
	rt_printf("# ready\n");
	for (i = 0; !i || rdtsc() < end; i++)
		bad += round(id, lun, i);
	report(!bad, "%u of %u commands went wrong", bad, done);
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
