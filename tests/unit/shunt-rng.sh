#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-rng: what it fills, from which sources and how fast; drivers that make no sense.
#
# RNG=program	the process (build/san/bin/shunt-rng, else build/bin/shunt-rng)
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
rng=${RNG:-$top/build/san/bin/shunt-rng}
[ -x "$rng" ] || rng=$top/build/bin/shunt-rng
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
touch file
python_tap 100 "$rng" "$top/build/bin/shunt-rng" <<'P'
import json, pty, tty
from process import *
from virtio_guest import *

process = lambda *args, **how: Process(sys.argv[1], *args, **how)

# --- the command line ---
for args, why in (
        (("--source=nothing",), "--source=nothing: No such file"),
        (("--source=file",), "--source=file: it is not a character device"),
        (("--source",), "--source: it takes a value"),
        (("--max-bytes=0",), "--max-bytes=0: it takes a size of at least 1 bytes"),
        (("--max-bytes=x",), "--max-bytes=x: it takes a size"),
        (("--period=0",), "--period=0: it takes a number from 1 to"),
        (("--wat",), "--wat: unknown option")):
    report(*refused(sys.argv[1], why, "--socket-path=s", *args))
report(*refused(sys.argv[1], "one of --socket-path=PATH and --fd=N"))
report(said(sys.argv[1], "--help").startswith("Usage: shunt-rng "), "--help")
report(json.loads(said(sys.argv[1], "--print-capabilities", "--wat"))["type"] == "rng", "--print-capabilities")

# --- entropy ---
def entropy(g, length, *more):
    """Return: what a buffer of @length is filled with"""
    at = g.alloc(length)
    g.queue[0].put((at, length, True), *more)
    used = g.queue[0].got()
    return g.read(at, used[1]) if used else b""

for packed in False, True:
    with process() as p, Guest("s", 1, packed=packed) as g:
        what = "packed" if packed else "split"
        g.start()
        got = [entropy(g, 64) for _ in range(100)]
        report(all(len(x) == 64 for x in got) and len(set(got)) == 100, what + ": 100 buffers of 64 bytes, no two alike")
        report(Front.event(g.queue[0].call, 5), what + ": an interrupt")
        at = g.alloc(96)
        g.queue[0].put((at, 32, True), (at, 0, True), (at + 64, 32, True))
        report(g.queue[0].got()[1] == 64, what + ": a buffer of three segments, one empty")
        report(g.read(at, 32) != bytes(32) and g.read(at + 32, 32) == bytes(32) and g.read(at + 64, 32) != bytes(32),
               what + ": they are filled, and nothing between them")
        for i in range(8):
            g.queue[0].put((g.alloc(16), 16, True), kick=i == 7)
        report([g.queue[0].got()[1] for _ in range(8)] == [16] * 8, what + ": eight buffers at a time")
        report(0 < len(entropy(g, 500000)) <= 65536, what + ": a large buffer is filled in part")

for packed in False, True:
    with process() as p, Guest("s", 1, 1 << 35, packed=packed) as g:
        g.start()
        asked = list(range(16, 24))
        for i in asked:
            g.queue[0].put((g.alloc(i), i, True), kick=i == 23)
        report([g.queue[0].got()[1] for _ in asked] == asked, "IN_ORDER, %s: in order" % ("packed" if packed else "split"))

with process("--source=/dev/zero") as p, Guest("s", 1) as g:
    g.start()
    at = g.alloc(64, b"x" * 64)
    g.queue[0].put((at, 64, True))
    report(g.queue[0].got() == (0, 64) and g.read(at, 64) == bytes(64), "another source")

# --- a source that has little, or nothing ---
for packed in False, True:
    main, side = pty.openpty()
    tty.setraw(side)
    with process("--source=" + os.ttyname(side), quiet=False) as p, Guest("s", 1, packed=packed) as g:
        what = "packed" if packed else "split"
        g.start()
        q = g.queue[0]
        at = g.alloc(64)
        q.put((at, 64, True))
        report(q.got(0.2) is None, what + ": a source that has nothing yet")
        os.write(main, b"slow")
        report(q.got() == (0, 4) and g.read(at, 4) == b"slow", what + ": a short read is a short buffer")
        q.put((at, 64, True))
        q.put((at + 32, 64, True))
        q.got(0.2)
        q.stop()
        report(q.take() is None, what + ": a stop cancels a read, and uses no buffer")
        q.start()
        os.write(main, b"more")
        used = q.got()
        report(used and used[1] == 4 and g.read(at, 4) == b"more", what + ": started again, the same buffer is filled")
        os.write(main, b"rest")
        report(q.got() and g.read(at + 32, 4) == b"rest", what + ": and the next one")
        q.put((at, 64, True))
        q.got(0.2)
        os.close(main)
        report(q.got(0.3) is None and p.err_has("it is tried again each second"), what + ": a source that ends is told")
        q.stop()
        report(p.alive(), what + ": and the ring stops while it is waited for")
    os.close(side)

# --- killed, and started anew ---
main, side = pty.openpty()
tty.setraw(side)
for packed in False, True:
    with process("--source=" + os.ttyname(side)) as p, Guest("s", 1, packed=packed, protocol=1 << INFLIGHT) as g:
        g.start()
        q, ok, at = g.queue[0], 0, g.alloc(64)
        for i in range(10):
            q.put((at, 64, True))
            q.got(0.02)
            p.kill()
            p.start()
            g.again()
            os.write(main, b"%04d" % i)
            used = q.got()
            ok += used is not None and used[1] == 4 and g.read(at, 4) == b"%04d" % i
        report(ok == 10, ("packed" if packed else "split") + ": killed while it reads, 10 times, it goes on: %d" % ok)

# --- the rate ---
with process("--max-bytes=100", "--period=400") as p, Guest("s", 1) as g:
    g.start()
    start = time.monotonic()
    got = [len(entropy(g, 64)) for _ in range(6)]
    took = time.monotonic() - start
    report(got == [64, 36, 64, 36, 64, 36] and took >= 0.8, "100 bytes in each period: %s" % got)
    q = g.queue[0]
    q.put((g.alloc(8), 8, True))
    q.stop()
    report(q.take() is None, "a stop does not wait for the next period")
    q.start()
    report(q.got() is not None, "which comes")
with process("--max-bytes=1M", "--period=100000000") as p, Guest("s", 1) as g:
    g.start()
    report(sum(len(entropy(g, 65536)) for _ in range(8)) == 8 << 16, "a rate that is not reached")

# --- drivers that make no sense ---
def hostile(what, *bufs):
    with Guest("s", 1) as g:
        g.start()
        g.queue[0].put(*(b if b[0] else (g.alloc(64),) + b[1:] for b in bufs))
        ok = g.queue[0].broken() and g.queue[0].stop() == 0
    with Guest("s", 1) as g:
        report(ok and len(entropy(g.start(), 64)) == 64, what + " breaks its ring, and nothing else")

with process(quiet=False) as p:
    hostile("a buffer to be read", (0, 64, False))
    hostile("one of which a part is to be read", (0, 16, False), (0, 16, True))
    hostile("an empty one", (0, 0, True))
    hostile("one outside of memory", (1 << 40, 64, True))
    hostile("one that wraps", ((1 << 64) - 8, 64, True))
    hostile("one of 4 GiB", (0, 0xffffffff, True))
    with Guest("s", 1) as g:
        report(g.ask(GET_PROTOCOL_FEATURES) >> CONFIG & 1 == 0, "no configuration space is offered")
        g.tell(GET_CONFIG, struct.pack("<III", 0, 0, 0))
        report(g.ended(5), "and to ask for it ends the session")
    for i in range(20):
        with Guest("s", 1) as g:
            g.start().queue[0].put((g.alloc(64), 64, True))
    with Guest("s", 1) as g:
        report(len(entropy(g.start(), 64)) == 64, "gone with a buffer under way, 20 times")

# --- the sandbox, which a build with sanitizers has not all of ---
main, side = pty.openpty()
tty.setraw(side)
with Process(sys.argv[2], "--max-bytes=64", "--period=50") as p, Guest("s", 1) as g:
    g.start()
    report([len(entropy(g, 64)) for _ in range(4)] == [64] * 4, "in the sandbox: filled")
    report(p.sandboxed(), "all threads are in it")
with Process(sys.argv[2], "--source=" + os.ttyname(side)) as p, Guest("s", 1) as g:
    g.start().queue[0].put((g.alloc(64), 64, True))
    g.queue[0].got(0.1)
    report(p.idle(), "idle, it does not spin")
    g.queue[0].stop()
    report(p.alive(), "in the sandbox: a read is cancelled")
done()
P
