/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shunt-balloon: a virtio-balloon device, which gives memory that its guest has no use for back to the host.
 *
 * balloon.c serves the queues, balloon_control.c has the commands of the control socket, see control.h: what they share
 * with the session and with the queue of statistics is atomic.
 */
#ifndef VHOST_USER_BALLOON_H
#define VHOST_USER_BALLOON_H

#include <linux/virtio_balloon.h>
#include <stdbool.h>

#include "control.h"
#include "session.h"

#define BALLOON_PAGE		(1U << VIRTIO_BALLOON_PFN_SHIFT)
#define BALLOON_TARGET_MAX	((uint64_t)UINT32_MAX << VIRTIO_BALLOON_PFN_SHIFT)

/*
 * Drivers number the queues that there are; the specification leaves those out that were not negotiated. Free
 * pages are reported by the one or by the other, there being no hints.
 */
enum { BALLOON_Q_INFLATE, BALLOON_Q_DEFLATE, BALLOON_Q_STATS, BALLOON_Q_REPORT, BALLOON_Q_REPORT_SPEC, BALLOON_QUEUES };

/* A statistic that the guest has not told */
#define BALLOON_UNKNOWN UINT64_MAX

/**
 * struct balloon - the device
 * @d: for its queues
 * @control: somebody may set its target there
 * @target: pages that the guest is asked for: by the control socket. Atomic. @told: those that the front-end knows of
 * @actual: that it has given: by the session. Atomic
 * @stats: @reporting: features that were negotiated; the first is atomic
 * @stat: by number, BALLOON_UNKNOWN or as the guest tells: by the queue of statistics. Atomic
 * @updated: an eventfd: written by the queue when they have been told that were asked for
 * @wanted: they are to be asked for: set by the control socket, cleared by the queue. Atomic
 * @held: the buffer that asks for them when it is used. @asked: it has. The queue's
 * @failed: giving memory back has failed, and it was told. Atomic
 */
struct balloon {
	struct vu_device *d;
	struct vu_control control;
	uint32_t target;
	uint32_t told;
	uint32_t actual;
	bool stats;
	bool reporting;
	uint64_t stat[VIRTIO_BALLOON_S_NR];
	int updated;
	bool wanted;
	struct vu_req *held;
	bool asked;
	bool failed;
};

/** balloon_queue_ops() - of vu_device */
const struct vu_queue_ops *balloon_queue_ops(void *dev, unsigned int index, int *file);

/** balloon_set_target() - in bytes, "256M". Context: any. Return: 0, or -1: not a number of pages; nothing is logged */
int balloon_set_target(struct balloon *b, const char *size);
/** balloon_command() - of struct vu_control */
json_t *balloon_command(void *dev, char *line, int *fd);
/** balloon_start() - serve the control socket, if there is one. Of vu_device. Return: 0, or -1 after one logged line */
int balloon_start(void *dev);
/** balloon_finish() - no more. Of vu_device */
void balloon_finish(void *dev);

#endif
