// SPDX-License-Identifier: GPL-2.0
/* Messages of vhost-user, see vhost_user.h. */
#define _GNU_SOURCE
#include "clock.h"
#include "vhost_user.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(offsetof(struct vhost_user_msg, u64) ==
	       offsetof(struct vhost_user_msg, hdr) + sizeof(struct vhost_user_hdr), "a gap in messages");

void vhost_user_close_fds(struct vhost_user_msg *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_fds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	m->nr_fds = 0;
}

int vhost_user_take_fd(struct vhost_user_msg *m, unsigned int i)
{
	int fd = i < m->nr_fds ? m->fds[i] : -1;

	if (fd >= 0)
		m->fds[i] = -1;
	return fd;
}

static void take_fds(struct vhost_user_msg *m, struct msghdr *h)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* There is room for no more than these. */
		m->nr_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(c), m->nr_fds * sizeof(int));
	}
}

/* Return: 0 there is something to receive; -ETIMEDOUT, or another negative errno */
static int wait_until(int sock, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct timespec left;
	uint64_t now, ns;
	int n;

	do {
		now = clock_ns();
		ns = now < deadline_ns ? deadline_ns - now : 0;
		left = (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
		n = ppoll(&p, 1, &left, NULL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

/* Return: 1 all of it, 0 nothing and the peer is gone, or a negative errno */
static int recv_all(int sock, void *to, size_t len, struct vhost_user_msg *fds, uint64_t deadline_ns)
{
	size_t done = 0;
	int ret;

	while (done < len) {
		char control[CMSG_SPACE(VHOST_USER_FDS * sizeof(int))];
		struct iovec iov = { (char *)to + done, len - done };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (fds && !done) {
			h.msg_control = control;
			h.msg_controllen = sizeof(control);
		}
		ret = deadline_ns ? wait_until(sock, deadline_ns) : 0;
		if (ret)
			return ret;
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return done ? -ECONNRESET : 0;
		if (h.msg_controllen)
			take_fds(fds, &h);
		if (h.msg_flags & MSG_CTRUNC)
			return -EMSGSIZE;
		done += (size_t)n;
	}
	return 1;
}

int vhost_user_recv(int sock, struct vhost_user_msg *m)
{
	return vhost_user_recv_until(sock, m, 0);
}

int vhost_user_recv_until(int sock, struct vhost_user_msg *m, uint64_t deadline_ns)
{
	int ret;

	memset(m, 0, sizeof(*m));
	ret = recv_all(sock, &m->hdr, sizeof(m->hdr), m, deadline_ns);
	if (ret > 0 && (m->hdr.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		ret = -EPROTO;
	else if (ret > 0 && m->hdr.size > VHOST_USER_PAYLOAD_MAX)
		ret = -EMSGSIZE;
	else if (ret > 0 && m->hdr.size)
		ret = recv_all(sock, &m->u64, m->hdr.size, NULL, deadline_ns) ?: -ECONNRESET;
	if (ret <= 0)
		vhost_user_close_fds(m);
	return ret;
}

int vhost_user_send(int sock, const struct vhost_user_msg *m)
{
	char control[CMSG_SPACE(VHOST_USER_FDS * sizeof(int))] = { 0 };
	size_t len = sizeof(m->hdr) + m->hdr.size, done = 0;
	struct iovec iov;
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (m->nr_fds) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(m->nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(m->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), m->fds, m->nr_fds * sizeof(int));
	}
	while (done < len) {
		iov = (struct iovec){ (char *)&m->hdr + done, len - done };
		n = sendmsg(sock, &h, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
		h.msg_control = NULL;
		h.msg_controllen = 0;
	}
	return 0;
}
