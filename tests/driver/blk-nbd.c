// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel that runs this becomes a client of /dev/vhost-blk: what it does to an nbd device goes,
 * request by request, through a driver in user space to the back end. A file system can be put on it;
 * and to kill this program is what killing a VMM is to a guest.
 *
 *	blk-nbd NBD BACKEND	until it is killed, or NBD is disconnected
 *
 * The process that waits in the nbd driver, and takes NBD down, is a child of its own.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"

#define DEPTH	32u
/* Of a request: the device's queue/max_sectors_kb is for who runs this to set. */
#define MAX	(128u << 10)

struct slot {
	struct blk_req r;
	struct nbd_reply reply;
	bool busy;
	unsigned char *data;
};

static struct slot slot[DEPTH];
static struct blk b;

/* The child: until the other end of @sock is gone */
static void hold(const char *nbd, int sock, uint64_t size)
{
	int fd = open(nbd, O_RDWR | O_CLOEXEC);

	t_need(fd < 0 ? -errno : 0, nbd);
	t_need(ioctl(fd, NBD_SET_BLKSIZE, 512UL) ||
	       ioctl(fd, NBD_SET_SIZE_BLOCKS, (unsigned long)(size / 512)) ||
	       ioctl(fd, NBD_SET_FLAGS, (unsigned long)(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH)) ||
	       ioctl(fd, NBD_SET_SOCK, (unsigned long)sock) ? -errno : 0, "nbd set-up");
	close(sock);
	ioctl(fd, NBD_DO_IT);
	ioctl(fd, NBD_CLEAR_QUE);
	ioctl(fd, NBD_CLEAR_SOCK);
	exit(0);
}

static void transfer(int sock, void *buf, size_t len, bool out)
{
	ssize_t n = out ? send(sock, buf, len, MSG_NOSIGNAL) : recv(sock, buf, len, MSG_WAITALL);

	t_need(n == (ssize_t)len ? 0 : -EPIPE, "the nbd driver");
}

/* One more, into a free slot */
static void take(int sock, struct slot *s)
{
	static const uint32_t types[] = {
		[NBD_CMD_READ] = VIRTIO_BLK_T_IN,
		[NBD_CMD_WRITE] = VIRTIO_BLK_T_OUT,
		[NBD_CMD_FLUSH] = VIRTIO_BLK_T_FLUSH,
	};
	struct nbd_request q;
	uint32_t type, len;
	uint64_t from;

	transfer(sock, &q, sizeof(q), false);
	type = be32toh(q.type) & 0xffff;
	/* Not aligned in the message */
	memcpy(&from, &q.from, sizeof(from));
	len = type == NBD_CMD_FLUSH ? 0 : be32toh(q.len);
	if (type == NBD_CMD_DISC)
		exit(0);
	t_need(type < ARRAY_SIZE(types) && len <= MAX ? 0 : -EPROTO, "a request of the nbd driver");
	if (type == NBD_CMD_WRITE)
		transfer(sock, s->data, len, false);
	s->r = (struct blk_req){ .type = types[type], .data = s->data, .len = len,
				 .sector = len ? be64toh(from) / 512 : 0 };
	s->reply = (struct nbd_reply){ .magic = htobe32(NBD_REPLY_MAGIC) };
	memcpy(&s->reply.handle, &q.handle, sizeof(s->reply.handle));
	s->busy = true;
	t_need(blk_submit(&b, 0, &s->r), "the ring");
}

static void answer(int sock, struct slot *s)
{
	s->busy = false;
	s->reply.error = htobe32(s->r.status ? EIO : 0);
	transfer(sock, &s->reply, sizeof(s->reply), true);
	if (s->r.type == VIRTIO_BLK_T_IN && !s->r.status)
		transfer(sock, s->data, s->r.len, true);
}

static void serve(int sock)
{
	struct pollfd p[2] = { { .fd = sock, .events = POLLIN },
			       { .fd = b.q.vq[0].call, .events = POLLIN } };
	unsigned int i;

	for (;;) {
		for (i = 0; i < DEPTH && poll(p, 1, 0) == 1; i++)
			if (!slot[i].busy)
				take(sock, &slot[i]);
		t_need(reqs_kick(&b.q, 0), "kick");
		if (reqs_reap(&b.q, 0) == 0 && !vdrv_vq_enable_call(&b.q.vq[0])) {
			/* With all slots in use there is nothing to listen to. */
			p[0].fd = b.q.pending[0] < DEPTH ? sock : -1;
			poll(p, 2, -1);
			p[0].fd = sock;
			vdrv_event_wait(b.q.vq[0].call, 0);
		}
		vdrv_vq_disable_call(&b.q.vq[0]);
		for (i = 0; i < DEPTH; i++)
			if (slot[i].busy && slot[i].r.done)
				answer(sock, &slot[i]);
	}
}

int main(int argc, char **argv)
{
	const struct reqs_opt o = { .max_data = MAX, .depth = DEPTH, .indirect_max = 4 };
	unsigned int i;
	int sock[2], fd;
	pid_t pid;

	if (argc != 3) {
		fprintf(stderr, "usage: blk-nbd NBD BACKEND\n");
		return 2;
	}
	fd = blk_file(argv[2], O_RDWR, false);
	t_need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) ? -errno : 0, "socketpair");
	pid = fork();
	t_need(pid < 0 ? -errno : 0, "fork");
	if (!pid) {
		/* Lest it should outlive who serves it */
		close(sock[1]);
		hold(argv[1], sock[0], blk_file_size(fd));
	}
	close(sock[0]);
	t_need(blk_start(&b, &o, fd), "vhost-blk");
	for (i = 0; i < DEPTH; i++)
		slot[i].data = blk_buf(MAX);
	serve(sock[1]);
}
