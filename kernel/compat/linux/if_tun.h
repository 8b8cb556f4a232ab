/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COMPAT_LINUX_IF_TUN_H
#define COMPAT_LINUX_IF_TUN_H

#include <linux/version.h>
#include_next <linux/if_tun.h>

/*
 * A packet buffer for the tap begins with its virtio_net_hdr. Until 6.17 the size of the buffer,
 * which frame_sz holds as well, stood before that.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
static __always_inline void tun_buf_init(void *buf, int buflen)
{
	((struct tun_xdp_hdr *)buf)->buflen = buflen;
}

static __always_inline struct virtio_net_hdr *tun_buf_hdr(void *buf)
{
	return &((struct tun_xdp_hdr *)buf)->gso;
}
#else
static __always_inline void tun_buf_init(void *buf, int buflen)
{
}

static __always_inline struct virtio_net_hdr *tun_buf_hdr(void *buf)
{
	return buf;
}
#endif

/* Since 7.3 a tap may stop its senders when its ring is full, and counts on whoever empties it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
static inline void tun_wake_queue(struct file *file, int consumed)
{
}
#endif

#endif
