#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net's back end af-xdp on a veth pair, in a network namespace of its own.
#
# NET=program	see shunt-net-env
. "$(dirname "$0")/shunt-net-env"
if [ "${1:-}" != inside ]; then
	"$net" --print-capabilities | grep -q af-xdp || skip_all "shunt-net was built without libxdp"
	python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW)' 2>/dev/null || skip_all "no AF_XDP sockets here"
fi
own_network "$@"
trap 'umount fs 2>/dev/null; rm -rf "$dir"' EXIT
python_tap 100 "$net" "$top/build/bin/shunt-net" <<'P'
import ctypes
import json
from vhost_net import *

program, plain = sys.argv[1:]
NIC = ["--backend=af-xdp", "--ifname=v0"]
sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; ip link set lo up")

def veth(far):
    """v0 has two queues; which one a packet comes to is up to v1, which has @far"""
    sh("ip link add v0 numrxqueues 2 numtxqueues 2 type veth peer v1 numrxqueues 2 numtxqueues %d" % far)

def up(mtu):
    sh("ip link set v0 mtu %d up; ip link set v1 mtu %d up" % (mtu, mtu))
    return Wire("v1")


def refused(why, *args):
    r = subprocess.run([program, "--socket-path=s", *NIC, *args], capture_output=True, text=True, timeout=20)
    report(r.returncode == 1 and r.stderr.count("\n") == 1 and why in r.stderr, " ".join(args) + ": " + (r.stderr.strip() or why))

def is_busy(*args):
    """It waits a while for that to change: meanwhile the test goes on"""
    return subprocess.Popen([plain, "--fd=0", *NIC, *args], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

def was_busy(p, why):
    status, err = p.wait(10), p.stderr.read()
    report(status == 1 and err == "shunt-net: --ifname=v0: %s\n" % why, "refused: " + err.strip())

def xdp():
    """Which programs the interface has: None, or its mode and the program's name"""
    link = json.loads(subprocess.run("ip -j -d link show v0", shell=True, check=True, capture_output=True).stdout)[0]
    return link.get("xdp") and (link["xdp"]["mode"], link["xdp"]["prog"]["name"])

def no_xdp():
    """The kernel lets go of it in its own time."""
    end = time.monotonic() + 5
    while xdp() and time.monotonic() < end:
        time.sleep(0.01)
    return not xdp()

def ticks(p):
    return sum(int(x) for x in open("/proc/%d/stat" % p.p.pid).read().rsplit(")", 1)[1].split()[11:13])

def ended(p, said=""):
    status, err = p.end()
    report((status, err) == (0, said), "SIGTERM: status %d; it said: %s" % (status, err.strip()))
    report(no_xdp(), "and no program is left")

# --- what is refused ---
veth(1)
refused("No such device", "--ifname=nothing")
refused("queue 7: Invalid argument (does it have as many queues?)", "--start-queue=7")
refused("queue 0: Operation not supported", "--zero-copy=on")
refused("it takes native or skb", "--mode=none")
refused("--map-path=nothing: No such file", "--map-path=nothing")
report(no_xdp(), "and no program is left")

# --- packets ---
for exe, mode, mtu, packed, features in (
        (program, "skb", 6000, False, ()), (plain, "native", 3000, True, (MRG_RXBUF, EVENT_IDX))):
    wire = up(mtu)
    p = Process(exe, *NIC, "--mac=52:54:00:12:34:56", *(["--mode=skb"] if mode == "skb" else []))
    report(xdp() == (1 if mode == "native" else 2, "xsk_def_prog"), mode + ": libxdp's program is there")
    with p.nic(packed=packed, features=features, start=False) as nic:
        report(not nic.ask(GET_FEATURES) & (1 << CSUM | 1 << GUEST_CSUM | 1 << GUEST_TSO4), "no offloads")
    with p.nic(packed=packed, features=features) as nic:
        nic.post(32)
        frames, ok = [frame(i, 60 + i) for i in range(30)], True
        report(nic.send_all(frames) and [wire.receive() for _ in frames] == frames, mode + ": sent, in order")
        # More than there are frames of memory
        for _ in range(80):
            for f in frames:
                wire.send(f)
            ok &= [nic.receive_ours()[1] for _ in frames] == frames
        report(ok, mode + ": received, in order")
        for _ in range(80):
            ok &= nic.send_all(frames) and [wire.receive() for _ in frames] == frames
        report(ok, mode + ": and sent, again and again")
        long = frame(1, 3014)
        report(nic.send(long, segments=(7, 100, 2000)) and wire.receive() == long, mode + ": 3014 bytes sent")
        wire.send(long)
        wire.send(frame(2))
        got = nic.receive_ours()
        if MRG_RXBUF in features:
            report(got[1] == long and nic.buffers == 2, mode + ": 3014 bytes received, in two buffers")
            got = nic.receive_ours()
        report(got[1] == frame(2), mode + ": and what comes after")
        report(nic.send(frame(3, 4097)) and nic.send(frame(4)) and wire.receive() == frame(4), mode + ": 4097 bytes are not sent")
        if mode == "skb":
            wire.send(frame(5, 4097))
            wire.send(frame(6))
            report(nic.receive_ours()[1] == frame(6), mode + ": nor received")
        nic.stop_ring(0)
        nic.stop_ring(1)
    with p.nic(packed=packed, features=[CTRL_RX], ctrl=True) as nic:
        nic.post(8)
        nic.command(0, 0, b"\0")
        wire.send(b"\x52\x54\0\0\0\1" + frame(1)[6:])
        wire.send(frame(2))
        report(nic.receive_ours()[1] == frame(2), mode + ": what is for others is not received")
    ended(p, ("shunt-net: queue 0: 1 packets dropped\n" if mode == "skb" else "") + "shunt-net: queue 1: 1 packets dropped\n")

# --- two pairs, and what comes and goes meanwhile ---
sh("ip link del v0")
veth(2)
wire = up(3000)
p = Process(program, *NIC, "--queue-pairs=2")
busy = is_busy("--start-queue=1")
udp = Wire("v1", kind=0x800)

def flow(i):
    """A frame of UDP: the interface's queue is up to its ports"""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 32, 1, 0x4000, 64, 17, 0, b"\n\0\0\1", b"\n\0\0\2")
    return MAC + MAC + b"\x08\0" + ip + struct.pack(">HHHHI", 1000 + i, 2000, 12, 0, i)

with p.nic(pairs=2, features=[F_MQ], num=128, packed=True) as nic:
    for pair in 0, 1:
        nic.post(100, pair)
        frames = [frame(i) for i in range(60)]
        report(nic.send_all(frames, pair) and [wire.receive() for _ in frames] == frames, "pair %d: sent, in order" % pair)
    flows = [flow(i) for i in range(64)]
    for f in flows:
        udp.send(f)
    got = [nic.receive_all(pair=pair) for pair in (0, 1)]
    report(all(got) and sorted(got[0] + got[1]) == flows, "received, by both pairs: %d and %d" % tuple(map(len, got)))

    for k in range(60):
        wire.send(frame(k))
        if k % 7 == 0:
            base = [nic.stop_ring(i) for i in range(4)]
            for i in range(4):
                nic.start_ring(i, base[i])
    got = [f for pair in (0, 1) for f in nic.receive_all(pair=pair)]
    report(got == [frame(k) for k in range(60)], "stopped and started in the midst: nothing is lost, in order")

    # More packets than there are frames of memory: the driver has all of them back.
    sh("ip link set v0 down")
    report(all(nic.send_all([frame(i) for i in range(100)]) for _ in range(30)), "sent while the interface is down")
    before = ticks(p)
    time.sleep(0.3)
    report(ticks(p) - before < 10, "it does not spin meanwhile")
    sh("ip link set v0 up")
    end, seen = time.monotonic() + 5, None
    while seen != frame(5000) and time.monotonic() < end:
        if seen is None:
            nic.send(frame(5000))
        seen = wire.receive(0.1)
    report(seen == frame(5000), "and what is sent when it is up again arrives")
    wire.send(frame(77))
    report(frame(77) in [g[1] for g in (nic.receive_ours(1, 0), nic.receive_ours(1, 1)) if g], "in the other direction, too")
was_busy(busy, "queue 1: Device or resource busy (another AF_XDP socket has it)")

# --- ended by force ---
p.kill()
p = Process(program, *NIC, "--queue-pairs=2")
report(p.p.poll() is None and xdp(), "after SIGKILL the next one has the interface")
with p.nic() as nic:
    report(nic.send(frame(9)) and wire.receive() == frame(9), "and sends")
ended(p)

# --- somebody else's program, which has the interface first ---
def bpf(name, *args, result=ctypes.c_void_p):
    f = getattr(ctypes.CDLL("libbpf.so.1", use_errno=True), name)
    f.restype = result
    return f(*[ctypes.c_void_p(a) if isinstance(a, int) else a for a in args])

bpf("libbpf_set_print", None)
sh("mkdir fs && mount -t bpf bpf fs")
obj = bpf("bpf_object__open", b"/usr/lib/%s-linux-gnu/bpf/xsk_def_xdp_prog.o" % os.uname().machine.encode())
assert not bpf("bpf_object__load", obj, result=ctypes.c_int)
assert not bpf("bpf_map__pin", bpf("bpf_object__find_map_by_name", obj, b"xsks_map"), b"fs/map", result=ctypes.c_int)
assert bpf("bpf_program__attach_xdp", bpf("bpf_object__next_program", obj, None), socket.if_nametoindex("v0"))
busy = is_busy()
refused("--mode=skb: with --map-path=PATH no program is attached", "--map-path=fs/map", "--mode=skb")
p = Process(plain, *NIC, "--map-path=fs/map", "--start-queue=1")
with p.nic(num=128) as nic:
    nic.post(100)
    for f in flows:
        udp.send(f)
    got = nic.receive_all()
    report(0 < len(got) < len(flows) and got == [f for f in flows if f in got], "a queue of somebody else's map: %d received" % len(got))
    was_busy(busy, "XDP program: Device or resource busy (there is another)")
    sh("ip link del v0")
    report(nic.send(frame(9)) and p.p.poll() is None, "the interface goes: it is there still")
report(p.end() == (0, ""), "SIGTERM")
done()
P
