/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device side of a virtqueue.
 *
 * One engine for every back end: it is compiled into vhost_core.ko and into user/lib, and only
 * <ring/env.h> knows which. It moves no data and waits for nothing: it turns avail entries into
 * iovecs, and completed elements into used entries.
 *
 * Context: one struct vring_engine belongs to one worker at a time; the engine takes no lock and
 * allocates nothing. In the kernel the caller runs in the mm that the ring addresses belong to, may
 * sleep (any access may fault), and has passed every ring and region address through access_ok()
 * beforehand. Rings are aligned as the layout asks: avail to 2 bytes, used to 4, descriptors to 16
 * (a machine that loads misaligned words forgives the last).
 *
 * Trust: whatever the driver wrote is read once, bounded and then used. A malformed ring gives an
 * error, recorded in &vring_engine.err, and leaves the cursor at the element that was refused.
 */
#ifndef RING_VRING_H
#define RING_VRING_H

#include "env.h"

/* What the device may do with a region; an ordinary memory table grants both. */
#define VRING_PERM_READ 1U
#define VRING_PERM_WRITE 2U
#define VRING_PERM_RW (VRING_PERM_READ | VRING_PERM_WRITE)

/**
 * struct vring_region - one stretch of guest memory
 * @gpa: guest physical (or I/O virtual) address of the first byte
 * @size: bytes, not zero
 * @uaddr: address of the first byte in the owner's address space
 * @perm: VRING_PERM_*; buffers that the device reads, and indirect tables, need VRING_PERM_READ,
 *	buffers that it writes VRING_PERM_WRITE
 */
struct vring_region {
	u64 gpa;
	u64 size;
	u64 uaddr;
	u32 perm;
};

/**
 * struct vring_mem - the guest memory map
 * @nr: number of regions
 * @region: sorted by gpa, not overlapping, neither gpa + size nor uaddr + size wraps
 *
 * Read-only while an engine call uses it; the owner replaces it as a whole.
 */
struct vring_mem {
	u32 nr;
	struct vring_region region[];
};

#define VRING_PAGE_SHIFT 12
#define VRING_PAGE_SIZE 4096U

/**
 * struct vring_area - a ring area whose pages are apart in the owner's address space
 * @page: addresses of its pages of 4 KiB, each passed through access_ok(); as many as the area has
 * @offset: of its first byte in the first page
 */
struct vring_area {
	void __user *const *page;
	u32 offset;
};

/**
 * struct vring_pages - where a ring lies that is not contiguous in the owner's address space
 * @desc: descriptor table, or packed ring; aligned to 16 bytes
 * @avail: avail ring, including used_event; packed: the driver's event structure
 * @used: used ring, including avail_event; packed: the device's event structure
 *
 * For I/O addresses. All pages are there while an engine call runs.
 */
struct vring_pages {
	struct vring_area desc;
	struct vring_area avail;
	struct vring_area used;
};

/**
 * struct vring_cursor - where the device stands in a ring; the only position there is
 * @avail: index of the next avail entry to take
 * @used: index of the next used entry to write
 *
 * Split: both run freely. Packed: both are places in the ring, with the wrap counter in bit 15
 * (VRING_WRAP), as in VHOST_SET_VRING_BASE; a fresh ring begins at VRING_WRAP.
 *
 * For a dirty log: a call of vring_complete_batch() writes only within the used entries, or packed
 * descriptors, from @used before it up to @used after it, or where that would have been had it not
 * failed; split also used->idx. The notification calls write used->flags and avail_event, or the
 * device's event structure.
 */
#define VRING_WRAP 0x8000U

struct vring_cursor {
	u16 avail;
	u16 used;
};

/** enum vring_errno - what is wrong with a ring, see vring_strerror() */
enum vring_errno {
	VRING_OK,
	VRING_E_FAULT_RING,	/* desc, avail or used ring not accessible: -EFAULT */
	VRING_E_FAULT_TABLE,	/* indirect table not accessible: -EFAULT */
	VRING_E_AVAIL_JUMP,	/* avail->idx moved by more than the ring size: -EINVAL */
	VRING_E_HEAD,		/* head >= ring size: -EINVAL */
	VRING_E_NEXT,		/* next >= ring (or table) size: -EINVAL */
	VRING_E_LOOP,		/* chain longer than the ring (or table, or bearable): -EINVAL */
	VRING_E_NESTED,		/* INDIRECT inside an indirect table: -EINVAL */
	VRING_E_TABLE_LEN,	/* table length zero or not a multiple of 16: -EINVAL */
	VRING_E_TABLE_BIG,	/* table of more than 65536 descriptors: -E2BIG */
	VRING_E_ORDER,		/* device-writable before device-readable: -EINVAL */
	VRING_E_ADDR,		/* no region holds the address and grants the access: -EFAULT */
	VRING_E_SEGMENTS,	/* more segments than vring_batch.max_iov: -ENOBUFS */
	VRING_E_CURSOR,		/* packed: started at a place that is not in the ring: -EINVAL */
	VRING_E_UNORDERED,	/* IN_ORDER: completed in another order than popped: -EINVAL */
};

/**
 * struct vring_error - the first thing found wrong, kept until vring_start()
 * @code: what
 * @head: descriptor head (or avail index for VRING_E_AVAIL_JUMP); packed: place in the ring
 * @write: VRING_E_ADDR: the device wanted to write there
 * @value: the offending value (length, index; VRING_E_ADDR: the first address without a region)
 *
 * A caller that can mend what is wrong, such as a translation that was not there yet, sets @code
 * back to VRING_OK and pops again: the cursor stands at the element that was refused.
 */
struct vring_error {
	enum vring_errno code;
	u16 head;
	bool write;
	u64 value;
};

/**
 * struct vring_engine - one virtqueue, device side
 * @num: ring size in descriptors, 1..32768, power of two for split
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @in_order: VIRTIO_F_IN_ORDER was negotiated
 * @event_idx: VIRTIO_F_RING_EVENT_IDX was negotiated
 * @notify_on_empty: VIRTIO_F_NOTIFY_ON_EMPTY was negotiated (legacy drivers)
 * @desc: descriptor table, in the owner's address space; packed: the ring, aligned to 16 bytes
 * @avail: avail ring, including used_event; packed: the driver's event structure, aligned to 4
 * @used: used ring, including avail_event; packed: the device's event structure, aligned to 4
 * @pages: NULL; or the ring is reached through these, and @desc, @avail, @used need only pass
 *	access_ok() (NULL does). Changed between calls.
 * @pos: cursor
 * @avail_seen: where what the driver made available was last seen to end: avail->idx as last
 *	read; packed: behind the last descriptor known to be available
 * @signalled: used index at the last vring_need_notify()
 * @signalled_valid: @signalled means something
 * @kicks_off: the driver was told not to kick (flags mode only)
 * @err: why the ring is broken
 */
struct vring_engine {
	u32 num;
	bool packed;
	bool in_order;
	bool event_idx;
	bool notify_on_empty;
	struct vring_desc __user *desc;
	struct vring_avail __user *avail;
	struct vring_used __user *used;
	const struct vring_pages *pages;

	struct vring_cursor pos;
	u16 avail_seen;
	u16 signalled;
	bool signalled_valid;
	bool kicks_off;
	struct vring_error err;
};

/**
 * struct vring_elem - one buffer, popped and later completed
 * @len: bytes the device wrote: zero, until the caller sets it
 * @at: &vring_cursor.avail just before this element, for vring_rewind() and IN_ORDER
 * @head: its id
 * @count: packed: descriptors it takes in the ring
 * @nr_in: iovecs the device writes; they come last
 * @nr_out: iovecs the device reads; they come first
 * @iov: index of the first in vring_batch.iov
 * @out_len: bytes in the first @nr_out iovecs
 * @in_len: bytes in the next @nr_in iovecs
 */
struct vring_elem {
	u32 len;
	u16 at;
	u16 head;
	u16 count;
	u16 nr_in;
	u16 nr_out;
	u16 iov;
	u64 out_len;
	u64 in_len;
};

#define VRING_IOV_MAX 65535U

/**
 * struct vring_batch - room for popped elements, owned by the caller
 * @elem: elements, @max_elem of them
 * @iov: segments of all elements, @max_iov of them
 * @nr_elem: filled
 * @nr_iov: filled
 * @max_elem: room
 * @max_iov: room; a single element may use it all (the stock limit is 1024). No more than
 *	VRING_IOV_MAX is used.
 */
struct vring_batch {
	struct vring_elem *elem;
	struct iovec *iov;
	u16 nr_elem;
	u16 max_elem;
	u32 nr_iov;
	u32 max_iov;
};

/**
 * vring_start() - make a configured ring ready, or ready again after an error
 * @vr: num, layout, event_idx, desc, avail, used are set
 * @pos: where to begin
 *
 * Forgets the error and the notification state. Touches no guest memory except used->flags, which
 * it clears, or the device's event structure, by which it asks for kicks.
 * Return: 0, -EFAULT, or -EINVAL when a packed ring has no such place
 */
int vring_start(struct vring_engine *vr, struct vring_cursor pos);

/**
 * vring_load_used() - where the previous device stopped: used->idx
 * @vr: the ring
 * @used: set, for &vring_cursor.used of vring_start()
 *
 * The split layout keeps this index in guest memory alone. The packed layout keeps it nowhere: what
 * comes back is the cursor's own.
 * Return: 0, or -EFAULT
 */
int vring_load_used(struct vring_engine *vr, u16 *used);

/**
 * vring_pop_batch() - take as many buffers as there are and fit
 * @vr: the ring
 * @mem: where guest addresses lead
 * @b: emptied and filled; max_elem and room for descriptors bound the work of one call
 *
 * A batch may end early: when the next element does not fit, or after some thousands of chained
 * descriptors. Only 0 means that the ring is empty.
 * Return: number of elements, 0 when the ring is empty, or a negative errno when its *first*
 * element is bad: -EFAULT, -EINVAL, -E2BIG, -ENOBUFS, with vr->err saying what. Good elements
 * before a bad one are returned first; the cursor never passes a bad one.
 */
int vring_pop_batch(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b);

/**
 * vring_rewind() - give back an element, and all that were popped after it, as if never popped
 * @vr: the ring
 * @e: the first element to be popped again; not completed, nor any after it
 */
void vring_rewind(struct vring_engine *vr, const struct vring_elem *e);

/**
 * vring_pop_again() - take a buffer that a device before this one had popped, and did not complete
 * @vr: the ring, started behind what that device had completed; nothing else was popped since
 * @mem: where guest addresses lead
 * @b: emptied, and filled with one element
 * @head: its id
 * @desc: packed: its descriptors, in memory that no driver writes; those in the ring may be gone
 * @count: packed: how many
 *
 * The cursor moves as if this were the next buffer in the ring: once all have been taken again, it
 * stands where that device's stood.
 * Return: 1; or a negative errno as of vring_pop_batch(), or -EINVAL for more than can be there
 */
int vring_pop_again(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b,
		    u16 head, const struct vring_packed_desc *desc, u32 count);

/**
 * vring_complete_batch() - hand buffers back to the driver
 * @vr: the ring
 * @e: buffers, in the order to publish, as popped but for the length
 * @n: how many, at most vr->num
 *
 * The driver sees all of them at once: the index, or in a packed ring the first descriptor, is
 * written last.
 *
 * With IN_ORDER, buffers are completed in the order in which they were popped, without a gap. A run
 * of buffers that the device only reads, and the one after it, share a single used entry (in-order
 * use of descriptors, spec 2.7 and 2.8): the driver takes skipped buffers as used completely, which
 * for others would say too much.
 * Return: 0; or -EFAULT, or -EINVAL for another order, with nothing published and the cursor where
 * it was
 */
int vring_complete_batch(struct vring_engine *vr, const struct vring_elem *e, u32 n);

/**
 * vring_need_notify() - must the driver be interrupted for what was completed since the last call?
 * @vr: the ring
 *
 * The first call after vring_start() counts as if the driver waited for what was completed before.
 * On -EFAULT the decision is still open: the caller may interrupt to be safe, as the stock module
 * does.
 * Decides once over everything published since it last decided (spec 2.7.7.2, 2.7.10, 2.8.10). A
 * full memory barrier orders what was published before the read of the driver's wish.
 * Return: 1 yes, 0 no, -EFAULT
 */
int vring_need_notify(struct vring_engine *vr);

/**
 * vring_kicks_off() - ask the driver not to kick while the device is busy
 * @vr: the ring
 *
 * With EVENT_IDX there is nothing to do: a stale avail_event is enough.
 * Return: 0, or -EFAULT
 */
int vring_kicks_off(struct vring_engine *vr);

/**
 * vring_kicks_on() - ask for a kick at the next buffer
 * @vr: the ring
 *
 * "Next" is after the last one the engine has seen, popped or not: a caller that gave buffers back
 * because they are too few may sleep, and is kicked when there are more. A caller that has not
 * popped all must look at vring_has_work() itself.
 * Return: 1 when buffers arrived in between (no kick may come for them), 0 when it is safe to
 * sleep, -EFAULT, or -EINVAL when avail->idx makes no sense
 */
int vring_kicks_on(struct vring_engine *vr);

/**
 * vring_has_work() - is there a buffer to pop? For polling; reads avail->idx at most once.
 * @vr: the ring
 *
 * Return: 1, 0, -EFAULT, or -EINVAL when avail->idx makes no sense
 */
int vring_has_work(struct vring_engine *vr);

/**
 * vring_strerror() - one line for a log, without newline
 * @code: from vring_error.code
 */
const char *vring_strerror(enum vring_errno code);

#endif
