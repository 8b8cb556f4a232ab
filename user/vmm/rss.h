/* SPDX-License-Identifier: GPL-2.0 */
/* Receive-side scaling: what tap_rss.c tells the program in a tap, rss.bpf.c. */
#ifndef VMM_RSS_H
#define VMM_RSS_H

#include <linux/types.h>

/* The longest that is hashed: addresses and ports of IPv6 */
#define RSS_TUPLE	36
#define RSS_TABLE	128

/**
 * struct rss_map - the only element of the map "config"
 * @hash_types: VIRTIO_NET_RSS_HASH_TYPE_*
 * @mask: of @queue, below RSS_TABLE
 * @unclassified: queue of what is not hashed
 * @toeplitz: what each half of a byte of the tuple adds to the hash, the upper one first: the key, made ready
 */
struct rss_map {
	__u32 hash_types;
	__u16 mask;
	__u16 unclassified;
	__u16 queue[RSS_TABLE];
	__u32 toeplitz[2 * RSS_TUPLE][16];
};

#endif
