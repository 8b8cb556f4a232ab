/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs in tests/driver share: TAP output, "case: result" output for programs whose
 * results on the stock module are the reference, and a rig of device, memory, tap and queues.
 */
#ifndef TESTS_DRIVER_DTEST_H
#define TESTS_DRIVER_DTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/vdrv.h"

#define DTEST_DEVICE	"/dev/vhost-net"
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* TAP: one line a check; the plan comes at the end, with the exit status. */
bool t_ok(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void t_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void t_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int t_done(void);
/* Set-up that the rest cannot do without: says what is missing and ends the program. */
void t_need(int ret, const char *what);

/* One line "name: result", to be compared with the same program's on the other module. */
void t_case(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "0", "EFAULT", ... for 0 or a negative errno */
const char *t_err(int ret);

/* Small files, as the kernel has them: bytes read, the end marked by a zero; or a negative errno */
int t_read_file(const char *path, char *buf, size_t size);
int t_write_file(const char *path, const char *text);
uint64_t t_now_ms(void);
void t_sleep_ms(unsigned int ms);

/*
 * Rings are as the environment says: DRIVER_LAYOUT is packed, in_order, or packed-in_order; without it
 * they are split. The feature bits of that, for devices with VERSION_1.
 */
uint64_t t_layout(void);
bool t_packed(void);

/* Is it the stock module? DRIVER_MODULE says so. */
bool t_stock(void);

/* Features that nearly all cases use */
#define RIG_FEATURES	(VDRV_BIT(VIRTIO_F_VERSION_1) | VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF) | \
			 VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC))

/**
 * struct rig_opt - what a case wants
 * @features: acknowledged to the device, together with t_layout() where VERSION_1 is among them
 * @num: ring size of both queues
 * @mem_size: bytes of guest memory, 0 for 16 MiB
 * @regions: that it is cut into, 0 for one; at most 64 on the stock module
 * @indirect_max: descriptors a table, 0 for no tables
 * @base: first index of both rings
 * @offload: TUN_F_ flags of the tap
 * @mtu: of the tap, 0 to leave it
 * @backend: enum backend_kind, for which the two above count for nothing unless it is a tap
 */
struct rig_opt {
	uint64_t features;
	unsigned int num;
	size_t mem_size;
	unsigned int regions;
	unsigned int indirect_max;
	uint16_t base;
	unsigned int offload;
	unsigned int mtu;
	int backend;
};

struct rig {
	struct vdrv_mem mem;
	struct vdrv_dev dev;
	struct vdrv_tap tap;
	struct vdrv_vq vq[2];
	size_t hdr_len;
	int sock;
};

/* Device, tap and rings, everything but the backend; 0 or a negative errno with all closed. */
int rig_open(struct rig *r, const struct rig_opt *o);
int rig_start(struct rig *r);
/* Take the backend away: what the device was doing is done when this returns. */
void rig_stop(struct rig *r);
void rig_close(struct rig *r);
/* Wait until the device has used all that was added: 0 or -ETIMEDOUT */
int rig_wait_used(const struct vdrv_vq *vq);
/* Bytes of the device's own area of a ring, in the layout of t_layout(): @used or @device_event */
size_t rig_used_size(const struct vdrv_vq *vq);

#endif /* TESTS_DRIVER_DTEST_H */
