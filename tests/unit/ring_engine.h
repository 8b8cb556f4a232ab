/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ring engine with its access hook, compiled into the test that includes this.
 *
 * Every access to guest memory is counted, must happen inside an access window, and must lie in a
 * range that the test allowed; any one of them can be made to fail. RING_BUG(text) is what happens
 * on a violation.
 */
#ifndef TESTS_RING_ENGINE_H
#define TESTS_RING_ENGINE_H

#define VRING_ENV_FAULTS
#include "ring/vring.c"
#include "ring/vring_err.c"
#include "ring/vring_packed.c"
#include "ring/vring_packed_event.c"
#include "ring/vring_split.c"
#include "ring/vring_split_chain.c"
#include "ring/vring_split_event.c"

#ifndef RING_BUG
#define RING_BUG(text) fail_msg("%s", text)
#endif

struct hook_range {
	const u8 *start;
	size_t len;
	bool writable;
};

/* What is given back for @e after @len bytes were written */
static inline struct vring_elem elem_done(const struct vring_elem *e, u32 len)
{
	struct vring_elem done = *e;

	done.len = len;
	return done;
}

static struct {
	struct hook_range range[256];
	u32 nr_range;
	bool open;		/* a window is open */
	unsigned long count;	/* accesses and window openings so far */
	unsigned long fail_at;	/* the one that fails; 0: none */
	bool fail_on;		/* and all after it */
	unsigned long failed;
	void (*before)(void);	/* runs before each access */
} hook;

static inline void hook_reset(void)
{
	hook.count = 0;
	hook.fail_at = 0;
	hook.fail_on = false;
	hook.failed = 0;
}

static inline void hook_allow(const void *start, size_t len, bool writable)
{
	hook.range[hook.nr_range++] = (struct hook_range){ start, len, writable };
}

static inline bool hook_fails(void)
{
	hook.count++;
	if (!hook.fail_at || hook.count < hook.fail_at ||
	    (hook.count > hook.fail_at && !hook.fail_on))
		return false;
	hook.failed++;
	return true;
}

bool vring_env_begin(const void *ptr, size_t len)
{
	(void)ptr;
	(void)len;
	if (hook.open)
		RING_BUG("a window is opened twice");
	if (hook_fails())
		return false;
	hook.open = true;
	return true;
}

void vring_env_end(void)
{
	if (!hook.open)
		RING_BUG("a window is closed twice");
	hook.open = false;
}

bool vring_env_access(const void *ptr, size_t len, bool write)
{
	u32 i;

	if (!hook.open)
		RING_BUG("an access outside a window");
	if ((uintptr_t)ptr % len)
		RING_BUG("a misaligned access");
	for (i = 0; i < hook.nr_range; i++) {
		const struct hook_range *r = &hook.range[i];
		size_t at = (uintptr_t)ptr - (uintptr_t)r->start;

		if (at < r->len && len <= r->len - at && (r->writable || !write))
			break;
	}
	if (i == hook.nr_range)
		RING_BUG(write ? "a write outside the used ring" : "a read outside guest memory");
	if (hook.before)
		hook.before();
	return hook_fails();
}

#endif
