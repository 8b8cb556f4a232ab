/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Receive-side scaling by a program in the tap, rss.bpf.c. It goes with the tap, not with us: who stops to use the tap takes it out.
 *
 * Context: main thread, or a helper that has the device
 */
#ifndef VMM_TAP_RSS_H
#define VMM_TAP_RSS_H

#include "rss.h"
#include "../lib/vhost_user.h"

struct tap_rss;

/** tap_rss_open() - load the program. Return: it; NULL after one logged line about device @name */
struct tap_rss *tap_rss_open(const char *name);
/** tap_rss_close() - forget it; NULL is nothing */
void tap_rss_close(struct tap_rss *r);

/**
 * tap_rss_set() - packets go by @c from now on; queues below those in it are attached
 *
 * For a moment, packets may go by some of the old and some of the new.
 * Return: 0 or -errno
 */
int tap_rss_set(struct tap_rss *r, int tap_fd, const struct vhost_user_net_rss *c);
/** tap_rss_off() - packets go by whatever tun thinks of, also if another process has put a program there */
void tap_rss_off(int tap_fd);

/** tap_rss_map() - what the program is told */
void tap_rss_map(const struct vhost_user_net_rss *c, struct rss_map *to);
/** tap_rss_program() - Return: its descriptor, for tests */
int tap_rss_program(const struct tap_rss *r);

#endif
