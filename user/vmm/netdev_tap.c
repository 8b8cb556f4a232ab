// SPDX-License-Identifier: GPL-2.0
/* -netdev tap: the interface, its scripts, and the vhost device behind it if there is one. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>
#include "netdev_priv.h"
#include "tap.h"
#include "vhost_kernel.h"
#include "../lib/log.h"

#define IFUP		"/etc/qemu-ifup"
#define IFDOWN		"/etc/qemu-ifdown"
#define VHOST_NET	"/dev/vhost-net"

static const struct prop tap_props[] = {
	PROP("ifname", PROP_STR, struct netdev_opts, ifname,
	     .help = "interface to use or make; without it the kernel chooses a tap name"),
	PROP("fd", PROP_STR, struct netdev_opts, fd,
	     .help = "descriptor of an opened tap, inherited"),
	PROP("fds", PROP_STR, struct netdev_opts, fds,
	     .help = "the same of as many of its queues as the device has pairs, with colons between them"),
	PROP("script", PROP_STR, struct netdev_opts, script,
	     .help = "program to set the interface up, or no; " IFUP " if it is there"),
	PROP("downscript", PROP_STR, struct netdev_opts, downscript,
	     .help = "program to run at the end, or no; " IFDOWN " if it is there"),
	PROP("vhost", PROP_ONOFFAUTO, struct netdev_opts, vhost,
	     .help = "on: served by the kernel's vhost_net, if it is loaded; else by a process, " NETDEV_PROGRAM),
	PROP("vhostforce", PROP_BOOL, struct netdev_opts, vhostforce, .help = "on: by vhost_net, or not at all"),
	PROP("vhostfd", PROP_STR, struct netdev_opts, vhostfd,
	     .help = "descriptor of an opened " VHOST_NET ", inherited"),
	PROP("vhostfds", PROP_STR, struct netdev_opts, vhostfds, .help = "as many of these as there are in fds="),
	PROP("queues", PROP_U32, struct netdev_opts, queues, .def = "1", .min = 1, .max = NETDEV_QUEUES,
	     .help = "pairs of queues for a device with mq=on, each with a queue of the tap; not with descriptors"),
	{ .type = PROP_END },
};

/* Return: 0; or -1: it is no list of descriptors */
static int fds_parse(const char *list, struct netdev_fds *to)
{
	char word[16];
	size_t len;

	do {
		len = strcspn(list, ":");
		if (to->nr == NETDEV_QUEUES || !len || len >= sizeof(word))
			return -1;
		memcpy(word, list, len);
		word[len] = 0;
		if (parse_fd(word, &to->fd[to->nr++]))
			return -1;
		list += len;
	} while (*list++);
	return 0;
}

/* @key=@one, or its plural with @many. Return: 0, or -1 after one logged line */
static int fds_check(const struct netdev_entry *e, const char *key, const char *one, const char *many, struct netdev_fds *to)
{
	if (one && many)
		return log_err("-netdev %s: %s= excludes %ss=", e->id, key, key);
	if (one && parse_fd(one, &to->fd[to->nr++]))
		return log_err("-netdev %s: %s=%s: takes the number of an inherited descriptor", e->id, key, one);
	if (many && fds_parse(many, to))
		return log_err("-netdev %s: %ss=%s: takes up to %d numbers of inherited descriptors, with colons between them",
			       e->id, key, many, NETDEV_QUEUES);
	return 0;
}

/* What the words alone can tell. */
static int tap_check(struct netdev_entry *e)
{
	const struct netdev_opts *p = &e->o;
	const char *fd = p->fds ? "fds" : "fd", *vhostfd = p->vhostfds ? "vhostfds" : "vhostfd";

	if (fds_check(e, "fd", p->fd, p->fds, &e->taps) || fds_check(e, "vhostfd", p->vhostfd, p->vhostfds, &e->vhosts))
		return -1;
	if (e->taps.nr && (p->ifname || p->script || p->downscript))
		return log_err("-netdev %s: %s= excludes ifname=, script= and downscript=", e->id, fd);
	if (p->ifname && (!*p->ifname || strlen(p->ifname) >= sizeof(e->nd.ifname) ||
			  strchr(p->ifname, '/')))
		return log_err(
			"-netdev %s: ifname=%s: takes an interface name of 1 to %zu characters",
			e->id, p->ifname, sizeof(e->nd.ifname) - 1);
	if (p->queues > 1 && (e->taps.nr || e->vhosts.nr))
		return log_err("-netdev %s: queues=%u: takes 1 with %s=", e->id, p->queues, e->taps.nr ? fd : vhostfd);
	if (e->vhosts.nr && e->vhosts.nr != (e->taps.nr ?: 1))
		return log_err("-netdev %s: %s: %u of them for %u queues of a tap", e->id, vhostfd, e->vhosts.nr, e->taps.nr ?: 1);
	if (p->vhost == PROP_OFF && (p->vhostforce || e->vhosts.nr))
		return log_err("-netdev %s: vhost=off contradicts vhostforce= and %s=", e->id, vhostfd);
	e->nd.queues = e->taps.nr ?: p->queues;
	return 0;
}

/* Without, a process serves the queues. Return: 0 or -1 after one logged line */
static int vhost_open(struct netdev_entry *e)
{
	bool only = e->o.vhostforce || e->vhosts.nr;
	unsigned int i;
	char opt[80];
	int fd;

	if (e->o.vhost != PROP_ON && !only)
		return 0;
	snprintf(opt, sizeof(opt), "-netdev %s", e->nd.id);
	for (i = 0; i < e->nd.queues; i++) {
		/* What the first of them could do, the others have to. */
		fd = e->vhosts.nr ? vhost_kernel_adopt(opt, e->vhosts.fd[i]) :
		     vhost_kernel_open(opt, "net", NULL, only || i ? NULL : NETDEV_PROGRAM);
		if (fd < 0)
			return only || i ? -1 : 0;
		if (e->vhosts.nr && !vhost_fd_is_net(fd))
			return log_err("%s: vhostfd=%d is not a vhost-net device", opt, fd);
		e->nd.vhost_fd[i] = fd;
	}
	return 0;
}

/* The script to run: what was given, else @def if that is there; NULL for none. */
static const char *script_of(const char *given, const char *def)
{
	if (given)
		return *given && strcmp(given, "no") ? given : NULL;
	return access(def, X_OK) ? NULL : def;
}

/* Inherited queues, all of one tap. Return: 0 or -1 after one logged line */
static int queues_adopt(struct netdev *nd, const struct netdev_fds *taps)
{
	char ifname[sizeof(nd->ifname)];
	unsigned int i;

	for (i = 0; i < taps->nr; i++) {
		nd->tap_fd[i] = tap_adopt(nd->id, taps->fd[i], ifname);
		if (nd->tap_fd[i] < 0)
			return -1;
		if (i && strcmp(ifname, nd->ifname))
			return log_err("-netdev %s: fds=: %d is a queue of %s, and %d of %s", nd->id, taps->fd[0], nd->ifname,
				       taps->fd[i], ifname);
		strcpy(nd->ifname, ifname);
	}
	return 0;
}

/* Return: 0 or -1 after one logged line */
static int queues_open(struct netdev_entry *e)
{
	const char *ifname = e->o.ifname;
	struct netdev *nd = &e->nd;
	unsigned int i;

	if (e->taps.nr)
		return queues_adopt(nd, &e->taps);
	for (i = 0; i < nd->queues; i++) {
		nd->tap_fd[i] = tap_open(nd->id, ifname, nd->queues > 1, nd->ifname);
		if (nd->tap_fd[i] < 0)
			return -1;
		ifname = nd->ifname;
	}
	return 0;
}

static int tap_up(struct netdev_entry *e)
{
	struct netdev *nd = &e->nd;
	const char *script;

	/* first what can be missing, so that no script has run in vain */
	if (vhost_open(e))
		return -1;
	if (queues_open(e))
		return -1;
	script = e->taps.nr ? NULL : script_of(e->o.script, IFUP);
	if (script && tap_run_script(nd->id, script, nd->ifname))
		return -1;
	e->up = true;
	/* after the script, which may have set it */
	nd->mtu = tap_mtu(nd->ifname);
	return 0;
}

static void tap_down(struct netdev_entry *e)
{
	const char *script = e->taps.nr ? NULL : script_of(e->o.downscript, IFDOWN);
	unsigned int i;

	/* while the interface is still there; if it fails, it has been said why */
	if (script && e->up)
		tap_run_script(e->nd.id, script, e->nd.ifname);
	for (i = 0; i < NETDEV_QUEUES; i++) {
		if (e->nd.vhost_fd[i] >= 0)
			close(e->nd.vhost_fd[i]);
		if (e->nd.tap_fd[i] >= 0)
			close(e->nd.tap_fd[i]);
	}
}

static int tap_process(const struct netdev_entry *e, struct process *p)
{
	int err = process_arg(p, "--backend=tap");
	unsigned int i;

	_Static_assert(NETDEV_QUEUES <= PROCESS_EXTRAS, "each queue has one");
	for (i = 0; i < e->nd.queues && !err; i++) {
		p->extra[p->nr_extra++] = e->nd.tap_fd[i];
		err = process_arg(p, "--tap-fd=%u", PROCESS_EXTRA + i);
	}
	return err;
}

static void tap_info(const struct netdev_entry *e, FILE *out)
{
	fprintf(out, "tap, ifname=%s, mtu=%u, vhost=%s, queues=%u", e->nd.ifname, e->nd.mtu,
		e->nd.vhost_fd[0] >= 0 ? "on" : "off", e->nd.queues);
}

const struct netdev_kind netdev_tap = {
	.name = "tap",
	.props = tap_props,
	.check = tap_check,
	.up = tap_up,
	.down = tap_down,
	.process = tap_process,
	.info = tap_info,
};
