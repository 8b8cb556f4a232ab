/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A command: what it asks for is found out here, without a queue and without touching the disk. Everything that
 * a driver can write is checked on the way: what comes out is an answer, or an operation on ranges that the disk has.
 */
#ifndef VHOST_USER_SCSI_CMD_H
#define VHOST_USER_SCSI_CMD_H

#include "scsi.h"

#define SAM_GOOD		0
#define SAM_CHECK_CONDITION	2
#define SAM_BUSY		8

/* Key, additional sense code and its qualifier (SPC-4, 4.5) */
#define SENSE(key, asc, ascq)	((key) << 16 | (asc) << 8 | (ascq))
#define SENSE_NO_MEDIUM		SENSE(2, 0x3a, 0)
#define SENSE_WRITE_ERROR	SENSE(3, 0x0c, 0)
#define SENSE_READ_ERROR	SENSE(3, 0x11, 0)
#define SENSE_LIST_LENGTH	SENSE(5, 0x1a, 0)
#define SENSE_OPCODE		SENSE(5, 0x20, 0)
#define SENSE_LBA		SENSE(5, 0x21, 0)
#define SENSE_CDB		SENSE(5, 0x24, 0)
#define SENSE_NO_LUN		SENSE(5, 0x25, 0)
#define SENSE_LIST		SENSE(5, 0x26, 0)
#define SENSE_NOT_SAVED		SENSE(5, 0x39, 0)
#define SENSE_LOCKED		SENSE(5, 0x53, 2)
#define SENSE_PROTECTED		SENSE(7, 0x27, 0)
#define SENSE_NO_SPACE		SENSE(7, 0x27, 7)
#define SENSE_MISCOMPARE	SENSE(14, 0x1d, 0)
/* Unit attentions, without their key */
#define ATTENTION_POWER_ON	0x2900
#define ATTENTION_RESET		0x2903
#define ATTENTION_NEXUS_LOSS	0x2907
#define ATTENTION_MEDIUM	0x2800
#define ATTENTION_CAPACITY	0x2a09
#define ATTENTION_LUNS		0x3f0e

/**
 * enum scsi_op - what is left to do
 * @SCSI_READ: @SCSI_WRITE: the range, with the driver's data
 * @SCSI_VERIFY: read the range
 * @SCSI_COMPARE: and compare it with the driver's data
 * @SCSI_SAME: write the driver's block, or zeroes, all over the range
 * @SCSI_FLUSH: make everything stable
 * @SCSI_RANGES: discard, or fill with zeroes
 */
enum scsi_op {
	SCSI_NONE, SCSI_READ, SCSI_WRITE, SCSI_VERIFY, SCSI_COMPARE, SCSI_SAME, SCSI_FLUSH, SCSI_RANGES,
};

/* Bytes of the disk */
struct scsi_range {
	uint64_t at;
	uint64_t len;
};

/**
 * struct scsi_room - memory for a command, one in each queue
 * @in: what it tells
 * @param: its parameter list
 * @range: of SCSI_RANGES
 */
struct scsi_room {
	uint8_t in[SCSI_IN_MAX];
	uint8_t param[SCSI_PARAM_MAX];
	struct scsi_range range[SCSI_RANGES_MAX];
};

/**
 * struct scsi_cmd - a command
 * @s: @addr: whom it was sent to
 * @cdb: of SCSI_CDB_LEN bytes, @cdb_len of them the driver's
 * @out_len: @in_len: bytes of data of the driver, and room for ours
 * @room: its memory; param has the first of the driver's data if it is of a kind that has a list
 *
 * @overrun: the driver's data, or its room, are not enough: nothing is done
 * @sense: SENSE() of what is wrong; or 0
 * @len: bytes in room->in that the driver gets; what @op moves
 * @op: what is left to do, in bytes @at... of the disk
 * @sync: it is to be stable when it is done
 * @mode: SCSI_RANGES: of fallocate()
 * @nr_ranges: of room->range
 */
struct scsi_cmd {
	struct scsi *s;
	struct scsi_addr addr;
	const uint8_t *cdb;
	uint32_t cdb_len;
	uint64_t out_len;
	uint64_t in_len;
	struct scsi_room *room;

	bool overrun;
	uint32_t sense;
	uint32_t len;
	enum scsi_op op;
	uint64_t at;
	bool sync;
	int mode;
	uint32_t nr_ranges;
};

/** scsi_cmd_param() - bytes of a parameter list that @c says to have, for room->param; 0 when it is of no such kind */
uint32_t scsi_cmd_param(const struct scsi_cmd *c);
/** scsi_cmd_run() - understand it */
void scsi_cmd_run(struct scsi_cmd *c);
/** scsi_sense() - fixed format sense data of SCSI_SENSE_LEN bytes */
void scsi_sense(uint8_t buf[SCSI_SENSE_LEN], uint32_t sense);

/* --- for handlers. They return 0 or SENSE() --- */

/** scsi_answer() - @len bytes of room->in, of which @alloc are wanted. Return: 0 */
uint32_t scsi_answer(struct scsi_cmd *c, uint32_t len, uint32_t alloc);

uint32_t scsi_inquiry(struct scsi_cmd *c);
uint32_t scsi_mode_sense(struct scsi_cmd *c);
uint32_t scsi_mode_select(struct scsi_cmd *c);

uint32_t scsi_read_capacity(struct scsi_cmd *c);
uint32_t scsi_service_action_in(struct scsi_cmd *c);
uint32_t scsi_read(struct scsi_cmd *c);
uint32_t scsi_write(struct scsi_cmd *c);
uint32_t scsi_verify(struct scsi_cmd *c);
uint32_t scsi_write_same(struct scsi_cmd *c);
uint32_t scsi_synchronize_cache(struct scsi_cmd *c);
uint32_t scsi_unmap(struct scsi_cmd *c);

uint32_t scsi_start_stop(struct scsi_cmd *c);
uint32_t scsi_prevent_allow(struct scsi_cmd *c);
uint32_t scsi_read_toc(struct scsi_cmd *c);
uint32_t scsi_get_configuration(struct scsi_cmd *c);
uint32_t scsi_get_event_status(struct scsi_cmd *c);
uint32_t scsi_read_disc_information(struct scsi_cmd *c);
uint32_t scsi_mechanism_status(struct scsi_cmd *c);

/* --- big endian --- */

static inline uint32_t get_be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t get_be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | get_be16(p + 1);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return get_be16(p) << 16 | get_be16(p + 2);
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

#endif
