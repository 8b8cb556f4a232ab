#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net's back ends tap and macvtap, in a network namespace of its own.
#
# NET=program	see shunt-net-env
. "$(dirname "$0")/shunt-net-env"
own_network "$@"
python_tap 100 "$net" "$top/build/bin/shunt-net" <<'P'
from vhost_net import *

program, plain = sys.argv[1:]
sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; ip link set lo up")
p = Process(program, "--backend=tap", "--ifname=t0")
sh("ip link set t0 up")
wire = Wire("t0")
with p.nic(start=False) as nic:
    offered = nic.ask(GET_FEATURES)
    report(all(offered >> f & 1 for f in (CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, MRG_RXBUF)), "offloads")
    report(nic.link_messages() == (True, True), "NET_MTU and RARP")
    report(nic.takes_mtu(1500) and not nic.takes_mtu(1501), "NET_SET_MTU: what the tap has, and no more")
    sh("ip link set t0 mtu 2000")
    report(nic.takes_mtu(2000) and not nic.takes_mtu(2001), "as it is now")
    sh("ip link set t0 mtu 1500")
rarp = Wire("t0", kind=0x8035)
for how in {}, {"start": False}:
    with p.nic(**how) as nic:
        nic.link_messages()
        report(nic.announces(rarp, MAC) and nic.acked(SEND_RARP, b"\1" * 8) != 0, "SEND_RARP, of no group, running: %d" % (not how))
for packed in False, True:
    for features in (), (MRG_RXBUF, EVENT_IDX):
        what = "packed: %d, features %s" % (packed, features)
        with p.nic(packed=packed, features=features) as nic:
            nic.post(32)
            ok = nic.send_all([frame(i) for i in range(30)])
            report(ok and [wire.receive() for _ in range(30)] == [frame(i) for i in range(30)], what + ": sent, in order")
            for i in range(200):
                wire.send(frame(i, 60 + i))
                if i % 20 == 19:
                    got = [nic.receive_ours() for _ in range(20)]
                    ok &= [g and g[1] for g in got] == [frame(j, 60 + j) for j in range(i - 19, i + 1)]
            report(ok, what + ": received, in order")

# --- packets that are longer than a buffer ---
big = Wire("t0", vnet=True)
hdr, data = gso(60000)
with p.nic(features=(CSUM, GUEST_CSUM, GUEST_TSO4, MRG_RXBUF), num=256, packed=True) as nic:
    nic.post(128)
    for k in range(5):
        big.send(hdr + data)
        got = nic.receive()
        while got and got[1][12:14] != b"\x08\0":
            got = nic.receive()
        report(got and got[1] == data and nic.buffers == 30 and got[0][1] == 1, "60054 bytes in 30 buffers, the header says GSO")
        wire.send(frame(k))
        got = nic.receive_ours()
        report(got and got[1] == frame(k) and nic.buffers == 1, "and then a small one")
with p.nic(features=(GUEST_CSUM, GUEST_TSO4)) as nic:
    nic.post(32)
    big.send(hdr + data)
    wire.send(frame(1))
    got = nic.receive_ours()
    report(got and got[1] == frame(1), "without mergeable buffers it is dropped, and its buffer is used by the next")

# --- stopped in the midst ---
for packed in False, True:
    with p.nic(packed=packed, features=[MRG_RXBUF]) as nic:
        nic.post(40)
        seen, lost, ok = -1, 0, True
        for k in range(300):
            wire.send(frame(k))
            if k % 7 == 0:
                bases = [nic.stop_ring(i) for i in (0, 1)]
                for i in (0, 1):
                    nic.start_ring(i, bases[i])
            got = nic.receive_ours(0.001) if k % 3 else None
            if got:
                at = struct.unpack_from(">I", got[1], 14)[0]
                ok &= at > seen
                seen = at
        while True:
            got = nic.receive_ours(0.2)
            if not got:
                break
            at = struct.unpack_from(">I", got[1], 14)[0]
            ok &= at > seen
            seen = at
        report(ok and len(nic.posted[0]) == 40 and seen == 299, "stopped and started in the midst, packed: %d" % packed)
report(p.end() == (0, "shunt-net: NET_SET_MTU: Invalid argument\n" * 2 + "shunt-net: SEND_RARP: Invalid argument\n" * 2),
       "SIGTERM; a line for each message that was refused")

# --- macvtap: nothing but the opening is another; there may be nobody that makes its device ---
def macvtap():
    sh("ip link add v0 type veth peer v1 && ip link add link v1 name m0 type macvtap mode passthru")
    sh("mount -t sysfs sysfs /sys")
    index = socket.if_nametoindex("m0")
    major, minor = open("/sys/class/net/m0/tap%d/dev" % index).read().strip().split(":")
    sh("mount -t tmpfs tmpfs /dev; mknod /dev/tap%d c %s %s" % (index, major, minor))
    sh("ip link set v0 up; ip link set v1 up; ip link set m0 up")

try:
    macvtap()
except subprocess.CalledProcessError:
    report(True, "macvtap # SKIP no rights to make one")
    done()
p = Process(plain, "--backend=macvtap", "--ifname=m0")
wire = Wire("v0")
with p.nic(features=[MRG_RXBUF]) as nic:
    nic.post(32)
    report(nic.send_all([frame(i) for i in range(30)]) and [wire.receive() for _ in range(30)] == [frame(i) for i in range(30)],
           "macvtap: sent, in order")
    for i in range(20):
        wire.send(frame(i))
    report([nic.receive_ours()[1] for _ in range(20)] == [frame(i) for i in range(20)], "macvtap: received, in order")
report(p.end() == (0, ""), "SIGTERM")
done()
P
