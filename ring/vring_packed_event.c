// SPDX-License-Identifier: GPL-2.0
/*
 * Packed virtqueues, device side: start, and who wakes whom (virtio 1.2, 2.8.10 and 2.8.14).
 *
 * Each side has an event structure of its own, written by it alone: flags, and a place in the ring
 * for EVENT_IDX. One access takes both.
 */
#include "vring_desc.h"
#include "vring_packed.h"

static int packed_put_event(struct vring_engine *vr, u16 pos, u16 flags)
{
	__le32 __user *to = vr->pages ? vring_area_at(&vr->pages->used, 0) :
					(__le32 __user *)vr->used;

	if (unlikely(!env_access_begin(to, sizeof(*to))))
		goto fail;
	env_put(cpu_to_le32(pos | (u32)flags << 16), to, fault);
	env_access_end();
	return 0;
fault:
	env_access_end();
fail:
	return vring_fail(vr, VRING_E_FAULT_RING, packed_index(vr->pos.avail), 0);
}

static int packed_get_event(struct vring_engine *vr, u32 *event)
{
	const __le32 __user *from = vr->pages ? vring_area_at(&vr->pages->avail, 0) :
						(const __le32 __user *)vr->avail;
	__le32 raw;

	if (unlikely(!env_access_begin(from, sizeof(*from))))
		goto fail;
	env_get(raw, from, fault);
	env_access_end();
	*event = le32_to_cpu(raw);
	return 0;
fault:
	env_access_end();
fail:
	return vring_fail(vr, VRING_E_FAULT_RING, packed_index(vr->pos.avail), 0);
}

int packed_start(struct vring_engine *vr)
{
	struct vring_cursor pos = vr->pos;

	if (packed_index(pos.avail) >= vr->num || packed_index(pos.used) >= vr->num ||
	    packed_distance(vr, pos.used, pos.avail) > vr->num)
		return vring_fail(vr, VRING_E_CURSOR, pos.avail, pos.used);
	/* For the next buffer: what is there already is found without. */
	return packed_tell_kicks(vr, true);
}

int packed_is_awaited(struct vring_engine *vr)
{
	u32 event, ahead;
	int ret;

	ret = packed_get_event(vr, &event);
	if (unlikely(ret))
		return ret;
	switch (event >> 16 & 3) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return 0;
	case VRING_PACKED_EVENT_FLAG_DESC:
		if (!vr->event_idx || !vr->signalled_valid)
			return 1;
		/* Was the place that the driver waits for among those since the last decision? */
		ahead = packed_distance(vr, vr->signalled, event);
		return ahead < packed_distance(vr, vr->signalled, vr->pos.used);
	default:
		return 1;
	}
}

int packed_tell_kicks(struct vring_engine *vr, bool wanted)
{
	if (vr->event_idx)
		return packed_put_event(vr, vr->avail_seen, VRING_PACKED_EVENT_FLAG_DESC);
	return packed_put_event(vr, 0, wanted ? VRING_PACKED_EVENT_FLAG_ENABLE :
						VRING_PACKED_EVENT_FLAG_DISABLE);
}

/*
 * Walks over one buffer more, if there is one. A kick asked for within a chain would come a lap too
 * late: the driver makes all of it available at once.
 */
int packed_look_again(struct vring_engine *vr)
{
	u16 pos = vr->avail_seen, turn = packed_avail_turn(pos), flags;
	u32 left = packed_left(vr, pos), n = 0;
	__le64 hi;

	if (!left)
		return 0;
	if (unlikely(!env_access_begin(vr->desc, sizeof(*vr->desc))))
		goto fail;
	do {
		env_get(hi, packed_half(vr, packed_index(pos), 1), fault);
		flags = le64_to_cpu(hi) >> 48;
		if (!n && (flags & PACKED_TURN) != turn)
			break;
		if (!n)
			env_rmb(); /* as in packed_pop() */
		pos = packed_forward(pos, 1, vr->num);
	} while (++n < left && flags & VRING_DESC_F_NEXT);
	env_access_end();
	vr->avail_seen = pos;
	return n > 0;
fault:
	env_access_end();
fail:
	return vring_fail(vr, VRING_E_FAULT_RING, packed_index(vr->pos.avail), 0);
}
