// SPDX-License-Identifier: GPL-2.0
/* The dirty log, see dirty.h. */
#include "dirty.h"

/* VHOST_LOG_PAGE of the specification */
#define PAGE_SHIFT 12

bool vu_dirty_range(const struct vu_dirty *d, uint64_t gpa, uint64_t len)
{
	uint64_t page = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;

	if (!len)
		return true;
	if (last < page || last / 8 >= d->len)
		return false;
	for (; page <= last; page++)
		__atomic_fetch_or(&d->map[page / 8], (unsigned char)(1U << page % 8), __ATOMIC_RELEASE);
	return true;
}

bool vu_dirty_iov(const struct vu_dirty *d, const struct vring_mem *mem, const struct iovec *iov, unsigned int n)
{
	bool good = true;
	unsigned int i;

	for (; n--; iov++) {
		uint64_t at = (uintptr_t)iov->iov_base;

		for (i = 0; i < mem->nr && at - mem->region[i].uaddr >= mem->region[i].size; i++)
			;
		good &= i < mem->nr &&
			vu_dirty_range(d, mem->region[i].gpa + (at - mem->region[i].uaddr), iov->iov_len);
	}
	return good;
}
