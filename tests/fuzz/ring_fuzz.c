// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile driver for the ring engine (libFuzzer).
 *
 * The input lays out guest memory and a ring of either layout, then lists operations: writes anywhere,
 * also in the middle of an engine call; accesses that fail; pops, completions, rewinds, restarts.
 * Rings and regions are allocated to the byte, so that ASan sees what the hook does not; rings in
 * pages are seen by the engine through other mappings than by the driver.
 *
 * Where nothing moves under the engine, a second parser, as simple as possible, says what must come
 * out. Else only what always holds is checked.
 */
#define _GNU_SOURCE
#define RING_BUG(text)							\
do {									\
	fprintf(stderr, "%s\n", text);					\
	abort();							\
} while (0)

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/unit/ring_engine.h"

#define check(cond)							\
do {									\
	if (!(cond))							\
		RING_BUG("not true: " #cond);				\
} while (0)

#define MAX_REGION 8
#define MAX_NUM 256
#define MAX_ELEM 64
#define MAX_IOV 128
#define MAX_OPS 400

#define PAGE 4096U
#define AREA_PAGES 3	/* the most that MAX_NUM descriptors lie in */

struct area {
	u8 *host;
	u32 size;
};

static struct {
	const u8 *in;
	size_t left;

	struct area area[MAX_REGION + 3];	/* regions, then desc, avail, used */
	struct vring_mem *mem;
	struct vring_engine vr;
	struct vring_pages pages;
	u8 *flat[3];			/* rings in pages, as the driver sees them */
	void *page[3][AREA_PAGES];	/* and as the engine does */
	struct vring_batch b;
	struct vring_elem elem[MAX_ELEM];
	struct iovec iov[MAX_IOV];
	u16 max_elem, max_iov;

	/* popped and neither completed nor given back, oldest first */
	struct vring_elem out[2 * MAX_NUM];
	u32 nr_out;

	/* a write that happens just before an access */
	unsigned long poke_at;
	struct area *poke_area;
	u32 poke_offset;
	u8 poke_bytes[8];
	u32 poke_len;
	bool poked;
} f;

/* --- input ------------------------------------------------------------------------------------ */

static u64 take(u32 bytes)
{
	u64 v = 0;

	while (bytes--) {
		v <<= 8;
		if (f.left) {
			v |= *f.in++;
			f.left--;
		}
	}
	return v;
}

/* --- what must come out ----------------------------------------------------------------------- */

struct ref {
	int ret;
	enum vring_errno code;
	u32 nr_out, nr_in, nr;
	u64 out_len, in_len;
	struct iovec iov[MAX_IOV];
	u32 work;
	u32 count;
	u16 id;
};

static u8 *ref_at(u64 gpa, u32 perm, u64 *room)
{
	u32 i;

	for (i = 0; i < f.mem->nr; i++) {
		const struct vring_region *r = &f.mem->region[i];

		if (gpa >= r->gpa && gpa <= r->gpa + (r->size - 1) && r->perm & perm) {
			*room = r->size - (gpa - r->gpa);
			return f.area[i].host + (gpa - r->gpa);
		}
	}
	return NULL;
}

static u64 ref_le(const u8 *p, u32 bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static int ref_no(struct ref *r, int ret, enum vring_errno code)
{
	r->ret = ret;
	r->code = code;
	return -1;
}

static int ref_buffer(struct ref *r, u32 room, const u8 raw[16])
{
	u64 addr = ref_le(raw, 8), len = ref_le(raw + 8, 4), left = len;
	bool write = ref_le(raw + 12, 2) & 2;
	u32 segments = 0;

	while (left) {
		u64 have;
		u8 *p;

		if (r->nr == room)
			return ref_no(r, -ENOBUFS, VRING_E_SEGMENTS);
		p = ref_at(addr, write ? VRING_PERM_WRITE : VRING_PERM_READ, &have);
		if (!p)
			return ref_no(r, -EFAULT, VRING_E_ADDR);
		if (have > left)
			have = left;
		r->iov[r->nr].iov_base = p;
		r->iov[r->nr++].iov_len = have;
		segments++;
		addr += have;
		left -= have;
	}
	if (write) {
		r->nr_in += segments;
		r->in_len += len;
		return 0;
	}
	if (r->nr_in)
		return ref_no(r, -EINVAL, VRING_E_ORDER);
	r->nr_out += segments;
	r->out_len += len;
	return 0;
}

/* A packed descriptor has its flags where a split one has its link; @raw is then as in the latter. */
static void ref_swap(u8 raw[16])
{
	u8 id[2] = { raw[12], raw[13] };

	if (!f.vr.packed)
		return;
	memcpy(raw + 12, raw + 14, 2);
	memcpy(raw + 14, id, 2);
}

static int ref_table(struct ref *r, u32 room, u64 addr, u32 len)
{
	u32 count = len / 16, i = 0, steps = 0, j;
	u64 at, have;
	u8 raw[16];

	if (!len || len % 16)
		return ref_no(r, -EINVAL, VRING_E_TABLE_LEN);
	for (at = 0; at < len; at += have)
		if (!ref_at(addr + at, VRING_PERM_READ, &have))
			return ref_no(r, -EFAULT, VRING_E_ADDR);
	if (count > 65536)
		return ref_no(r, -E2BIG, VRING_E_TABLE_BIG);
	for (;;) {
		for (j = 0; j < 16; j++)
			raw[j] = *ref_at(addr + 16ULL * i + j, VRING_PERM_READ, &have);
		ref_swap(raw);
		if (raw[12] & 4)
			return ref_no(r, -EINVAL, VRING_E_NESTED);
		if (ref_buffer(r, room, raw))
			return -1;
		if (f.vr.packed ? i + 1 == count : !(raw[12] & 1))
			return 0;
		i = f.vr.packed ? i + 1 : ref_le(raw + 14, 2);
		if (i >= count)
			return ref_no(r, -EINVAL, VRING_E_NEXT);
		if (++steps == count || ++r->work > VRING_WORK_MAX)
			return ref_no(r, -EINVAL, VRING_E_LOOP);
	}
}

static void ref_elem(struct ref *r, u32 room, u16 head)
{
	const u8 *desc = f.area[MAX_REGION].host;
	u32 i = head, steps = 0;

	r->ret = 1;
	r->code = VRING_OK;
	r->nr = r->nr_out = r->nr_in = 0;
	r->out_len = r->in_len = 0;
	if (head >= f.vr.num) {
		ref_no(r, -EINVAL, VRING_E_HEAD);
		return;
	}
	for (;;) {
		const u8 *raw = desc + 16 * i;

		if (raw[12] & 4 ? ref_table(r, room, ref_le(raw, 8), ref_le(raw + 8, 4)) :
				  ref_buffer(r, room, raw))
			return;
		if (!(raw[12] & 1))
			return;
		i = ref_le(raw + 14, 2);
		if (i >= f.vr.num) {
			ref_no(r, -EINVAL, VRING_E_NEXT);
			return;
		}
		if (++steps == f.vr.num || ++r->work > VRING_WORK_MAX) {
			ref_no(r, -EINVAL, VRING_E_LOOP);
			return;
		}
	}
}

static u16 avail_word(u32 word)
{
	return ref_le(f.area[MAX_REGION + 1].host + 2 * word, 2);
}

/* Places of a packed ring in a row, so that two laps can be told apart: 0 to 2 * num - 1 */
static u32 place(u16 pos)
{
	return (pos & 0x7fff) + (pos & 0x8000 ? 0 : f.vr.num);
}

static u16 pos_at(u32 place)
{
	place %= 2 * f.vr.num;
	return place < f.vr.num ? place | 0x8000 : place - f.vr.num;
}

static u32 way(u16 from, u16 to)
{
	return (place(to) + 2 * f.vr.num - place(from)) % (2 * f.vr.num);
}

/* The descriptor at @place; true when it is available there */
static bool ref_packed(u32 place, u8 raw[16])
{
	u16 flags;

	memcpy(raw, f.area[MAX_REGION].host + 16 * (place % f.vr.num), 16);
	flags = ref_le(raw + 14, 2);
	ref_swap(raw);
	return (flags & 0x8080) == (pos_at(place) & 0x8000 ? 0x0080 : 0x8000);
}

/* As ref_elem(), and at most @left descriptors; false when there is none at @at. */
static bool ref_elem_packed(struct ref *r, u32 room, u32 at, u32 left)
{
	u8 raw[16];

	r->ret = 1;
	r->code = VRING_OK;
	r->nr = r->nr_out = r->nr_in = 0;
	r->out_len = r->in_len = 0;
	if (!left || !ref_packed(at, raw))
		return false;
	for (r->count = 1;; r->count++) {
		if (raw[12] & 4 ? ref_table(r, room, ref_le(raw, 8), ref_le(raw + 8, 4)) :
				  ref_buffer(r, room, raw))
			return true;
		r->id = ref_le(raw + 14, 2);
		if (!(raw[12] & 1))
			return true;
		if (r->count == left || ++r->work > VRING_WORK_MAX) {
			ref_no(r, -EINVAL, VRING_E_LOOP);
			return true;
		}
		ref_packed(++at % (2 * f.vr.num), raw);
	}
}

static void compare_elem(const struct ref *r, u32 n, int ret)
{
	check(ret > (int)n);
	check(f.elem[n].nr_out == r->nr_out && f.elem[n].nr_in == r->nr_in);
	check(f.elem[n].out_len == r->out_len && f.elem[n].in_len == r->in_len);
	check(!memcmp(&f.iov[f.elem[n].iov], r->iov, r->nr * sizeof(r->iov[0])));
}

static void compare_packed(struct vring_cursor was, int ret)
{
	static struct ref r;
	u32 n, room = f.max_iov, at = place(was.avail), left = f.vr.num - way(was.used, was.avail);

	r.work = 0;
	for (n = 0; n < f.max_elem && r.work < VRING_WORK_ENOUGH; n++) {
		if (!ref_elem_packed(&r, room, at, left))
			break;
		if (r.ret < 0) {
			if (!n) {
				check(ret == r.ret);
				check(f.vr.err.code == r.code);
			}
			check(f.vr.avail_seen != f.vr.pos.avail);
			break;
		}
		compare_elem(&r, n, ret);
		check(f.elem[n].head == r.id && f.elem[n].count == r.count);
		room -= r.nr;
		at = (at + r.count) % (2 * f.vr.num);
		left -= r.count;
	}
	check(ret < 0 ? n == 0 : ret == (int)n);
	check(f.vr.pos.avail == pos_at(at));
}

/* The batch that was just popped, against the second parser. */
static void compare(struct vring_cursor was, u16 seen, int ret)
{
	static struct ref r;
	u32 n, room = f.max_iov;

	if ((u16)(seen - was.avail) < f.max_elem) {
		seen = avail_word(1);
		if ((u16)(seen - was.avail) > f.vr.num) {
			check(ret == -EINVAL && f.vr.err.code == VRING_E_AVAIL_JUMP);
			return;
		}
	}
	r.work = 0;
	for (n = 0;; n++) {
		u16 at = was.avail + n;

		if (n == f.max_elem || at == seen || r.work >= VRING_WORK_ENOUGH)
			break;
		ref_elem(&r, room, avail_word(2 + at % f.vr.num));
		if (r.ret < 0) {
			if (!n) {
				check(ret == r.ret);
				check(f.vr.err.code == r.code);
			}
			break;
		}
		compare_elem(&r, n, ret);
		room -= r.nr;
	}
	check(ret < 0 ? n == 0 : ret == (int)n);
}

/* --- operations ------------------------------------------------------------------------------- */

static void poke(void)
{
	if (hook.count + 1 != f.poke_at)
		return;
	memcpy(f.poke_area->host + f.poke_offset, f.poke_bytes, f.poke_len);
	f.poked = true;
}

static struct area *pick_area(void)
{
	u32 n = take(1) % (f.mem->nr + 3);

	return n < f.mem->nr ? &f.area[n] : &f.area[MAX_REGION + n - f.mem->nr];
}

/* Somewhere in guest memory, mostly. */
static u64 pick_gpa(void)
{
	u32 what = take(1);
	const struct vring_region *r;

	if (!f.mem->nr || what >= 240)
		return take(8);
	r = &f.mem->region[what % f.mem->nr];
	return r->gpa + (take(2) % (r->size + 2)) - (what >= 200);
}

static void op_write(void)
{
	struct area *a = pick_area();
	u32 at = take(2) % a->size, n = take(1) % 17;

	for (; n-- && at < a->size; at++)
		a->host[at] = take(1);
}

static void put_le(u8 *p, u64 v, u32 bytes)
{
	for (; bytes--; v >>= 8)
		*p++ = v & 0xff;
}

/* A descriptor that makes some sense, in the ring or in a region. */
static void op_desc(void)
{
	struct area *a = take(1) & 1 ? &f.area[MAX_REGION] : pick_area();
	u32 slots = a->size / 16, slot = slots ? take(1) % slots : 0;
	u32 shape = take(1);
	u8 *p = a->host + 16 * slot;

	if (!slots)
		return;
	put_le(p, pick_gpa(), 8);
	put_le(p + 8, shape & 0x80 ? take(4) : shape & 0x40 ? take(1) * 16 : take(2) % 600, 4);
	if (shape == 0xff)
		put_le(p + 8, 65536 * 16 + (take(1) & 0x30), 4);
	put_le(p + 12, shape & 0x20 ? shape & 7 : shape & 3, 2);
	put_le(p + 14, shape & 0x10 ? take(2) : slot + 1, 2);
}

/* Chains behind what the engine has seen, mostly with all flags as they should be. */
static void op_offer_packed(void)
{
	u32 n = take(1) % 8 + 1, at = place(f.vr.avail_seen) + n, i;
	u8 shape = take(1), raw[16];

	for (i = n; i--;) {
		bool more = i + 1 < n && shape & 1 << i % 4;

		at--;
		put_le(raw, pick_gpa(), 8);
		put_le(raw + 8, shape & 0x40 ? take(1) * 16 : take(2) % 600, 4);
		put_le(raw + 12, take(1), 2);
		put_le(raw + 14, (pos_at(at) & 0x8000 ? 0x80 : 0x8000) | more |
		       (shape & 0x10 ? 2 : 0) | (shape & 0x20 && i == 0 ? 4 : 0), 2);
		memcpy(f.area[MAX_REGION].host + 16 * (at % f.vr.num), raw, 16);
	}
}

static void op_offer(void)
{
	u8 *avail = f.area[MAX_REGION + 1].host;
	u32 n = take(1) % 8 + 1;
	u16 idx = ref_le(avail + 2, 2);

	while (n--) {
		u16 head = take(1);

		put_le(avail + 4 + 2 * (idx++ % f.vr.num), head < 250 ? head % f.vr.num : head, 2);
	}
	put_le(avail + 2, idx, 2);
}

static void op_poke(void)
{
	u32 i;

	f.poke_at = take(1);
	f.poke_area = pick_area();
	f.poke_offset = take(2) % f.poke_area->size;
	f.poke_len = take(1) % sizeof(f.poke_bytes) + 1;
	if (f.poke_len > f.poke_area->size - f.poke_offset)
		f.poke_len = f.poke_area->size - f.poke_offset;
	for (i = 0; i < f.poke_len; i++)
		f.poke_bytes[i] = take(1);
}

static const int errno_of[] = {
	[VRING_E_FAULT_RING] = EFAULT, [VRING_E_FAULT_TABLE] = EFAULT,
	[VRING_E_AVAIL_JUMP] = EINVAL, [VRING_E_HEAD] = EINVAL, [VRING_E_NEXT] = EINVAL,
	[VRING_E_LOOP] = EINVAL, [VRING_E_NESTED] = EINVAL, [VRING_E_TABLE_LEN] = EINVAL,
	[VRING_E_TABLE_BIG] = E2BIG, [VRING_E_ORDER] = EINVAL, [VRING_E_ADDR] = EFAULT,
	[VRING_E_SEGMENTS] = ENOBUFS, [VRING_E_CURSOR] = EINVAL, [VRING_E_UNORDERED] = EINVAL,
};

static bool is_fault(enum vring_errno code)
{
	return code == VRING_E_FAULT_RING || code == VRING_E_FAULT_TABLE;
}

/* Around every call: a fault is reported only if there was one, and says so. */
static void begin(void)
{
	unsigned long fail_at = hook.fail_at;

	hook_reset();
	hook.fail_at = fail_at;
	f.poked = false;
	hook.before = f.poke_at ? poke : NULL;
	f.vr.err.code = VRING_OK;
}

static int end(int ret)
{
	check(!hook.open);
	if (ret < 0) {
		check(f.vr.err.code > VRING_OK && f.vr.err.code <= VRING_E_UNORDERED);
		check(ret == -errno_of[f.vr.err.code]);
		check(!is_fault(f.vr.err.code) || hook.failed);
	}
	hook.fail_at = 0;
	f.poke_at = 0;
	if (!f.vr.packed)
		check((u16)(f.vr.avail_seen - f.vr.pos.avail) <= f.vr.num);
	else if (f.vr.err.code != VRING_E_CURSOR)
		check(way(f.vr.pos.used, f.vr.pos.avail) <= way(f.vr.pos.used, f.vr.avail_seen) &&
		      way(f.vr.pos.used, f.vr.avail_seen) <= f.vr.num);
	return ret;
}

static bool in_a_region(const struct iovec *iov)
{
	u32 i;

	for (i = 0; i < f.mem->nr; i++) {
		u64 at = (uintptr_t)iov->iov_base - (uintptr_t)f.area[i].host;

		if (at < f.area[i].size && iov->iov_len <= f.area[i].size - at)
			return true;
	}
	return false;
}

/* Where the element after this one stands */
static u16 after(const struct vring_elem *e)
{
	return f.vr.packed ? pos_at(place(e->at) + e->count) : e->at + 1;
}

/* What every element is, from place @at and segment *@iov on */
static void check_elem(const struct vring_elem *e, u16 at, u32 *iov)
{
	u64 len[2] = { 0, 0 };
	u32 j;

	check(e->at == at);
	check(f.vr.packed ? e->count <= f.vr.num : e->head < f.vr.num && e->count == 1);
	check(e->iov == *iov);
	for (j = 0; j < (u32)e->nr_out + e->nr_in; j++, ++*iov) {
		check(*iov < f.b.nr_iov);
		check(f.iov[*iov].iov_len);
		check(in_a_region(&f.iov[*iov]));
		len[j >= e->nr_out] += f.iov[*iov].iov_len;
	}
	check(e->out_len == len[0] && e->in_len == len[1]);
}

/* After a restart: buffers that a device before had under way, as somebody says */
static void op_again(void)
{
	u32 n = take(1) % 4, i, count, iov;
	struct vring_packed_desc desc[8];
	u16 head;
	int ret;

	while (n--) {
		u16 was = f.vr.pos.avail;

		head = take(take(1) & 1 ? 2 : 1);
		count = take(1) % (ARRAY_SIZE(desc) + 1);
		for (i = 0; f.vr.packed && i < count; i++) {
			desc[i].addr = f.mem->nr ? f.mem->region[0].gpa + take(2) : take(8);
			desc[i].len = take(2);
			desc[i].flags = take(2);
		}
		f.b.max_iov = f.max_iov;
		begin();
		ret = end(vring_pop_again(&f.vr, f.mem, &f.b, head, desc, count));
		check(f.b.nr_elem == (ret > 0) && ret <= 1 && ret);
		if (ret < 0) {
			check(!f.b.nr_iov && f.vr.pos.avail == was);
			return;
		}
		iov = 0;
		check_elem(&f.elem[0], was, &iov);
		check(f.b.nr_iov == iov && f.elem[0].head == head);
		check(f.vr.pos.avail == after(&f.elem[0]));
		check(!f.vr.packed || f.elem[0].count == count);
		f.out[f.nr_out++] = f.elem[0];
	}
}

static void op_pop(void)
{
	struct vring_cursor was = f.vr.pos;
	u16 seen = f.vr.avail_seen, at = was.avail;
	u32 i, iov = 0;
	int ret;

	f.b.max_elem = f.max_elem;
	if (f.b.max_elem > 2 * MAX_NUM - f.nr_out)
		f.b.max_elem = f.max_elem = 2 * MAX_NUM - f.nr_out;
	f.b.max_iov = f.max_iov;
	begin();
	ret = end(vring_pop_batch(&f.vr, f.mem, &f.b));
	check(f.b.nr_elem == (ret > 0 ? ret : 0));
	check(f.b.nr_elem <= f.max_elem && f.b.nr_iov <= f.max_iov);
	check(f.vr.pos.used == was.used);
	for (i = 0; i < f.b.nr_elem; i++) {
		const struct vring_elem *e = &f.elem[i];

		check_elem(e, at, &iov);
		at = after(e);
		f.out[f.nr_out++] = *e;
	}
	check(f.b.nr_iov == iov);
	check(f.vr.pos.avail == at);
	if (hook.failed || f.poked)
		return;
	if (f.vr.packed)
		compare_packed(was, ret);
	else
		compare(was, seen, ret);
}

/* What the driver sees of @n completions from @was on */
static void check_used(u16 was, const struct vring_elem *done, u32 n)
{
	const u8 *used = f.area[MAX_REGION + 2].host, *e;
	u16 at = was, pos = was;
	u32 i;

	if (!f.vr.packed)
		check(ref_le(used + 2, 2) == f.vr.pos.used);
	for (i = 0; i < n; i++) {
		pos = f.vr.packed ? pos_at(place(pos) + done[i].count) : pos + 1;
		if (f.vr.in_order && !done[i].nr_in && i + 1 < n)
			continue;
		if (f.vr.packed) {
			e = f.area[MAX_REGION].host + 16 * (place(at) % f.vr.num);
			check(ref_le(e + 12, 2) == done[i].head);
			check(ref_le(e + 8, 4) == done[i].len);
			check((ref_le(e + 14, 2) & 0x8080) == (at & 0x8000 ? 0x8080 : 0));
		} else {
			e = used + 4 + 8 * (at % f.vr.num);
			check(ref_le(e, 4) == done[i].head);
			check(ref_le(e + 4, 4) == done[i].len);
		}
		at = pos;
	}
	check(f.vr.pos.used == pos);
}

static void op_complete(void)
{
	struct vring_elem done[MAX_NUM];
	u32 n = take(1) % MAX_NUM, i, at;
	u16 was = f.vr.pos.used, next = was;
	bool ordered = true;
	int ret;

	n = n < f.nr_out ? n : f.nr_out;
	n = n < f.vr.num ? n : f.vr.num;
	at = f.nr_out - n ? take(1) % (f.nr_out - n + 1) : 0;
	for (i = 0; i < n; i++) {
		const struct vring_elem *e = &f.out[at + i];

		done[i] = elem_done(e, 0x5a000000 + i);
		ordered &= e->at == next;
		next = after(e);
	}
	begin();
	ret = end(vring_complete_batch(&f.vr, done, n));
	if (ret) {
		check(ret == -EFAULT || (f.vr.in_order && !ordered && ret == -EINVAL));
		check(f.vr.pos.used == was);
		return;
	}
	check(!f.vr.in_order || ordered);
	if (!f.poked && n)
		check_used(was, done, n);
	memmove(f.out + at, f.out + at + n, (f.nr_out - at - n) * sizeof(f.out[0]));
	f.nr_out -= n;
}

/* Gives back the youngest few, as long as none after them was completed. */
static void op_rewind(void)
{
	u32 n = take(1) % 16, at = f.nr_out;
	u16 pos = f.vr.pos.avail;

	while (n-- && at && after(&f.out[at - 1]) == pos)
		pos = f.out[--at].at;
	if (at == f.nr_out)
		return;
	if (!f.vr.packed && (u16)(f.vr.avail_seen - pos) > f.vr.num)
		return;
	vring_rewind(&f.vr, &f.out[at]);
	check(f.vr.pos.avail == f.out[at].at);
	f.nr_out = at;
}

static void op_notify(void)
{
	u16 used = f.vr.pos.used;
	int ret;

	begin();
	ret = end(vring_need_notify(&f.vr));
	check(ret == 0 || ret == 1 || ret == -EFAULT);
	if (ret < 0)
		return;
	check(f.vr.signalled == used && f.vr.signalled_valid);
	begin();
	check(end(vring_need_notify(&f.vr)) == 0);
}

static void op_kicks(void)
{
	u16 avail = f.vr.pos.avail;
	int ret;

	begin();
	switch (take(1) % 3) {
	case 0:
		ret = end(vring_kicks_off(&f.vr));
		check(ret == 0 || ret == -EFAULT);
		break;
	case 1:
		ret = end(vring_kicks_on(&f.vr));
		check(ret <= 1);
		check(ret < 0 || !f.vr.kicks_off);
		break;
	default:
		ret = end(vring_has_work(&f.vr));
		check(ret <= 1);
		check(ret != 1 || f.vr.avail_seen != f.vr.pos.avail);
	}
	check(f.vr.pos.avail == avail);
}

static void op_restart(void)
{
	struct vring_cursor pos = { take(2), take(2) };
	bool there;
	int ret;

	begin();
	ret = end(vring_load_used(&f.vr, &pos.used));
	check(ret == 0 || ret == -EFAULT);
	there = take(1) & 1;
	begin();
	ret = end(vring_start(&f.vr, there ? pos : f.vr.pos));
	check(ret == 0 || ret == -EFAULT || (f.vr.packed && there && ret == -EINVAL));
	check(f.vr.avail_seen == f.vr.pos.avail && !f.vr.kicks_off && !f.vr.signalled_valid);
	if (ret == -EINVAL) {
		f.vr.pos = (struct vring_cursor){ VRING_WRAP, VRING_WRAP };
		begin();
		end(vring_start(&f.vr, f.vr.pos));
	}
	f.nr_out = 0;
}

/* --- one input -------------------------------------------------------------------------------- */

static u8 *new_area(struct area *a, u32 size, bool writable)
{
	a->size = size;
	a->host = calloc(1, size);
	check(a->host);
	hook_allow(a->host, size, writable);
	return a->host;
}

/* The pages of ring area @n, made once, in another order than the driver sees them in. */
static void make_pages(u32 n)
{
	int fd = memfd_create("ring", 0);
	u32 i;

	check(fd >= 0 && !ftruncate(fd, AREA_PAGES * PAGE));
	f.flat[n] = mmap(NULL, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = AREA_PAGES; i--;) {
		f.page[n][i] = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mmap(f.page[n][i], PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     i * PAGE);
	}
	close(fd);
}

/* A ring area in pages, of which @before bytes lie in the first. */
static void new_paged(u32 n, u32 size, u32 before, bool writable)
{
	struct vring_area *to[] = { &f.pages.desc, &f.pages.avail, &f.pages.used };
	u32 from = PAGE - before, i;

	if (!f.flat[n])
		make_pages(n);
	memset(f.flat[n], 0, AREA_PAGES * PAGE);
	f.area[MAX_REGION + n] = (struct area){ f.flat[n] + from, size };
	*to[n] = (struct vring_area){ f.page[n], from };
	for (i = 0; i * PAGE < from + size; i++) {
		u32 first = i ? 0 : from, end = from + size - i * PAGE;

		hook_allow((u8 *)f.page[n][i] + first, (end < PAGE ? end : PAGE) - first, writable);
	}
}

static void set_up_ring(u32 mode)
{
	u32 num = f.vr.num, desc = 16 * num, avail = 6 + 2 * num, used = 6 + 8 * num;

	if (f.vr.packed)
		avail = used = 4;
	if (mode & 4) {
		new_paged(0, desc, 32, f.vr.packed);
		new_paged(1, avail, 4, false);
		new_paged(2, used, f.vr.packed ? 4 : 8, true);
		f.vr.pages = &f.pages;
		return;
	}
	f.vr.desc = (void *)new_area(&f.area[MAX_REGION], desc, f.vr.packed);
	f.vr.avail = (void *)new_area(&f.area[MAX_REGION + 1], avail, false);
	f.vr.used = (void *)new_area(&f.area[MAX_REGION + 2], used, true);
}

static void set_up(void)
{
	u8 mode = take(1), shape = take(1);
	u64 gpa = shape & 0x80 ? 0xffffffffffff0000ULL : 0;
	u32 i, nr = take(1) % (MAX_REGION + 1);
	struct vring_cursor pos;

	memset(&hook, 0, sizeof(hook));
	f.mem = calloc(1, sizeof(*f.mem) + nr * sizeof(f.mem->region[0]));
	check(f.mem);
	for (i = 0; i < nr; i++) {
		u32 gap = take(1), size = take(2) % 4096 + 1;

		gpa += gap < 128 ? 0 : gap - 127;
		if (gpa + size < gpa)
			break;
		if (!(gap & 1))
			size = (size + 15) / 16 * 16;
		if (!i && (shape & 0xc0) == 0x40)	/* room for a table that is too big */
			size += 0x110000;
		f.mem->region[i].gpa = gpa;
		f.mem->region[i].size = size;
		f.mem->region[i].uaddr = (uintptr_t)new_area(&f.area[i], size, false);
		f.mem->region[i].perm = mode & 8 ? take(1) % 4 : VRING_PERM_RW;
		gpa += size;
	}
	f.mem->nr = i;

	memset(&f.vr, 0, sizeof(f.vr));
	f.vr.packed = mode & 1;
	f.vr.in_order = mode & 2;
	f.vr.num = f.vr.packed ? take(1) + 1 : 1 << (shape & 0x0f) % 9;
	f.vr.event_idx = shape & 0x10;
	f.vr.notify_on_empty = shape & 0x20;
	set_up_ring(mode);
	f.b.elem = f.elem;
	f.b.iov = f.iov;
	f.max_elem = take(1) % (MAX_ELEM + 1);
	f.max_iov = take(1) % (MAX_IOV + 1);
	f.nr_out = 0;
	f.poke_at = 0;
	pos.avail = take(2);
	pos.used = take(2);
	if (f.vr.packed)
		pos.avail = pos.used = pos_at(pos.avail);
	else
		put_le(f.area[MAX_REGION + 1].host + 2, pos.avail, 2);
	check(vring_start(&f.vr, pos) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 i, ops = 0;

	f.in = data;
	f.left = size;
	set_up();
	while (f.left && ops++ < MAX_OPS) {
		switch (take(1) % 16) {
		case 0:
			op_write();
			break;
		case 1 ... 3:
			op_desc();
			break;
		case 4 ... 5:
			f.vr.packed ? op_offer_packed() : op_offer();
			break;
		case 6 ... 8:
			op_pop();
			break;
		case 9:
			op_complete();
			break;
		case 10:
			op_notify();
			break;
		case 11:
			op_kicks();
			break;
		case 12:
			op_rewind();
			break;
		case 13:
			hook.fail_at = take(1);
			break;
		case 14:
			op_poke();
			break;
		default:
			f.max_elem = take(1) % (MAX_ELEM + 1);
			f.max_iov = take(1) % (MAX_IOV + 1);
			if (f.max_elem)
				break;
			op_restart();
			op_again();
		}
	}
	for (i = 0; i < MAX_REGION + 3; i++) {
		if (i < f.mem->nr || (i >= MAX_REGION && !f.vr.pages))
			free(f.area[i].host);
		f.area[i].host = NULL;
	}
	free(f.mem);
	return 0;
}
