// SPDX-License-Identifier: GPL-2.0
/*
 * What can be wrong with a ring: errno and words.
 */
#include "vring_mem.h"
#include "vring_engine.h"

static const struct {
	int errno_value;
	const char *text;
} vring_errors[] = {
	[VRING_OK] = { 0, "no error" },
	[VRING_E_FAULT_RING] = { EFAULT, "ring is not accessible" },
	[VRING_E_FAULT_TABLE] = { EFAULT, "indirect table is not accessible" },
	[VRING_E_AVAIL_JUMP] = { EINVAL, "avail index moved by more than the ring size" },
	[VRING_E_HEAD] = { EINVAL, "avail entry names no descriptor" },
	[VRING_E_NEXT] = { EINVAL, "chain leaves the ring or its table" },
	[VRING_E_LOOP] = { EINVAL, "chain loops" },
	[VRING_E_NESTED] = { EINVAL, "indirect descriptor inside an indirect table" },
	[VRING_E_TABLE_LEN] = { EINVAL, "indirect table length is zero or not a multiple of 16" },
	[VRING_E_TABLE_BIG] = { E2BIG, "indirect table of more than 65536 descriptors" },
	[VRING_E_ORDER] = { EINVAL, "readable descriptor after a writable one" },
	[VRING_E_ADDR] = { EFAULT, "address is outside guest memory, or not for this access" },
	[VRING_E_SEGMENTS] = { ENOBUFS, "more segments than the device takes" },
	[VRING_E_CURSOR] = { EINVAL, "position is outside the ring" },
	[VRING_E_UNORDERED] = { EINVAL, "buffers are not used in order" },
};

int vring_fail(struct vring_engine *vr, enum vring_errno code, u16 head, u64 value)
{
	if (vr->err.code == VRING_OK) {
		vr->err.code = code;
		vr->err.head = head;
		vr->err.value = value;
		vr->err.write = false;
	}
	return -vring_errors[code].errno_value;
}

int vring_fail_map(struct vring_engine *vr, enum vring_errno code, u16 head,
		   const struct vring_map *m)
{
	bool first = vr->err.code == VRING_OK;
	int ret = vring_fail(vr, code, head, m->bad);

	if (first && code == VRING_E_ADDR)
		vr->err.write = m->bad_write;
	return ret;
}

const char *vring_strerror(enum vring_errno code)
{
	if ((unsigned int)code >= ARRAY_SIZE(vring_errors))
		return "unknown error";
	return vring_errors[code].text;
}
EXPORT_SYMBOL_GPL(vring_strerror);
