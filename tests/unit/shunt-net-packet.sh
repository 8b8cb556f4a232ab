#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net's back end packet, on one end of a veth pair in a network namespace of its own.
#
# NET=program	see shunt-net-env
. "$(dirname "$0")/shunt-net-env"
own_network "$@"
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
ip link add v0 type veth peer v1 2>/dev/null || skip_all "no veth"
ip link set v0 up
ip link set v1 up
python_tap 100 "$net" <<'P'
from vhost_net import *

program, = sys.argv[1:]
p = Process(program, "--backend=packet", "--ifname=v1")
wire, big = Wire("v0"), Wire("v0", vnet=True)
hdr, data = gso(60000)

def arrives(nic, last):
    """What comes, up to @last"""
    wire.send(last)
    return nic.receive_all(last)

with p.nic(start=False) as nic:
    offered = nic.ask(GET_FEATURES)
    report(all(offered >> f & 1 for f in (CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, MRG_RXBUF, CTRL_GUEST_OFFLOADS)), "offloads")
    report(nic.link_messages() == (True, True), "NET_MTU and RARP")
    report(nic.takes_mtu(1500) and not nic.takes_mtu(1501), "NET_SET_MTU: what the interface has, and no more")
rarp = Wire("v0", kind=0x8035)
with p.nic() as nic:
    nic.link_messages()
    report(nic.announces(rarp, MAC), "SEND_RARP")

# --- there and back; the socket's header is shorter than the driver's ---
for packed in False, True:
    for features in (), (MRG_RXBUF, EVENT_IDX):
        what = "packed: %d, features %s" % (packed, features)
        with p.nic(packed=packed, features=features) as nic:
            nic.post(32)
            frames = [frame(i, 60 + i) for i in range(30)]
            report(nic.send_all(frames) and [wire.receive() for _ in range(30)] == frames, what + ": sent, in order")
            ok = True
            for i in range(200):
                wire.send(frame(i, 60 + i))
                if i % 20 == 19:
                    got = [nic.receive() for _ in range(20)]
                    ok &= got == [(bytes(10) + b"\1\0", frame(j, 60 + j)) for j in range(i - 19, i + 1)]
            report(ok, what + ": received, in order, with a header")
with p.nic() as nic:
    cuts = [[1], [9], [10], [11], [12], [13], [1] * 30]
    report(all(nic.send(frame(i, 100), segments=c) and wire.receive() == frame(i, 100) for i, c in enumerate(cuts)), "sent in pieces")
    for cut in 1, 2, 9, 11, 12, 13, 50:
        nic.post(1, cut=cut)
    for i in range(7):
        wire.send(frame(i, 100))
    report([nic.receive(refill=False) for _ in range(7)] == [(bytes(10) + b"\1\0", frame(i, 100)) for i in range(7)], "received in pieces")
with p.nic(features=[MRG_RXBUF], size=64) as nic:
    nic.post(60)
    for i in range(5):
        wire.send(frame(i, 1000))
    report(all(nic.receive()[1] == frame(i, 1000) and nic.buffers == 16 for i in range(5)), "a packet in 16 buffers")

# --- offloads ---
with p.nic(features=(CSUM, GUEST_CSUM, GUEST_TSO4, MRG_RXBUF), num=256, packed=True) as nic:
    nic.post(128)
    for k in range(5):
        big.send(hdr + data)
        got = nic.receive()
        report(got and got[1] == data and nic.buffers == 30 and got[0][:10] == hdr, "60054 bytes in 30 buffers, the header says GSO")
        wire.send(frame(k))
        got = nic.receive()
        report(got and got[1] == frame(k) and nic.buffers == 1, "and then a small one")
    # It has seen what went out there, too.
    while big.receive(0.01):
        pass
    report(nic.send(data, hdr=hdr + bytes(2)) and big.receive() == hdr + data, "GSO, sent")
with p.nic(features=[GUEST_CSUM]) as nic:
    nic.post(32)
    big.send(hdr + data)
    report(arrives(nic, frame(1)) == [frame(1)], "whoever cannot take GSO gets none")

def checksum(data):
    s = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff

# A segment whose sender has left the checksum to the device: there is that of the pseudo header.
part = data[:50] + struct.pack(">H", 0x1234) + data[52:1254]
whole = part[:50] + struct.pack(">H", checksum(part[34:])) + part[52:]
left = struct.pack("<BBHHHH", 1, 0, 0, 0, 34, 16)
for features, size, want in ((GUEST_CSUM,), 2048, (left, part)), ((), 2048, (bytes(10), whole)), ((MRG_RXBUF,), 64, (bytes(10), whole)):
    with p.nic(features=features, size=size) as nic:
        nic.post(60)
        big.send(left + part)
        got = nic.receive()
        report(got and (got[0][:10], got[1]) == want, "a checksum that was left to be done, features %s" % (features,))

# --- what is for whom ---
with p.nic() as nic:
    nic.post(32)
    other = b"\2\3\4\5\6\7" + frame(1)[6:]
    report(arrives(nic, frame(2)) == [frame(2)] and arrives(nic, other) == [other], "packets to an address that is not the interface's")
    Wire("v1").send(frame(3))
    report(arrives(nic, frame(4)) == [frame(4)] and wire.receive() == frame(3), "not what the host sends there")
    wire.send(frame(5)[:12] + b"\x81\0\0\5" + frame(5)[12:])
    report(arrives(nic, frame(6)) == [frame(6)], "nor what belongs to a VLAN")
    sh("ip link set v1 down; ip link set v1 up")
    end = time.monotonic() + 5
    wire.send(frame(7))
    while not nic.receive(0.1) and time.monotonic() < end:
        wire.send(frame(7))
    report(arrives(nic, frame(8))[-1] == frame(8), "the interface was down for a while")
report(p.end() == (0, "shunt-net: NET_SET_MTU: Invalid argument\n"), "SIGTERM")
done()
P
