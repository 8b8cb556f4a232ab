/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the two layouts of a virtqueue, for shunt-bench-{vq,split,packed}.c alone. */
#ifndef TOOLS_VDRV_LAYOUT_H
#define TOOLS_VDRV_LAYOUT_H

#include "vdrv.h"

/**
 * struct vdrv_layout
 * @sizes: bytes of the driver area and of the device area
 * @open: memory is there and zero
 * @add: write a chain, or a descriptor of an indirect table at @table (0: no table), which does not
 *	show it yet; returns its id and sets slot->last if it needs that to take it back
 * @publish: show what was added
 * @wants_kick: whether the device wants to hear of what was added since the last kick
 * @pending: how many buffers at most the next completion may stand for, 0 when there is none
 * @peek: the next completion
 * @take: step over buffer @id, which is free then
 * @device_base: as vdrv_vq_device_base()
 * @all_used: as vdrv_vq_all_used()
 */
struct vdrv_layout {
	void (*sizes)(unsigned int num, size_t *driver, size_t *device);
	void (*open)(struct vdrv_vq *vq);
	void (*set_base)(struct vdrv_vq *vq, uint16_t base);
	uint16_t (*add)(struct vdrv_vq *vq, const struct vdrv_buf *buf, unsigned int n,
			uint64_t table);
	void (*publish)(struct vdrv_vq *vq);
	bool (*wants_kick)(struct vdrv_vq *vq);
	unsigned int (*pending)(const struct vdrv_vq *vq);
	void (*peek)(const struct vdrv_vq *vq, uint32_t *id, uint32_t *len);
	void (*take)(struct vdrv_vq *vq, uint16_t id);
	void (*disable_call)(struct vdrv_vq *vq);
	void (*enable_call)(struct vdrv_vq *vq);
	uint32_t (*device_base)(const struct vdrv_vq *vq);
	bool (*all_used)(const struct vdrv_vq *vq);
};

extern const struct vdrv_layout vdrv_split, vdrv_packed;

/*
 * With IN_ORDER a completion stands for all buffers up to the one it names: how many these are, the
 * first being @skip buffers after the oldest that is still out; 0 when @id is none of them.
 */
unsigned int vdrv_batch(const struct vdrv_vq *vq, unsigned int skip, uint32_t id);

#endif /* TOOLS_VDRV_LAYOUT_H */
