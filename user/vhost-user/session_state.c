// SPDX-License-Identifier: GPL-2.0
/*
 * SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE: the device's own state, which goes to another process in a migration.
 *
 * A state is short. It is made at once, and goes as the front-end reads it; it is gathered as it comes, and looked at when the
 * front-end says that it was all. Neither is waited for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session_priv.h"

/* The answer to SET_DEVICE_STATE_FD: what went wrong, and that no descriptor comes along */
#define FAILED		1ULL
#define NO_FD		0x100ULL

enum { SAVE = 0, LOAD = 1 };

static int answer(struct vhost_user_msg *m, uint64_t value)
{
	vhost_user_close_fds(m);
	m->u64 = value;
	m->hdr.size = sizeof(m->u64);
	return 1;
}

void vu_state_end(struct vu_session *s)
{
	vu_put_fd(&s->state.fd, -1);
	s->state.bad = true;
}

static bool quiet(const struct vu_session *s)
{
	unsigned int i;

	for (i = 0; i < s->d->num_queues; i++)
		if (s->vring[i].running)
			return false;
	return true;
}

/* One that a thread of ours does not wait for, once it is ready */
static bool fd_ok(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode));
}

/* The only phase there is has number 0: the rings are stopped. */
int vu_set_device_state_fd(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_state *t = &s->state;

	vu_state_end(s);
	if (m->transfer.direction > LOAD || m->transfer.phase || !quiet(s) || !fd_ok(m->fds[0]))
		return answer(m, FAILED | NO_FD);
	t->load = m->transfer.direction == LOAD;
	t->len = t->load ? 0 : s->d->save(s->d->dev, t->data);
	t->done = 0;
	t->bad = false;
	vu_put_fd(&t->fd, vhost_user_take_fd(m, 0));
	vu_state_go(s);
	return answer(m, NO_FD);
}

static void save_some(struct vu_session *s)
{
	struct vu_state *t = &s->state;
	size_t left = t->len - t->done;
	/* As much as a pipe that can be written to has room for */
	ssize_t n = write(t->fd, t->data + t->done, left < PIPE_BUF ? left : PIPE_BUF);

	if (n < 0 && errno != EINTR && errno != EAGAIN)
		vu_state_end(s);
	if (n > 0)
		t->done += (size_t)n;
	/* Closed, it is complete. */
	if (t->fd >= 0 && t->done == t->len)
		vu_put_fd(&t->fd, -1);
}

/* With one byte more than there may be, it is none. */
static void load_some(struct vu_session *s)
{
	struct vu_state *t = &s->state;
	ssize_t n = read(t->fd, t->data + t->len, sizeof(t->data) - t->len);

	if (n < 0 && errno != EINTR && errno != EAGAIN)
		vu_state_end(s);
	if (!n)
		vu_put_fd(&t->fd, -1);
	if (n > 0)
		t->len += (size_t)n;
	if (t->len > s->d->state_size)
		vu_state_end(s);
}

short vu_state_events(const struct vu_session *s)
{
	return s->state.load ? POLLIN : POLLOUT;
}

void vu_state_go(struct vu_session *s)
{
	struct timespec now = { 0 };

	while (s->state.fd >= 0) {
		struct pollfd p = { .fd = s->state.fd, .events = vu_state_events(s) };

		if (ppoll(&p, 1, &now, NULL) != 1)
			return;
		if (s->state.load)
			load_some(s);
		else
			save_some(s);
	}
}

/* A state that was asked for is whole when it is on its way, one that came when the front-end has closed its end. */
int vu_check_device_state(struct vu_session *s, struct vhost_user_msg *m)
{
	struct vu_state *t = &s->state;
	bool good;

	vu_state_go(s);
	good = !t->bad && t->fd < 0 && quiet(s);
	if (good && t->load)
		good = !s->d->load(s->d->dev, t->data, t->len);
	vu_state_end(s);
	return answer(m, good ? 0 : FAILED);
}
