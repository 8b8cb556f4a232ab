// SPDX-License-Identifier: GPL-2.0
/*
 * A balloon: what the device asks for is given, what it does not want any more is taken back, and is empty then.
 * "# actual N" says how many pages the device has. It ends when the device, having had some, wants none; oom,
 * reporting: the device is to offer these
 */
#include "rt/virtio.h"

#define BALLOON		5
#define BF_OOM		(1ull << 2)
#define BF_REPORTING	(1ull << 5)
#define CONFIG_PAGES	0
#define CONFIG_ACTUAL	4
#define BATCH		256u
#define PAGES_MAX	8192u
#define VEC_CONFIG	0x50
#define LOST_MS		15000

static struct virtio v;
static struct vq q[2];		/* inflate, deflate */
static u64 *page[PAGES_MAX];
static u32 made, given, dirty, *pfn;

static void nothing(struct regs *r)
{
	(void)r;
}

static bool send(struct vq *vq, u32 first, u32 n)
{
	struct vbuf b = { pfn, 4 * n };
	u32 i;

	for (i = 0; i < n; i++)
		pfn[i] = (u64)page[first + i] >> 12;
	if (!vq_add(vq, &b, 1, 0, pfn))
		rt_die("the ring overflows");
	vq_kick(vq);
	return wait_until(vq_pop(vq, NULL), LOST_MS);
}

static bool inflate(u32 n)
{
	for (; made < given + n; made++)
		page[made] = alloc_pages(1);
	for (u32 i = given; i < given + n; i++)
		page[i][7] = 0x5555555555555555;
	if (!send(&q[0], given, n))
		return false;
	given += n;
	return true;
}

static bool deflate(u32 n)
{
	u32 i;

	if (!send(&q[1], given - n, n))
		return false;
	for (i = given - n; i < given; i++)
		dirty += page[i][7] != 0;
	given -= n;
	return true;
}

/* Return: whether something was done */
static bool follow(u32 want)
{
	bool ok;
	u32 n;

	if (want > PAGES_MAX)
		rt_die("%u pages are too many", want);
	if (want == given)
		return false;
	n = want > given ? want - given : given - want;
	n = n < BATCH ? n : BATCH;
	ok = want > given ? inflate(n) : deflate(n);
	if (!ok)
		rt_die("the device does not answer");
	mmio_w32(v.dev + CONFIG_ACTUAL, given);
	if (given == want)
		rt_printf("# actual %u\n", given);
	return true;
}

static bool start(void)
{
	if (!virtio_negotiate(&v, cmdline_has("packed") ? VF_PACKED : 0))
		return false;
	msix_fmask(&v.msix, true);
	msix_enable(&v.msix, true);
	msix_set(&v.msix, 0, VEC_CONFIG);
	msix_fmask(&v.msix, false);
	mmio_w16(v.common + VC_MSIX, 0);
	if (!vq_setup(&q[0], &v, 0, 128, NO_VECTOR) || !vq_setup(&q[1], &v, 1, 128, NO_VECTOR))
		return false;
	virtio_driver_ok(&v);
	return true;
}

int main(void)
{
	u64 own = (cmdline_has("oom") ? BF_OOM : 0) | (cmdline_has("reporting") ? BF_REPORTING : 0);
	bool had = false;
	u32 told;

	if (!virtio_find(&v, BALLOON, 0))
		rt_die("no virtio-balloon");
	irq_set(VEC_CONFIG, nothing);
	pfn = alloc_pages(1);
	report((virtio_offered(&v) & (BF_OOM | BF_REPORTING)) == own, "it offers what it was told to");
	if (!report(start(), "it starts"))
		return 0;
	rt_printf("# ready\n");
	while (!had || given) {
		told = irq_count[VEC_CONFIG];
		while (follow(mmio_r32(v.dev + CONFIG_PAGES)))
			;
		had |= given;
		if ((!had || given) && !wait_until(irq_count[VEC_CONFIG] != told, LOST_MS))
			rt_die("the device wants nothing any more: %u pages", given);
	}
	report(!dirty, "%u pages still hold what they did", dirty);
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
