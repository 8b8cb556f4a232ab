#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-balloon: which memory goes back to the host, statistics, the control socket; drivers that make no sense.
#
# BALLOON=program	the process (build/san/bin/shunt-balloon, else build/bin/shunt-balloon)
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
balloon=${BALLOON:-$top/build/san/bin/shunt-balloon}
[ -x "$balloon" ] || balloon=$top/build/bin/shunt-balloon
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
python_tap 100 "$balloon" "$top/build/bin/shunt-balloon" <<'P'
import json
from process import *
from virtio_guest import *

STATS, OOM, REPORTING = 1 << 1, 1 << 2, 1 << 5
INFLATE, DEFLATE, STATSQ, REPORT, REPORT_SPEC = range(5)
PAGE = 4096

process = lambda *args, **how: Process(sys.argv[1], *args, **how)


class Balloon(Guest):
    """A guest whose memory is full of ones, but for the first 256 KiB"""
    def __init__(self, features=STATS, packed=False, protocol=1 << CONFIG):
        super().__init__("s", 5, features=features, packed=packed, size=4 << 20, protocol=protocol)
        self.pages = range((GPA + (256 << 10)) // PAGE, (GPA + self.size) // PAGE)
        self.mem[self.free:256 << 10] = bytes((256 << 10) - self.free)
        self.fill()
        self.start()

    def start(self):
        super().start()
        # All is set up when this is answered.
        self.ask(GET_FEATURES)

    def fill(self):
        for p in self.pages:
            self.at(p, b"\1" * PAGE)

    def at(self, page, data=None):
        at = page * PAGE - GPA
        if data:
            self.mem[at:at + PAGE] = data
        return self.mem[at:at + PAGE]

    def blocks(self):
        return os.fstat(self.fd).st_blocks // 8

    def gone(self):
        """Pages that are of zeroes"""
        return {p for p in self.pages if self.at(p) == bytes(PAGE)}

    def give(self, queue, *pages, wait=True):
        at = self.alloc(4 * len(pages), struct.pack("<%dI" % len(pages), *pages))
        self.queue[queue].put((at, 4 * len(pages), False))
        return wait and self.queue[queue].got() is not None

    def tell_stats(self, stats):
        data = b"".join(struct.pack("<HQ", *x) for x in stats)
        self.queue[STATSQ].put((self.alloc(len(data), data), len(data), False))

# --- the command line ---
for args, why in (
        (("--target=x",), "--target=x: it takes a size in pages of 4k, such as 256M"),
        (("--target=4097",), "--target=4097: it takes"),
        (("--target=17T",), "--target=17T: it takes"),
        (("--target=-1",), "--target=-1: it takes"),
        (("--control=/nothing/c",), "--control=/nothing/c: No such file"),
        (("--control-fd=0",), "--control-fd=0: it takes the number of a connected socket"),
        (("--wat",), "--wat: unknown option")):
    report(*refused(sys.argv[1], why, "--socket-path=s", *args))
report(*refused(sys.argv[1], "one of --socket-path=PATH and --fd=N"))
report(said(sys.argv[1], "--help").startswith("Usage: shunt-balloon "), "--help")
report(json.loads(said(sys.argv[1], "--print-capabilities", "--wat"))["type"] == "balloon", "--print-capabilities")

# --- a control socket that is connected ---
ours, theirs = socket.socketpair()
with process("--target=1M", "--control-fd=%d" % theirs.fileno(), pass_fds=[theirs.fileno()]), Balloon(0) as g:
    theirs.close()
    c = Control(ours)
    report(c.ask("target 2M") == {"target": 2 << 20, "actual": 0}, "a control socket that is connected sets the target")
    report(g.config(0, 8) == struct.pack("<II", 512, 0), "which the front-end sees")
    ours.shutdown(socket.SHUT_RDWR)
    report(g.config(0, 8) == struct.pack("<II", 512, 0), "and which stays when it is closed")

# --- memory ---
for packed in False, True:
    with process("--target=1M", "--control=c", "--free-page-reporting", "--deflate-on-oom") as p, \
            Balloon(STATS | OOM | REPORTING, packed) as g:
        what = "packed: " if packed else "split: "
        report(g.ask(GET_FEATURES) & 0x3f == STATS | OOM | REPORTING, what + "features")
        report(g.config(0, 8) == struct.pack("<II", 256, 0), what + "256 pages are asked for")
        g.tell(SET_CONFIG, struct.pack("<III", 4, 4, 0) + struct.pack("<I", 100))
        report(g.config(0, 8) == struct.pack("<II", 256, 100), what + "100 are given")
        report(Control().ask("query") == {"target": 1 << 20, "actual": 100 * PAGE}, what + "the control socket knows")
        first = g.pages[0]
        before = g.blocks()
        up, down, alone = range(first, first + 20), range(first + 120, first + 99, -1), (first + 50, first + 300)
        report(g.give(INFLATE, *up, *alone, *down), what + "pages in no order")
        lost = set(up) | set(down) | set(alone)
        report(before - g.blocks() == len(lost) and g.gone() == lost, what + "they are the host's again, and no others")
        report(g.give(DEFLATE, *up) and g.gone() == lost, what + "deflated, nothing happens")
        g.at(first, b"\2" * PAGE)
        report(g.at(first) == b"\2" * PAGE and g.give(INFLATE, first) and g.gone() == lost, what + "used again, and given again")
        g.fill()
        report(g.give(INFLATE, *g.pages[:600]) and g.gone() == set(g.pages[:600]), what + "600 pages in a list")
        g.fill()
        for q in REPORT, REPORT_SPEC:
            g.queue[q].put((g.pages[0] * PAGE + 100, 3 * PAGE, True), (g.pages[100] * PAGE, 50 * PAGE, True))
            report(g.queue[q].got()[1] == 0 and g.gone() == {*g.pages[1:3], *g.pages[100:150]},
                   what + "free pages that are reported, where they are whole")
            g.fill()
        report(g.give(INFLATE), what + "an empty list") if packed else None

with process() as p, Guest("s", 5, size=1 << 20) as g:
    # Two regions that are one to the guest
    regions = ((GPA, 512 << 10, UADDR, 0), (GPA + (512 << 10), 512 << 10, UADDR + (1 << 30), 512 << 10))
    g.tell(SET_MEM_TABLE, struct.pack("<II", 2, 0) + b"".join(struct.pack("<QQQQ", *x) for x in regions), [g.fd, g.fd])
    g.start()
    for i in range(64 << 10, 1 << 20, PAGE):
        g.mem[i:i + PAGE] = b"\1" * PAGE
    pages = range(GPA // PAGE + 100, GPA // PAGE + 160)
    g.queue[INFLATE].put((g.alloc(240, struct.pack("<60I", *pages)), 240, False))
    report(g.queue[INFLATE].got() and g.mem[100 * PAGE:160 * PAGE] == bytes(60 * PAGE) and g.mem[99 * PAGE] == 1 and
           g.mem[160 * PAGE] == 1, "pages over the seam of two regions")

# --- statistics, control ---
for packed in False, True:
    with process("--control=c") as p, Balloon(packed=packed) as g:
        what = "packed: " if packed else "split: "
        c = Control()
        report(c.ask("stats") == {"error": "the guest has not told its statistics"}, what + "no statistics yet")
        q = g.queue[STATSQ]
        g.tell_stats(stats=((4, 1000), (5, 1 << 40), (77, 1)))
        report(q.got(0.2) is None, what + "statistics, whose buffer is held")
        c.send("stats")
        used = q.got()
        g.tell_stats(stats=((4, 2000), (5, 1 << 40), (8, 3)))
        report(used and c.answer() == {"target": 0, "actual": 0, "stat-free-memory": 2000, "stat-total-memory": 1 << 40,
                                       "stat-hugetlb-allocations": 3}, what + "they are as of now")
        q.stop()
        report(q.take() is None, what + "stopped, it is not used")
        q.start()
        c.send("stats")
        used = q.got()
        g.tell_stats(stats=((4, 3000),))
        report(used and c.answer()["stat-free-memory"] == 3000, what + "started again, they go on")
        ours = g.listen()
        report(c.ask("target 2M") == {"target": 2 << 20, "actual": 0} and told(ours) and
               g.config(0, 4) == struct.pack("<I", 512), what + "another target, of which the front-end is told")
        for line in "target", "target x", "target 1000", "target 99999T", "wat", "":
            report("error" in c.ask(line), what + "an error: " + line)
        c.send("query\nquery")
        report(c.answer() == c.answer() == {"target": 2 << 20, "actual": 0}, what + "two commands at a time")
        c.send("x" * 600)
        report(c.gone(), what + "a line without end is the end")
        many = [Control() for _ in range(17)]
        report(all("target" in x.ask("query") for x in many[:16]), what + "many at a time")
        many[0].f.close()
        many[0].s.close()
        report(all("target" in x.ask("query") for x in many[1:]), what + "one more has to wait")
with process("--control=c") as p, Balloon(0) as g:
    report(Control().ask("stats") == {"error": "the guest has no statistics"}, "a guest without statistics")
for packed in False, True:
    with process("--control=c") as p, Balloon(packed=packed, protocol=1 << CONFIG | 1 << INFLIGHT) as g:
        ok = 0
        g.tell_stats(stats=((4, 1),))
        for i in range(10):
            time.sleep(0.02)
            p.kill()
            g.give(INFLATE, *g.pages[:20], wait=False)
            p.start()
            g.again()
            ok += g.queue[INFLATE].got() is not None and len(g.gone()) == 20
            g.fill()
            c = Control()
            c.send("stats")
            used = g.queue[STATSQ].got()
            g.tell_stats(stats=((4, i),))
            ok += used is not None and c.answer().get("stat-free-memory") == i
        report(ok == 20, ("packed" if packed else "split") + ": killed 10 times, it goes on: %d" % ok)
a, b = socket.socketpair()
p = subprocess.Popen([sys.argv[1], "--fd=%d" % a.fileno(), "--control=c"], pass_fds=[a.fileno()])
a.close()
while not os.path.exists("c"):
    time.sleep(0.01)
c = Control()
report("target" in c.ask("query"), "a control socket beside a connected front-end")
b.close()
report(p.wait(10) == 0 and not os.path.exists("c"), "with whose end it ends")

# --- drivers that make no sense ---
def hostile(what, queue, *bufs, features=STATS):
    with Balloon(features) as g:
        q = g.queue[queue]
        q.put(*((g.alloc(max(len(x[0]), 64), x[0]),) + x[1:] if isinstance(x[0], bytes) else x for x in bufs))
        ok = q.broken() and q.stop() == 0 and not g.gone()
    with Balloon() as g:
        report(ok and g.give(INFLATE, g.pages[0]) and len(g.gone()) == 1, what + " breaks its ring, and nothing else")

pages = lambda *x: struct.pack("<%dI" % len(x), *x)
with process("--free-page-reporting", quiet=False) as p:
    hostile("a page before memory", INFLATE, (pages(GPA // PAGE - 1), 4, False))
    hostile("one behind it", INFLATE, (pages(GPA // PAGE + 1024), 4, False))
    hostile("page 2^32-1", INFLATE, (pages(0xffffffff), 4, False))
    hostile("a list of 6 bytes", INFLATE, (pages(0, 0), 6, False))
    hostile("one of 4 GiB - 4", INFLATE, (pages(0), 0xfffffffc, False))
    hostile("one of 1 MiB", INFLATE, (GPA, 1 << 20, False))
    hostile("one that is to be written", INFLATE, (pages(0), 4, True))
    hostile("one that is to be written, to deflate,", DEFLATE, (pages(0), 4, True))
    hostile("one outside of memory", INFLATE, (1 << 40, 4, False))
    hostile("statistics that are to be written", STATSQ, (b"", 10, True))
    hostile("free pages that are to be read", REPORT, (b"", PAGE, False), features=REPORTING)
    hostile("some outside of memory", REPORT, (GPA + (4 << 20) - PAGE, 2 * PAGE, True), features=REPORTING)
    hostile("some that were not negotiated", REPORT, (GPA + (1 << 20), PAGE, True))
    with Balloon(REPORTING) as g:
        g.queue[STATSQ].put((g.pages[5] * PAGE, PAGE, True))
        report(g.queue[STATSQ].got() and g.gone() == {g.pages[5]}, "free pages by queue 2, there being no statistics")
    with Balloon() as g:
        g.tell_stats(stats=[(i % 20, 1 << 63 | i) for i in range(300)])
        g.tell_stats(stats=())
        report(g.give(INFLATE, g.pages[0]), "too many statistics, or none")
        g.tell(SET_PROTOCOL_FEATURES, u64(1 << REPLY_ACK | 1 << CONFIG))
        report(all(g.acked(SET_CONFIG, struct.pack("<III", at, n, 0) + bytes(n)) for at, n in ((0, 4), (4, 2))),
               "the target is not the guest's to set")
        target = g.config(0, 4)
        report(not g.acked(SET_CONFIG, struct.pack("<III", 0, 8, 0) + b"\xff" * 4 + bytes(4)) and g.config(0, 4) == target,
               "nor where all of the configuration is written at once")

# --- the sandbox, which a build with sanitizers has not all of ---
with Process(sys.argv[2], "--control=c", "--free-page-reporting") as p, Balloon(STATS | REPORTING) as g:
    report(g.give(INFLATE, *g.pages[:10]) and g.gone() == set(g.pages[:10]), "in the sandbox: inflated")
    g.queue[REPORT].put((g.pages[100] * PAGE, PAGE, True))
    report(g.queue[REPORT].got() and g.pages[100] in g.gone(), "in the sandbox: reported")
    g.tell_stats(stats=((4, 1000),))
    c = Control()
    c.send("stats")
    g.queue[STATSQ].got()
    g.tell_stats(stats=((4, 2000),))
    report(c.answer()["stat-free-memory"] == 2000 and "error" in c.ask("wat"), "in the sandbox: controlled")
    report(p.sandboxed(), "all threads are in it")
    report(p.idle(), "idle, it does not spin")
done()
P
