// SPDX-License-Identifier: GPL-2.0
/*
 * -netdev tap: the option, the interface, its scripts and the vhost device behind it.
 *
 * Context: main thread only. netdev_add() only looks at the words; everything that touches the host
 * happens in netdev_open_all(), after the process has forked.
 */
#define _GNU_SOURCE
#include "netdev.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/log.h"
#include "../lib/prop.h"
#include "cmdline.h"
#include "tap.h"
#include "vhost_kernel.h"

#define NETDEV_MAX	16
#define IFUP		"/etc/qemu-ifup"
#define IFDOWN		"/etc/qemu-ifdown"
#define VHOST_NET	"/dev/vhost-net"

struct tap_props {
	char *id, *ifname, *fd, *script, *downscript, *vhostfd;
	enum prop_onoffauto vhost;
	bool vhostforce;
	uint32_t queues;
};

static const struct prop tap_props[] = {
	PROP("ifname", PROP_STR, struct tap_props, ifname,
	     .help = "interface to use or make; without it the kernel chooses a tap name"),
	PROP("fd", PROP_STR, struct tap_props, fd,
	     .help = "descriptor of an opened tap, inherited"),
	PROP("script", PROP_STR, struct tap_props, script,
	     .help = "program to set the interface up, or no; " IFUP " if it is there"),
	PROP("downscript", PROP_STR, struct tap_props, downscript,
	     .help = "program to run at the end, or no; " IFDOWN " if it is there"),
	PROP("vhost", PROP_ONOFFAUTO, struct tap_props, vhost,
	     .help = "serve the queues in the kernel; only on works"),
	PROP("vhostforce", PROP_BOOL, struct tap_props, vhostforce, .help = "on implies vhost=on"),
	PROP("vhostfd", PROP_STR, struct tap_props, vhostfd,
	     .help = "descriptor of an opened " VHOST_NET ", inherited"),
	PROP("queues", PROP_U32, struct tap_props, queues, .def = "1", .min = 1, .max = 256,
	     .help = "queue pairs; only 1 works"),
	{ .type = PROP_END },
};

struct tap {
	struct netdev nd;	/* first: netdev_find() gives it out */
	struct tap_props p;
	bool up;	/* opened, its script went well: the downscript is owed */
};

static struct tap *taps[NETDEV_MAX];
static unsigned int nr_taps;

static void tap_free(struct tap *t)
{
	free(t->p.id);
	props_free(tap_props, &t->p);
	free(t);
}

/* What the words alone can tell. */
static int tap_check(struct tap *t)
{
	const struct tap_props *p = &t->p;
	int fd;

	if (p->fd && (p->ifname || p->script || p->downscript))
		return log_err("-netdev %s: fd= excludes ifname=, script= and downscript=", p->id);
	if (p->fd && parse_fd(p->fd, &fd))
		return log_err("-netdev %s: fd=%s: takes the number of an inherited descriptor",
			       p->id, p->fd);
	if (p->vhostfd && parse_fd(p->vhostfd, &fd))
		return log_err(
			"-netdev %s: vhostfd=%s: takes the number of an inherited descriptor",
			p->id, p->vhostfd);
	if (p->ifname && (!*p->ifname || strlen(p->ifname) >= sizeof(t->nd.ifname) ||
			  strchr(p->ifname, '/')))
		return log_err(
			"-netdev %s: ifname=%s: takes an interface name of 1 to %zu characters",
			p->id, p->ifname, sizeof(t->nd.ifname) - 1);
	if (p->queues > 1)
		return log_err("-netdev %s: queues=%u: more than one queue pair is not there yet",
			       p->id, p->queues);
	if (p->vhost == PROP_OFF && (p->vhostforce || p->vhostfd))
		return log_err("-netdev %s: vhost=off contradicts vhostforce= and vhostfd=", p->id);
	if (p->vhost != PROP_ON && !p->vhostforce && !p->vhostfd)
		return log_err(
			"-netdev %s: pass vhost=on: queues served outside the kernel are not there yet",
			p->id);
	return 0;
}

int netdev_add(const char *arg)
{
	struct keyvals kvs;
	const char *type, *id;
	struct tap *t = NULL;
	unsigned int i;
	int ret = -1;

	if (keyvals_parse(&kvs, "-netdev", "type", arg))
		return -1;
	type = keyvals_take(&kvs, "type");
	if (!type || strcmp(type, "tap")) {
		log_err("-netdev %s: no such type; takes tap", type ? type : "");
		goto out;
	}
	id = keyvals_take(&kvs, "id");
	if (cmdline_check_id("-netdev tap", id, true))
		goto out;
	for (i = 0; i < nr_taps; i++) {
		if (!strcmp(taps[i]->nd.id, id)) {
			log_err("-netdev: id %s given twice", id);
			goto out;
		}
	}
	if (nr_taps == NETDEV_MAX) {
		log_err("-netdev: more than %d", NETDEV_MAX);
		goto out;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		log_err("-netdev: out of memory");
		goto out;
	}
	t->nd.tap_fd = -1;
	t->nd.vhost_fd = -1;
	if (props_apply(tap_props, &t->p, "-netdev tap", &kvs))
		goto out_free;
	t->p.id = strdup(id);
	t->nd.id = t->p.id;
	if (!t->p.id) {
		log_err("-netdev: out of memory");
		goto out_free;
	}
	if (tap_check(t))
		goto out_free;
	taps[nr_taps++] = t;
	ret = 0;
	goto out;

out_free:
	tap_free(t);
out:
	keyvals_free(&kvs);
	return ret;
}

void netdev_help(void)
{
	printf("Available netdev backend types:\n  tap\ntap takes, besides id=<str>:\n");
	props_help(tap_props);
}

/* ---- opening ---- */

static int vhost_open(struct tap *t)
{
	char opt[80];
	int fd;

	snprintf(opt, sizeof(opt), "-netdev %s", t->nd.id);
	fd = vhost_kernel_open(opt, "net", t->p.vhostfd, NULL);
	if (fd < 0)
		return -1;
	if (t->p.vhostfd && !vhost_fd_is_net(fd))
		return log_err("%s: vhostfd=%d is not a vhost-net device", opt, fd);
	t->nd.vhost_fd = fd;
	return 0;
}

/* The script to run: what was given, else @def if that is there; NULL for none. */
static const char *script_of(const char *given, const char *def)
{
	if (given)
		return *given && strcmp(given, "no") ? given : NULL;
	return access(def, X_OK) ? NULL : def;
}

static int tap_up(struct tap *t)
{
	struct netdev *nd = &t->nd;
	const char *script;
	int fd = -1;

	/* first what can be missing, so that no script has run in vain */
	if (vhost_open(t))
		return -1;
	if (t->p.fd)
		parse_fd(t->p.fd, &fd);
	nd->tap_fd = t->p.fd ? tap_adopt(nd->id, fd, nd->ifname) :
			       tap_open(nd->id, t->p.ifname, nd->ifname);
	if (nd->tap_fd < 0)
		return -1;
	script = t->p.fd ? NULL : script_of(t->p.script, IFUP);
	if (script && tap_run_script(nd->id, script, nd->ifname))
		return -1;
	t->up = true;
	/* after the script, which may have set it */
	nd->mtu = tap_mtu(nd->ifname);
	return 0;
}

static void tap_down(struct tap *t)
{
	const char *script = t->p.fd ? NULL : script_of(t->p.downscript, IFDOWN);

	/* while the interface is still there; if it fails, it has been said why */
	if (script && t->up)
		tap_run_script(t->nd.id, script, t->nd.ifname);
	if (t->nd.vhost_fd >= 0)
		close(t->nd.vhost_fd);
	if (t->nd.tap_fd >= 0)
		close(t->nd.tap_fd);
}

int netdev_open_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_taps; i++)
		if (tap_up(taps[i]))
			return -1;
	return 0;
}

void netdev_close_all(void)
{
	while (nr_taps) {
		tap_down(taps[--nr_taps]);
		tap_free(taps[nr_taps]);
	}
}

/* ---- for devices ---- */

struct netdev *netdev_find(const char *id)
{
	unsigned int i;

	for (i = 0; i < nr_taps; i++)
		if (!strcmp(taps[i]->nd.id, id))
			return taps[i]->nd.tap_fd >= 0 ? &taps[i]->nd : NULL;
	return NULL;
}

int netdev_set_offload(struct netdev *nd, uint64_t virtio_features)
{
	return tap_set_offload(nd->tap_fd, virtio_features);
}

uint64_t netdev_offloads(struct netdev *nd)
{
	return tap_offloads(nd->tap_fd);
}

void netdev_info(FILE *out)
{
	unsigned int i;

	for (i = 0; i < nr_taps; i++) {
		const struct netdev *nd = &taps[i]->nd;

		fprintf(out, "%s: tap, ifname=%s, mtu=%u, vhost=on, device %s\n", nd->id,
			nd->ifname, nd->mtu, nd->user ? nd->user : "none");
	}
	if (!nr_taps)
		fprintf(out, "no netdev\n");
}
