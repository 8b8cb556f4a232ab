/* SPDX-License-Identifier: GPL-2.0 */
/* Transmit rings, for ring.c alone: one function fills a ring, one line at the end names it. */

/* A packet in n equal parts, in descriptors from..from+n-1 */
static void chain(struct rig *r, struct vdrv_vq *vq, unsigned int from, unsigned int n)
{
	unsigned int part = (HDR + FRAME) / n, len, i;
	uint64_t gpa = BUF(from);

	packet(r, gpa, from, FRAME);
	for (i = 0; i < n; i++, gpa += part) {
		len = i + 1 < n ? part : HDR + FRAME - part * (n - 1);
		desc(from + i, gpa, len, i + 1 < n ? NEXT : 0, from + i + 1);
	}
	avail(vq, from);
}

/* A packet in an indirect table of n descriptors, of which descriptor 0 tells @len bytes */
static void indirect(struct rig *r, struct vdrv_vq *vq, unsigned int n, uint32_t len)
{
	unsigned int i, part = HDR + FRAME;
	uint64_t gpa = BUF(0);

	packet(r, gpa, 0, FRAME);
	for (i = 0; i < n; i++) {
		/* The frame first, then elements of no length. */
		table(i, gpa, part, i + 1 < n ? NEXT : 0, i + 1);
		gpa += part;
		part = 0;
	}
	desc(0, TABLE, len, INDIRECT, 0);
	avail(vq, 0);
}

#define CASE(fn)	static void fn(struct rig *r, struct vdrv_vq *vq)

CASE(tx_one) { good(r, vq, 0); }
CASE(tx_three) { good(r, vq, 2); good(r, vq, 0); good(r, vq, 1); }
CASE(tx_full) { for (unsigned int i = 0; i < vq->num; i++) good(r, vq, i); }
CASE(tx_chain_2) { chain(r, vq, 0, 2); }
CASE(tx_chain_num) { chain(r, vq, 0, NUM); }
CASE(tx_chain_backwards)
{
	packet(r, BUF(0), 0, FRAME);
	desc(5, BUF(0), HDR, NEXT, 3);
	desc(3, BUF(0) + HDR, 20, NEXT, 1);
	desc(1, BUF(0) + HDR + 20, FRAME - 20, 0, 0);
	avail(vq, 5);
}
CASE(tx_same_head_twice) { good(r, vq, 0); avail(vq, 0); }

/* Heads, next, loops */
CASE(tx_head_num) { good(r, vq, 0); avail(vq, NUM); good(r, vq, 1); }
CASE(tx_head_max) { avail(vq, 0xffff); (void)r; }
CASE(tx_next_num)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), HDR + FRAME, NEXT, NUM);
	avail(vq, 0);
}
CASE(tx_next_max)
{
	good(r, vq, 1);
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), HDR + FRAME, NEXT, 0xffff);
	avail(vq, 0);
	good(r, vq, 2);
}
CASE(tx_loop_1)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), HDR + FRAME, NEXT, 0);
	avail(vq, 0);
}
CASE(tx_loop_2)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), HDR, NEXT, 1);
	desc(1, BUF(0) + HDR, FRAME, NEXT, 0);
	avail(vq, 0);
}
CASE(tx_loop_num) { chain(r, vq, 0, NUM); desc(NUM - 1, BUF(0), 1, NEXT, 0); }
CASE(tx_loop_of_nothing) { desc(0, BUF(0), 0, NEXT, 0); avail(vq, 0); }

/* avail->idx */
CASE(tx_idx_num) { tx_full(r, vq); }
CASE(tx_idx_num_plus_1) { tx_full(r, vq); vq->avail_idx++; }
CASE(tx_idx_back) { good(r, vq, 0); vq->avail_idx = 0xffff; }
CASE(tx_idx_half) { tx_full(r, vq); vq->avail_idx = 0x8000; }

/* Addresses and lengths */
CASE(tx_addr_hole) { packet(r, BUF(0), 0, FRAME); desc(0, END, 72, 0, 0); avail(vq, 0); }
CASE(tx_addr_below) { desc(0, VDRV_GPA - 72, 72, 0, 0); avail(vq, 0); (void)r; }
CASE(tx_addr_0) { desc(0, 0, 72, 0, 0); avail(vq, 0); (void)r; }
CASE(tx_addr_into_hole) { desc(0, END - 40, 72, 0, 0); avail(vq, 0); (void)r; }
CASE(tx_addr_up_to_end)
{
	packet(r, END - 72, 0, FRAME);
	desc(0, END - 72, 72, 0, 0);
	avail(vq, 0);
}
CASE(tx_addr_wraps) { desc(0, ~0ULL - 30, 72, 0, 0); avail(vq, 0); (void)r; }
CASE(tx_addr_wraps_into_memory)
{
	desc(0, ~0ULL - 0xfff, 0xffffffff, 0, 0);
	avail(vq, 0);
	(void)r;
}
CASE(tx_addr_user_address)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, (uintptr_t)at(r, BUF(0)), 72, 0, 0);
	avail(vq, 0);
}
CASE(tx_hole_in_second)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), HDR + 20, NEXT, 1);
	desc(1, END, 40, 0, 0);
	avail(vq, 0);
}
CASE(tx_two_regions)
{
	packet(r, BOUNDARY - 30, 0, FRAME);
	desc(0, BOUNDARY - 30, 72, 0, 0);
	avail(vq, 0);
}
CASE(tx_odd_address)
{
	packet(r, BUF(0) + 3, 0, FRAME);
	desc(0, BUF(0) + 3, 72, 0, 0);
	avail(vq, 0);
}
CASE(tx_len_max) { desc(0, BUF(0), 0xffffffff, 0, 0); avail(vq, 0); (void)r; }
CASE(tx_len_0) { desc(0, BUF(0), 0, 0, 0); avail(vq, 0); good(r, vq, 1); }
CASE(tx_len_0_hole) { desc(0, END + 0x100000, 0, 0, 0); avail(vq, 0); good(r, vq, 1); }
CASE(tx_0_first)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(9), 0, NEXT, 1);
	desc(1, BUF(0), 72, 0, 0);
	avail(vq, 0);
}
CASE(tx_0_middle)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), HDR, NEXT, 1);
	desc(1, BUF(9), 0, NEXT, 2);
	desc(2, BUF(0) + HDR, FRAME, 0, 0);
	avail(vq, 0);
}
CASE(tx_0_last_hole)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), 72, NEXT, 1);
	desc(1, 0, 0, 0, 0);
	avail(vq, 0);
}
CASE(tx_flags_unknown)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), 72, 0xfff8, 0);
	avail(vq, 0);
}

/* Directions */
CASE(tx_writable) { packet(r, BUF(0), 0, FRAME); desc(0, BUF(0), 72, WRITE, 0); avail(vq, 0); }
CASE(tx_readable_then_writable)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), 72, NEXT, 1);
	desc(1, BUF(1), 16, WRITE, 0);
	avail(vq, 0);
}
CASE(tx_writable_then_readable)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(1), 16, WRITE | NEXT, 1);
	desc(1, BUF(0), 72, 0, 0);
	avail(vq, 0);
}
CASE(tx_writable_0)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), 72, NEXT, 1);
	desc(1, BUF(1), 0, WRITE, 0);
	avail(vq, 0);
}

/* Indirect tables */
CASE(tx_ind_1) { indirect(r, vq, 1, 16); }
CASE(tx_ind_3) { indirect(r, vq, 3, 48); }
CASE(tx_ind_num) { indirect(r, vq, NUM, NUM * 16); }
CASE(tx_ind_beyond_num) { indirect(r, vq, 4 * NUM, 4 * NUM * 16); }
CASE(tx_ind_longer_than_used) { indirect(r, vq, 2, 64 * 16); }
CASE(tx_ind_1024) { indirect(r, vq, 1024, 1024 * 16); }
CASE(tx_ind_2000) { indirect(r, vq, 2000, 2000 * 16); }
CASE(tx_ind_segments_1024)
{
	uint64_t gpa = BUF(0);

	packet(r, gpa, 0, 2000);
	for (unsigned int i = 0; i < 1024; i++) {
		table(i, gpa, i < 1023 ? 1 : HDR + 2000 - 1023, i < 1023 ? NEXT : 0, i + 1);
		gpa++;
	}
	desc(0, TABLE, 1024 * 16, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_segments_1025)
{
	uint64_t gpa = BUF(0);

	packet(r, gpa, 0, 2000);
	for (unsigned int i = 0; i < 1025; i++) {
		table(i, gpa, i < 1024 ? 1 : HDR + 2000 - 1024, i < 1024 ? NEXT : 0, i + 1);
		gpa++;
	}
	desc(0, TABLE, 1025 * 16, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_len_0) { indirect(r, vq, 1, 0); good(r, vq, 1); }
CASE(tx_ind_len_8) { indirect(r, vq, 1, 8); good(r, vq, 1); }
CASE(tx_ind_len_17) { indirect(r, vq, 2, 17); }
CASE(tx_ind_65536) { indirect(r, vq, 1, 65536 * 16); }
CASE(tx_ind_65537) { indirect(r, vq, 1, 65537 * 16); }
CASE(tx_ind_len_max) { indirect(r, vq, 1, 0xfffffff0); }
CASE(tx_ind_hole) { packet(r, BUF(0), 0, FRAME); desc(0, END, 16, INDIRECT, 0); avail(vq, 0); }
CASE(tx_ind_into_hole)
{
	packet(r, BUF(0), 0, FRAME);
	put_entry(r, vq, END - 16, 0, BUF(0), 72, 0, 0);
	desc(0, END - 16, 32, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_wraps) { desc(0, ~0ULL - 15, 32, INDIRECT, 0); avail(vq, 0); (void)r; }
CASE(tx_ind_odd_address)
{
	packet(r, BUF(0), 0, FRAME);
	put_entry(r, vq, TABLE + 1, 0, BUF(0), 72, 0, 0);
	desc(0, TABLE + 1, 16, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_two_regions)
{
	packet(r, BUF(0), 0, FRAME);
	put_entry(r, vq, BOUNDARY - 16, 0, BUF(0), HDR, NEXT, 1);
	put_entry(r, vq, BOUNDARY - 16, 1, BUF(0) + HDR, FRAME, 0, 0);
	desc(0, BOUNDARY - 16, 32, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_entry_in_two_regions)
{
	packet(r, BUF(0), 0, FRAME);
	put_entry(r, vq, BOUNDARY - 24, 0, BUF(0), HDR, NEXT, 1);
	put_entry(r, vq, BOUNDARY - 24, 1, BUF(0) + HDR, FRAME, 0, 0);
	desc(0, BOUNDARY - 24, 32, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_nested)
{
	packet(r, BUF(0), 0, FRAME);
	table(0, TABLE + 0x1000, 16, INDIRECT, 0);
	put_entry(r, vq, TABLE + 0x1000, 0, BUF(0), 72, 0, 0);
	desc(0, TABLE, 16, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_nested_second)
{
	packet(r, BUF(0), 0, FRAME);
	table(0, BUF(0), HDR, NEXT, 1);
	table(1, TABLE + 0x1000, 16, INDIRECT, 0);
	put_entry(r, vq, TABLE + 0x1000, 0, BUF(0) + HDR, FRAME, 0, 0);
	desc(0, TABLE, 32, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_next_on_last) { indirect(r, vq, 2, 32); table(1, BUF(1), 0, NEXT, 2); }
CASE(tx_ind_next_skips)
{
	packet(r, BUF(0), 0, FRAME);
	packet(r, BUF(1), 1, FRAME);
	table(0, BUF(0), HDR, NEXT, 2);
	table(1, BUF(1) + HDR, FRAME, 0, 0);
	table(2, BUF(0) + HDR, FRAME, 0, 0);
	desc(0, TABLE, 48, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_next_back)
{
	indirect(r, vq, 3, 48);
	table(1, BUF(1), 0, NEXT, 0);
}
CASE(tx_ind_next_outside)
{
	indirect(r, vq, 3, 48);
	table(1, BUF(1), 0, NEXT, 3);
}
CASE(tx_ind_entry_hole)
{
	indirect(r, vq, 2, 32);
	table(1, END, 4, 0, 0);
}
CASE(tx_ind_write_flag) { indirect(r, vq, 1, 16); desc(0, TABLE, 16, INDIRECT | WRITE, 0); }
CASE(tx_ind_then_next)
{
	packet(r, BUF(0), 0, FRAME);
	table(0, BUF(0), HDR, 0, 0);
	desc(0, TABLE, 16, INDIRECT | NEXT, 1);
	desc(1, BUF(0) + HDR, FRAME, 0, 0);
	avail(vq, 0);
}
CASE(tx_ind_after_direct)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), HDR, NEXT, 1);
	table(0, BUF(0) + HDR, FRAME, 0, 0);
	desc(1, TABLE, 16, INDIRECT, 0);
	avail(vq, 0);
}
CASE(tx_ind_writable_entry) { indirect(r, vq, 2, 32); table(1, BUF(1), 16, WRITE, 0); }
CASE(tx_ind_writable_first)
{
	packet(r, BUF(0), 0, FRAME);
	table(0, BUF(1), 16, WRITE | NEXT, 1);
	table(1, BUF(0), 72, 0, 0);
	desc(0, TABLE, 32, INDIRECT, 0);
	avail(vq, 0);
}

/* The virtio-net header and the frame */
static void tx_bytes(struct rig *r, struct vdrv_vq *vq, unsigned int len)
{
	packet(r, BUF(0), 0, 70000);
	desc(0, BUF(0), len, 0, 0);
	avail(vq, 0);
	packet(r, BUF(1) + 0x20000, 1, FRAME);
	desc(1, BUF(1) + 0x20000, HDR + FRAME, 0, 0);
	avail(vq, 1);
}

CASE(tx_bytes_1) { tx_bytes(r, vq, 1); }
CASE(tx_bytes_10) { tx_bytes(r, vq, 10); }
CASE(tx_bytes_11) { tx_bytes(r, vq, 11); }
CASE(tx_bytes_12) { tx_bytes(r, vq, 12); }
CASE(tx_bytes_13) { tx_bytes(r, vq, 13); }
CASE(tx_bytes_25) { tx_bytes(r, vq, 25); }
CASE(tx_bytes_26) { tx_bytes(r, vq, 26); }
CASE(tx_bytes_1526) { tx_bytes(r, vq, 12 + 1514); }
CASE(tx_bytes_3500) { tx_bytes(r, vq, 3500); }
CASE(tx_bytes_4096) { tx_bytes(r, vq, 4096); }
CASE(tx_bytes_60000) { tx_bytes(r, vq, 60000); }
CASE(tx_bytes_65547) { tx_bytes(r, vq, 65535 + 12); }
CASE(tx_bytes_65550) { tx_bytes(r, vq, 65550); }
CASE(tx_bytes_70012) { tx_bytes(r, vq, 70012); }
CASE(tx_bytes_1m) { tx_bytes(r, vq, 1 << 20); }
CASE(tx_hdr_split)
{
	packet(r, BUF(0), 0, FRAME);
	desc(0, BUF(0), 5, NEXT, 1);
	desc(1, BUF(0) + 5, 1, NEXT, 2);
	desc(2, BUF(0) + 6, 72 - 6, 0, 0);
	avail(vq, 0);
}

static void tx_gso(struct rig *r, struct vdrv_vq *vq, struct virtio_net_hdr h)
{
	good(r, vq, 0);
	poke(r, BUF(0), &h, sizeof(h));
	good(r, vq, 1);
}

CASE(tx_gso_unknown) { tx_gso(r, vq, (struct virtio_net_hdr){ .gso_type = 77, .gso_size = 10 }); }
CASE(tx_gso_no_size) { tx_gso(r, vq, (struct virtio_net_hdr){ .gso_type = 1 }); }
CASE(tx_csum_at_end)
{
	tx_gso(r, vq, (struct virtio_net_hdr){ .flags = 1, .csum_start = 58, .csum_offset = 0 });
}
CASE(tx_csum_beyond)
{
	tx_gso(r, vq, (struct virtio_net_hdr){ .flags = 1, .csum_start = 59, .csum_offset = 16 });
}
CASE(tx_csum_far)
{
	tx_gso(r, vq, (struct virtio_net_hdr){ .flags = 1, .csum_start = 0xfff0,
					       .csum_offset = 0xffff });
}
CASE(tx_hdr_len_far) { tx_gso(r, vq, (struct virtio_net_hdr){ .hdr_len = 0xffff }); }
CASE(tx_hdr_flags_all) { tx_gso(r, vq, (struct virtio_net_hdr){ .flags = 0xfe }); }

/* Notification */
CASE(tx_no_interrupt) { good(r, vq, 0); vdrv_vq_disable_call(vq); }
CASE(tx_used_event_0) { good(r, vq, 0); good(r, vq, 1); used_event(vq, 0); }
CASE(tx_used_event_later) { good(r, vq, 0); good(r, vq, 1); used_event(vq, 5); }

#define EVENT	VDRV_BIT(VIRTIO_RING_F_EVENT_IDX)
#define MRG	VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF)
#define V1	VDRV_BIT(VIRTIO_F_VERSION_1)
#define IND	VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define EMPTY	VDRV_BIT(VIRTIO_F_NOTIFY_ON_EMPTY)

#define SPLIT	.split = true

static const struct ring_case tx_cases[] = {
#define C(n, ...)	{ .name = #n, .fill = tx_##n, __VA_ARGS__ }
	C(one), C(three), C(full), C(chain_2), C(chain_num), C(chain_backwards),
	C(same_head_twice, .once = true),
	C(head_num, SPLIT, .recover = true), C(head_max, SPLIT), C(next_num, SPLIT, .recover = true), C(next_max, SPLIT),
	C(loop_1, SPLIT), C(loop_2, SPLIT, .recover = true), C(loop_num, SPLIT), C(loop_of_nothing, SPLIT),
	C(idx_num), C(idx_num_plus_1, SPLIT, .recover = true), C(idx_back, SPLIT), C(idx_half, SPLIT),
	C(addr_hole, .recover = true), C(addr_below), C(addr_0), C(addr_into_hole),
	C(addr_up_to_end), C(addr_wraps), C(addr_wraps_into_memory), C(addr_user_address),
	C(hole_in_second), C(two_regions), C(odd_address), C(len_max), C(len_0), C(len_0_hole),
	C(0_first), C(0_middle), C(0_last_hole), C(flags_unknown),
	C(writable), C(readable_then_writable), C(writable_then_readable), C(writable_0),
	C(ind_1), C(ind_3), C(ind_num), C(ind_beyond_num), C(ind_longer_than_used, SPLIT), C(ind_1024),
	C(ind_2000), C(ind_segments_1024), C(ind_segments_1025), C(ind_len_0), C(ind_len_8),
	C(ind_len_17), C(ind_65536, SPLIT), C(ind_65537), C(ind_len_max), C(ind_hole), C(ind_into_hole),
	C(ind_wraps), C(ind_odd_address), C(ind_two_regions), C(ind_entry_in_two_regions),
	C(ind_nested, .recover = true), C(ind_nested_second), C(ind_next_on_last, SPLIT),
	C(ind_next_skips, SPLIT), C(ind_next_back, SPLIT), C(ind_next_outside, SPLIT), C(ind_entry_hole),
	C(ind_write_flag), C(ind_then_next), C(ind_after_direct), C(ind_writable_entry),
	C(ind_writable_first),
	{ .name = "ind_not_negotiated", .fill = tx_ind_1, .without = IND },
	C(bytes_1), C(bytes_10), C(bytes_11), C(bytes_12), C(bytes_13), C(bytes_25), C(bytes_26),
	C(bytes_1526), C(bytes_3500), C(bytes_4096), C(bytes_60000), C(bytes_65547),
	C(bytes_65550), C(bytes_70012), C(bytes_1m), C(hdr_split),
	C(gso_unknown), C(gso_no_size), C(csum_at_end), C(csum_beyond), C(csum_far),
	C(hdr_len_far), C(hdr_flags_all),
	C(no_interrupt), C(used_event_0, .features = EVENT),
	{ .name = "no_interrupt_but_empty", .fill = tx_no_interrupt, .features = EMPTY },
	C(used_event_later, .features = EVENT),
	{ .name = "no_kick", .fill = tx_one, .quiet = true },
	{ .name = "ring_1", .fill = tx_one, .num = 1 },
	{ .name = "ring_2", .fill = tx_full, .num = 2 },
#undef C
};
