// SPDX-License-Identifier: GPL-2.0
/*
 * shunt-bench - drive a vhost back end from user space, without a VM.
 *
 * It plays the guest's driver on /dev/vhost-net with a tap at the other end, checks that every
 * packet arrives, and says what a packet costs the device's worker thread; or on /dev/vhost-blk or
 * /dev/vhost-scsi, and says how long requests take and what they cost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shunt-bench.h"

volatile sig_atomic_t bench_stop;

static void on_signal(int sig)
{
	(void)sig;
	bench_stop = 1;
}

enum {
	OPT_DEVICE = 256, OPT_TAP, OPT_SIZE, OPT_COUNT, OPT_WARMUP, OPT_RING, OPT_BATCH,
	OPT_WINDOW, OPT_TIME, OPT_WAIT, OPT_RXBUF, OPT_SEGMENTS, OPT_INDIRECT, OPT_VERIFY,
	OPT_INJECT, OPT_JSON, OPT_NO_EVENT_IDX, OPT_NO_MRG, OPT_LEGACY, OPT_VHOST_HDR,
	OPT_TRICKLE, OPT_BACKLOG, OPT_PACKED, OPT_IN_ORDER, OPT_OWN_WORKER, OPT_POLL_US,
	OPT_REGIONS, OPT_LOG, OPT_FILE, OPT_RW, OPT_BS, OPT_DEPTH, OPT_QUEUES,
	OPT_WWPN, OPT_TPGT, OPT_LUN,
};

static const struct {
	struct option o;
	const char *arg;
	const char *help;
} options[] = {
	{ { "device", 1, NULL, OPT_DEVICE }, "PATH",
	  "vhost device (/dev/vhost-net, -blk, -scsi), or the socket of a vhost-user back end" },
	{ { "tap", 1, NULL, OPT_TAP }, "NAME", "tap to make or to join (a new one)" },
	{ { "size", 1, NULL, OPT_SIZE }, "BYTES", "frame size without CRC, 18 to 65535 (64)" },
	{ { "count", 1, NULL, OPT_COUNT }, "N", "packets to measure (100000)" },
	{ { "warmup", 1, NULL, OPT_WARMUP }, "N", "packets before that (1000)" },
	{ { "time", 1, NULL, OPT_TIME }, "SECONDS", "end earlier than --count (no limit)" },
	{ { "ring", 1, NULL, OPT_RING }, "N", "ring size to 32768, a power of two unless packed (256)" },
	{ { "batch", 1, NULL, OPT_BATCH }, "N", "packets a kick (32)" },
	{ { "window", 1, NULL, OPT_WINDOW }, "N", "packets on their way at most (ring size)" },
	{ { "wait", 1, NULL, OPT_WAIT }, "HOW", "yield, spin or call (yield)" },
	{ { "rx-buf", 1, NULL, OPT_RXBUF }, "BYTES", "net-rx: size of a buffer (2048)" },
	{ { "segments", 1, NULL, OPT_SEGMENTS }, "N",
	  "net-tx: descriptors a packet, 1 to 16 (1)" },
	{ { "indirect", 0, NULL, OPT_INDIRECT }, NULL,
	  "net-tx: several descriptors go into an indirect table" },
	{ { "packed", 0, NULL, OPT_PACKED }, NULL, "packed ring" },
	{ { "in-order", 0, NULL, OPT_IN_ORDER }, NULL, "negotiate IN_ORDER" },
	{ { "no-event-idx", 0, NULL, OPT_NO_EVENT_IDX }, NULL, "leave out EVENT_IDX" },
	{ { "no-mrg-rxbuf", 0, NULL, OPT_NO_MRG }, NULL, "leave out MRG_RXBUF" },
	{ { "legacy", 0, NULL, OPT_LEGACY }, NULL, "leave out VERSION_1" },
	{ { "vhost-hdr", 0, NULL, OPT_VHOST_HDR }, NULL,
	  "the device makes the virtio-net header, the tap has none" },
	{ { "inject", 1, NULL, OPT_INJECT }, "HOW", "net-rx: sender uses ring or copy (copy)" },
	{ { "trickle", 0, NULL, OPT_TRICKLE }, NULL,
	  "net-rx: the worker may run after each frame, not after each batch" },
	{ { "backlog", 0, NULL, OPT_BACKLOG }, NULL,
	  "net-rx: time how a full tap is emptied, but not the sender" },
	{ { "poll-us", 1, NULL, OPT_POLL_US }, "N", "busy polling of the queues at most (off)" },
	{ { "own-worker", 0, NULL, OPT_OWN_WORKER }, NULL,
	  "a second worker serves the queue (VHOST_NEW_WORKER)" },
	{ { "regions", 1, NULL, OPT_REGIONS }, "N",
	  "regions of guest memory, as large as a buffer but for the last (1)" },
	{ { "log", 0, NULL, OPT_LOG }, NULL, "net-rx: keep a dirty log" },
	{ { "verify", 0, NULL, OPT_VERIFY }, NULL, "compare order and contents (slower)" },
	{ { "json", 0, NULL, OPT_JSON }, NULL, "print JSON" },
	{ { "file", 1, NULL, OPT_FILE }, "PATH", "blk, uring: block device or file" },
	{ { "rw", 1, NULL, OPT_RW }, "HOW",
	  "blk, scsi, uring: read, write, randread or randwrite (randread)" },
	{ { "bs", 1, NULL, OPT_BS }, "BYTES", "blk, scsi, uring: of a request (4096)" },
	{ { "depth", 1, NULL, OPT_DEPTH }, "N", "blk, scsi, uring: requests on their way, each queue (32)" },
	{ { "queues", 1, NULL, OPT_QUEUES }, "N", "blk, scsi, uring: queues, one driver thread (1)" },
	{ { "wwpn", 1, NULL, OPT_WWPN }, "NAME", "scsi: the target, as shunt-target prints it" },
	{ { "tpgt", 1, NULL, OPT_TPGT }, "N", "scsi: its portal group (1)" },
	{ { "lun", 1, NULL, OPT_LUN }, "N", "scsi: LUN (0)" },
	{ { "help", 0, NULL, 'h' }, NULL, "this text" },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static int fail(const char *fmt, const char *arg)
{
	fprintf(stderr, "shunt-bench: ");
	fprintf(stderr, fmt, arg);
	fputc('\n', stderr);
	return 2;
}

static int number(const char *name, const char *s, uint64_t min, uint64_t max, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(s, &end, 0);
	if (errno || end == s || *end || *s == '-' || *v < min || *v > max) {
		fprintf(stderr, "shunt-bench: --%s: '%s' is not a number from %" PRIu64 " to %"
			PRIu64 "\n", name, s, min, max);
		return -1;
	}
	return 0;
}

static int word(const char *name, const char *s, const char *const *words)
{
	int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(s, words[i]))
			return i;
	fprintf(stderr, "shunt-bench: --%s: unknown word '%s'\n", name, s);
	return -1;
}

static int check_requests(struct bench_opt *o)
{
	if (o->block % 512)
		return fail("%s", "--bs is no multiple of 512");
	o->features &= ~(VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF) | VDRV_BIT(VHOST_F_LOG_ALL));
	/* Three descriptors a request, or one that stands for a table */
	while (o->ring < 32768 && o->ring < o->depth * (o->indirect ? 1 : 3))
		o->ring *= 2;
	return 0;
}

static int check_blk(struct bench_opt *o)
{
	if (!o->file)
		return fail("%s", "--file is wanted: a block device or a file");
	return check_requests(o);
}

static int check_scsi(struct bench_opt *o)
{
	struct stat st;

	/* A vhost-user back end has LUNs of its own. */
	if (!o->wwpn && (!o->device || stat(o->device, &st) || !S_ISSOCK(st.st_mode)))
		return fail("%s", "--wwpn is wanted: a target (see shunt-target)");
	o->file = NULL;
	return check_requests(o);
}

static int check(struct bench_opt *o)
{
	unsigned int frame = o->size + sizeof(struct virtio_net_hdr_mrg_rxbuf);

	if (o->ring & (o->ring - 1) && !(o->features & VDRV_BIT(VIRTIO_F_RING_PACKED)))
		return fail("%s", "--ring: only a packed ring may have a size that is no power of two");
	if (o->segments > o->ring && !o->indirect)
		return fail("%s", "--segments is more than the ring holds");
	if (!o->window || o->window > o->ring)
		o->window = o->ring;
	if (strcmp(o->mode, "net-rx"))
		return 0;
	if (!(o->features & VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF))) {
		if (o->rx_buf < frame)
			o->rx_buf = frame;
	} else if ((frame + o->rx_buf - 1) / o->rx_buf > o->ring) {
		return fail("%s", "a frame does not fit into all buffers of the ring");
	}
	/* A backlog gets no more buffers than the ring has. */
	if (o->backlog && o->window > o->ring / ((frame + o->rx_buf - 1) / o->rx_buf))
		o->window = o->ring / ((frame + o->rx_buf - 1) / o->rx_buf);
	/* More than the tap queues (tx_queue_len) would be dropped there. */
	if (o->window > 500)
		o->window = 500;
	return 0;
}

static void report(const struct bench_opt *o, const struct bench_result *r)
{
	double s = r->elapsed_ns / 1e9, per = r->packets ? r->packets : 1;
	const char *form = "mode=%s\nsize=%u\nring=%u\nbatch=%u\nfeatures=0x%" PRIx64 "\n"
		"packets=%" PRIu64 "\nlost=%" PRIu64 "\nbad=%" PRIu64 "\nseconds=%.6f\n"
		"packets_per_second=%.0f\nkicks=%" PRIu64 "\ncalls=%" PRIu64 "\n"
		"worker_tid=%d\nworker_runs=%" PRIu64 "\nworker_ns=%" PRIu64 "\n"
		"worker_ns_per_packet=%.1f\ndriver_ns_per_packet=%.1f\n";

	if (o->json)
		form = "{\"mode\":\"%s\",\"size\":%u,\"ring\":%u,\"batch\":%u,"
			"\"features\":\"0x%" PRIx64 "\",\"packets\":%" PRIu64 ",\"lost\":%" PRIu64
			",\"bad\":%" PRIu64 ",\"seconds\":%.6f,\"packets_per_second\":%.0f,"
			"\"kicks\":%" PRIu64 ",\"calls\":%" PRIu64 ",\"worker_tid\":%d,"
			"\"worker_runs\":%" PRIu64 ",\"worker_ns\":%" PRIu64 ","
			"\"worker_ns_per_packet\":%.1f,\"driver_ns_per_packet\":%.1f}\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	printf(form, o->mode, o->size, o->ring, o->batch, o->features, r->packets, r->lost, r->bad,
	       s, s > 0 ? r->packets / s : 0, r->kicks, r->calls, r->worker, r->worker_runs,
	       r->worker_ns, r->worker_ns / per, r->driver_ns / per);
#pragma GCC diagnostic pop
}

static void report_blk(const struct bench_opt *o, const struct bench_result *r)
{
	double s = r->elapsed_ns / 1e9, per = r->packets ? r->packets : 1;
	const char *form = "mode=%s\nrw=%s%s\nbs=%u\ndepth=%u\nqueues=%u\nfeatures=0x%" PRIx64 "\n"
		"requests=%" PRIu64 "\nbad=%" PRIu64 "\nseconds=%.6f\niops=%.0f\n"
		"latency_p50_us=%.1f\nlatency_p99_us=%.1f\nkicks=%" PRIu64 "\ncalls=%" PRIu64 "\n"
		"worker_tid=%d\nworker_runs=%" PRIu64 "\nworker_ns_per_request=%.1f\n"
		"driver_ns_per_request=%.1f\n";

	if (o->json)
		form = "{\"mode\":\"%s\",\"rw\":\"%s%s\",\"bs\":%u,\"depth\":%u,\"queues\":%u,"
			"\"features\":\"0x%" PRIx64 "\",\"requests\":%" PRIu64 ",\"bad\":%" PRIu64
			",\"seconds\":%.6f,\"iops\":%.0f,\"latency_p50_us\":%.1f,"
			"\"latency_p99_us\":%.1f,\"kicks\":%" PRIu64 ",\"calls\":%" PRIu64
			",\"worker_tid\":%d,\"worker_runs\":%" PRIu64 ",\"worker_ns_per_request\":%.1f,"
			"\"driver_ns_per_request\":%.1f}\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	printf(form, o->mode, o->random ? "rand" : "", o->write ? "write" : "read", o->block,
	       o->depth, o->queues, o->features, r->packets, r->bad, s, s > 0 ? r->packets / s : 0,
	       r->p50_ns / 1e3, r->p99_ns / 1e3, r->kicks, r->calls, r->worker, r->worker_runs,
	       r->worker_ns / per, r->driver_ns / per);
#pragma GCC diagnostic pop
}

static const struct {
	const char *name;
	const char *help;
	const char *device;
	int (*run)(const struct bench_opt *o, struct bench_result *r, const char **what);
	int (*check)(struct bench_opt *o);
	void (*report)(const struct bench_opt *o, const struct bench_result *r);
} modes[] = {
	{ "net-tx", "driver to tap: frames go out and are dropped by the network stack",
	  "/dev/vhost-net", bench_net_tx, check, report },
	{ "net-rx", "tap to driver: frames are put into the tap by a packet socket",
	  "/dev/vhost-net", bench_net_rx, check, report },
	{ "blk", "requests to a block device or a file",
	  "/dev/vhost-blk", bench_blk, check_blk, report_blk },
	{ "scsi", "requests to a LUN: of LIO's, or of a vhost-user back end",
	  "/dev/vhost-scsi", bench_scsi, check_scsi, report_blk },
	{ "uring", "the same requests without vhost, by io_uring with fixed buffers",
	  NULL, bench_uring, check_blk, report_blk },
};

#define N_MODES (sizeof(modes) / sizeof(modes[0]))

static void help(void)
{
	char left[40];
	unsigned int i;

	printf("Usage: shunt-bench MODE [OPTION]...\n"
	       "Drive a vhost back end from user space: no VM, the driver is this program.\n\n"
	       "Modes:\n");
	for (i = 0; i < N_MODES; i++)
		printf("  %-8s %s\n", modes[i].name, modes[i].help);
	printf("\nOptions:\n");
	for (i = 0; i < N_OPTIONS; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", options[i].o.name,
			 options[i].arg ? " " : "", options[i].arg ? options[i].arg : "");
		printf("  %-20s %s\n", left, options[i].help);
	}
	printf("\nworker_ns_per_packet and worker_ns_per_request are CPU time of the threads\n"
	       "vhost-<pid>, instructions on a machine that counts them (the lab with --icount).\n"
	       "Exit status: 0 when all packets arrived as sent and all requests were good, 1 when\n"
	       "not, 2 for a usage or set-up error.\n");
}

static int parse(int argc, char **argv, struct bench_opt *o)
{
	static const char *const waits[] = { "yield", "spin", "call", NULL };
	static const char *const injects[] = { "ring", "copy", NULL };
	static const char *const rws[] = { "read", "write", "randread", "randwrite", NULL };
	struct option table[N_OPTIONS + 1];
	uint64_t v;
	unsigned int i;
	int c, at = 0, w;

	memset(table, 0, sizeof(table));
	for (i = 0; i < N_OPTIONS; i++)
		table[i] = options[i].o;

#define NUM(field, min, max) do {						\
		if (number(table[at].name, optarg, min, max, &v))		\
			return 2;						\
		o->field = v;							\
	} while (0)

	while ((c = getopt_long(argc, argv, "h", table, &at)) != -1) {
		switch (c) {
		case 'h':
			help();
			exit(0);
		case OPT_DEVICE:
			o->device = optarg;
			break;
		case OPT_TAP:
			if (strlen(optarg) >= IFNAMSIZ)
				return fail("--tap: name '%s' is too long", optarg);
			o->tap = optarg;
			break;
		case OPT_SIZE:
			NUM(size, VDRV_FRAME_MIN, 65535);
			break;
		case OPT_COUNT:
			NUM(count, 1, UINT32_MAX);
			break;
		case OPT_WARMUP:
			NUM(warmup, 0, UINT32_MAX);
			break;
		case OPT_TIME:
			NUM(timeout_s, 0, 1000000);
			break;
		case OPT_RING:
			NUM(ring, 1, 32768);
			break;
		case OPT_BATCH:
			NUM(batch, 1, 32768);
			break;
		case OPT_WINDOW:
			NUM(window, 1, 32768);
			break;
		case OPT_RXBUF:
			NUM(rx_buf, 64, 1 << 20);
			break;
		case OPT_SEGMENTS:
			NUM(segments, 1, 16);
			break;
		case OPT_WAIT:
			w = word("wait", optarg, waits);
			if (w < 0)
				return 2;
			o->wait = w;
			break;
		case OPT_INJECT:
			w = word("inject", optarg, injects);
			if (w < 0)
				return 2;
			o->inject_copy = w;
			break;
		case OPT_FILE:
			o->file = optarg;
			break;
		case OPT_WWPN:
			o->wwpn = optarg;
			break;
		case OPT_TPGT:
			NUM(tpgt, 0, 255);
			break;
		case OPT_LUN:
			NUM(lun, 0, 16383);
			break;
		case OPT_RW:
			w = word("rw", optarg, rws);
			if (w < 0)
				return 2;
			o->random = w & 2;
			o->write = w & 1;
			break;
		case OPT_BS:
			NUM(block, 512, 1 << 20);
			break;
		case OPT_DEPTH:
			NUM(depth, 1, 4096);
			break;
		case OPT_QUEUES:
			NUM(queues, 1, 64);
			break;
		case OPT_INDIRECT:
			o->indirect = true;
			break;
		case OPT_TRICKLE:
			o->trickle = true;
			break;
		case OPT_BACKLOG:
			o->backlog = true;
			break;
		case OPT_POLL_US:
			NUM(poll_us, 0, 1000000);
			break;
		case OPT_OWN_WORKER:
			o->own_worker = true;
			break;
		case OPT_REGIONS:
			NUM(regions, 1, 4096);
			break;
		case OPT_LOG:
			o->features |= VDRV_BIT(VHOST_F_LOG_ALL);
			break;
		case OPT_VERIFY:
			o->verify = true;
			break;
		case OPT_JSON:
			o->json = true;
			break;
		case OPT_PACKED:
			o->features |= VDRV_BIT(VIRTIO_F_RING_PACKED);
			break;
		case OPT_IN_ORDER:
			o->features |= VDRV_BIT(VIRTIO_F_IN_ORDER);
			break;
		case OPT_NO_EVENT_IDX:
			o->features &= ~VDRV_BIT(VIRTIO_RING_F_EVENT_IDX);
			break;
		case OPT_NO_MRG:
			o->features &= ~VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF);
			break;
		case OPT_LEGACY:
			o->features &= ~VDRV_BIT(VIRTIO_F_VERSION_1);
			break;
		case OPT_VHOST_HDR:
			o->features |= VDRV_BIT(VHOST_NET_F_VIRTIO_NET_HDR);
			break;
		default:
			return 2;
		}
	}
#undef NUM
	if (optind + 1 != argc)
		return fail("%s", "one mode is wanted: net-tx, net-rx, blk, scsi or uring (see --help)");
	o->mode = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_opt o = {
		.size = 64, .count = 100000, .warmup = 1000,
		.ring = 256, .batch = 32, .rx_buf = 2048, .segments = 1, .inject_copy = true,
		.random = true, .block = 4096, .depth = 32, .queues = 1,
		.tpgt = 1,
		.features = VDRV_BIT(VIRTIO_F_VERSION_1) | VDRV_BIT(VIRTIO_NET_F_MRG_RXBUF) |
			    VDRV_BIT(VIRTIO_RING_F_EVENT_IDX) |
			    VDRV_BIT(VIRTIO_RING_F_INDIRECT_DESC),
	};
	struct sigaction sa = { .sa_handler = on_signal };
	struct bench_result r = { 0 };
	const char *what = NULL;
	unsigned int m = 0;
	int ret;

	ret = parse(argc, argv, &o);
	if (ret)
		return ret;
	while (m < N_MODES && strcmp(o.mode, modes[m].name))
		m++;
	if (m == N_MODES)
		return fail("unknown mode '%s': net-tx, net-rx, blk, scsi or uring", o.mode);
	if (!o.device)
		o.device = modes[m].device;
	ret = modes[m].check(&o);
	if (ret)
		return ret;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);

	ret = modes[m].run(&o, &r, &what);
	if (ret) {
		fprintf(stderr, "shunt-bench: %s: %s%s\n", what, strerror(-ret),
			ret == -ENOENT && what == o.device ?
			" (load the module: make load)" : "");
		return ret == -ETIMEDOUT || ret == -EPROTO ? 1 : 2;
	}
	modes[m].report(&o, &r);
	return r.lost || r.bad;
}
