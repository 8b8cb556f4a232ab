// SPDX-License-Identifier: GPL-2.0
/*
 * A console and ports: what comes by one of them goes back by it, in capitals. "# port N console|port NAME" says which there
 * are; a '.' that comes ends it. packed; single: a driver that knows of one console and no ports
 */
#include "rt/virtio.h"

#define CONSOLE		3
#define CF_MULTIPORT	(1ull << 1)
#define CONFIG_PORTS	4
#define PORTS_MAX	8
#define RING		16
#define BYTES		256
#define LOST_MS		15000

enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };

struct control {
	u32 id;
	u16 event, value;
	char name[BYTES - 8];
};

/* Queues come in pairs, receive and transmit: port 0, control, the other ports: virtio 1.2, 5.3.2 */
static struct virtio v;
static struct vq rx[PORTS_MAX + 1], tx[PORTS_MAX + 1];
static u8 *out[PORTS_MAX + 1];
static bool console[PORTS_MAX], opened[PORTS_MAX];
static u32 nr, bytes;

#define CTRL	PORTS_MAX

static u16 queue_of(u32 port)
{
	return port == CTRL ? 2 : port ? 2 * port + 2 : 0;
}

static void give(u32 port, void *buf)
{
	struct vbuf b = { buf, BYTES };

	if (!vq_add(&rx[port], &b, 0, 1, buf))
		rt_die("the ring overflows");
}

static void pair_start(u32 port)
{
	u32 i;

	if (!vq_setup(&rx[port], &v, queue_of(port), RING, NO_VECTOR) ||
	    !vq_setup(&tx[port], &v, queue_of(port) + 1, RING, NO_VECTOR))
		rt_die("no queues for port %u", port);
	out[port] = alloc_pages(1);
	for (i = 0; i < RING / 2; i++)
		give(port, alloc_pages(1));
}

static void send(u32 port, u32 len)
{
	struct vbuf b = { out[port], len };

	vq_add(&tx[port], &b, 1, 0, out[port]);
	vq_kick(&tx[port]);
	if (!wait_until(vq_pop(&tx[port], NULL), LOST_MS))
		rt_die("port %u does not take what is sent", port);
}

static void tell(u32 id, u16 event)
{
	struct control *c = (void *)out[CTRL];

	*c = (struct control){ .id = id, .event = event, .value = 1 };
	send(CTRL, 8);
}

static void heard(struct control *c, u32 len)
{
	if (c->id >= nr || len < 8)
		rt_die("a message of %u bytes about port %u", len, c->id);
	if (c->event == PORT_ADD)
		tell(c->id, PORT_READY);
	if (c->event == CONSOLE_PORT)
		console[c->id] = true;
	if (c->event == PORT_NAME)
		c->name[len - 8] = 0;
	if (c->event == PORT_NAME || c->event == CONSOLE_PORT)
		rt_printf("# port %u %s %s\n", c->id, c->event == PORT_NAME ? "port" : "console",
			  c->event == PORT_NAME ? c->name : "");
	if ((c->event == PORT_OPEN || c->event == CONSOLE_PORT) && !opened[c->id]) {
		opened[c->id] = true;
		tell(c->id, PORT_OPEN);
	}
}

/* Return: whether an end was asked for */
static bool echo(u32 port, const u8 *in, u32 len)
{
	bool end = false;
	u32 i;

	for (i = 0; i < len; i++) {
		out[port][i] = in[i] >= 'a' && in[i] <= 'z' ? in[i] - 32 : in[i];
		end |= in[i] == '.';
	}
	bytes += len;
	send(port, len);
	return end;
}

static bool serve(u32 port)
{
	bool end = false;
	u8 *buf;
	u32 len;

	while ((buf = vq_pop(&rx[port], &len))) {
		if (port == CTRL)
			heard((void *)buf, len);
		else
			end |= echo(port, buf, len);
		give(port, buf);
		vq_kick(&rx[port]);
	}
	return end;
}

int main(void)
{
	u64 want = (cmdline_has("packed") ? VF_PACKED : 0) | (cmdline_has("single") ? 0 : CF_MULTIPORT);
	bool end = false;
	u32 i;

	if (!virtio_find(&v, CONSOLE, 0))
		rt_die("no virtio-console");
	if (!report(virtio_negotiate(&v, want), "it starts"))
		return 0;
	nr = v.features & CF_MULTIPORT ? mmio_r32(v.dev + CONFIG_PORTS) : 1;
	if (!report(nr && nr <= PORTS_MAX, "%u ports", nr))
		return 0;
	if (v.features & CF_MULTIPORT)
		pair_start(CTRL);
	for (i = 0; i < nr; i++)
		pair_start(i);
	virtio_driver_ok(&v);
	for (i = 0; i <= CTRL; i++)
		if (rx[i].v)
			vq_kick(&rx[i]);
	if (v.features & CF_MULTIPORT)
		tell(0, DEVICE_READY);
	rt_printf("# ready\n");
	while (!end)
		for (i = 0; i <= CTRL; i++)
			if (rx[i].v)
				end |= serve(i);
	report(bytes, "%u bytes", bytes);
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
