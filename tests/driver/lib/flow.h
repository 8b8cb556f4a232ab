/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traffic through a rig, each frame checked: length and contents follow from its number, and the
 * numbers must come in order, each once.
 */
#ifndef TESTS_DRIVER_LIB_FLOW_H
#define TESTS_DRIVER_LIB_FLOW_H

#include "tests/driver/dtest.h"

#define FLOW_OTHER	0x80000000u

/**
 * struct flow - one direction of traffic
 * @r: the rig
 * @min: shortest frame
 * @max: longest frame; @min to @max are used evenly
 * @segments: descriptors of a frame to send
 * @buf_size: buffers to receive into (frames may take several with MRG_RXBUF)
 * @batch: frames before a kick, and in one go into the tap
 * @next: number of the next frame to send
 * @expect: number of the next frame to arrive
 * @calls: wake-ups by the call eventfd
 * @no_call: the device has no call eventfd
 * @gaps: frames may be missing, but not the last one
 * @other: with two sources: the number of the next frame from the one that is not looked at now.
 *	Numbers of one source have %FLOW_OTHER set.
 * @why: what was wrong
 */
struct flow {
	struct rig *r;
	unsigned int min;
	unsigned int max;
	unsigned int segments;
	unsigned int buf_size;
	unsigned int batch;
	uint32_t next;
	uint32_t expect;
	uint64_t calls;
	bool no_call;
	bool gaps;
	uint32_t *other;
	const char *why;
	/* inner */
	bool rx;
	uint64_t pool;
	unsigned int slot_size;
	unsigned int nslots;
	uint32_t *free_slot;
	unsigned int nfree;
	struct vdrv_inject inject;
};

int flow_open_tx(struct flow *f, struct rig *r);
int flow_open_rx(struct flow *f, struct rig *r);
void flow_close(struct flow *f);
/* Move @count more frames, all the way; 0 or a negative errno and what was wrong in @why. */
int flow_tx(struct flow *f, unsigned int count);
int flow_rx(struct flow *f, unsigned int count);
/* Its halves, for tests that change something in between */
int flow_tx_queue(struct flow *f, unsigned int count);
int flow_tx_finish(struct flow *f, unsigned int timeout_ms);
int flow_rx_send(struct flow *f, unsigned int count);
int flow_rx_finish(struct flow *f, unsigned int timeout_ms);

/**
 * struct both - a rig with a flow each way
 * @r: the rig
 * @tx: from the driver to the tap; zeroed but for what the case wants, like @rx
 * @rx: from the tap to the driver
 */
struct both {
	struct rig r;
	struct flow tx;
	struct flow rx;
};

/* Rig and flows, all but the back end; 0 or a negative errno. both_close() is due either way. */
int both_open(struct both *b, const struct rig_opt *o);
/* The same, then the back end */
int both_start(struct both *b, const struct rig_opt *o);
/* The flows alone, where the rig is open */
int both_open_flows(struct both *b);
void both_close(struct both *b);
/* Move @count frames out, then as many in; 0 or a negative errno. */
int both_run(struct both *b, unsigned int count);
/*
 * Both ways at once: @out frames queued and a kick if the device wants one, @in frames sent to it;
 * then wait for all of them.
 */
int both_send(struct both *b, unsigned int out, unsigned int in);
int both_finish(struct both *b, unsigned int timeout_ms);
/* What was wrong with either, or "" */
const char *both_why(const struct both *b);
/* One line of TAP, named by @fmt: ok if @ret is 0, else with the way and what was wrong there */
void both_report(const struct both *b, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* TESTS_DRIVER_LIB_FLOW_H */
