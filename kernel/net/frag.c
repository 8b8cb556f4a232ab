// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers for packets on their way to the tap.
 *
 * A page costs more than the packets in it: kernels that zero what they allocate write all of it.
 * So a page whose packets are gone is cut up again instead of freed. Its reference count says when:
 * it is raised by a bias in advance, each buffer given away carries one of those references, and
 * when as many are left as we still own, no buffer is in use.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <net/sock.h>

#include "net.h"

/* More than the buffers in a page */
#define FRAG_BIAS USHRT_MAX

static bool frag_refill(struct frag_page *f, u32 size)
{
	unsigned int order = SKB_FRAG_PAGE_ORDER;

	/* A large page if that is easy; stalls are worse than a small one. */
	f->page = alloc_pages((GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_COMP | __GFP_NOWARN |
			      __GFP_NORETRY, order);
	if (!f->page) {
		order = 0;
		f->page = alloc_page(GFP_KERNEL);
	}
	if (!f->page)
		return false;
	f->size = PAGE_SIZE << order;
	f->offset = 0;
	f->bias = FRAG_BIAS;
	page_ref_add(f->page, FRAG_BIAS - 1);
	return size <= f->size;
}

/*
 * The last holder's reads of a buffer come before its atomic decrement, and our writes depend on
 * the count read here: no barrier is missing.
 */
static bool frag_reuse(struct frag_page *f)
{
	if (!f->page || page_ref_count(f->page) != f->bias || page_is_pfmemalloc(f->page))
		return false;
	page_ref_add(f->page, FRAG_BIAS - f->bias);
	f->bias = FRAG_BIAS;
	f->offset = 0;
	return true;
}

static struct frag_page *frag_next(struct frag_pool *pool, u32 size)
{
	struct frag_page *f;
	u32 i;

	for (i = 1; i <= FRAG_SLOTS; i++) {
		u32 n = (pool->cur + i) % FRAG_SLOTS;

		f = &pool->slot[n];
		if (frag_reuse(f) && size <= f->size) {
			pool->cur = n;
			return f;
		}
	}
	/* All in use: give up the one given away longest ago. */
	pool->cur = (pool->cur + 1) % FRAG_SLOTS;
	f = &pool->slot[pool->cur];
	if (f->page)
		__page_frag_cache_drain(f->page, f->bias);
	f->page = NULL;
	return frag_refill(f, size) ? f : NULL;
}

/**
 * frag_alloc() - get a packet buffer
 * @pool: zeroed in the beginning
 * @size: bytes, a multiple of SMP_CACHE_BYTES, at most a page
 *
 * Return: the buffer, with stale contents, to be freed as part of an skb or by frag_free(); or NULL
 */
void *frag_alloc(struct frag_pool *pool, u32 size)
{
	struct frag_page *f = &pool->slot[pool->cur];
	void *buf;

	if (unlikely(!f->page || f->offset + size > f->size)) {
		f = frag_next(pool, size);
		if (!f)
			return NULL;
	}
	buf = page_address(f->page) + f->offset;
	f->offset += size;
	f->bias--;
	return buf;
}

void frag_free(void *buf)
{
	put_page(virt_to_head_page(buf));
}

/**
 * frag_drain() - drop all pages; buffers given away stay valid
 * @pool: as zeroed afterwards
 */
void frag_drain(struct frag_pool *pool)
{
	u32 i;

	for (i = 0; i < FRAG_SLOTS; i++)
		if (pool->slot[i].page)
			__page_frag_cache_drain(pool->slot[i].page, pool->slot[i].bias);
	memset(pool, 0, sizeof(*pool));
}
