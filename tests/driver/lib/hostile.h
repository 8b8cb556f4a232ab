/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device of any kind and two rings whose driver writes nonsense: state shared by the actors of fuzz-ring, and
 * the writing. One thread writes; others may call what is marked so.
 */
#ifndef TESTS_DRIVER_LIB_HOSTILE_H
#define TESTS_DRIVER_LIB_HOSTILE_H

#include "tests/driver/lib/fuzz.h"

#define HOSTILE_MEM	(8u << 20)
/* Of each queue, at the beginning of memory: descriptors, the driver's and the device's area. Room for four */
#define HOSTILE_RING	(256u << 10)
#define HOSTILE_DRIVER	(128u << 10)
#define HOSTILE_DEVICE	(192u << 10)
#define HOSTILE_NUM	1024
#define HOSTILE_TABLE	24
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

/**
 * struct hostile - the device
 * @tap: of a network device
 * @backend: what queues may be tied to: the taps, a disk with and without a page cache; of SCSI, 0
 * @target: of SCSI
 */
struct hostile {
	struct fuzz_mem mem;
	struct tally *tally;
	struct vdrv_tap tap[2];
	int backend[2];
	enum fuzz_device kind;
	const char *target;
	struct hring ring[2];
	uint64_t offered;
	uint64_t features;
	int fd;
	int sock;
	bool stop;
};

/*
 * A device, its back ends, memory; nothing set up. 0 or a negative errno, the rest is the exit's
 * @backend: of a block device, or the name of a target; NULL for one of networks
 */
int hostile_open(struct hostile *h, struct tally *tally, const char *backend, uint64_t *s);
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
/* At the end: frames, or requests, that went each way, into the tally */
void hostile_count(struct hostile *h);
/* Frames for the device to receive, if it is one of networks */
void hostile_send(struct hostile *h, uint64_t *s);

/* Inner, for all: @len bytes somewhere among the data, in a chain, and where they are */
struct vring_desc hostile_piece(struct hostile *h, uint64_t *s, uint32_t len, bool write);
void *hostile_at(const struct hostile *h, const struct vring_desc *d);

/* Inner, hostile_blk.c: as the above say */
int hblk_open(struct hostile *h, const char *backend);
int hblk_backend(struct hostile *h, const struct hring *r, int fd);
void hblk_count(struct hostile *h);
/* A request of any kind, for a table of at most @max descriptors; how many */
unsigned int hblk_table(struct hostile *h, uint64_t *s, struct vring_desc *table, unsigned int max);

/* Inner, hostile_scsi.c: as the above say; @r is the ring that the request is for */
void hscsi_open(struct hostile *h, const char *target, uint64_t *s);
int hscsi_backend(struct hostile *h, bool on);
void hscsi_count(struct hostile *h);
unsigned int hscsi_table(struct hostile *h, uint64_t *s, const struct hring *r, struct vring_desc *table,
			 unsigned int max);

#endif /* TESTS_DRIVER_LIB_HOSTILE_H */
