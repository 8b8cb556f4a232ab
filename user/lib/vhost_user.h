/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vhost-user on the wire: messages with file descriptors over a stream socket. Names and numbers are
 * those of the specification (docs/interop/vhost-user.rst of QEMU).
 *
 * Nothing here keeps state. Numbers are in the machine's own byte order, as the specification has it.
 */
#ifndef LIB_VHOST_USER_H
#define LIB_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/vhost_types.h>

#define VHOST_USER_VERSION	0x1U
#define VHOST_USER_VERSION_MASK	0x3U
#define VHOST_USER_REPLY	0x4U
#define VHOST_USER_NEED_REPLY	0x8U

/* A virtio feature bit: there are protocol features, and rings are disabled at first. */
#define VHOST_USER_F_PROTOCOL_FEATURES	30

/* The payload of SET_VRING_KICK, _CALL, _ERR: a queue, and whether no descriptor comes along */
#define VHOST_USER_VRING_IDX_MASK	0xffU
#define VHOST_USER_VRING_NOFD		0x100U

enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_F_RARP = 2,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_NET_MTU = 4,
	VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10,
	VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
	VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
	VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19,
	/*
	 * Not the specification's. Of a NIC's back-end: it serves the control queue, which comes after the data
	 * queues, and has CONFIG, too. VIRTIO_NET_F_CTRL_VQ does not say that: back-ends offer it for front-ends
	 * that serve the queue themselves. SET_CONFIG of the configuration's first ten bytes, before rings run,
	 * says what the driver is shown: its address, and how many pairs there are, after which the control queue
	 * is if MQ is negotiated. SET_CONFIG of the status alone, while rings run, may say VIRTIO_NET_S_ANNOUNCE, which is
	 * in GET_CONFIG's answers until the driver has acknowledged that.
	 */
	VHOST_USER_PROTOCOL_F_NET_CTRL_VQ = 62,
	/*
	 * Not the specification's, and goes with the one above: the control queue is the back-end's queue 0, and it has no
	 * other. Data queues are somebody else's, a kernel's. What the driver wants is up to the front-end, which is
	 * asked: BACKEND_NET_CTRL. Needs BACKEND_REQ; SET_BACKEND_REQ_FD comes before the ring starts.
	 */
	VHOST_USER_PROTOCOL_F_NET_CTRL_ONLY = 61,
};

/* From the front-end */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SEND_RARP = 19,
	VHOST_USER_NET_SET_MTU = 20,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_SET_DEVICE_STATE_FD = 42,
	VHOST_USER_CHECK_DEVICE_STATE = 43,
};

/* From the back-end, over a socket of its own */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2,
	/* Not the specification's: a command of a driver's, see struct vhost_user_net_ctrl; an answer is always owed */
	VHOST_USER_BACKEND_NET_CTRL = 1000,
};

/* Regions in one SET_MEM_TABLE, and so descriptors in any message */
#define VHOST_USER_MEM_REGIONS	8
#define VHOST_USER_FDS		VHOST_USER_MEM_REGIONS
#define VHOST_USER_CONFIG_SIZE	256

/**
 * struct vhost_user_region - guest memory
 * @gpa: guest physical address
 * @size: bytes
 * @uaddr: where the front-end has it mapped: rings are given by such addresses
 * @offset: of its first byte in the file that comes along
 */
struct vhost_user_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uaddr;
	uint64_t offset;
};

/* Addresses that one question has room for */
#define VHOST_USER_NET_MACS	32U
/* Instead of a number of addresses: more than there is room for */
#define VHOST_USER_NET_MANY	UINT16_MAX

/* Receive-side scaling: sizes, and VIRTIO_NET_RSS_HASH_TYPE_* that there are: all but those of extension headers */
#define VHOST_USER_NET_RSS_TABLE	128U
#define VHOST_USER_NET_RSS_KEY		40U
#define VHOST_USER_NET_RSS_TYPES	0x3fU

/**
 * struct vhost_user_net_rss - RSS_CONFIG of a driver's
 * @hash_types: of VHOST_USER_NET_RSS_TYPES
 * @mask: of a hash: where in @queue the pair is
 * @unclassified: pair of packets that are not hashed
 * @pairs: that are used to send
 * @key: zeroes behind its end
 */
struct vhost_user_net_rss {
	uint32_t hash_types;
	uint16_t mask;
	uint16_t unclassified;
	uint16_t pairs;
	uint16_t padding;
	uint8_t key[VHOST_USER_NET_RSS_KEY];
	uint16_t queue[VHOST_USER_NET_RSS_TABLE];
};

/**
 * struct vhost_user_net_ctrl - what a driver wants, and whether that can be done
 * @class: @cmd: of virtio-net's control queue; the command is whole, and one that was negotiated
 * @unicast: @multicast: addresses in the tables of MAC_TABLE_SET
 * @value: of any other command, as a number; an address (MAC_ADDR_SET) with its first byte lowest
 * @mac: addresses, unicast ones first
 * @rss: of RSS_CONFIG
 */
struct vhost_user_net_ctrl {
	uint8_t class;
	uint8_t cmd;
	uint16_t unicast;
	uint16_t multicast;
	uint16_t padding;
	uint64_t value;
	union {
		uint8_t mac[VHOST_USER_NET_MACS][6];
		struct vhost_user_net_rss rss;
	};
};

struct vhost_user_hdr {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

#define VHOST_USER_CONFIG_HDR	12
/* As the specification has it; many send the structure with its padding. */
#define VHOST_USER_INFLIGHT_SIZE 20
#define VHOST_USER_INFLIGHT_PADDED 24

/**
 * struct vhost_user_msg - one message
 * @nr_fds: descriptors in @fds; whoever receives a message owns them
 */
struct vhost_user_msg {
	unsigned int nr_fds;
	/* on the wire: these two, without a gap */
	struct vhost_user_hdr hdr;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint32_t nr;
			uint32_t padding;
			struct vhost_user_region region[VHOST_USER_MEM_REGIONS];
		} mem;
		struct {
			uint64_t padding;
			struct vhost_user_region region;
		} mem_reg;
		struct {
			uint32_t offset;
			uint32_t size;
			uint32_t flags;
			uint8_t data[VHOST_USER_CONFIG_SIZE];
		} config;
		struct {
			uint64_t size;
			uint64_t offset;
		} log;
		struct {
			uint64_t size;
			uint64_t offset;
			uint16_t num_queues;
			uint16_t queue_size;
		} inflight;
		struct {
			uint32_t direction;
			uint32_t phase;
		} transfer;
		struct vhost_user_net_ctrl net_ctrl;
	};
	int fds[VHOST_USER_FDS];
};

#define VHOST_USER_PAYLOAD_MAX	(offsetof(struct vhost_user_msg, fds) - offsetof(struct vhost_user_msg, u64))

/**
 * vhost_user_recv() - wait for one message
 * @sock: a connected stream socket
 * @m: filled; its payload is as long as its header says, the rest is zero
 *
 * Return: 1; 0 when the peer is gone between two messages; -EPROTO for a header that makes no
 * sense, -EMSGSIZE for a payload that no message has, or a negative errno. Without a message no
 * descriptor is left open.
 */
int vhost_user_recv(int sock, struct vhost_user_msg *m);

/**
 * vhost_user_recv_until() - the same, from a peer that may dawdle
 * @deadline_ns: of CLOCK_MONOTONIC; 0: none. All of the message has to be there by then
 *
 * Return: also -ETIMEDOUT
 */
int vhost_user_recv_until(int sock, struct vhost_user_msg *m, uint64_t deadline_ns);

/**
 * vhost_user_send() - send one message with its descriptors, which stay the caller's
 *
 * Return: 0 or a negative errno; never a signal
 */
int vhost_user_send(int sock, const struct vhost_user_msg *m);

/** vhost_user_close_fds() - close what came with a message and was not taken */
void vhost_user_close_fds(struct vhost_user_msg *m);

/** vhost_user_take_fd() - Return: descriptor @i, now the caller's, or -1 */
int vhost_user_take_fd(struct vhost_user_msg *m, unsigned int i);

#endif
