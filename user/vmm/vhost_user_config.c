// SPDX-License-Identifier: GPL-2.0
/* The configuration of a device, as the process that serves it knows it: GET_CONFIG and SET_CONFIG. */
#include <errno.h>
#include <string.h>
#include "vhost_user.h"

/* @len bytes from the beginning; the lock is held */
static int get_config(struct vhost_user *vu, void *data, uint32_t len)
{
	struct vhost_user_msg m = {
		.hdr = { .request = VHOST_USER_GET_CONFIG, .size = VHOST_USER_CONFIG_HDR + len },
		.config.size = len,
	};
	int err;

	if (!vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_CONFIG))
		return -ENOTSUP;
	err = vhost_user_exchange(vu, &m);
	if (err)
		return err;
	vhost_user_close_fds(&m);
	/* as processes say that there is no such */
	if (!m.hdr.size || (m.hdr.size == VHOST_USER_CONFIG_HDR && !m.config.size))
		return -EINVAL;
	if (m.hdr.size != VHOST_USER_CONFIG_HDR + len || m.config.size != len || m.config.offset)
		return vhost_user_failed(vu, -EPROTO);
	memcpy(data, m.config.data, len);
	return 0;
}

int vhost_user_get_config(struct vhost_user *vu, uint8_t *data)
{
	int err;

	vhost_user_lock(vu);
	err = vhost_user_greet(vu) ?: get_config(vu, data, vu->config_len);
	pthread_mutex_unlock(&vu->lock);
	return err;
}

int vhost_user_config_now(struct vhost_user *vu, void *data, uint32_t len)
{
	int err = -EPIPE;

	if (len > VHOST_USER_CONFIG_SIZE)
		return -EINVAL;
	vhost_user_lock(vu);
	if (!vu->dead && vu->served_ns && vhost_user_any_ran(vu))
		err = get_config(vu, data, len);
	pthread_mutex_unlock(&vu->lock);
	return err;
}

int vhost_user_set_config_now(struct vhost_user *vu, uint32_t off, const void *data, uint32_t len)
{
	int err = -EPIPE;

	vhost_user_lock(vu);
	if (!vu->dead && vu->served_ns && vhost_user_any_ran(vu))
		err = vhost_user_tell_config(vu, off, data, len);
	pthread_mutex_unlock(&vu->lock);
	return err;
}

int vhost_user_tell_config(struct vhost_user *vu, uint32_t off, const void *data, uint32_t len)
{
	struct vhost_user_msg m = {
		.hdr = { .request = VHOST_USER_SET_CONFIG, .size = VHOST_USER_CONFIG_HDR + len },
		.config = { .offset = off, .size = len },
	};

	if (len > VHOST_USER_CONFIG_SIZE || !vhost_user_speaks(vu, VHOST_USER_PROTOCOL_F_CONFIG))
		return -EINVAL;
	memcpy(m.config.data, data, len);
	return vhost_user_tell(vu, &m);
}

int vhost_user_set_config(struct vhost_user *vu, uint32_t off, const void *data, uint32_t len)
{
	int err;

	if (len > vu->config_len || off > vu->config_len - len)
		return -EINVAL;
	vhost_user_lock(vu);
	err = vhost_user_greet(vu) ?: vhost_user_tell_config(vu, off, data, len);
	pthread_mutex_unlock(&vu->lock);
	return err;
}
