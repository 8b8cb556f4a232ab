/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a process meets its front-ends: --socket-path=PATH, or --fd=N, a socket that listens or is
 * connected already. One front-end at a time; the next one waits.
 */
#ifndef VHOST_USER_ENDPOINT_H
#define VHOST_USER_ENDPOINT_H

#include "session.h"

/**
 * struct vu_endpoint - a socket
 * @path: to make and remove, or NULL
 * @fd: given from outside, or -1
 */
struct vu_endpoint {
	const char *path;
	int fd;
};

/**
 * vu_endpoint_open() - listen, if it takes that; SIGTERM and SIGINT end the process from now on, with
 * status 0 and without its socket
 *
 * Return: 0, or -1 after one logged line
 */
int vu_endpoint_open(struct vu_endpoint *e);

/** vu_is_listening() - Return: 1, or 0 for another socket; or a negative errno */
int vu_is_listening(int fd);

/* Sockets that a process may listen at */
#define VU_LISTEN_MAX 64

/**
 * vu_listen() - listen at a unix socket, which goes with the process
 * @opt: for a message, such as "--socket-path"
 * @path: kept by reference
 *
 * Return: the socket, or -1 after one logged line
 */
int vu_listen(const char *opt, const char *path);

/**
 * vu_endpoint_serve() - one session after the other; only one on a connected socket
 * @d: its queues are made first; then the process is in its sandbox
 *
 * Return: 0 when a connected front-end left, -1 after a failure; with a path it does not end
 */
int vu_endpoint_serve(struct vu_endpoint *e, struct vu_device *d);

#endif
