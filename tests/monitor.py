#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""monitor.py SOCKET LINE...: says each line to shunt's monitor, and prints what it answers."""
import socket
import sys

PROMPT = b"(shunt) "


def answer(s):
    got = more = s.recv(65536)
    while more and not got.endswith(PROMPT):
        more = s.recv(65536)
        got += more
    return got.decode().replace("\r", "")


with socket.socket(socket.AF_UNIX) as monitor:
    monitor.settimeout(60)
    monitor.connect(sys.argv[1])
    answer(monitor)
    for line in sys.argv[2:]:
        monitor.sendall(line.encode() + b"\n")
        # without the echo of the line, and the next prompt
        print("\n".join(answer(monitor).split("\n")[1:-1]))
