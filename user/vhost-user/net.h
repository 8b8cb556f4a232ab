/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shunt-net: a virtio-net device on a tap, on an interface, on AF_XDP sockets, on a network stack in the process, or on
 * nothing.
 *
 * net.c is the device: what it offers, and which queue is what. net_rx.c has the driver's receive buffers,
 * net_filter.c what it wants to receive. net_ctrl.c is the control queue, net_keep.c has what commands have set for the
 * process that comes after. The others are back ends: net_null.c, net_tap.c, net_packet.c, net_user.c, net_xdp.c; and
 * net_control.c, which has the control queue alone.
 */
#ifndef VHOST_USER_NET_H
#define VHOST_USER_NET_H

#include <linux/if_ether.h>
#include <net/if.h>
#include <linux/virtio_net.h>
#include <stdbool.h>

#include "lib/bits.h"
#include "lib/sandbox.h"
#include "lib/vhost_user.h"
#include "net_filter.h"
#include "queue.h"
#include "session.h"

/* As many as leave a queue for control */
#define NET_PAIRS_MAX	((VU_QUEUES_MAX - 1) / 2)
/* The longest packet there is, with its header */
#define NET_PACKET_MAX	(sizeof(struct virtio_net_hdr_mrg_rxbuf) + ETH_HLEN + 4 + 65535)
/* Segments that a buffer has room for by itself: those of a packet of 64 KiB in pages, and header */
#define NET_REQ_IOV	20
/* Segments of one operation */
#define NET_IOV_MAX	1024
/* Most packets under way to or from a file in one queue */
#define NET_BATCH	64

/* What a driver may switch by a command */
#define NET_GUEST_OFFLOADS (BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO4) | \
			    BIT64(VIRTIO_NET_F_GUEST_TSO6) | BIT64(VIRTIO_NET_F_GUEST_ECN) | \
			    BIT64(VIRTIO_NET_F_GUEST_UFO))

/* Back ends; those of files have all options in common. */
enum { NET_NULL, NET_FILE, NET_USER, NET_CONTROL, NET_XDP };

struct net;

/**
 * struct net_user_opts - options of the back end user, each as on the command line, or NULL
 * @hostfwd: @nr_hostfwd of them
 */
struct net_user_opts {
	const char *net;
	const char *host;
	const char *dhcpstart;
	const char *dns;
	const char *hostname;
	bool restricted;
	bool no_ipv6;
	unsigned int nr_hostfwd;
	const char *hostfwd[64];
};

/**
 * struct net_xdp_opts - options of the back end af-xdp
 * @start_queue: the interface's queue of the first pair
 * @mode: "native", "skb" or NULL
 * @zero_copy: "on", "off" or NULL
 * @map_path: or NULL
 */
struct net_xdp_opts {
	unsigned int start_queue;
	const char *mode;
	const char *zero_copy;
	const char *map_path;
};

/**
 * struct net_opts - what the command line says
 * @backend: where packets go
 * @ifname: of the interface, or NULL
 * @tap_fd: open queues of a tap, @nr_tap_fds of them
 * @mac: @has_mac: the driver's address
 * @mtu: or 0
 * @pairs: 1..NET_PAIRS_MAX, or 0: as many as there are in @tap_fd, or one
 * @generate: null: bytes of the packets that it makes, or 0
 * @user: @xdp: a back end's own
 */
struct net_opts {
	const struct net_backend *backend;
	const char *ifname;
	int tap_fd[NET_PAIRS_MAX];
	unsigned int nr_tap_fds;
	unsigned char mac[ETH_ALEN];
	bool has_mac;
	unsigned int mtu;
	unsigned int pairs;
	unsigned int generate;
	struct net_user_opts user;
	struct net_xdp_opts xdp;
};

/**
 * struct net_backend - where packets come from and go to
 * @name: as in --backend
 * @kind: whose options it has
 * @open: get ready; may take features away, and sets net.file. Return: 0, or -1 after one logged line
 * @start: see vu_device.start; or NULL
 * @calls: see vu_device.calls; or NULL
 * @offload: features were negotiated, or the driver has changed its mind about GUEST_*: @features are those
 *	in force. Context: control, or the control queue. Return: 0, or -1. May be NULL
 * @mtu: Return: what the network takes at most; 0: nobody knows. Context: control. May be NULL
 * @announce: tell the network that an address is here now. Context: control. NULL: there is nobody to hear it
 * @file_hdr: of files: bytes of the header that a packet has there; 0: as many as with the driver
 * @file_fit: of files: make a packet that has come fit what the driver takes; @iov: header and packet, @len bytes, as they
 *	are there. Return: false: it cannot be. Context: queue. May be NULL
 * @pair: the driver has begun or ceased to use a pair; context: its receive queue, which may be stopped. May be NULL
 * @rx: @tx: run, stop and done of queue.h. Context: queue
 * @ask: there is the control queue alone, and it asks the front-end whether a command can be done. Return: 0, or -1. Context:
 *	the control queue. NULL: there are all queues
 * @offloads: features that it may have beside those of any
 */
struct net_backend {
	const char *name;
	unsigned int kind;
	int (*open)(struct net *n, const struct net_opts *o);
	int (*start)(void *net);
	const struct sandbox_call *calls;
	int (*offload)(struct net *n, uint64_t features);
	unsigned int (*mtu)(const struct net *n);
	void (*announce)(const struct net *n, const uint8_t *mac);
	size_t file_hdr;
	bool (*file_fit)(const struct iovec *iov, unsigned int nr, size_t len);
	void (*pair)(struct vu_queue *q);
	int (*ask)(struct net *n, const struct vhost_user_net_ctrl *what);
	struct vu_queue_ops rx;
	struct vu_queue_ops tx;
	uint64_t offloads;
};

/**
 * struct net_req - a buffer of the driver's
 * @seq: which one it was to be pulled
 * @len: bytes in its segments
 * @hdr: to be sent in place of its first bytes, see net_backend.file_hdr
 * @iov: its segments, @nr_iov of them and room for one more; in @inner where they fit
 */
struct net_req {
	struct vu_req r;
	uint64_t seq;
	size_t len;
	struct virtio_net_hdr hdr;
	unsigned int nr_iov;
	struct iovec *iov;
	struct iovec inner[NET_REQ_IOV + 1];
};

/**
 * struct net_rx - receive buffers of a queue. Context: queue
 * @held: pulled and not used: a circle of @nr_held from @first, oldest first
 * @got: what the packet at hand goes into: @nr_got buffers of @got_len bytes
 * @pulled: how many were, ever
 * @used: the highest net_req.seq that was used
 */
struct net_rx {
	struct net_req *held[VU_QUEUE_NUM_MAX];
	unsigned int first;
	unsigned int nr_held;
	struct net_req *got[VU_QUEUE_NUM_MAX];
	unsigned int nr_got;
	size_t got_len;
	uint64_t pulled;
	uint64_t used;
};

struct net_kept;
struct net_state;

/**
 * struct net - a NIC
 * @opts: the command line
 * @backend: where packets go
 * @pairs: of queues
 * @shown: pairs that the driver is shown
 * @offered: features of virtio-net
 * @features: that were negotiated
 * @hdr_len: bytes of the header that each packet has
 * @mergeable: a packet may take several receive buffers
 * @ctrl: index of the control queue, or more than any
 * @active: pairs that the driver uses; atomic
 * @filter: what it wants to receive
 * @offloads: of NET_GUEST_OFFLOADS, those that are on
 * @kept: where that is kept, or NULL; @kept_in: which of its copies is good. Context: the control queue, or control
 * @loaded: what another process has sent, until a command changes it; or NULL. Context: control, or the control queue
 * @fresh: nothing was negotiated since the last reset
 * @config: the configuration space, but for the address and
 * @announce: of its status, VIRTIO_NET_S_ANNOUNCE; atomic
 * @queue: the queues
 * @mq: a command that changes @active, and that ends when each pair has heard of it: @left have not; of the control
 *	queue, but for the mail that is on its way
 * @channel: socket to the front-end, for questions; or -1
 * @link: of files: a socket to ask about their interface, @link_name; or -1
 * @file: of each queue: see queue_ops of vu_device
 * @rx: of each pair
 * @priv: of the back end, for each queue
 */
struct net {
	const struct net_opts *opts;
	const struct net_backend *backend;
	unsigned int pairs;
	unsigned int shown;
	uint64_t offered;
	uint64_t features;
	unsigned int hdr_len;
	bool mergeable;
	unsigned int ctrl;
	unsigned int active;
	struct net_filter filter;
	uint64_t offloads;
	struct net_kept *kept;
	unsigned int kept_in;
	struct net_state *loaded;
	bool fresh;
	struct virtio_net_config config;
	bool announce;
	struct vu_queue *const *queue;
	struct {
		struct vu_req *req;
		virtio_net_ctrl_ack *ack;
		unsigned int left;
		struct vu_mail mail[NET_PAIRS_MAX];
	} mq;
	int channel;
	int link;
	char link_name[IFNAMSIZ];
	int file[VU_QUEUES_MAX];
	struct net_rx *rx[NET_PAIRS_MAX];
	void *priv[VU_QUEUES_MAX];
};

extern const struct net_backend net_null, net_tap, net_macvtap, net_packet, net_user, net_control, net_xdp;

/** net_open() - Return: 0, or -1 after one logged line */
int net_open(struct net *n, const struct net_opts *o);
/** net_device() - fill in the device of a NIC that is open */
void net_device(struct net *n, struct vu_device *d);

/** net_pair_used() - Return: whether packets may come in a pair. Context: any */
static inline bool net_pair_used(const struct net *n, unsigned int pair)
{
	return pair < __atomic_load_n(&n->active, __ATOMIC_RELAXED);
}

/** net_set_announce() - whether the driver has yet to tell the network where it is. Context: any */
static inline void net_set_announce(struct net *n, bool on)
{
	__atomic_store_n(&n->announce, on, __ATOMIC_RELAXED);
}

/* --- net_keep.c --- */

/** net_kept_size() - Return: bytes for the state that commands have made */
size_t net_kept_size(void);
/** net_keep() - see vu_device.keep */
void net_keep(void *net, void *kept);
/** net_kept_save() - a command was done, and the driver has not heard of it. Context: the control queue, or it is stopped */
void net_kept_save(struct net *n);

/** net_state_size() - Return: bytes of a state that is sent */
size_t net_state_size(void);
/** net_state_save() - see vu_device.save */
size_t net_state_save(void *net, void *to);
/** net_state_load() - see vu_device.load. It is in force while what was negotiated fits, up to the first command */
int net_state_load(void *net, const void *from, size_t len);
/** net_state_apply() - the device is as new: what has been loaded comes into force, if it fits. Context: control */
void net_state_apply(struct net *n);
/** net_state_drop() - what was loaded is not to be had again. Context: control, or the control queue */
void net_state_drop(struct net *n);

/* The operations of the control queue, but for what all queues have in common */
extern const struct vu_queue_ops net_ctrl_ops;

/** net_has() - Return: whether a feature was negotiated */
static inline bool net_has(const struct net *n, unsigned int bit)
{
	return n->features >> bit & 1;
}

/* --- waiting for a queue's file. Context: queue --- */

/**
 * net_poll() - poll for @events, once; the ring does not stop before it has ended
 * @polling: of the queue's state, false; true meanwhile. Its address is the data of done()
 */
void net_poll(struct vu_queue *q, unsigned int events, bool *polling);
/** net_poll_cancel() - end it soon, if it is under way */
void net_poll_cancel(struct vu_queue *q, bool *polling);
/** net_poll_end() - it has ended, says done() */
void net_poll_end(struct vu_queue *q, bool *polling);

/* --- buffers to send. Context: queue --- */

/**
 * net_tx_pull() - the next packet of the driver's, which has a header
 *
 * Return: it, for net_req_end(), or NULL
 */
struct net_req *net_tx_pull(struct vu_queue *q);
/** net_req_end() - in place of vu_req_end() */
void net_req_end(struct vu_queue *q, struct net_req *req, uint32_t len);

/* --- receive buffers. Context: queue --- */

/** net_rx_of() - Return: the receive buffers of queue @q */
static inline struct net_rx *net_rx_of(const struct vu_queue *q)
{
	return ((struct net *)q->dev)->rx[q->index / 2];
}

/** net_rx_take() - Return: the oldest receive buffer of the driver's that is not used, or NULL */
struct net_req *net_rx_take(struct vu_queue *q);
/** net_rx_put() - it is not used; the last that was taken first */
void net_rx_put(struct vu_queue *q, struct net_req *req);
/** net_rx_add() - @req, which was taken, is for the packet at hand */
void net_rx_add(struct vu_queue *q, struct net_req *req);
/**
 * net_rx_gather() - take receive buffers for the packet at hand, until they hold @len bytes
 *
 * Return: 1; 0 there are not enough yet: those that there are stay gathered; -1 there never will be, and all
 * have been put back
 */
int net_rx_gather(struct vu_queue *q, size_t len);
/** net_rx_copy() - @len bytes of @from go to byte @off of the packet at hand */
void net_rx_copy(struct vu_queue *q, size_t off, const void *from, size_t len);
/** net_rx_finish() - the packet at hand is complete, with @len bytes; buffers that are not needed are put back */
void net_rx_finish(struct vu_queue *q, size_t len);
/** net_rx_scatter() - there is no packet at hand: its buffers are put back */
void net_rx_scatter(struct vu_queue *q);
/**
 * net_rx_packet() - deliver a packet without offloads
 *
 * Return: as net_rx_gather()
 */
int net_rx_packet(struct vu_queue *q, const void *frame, size_t len);
/** net_rx_release() - the queue stops: the driver gets back what is held */
void net_rx_release(struct vu_queue *q);

#endif
