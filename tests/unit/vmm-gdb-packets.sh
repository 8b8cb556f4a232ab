#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# GDB's protocol packet by packet: a machine that runs stops for who comes, goes on, and stops at an interrupt; then somebody who
# sends rubbish. Needs /dev/kvm.
set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1
"$shunt" -m 32 -nodefaults -display none -serial file:out -gdb unix:g -kernel "$top/build/payload/serial_in.elf" \
	-monitor unix:mon,server=on,wait=off < /dev/null > /dev/null 2> err &
pid=$!
for ((i = 0; i < 200; i++)); do
	[ ! -S g ] || [ ! -S mon ] || break
	sleep 0.05
done
python_tap 60 "$pid" <<'PY'
import os, socket, sys, time

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect("g")
    return s

def packet(s, body):
    s.sendall(b"$" + body + b"#%02x" % (sum(body) & 255))

def answer(s):
    got = b""
    while not (got.count(b"$") and got[got.index(b"$"):].count(b"#") and len(got.split(b"#")[-1]) >= 2):
        more = s.recv(4096)
        if not more:
            return None
        got += more
    return got[got.index(b"$") + 1:got.rindex(b"#")]

def ask(s, body):
    packet(s, body)
    return answer(s)

def monitor(line):
    m = socket.socket(socket.AF_UNIX)
    m.connect("mon")
    m.sendall(line + b"\n")
    m.shutdown(socket.SHUT_WR)
    got = b""
    while more := m.recv(4096):
        got += more
    return got

s = connect()
report(ask(s, b"?").startswith(b"T05thread:"), "who comes finds it stopped")
report(b"paused" in monitor(b"info status"), "and the monitor says so")
packet(s, b"c")
time.sleep(0.5)
report(b"running" in monitor(b"info status"), "it goes on")
s.sendall(b"\3")
report(answer(s).startswith(b"T02thread:"), "and stops where it was interrupted")
for what, body in (("an unknown packet", b"zzz"), ("no address", b"mx,y"), ("too much memory", b"m0,ffffffff"), ("no such register", b"pffff"),
                   ("no such thread", b"Hg99"), ("no type of breakpoint", b"Z9,0,1"), ("half a byte", b"M1000,2:4"),
                   ("a watchpoint across a boundary", b"Z2,1001,8"), ("features past the end", b"qXfer:features:read:target.xml:fffff,10")):
    v = ask(s, body)
    report(v is not None and (v == b"" or v.startswith(b"E")), "%s: '%s'" % (what, v.decode() if v is not None else "gone"))
s.sendall(b"$g#00")
got = b""
while b"-" not in got:
    got += s.recv(100)
report(True, "a wrong sum is not confirmed")
s.sendall(b"$" + b"m" * 100000)
s.sendall(os.urandom(10000))
time.sleep(0.3)
s.close()
time.sleep(0.3)
s = connect()
report(ask(s, b"?").startswith(b"T05"), "after rubbish the next one is served")
for i in range(70):
    v = ask(s, b"Z0,%x,1" % (0x100000 + i))
report(v == b"E14", "64 breakpoints, and no more")
for i in range(4):
    v = ask(s, b"Z1,%x,1" % (0x100000 + i))
report(v == b"OK" and ask(s, b"Z1,100004,1") == b"E14", "four in registers, and no more")
report(ask(s, b"D") == b"OK" and b"running" in monitor(b"info status"), "it goes on without them")
packet(s, b"g")
report(answer(s) == b"E01", "while it runs there is nothing to be seen")
s.sendall(b"\3")
answer(s)
packet(s, b"k")
for _ in range(100):
    if not os.path.exists("/proc/%s" % sys.argv[1]) or open("/proc/%s/stat" % sys.argv[1]).read().split()[2] == "Z":
        break
    time.sleep(0.05)
else:
    report(False, "kill ends it")
done()
PY
