// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of vring.h: what every layout does alike, and which layout does the rest. It is asked
 * once a call, by a branch: the kernel pays more for a call through a pointer.
 */
#include "vring_packed.h"
#include "vring_split.h"

int vring_start(struct vring_engine *vr, struct vring_cursor pos)
{
	vr->pos = pos;
	vr->avail_seen = pos.avail;
	vr->signalled = pos.used;
	vr->signalled_valid = false;
	vr->kicks_off = false;
	vr->err = (struct vring_error){ .code = VRING_OK };
	return vr->packed ? packed_start(vr) : split_start(vr);
}
EXPORT_SYMBOL_GPL(vring_start);

int vring_load_used(struct vring_engine *vr, u16 *used)
{
	if (!vr->packed)
		return split_load_used(vr, used);
	*used = vr->pos.used;
	return 0;
}
EXPORT_SYMBOL_GPL(vring_load_used);

int vring_pop_batch(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b)
{
	int n = vr->packed ? packed_pop(vr, mem, b) : split_pop(vr, mem, b);

	/* What the driver of a packed ring had shown it may have taken back: look again then. */
	if (unlikely(!n))
		vr->avail_seen = vr->pos.avail;
	return n;
}
EXPORT_SYMBOL_GPL(vring_pop_batch);

int vring_pop_again(struct vring_engine *vr, const struct vring_mem *mem, struct vring_batch *b,
		    u16 head, const struct vring_packed_desc *desc, u32 count)
{
	b->nr_elem = 0;
	b->nr_iov = 0;
	return vr->packed ? packed_pop_again(vr, mem, b, head, desc, count) :
			    split_pop_again(vr, mem, b, head);
}
EXPORT_SYMBOL_GPL(vring_pop_again);

void vring_rewind(struct vring_engine *vr, const struct vring_elem *e)
{
	vr->pos.avail = e->at;
}
EXPORT_SYMBOL_GPL(vring_rewind);

int vring_complete_batch(struct vring_engine *vr, const struct vring_elem *e, u32 n)
{
	if (!n)
		return 0;
	return vr->packed ? packed_complete(vr, e, n) : split_complete(vr, e, n);
}
EXPORT_SYMBOL_GPL(vring_complete_batch);

int vring_need_notify(struct vring_engine *vr)
{
	u16 now = vr->pos.used;
	int need;

	if (vr->signalled_valid && vr->signalled == now)
		return 0;

	/* What was published before the driver's wish; the driver does it the other way round. */
	env_mb();
	need = vr->packed ? packed_is_awaited(vr) : split_is_awaited(vr);
	if (unlikely(need < 0))
		return need;
	vr->signalled = now;
	vr->signalled_valid = true;
	return need;
}
EXPORT_SYMBOL_GPL(vring_need_notify);

static int vring_tell_kicks(struct vring_engine *vr, bool wanted)
{
	return vr->packed ? packed_tell_kicks(vr, wanted) : split_tell_kicks(vr, wanted);
}

/* Is there more than was seen before? Then it is seen now. */
static int vring_look_again(struct vring_engine *vr)
{
	return vr->packed ? packed_look_again(vr) : split_look_again(vr);
}

int vring_kicks_off(struct vring_engine *vr)
{
	int ret;

	if (vr->event_idx || vr->kicks_off)
		return 0;
	ret = vring_tell_kicks(vr, false);
	if (likely(!ret))
		vr->kicks_off = true;
	return ret;
}
EXPORT_SYMBOL_GPL(vring_kicks_off);

int vring_kicks_on(struct vring_engine *vr)
{
	int ret = 0;

	if (vr->event_idx || vr->kicks_off)
		ret = vring_tell_kicks(vr, true);
	if (unlikely(ret))
		return ret;
	vr->kicks_off = false;

	/* Our wish before we look; the driver makes buffers available before it reads our wish. */
	env_mb();
	return vring_look_again(vr);
}
EXPORT_SYMBOL_GPL(vring_kicks_on);

int vring_has_work(struct vring_engine *vr)
{
	if (vr->avail_seen != vr->pos.avail)
		return 1;
	return vring_look_again(vr);
}
EXPORT_SYMBOL_GPL(vring_has_work);
