// SPDX-License-Identifier: GPL-2.0
/*
 * The event queue of /dev/vhost-scsi: LUNs that come and go, events that found no buffer, and capacities
 * that change. TAP on stdout.
 *
 *	scsi-event WWPN LOOP FILE	lun 1 on this loop device, which is of the file, of 16 MiB
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/scsi.h"

#define BUFFERS	4
#define TARGET	"$SHUNT_TOP/build/bin/shunt-target"

static const char *wwpn;
static struct scsi s;
static struct virtio_scsi_event event[BUFFERS];
static struct scsi_req req[BUFFERS];

static void start(uint64_t features)
{
	struct reqs_opt o = { .features = SCSI_FEATURES | features };

	t_need(scsi_open(&s, &o), "device");
	t_need(scsi_endpoint(&s, wwpn, 1), "endpoint");
}

static void give(unsigned int i)
{
	req[i] = (struct scsi_req){ .resp = &event[i], .resp_len = sizeof(event[i]) };
	t_need(scsi_submit(&s, SCSI_EVENT, &req[i]), "buffer");
	/* The device, which waits for events, does not ask to hear of buffers. */
	vdrv_vq_kick_always(&s.q.vq[SCSI_EVENT]);
}

static void lun_add(unsigned int n)
{
	t_need(blk_sh(TARGET " add %s ramdisk:4M,lun=%u", wwpn, n), "shunt-target");
}

static void lun_remove(unsigned int n)
{
	t_need(blk_sh(TARGET " remove-lun %s %u", wwpn, n), "shunt-target");
}

/* The next event is in buffer @i, and about this LUN */
static void is_event(unsigned int i, uint32_t what, uint32_t reason, unsigned int lun, const char *name)
{
	const struct virtio_scsi_event *e = &event[i];
	const uint8_t want[8] = { 1, SCSI_TARGET, lun >= 256 ? 0x40 | lun >> 8 : 0, lun };
	uint64_t end = t_now_ms() + 10000;
	int ret = 0;

	while (!ret && !req[i].done && t_now_ms() < end)
		ret = reqs_wait(&s.q, SCSI_EVENT, 10000) ?: reqs_reap(&s.q, SCSI_EVENT) < 0 ? -EPROTO : 0;
	t_ok(!ret && req[i].done && le32toh(e->event) == what && le32toh(e->reason) == reason &&
	     (!lun || !memcmp(e->lun, want, 8)) && req[i].used == (t_stock() ? 0 : sizeof(*e)),
	     "%s: %s, event %#x reason %#x, lun %u of target %u, used %u %s", name, t_err(ret),
	     le32toh(e->event), le32toh(e->reason), (e->lun[2] & 0x3f) << 8 | e->lun[3], e->lun[1],
	     req[i].used, ret ? s.q.why : "");
}

static void test_hotplug(void)
{
	const uint32_t reset = VIRTIO_SCSI_T_TRANSPORT_RESET;

	start(VDRV_BIT(VIRTIO_SCSI_F_HOTPLUG));
	give(0);
	give(1);
	lun_add(5);
	is_event(0, reset, VIRTIO_SCSI_EVT_RESET_RESCAN, 5, "a LUN comes");
	lun_remove(5);
	is_event(1, reset, VIRTIO_SCSI_EVT_RESET_REMOVED, 5, "it goes");
	give(0);
	give(1);
	lun_add(300);
	is_event(0, reset, VIRTIO_SCSI_EVT_RESET_RESCAN, 300, "a LUN of a higher number comes");
	lun_remove(300);
	is_event(1, reset, VIRTIO_SCSI_EVT_RESET_REMOVED, 300, "it goes");
	scsi_close(&s);
}

static uint32_t missed(void)
{
	uint32_t n = 77;

	return ioctl(s.q.dev.fd, VHOST_SCSI_GET_EVENTS_MISSED, &n) ? 77 : n;
}

/* Without a buffer an event is lost; the driver is told of that, and a VMM takes it along. */
static void test_missed(void)
{
	const uint32_t lost = VIRTIO_SCSI_T_NO_EVENT | VIRTIO_SCSI_T_EVENTS_MISSED;
	uint32_t one = 1;
	uint64_t end;

	start(VDRV_BIT(VIRTIO_SCSI_F_HOTPLUG));
	t_ok(!missed(), "none is missed");
	lun_add(5);
	for (end = t_now_ms() + 5000; !missed() && t_now_ms() < end;)
		t_sleep_ms(5);
	t_ok(missed() == 1, "one without a buffer is");
	give(0);
	is_event(0, lost, 0, 0, "the driver is told with the next buffer");
	t_ok(!missed(), "and that is that");
	t_ok(!ioctl(s.q.dev.fd, VHOST_SCSI_SET_EVENTS_MISSED, &one) && missed() == 1, "a VMM says that one is");
	give(1);
	is_event(1, lost, 0, 0, "the driver is told of that too");
	lun_remove(5);
	scsi_close(&s);
}

static void test_not_wanted(void)
{
	start(0);
	give(0);
	lun_add(5);
	lun_remove(5);
	t_ok(!vdrv_event_wait(s.q.vq[SCSI_EVENT].call, 300) && !reqs_reap(&s.q, SCSI_EVENT) && !missed(),
	     "who has not negotiated HOTPLUG hears nothing");
	scsi_close(&s);
}

static void test_change(const char *loop, const char *file)
{
	if (t_stock()) {
		t_skip("stock has no VIRTIO_SCSI_F_CHANGE");
		return;
	}
	start(VDRV_BIT(VIRTIO_SCSI_F_CHANGE));
	give(0);
	t_need(blk_sh("truncate -s 17M %s && losetup -c %s", file, loop), "losetup");
	/* CAPACITY DATA HAS CHANGED */
	is_event(0, VIRTIO_SCSI_T_PARAM_CHANGE, 0x2a | 0x09 << 8, 1, "a capacity changes");
	t_need(blk_sh("truncate -s 16M %s && losetup -c %s", file, loop), "losetup");
	scsi_close(&s);
}

int main(int argc, char **argv)
{
	t_need(argc == 4 ? 0 : -EINVAL, "usage: scsi-event WWPN LOOP FILE");
	wwpn = argv[1];
	test_hotplug();
	test_missed();
	test_not_wanted();
	test_change(argv[2], argv[3]);
	return t_done();
}
