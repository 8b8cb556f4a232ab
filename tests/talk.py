#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""talk.py SOCKET TEXT: sends it when somebody listens, and prints what comes back: a line for a line, else as many bytes."""
import socket
import sys
import time

path, text = sys.argv[1:]
end = time.monotonic() + 20
while True:
    try:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(path)
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.02)
s.sendall(text.encode())
back = s.makefile("rb")
print((back.readline() if text.endswith("\n") else back.read(len(text))).decode().rstrip("\r\n"))
