// SPDX-License-Identifier: GPL-2.0
/* A keyboard with lights: what it says of itself, choice by choice, and a light that comes back as an event. */
#include "rt/virtio.h"

#define INPUT		18
#define SELECT		0
#define SUBSEL		1
#define SIZE		2
#define DATA		8
#define ID_NAME		1
#define ID_SERIAL	2
#define EV_BITS		0x11
#define EV_SYN		0
#define EV_LED		0x11
#define LOST_MS		15000

struct event {
	u16 type, code;
	u32 value;
};

static struct virtio v;
static struct vq q[2];		/* events, status */

/* Return: bytes that there are of it; the first one to *@first */
static u32 choose(u8 select, u8 subsel, u8 *first)
{
	mmio_w8(v.dev + SELECT, select);
	mmio_w8(v.dev + SUBSEL, subsel);
	*first = mmio_r8(v.dev + DATA);
	return mmio_r8(v.dev + SIZE);
}

static bool event_is(const struct event *want)
{
	struct event *e = NULL;
	u32 len = 0;

	wait_until((e = vq_pop(&q[0], &len)) != NULL, LOST_MS);
	return e && len == sizeof(*e) && !memcmp(e, want, len);
}

int main(void)
{
	struct event *e = alloc_pages(1), *led = alloc_pages(1), syn = { EV_SYN, 0, 0 };
	struct vbuf b = { led, sizeof(*led) };
	char name[16] = "";
	u8 first;
	u32 n, i;

	if (!virtio_find(&v, INPUT, 0))
		rt_die("no virtio-input");
	report(virtio_negotiate(&v, 0) && mmio_r16(v.common + VC_NUMQ) == 2, "it has two queues");
	n = choose(ID_NAME, 0, &first);
	for (i = 0; i < n && i + 1 < sizeof(name); i++)
		name[i] = (char)mmio_r8(v.dev + DATA + i);
	report(!memcmp(name, "a test keyboard", sizeof(name)), "it is \"%s\"", name);
	n = choose(EV_BITS, EV_LED, &first);
	report(n == 1 && first == 7, "three lights: %u, 0x%x", n, first);
	report(!choose(ID_SERIAL, 0, &first) && !choose(EV_BITS, 1, &first), "no serial number, no keys");
	n = choose(EV_BITS, EV_LED, &first);
	report(n == 1 && first == 7, "the lights again, after what there is not");
	if (!vq_setup(&q[0], &v, 0, 16, NO_VECTOR) || !vq_setup(&q[1], &v, 1, 16, NO_VECTOR))
		rt_die("no queues");
	virtio_driver_ok(&v);
	for (i = 0; i < 4; i++) {
		struct vbuf in = { e + i, sizeof(*e) };

		vq_add(&q[0], &in, 0, 1, e + i);
	}
	vq_kick(&q[0]);
	*led = (struct event){ EV_LED, 1, 1 };
	vq_add(&q[1], &b, 1, 0, led);
	vq_kick(&q[1]);
	report(wait_until(vq_pop(&q[1], NULL), LOST_MS), "a light is switched on");
	report(event_is(led) && event_is(&syn), "which comes back");
	n = choose(ID_NAME, 0, &first);
	report(n == 15 && first == 'a', "it says still what it is");
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
