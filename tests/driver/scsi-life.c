// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of commands on their way when the endpoint is cleared, a LUN goes, the device below hangs,
 * a LUN is reset, and when the owner is killed. TAP on stdout.
 *
 *	scsi-life WWPN DM	portal group 1: lun 0 on this device-mapper device, lun 1 memory of 8 MiB
 *	LOOPS=N			kills under load (50)
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dtest.h"
#include "lib/blk.h"
#include "lib/scsi.h"

#define DEPTH	32
#define BS	4096
#define LUN_BLOCKS (8u << 20 >> 9)
#define MODULE	"/sys/module/vhost_scsi/refcnt"

static const char *wwpn, *dm;
static unsigned char *buf;

static void dm_suspend(void)
{
	t_need(blk_sh("dmsetup suspend --nolockfs --noflush %s", dm), "dmsetup suspend");
}

static void dm_resume(void)
{
	t_need(blk_sh("dmsetup resume %s", dm), "dmsetup resume");
}

/* Meanwhile this process does something that lasts as long as the device hangs. */
static void dm_resume_later(void)
{
	t_need(blk_sh("(sleep 0.5; dmsetup resume %s) >/dev/null 2>&1 &", dm), "dmsetup resume");
}

/* Targets hold it as well: more than that is a device. */
static int module_users(void)
{
	char text[32];

	return t_read_file(MODULE, text, sizeof(text)) > 0 ? atoi(text) : -1;
}

static bool wait_users(int want)
{
	uint64_t end = t_now_ms() + 20000;

	while (module_users() != want && t_now_ms() < end)
		t_sleep_ms(10);
	return module_users() == want;
}

/* @n writes of 4 KiB to a LUN, one behind the other */
static int submit(struct scsi *s, unsigned int lun, struct scsi_cmd *c, unsigned int n)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++) {
		c[i] = (struct scsi_cmd){ .req = { .out = buf + i * BS, .out_len = BS } };
		scsi_cmd(s, &c[i], lun, "2a 00 %08x 00 0008 00", i * 8);
		ret = scsi_submit(s, SCSI_REQUEST, &c[i].req);
	}
	return ret ?: reqs_kick(&s->q, SCSI_REQUEST);
}

static int all_good(const struct scsi_cmd *c, unsigned int n)
{
	while (n--)
		if (scsi_result(&c[n]))
			return -EBADMSG;
	return 0;
}

/* Nothing of a hung device is done: long enough that a worker would have. */
static bool hang(struct scsi *s)
{
	t_sleep_ms(200);
	return !vdrv_vq_pending(&s->q.vq[SCSI_REQUEST]);
}

/* What was popped is complete when the endpoint is cleared, and what comes later stays in the ring. */
static void test_drain(void)
{
	struct reqs_opt o = { 0 };
	struct scsi_cmd c[16];
	static struct scsi s;
	int ret, n;

	t_need(scsi_start(&s, &o, wwpn), "device");
	dm_suspend();
	ret = submit(&s, 0, c, 16);
	t_ok(!ret && hang(&s), "16 writes hang");
	dm_resume_later();
	ret = scsi_clear(&s, wwpn, 1);
	n = reqs_reap(&s.q, SCSI_REQUEST);
	t_ok(!ret && n == 16 && !all_good(c, 16), "when the endpoint is cleared, 16 are complete: %s, %d %s",
	     t_err(ret), n, s.q.why);
	ret = submit(&s, 0, c, 16);
	t_sleep_ms(50);
	t_ok(!ret && !reqs_reap(&s.q, SCSI_REQUEST), "nothing is taken without an endpoint");
	ret = scsi_endpoint(&s, wwpn, 1);
	vdrv_vq_kick_always(&s.q.vq[SCSI_REQUEST]);
	ret = ret ?: reqs_finish(&s.q, REQS_TIMEOUT_MS);
	t_ok(!ret && !all_good(c, 16), "and all of it with one: %s %s", t_err(ret), ret ? s.q.why : "");
	scsi_close(&s);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal ends the wait for a hung device, and nothing else. Stock cannot be interrupted. */
static void test_eintr(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct reqs_opt o = { 0 };
	struct scsi_cmd c[8];
	static struct scsi s;
	int ret;

	t_need(scsi_start(&s, &o, wwpn), "device");
	dm_suspend();
	ret = submit(&s, 0, c, 8);
	t_ok(!ret && hang(&s), "8 writes hang");
	sigaction(SIGALRM, &sa, NULL);
	ualarm(200000, 200000);
	ret = scsi_clear(&s, wwpn, 1);
	ualarm(0, 0);
	t_ok(ret == -EINTR, "the wait ends with a signal: %s", t_err(ret));
	dm_resume();
	ret = scsi_clear(&s, wwpn, 1);
	t_ok(!ret || ret == -EINVAL, "and comes to its end: %s", t_err(ret));
	ret = reqs_reap(&s.q, SCSI_REQUEST);
	t_ok(ret == 8 && !all_good(c, 8), "all are done: %d %s", ret, s.q.why);
	scsi_close(&s);
}

/* The device of one LUN hangs: others go on, in the same queue; and what a reset of the LUN does. */
static void test_hung(bool abort)
{
	uint32_t subtype = abort ? VIRTIO_SCSI_T_TMF_ABORT_TASK : VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET;
	struct virtio_scsi_ctrl_tmf_req tmf = { .subtype = htole32(subtype) };
	struct virtio_scsi_ctrl_tmf_resp resp = { 0xff };
	struct scsi_req t = { .hdr = &tmf, .hdr_len = sizeof(tmf), .resp = &resp, .resp_len = 1 };
	struct reqs_opt o = { 0 };
	struct scsi_cmd c[8];
	static struct scsi s;
	int ret, n = 0;

	t_need(scsi_start(&s, &o, wwpn), "device");
	dm_suspend();
	ret = submit(&s, 0, c, 4);
	t_ok(!ret && hang(&s), "4 writes of lun 0 hang");
	ret = submit(&s, 1, c + 4, 4);
	while (!ret && n < 4) {
		ret = reqs_wait(&s.q, SCSI_REQUEST, 5000);
		n += ret ? 0 : reqs_reap(&s.q, SCSI_REQUEST);
	}
	t_ok(!ret && !all_good(c + 4, 4), "those of lun 1 do not: %s %s", t_err(ret), ret ? s.q.why : "");
	scsi_lun(tmf.lun, SCSI_TARGET, 0);
	tmf.tag = c[0].hdr.tag;
	ret = scsi_submit(&s, SCSI_CTRL, &t) ?: reqs_kick(&s.q, SCSI_CTRL);
	t_sleep_ms(100);
	n = reqs_reap(&s.q, SCSI_CTRL);
	t_note("%s while they hang: %s", abort ? "ABORT TASK" : "LUN reset", n ? "done" : "waits");
	dm_resume();
	ret = ret ?: reqs_finish(&s.q, REQS_TIMEOUT_MS);
	t_ok(!ret && t.done && (resp.response == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED || (!t_stock() &&
	     resp.response == VIRTIO_SCSI_S_OK) || (abort && t_stock() &&
	     resp.response == VIRTIO_SCSI_S_FUNCTION_REJECTED)),
	     "%s: all are done when the device is back: %s, response %u %s", abort ? "ABORT TASK" : "LUN reset",
	     t_err(ret), resp.response, ret ? s.q.why : "");
	t_note("the first of them: %s", scsi_text(&c[0]));
	ret = scsi_settle(&s, 0) ?: scsi_io(&s, true, 0, 0, buf, BS);
	t_ok(!ret, "the LUN works after it: %s", t_err(ret));
	scsi_close(&s);
}

/* Keep the queue full for so many commands. @failed: how many the LUN was not there for */
static int load(struct scsi *s, unsigned int lun, unsigned int count, unsigned int *failed)
{
	static struct scsi_cmd c[DEPTH];
	unsigned int i, started = 0;
	int ret = 0;

	for (i = 0; i < DEPTH; i++)
		c[i].req.done = true;
	while (started < count && !ret) {
		for (i = 0; i < DEPTH && !ret; i++) {
			bool write = started & 1;

			if (!c[i].req.done)
				continue;
			if (c[i].req.hdr && scsi_result(&c[i])) {
				if (c[i].resp.response || scsi_sense(&c[i]) >> 16 == 3)
					return -EIO;
				++*failed;
			}
			c[i] = (struct scsi_cmd){ 0 };
			c[i].req.out = write ? buf + i * BS : NULL;
			c[i].req.out_len = write ? BS : 0;
			c[i].req.in = write ? NULL : buf + i * BS;
			c[i].req.in_len = write ? 0 : BS;
			scsi_cmd(s, &c[i], lun, "%02x 00 %08x 00 0008 00", write ? 0x2a : 0x28,
				 started++ * 8 % LUN_BLOCKS);
			ret = scsi_submit(s, SCSI_REQUEST, &c[i].req);
		}
		ret = ret ?: reqs_kick(&s->q, SCSI_REQUEST) ?: reqs_wait(&s->q, SCSI_REQUEST, REQS_TIMEOUT_MS);
		if (!ret && reqs_reap(&s->q, SCSI_REQUEST) < 0)
			ret = -EPROTO;
	}
	ret = ret ?: reqs_finish(&s->q, REQS_TIMEOUT_MS);
	/* For the next time */
	memset(c, 0, sizeof(c));
	return ret;
}

/* LUN 1 goes and comes under load: its commands fail or not, but all come back. */
static void test_lun_removed(void)
{
	struct reqs_opt o = { 0 };
	unsigned int failed = 0, i;
	static struct scsi s;
	int ret = 0;

	t_need(scsi_start(&s, &o, wwpn), "device");
	t_need(blk_sh("(for i in 1 2 3 4 5; do sleep 0.1; $SHUNT_TOP/build/bin/shunt-target remove-lun %s 1; "
		      "sleep 0.1; $SHUNT_TOP/build/bin/shunt-target add %s ramdisk:8M,lun=1; done; "
		      "touch /tmp/scsi-life.done) &", wwpn, wwpn), "shunt-target");
	for (i = 0; i < 1000 && !ret && access("/tmp/scsi-life.done", F_OK); i++)
		ret = load(&s, 1, 500, &failed);
	t_ok(!ret && failed, "a LUN goes and comes under load: %s, %u were too late %s", t_err(ret), failed,
	     ret ? s.q.why : "");
	unlink("/tmp/scsi-life.done");
	failed = 0;
	ret = load(&s, 1, 1, &failed) ?: load(&s, 1, 200, &failed);
	t_ok(!ret && failed < 200, "and is there again: %s, %u", t_err(ret), failed);
	scsi_close(&s);
}

static void test_kill_load(void)
{
	unsigned int loops = getenv("LOOPS") ? atoi(getenv("LOOPS")) : 50, i;
	int base = module_users(), st = 0;
	static struct scsi s;
	bool good = true;

	for (i = 0; i < loops && good; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct reqs_opt o = { 0 };
			unsigned int failed = 0;

			if (scsi_start(&s, &o, wwpn))
				_exit(1);
			load(&s, i & 1, 1 << 30, &failed);
			_exit(1);
		}
		t_sleep_ms(50 + i * 7 % 60);
		kill(pid, SIGKILL);
		waitpid(pid, &st, 0);
		good = WIFSIGNALED(st) && wait_users(base);
	}
	t_ok(good, "%u of %u times killed under load, the module is free: %#x, %d users, before %d", i, loops, st,
	     module_users(), base);
}

/*
 * The owner is killed while the device below hangs. Its end waits for nothing; the module stays until
 * the commands have come back. Stock waits in the exit.
 */
static void test_kill_hung(void)
{
	int base = module_users(), p[2], ret, st = -1;
	static struct scsi s;
	uint64_t t;
	pid_t pid;
	char c;

	t_need(pipe(p) ? -errno : 0, "pipe");
	dm_suspend();
	pid = fork();
	if (!pid) {
		struct scsi_cmd cmds[16];
		struct reqs_opt o = { 0 };

		/* What was before has left a unit attention, whose report would not hang. */
		if (scsi_start(&s, &o, wwpn) || scsi_settle(&s, 0) || submit(&s, 0, cmds, 16) || !hang(&s) ||
		    write(p[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(p[1]);
	ret = read(p[0], &c, 1);
	t_ok(ret == 1, "16 writes hang");
	kill(pid, SIGKILL);
	t = t_now_ms();
	while ((ret = waitpid(pid, &st, WNOHANG)) != pid && t_now_ms() - t < 5000)
		t_sleep_ms(5);
	if (!t_stock())
		t_ok(ret == pid && WIFSIGNALED(st), "the process ends at once: %#x", st);
	dm_resume();
	if (ret != pid)
		waitpid(pid, &st, 0);
	t_ok(wait_users(base), "the module is free when the device is back: %d users, before %d", module_users(),
	     base);
	close(p[0]);
}

int main(int argc, char **argv)
{
	struct reqs_opt o = { 0 };
	static struct scsi s;

	t_need(argc == 3 ? 0 : -EINVAL, "usage: scsi-life WWPN DM");
	wwpn = argv[1];
	dm = argv[2];
	buf = blk_buf(DEPTH * BS);

	t_need(scsi_start(&s, &o, wwpn), SCSI_DEVICE);
	t_need(scsi_settle(&s, 0) ?: scsi_settle(&s, 1), "settle");
	scsi_close(&s);
	test_drain();
	if (!t_stock())
		test_eintr();
	test_hung(false);
	test_hung(true);
	test_lun_removed();
	test_kill_load();
	test_kill_hung();
	return t_done();
}
