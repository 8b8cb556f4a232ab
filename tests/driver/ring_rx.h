/* SPDX-License-Identifier: GPL-2.0 */
/* Receive rings, for ring.c alone: one function fills a ring, one line at the end names it. */

static void rx_bufs(struct rig *r, struct vdrv_vq *vq, unsigned int n, uint32_t len)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		desc(i, BUF(i), len, WRITE, 0);
		avail(vq, i);
	}
}

CASE(rx_one) { rx_bufs(r, vq, 1, 0x1000); }
CASE(rx_two) { rx_bufs(r, vq, 2, 0x1000); }
CASE(rx_none) { (void)r; (void)vq; }
CASE(rx_exact) { rx_bufs(r, vq, 1, 112); }
CASE(rx_merge_2) { rx_bufs(r, vq, 2, 100); }
CASE(rx_merge_8) { rx_bufs(r, vq, 8, 14); }
CASE(rx_merge_exact) { rx_bufs(r, vq, 4, 28); }
CASE(rx_too_small) { rx_bufs(r, vq, 1, 60); }
CASE(rx_all_too_small) { rx_bufs(r, vq, 8, 13); }
CASE(rx_hdr_alone) { rx_bufs(r, vq, 1, 12); desc(1, BUF(1), 0x1000, WRITE, 0); avail(vq, 1); }
CASE(rx_hdr_split) { rx_bufs(r, vq, 1, 5); desc(1, BUF(1), 0x1000, WRITE, 0); avail(vq, 1); }
CASE(rx_chain)
{
	desc(0, BUF(0), 12, WRITE | NEXT, 1);
	desc(1, BUF(1), 50, WRITE | NEXT, 2);
	desc(2, BUF(2), 2000, WRITE, 0);
	avail(vq, 0);
}
CASE(rx_len_0_first)
{
	desc(0, BUF(0), 0, WRITE | NEXT, 1);
	desc(1, BUF(1), 2000, WRITE, 0);
	avail(vq, 0);
}
CASE(rx_len_0)
{
	desc(0, BUF(0), 0, WRITE, 0);
	avail(vq, 0);
	desc(1, BUF(1), 2000, WRITE, 0);
	avail(vq, 1);
}
CASE(rx_readable) { desc(0, BUF(0), 2000, 0, 0); avail(vq, 0); (void)r; }
CASE(rx_readable_first)
{
	desc(0, BUF(0), 12, NEXT, 1);
	desc(1, BUF(1), 2000, WRITE, 0);
	avail(vq, 0);
}
CASE(rx_readable_last)
{
	desc(0, BUF(0), 2000, WRITE | NEXT, 1);
	desc(1, BUF(1), 12, 0, 0);
	avail(vq, 0);
}
CASE(rx_head_num) { avail(vq, NUM); (void)r; }
CASE(rx_second_head_num) { rx_bufs(r, vq, 1, 60); avail(vq, NUM); }
CASE(rx_loop) { desc(0, BUF(0), 1, WRITE | NEXT, 0); avail(vq, 0); (void)r; }
CASE(rx_idx_jump) { rx_bufs(r, vq, 8, 2000); vq->avail_idx++; }
CASE(rx_addr_hole) { desc(0, END, 2000, WRITE, 0); avail(vq, 0); (void)r; }
CASE(rx_addr_into_hole) { desc(0, END - 50, 2000, WRITE, 0); avail(vq, 0); (void)r; }
CASE(rx_second_in_hole) { rx_bufs(r, vq, 1, 60); desc(1, END, 2000, WRITE, 0); avail(vq, 1); }
CASE(rx_two_regions) { desc(0, BOUNDARY - 50, 2000, WRITE, 0); avail(vq, 0); (void)r; }
CASE(rx_two_regions_hdr) { desc(0, BOUNDARY - 5, 2000, WRITE, 0); avail(vq, 0); (void)r; }
CASE(rx_ind)
{
	table(0, BUF(0), 12, WRITE | NEXT, 1);
	table(1, BUF(1), 2000, WRITE, 0);
	desc(0, TABLE, 32, INDIRECT, 0);
	avail(vq, 0);
}
CASE(rx_ind_readable)
{
	table(0, BUF(0), 12, NEXT, 1);
	table(1, BUF(1), 2000, WRITE, 0);
	desc(0, TABLE, 32, INDIRECT, 0);
	avail(vq, 0);
}
CASE(rx_ind_then_plain) { rx_ind(r, vq); desc(1, BUF(3), 2000, WRITE, 0); avail(vq, 1); }

/* Memory that the ring's owner took away */
static void unmap(struct rig *r, uint64_t gpa, int prot)
{
	if (mprotect(at(r, gpa), 0x1000, prot))
		t_need(-errno, "mprotect");
}

CASE(rx_buffer_not_mapped)
{
	desc(0, TABLE, 0x1000, WRITE, 0);
	avail(vq, 0);
	desc(1, BUF(1), 0x1000, WRITE, 0);
	avail(vq, 1);
	unmap(r, TABLE, PROT_NONE);
}
CASE(rx_buffer_read_only)
{
	desc(0, TABLE, 0x1000, WRITE, 0);
	avail(vq, 0);
	desc(1, BUF(1), 0x1000, WRITE, 0);
	avail(vq, 1);
	unmap(r, TABLE, PROT_READ);
}
CASE(rx_buffer_ends_in_nothing)
{
	desc(0, TABLE - 50, 0x1000, WRITE, 0);
	avail(vq, 0);
	desc(1, BUF(1), 0x1000, WRITE, 0);
	avail(vq, 1);
	unmap(r, TABLE, PROT_NONE);
}

static const struct ring_case rx_cases[] = {
#define C(n, ...)	{ .name = #n, .fill = rx_##n, .frames = 1, __VA_ARGS__ }
	C(one), C(two), C(exact), C(merge_2), C(merge_8), C(merge_exact),
	{ .name = "two_frames", .fill = rx_two, .frames = 2 },
	{ .name = "nothing_sent", .fill = rx_two },
	{ .name = "frame_60000", .fill = rx_two, .frames = 1, .frame_len = 60000 },
	{ .name = "frame_8000", .fill = rx_two, .frames = 1, .frame_len = 8000 },
	{ .name = "frame_9000_then_buffer", .fill = rx_two, .frames = 1, .frame_len = 8900,
	  .recover = true },
	C(none, .recover = true), C(too_small), C(all_too_small), C(hdr_alone), C(hdr_split),
	C(chain), C(len_0_first), C(len_0),
	C(readable, .recover = true), C(readable_first), C(readable_last),
	C(head_num, SPLIT, .recover = true), C(second_head_num, SPLIT), C(loop, SPLIT), C(idx_jump, SPLIT),
	C(addr_hole, .recover = true), C(addr_into_hole), C(second_in_hole), C(two_regions),
	C(two_regions_hdr), C(ind), C(ind_readable),
	{ .name = "ind_twice", .fill = rx_ind_then_plain, .frames = 2 },
	{ .name = "plain_one", .fill = rx_one, .frames = 1, .without = MRG },
	{ .name = "plain_exact", .fill = rx_exact, .frames = 1, .without = MRG },
	{ .name = "plain_too_small", .fill = rx_merge_2, .frames = 1, .without = MRG },
	{ .name = "plain_too_small_of_two", .fill = rx_hdr_alone, .frames = 2, .without = MRG },
	{ .name = "legacy_merge", .fill = rx_merge_2, .frames = 1, .without = V1 },
	{ .name = "legacy_plain", .fill = rx_two, .frames = 2, .without = V1 | MRG },
	{ .name = "buffer_not_mapped", .fill = rx_buffer_not_mapped, .frames = 2 },
	{ .name = "buffer_read_only", .fill = rx_buffer_read_only, .frames = 2 },
	{ .name = "buffer_ends_in_nothing", .fill = rx_buffer_ends_in_nothing, .frames = 2 },
	{ .name = "ring_1", .fill = rx_one, .frames = 1, .num = 1 },
	{ .name = "no_kick", .fill = rx_two, .frames = 1, .quiet = true },
#undef C
};
