/* SPDX-License-Identifier: GPL-2.0 */
/* Packets of a file that takes and gives one at a time, each with its header: a tap, for one. */
#ifndef VHOST_USER_NET_FILE_H
#define VHOST_USER_NET_FILE_H

#include "net.h"

/**
 * net_file_open() - @fd serves a pair of queues. Context: control
 * @fd: non-blocking
 *
 * Return: 0, or -1 after one logged line
 */
int net_file_open(struct net *n, unsigned int pair, int fd);

/** net_file_mtu() - see net_backend.mtu: that of the interface net.link_name, if there is net.link */
unsigned int net_file_mtu(const struct net *n);
/** net_file_announce() - see net_backend.announce: by RARP, as a host that has booted would ask who it is */
void net_file_announce(const struct net *n, const uint8_t *mac);

/* The operations of its queues, see queue.h */
bool net_file_rx(struct vu_queue *q);
void net_file_rx_stop(struct vu_queue *q);
void net_file_rx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe);
bool net_file_tx(struct vu_queue *q);
void net_file_tx_stop(struct vu_queue *q);
void net_file_tx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe);

#endif
