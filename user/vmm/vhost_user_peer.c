// SPDX-License-Identifier: GPL-2.0
/* The other side of vhost-user: starting and connecting, going and coming back, what it says by itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "chardev.h"
#include "config.h"
#include "vhost_user.h"
#include "vm.h"
#include "../lib/log.h"

#define SEND_S		5
#define QUICK_NS	50000000ull	/* as long as it serves before it ends, it need not have served at all */
#define QUICK_MAX	5		/* such ends one after the other */

#define of(_type, _member, _p) ((_type *)(void *)((char *)(_p) - offsetof(_type, _member)))

static bool is_ours(const struct vhost_user *vu)
{
	return vu->proc.argv[0];
}

/* ---- going ---- */

void vhost_user_leave(struct vhost_user *vu)
{
	vu->dead = true;
	if (is_ours(vu))
		process_kill(&vu->proc);
	else if (vu->sock >= 0)
		shutdown(vu->sock, SHUT_RDWR);
}

static void channel_close(struct vhost_user *vu)
{
	if (vu->channel.fd >= 0) {
		loop_fd_del(vu->vm->loop, &vu->channel);
		close(vu->channel.fd);
	}
	vu->channel.fd = -1;
}

static void unwatch(struct vhost_user *vu)
{
	if (vu->watch.fd >= 0)
		loop_fd_del(vu->vm->loop, &vu->watch);
	vu->watch.fd = -1;
}

/* The process has ended, or the socket has no other end any more. */
static void on_gone(struct loop_fd *w, short revents)
{
	struct vhost_user *vu = of(struct vhost_user, watch, w);
	char how[64];

	(void)revents;
	unwatch(vu);
	vu->gone_ns = loop_now_ns();
	pthread_mutex_lock(&vu->lock);
	vu->dead = true;
	if (is_ours(vu)) {
		pid_t pid = vu->proc.pid;

		process_reap(&vu->proc, how, sizeof(how));
		log_warn("%s: %s (%d) %s", vu->vhost.name, vu->proc.name, (int)pid, how);
	} else {
		log_warn("%s: the process has gone", vu->vhost.name);
		close(vu->sock);
		vu->sock = -1;
	}
	pthread_mutex_unlock(&vu->lock);
	vm_lock(vu->vm);
	if (!is_ours(vu))
		vu->endless = chardev_peer_gone(vu->chardev);
	if (vu->vhost.lost)
		vu->vhost.lost(&vu->vhost);
	vm_unlock(vu->vm);
}

/* ---- coming ---- */

/* @fd is owned from now on. Return: 0 or -errno */
static int peer_take(struct vhost_user *vu, int fd)
{
	const struct timeval patience = { .tv_sec = SEND_S };
	int err;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	vu->watch = (struct loop_fd){
		.fd = is_ours(vu) ? vu->proc.pidfd : fd,
		.events = is_ours(vu) ? POLLIN : POLLRDHUP,
		.fn = on_gone,
	};
	err = loop_fd_add(vu->vm->loop, &vu->watch);
	if (err) {
		vu->watch.fd = -1;
		close(fd);
		return err;
	}
	pthread_mutex_lock(&vu->lock);
	if (vu->sock >= 0)
		close(vu->sock);
	vu->sock = fd;
	vu->dead = false;
	vu->greeted = false;
	vu->served_ns = 0;
	pthread_mutex_unlock(&vu->lock);
	return 0;
}

/* One of ours. Return: 0 or -errno, after one logged line */
static int peer_start(struct vhost_user *vu)
{
	int err = vu->starting ? vu->starting(vu) : 0;
	int fd = err ? err : process_start(&vu->proc, vu->vhost.name);

	while (vu->starting && vu->proc.nr_extra)
		close(vu->proc.extra[--vu->proc.nr_extra]);
	if (fd < 0)
		return fd;
	err = peer_take(vu, fd);
	if (err)
		process_end(&vu->proc);
	return err;
}

/* From the chardev. The lock of @vu is not to be waited for here: who asks the other side may have it for long. */
static void on_connected(void *arg, int fd)
{
	struct vhost_user *vu = arg;

	vu->came_fd = fd;
	loop_bh_schedule(vu->vm->loop, &vu->came_bh);
}

static int take_came(struct vhost_user *vu)
{
	int fd = vu->came_fd;

	vu->came_fd = -1;
	return fd < 0 ? -ENOTCONN : peer_take(vu, fd);
}

static void came_bh(struct loop_bh *bh)
{
	struct vhost_user *vu = of(struct vhost_user, came_bh, bh);

	if (vu->came_fd < 0)
		return;
	log_info("%s: a process is there again", vu->vhost.name);
	vm_lock(vu->vm);
	if (vu->vhost.lost)
		vu->vhost.lost(&vu->vhost);
	vm_unlock(vu->vm);
}

/* One that ends at once, again and again, is not started for ever: until the guest resets the device. */
static bool too_quick(struct vhost_user *vu)
{
	vu->quick = vu->gone_ns - vu->served_ns < QUICK_NS || !vu->served_ns ? vu->quick + 1 : 0;
	if (vu->quick < QUICK_MAX)
		return false;
	vu->quick = 0;
	return true;
}

int vhost_user_ready(struct vhost *vh)
{
	struct vhost_user *vu = of(struct vhost_user, vhost, vh);

	/* also while nobody has been told yet that it goes */
	if (!vu->dead || vu->watch.fd >= 0)
		return 0;
	channel_close(vu);
	vh->why = NULL;
	if (is_ours(vu)) {
		if (!too_quick(vu))
			return peer_start(vu);
		vh->why = "its process ends as soon as it is started";
		return -ECHILD;
	}
	if (vu->came_fd >= 0)
		return take_came(vu);
	if (vu->endless)
		return -EINPROGRESS;
	vh->why = "the process has gone (with reconnect= or server=on of its chardev another could come)";
	return -ENOTCONN;
}

/* ---- its configuration changes ---- */

/* struct config_job - survives its device: @vu is NULL then. @target: for the helper, until @worked */
struct config_job {
	struct vhost_user *vu, *target;
	sem_t worked;
	int err;
	uint8_t data[VHOST_USER_CONFIG_SIZE];
};

static void config_work(void *arg)
{
	struct config_job *job = arg;

	job->err = vhost_user_get_config(job->target, job->data);
	sem_post(&job->worked);
}

static void config_free(struct config_job *job)
{
	sem_destroy(&job->worked);
	free(job);
}

static void config_done(void *arg)
{
	struct config_job *job = arg;
	struct vhost_user *vu = job->vu;
	struct vm *vm = vu ? vu->vm : NULL;

	if (!vu) {
		config_free(job);
		return;
	}
	vu->config_job = NULL;
	vm_lock(vm);
	if (!job->err && memcmp(vu->config, job->data, vu->config_len)) {
		memcpy(vu->config, job->data, vu->config_len);
		if (vu->config_changed)
			vu->config_changed(vu);
	}
	vm_unlock(vm);
	config_free(job);
	if (vu->config_again)
		vhost_user_fetch_config(vu);
}

void vhost_user_fetch_config(struct vhost_user *vu)
{
	struct config_job *job;

	vu->config_again = vu->config_job;
	if (vu->config_job || !vu->config_len)
		return;
	job = calloc(1, sizeof(*job));
	if (!job)
		return;
	job->vu = vu;
	job->target = vu;
	sem_init(&job->worked, 0, 0);
	vu->config_job = job;
	if (loop_offload(vu->vm->loop, config_work, config_done, job)) {
		vu->config_job = NULL;
		config_free(job);
	}
}

/* Its question has ended with the other side. */
static void config_abandon(struct vhost_user *vu)
{
	if (!vu->config_job)
		return;
	while (sem_wait(&vu->config_job->worked) && errno == EINTR)
		;
	vu->config_job->vu = NULL;
	vu->config_job = NULL;
}

/* What it says or asks. Return: 0; 1: refused; -EOPNOTSUPP: not understood */
static int channel_take(struct vhost_user *vu, const struct vhost_user_msg *m)
{
	int err;

	if (m->hdr.request == VHOST_USER_BACKEND_CONFIG_CHANGE_MSG) {
		vhost_user_fetch_config(vu);
		return 0;
	}
	if (m->hdr.request != VHOST_USER_BACKEND_NET_CTRL || !vu->asked || m->hdr.size != sizeof(m->net_ctrl))
		return -EOPNOTSUPP;
	vm_lock(vu->vm);
	err = vu->asked(vu, &m->net_ctrl);
	vm_unlock(vu->vm);
	return err ? 1 : 0;
}

static void on_channel(struct loop_fd *w, short revents)
{
	struct vhost_user *vu = of(struct vhost_user, channel, w);
	struct vhost_user_msg m;
	int ret = vhost_user_recv(w->fd, &m);
	bool reply;

	(void)revents;
	if (ret > 0) {
		vhost_user_close_fds(&m);
		reply = m.hdr.flags & VHOST_USER_NEED_REPLY;
		ret = channel_take(vu, &m);
		m.hdr.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
		m.hdr.size = sizeof(m.u64);
		m.u64 = ret != 0;
		if (reply && vhost_user_send(w->fd, &m))
			ret = -EPIPE;
		else if (ret >= 0)
			return;
	}
	/* Of its going something else is said. */
	if (ret < 0 && ret != -ECONNRESET && ret != -EPIPE)
		log_warn("%s: what its process says by itself is not heard any more: %s", vu->vhost.name,
			 strerror(-ret));
	channel_close(vu);
}

static void channel_bh(struct loop_bh *bh)
{
	struct vhost_user *vu = of(struct vhost_user, channel_bh, bh);

	channel_close(vu);
	vu->channel = (struct loop_fd){
		/* the lock may be held for as long as answers take */
		.fd = __atomic_exchange_n(&vu->channel_fd, -1, __ATOMIC_ACQ_REL),
		.events = POLLIN,
		.fn = on_channel,
	};
	if (vu->channel.fd >= 0 && loop_fd_add(vu->vm->loop, &vu->channel)) {
		close(vu->channel.fd);
		vu->channel.fd = -1;
	}
	/* what its predecessor did not get to say */
	vhost_user_fetch_config(vu);
}

void vhost_user_channel(struct vhost_user *vu, int fd)
{
	/* Half a message, or a reply that nobody reads, must not hold up the main thread. */
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fd = __atomic_exchange_n(&vu->channel_fd, fd, __ATOMIC_ACQ_REL);
	if (fd >= 0)
		close(fd);
	loop_bh_schedule(vu->vm->loop, &vu->channel_bh);
}

/* ---- opening and closing ---- */

/* Return: 0; -1 after one logged line; a process of ours that ended with status 1 has said why */
static int opened(struct vhost_user *vu, int err)
{
	char how[64];

	if (!err)
		return 0;
	if (err == -EPIPE && is_ours(vu)) {
		unwatch(vu);
		if (process_reap(&vu->proc, how, sizeof(how)) || vu->proc.quiet)
			log_err("%s: %s %s%s", vu->vhost.name, vu->proc.name, how,
				vu->proc.quiet ? "; without -daemonize it says why" : "");
		return -1;
	}
	if (!is_ours(vu) && vu->vhost.why)
		return log_err("%s: %s", vu->vhost.name, vu->vhost.why);
	return log_err("%s: %s: %s", vu->vhost.name, is_ours(vu) ? vu->proc.name : "the process",
		       vu->vhost.why ? vu->vhost.why : strerror(-err));
}

/* There may be none. */
static int config_first(struct vhost_user *vu)
{
	int err = vu->config_len ? vhost_user_get_config(vu, vu->config) : 0;

	if (err != -ENOTSUP && err != -EINVAL)
		return err;
	vu->config_len = 0;
	return 0;
}

/* The first one. Return: 0; -1 after one logged line, or because we shall end */
static int peer_first(struct vhost_user *vu)
{
	const struct chardev_taker taker = { .connected = on_connected, .arg = vu };
	int err;

	if (is_ours(vu))
		return peer_start(vu) ? -1 : 0;
	err = chardev_take(vu->chardev, &taker);
	if (err) {
		/* it is somebody else's */
		vu->chardev = NULL;
		return log_err("-device %s: its chardev %s", vu->vhost.name, err == -EBUSY ? "is in use" :
			       err == -EINVAL ? "is no Unix socket, or has mux=on" : strerror(-err));
	}
	if (!chardev_wait())
		return -1;
	loop_bh_cancel(vu->vm->loop, &vu->came_bh);
	err = take_came(vu);
	return err ? log_err("%s: %s", vu->vhost.name, strerror(-err)) : 0;
}

int vhost_user_open(struct vhost_user *vu, struct vm *vm, const char *opt)
{
	int err;

	vu->vhost.ops = &vhost_user_ops;
	vu->vhost.name = opt;
	vu->vm = vm;
	vu->sock = -1;
	vu->channel_fd = -1;
	vu->asks_fd = -1;
	vu->watch.fd = -1;
	vu->channel.fd = -1;
	vu->proc.quiet = vm->cfg->daemonize;
	vu->came_fd = -1;
	vu->came_bh.fn = came_bh;
	vu->channel_bh.fn = channel_bh;
	pthread_mutex_init(&vu->lock, NULL);
	err = peer_first(vu);
	if (!err) {
		vhost_user_lock(vu);
		err = vhost_user_greet(vu);
		pthread_mutex_unlock(&vu->lock);
		err = opened(vu, err ? err : config_first(vu));
	}
	if (err)
		vhost_user_close(vu);
	return err ? -1 : 0;
}

void vhost_user_close(struct vhost_user *vu)
{
	unwatch(vu);
	loop_bh_cancel(vu->vm->loop, &vu->came_bh);
	loop_bh_cancel(vu->vm->loop, &vu->channel_bh);
	channel_close(vu);
	/* the way for a process to end by itself */
	if (vu->sock >= 0)
		shutdown(vu->sock, SHUT_RDWR);
	if (is_ours(vu)) {
		process_end(&vu->proc);
		process_free(&vu->proc);
	} else if (vu->chardev) {
		chardev_untake(vu->chardev);
	}
	config_abandon(vu);
	if (vu->came_fd >= 0)
		close(vu->came_fd);
	if (vu->channel_fd >= 0)
		close(vu->channel_fd);
	if (vu->asks_fd >= 0)
		close(vu->asks_fd);
	if (vu->sock >= 0)
		close(vu->sock);
	vu->sock = -1;
	pthread_mutex_destroy(&vu->lock);
}
