#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""vhost_user_peer.py input|vsock SOCKET: a vhost-user back-end for one front-end, from the specifications.

input: a keyboard whose light says what was written to it. As QEMU's vhost-user-input does, it looks at what the driver has
chosen in a configuration that comes whole. vsock: whatever is sent to port 7 of CID 2 comes back.
"""
import mmap
import os
import select
import socket
import struct
import sys

from vhost_user import *

VERSION = 1 | 4
QUEUES = {"input": 2, "vsock": 3}
CONFIG_SIZE = {"input": 136, "vsock": 8}
NAME, EV_BITS, EV_LED = 1, 0x11, 0x11
REQUEST, RESPONSE, RST, SHUTDOWN, RW = 1, 2, 3, 4, 5
VSOCK = struct.Struct("<QQIIIHHIII")


class Ring:
    def __init__(self):
        self.kick = self.call = None
        self.next = 0


class Peer:
    def __init__(self, kind, sock):
        self.kind, self.sock = kind, sock
        self.regions, self.rings = [], [Ring() for _ in range(QUEUES[kind])]
        self.chosen = 0, 0
        self.waiting = []

    # --- memory and rings ---

    def at(self, addr, which):
        for r in self.regions:
            if r[which] <= addr < r[which] + r[1]:
                return memoryview(r[4])[r[3] + addr - r[which]:]
        raise ValueError(hex(addr))

    def pop(self, ring):
        """Return: head, its buffers as (memory, whether the device writes); or None"""
        if not ring.kick or ring.next == ring.avail[2:4].cast("H")[0]:
            return None
        head = i = struct.unpack_from("<H", ring.avail, 4 + 2 * (ring.next % ring.num))[0]
        ring.next = (ring.next + 1) & 0xffff
        bufs, more = [], True
        while more:
            addr, length, flags, following = struct.unpack_from("<QIHH", ring.desc, 16 * i)
            bufs.append((self.at(addr, 0)[:length], flags & 2))
            more, i = flags & 1, following
        return head, bufs

    def push(self, ring, head, length):
        idx = ring.used[2:4].cast("H")
        struct.pack_into("<II", ring.used, 4 + 8 * (idx[0] % ring.num), head, length)
        idx[0] = (idx[0] + 1) & 0xffff
        os.eventfd_write(ring.call, 1)

    def give(self, data):
        """As soon as the driver has a buffer for it"""
        self.waiting.append(data)
        self.flush()

    def flush(self):
        ring = self.rings[0]
        while self.waiting and (got := self.pop(ring)):
            data = self.waiting.pop(0)
            got[1][0][0][:len(data)] = data
            self.push(ring, got[0], len(data))

    def kicked(self, n):
        if n == 0:
            self.flush()
        while n == 1 and (got := self.pop(self.rings[1])):
            data = b"".join(bytes(b) for b, write in got[1] if not write)
            self.push(self.rings[1], got[0], 0)
            getattr(self, self.kind)(data)

    # --- devices ---

    def input(self, data):
        if struct.unpack_from("<HH", data)[0] == EV_LED:
            self.give(data)
            self.give(bytes(8))

    def vsock(self, data):
        src, dst, sport, dport, length, kind, op, _, _, _ = VSOCK.unpack_from(data)
        answer = {REQUEST: RESPONSE, SHUTDOWN: RST, RW: RW}.get(op)
        if (src, dst, dport, kind) != (3, 2, 7, 1):
            answer = RST
        if answer:
            body = data[VSOCK.size:VSOCK.size + length] if answer == RW else b""
            self.give(VSOCK.pack(dst, src, dport, sport, len(body), kind, answer, 0, 65536, length) + body)

    def config(self):
        if self.kind == "vsock":
            return struct.pack("<Q", 3)
        what = {(NAME, 0): b"a test keyboard", (EV_BITS, EV_LED): b"\7"}.get(self.chosen)
        return struct.pack("<BBB5x128s", *(self.chosen if what else (0, 0)), len(what or b""), what or b"")

    # --- messages ---

    def answer(self, m, data):
        self.sock.sendall(struct.pack("<III", m, VERSION, len(data)) + data)

    def message(self, m, data, fds):
        """Return: whether it is understood; what owes an answer has been answered"""
        if m == GET_FEATURES:
            self.answer(m, u64(VERSION_1 | PROTOCOL))
        elif m == GET_PROTOCOL_FEATURES:
            self.answer(m, u64(1 << MQ | 1 << REPLY_ACK | 1 << CONFIG))
        elif m == GET_QUEUE_NUM:
            self.answer(m, u64(len(self.rings)))
        elif m == GET_CONFIG:
            assert data[:8] == struct.pack("<II", 0, CONFIG_SIZE[self.kind]), data
            self.answer(m, data[:12] + self.config())
        elif m == SET_CONFIG:
            assert data[:8] == struct.pack("<II", 0, CONFIG_SIZE[self.kind]) and self.kind == "input", data
            self.chosen = data[12], data[13]
            return True
        elif m == GET_VRING_BASE:
            n = struct.unpack_from("<I", data)[0]
            self.answer(m, state(n, self.rings[n].next))
            self.rings[n].kick = None
        elif m == SET_MEM_TABLE:
            self.regions = [struct.unpack_from("<QQQQ", data, 8 + 32 * i) for i in range(len(fds))]
            self.regions = [(*r, mmap.mmap(fd, r[1] + r[3])) for r, fd in zip(self.regions, fds)]
            return True
        elif m in (SET_OWNER, SET_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE, SET_VRING_ERR):
            return True
        else:
            return self.ring_message(m, data, fds)
        return False

    def ring_message(self, m, data, fds):
        ring = self.rings[data[0]]
        if m == SET_VRING_NUM:
            ring.num = struct.unpack_from("<I", data, 4)[0]
        elif m == SET_VRING_BASE:
            ring.next = struct.unpack_from("<I", data, 4)[0]
        elif m == SET_VRING_ADDR:
            desc, used, avail = struct.unpack_from("<QQQ", data, 8)
            ring.desc, ring.used, ring.avail = (self.at(a, 2) for a in (desc, used, avail))
        elif m == SET_VRING_CALL:
            ring.call = os.dup(fds[0])
        elif m == SET_VRING_KICK:
            ring.kick = os.dup(fds[0])
        else:
            raise ValueError(m)
        return True

    def run(self):
        while True:
            kicks = {r.kick: n for n, r in enumerate(self.rings) if r.kick}
            for fd in select.select([self.sock, *kicks], [], [])[0]:
                if fd in kicks:
                    os.eventfd_read(fd)
                    self.kicked(kicks[fd])
                    continue
                head, fds, _, _ = socket.recv_fds(self.sock, 12, 8, socket.MSG_WAITALL)
                if not head:
                    return
                m, flags, size = struct.unpack("<III", head)
                data = self.sock.recv(size, socket.MSG_WAITALL) if size else b""
                if self.message(m, data, fds) and flags & 8:
                    self.answer(m, u64(0))
                for f in fds:
                    os.close(f)
                break


def main():
    listen = socket.socket(socket.AF_UNIX)
    listen.bind(sys.argv[2])
    listen.listen()
    listen.settimeout(20)
    Peer(sys.argv[1], listen.accept()[0]).run()


main()
