# SPDX-License-Identifier: GPL-2.0
"""A driver of virtio-blk with many requests at a time, on a split or a packed ring, which outlives the process that serves
it: for tests of recovery. It never tells where its rings stand: what the inflight region says has to do."""
import os
import random
import struct
import time
from vhost_user import *

NUM, SLOTS, AREA = 64, 16, 65536
IN, OUT, FLUSH = 0, 1, 4
HEADER, MEMORY = 16384, 16384 + SLOTS * 512 + SLOTS * AREA
DATA_AT = HEADER + SLOTS * 512
PACKED = 1 << 34


class Disk(Front):
    """@SLOTS requests at most, each with 3 descriptors and its own part of the disk"""
    size = MEMORY

    def __init__(self, path, packed, features=0):
        super().__init__(path)
        self.words = memoryview(self.mem).cast("H")     # each is read and written at once
        self.packed, self.features = packed, features
        self.region = None
        self.model = {}
        self.out = {}
        self.order = []
        self.at = self.used_at = self.seq = self.ended_early = 0
        self.completed = 0

    def __exit__(self, *_):
        self.words.release()
        super().__exit__()

    def connect(self, path=None, num=NUM, protocol=0):
        """@path: a new session, after the last one's process has died"""
        if path:
            self.sock.close()
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(path)
            self.sock.settimeout(5)
        self.tell(SET_OWNER)
        self.tell(SET_PROTOCOL_FEATURES, u64(1 << INFLIGHT | 1 << REPLY_ACK | protocol))
        self.tell(SET_FEATURES, u64(VERSION_1 | PROTOCOL | self.features | (PACKED if self.packed else 0)))
        if not self.region:
            self.region = self.inflight(1, NUM)
        self.set_inflight(self.region)
        self.tell(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GPA, MEMORY, UADDR, 0), [self.fd])
        self.tell(SET_VRING_NUM, state(0, num))
        self.tell(SET_VRING_BASE, state(0, 0x80008000 if self.packed else 0))
        self.addr(UADDR, UADDR + AVAIL, UADDR + USED)
        self.tell(SET_VRING_ERR, u64(0), [self.err])
        self.set_call()
        self.tell(SET_VRING_ENABLE, state(0, 1))
        self.start()

    # --- requests ---

    def chain(self, slot, kind, sector, length):
        header, data = GPA + HEADER + slot * 512, GPA + HEADER + SLOTS * 512 + slot * AREA
        struct.pack_into("<IIQ", self.mem, header - GPA, kind, 0, sector)
        self.mem[header - GPA + 16] = 0xff
        middle = [(data, length, 0 if kind == OUT else 2)] if length else []
        return [(header, 16, 0)] + middle + [(header + 16, 1, 2)]

    def submit_slot(self, slot):
        """A random request in the slot's part of the disk"""
        kind = random.choice([IN, OUT, OUT, FLUSH])
        length = 0 if kind == FLUSH else random.choice([512, 4096, AREA])
        sector = slot * (AREA // 512)
        content = os.urandom(512) * (length // 512) if kind == OUT else b"\0" * length
        at = HEADER + SLOTS * 512 + slot * AREA
        self.mem[at:at + length] = content
        self.offer(slot, self.chain(slot, kind, sector, length))
        self.out[slot] = (kind, content)
        self.order.append(slot)

    @staticmethod
    def page(at):
        return at >> 12

    def one(self, kind, length):
        """A request of slot 0"""
        self.offer(0, self.chain(0, kind, 0, length))
        self.out[0] = (kind, self.mem[DATA_AT:DATA_AT + length] if kind == OUT else b"")
        self.order.append(0)
        os.eventfd_write(self.kick, 1)

    def offer(self, slot, chain):
        n = len(chain)
        if not self.packed:
            for i, (addr, length, flags) in enumerate(chain):
                struct.pack_into("<QIHH", self.mem, 16 * (3 * slot + i), addr, length, flags | (i + 1 < n),
                                 3 * slot + i + 1)
            struct.pack_into("<H", self.mem, AVAIL + 4 + 2 * (self.at % NUM), 3 * slot)
            self.at = (self.at + 1) & 0xffff
            self.words[AVAIL // 2 + 1] = self.at
            return
        for i in reversed(range(n)):
            addr, length, flags = chain[i]
            lin = self.at + i
            turn = 1 << 15 if lin // NUM % 2 else 1 << 7
            struct.pack_into("<QIH", self.mem, 16 * (lin % NUM), addr, length, slot)
            self.words[8 * (lin % NUM) + 7] = flags | turn | (i + 1 < n)
        self.at += n

    def next_used(self):
        """Return: a slot, or None"""
        if not self.packed:
            if self.words[USED // 2 + 1] == self.used_at:
                return None
            head = struct.unpack_from("<I", self.mem, USED + 4 + 8 * (self.used_at % NUM))[0]
            self.used_at = (self.used_at + 1) & 0xffff
            assert head % 3 == 0, "a head that was not given: %d" % head
            return head // 3
        at = 8 * (self.used_at % NUM)
        turn = 0 if self.used_at // NUM % 2 else 1 << 7 | 1 << 15
        if self.words[at + 7] & (1 << 7 | 1 << 15) != turn:
            return None
        slot = self.words[at + 6]
        assert slot in self.out, "slot %d is used twice" % slot
        self.used_at += 2 if self.out[slot][0] == FLUSH else 3
        return slot

    def reap(self):
        """All that has ended: each once, and what was read is what was written"""
        n = 0
        while (slot := self.next_used()) is not None:
            assert slot in self.out, "slot %d is used twice" % slot
            kind, content = self.out.pop(slot)
            assert self.mem[HEADER + slot * 512 + 16] == 0, "status %d" % self.mem[HEADER + slot * 512 + 16]
            at = HEADER + SLOTS * 512 + slot * AREA
            old = self.model.get(slot, b"\0" * AREA)
            if kind == OUT:
                self.model[slot] = content + old[len(content):]
            elif kind == IN:
                assert self.mem[at:at + len(content)] == old[:len(content)], "slot %d: not what was written" % slot
            self.ended_early += self.order[0] != slot
            self.order.remove(slot)
            n += 1
            if not self.packed:
                self.words[AVAIL // 2 + 2 + NUM] = self.used_at
        self.completed += n
        return n

    def fill(self):
        for slot in range(SLOTS):
            if slot not in self.out and random.random() < 0.7:
                self.submit_slot(slot)
        os.eventfd_write(self.kick, 1)

    def wait(self, seconds=5):
        """For interrupts, until there is one that tells of something. Return: requests that have ended"""
        n = self.reap()
        while not n and self.called(seconds):
            os.eventfd_read(self.call)
            n = self.reap()
        return n

    def drain(self):
        while self.out and self.wait():
            pass
        return not self.out

    def check(self, path):
        """Is all in the file that was acknowledged?"""
        with open(path, "rb") as f:
            return all(os.pread(f.fileno(), AREA, slot * AREA) == content for slot, content in self.model.items())
