/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vhost-net takes as back ends besides a tap of our own: a macvtap and a packet socket, both on
 * one end of a veth pair whose other end stands for the network.
 */
#ifndef TESTS_DRIVER_LIB_BACKEND_H
#define TESTS_DRIVER_LIB_BACKEND_H

#include "tests/driver/dtest.h"

enum backend_kind {
	BACKEND_TAP,
	BACKEND_MACVTAP,
	BACKEND_PACKET,
	BACKEND_NR,
};

extern const char *const backend_names[BACKEND_NR];

/*
 * Open one, with a virtio-net header of @hdr_len in front of each frame, or none. t->ifindex is where
 * frames are injected that it is to receive, and where those that it sent come out. vdrv_tap_close()
 * ends it.
 */
int backend_open(struct vdrv_tap *t, enum backend_kind kind, unsigned int hdr_len);
/* The end of the veth pair that macvtap and packet socket sit on goes down or up. */
int backend_link(bool up);

#endif /* TESTS_DRIVER_LIB_BACKEND_H */
