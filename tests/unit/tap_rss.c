// SPDX-License-Identifier: GPL-2.0
/*
 * Receive-side scaling by a program in a tap: hashes, with the vectors of Microsoft's "Verifying the RSS Hash Calculation", which
 * packets are hashed, and queues of a tap. Needs CAP_BPF, and the last one CAP_NET_ADMIN.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/ethernet.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/tap.h"
#include "vmm/tap_rss.h"

#define IP4	VIRTIO_NET_RSS_HASH_TYPE_IPv4
#define TCP4	VIRTIO_NET_RSS_HASH_TYPE_TCPv4
#define UDP4	VIRTIO_NET_RSS_HASH_TYPE_UDPv4
#define IP6	VIRTIO_NET_RSS_HASH_TYPE_IPv6
#define TCP6	VIRTIO_NET_RSS_HASH_TYPE_TCPv6
#define UDP6	VIRTIO_NET_RSS_HASH_TYPE_UDPv6
#define ALL	VHOST_USER_NET_RSS_TYPES
/* Where packets go that are not hashed */
#define OTHERS	200

static const struct vector {
	const char *src, *dst;
	uint16_t sport, dport;
	uint32_t addresses, ports;
} vectors[] = {
	{ "66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178 },
	{ "199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea },
	{ "24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a },
	{ "38.27.205.30", "209.142.163.6", 48228, 2217, 0x82989176, 0xafc7327f },
	{ "153.39.163.191", "202.188.127.2", 44251, 1303, 0x5d1809c5, 0x10e828a2 },
	{ "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5, 0x40207d3d },
	{ "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c, 0xdde51bbf },
	{ "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024, 0x4b61e985, 0x02d1feef },
};

static struct vhost_user_net_rss conf = {
	.mask = VHOST_USER_NET_RSS_TABLE - 1,
	.unclassified = OTHERS,
	.key = {
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
		0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	},
};
static struct tap_rss *rss;
static int null_fd = -1;

struct frame {
	uint8_t b[256];
	size_t len;
};

static void put(struct frame *f, const void *data, size_t len)
{
	assert_true(f->len + len <= sizeof(f->b));
	memcpy(f->b + f->len, data, len);
	f->len += len;
}

static void put16(struct frame *f, uint16_t v)
{
	v = htobe16(v);
	put(f, &v, sizeof(v));
}

/* Addresses, sender first. Return: bytes */
static size_t addresses(const struct vector *v, uint8_t *to)
{
	if (strchr(v->src, ':')) {
		assert_int_equal(inet_pton(AF_INET6, v->src, to) + inet_pton(AF_INET6, v->dst, to + 16), 2);
		return 32;
	}
	assert_int_equal(inet_pton(AF_INET, v->src, to) + inet_pton(AF_INET, v->dst, to + 4), 2);
	return 8;
}

/*
 * @tags: of VLANs; @proto: behind the addresses, and behind @skip, bytes that it gets there by: options, or extension headers, of which
 * the first is @first; @frag: as it is in an IPv4 header
 */
static struct frame frame(const struct vector *v, unsigned int tags, uint8_t proto, const char *skip, size_t skip_len, uint8_t first, uint16_t frag)
{
	struct frame f = { .len = 0 };
	uint8_t a[32], l4[20] = { 0 };
	size_t len = addresses(v, a);
	unsigned int i;

	put(&f, "\xff\xff\xff\xff\xff\xff\x52\x54\0\0\0\1", 12);
	for (i = 0; i < tags; i++) {
		put16(&f, i ? 0x8100 : 0x88a8);
		put16(&f, 5);
	}
	put16(&f, len == 8 ? 0x0800 : 0x86dd);
	if (len == 8) {
		put16(&f, (uint16_t)(0x4500 + 0x100 * (skip_len / 4)));
		put16(&f, (uint16_t)(20 + skip_len + sizeof(l4)));
		put16(&f, 1);
		put16(&f, frag);
		put16(&f, (uint16_t)(0x4000 + proto));
		put16(&f, 0);
	} else {
		put(&f, "\x60\0\0", 4);
		put16(&f, (uint16_t)(skip_len + sizeof(l4)));
		put16(&f, (uint16_t)((skip_len ? first : proto) << 8 | 64));
	}
	put(&f, a, len);
	put(&f, skip, skip_len);
	l4[0] = (uint8_t)(v->sport >> 8);
	l4[1] = (uint8_t)v->sport;
	l4[2] = (uint8_t)(v->dport >> 8);
	l4[3] = (uint8_t)v->dport;
	put(&f, l4, sizeof(l4));
	return f;
}

static struct frame plain(const struct vector *v, uint8_t proto)
{
	return frame(v, 0, proto, "", 0, 0, 0);
}

/* Return: what the program says of a frame, with @types */
static uint32_t steered(struct frame f, uint32_t types)
{
	union bpf_attr attr = { .test = {
		.prog_fd = (uint32_t)tap_rss_program(rss),
		.data_in = (uintptr_t)f.b,
		.data_size_in = (uint32_t)f.len,
	} };
	unsigned int i;

	conf.hash_types = types;
	for (i = 0; i <= conf.mask; i++)
		conf.queue[i] = (uint16_t)i;
	/* there is no tap, but the map has it */
	assert_int_equal(tap_rss_set(rss, null_fd, &conf), -EBADF);
	assert_int_equal(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)), 0);
	return attr.test.retval;
}

static void test_hash(void **state)
{
	struct rss_map map;
	uint8_t tuple[RSS_TUPLE];
	unsigned int i, n, at;
	uint32_t hash[2];
	size_t len;

	(void)state;
	tap_rss_map(&conf, &map);
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		len = addresses(&vectors[i], tuple);
		tuple[len] = (uint8_t)(vectors[i].sport >> 8);
		tuple[len + 1] = (uint8_t)vectors[i].sport;
		tuple[len + 2] = (uint8_t)(vectors[i].dport >> 8);
		tuple[len + 3] = (uint8_t)vectors[i].dport;
		for (n = 0; n < 2; n++)
			for (hash[n] = 0, at = 0; at < len + 4 * n; at++)
				hash[n] ^= map.toeplitz[2 * at][tuple[at] >> 4] ^ map.toeplitz[2 * at + 1][tuple[at] & 15];
		assert_int_equal(hash[0], vectors[i].addresses);
		assert_int_equal(hash[1], vectors[i].ports);
	}
}

static int open_rss(void **state)
{
	(void)state;
	rss = rss ?: tap_rss_open("test");
	return 0;
}

#define NEED_RSS() do { if (!rss) skip(); } while (0)

static void test_vectors(void **state)
{
	unsigned int i, m = VHOST_USER_NET_RSS_TABLE - 1;

	(void)state;
	NEED_RSS();
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		bool six = strchr(v->src, ':');

		assert_int_equal(steered(plain(v, 6), ALL), v->ports & m);
		assert_int_equal(steered(plain(v, 17), ALL), v->ports & m);
		assert_int_equal(steered(plain(v, 47), ALL), v->addresses & m);
		/* one type alone */
		assert_int_equal(steered(plain(v, 6), six ? TCP6 : TCP4), v->ports & m);
		assert_int_equal(steered(plain(v, 17), six ? UDP6 : UDP4), v->ports & m);
		assert_int_equal(steered(plain(v, 6), six ? IP6 : IP4), v->addresses & m);
		assert_int_equal(steered(plain(v, 17), six ? TCP6 : TCP4), OTHERS);
		assert_int_equal(steered(plain(v, 6), six ? UDP6 : UDP4), OTHERS);
		/* and all of the other protocol */
		assert_int_equal(steered(plain(v, 6), six ? IP4 | TCP4 | UDP4 : IP6 | TCP6 | UDP6), OTHERS);
		/* tags */
		assert_int_equal(steered(frame(v, 1, 6, "", 0, 0, 0), ALL), v->ports & m);
		assert_int_equal(steered(frame(v, 2, 17, "", 0, 0, 0), ALL), v->ports & m);
		assert_int_equal(steered(frame(v, 3, 6, "", 0, 0, 0), ALL), OTHERS);
	}
	conf.mask = 7;
	assert_int_equal(steered(plain(vectors, 6), ALL), vectors[0].ports & 7);
	conf.mask = m;
}

static void test_hidden_ports(void **state)
{
	const struct vector *v4 = &vectors[1], *v6 = &vectors[6];
	unsigned int m = VHOST_USER_NET_RSS_TABLE - 1;
	/* hop by hop, 16 bytes; routing; destination; a fragment header, of a whole packet; authentication, 24 bytes */
	char chain[] = "\x2b\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\x3c\0\0\0\0\0\0\0" "\x2c\0\0\0\0\0\0\0" "\x33\0\0\0\0\0\0\1"
		       "\x06\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	char many[9 * 8] = { 0 };
	unsigned int i;
	struct frame f;

	(void)state;
	NEED_RSS();
	assert_int_equal(steered(frame(v4, 0, 6, "\1\1\1\1\1\1\1\0", 8, 0, 0), ALL), v4->ports & m);
	assert_int_equal(steered(frame(v4, 0, 6, "", 0, 0, 0x4000), ALL), v4->ports & m);
	assert_int_equal(steered(frame(v4, 0, 6, "", 0, 0, 0x2000), ALL), v4->addresses & m);
	assert_int_equal(steered(frame(v4, 0, 17, "", 0, 0, 0x0001), ALL), v4->addresses & m);
	assert_int_equal(steered(frame(v4, 0, 17, "", 0, 0, 0x0100), TCP4 | UDP4), OTHERS);
	assert_int_equal(steered(frame(v6, 1, 6, chain, sizeof(chain) - 1, 0, 0), ALL), v6->ports & m);
	chain[35] = 1;	/* more fragments */
	assert_int_equal(steered(frame(v6, 1, 6, chain, sizeof(chain) - 1, 0, 0), ALL), v6->addresses & m);
	for (i = 0; i < 8; i++)
		many[8 * i] = i == 6 ? 6 : 60;
	assert_int_equal(steered(frame(v6, 0, 6, many, 7 * 8, 60, 0), ALL), v6->ports & m);
	many[8 * 6] = 60;
	many[8 * 8] = 6;
	assert_int_equal(steered(frame(v6, 0, 6, many, 9 * 8, 60, 0), ALL), v6->addresses & m);
	/* cut in the addresses, before the ports, and what is neither; behind a tag, or new kernels have no test of it */
	f = frame(v6, 1, 6, "", 0, 0, 0);
	f.len = 18 + 39;
	assert_int_equal(steered(f, ALL), OTHERS);
	f.len = 18 + 40 + 3;
	assert_int_equal(steered(f, ALL), v6->addresses & m);
	f = frame(v4, 1, 6, "", 0, 0, 0);
	f.len = 18 + 19;
	assert_int_equal(steered(f, ALL), OTHERS);
	f = plain(v4, 6);
	f.b[12] = 0x88;
	assert_int_equal(steered(f, ALL), OTHERS);
}

/* Return: the only one of @fd that a packet came by; -1: none, or several */
static int came(const int *fd)
{
	int i, by = -1, n = 0;
	char buf[512];

	for (i = 0; i < 4; i++)
		while (read(fd[i], buf, sizeof(buf)) > 0) {
			by = i;
			n++;
		}
	return n == 1 ? by : -1;
}

static void test_tap(void **state)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	char name[IFNAMSIZ] = "", none[IFNAMSIZ];
	struct ifreq ifr = { .ifr_flags = IFF_UP };
	unsigned int i, sent = 0;
	int fd[4], s;

	(void)state;
	NEED_RSS();
	if (unshare(CLONE_NEWNET))
		skip();
	for (i = 0; i < 4; i++) {
		fd[i] = tap_open("n", i ? name : NULL, true, i ? none : name);
		assert_true(fd[i] >= 0);
	}
	s = socket(AF_PACKET, SOCK_RAW, 0);
	assert_true(s >= 0);
	memcpy(ifr.ifr_name, name, sizeof(name));
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	to.sll_ifindex = (int)if_nametoindex(name);
	assert_int_equal(bind(s, (struct sockaddr *)&to, sizeof(to)), 0);
	usleep(100000);
	came(fd);
	conf.hash_types = ALL;
	conf.unclassified = 2;
	for (i = 0; i <= conf.mask; i++)
		conf.queue[i] = (uint16_t)(i % 4 ^ 1);
	assert_int_equal(tap_rss_set(rss, fd[0], &conf), 0);
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct frame f = plain(&vectors[i], 6);

		assert_int_equal(send(s, f.b, f.len, 0), f.len);
		assert_int_equal(came(fd), (vectors[i].ports % 4) ^ 1);
		f.b[12] = 0x88;
		assert_int_equal(send(s, f.b, f.len, 0), f.len);
		assert_int_equal(came(fd), 2);
	}
	/* it is tun's own hash again */
	tap_rss_off(fd[0]);
	for (i = 0; i < 16; i++) {
		struct vector v = vectors[0];
		struct frame f;

		v.sport = (uint16_t)(1000 + i);
		f = plain(&v, 6);
		assert_int_equal(send(s, f.b, f.len, 0), f.len);
		sent += came(fd) == 2;
	}
	assert_true(sent < 16);
	close(s);
	for (i = 0; i < 4; i++)
		close(fd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test_setup(test_vectors, open_rss),
		cmocka_unit_test_setup(test_hidden_ports, open_rss),
		cmocka_unit_test_setup(test_tap, open_rss),
	};
	int ret;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	tap_rss_close(rss);
	return ret;
}
