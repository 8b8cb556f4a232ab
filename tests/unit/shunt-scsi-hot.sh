#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-scsi: units and media that come and go by the control socket, and the events that tell of it.
#
# SCSI=program	the process (build/san/bin/shunt-scsi, else build/bin/shunt-scsi)
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
scsi=${SCSI:-$top/build/san/bin/shunt-scsi}
[ -x "$scsi" ] || scsi=$top/build/bin/shunt-scsi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
python_tap 100 "$scsi" "$top/build/bin/shunt-scsi" <<'P'
import fcntl
from process import *
from virtio_guest import *

HOTPLUG, CHANGE = 1 << 1, 1 << 2
CTL, EVENT, REQ = range(3)
NO_EVENT, TRANSPORT, PARAM, MISSED = 0, 1, 3, 1 << 31
RESCAN, REMOVED = 1, 2
CAPACITY = 0x2a | 9 << 8
BAD_TARGET = 3
NO_MEDIUM, NO_LUN, MEDIUM, LUNS, POWER_ON, GROWN = 0x23a00, 0x52500, 0x62800, 0x63f0e, 0x62900, 0x62a09
TUR, INQUIRY, GESN, SIZE10 = bytes(6), bytes((0x12, 0, 0, 0, 36, 0)), bytes((0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0)), b"\x25" + bytes(9)
UNLOAD, LOAD, LOCK, UNLOCK = (bytes(x) for x in ((0x1b, 0, 0, 0, 2, 0), (0x1b, 0, 0, 0, 3, 0), (0x1e, 0, 0, 0, 1, 0),
                                                  (0x1e, 0, 0, 0, 0, 0)))

process = lambda *args, **how: Process(sys.argv[1], *args, **how)


def disk(name, size=1 << 20, flags=os.O_RDWR):
    fd = os.open(name, flags | os.O_CREAT, 0o600)
    os.ftruncate(fd, size)
    return fd


def free(name):
    """Nobody has it locked, in time."""
    end = time.monotonic() + 5
    with open(name, "r+b") as f:
        while time.monotonic() < end:
            try:
                # Of an open file description, as the process has it
                fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
                return True
            except OSError:
                time.sleep(0.01)
    return False


class Scsi(Guest):
    def __init__(self, packed=False, features=HOTPLUG | CHANGE, protocol=1 << CONFIG, requests=1):
        super().__init__("s", REQ + requests, features=features, packed=packed, num=64, protocol=protocol)
        self.where, self.resp, self.data = (self.alloc(4096) for _ in range(3))
        self.start()
        self.ask(GET_FEATURES)

    def send(self, target, lun, cdb, read=0, write=b"", queue=REQ, at=0):
        """@at: of several that are under way at a time"""
        at *= 256
        hdr = bytes((1, target, 0x40 | lun >> 8, lun & 0xff)) + bytes(4) + struct.pack("<Q", at) + bytes(3) + cdb.ljust(32, b"\0")
        self.mem[self.where - GPA + at:self.where - GPA + at + 51] = hdr
        self.mem[self.data - GPA:self.data - GPA + len(write)] = write
        self.queue[queue].put((self.where + at, 51, False), *([(self.data, len(write), False)] if write else []),
                              (self.resp + at, 108, True), *([(self.data, read, True)] if read else []))

    def result(self, at=0):
        """Return: 0, sense as key << 16 | asc << 8 | ascq, or response << 24"""
        r = self.read(self.resp + at * 256, 108)
        return r[11] << 24 or (r[14] << 16 | r[24] << 8 | r[25] if r[10] == 2 else r[10])

    def do(self, target, lun, cdb, read=0, write=b"", queue=REQ):
        self.send(target, lun, cdb, read, write, queue)
        assert self.queue[queue].got(), "no answer"
        return self.result()

    def settle(self, target, lun):
        """All that there is to hear of"""
        return [x for x in iter(lambda: self.do(target, lun, TUR), 0)]

    def got(self, length):
        return self.read(self.data, length)

    def blocks(self, target, lun):
        return self.do(target, lun, SIZE10, 8) or struct.unpack(">I", self.got(4))[0] + 1

    def buffers(self, n=1):
        for _ in range(n):
            at = self.alloc(16)
            self.event_at = {**getattr(self, "event_at", {}), self.queue[EVENT].put((at, 16, True)): at}

    def event(self, seconds=5):
        """Return: (event, target, lun as in REPORT LUNS, reason), or None"""
        used = self.queue[EVENT].got(seconds)
        if not used:
            return None
        assert used[1] == 16, used
        e, one, target, lun, rest, reason = struct.unpack("<IBB2s4sI", self.read(self.event_at.pop(used[0]), 16))
        assert one == (e & 15 != NO_EVENT) and not any(rest)
        return e, target, struct.unpack(">H", lun)[0], reason

# --- the command line, and what commands there are ---
report(*refused(sys.argv[1], "--control=/nothing/c: No such file", "--socket-path=s", "--control=/nothing/c"))
report(*refused(sys.argv[1], "--control-fd=0: it takes the number of a connected socket", "--socket-path=s", "--control-fd=0"))
report(*refused(sys.argv[1], "--lun: fd=x: it takes the number of an open file", "--socket-path=s", "--lun=fd=x"))
report(*refused(sys.argv[1], "--lun: file= is missing: only a CD-ROM may be without", "--socket-path=s", "--lun=lun=1"))
os.close(disk("a"))
with process("--lun=a") as p, Scsi(features=CHANGE) as g:
    report(g.ask(GET_FEATURES) & 7 == CHANGE, "without a control socket, no HOTPLUG")

for name, mib in ("b", 2), ("cd", 4), ("dvd", 8), ("ro", 1), ("big", 1024):
    os.close(disk(name, mib << 20))


class Control(Control):
    def give(self, line, name, flags=os.O_RDWR):
        """A file goes with the line, and is not ours any more."""
        fd = os.open(name, flags)
        self.send(line, [fd])
        os.close(fd)
        return self.answer()

with process("--lun=a", "--control=c") as p, Scsi() as g:
    k, ro, small = Control(), os.open("b", os.O_RDONLY), disk("small", 100)
    fds = lambda: len(os.listdir("/proc/%d/fd" % p.p.pid))
    report(k.ask("list") == {"luns": [{"target": 0, "lun": 0, "type": "disk", "size": 1 << 20, "block-size": 512,
                                       "read-only": False, "file": "a"}]}, "units are listed")
    before = fds()
    for line, fd, why in (("wat", (), "commands are: list, add, remove, change, eject, resize"), ("", (), "commands are"),
                          ("add lun=1", (), "add: no descriptor of the file has come with the line"),
                          ("add wat=1", "b", "add: no property 'wat'"), ("add lun=16384", "b", "lun=16384: takes"),
                          ("add lun=0", "b", ": lun=0: target 0 has it already"),
                          ("add lun=0,cd=on", (), ": lun=0: target 0 has it already"),
                          ("add lun=0,file=b", "b", "add=b: lun=0: target 0 has it already"),
                          ("add lun=1,fd=7", "b", "add: fd=7: the descriptor itself comes with the line"),
                          ("add lun=1,cd=on,block-size=512", "b", "add: block-size: a CD-ROM has"),
                          ("add lun=1,serial=" + "x" * 37, "b", "add: serial="),
                          ("add lun=1", [g.kick], "neither a regular file nor a block device"),
                          ("add lun=1", [ro], "it is not open for writing"),
                          ("add lun=1,file=a", "a", "add=a: it is locked"),
                          ("add lun=1", [small], "it has not one block"),
                          ("remove", (), "remove: lun= is missing"), ("remove lun=1", (), "remove: lun=1: target 0 has none"),
                          ("remove lun=0,force=on", (), "remove: no property 'force'"),
                          ("eject lun=0", (), "eject: lun=0: it is no CD-ROM"), ("change lun=0", "b", "it is no CD-ROM"),
                          ("resize lun=5", (), "target 0 has none")):
        answer = k.give(line, fd) if isinstance(fd, str) else k.ask(line, fd)
        report(why in answer.get("error", ""), "an error: %s: %s" % (line[:40], why))
    report(fds() == before, "no descriptor stays")

# --- disks ---
for packed in False, True:
    what = "packed: " if packed else "split: "
    with process("--lun=a,lun=2", "--control=c", "--num-queues=2") as p, Scsi(packed, requests=2) as g:
        report(g.ask(GET_FEATURES) & 7 == HOTPLUG | CHANGE, what + "features")
        k = Control()
        g.buffers(1)
        report(g.do(0, 1, TUR) == NO_LUN and g.settle(0, 2) == [POWER_ON], what + "no such unit")
        r = k.give("add target=0,lun=1,file=b,serial=two", "b")
        report((r.get("lun"), r.get("size"), r.get("file")) == (1, 2 << 20, "b"), what + "there is one more")
        report(g.event() == (TRANSPORT, 0, 1, RESCAN), what + "an event tells of it")
        report(g.settle(0, 2) == [LUNS] and g.settle(0, 1) == [POWER_ON], what + "unit attentions, too")
        data, b = os.urandom(512), os.open("b", os.O_RDONLY)
        for q in REQ, REQ + 1:
            report(g.do(0, 1, bytes((0x2a, 0, 0, 0, 0, q, 0, 0, 1, 0)), write=data, queue=q) == 0 and
                   os.pread(b, 512, 512 * q) == data, what + "it is written to by queue %d" % q)
        report(g.do(0, 1, bytes((0x28, 0, 0, 0, 0, 2, 0, 0, 1, 0)), read=512) == 0 and g.got(512) == data, what + "and read")
        # An event for each, though there were no buffers
        k.give("add target=3,lun=300,cd=on", "cd")
        k.ask("remove target=3,lun=300")
        k.give("add target=3,lun=300,cd=on", "cd")
        k.ask("remove target=3,lun=300")
        k.ask("remove lun=1")
        report(g.do(3, 300, TUR) == BAD_TARGET << 24 and g.do(0, 1, TUR) == NO_LUN, what + "units go")
        g.buffers(6)
        report([g.event() for _ in range(5)] == [(TRANSPORT, 3, 0x412c, RESCAN), (TRANSPORT, 3, 0x412c, REMOVED)] * 2 +
               [(TRANSPORT, 0, 1, REMOVED)], what + "events wait for buffers")
        report(free("b"), what + "a file is let go of")
        os.truncate("a", 3 << 20)
        report(k.ask("resize lun=2")["size"] == 3 << 20 and g.event() == (PARAM, 0, 2, CAPACITY), what + "an event of a new size")
        seen = g.settle(0, 2)
        report(seen in ([LUNS], [LUNS, GROWN], [GROWN]) and g.blocks(0, 2) == 6144, what + "%x, and it has that size" % seen[0])
        os.truncate("a", 1 << 20)

# --- what is under way ---
for packed in False, True:
    what = "packed: " if packed else "split: "
    with process("--lun=a", "--control=c") as p, Scsi(packed) as g:
        k = Control()
        k.give("add lun=1", "big")
        g.settle(0, 1)
        # It takes a while.
        verify = struct.pack(">BBIBHB", 0x2f, 0, 0, 0, 0xffff, 0)
        for i in range(8):
            g.send(0, 1, verify, at=i)
        # A task management function that waits for them, in the same queue as others would
        tmf = g.alloc(24, struct.pack("<II", 0, 1) + bytes((1, 0, 0x40, 1)) + bytes(12))
        g.queue[CTL].put((tmf, 24, False), (g.alloc(1), 1, True))
        time.sleep(0.02)
        removed = k.ask("remove lun=1") == {}
        first = g.queue[REQ].take()
        rest = [g.queue[REQ].got() for _ in range(7)]
        report(removed and first and all(rest) and all(g.result(i) in (0, NO_LUN) for i in range(8)),
               what + "a unit goes when what is under way has ended")
        report(g.queue[CTL].got() is not None and free("big") and g.do(0, 1, TUR) == NO_LUN, what + "then its file is free")
        for i in range(8):
            g.send(0, 0, TUR, at=i)
        big = os.open("big", os.O_RDWR)
        for i in range(20):
            k.send("add lun=1", [big])
            k.send("remove lun=1")
        k.send("add lun=1", [big])
        report(not any("error" in k.answer() for _ in range(41)) and all(g.queue[REQ].got() for _ in range(8)), what + "it comes and goes 20 times, asked without a pause")
        os.close(big)
        for q in g.queue:
            q.stop()
        report(k.ask("remove lun=1") == {}, what + "stopped queues do not matter")
        for q in g.queue:
            q.start()
        seen = g.settle(0, 0), g.do(0, 1, TUR)
        report(seen == ([LUNS], NO_LUN), what + "started again, they know")

# --- events that are missed ---
for packed in False, True:
    what = "packed: " if packed else "split: "
    with process("--lun=a,lun=0", "--control=c") as p, Scsi(packed) as g:
        k = Control()
        for i in range(70):
            assert "error" not in k.give("add lun=%d,read-only=on" % (i + 1), "ro", os.O_RDONLY)
        g.buffers(7)
        report(g.event() == (NO_EVENT | MISSED, 0, 0, 0), what + "64 events without a buffer, and one more: they are missed")
        report([g.event() for _ in range(5)] == [(TRANSPORT, 0, i, RESCAN) for i in range(66, 71)] and g.event(0.1) is None,
               what + "those that come then are not")
        report(g.do(0, 70, TUR) == POWER_ON, what + "the units are there")
    with process("--lun=a", "--control=c") as p, Scsi(packed, protocol=1 << CONFIG | 1 << INFLIGHT) as g:
        k = Control()
        g.buffers(3)
        k.give("add lun=1", "b")
        report(g.event() == (TRANSPORT, 0, 1, RESCAN), what + "an event")
        p.kill()
        p.start()
        g.again()
        report(g.event() == (NO_EVENT | MISSED, 0, 0, 0), what + "another process does not know what there was to tell")
        g.queue[EVENT].stop()
        g.queue[EVENT].start()
        report(g.event(0.1) is None, what + "once")
    with process("--lun=a", "--control=c") as p, Scsi(packed, features=0) as g:
        k = Control()
        g.buffers(1)
        k.give("add lun=1", "b")
        report(g.event(0.1) is None and g.settle(0, 0) == [POWER_ON] and g.settle(0, 1) == [POWER_ON] and
               k.ask("remove lun=1") == {} and g.settle(0, 0) == [LUNS], what + "no events for who wants none")
with process("--control=c") as p, Scsi() as g:
    k = Control()
    report(k.ask("list") == {"luns": []} and g.do(0, 0, TUR) == BAD_TARGET << 24, "no unit at all")
    report(g.config(30, 2) == struct.pack("<H", 255), "any target may come")
    added = sum("error" not in k.give("add target=%d,lun=%d,read-only=on" % (i % 256, i), "ro", os.O_RDONLY)
                for i in range(256))
    report(added == 256 and len(k.ask("list")["luns"]) == 256, "256 units: %d" % added)
    report("one more than there can be" in k.give("add lun=256,read-only=on", "ro", os.O_RDONLY)["error"], "no more")
    report(sum(k.ask("remove target=%d,lun=%d" % (i % 256, i)) == {} for i in range(255, -1, -1)) == 256 and
           k.ask("list") == {"luns": []}, "all go")

# --- media ---
with process("--lun=a", "--lun=file=cd,cd=on,lun=1,serial=x", "--lun=lun=2,cd=on", "--control=c") as p, Scsi() as g:
    k = Control()
    report(g.settle(0, 0) and g.settle(0, 1) and g.do(0, 2, TUR) == POWER_ON and g.do(0, 2, TUR) == NO_MEDIUM, "a tray is empty")
    report(g.do(0, 2, LOAD) == NO_MEDIUM and g.do(0, 2, UNLOAD) == 0 and g.do(0, 2, LOAD) == NO_MEDIUM, "there is nothing to load")
    report(g.do(0, 2, INQUIRY, 36) == 0 and g.got(1) == b"\x05", "it is a CD-ROM all the same")
    event = lambda lun: g.do(0, lun, GESN, 8) or (g.got(8)[4], g.got(8)[5])
    report(event(1) == (0, 2) and g.blocks(0, 1) == 2048, "one is not")
    g.buffers(1)
    r = k.give("change lun=1,file=dvd", "dvd")
    report((r["size"], r["file"], r["tray-open"]) == (8 << 20, "dvd", False), "another medium")
    report(g.do(0, 1, INQUIRY, 36) == 0 and event(1) == (2, 2) and g.settle(0, 1) == [MEDIUM] and g.blocks(0, 1) == 4096,
           "of which the driver hears")
    report(free("cd"), "the one before is free")
    report(g.do(0, 1, LOCK) == 0 and "the guest has locked it" in k.ask("eject lun=1")["error"] and event(1) == (1, 2),
           "locked, the driver is asked")
    report("locked it" in k.give("change lun=1", "cd")["error"] and g.do(0, 1, TUR) == 0, "for a change, too")
    report(g.do(0, 1, UNLOCK) == 0 and k.ask("eject lun=1")["medium"] is False, "unlocked, it is taken out")
    report(g.do(0, 1, TUR) == NO_MEDIUM and event(1) == (3, 1) and g.do(0, 1, LOAD) == NO_MEDIUM and free("dvd"), "it is gone")
    report("error" not in k.give("change lun=1", "cd") and g.settle(0, 1) == [MEDIUM] and g.blocks(0, 1) == 2048, "one again")
    report(g.do(0, 1, LOCK) == 0 and k.ask("eject lun=1,force=on")["tray-open"] and g.do(0, 1, TUR) == NO_MEDIUM, "by force")
    report("no descriptor" in k.ask("change lun=1")["error"] and "error" not in k.ask("eject lun=1"), "nothing to put in")
    report("error" not in k.give("change lun=2", "dvd") and g.settle(0, 2) == [MEDIUM] and g.do(0, 2, UNLOAD) == 0 and
           g.do(0, 2, TUR) == NO_MEDIUM and g.do(0, 2, LOAD) == 0 and g.settle(0, 2) == [MEDIUM], "the driver takes it out, and in")
    report(g.event(0.1) is None, "media are no events")

# --- who they are ---
with process("--lun=lun=0,cd=on", "--lun=lun=1,cd=on", "--control=c") as p, Scsi() as g:
    k = Control()
    for lun, name in (2, "b"), (3, "a"):
        k.give("add lun=%d" % lun, name)
    serial = lambda lun: g.do(0, lun, bytes((0x12, 1, 0x80, 0, 64, 0)), 64) or bytes(g.got(20)[4:])
    report(len({serial(i) for i in range(4)}) == 4, "units without a name have serial numbers of their own")
    before = serial(0)
    k.give("change lun=0", "cd")
    report(serial(0) == before, "another medium does not change it")

# --- a control socket that is connected; the file as an open one ---
ours, theirs = socket.socketpair()
b = os.open("b", os.O_RDWR)
with process("--control-fd=%d" % theirs.fileno(), "--lun=fd=%d,file=name" % b, pass_fds=[theirs.fileno(), b]), Scsi() as g:
    theirs.close()
    k = Control(ours)
    report(k.ask("list")["luns"][0]["file"] == "name" and g.blocks(0, 0) == POWER_ON and g.blocks(0, 0) == 4096,
           "an open file, and a control socket that is connected")
os.close(b)

# --- the sandbox, which a build with sanitizers has not all of ---
with Process(sys.argv[2], "--lun=a", "--lun=lun=1,cd=on", "--control=c", "--num-queues=4") as p, Scsi() as g:
    k = Control()
    g.buffers(3)
    ok = k.give("add lun=2", "b"), k.give("change lun=1,file=cd", "cd"), *(k.ask(x) for x in (
        "resize lun=0", "remove lun=2", "eject lun=1", "list"))
    report(not any("error" in x for x in ok), "in the sandbox: commands")
    report("it is locked" in k.give("add lun=3", "a", os.O_RDWR)["error"] and
           "has it already" in k.ask("add lun=0,cd=on")["error"] and "error" in k.ask("wat"),
           "in the sandbox: errors")
    report(g.event() == (TRANSPORT, 0, 2, RESCAN) and g.event() == (TRANSPORT, 0, 2, REMOVED), "in the sandbox: events")
    report(p.sandboxed(), "all threads are in it")
    report(p.idle(), "idle, it does not spin")
done()
P
