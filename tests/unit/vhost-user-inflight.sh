#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-blk is killed while it serves, again and again, and the next one goes on from what the front-end has kept:
# every request ends once, and no write is lost that had ended. Then, what a region can say that cannot be.
#
# KILLS=20	of each of four kinds of ring
# SEED=		that a run told, for the same once more
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
blk=${BLK:-$top/build/san/bin/shunt-blk}
[ -x "$blk" ] || blk=$top/build/bin/shunt-blk
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
python_tap $((60 + ${KILLS:-20} * 3)) "$blk" "${KILLS:-20}" <<'P'
import signal, subprocess
from vhost_user_disk import *

def process():
    before = os.stat("s").st_ino if os.path.exists("s") else None
    p = subprocess.Popen([sys.argv[1], "--socket-path=s", "--blk-file=disk", "--serial=me"], stderr=open("err", "a"))
    while not os.path.exists("s") or os.stat("s").st_ino == before:
        assert p.poll() is None, open("err").read()
        time.sleep(0.002)
    return p

def new_disk():
    with open("disk", "w") as f:
        f.truncate(SLOTS * AREA)

def work(d, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        d.fill()
        if d.out and not d.wait():
            return False
    return True

def kills(packed, features, what):
    new_disk()
    p = process()
    left = 0
    with Disk("s", packed, features) as d:
        d.connect()
        ok = True
        for i in range(int(sys.argv[2])):
            ok = ok and work(d, random.random() * 0.03)
            d.fill()
            time.sleep(random.random() * 0.0006)
            p.kill()
            p.wait()
            d.reap()
            left += len(d.out)
            p = process()
            d.connect("s")
        ok = ok and work(d, 0.05) and d.drain()
        report(ok, "%s: %d requests end, once each; %d were under way at %s kills" % (what, d.completed, left, sys.argv[2]))
        report(d.ended_early > 0 and left > 0, "%s: %d of them ended out of order" % (what, d.ended_early))
        report(d.check("disk"), what + ": every write that ended is on the disk")
        report(not d.broken(0), what + ": the ring is not broken")
        os.close(d.region[1])
    p.kill()
    p.wait()

seed = os.environ.get("SEED") or str(time.time_ns())
random.seed(seed)
print("# SEED=" + seed)
for packed in False, True:
    for features, name in (0, ""), (1 << 29, ", EVENT_IDX"):
        kills(packed, features, ("packed" if packed else "split") + name)

# --- what a region can say that cannot be ---
new_disk()
p = process()

def region(data, size=None, queues=1, entries=NUM, offset=0, length=None):
    fd = os.memfd_create("region")
    os.ftruncate(fd, size or 65536)
    os.pwrite(fd, data, 0)
    return struct.pack("<QQHH", length or 65536, offset, queues, entries), fd

def alive():
    with Front("s") as f:
        f.setup()
        return f.get_id() == b"me"

def split(version=1, features=0, entries=NUM, last=0, used=0, **desc):
    """@desc: d5=(inflight, next, counter)"""
    r = bytearray(16 + 16 * NUM)
    struct.pack_into("<QHHHH", r, 0, features, version, entries, last, used)
    for k, v in desc.items():
        struct.pack_into("<B5xHQ", r, 16 + 16 * int(k[1:]), *v)
    return bytes(r)

def packed(version=1, entries=NUM, free=0, old_free=0, used=0, old_used=0, wrap=1, old_wrap=1, **desc):
    """@desc: d5=(inflight, next, last, num, counter), the others are free in a list"""
    r = bytearray(32 + 32 * NUM)
    struct.pack_into("<QHHHHHHBB", r, 0, 0, version, entries, free, old_free, used, old_used, wrap, old_wrap)
    for i in range(NUM):
        struct.pack_into("<BBHHHQHHIQ", r, 32 + 32 * i, 0, 0, i + 1, 0, 0, 0, i, 0, 512, GPA)
    for k, v in desc.items():
        struct.pack_into("<BxHHHQ", r, 32 + 32 * int(k[1:]), *v)
    return bytes(r)

def hostile(what, data, is_packed, num=NUM, broken=True):
    with Disk("s", is_packed) as d:
        d.region = region(data)
        d.connect(num=num)
        ok = d.broken(2) if broken else not d.broken(0.1)
        os.close(d.region[1])
    layout = "packed" if is_packed else "split"
    report(ok and alive(), "%s: %s %s, and the next session is served" %
           (layout, what, "breaks the ring" if broken else "is fine"))

for is_packed, make in (False, split), (True, packed):
    hostile("a region that was in use, with nothing under way", make(), is_packed, broken=False)
    hostile("another version", make(version=2), is_packed)
    hostile("entries for other rings", make(entries=NUM // 2), is_packed)
hostile("features", split(features=1), False)
hostile("a used index far away", split(used=0x7777), False)
hostile("a last batch behind the end", split(used=0xffff, last=NUM), False)
hostile("a last batch that leads there", split(used=0xfffe, last=3, d3=(1, 0x7fff, 0)), False)
hostile("a state that is none", split(d3=(2, 0, 0)), False)
hostile("a head that a smaller ring does not have", split(d40=(1, 0, 0)), False, 32)
hostile("one place in the order for two", split(d3=(1, 0, 7), d4=(1, 0, 7)), False)
hostile("a request that is none", split(d3=(1, 0, 7)), False)
hostile("a used index behind the end", packed(used=NUM, old_used=NUM), True)
hostile("a wrap counter of 2", packed(wrap=2), True)
hostile("a free list behind the end", packed(free=NUM + 1), True)
hostile("a free list that leads there", packed(d3=(0, 0x7fff, 0, 0, 0)), True)
hostile("a free list that loops", packed(d9=(0, 2, 0, 0, 0)), True)
hostile("a last batch that loops", packed(free=5, used=1, d9=(0, 5, 0, 0, 0)), True)
hostile("a state that is none", packed(d0=(0, 1, 0, 0, 0), d9=(3, 10, 9, 1, 0)), True)
hostile("a buffer of 0 descriptors", packed(d9=(1, 10, 9, 0, 0)), True)
hostile("a buffer longer than the ring", packed(d9=(1, 10, 9, NUM + 1, 0)), True)
hostile("more buffers than the ring holds", packed(d9=(1, 10, 9, 30, 0), d40=(1, 41, 40, 20, 1)), True, 32)
hostile("a buffer that loops", packed(d9=(1, 8, 9, 3, 0), d8=(0, 9, 0, 0, 0)), True)
hostile("two buffers with one entry", packed(d9=(1, 10, 9, 3, 0), d10=(1, 11, 11, 1, 1)), True)
hostile("an entry that is free and in use", packed(d9=(1, 10, 9, 1, 0)), True)
hostile("one place in the order for two", packed(free=2, old_free=2, d0=(1, 1, 0, 1, 7), d1=(1, 2, 1, 1, 7)), True)
hostile("a request that is none", packed(free=1, old_free=1, d0=(1, 1, 0, 1, 7)), True)

with Disk("s", False) as d:
    d.tell(SET_PROTOCOL_FEATURES, u64(1 << INFLIGHT | 1 << REPLY_ACK))
    bad = lambda data, fds: d.acked(SET_INFLIGHT_FD, data, fds) != 0
    for what, r in (("of no queue", region(b"", queues=0)), ("of 65 queues", region(b"", queues=65)),
                    ("of rings of 0", region(b"", entries=0)), ("of rings of 65535", region(b"", entries=65535)),
                    ("too small for its queues", region(b"", length=64 * 1024 - 1, queues=64)),
                    ("behind the end of its file", region(b"", size=4096)),
                    ("from there on", region(b"", offset=65536)),
                    ("at an odd offset", region(b"", offset=16, length=4096)),
                    ("that wraps", region(b"", offset=(1 << 64) - 4096))):
        report(bad(*(r[0], [r[1]])), "a region " + what + " is refused")
        os.close(r[1])
    pipe = os.pipe()
    report(bad(struct.pack("<QQHH", 65536, 0, 1, NUM), [pipe[0]]), "a region that is a pipe is refused")
for what, data in (("0 queues", (0, 0, 0, NUM)), ("65 queues", (0, 0, 65, NUM)), ("rings of 0", (0, 0, 1, 0)),
                   ("rings of 1025", (0, 0, 1, 1025))):
    with Front("s") as f:
        f.tell(SET_PROTOCOL_FEATURES, u64(1 << INFLIGHT))
        f.tell(GET_INFLIGHT_FD, struct.pack("<QQHH", *data))
        report(f.ended(2), "a region for " + what + " is not made")
with Front("s") as f:
    f.tell(SET_PROTOCOL_FEATURES, u64(1 << INFLIGHT))
    data, fd = f.inflight(1, NUM)
    try:
        os.ftruncate(fd, 0)
        cut = True
    except PermissionError:
        cut = False
    report(not cut and struct.unpack("<QQHH", data[:20])[1:] == (0, 1, NUM), "a region that is made keeps its size")
    os.close(fd)
with Disk("s", False) as d:
    small = region(split(), entries=NUM // 2)
    d.region = small
    d.connect()
    report(d.broken(2), "a ring that is larger than its region's is broken")
    os.close(small[1])
report(alive(), "and the next session is served")
p.terminate()
report(p.wait(10) == 0, "it ends well")
report(all(l.startswith("shunt-blk: ") for l in open("err")), "each was complained of in a line")
done()
P
