#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net's back end null behind a driver of our own: rings, and what is wrong with them.
#
# NET=program	see shunt-net-env
. "$(dirname "$0")/shunt-net-env"
own_folder
python_tap 60 "$net" "$top/build/bin/shunt-bench" <<'P'
from vhost_net import *

program, bench = sys.argv[1:]
p = Process(program, "--backend=null", "--generate=100", "--mac=52:54:00:12:34:56", "--mtu=1400")
with p.nic(start=False) as nic:
    offered = nic.ask(GET_FEATURES)
    report(all(offered >> f & 1 for f in (F_MAC, F_MTU, F_STATUS, MRG_RXBUF, 32, PACKED, EVENT_IDX)), "features")
    report(not any(offered >> f & 1 for f in (CSUM, GUEST_CSUM, GUEST_TSO4, F_MQ)), "and no other")
    report(nic.ask(GET_QUEUE_NUM) == 1, "one pair of queues")
    c = nic.config(0, 12)
    report(c[:6] == MAC and struct.unpack("<HHH", c[6:]) == (1, 1, 1400), "configuration: MAC, status, pairs, MTU")
    report(nic.acked(SET_CONFIG, struct.pack("<III", 0, 6, 0) + MAC) != 0, "it cannot be written")
    report(nic.link_messages() == (True, False), "NET_MTU; no RARP, which nobody would hear")
    report(nic.takes_mtu(1400) and nic.takes_mtu(68), "NET_SET_MTU")
    report(not any(nic.takes_mtu(mtu) for mtu in (0, 67, 1401, 1 << 16 | 1000, 1 << 40 | 1000)), "one that cannot be")
    report(struct.unpack("<H", nic.config(10, 2)) == (68,), "changes nothing")

for packed in False, True:
    for features in (MRG_RXBUF,), (EVENT_IDX,), (MRG_RXBUF, EVENT_IDX):
        what = "%s ring%s%s" % ("packed" if packed else "split", ", mergeable" * (MRG_RXBUF in features),
                                ", EVENT_IDX" * (EVENT_IDX in features))
        with p.nic(packed=packed, features=features) as nic:
            report(all(nic.send_all([frame(i) for i in range(40)]) for _ in range(20)), what + ": 800 packets sent")
            nic.post(32)
            got = [nic.receive() for _ in range(300)]
            report(all(g and g[0] == bytes(10) + b"\1\0" and len(g[1]) == 100 and g[1][:6] == MAC for g in got),
                   what + ": 300 packets received")
    with p.nic(packed=packed, features=[MRG_RXBUF], size=64) as nic:
        nic.post(32)
        got = [(nic.receive(), nic.buffers) for _ in range(100)]
        report(all(g and len(g[1]) == 100 and b == 2 for g, b in got), "packets in two buffers each, packed: %d" % packed)
    with p.nic(packed=packed, size=64) as nic:
        nic.post(8)
        report(nic.receive(0.3) is None, "no packets where they do not fit")

# --- a ring that makes no sense ---
hostile = (
    ("a packet shorter than a header", 1, [(0, 11, False)]),
    ("a packet without its Ethernet header", 1, [(0, 25, False)]),
    ("a packet to be written", 1, [(0, 64, True)]),
    ("a packet at nowhere", 1, [(1 << 40, 64, False)]),
    ("a receive buffer of 11 bytes", 0, [(0, 11, True)]),
    ("a receive buffer that is read", 0, [(0, 2048, False)]),
)
for packed in False, True:
    for what, index, bufs in hostile:
        with p.nic(packed=packed) as nic:
            r = nic.rings[index]
            r.add([(GPA + nic.slot(index) + a, l, w) for a, l, w in bufs])
            r.notify(force=True)
            report(r.broken(), "%s, packed: %d: its ring is given up" % (what, packed))
            other = 1 - index
            if other:
                report(nic.send(frame(1)), what + ": the other queue goes on")
            else:
                nic.post(4)
                report(nic.receive(), what + ": the other queue goes on")
            base = nic.stop_ring(index)
            report(base == (0x80008000 if packed else 0), what + ": it is not taken")
with p.nic() as nic:
    r = nic.rings[1]
    struct.pack_into("<QIHH", nic.mem, r.desc, GPA + nic.slot(1), 64, NEXT, 0)
    r.add_head(0)
    r.notify(force=True)
    report(r.broken(), "an endless chain")
with p.nic(num=256) as nic:
    r = nic.rings[1]
    report(nic.send(frame(1, 60), segments=[4, 3, 1, 20]), "a header in pieces")
    report(nic.send(frame(1, 240), segments=[1] * 239), "a packet in 240 pieces")

# --- stop and go ---
for packed in False, True:
    with p.nic(packed=packed, features=[MRG_RXBUF]) as nic:
        nic.post(20)
        sent = got = 0
        ok = True
        for _ in range(20):
            ok &= nic.send_all([frame(i) for i in range(10)])
            ok &= nic.receive(refill=False) is not None
            bases = [nic.stop_ring(i) for i in (0, 1)]
            while nic.receive(0, refill=False):
                pass
            nic.post(20 - len(nic.posted[0]))
            for i in (0, 1):
                nic.start_ring(i, bases[i])
        report(ok, "stopped and started 20 times, packed: %d" % packed)
for how in ("net-tx",), ("net-tx", "--packed", "--segments", "4", "--indirect"), ("net-rx",), ("net-rx", "--packed", "--rx-buf", "64"):
    r = subprocess.run([bench, *how, "--device", "s", "--size", "100", "--wait", "call", "--warmup", "0", "--count", "20000"],
                       capture_output=True)
    report(r.returncode == 0, "shunt-bench %s %s" % (" ".join(how), r.stderr or ""))
rc, err = p.end()
report(rc == 0, "SIGTERM: status 0")
report(len(err.splitlines()) == 2 * len(hostile) + 2 + 5 and all(l.startswith("shunt-net: ") for l in err.splitlines()),
       "a line for each thing that made no sense")

p = Process(program, "--backend=null", "--generate=60", "--queue-pairs=4", "--poll-us=100")
with p.nic(pairs=4, features=[F_MQ]) as nic:
    report(nic.ask(GET_QUEUE_NUM) == 4 and struct.unpack("<H", nic.config(8, 2))[0] == 4, "four pairs")
    for pair in range(4):
        nic.post(8, pair)
    report(all(nic.send(frame(i), i % 4) and nic.receive(5, i % 4) for i in range(100)), "packets in all pairs, polling")
report(p.end() == (0, ""), "SIGTERM")
p = Process(program, "--backend=null")
with p.nic() as nic:
    nic.post(8)
    report(nic.receive(0.2) is None and nic.send(frame(1)), "nothing comes of null unless it is asked for")
report(p.end() == (0, ""), "SIGTERM")
done()
P
