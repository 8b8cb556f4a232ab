# SPDX-License-Identifier: GPL-2.0
"""A guest behind the front-end of vhost_user.py: any number of queues, split or packed, and memory for buffers."""
import mmap
import os
import socket
import struct
import time

from vhost_user import *

PACKED, EVENT_IDX, INDIRECT = 1 << 34, 1 << 29, 1 << 28
NEXT, WRITE, AVAIL_BIT, USED_BIT = 1, 2, 1 << 7, 1 << 15


class Queue:
    """Rings of @num: three pages from @at."""
    def __init__(self, guest, index, num):
        self.guest, self.index, self.num = guest, index, num
        self.mem, self.packed = guest.mem, guest.packed
        self.desc, self.avail, self.used = (index * 3 * 4096 + i * 4096 for i in range(3))
        self.kick, self.call, self.err = (os.eventfd(0, os.EFD_NONBLOCK) for _ in range(3))
        self.reset()

    def reset(self):
        self.mem[self.desc:self.desc + 3 * 4096] = bytes(3 * 4096)
        self.free = list(range(self.num))
        self.chains = {}
        self.next = self.seen = 0
        self.wrap = self.used_wrap = True
        self.base = 0x80008000 if self.packed else 0

    def resume_at(self, n):
        """As if @n buffers had been used"""
        self.next = self.seen = n
        if self.packed:
            self.base = 0x80008000 | n << 16 | n
        else:
            self.base = n
            for at in self.avail, self.used:
                struct.pack_into("<H", self.mem, at + 2, n)

    def close(self):
        for fd in (self.kick, self.call, self.err):
            os.close(fd)

    def start(self):
        g = self.guest
        g.tell(SET_VRING_NUM, state(self.index, self.num))
        g.tell(SET_VRING_BASE, state(self.index, self.base))
        g.tell(SET_VRING_ADDR, struct.pack("<IIQQQQ", self.index, 0, UADDR + self.desc, UADDR + self.used,
                                           UADDR + self.avail, 0))
        g.tell(SET_VRING_ERR, u64(self.index), [self.err])
        g.tell(SET_VRING_CALL, u64(self.index), [self.call])
        g.tell(SET_VRING_KICK, u64(self.index), [self.kick])
        g.tell(SET_VRING_ENABLE, state(self.index, 1))

    def stop(self):
        """GET_VRING_BASE, which the next start goes on from."""
        self.guest.tell(GET_VRING_BASE, state(self.index, 0))
        self.base = struct.unpack("<II", self.guest.reply())[1]
        return self.base

    def put(self, *bufs, kick=True):
        """Make a chain available: @bufs: (address, length, whether the device writes). Return: its id"""
        ids = [self.free.pop(0) for _ in bufs]
        self.chains[ids[0]] = ids
        if self.packed:
            self.put_packed(ids, bufs)
        else:
            self.put_split(ids, bufs)
        if kick:
            os.eventfd_write(self.kick, 1)
        return ids[0]

    def put_split(self, ids, bufs):
        for i, (addr, length, write) in enumerate(bufs):
            last = i + 1 == len(bufs)
            struct.pack_into("<QIHH", self.mem, self.desc + 16 * ids[i], addr, length,
                             (WRITE if write else 0) | (0 if last else NEXT), 0 if last else ids[i + 1])
        struct.pack_into("<H", self.mem, self.avail + 4 + 2 * (self.next % self.num), ids[0])
        self.next = (self.next + 1) & 0xffff
        put16(self.mem, self.avail + 2, self.next)

    def put_packed(self, ids, bufs):
        first = None
        for i, (addr, length, write) in enumerate(bufs):
            flags = (WRITE if write else 0) | (0 if i + 1 == len(bufs) else NEXT) | \
                (AVAIL_BIT if self.wrap else USED_BIT)
            at = self.desc + 16 * self.next
            struct.pack_into("<QIH", self.mem, at, addr, length, ids[0])
            # The first descriptor's flags make all of them available.
            if first:
                struct.pack_into("<H", self.mem, at + 14, flags)
            else:
                first = at, flags
            self.next += 1
            if self.next == self.num:
                self.next, self.wrap = 0, not self.wrap
        put16(self.mem, first[0] + 14, first[1])

    def take(self):
        """Return: (id, length) of the next used buffer, or None"""
        if self.packed:
            at = self.desc + 16 * self.seen
            flags = get16(self.mem, at + 14)
            if bool(flags & AVAIL_BIT) != self.used_wrap or bool(flags & USED_BIT) != self.used_wrap:
                return None
            length, i = struct.unpack_from("<IH", self.mem, at + 8)
            self.seen += len(self.chains[i])
            if self.seen >= self.num:
                self.seen, self.used_wrap = self.seen - self.num, not self.used_wrap
        else:
            if get16(self.mem, self.used + 2) == self.seen:
                return None
            i, length = struct.unpack_from("<II", self.mem, self.used + 4 + 8 * (self.seen % self.num))
            self.seen = (self.seen + 1) & 0xffff
        self.free += self.chains.pop(i)
        return i, length

    def got(self, seconds=5):
        """The same, waiting for it."""
        end = time.monotonic() + seconds
        while True:
            used = self.take()
            if used or time.monotonic() > end:
                return used
            time.sleep(0.001)

    def broken(self, seconds=5):
        return Front.event(self.err, seconds)


class Guest(Front):
    def __init__(self, path, queues, features=0, packed=False, num=16, size=1 << 20, protocol=0):
        super().__init__(path)
        self.mem.close()
        self.size, self.packed = size, packed
        os.ftruncate(self.fd, size)
        self.mem = mmap.mmap(self.fd, size)
        self.free = self.first = queues * 3 * 4096
        self.features = features | VERSION_1 | PROTOCOL | (PACKED if packed else 0)
        self.queue = [Queue(self, i, num) for i in range(queues)]
        self.path, self.protocol, self.region = path, protocol, None
        self.negotiate()

    def negotiate(self):
        self.tell(SET_OWNER)
        self.tell(SET_PROTOCOL_FEATURES, u64(self.protocol))
        self.tell(SET_FEATURES, u64(self.features))
        self.table()
        if self.protocol >> INFLIGHT & 1:
            self.region = self.region or self.inflight(len(self.queue), self.queue[0].num)
            self.set_inflight(self.region)

    def again(self):
        """Go on with another process."""
        self.sock.close()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)
        self.negotiate()
        self.start()

    def __exit__(self, *_):
        for q in self.queue:
            q.close()
        if self.region:
            os.close(self.region[1])
        super().__exit__()

    def table(self):
        self.tell(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GPA, self.size, UADDR, 0), [self.fd])

    def start(self):
        for q in self.queue:
            q.start()
        return self

    def alloc(self, length, data=b""):
        """Return: the guest address of so many bytes, which begin with @data"""
        at, self.free = self.free, self.free + (length + 63) // 64 * 64
        assert self.free <= self.size
        self.mem[at:at + length] = data + bytes(length - len(data))
        return GPA + at

    def read(self, addr, length):
        return self.mem[addr - GPA:addr - GPA + length]

    def listen(self):
        """Have the back-end tell of a new configuration. Return: where; told() hears of it"""
        self.tell(SET_PROTOCOL_FEATURES, u64(1 << CONFIG | 1 << BACKEND_REQ))
        ours, theirs = socket.socketpair()
        ours.settimeout(5)
        self.tell(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
        theirs.close()
        self.ask(GET_FEATURES)
        return ours


def told(ours):
    return ours.recv(12) == struct.pack("<III", CONFIG_CHANGE, 1, 0)
