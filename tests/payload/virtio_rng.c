// SPDX-License-Identifier: GPL-2.0
/*
 * Entropy, buffer after buffer: each is filled, whoever fills them may be killed meanwhile. rounds=n, pause=ms
 * between two of them, packed
 */
#include "rt/virtio.h"

#define BYTES	64
#define LOST_MS	15000

static struct virtio v;
static struct vq q;

/* Whether all 64 bytes come; @ones: bits of them */
static bool fill(u8 *buf, u32 *ones)
{
	struct vbuf b = { buf, BYTES };
	u32 len, i;
	u8 byte;

	memset(buf, 0, BYTES);
	if (!vq_add(&q, &b, 0, 1, buf))
		rt_die("the ring overflows");
	vq_kick(&q);
	if (!wait_until(vq_pop(&q, &len), LOST_MS))
		return false;
	for (i = 0; i < len && i < BYTES; i++)
		for (byte = buf[i]; byte; byte &= byte - 1)
			++*ones;
	return len == BYTES;
}

int main(void)
{
	u32 rounds = cmdline_num("rounds", 100), good = 0, same = 0, ones = 0, i;
	u8 *buf = alloc_pages(1), *last = alloc_pages(1);

	if (!virtio_find(&v, VIRTIO_RNG, 0))
		rt_die("no virtio-rng");
	if (!report(virtio_negotiate(&v, cmdline_has("packed") ? VF_PACKED : VF_EVENT_IDX) &&
		    vq_setup(&q, &v, 0, 8, NO_VECTOR), "it starts"))
		return 0;
	virtio_driver_ok(&v);
	rt_printf("# ready\n");
	for (i = 0; i < rounds; i++) {
		good += fill(buf, &ones);
		same += i && !memcmp(buf, last, BYTES);
		memcpy(last, buf, BYTES);
		delay_us(cmdline_num("pause", 0) * 1000);
	}
	report(good == rounds, "%u buffers of %u are filled", good, rounds);
	report(!same, "%u are as the one before", same);
	report(ones > rounds * BYTES * 3 && ones < rounds * BYTES * 5, "about half of the bits are set: %u", ones);
	report(!(virtio_status(&v) & VS_NEEDS_RESET), "the device needs no reset");
	return 0;
}
