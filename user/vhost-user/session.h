/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A front-end's session with a device: the vhost-user protocol, back-end side.
 *
 * Everything here is the control thread's: it may wait for queues to end what is under way, and for the
 * front-end. What a front-end sends is checked before anything is done with it; a message that makes
 * no sense ends the session, and the device is as new for the next one.
 */
#ifndef VHOST_USER_SESSION_H
#define VHOST_USER_SESSION_H

#include "lib/sandbox.h"
#include "queue.h"

#define VU_QUEUES_MAX 64
/* Bytes of a device's state */
#define VU_STATE_MAX 4096

/**
 * struct vu_device - a kind of device, and one of it
 * @name: of the program, for people
 * @dev: for its operations
 * @num_queues: that it has
 * @queue_num: that GET_QUEUE_NUM tells of, where that is another number: a NIC counts pairs; or 0
 * @queue_ops: what it does with queue @index, see queue.h. @file: out, the queue's file 0; or left at -1
 * @poll_us: longest time a queue polls before it sleeps
 * @fixes: guest memory is registered with rings, see vu_queue_new()
 * @start: make threads of its own, which inherit what the process has given up; 0, or -1 after one logged
 *	line. May be NULL
 * @finish: end them; the queues are about to go. May be NULL
 * @calls: system calls that serving takes beside those of sandbox_calls(), up to one without a number; or NULL
 * @no_files: once queues are made, no file is opened by its name: the root directory may be an empty one
 * @queue: the queues, when vu_endpoint_serve() has made them
 * @features: of the device's type, and VIRTIO_F_IN_ORDER if its requests end in the order of their coming; others
 *	of the ring are the session's
 * @protocol: protocol features of the kind of device
 * @config_size: bytes of configuration space, at most VHOST_USER_CONFIG_SIZE; 0: there is none
 * @get_config: fill all of it. Context: control
 * @set_config: the driver wrote; 0 or a negative errno. Context: control; no queue runs if @config_halts
 * @set_features: what was negotiated, nothing when a session begins; no queue runs. May be NULL. Context: control
 * @channel: messages to the front-end go by this socket, or by none (-1), and are the device's own; no queue runs. May be
 *	NULL. Context: control
 * @set_mtu: of a NIC, with VHOST_USER_PROTOCOL_F_NET_MTU: what its driver may send at most; 0, or -EINVAL. Context: control
 * @announce: of a NIC, with VHOST_USER_PROTOCOL_F_RARP: tell the network that this address is here now. Context: control
 * @refresh: the device may have changed by itself: look; a session begins, a while has gone by, or SIGHUP has come.
 *	Return: whether the configuration has changed. May be NULL. Context: control
 * @kept_size: bytes of memory that outlives the process with what queues have under way (INFLIGHT_SHMFD)
 * @keep: here it is, a multiple of 64; its first 8 bytes are 0 while nothing is kept in it. What a process before has
 *	kept is to be taken over, and is as little to be trusted as any message. NULL: there is none any more. Features
 *	are negotiated; no queue runs. Context: control
 * @state_size: bytes of its own state at most, with VHOST_USER_PROTOCOL_F_DEVICE_STATE, up to VU_STATE_MAX
 * @save: fill in the state; no queue runs. Return: bytes. Context: control
 * @load: a state that has come, up to @state_size bytes, and is as little to be trusted as any message; no queue runs. It may
 *	come before features are negotiated. Return: 0; or -EINVAL, and nothing has changed. Context: control
 * @reset: a session begins, or the driver has reset the device; no queue runs. May be NULL. Context: control
 */
struct vu_device {
	const char *name;
	void *dev;
	unsigned int num_queues;
	unsigned int queue_num;
	const struct vu_queue_ops *(*queue_ops)(void *dev, unsigned int index, int *file);
	unsigned int poll_us;
	bool fixes;
	int (*start)(void *dev);
	void (*finish)(void *dev);
	const struct sandbox_call *calls;
	bool no_files;
	struct vu_queue *queue[VU_QUEUES_MAX];
	uint64_t features;
	uint64_t protocol;
	uint32_t config_size;
	void (*get_config)(void *dev, void *config);
	int (*set_config)(void *dev, uint32_t offset, const uint8_t *data, uint32_t size);
	bool config_halts;
	void (*set_features)(void *dev, uint64_t features);
	size_t kept_size;
	void (*keep)(void *dev, void *kept);
	size_t state_size;
	size_t (*save)(void *dev, void *state);
	int (*load)(void *dev, const void *state, size_t len);
	void (*reset)(void *dev);
	void (*channel)(void *dev, int fd);
	int (*set_mtu)(void *dev, uint64_t mtu);
	void (*announce)(void *dev, const uint8_t *mac);
	bool (*refresh)(void *dev);
};

/** vu_backend_signals() - take SIGHUP, if that means something to the device */
void vu_backend_signals(const struct vu_device *d);

/**
 * vu_session_run() - serve one front-end until it is gone
 * @sock: connected; stays the caller's
 *
 * Return: 0 when it left, -1 when it was left, after one logged line
 */
int vu_session_run(const struct vu_device *d, int sock);

#endif
