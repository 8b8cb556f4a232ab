/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver side of a vhost device, from user space and without a VM.
 *
 * shunt-bench and the tests in tests/driver share it. It knows the uapi and the virtio
 * specification only, not ring/ and not kernel/: two readings of one specification that meet in a
 * test catch what either got wrong.
 *
 * One thread uses one device; nothing here takes a lock. Functions return 0 (or a count) and
 * negative errno; none prints and none exits.
 */
#ifndef TOOLS_VDRV_H
#define TOOLS_VDRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/if.h>

#define VDRV_BIT(n)		(1ULL << (n))
/* Where guest memory starts: not 0 and not a host address, so that mixing the two up shows. */
#define VDRV_GPA		0x40000000ULL
#define VDRV_RX			0
#define VDRV_TX			1
/* Local experimental EtherType (IEEE 802): no protocol handler takes these frames. */
#define VDRV_ETHERTYPE		0x88b5
#define VDRV_ETH_HLEN		14
/* Ethernet header and sequence number */
#define VDRV_FRAME_MIN		(VDRV_ETH_HLEN + 4)

/**
 * struct vdrv_mem - guest memory, one shared memfd
 * @fd: the memfd
 * @va: where it is mapped here
 * @size: bytes
 * @gpa: guest physical address of the first byte
 * @taken: bytes handed out by vdrv_mem_take()
 */
struct vdrv_mem {
	int fd;
	unsigned char *va;
	size_t size;
	uint64_t gpa;
	size_t taken;
};

int vdrv_mem_open(struct vdrv_mem *m, size_t size, uint64_t gpa);
void vdrv_mem_close(struct vdrv_mem *m);
/* A piece of guest memory, or 0 when there is no room; align is a power of two. */
uint64_t vdrv_mem_take(struct vdrv_mem *m, size_t size, size_t align);

static inline void *vdrv_mem_va(const struct vdrv_mem *m, uint64_t gpa)
{
	return m->va + (gpa - m->gpa);
}

/**
 * struct vdrv_dev - one open vhost device
 * @fd: the character device, or the socket of a vhost-user back end
 * @user: the latter
 * @offered: VHOST_GET_FEATURES
 * @features: what vdrv_dev_start() acknowledged
 */
struct vdrv_dev {
	int fd;
	bool user;
	uint64_t offered;
	uint64_t features;
};

/* @path: a vhost device; or the socket at which a vhost-user back end listens */
int vdrv_dev_open(struct vdrv_dev *d, const char *path);
void vdrv_dev_close(struct vdrv_dev *d);
/* A vhost ioctl, or the message that stands for it: 0 or a negative errno */
int vdrv_dev_call(const struct vdrv_dev *d, unsigned long request, void *arg);
/* SET_OWNER, SET_FEATURES and a memory table of one region */
int vdrv_dev_start(struct vdrv_dev *d, const struct vdrv_mem *m, uint64_t features);
int vdrv_dev_set_regions(struct vdrv_dev *d, const struct vhost_memory_region *r, unsigned int n);
/* All of @m in @n regions: of @piece bytes each, the rest in the last one */
int vdrv_dev_cut_mem(struct vdrv_dev *d, const struct vdrv_mem *m, unsigned int n, size_t piece);
int vdrv_dev_set_backend(struct vdrv_dev *d, unsigned int index, int fd);
/* Inner: the three that differ for a vhost-user back end */
int vdrv_user_open(const char *path);
int vdrv_user_call(int sock, unsigned long request, void *arg);
int vdrv_user_set_mem(int sock, const struct vdrv_mem *mem);
/* Read configuration space, or write to it at @offset, of a back end that has it */
int vdrv_user_get_config(int sock, void *config, uint32_t len);
int vdrv_user_set_config(int sock, uint32_t offset, const void *data, uint32_t len);
/* Size of the header in front of each frame in the ring with these features */
size_t vdrv_net_hdr_len(uint64_t features);

/*
 * The threads that serve the devices of process @owner, by name: a kernel thread, or a task of the
 * owner itself. Returns how many were found, at most @max of them in @tids.
 */
int vdrv_worker_find(pid_t owner, pid_t *tids, int max);
/*
 * CPU time of a thread in ns; with an instruction-counting machine this is instructions. And how
 * often it was put on a processor.
 */
int vdrv_worker_runtime(pid_t tid, uint64_t *ns, uint64_t *slices);

struct vdrv_buf {
	uint64_t gpa;
	uint32_t len;
	bool device_writes;
};

/* A buffer that the device has, by the id under which it comes back */
struct vdrv_slot {
	uint16_t ndesc;
	uint16_t last;
	uint32_t in_len;	/* bytes that the device may write */
	uint32_t cookie;
	bool busy;
};

struct vdrv_layout;

/**
 * struct vdrv_vq - a virtqueue, the driver's side
 * @index: queue number in the device
 * @num: ring size
 * @layout: split or packed (VIRTIO_F_RING_PACKED was acknowledged)
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was acknowledged
 * @in_order: VIRTIO_F_IN_ORDER was acknowledged
 * @indirect_max: descriptors in each indirect table, 0 when indirect is not used
 * @desc: split: descriptor table
 * @avail: split: driver area
 * @used: split: device area
 * @pdesc: packed: descriptor ring
 * @driver_event: packed: what the driver wants to be called for
 * @device_event: packed: what the device wants to be kicked for
 * @desc_gpa: guest address of @desc or @pdesc
 * @kick: eventfd that tells the device
 * @call: eventfd by which the device tells us
 * @err: eventfd by which the device reports a broken ring
 * @kicks: how often @kick was written
 * @avail_idx: split: index of the next avail entry; packed: position of the next descriptor
 * @last_used: split: index of the next used entry to read; packed: position of the next used one
 * @avail_wrap: @used_wrap: packed: wrap counters that go with the two
 */
struct vdrv_vq {
	struct vdrv_mem *mem;
	unsigned int index;
	unsigned int num;
	const struct vdrv_layout *layout;
	bool event_idx;
	bool in_order;
	unsigned int indirect_max;
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *pdesc;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	uint64_t desc_gpa;
	uint64_t tables_gpa;
	int kick;
	int call;
	int err;
	uint64_t kicks;
	uint16_t avail_idx;
	uint16_t last_used;
	bool avail_wrap;
	bool used_wrap;
	/* inner: entries or descriptors added since the last kick; packed: the head to show last */
	unsigned int unkicked;
	unsigned int hidden;
	uint16_t hidden_flags;
	/* inner: buffers of the device by id, and the free ones */
	struct vdrv_slot *slot;
	uint16_t free_head;
	unsigned int nfree;
	/* inner, IN_ORDER: ids in the order of their use, and what is left of a batch of completions */
	uint16_t *order;
	uint64_t order_head;
	uint64_t order_tail;
	unsigned int batch_left;
	uint32_t batch_len;
};

/* @num need not be a power of two in a packed ring. */
int vdrv_vq_open(struct vdrv_vq *vq, struct vdrv_mem *m, unsigned int index, unsigned int num,
		 uint64_t features, unsigned int indirect_max);
void vdrv_vq_close(struct vdrv_vq *vq);
/*
 * Start somewhere else than at 0; before vdrv_vq_attach(). For a packed ring @base counts descriptors
 * from position 0 of the first round.
 */
void vdrv_vq_set_base(struct vdrv_vq *vq, uint16_t base);
/* What GET_VRING_BASE must answer for a device that has shown all it did in the ring */
uint32_t vdrv_vq_device_base(const struct vdrv_vq *vq);
int vdrv_vq_attach(struct vdrv_vq *vq, struct vdrv_dev *d);
/* Pieces of the above, for callers that want another order */
int vdrv_vq_set_num(struct vdrv_vq *vq, struct vdrv_dev *d);
int vdrv_vq_set_addr(struct vdrv_vq *vq, struct vdrv_dev *d);
int vdrv_vq_set_fd(struct vdrv_vq *vq, struct vdrv_dev *d, unsigned long request, int fd);

/*
 * Queue a chain; the device sees it after vdrv_vq_publish(). -ENOSPC when descriptors are short.
 * A chain of several buffers goes into an indirect table where the ring has them.
 */
int vdrv_vq_add(struct vdrv_vq *vq, const struct vdrv_buf *buf, unsigned int n, uint32_t cookie);
void vdrv_vq_publish(struct vdrv_vq *vq);
/* Publish, and kick if the device asked for it; returns 1 when it kicked. */
int vdrv_vq_kick(struct vdrv_vq *vq);
/* Kick whatever the device asked for */
int vdrv_vq_kick_always(struct vdrv_vq *vq);
/*
 * Next completion: 1 and its cookie and length, 0 when there is none, -EPROTO for a bad one. With
 * IN_ORDER the device need not tell of each buffer: those it skipped have been used to the full.
 */
int vdrv_vq_get(struct vdrv_vq *vq, uint32_t *cookie, uint32_t *len);
/* Whether the device has used all that was added */
bool vdrv_vq_all_used(const struct vdrv_vq *vq);
/* Whether a completion waits */
bool vdrv_vq_pending(const struct vdrv_vq *vq);
/* Ask for no interrupts, or for one at the next completion; the latter returns true when
 * completions are waiting already.
 */
void vdrv_vq_disable_call(struct vdrv_vq *vq);
bool vdrv_vq_enable_call(struct vdrv_vq *vq);
/* Take what an eventfd has counted; 0 when nothing came within the time. */
uint64_t vdrv_event_wait(int fd, int timeout_ms);

/**
 * struct vdrv_tap - a tap interface and its queue
 * @fd: the /dev/net/tun file
 * @ifindex: interface number
 * @name: interface name
 */
struct vdrv_tap {
	int fd;
	int ifindex;
	char name[IFNAMSIZ];
};

/**
 * struct vdrv_tap_opt - how to make the tap
 * @name: interface to make or to join, NULL for a new one
 * @hdr_len: virtio-net header that the tap reads and writes, 0 for none
 * @offload: TUN_F_ flags: what may be left to the driver on receive
 * @mtu: 0 to leave it
 */
struct vdrv_tap_opt {
	const char *name;
	unsigned int hdr_len;
	unsigned int offload;
	unsigned int mtu;
};

struct vdrv_if_stats {
	uint64_t rx_packets;
	uint64_t rx_errors;
	uint64_t rx_dropped;
	uint64_t tx_packets;
	uint64_t tx_dropped;
};

/* Open, set up, bring up, and keep the kernel from talking on it by itself. */
int vdrv_tap_open(struct vdrv_tap *t, const struct vdrv_tap_opt *opt);
void vdrv_tap_close(struct vdrv_tap *t);
int vdrv_if_stats(const char *ifname, struct vdrv_if_stats *st);

/* A packet socket on an interface, with a virtio-net header on each frame if @vnet_hdr */
int vdrv_packet_open(int ifindex, uint16_t ethertype, bool vnet_hdr);

/**
 * struct vdrv_inject - sends frames out of an interface, so into the tap's queue, many at a call
 * @fd: packet socket without a queueing discipline
 * @mapped: frames lie in a PACKET_TX_RING; else sendmmsg() copies them
 * @nframes: slots; with @mapped the tap may still read from a slot that looks free, so have
 *	twice as many as there can be frames on their way
 * @lens: frame lengths, when not @mapped
 * @pending: frames put and not yet flushed
 */
struct vdrv_inject {
	int fd;
	bool mapped;
	unsigned char *ring;
	size_t ring_size;
	unsigned int frame_size;
	unsigned int nframes;
	unsigned int next;
	unsigned int *lens;
	unsigned int pending;
};

int vdrv_inject_open(struct vdrv_inject *in, int ifindex, unsigned int frame_max,
		     unsigned int nframes, bool mapped);
void vdrv_inject_close(struct vdrv_inject *in);
/* Where to write the next frame, or NULL while its slot is being sent */
void *vdrv_inject_slot(struct vdrv_inject *in);
void vdrv_inject_put(struct vdrv_inject *in, unsigned int len);
int vdrv_inject_flush(struct vdrv_inject *in);

/* Test frames: Ethernet header, sequence number, then a pattern that follows from both. */
void vdrv_frame_fill(unsigned char *frame, unsigned int len, uint32_t seq);
void vdrv_frame_seq(unsigned char *frame, uint32_t seq);
bool vdrv_frame_ours(const unsigned char *frame, unsigned int len);
/* 0 and the number, or -EBADMSG */
int vdrv_frame_check(const unsigned char *frame, unsigned int len, uint32_t *seq);

#endif /* TOOLS_VDRV_H */
