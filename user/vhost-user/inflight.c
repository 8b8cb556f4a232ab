// SPDX-License-Identifier: GPL-2.0
/* What is under way, see inflight.h. */
#define _GNU_SOURCE
#include "inflight.h"

#include <stdlib.h>
#include <string.h>

#define VERSION		1
#define ALIGNMENT	64

struct split_entry {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct split_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct split_entry desc[];
};

struct packed_entry {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

/* Two places in the list of free entries, and two in the ring, change in one store each. */
union packed_free {
	struct {
		uint16_t head, old_head;
	};
	uint32_t word;
};

union packed_used {
	struct {
		uint16_t idx, old_idx;
		uint8_t wrap, old_wrap;
	};
	uint64_t word;
};

struct packed_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	union packed_free free;
	union packed_used used;
	uint64_t padding;
	struct packed_entry desc[];
};

_Static_assert(sizeof(struct split_region) == 16 && sizeof(struct split_entry) == 16, "the specification's");
_Static_assert(sizeof(struct packed_region) == 32 && sizeof(struct packed_entry) == 32, "the specification's");

/* Of an entry: the next one of its buffer, or of the free ones; and of a first one the last one of its buffer */
struct vu_inflight_link {
	uint16_t next;
	uint16_t last;
	bool seen;
};

#define get(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define put(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
/* What was stored before is stored before what comes after, as a process that reads it later sees it. */
#define then()		__atomic_signal_fence(__ATOMIC_SEQ_CST)

size_t vu_inflight_size(bool packed, unsigned int queue_size)
{
	size_t size = packed ? sizeof(struct packed_region) + queue_size * sizeof(struct packed_entry) :
			       sizeof(struct split_region) + queue_size * sizeof(struct split_entry);

	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* --- split --- */

static void split_mark(struct vu_inflight *f, uint16_t head)
{
	struct split_region *r = f->region;

	put(r->desc[head].counter, f->counter++);
	then();
	put(r->desc[head].inflight, 1);
}

static void split_ending(struct vu_inflight *f, const uint16_t *slot, unsigned int n)
{
	struct split_region *r = f->region;
	uint16_t last = slot[0];
	unsigned int i;

	/* The list of the last batch is as long as the batch: what its end points to does not matter. */
	for (i = 1; i < n; i++) {
		put(r->desc[slot[i]].next, last);
		last = slot[i];
	}
	put(r->last_batch_head, last);
	then();
}

static void split_ended(struct vu_inflight *f, const uint16_t *slot, unsigned int n, uint16_t used)
{
	struct split_region *r = f->region;
	unsigned int i;

	then();
	for (i = 0; i < n; i++)
		put(r->desc[slot[i]].inflight, 0);
	then();
	put(r->used_idx, used);
}

/* The last batch was published, and perhaps not all of it cleared. */
static const char *split_clear_batch(struct vu_inflight *f, uint16_t used)
{
	struct split_region *r = f->region;
	uint16_t n = used - get(r->used_idx), i;

	if (n > f->num)
		return "inflight region: the used index has moved by more than the ring size";
	for (i = get(r->last_batch_head); n--; i = get(r->desc[i].next)) {
		if (i >= f->size)
			return "inflight region: the last batch leaves the region";
		put(r->desc[i].inflight, 0);
	}
	then();
	put(r->used_idx, used);
	return NULL;
}

static const char *split_recover(struct vu_inflight *f, struct vring_cursor *pos)
{
	struct split_region *r = f->region;
	const char *why = split_clear_batch(f, pos->used);
	unsigned int i;
	uint8_t state;

	for (i = 0; i < f->size && !why; i++) {
		state = get(r->desc[i].inflight);
		if (state && (state > 1 || i >= f->num))
			return "inflight region: a buffer that the ring cannot have";
		if (state)
			f->saved[f->nr_saved++] = (struct vu_saved){
				.counter = get(r->desc[i].counter),
				.slot = (uint16_t)i,
				.head = (uint16_t)i,
			};
	}
	pos->avail = pos->used;
	return why;
}

static void split_init(struct vu_inflight *f, const struct vring_cursor *pos)
{
	struct split_region *r = f->region;

	memset(r, 0, sizeof(*r) + f->size * sizeof(r->desc[0]));
	r->desc_num = f->size;
	r->used_idx = pos->used;
	then();
	put(r->version, VERSION);
}

/* --- packed --- */

static uint16_t place_after(uint16_t pos, uint32_t n, uint32_t num)
{
	uint32_t next = (pos & ~VRING_WRAP) + n;

	return (uint16_t)(next < num ? next | (pos & VRING_WRAP) : (next - num) | (~pos & VRING_WRAP));
}

static void put_free(struct packed_region *r, uint16_t head, uint16_t old_head)
{
	union packed_free free = { .head = head, .old_head = old_head };

	put(r->free.word, free.word);
}

static void put_used(struct packed_region *r, uint16_t pos, uint16_t old_pos)
{
	union packed_used used = {
		.idx = pos & ~VRING_WRAP,
		.old_idx = old_pos & ~VRING_WRAP,
		.wrap = pos >> 15,
		.old_wrap = old_pos >> 15,
	};

	put(r->used.word, used.word);
}

/*
 * The descriptors are read once more, as they are in the ring, where the driver leaves them alone. If it does
 * not, they are checked like any others when they are popped again.
 */
static void packed_mark(struct vu_inflight *f, const struct vring_elem *e)
{
	struct packed_region *r = f->region;
	uint16_t first = f->free, at = e->at & ~VRING_WRAP, i = first, n;

	for (n = e->count; n--; i = f->link[i].next) {
		const struct vring_packed_desc *d = &f->ring[at];

		put(r->desc[i].addr, get(d->addr));
		put(r->desc[i].len, get(d->len));
		put(r->desc[i].flags, get(d->flags));
		put(r->desc[i].id, e->head);
		f->link[first].last = i;
		at = at + 1u < f->num ? at + 1 : 0;
	}
	put(r->desc[first].num, e->count);
	put(r->desc[first].last, f->link[first].last);
	put(r->desc[first].counter, f->counter++);
	put(r->desc[first].inflight, 1);
	then();
	f->free = i;
	put_free(r, i, i);
}

/* A buffer's entries are free. The region says so with its list's head, which is put later. */
static void packed_free(struct vu_inflight *f, uint16_t slot)
{
	struct packed_region *r = f->region;
	uint16_t last = f->link[slot].last;

	put(r->desc[last].next, f->free);
	f->link[last].next = f->free;
	f->free = slot;
}

static void packed_unmark(struct vu_inflight *f, uint16_t slot)
{
	struct packed_region *r = f->region;

	packed_free(f, slot);
	then();
	/* The first free entry is not in flight, whatever it says. */
	put_free(r, slot, slot);
	then();
	put(r->desc[slot].inflight, 0);
}

static void packed_ending(struct vu_inflight *f, const struct vring_elem *e, const uint16_t *slot, unsigned int n,
			  uint16_t used)
{
	struct packed_region *r = f->region;
	uint16_t old = f->free, end = used;
	unsigned int i;

	for (i = 0; i < n; i++) {
		packed_free(f, slot[i]);
		end = place_after(end, e[i].count, f->num);
	}
	then();
	put_free(r, f->free, old);
	then();
	put_used(r, end, used);
	then();
}

static void packed_ended(struct vu_inflight *f, const uint16_t *slot, unsigned int n, uint16_t used)
{
	struct packed_region *r = f->region;
	unsigned int i;

	then();
	for (i = 0; i < n; i++)
		put(r->desc[slot[i]].inflight, 0);
	then();
	put_free(r, f->free, f->free);
	then();
	put_used(r, used, used);
}

/* Did the driver get what was to be used at @pos? Then the descriptor there is not as it was made available. */
static bool packed_published(const struct vu_inflight *f, uint16_t pos)
{
	uint16_t flags = le16toh(get(f->ring[pos & ~VRING_WRAP].flags));
	bool avail = flags >> VRING_PACKED_DESC_F_AVAIL & 1, used = flags >> VRING_PACKED_DESC_F_USED & 1;
	bool wrap = pos & VRING_WRAP;

	return avail != wrap || used == wrap;
}

/* Finish the last batch, or undo it. Out: @pos: where it leaves off */
static const char *packed_settle(struct vu_inflight *f, uint16_t *pos)
{
	struct packed_region *r = f->region;
	union packed_used used = { .word = get(r->used.word) };
	union packed_free free = { .word = get(r->free.word) };
	uint16_t now = used.idx | used.wrap << 15, old = used.old_idx | used.old_wrap << 15, i;
	unsigned int n = f->size;

	if (used.idx >= f->num || used.old_idx >= f->num || used.wrap > 1 || used.old_wrap > 1 ||
	    free.head > f->size || free.old_head > f->size)
		return "inflight region: a place outside of the ring";
	if (now != old && packed_published(f, old)) {
		for (i = free.head; i != free.old_head; i = get(r->desc[i].next)) {
			if (i >= f->size || !n--)
				return "inflight region: the last batch leaves the region";
			put(r->desc[i].inflight, 0);
		}
		free.old_head = free.head;
		old = now;
	}
	then();
	put_free(r, free.old_head, free.old_head);
	then();
	put_used(r, old, old);
	/* One that was being marked */
	if (free.old_head < f->size)
		put(r->desc[free.old_head].inflight, 0);
	f->free = free.old_head;
	*pos = old;
	return NULL;
}

/* Walk along @n entries from @i on, each of which is met here and nowhere else. Return: the last one's next, or -1 */
static int packed_walk(struct vu_inflight *f, unsigned int i, unsigned int n, uint16_t *last,
		       struct vring_packed_desc *copy)
{
	const struct packed_region *r = f->region;

	for (; n; n--) {
		if (i >= f->size || f->link[i].seen)
			return -1;
		f->link[i].seen = true;
		*last = (uint16_t)i;
		if (copy)
			*copy++ = (struct vring_packed_desc){
				.addr = get(r->desc[i].addr),
				.len = get(r->desc[i].len),
				.flags = get(r->desc[i].flags),
				.id = get(r->desc[i].id),
			};
		f->link[i].next = get(r->desc[i].next);
		i = f->link[i].next;
	}
	return (int)i;
}

static const char *packed_recover(struct vu_inflight *f, struct vring_cursor *pos)
{
	const struct packed_region *r = f->region;
	const char *why = packed_settle(f, &pos->used);
	unsigned int i, n, taken = 0;
	uint16_t last;
	uint8_t state;

	for (i = 0; i < f->size && !why; i++) {
		state = get(r->desc[i].inflight);
		if (!state)
			continue;
		n = get(r->desc[i].num);
		if (state > 1 || !n || n > f->num - taken ||
		    packed_walk(f, i, n, &f->link[i].last, &f->desc[taken]) < 0)
			return "inflight region: a buffer that the ring cannot have";
		f->saved[f->nr_saved++] = (struct vu_saved){
			.counter = get(r->desc[i].counter),
			.slot = (uint16_t)i,
			.head = f->desc[taken + n - 1].id,
			.count = (uint16_t)n,
			.desc = &f->desc[taken],
		};
		taken += n;
	}
	if (!why && packed_walk(f, f->free, f->size - taken, &last, NULL) < 0)
		why = "inflight region: entries are neither free nor in use";
	pos->avail = pos->used;
	return why;
}

static void packed_init(struct vu_inflight *f, const struct vring_cursor *pos)
{
	struct packed_region *r = f->region;
	unsigned int i;

	memset(r, 0, sizeof(*r) + f->size * sizeof(r->desc[0]));
	r->desc_num = f->size;
	for (i = 0; i < f->size; i++) {
		r->desc[i].next = (uint16_t)(i + 1);
		f->link[i].next = (uint16_t)(i + 1);
	}
	f->free = 0;
	put_used(r, pos->used, pos->used);
	then();
	put(r->version, VERSION);
}

/* --- both --- */

/* They begin alike. */
static const char *check_header(const struct vu_inflight *f, bool *fresh)
{
	const struct split_region *r = f->region;
	uint16_t version = get(r->version);

	*fresh = !version;
	if (f->num > f->size)
		return "inflight region: for smaller rings";
	if (version && (version != VERSION || get(r->features)))
		return "inflight region: of another version";
	if (version && get(r->desc_num) != f->size)
		return "inflight region: for rings of another size";
	return NULL;
}

void vu_inflight_clear(void *region)
{
	struct split_region *r = region;

	put(r->version, 0);
}

static int by_counter(const void *a, const void *b)
{
	uint64_t ca = ((const struct vu_saved *)a)->counter, cb = ((const struct vu_saved *)b)->counter;

	return (ca > cb) - (ca < cb);
}

static const char *order_saved(struct vu_inflight *f)
{
	unsigned int i;

	qsort(f->saved, f->nr_saved, sizeof(f->saved[0]), by_counter);
	for (i = 1; i < f->nr_saved; i++)
		if (f->saved[i].counter == f->saved[i - 1].counter)
			return "inflight region: two buffers were popped at once";
	f->counter = f->nr_saved ? f->saved[f->nr_saved - 1].counter + 1 : 0;
	return NULL;
}

static const char *begin(struct vu_inflight *f, struct vring_cursor *pos, bool *recovered)
{
	const char *why;
	bool fresh;

	f->saved = calloc(f->size, sizeof(f->saved[0]));
	if (f->packed) {
		f->link = calloc(f->size, sizeof(f->link[0]));
		f->desc = calloc(f->size, sizeof(f->desc[0]));
	}
	if (!f->saved || (f->packed && (!f->link || !f->desc)))
		return "inflight region: no memory";
	why = check_header(f, &fresh);
	*recovered = !fresh;
	if (why)
		return why;
	if (!fresh)
		return (f->packed ? packed_recover(f, pos) : split_recover(f, pos)) ?: order_saved(f);
	if (f->packed)
		packed_init(f, pos);
	else
		split_init(f, pos);
	return NULL;
}

const char *vu_inflight_start(struct vu_inflight *f, void *region, uint16_t size, const struct vring_engine *vr,
			      struct vring_cursor *pos, bool *recovered)
{
	struct vring_cursor from = *pos;
	const char *why;

	*f = (struct vu_inflight){
		.region = region,
		.packed = vr->packed,
		.size = size,
		.num = vr->num,
		.ring = (const struct vring_packed_desc *)vr->desc,
	};
	why = begin(f, &from, recovered);
	if (why)
		vu_inflight_stop(f);
	else
		*pos = from;
	return why;
}

void vu_inflight_stop(struct vu_inflight *f)
{
	free(f->saved);
	free(f->link);
	free(f->desc);
	*f = (struct vu_inflight){ 0 };
}

uint16_t vu_inflight_mark(struct vu_inflight *f, const struct vring_elem *e)
{
	uint16_t slot = f->packed ? f->free : e->head;

	if (f->packed)
		packed_mark(f, e);
	else
		split_mark(f, slot);
	return slot;
}

void vu_inflight_unmark(struct vu_inflight *f, uint16_t slot)
{
	struct split_region *r = f->region;

	if (f->packed)
		packed_unmark(f, slot);
	else
		put(r->desc[slot].inflight, 0);
}

void vu_inflight_ending(struct vu_inflight *f, const struct vring_elem *e, const uint16_t *slot, unsigned int n,
			uint16_t used)
{
	if (f->packed)
		packed_ending(f, e, slot, n, used);
	else
		split_ending(f, slot, n);
}

void vu_inflight_ended(struct vu_inflight *f, const uint16_t *slot, unsigned int n, uint16_t used)
{
	if (f->packed)
		packed_ended(f, slot, n, used);
	else
		split_ended(f, slot, n, used);
}
