# SPDX-License-Identifier: GPL-2.0
"""A vhost-user front-end with one split ring, from the specification: for tests of back-ends."""
import array
import mmap
import os
import select
import socket
import struct
import time

GET_FEATURES, SET_FEATURES, SET_OWNER = 1, 2, 3
SET_MEM_TABLE = 5
SET_LOG_BASE = 6
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
SEND_RARP, NET_SET_MTU, SET_BACKEND_REQ_FD = 19, 20, 21
CONFIG_CHANGE = 2       # from the back-end
GET_CONFIG, SET_CONFIG = 24, 25
GET_INFLIGHT_FD, SET_INFLIGHT_FD = 31, 32
RESET_DEVICE = 34
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG = 36, 37, 38
SET_STATUS, GET_STATUS = 39, 40
SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE = 42, 43
# Protocol features
MQ, LOG, RARP, REPLY_ACK, NET_MTU, BACKEND_REQ = 0, 1, 2, 3, 4, 5
CONFIG, INFLIGHT, RESET, MEM_SLOTS, STATUS, DEVICE_STATE = 9, 12, 13, 15, 16, 19

GPA, UADDR, SIZE = 0x40000000, 0x7f0000000000, 1 << 16
AVAIL, USED, DATA = 4096, 8192, 12288
NUM = 8
VERSION_1, PROTOCOL = 1 << 32, 1 << 30
BLK_GET_ID = 8


def u64(n):
    return struct.pack("<Q", n)


def state(index, num):
    return struct.pack("<II", index, num)


def get16(mem, at):
    return memoryview(mem)[at:at + 2].cast("H")[0]


def put16(mem, at, n):
    """In one store: pack_into() makes several, of which the other side may see the first alone."""
    memoryview(mem)[at:at + 2].cast("H")[0] = n


class Front:
    size = SIZE

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.settimeout(5)
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, self.size)
        self.mem = mmap.mmap(self.fd, self.size)
        self.kick, self.call, self.err = (os.eventfd(0, os.EFD_NONBLOCK) for _ in range(3))
        self.avail = self.seen = 0
        self.data = GPA + DATA

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        self.mem.close()
        for fd in (self.fd, self.kick, self.call, self.err):
            os.close(fd)

    # --- messages ---

    def raw(self, data, fds=()):
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sock.sendmsg([data], anc)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def tell(self, request, payload=b"", fds=(), flags=1):
        self.raw(struct.pack("<III", request, flags, len(payload)) + payload, fds)

    def reply(self):
        request, flags, size = struct.unpack("<III", self.sock.recv(12, socket.MSG_WAITALL))
        assert flags == 5, flags
        return self.sock.recv(size, socket.MSG_WAITALL) if size else b""

    def ask(self, request):
        self.tell(request)
        return struct.unpack("<Q", self.reply())[0]

    def acked(self, request, payload=b"", fds=()):
        self.tell(request, payload, fds, 9)
        return struct.unpack("<Q", self.reply())[0]

    def config(self, offset, size):
        self.tell(GET_CONFIG, struct.pack("<III", offset, size, 0) + bytes(size))
        return self.reply()[12:] or None

    def reply_fd(self):
        """Return: payload, descriptor or None"""
        data, fds, _, _ = socket.recv_fds(self.sock, 4096, 8)
        return data[12:], fds[0] if fds else None

    def inflight(self, queues, size):
        """Return: a region, as set_inflight() takes it"""
        self.tell(GET_INFLIGHT_FD, struct.pack("<QQHH", 0, 0, queues, size))
        return self.reply_fd()

    def set_inflight(self, region):
        self.tell(SET_INFLIGHT_FD, region[0], [region[1]])

    def transfer(self, direction, fd, phase=0):
        """SET_DEVICE_STATE_FD. Return: the answer; 0x100 is that it is done with our descriptor"""
        self.tell(SET_DEVICE_STATE_FD, struct.pack("<II", direction, phase), [fd])
        return struct.unpack("<Q", self.reply())[0]

    def save_state(self):
        """Return: the device's state, or None"""
        r, w = os.pipe()
        good = self.transfer(0, w) == 0x100
        os.close(w)
        with open(r, "rb") as f:
            data = f.read() if good else None
        return data if good and self.ask(CHECK_DEVICE_STATE) == 0 else None

    def load_state(self, data):
        """Return: whether it was taken"""
        r, w = os.pipe()
        good = self.transfer(1, r) == 0x100
        os.close(r)
        try:
            os.write(w, data)
        except BrokenPipeError:
            pass
        os.close(w)
        return self.ask(CHECK_DEVICE_STATE) == 0 and good

    def ended(self, seconds):
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(4096):
                pass
            return True
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    # --- the ring ---

    def table(self):
        self.tell(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GPA, self.size, UADDR, 0), [self.fd])

    def addr(self, desc, avail, used, log=None):
        """@log: where to log the used ring"""
        self.tell(SET_VRING_ADDR, struct.pack("<IIQQQQ", 0, log is not None, desc, used, avail, log or 0))

    def set_log(self, size, offset=0, file_size=None):
        """Return: the file; an answer has come"""
        fd = os.memfd_create("log")
        os.ftruncate(fd, file_size or offset + size)
        self.tell(SET_LOG_BASE, struct.pack("<QQ", size, offset), [fd])
        return fd

    def dirty(self, fd, offset=0):
        """The pages of guest memory that the log tells of, from the first one on, when the queue has gone round"""
        self.set_call()
        self.ask(GET_FEATURES)
        first = GPA >> 12
        log = os.pread(fd, self.size, offset)
        return {i * 8 + b - first for i, byte in enumerate(log) for b in range(8) if byte >> b & 1}

    def set_call(self):
        self.tell(SET_VRING_CALL, u64(0), [self.call])

    def start(self, kick=True):
        if kick:
            self.tell(SET_VRING_KICK, u64(0), [self.kick])
        else:
            self.tell(SET_VRING_KICK, u64(0x100))

    def setup(self, enable=True, call=True, kick=True, slots=False, start=True):
        self.tell(SET_OWNER)
        if slots:
            self.tell(SET_PROTOCOL_FEATURES, u64(1 << MEM_SLOTS))
        self.tell(SET_FEATURES, u64(VERSION_1 | PROTOCOL))
        if slots:
            self.tell(ADD_MEM_REG, u64(0) + struct.pack("<QQQQ", GPA, self.size, UADDR, 0), [self.fd])
        else:
            self.table()
        self.tell(SET_VRING_NUM, state(0, NUM))
        self.tell(SET_VRING_BASE, state(0, 0))
        self.addr(UADDR, UADDR + AVAIL, UADDR + USED)
        self.tell(SET_VRING_ERR, u64(0), [self.err])
        if call:
            self.set_call()
        if enable:
            self.tell(SET_VRING_ENABLE, state(0, 1))
        if start:
            self.start(kick)

    def submit(self, descs=(), head=0, jump=1, kick=True):
        """@descs: (address, length, flags, next)"""
        for i, d in enumerate(descs):
            struct.pack_into("<QIHH", self.mem, 16 * i, *d)
        struct.pack_into("<H", self.mem, AVAIL + 4 + 2 * (self.avail % NUM), head)
        self.avail = (self.avail + jump) & 0xffff
        put16(self.mem, AVAIL + 2, self.avail)
        if kick:
            os.eventfd_write(self.kick, 1)

    def submit_id(self, kick=True):
        self.mem[DATA:DATA + 16] = struct.pack("<IIQ", BLK_GET_ID, 0, 0)
        self.mem[DATA + 64:DATA + 85] = b"\xff" * 21
        self.submit([(self.data, 16, 1, 1), (self.data + 64, 20, 3, 2), (self.data + 84, 1, 2, 0)], kick=kick)

    def used(self, seconds):
        """One more is used, within that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            idx = get16(self.mem, USED + 2)
            if idx != self.seen:
                self.seen = (self.seen + 1) & 0xffff
                return idx == self.seen
            time.sleep(0.001)
        return False

    def id(self):
        assert self.mem[DATA + 84] == 0, self.mem[DATA + 84]
        return self.mem[DATA + 64:DATA + 84].rstrip(b"\0")

    def get_id(self):
        self.submit_id()
        assert self.used(5)
        return self.id()

    @staticmethod
    def event(fd, seconds):
        return bool(select.select([fd], [], [], seconds)[0])

    def called(self, seconds):
        return self.event(self.call, seconds)

    def broken(self, seconds):
        return self.event(self.err, seconds)

    def base(self):
        self.tell(GET_VRING_BASE, state(0, 0))
        return struct.unpack("<II", self.reply())[1]
