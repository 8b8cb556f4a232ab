// SPDX-License-Identifier: GPL-2.0
/*
 * One character device for several clients: the serial port and the monitor on one terminal. Ctrl-A
 * begins a command, as in QEMU. What is typed while a client has no room is kept, up to a few
 * bytes, so that a guest that reads nothing does not disable the way out.
 *
 * Context: device lock held.
 */
#include "chardev_priv.h"

#include <string.h>

#define MUX_ESCAPE 1	/* Ctrl-A */

/* Return: whether something was taken */
static bool deliver_some(struct chardev_input *in)
{
	size_t n = in->nr_pend ? in->client.room(in->client.arg) : 0;

	if (n > in->nr_pend)
		n = in->nr_pend;
	if (!n)
		return false;
	in->client.input(in->client.arg, in->pend, n);
	in->nr_pend -= (unsigned int)n;
	memmove(in->pend, in->pend + n, in->nr_pend);
	return true;
}

void mux_deliver(struct chardev *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_clients; i++)
		while (deliver_some(&c->in[i]))
			;
}

size_t mux_room(struct chardev *c)
{
	return CHARDEV_PEND - c->in[c->focus].nr_pend;
}

static void mux_say(struct chardev *c, const char *s)
{
	chardev_write(c, s, strlen(s));
}

static void mux_type(struct chardev *c, uint8_t b)
{
	struct chardev_input *in = &c->in[c->focus];

	if (in->nr_pend < CHARDEV_PEND)
		in->pend[in->nr_pend++] = b;
}

static void mux_command(struct chardev *c, uint8_t b)
{
	const struct chardev_client *cl;

	switch (b) {
	case MUX_ESCAPE:
		mux_type(c, b);
		break;
	case 'x':
	case 'X':
		mux_say(c, "\r\nshunt: terminated\r\n");
		vm_request(c->vm, VM_QUIT, 0);
		break;
	case 'c':
	case 'C':
		mux_deliver(c);
		c->focus = (c->focus + 1) % c->nr_clients;
		cl = &c->in[c->focus].client;
		if (cl->opened)
			cl->opened(cl->arg);
		break;
	case 'h':
	case 'H':
	case '?':
		mux_say(c, "\r\nCtrl-A H  this help\r\nCtrl-A X  quit\r\n"
			"Ctrl-A C  switch between console and monitor\r\n"
			"Ctrl-A Ctrl-A  send Ctrl-A\r\n");
		break;
	default:
		break;
	}
}

void mux_input(struct chardev *c, const uint8_t *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (c->escape) {
			c->escape = false;
			mux_command(c, buf[i]);
		} else if (buf[i] == MUX_ESCAPE) {
			c->escape = true;
		} else {
			mux_type(c, buf[i]);
		}
	}
	mux_deliver(c);
}
