// SPDX-License-Identifier: GPL-2.0
/*
 * The back end af-xdp: an AF_XDP socket on a queue of an interface for each pair of queues.
 *
 * A socket has four rings with the kernel, and frames in memory of its own. Packets that have come (ring rx) and room
 * for others (fill) are the receive queue's thread's, with one half of the frames; packets to go (tx) and frames that
 * are back (comp) the send queue's, with the other. A packet is copied once, between its frame and the driver's buffer.
 *
 * The XDP program that directs packets to the sockets is libxdp's default one. It hangs on a BPF link, which the kernel
 * lets go with the process, however that ends.
 */
#define _GNU_SOURCE
#include "net.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#include "iov.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Frames for each direction, which is what each ring holds, too: there is always room in it */
#define FRAMES		2048
/* Bytes of one. A packet that is received has 256 less, which the kernel keeps for XDP programs. */
#define FRAME_SIZE	XSK_UMEM__DEFAULT_FRAME_SIZE
/* Packets of a round: the driver, or the kernel, hears of them meanwhile */
#define ROUND		64
/* Nothing tells of frames that are back: when to look again, the longer the oftener there was none */
#define WAIT_MIN_NS	50000
#define WAIT_MAX_NS	10000000
/* The kernel lets go of a process's sockets and link a while after its end. */
#define TAKEN_NS	1500000000ull
#define TAKEN_AGAIN_US	10000

/**
 * struct rx - received packets. Context: the receive queue
 * @ring: that have come; @fill: room for others
 * @polling: for some to come
 * @dropped: those that the kernel had counted when the queue stopped
 */
struct rx {
	struct xsk_ring_cons ring;
	struct xsk_ring_prod fill;
	bool polling;
	uint64_t dropped;
};

/**
 * struct tx - packets to send. Context: the send queue
 * @ring: to be sent; @comp: that were
 * @free: addresses of frames without a packet, @nr_free of them
 * @waiting: for @wait to go by
 * @down: the interface does not take any
 * @dropped: packets that were too long, or found no room while it was down
 */
struct tx {
	struct xsk_ring_prod ring;
	struct xsk_ring_cons comp;
	uint64_t free[FRAMES];
	unsigned int nr_free;
	struct __kernel_timespec wait;
	bool waiting;
	bool down;
	uint64_t dropped;
};

/**
 * struct xdp_pair - a socket
 * @umem: its memory, at @frames
 */
struct xdp_pair {
	struct xsk_socket *xsk;
	struct xsk_umem *umem;
	unsigned char *frames;
	int fd;
	struct rx rx __attribute__((aligned(64)));
	struct tx tx __attribute__((aligned(64)));
};

static struct xdp_pair pairs[NET_PAIRS_MAX];

static struct xdp_pair *pair_of(const struct vu_queue *q)
{
	return &pairs[q->index / 2];
}

static void tell_dropped(const struct vu_queue *q, uint64_t n)
{
	if (n)
		log_info("queue %u: %llu packets dropped", q->index, (unsigned long long)n);
}

/* --- receiving --- */

/* The oldest @n packets are done with: their frames are room for others. */
static void rx_recycle(struct rx *rx, uint32_t at, unsigned int n)
{
	uint32_t to;
	unsigned int i;

	if (!n || !xsk_ring_prod__reserve(&rx->fill, n, &to))
		return;
	for (i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&rx->fill, to + i) = xsk_ring_cons__rx_desc(&rx->ring, at + i)->addr;
	xsk_ring_prod__submit(&rx->fill, n);
	xsk_ring_cons__release(&rx->ring, n);
}

/* The poll asks a driver that waits for room to look, too. */
static bool xdp_rx(struct vu_queue *q)
{
	struct xdp_pair *x = pair_of(q);
	const struct net *n = q->dev;
	unsigned int i, nr;
	uint32_t at = 0;

	if (!net_pair_used(n, q->index / 2))
		return false;
	nr = xsk_ring_cons__peek(&x->rx.ring, ROUND, &at);
	for (i = 0; i < nr; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&x->rx.ring, at + i);
		const unsigned char *frame = x->frames + d->addr;

		if (net_filter_pass(&n->filter, frame, d->len) && !net_rx_packet(q, frame, d->len))
			break;
	}
	xsk_ring_cons__cancel(&x->rx.ring, nr - i);
	rx_recycle(&x->rx, at, i);
	if (!nr && !x->rx.polling)
		net_poll(q, POLLIN, &x->rx.polling);
	return i;
}

/* The kernel drops what is too long for a frame, or comes while there is no room. */
static void xdp_rx_stop(struct vu_queue *q)
{
	struct xdp_statistics st = { 0 };
	struct xdp_pair *x = pair_of(q);
	socklen_t len = sizeof(st);

	net_poll_cancel(q, &x->rx.polling);
	net_rx_release(q);
	if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &st, &len))
		return;
	tell_dropped(q, st.rx_dropped + st.rx_ring_full - x->rx.dropped);
	x->rx.dropped = st.rx_dropped + st.rx_ring_full;
}

static void xdp_rx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	(void)cqe;
	net_poll_end(q, data);
}

/* --- sending --- */

/* Return: whether frames came back */
static bool tx_reap(struct tx *tx)
{
	uint32_t at;
	unsigned int i, n = xsk_ring_cons__peek(&tx->comp, FRAMES, &at);

	for (i = 0; i < n; i++)
		tx->free[tx->nr_free++] = *xsk_ring_cons__comp_addr(&tx->comp, at + i);
	if (n)
		xsk_ring_cons__release(&tx->comp, n);
	return n;
}

/* What the kernel has not taken yet */
static uint32_t tx_left(const struct tx *tx)
{
	return *tx->ring.producer - __atomic_load_n(tx->ring.consumer, __ATOMIC_ACQUIRE);
}

/*
 * Where the kernel does not look by itself it is called, and called again while it takes a part each time. Return:
 * whether it is going to take all
 */
static bool tx_kick(struct xdp_pair *x)
{
	uint32_t left = tx_left(&x->tx), before;

	if (left && !xsk_ring_prod__needs_wakeup(&x->tx.ring))
		left = 0;
	while (left) {
		x->tx.down = false;
		if (!sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0))
			break;
		x->tx.down = errno == ENETDOWN || errno == ENXIO;
		before = left;
		left = tx_left(&x->tx);
		if (left == before)
			return false;
	}
	return true;
}

static void tx_wait(struct vu_queue *q, struct tx *tx)
{
	struct io_uring_sqe *sqe;

	if (tx->waiting)
		return;
	sqe = vu_queue_sqe(q);
	io_uring_prep_timeout(sqe, &tx->wait, 0, 0);
	io_uring_sqe_set_data(sqe, tx);
	tx->waiting = true;
	vu_queue_get(q);
}

/* A packet that cannot be sent is dropped, as by any network. Return: how many are to be sent */
static unsigned int tx_packet(struct vu_queue *q, const struct net_req *req)
{
	const struct net *n = q->dev;
	struct xdp_pair *x = pair_of(q);
	uint64_t addr;
	uint32_t at;

	if (req->len - n->hdr_len > FRAME_SIZE || !x->tx.nr_free || !xsk_ring_prod__reserve(&x->tx.ring, 1, &at)) {
		x->tx.dropped++;
		return 0;
	}
	addr = x->tx.free[--x->tx.nr_free];
	*xsk_ring_prod__tx_desc(&x->tx.ring, at) = (struct xdp_desc){
		.addr = addr,
		.len = (uint32_t)iov_read(req->iov, req->nr_iov, n->hdr_len, x->frames + addr, FRAME_SIZE),
	};
	return 1;
}

static bool xdp_tx(struct vu_queue *q)
{
	struct xdp_pair *x = pair_of(q);
	struct tx *tx = &x->tx;
	struct net_req *req;
	unsigned int i, nr = 0;

	if (tx_reap(tx))
		tx->wait.tv_nsec = WAIT_MIN_NS;
	for (i = 0; i < ROUND && (tx->nr_free || tx->down) && (req = net_tx_pull(q)); i++) {
		nr += tx_packet(q, req);
		net_req_end(q, req, 0);
	}
	xsk_ring_prod__submit(&tx->ring, nr);
	if (!tx_kick(x) || !tx->nr_free)
		tx_wait(q, tx);
	return i;
}

static void xdp_tx_done(struct vu_queue *q, void *data, const struct io_uring_cqe *cqe)
{
	struct tx *tx = data;

	(void)cqe;
	tx->waiting = false;
	tx->wait.tv_nsec = 2 * tx->wait.tv_nsec < WAIT_MAX_NS ? 2 * tx->wait.tv_nsec : WAIT_MAX_NS;
	vu_queue_put(q);
}

static void xdp_tx_stop(struct vu_queue *q)
{
	struct tx *tx = &pair_of(q)->tx;

	tell_dropped(q, tx->dropped);
	tx->dropped = 0;
}

/* --- opening --- */

/* What somebody has may be free in a while. Return: whether to look, now that some of it has gone by */
static bool try_again(int err, uint64_t since)
{
	return err == -EBUSY && clock_ns() - since < TAKEN_NS && !usleep(TAKEN_AGAIN_US);
}

static int socket_failed(const struct net_opts *o, unsigned int queue, int err)
{
	const char *hint = err == -ENOBUFS ? " (of memory that is locked; see ulimit -l)" :
			   err == -EINVAL ? " (does it have as many queues?)" :
			   err == -EBUSY ? " (another AF_XDP socket has it)" : "";

	return log_err("--ifname=%s: queue %u: %s%s", o->ifname, queue, strerror(-err), hint);
}

/* The first frames are room for packets from the beginning. */
static void frames_init(struct xdp_pair *x)
{
	uint32_t at, i;

	if (xsk_ring_prod__reserve(&x->rx.fill, FRAMES, &at))
		for (i = 0; i < FRAMES; i++)
			*xsk_ring_prod__fill_addr(&x->rx.fill, at + i) = i * FRAME_SIZE;
	xsk_ring_prod__submit(&x->rx.fill, FRAMES);
	for (i = 0; i < FRAMES; i++)
		x->tx.free[i] = (FRAMES + i) * FRAME_SIZE;
	x->tx.nr_free = FRAMES;
	x->tx.wait.tv_nsec = WAIT_MIN_NS;
}

static int pair_open(struct xdp_pair *x, const struct net_opts *o, unsigned int queue)
{
	static const struct xsk_umem_config memory = {
		.fill_size = FRAMES,
		.comp_size = FRAMES,
		.frame_size = FRAME_SIZE,
	};
	const struct xsk_socket_config conf = {
		.rx_size = FRAMES,
		.tx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = (uint16_t)(XDP_USE_NEED_WAKEUP | (!o->xdp.zero_copy ? 0 :
				!strcmp(o->xdp.zero_copy, "on") ? XDP_ZEROCOPY : XDP_COPY)),
	};
	uint64_t since = clock_ns();
	int ret;

	x->frames = mmap(NULL, 2 * FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x->frames == MAP_FAILED)
		return socket_failed(o, queue, -errno);
	ret = xsk_umem__create(&x->umem, x->frames, 2 * FRAMES * FRAME_SIZE, &x->rx.fill, &x->tx.comp, &memory);
	if (ret)
		return socket_failed(o, queue, ret);
	do
		ret = xsk_socket__create(&x->xsk, o->ifname, queue, x->umem, &x->rx.ring, &x->tx.ring, &conf);
	while (try_again(ret, since));
	if (ret)
		return socket_failed(o, queue, ret);
	x->fd = xsk_socket__fd(x->xsk);
	frames_init(x);
	return 0;
}

/* Native, where that works and nothing else is asked for; the link stays open, and goes with the process. */
static int program_attach(const struct net_opts *o, int prog)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int ifindex = (int)if_nametoindex(o->ifname);
	bool skb = o->xdp.mode && !strcmp(o->xdp.mode, "skb");
	uint64_t since = clock_ns();
	int ret;

	do {
		opts.flags = skb ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
		ret = bpf_link_create(prog, ifindex, BPF_XDP, &opts);
		if (ret >= 0)
			return 0;
		skb |= !o->xdp.mode && ret != -EBUSY;
	} while (opts.flags != (skb ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE) || try_again(ret, since));
	return log_err("--ifname=%s: XDP program: %s%s", o->ifname, strerror(-ret),
		       ret == -EBUSY || ret == -EEXIST ? " (there is another)" : "");
}

static int map_sockets(const struct net_opts *o, unsigned int nr, int map)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr && !ret; i++)
		ret = xsk_socket__update_xskmap(pairs[i].xsk, map);
	return ret ? log_err("--ifname=%s: XDP program: queue %u: %s", o->ifname, o->xdp.start_queue + i - 1, strerror(-ret)) : 0;
}

/* libxdp's default program, with a map that has room for our queues */
static int program_load(const struct net_opts *o, unsigned int nr)
{
	struct xdp_program *xdp = xdp_program__find_file("xsk_def_xdp_prog.o", NULL, NULL);
	struct bpf_object *obj;
	struct bpf_map *map;
	int ret = (int)libxdp_get_error(xdp);

	if (ret)
		return log_err("af-xdp: libxdp's program xsk_def_xdp_prog.o: %s", strerror(-ret));
	obj = xdp_program__bpf_obj(xdp);
	map = bpf_object__find_map_by_name(obj, "xsks_map");
	ret = map ? bpf_map__set_max_entries(map, o->xdp.start_queue + nr) ?: bpf_object__load(obj) : -ENOENT;
	if (ret)
		ret = log_err("af-xdp: libxdp's program xsk_def_xdp_prog.o: %s", strerror(-ret));
	else
		ret = map_sockets(o, nr, bpf_map__fd(map)) ?:
		      program_attach(o, bpf_program__fd(bpf_object__next_program(obj, NULL)));
	xdp_program__close(xdp);
	return ret;
}

/* Somebody else's program looks there. */
static int map_given(const struct net_opts *o, unsigned int nr)
{
	int ret, fd = bpf_obj_get(o->xdp.map_path);

	if (fd < 0)
		return log_err("--map-path=%s: %s", o->xdp.map_path, strerror(-fd));
	ret = map_sockets(o, nr, fd);
	close(fd);
	return ret;
}

static int quiet(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int xdp_open(struct net *n, const struct net_opts *o)
{
	unsigned int i;

	if (!o->ifname)
		return log_err("--backend=af-xdp: --ifname=NAME is needed");
	if (!if_nametoindex(o->ifname))
		return log_err("--ifname=%s: %s", o->ifname, strerror(errno));
	if (o->xdp.map_path && o->xdp.mode)
		return log_err("--mode=%s: with --map-path=PATH no program is attached", o->xdp.mode);
	libbpf_set_print(NULL);
	libxdp_set_print(quiet);
	for (i = 0; i < n->pairs; i++) {
		if (pair_open(&pairs[i], o, o->xdp.start_queue + i))
			return -1;
		n->file[2 * i] = pairs[i].fd;
	}
	return o->xdp.map_path ? map_given(o, n->pairs) : program_load(o, n->pairs);
}

const struct net_backend net_xdp = {
	.name = "af-xdp",
	.kind = NET_XDP,
	.open = xdp_open,
	.rx = { .run = xdp_rx, .stop = xdp_rx_stop, .done = xdp_rx_done },
	.tx = { .run = xdp_tx, .stop = xdp_tx_stop, .done = xdp_tx_done },
};
