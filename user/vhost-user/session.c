// SPDX-License-Identifier: GPL-2.0
/* The vhost-user protocol, see session.h: one row a message, and what each does. */
#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bits.h"
#include "lib/log.h"
#include "session_priv.h"

#define RING_FEATURES (BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_RING_PACKED) | \
		       BIT64(VIRTIO_RING_F_INDIRECT_DESC) | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
		       BIT64(VHOST_F_LOG_ALL) | BIT64(VHOST_USER_F_PROTOCOL_FEATURES))

#define PROTOCOL_FEATURES (BIT64(VHOST_USER_PROTOCOL_F_MQ) | BIT64(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
			   BIT64(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT64(VHOST_USER_PROTOCOL_F_LOG_SHMFD) | \
			   BIT64(VHOST_USER_PROTOCOL_F_STATUS) | \
			   BIT64(VHOST_USER_PROTOCOL_F_CONFIG) | BIT64(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) | \
			   BIT64(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | \
			   BIT64(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS))

/* Return: the ring that a message is about, or NULL */
static struct vu_vring *vring_of(struct vu_session *s, uint32_t index)
{
	return index < s->d->num_queues ? &s->vring[index] : NULL;
}

/* --- messages. Return: 0; 1 with a reply in @m; or a negative errno --- */

static int reply_u64(struct vhost_user_msg *m, uint64_t value)
{
	m->u64 = value;
	m->hdr.size = sizeof(m->u64);
	return 1;
}

static uint64_t offered(const struct vu_session *s)
{
	return s->d->features | RING_FEATURES;
}

static int get_features(struct vu_session *s, struct vhost_user_msg *m)
{
	return reply_u64(m, offered(s));
}

static int set_features(struct vu_session *s, struct vhost_user_msg *m)
{
	uint64_t bad = m->u64 & ~offered(s);

	if (bad) {
		log_err("SET_FEATURES: %#llx was not offered", (unsigned long long)bad);
		return -EINVAL;
	}
	if (m->u64 == s->features)
		return 0;
	vu_stop_all(s);
	s->features = m->u64;
	if (s->d->set_features)
		s->d->set_features(s->d->dev, m->u64);
	vu_inflight_keep(s);
	return vu_start_all(s);
}

static int set_owner(struct vu_session *s, struct vhost_user_msg *m)
{
	(void)s;
	(void)m;
	return 0;
}

/* A device without configuration has no messages about it, and one that does not change has nothing to tell. */
static uint64_t protocol_offered(const struct vu_session *s)
{
	uint64_t not = 0;

	if (!s->d->config_size)
		not |= BIT64(VHOST_USER_PROTOCOL_F_CONFIG);
	if (!s->d->refresh && !s->d->channel)
		not |= BIT64(VHOST_USER_PROTOCOL_F_BACKEND_REQ);
	return (PROTOCOL_FEATURES | s->d->protocol) & ~not;
}

static int get_protocol_features(struct vu_session *s, struct vhost_user_msg *m)
{
	return reply_u64(m, protocol_offered(s));
}

static int set_protocol_features(struct vu_session *s, struct vhost_user_msg *m)
{
	if (m->u64 & ~protocol_offered(s))
		return -EINVAL;
	s->protocol_features = m->u64;
	return 0;
}

static int get_queue_num(struct vu_session *s, struct vhost_user_msg *m)
{
	return reply_u64(m, s->d->queue_num ?: s->d->num_queues);
}

static void device_reset(const struct vu_session *s)
{
	if (s->d->reset)
		s->d->reset(s->d->dev);
	if (s->d->set_features)
		s->d->set_features(s->d->dev, s->features);
}

static int reset_device(struct vu_session *s, struct vhost_user_msg *m)
{
	unsigned int i;

	(void)m;
	for (i = 0; i < s->d->num_queues; i++)
		vu_vring_reset(s, &s->vring[i]);
	vu_inflight_forget(s);
	device_reset(s);
	s->status = 0;
	return 0;
}

/* The driver's; 0 resets the device. */
static int set_status(struct vu_session *s, struct vhost_user_msg *m)
{
	if (m->u64 > UINT8_MAX)
		return -EINVAL;
	if (!m->u64)
		return reset_device(s, m);
	s->status = (uint8_t)m->u64;
	return 0;
}

static int get_status(struct vu_session *s, struct vhost_user_msg *m)
{
	uint64_t status = s->status;
	unsigned int i;

	for (i = 0; i < s->d->num_queues; i++)
		if (s->vring[i].running && vu_queue_broken(s->d->queue[i]))
			status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	return reply_u64(m, status);
}

static int set_log_base(struct vu_session *s, struct vhost_user_msg *m)
{
	int ret = vu_set_log_base(s, m);

	if (ret)
		return ret;
	vhost_user_close_fds(m);
	return reply_u64(m, 0);
}

/* The table as a whole; the old one stands if the new one is bad. */
static int set_mem_table(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_mem *new, *old = s->mem;
	unsigned int i;
	int ret = 0;

	if (m->mem.nr > VHOST_USER_MEM_REGIONS || m->nr_fds != m->mem.nr ||
	    m->hdr.size != 8 + m->mem.nr * sizeof(m->mem.region[0]))
		return -EINVAL;
	new = vu_mem_new();
	if (!new)
		return -ENOMEM;
	for (i = 0; i < m->mem.nr && !ret; i++)
		ret = vu_mem_add(new, &m->mem.region[i], m->fds[i]);
	if (ret) {
		vu_mem_free(new);
		return ret;
	}
	vu_stop_all(s);
	s->mem = new;
	vu_mem_free(old);
	return vu_start_all(s);
}

static int get_max_mem_slots(struct vu_session *s, struct vhost_user_msg *m)
{
	(void)s;
	return reply_u64(m, VU_MEM_SLOTS);
}

static int add_mem_reg(struct vu_session *s, struct vhost_user_msg *m)
{
	int ret;

	vu_stop_all(s);
	ret = vu_mem_add(s->mem, &m->mem_reg.region, m->fds[0]);
	return vu_start_all(s) ?: ret;
}

/* A descriptor may come along, for no purpose. */
static int rem_mem_reg(struct vu_session *s, struct vhost_user_msg *m)
{
	vu_stop_all(s);
	vu_mem_del(s->mem, &m->mem_reg.region);
	return vu_start_all(s);
}

static int set_vring_num(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_vring *v = vring_of(s, m->state.index);

	if (!v || !m->state.num || m->state.num > VU_QUEUE_NUM_MAX)
		return -EINVAL;
	if (v->running)
		return -EBUSY;
	v->num = m->state.num;
	return 0;
}

static int set_vring_addr(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_vring *v = vring_of(s, m->addr.index);

	if (!v)
		return -EINVAL;
	vu_vring_halt(s, v);
	v->addr = m->addr;
	return vu_vring_update(s, v);
}

static int set_vring_base(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_vring *v = vring_of(s, m->state.index);

	if (!v)
		return -EINVAL;
	if (v->running)
		return -EBUSY;
	v->base = m->state.num;
	return 0;
}

static int get_vring_base(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_vring *v = vring_of(s, m->state.index);

	if (!v)
		return -EINVAL;
	vu_vring_halt(s, v);
	v->started = false;
	vu_put_fd(&v->kick, -1);
	m->state.num = v->base;
	m->hdr.size = sizeof(m->state);
	return 1;
}

static int set_vring_enable(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_vring *v = vring_of(s, m->state.index);

	if (!v || m->state.num > 1)
		return -EINVAL;
	v->enabled = m->state.num;
	return vu_vring_update(s, v);
}

/* SET_VRING_KICK, _CALL, _ERR: which ring, and the descriptor, or -1 for none */
static struct vu_vring *vring_fd(struct vu_session *s, struct vhost_user_msg *m, int *fd)
{
	bool none = m->u64 & VHOST_USER_VRING_NOFD;

	if (m->u64 & ~(uint64_t)(VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD) || m->nr_fds != !none)
		return NULL;
	*fd = vhost_user_take_fd(m, 0);
	return vring_of(s, m->u64 & VHOST_USER_VRING_IDX_MASK);
}

static int refuse_fd(int fd)
{
	if (fd >= 0)
		close(fd);
	return -EINVAL;
}

static int set_vring_kick(struct vu_session *s, struct vhost_user_msg *m)
{
	int fd = -1;
	struct vu_vring *v = vring_fd(s, m, &fd);

	if (!v)
		return refuse_fd(fd);
	vu_vring_halt(s, v);
	vu_put_fd(&v->kick, fd);
	v->started = true;
	return vu_vring_update(s, v);
}

static int set_vring_call(struct vu_session *s, struct vhost_user_msg *m)
{
	int fd = -1, old;
	struct vu_vring *v = vring_fd(s, m, &fd);

	if (!v)
		return refuse_fd(fd);
	old = v->call;
	v->call = fd;
	if (v->running)
		vu_queue_set_call(vu_vring_queue(s, v), fd);
	vu_put_fd(&old, -1);
	return 0;
}

static int set_vring_err(struct vu_session *s, struct vhost_user_msg *m)
{
	int fd = -1;
	struct vu_vring *v = vring_fd(s, m, &fd);

	if (!v)
		return refuse_fd(fd);
	vu_vring_halt(s, v);
	vu_put_fd(&v->err, fd);
	return vu_vring_update(s, v);
}

static bool config_ok(const struct vu_session *s, const struct vhost_user_msg *m)
{
	return m->hdr.size == VHOST_USER_CONFIG_HDR + m->config.size &&
	       m->config.offset <= s->d->config_size && m->config.size <= s->d->config_size - m->config.offset;
}

/* A reply without data says that there is no such configuration. */
static int get_config(struct vu_session *s, struct vhost_user_msg *m)
{
	uint8_t config[VHOST_USER_CONFIG_SIZE] = { 0 };

	if (!config_ok(s, m)) {
		m->config.size = 0;
		m->hdr.size = VHOST_USER_CONFIG_HDR;
		return 1;
	}
	s->d->get_config(s->d->dev, config);
	memcpy(m->config.data, config + m->config.offset, m->config.size);
	return 1;
}

static int set_config(struct vu_session *s, struct vhost_user_msg *m)
{
	int ret;

	if (!config_ok(s, m))
		return -EINVAL;
	if (!s->d->config_halts)
		return s->d->set_config(s->d->dev, m->config.offset, m->config.data, m->config.size);
	vu_stop_all(s);
	ret = s->d->set_config(s->d->dev, m->config.offset, m->config.data, m->config.size);
	vu_inflight_keep(s);
	return vu_start_all(s) ?: ret;
}

static int net_set_mtu(struct vu_session *s, struct vhost_user_msg *m)
{
	return s->d->set_mtu(s->d->dev, m->u64);
}

/* The address is in the first six bytes. */
static int send_rarp(struct vu_session *s, struct vhost_user_msg *m)
{
	uint8_t mac[sizeof(m->u64)];

	memcpy(mac, &m->u64, sizeof(mac));
	if (mac[0] & 1)
		return -EINVAL;
	s->d->announce(s->d->dev, mac);
	return 0;
}

/* --- the table --- */

/*
 * @min: @max: bytes of payload. @fds_min: @fds_max: descriptors. @needs: a protocol feature.
 * @replies: by nature, so that REPLY_ACK adds nothing
 */
static const struct message {
	const char *name;
	int (*handle)(struct vu_session *s, struct vhost_user_msg *m);
	uint16_t min, max;
	uint8_t fds_min, fds_max;
	uint32_t needs;
	bool replies;
} messages[] = {
#define MSG(_id, _fn, _min, _max, ...) \
	[VHOST_USER_##_id] = { .name = #_id, .handle = _fn, .min = _min, .max = _max, __VA_ARGS__ }
	MSG(GET_FEATURES, get_features, 0, 0, .replies = true),
	MSG(SET_FEATURES, set_features, 8, 8),
	MSG(SET_OWNER, set_owner, 0, 0),
	MSG(RESET_OWNER, set_owner, 0, 0),
	MSG(SET_MEM_TABLE, set_mem_table, 8, 8 + VHOST_USER_MEM_REGIONS * sizeof(struct vhost_user_region),
	    .fds_max = VHOST_USER_MEM_REGIONS),
	MSG(SET_LOG_BASE, set_log_base, 16, 16, .fds_min = 1, .fds_max = 1,
	    .needs = BIT64(VHOST_USER_PROTOCOL_F_LOG_SHMFD), .replies = true),
	MSG(SET_VRING_NUM, set_vring_num, 8, 8),
	MSG(SET_VRING_ADDR, set_vring_addr, sizeof(struct vhost_vring_addr), sizeof(struct vhost_vring_addr)),
	MSG(SET_VRING_BASE, set_vring_base, 8, 8),
	MSG(GET_VRING_BASE, get_vring_base, 8, 8, .replies = true),
	MSG(SET_VRING_KICK, set_vring_kick, 8, 8, .fds_max = 1),
	MSG(SET_VRING_CALL, set_vring_call, 8, 8, .fds_max = 1),
	MSG(SET_VRING_ERR, set_vring_err, 8, 8, .fds_max = 1),
	MSG(GET_PROTOCOL_FEATURES, get_protocol_features, 0, 0, .replies = true),
	MSG(SET_PROTOCOL_FEATURES, set_protocol_features, 8, 8),
	MSG(GET_QUEUE_NUM, get_queue_num, 0, 0, .needs = BIT64(VHOST_USER_PROTOCOL_F_MQ), .replies = true),
	MSG(SET_VRING_ENABLE, set_vring_enable, 8, 8),
	MSG(SEND_RARP, send_rarp, 8, 8, .needs = BIT64(VHOST_USER_PROTOCOL_F_RARP)),
	MSG(NET_SET_MTU, net_set_mtu, 8, 8, .needs = BIT64(VHOST_USER_PROTOCOL_F_NET_MTU)),
	MSG(SET_BACKEND_REQ_FD, vu_set_backend_req_fd, 0, 0, .fds_min = 1, .fds_max = 1,
	    .needs = BIT64(VHOST_USER_PROTOCOL_F_BACKEND_REQ)),
	MSG(GET_CONFIG, get_config, VHOST_USER_CONFIG_HDR, VHOST_USER_CONFIG_HDR + VHOST_USER_CONFIG_SIZE,
	    .needs = BIT64(VHOST_USER_PROTOCOL_F_CONFIG), .replies = true),
	MSG(SET_CONFIG, set_config, VHOST_USER_CONFIG_HDR, VHOST_USER_CONFIG_HDR + VHOST_USER_CONFIG_SIZE,
	    .needs = BIT64(VHOST_USER_PROTOCOL_F_CONFIG)),
	MSG(GET_INFLIGHT_FD, vu_get_inflight_fd, VHOST_USER_INFLIGHT_SIZE, 24,
	    .needs = BIT64(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD), .replies = true),
	MSG(SET_INFLIGHT_FD, vu_set_inflight_fd, VHOST_USER_INFLIGHT_SIZE, 24, .fds_min = 1, .fds_max = 1,
	    .needs = BIT64(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)),
	MSG(RESET_DEVICE, reset_device, 0, 0, .needs = BIT64(VHOST_USER_PROTOCOL_F_RESET_DEVICE)),
	MSG(GET_MAX_MEM_SLOTS, get_max_mem_slots, 0, 0, .needs = BIT64(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS),
	    .replies = true),
	MSG(ADD_MEM_REG, add_mem_reg, 8 + sizeof(struct vhost_user_region), 8 + sizeof(struct vhost_user_region),
	    .fds_min = 1, .fds_max = 1, .needs = BIT64(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)),
	MSG(REM_MEM_REG, rem_mem_reg, 8 + sizeof(struct vhost_user_region), 8 + sizeof(struct vhost_user_region),
	    .fds_max = 1, .needs = BIT64(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)),
	MSG(SET_STATUS, set_status, 8, 8, .needs = BIT64(VHOST_USER_PROTOCOL_F_STATUS)),
	MSG(SET_DEVICE_STATE_FD, vu_set_device_state_fd, 8, 8, .fds_min = 1, .fds_max = 1,
	    .needs = BIT64(VHOST_USER_PROTOCOL_F_DEVICE_STATE), .replies = true),
	MSG(CHECK_DEVICE_STATE, vu_check_device_state, 0, 0, .needs = BIT64(VHOST_USER_PROTOCOL_F_DEVICE_STATE), .replies = true),
	MSG(GET_STATUS, get_status, 0, 0, .needs = BIT64(VHOST_USER_PROTOCOL_F_STATUS), .replies = true),
#undef MSG
};

static const struct message *message_of(const struct vu_session *s, const struct vhost_user_msg *m)
{
	const struct message *t;

	if (m->hdr.request >= ARRAY_SIZE(messages) || !messages[m->hdr.request].handle)
		return NULL;
	t = &messages[m->hdr.request];
	return t->needs & ~s->protocol_features ? NULL : t;
}

/*
 * Return: 0 go on; -1 the session is over. One that asked for an answer hears of what went wrong, and may
 * go on; others would go on believing that it went well.
 */
static int dispatch(struct vu_session *s, int sock, struct vhost_user_msg *m)
{
	const struct message *t = message_of(s, m);
	bool ack = m->hdr.flags & VHOST_USER_NEED_REPLY &&
		   s->protocol_features & BIT64(VHOST_USER_PROTOCOL_F_REPLY_ACK) && !(t && t->replies);
	int ret;

	if (!t) {
		ret = log_err("message %u, which was not negotiated", m->hdr.request);
	} else if (m->hdr.size < t->min || m->hdr.size > t->max || m->nr_fds < t->fds_min || m->nr_fds > t->fds_max) {
		return log_err("%s of %u bytes with %u descriptors", t->name, m->hdr.size, m->nr_fds);
	} else {
		ret = t->handle(s, m);
		if (ret < 0)
			log_err("%s: %s", t->name, strerror(-ret));
	}
	if (ack) {
		vhost_user_close_fds(m);
		ret = reply_u64(m, ret < 0);
	}
	if (ret <= 0)
		return ret;
	m->hdr.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	ret = vhost_user_send(sock, m);
	return ret ? log_err("reply: %s", strerror(-ret)) : 0;
}

int vu_session_run(const struct vu_device *d, int sock)
{
	struct vu_session *s = calloc(1, sizeof(*s));
	struct vhost_user_msg m;
	unsigned int i;
	int ret = -1;

	if (s)
		s->mem = vu_mem_new();
	if (!s || !s->mem) {
		free(s);
		return log_err("session: %s", strerror(ENOMEM));
	}
	s->d = d;
	for (i = 0; i < d->num_queues; i++)
		s->vring[i] = (struct vu_vring){ .kick = -1, .call = -1, .err = -1 };
	s->backend.fd = -1;
	s->state.fd = -1;
	vu_state_end(s);
	device_reset(s);
	if (d->refresh)
		d->refresh(d->dev);
	while (!(ret = vu_backend_wait(s, sock)) && (ret = vhost_user_recv(sock, &m)) > 0) {
		ret = dispatch(s, sock, &m);
		vhost_user_close_fds(&m);
		if (ret)
			break;
	}
	if (ret < -1)
		ret = log_err("receiving: %s", strerror(-ret));
	for (i = 0; i < d->num_queues; i++)
		vu_vring_reset(s, &s->vring[i]);
	vu_backend_set(s, -1);
	vu_state_end(s);
	vu_inflight_unmap(s);
	vu_log_unmap(s);
	vu_mem_free(s->mem);
	free(s);
	return ret;
}
