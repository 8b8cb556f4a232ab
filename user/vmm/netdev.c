// SPDX-License-Identifier: GPL-2.0
/*
 * -netdev: the option and the list of all. What each kind does is in netdev_tap.c, netdev_user.c, netdev_vhost_user.c and
 * netdev_xdp.c.
 *
 * Context: main thread only. netdev_add() only looks at the words; everything that touches the host
 * happens in netdev_open_all(), after the process has forked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cmdline.h"
#include "netdev_priv.h"
#include "tap.h"
#include "../lib/log.h"

#define NETDEV_MAX	16

static const struct netdev_kind *const kinds[] = { &netdev_tap, &netdev_slirp, &netdev_vhost_user, &netdev_xdp };

#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static struct netdev_entry *entries[NETDEV_MAX];
static unsigned int nr_entries;

static void entry_free(struct netdev_entry *e)
{
	unsigned int i;

	for (i = 0; i < NETDEV_HOSTFWD; i++)
		free(e->o.hostfwd[i]);
	props_free(e->kind->props, &e->o);
	free(e->id);
	free(e);
}

static struct netdev_entry *entry_find(const char *id)
{
	unsigned int i;

	for (i = 0; i < nr_entries; i++)
		if (!strcmp(entries[i]->id, id))
			return entries[i];
	return NULL;
}

static const struct netdev_kind *kind_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_KINDS; i++)
		if (name && !strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

/* The one word that may come again and again. Return: 0 or -1 after one logged line */
static int take_hostfwd(struct netdev_entry *e, struct keyvals *kvs, char **taken)
{
	unsigned int n = 0;
	const char *val;

	while (e->kind->hostfwd && (val = keyvals_take(kvs, "hostfwd"))) {
		if (n == NETDEV_HOSTFWD)
			return log_err("-netdev %s: hostfwd=%s: more than %d", e->id, val, NETDEV_HOSTFWD);
		taken[n] = strdup(val);
		if (!taken[n++])
			return log_err("-netdev: out of memory");
	}
	return 0;
}

/* Return: an entry that is not in the list yet; NULL after one logged line */
static struct netdev_entry *entry_make(const struct netdev_kind *kind, const char *id, struct keyvals *kvs)
{
	struct netdev_entry *e = calloc(1, sizeof(*e));
	char *hostfwd[NETDEV_HOSTFWD + 1] = { NULL };
	unsigned int i;
	char opt[32];
	int err;

	if (!e) {
		log_err("-netdev: out of memory");
		return NULL;
	}
	e->kind = kind;
	for (i = 0; i < NETDEV_QUEUES; i++) {
		e->nd.tap_fd[i] = -1;
		e->nd.vhost_fd[i] = -1;
	}
	e->nd.queues = 1;
	e->id = strdup(id);
	e->nd.id = e->id;
	snprintf(opt, sizeof(opt), "-netdev %s", kind->name);
	err = e->id ? take_hostfwd(e, kvs, hostfwd) : log_err("-netdev: out of memory");
	if (!err)
		err = props_apply(kind->props, &e->o, opt, kvs);
	memcpy(e->o.hostfwd, hostfwd, sizeof(hostfwd));
	if (!err && (!kind->check || !kind->check(e)))
		return e;
	entry_free(e);
	return NULL;
}

int netdev_add(const char *arg)
{
	const struct netdev_kind *kind;
	struct netdev_entry *e = NULL;
	const char *type, *id;
	struct keyvals kvs;
	char opt[32];

	if (keyvals_parse(&kvs, "-netdev", "type", arg))
		return -1;
	type = keyvals_take(&kvs, "type");
	kind = kind_find(type);
	if (!kind) {
		log_err("-netdev %s: no such type; takes tap, user, vhost-user or af-xdp", type ? type : "");
		goto out;
	}
	id = keyvals_take(&kvs, "id");
	snprintf(opt, sizeof(opt), "-netdev %s", kind->name);
	if (cmdline_check_id(opt, id, true))
		goto out;
	if (entry_find(id))
		log_err("-netdev: id %s given twice", id);
	else if (nr_entries == NETDEV_MAX)
		log_err("-netdev: more than %d", NETDEV_MAX);
	else
		e = entry_make(kind, id, &kvs);
	if (e)
		entries[nr_entries++] = e;
out:
	keyvals_free(&kvs);
	return e ? 0 : -1;
}

void netdev_help(void)
{
	unsigned int i;

	printf("Available netdev backend types:\n");
	for (i = 0; i < NR_KINDS; i++)
		printf("  %s\n", kinds[i]->name);
	for (i = 0; i < NR_KINDS; i++) {
		printf("%s takes, besides id=<str>%s:\n", kinds[i]->name,
		       kinds[i]->hostfwd ? " and any number of hostfwd=tcp|udp:[addr]:port-[addr]:port" : "");
		props_help(kinds[i]->props);
	}
}

int netdev_open_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_entries; i++) {
		if (entries[i]->kind->up && entries[i]->kind->up(entries[i]))
			return -1;
		entries[i]->nd.opened = true;
	}
	return 0;
}

void netdev_close_all(void)
{
	struct netdev_entry *e;

	while (nr_entries) {
		e = entries[--nr_entries];
		if (e->kind->down)
			e->kind->down(e);
		entry_free(e);
	}
}

/* ---- for devices ---- */

struct netdev *netdev_find(const char *id)
{
	struct netdev_entry *e = entry_find(id);

	return e && e->nd.opened ? &e->nd : NULL;
}

int netdev_process(const struct netdev *nd, struct process *p)
{
	const struct netdev_entry *e = (const void *)nd;

	return e->kind->process(e, p);
}

int netdev_set_offload(struct netdev *nd, uint64_t virtio_features)
{
	return tap_set_offload(nd->tap_fd[0], virtio_features);
}

uint64_t netdev_offloads(struct netdev *nd)
{
	return tap_offloads(nd->tap_fd[0]);
}

int netdev_set_pairs(struct netdev *nd, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nd->queues && nd->queues > 1 && !err; i++)
		err = tap_use_queue(nd->tap_fd[i], i < nr);
	return err;
}

int netdev_set_filter(struct netdev *nd, const uint8_t (*mac)[6], unsigned int nr, bool allmulti)
{
	return tap_set_filter(nd->tap_fd[0], mac, nr, allmulti);
}

int netdev_announce(struct netdev *nd, const uint8_t *mac)
{
	return tap_announce(nd->tap_fd[0], mac);
}

void netdev_info(FILE *out)
{
	unsigned int i;

	for (i = 0; i < nr_entries; i++) {
		const struct netdev_entry *e = entries[i];

		fprintf(out, "%s: ", e->id);
		e->kind->info(e, out);
		fprintf(out, ", device %s\n", e->nd.user ? e->nd.user : "none");
	}
	if (!nr_entries)
		fprintf(out, "no netdev\n");
}
