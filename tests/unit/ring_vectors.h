/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers, good and bad, and what becomes of them.
 *
 * A vector lists descriptors in chain order and says nothing about how they are linked, so that the
 * same vectors serve every ring layout. T() is an indirect table, the E()s after it are its entries
 * one by one. The verdicts are those of the stock kernel module.
 */
#ifndef TESTS_RING_VECTORS_H
#define TESTS_RING_VECTORS_H

enum v_kind { V_END, V_BUFFER, V_TABLE, V_ENTRY };

struct v_item {
	enum v_kind kind;
	u64 addr;
	u32 len;
	u16 flags;
};

struct vector {
	const char *name;
	bool split_only;		/* entries that no link leads to */
	struct v_item item[12];
	int ret;			/* 1, or a negative errno */
	enum vring_errno code;
	u64 bad;			/* the address refused, if not zero, and for which access */
	bool bad_write;
	u16 nr_out;
	u16 nr_in;
	struct {
		u64 gpa;
		u64 len;
	} iov[10];
};

#define R(addr, len) { V_BUFFER, addr, len, 0 }
#define W(addr, len) { V_BUFFER, addr, len, D_WRITE }
#define T(addr, len) { V_TABLE, addr, len, D_INDIRECT }
#define ER(addr, len) { V_ENTRY, addr, len, 0 }
#define EW(addr, len) { V_ENTRY, addr, len, D_WRITE }
#define GOOD(out, in) .ret = 1, .nr_out = out, .nr_in = in
#define BAD(errno_value, why) .ret = -(errno_value), .code = why

#define TAB (BIG_GPA + 0x1000)		/* a table in the middle of a region */
#define TAB2 (BIG_GPA + 0x2000)
#define HOLE 0x3000ULL

static const struct vector vectors[] = {
	/* allowed */
	{ "one readable", false, { R(0x100, 60) }, GOOD(1, 0), .iov = { { 0x100, 60 } } },
	{ "one writable", false, { W(BIG_GPA, 1500) }, GOOD(0, 1), .iov = { { BIG_GPA, 1500 } } },
	{ "readable, then writable", false, { R(0x10, 12), W(0x40, 1) }, GOOD(1, 1),
	  .iov = { { 0x10, 12 }, { 0x40, 1 } } },
	{ "two and three", false, { R(0, 1), R(0x20, 2), W(0x40, 3), W(0x60, 4), W(0x80, 5) }, GOOD(2, 3),
	  .iov = { { 0, 1 }, { 0x20, 2 }, { 0x40, 3 }, { 0x60, 4 }, { 0x80, 5 } } },
	{ "empty readable alone", false, { R(0x100, 0) }, GOOD(0, 0) },
	{ "empty writable alone", false, { W(0x100, 0) }, GOOD(0, 0) },
	{ "empty buffer in a hole", false, { R(HOLE, 0) }, GOOD(0, 0) },
	{ "empty buffer between", false, { R(0, 8), R(0x100, 0), W(0x20, 8) }, GOOD(1, 1),
	  .iov = { { 0, 8 }, { 0x20, 8 } } },
	{ "empty writable before a readable", false, { W(0x100, 0), R(0, 8) }, GOOD(1, 0),
	  .iov = { { 0, 8 } } },
	{ "first byte of memory", false, { R(0, 1) }, GOOD(1, 0), .iov = { { 0, 1 } } },
	{ "last byte of a region", false, { R(MID_GPA - 1, 1) }, GOOD(1, 0),
	  .iov = { { MID_GPA - 1, 1 } } },
	{ "last byte before a hole", false, { W(HOLE - 1, 1) }, GOOD(0, 1), .iov = { { HOLE - 1, 1 } } },
	{ "a whole region", false, { R(BIG_GPA, 0x200000) }, GOOD(1, 0),
	  .iov = { { BIG_GPA, 0x200000 } } },
	{ "two regions", false, { R(0xff0, 0x20) }, GOOD(2, 0),
	  .iov = { { 0xff0, 0x10 }, { MID_GPA, 0x10 } } },
	{ "four regions", false, { W(0xfff, 0x2001) }, GOOD(0, 4),
	  .iov = { { 0xfff, 1 }, { MID_GPA, 0x1800 }, { ODD_GPA, 8 }, { END_GPA, 0x7f8 } } },
	{ "two regions after one", false, { R(0x10, 4), W(0xfff, 2), W(0x20, 4) }, GOOD(1, 3),
	  .iov = { { 0x10, 4 }, { 0xfff, 1 }, { MID_GPA, 1 }, { 0x20, 4 } } },
	{ "end of the highest region", false, { R(TOP_GPA + 0xefff, 1) }, GOOD(1, 0),
	  .iov = { { TOP_GPA + 0xefff, 1 } } },
	{ "regions in turn", false, { R(0, 1), R(TOP_GPA, 1), R(BIG_GPA, 1), R(ODD_GPA, 1), R(1, 1) },
	  GOOD(5, 0),
	  .iov = { { 0, 1 }, { TOP_GPA, 1 }, { BIG_GPA, 1 }, { ODD_GPA, 1 }, { 1, 1 } } },

	/* indirect, allowed */
	{ "table of one", false, { T(TAB, 16), ER(0x100, 60) }, GOOD(1, 0), .iov = { { 0x100, 60 } } },
	{ "table of three", false, { T(TAB, 48), ER(0x100, 12), ER(0x200, 60), EW(0x300, 1) }, GOOD(2, 1),
	  .iov = { { 0x100, 12 }, { 0x200, 60 }, { 0x300, 1 } } },
	{ "table longer than what is used", true, { T(TAB, 4096), ER(0x100, 60), EW(0x200, 2) },
	  GOOD(1, 1), .iov = { { 0x100, 60 }, { 0x200, 2 } } },
	{ "table longer than the queue", false,
	  { T(TAB, 128), ER(0, 1), ER(1, 1), ER(2, 1), ER(3, 1), ER(4, 1), ER(5, 1), EW(6, 1),
	    EW(7, 1) }, GOOD(6, 2),
	  .iov = { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 1 }, { 5, 1 }, { 6, 1 },
		   { 7, 1 } } },
	{ "table of full length", false, { T(TAB, 65536 * 16), ER(0x100, 60) }, GOOD(1, 0),
	  .iov = { { 0x100, 60 } } },
	{ "table at the end of a region", false, { T(MID_GPA - 32, 32), ER(0x10, 1), EW(0x20, 1) },
	  GOOD(1, 1), .iov = { { 0x10, 1 }, { 0x20, 1 } } },
	{ "table in two regions", false, { T(MID_GPA - 16, 48), ER(0x10, 1), ER(0x20, 2), EW(0x30, 3) },
	  GOOD(2, 1), .iov = { { 0x10, 1 }, { 0x20, 2 }, { 0x30, 3 } } },
	{ "descriptor in two regions", false,
	  { T(ODD_GPA - 24, 48), ER(0x10, 1), ER(0x20, 2), EW(0x30, 3) },
	  GOOD(2, 1), .iov = { { 0x10, 1 }, { 0x20, 2 }, { 0x30, 3 } } },
	{ "descriptor in three regions", false,
	  { T(ODD_GPA - 4, 32), ER(0x10, 1), EW(0x30, 0x10003) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "descriptor in three regions, good", false,
	  { T(ODD_GPA - 4, 32), ER(0x10, 1), EW(0x30, 3) }, GOOD(1, 1),
	  .iov = { { 0x10, 1 }, { 0x30, 3 } } },
	{ "misaligned table", false, { T(TAB + 1, 32), ER(0x10, 0x11), EW(0x30, 0x22) }, GOOD(1, 1),
	  .iov = { { 0x10, 0x11 }, { 0x30, 0x22 } } },
	{ "table aligned to eight", false, { T(TAB + 8, 32), ER(0x10, 0x11), EW(0x30, 0x22) }, GOOD(1, 1),
	  .iov = { { 0x10, 0x11 }, { 0x30, 0x22 } } },
	{ "table, then a descriptor", false, { T(TAB, 32), ER(0x10, 1), EW(0x20, 2), W(0x30, 3) },
	  GOOD(1, 2), .iov = { { 0x10, 1 }, { 0x20, 2 }, { 0x30, 3 } } },
	{ "descriptor, then a table", false, { R(0x10, 1), T(TAB, 32), ER(0x20, 2), EW(0x30, 3) },
	  GOOD(2, 1), .iov = { { 0x10, 1 }, { 0x20, 2 }, { 0x30, 3 } } },
	{ "two tables", false, { T(TAB, 16), ER(0x10, 1), T(TAB2, 32), ER(0x20, 2), EW(0x30, 3) },
	  GOOD(2, 1), .iov = { { 0x10, 1 }, { 0x20, 2 }, { 0x30, 3 } } },
	{ "table said to be writable", false,
	  { { V_TABLE, TAB, 16, D_INDIRECT | D_WRITE }, ER(0x10, 1), R(0x20, 2) }, GOOD(2, 0),
	  .iov = { { 0x10, 1 }, { 0x20, 2 } } },
	{ "empty entries", false, { T(TAB, 48), EW(HOLE, 0), ER(0x10, 1), EW(0, 0) }, GOOD(1, 0),
	  .iov = { { 0x10, 1 } } },
	{ "entry in two regions", false, { T(TAB, 32), ER(0xff0, 0x20), EW(0x10, 1) }, GOOD(2, 1),
	  .iov = { { 0xff0, 0x10 }, { MID_GPA, 0x10 }, { 0x10, 1 } } },

	/* permissions */
	{ "readable in a read-only region", false, { R(RO_GPA, 16) }, GOOD(1, 0),
	  .iov = { { RO_GPA, 16 } } },
	{ "writable in a write-only region", false, { W(WO_GPA, 16) }, GOOD(0, 1),
	  .iov = { { WO_GPA, 16 } } },
	{ "writable in two regions", false, { R(RO_GPA, 4), W(RW_GPA - 4, 8) }, GOOD(1, 2),
	  .iov = { { RO_GPA, 4 }, { RW_GPA - 4, 4 }, { RW_GPA, 4 } } },
	{ "table in a read-only region", false, { T(RO_GPA, 32), ER(RO_GPA, 1), EW(WO_GPA, 2) },
	  GOOD(1, 1), .iov = { { RO_GPA, 1 }, { WO_GPA, 2 } } },
	{ "writable in a read-only region", false, { W(RO_GPA, 16) }, BAD(EFAULT, VRING_E_ADDR),
	  .bad = RO_GPA, .bad_write = true },
	{ "readable in a write-only region", false, { R(WO_GPA + 1, 16) }, BAD(EFAULT, VRING_E_ADDR),
	  .bad = WO_GPA + 1 },
	{ "readable into a write-only region", false, { R(RW_GPA, 1), R(WO_GPA, 0x1001) },
	  BAD(EFAULT, VRING_E_ADDR), .bad = WO_GPA },
	{ "entry in a read-only region", false, { T(TAB, 32), ER(0, 1), EW(RO_GPA + 2, 3) },
	  BAD(EFAULT, VRING_E_ADDR), .bad = RO_GPA + 2, .bad_write = true },
	{ "table in a write-only region", false, { T(WO_GPA, 16), ER(0, 1) },
	  BAD(EFAULT, VRING_E_ADDR), .bad = WO_GPA },
	{ "table into a readable region", false, { T(RW_GPA - 16, 32), ER(0, 1), ER(0, 1) },
	  BAD(EFAULT, VRING_E_ADDR), .bad = RW_GPA - 16 },
	{ "table into a write-only region, unused part", false, { T(WO_GPA - 16, 32), ER(0, 1) },
	  BAD(EFAULT, VRING_E_ADDR), .bad = WO_GPA },
	{ "table said to be writable, in a hole", false,
	  { { V_TABLE, HOLE, 16, D_INDIRECT | D_WRITE }, ER(0, 1) },
	  BAD(EFAULT, VRING_E_ADDR), .bad = HOLE },

	/* refused */
	{ "readable after writable", false, { W(0x10, 1), R(0x20, 1) }, BAD(EINVAL, VRING_E_ORDER) },
	{ "empty readable after writable", false, { W(0x10, 1), R(0x20, 0) },
	  BAD(EINVAL, VRING_E_ORDER) },
	{ "readable entry after writable entry", false, { T(TAB, 32), EW(0x10, 1), ER(0x20, 1) },
	  BAD(EINVAL, VRING_E_ORDER) },
	{ "readable after a writable entry", false, { T(TAB, 16), EW(0x10, 1), R(0x20, 1) },
	  BAD(EINVAL, VRING_E_ORDER) },
	{ "readable entry after writable", false, { W(0x10, 1), T(TAB, 16), ER(0x20, 1) },
	  BAD(EINVAL, VRING_E_ORDER) },
	{ "order across two tables", false, { T(TAB, 16), EW(0x10, 1), T(TAB2, 16), ER(0x20, 1) },
	  BAD(EINVAL, VRING_E_ORDER) },
	{ "in a hole", false, { R(HOLE, 1) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "just below a region", false, { R(BIG_GPA - 1, 1) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "just above a region", false, { R(BIG_GPA + 0x200000, 1) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "into a hole", false, { W(HOLE - 1, 2) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "from a hole", false, { W(BIG_GPA - 1, 2) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "past the highest region", false, { R(TOP_GPA + 0xefff, 2) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "address that wraps", false, { R(~0ULL - 1, 16) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "length that wraps", false, { R(TOP_GPA, 0xffffffff) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "second descriptor in a hole", false, { R(0x10, 1), W(HOLE, 1) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "entry in a hole", false, { T(TAB, 32), ER(0x10, 1), EW(HOLE, 1) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "empty table", false, { T(TAB, 0) }, BAD(EINVAL, VRING_E_TABLE_LEN) },
	{ "empty table in a hole", false, { T(HOLE, 0) }, BAD(EINVAL, VRING_E_TABLE_LEN) },
	{ "table of half a descriptor", false, { T(TAB, 8) }, BAD(EINVAL, VRING_E_TABLE_LEN) },
	{ "table of 17 bytes", false, { T(TAB, 17), ER(0x10, 1) }, BAD(EINVAL, VRING_E_TABLE_LEN) },
	{ "odd table in a hole", false, { T(HOLE, 15) }, BAD(EINVAL, VRING_E_TABLE_LEN) },
	{ "table in a hole", false, { T(HOLE, 16) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "table into a hole, unused part", false, { T(HOLE - 16, 32), ER(0x10, 1) },
	  BAD(EFAULT, VRING_E_ADDR) },
	{ "table through regions into a hole", false, { T(LOW_GPA, 0x3010), ER(0x10, 1) },
	  BAD(EFAULT, VRING_E_ADDR) },
	{ "table past the highest region", false, { T(TOP_GPA + 0xeff0, 32), ER(0x10, 1) },
	  BAD(EFAULT, VRING_E_ADDR) },
	{ "table address that wraps", false, { T(~0ULL - 15, 32) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "table too big", false, { T(TAB, 65537 * 16), ER(0x10, 1) }, BAD(E2BIG, VRING_E_TABLE_BIG) },
	{ "table of 4 GiB", false, { T(TAB, 0xfffffff0), ER(0x10, 1) }, BAD(EFAULT, VRING_E_ADDR) },
	{ "table in a table", false, { T(TAB, 32), ER(0x10, 1), { V_ENTRY, TAB2, 16, D_INDIRECT } },
	  BAD(EINVAL, VRING_E_NESTED) },
	{ "table in a table, first", false,
	  { T(TAB, 32), { V_ENTRY, TAB2, 16, D_INDIRECT | D_WRITE }, ER(0x10, 1) },
	  BAD(EINVAL, VRING_E_NESTED) },
	{ "second table bad", false, { T(TAB, 16), ER(0x10, 1), T(TAB2, 24) },
	  BAD(EINVAL, VRING_E_TABLE_LEN) },
};

#undef R
#undef W
#undef T
#undef ER
#undef EW
#undef GOOD
#undef BAD

/* Offers the vector; returns its id. */
static inline u16 vector_offer(struct fixture *t, const struct vector *v)
{
	struct packed_desc p[ARRAY_SIZE(v->item)];
	u32 n = 0, entry = 0;
	const struct v_item *i;
	u8 raw[16];

	for (i = v->item; i->kind; i++) {
		if (i->kind != V_ENTRY) {
			p[n++] = (struct packed_desc){ i->addr, i->len, i->flags };
			entry = 0;
			continue;
		}
		if (t->d.packed) {
			/* no links: all that could be taken for one says the wrong thing */
			bool next = i[1].kind != V_ENTRY;

			desc_bytes(raw, i->addr, i->len, 0x7777, i->flags | (next ? D_NEXT : 0));
			guest_write(&t->g, p[n - 1].addr + 16ULL * entry, raw, 16);
		} else {
			guest_desc(&t->g, p[n - 1].addr, entry, i->addr, i->len,
				   i->flags | (i[1].kind == V_ENTRY ? D_NEXT : 0), entry + 1);
		}
		entry++;
	}
	return fix_chain(t, p, n);
}

/* Element @n of the batch is what the vector says. */
static inline void vector_check(const struct fixture *t, const struct vector *v, u32 n, u16 head)
{
	const struct vring_elem *e = &t->elem[n];
	u64 out = 0, in = 0;
	u32 i;

	assert_int_equal(e->head, head);
	assert_int_equal(e->nr_out, v->nr_out);
	assert_int_equal(e->nr_in, v->nr_in);
	for (i = 0; i < (u32)v->nr_out + v->nr_in; i++) {
		assert_ptr_equal(t->iov[e->iov + i].iov_base, guest_at(&t->g, v->iov[i].gpa));
		assert_int_equal(t->iov[e->iov + i].iov_len, v->iov[i].len);
		*(i < v->nr_out ? &out : &in) += v->iov[i].len;
	}
	assert_int_equal(e->out_len, out);
	assert_int_equal(e->in_len, in);
}

#endif
