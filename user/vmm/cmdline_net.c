// SPDX-License-Identifier: GPL-2.0
/*
 * -net and vlan=: how a NIC and a network were said to belong together before -netdev. A VLAN has one of
 * each here: no hub is in between.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "cmdline.h"
#include "cmdline_priv.h"
#include "netdev.h"

#define VLANS 16

/* @backend: the id of its netdev, "" without one; @nic: what is on it, NULL for nothing */
static struct vlan {
	char backend[64];
	const char *nic;
} vlans[VLANS];

/* NICs of -net nic, for when all networks are known */
static const char *nics[VLANS];
static unsigned int nr_nics;

static int vlan_parse(const char *opt, const char *word, unsigned int *nr)
{
	uint64_t n;

	if (parse_u64(word ?: "0", &n) || n >= VLANS)
		return log_err("%s: vlan=%s: takes 0 to %d", opt, word, VLANS - 1);
	*nr = (unsigned int)n;
	return 0;
}

/* All that nobody has taken, as it was. */
static void put_rest(FILE *out, const struct keyvals *kvs)
{
	unsigned int i;

	for (i = 0; i < kvs->nr; i++) {
		if (kvs->kv[i].used)
			continue;
		fprintf(out, ",%s", kvs->kv[i].key);
		keyvals_put(out, "=", kvs->kv[i].val);
	}
}

/* A string that @fmt begins and what is left of @kvs ends. Return: kept; NULL after one logged line */
__attribute__((format(printf, 2, 3))) static const char *rewrite(const struct keyvals *kvs, const char *fmt, ...)
{
	const char *kept = NULL;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	va_list ap;

	if (out) {
		va_start(ap, fmt);
		vfprintf(out, fmt, ap);
		va_end(ap);
		put_rest(out, kvs);
		kept = fclose(out) ? NULL : cmdline_keep(text);
	}
	free(text);
	return kept;
}

static int backend_add(const char *type, struct keyvals *kvs)
{
	const char *name = keyvals_take(kvs, "name"), *id = keyvals_take(kvs, "id"), *arg;
	unsigned int n = 0;
	struct vlan *v;

	if (vlan_parse("-net", keyvals_take(kvs, "vlan"), &n))
		return -1;
	v = &vlans[n];
	if (*v->backend)
		return log_err("-net %s: vlan=%u has a network already, and takes one (see -netdev)", type, n);
	id = id ?: name;
	if (id && cmdline_check_id("-net", id, true))
		return -1;
	if (id)
		snprintf(v->backend, sizeof(v->backend), "%s", id);
	else
		snprintf(v->backend, sizeof(v->backend), "net-vlan%u", n);
	arg = rewrite(kvs, "%s,id=%s", type, v->backend);
	return arg ? netdev_add(arg) : -1;
}

/* ",macaddr=" and such of -net nic have other names as properties of the device. */
static int nic_add(struct keyvals *kvs)
{
	static const char *const names[][2] = { { "macaddr", "mac" }, { "name", "id" } };
	const char *model = keyvals_take(kvs, "model");
	unsigned int i, j;

	if (model && strncmp(model, "virtio", 6))
		return log_err("-net nic: model=%s: takes virtio, which is the default", model);
	if (nr_nics == VLANS)
		return log_err("-net nic: more than %d", VLANS);
	for (i = 0; i < kvs->nr; i++) {
		for (j = 0; j < 2; j++) {
			if (kvs->kv[i].used || strcmp(kvs->kv[i].key, names[j][0]))
				continue;
			free(kvs->kv[i].key);
			kvs->kv[i].key = strdup(names[j][1]);
			if (!kvs->kv[i].key)
				return log_err("-net: out of memory");
		}
	}
	nics[nr_nics] = rewrite(kvs, "virtio-net-pci");
	return nics[nr_nics++] ? 0 : -1;
}

int opt_net(struct vm_config *cfg, const char *arg)
{
	struct keyvals kvs;
	const char *type;
	int ret;

	(void)cfg;
	if (keyvals_parse(&kvs, "-net", "type", arg))
		return -1;
	type = keyvals_take(&kvs, "type") ?: "";
	if (!strcmp(type, "nic"))
		ret = nic_add(&kvs);
	else if (strcmp(type, "none"))
		ret = backend_add(type, &kvs);
	else
		ret = kvs.nr > 1 ? log_err("-net none: takes nothing else") : 0;
	keyvals_free(&kvs);
	return ret;
}

int cmdline_net_join(struct keyvals *kvs, const char *device)
{
	struct keyval *kv = kvs->kv;
	char *key, *val;
	unsigned int n = 0;

	while (kv < kvs->kv + kvs->nr && strcmp(kv->key, "vlan"))
		kv++;
	if (kv == kvs->kv + kvs->nr)
		return 0;
	if (vlan_parse(device, kv->val, &n))
		return -1;
	if (!*vlans[n].backend)
		return log_err("%s: vlan=%u: no -net has this number, such as -net user,vlan=%u", device, n, n);
	if (vlans[n].nic)
		return log_err("%s: vlan=%u has a NIC already, and takes one", device, n);
	key = strdup("netdev");
	val = strdup(vlans[n].backend);
	if (!key || !val) {
		free(key);
		free(val);
		return log_err("%s: out of memory", device);
	}
	free(kv->key);
	free(kv->val);
	*kv = (struct keyval){ .key = key, .val = val };
	vlans[n].nic = device;
	return 0;
}

int cmdline_net_nics(struct vm_config *cfg)
{
	const char *arg;
	unsigned int i;

	for (i = 0; i < nr_nics; i++) {
		arg = nics[i];
		/* vlan=0 need not be said */
		if (!strstr(arg, ",vlan=") && !strstr(arg, ",netdev=")) {
			struct keyvals none = { 0 };

			arg = rewrite(&none, "%s,vlan=0", arg);
		}
		if (!arg || opt_device(cfg, arg))
			return -1;
	}
	return 0;
}

void cmdline_net_finish(void)
{
	unsigned int n;

	for (n = 0; n < VLANS; n++)
		if (*vlans[n].backend && !vlans[n].nic)
			log_warn("-net: vlan=%u has no NIC", n);
}
