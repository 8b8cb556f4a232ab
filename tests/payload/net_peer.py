#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The other end of a tap for the virtio-net payloads: answers frames of ethertype 0x88b5.

    net_peer.py IFNAME

A frame is: destination, source, type, operation (1 byte), a pad byte, a sequence number (4, big
endian), an argument (4), then bytes of any kind. Operations of the guest:
  E  the frame comes back as "e"
  C  is counted, in Q's answer
  Q  comes back as "q", the argument is how many C frames came since the last Q
  B  sends <argument >> 16> frames "b" of <argument & 0xffff> bytes, numbered from 0
"""
import socket
import struct
import sys

TYPE = 0x88B5
SO_RCVBUFFORCE = 33
HEAD = struct.Struct("!6s6sHcxII")


def frame(to, sender, op, seq, arg, length):
    head = HEAD.pack(to, sender, TYPE, op, seq, arg)
    return head + bytes((seq + i) & 0xFF for i in range(length - len(head)))


def main():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(TYPE))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.bind((sys.argv[1], TYPE))
    print("ready", flush=True)
    counted = 0
    while True:
        try:
            data, where = sock.recvfrom(65536)
            if where[2] == socket.PACKET_OUTGOING or len(data) < HEAD.size:
                continue
            dst, src, kind, op, seq, arg = HEAD.unpack_from(data)
            if op == b"E":
                sock.send(HEAD.pack(src, dst, kind, b"e", seq, arg) + data[HEAD.size:])
            elif op == b"C":
                counted += 1
            elif op == b"Q":
                sock.send(HEAD.pack(src, dst, kind, b"q", seq, counted) + data[HEAD.size:])
                counted = 0
            elif op == b"B":
                for i in range(arg >> 16):
                    sock.send(frame(src, dst, b"b", i, arg, max(arg & 0xFFFF, 60)))
        except OSError:
            # The tap is down between two VMMs, or its queue is full: what is lost is lost.
            continue


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
