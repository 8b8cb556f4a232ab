/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ring engine needs from the world around it, in the kernel and in user space. No other
 * file of ring/ may know the difference.
 *
 * Guest memory is reached only by env_get() and env_put(), and only between env_access_begin() and
 * env_access_end(). In the kernel that is an open user access window: no function may be called
 * inside it (objtool checks), which is why every helper there is __always_inline. An access that
 * fails jumps to the label it was given, still inside the window.
 *
 * Ring fields are naturally aligned; so are descriptors that are read as two halves. Each env_get()
 * is one load: what the driver changes later is not seen.
 */
#ifndef RING_ENV_H
#define RING_ENV_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>
#include <uapi/linux/virtio_ring.h>

/* A whole batch shares one window. @ptr was passed through access_ok() when the ring was set up. */
#define env_access_begin(ptr, len) user_access_begin(ptr, len)
#define env_access_end() user_access_end()

#define env_get(x, ptr, err_label) unsafe_get_user(x, ptr, err_label)
#define env_put(x, ptr, err_label) unsafe_put_user(x, ptr, err_label)

/* Keeps a bounded index bounded under speculation, too. */
#define env_index_nospec(index, size) array_index_nospec(index, size)

#define env_rmb smp_rmb
#define env_wmb smp_wmb
#define env_mb smp_mb

#else /* !__KERNEL__ */

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <linux/types.h>
#include <linux/virtio_ring.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#ifndef __user
#define __user
#endif
#ifndef __force
#define __force
#endif
#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

#define le16_to_cpu(x) le16toh(x)
#define le32_to_cpu(x) le32toh(x)
#define le64_to_cpu(x) le64toh(x)
#define cpu_to_le16(x) htole16(x)
#define cpu_to_le32(x) htole32(x)
#define cpu_to_le64(x) htole64(x)

#define ENV_NO_EXPORT(sym) struct env_export_##sym
#define EXPORT_SYMBOL_GPL ENV_NO_EXPORT

#ifdef VRING_ENV_FAULTS
/**
 * vring_env_access() - test hook, called before every access to guest memory
 * @ptr: first byte
 * @len: bytes
 * @write: the engine writes
 *
 * Return: true lets the access fail
 */
bool vring_env_access(const void *ptr, size_t len, bool write);
bool vring_env_begin(const void *ptr, size_t len);
void vring_env_end(void);
#else
static __always_inline bool vring_env_access(const void *ptr, size_t len, bool write)
{
	(void)ptr;
	(void)len;
	(void)write;
	return false;
}

static __always_inline bool vring_env_begin(const void *ptr, size_t len)
{
	(void)ptr;
	(void)len;
	return true;
}

static __always_inline void vring_env_end(void)
{
}
#endif

#define env_access_begin(ptr, len) vring_env_begin(ptr, len)
#define env_access_end() vring_env_end()

#define env_get(x, ptr, err_label)						\
do {										\
	__typeof__(ptr) env_p = (ptr);						\
	if (unlikely(vring_env_access(env_p, sizeof(*env_p), false)))		\
		goto err_label;							\
	(x) = __atomic_load_n(env_p, __ATOMIC_RELAXED);				\
} while (0)

#define env_put(x, ptr, err_label)						\
do {										\
	__typeof__(ptr) env_p = (ptr);						\
	if (unlikely(vring_env_access(env_p, sizeof(*env_p), true)))		\
		goto err_label;							\
	__atomic_store_n(env_p, (__typeof__(*env_p))(x), __ATOMIC_RELAXED);	\
} while (0)

#define env_index_nospec(index, size) (index)

#define env_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define env_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define env_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif /* __KERNEL__ */

#endif
