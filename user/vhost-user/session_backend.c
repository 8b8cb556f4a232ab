// SPDX-License-Identifier: GPL-2.0
/*
 * Messages from the back-end to the front-end: that the configuration has changed. Or else they are the device's own.
 *
 * Nothing waits for the front-end here: it may be waiting for us, on the other socket. While a message is not
 * answered, or does not fit into the socket, the next one waits; several changes are then one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "session_priv.h"

/* How often a device that may change by itself is looked at, while there is somebody to tell */
#define REFRESH_SECONDS	1

static volatile sig_atomic_t refresh_asked;

static void ask_refresh(int sig)
{
	(void)sig;
	refresh_asked = 1;
}

void vu_backend_signals(const struct vu_device *d)
{
	struct sigaction sa = { .sa_handler = ask_refresh };
	sigset_t hup;

	if (!d->refresh)
		return;
	/* Not but while messages are waited for */
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

void vu_backend_set(struct vu_session *s, int fd)
{
	if (s->d->channel)
		s->d->channel(s->d->dev, fd);
	vu_put_fd(&s->backend.fd, fd);
	s->backend.awaited = false;
}

int vu_set_backend_req_fd(struct vu_session *s, struct vhost_user_msg *m)
{
	if (!s->d->channel) {
		vu_backend_set(s, vhost_user_take_fd(m, 0));
		return 0;
	}
	vu_stop_all(s);
	vu_backend_set(s, vhost_user_take_fd(m, 0));
	return vu_start_all(s);
}

static void give_up(struct vu_session *s, const char *why)
{
	log_warn("messages to the front-end: %s", why);
	vu_backend_set(s, -1);
}

/* Tell of a change, if there is one. */
static void tell(struct vu_session *s)
{
	bool ack = s->protocol_features >> VHOST_USER_PROTOCOL_F_REPLY_ACK & 1;
	struct vhost_user_hdr h = {
		.request = VHOST_USER_BACKEND_CONFIG_CHANGE_MSG,
		.flags = VHOST_USER_VERSION | (ack ? VHOST_USER_NEED_REPLY : 0),
	};
	ssize_t n;

	if (s->backend.fd < 0 || !s->backend.changed || s->backend.awaited)
		return;
	n = sendto(s->backend.fd, &h, sizeof(h), MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	if (n == sizeof(h)) {
		s->backend.changed = false;
		s->backend.awaited = ack;
	} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
		give_up(s, n < 0 ? strerror(errno) : "cut short");
	}
}

static void hear(struct vu_session *s)
{
	struct { struct vhost_user_hdr hdr; uint8_t u64[8]; } r;
	static const uint8_t good[8];
	ssize_t n = recvfrom(s->backend.fd, &r, sizeof(r), MSG_DONTWAIT, NULL, NULL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* It leaves. */
	if (!n) {
		vu_backend_set(s, -1);
		return;
	}
	if (n != sizeof(r) || !s->backend.awaited || r.hdr.request != VHOST_USER_BACKEND_CONFIG_CHANGE_MSG ||
	    r.hdr.flags != (VHOST_USER_VERSION | VHOST_USER_REPLY) || r.hdr.size != sizeof(r.u64)) {
		give_up(s, "an answer that is none");
		return;
	}
	if (memcmp(r.u64, good, sizeof(good)))
		log_warn("messages to the front-end: it did not take the new configuration");
	s->backend.awaited = false;
}

int vu_backend_wait(struct vu_session *s, int sock)
{
	static const struct timespec period = { .tv_sec = REFRESH_SECONDS };
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigdelset(&mask, SIGHUP);
	for (;;) {
		struct pollfd p[3] = { { sock, POLLIN, 0 }, { s->d->channel ? -1 : s->backend.fd, POLLIN, 0 },
				       { s->state.fd, vu_state_events(s), 0 } };
		bool look = s->d->refresh && s->backend.fd >= 0;
		int n = ppoll(p, 3, look ? &period : NULL, &mask);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0 && s->d->refresh && (!n || refresh_asked)) {
			refresh_asked = 0;
			s->backend.changed |= s->d->refresh(s->d->dev);
		}
		if (n > 0 && p[1].revents)
			hear(s);
		if (n > 0 && p[2].revents)
			vu_state_go(s);
		tell(s);
		if (n > 0 && p[0].revents)
			return 0;
	}
}
