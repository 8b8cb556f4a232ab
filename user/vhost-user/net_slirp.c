// SPDX-License-Identifier: GPL-2.0
/* libslirp in a thread, see net_slirp.h. */
#define _GNU_SOURCE
#include "net_slirp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/prop.h"
#include "thread.h"

/* Frames of a round */
#define ROUND	64
#define NEVER	INT64_MAX

/* --- what the stack calls --- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct net_slirp *s = opaque;
	void *room = net_pipe_room(&s->rx, len);

	/* Whoever sent it sends it again, as in any network. */
	if (!room)
		return (ssize_t)len;
	memcpy(room, buf, len);
	net_pipe_push(&s->rx, len);
	net_pipe_flush(&s->rx);
	return (ssize_t)len;
}

/* A guest could fill a disk with these. */
static void guest_error(const char *msg, void *opaque)
{
	(void)msg;
	(void)opaque;
}

static int64_t clock_get_ns(void *opaque)
{
	(void)opaque;
	return (int64_t)clock_ns();
}

/* There is one timer: router advertisements. */
static void *timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
	struct net_slirp *s = opaque;

	(void)id;
	(void)cb_opaque;
	s->ra_at = NEVER;
	return &s->ra_at;
}

static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	*(int64_t *)timer = NEVER;
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
	(void)opaque;
	*(int64_t *)timer = expire_ms;
}

static void no_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void no_notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = no_fd,
	.unregister_poll_fd = no_fd,
	.notify = no_notify,
	.timer_new_opaque = timer_new,
};

/* --- the thread --- */

static const struct {
	int slirp;
	short poll;
} events[] = {
	{ SLIRP_POLL_IN, POLLIN }, { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
	{ SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};

static int add_poll(int fd, int wanted, void *opaque)
{
	struct net_slirp *s = opaque;
	unsigned int i;

	if (s->nr_fds == s->max_fds) {
		void *more = realloc(s->fds, 2 * s->max_fds * sizeof(*s->fds));

		/* It goes without being looked at, this time. */
		if (!more)
			return 0;
		s->fds = more;
		s->max_fds *= 2;
	}
	s->fds[s->nr_fds] = (struct pollfd){ .fd = fd };
	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (wanted & events[i].slirp)
			s->fds[s->nr_fds].events |= events[i].poll;
	return (int)s->nr_fds++;
}

static int get_revents(int idx, void *opaque)
{
	const struct net_slirp *s = opaque;
	unsigned int i;
	int seen = 0;

	for (i = 0; idx > 0 && i < ARRAY_SIZE(events); i++)
		if (s->fds[idx].revents & events[i].poll)
			seen |= events[i].slirp;
	return seen;
}

static int64_t now_ms(void)
{
	return clock_get_ns(NULL) / 1000000;
}

/* Return: milliseconds to sleep at most, -1 forever */
static int sleep_ms(struct net_slirp *s)
{
	uint32_t timeout = UINT32_MAX;
	int64_t left = s->ra_at - now_ms();
	size_t len;

	slirp_pollfds_fill(s->slirp, &timeout, add_poll, s);
	net_pipe_sleepy(&s->tx.out);
	if (net_pipe_peek(&s->tx, &len))
		return 0;
	if (s->ra_at != NEVER && left < timeout)
		timeout = left > 0 ? (uint32_t)left : 0;
	return timeout > INT32_MAX ? -1 : (int)timeout;
}

static void take_frames(struct net_slirp *s)
{
	const void *frame;
	unsigned int i;
	size_t len;

	for (i = 0; i < ROUND && (frame = net_pipe_peek(&s->tx, &len)); i++) {
		slirp_input(s->slirp, frame, (int)len);
		net_pipe_pop(&s->tx, len);
	}
	net_pipe_popped(&s->tx);
}

static void *slirp_thread(void *arg)
{
	struct net_slirp *s = arg;
	int ret;

	for (;;) {
		s->nr_fds = 1;
		s->fds[0] = (struct pollfd){ .fd = s->tx.out.fd, .events = POLLIN };
		ret = sleep_ms(s);
		ret = poll(s->fds, s->nr_fds, ret);
		if (s->fds[0].revents)
			net_pipe_woken(&s->tx.out);
		slirp_pollfds_poll(s->slirp, ret < 0, get_revents, s);
		if (s->ra_at <= now_ms()) {
			s->ra_at = NEVER;
			slirp_handle_timer(s->slirp, SLIRP_TIMER_RA, NULL);
		}
		take_frames(s);
	}
	return NULL;
}

/* --- options --- */

static int bad(const char *opt, const char *arg, const char *takes)
{
	return log_err("--%s=%s: it takes %s", opt, arg, takes);
}

/* "10.0.2.0/24". Return: 0; -1 after one logged line */
static int parse_net(const char *arg, SlirpConfig *c)
{
	char addr[INET_ADDRSTRLEN + 1];
	uint64_t bits;
	const char *slash = strchr(arg, '/');
	int n = slash ? (int)(slash - arg) : -1;

	if (n < 0 || n >= (int)sizeof(addr) || parse_u64(slash + 1, &bits) || bits < 8 || bits > 29)
		return bad("net", arg, "a network, like 10.0.2.0/24, of 8 to 29 bits");
	snprintf(addr, sizeof(addr), "%.*s", n, arg);
	c->vnetmask.s_addr = htonl(~0U << (32 - bits));
	if (inet_pton(AF_INET, addr, &c->vnetwork) != 1 || c->vnetwork.s_addr & ~c->vnetmask.s_addr)
		return bad("net", arg, "the first address of a network, like 10.0.2.0/24");
	return 0;
}

/* An address in the network, by default its @number-th. Return: 0; -1 after one logged line */
static int parse_addr(const char *opt, const char *arg, const SlirpConfig *c, uint32_t number, struct in_addr *a)
{
	a->s_addr = c->vnetwork.s_addr | (htonl(number) & ~c->vnetmask.s_addr);
	if (!arg)
		return 0;
	if (inet_pton(AF_INET, arg, a) != 1 || (a->s_addr & c->vnetmask.s_addr) != c->vnetwork.s_addr)
		return bad(opt, arg, "an address in the network");
	return 0;
}

/* [ADDRESS]:PORT, which is changed. Return: 0 or -1 */
static int parse_end(char *s, struct in_addr *addr, int *port)
{
	char *colon = strchr(s, ':');
	uint64_t n;

	if (!colon || parse_u64(colon + 1, &n) || !n || n > 65535)
		return -1;
	*colon = '\0';
	*port = (int)n;
	addr->s_addr = INADDR_ANY;
	return *s && inet_pton(AF_INET, s, addr) != 1 ? -1 : 0;
}

static int hostfwd(struct net_slirp *s, const char *arg)
{
	char buf[96], *host, *guest;
	struct in_addr host_addr, guest_addr;
	int host_port, guest_port;
	bool udp;

	snprintf(buf, sizeof(buf), "%s", arg);
	host = strchr(buf, ':');
	guest = host ? strchr(host, '-') : NULL;
	if (guest) {
		*host++ = '\0';
		*guest++ = '\0';
	}
	udp = !strcmp(buf, "udp");
	if (!guest || (!udp && strcmp(buf, "tcp")) || parse_end(host, &host_addr, &host_port) ||
	    parse_end(guest, &guest_addr, &guest_port))
		return bad("hostfwd", arg, "tcp|udp:[HOSTADDRESS]:HOSTPORT-[GUESTADDRESS]:GUESTPORT");
	if (slirp_add_hostfwd(s->slirp, udp, host_addr, host_port, guest_addr, guest_port) < 0)
		return log_err("--hostfwd=%s: %s", arg, strerror(errno));
	return 0;
}

static int configure(SlirpConfig *c, const struct net_user_opts *o, unsigned int mtu)
{
	c->version = 4;
	c->restricted = o->restricted;
	c->in_enabled = true;
	c->in6_enabled = !o->no_ipv6;
	c->vprefix_len = 64;
	inet_pton(AF_INET6, "fec0::", &c->vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &c->vhost6);
	inet_pton(AF_INET6, "fec0::3", &c->vnameserver6);
	c->vhostname = o->hostname;
	c->if_mtu = mtu;
	c->if_mru = mtu;
	if (parse_net(o->net ?: "10.0.2.0/24", c) || parse_addr("host", o->host, c, 2, &c->vhost) ||
	    parse_addr("dns", o->dns, c, 3, &c->vnameserver) ||
	    parse_addr("dhcpstart", o->dhcpstart, c, 15, &c->vdhcp_start))
		return -1;
	if (c->vhost.s_addr == c->vnameserver.s_addr)
		return log_err("--dns=%s: that is the host", inet_ntoa(c->vnameserver));
	return 0;
}

int net_slirp_open(struct net_slirp *s, const struct net_user_opts *o, unsigned int mtu)
{
	SlirpConfig c = { 0 };
	unsigned int i;

	if (configure(&c, o, mtu))
		return -1;
	s->ra_at = NEVER;
	s->max_fds = 64;
	s->fds = calloc(s->max_fds, sizeof(*s->fds));
	s->slirp = s->fds ? slirp_new(&c, &callbacks, s) : NULL;
	if (!s->slirp)
		return log_err("user: no network stack");
	for (i = 0; i < o->nr_hostfwd; i++)
		if (hostfwd(s, o->hostfwd[i]))
			return -1;
	return 0;
}

int net_slirp_start(struct net_slirp *s)
{
	int ret = vu_thread_start(&s->thread, "slirp", slirp_thread, s);

	return ret ? log_err("user: %s", strerror(ret)) : 0;
}

/* Connections to the outside, and the host's resolv.conf */
const struct sandbox_call net_slirp_calls[] = {
	{ "poll", 0, 0, 0 },
	{ "socket", 0, ~0U, AF_INET },
	{ "socket", 0, ~0U, AF_INET6 },
	{ "bind", 0, 0, 0 },
	{ "listen", 0, 0, 0 },
	{ "accept", 0, 0, 0 },
	{ "connect", 0, 0, 0 },
	{ "sendto", 0, 0, 0 },
	{ "recvfrom", 0, 0, 0 },
	{ "shutdown", 0, 0, 0 },
	{ "setsockopt", 0, 0, 0 },
	{ "getsockname", 0, 0, 0 },
	{ "getpeername", 0, 0, 0 },
	{ "fcntl", 1, ~0U, F_SETFL },
	{ "fcntl", 1, ~0U, F_GETFD },
	{ "fcntl", 1, ~0U, F_SETFD },
	{ "ioctl", 1, ~0U, FIONREAD },
	{ "ioctl", 1, ~0U, FIONBIO },
	{ "ioctl", 1, ~0U, SIOCATMARK },
	{ "openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY },
	{ "lseek", 0, 0, 0 },
	{ NULL, 0, 0, 0 },
};
