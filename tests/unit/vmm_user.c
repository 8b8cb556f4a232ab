// SPDX-License-Identifier: GPL-2.0
/*
 * The vhost-user front end before processes: a disk on shunt-blk that is written, read, stopped, started anew
 * and killed; and peers that break the protocol at every message.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include "lib/log.h"
#include "lib/loop.h"
#include "tools/vdrv.h"
#include "vmm/chardev.h"
#include "vmm/config.h"
#include "vmm/vhost_user.h"
#include "vmm/vm.h"
#include "said.h"

#define BIT64(_n)	(1ull << (_n))
#define MEM		(4u << 20)
#define SECTORS		2048u
#define RING		64
#define PACKED		BIT64(VIRTIO_F_RING_PACKED)
#define BASIC		(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_BLK_F_FLUSH))

static char dir[] = "/tmp/vmm_user.XXXXXX";
static const struct vm_config cfg;
static struct vm vm;
static struct vdrv_mem mem;
static struct vdrv_vq vq;
static struct vhost_user *vu;
static struct vhost_ring ring[2];
static unsigned int losses;

/* ---- a machine with nothing but memory ---- */

static void on_lost(struct vhost *vh)
{
	(void)vh;
	losses++;
	loop_stop(vm.loop);
}

static void on_time(struct loop_timer *t)
{
	(void)t;
	loop_stop(vm.loop);
}

/* Run the main loop until somebody stops it, or for so long. */
static void run_ms(unsigned int ms)
{
	struct loop_timer t = { .fn = on_time };

	loop_timer_set(vm.loop, &t, loop_now_ns() + ms * 1000000ull);
	assert_int_equal(loop_run(vm.loop), 0);
	loop_timer_del(vm.loop, &t);
}

static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	vm.cfg = &cfg;
	pthread_mutex_init(&vm.lock, NULL);
	vm.loop = loop_new();
	assert_non_null(vm.loop);
	assert_int_equal(vdrv_mem_open(&mem, MEM, VDRV_GPA), 0);
	vm.ram_fd = mem.fd;
	/* two regions, as a machine has around the hole below 4 GiB */
	vm.nr_slots = 2;
	vm.slot[0] = (struct vm_mem_slot){ .gpa = VDRV_GPA, .size = MEM / 2, .host = mem.va, .fd = mem.fd };
	vm.slot[1] = (struct vm_mem_slot){ .gpa = VDRV_GPA + MEM / 2, .size = MEM / 2, .host = mem.va + MEM / 2, .fd = mem.fd,
					   .fd_off = MEM / 2 };
	vu = calloc(1, sizeof(*vu));
	assert_non_null(vu);
	vu->vhost.lost = on_lost;
	vu->nr_rings = 1;
	losses = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(vm.loop);
	vdrv_mem_close(&mem);
	free(vu);
	return 0;
}

/* ---- a disk ---- */

static void disk_open(void)
{
	assert_int_equal(process_init(&vu->proc, "shunt-blk"), 0);
	assert_int_equal(process_arg(&vu->proc, "--blk-file=disk"), 0);
	vu->config_len = offsetof(struct virtio_blk_config, secure_erase_sector_alignment) + 4;
	assert_int_equal(vhost_user_open(vu, &vm, "a disk"), 0);
}

static uint64_t gpa_of(const void *p)
{
	return mem.gpa + (size_t)((const unsigned char *)p - mem.va);
}

static void ring_make(uint64_t features)
{
	mem.taken = 0;
	memset(mem.va, 0, MEM / 2);
	assert_int_equal(vdrv_vq_open(&vq, &mem, 0, RING, features, 0), 0);
	ring[0] = (struct vhost_ring){
		.enabled = true, .size = RING, .desc = vq.desc_gpa,
		.avail = gpa_of(vq.avail), .used = gpa_of(vq.used),
		.kick = vq.kick, .call = vq.call, .err = vq.err,
	};
}

static void start(uint64_t features)
{
	ring_make(features);
	assert_int_equal(vu->vhost.ops->start(&vu->vhost, features, ring, 1), 0);
	assert_int_equal(ring[0].error, 0);
}

static void stop(void)
{
	vu->vhost.ops->stop(&vu->vhost);
	vdrv_vq_close(&vq);
}

static void close_peer(void)
{
	vu->vhost.ops->close(&vu->vhost);
}

struct request {
	struct virtio_blk_outhdr hdr;
	unsigned char data[512];
	uint8_t status;
};

/* Not waited for. @where: of the request in memory, by a number of its own */
static struct request *submit(unsigned int slot, uint32_t type, uint64_t sector)
{
	uint64_t gpa = mem.gpa + MEM / 2 + slot * 1024;
	struct request *r = vdrv_mem_va(&mem, gpa);
	struct vdrv_buf buf[] = {
		{ gpa, sizeof(r->hdr), false },
		{ gpa + offsetof(struct request, data), sizeof(r->data), type == VIRTIO_BLK_T_IN },
		{ gpa + offsetof(struct request, status), 1, true },
	};

	r->hdr = (struct virtio_blk_outhdr){ .type = htole32(type), .sector = htole64(sector) };
	r->status = 0xff;
	assert_int_equal(vdrv_vq_add(&vq, buf, 3, slot), 0);
	assert_true(vdrv_vq_kick(&vq) >= 0);
	return r;
}

static void complete(void)
{
	uint32_t cookie, len;

	while (!vdrv_vq_pending(&vq))
		assert_true(vdrv_event_wait(vq.call, 10000));
	assert_int_equal(vdrv_vq_get(&vq, &cookie, &len), 1);
}

static void sector_fill(unsigned char *p, uint64_t sector, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		p[i] = (unsigned char)(sector * 7 + seed + i / 3);
}

static void write_and_read(unsigned int seed)
{
	unsigned char want[512];
	struct request *r;
	uint64_t s;

	for (s = 0; s < 100; s++) {
		r = vdrv_mem_va(&mem, mem.gpa + MEM / 2);
		sector_fill(r->data, s, seed);
		submit(0, VIRTIO_BLK_T_OUT, s);
		complete();
		assert_int_equal(r->status, 0);
	}
	for (s = 0; s < 100; s++) {
		r = submit(0, VIRTIO_BLK_T_IN, s);
		complete();
		sector_fill(want, s, seed);
		assert_int_equal(r->status, 0);
		assert_memory_equal(r->data, want, 512);
	}
}

static void test_disk(void **state)
{
	const struct virtio_blk_config *c;

	(void)state;
	disk_open();
	c = (void *)vu->config;
	assert_int_equal(c->capacity, SECTORS);
	assert_int_equal(c->num_queues, 1);
	assert_true(vu->vhost.features & BIT64(VIRTIO_F_VERSION_1));
	assert_false(vu->vhost.features & BIT64(VHOST_USER_F_PROTOCOL_FEATURES));
	start(BASIC);
	write_and_read(1);
	stop();
	start(BASIC | PACKED);
	write_and_read(2);
	stop();
	close_peer();
}

static void test_queues(void **state)
{
	(void)state;
	vu->nr_rings = 2;
	assert_int_equal(process_init(&vu->proc, "shunt-blk"), 0);
	assert_int_equal(process_arg(&vu->proc, "--blk-file=disk"), 0);
	listen_begin();
	assert_int_equal(vhost_user_open(vu, &vm, "a disk"), -1);
	listen_end();
	assert_string_equal(said, "vmm_user: a disk: shunt-blk: the process has fewer queues\n");
}

/* It says itself why it ends. */
static void test_no_start(void **state)
{
	(void)state;
	assert_int_equal(process_init(&vu->proc, "shunt-blk"), 0);
	assert_int_equal(process_arg(&vu->proc, "--blk-file=nosuch"), 0);
	listen_begin();
	assert_int_equal(vhost_user_open(vu, &vm, "a disk"), -1);
	listen_end();
	assert_non_null(strstr(said, "shunt-blk: "));
	assert_null(strstr(said, "vmm_user: "));
	assert_int_equal(process_init(&vu->proc, "shunt-nosuch"), 0);
	listen_begin();
	assert_int_equal(vhost_user_open(vu, &vm, "a disk"), -1);
	listen_end();
	assert_string_equal(said, "vmm_user: a disk: no shunt-nosuch beside shunt or in PATH (make user)\n");
}

static void test_config(void **state)
{
	uint8_t off = 0, now[VHOST_USER_CONFIG_SIZE];

	(void)state;
	disk_open();
	assert_int_equal(vhost_user_set_config(vu, offsetof(struct virtio_blk_config, wce), &off, 1), 0);
	assert_int_equal(vhost_user_get_config(vu, now), 0);
	assert_int_equal(now[offsetof(struct virtio_blk_config, wce)], 0);
	assert_int_equal(vhost_user_set_config(vu, 0, &off, 1), -EINVAL);
	assert_int_equal(vhost_user_set_config(vu, vu->config_len, &off, 1), -EINVAL);
	assert_int_equal(vhost_user_set_config(vu, UINT32_MAX, &off, 1), -EINVAL);
	assert_int_equal(vhost_user_get_config(vu, now), 0);
	close_peer();
}

static void test_bad_rings(void **state)
{
	(void)state;
	disk_open();
	ring_make(BASIC);
	ring[0].used = VDRV_GPA + MEM - 8;
	assert_int_equal(vu->vhost.ops->start(&vu->vhost, BASIC, ring, 1), 0);
	assert_int_equal(ring[0].error, -EFAULT);
	stop();
	ring_make(BASIC);
	ring[0].desc++;
	assert_int_equal(vu->vhost.ops->start(&vu->vhost, BASIC, ring, 1), 0);
	assert_int_equal(ring[0].error, -EINVAL);
	stop();
	start(BASIC);
	write_and_read(3);
	stop();
	close_peer();
}

static void killed(void)
{
	unsigned int before = losses;

	process_kill(&vu->proc);
	run_ms(10000);
	assert_int_equal(losses, before + 1);
}

static void test_killed_idle(void **state)
{
	(void)state;
	disk_open();
	killed();
	assert_int_equal(vu->vhost.ops->ready(&vu->vhost), 0);
	start(BASIC);
	write_and_read(4);
	stop();
	/* before anybody noticed */
	process_kill(&vu->proc);
	process_wait(&vu->proc, 10000);
	assert_int_equal(vu->vhost.ops->ready(&vu->vhost), 0);
	ring_make(BASIC);
	assert_int_equal(vu->vhost.ops->start(&vu->vhost, BASIC, ring, 1), -EPIPE);
	run_ms(10000);
	assert_int_equal(losses, 2);
	assert_int_equal(vu->vhost.ops->ready(&vu->vhost), 0);
	assert_int_equal(vu->vhost.ops->recover(&vu->vhost, BASIC, ring, 1), 0);
	write_and_read(5);
	stop();
	close_peer();
}

/* One that ends again and again is given up, for a while. */
static void test_killed_often(void **state)
{
	unsigned int i;

	(void)state;
	disk_open();
	for (i = 1; i < 5; i++) {
		killed();
		assert_int_equal(vu->vhost.ops->ready(&vu->vhost), 0);
	}
	killed();
	assert_int_equal(vu->vhost.ops->ready(&vu->vhost), -ECHILD);
	assert_string_equal(vu->vhost.why, "its process ends as soon as it is started");
	assert_int_equal(vu->vhost.ops->ready(&vu->vhost), 0);
	start(BASIC);
	write_and_read(6);
	stop();
	close_peer();
}

/* ---- peers that break the protocol ---- */

enum bad { BAD_GONE, BAD_SIZE, BAD_REQUEST, BAD_NO_REPLY_FLAG, BAD_VERSION, BAD_HALF, BAD_FD, BAD_KINDS, BAD_SILENT };

struct peer {
	pthread_t thread;
	int listener;
	unsigned int at;	/* which answer is bad, from 0 */
	enum bad how;
};

static void bad_answer(const struct peer *p, int sock, struct vhost_user_msg *m)
{
	size_t len = sizeof(m->hdr) + m->hdr.size;

	switch (p->how) {
	case BAD_SIZE:
		m->hdr.size--;
		break;
	case BAD_REQUEST:
		m->hdr.request++;
		break;
	case BAD_NO_REPLY_FLAG:
		m->hdr.flags &= ~VHOST_USER_REPLY;
		break;
	case BAD_VERSION:
		m->hdr.flags ^= VHOST_USER_VERSION_MASK;
		break;
	case BAD_HALF:
		assert_int_equal(send(sock, &m->hdr, len - 4, MSG_NOSIGNAL), len - 4);
		return;
	case BAD_FD:
		m->nr_fds = m->nr_fds ? 0 : 1;
		m->fds[0] = STDERR_FILENO;
		break;
	case BAD_SILENT:
		while (vhost_user_recv(sock, m) > 0)
			vhost_user_close_fds(m);
		return;
	default:
		return;
	}
	vhost_user_send(sock, m);
}

/* A back end that says yes to everything, but for one answer. */
static void *peer_run(void *arg)
{
	struct peer *p = arg;
	int sock = accept(p->listener, NULL, NULL);
	struct vhost_user_msg m;
	unsigned int n = 0;

	while (vhost_user_recv(sock, &m) > 0) {
		bool ask = m.hdr.flags & VHOST_USER_NEED_REPLY;

		vhost_user_close_fds(&m);
		m.hdr.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
		switch (m.hdr.request) {
		case VHOST_USER_GET_FEATURES:
			m.u64 = BASIC | BIT64(VHOST_USER_F_PROTOCOL_FEATURES);
			m.hdr.size = 8;
			break;
		case VHOST_USER_GET_PROTOCOL_FEATURES:
			m.u64 = BIT64(VHOST_USER_PROTOCOL_F_MQ) | BIT64(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
				BIT64(VHOST_USER_PROTOCOL_F_CONFIG);
			m.hdr.size = 8;
			break;
		case VHOST_USER_GET_QUEUE_NUM:
			m.u64 = 1;
			m.hdr.size = 8;
			break;
		case VHOST_USER_GET_CONFIG:
		case VHOST_USER_GET_VRING_BASE:
			break;
		default:
			if (!ask)
				continue;
			m.u64 = 0;
			m.hdr.size = 8;
		}
		if (n++ == p->at) {
			bad_answer(p, sock, &m);
			break;
		}
		vhost_user_send(sock, &m);
	}
	close(sock);
	return NULL;
}

/* Return: whether that answer was reached */
static bool one_bad_peer(unsigned int at, enum bad how)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "peer" };
	struct peer p = { .at = at, .how = how };
	int err;

	setup(NULL);
	p.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p.listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(p.listener, 1), 0);
	pthread_create(&p.thread, NULL, peer_run, &p);
	assert_int_equal(chardev_add("socket,id=peer,path=peer"), 0);
	assert_int_equal(chardev_open_all(&vm, vm.loop), 0);
	vu->chardev = chardev_find("peer");
	vu->config_len = 60;
	listen_begin();
	err = vhost_user_open(vu, &vm, "a disk");
	if (!err) {
		ring_make(BASIC);
		err = vu->vhost.ops->start(&vu->vhost, BASIC, ring, 1);
		vu->vhost.ops->stop(&vu->vhost);
		/* the last answer is that to the stop */
		err = err || vu->dead;
		vdrv_vq_close(&vq);
		close_peer();
	}
	listen_end();
	pthread_join(p.thread, NULL);
	close(p.listener);
	unlink("peer");
	chardev_close_all();
	teardown(NULL);
	return err;
}

static void test_bad_peers(void **state)
{
	unsigned int how, at;

	(void)state;
	for (how = 0; how < BAD_KINDS; how++) {
		for (at = 0; one_bad_peer(at, how); at++)
			assert_true(at < 40);
		/* features, protocol, ..., to the ring's base */
		assert_in_range(at, 15, 20);
	}
}

/* For some seconds */
static void test_silent_peer(void **state)
{
	(void)state;
	assert_true(one_bad_peer(2, BAD_SILENT));
	assert_string_equal(said, "vmm_user: a disk: the process does not answer\n");
}

#define TEST(_name)	cmocka_unit_test_setup_teardown(test_##_name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(disk), TEST(queues), TEST(no_start), TEST(config), TEST(bad_rings),
		TEST(killed_idle), TEST(killed_often), cmocka_unit_test(test_bad_peers),
		cmocka_unit_test(test_silent_peer),
	};
	char bin[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", bin, sizeof(bin) - 8);
	char cmd[64];
	int fd, ret;

	/* build/tests/vmm_user: programs are in build/bin */
	bin[n < 0 ? 0 : n] = 0;
	slash = strrchr(bin, '/');
	if (!slash || !mkdtemp(dir) || chdir(dir))
		return 1;
	strcpy(slash, "/../bin");
	setenv("PATH", bin, 1);
	fd = open("disk", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, SECTORS * 512))
		return 1;
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	log_init("vmm_user");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(cmd, sizeof(cmd), "/bin/rm -r %s", dir);
	return system(cmd) ? 1 : ret;
}
