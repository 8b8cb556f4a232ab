/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The same chains in either layout, for ring.c alone. A case writes a descriptor table and names heads.
 * In a split ring that is all there is to it. For a packed ring the table is a shadow that the device
 * never sees: lay() puts the chains into the ring, one after the other, with their heads as buffer ids.
 */

struct used_list {
	unsigned int n;
	bool nonsense;
	struct {
		uint32_t id;
		uint32_t len;
	} e[64];
};

/* Heads in the order in which they were made available; packed: how many descriptors each took */
static struct {
	unsigned int n;
	unsigned int laid;
	uint16_t head[64];
	uint16_t ndesc[64];
} given;

static bool is_packed(const struct vdrv_vq *vq) { return vq->layout != &vdrv_split; }

static uint64_t desc_gpa(const struct vdrv_vq *vq) { return is_packed(vq) ? SHADOW : vq->desc_gpa; }

static void given_none(void) { given.n = given.laid = 0; }

/* An entry of an indirect table, where packed ones have their flags elsewhere and no NEXT */
static void put_entry(struct rig *r, const struct vdrv_vq *vq, uint64_t table, unsigned int i,
		      uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	if (is_packed(vq))
		put_desc(r, table, i, gpa, len, 0, flags & ~NEXT);
	else
		put_desc(r, table, i, gpa, len, flags, next);
}

static void avail(struct vdrv_vq *vq, uint16_t head)
{
	given.head[given.n++ % ARRAY_SIZE(given.head)] = head;
	if (is_packed(vq))
		return;
	vq->avail->ring[vq->avail_idx & (vq->num - 1)] = htole16(head);
	vq->avail_idx++;
}

static void used_event(struct vdrv_vq *vq, uint16_t at)
{
	if (!is_packed(vq)) {
		vq->avail->ring[vq->num] = htole16(at);
		return;
	}
	vq->driver_event->off_wrap = htole16(at | 1 << VRING_PACKED_EVENT_F_WRAP_CTR);
	vq->driver_event->flags = htole16(VRING_PACKED_EVENT_FLAG_DESC);
}

static void ring_step(const struct vdrv_vq *vq, uint16_t *at, bool *wrap, unsigned int n)
{
	for (; n; n--) {
		if (++*at == vq->num) {
			*at = 0;
			*wrap = !*wrap;
		}
	}
}

/* The heads given since last time become available; the first descriptor of all comes last. */
static void lay(struct rig *r, struct vdrv_vq *vq)
{
	const uint16_t avail_bit = 1 << VRING_PACKED_DESC_F_AVAIL;
	const uint16_t used_bit = 1 << VRING_PACKED_DESC_F_USED;
	struct vring_packed_desc *first = NULL, *d;
	struct vring_desc *shadow = at(r, SHADOW), s;
	uint16_t first_flags = 0, flags;
	unsigned int i;

	for (; is_packed(vq) && given.laid < given.n; given.laid++) {
		given.ndesc[given.laid] = 0;
		i = given.head[given.laid];
		do {
			s = shadow[i];
			flags = le16toh(s.flags) & ~(avail_bit | used_bit);
			flags |= vq->avail_wrap ? avail_bit : used_bit;
			d = &vq->pdesc[vq->avail_idx];
			d->addr = s.addr;
			d->len = s.len;
			d->id = htole16(given.head[given.laid]);
			if (first) {
				d->flags = htole16(flags);
			} else {
				first = d;
				first_flags = flags;
			}
			given.ndesc[given.laid]++;
			ring_step(vq, &vq->avail_idx, &vq->avail_wrap, 1);
			i = le16toh(s.next);
		} while (flags & NEXT);
	}
	if (first)
		__atomic_store_n(&first->flags, htole16(first_flags), __ATOMIC_RELEASE);
}

/* How many whole chains lie before a packed position; -1: it is inside of one */
static int chains_before(const struct vdrv_vq *vq, uint16_t position)
{
	uint16_t at = 0;
	bool wrap = true;
	unsigned int i;

	for (i = 0; ; i++) {
		if (position == (at | wrap << VRING_PACKED_EVENT_F_WRAP_CTR))
			return i;
		if (i == given.laid)
			return -1;
		ring_step(vq, &at, &wrap, given.ndesc[i]);
	}
}

/* As it would be in a split ring: how many chains have been taken */
static void base_print(char *s, size_t size, const struct vdrv_vq *vq, uint32_t base)
{
	int n = is_packed(vq) ? chains_before(vq, base) : (int)base;

	if (n < 0 || (is_packed(vq) && base >> 16 != (base & 0xffff)))
		snprintf(s, size, "%#x", base);
	else
		snprintf(s, size, "%d", n);
}

/* Give again from the position that GET_VRING_BASE told. */
static void go_back(struct vdrv_vq *vq, uint32_t base)
{
	int n = is_packed(vq) ? chains_before(vq, base) : (int)base;

	given.n = given.laid = n < 0 ? 0 : n;
	if (is_packed(vq)) {
		vq->avail_idx = base & 0x7fff;
		vq->avail_wrap = base & 0x8000;
	} else {
		vq->avail_idx = base;
	}
}

/* Walks the descriptors of a chain as the case wrote them. */
struct chain_walk {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags;
	/* inner */
	struct rig *r;
	struct vring_desc *t;
	unsigned int i, num, budget;
	bool more, packed_table, packed;
};

static void walk_begin(struct chain_walk *w, struct rig *r, struct vdrv_vq *vq, unsigned int head)
{
	*w = (struct chain_walk){ .r = r, .t = at(r, desc_gpa(vq)), .i = head, .num = vq->num,
				  .budget = 4096, .more = true, .packed = is_packed(vq) };
}

static bool walk_next(struct chain_walk *w)
{
	struct vring_desc *d;

	if (!w->more || !w->budget-- || w->i >= w->num)
		return false;
	d = &w->t[w->i];
	if (!w->packed_table && d->flags & htole16(INDIRECT)) {
		if (!is_memory(le64toh(d->addr), le32toh(d->len)))
			return false;
		w->t = at(w->r, le64toh(d->addr));
		w->num = le32toh(d->len) / sizeof(*d);
		w->packed_table = w->packed;
		w->i = 0;
		return walk_next(w);
	}
	w->gpa = le64toh(d->addr);
	w->len = le32toh(d->len);
	if (w->packed_table) {
		w->flags = le16toh(d->next);
		w->i++;
		return true;
	}
	w->flags = le16toh(d->flags);
	w->more = w->flags & NEXT;
	w->i = le16toh(d->next);
	return true;
}

/* All that the device may write into a chain */
static uint32_t room_of(struct rig *r, struct vdrv_vq *vq, unsigned int head)
{
	struct chain_walk w;
	uint32_t room = 0;

	for (walk_begin(&w, r, vq, head); walk_next(&w); )
		room += w.flags & WRITE ? w.len : 0;
	return room;
}

static void used_add(struct used_list *u, uint32_t id, uint32_t len)
{
	if (u->n < ARRAY_SIZE(u->e)) {
		u->e[u->n].id = id;
		u->e[u->n++].len = len;
	}
}

/*
 * A completion of @id when @done buffers have been used: that one, and with IN_ORDER all before it, which
 * are full. Returns how many, 0 when there is no such buffer.
 */
static unsigned int used_batch(struct rig *r, struct vdrv_vq *vq, unsigned int done, uint32_t id,
			       uint32_t len, struct used_list *u)
{
	unsigned int i, to = done;

	if (vq->in_order) {
		while (to < given.n && given.head[to] != id)
			to++;
		if (to == given.n)
			return 0;
	}
	for (i = done; i < to; i++)
		used_add(u, given.head[i], room_of(r, vq, given.head[i]));
	used_add(u, id, len);
	return to - done + 1;
}

/* Buffers that have been used after the first @from */
static void used_since(struct rig *r, struct vdrv_vq *vq, unsigned int from, struct used_list *u)
{
	unsigned int done = from, n, i;
	uint16_t at = 0, to;
	bool wrap = true;

	*u = (struct used_list){ 0 };
	if (!is_packed(vq)) {
		to = le16toh(__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE));
		for (; (uint16_t)done != to && !u->nonsense; done += n) {
			struct vring_used_elem *e = &vq->used->ring[done & (vq->num - 1)];

			n = used_batch(r, vq, done, le32toh(e->id), le32toh(e->len), u);
			u->nonsense = !n || n > (uint16_t)(to - done) || u->n > vq->num;
		}
		return;
	}
	for (i = 0; i < from && i < given.laid; i++)
		ring_step(vq, &at, &wrap, given.ndesc[i]);
	while (done < given.laid) {
		struct vring_packed_desc *d = &vq->pdesc[at];
		uint16_t flags = le16toh(__atomic_load_n(&d->flags, __ATOMIC_ACQUIRE));

		if (!(flags & 1 << VRING_PACKED_DESC_F_AVAIL) == wrap ||
		    !(flags & 1 << VRING_PACKED_DESC_F_USED) == wrap)
			break;
		n = used_batch(r, vq, done, le16toh(d->id), le32toh(d->len), u);
		u->nonsense = !n || (!vq->in_order && le16toh(d->id) != given.head[done]);
		if (u->nonsense)
			break;
		for (i = done, done += n; i < done; i++)
			ring_step(vq, &at, &wrap, given.ndesc[i]);
	}
}

static unsigned int used_count(struct rig *r, struct vdrv_vq *vq)
{
	struct used_list u;

	used_since(r, vq, 0, &u);
	return u.n;
}
