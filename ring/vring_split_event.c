// SPDX-License-Identifier: GPL-2.0
/*
 * Split virtqueues, device side: who wakes whom (virtio 1.2, 2.7.7 and 2.7.10).
 */
#include "vring_split.h"

/* The two event words lie behind the rings. */
static __always_inline const __virtio16 __user *split_used_event(const struct vring_engine *vr)
{
	return split_avail_word(vr, SPLIT_AVAIL_RING + vr->num);
}

static __always_inline __virtio16 __user *split_avail_event(const struct vring_engine *vr)
{
	return split_used_at(vr, SPLIT_USED_RING + vr->num * sizeof(struct vring_used_elem));
}

static __always_inline __virtio16 __user *split_used_flags(const struct vring_engine *vr)
{
	return split_used_at(vr, SPLIT_USED_FLAGS);
}

static int split_put(struct vring_engine *vr, __virtio16 __user *to, u16 value)
{
	if (unlikely(!env_access_begin(to, sizeof(*to))))
		goto fail;
	env_put(cpu_to_vring16(value), to, fault);
	env_access_end();
	return 0;
fault:
	env_access_end();
fail:
	return vring_fail(vr, VRING_E_FAULT_RING, vr->pos.avail, 0);
}

static int split_get(struct vring_engine *vr, const __virtio16 __user *from, u16 *value)
{
	__virtio16 raw;

	if (unlikely(!env_access_begin(from, sizeof(*from))))
		goto fail;
	env_get(raw, from, fault);
	env_access_end();
	*value = vring16_to_cpu(raw);
	return 0;
fault:
	env_access_end();
fail:
	return vring_fail(vr, VRING_E_FAULT_RING, vr->pos.avail, 0);
}

int split_look_again(struct vring_engine *vr)
{
	enum vring_errno code = VRING_E_FAULT_RING;
	u16 idx = 0;
	int more;

	if (likely(env_access_begin(vr->avail, sizeof(*vr->avail)))) {
		code = split_look(vr, &idx);
		env_access_end();
	}
	if (unlikely(code))
		return vring_fail(vr, code, vr->pos.avail, idx);
	more = idx != vr->avail_seen;
	vr->avail_seen = idx;
	return more;
}

int split_start(struct vring_engine *vr)
{
	return split_put(vr, split_used_flags(vr), 0);
}

int split_load_used(struct vring_engine *vr, u16 *used)
{
	return split_get(vr, split_used_at(vr, SPLIT_USED_IDX), used);
}

int split_is_awaited(struct vring_engine *vr)
{
	u16 now = vr->pos.used, word;
	int ret;

	if (vr->notify_on_empty && vr->avail_seen == vr->pos.avail)
		return 1;
	if (!vr->event_idx) {
		ret = split_get(vr, split_avail_word(vr, SPLIT_AVAIL_FLAGS), &word);
		return ret ?: !(word & VRING_AVAIL_F_NO_INTERRUPT);
	}
	if (unlikely(!vr->signalled_valid))
		return 1;
	ret = split_get(vr, split_used_event(vr), &word);
	/* Was the entry that the driver waits for among those since the last decision? */
	return ret ?: (u16)(now - word - 1) < (u16)(now - vr->signalled);
}

int split_tell_kicks(struct vring_engine *vr, bool wanted)
{
	if (vr->event_idx)
		return split_put(vr, split_avail_event(vr), vr->avail_seen);
	return split_put(vr, split_used_flags(vr), wanted ? 0 : VRING_USED_F_NO_NOTIFY);
}
