/* SPDX-License-Identifier: GPL-2.0 */
/* What netdev.c asks of the tun driver. Main thread; @id names the netdev in messages. */
#ifndef VMM_TAP_H
#define VMM_TAP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * tap_open() - make or join a tap that this process holds: one that it made vanishes with it
 * @want: interface name, or NULL
 * @multi: one queue of several
 * @ifname: 16 bytes; gets the name
 * Return: descriptor, non-blocking; -1 after one logged line
 */
int tap_open(const char *id, const char *want, bool multi, char *ifname);
/** tap_adopt() - take an inherited descriptor over. Return: @fd, or -1 after one logged line */
int tap_adopt(const char *id, int fd, char *ifname);

/** tap_run_script() - "script ifname", waited for. Return: 0, or -1 after logging its failure */
int tap_run_script(const char *id, const char *script, const char *ifname);

/** tap_mtu() - Return: bytes, 0 if unknown */
uint32_t tap_mtu(const char *ifname);

/* see netdev_set_offload(), netdev_offloads(), netdev_set_filter(), netdev_announce() */
int tap_set_offload(int fd, uint64_t virtio_features);
uint64_t tap_offloads(int fd);
int tap_set_filter(int fd, const uint8_t (*mac)[6], unsigned int nr, bool allmulti);
int tap_announce(int fd, const uint8_t *mac);
/** tap_use_queue() - whether packets come by this queue of several. Return: 0 or -errno */
int tap_use_queue(int fd, bool on);

/** vhost_fd_is_net() - whether @fd answers as vhost-net does */
bool vhost_fd_is_net(int fd);

#endif
