/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device and two rings whose driver writes nonsense: state shared by the actors of fuzz-ring, and
 * the writing. One thread writes; others may call what is marked so.
 */
#ifndef TESTS_DRIVER_LIB_HOSTILE_H
#define TESTS_DRIVER_LIB_HOSTILE_H

#include "tests/driver/lib/fuzz.h"

#define HOSTILE_MEM	(8u << 20)
/* Of each queue, at the beginning of memory: descriptors, the driver's and the device's area */
#define HOSTILE_RING	(256u << 10)
#define HOSTILE_DRIVER	(128u << 10)
#define HOSTILE_DEVICE	(192u << 10)
#define HOSTILE_NUM	1024
#define HOSTILE_DATA	(1u << 20)
#define HOSTILE_DATA_SIZE (HOSTILE_MEM - HOSTILE_DATA - FUZZ_CUT)

/* What the children got done, for the parent; counted by each thread without a lock */
struct tally {
	uint64_t descs;
	uint64_t wild;
	uint64_t scribbles;
	uint64_t ioctls;
	uint64_t errors;
	uint64_t revived;
	uint64_t sent;
	uint64_t received;
};

/**
 * struct hring - a queue from our side; what lies in memory is reached through the alias
 * @driver: split: the avail ring; packed: the driver's event suppression
 * @device: split: the used ring; packed: the device's event suppression
 * @next: split: index of the next avail entry; packed: next descriptor
 * @wrap: packed: the driver's wrap counter
 */
struct hring {
	unsigned int index;
	unsigned int num;
	bool packed;
	void *desc;
	uint16_t *driver;
	uint16_t *device;
	uint16_t next;
	bool wrap;
	int kick;
	int call;
	int err;
};

struct hostile {
	struct fuzz_mem mem;
	struct tally *tally;
	struct vdrv_tap tap[2];
	struct hring ring[2];
	uint64_t offered;
	uint64_t features;
	int fd;
	int sock;
	bool stop;
};

/* A device, two taps, memory; nothing set up. 0 or a negative errno, the rest is the exit's */
int hostile_open(struct hostile *h, struct tally *tally, uint64_t *s);
/* Some that make sense together */
uint64_t hostile_features(struct hostile *h, uint64_t *s);
/* Owner, features, memory, rings and back ends by the book; 0 or a negative errno */
int hostile_setup(struct hostile *h);
/* The same, if @faults while allocations fail here and in what the device starts: at length */
int hostile_setup_faulty(struct hostile *h, bool faults);
/* Any thread: memory table of one region */
int hostile_set_mem(struct hostile *h);
/* Any thread: take the back end away, begin somewhere, go on */
int hring_restart(struct hostile *h, struct hring *r, uint64_t *s);
/* Any thread */
int hring_backend(struct hostile *h, const struct hring *r, int fd);
int hring_set_addr(struct hostile *h, const struct hring *r);
/* Write up to 32 chains into a ring and kick. */
void hostile_write(struct hostile *h, uint64_t *s);
/* Frames for the device to receive */
void hostile_send(struct hostile *h, uint64_t *s);

#endif /* TESTS_DRIVER_LIB_HOSTILE_H */
