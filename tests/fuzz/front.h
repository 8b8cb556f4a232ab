/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A hostile front-end, and a hostile driver behind it, for the session of a process (libFuzzer).
 *
 * The input is a list of things that a front-end does, which it has all done before the session begins:
 * messages of any kind, with any payload and descriptors of several kinds; rings that are set up well but
 * for what the input changes; requests in them; whatever else memory holds. The session ends by itself:
 * it serves what there is, and finds its peer gone. What is under way has ended by then.
 *
 * ASan sees what is wrong; that descriptors do not leak is checked here.
 *
 * Who includes it has a device with QUEUES queues before, and after it
 *
 *	setup()		make the device, its queues too
 *	request()	a request in queue @q, good but for what the input has different
 *	begin(), end()	the session is about to begin, and has ended
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/vhost_user.h"
#include "vhost-user/session.h"

#define GPA		0x40000000ULL
#define UADDR		0x7f0000000000ULL
#define MEM_SIZE	(256U << 10)
/* Rings are a page each; then come requests, and their data. */
#define RING(q)		((q) * 3 * 4096ULL)
#define HEADERS		(64U << 10)
#define HEADERS_SIZE	(32U << 10)
#define DATA		(192U << 10)
#define MAX_MESSAGES	64
/* All that are offered */
#define PROTOCOL	(1 << VHOST_USER_PROTOCOL_F_MQ | 1 << VHOST_USER_PROTOCOL_F_REPLY_ACK | \
			 1 << VHOST_USER_PROTOCOL_F_BACKEND_REQ | 1 << VHOST_USER_PROTOCOL_F_LOG_SHMFD | \
			 1 << VHOST_USER_PROTOCOL_F_STATUS | 1 << VHOST_USER_PROTOCOL_F_DEVICE_STATE | \
			 1 << VHOST_USER_PROTOCOL_F_CONFIG | 1 << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD | \
			 1 << VHOST_USER_PROTOCOL_F_RESET_DEVICE | 1 << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)
/* Of the inflight region, in guest memory, so that all that writes there may write here */
#define INFLIGHT	(128U << 10)

static void setup(void);
static void request(unsigned int q);
static void begin(void);
static void end(void);

static struct {
	const uint8_t *in;
	size_t left;
	int sock;
	int mem;
	int log;
	unsigned char *va;
	unsigned int sent;
	uint16_t avail[QUEUES];
	int kick[QUEUES];
} f;

/* What is complained of is not of interest. */
int log_err(const char *fmt, ...)
{
	(void)fmt;
	return -1;
}

void log_warn(const char *fmt, ...)
{
	(void)fmt;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setup();
	return 0;
}

static int file_new(const char *name, off_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size))
		abort();
	return fd;
}

static void queues_new(const struct vu_queue_ops *(*ops)(unsigned int q), void *dev, int file)
{
	unsigned int i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < QUEUES; i++) {
		device.queue[i] = vu_queue_new(ops(i), dev, i, file, 0, true);
		if (!device.queue[i])
			abort();
	}
}

static void take(void *to, size_t len)
{
	size_t n = len < f.left ? len : f.left;

	memset(to, 0, len);
	memcpy(to, f.in, n);
	f.in += n;
	f.left -= n;
}

static uint8_t get8(void)
{
	uint8_t v;

	take(&v, 1);
	return v;
}

static uint32_t get32(void)
{
	uint32_t v;

	take(&v, 4);
	return v;
}

static void send_msg(struct vhost_user_msg *m)
{
	if (f.sent++ < MAX_MESSAGES)
		vhost_user_send(f.sock, m);
}

static void tell(uint32_t request, const void *payload, uint32_t size, int fd)
{
	struct vhost_user_msg m = { .hdr = { request, VHOST_USER_VERSION, size }, .nr_fds = fd >= 0, .fds = { fd } };

	memcpy(&m.u64, payload, size);
	send_msg(&m);
}

static void tell_u64(uint32_t request, uint64_t value, int fd)
{
	tell(request, &value, sizeof(value), fd);
}

static void any_message(void)
{
	struct vhost_user_msg m = { 0 };
	int ev = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const int fds[] = { f.mem, ev, f.sock, 2 };
	unsigned int i;

	m.hdr.request = get8() % 48;
	m.hdr.flags = VHOST_USER_VERSION | (get8() & VHOST_USER_NEED_REPLY);
	m.hdr.size = get32() % (VHOST_USER_PAYLOAD_MAX + 1);
	take(&m.u64, m.hdr.size);
	m.nr_fds = get8() % (VHOST_USER_FDS + 1);
	for (i = 0; i < m.nr_fds; i++)
		m.fds[i] = fds[get8() % 4];
	send_msg(&m);
	close(ev);
}

/* A ring that runs, but for what the input has different */
static void set_up(unsigned int q)
{
	struct vhost_user_region r = { GPA, MEM_SIZE, UADDR, 0 };
	struct { uint32_t nr, pad; struct vhost_user_region r; } table = { 1, 0, r };
	struct vhost_vring_state num = { q, 1U << get8() % 12 }, base = { q, 0 }, enable = { q, 1 };
	uint8_t odd = get8();
	struct vhost_vring_addr a = {
		.index = q,
		.desc_user_addr = UADDR + RING(q) + (odd & 1 ? get32() : 0),
		.avail_user_addr = UADDR + RING(q) + 4096 + (odd & 2 ? get32() : 0),
		.used_user_addr = UADDR + RING(q) + 8192 + (odd & 4 ? get32() : 0),
		.flags = odd >> 7,
		.log_guest_addr = GPA + RING(q) + 8192,
	};

	if (odd & 8)
		num.num = get32();
	if (odd & 16)
		base.num = get32();
	if (!(odd & 32))
		tell(VHOST_USER_SET_MEM_TABLE, &table, sizeof(table), f.mem);
	tell(VHOST_USER_SET_VRING_NUM, &num, sizeof(num), -1);
	tell(VHOST_USER_SET_VRING_BASE, &base, sizeof(base), -1);
	tell(VHOST_USER_SET_VRING_ADDR, &a, sizeof(a), -1);
	tell_u64(VHOST_USER_SET_VRING_CALL, q, f.kick[!q]);
	tell(VHOST_USER_SET_VRING_ENABLE, &enable, sizeof(enable), -1);
	tell_u64(VHOST_USER_SET_VRING_KICK, q | (odd & 64 ? VHOST_USER_VRING_NOFD : 0), odd & 64 ? -1 : f.kick[q]);
}

/* Where the header of the next request is */
static void *header(unsigned int q)
{
	return f.va + HEADERS + q * HEADERS_SIZE + f.avail[q] % 64 * 512;
}

static uint64_t gpa(const void *p)
{
	return GPA + (uint64_t)((const unsigned char *)p - f.va);
}

/* Where its data are */
static uint64_t payload(unsigned int q)
{
	return GPA + DATA + f.avail[q] % 64 * 1024;
}

/* Make a chain of @n parts available, at most 3, and leave out those of no bytes. @odd: what the input has different */
static void chain(unsigned int q, const struct vring_desc *part, unsigned int n, uint8_t odd)
{
	uint16_t *avail = (void *)(f.va + RING(q) + 4096), head = f.avail[q] * 3 % 192, at = head;
	struct vring_desc *d = (void *)(f.va + RING(q));

	for (; n--; part++) {
		if (!part->len)
			continue;
		if (at > head)
			d[at - 1].flags |= VRING_DESC_F_NEXT;
		d[at] = *part;
		d[at].next = at + 1;
		at++;
	}
	if (odd & 8)
		take(&d[head + get8() % 3], sizeof(*d));
	avail[2 + f.avail[q] % 256] = odd & 16 ? get8() : head;
	avail[1] = ++f.avail[q] + (odd & 32 ? get8() : 0);
}

/* A region of either layout, in use, and nothing else in it; then what the input has different */
static void inflight(void)
{
	struct { uint64_t size, offset; uint16_t queues, entries; } r = { 64U << 10, INFLIGHT, 1, 256 };
	unsigned char *p = f.va + INFLIGHT;
	uint8_t odd = get8();
	uint16_t i, n;

	memset(p, 0, r.size);
	memcpy(p, odd & 1 ? (uint16_t[]){ 0, 0, 0, 0, 1, 256 } : (uint16_t[]){ 0, 0, 0, 0, 0, 0 }, 12);
	for (i = 0; odd & 2 && i < 256; i++)
		memcpy(p + 32 + 32 * i + 2, &(uint16_t){ i + 1 }, 2);
	p[20] = p[21] = odd >> 7;
	for (n = get8() % 8; n--; ) {
		i = get8();
		take(p + (odd & 2 ? 32 + 32 * i : 16 + 16 * i), odd & 2 ? 32 : 16);
	}
	take(p + 12, odd & 4 ? 12 : 0);
	if (odd & 8)
		r.entries = (uint16_t)get32();
	if (odd & 16)
		r.size = get32();
	if (odd & 32)
		r.offset = get32() & ~4095U;
	tell(VHOST_USER_SET_INFLIGHT_FD, &r, odd & 64 ? 24 : 20, f.mem);
}

/* All memory of the guest, or what the input has; the ring's flags say at times that it is to be logged */
static void dirty_log(void)
{
	struct { uint64_t size, offset; } r = { ((GPA + MEM_SIZE) >> 15) + 1, 0 };
	uint8_t odd = get8();

	if (odd & 1)
		r.size = get32();
	if (odd & 2)
		r.offset = get32();
	tell(VHOST_USER_SET_LOG_BASE, &r, sizeof(r), odd & 4 ? f.mem : f.log);
}

/* From a pipe of what the input has, or to one that nobody reads from, or to a file; then the question whether it was good */
static void device_state(void)
{
	struct { uint32_t direction, phase; } t = { get8() % 3, get8() / 250 };
	char data[512] = { 0 };
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		abort();
	take(data, get8());
	if (write(p[1], data, get8() * 2) < 0 && errno != EAGAIN)
		abort();
	tell(VHOST_USER_SET_DEVICE_STATE_FD, &t, sizeof(t), t.direction == 1 ? p[0] : get8() & 1 ? p[1] : f.mem);
	close(p[0]);
	close(p[1]);
	tell(VHOST_USER_CHECK_DEVICE_STATE, "", 0, -1);
}

static void step(void)
{
	unsigned int q = get8() % QUEUES;
	struct vhost_vring_state state = { q, 0 };
	size_t at;

	switch (get8() % 12) {
	case 0:
		any_message();
		break;
	case 1:
		set_up(q);
		break;
	case 2:
	case 3:
		request(q);
		break;
	case 4:
		at = get32() % (MEM_SIZE - 64);
		take(f.va + at, get8() % 64);
		break;
	case 5:
		tell(VHOST_USER_GET_VRING_BASE, &state, sizeof(state), -1);
		break;
	case 6:
		tell_u64(VHOST_USER_SET_FEATURES, 1ULL << VIRTIO_F_VERSION_1 | (uint64_t)(get8() & 5) << 28 |
			 (uint64_t)(get8() & 4) << 32 | (uint64_t)(get8() & 1) << VHOST_F_LOG_ALL, -1);
		break;
	case 7:
		tell_u64(VHOST_USER_SET_PROTOCOL_FEATURES, get8() ? PROTOCOL & ~(device.protocol ? 0 : 1U << 19) : get32(), -1);
		break;
	case 8:
		inflight();
		break;
	case 9:
		dirty_log();
		break;
	case 10:
		tell_u64(VHOST_USER_SET_STATUS, get8(), -1);
		break;
	case 11:
		device_state();
		break;
	}
}

/* Of kinds that a front-end gives away; libFuzzer has pipes. */
static unsigned int open_files(void)
{
	char path[32], to[64];
	unsigned int n = 0;
	ssize_t len;
	int fd;

	for (fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, to, sizeof(to) - 1);
		to[len > 0 ? len : 0] = 0;
		n += !strncmp(to, "/memfd:", 7) || !strncmp(to, "socket:", 7) || strstr(to, "[eventfd]");
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int files;
	unsigned int i, now;
	int s[2];

	memset(&f, 0, sizeof(f));
	f.in = data;
	f.left = size;
	f.mem = file_new("guest", MEM_SIZE);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s))
		abort();
	f.va = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f.mem, 0);
	f.log = file_new("log", 1 << 20);
	for (i = 0; i < QUEUES; i++)
		f.kick[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	f.sock = s[0];
	while (f.left && f.sent < MAX_MESSAGES)
		step();
	shutdown(s[0], SHUT_WR);
	begin();
	vu_session_run(&device, s[1]);
	end();
	close(s[0]);
	close(s[1]);
	for (i = 0; i < QUEUES; i++)
		close(f.kick[i]);
	munmap(f.va, MEM_SIZE);
	close(f.mem);
	close(f.log);

	now = open_files();
	if (files && now > files) {
		fprintf(stderr, "%u files are open, %u before\n", now, files);
		abort();
	}
	files = now;
	return 0;
}
