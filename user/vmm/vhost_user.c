// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to a process that serves rings, see vhost_user.h.
 *
 * The used index of a ring is not ours to read: where a ring goes on after a process has gone, the next one
 * finds out, from the ring and from the memory that both of them had (INFLIGHT_SHMFD).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "vhost_user.h"
#include "vm.h"
#include "../lib/bits.h"
#include "../lib/log.h"

#define to_user(_vh) ((struct vhost_user *)((char *)(_vh) - offsetof(struct vhost_user, vhost)))

/* Time for all the answers of a start or a stop, or of what else is asked at a time */
#define START_NS	10000000000ull
#define ANSWER_NS	5000000000ull	/* also for what rings have under way */
#define SETTLE_NS	30000000000ull

/* What virtio has for other transports, for an IOMMU, or in other words of vhost */
#define NOT_OURS (BIT64(VHOST_USER_F_PROTOCOL_FEATURES) | BIT64(VIRTIO_F_ACCESS_PLATFORM) | BIT64(26) | \
		  BIT64(VIRTIO_F_RING_RESET) | BIT64(VIRTIO_F_ORDER_PLATFORM) | BIT64(VIRTIO_F_SR_IOV) | \
		  BIT64(38))

#define PROTOCOL (BIT64(VHOST_USER_PROTOCOL_F_MQ) | BIT64(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
		  BIT64(VHOST_USER_PROTOCOL_F_CONFIG) | BIT64(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | \
		  BIT64(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) | BIT64(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
/* and of a NIC */
#define NIC (BIT64(VHOST_USER_PROTOCOL_F_RARP) | BIT64(VHOST_USER_PROTOCOL_F_NET_CTRL_VQ))
#define CHANNEL (BIT64(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT64(VHOST_USER_PROTOCOL_F_CONFIG))

void vhost_user_lock(struct vhost_user *vu)
{
	pthread_mutex_lock(&vu->lock);
	vu->deadline_ns = loop_now_ns() + ANSWER_NS;
}

/* ---- one message; all of this with the lock held ---- */

int vhost_user_failed(struct vhost_user *vu, int err)
{
	vhost_user_leave(vu);
	switch (err) {
	case -EAGAIN:
	case -ETIMEDOUT:
		vu->vhost.why = "the process does not answer";
		return -ETIMEDOUT;
	case -EPROTO:
	case -EMSGSIZE:
		vu->vhost.why = "the process answers what makes no sense";
		return -EPROTO;
	}
	return -EPIPE;
}

/* @m becomes the answer: @size bytes of it at least. Return: 0 or -errno */
static int receive(struct vhost_user *vu, struct vhost_user_msg *m)
{
	uint32_t request = m->hdr.request;
	int ret = vhost_user_recv_until(vu->sock, m, vu->deadline_ns);

	if (ret <= 0)
		return vhost_user_failed(vu, ret ? ret : -EPIPE);
	if (m->hdr.request == request && m->hdr.flags & VHOST_USER_REPLY)
		return 0;
	vhost_user_close_fds(m);
	return vhost_user_failed(vu, -EPROTO);
}

static int transmit(struct vhost_user *vu, struct vhost_user_msg *m, uint32_t flags)
{
	int ret = vu->dead ? -EPIPE : 0;

	if (ret)
		return ret;
	m->hdr.flags = VHOST_USER_VERSION | flags;
	ret = vhost_user_send(vu->sock, m);
	return ret ? vhost_user_failed(vu, ret) : 0;
}

int vhost_user_exchange(struct vhost_user *vu, struct vhost_user_msg *m)
{
	return transmit(vu, m, 0) ?: receive(vu, m);
}

/* A question: @m becomes the answer, of @size bytes */
static int ask(struct vhost_user *vu, struct vhost_user_msg *m, uint32_t size)
{
	int err = vhost_user_exchange(vu, m);

	if (err)
		return err;
	if (m->hdr.size == size && !m->nr_fds)
		return 0;
	vhost_user_close_fds(m);
	return vhost_user_failed(vu, -EPROTO);
}

/* Whether it was understood is known where there is REPLY_ACK. */
int vhost_user_tell(struct vhost_user *vu, struct vhost_user_msg *m)
{
	bool ack = vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	int err = transmit(vu, m, ack ? VHOST_USER_NEED_REPLY : 0);

	m->nr_fds = 0;
	if (err || !ack)
		return err;
	err = receive(vu, m);
	if (err)
		return err;
	vhost_user_close_fds(m);
	if (m->hdr.size != sizeof(m->u64))
		return vhost_user_failed(vu, -EPROTO);
	return m->u64 ? -EINVAL : 0;
}

static int ask_u64(struct vhost_user *vu, uint32_t request, uint64_t *val)
{
	struct vhost_user_msg m = { .hdr.request = request };
	int err = ask(vu, &m, sizeof(m.u64));

	*val = m.u64;
	return err;
}

static int tell_u64(struct vhost_user *vu, uint32_t request, uint64_t val)
{
	struct vhost_user_msg m = { .hdr = { .request = request, .size = sizeof(m.u64) }, .u64 = val };

	return vhost_user_tell(vu, &m);
}

static int tell_state(struct vhost_user *vu, uint32_t request, unsigned int n, unsigned int num)
{
	struct vhost_user_msg m = {
		.hdr = { .request = request, .size = sizeof(m.state) },
		.state = { .index = n, .num = num },
	};

	return vhost_user_tell(vu, &m);
}

static int tell_fd(struct vhost_user *vu, uint32_t request, uint64_t val, int fd)
{
	struct vhost_user_msg m = {
		.nr_fds = 1, .fds = { fd }, .hdr = { .request = request, .size = sizeof(m.u64) }, .u64 = val,
	};

	return vhost_user_tell(vu, &m);
}

static int tell_empty(struct vhost_user *vu, uint32_t request)
{
	struct vhost_user_msg m = { .hdr.request = request };

	return vhost_user_tell(vu, &m);
}

int vhost_user_rarp(struct vhost_user *vu, const uint8_t *mac)
{
	uint64_t payload = 0;
	int err = -EPIPE;

	memcpy(&payload, mac, 6);
	vhost_user_lock(vu);
	if (!vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_RARP))
		err = -ENOTSUP;
	else if (!vu->dead && vu->greeted)
		err = tell_u64(vu, VHOST_USER_SEND_RARP, payload);
	pthread_mutex_unlock(&vu->lock);
	return err;
}

/* ---- first words ---- */

static int channel_open(struct vhost_user *vu)
{
	struct vhost_user_msg m = { .nr_fds = 1, .hdr.request = VHOST_USER_SET_BACKEND_REQ_FD };
	int sv[2], err;

	if (!vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_BACKEND_REQ))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	m.fds[0] = sv[1];
	err = vhost_user_tell(vu, &m);
	close(sv[1]);
	if (!err && vu->asked) {
		vu->asks_fd = fcntl(sv[0], F_DUPFD_CLOEXEC, 0);
		err = vu->asks_fd < 0 ? -errno : 0;
	}
	if (err)
		close(sv[0]);
	else
		vhost_user_channel(vu, sv[0]);
	return err;
}

/* A ring that stops waits for an answer that the main thread may owe it, and that may be the one that stops it. */
static void channel_shut(struct vhost_user *vu)
{
	if (vu->asks_fd < 0)
		return;
	shutdown(vu->asks_fd, SHUT_RDWR);
	close(vu->asks_fd);
	vu->asks_fd = -1;
}

/* What it can do. Return: 0 or -errno */
static int features_ask(struct vhost_user *vu)
{
	uint64_t protocol = PROTOCOL | (vu->nic ? NIC : 0) |
			    (vu->asked ? BIT64(VHOST_USER_PROTOCOL_F_NET_CTRL_ONLY) : 0), has;
	int err;

	vu->protocol = 0;
	err = ask_u64(vu, VHOST_USER_GET_FEATURES, &vu->features);
	if (err || !(vu->features & BIT64(VHOST_USER_F_PROTOCOL_FEATURES)))
		return err;
	err = ask_u64(vu, VHOST_USER_GET_PROTOCOL_FEATURES, &has);
	if (err)
		return err;
	/* A socket more for what it says by itself, if it says that the configuration has changed */
	if ((has & CHANNEL) == CHANNEL)
		protocol |= CHANNEL;
	protocol &= has;
	err = tell_u64(vu, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
	vu->protocol = protocol;
	return err;
}

static int queues_check(struct vhost_user *vu)
{
	/* Without MQ nobody says. */
	uint64_t nr = vu->nr_rings <= 2 && !vu->nic ? vu->nr_rings : 1;
	int err = 0;

	if (vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_MQ))
		err = ask_u64(vu, VHOST_USER_GET_QUEUE_NUM, &nr);
	vu->queues = nr < VHOST_USER_RINGS ? (unsigned int)nr : VHOST_USER_RINGS;
	if (!err && nr < vu->nr_rings) {
		vu->vhost.why = "the process has fewer queues";
		err = -ENOSPC;
	}
	return err;
}

int vhost_user_greet(struct vhost_user *vu)
{
	uint64_t before = vu->features, protocol = vu->protocol;
	bool again = vu->vhost.features;
	int err;

	if (vu->dead)
		return -EPIPE;
	if (vu->greeted)
		return 0;
	err = features_ask(vu);
	if (!err)
		err = tell_empty(vu, VHOST_USER_SET_OWNER);
	if (!err)
		err = queues_check(vu);
	if (!err && !vu->asked)
		err = channel_open(vu);
	if (!err && again && (before & ~vu->features || protocol & ~vu->protocol)) {
		vu->vhost.why = "the process came back with less than it could do before";
		err = -ENOTSUP;
	}
	if (again)
		vu->features = before;
	if (again && err)
		vu->protocol = protocol;
	vu->vhost.features = vu->features & ~NOT_OURS;
	vu->greeted = !err;
	return err;
}

/* ---- rings; the lock is held ---- */

static struct vhost_user_region region_of(const struct vm_mem_slot *s)
{
	return (struct vhost_user_region){
		.gpa = s->gpa, .size = s->size, .uaddr = (uintptr_t)s->host, .offset = s->fd_off,
	};
}

static int set_mem(struct vhost_user *vu)
{
	const struct vm *vm = vu->vm;
	struct vhost_user_msg m = { .nr_fds = vm_slots(vm), .hdr.request = VHOST_USER_SET_MEM_TABLE };
	unsigned int i;

	_Static_assert(sizeof(vm->slot) / sizeof(vm->slot[0]) <= VHOST_USER_MEM_REGIONS, "all in one table");
	m.mem.nr = m.nr_fds;
	vu->told_slots = m.nr_fds;
	for (i = 0; i < m.mem.nr; i++) {
		m.fds[i] = vm->slot[i].fd;
		m.mem.region[i] = region_of(&vm->slot[i]);
	}
	m.hdr.size = (uint32_t)(8 + m.mem.nr * sizeof(m.mem.region[0]));
	return vhost_user_tell(vu, &m);
}

static int add_mem(struct vhost_user *vu)
{
	int err = 0;

	while (!err && vu->told_slots < vm_slots(vu->vm)) {
		const struct vm_mem_slot *s = &vu->vm->slot[vu->told_slots];
		struct vhost_user_msg m = {
			.nr_fds = 1, .fds = { s->fd },
			.hdr = { .request = VHOST_USER_ADD_MEM_REG, .size = sizeof(m.mem_reg) },
			.mem_reg.region = region_of(s),
		};

		err = vhost_user_tell(vu, &m);
		vu->told_slots += !err;
	}
	return err;
}

/* What the guest is told of next, the process has: where it acknowledges nothing, it has come to the next message. */
static int user_memory(struct vhost *vh)
{
	struct vhost_user *vu = to_user(vh);
	uint64_t features;
	int err;

	vhost_user_lock(vu);
	vh->why = NULL;
	err = vu->dead || !vu->greeted ? -EPIPE :
	      vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) ? add_mem(vu) : set_mem(vu);
	if (err == -EINVAL)
		vh->why = "the process takes no more memory";
	if (!err && !vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_REPLY_ACK))
		err = ask_u64(vu, VHOST_USER_GET_FEATURES, &features);
	pthread_mutex_unlock(&vu->lock);
	return err;
}

/* Sizes of the three parts of a ring: virtio 1.2, 2.7 and 2.8 */
static int set_addr(struct vhost_user *vu, unsigned int n, const struct vhost_ring *r)
{
	size_t event = sizeof(struct vring_packed_desc_event);
	void *desc = vm_ram(vu->vm, r->desc, 16ull * r->size);
	void *avail = vm_ram(vu->vm, r->avail, vu->packed ? event : 6 + 2ull * r->size);
	void *used = vm_ram(vu->vm, r->used, vu->packed ? event : 6 + 8ull * r->size);
	struct vhost_user_msg m = {
		.hdr = { .request = VHOST_USER_SET_VRING_ADDR, .size = sizeof(m.addr) },
		.addr = {
			.index = n,
			.desc_user_addr = (uintptr_t)desc,
			.avail_user_addr = (uintptr_t)avail,
			.used_user_addr = (uintptr_t)used,
			.log_guest_addr = r->used,
		},
	};

	if (!desc || !avail || !used)
		return -EFAULT;
	return vhost_user_tell(vu, &m);
}

/*
 * One that has run before goes on from where it is, whatever its base: what is tracked of it tells the process
 * where. It may have died before it began to, though.
 */
static int ring_start(struct vhost_user *vu, unsigned int n, const struct vhost_ring *r)
{
	int err = tell_state(vu, VHOST_USER_SET_VRING_NUM, n, r->size);

	if (!err)
		err = tell_state(vu, VHOST_USER_SET_VRING_BASE, n, vu->packed ? 0x80008000 : 0);
	if (!err)
		err = set_addr(vu, n, r);
	if (!err)
		err = tell_fd(vu, VHOST_USER_SET_VRING_ERR, n, r->err);
	if (!err)
		err = tell_fd(vu, VHOST_USER_SET_VRING_CALL, n, r->call);
	if (err)
		return err;
	vu->ran[n] = true;
	err = tell_fd(vu, VHOST_USER_SET_VRING_KICK, n, r->kick);
	if (!err && vu->features & BIT64(VHOST_USER_F_PROTOCOL_FEATURES))
		err = tell_state(vu, VHOST_USER_SET_VRING_ENABLE, n, 1);
	return err;
}

static void inflight_forget(struct vhost_user *vu)
{
	vhost_user_close_fds(&vu->inflight);
}

/* New memory, of which the other side alone knows what is in it. */
static int inflight_get(struct vhost_user *vu, const struct vhost_ring *ring, unsigned int nr)
{
	struct vhost_user_msg m = {
		.hdr = { .request = VHOST_USER_GET_INFLIGHT_FD, .size = VHOST_USER_INFLIGHT_PADDED },
		.inflight.num_queues = (uint16_t)nr,
	};
	unsigned int n;
	int err;

	for (n = 0; n < nr; n++)
		if (ring[n].enabled && ring[n].size > m.inflight.queue_size)
			m.inflight.queue_size = ring[n].size;
	/* no ring, nothing to track */
	if (!m.inflight.queue_size)
		return 0;
	err = vhost_user_exchange(vu, &m);
	if (err)
		return err;
	if ((m.hdr.size != VHOST_USER_INFLIGHT_SIZE && m.hdr.size != VHOST_USER_INFLIGHT_PADDED) || m.nr_fds != 1) {
		vhost_user_close_fds(&m);
		return vhost_user_failed(vu, -EPROTO);
	}
	m.hdr.request = VHOST_USER_SET_INFLIGHT_FD;
	m.hdr.size = VHOST_USER_INFLIGHT_PADDED;
	vu->inflight = m;
	return 0;
}

static int inflight_set(struct vhost_user *vu)
{
	struct vhost_user_msg m = vu->inflight;

	return vhost_user_tell(vu, &m);
}

bool vhost_user_any_ran(const struct vhost_user *vu)
{
	unsigned int n;

	for (n = 0; n < VHOST_USER_RINGS; n++)
		if (vu->ran[n])
			return true;
	return false;
}

static int setup(struct vhost_user *vu, uint64_t features, const struct vhost_ring *ring, unsigned int nr)
{
	uint64_t ours = (features & vu->vhost.features) | (vu->features & BIT64(VHOST_USER_F_PROTOCOL_FEATURES));
	int err = vhost_user_greet(vu);

	vu->packed = ours & BIT64(VIRTIO_F_RING_PACKED);
	channel_shut(vu);
	if (!err && vu->asked)
		err = channel_open(vu);
	if (!err)
		err = tell_u64(vu, VHOST_USER_SET_FEATURES, ours);
	if (!err && vu->told_len)
		err = vhost_user_tell_config(vu, 0, vu->told, vu->told_len);
	if (!err)
		err = set_mem(vu);
	if (err || !vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
		return err;
	if (!vu->inflight.nr_fds)
		err = inflight_get(vu, ring, nr);
	return err || !vu->inflight.nr_fds ? err : inflight_set(vu);
}

static int start_all(struct vhost_user *vu, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	unsigned int n;
	int err = setup(vu, features, ring, nr);

	if (vu->most_rings && nr > vu->most_rings)
		nr = vu->most_rings;
	for (n = 0; n < nr && n < VHOST_USER_RINGS && !err; n++) {
		ring[n].error = ring[n].enabled ? ring_start(vu, n, &ring[n]) : 0;
		/* the other side has gone, or been left */
		if (ring[n].error && vu->dead)
			err = ring[n].error;
	}
	if (!err)
		vu->served_ns = loop_now_ns();
	return err;
}

static int user_start(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	struct vhost_user *vu = to_user(vh);
	int err;

	vhost_user_lock(vu);
	vu->deadline_ns = loop_now_ns() + START_NS;
	vh->why = NULL;
	err = start_all(vu, features, ring, nr);
	pthread_mutex_unlock(&vu->lock);
	return err;
}

/* Kicks that the one before had taken and calls that it had not made are made up for. */
static void rings_wake(const struct vhost_ring *ring, unsigned int nr)
{
	unsigned int n;

	for (n = 0; n < nr; n++) {
		if (!ring[n].enabled || ring[n].error)
			continue;
		/* EAGAIN: enough of them are there */
		if (eventfd_write(ring[n].kick, 1) && errno != EAGAIN)
			log_warn("queue %u: kick: %s", n, strerror(errno));
		if (eventfd_write(ring[n].call, 1) && errno != EAGAIN)
			log_warn("queue %u: call: %s", n, strerror(errno));
	}
}

static int user_recover(struct vhost *vh, uint64_t features, struct vhost_ring *ring, unsigned int nr)
{
	struct vhost_user *vu = to_user(vh);
	int err;

	vhost_user_lock(vu);
	vu->deadline_ns = loop_now_ns() + START_NS;
	vh->why = NULL;
	if (vhost_user_any_ran(vu) && !vu->inflight.nr_fds) {
		vh->why = "the process has gone, and what it had under way is not known (no INFLIGHT_SHMFD)";
		err = -ENOTRECOVERABLE;
	} else {
		err = start_all(vu, features, ring, nr);
	}
	pthread_mutex_unlock(&vu->lock);
	if (!err)
		rings_wake(ring, nr);
	return err;
}

static bool ending;

void vhost_user_ending(void)
{
	ending = true;
}

/* Each ring ends what it has under way; all of them have the same few seconds for it. */
static int stop_all(struct vhost_user *vu)
{
	unsigned int n;
	int err = 0;

	for (n = 0; n < VHOST_USER_RINGS && !err; n++) {
		struct vhost_user_msg m = {
			.hdr = { .request = VHOST_USER_GET_VRING_BASE, .size = sizeof(m.state) },
			.state.index = n,
		};

		if (vu->ran[n])
			err = ask(vu, &m, sizeof(m.state));
	}
	vu->deadline_ns = loop_now_ns() + ANSWER_NS;
	if (!err && vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_RESET_DEVICE))
		err = tell_empty(vu, VHOST_USER_RESET_DEVICE);
	return err;
}

/* What a process has asked the kernel to do outlives it, and writes to guest memory. */
static void settle(struct vhost_user *vu)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t late_ns = loop_now_ns() + SETTLE_NS;

	while (!vu->settled(vu)) {
		if (loop_now_ns() > late_ns) {
			log_warn("%s: what its process had under way does not end", vu->vhost.name);
			return;
		}
		nanosleep(&pause, NULL);
	}
}

static void user_stop(struct vhost *vh)
{
	struct vhost_user *vu = to_user(vh);
	bool dead;
	int err;

	if (ending)
		return;
	vhost_user_lock(vu);
	channel_shut(vu);
	/* One that has not been greeted has got no ring. */
	err = vhost_user_any_ran(vu) && !vu->dead && vu->greeted ? stop_all(vu) : 0;
	if (err && err != -EPIPE)
		log_warn("%s: stopping its rings: %s", vh->name, vh->why ? vh->why : strerror(-err));
	/* Guest memory is somebody else's from now on. */
	if (vu->dead && vu->proc.argv[0] && !process_wait(&vu->proc, 2000))
		log_warn("%s: %s (%d) does not end", vh->name, vu->proc.name, (int)vu->proc.pid);
	memset(vu->ran, 0, sizeof(vu->ran));
	inflight_forget(vu);
	dead = vu->dead;
	pthread_mutex_unlock(&vu->lock);
	if (dead && vu->settled)
		settle(vu);
}

static void user_close(struct vhost *vh)
{
	struct vhost_user *vu = to_user(vh);

	inflight_forget(vu);
	vhost_user_close(vu);
}

const struct vhost_ops vhost_user_ops = {
	.start = user_start,
	.stop = user_stop,
	.memory = user_memory,
	.ready = vhost_user_ready,
	.recover = user_recover,
	.close = user_close,
};
