// SPDX-License-Identifier: GPL-2.0
/*
 * Character devices that a process opens instead of the VMM: which, and in what words it is told of them, those of
 * shunt-console's --port. Listening and connecting, pseudo-terminals and files are the process's then.
 */
#include "chardev_priv.h"

#include "../lib/log.h"

/* Return: why it cannot be lent, or NULL */
static const char *refusal(const struct chardev *c)
{
	const struct chardev_opts *o = &c->o;

	if (c->kind == &chardev_pipe)
		return "a port takes a socket, pty, file, null or stdio, no pipe";
	if (o->mux)
		return "mux=on: a port has its chardev alone";
	if (c->kind == &chardev_pty && o->path)
		return "path= of a pty: a port's pty has no link";
	if (c->kind != &chardev_socket)
		return NULL;
	if (!o->path)
		return "a port takes a Unix socket by its path=";
	if (o->server && o->wait != PROP_OFF)
		return "wait=on: the guest does not wait for a port's client; pass wait=off";
	return o->reconnect_s ? "reconnect=: a port's process connects once" : NULL;
}

int chardev_lend(const char *opt, const char *id)
{
	struct chardev *c = chardev_find(id);
	const char *why;

	if (!c)
		return log_err("%s: chardev=%s: no such -chardev", opt, id);
	why = c->lent ? "in use by another device" : refusal(c);
	if (why)
		return log_err("%s: chardev=%s: %s", opt, id, why);
	c->lent = true;
	return 0;
}

bool chardev_lent(const char *id, FILE *out)
{
	const struct chardev *c = chardev_find(id);

	fputs(c->kind->name, out);
	keyvals_put(out, ",path=", c->o.path);
	if (c->kind == &chardev_file)
		fputs(",append=on", out);
	if (c->o.server)
		fputs(",server=on", out);
	if (c->o.signal == PROP_OFF)
		fputs(",signal=off", out);
	return c->kind == &chardev_stdio;
}
