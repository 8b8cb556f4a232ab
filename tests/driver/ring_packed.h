/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings that only the packed layout can have (virtio 1.2, 2.8), for ring.c alone: descriptors written as
 * they are, and what must become of them, as the stock module has no such rings. Transmit.
 */

#define PD_AVAIL	(1 << VRING_PACKED_DESC_F_AVAIL)
#define PD_USED		(1 << VRING_PACKED_DESC_F_USED)

/* Descriptor @i of the first round: available unless @flags say something else about that */
static void raw(struct vdrv_vq *vq, unsigned int i, uint64_t gpa, uint32_t len, uint16_t id,
		uint16_t flags)
{
	vq->pdesc[i] = (struct vring_packed_desc){ htole64(gpa), htole32(len), htole16(id),
						   htole16(flags) };
}

#define PCASE(fn)	static void pk_##fn(struct rig *r, struct vdrv_vq *vq)

PCASE(one) { packet(r, BUF(0), 0, FRAME); raw(vq, 0, BUF(0), HDR + FRAME, 0, PD_AVAIL); }
/* Not available, in the three ways that there are in the first round */
PCASE(flags_0) { packet(r, BUF(0), 0, FRAME); raw(vq, 0, BUF(0), HDR + FRAME, 0, 0); }
PCASE(flags_both) { packet(r, BUF(0), 0, FRAME); raw(vq, 0, BUF(0), 72, 0, PD_AVAIL | PD_USED); }
PCASE(flags_used) { packet(r, BUF(0), 0, FRAME); raw(vq, 0, BUF(0), HDR + FRAME, 0, PD_USED); }
/* The id is the driver's own affair: 2.8.5 */
PCASE(id_max) { packet(r, BUF(0), 0, FRAME); raw(vq, 0, BUF(0), 72, 0xffff, PD_AVAIL); }
PCASE(id_num) { packet(r, BUF(0), 0, FRAME); raw(vq, 0, BUF(0), 72, NUM, PD_AVAIL); }
/* That of a list is in its last descriptor: 2.8.6 */
PCASE(id_last)
{
	packet(r, BUF(0), 0, FRAME);
	raw(vq, 0, BUF(0), HDR, 3, PD_AVAIL | NEXT);
	raw(vq, 1, BUF(0) + HDR, FRAME, 5, PD_AVAIL);
}
PCASE(gap)
{
	packet(r, BUF(0), 0, FRAME);
	packet(r, BUF(2), 2, FRAME);
	raw(vq, 0, BUF(0), HDR + FRAME, 0, PD_AVAIL);
	raw(vq, 2, BUF(2), HDR + FRAME, 2, PD_AVAIL);
}
/*
 * A list without an end. (One whose end is not available is no case: as its head comes last the device
 * need not look.)
 */
PCASE(next_never_ends)
{
	for (unsigned int i = 0; i < NUM; i++)
		raw(vq, i, BUF(0), 1, i, PD_AVAIL | NEXT);
	(void)r;
}
PCASE(full)
{
	for (unsigned int i = 0; i < NUM; i++) {
		packet(r, BUF(i), i, FRAME);
		raw(vq, i, BUF(i), HDR + FRAME, i, PD_AVAIL);
	}
}
/* Only WRITE counts in a table: 2.8.7 */
PCASE(table_next)
{
	packet(r, BUF(0), 0, FRAME);
	put_desc(r, TABLE, 0, BUF(0), HDR, 7, NEXT);
	put_desc(r, TABLE, 1, BUF(0) + HDR, FRAME, 7, NEXT);
	raw(vq, 0, TABLE, 32, 4, PD_AVAIL | INDIRECT);
}

#define GOOD(used, base, frames)	"used[" used " ] base=" base " err=0 call=1 frames[" frames " ]"
#define NOTHING				"used[ ] base=0x80008000 err=0 call=0 frames[ ]"
#define BROKEN				"used[ ] base=0x80008000 err=1 call=0 frames[ ]"

static const struct packed_case {
	const char *name;
	void (*fill)(struct rig *r, struct vdrv_vq *vq);
	const char *want;
} packed_cases[] = {
#define P(n, want)	{ #n, pk_##n, want }
	P(one, GOOD(" 0:0", "0x80018001", " 0/60")),
	P(flags_0, NOTHING), P(flags_both, NOTHING), P(flags_used, NOTHING),
	P(id_max, GOOD(" 65535:0", "0x80018001", " 0/60")),
	P(id_num, GOOD(" 8:0", "0x80018001", " 0/60")),
	P(id_last, GOOD(" 5:0", "0x80028002", " 0/60")),
	P(gap, GOOD(" 0:0", "0x80018001", " 0/60")),
	P(next_never_ends, BROKEN),
	P(full, GOOD(" 0:0 1:0 2:0 3:0 4:0 5:0 6:0 7:0", "0",
		     " 0/60 1/60 2/60 3/60 4/60 5/60 6/60 7/60")),
	P(table_next, GOOD(" 4:0", "0x80018001", " 0/60")),
#undef P
};

/* What has become used: entries at their places, ids as they are there */
static void packed_used(char *s, size_t size, struct vdrv_vq *vq)
{
	size_t n = 0;

	s[0] = 0;
	for (unsigned int i = 0; i < vq->num; i++) {
		uint16_t flags = le16toh(vq->pdesc[i].flags);

		/* In the first round both bits are set; flags_both is not a completion. */
		if (flags & PD_AVAIL && flags & PD_USED && le32toh(vq->pdesc[i].len) != 72)
			n += snprintf(s + n, n < size ? size - n : 0, " %u:%u",
				      le16toh(vq->pdesc[i].id), le32toh(vq->pdesc[i].len));
	}
}

static void run_packed(const struct packed_case *c)
{
	struct rig_opt o = { .features = RIG_FEATURES, .num = NUM };
	struct vhost_vring_state base = { .index = VDRV_TX };
	char used[200], frames[400] = "", out[700];
	struct vdrv_vq *vq;
	struct rig r;
	bool err;

	t_need(rig_open(&r, &o), "rig");
	vq = &r.vq[VDRV_TX];
	given_none();
	c->fill(&r, vq);
	t_need(rig_start(&r), "backend");
	rest(&r);
	vdrv_vq_kick_always(vq);
	err = !settle(&r, vq);
	rig_stop(&r);
	ioctl(r.dev.fd, VHOST_GET_VRING_BASE, &base);
	packed_used(used, sizeof(used), vq);
	print_tx(frames, sizeof(frames), &r);
	snprintf(out, sizeof(out), "used[%s ] base=%#x err=%d call=%d frames[%s ]", used, base.num,
		 err, vdrv_event_wait(vq->call, 0) != 0, frames);
	t_ok(!strcmp(out, c->want), "packed/%s: %s%s%s", c->name, out,
	     strcmp(out, c->want) ? ", wanted " : "", strcmp(out, c->want) ? c->want : "");
	rig_close(&r);
}
