// SPDX-License-Identifier: GPL-2.0
/*
 * The commands of shunt-scsi, each good and bad, and task management functions while commands are under way. TAP
 * on stdout; SCSI_SOCKET is where it listens.
 *
 *	scsi-cmd FILE PID	it is process PID, and has at target 1: lun 0 on FILE of 16 MiB, serial=one; lun 1 read only; lun 2 a CD-ROM of 16 MiB;
 *			lun 300 with blocks of 4096 bytes, 128 MiB. Target 3: lun 5
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/scsi.h"

#define LEN	(64u << 10)
/* Its lun 0, and others */
enum { ONE, READONLY, CDROM, BIG = 300 };

static const char *path;
static uint64_t blocks;
static unsigned char *buf, *got;

#define POWER_ON	SENSE(6, 0x29, 0)
#define NO_MEDIUM	SENSE(2, 0x3a, 0)
#define LIST_LENGTH	SENSE(5, 0x1a, 0)
#define OPCODE		SENSE(5, 0x20, 0)
#define LBA		SENSE(5, 0x21, 0)
#define FIELD		SENSE(5, 0x24, 0)
#define NO_LUN		SENSE(5, 0x25, 0)
#define LIST		SENSE(5, 0x26, 0)
#define NOT_SAVED	SENSE(5, 0x39, 0)
#define LOCKED		SENSE(5, 0x53, 2)
#define PROTECTED	SENSE(7, 0x27, 0)
#define MISCOMPARE	SENSE(14, 0x1d, 0)
#define OVERRUN		(VIRTIO_SCSI_S_OVERRUN << 8)

/* Bytes of text in hexadecimal */
static uint32_t from_hex(const char *text, unsigned char *to)
{
	unsigned int b;
	uint32_t n = 0;

	for (; *text; text += *text == ' ' ? 1 : 2)
		if (*text != ' ' && sscanf(text, "%2x", &b) == 1)
			to[n++] = b;
	return n;
}

/* What has no data, or what of data is wrong: @want is SENSE(), OVERRUN, or 0 for good */
static const struct {
	const char *name;
	unsigned int lun;
	const char *cdb;
	/* Hexadecimal; or bytes of room, where there is none */
	const char *out;
	uint32_t in;
	uint32_t want;
} cases[] = {
	{ "no such command", ONE, "ff 00 00 00 00 00", NULL, 0, OPCODE },
	{ "COMPARE AND WRITE", ONE, "89 00 0000000000000000 000000 01 00 00", NULL, 0, OPCODE },
	{ "PERSISTENT RESERVE IN", ONE, "5e 00 00 00 00 00 00 0040 00", NULL, 64, OPCODE },
	{ "RESERVE (6)", ONE, "16 00 00 00 00 00", NULL, 0, OPCODE },
	{ "NACA", ONE, "00 00 00 00 00 04", NULL, 0, FIELD },
	{ "no such LUN", 7, "00 00 00 00 00 00", NULL, 0, NO_LUN },
	{ "no such LUN, nor such a command", 7, "ff 00 00 00 00 00", NULL, 0, NO_LUN },

	{ "INQUIRY of a page without EVPD", ONE, "12 00 80 00 24 00", NULL, 36, FIELD },
	{ "INQUIRY with CMDDT", ONE, "12 02 00 00 24 00", NULL, 36, FIELD },
	{ "INQUIRY of a page that is none", ONE, "12 01 b7 00 ff 00", NULL, 255, FIELD },
	{ "INQUIRY of a disk's page of a CD-ROM", CDROM, "12 01 b0 00 ff 00", NULL, 255, FIELD },
	{ "INQUIRY of a page of a LUN that is none", 7, "12 01 80 00 ff 00", NULL, 255, FIELD },
	{ "INQUIRY into too little", ONE, "12 00 00 00 24 00", NULL, 35, OVERRUN },
	{ "INQUIRY of no bytes", ONE, "12 00 00 00 00 00", NULL, 0, 0 },
	{ "REPORT LUNS of a kind that is none", ONE, "a0 00 03 000000 00000100 00 00", NULL, 256, FIELD },
	{ "REPORT LUNS into too little", ONE, "a0 00 00 000000 00000100 00 00", NULL, 8, OVERRUN },
	{ "REQUEST SENSE in descriptor format", ONE, "03 01 00 00 12 00", NULL, 18, FIELD },

	{ "MODE SENSE of saved pages", ONE, "1a 00 c8 00 ff 00", NULL, 255, NOT_SAVED },
	{ "MODE SENSE of a page that is none", ONE, "1a 00 07 00 ff 00", NULL, 255, FIELD },
	{ "MODE SENSE of a subpage that is none", ONE, "1a 00 08 01 ff 00", NULL, 255, FIELD },
	{ "MODE SENSE of a disk's page of a CD-ROM", CDROM, "1a 00 08 00 ff 00", NULL, 255, FIELD },
	{ "MODE SELECT without PF", ONE, "15 00 00 00 04 00", "00000000", 0, FIELD },
	{ "MODE SELECT with SP", ONE, "15 11 00 00 04 00", "00000000", 0, FIELD },
	{ "MODE SELECT of no bytes", ONE, "15 10 00 00 00 00", NULL, 0, 0 },
	{ "MODE SELECT of a header", ONE, "15 10 00 00 04 00", "00000000", 0, 0 },
	{ "MODE SELECT of half of one", ONE, "15 10 00 00 02 00", "0000", 0, LIST_LENGTH },
	{ "MODE SELECT with less data than it says", ONE, "15 10 00 00 18 00", "00000000", 0, OVERRUN },
	{ "MODE SELECT of half a page", ONE, "15 10 00 00 08 00", "00000000 08120400", 0, LIST_LENGTH },
	{ "MODE SELECT of a byte of a page", ONE, "15 10 00 00 05 00", "00000000 08", 0, LIST_LENGTH },
	{ "MODE SELECT of a page that is none", ONE, "15 10 00 00 06 00", "00000000 0700", 0, LIST },
	{ "MODE SELECT of a page of another length", ONE, "15 10 00 00 18 00",
	  "00000000 081104 0000000000000000000000000000000000", 0, LIST },
	{ "MODE SELECT of what cannot be changed", ONE, "15 10 00 00 18 00",
	  "00000000 081205 0000000000000000000000000000000000", 0, LIST },
	{ "MODE SELECT of other blocks", ONE, "15 10 00 00 0c 00", "00000008 00000000 00001000", 0, LIST },
	{ "MODE SELECT of a descriptor behind the end", ONE, "15 10 00 00 06 00", "00000008 0000", 0, LIST_LENGTH },
	{ "MODE SELECT of its own blocks", ONE, "15 10 00 00 0c 00", "00000008 00000000 00000200", 0, 0 },
	{ "MODE SELECT (10) of a long list", ONE, "55 10 00 00 00 00 00 ffff 00", "00", 0, OVERRUN },

	{ "READ CAPACITY (10) of a block", ONE, "25 00 00000001 00 0000 00", NULL, 8, FIELD },
	{ "READ CAPACITY (10) into too little", ONE, "25 00 00000000 00 0000 00", NULL, 7, OVERRUN },
	{ "READ CAPACITY (16) of a CD-ROM", CDROM, "9e 10 0000000000000000 00000020 00 00", NULL, 32, FIELD },
	{ "another service action", ONE, "9e 11 0000000000000000 00000020 00 00", NULL, 32, FIELD },
	{ "READ (10) with RDPROTECT", ONE, "28 20 00000000 00 0001 00", NULL, 512, FIELD },
	{ "READ (10) into too little", ONE, "28 00 00000000 00 0002 00", NULL, 1023, OVERRUN },
	{ "READ (16) at 2^64 - 1", ONE, "88 00 ffffffffffffffff 00000001 00 00", NULL, 512, LBA },
	{ "READ (16) of 2^32 - 1 blocks", ONE, "88 00 0000000000000001 ffffffff 00 00", NULL, 512, LBA },
	{ "READ (12) of more than may be moved", BIG, "a8 00 00000000 00004001 00 00", NULL, 512, FIELD },
	{ "READ (6) of 256 blocks into fewer", ONE, "08 00 00 00 00 00", NULL, 512, OVERRUN },
	{ "READ (6) of a CD-ROM", CDROM, "08 00 00 00 01 00", NULL, 2048, OPCODE },
	{ "READ of nothing at the end", ONE, "28 00 00008000 00 0000 00", NULL, 0, 0 },
	{ "READ of nothing behind it", ONE, "28 00 00008001 00 0000 00", NULL, 0, LBA },
	{ "WRITE (10) to what is read only", READONLY, "2a 00 00000000 00 0001 00", "00", 0, PROTECTED },
	{ "WRITE (10) to a CD-ROM", CDROM, "2a 00 00000000 00 0001 00", "00", 0, OPCODE },
	{ "WRITE (10) of too little", ONE, "2a 00 00000000 00 0001 00", "00", 0, OVERRUN },
	{ "WRITE (16) at 2^64 - 1", ONE, "8a 00 ffffffffffffffff 00000001 00 00", "00", 0, LBA },
	{ "VERIFY (10)", ONE, "2f 00 00000000 00 0100 00", NULL, 0, 0 },
	{ "VERIFY (12)", CDROM, "af 00 00000000 00000100 00 00", NULL, 0, 0 },
	{ "VERIFY (10) over the end", ONE, "2f 00 00007fff 00 0002 00", NULL, 0, LBA },
	{ "VERIFY (10), BYTCHK, without data", ONE, "2f 02 00000000 00 0001 00", NULL, 0, OVERRUN },
	{ "VERIFY (10), BYTCHK of a kind that is none", ONE, "2f 06 00000000 00 0001 00", NULL, 0, FIELD },
	{ "SYNCHRONIZE CACHE (10)", ONE, "35 00 00000000 00 0000 00", NULL, 0, 0 },
	{ "SYNCHRONIZE CACHE (16)", ONE, "91 00 0000000000000000 00000000 00 00", NULL, 0, 0 },
	{ "SYNCHRONIZE CACHE (16) behind the end", ONE, "91 00 0000000100000000 00000000 00 00", NULL, 0, LBA },
	{ "SYNCHRONIZE CACHE of what is read only", READONLY, "35 00 00000000 00 0000 00", NULL, 0, 0 },

	{ "UNMAP of nothing", ONE, "42 00 00000000 00 0000 00", NULL, 0, 0 },
	{ "UNMAP of an empty list", ONE, "42 00 00000000 00 0008 00", "0006000000000000", 0, 0 },
	{ "UNMAP of half a list", ONE, "42 00 00000000 00 0004 00", "00060000", 0, LIST_LENGTH },
	{ "UNMAP with ANCHOR", ONE, "42 01 00000000 00 0008 00", "0006000000000000", 0, FIELD },
	{ "UNMAP over the end", ONE, "42 00 00000000 00 0018 00",
	  "0016001000000000 0000000000007fff 00000002 00000000", 0, LBA },
	{ "UNMAP at 2^64 - 1", ONE, "42 00 00000000 00 0018 00",
	  "0016001000000000 ffffffffffffffff ffffffff 00000000", 0, LBA },
	{ "UNMAP of what is read only", READONLY, "42 00 00000000 00 0018 00",
	  "0016001000000000 0000000000000000 00000001 00000000", 0, PROTECTED },
	{ "UNMAP of a CD-ROM", CDROM, "42 00 00000000 00 0000 00", NULL, 0, OPCODE },
	{ "WRITE SAME of no blocks", ONE, "41 00 00000000 00 0000 00", "00", 0, FIELD },
	{ "WRITE SAME of less than a block", ONE, "41 00 00000000 00 0001 00", "00", 0, OVERRUN },
	{ "WRITE SAME with ANCHOR", ONE, "93 18 0000000000000000 00000001 00 00", "00", 0, FIELD },
	{ "WRITE SAME over the end", ONE, "93 01 0000000000000001 00008000 00 00", NULL, 0, LBA },

	{ "START", ONE, "1b 00 00 00 01 00", NULL, 0, 0 },
	{ "STOP", ONE, "1b 00 00 00 00 00", NULL, 0, 0 },
	{ "a power condition", ONE, "1b 00 00 00 10 00", NULL, 0, FIELD },
	{ "a disk is not ejected", ONE, "1b 00 00 00 02 00", NULL, 0, FIELD },
	{ "nor locked", ONE, "1e 00 00 00 01 00", NULL, 0, OPCODE },
	{ "READ TOC of a disk", ONE, "43 00 00 00 00 00 00 0014 00", NULL, 20, OPCODE },
	{ "READ TOC of a track that is none", CDROM, "43 00 00 00 00 00 02 0014 00", NULL, 20, FIELD },
	{ "READ TOC of a format that is none", CDROM, "43 00 05 00 00 00 00 0014 00", NULL, 20, FIELD },
	{ "GET CONFIGURATION of a kind that is none", CDROM, "46 03 0000 000000 00ff 00", NULL, 255, FIELD },
	{ "GET EVENT STATUS that waits", CDROM, "4a 00 0000 10 0000 00ff 00", NULL, 255, FIELD },
	{ "READ DISC INFORMATION of a type that is none", CDROM, "51 01 0000 000000 0022 00", NULL, 34, FIELD },
};

static void test_cases(struct scsi *s)
{
	static unsigned char out[256];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scsi_cmd c = { .req = { .in = got, .in_len = cases[i].in } };
		uint32_t want = cases[i].want, len = cases[i].out ? from_hex(cases[i].out, out) : 0, moved;
		int ret;

		c.req.out = out;
		c.req.out_len = len;
		ret = scsi_do(s, &c, cases[i].lun, "%s", cases[i].cdb);
		/* What went wrong moved nothing; of lists that are good, all is taken. */
		moved = want || cases[i].in ? 0 : len;
		t_ok(ret == (int)(want >> 8 == OVERRUN >> 8 ? OVERRUN : want ? SAM_CHECK_CONDITION : 0) &&
		     (want == OVERRUN || scsi_sense(&c) == want) &&
		     le32toh(c.resp.resid) == cases[i].in + len - moved && c.req.used == SCSI_RESP,
		     "%s: %s, residual %u", cases[i].name, ret < 0 ? t_err(ret) : scsi_text(&c),
		     le32toh(c.resp.resid));
	}
}

/* Run a command that has an answer, which begins with these bytes; "--" stands for any */
static void answers(struct scsi *s, unsigned int lun, const char *cdb, uint32_t room, uint32_t len, const char *begin,
		    const char *name)
{
	struct scsi_cmd c = { .req = { .in = got, .in_len = room } };
	int ret = scsi_do(s, &c, lun, "%s", cdb);
	unsigned int b, n = 0;
	bool same = true;

	for (; *begin; begin += *begin == ' ' ? 1 : 2) {
		if (*begin == ' ')
			continue;
		if (sscanf(begin, "%2x", &b) == 1)
			same = same && got[n] == b;
		n++;
	}
	t_ok(!ret && same && le32toh(c.resp.resid) == room - len && c.req.used == SCSI_RESP + len,
	     "%s: %s, %u bytes: %02x %02x %02x %02x %02x %02x %02x %02x", name, ret < 0 ? t_err(ret) : scsi_text(&c),
	     room - le32toh(c.resp.resid), got[0], got[1], got[2], got[3], got[4], got[5], got[6], got[7]);
}

static void test_answers(struct scsi *s)
{
	static const char zero[16];

	answers(s, ONE, "12 00 00 00 ff 00", 255, 36, "00 00 06 12 1f 00 00 02 5348554e54202020 4449534b", "INQUIRY");
	answers(s, ONE, "12 00 00 00 05 00", 255, 5, "00 00 06 12 1f", "INQUIRY of 5 bytes");
	answers(s, CDROM, "12 00 00 00 ff 00", 255, 36, "05 80", "INQUIRY of a CD-ROM");
	answers(s, 7, "12 00 00 00 ff 00", 255, 36, "7f", "INQUIRY of a LUN that is none");
	answers(s, ONE, "12 01 00 00 ff 00", 255, 11, "00 00 00 07 00 80 83 86 b0 b1 b2", "pages of a disk");
	answers(s, CDROM, "12 01 00 00 ff 00", 255, 8, "05 00 00 04 00 80 83 86", "pages of a CD-ROM");
	answers(s, ONE, "12 01 80 00 ff 00", 255, 7, "00 80 00 03 6f6e65", "serial number");
	answers(s, BIG, "12 01 80 00 ff 00", 255, 20, "00 80 00 10", "one that is made up");
	answers(s, ONE, "12 01 83 00 ff 00", 255, 4 + 4 + 27 + 12, "00 83 00 2b 02 01 00 1b 5348554e54202020",
		"identification");
	t_ok(got[35] == 1 && got[36] == 3 && got[38] == 8 && got[39] >> 4 == 3, "which has an NAA");
	answers(s, ONE, "12 01 b0 00 ff 00", 255, 64, "00 b0 00 3c 01 00 00 01 00020000", "block limits");
	t_ok(got[21] && got[27] == 32 && got[41], "of UNMAP and WRITE SAME, too");
	answers(s, READONLY, "12 01 b0 00 ff 00", 255, 64, "00 b0 00 3c 01 00 00 01 00020000",
		"those of what is read only");
	t_ok(!memcmp(got + 20, zero, 16), "none of UNMAP");
	answers(s, ONE, "12 01 b1 00 ff 00", 255, 64, "00 b1 00 3c 00 01", "it does not rotate");
	answers(s, ONE, "12 01 b2 00 ff 00", 255, 8, "00 b2 00 04 00 e4 02", "thin provisioning");
	answers(s, READONLY, "12 01 b2 00 ff 00", 255, 8, "00 b2 00 04 00 00 00", "not of what is read only");

	answers(s, ONE, "a0 00 00 000000 00000100 00 00", 256, 40,
		"00000020 00000000 0000000000000000 0001000000000000 0002000000000000 412c000000000000", "REPORT LUNS");
	answers(s, 7, "a0 00 01 000000 00000100 00 00", 256, 16, "00000008 00000000 c101", "the well known one");
	answers(s, ONE, "a0 00 02 000000 00000100 00 00", 256, 48, "00000028", "all of them");
	answers(s, ONE, "03 00 00 00 ff 00", 255, 18, "70 00 00 00000000 0a 00000000 0000", "REQUEST SENSE");
	answers(s, 7, "03 00 00 00 ff 00", 255, 18, "70 00 05 00000000 0a 00000000 2500", "of a LUN that is none");

	answers(s, ONE, "1a 00 08 00 ff 00", 255, 32, "1f 00 10 08 00008000 00000200 08 12 04 00", "MODE SENSE (6)");
	answers(s, ONE, "1a 08 48 00 ff 00", 255, 24, "17 00 10 00 08 12 04 00", "what can be changed");
	answers(s, READONLY, "5a 00 0a 00 00 00 00 00ff 00", 255, 28,
		"001a 00 90 00 00 0008 00008000 00000200 0a 0a 02 10",
		"MODE SENSE (10) of what is read only");
	answers(s, ONE, "5a 08 3f 00 00 00 00 00ff 00", 255, 8 + 12 + 20 + 12, "0032 00 10 00 00 0000 01 0a",
		"all pages");
	answers(s, CDROM, "5a 00 2a 00 00 00 00 00ff 00", 255, 8 + 22, "001c 00 00 00 00 0000 2a 14", "a CD-ROM's");

	answers(s, ONE, "25 00 00000000 00 0000 00", 8, 8, "00007fff 00000200", "READ CAPACITY (10)");
	answers(s, BIG, "25 00 00000000 00 0000 00", 8, 8, "00007fff 00001000", "of blocks of 4096 bytes");
	answers(s, CDROM, "25 00 00000000 00 0000 00", 8, 8, "00001fff 00000800", "of a CD-ROM");
	answers(s, ONE, "9e 10 0000000000000000 00000020 00 00", 64, 32, "0000000000007fff 00000200 00 00 c0 00",
		"READ CAPACITY (16)");
	answers(s, ONE, "9e 10 0000000000000000 0000000c 00 00", 64, 12, "0000000000007fff 00000200", "12 bytes of it");
}

static void test_cd(struct scsi *s)
{
	static const char eject[] = "1b 00 00 00 02 00", load[] = "1b 00 00 00 03 00", ready[] = "00 00 00 00 00 00";
	struct scsi_cmd c = { 0 };

	answers(s, CDROM, "43 00 00 00 00 00 00 0324 00", 804, 20,
		"0012 01 01 00 14 01 00 00000000 00 14 aa 00 00002000", "READ TOC");
	answers(s, CDROM, "43 02 00 00 00 00 aa 0324 00", 804, 12, "000a 01 01 00 14 aa 00 00 01 33 11",
		"the end, as a time");
	answers(s, CDROM, "43 00 01 00 00 00 00 000c 00", 12, 12, "000a 01 01 00 14 01 00 00000000", "sessions");
	answers(s, CDROM, "46 02 0000 000000 0100 00", 256, 20, "00000010 0000 0008 0000 03 08 0010 00 00 0008 01 00",
		"GET CONFIGURATION");
	answers(s, CDROM, "46 02 0003 000000 0100 00", 256, 16, "0000000c 0000 0008 0003 0b 04 39", "removable");
	answers(s, CDROM, "51 00 0000 000000 0022 00", 64, 34, "0020 0e 01 01 01 01 20", "READ DISC INFORMATION");
	answers(s, CDROM, "4a 01 0000 10 0000 0008 00", 8, 8, "0006 04 10 00 02", "GET EVENT STATUS: a medium");
	answers(s, CDROM, "4a 01 0000 02 0000 0008 00", 8, 4, "0002 80 10", "of a class that is none");
	answers(s, CDROM, "bd 00 00000000 0000 0008 00 00", 8, 8, "00 00 00 00", "MECHANISM STATUS");

	t_ok(!scsi_do(s, &c, CDROM, "1e 00 00 00 01 00") && scsi_do(s, &c, CDROM, eject) && scsi_sense(&c) == LOCKED,
	     "locked, it is not ejected: %s", scsi_text(&c));
	t_ok(!scsi_do(s, &c, CDROM, "1e 00 00 00 00 00") && !scsi_do(s, &c, CDROM, eject), "unlocked, it is: %s",
	     scsi_text(&c));
	t_ok(scsi_do(s, &c, CDROM, ready) && scsi_sense(&c) == NO_MEDIUM, "no medium: %s", scsi_text(&c));
	answers(s, CDROM, "03 00 00 00 ff 00", 255, 18, "70 00 02 00000000 0a 00000000 3a00", "REQUEST SENSE says so");
	answers(s, CDROM, "4a 01 0000 10 0000 0008 00", 8, 8, "0006 04 10 03 01", "removed");
	answers(s, CDROM, "46 02 0000 000000 0008 00", 8, 8, "00000010 0000 0000", "no profile");
	t_ok(!scsi_do(s, &c, CDROM, load), "loaded: %s", scsi_text(&c));
	answers(s, CDROM, "4a 01 0000 10 0000 0008 00", 8, 8, "0006 04 10 02 02", "new");
	t_ok(scsi_do(s, &c, CDROM, ready) && scsi_sense(&c) == SENSE(6, 0x28, 0), "a unit attention: %s",
	     scsi_text(&c));
	t_ok(!scsi_do(s, &c, CDROM, ready), "ready: %s", scsi_text(&c));
	c = (struct scsi_cmd){ .req = { .in = got, .in_len = 4096 } };
	t_ok(!scsi_do(s, &c, CDROM, "a8 00 00000001 00000002 00 00") && !c.resp.resid, "READ (12) of its blocks: %s",
	     scsi_text(&c));
}

/* A command with data out, and what comes of it */
static int out(struct scsi *s, unsigned int lun, const void *data, uint32_t len, struct scsi_cmd *c, const char *cdb)
{
	*c = (struct scsi_cmd){ .req = { .out = data, .out_len = len } };
	return scsi_do(s, c, lun, "%s", cdb);
}

static bool file_is(const void *want, uint32_t len, uint64_t at)
{
	return !blk_file_read(path, got, len, at) && !memcmp(want, got, len);
}

static void test_data(struct scsi *s)
{
	static const struct { const char *name, *cdb; } same[] = {
		{ "WRITE SAME (10)", "41 00 00000100 00 1000 00" },
		{ "WRITE SAME (16)", "93 00 0000000000000100 00001000 00 00" },
	}, none[] = {
		{ "WRITE SAME (10) of zeroes", "41 00 00000100 00 1000 00" },
		{ "WRITE SAME (10) of zeroes, UNMAP", "41 08 00000100 00 1000 00" },
		{ "WRITE SAME (16), NDOB", "93 01 0000000000000100 00001000 00 00" },
		{ "WRITE SAME (16), NDOB, UNMAP", "93 09 0000000000000100 00001000 00 00" },
	};
	const uint32_t len = 0x1000 * SCSI_BLOCK, at = 0x100 * SCSI_BLOCK;
	unsigned char *big = blk_buf(len + 2 * SCSI_BLOCK), *zero = blk_buf(len);
	struct scsi_cmd c;
	unsigned int i;
	int ret;

	memset(zero, 0, len);
	blk_fill(buf, LEN, 77);
	ret = out(s, ONE, buf, LEN, &c, "2a 18 00000010 00 0080 00");
	t_ok(!ret && file_is(buf, LEN, 0x10 * SCSI_BLOCK), "WRITE (10), FUA and DPO: %s", scsi_text(&c));
	ret = out(s, ONE, buf, LEN, &c, "2f 02 00000010 00 0080 00");
	t_ok(!ret && !c.resp.resid, "VERIFY, BYTCHK: it is there: %s", scsi_text(&c));
	buf[LEN - 1] ^= 1;
	ret = out(s, ONE, buf, LEN, &c, "8f 02 0000000000000010 00000080 00 00");
	t_ok(ret == SAM_CHECK_CONDITION && scsi_sense(&c) == MISCOMPARE, "VERIFY (16), BYTCHK: a bit is not: %s",
	     scsi_text(&c));
	ret = out(s, ONE, buf, LEN, &c, "2a 00 00000010 00 0001 00");
	t_ok(!ret && le32toh(c.resp.resid) == LEN - 512, "WRITE of less than the data: %s, residual %u", scsi_text(&c),
	     le32toh(c.resp.resid));

	for (i = 0; i < 2; i++) {
		blk_fill(big, len + 2 * SCSI_BLOCK, i);
		t_need(blk_file_write(path, big, len + 2 * SCSI_BLOCK, at - SCSI_BLOCK), "write");
		ret = out(s, ONE, buf + i * 512, 512, &c, same[i].cdb);
		for (uint32_t k = 0; k < len; k += 512)
			memcpy(big + 512 + k, buf + i * 512, 512);
		t_need(blk_file_read(path, zero, len, at), "read");
		t_ok(!ret && !c.resp.resid && !memcmp(big + 512, zero, len) && file_is(big, 512, at - 512) &&
		     file_is(big + 512 + len, 512, at + len), "%s of 4096 blocks, and no more: %s", same[i].name,
		     scsi_text(&c));
		memset(zero, 0, len);
	}
	for (i = 0; i < ARRAY_SIZE(none); i++) {
		blk_fill(big, len + 2 * SCSI_BLOCK, i);
		t_need(blk_file_write(path, big, len + 2 * SCSI_BLOCK, at - SCSI_BLOCK), "write");
		ret = out(s, ONE, zero, i < 2 ? 512 : 0, &c, none[i].cdb);
		t_need(blk_file_read(path, big + 512, len, at), "read");
		t_ok(!ret && !memcmp(big + 512, zero, len) && file_is(big, 512, at - 512) &&
		     file_is(big + 512 + len, 512, at + len), "%s: %s", none[i].name, scsi_text(&c));
	}
	free(big);
	free(zero);
}

static void test_unmap(struct scsi *s)
{
	static const char *const list[] = { "0026002000000000", "0000000000000200 00000008 00000000",
					    "0000000000000210 00000008 00000000" };
	unsigned char p[64] = { 0 }, zero[4096] = { 0 };
	struct scsi_cmd c;
	uint32_t n = 0;
	unsigned int i;
	int ret;

	blk_fill(buf, 0x20 * 512, 3);
	t_need(blk_file_write(path, buf, 0x20 * 512, 0x200 * 512), "write");
	for (i = 0; i < 3; i++)
		n += from_hex(list[i], p + n);
	ret = out(s, ONE, p, n, &c, "42 00 00000000 00 0028 00");
	t_ok(!ret && !c.resp.resid && file_is(zero, 4096, 0x200 * 512) && file_is(zero, 4096, 0x210 * 512) &&
	     file_is(buf + 4096, 4096, 0x208 * 512), "UNMAP of two ranges: %s", scsi_text(&c));
	/* The second one is bad: the first one is not done either. */
	t_need(blk_file_write(path, buf, 4096, 0x200 * 512), "write");
	p[24] = 0xff;
	ret = out(s, ONE, p, n, &c, "42 00 00000000 00 0028 00");
	t_ok(ret && scsi_sense(&c) == LBA && file_is(buf, 4096, 0x200 * 512), "a bad one among them: %s",
	     scsi_text(&c));
}

/* Caching on and off, as the driver wants; a reset turns it on. */
static void test_cache(struct scsi *s)
{
	unsigned char p[24] = { 0, 0, 0, 0, 0x08, 0x12 };
	struct scsi_cmd c;

	t_ok(!out(s, ONE, p, sizeof(p), &c, "15 10 00 00 18 00"), "the cache is turned off: %s", scsi_text(&c));
	answers(s, ONE, "1a 08 08 00 ff 00", 255, 24, "17 00 10 00 08 12 00", "it is");
	answers(s, ONE, "1a 08 88 00 ff 00", 255, 24, "17 00 10 00 08 12 04", "and is not by default");
	blk_fill(buf, LEN, 5);
	t_ok(!scsi_io(s, true, ONE, 5, buf, LEN) && file_is(buf, LEN, 5 * 512), "a write goes to the file");
	t_ok(!scsi_tmf(s, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, SCSI_TARGET, ONE, 0), "LOGICAL UNIT RESET");
	c = (struct scsi_cmd){ 0 };
	t_ok(scsi_do(s, &c, ONE, "00 00 00 00 00 00") && scsi_sense(&c) == SENSE(6, 0x29, 3), "a unit attention: %s",
	     scsi_text(&c));
	answers(s, ONE, "1a 08 08 00 ff 00", 255, 24, "17 00 10 00 08 12 04", "it is on again");
}

/* Some of each LUN's blocks, by random commands, against a copy of them */
static void test_random(struct scsi *s, unsigned int lun, uint32_t block)
{
	enum { BLOCKS = 256, ROUNDS = 400 };
	unsigned char *copy = calloc(BLOCKS, block), *data = blk_buf(LEN);
	uint64_t seed = lun + 1;
	unsigned int i;
	int ret = 0;

	t_need(out(s, lun, copy, block, &(struct scsi_cmd){ 0 }, "93 00 0000000000000000 00000100 00 00"), "zeroes");
	for (i = 0; i < ROUNDS && !ret; i++) {
		uint32_t n, at;
		struct scsi_cmd c = { 0 };
		bool write;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		n = 1 + (seed >> 33) % (LEN / block);
		at = (seed >> 40) % (BLOCKS - n);
		write = seed >> 62 & 1;
		if (write) {
			blk_fill(data, n * block, seed);
			memcpy(copy + at * block, data, n * block);
			c.req.out = data;
			c.req.out_len = n * block;
		} else {
			c.req.in = data;
			c.req.in_len = n * block;
		}
		ret = i & 1 ? scsi_do(s, &c, lun, "%02x 00 %08x %08x 00 00", write ? 0xaa : 0xa8, at, n) :
			      scsi_do(s, &c, lun, "%02x 00 %08x 00 %04x 00", write ? 0x2a : 0x28, at, n);
		if (!ret && (c.resp.resid || memcmp(copy + at * block, data, n * block)))
			ret = -EBADMSG;
	}
	t_ok(!ret, "LUN %u: %u random commands: %s", lun, i, ret < 0 ? t_err(ret) : "good");
	free(copy);
	free(data);
}

/* Whom a command is for: @want is a response, or with 256, SENSE() */
static void test_addresses(struct scsi *s)
{
	static const struct { uint8_t lun[8]; const char *cdb; int want; uint32_t sense; const char *name; } a[] = {
		{ { 1, 1, 0x41, 0x2c }, "00 00 00 00 00 00", 0, 0, "target 1, LUN 300" },
		{ { 1, 3, 0x40, 5 }, "00 00 00 00 00 00", 0, 0, "target 3, LUN 5" },
		{ { 1, 3, 0, 5 }, "00 00 00 00 00 00", 0, 0, "the same, peripheral addressing" },
		{ { 1, 3, 0, 0 }, "00 00 00 00 00 00", 2, NO_LUN, "target 3 has no LUN 0" },
		{ { 1, 3, 0, 0 }, "a0 00 00 000000 00000010 00 00", 0, 0, "which reports LUNs" },
		{ { 1, 2, 0, 0 }, "00 00 00 00 00 00", VIRTIO_SCSI_S_BAD_TARGET << 8, 0, "target 2" },
		{ { 1, 1, 0x40, 0, 0, 0, 0, 1 }, "00 00 00 00 00 00", 2, NO_LUN, "a second level" },
		{ { 1, 1, 0x80, 0 }, "00 00 00 00 00 00", 2, NO_LUN, "another way of addressing" },
		{ { 0, 0, 0, 0 }, "00 00 00 00 00 00", VIRTIO_SCSI_S_BAD_TARGET << 8, 0, "nobody" },
		{ { 1, 1, 0xc1, 1 }, "00 00 00 00 00 00", 0, 0, "a target's well known LUN" },
		{ { 1, 1, 0xc1, 1 }, "25 00 00000000 00 0000 00", 2, OPCODE, "which has no capacity" },
		{ { 0xc1, 1, 0, 0 }, "a0 00 00 000000 00000010 00 00", 0, 0, "the device's well known LUN" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(a); i++) {
		struct scsi_cmd c = { .req = { .in = got, .in_len = 64 } };
		int ret;

		scsi_cmd(s, &c, 0, "%s", a[i].cdb);
		memcpy(c.hdr.lun, a[i].lun, 8);
		ret = scsi_run(s, SCSI_REQUEST, &c.req) ?: scsi_result(&c);
		if (ret == SAM_CHECK_CONDITION && scsi_sense(&c) >> 16 == 6) {
			memcpy(c.hdr.lun, a[i].lun, 8);
			ret = scsi_run(s, SCSI_REQUEST, &c.req) ?: scsi_result(&c);
		}
		t_ok(ret == a[i].want && scsi_sense(&c) == a[i].sense, "%s: %s", a[i].name,
		     ret < 0 ? t_err(ret) : scsi_text(&c));
	}
	t_ok(got[3] == 5 * 8 && got[8] == 1 && got[9] == 1 && got[10] == 0x40, "that has five, as they are addressed");
}

/* One command of each LUN hears of the power on, and of no other; INQUIRY does not. */
static void test_attention(struct scsi *s)
{
	static const unsigned int luns[] = { ONE, READONLY, CDROM, BIG };
	struct scsi_cmd c = { 0 }, inquiry = { .req = { .in = got, .in_len = 36 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		int ret = scsi_do(s, &inquiry, luns[i], "12 00 00 00 24 00");

		ret = ret ?: scsi_do(s, &c, luns[i], "00 00 00 00 00 00");
		t_ok(ret == SAM_CHECK_CONDITION && scsi_sense(&c) == POWER_ON && le32toh(c.resp.sense_len) == 18,
		     "LUN %u: INQUIRY, then a unit attention: %s", luns[i], scsi_text(&c));
		ret = scsi_do(s, &c, luns[i], "00 00 00 00 00 00");
		t_ok(!ret, "once: %s", scsi_text(&c));
	}
}

static void test_config(struct scsi *s)
{
	struct virtio_scsi_config c;
	const uint32_t cdb_size = htole32(16), sense_size = htole32(8);
	struct scsi_cmd cmd = { 0 };
	int ret;

	t_need(vdrv_user_get_config(s->q.dev.fd, &c, sizeof(c)), "configuration");
	t_ok(le32toh(c.num_queues) == 2 && le32toh(c.seg_max) == 126 && le32toh(c.max_sectors) == 131072 &&
	     le32toh(c.cmd_per_lun) == 128 && le32toh(c.event_info_size) == 16 && le32toh(c.sense_size) == 96 &&
	     le32toh(c.cdb_size) == 32 && !c.max_channel && le16toh(c.max_target) == 3 && le32toh(c.max_lun) == 16383,
	     "configuration");
	ret = vdrv_user_set_config(s->q.dev.fd, offsetof(struct virtio_scsi_config, cdb_size), &cdb_size, 4) ?:
	      vdrv_user_set_config(s->q.dev.fd, offsetof(struct virtio_scsi_config, sense_size), &sense_size, 4);
	t_need(ret, "sizes");
	/* What is behind the CDB and the sense data is data, now. */
	scsi_cmd(s, &cmd, ONE, "ff 00 00 00 00 00");
	cmd.req.hdr_len = offsetof(struct virtio_scsi_cmd_req, cdb) + 16;
	cmd.req.resp_len = offsetof(struct virtio_scsi_cmd_resp, sense) + 8;
	ret = scsi_run(s, SCSI_REQUEST, &cmd.req) ?: scsi_result(&cmd);
	t_ok(ret == SAM_CHECK_CONDITION && le32toh(cmd.resp.sense_len) == 8 && cmd.resp.sense[2] == 5 &&
	     cmd.req.used == cmd.req.resp_len, "requests are as short as that: %s, used %u", t_err(ret), cmd.req.used);
}

/* --- task management while a command is under way: one that reads it all --- */

static struct scsi_cmd slow;
static uint64_t slow_tag;

static void start_slow(struct scsi *s, unsigned int q)
{
	slow = (struct scsi_cmd){ 0 };
	scsi_cmd(s, &slow, BIG, "8f 00 0000000000000000 00008000 00 00");
	slow_tag = le64toh(slow.hdr.tag);
	t_need(scsi_submit(s, q, &slow.req) ?: reqs_kick(&s->q, q), "VERIFY");
}

/* Only the control queue is waited for. Return: the response */
static int tmf(struct scsi *s, uint32_t subtype, unsigned int lun, uint64_t tag)
{
	struct virtio_scsi_ctrl_tmf_req hdr = {
		.type = htole32(VIRTIO_SCSI_T_TMF), .subtype = htole32(subtype), .tag = htole64(tag),
	};
	static struct virtio_scsi_ctrl_tmf_resp resp;
	struct scsi_req r = { .hdr = &hdr, .hdr_len = sizeof(hdr), .resp = &resp, .resp_len = sizeof(resp) };
	uint64_t end = t_now_ms() + REQS_TIMEOUT_MS;
	int ret;

	scsi_lun(hdr.lun, SCSI_TARGET, lun);
	ret = scsi_submit(s, SCSI_CTRL, &r) ?: reqs_kick(&s->q, SCSI_CTRL);
	while (!ret && !r.done && t_now_ms() < end) {
		ret = reqs_reap(&s->q, SCSI_CTRL);
		ret = ret < 0 ? ret : 0;
	}
	return ret ? ret : r.done ? resp.response : -ETIMEDOUT;
}

/* It has ended by now: nothing is waited for. */
static bool slow_ended(struct scsi *s, unsigned int q)
{
	return reqs_reap(&s->q, q) >= 0 && slow.req.done && !scsi_result(&slow);
}

/* It may have ended before it was asked for; not each time. */
static void test_query(struct scsi *s, uint32_t subtype, unsigned int q)
{
	const char *name = subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK ? "QUERY TASK" : "QUERY TASK SET";
	unsigned int i;
	int ret = 0, other = 0;

	for (i = 0; i < 50 && !ret; i++) {
		start_slow(s, q);
		ret = tmf(s, subtype, BIG, slow_tag);
		other = other ?: tmf(s, subtype, ONE, slow_tag);
		if (subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK)
			other = other ?: tmf(s, subtype, BIG, slow_tag + 1);
		t_need(reqs_finish(&s->q, REQS_TIMEOUT_MS), "VERIFY");
	}
	t_ok(ret == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED, "%s: it is under way: %d", name, ret);
	t_ok(!other, "%s: no other is: %d", name, other);
	t_ok(tmf(s, subtype, BIG, slow_tag) == VIRTIO_SCSI_S_OK, "%s: it is not, any more", name);
}

static void test_tmf(struct scsi *s)
{
	static const struct { const char *name; uint32_t subtype; uint32_t attention; } f[] = {
		{ "ABORT TASK", VIRTIO_SCSI_T_TMF_ABORT_TASK, 0 },
		{ "ABORT TASK SET", VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0 },
		{ "CLEAR TASK SET", VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET, 0 },
		{ "LOGICAL UNIT RESET", VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, SENSE(6, 0x29, 3) },
		{ "I_T NEXUS RESET", VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, SENSE(6, 0x29, 7) },
	};
	struct scsi_cmd c;
	unsigned int i;
	int ret;

	for (i = 0; i < 2; i++)
		test_query(s, i ? VIRTIO_SCSI_T_TMF_QUERY_TASK_SET : VIRTIO_SCSI_T_TMF_QUERY_TASK, SCSI_REQUEST + i);
	for (i = 0; i < ARRAY_SIZE(f); i++) {
		unsigned int q = SCSI_REQUEST + i % 2;

		start_slow(s, q);
		ret = tmf(s, f[i].subtype, BIG, slow_tag);
		t_ok(ret == VIRTIO_SCSI_S_OK && slow_ended(s, q), "%s: when it is complete, the command has ended: %d",
		     f[i].name, ret);
		t_need(reqs_finish(&s->q, REQS_TIMEOUT_MS), "VERIFY");
		c = (struct scsi_cmd){ 0 };
		ret = scsi_do(s, &c, BIG, "00 00 00 00 00 00");
		t_ok(!ret == !f[i].attention && scsi_sense(&c) == f[i].attention, "%s: %s", f[i].name, scsi_text(&c));
	}
	c = (struct scsi_cmd){ 0 };
	t_ok(scsi_do(s, &c, ONE, "00 00 00 00 00 00") && scsi_sense(&c) == SENSE(6, 0x29, 7),
	     "all LUNs of the target: %s",
	     scsi_text(&c));
	t_ok(tmf(s, VIRTIO_SCSI_T_TMF_CLEAR_ACA, BIG, 0) == VIRTIO_SCSI_S_FUNCTION_REJECTED,
	     "CLEAR ACA: there is none");
	t_ok(tmf(s, VIRTIO_SCSI_T_TMF_ABORT_TASK, 9, 0) == VIRTIO_SCSI_S_INCORRECT_LUN, "of a LUN that is none");
}

/* Commands, and functions about them, of all queues at a time: each comes back. */
static void test_tmf_many(struct scsi *s)
{
	enum { N = 16, ROUNDS = 40 };
	static struct virtio_scsi_ctrl_tmf_req hdr[N];
	static struct virtio_scsi_ctrl_tmf_resp resp[N];
	static struct scsi_req r[N];
	static struct scsi_cmd c[2 * N];
	unsigned int i, round, bad = 0;
	int ret = 0;

	for (round = 0; round < ROUNDS && !ret; round++) {
		for (i = 0; i < 2 * N && !ret; i++) {
			c[i] = (struct scsi_cmd){ .req = { .in = got + i % N * 4096, .in_len = 4096 } };
			scsi_cmd(s, &c[i], ONE, "28 00 %08x 00 0008 00", i * 8);
			ret = scsi_submit(s, SCSI_REQUEST + i / N, &c[i].req);
		}
		for (i = 0; i < N && !ret; i++) {
			hdr[i] = (struct virtio_scsi_ctrl_tmf_req){
				.subtype = htole32(i % 2 ? VIRTIO_SCSI_T_TMF_ABORT_TASK :
					VIRTIO_SCSI_T_TMF_QUERY_TASK_SET),
				.tag = c[i].hdr.tag,
			};
			scsi_lun(hdr[i].lun, SCSI_TARGET, ONE);
			r[i] = (struct scsi_req){ .hdr = &hdr[i], .hdr_len = sizeof(hdr[i]), .resp = &resp[i],
						  .resp_len = sizeof(resp[i]) };
			ret = scsi_submit(s, SCSI_CTRL, &r[i]);
		}
		ret = ret ?: reqs_kick(&s->q, SCSI_REQUEST) ?: reqs_kick(&s->q, SCSI_REQUEST + 1) ?:
		      reqs_kick(&s->q, SCSI_CTRL) ?: reqs_finish(&s->q, REQS_TIMEOUT_MS);
		for (i = 0; i < N; i++)
			bad += resp[i].response != VIRTIO_SCSI_S_OK &&
				resp[i].response != VIRTIO_SCSI_S_FUNCTION_SUCCEEDED;
		for (i = 0; i < 2 * N; i++)
			bad += !!scsi_result(&c[i]);
	}
	t_ok(!ret && !bad, "%u functions among commands: %s, %u bad", N * ROUNDS, t_err(ret), bad);
}

/* --- sizes --- */

static pid_t pid;

static bool resize(off_t size)
{
	return !truncate(path, size) && !kill(pid, SIGHUP);
}

/* An event comes for a change of the size, once there is a buffer; and a unit attention. */
static void test_resize(void)
{
	struct reqs_opt o = { .features = REQS_FEATURES | VDRV_BIT(VIRTIO_SCSI_F_CHANGE), .queues = 2 };
	static struct virtio_scsi_event e[2];
	static struct scsi_req r[2];
	static const uint8_t lun[8] = { 1, 1, 0, 0 };
	struct scsi_cmd c = { 0 };
	static struct scsi s;
	uint64_t end;
	unsigned int i;
	int ret;

	t_need(scsi_open(&s, &o) ?: scsi_settle(&s, ONE), "device");
	for (i = 0; i < 2; i++) {
		uint64_t size = i ? 16 << 20 : 17 << 20;

		r[i] = (struct scsi_req){ .in = &e[i], .in_len = sizeof(e[i]) };
		/* The first buffer is there before, the second one comes after. */
		ret = i ? 0 : scsi_submit(&s, SCSI_EVENT, &r[i]) ?: reqs_kick(&s.q, SCSI_EVENT);
		t_ok(!ret && resize(size), "%u MiB, and SIGHUP", (unsigned int)(size >> 20));
		end = t_now_ms() + REQS_TIMEOUT_MS;
		do
			ret = scsi_do(&s, &c, ONE, "00 00 00 00 00 00");
		while (!ret && t_now_ms() < end);
		t_ok(ret && scsi_sense(&c) == SENSE(6, 0x2a, 9), "a unit attention: %s", scsi_text(&c));
		ret = i ? scsi_submit(&s, SCSI_EVENT, &r[i]) ?: reqs_kick(&s.q, SCSI_EVENT) : 0;
		while (!ret && !r[i].done && t_now_ms() < end)
			ret = reqs_reap(&s.q, SCSI_EVENT) < 0 ? -EPROTO : 0;
		t_ok(!ret && r[i].done && le32toh(e[i].event) == VIRTIO_SCSI_T_PARAM_CHANGE &&
		     le32toh(e[i].reason) == (0x2a | 0x09 << 8) && !memcmp(e[i].lun, lun, 8) &&
		     r[i].used == sizeof(e[i]), "an event: %s, %#x, %#x", t_err(ret), le32toh(e[i].event),
		     le32toh(e[i].reason));
		answers(&s, ONE, "25 00 00000000 00 0000 00", 8, 8, i ? "00007fff" : "000087ff", "READ CAPACITY");
		t_ok(!scsi_io(&s, false, ONE, size / SCSI_BLOCK - 1, got, 512), "its last block is read");
	}
	scsi_close(&s);
}

int main(int argc, char **argv)
{
	struct reqs_opt o = { .indirect_max = 64, .max_data = LEN, .num = 128, .queues = 2 };
	static struct scsi s;
	struct stat st;

	t_need(argc == 3 && scsi_user() ? 0 : -EINVAL, "usage: SCSI_SOCKET=SOCKET scsi-cmd FILE PID");
	path = argv[1];
	pid = atoi(argv[2]);
	t_need(stat(path, &st) ? -errno : 0, path);
	blocks = st.st_size / SCSI_BLOCK;
	buf = blk_buf(2 * LEN);
	got = blk_buf(2 * LEN);
	t_need(scsi_open(&s, &o), "device");
	test_attention(&s);
	test_cases(&s);
	test_answers(&s);
	test_cd(&s);
	test_data(&s);
	test_unmap(&s);
	test_cache(&s);
	test_random(&s, ONE, 512);
	test_random(&s, BIG, 4096);
	test_addresses(&s);
	test_tmf(&s);
	t_need(scsi_settle(&s, ONE), "settle");
	test_tmf_many(&s);
	test_config(&s);
	scsi_close(&s);

	/* The next driver is another one. */
	t_need(scsi_open(&s, &o), "device");
	test_attention(&s);
	scsi_close(&s);
	test_resize();
	return t_done();
}
