/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Vhost front end for processes: the vhost-user protocol, front-end side. A process is one of ours, started
 * here, or whoever is at the other end of a chardev. What it answers is checked; one that does not answer, or
 * answers what makes no sense, is left, and one of ours killed. One that has gone is started or connected to again,
 * and goes on with what its predecessor had under way if it can tell (INFLIGHT_SHMFD); else the device needs a reset.
 *
 * vhost_user.c has the messages, vhost_user_config.c those about the configuration, vhost_user_peer.c the life of
 * the other side.
 *
 * Context: as vhost.h has it; other functions on the main thread, unless they say so.
 */
#ifndef VMM_VHOST_USER_H
#define VMM_VHOST_USER_H

#include <pthread.h>
#include <stdint.h>
#include "process.h"
#include "vhost.h"
#include "../lib/loop.h"
#include "../lib/vhost_user.h"

struct chardev;
struct vm;
struct config_job;

#define VHOST_USER_RINGS	256

/**
 * struct vhost_user
 *
 * Set before vhost_user_open(), all else zero:
 * @proc: process_init() and process_arg(): start this; or no argument at all, and
 * @chardev: whose peers are such processes
 * @nic: it is a NIC: @nr_rings and @queues are pairs, and it is asked whether it serves the control queue
 *	(VHOST_USER_PROTOCOL_F_NET_CTRL_VQ)
 * @nr_rings: the other side has to have so many
 * @most_rings: further ones it is not told of, 0: of all; may be set until the first start
 * @told: @told_len: bytes of configuration that it is told before its rings start; may be set until the first start
 * @config_len: bytes of configuration to ask for
 * @asked: it has the control queue of a NIC alone, and asks what the driver is to be told (BACKEND_NET_CTRL), while the
 *	ring runs, or has run just now; main thread, device lock held. Return: 0, or -errno: refused. May be NULL
 * @starting: @proc is about to be started, anew it may be, and may get other arguments, and each @extra is closed
 *	afterwards; main thread. May be NULL. Return: 0, or -errno after one logged line
 * @config_changed: @config has new content; main thread, device lock held. May be NULL
 * @settled: the process has gone: whether all that it had under way has ended; any thread. May be NULL
 *
 * Afterwards:
 * @config: device lock; @config_len is 0 if the other side has none
 * @queues: the other side has so many; pairs, if it is a NIC
 */
struct vhost_user {
	struct vhost vhost;
	struct vm *vm;
	struct process proc;
	struct chardev *chardev;
	bool nic;
	unsigned int nr_rings, most_rings;
	const void *told;
	unsigned int told_len;
	unsigned int config_len;
	uint8_t config[VHOST_USER_CONFIG_SIZE];
	unsigned int queues;
	int (*asked)(struct vhost_user *vu, const struct vhost_user_net_ctrl *what);
	int (*starting)(struct vhost_user *vu);
	void (*config_changed)(struct vhost_user *vu);
	bool (*settled)(struct vhost_user *vu);

	/*
	 * private: one message and its answer at a time: @lock. @deadline_ns: when all that is asked under it has
	 * to be answered. @dead: @sock is of no use any more. @asks_fd: the channel, where questions come; or -1
	 */
	pthread_mutex_t lock;
	uint64_t deadline_ns;
	int sock, channel_fd, asks_fd;
	bool dead, greeted;
	uint64_t features, protocol;
	/*
	 * private: who starts and stops rings. @ran: since the last stop, so that its state counts. @inflight:
	 * SET_INFLIGHT_FD for every start until then, with its descriptor; without one if nothing is tracked.
	 * @served_ns: when this other side had got its rings; 0: it has not. @told_slots: of guest memory, it has been told of
	 */
	uint64_t served_ns;
	unsigned int told_slots;
	bool packed;
	bool ran[VHOST_USER_RINGS];
	struct vhost_user_msg inflight;
	/* private: main thread. @came_fd: a peer that is not served yet, or -1. @endless: another may always come */
	struct loop_fd watch, channel;
	struct loop_bh channel_bh, came_bh;
	int came_fd;
	bool endless;
	uint64_t gone_ns;
	unsigned int quick;
	struct config_job *config_job;
	bool config_again;
};

/**
 * vhost_user_open() - start it, or wait for it, and ask what it is
 * @opt: begins messages, and is kept
 *
 * Return: 0, vhost.features and config are there; -1 after one logged line, by us or by the process, or when
 * the process was told to end while it waited
 */
int vhost_user_open(struct vhost_user *vu, struct vm *vm, const char *opt);

/** vhost_user_close() - what vhost_ops.close does: for who has no transport yet */
void vhost_user_close(struct vhost_user *vu);

/**
 * vhost_user_set_config() - the driver wrote; any thread
 * Return: 0; -EPIPE: the other side is not there, but may be again; -EINVAL: it refused, or has no
 * configuration that can be written
 */
int vhost_user_set_config(struct vhost_user *vu, uint32_t off, const void *data, uint32_t len);

/**
 * vhost_user_config_now() - @len bytes of the configuration, from its beginning, while rings run; any thread
 * Return: 0; or -errno: nobody is there that knows
 */
int vhost_user_config_now(struct vhost_user *vu, void *data, uint32_t len);

/**
 * vhost_user_set_config_now() - the other way: what is said by us, and not by the driver; any thread
 * Return: 0; -EPIPE: nobody is there; -EINVAL: refused
 */
int vhost_user_set_config_now(struct vhost_user *vu, uint32_t off, const void *data, uint32_t len);

/** vhost_user_rarp() - have a NIC's process announce @mac to the network; any thread. Return: 0 or -errno */
int vhost_user_rarp(struct vhost_user *vu, const uint8_t *mac);

/** vhost_user_fetch_config() - ask for the configuration again, away from here: @config_changed */
void vhost_user_fetch_config(struct vhost_user *vu);

/** vhost_user_ending() - the process ends: rings are no longer stopped one by one */
void vhost_user_ending(void);

/** vhost_user_speaks() - whether the other side has a protocol feature, once it is open */
static inline bool vhost_user_speaks(const struct vhost_user *vu, unsigned int protocol_feature)
{
	return vu->protocol >> protocol_feature & 1;
}

/* ---- vhost_user.c and vhost_user_config.c for each other and vhost_user_peer.c ---- */

extern const struct vhost_ops vhost_user_ops;
/** vhost_user_lock() - take the lock; there are some seconds for answers */
void vhost_user_lock(struct vhost_user *vu);
/** vhost_user_greet() - first words; nothing if they were said. Return: 0 or -errno, @vhost.why may say more */
int vhost_user_greet(struct vhost_user *vu);
/** vhost_user_tell() - lock held: a statement. Return: 0, -EINVAL: refused; or another -errno, it was left */
int vhost_user_tell(struct vhost_user *vu, struct vhost_user_msg *m);
/** vhost_user_exchange() - lock held: @m becomes its answer, of whatever size. Return: 0 or -errno, it was left */
int vhost_user_exchange(struct vhost_user *vu, struct vhost_user_msg *m);
/** vhost_user_failed() - lock held: leave it for what it has done. Return: @err, or -EPIPE where it has only gone */
int vhost_user_failed(struct vhost_user *vu, int err);
/** vhost_user_any_ran() - lock held: whether a ring has run since the last stop */
bool vhost_user_any_ran(const struct vhost_user *vu);
/** vhost_user_tell_config() - lock held, greeted: SET_CONFIG. Return: 0 or -errno */
int vhost_user_tell_config(struct vhost_user *vu, uint32_t off, const void *data, uint32_t len);
/** vhost_user_get_config() - any thread: @config_len bytes to @data. Return: 0 or -errno */
int vhost_user_get_config(struct vhost_user *vu, uint8_t *data);

/* ---- vhost_user_peer.c for vhost_user.c ---- */

/** vhost_user_leave() - lock held, any thread: the other side is of no use. The main thread hears of it */
void vhost_user_leave(struct vhost_user *vu);
/** vhost_user_ready() - vhost_ops.ready */
int vhost_user_ready(struct vhost *vh);
/** vhost_user_channel() - lock held, any thread: what the process says by itself comes by @fd, owned from now on */
void vhost_user_channel(struct vhost_user *vu, int fd);

#endif
