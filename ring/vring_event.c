// SPDX-License-Identifier: GPL-2.0
/*
 * Split virtqueues, device side: start, and who wakes whom (virtio 1.2, 2.7.7 and 2.7.10).
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

/* Is there more than was seen before? Then it is seen now. */
static int split_look_again(struct vring_engine *vr)
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

int vring_start(struct vring_engine *vr, struct vring_cursor pos)
{
	vr->pos = pos;
	vr->avail_seen = pos.avail;
	vr->signalled = pos.used;
	vr->signalled_valid = false;
	vr->kicks_off = false;
	vr->err = (struct vring_error){ .code = VRING_OK };
	return split_put(vr, split_used_flags(vr), 0);
}
EXPORT_SYMBOL_GPL(vring_start);

int vring_load_used(struct vring_engine *vr, u16 *used)
{
	return split_get(vr, split_used_at(vr, SPLIT_USED_IDX), used);
}
EXPORT_SYMBOL_GPL(vring_load_used);

int vring_need_notify(struct vring_engine *vr)
{
	u16 now = vr->pos.used, word;
	int ret, need;

	if (vr->signalled_valid && vr->signalled == now)
		return 0;

	/* used->idx before the driver's wish; the driver does it the other way round. */
	env_mb();

	if (vr->notify_on_empty && vr->avail_seen == vr->pos.avail) {
		need = 1;
	} else if (!vr->event_idx) {
		ret = split_get(vr, split_avail_word(vr, SPLIT_AVAIL_FLAGS), &word);
		if (unlikely(ret))
			return ret;
		need = !(word & VRING_AVAIL_F_NO_INTERRUPT);
	} else if (unlikely(!vr->signalled_valid)) {
		need = 1;
	} else {
		ret = split_get(vr, split_used_event(vr), &word);
		if (unlikely(ret))
			return ret;
		/* Was the entry that the driver waits for among those since the last decision? */
		need = (u16)(now - word - 1) < (u16)(now - vr->signalled);
	}
	vr->signalled = now;
	vr->signalled_valid = true;
	return need;
}
EXPORT_SYMBOL_GPL(vring_need_notify);

int vring_kicks_off(struct vring_engine *vr)
{
	int ret;

	if (vr->event_idx || vr->kicks_off)
		return 0;
	ret = split_put(vr, split_used_flags(vr), VRING_USED_F_NO_NOTIFY);
	if (likely(!ret))
		vr->kicks_off = true;
	return ret;
}
EXPORT_SYMBOL_GPL(vring_kicks_off);

int vring_kicks_on(struct vring_engine *vr)
{
	int ret = 0;

	if (vr->event_idx)
		ret = split_put(vr, split_avail_event(vr), vr->avail_seen);
	else if (vr->kicks_off)
		ret = split_put(vr, split_used_flags(vr), 0);
	if (unlikely(ret))
		return ret;
	vr->kicks_off = false;

	/* Our wish before avail->idx; the driver writes avail->idx before it reads our wish. */
	env_mb();
	return split_look_again(vr);
}
EXPORT_SYMBOL_GPL(vring_kicks_on);

int vring_has_work(struct vring_engine *vr)
{
	if (vr->avail_seen != vr->pos.avail)
		return 1;
	return split_look_again(vr);
}
EXPORT_SYMBOL_GPL(vring_has_work);
