// SPDX-License-Identifier: GPL-2.0
/* Taps: opening, refusing, offloads, scripts. Needs /dev/net/tun and CAP_NET_ADMIN. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/log.h"
#include "vmm/tap.h"
#include "said.h"

#define BIT(n) (1ull << (n))

static char ifname[16], name[32];

static void listen_end_with(const char *word)
{
	listen_end();
	if (!strstr(said, word) || strchr(said, '\n') != said + strlen(said) - 1)
		fail_msg("no %s in one line: %s", word, said);
}

static int tun_raw(const char *want, short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (want)
		strncpy(ifr.ifr_name, want, IFNAMSIZ - 1);
	if (fd >= 0 && flags && ioctl(fd, TUNSETIFF, &ifr)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void test_open(void **state)
{
	char again[16];
	int fd;

	(void)state;
	fd = tap_open("n0", name, false, ifname);
	assert_true(fd >= 0);
	assert_string_equal(ifname, name);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(tap_mtu(ifname), 1500);
	/* a second process at the same tap */
	listen_begin();
	assert_int_equal(tap_open("n1", name, false, again), -1);
	listen_end_with("busy");
	close(fd);
	/* it was ours, so it has gone */
	assert_int_equal(if_nametoindex(name), 0);
	fd = tap_open("n0", NULL, false, ifname);
	assert_true(fd >= 0);
	assert_int_equal(strncmp(ifname, "tap", 3), 0);
	close(fd);
}

static void test_open_wrong_kind(void **state)
{
	int fd = tun_raw(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);

	(void)state;
	assert_true(fd >= 0);
	listen_begin();
	assert_int_equal(tap_open("n0", name, false, ifname), -1);
	listen_end_with(name);
	close(fd);
	listen_begin();
	assert_int_equal(tap_open("n0", "lo", false, ifname), -1);
	listen_end_with("lo is not a single-queue tap");
}

static void refuse_fd(int fd, const char *word)
{
	listen_begin();
	assert_int_equal(tap_adopt("n0", fd, ifname), -1);
	listen_end_with(word);
	if (fd > 2)
		close(fd);
}

static void test_adopt(void **state)
{
	struct ifreq ifr;
	int fd, p[2];

	(void)state;
	fd = tun_raw(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	assert_int_equal(tap_adopt("n0", fd, ifname), fd);
	assert_string_equal(ifname, name);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	refuse_fd(999, "fd=999: Bad file descriptor");
	assert_int_equal(pipe(p), 0);
	close(p[1]);
	refuse_fd(p[0], "is not a tap");
	refuse_fd(tun_raw(NULL, 0), "no interface attached");
	refuse_fd(tun_raw(name, IFF_TAP | IFF_NO_PI), "IFF_VNET_HDR");
	fd = tun_raw(name, IFF_TAP | IFF_VNET_HDR);
	assert_int_equal(ioctl(fd, TUNGETIFF, &ifr), 0);
	/* some kernels set the flag themselves */
	if (ifr.ifr_flags & IFF_NO_PI)
		close(fd);
	else
		refuse_fd(fd, "IFF_NO_PI");
	refuse_fd(tun_raw(name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR), "a tun, not a tap");
}

static void test_offloads(void **state)
{
	uint64_t must = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
			BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
			BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
			BIT(VIRTIO_NET_F_GUEST_ECN);
	int fd = tap_open("n0", name, false, ifname), len = 0;
	uint64_t f;

	(void)state;
	assert_true(fd >= 0);
	f = tap_offloads(fd);
	assert_true((f & must) == must);
	/* nothing that is no offload */
	assert_false(f & ~(must | BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO) |
			   BIT(VIRTIO_NET_F_GUEST_UFO) | BIT(54) | BIT(55) | BIT(56)));

	assert_int_equal(tap_set_offload(fd, 0), 0);
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &len), 0);
	assert_int_equal(len, 10);
	assert_int_equal(tap_set_offload(fd, f | BIT(VIRTIO_NET_F_MRG_RXBUF)), 0);
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &len), 0);
	assert_int_equal(len, 12);
	assert_int_equal(tap_set_offload(fd, BIT(VIRTIO_F_VERSION_1)), 0);
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &len), 0);
	assert_int_equal(len, 12);
	/* whatever subset a driver takes, the tap takes too */
	assert_int_equal(tap_set_offload(fd, BIT(VIRTIO_NET_F_GUEST_TSO4)), 0);
	assert_int_equal(tap_set_offload(fd, BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(54)), 0);
	assert_int_equal(tap_set_offload(fd, BIT(VIRTIO_NET_F_GUEST_CSUM) |
					     BIT(VIRTIO_NET_F_GUEST_TSO6)), 0);
	close(fd);
	assert_int_equal(tap_set_offload(fd, 0), -EBADF);
}

static void write_script(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	chmod(path, 0700);
}

static void test_script(void **state)
{
	char dir[] = "/tmp/tap-test-XXXXXX", script[64], out[64], text[256], buf[32] = "";
	sigset_t term;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(script, sizeof(script), "%s/up", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(text, sizeof(text), "#!/bin/sh\necho \"$#$1\" > %s\n", out);
	write_script(script, text);
	assert_int_equal(tap_run_script("n0", script, "tap7"), 0);
	f = fopen(out, "r");
	assert_non_null(fgets(buf, sizeof(buf), f));
	fclose(f);
	assert_string_equal(buf, "1tap7\n");

	write_script(script, "#!/bin/sh\nexit 3\n");
	listen_begin();
	assert_int_equal(tap_run_script("n0", script, "tap7"), -1);
	listen_end_with("exit status 3");
	/* the main thread blocks this signal; its children do not */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	write_script(script, "#!/bin/sh\nkill -TERM $$\nsleep 5\n");
	listen_begin();
	assert_int_equal(tap_run_script("n0", script, "tap7"), -1);
	listen_end_with("killed by signal 15");
	sigprocmask(SIG_UNBLOCK, &term, NULL);
	unlink(script);
	listen_begin();
	assert_int_equal(tap_run_script("n0", script, "tap7"), -1);
	listen_end_with("No such file");
	unlink(out);
	rmdir(dir);
}

static void test_vhost_fd(void **state)
{
	(void)state;
	assert_false(vhost_fd_is_net(0));
	assert_false(vhost_fd_is_net(-1));
}

int main(void)
{
	const struct CMUnitTest need_tun[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_open_wrong_kind),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_offloads),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_vhost_fd),
	};
	int fd;

	log_init("tap");
	snprintf(name, sizeof(name), "tt%u", (unsigned int)getpid() % 100000);
	fd = tun_raw(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	if (fd < 0) {
		printf("1..0 # SKIP cannot make a tap: %s\n", strerror(errno));
		return 0;
	}
	close(fd);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(need_tun, NULL, NULL);
}
