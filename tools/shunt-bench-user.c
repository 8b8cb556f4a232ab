// SPDX-License-Identifier: GPL-2.0
/*
 * vdrv: a vhost-user back end in place of the kernel's device. Its requests are named as the ioctls
 * are and mean the same, so that the rest of vdrv does not see the difference.
 *
 * Without VHOST_USER_F_PROTOCOL_FEATURES rings are enabled by being started, and nothing but
 * GET_FEATURES is answered.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vdrv.h"

#define USER_VERSION	1
#define USER_HDR	12
#define USER_CONFIG	256
#define USER_CONFIG_HDR	12
/* Protocol feature */
#define USER_F_CONFIG	9

struct user_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t va;
	uint64_t offset;
};

struct user_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint32_t nregions;
			uint32_t padding;
			struct user_region region;
		} mem;
		struct {
			uint32_t offset;
			uint32_t size;
			uint32_t flags;
			uint8_t data[USER_CONFIG];
		} config;
	};
} __attribute__((packed));

enum {
	USER_SET_MEM_TABLE = 5,
	USER_SET_PROTOCOL_FEATURES = 16,
	USER_GET_CONFIG = 24,
	USER_SET_CONFIG = 25,
};

/* @file: the payload is a queue's index, and the file comes along */
static const struct {
	unsigned long ioctl;
	uint32_t request;
	uint32_t size;
	bool file;
} requests[] = {
	{ VHOST_GET_FEATURES, 1, 0, false },
	{ VHOST_SET_FEATURES, 2, 8, false },
	{ VHOST_SET_OWNER, 3, 0, false },
	{ VHOST_SET_VRING_NUM, 8, sizeof(struct vhost_vring_state), false },
	{ VHOST_SET_VRING_ADDR, 9, sizeof(struct vhost_vring_addr), false },
	{ VHOST_SET_VRING_BASE, 10, sizeof(struct vhost_vring_state), false },
	{ VHOST_SET_VRING_KICK, 12, 8, true },
	{ VHOST_SET_VRING_CALL, 13, 8, true },
	{ VHOST_SET_VRING_ERR, 14, 8, true },
};

int vdrv_user_open(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -errno;
}

static int user_send(int sock, struct user_msg *m, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { m, USER_HDR + m->size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	m->flags = USER_VERSION;
	if (fd >= 0) {
		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL) == (ssize_t)iov.iov_len ? 0 : -EPIPE;
}

int vdrv_user_call(int sock, unsigned long request, void *arg)
{
	const struct vhost_vring_file *file = arg;
	struct user_msg m = { 0 };
	unsigned int i = 0;
	int ret;

	while (i < sizeof(requests) / sizeof(requests[0]) && requests[i].ioctl != request)
		i++;
	if (i == sizeof(requests) / sizeof(requests[0]))
		return -ENOTTY;
	m.request = requests[i].request;
	m.size = requests[i].size;
	if (requests[i].file)
		m.u64 = file->index;
	else if (m.size)
		memcpy(&m.u64, arg, m.size);
	ret = user_send(sock, &m, requests[i].file ? file->fd : -1);
	if (ret || request != VHOST_GET_FEATURES)
		return ret;
	if (recv(sock, &m, USER_HDR + 8, MSG_WAITALL) != USER_HDR + 8)
		return -EPIPE;
	memcpy(arg, &m.u64, sizeof(m.u64));
	return 0;
}

int vdrv_user_set_mem(int sock, const struct vdrv_mem *mem)
{
	struct user_msg m = {
		.request = USER_SET_MEM_TABLE,
		.size = sizeof(m.mem),
		.mem = { .nregions = 1, .region = { mem->gpa, mem->size, (uintptr_t)mem->va, 0 } },
	};

	return user_send(sock, &m, mem->fd);
}

static int user_want_config(int sock)
{
	struct user_msg m = { .request = USER_SET_PROTOCOL_FEATURES, .size = 8, .u64 = 1 << USER_F_CONFIG };

	return user_send(sock, &m, -1);
}

int vdrv_user_get_config(int sock, void *config, uint32_t len)
{
	struct user_msg m = { .request = USER_GET_CONFIG, .size = USER_CONFIG_HDR + len, .config.size = len };
	ssize_t size = USER_HDR + USER_CONFIG_HDR + (ssize_t)len;
	int ret = len > USER_CONFIG ? -EINVAL : user_want_config(sock) ?: user_send(sock, &m, -1);

	if (ret)
		return ret;
	if (recv(sock, &m, (size_t)size, MSG_WAITALL) != size || m.config.size != len)
		return -EPIPE;
	memcpy(config, m.config.data, len);
	return 0;
}

int vdrv_user_set_config(int sock, uint32_t offset, const void *data, uint32_t len)
{
	struct user_msg m = { .request = USER_SET_CONFIG, .size = USER_CONFIG_HDR + len,
			      .config = { .offset = offset, .size = len } };
	uint64_t features;

	if (len > USER_CONFIG)
		return -EINVAL;
	memcpy(m.config.data, data, len);
	/* It has been heard of when the next answer comes. */
	return user_want_config(sock) ?: user_send(sock, &m, -1) ?:
	       vdrv_user_call(sock, VHOST_GET_FEATURES, &features);
}
