/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A control socket of a process, beside that of its front-ends: a line asks, and a line of JSON answers. A descriptor
 * may come with a line.
 *
 * It has a thread of its own, on which commands may wait; what they share with the session and with queues is theirs to
 * keep in order.
 */
#ifndef VHOST_USER_CONTROL_H
#define VHOST_USER_CONTROL_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

#include "lib/sandbox.h"

/* The lines of --help */
#define VU_HELP_CONTROL(_commands) \
	"  --control=PATH        listen at a unix socket for " _commands "\n" \
	"  --control-fd=N        the same at this socket, which is connected\n"

/**
 * struct vu_control - a control socket
 * @path: to make and remove, or NULL. @connected: a socket that is connected already, or -1
 * @dev: for @command
 * @command: @line asks. @fd: the descriptor that has come, or -1; who takes it leaves -1. Otherwise it is closed with the
 *	last line that came with it. Context: its thread. Return: the answer; or NULL when there is no memory
 */
struct vu_control {
	const char *path;
	int connected;
	void *dev;
	json_t *(*command)(void *dev, char *line, int *fd);

	int listening;
	int ending;
	pthread_t thread;
};

/** vu_control_there() - somebody may ask */
static inline bool vu_control_there(const struct vu_control *c)
{
	return c->path || c->connected >= 0;
}

/** vu_control_option() - --control-fd. Return: 0, or -1 after one logged line */
int vu_control_option(struct vu_control *c, const char *name, const char *arg);
/** vu_control_open() - listen, if it takes that. Return: 0, or -1 after one logged line */
int vu_control_open(struct vu_control *c);
/** vu_control_start() - serve it, if there is one; vu_device.start. Return: 0, or -1 after one logged line */
int vu_control_start(struct vu_control *c);
/** vu_control_finish() - no more; vu_device.finish */
void vu_control_finish(struct vu_control *c);

/** vu_control_error() - Return: an answer that says what is wrong */
json_t *vu_control_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What its thread calls beside sandbox_calls() */
#define VU_CONTROL_CALLS { .name = "poll" }, { .name = "ppoll" }

#endif
