# SPDX-License-Identifier: GPL-2.0
"""A driver of a NIC behind a vhost-user front-end, with split or packed rings, from the specification."""
import atexit
import os
import socket
import struct
import subprocess
import time

from vhost_user import *

# Features
CSUM, GUEST_CSUM, F_MTU, F_MAC, GUEST_TSO4, GUEST_TSO6 = 0, 1, 3, 5, 7, 8
MRG_RXBUF, F_STATUS, CTRL_VQ, CTRL_RX, CTRL_VLAN, GUEST_ANNOUNCE, F_MQ, CTRL_MAC, F_RSS = 15, 16, 17, 18, 19, 21, 22, 23, 60
CTRL_GUEST_OFFLOADS, EVENT_IDX, PACKED = 2, 29, 34
NEXT, WRITE, AVAIL_BIT, USED_BIT = 1, 2, 1 << 7, 1 << 15
HDR = 12
# A queue's part of memory: rings, then buffers
QUEUE, BUFFERS = 4 << 20, 64 << 10


class Ring:
    """Common to both layouts. Buffers are lists of (address, length, written by the device)."""
    def __init__(self, front, index, num):
        self.f, self.index, self.num = front, index, num
        self.at = index * QUEUE
        self.desc, self.driver, self.device = self.at, self.at + (16 << 10), self.at + (32 << 10)
        self.kick, self.call, self.err = (os.eventfd(0, os.EFD_NONBLOCK) for _ in range(3))
        self.kicked = self.calls = 0
        front.mem[self.at:self.at + BUFFERS] = bytes(BUFFERS)

    def close(self):
        for fd in (self.kick, self.call, self.err):
            os.close(fd)

    def u16(self, at):
        return get16(self.f.mem, at)

    def notify(self, force=False):
        if force or self.wants_kick():
            self.kicked += 1
            os.eventfd_write(self.kick, 1)

    def broken(self, seconds=2):
        return Front.event(self.err, seconds)

    def pop(self, seconds=5):
        """Wait for a used buffer: (id, bytes written), or None."""
        end = time.monotonic() + seconds
        while True:
            got = self.poll()
            if got or time.monotonic() > end:
                return got
            self.want_call()
            got = self.poll()
            if got:
                return got
            if Front.event(self.call, max(0, min(0.5, end - time.monotonic()))):
                self.calls += os.eventfd_read(self.call)


class SplitRing(Ring):
    def __init__(self, front, index, num):
        super().__init__(front, index, num)
        self.free = list(range(num))
        self.idx = self.seen = self.told = 0
        self.chain = {}

    def restart(self, base):
        pass

    def add(self, bufs):
        ids = [self.free.pop(0) for _ in bufs]
        for k, (addr, length, write) in enumerate(bufs):
            last = k + 1 == len(bufs)
            struct.pack_into("<QIHH", self.f.mem, self.desc + 16 * ids[k], addr, length,
                             (0 if last else NEXT) | (WRITE if write else 0), 0 if last else ids[k + 1])
        self.chain[ids[0]] = ids
        self.add_head(ids[0])
        return ids[0]

    def add_head(self, head):
        struct.pack_into("<H", self.f.mem, self.driver + 4 + 2 * (self.idx % self.num), head)
        self.idx = (self.idx + 1) & 0xffff
        put16(self.f.mem, self.driver + 2, self.idx)

    def wants_kick(self):
        old, self.told = self.told, self.idx
        if not self.f.features >> EVENT_IDX & 1:
            return not self.u16(self.device) & 1
        event = self.u16(self.device + 4 + 8 * self.num)
        return (self.idx - event - 1) & 0xffff < (self.idx - old) & 0xffff

    def want_call(self):
        put16(self.f.mem, self.driver + 4 + 2 * self.num, self.seen)

    def poll(self):
        if self.u16(self.device + 2) == self.seen:
            return None
        head, length = struct.unpack_from("<II", self.f.mem, self.device + 4 + 8 * (self.seen % self.num))
        self.seen = (self.seen + 1) & 0xffff
        self.free += self.chain.pop(head)
        return head, length


class PackedRing(Ring):
    def __init__(self, front, index, num):
        super().__init__(front, index, num)
        self.ids = list(range(num))
        self.place, self.wrap = 0, 1
        self.seen, self.seen_wrap = 0, 1
        self.count = {}

    def add(self, bufs):
        i = self.ids.pop(0)
        self.count[i] = len(bufs)
        first = self.place
        for k, (addr, length, write) in enumerate(bufs):
            flags = (AVAIL_BIT if self.wrap else USED_BIT) | (NEXT if k + 1 < len(bufs) else 0) | (WRITE if write else 0)
            at = self.desc + 16 * self.place
            struct.pack_into("<QIH", self.f.mem, at, addr, length, i)
            if k:
                struct.pack_into("<H", self.f.mem, at + 14, flags)
            else:
                head = flags
            self.place += 1
            if self.place == self.num:
                self.place, self.wrap = 0, self.wrap ^ 1
        put16(self.f.mem, self.desc + 16 * first + 14, head)
        return i

    def wants_kick(self):
        return self.u16(self.device + 2) != 1

    def want_call(self):
        pass

    def poll(self):
        flags = self.u16(self.desc + 16 * self.seen + 14)
        if (bool(flags & AVAIL_BIT), bool(flags & USED_BIT)) != (bool(self.seen_wrap),) * 2:
            return None
        length, i = struct.unpack_from("<IH", self.f.mem, self.desc + 16 * self.seen + 8)
        self.seen += self.count.pop(i)
        if self.seen >= self.num:
            self.seen, self.seen_wrap = self.seen - self.num, self.seen_wrap ^ 1
        self.ids.append(i)
        return i, length


class Nic(Front):
    """Queue 2n receives, 2n + 1 sends, one more has commands. @region: of inflight(), or "new" for one"""
    def __init__(self, path, pairs=1, features=(), packed=False, num=64, ctrl=False, size=2048, start=True, region=None,
                 protocol=0):
        self.size = QUEUE * (2 * pairs + 1)
        super().__init__(path)
        self.features = VERSION_1 | PROTOCOL | sum(1 << f for f in features)
        if ctrl:
            self.features |= 1 << CTRL_VQ
        if packed:
            self.features |= 1 << PACKED
        ring = PackedRing if packed else SplitRing
        self.rings = [ring(self, i, num) for i in range(2 * pairs + (1 if ctrl else 0))]
        self.room, self.posted, self.next = size, [{} for _ in range(pairs)], 0
        self.tell(SET_OWNER)
        self.tell(SET_PROTOCOL_FEATURES, u64(1 << MQ | 1 << REPLY_ACK | 1 << CONFIG | (1 << INFLIGHT if region else 0) |
                                            protocol))
        self.region = region
        if start:
            self.go()

    def __exit__(self, *args):
        for r in self.rings:
            r.close()
        super().__exit__(*args)

    def go(self, indexes=None):
        assert not self.acked(SET_FEATURES, u64(self.features)), "features"
        self.table()
        if self.region == "new":
            self.region = self.inflight(len(self.rings), self.rings[0].num)
        if self.region:
            self.set_inflight(self.region)
        for i in range(len(self.rings)) if indexes is None else indexes:
            self.start_ring(i)

    def start_ring(self, i, base=None):
        r = self.rings[i]
        if base is None:
            base = 0x80008000 if isinstance(r, PackedRing) else 0
        self.tell(SET_VRING_NUM, state(i, r.num))
        self.tell(SET_VRING_BASE, state(i, base))
        self.tell(SET_VRING_ADDR, struct.pack("<IIQQQQ", i, 0, *(UADDR + a for a in (r.desc, r.device, r.driver)), 0))
        self.tell(SET_VRING_ERR, u64(i), [r.err])
        self.tell(SET_VRING_CALL, u64(i), [r.call])
        self.tell(SET_VRING_KICK, u64(i), [r.kick])
        assert not self.acked(SET_VRING_ENABLE, state(i, 1))

    def stop_ring(self, i):
        self.tell(GET_VRING_BASE, state(i, 0))
        return struct.unpack("<II", self.reply())[1]

    # --- what the front-end says of the link ---

    def link_messages(self):
        """Return: whether there are NET_SET_MTU and SEND_RARP; those that there are, are in force"""
        offered = self.ask(GET_PROTOCOL_FEATURES)
        self.tell(SET_PROTOCOL_FEATURES, u64(offered & (1 << REPLY_ACK | 1 << CONFIG | 1 << NET_MTU | 1 << RARP)))
        return bool(offered >> NET_MTU & 1), bool(offered >> RARP & 1)

    def takes_mtu(self, mtu):
        return self.acked(NET_SET_MTU, u64(mtu)) == 0 and struct.unpack("<H", self.config(10, 2))[0] == mtu

    def announces(self, wire, mac):
        """@wire: of RARP"""
        arp = struct.pack(">HHBBH", 1, 0x800, 6, 4, 3) + mac + bytes(4) + mac + bytes(4)
        return self.acked(SEND_RARP, mac + bytes(2)) == 0 and \
            wire.receive() == (b"\xff" * 6 + mac + b"\x80\x35" + arp).ljust(60, b"\0")

    # --- receiving ---

    def slot(self, i):
        return self.rings[i].at + BUFFERS

    def post(self, n, pair=0, cut=None):
        """Receive buffers; @cut: in two segments, the first of so many bytes."""
        r = self.rings[2 * pair]
        used = set(self.posted[pair].values())
        for k in range(n):
            at = next(a for a in range(self.slot(r.index), r.at + QUEUE - self.room, self.room) if a not in used)
            used.add(at)
            bufs = [(GPA + at, self.room, True)]
            if cut:
                bufs = [(GPA + at, cut, True), (GPA + at + cut, self.room - cut, True)]
            self.posted[pair][r.add(bufs)] = at
        r.notify()

    def receive(self, seconds=5, pair=0, refill=True):
        """A packet: (header, frame), or None. Its buffers are posted again, and those that a stop gave back empty."""
        data, want, n = b"", 1, 0
        while n < want:
            got = self.rings[2 * pair].pop(seconds)
            if not got:
                assert not n, "a packet without its end"
                return None
            at = self.posted[pair].pop(got[0])
            if not n and not got[1]:
                self.post(1, pair)
                continue
            data += self.mem[at:at + got[1]]
            if not n:
                want = struct.unpack_from("<H", data, 10)[0]
            n += 1
        self.buffers = n
        if refill:
            self.post(n, pair)
        return data[:HDR], data[HDR:]

    # --- sending ---

    def queue(self, frame, pair=0, hdr=bytes(HDR), segments=None, at=0):
        """@segments: lengths; the rest is one more"""
        r = self.rings[2 * pair + 1]
        data = hdr + frame
        base = self.slot(r.index) + at
        self.mem[base:base + len(data)] = data
        bufs, pos = [], 0
        for n in list(segments or []) + [len(data)]:
            n = min(n, len(data) - pos)
            if n:
                bufs.append((GPA + base + pos, n, False))
            pos += n
        return r.add(bufs)

    def send(self, frame, pair=0, **how):
        r = self.rings[2 * pair + 1]
        self.queue(frame, pair, **how)
        r.notify()
        return r.pop() is not None

    def command(self, cls, cmd, data=b"", cut=()):
        """Return: the device's answer; 0 is that it has done it"""
        r = self.rings[-1]
        base = self.slot(r.index)
        msg = bytes((cls, cmd)) + data
        self.mem[base:base + len(msg)] = msg
        self.mem[base + 65536:base + 65537] = b"\x55"
        bufs, pos = [], 0
        for n in list(cut) + [len(msg) - sum(cut)]:
            bufs.append((GPA + base + pos, n, False))
            pos += n
        r.add(bufs + [(GPA + base + 65536, 1, True)])
        r.notify()
        got = r.pop()
        assert got and got[1] == 1, got
        return self.mem[base + 65536]

    # --- what tests say again and again ---

    def send_all(self, frames, pair=0):
        """As many at once as the ring holds"""
        r = self.rings[2 * pair + 1]
        for i, frame in enumerate(frames):
            self.queue(frame, pair, at=2048 * i)
        r.notify()
        return all(r.pop() for _ in frames)

    def receive_all(self, last=None, pair=0):
        """Packets up to @last, or up to some time without one"""
        frames = []
        while True:
            got = self.receive(5 if last else 0.2, pair)
            if got is None:
                return frames
            if got[1][12:14] != b"\x86\xdd":
                frames.append(got[1])
            if got[1] == last:
                return frames[:-1] if last[14:18] == struct.pack(">I", 99) else frames

    def receive_ours(self, seconds=5, pair=0):
        """A packet of the tests' ethertype, of whatever else there may be on the wire"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            got = self.receive(seconds, pair)
            if got is None or got[1][12:14] == OURS:
                return got
        return None


OURS = b"\x88\xb5"
MAC = b"\x52\x54\x00\x12\x34\x56"


def frame(n, size=60):
    """Number @n"""
    return b"\xff" * 6 + MAC + OURS + struct.pack(">I", n) + bytes((n + i) & 0xff for i in range(size - 18))


class Process:
    """shunt-net, listening at s"""
    def __init__(self, program, *args, **how):
        self.p = subprocess.Popen([program, "--socket-path=s", *args], stderr=open("err", "w"), **how)
        atexit.register(self.p.kill)
        while not os.path.exists("s") and self.p.poll() is None:
            time.sleep(0.01)

    def nic(self, **how):
        return Nic("s", **how)

    def kill(self):
        self.p.kill()
        self.p.wait()
        os.unlink("s")

    def end(self):
        """Return: its exit status and what it had to say"""
        self.p.terminate()
        return self.p.wait(10), open("err").read()


def sh(command):
    subprocess.run(command, shell=True, check=True)


class Wire:
    """The kernel's end of a tap. With @vnet, packets have a header of virtio's, of 10 bytes."""
    def __init__(self, name, vnet=False, kind=0x88b5):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        if vnet:
            self.s.setsockopt(263, 15, 1)
        self.s.bind((name, 3 if vnet else kind))
        self.s.settimeout(5)

    def send(self, data):
        self.s.send(data)

    def receive(self, seconds=5):
        self.s.settimeout(seconds)
        try:
            return self.s.recv(70000)
        except socket.timeout:
            return None


def gso(size):
    """A TCP segment of @size bytes over IPv4, to be cut to pieces of 1000: header of virtio, frame"""
    tcp = struct.pack(">HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x10, 100, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + size, 1, 0x4000, 64, 6, 0, b"\n\0\0\1", b"\n\0\0\2")
    f = b"\xff" * 6 + MAC + b"\x08\0" + ip + tcp + bytes((i * 7) & 0xff for i in range(size))
    return struct.pack("<BBHHHH", 1, 1, 54, 1000, 34, 16), f
