// SPDX-License-Identifier: GPL-2.0
/*
 * The memory table: what the owner says about guest memory, checked once and sorted for the engine.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "internal.h"

static unsigned short max_mem_regions = 509;
module_param(max_mem_regions, ushort, 0444);
MODULE_PARM_DESC(max_mem_regions, "Most regions in a memory table (default 509)");

static int region_cmp(const void *a, const void *b)
{
	const struct vring_region *ra = a, *rb = b;

	if (ra->gpa != rb->gpa)
		return ra->gpa < rb->gpa ? -1 : 1;
	return 0;
}

static int place_cmp(const void *a, const void *b)
{
	const struct vring_region *ra = ((const struct vhc_mem_place *)a)->region;
	const struct vring_region *rb = ((const struct vhc_mem_place *)b)->region;

	if (ra->uaddr != rb->uaddr)
		return ra->uaddr < rb->uaddr ? -1 : 1;
	return 0;
}

static void mem_sort_places(struct vhc_mem *mem)
{
	u64 reach = 0;
	u32 i;

	for (i = 0; i < mem->map.nr; i++)
		mem->place[i].region = &mem->map.region[i];
	sort(mem->place, mem->map.nr, sizeof(*mem->place), place_cmp, NULL);
	for (i = 0; i < mem->map.nr; i++) {
		const struct vring_region *r = mem->place[i].region;

		reach = max(reach, r->uaddr + r->size);
		mem->place[i].reach = reach;
	}
}

/**
 * vhc_mem_below() - begin to look for regions by a user address
 * @mem: has access_ok
 * @uaddr: where they begin below
 *
 * Return: the end of these in mem->place, for vhc_mem_back()
 */
u32 vhc_mem_below(const struct vhc_mem *mem, u64 uaddr)
{
	u32 low = 0, high = mem->map.nr;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (mem->place[mid].region->uaddr < uaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * vhc_mem_back() - the next region on the way back
 * @mem: has access_ok
 * @uaddr: that reaches beyond this user address
 * @at: where the last call, or vhc_mem_below(), arrived
 *
 * Return: the region, or NULL if there is none any more
 */
const struct vring_region *vhc_mem_back(const struct vhc_mem *mem, u64 uaddr, u32 *at)
{
	while (*at && mem->place[*at - 1].reach > uaddr) {
		const struct vring_region *r = mem->place[--*at].region;

		if (r->uaddr + r->size > uaddr)
			return r;
	}
	return NULL;
}

/* access_ok() and the engine add up addresses: none may wrap. */
bool vhc_region_ok(const struct vring_region *r)
{
	if (r->uaddr > ULONG_MAX || r->size > ULONG_MAX || r->uaddr + r->size < r->uaddr)
		return false;
	return access_ok((void __user *)(unsigned long)r->uaddr, r->size);
}

static int mem_fill(struct vhc_mem *mem, const struct vhost_memory_region *src, u32 nr)
{
	struct vring_region *dst = mem->map.region;
	u32 i;

	mem->access_ok = true;
	mem->map.nr = nr;
	for (i = 0; i < nr; i++) {
		if (!src[i].memory_size ||
		    src[i].guest_phys_addr + src[i].memory_size < src[i].guest_phys_addr)
			return -EFAULT;
		dst[i].gpa = src[i].guest_phys_addr;
		dst[i].size = src[i].memory_size;
		dst[i].uaddr = src[i].userspace_addr;
		dst[i].perm = VRING_PERM_RW;
		if (!vhc_region_ok(&dst[i]))
			mem->access_ok = false;
	}

	sort(dst, nr, sizeof(*dst), region_cmp, NULL);
	/* One guest address, one byte: the engine's lookup relies on it. */
	for (i = 1; i < nr; i++)
		if (dst[i].gpa < dst[i - 1].gpa + dst[i - 1].size)
			return -EINVAL;
	mem_sort_places(mem);
	return 0;
}

/**
 * vhc_mem_create() - copy and check a memory table
 * @table: of the owner
 *
 * A region outside of user space is no error yet: as with the stock module it only keeps rings from
 * running, see struct vhc_mem.
 * Return: the table, or ERR_PTR: -EFAULT not readable, or a region that is empty or wraps;
 * -EOPNOTSUPP padding not zero; -E2BIG too many regions; -EINVAL regions overlap; -ENOMEM
 */
struct vhc_mem *vhc_mem_create(const struct vhost_memory __user *table)
{
	struct vhost_memory_region *regions;
	struct vhost_memory head;
	struct vhc_mem *mem;
	size_t size;
	int err;

	if (copy_from_user(&head, table, offsetof(struct vhost_memory, regions)))
		return ERR_PTR(-EFAULT);
	if (head.padding)
		return ERR_PTR(-EOPNOTSUPP);
	if (head.nregions > max_mem_regions)
		return ERR_PTR(-E2BIG);

	size = struct_size(mem, map.region, head.nregions);
	mem = kvzalloc(size_add(size, array_size(head.nregions, sizeof(*mem->place))),
		       GFP_KERNEL_ACCOUNT);
	regions = kvmalloc_array(head.nregions, sizeof(*regions), GFP_KERNEL_ACCOUNT);
	if (!mem || !regions) {
		err = -ENOMEM;
		goto err_free;
	}
	mem->place = (void *)mem + size;
	if (copy_from_user(regions, table->regions, head.nregions * sizeof(*regions))) {
		err = -EFAULT;
		goto err_free;
	}
	err = mem_fill(mem, regions, head.nregions);
	if (err)
		goto err_free;
	kvfree(regions);
	return mem;

err_free:
	kvfree(regions);
	kvfree(mem);
	return ERR_PTR(err);
}

bool vhc_vq_is_guest(const struct vhc_vq *vq, const void __user *addr, size_t len)
{
	u64 start = (unsigned long)addr;
	u32 at = vhc_mem_below(vq->mem, start + 1);
	const struct vring_region *r;

	while ((r = vhc_mem_back(vq->mem, start, &at)))
		if (len <= r->size && start - r->uaddr <= r->size - len)
			return true;
	return false;
}
EXPORT_SYMBOL_GPL(vhc_vq_is_guest);

void vhc_mem_free(struct vhc_mem *mem)
{
	kvfree(mem);
}
