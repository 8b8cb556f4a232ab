#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The vhost-user protocol of our processes, by a front-end written from the specification: what it takes,
# what it refuses, and that a front-end that makes no sense costs its own session and nothing else.
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
blk=${BLK:-$top/build/san/bin/shunt-blk}
[ -x "$blk" ] || blk=$top/build/bin/shunt-blk
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
truncate -s 1M disk
python_tap 300 "$blk" <<'P'
import os, resource, select, signal, socket, struct, subprocess, time
from vhost_user_disk import *

def process():
    p = subprocess.Popen([sys.argv[1], "--socket-path=s", "--blk-file=disk", "--num-queues=2", "--serial=me"],
                         stderr=open("err", "a"))
    while not os.path.exists("s"):
        time.sleep(0.05)
    return p

p = process()
fds = lambda: len(os.listdir("/proc/%d/fd" % p.pid))

def alive():
    """A good session is served."""
    with Front("s") as f:
        f.setup()
        return f.get_id() == b"me"

report(alive(), "a request by a front-end of our own")
time.sleep(0.3)
idle = fds()

# --- what a session is ---
with Front("s") as f:
    offered = f.ask(GET_FEATURES)
    report(offered >> 32 & 1 and offered >> 34 & 1 and offered >> 30 & 1, "VERSION_1, RING_PACKED, protocol features")
    report(f.ask(GET_PROTOCOL_FEATURES) == 1 << MQ | 1 << LOG | 1 << REPLY_ACK | 1 << BACKEND_REQ | 1 << CONFIG |
           1 << INFLIGHT | 1 << RESET | 1 << MEM_SLOTS | 1 << STATUS,
           "protocol features: those that are honoured")
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << MQ | 1 << REPLY_ACK | 1 << CONFIG | 1 << MEM_SLOTS))
    report(f.ask(GET_QUEUE_NUM) == 2, "two queues")
    report(f.ask(GET_MAX_MEM_SLOTS) == 509, "509 memory slots")
    c = f.config(0, 60)
    report(struct.unpack_from("<Q", c)[0] == 2048 and struct.unpack_from("<H", c, 34)[0] == 2, "configuration")
    report(f.config(250, 1) is None and f.config(0, 200) is None, "configuration that is not there: no data")
    report(f.acked(SET_CONFIG, struct.pack("<III", 32, 1, 0) + b"\0") == 0 and f.config(32, 1) == b"\0",
           "writethrough is set")
    report(f.acked(SET_CONFIG, struct.pack("<III", 0, 8, 0) + bytes(8)) != 0, "the capacity is not")
    report(f.acked(SET_FEATURES, u64(1 << 63)) != 0, "features that were not offered")
    report(f.acked(SET_VRING_NUM, state(2, 8)) != 0, "queue 2 of two")
    report(f.acked(SET_VRING_NUM, state(0, 0)) != 0 and f.acked(SET_VRING_NUM, state(0, 4096)) != 0, "sizes")
    f.acked(SET_CONFIG, struct.pack("<III", 32, 1, 0) + b"\1")

with Front("s") as f:
    f.setup(enable=False)
    f.submit_id()
    report(not f.used(0.2), "a ring that is started and not enabled is not served")
    f.tell(SET_VRING_ENABLE, state(0, 1))
    report(f.used(2) and f.id() == b"me", "enabled, it is, without another kick")
    f.tell(SET_VRING_ENABLE, state(0, 0))
    f.ask(GET_FEATURES)
    f.submit_id()
    report(not f.used(0.2), "disabled, it is not")
    f.tell(SET_VRING_ENABLE, state(0, 1))
    report(f.used(2), "enabled again, nothing is lost")
    report(f.base() == 2, "GET_VRING_BASE: two requests")
    f.submit_id()
    report(not f.used(0.2), "stopped, it is not served")
    f.tell(SET_VRING_BASE, state(0, 2))
    f.start()
    report(f.used(2), "started from there, it goes on: the kick is not needed")

with Front("s") as f:
    f.setup(call=False)
    f.submit_id()
    report(f.used(2), "without an eventfd to call")
    f.set_call()
    report(f.called(2), "one that comes later is signalled once")

with Front("s") as f:
    f.setup(kick=False)
    f.submit_id(kick=False)
    report(f.used(2), "no kick eventfd: the ring is polled")

with Front("s") as f:
    f.setup()
    f.get_id()
    f.table()
    report(f.get_id() == b"me", "a new memory table while the ring runs")
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << REPLY_ACK))
    refused = f.acked(SET_MEM_TABLE, struct.pack("<II", 0, 0)) != 0
    f.submit_id()
    report(refused and not f.used(0.2), "a table without the ring's memory stops it")
    f.table()
    report(f.used(2), "and one with it starts it again")

with Front("s") as f:
    f.setup(slots=True)
    report(f.get_id() == b"me", "memory by ADD_MEM_REG")
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << REPLY_ACK | 1 << MEM_SLOTS))
    more = os.memfd_create("more")
    os.ftruncate(more, 4096)
    region = lambda i: u64(0) + struct.pack("<QQQQ", 0x80000000 + i * 8192, 4096, 0x80000000 + i * 8192, 0)
    report(not any(f.acked(ADD_MEM_REG, region(i), [more]) for i in range(508)), "509 regions")
    report(f.acked(ADD_MEM_REG, region(508), [more]) != 0, "and not one more")
    report(f.get_id() == b"me", "it runs with them")
    report(f.acked(REM_MEM_REG, region(7)) == 0 and f.acked(ADD_MEM_REG, region(508), [more]) == 0, "one goes: room for another")
    report(f.acked(ADD_MEM_REG, region(508), [more]) == 0 and f.acked(REM_MEM_REG, region(7)) == 0,
           "QEMU 7.2 says both again for each pair of queues")
    report(f.acked(ADD_MEM_REG, region(7), [more]) != 0, "which makes no room")
    report(f.acked(REM_MEM_REG, region(508)) == 0, "a region that was added twice goes")
    os.ftruncate(more, 8192)
    report(f.acked(ADD_MEM_REG, u64(0) + struct.pack("<QQQQ", 0x80000000, 4096, 0x80000000, 4096), [more]) != 0,
           "one like another, but for its place in the file, is refused")
    report(f.acked(ADD_MEM_REG, region(7), [more]) == 0, "and one comes back")
    os.close(more)

with Front("s") as f:
    f.setup()
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << REPLY_ACK | 1 << RESET))
    ok = f.get_id() == b"me" and f.acked(RESET_DEVICE) == 0
    f.submit_id()
    report(ok and not f.used(0.2), "RESET_DEVICE: nothing is served")
    f.mem[:DATA] = bytes(DATA)
    f.avail = f.seen = 0
    f.setup()
    report(f.get_id() == b"me", "and it can be set up anew")

with Front("s") as f:
    f.setup()
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << STATUS))
    ok = f.ask(GET_STATUS) == 0
    f.tell(SET_STATUS, u64(15))
    report(ok and f.ask(GET_STATUS) == 15 and f.get_id() == b"me", "the driver's status is kept")
    f.submit(head=77)
    report(f.broken(2) and f.ask(GET_STATUS) == 15 | 64, "a ring that makes no sense: DEVICE_NEEDS_RESET")
    f.tell(SET_STATUS, u64(0))
    ok = f.ask(GET_STATUS) == 0
    f.mem[:DATA] = bytes(DATA)
    f.avail = f.seen = 0
    f.setup()
    report(ok and f.get_id() == b"me", "status 0 resets the device")

# --- the dirty log of a migration ---
LOG_ALL = 1 << 26
for packed in False, True:
    with Disk("s", packed, LOG_ALL) as d:
        what = "packed" if packed else "split"
        d.connect(protocol=1 << LOG)
        log = d.set_log(65536, 4096)
        ok = d.reply() == u64(0)
        random.seed(1)
        d.one(IN, 4096)
        report(ok and d.drain() and d.dirty(log, 4096) == {d.page(HEADER), d.page(DATA_AT)},
               what + ": what was read, and its status, are in the dirty log")
        os.pwrite(log, bytes(65536), 4096)
        d.one(OUT, 4096)
        report(d.drain() and d.dirty(log, 4096) == {d.page(HEADER)}, what + ": of what was written, only the status")
        os.pwrite(log, bytes(65536), 4096)
        d.addr(UADDR, UADDR + AVAIL, UADDR + USED, GPA + USED)
        d.one(OUT, 512)
        report(d.drain() and d.dirty(log, 4096) == {d.page(HEADER), d.page(USED)} | ({0} if packed else set()),
               what + ": the ring, too, when the front-end wants that")
        d.tell(SET_FEATURES, u64(VERSION_1 | PROTOCOL | (PACKED if packed else 0)))
        d.ask(GET_FEATURES)
        os.pwrite(log, bytes(65536), 4096)
        d.one(IN, 512)
        report(d.drain() and not d.dirty(log, 4096), what + ": nothing when it ends")
        os.close(log)
with Front("s") as f:
    f.setup(start=False)
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << LOG))
    f.tell(SET_FEATURES, u64(VERSION_1 | PROTOCOL | LOG_ALL))
    log = f.set_log(4096)
    f.reply()
    f.start()
    f.submit_id()
    report(f.broken(2), "a write outside of the dirty log breaks the ring")
    os.close(log)

# --- what the front-end is told ---
def told(end, seconds=5):
    """The flags of a CONFIG_CHANGE that comes within that time"""
    if not select.select([end], [], [], seconds)[0]:
        return None
    request, flags, size = struct.unpack("<III", end.recv(12))
    return flags if (request, size) == (CONFIG_CHANGE, 0) else None

def capacity(f):
    return struct.unpack("<Q", f.config(0, 8))[0]

def resize(sectors, hup=False):
    os.truncate("disk", sectors * 512)
    if hup:
        p.send_signal(signal.SIGHUP)

for ack in 0, 1 << REPLY_ACK:
    with Front("s") as f:
        what = ", REPLY_ACK" if ack else ""
        f.setup()
        f.tell(SET_PROTOCOL_FEATURES, u64(1 << CONFIG | 1 << BACKEND_REQ | ack))
        ours, theirs = socket.socketpair()
        f.tell(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
        theirs.close()
        old = capacity(f)
        resize(4096)
        report(old == 2048 and told(ours) == (9 if ack else 1) and capacity(f) == 4096, "a disk that grew is told of" + what)
        resize(1024, True)
        if ack:
            report(told(ours, 1.5) is None, "not again before that is answered")
            ours.send(struct.pack("<IIIQ", CONFIG_CHANGE, 5, 8, 0))
        report(told(ours) is not None and capacity(f) == 1024, "at SIGHUP, too, and one that shrank" + what)
        if ack:
            ours.send(struct.pack("<IIIQ", CONFIG_CHANGE, 5, 8, 1))
        resize(2048, True)
        report(told(ours) is not None and f.get_id() == b"me", "and it goes on" + what)
        if ack:
            ours.send(bytes(20))
        else:
            ours.send(b"answer")
        report(ours.recv(1) == b"" and f.get_id() == b"me", "nonsense there costs the way there, and no more" + what)
        ours.close()
with Front("s") as f:
    f.setup()
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << CONFIG | 1 << BACKEND_REQ))
    ours, theirs = socket.socketpair()
    f.tell(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
    theirs.close()
    f.ask(GET_FEATURES)
    for i in range(2000):
        resize(2048 + i % 2 * 8, True)
        if i % 100 == 0:
            f.ask(GET_FEATURES)
    resize(2048, True)
    report(f.get_id() == b"me" and capacity(f) == 2048, "a front-end that does not read there is served all the same")
    ours.close()
    report(f.get_id() == b"me", "nor one that closes it")

# --- what a hostile driver does ---
def hostile(what, poke):
    with Front("s") as f:
        f.setup()
        poke(f)
        ok = f.broken(2) and f.base() == 0
    report(ok and alive(), "a ring with " + what + ": its error event, and the next session")

hostile("a head behind its end", lambda f: f.submit(head=77))
hostile("an index that jumps", lambda f: f.submit(jump=5000))
hostile("a chain that loops", lambda f: f.submit([(f.data, 16, 1, 0)]))
hostile("an address outside of memory", lambda f: f.submit([(1 << 40, 16, 1, 1), (f.data, 20, 2, 0)]))
hostile("data that wraps", lambda f: f.submit([((1 << 64) - 8, 16, 1, 1), (f.data, 20, 2, 0)]))
hostile("no header", lambda f: f.submit([(f.data, 20, 2, 0)]))
hostile("no status", lambda f: f.submit([(f.data, 16, 0, 0)]))
hostile("an indirect table of length 0", lambda f: f.submit([(f.data, 0, 4, 0)]))

# --- memory that goes away ---
def cut(what, size, touch, good=None):
    """@touch: after the front-end has made its memory @size bytes; @good: or the ring is broken"""
    with Front("s") as f:
        f.setup()
        ok = f.get_id() == b"me"
        touch(f, lambda: os.ftruncate(f.fd, size))
        os.eventfd_write(f.kick, 1)
        ok = ok and (good(f) if good else f.broken(2))
    report(ok and alive(), what)

def other_page(f, then):
    f.data = GPA + 3 * 4096 + 16384
    at = f.data - GPA
    f.mem[at:at + 16] = struct.pack("<IIQ", BLK_GET_ID, 0, 0)
    f.submit([(f.data, 16, 1, 1), (GPA + DATA + 64, 20, 3, 2), (GPA + DATA + 84, 1, 2, 0)], kick=False)
    then()

def read_there(f, then):
    f.mem[DATA:DATA + 16] = struct.pack("<IIQ", 0, 0, 0)
    f.submit([(f.data, 16, 1, 1), (GPA + 8 * 4096, 512, 3, 2), (f.data + 84, 1, 2, 0)], kick=False)
    then()

cut("memory that is cut below a ring breaks it, and the next session is served", 0, lambda f, then: then())
cut("below a request, too", 4 * 4096, other_page)
cut("below data, which io_uring reads: that request fails", 4 * 4096, read_there,
    lambda f: f.used(2) and f.mem[DATA + 84] == 1)
with Front("s") as f:
    f.setup()
    ok = f.get_id() == b"me"
    os.ftruncate(f.fd, 0)
    f.ask(GET_FEATURES)
    os.ftruncate(f.fd, SIZE)
    f.table()
    f.ask(GET_FEATURES)
    f.avail = f.seen = 0
    f.base()
    f.tell(SET_VRING_BASE, state(0, 0))
    f.start()
    report(ok and f.get_id() == b"me", "cut and made anew, it is memory again")

# --- shortages, and who does not read ---
limit = resource.prlimit(p.pid, resource.RLIMIT_NOFILE)
resource.prlimit(p.pid, resource.RLIMIT_NOFILE, (0, limit[1]))
with Front("s"):
    pass        # has the one that accept() had taken before
with Front("s") as f:
    f.tell(GET_FEATURES)
    waits = not f.event(f.sock, 0.5)
    resource.prlimit(p.pid, resource.RLIMIT_NOFILE, limit)
    report(waits and f.event(f.sock, 2), "without a descriptor to be had, a front-end waits until there is one")
report(alive(), "and the next session is served")
with Front("s") as f:
    f.ask(GET_FEATURES)
    resource.prlimit(p.pid, resource.RLIMIT_NOFILE, (fds() + 3, limit[1]))
    some = [os.memfd_create("some") for i in range(8)]
    f.tell(SET_MEM_TABLE, struct.pack("<II", 8, 0) + bytes(256), some)
    report(f.ended(2), "a table whose files are more than there are descriptors ends the session")
    resource.prlimit(p.pid, resource.RLIMIT_NOFILE, limit)
    for fd in some:
        os.close(fd)
report(alive(), "and the next one is served")
with Front("s") as f:
    f.sock.setblocking(False)
    try:
        while True:
            f.sock.send(struct.pack("<III", GET_FEATURES, 1, 0) * 100)
    except BlockingIOError:
        pass
    g = socket.socket(socket.AF_UNIX)
    g.connect("s")
    p.terminate()
    report(p.wait(10) == 0, "SIGTERM ends it though a front-end reads nothing, and another waits")
    g.close()
p = process()
report(alive(), "another process")
time.sleep(0.3)
idle = fds()

# --- what ends a session ---
pipe = os.pipe()
small = os.memfd_create("small")
os.ftruncate(small, 4096)
table = lambda *r: struct.pack("<II", len(r), 0) + b"".join(struct.pack("<QQQQ", *x) for x in r)
bad = (
    ("version 0", lambda f: f.raw(struct.pack("<III", GET_FEATURES, 0, 0))),
    ("a payload of 4 GiB", lambda f: f.raw(struct.pack("<III", SET_FEATURES, 1, 0xffffffff))),
    ("an unknown message", lambda f: f.tell(200)),
    ("message 0", lambda f: f.tell(0)),
    ("a dirty log that was not negotiated", lambda f: f.tell(SET_LOG_BASE, struct.pack("<QQ", 4096, 0), [small])),
    ("a dirty log of 0 bytes", lambda f: (f.tell(SET_PROTOCOL_FEATURES, u64(1 << LOG)), f.set_log(0, 0, 4096))),
    ("a dirty log behind its file's end", lambda f: (f.tell(SET_PROTOCOL_FEATURES, u64(1 << LOG)),
                                                     f.set_log(4096, 4096, 4096))),
    ("a dirty log that wraps", lambda f: (f.tell(SET_PROTOCOL_FEATURES, u64(1 << LOG)),
                                          f.set_log(4096, (1 << 64) - 4096, 4096))),
    ("a status of 9 bits", lambda f: (f.tell(SET_PROTOCOL_FEATURES, u64(1 << STATUS)), f.tell(SET_STATUS, u64(256)))),
    ("a message that was not negotiated", lambda f: f.tell(GET_QUEUE_NUM)),
    ("features of 4 bytes", lambda f: f.tell(SET_FEATURES, bytes(4))),
    ("features of 12 bytes", lambda f: f.tell(SET_FEATURES, bytes(12))),
    ("features with a file", lambda f: f.tell(SET_FEATURES, bytes(8), [small])),
    ("features that were not offered", lambda f: f.tell(SET_FEATURES, u64(1 << 62))),
    ("nine regions", lambda f: f.tell(SET_MEM_TABLE, struct.pack("<II", 9, 0) + bytes(256), [small] * 8)),
    ("a region without its file", lambda f: f.tell(SET_MEM_TABLE, table((0, 4096, 0, 0)))),
    ("a file without its region", lambda f: f.tell(SET_MEM_TABLE, table(), [small])),
    ("a table that is cut", lambda f: f.tell(SET_MEM_TABLE, table((0, 4096, 0, 0))[:-8], [small])),
    ("a region behind its file's end", lambda f: f.tell(SET_MEM_TABLE, table((0, 8192, 0, 0)), [small])),
    ("an offset behind the file's end", lambda f: f.tell(SET_MEM_TABLE, table((0, 4096, 0, 4096)), [small])),
    ("an offset that wraps", lambda f: f.tell(SET_MEM_TABLE, table((0, 4096, 0, (1 << 64) - 4096)), [small])),
    ("a region that wraps", lambda f: f.tell(SET_MEM_TABLE, table(((1 << 64) - 4096, 8192, 0, 0)), [small])),
    ("a region of 0 bytes", lambda f: f.tell(SET_MEM_TABLE, table((0, 0, 0, 0)), [small])),
    ("regions that overlap", lambda f: f.tell(SET_MEM_TABLE, table((0, 4096, 0, 0), (4095, 1, 8192, 0)), [small] * 2)),
    ("regions that overlap at the front-end", lambda f: f.tell(SET_MEM_TABLE, table((0, 4096, 0, 0), (8192, 4096, 1, 0)),
                                                               [small] * 2)),
    ("memory that is a pipe", lambda f: f.tell(SET_MEM_TABLE, table((0, 4096, 0, 0)), [pipe[0]])),
    ("a kick without eventfd", lambda f: f.tell(SET_VRING_KICK, u64(0))),
    ("a kick with one too many", lambda f: f.tell(SET_VRING_KICK, u64(0x100), [small])),
    ("a kick of queue 9", lambda f: f.tell(SET_VRING_KICK, u64(9), [small])),
    ("nine files", lambda f: f.tell(SET_VRING_KICK, u64(0), [small] * 9)),
    ("a ring of 3", lambda f: (f.setup(start=False), f.tell(SET_VRING_NUM, state(0, 3)), f.start())),
    ("a ring at nowhere", lambda f: (f.setup(start=False), f.addr(0x1234560, 0x1234560, 0x1234560), f.start())),
    ("a ring at an odd address", lambda f: (f.setup(start=False), f.addr(UADDR + 8, UADDR + 4096, UADDR + 8192),
                                            f.start())),
    ("a ring over the end of memory", lambda f: (f.setup(start=False),
                                                 f.addr(UADDR + SIZE - 16, UADDR + 4096, UADDR + 8192), f.start())),
)
for what, send in bad:
    with Front("s") as f:
        send(f)
        ended = f.ended(2)
    report(ended and alive(), what + " ends the session, and the next one is served")
with Front("s") as f:
    f.raw(struct.pack("<III", SET_FEATURES, 1, 8) + bytes(3))
report(alive(), "half a message, and gone")
for i in range(50):
    with Front("s") as f:
        f.setup()
        f.submit_id()
report(alive(), "gone with a request under way, 50 times")
time.sleep(0.2)
report(fds() == idle, "no file descriptor is left: %d, %d at first" % (fds(), idle))
p.terminate()
report(p.wait(10) == 0, "it ends well")
lines = open("err").read().splitlines()
report(len(lines) >= len(bad) and all(l.startswith("shunt-blk: ") for l in lines), "each was complained of")
done()
P
