/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside a session: its state, and what its files have from each other. session.c has the table of messages and
 * the plain ones, session_ring.c the life of rings, session_inflight.c what is under way when a process dies,
 * session_state.c the device's own state, session_backend.c what the front-end is told, session_log.c the dirty log of a migration.
 */
#ifndef VHOST_USER_SESSION_PRIV_H
#define VHOST_USER_SESSION_PRIV_H

#include "lib/vhost_user.h"
#include "memory.h"
#include "session.h"

/*
 * A ring as the front-end has described it. It runs in a queue while it is started (a kick came) and
 * enabled.
 */
struct vu_vring {
	uint32_t num;
	struct vhost_vring_addr addr;
	uint32_t base;
	int kick;
	int call;
	int err;
	bool started;
	bool enabled;
	bool running;
};

/*
 * Memory that outlives the process, from SET_INFLIGHT_FD: a region for each queue, and behind them the device's own
 * @map: NULL when there is none; @len: bytes
 */
struct vu_inflight_mem {
	unsigned char *map;
	size_t len;
	uint16_t num_queues;
	uint16_t queue_size;
};

/* Messages to the front-end. @fd: -1 when there is no way; @changed: to be told; @awaited: an answer is */
struct vu_backend {
	int fd;
	bool changed;
	bool awaited;
};

/*
 * The device's state on its way, @fd -1: not any more. @load: to us, @len bytes of it so far; or else from us, @done of @len
 * bytes. @bad: there is none
 */
struct vu_state {
	int fd;
	bool load;
	bool bad;
	size_t len;
	size_t done;
	unsigned char data[VU_STATE_MAX + 1];
};

struct vu_session {
	const struct vu_device *d;
	uint64_t features;
	uint64_t protocol_features;
	struct vu_mem *mem;
	struct vu_inflight_mem inflight;
	struct vu_backend backend;
	struct vu_state state;
	uint8_t status;
	void *log_map;
	size_t log_map_len;
	struct vu_dirty log;
	struct vu_vring vring[VU_QUEUES_MAX];
};

static inline bool vu_has_feature(const struct vu_session *s, unsigned int bit)
{
	return s->features >> bit & 1;
}

/* --- session_ring.c --- */

/** vu_put_fd() - close the old one, if any */
void vu_put_fd(int *fd, int new);

/** vu_vring_update() - run it if it is to run, or stop it. Return: 0; or a negative errno after one logged line */
int vu_vring_update(struct vu_session *s, struct vu_vring *v);
/** vu_vring_halt() - wait for what is under way, and let the queue go */
void vu_vring_halt(struct vu_session *s, struct vu_vring *v);
/** vu_vring_reset() - as at the start of a session */
void vu_vring_reset(struct vu_session *s, struct vu_vring *v);
/** vu_stop_all() - halt all rings */
void vu_stop_all(struct vu_session *s);
/** vu_start_all() - those that are to run. Return: 0 or the first error */
int vu_start_all(struct vu_session *s);

static inline struct vu_queue *vu_vring_queue(const struct vu_session *s, const struct vu_vring *v)
{
	return s->d->queue[v - s->vring];
}

/* --- messages. Return: 0; 1 with a reply in @m; or a negative errno --- */

int vu_get_inflight_fd(struct vu_session *s, struct vhost_user_msg *m);
int vu_set_inflight_fd(struct vu_session *s, struct vhost_user_msg *m);
int vu_set_backend_req_fd(struct vu_session *s, struct vhost_user_msg *m);
int vu_set_log_base(struct vu_session *s, struct vhost_user_msg *m);
int vu_set_device_state_fd(struct vu_session *s, struct vhost_user_msg *m);
int vu_check_device_state(struct vu_session *s, struct vhost_user_msg *m);

/** vu_state_events() - Return: what its descriptor is polled for */
short vu_state_events(const struct vu_session *s);
/** vu_state_go() - move what can be moved now */
void vu_state_go(struct vu_session *s);
/** vu_state_end() - there is none on its way, nor one that has come */
void vu_state_end(struct vu_session *s);

/** vu_log_unmap() - let go of the dirty log */
void vu_log_unmap(struct vu_session *s);

/** vu_backend_set() - messages to the front-end go by @fd, owned from now on, or by none (-1) */
void vu_backend_set(struct vu_session *s, int fd);
/** vu_backend_wait() - until a message comes, and tell of changes meanwhile. Return: 0; or a negative errno */
int vu_backend_wait(struct vu_session *s, int sock);

/** vu_inflight_region() - Return: that of queue @index; NULL, without an error when nothing is tracked */
void *vu_inflight_region(const struct vu_session *s, unsigned int index, int *error);
/** vu_inflight_forget() - what was under way belongs to a driver that is gone */
void vu_inflight_forget(struct vu_session *s);
/** vu_inflight_keep() - the device gets what is its own, and takes over what is in it */
void vu_inflight_keep(const struct vu_session *s);
/** vu_inflight_unmap() - let go of it */
void vu_inflight_unmap(struct vu_session *s);

#endif

