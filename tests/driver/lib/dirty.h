/* SPDX-License-Identifier: GPL-2.0 */
/* The dirty log of a device whose guest memory is a struct vdrv_mem at VDRV_GPA, and what it should say. */
#ifndef TESTS_DRIVER_LIB_DIRTY_H
#define TESTS_DRIVER_LIB_DIRTY_H

#include "tests/driver/lib/reqs.h"

#define DIRTY_PAGE	4096ULL

/**
 * struct dirty - a log
 * @missing: pages that the device has changed and not marked
 * @marked: marked pages of requests
 * @outside: marks where there is no memory
 */
struct dirty {
	unsigned int missing;
	unsigned int marked;
	unsigned int outside;
	/* inner */
	const struct vdrv_mem *mem;
	const struct vdrv_vq *last;
	uint64_t pool;
	unsigned char *bitmap;
	size_t size;
	unsigned char *was;
};

/*
 * Log what is done to memory, which requests have from @pool on, and to @n rings. 0 or a negative errno.
 * The program ends with it; once more is fine.
 */
int dirty_on(struct dirty *d, struct vdrv_dev *dev, const struct vdrv_mem *mem,
	     const struct vdrv_vq *vq, unsigned int n, uint64_t pool);
/*
 * Before a request goes into ring @q: until the worker sleeps. One that is awake would find it before the kick,
 * and before dirty_run(). The stock module cannot tell, and does not linger.
 */
void dirty_settle(const struct vdrv_dev *dev, unsigned int q);
/*
 * Forget all marks, have what was put into ring @i done, and compare: the numbers above. Nobody looks at the
 * requests before that.
 */
int dirty_run(struct dirty *d, struct reqs *q, unsigned int i);

#endif /* TESTS_DRIVER_LIB_DIRTY_H */
