#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net's control queue and what it changes, in a network namespace of its own.
#
# NET=program	see shunt-net-env
. "$(dirname "$0")/shunt-net-env"
own_network "$@"
python_tap 100 "$net" "$top/build/bin/shunt-net" <<'P'
import threading
from vhost_net import *

RX, TABLES, VLAN, ANNOUNCE, MQ_PAIRS, OFFLOADS = range(6)
OK, ERR = 0, 1
ALL = [MRG_RXBUF, CTRL_RX, 20, CTRL_VLAN, CTRL_MAC]
OTHER, GROUP, GROUP2 = b"\x52\x54\0\0\0\1", b"\1\0\x5e\0\0\1", b"\1\0\x5e\0\0\x2a"

def table(*macs):
    return struct.pack("<I", len(macs)) + b"".join(macs)

def to(mac, tag=None):
    f = frame(1)
    return mac + f[6:12] + (b"" if tag is None else b"\x81\0" + struct.pack(">H", tag)) + f[12:]

def comes(nic, f):
    """Does it come through? Another one behind it, to everybody, says when to stop waiting."""
    wire.send(f)
    wire.send(frame(99))
    got = nic.receive_all(frame(99))
    return f in got

program, plain = sys.argv[1:]
sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; ip link set lo up")
good = (
    ("promiscuous", RX, 0, b"\1"), ("all multicast", RX, 1, b"\0"), ("all unicast", RX, 2, b"\0"),
    ("no multicast", RX, 3, b"\0"), ("no unicast", RX, 4, b"\0"), ("no broadcast", RX, 5, b"\0"),
    ("tables", TABLES, 0, table(OTHER) + table(GROUP)), ("empty tables", TABLES, 0, table() + table()),
    ("address", TABLES, 1, OTHER), ("VLAN 0", VLAN, 0, b"\0\0"), ("VLAN 4095", VLAN, 0, b"\xff\x0f"), ("no VLAN", VLAN, 1, b"\0\0"),
)
bad = (
    ("no such class", 99, 0, b"\0"), ("no such command", RX, 6, b"\0"), ("no data", RX, 0, b""), ("too much data", RX, 0, b"\0\0"),
    ("neither on nor off", RX, 0, b"\2"), ("tables without the second", TABLES, 0, table(OTHER) + b"\0\0\0"),
    ("a table shorter than it says", TABLES, 0, struct.pack("<I", 2) + OTHER + table()),
    ("a table of four billion", TABLES, 0, struct.pack("<I", 0xffffffff) + table(OTHER)),
    ("tables and more", TABLES, 0, table() + table() + b"\0"), ("half an address", TABLES, 1, OTHER[:3]),
    ("a group's address", TABLES, 1, GROUP), ("VLAN 4096", VLAN, 0, b"\0\x10"), ("VLAN of one byte", VLAN, 0, b"\0"),
    ("RSS", 4, 1, bytes(20)), ("pairs, which were not negotiated", MQ_PAIRS, 0, b"\1\0"),
    ("offloads, which were not negotiated", OFFLOADS, 0, bytes(8)), ("announcement", 3, 0, b""), ("coalescing", 6, 0, bytes(8)),
)
p = Process(program, "--backend=tap", "--ifname=t0", "--mac=52:54:00:12:34:56")
sh("ip link set t0 up")
wire = Wire("t0")
for packed in False, True:
    with p.nic(packed=packed, features=ALL, ctrl=True) as nic:
        for what, cls, cmd, data in good:
            report(nic.command(cls, cmd, data) == OK, "%s, packed: %d" % (what, packed))
        for what, cls, cmd, data in bad:
            report(nic.command(cls, cmd, data) == ERR, "%s: refused, packed: %d" % (what, packed))
        report(nic.config(0, 6) == OTHER, "the address is in the configuration space")
        report(nic.command(TABLES, 0, table(OTHER) + table(GROUP), [1, 1, 2, 3, 3]) == OK, "a command in pieces")
with p.nic(features=[MRG_RXBUF], ctrl=True) as nic:
    report(all(nic.command(cls, cmd, data) == ERR for _, cls, cmd, data in good), "nothing is done that was not negotiated")
    report(nic.config(0, 6) == MAC, "and the address is the first one again")
for what, bufs in (("without header", [(0, 1, False), (64, 1, True)]), ("without room for an answer", [(0, 64, False)])):
    with p.nic(features=ALL, ctrl=True) as nic:
        r = nic.rings[2]
        r.add([(GPA + nic.slot(2) + a, n, w) for a, n, w in bufs])
        r.notify(force=True)
        report(r.broken() and nic.send(frame(1)), "a command %s: its ring is given up, and no other" % what)

# --- what the driver receives ---
with p.nic(features=ALL, ctrl=True) as nic:
    nic.post(32)
    report(all(comes(nic, to(m)) for m in (MAC, OTHER, GROUP)), "at first everything comes")
    nic.command(RX, 0, b"\0")
    report([comes(nic, to(m)) for m in (MAC, OTHER, GROUP)] == [True, False, False], "then, what is for the driver")
    nic.command(TABLES, 0, table(OTHER) + table(GROUP))
    report([comes(nic, to(m)) for m in (MAC, OTHER, GROUP, GROUP2)] == [True, True, True, False], "and what is in its tables")
    nic.command(RX, 1, b"\1")
    report(comes(nic, to(GROUP2)), "all multicast")
    nic.command(RX, 3, b"\1")
    report(not comes(nic, to(GROUP)), "no multicast")
    nic.command(RX, 2, b"\1")
    report(comes(nic, to(b"\2\1\2\3\4\5")), "all unicast")
    nic.command(RX, 4, b"\1")
    report(not comes(nic, to(MAC)), "no unicast")
    nic.command(TABLES, 1, OTHER)
    nic.command(RX, 4, b"\0")
    nic.command(RX, 2, b"\0")
    nic.command(TABLES, 0, table() + table())
    report([comes(nic, to(m)) for m in (MAC, OTHER)] == [False, True], "another address")
    report(not comes(nic, to(OTHER, 5)), "no VLAN")
    nic.command(VLAN, 0, b"\5\0")
    report([comes(nic, to(OTHER, t)) for t in (5, 0x2005, 6)] == [True, True, False], "VLAN 5, of any priority")
    nic.command(VLAN, 1, b"\5\0")
    report(not comes(nic, to(OTHER, 5)), "no VLAN again")
    nic.command(RX, 5, b"\1")
    wire.send(frame(7))
    wire.send(to(OTHER))
    report(nic.receive_all(to(OTHER)) == [to(OTHER)], "no broadcast")

# --- announcements ---
def shown(nic, status, offset=6):
    """SET_CONFIG while rings run; Return: whether it was taken"""
    return nic.acked(SET_CONFIG, struct.pack("<IIIH", offset, 2, 0, status)) == 0

with p.nic(features=ALL + [F_STATUS, GUEST_ANNOUNCE], ctrl=True) as nic:
    report(nic.config(6, 2) == b"\1\0" and nic.command(ANNOUNCE, 0) == OK, "nothing to announce")
    report([shown(nic, s) for s in (4, 0x103)] == [False] * 2 and not shown(nic, 3, 8), "no such status, nor anything else while rings run")
    nic.command(TABLES, 1, OTHER)
    report(shown(nic, 3) and nic.config(0, 8) == OTHER + b"\3\0", "the front-end wants an announcement: the status has it, and the address stays")
    report([nic.command(ANNOUNCE, c, d) for c, d in ((0, b"\0"), (1, b""))] == [ERR] * 2 and nic.config(6, 2) == b"\3\0", "what does not acknowledge that")
    report(nic.command(ANNOUNCE, 0) == OK and nic.config(6, 2) == b"\1\0", "what does")
    nic.post(4)
    report(nic.send(frame(5)) and comes(nic, to(OTHER)), "rings went on")
with p.nic(features=ALL, ctrl=True) as nic:
    report(not shown(nic, 3) and shown(nic, 1), "it was not negotiated")

# --- offloads ---
big = Wire("t0", vnet=True)
hdr, data = gso(60000)
with p.nic(features=ALL + [CTRL_GUEST_OFFLOADS, GUEST_CSUM, GUEST_TSO4], ctrl=True, num=256) as nic:
    nic.post(200)
    def largest():
        big.send(hdr + data)
        wire.send(frame(99))
        return max(len(f) for f in nic.receive_all(frame(99)))
    report(largest() == len(data), "GSO, as negotiated")
    report(nic.command(OFFLOADS, 0, u64(1 << GUEST_CSUM)) == OK and largest() == 1054, "GSO is off")
    report(nic.command(OFFLOADS, 0, u64(1 << GUEST_TSO6)) == ERR, "one that was not negotiated")
    report(nic.command(OFFLOADS, 0, u64(1 << GUEST_CSUM | 1 << GUEST_TSO4)) == OK and largest() == len(data), "GSO is on again")
report(p.end() == (0, open("err").read()) and len(open("err").read().splitlines()) == 6, "SIGTERM")

# --- killed: what commands have set outlives the process, in the inflight memory ---
# The successor's rings are new; what that memory says of the old ones does not fit, and the queue of commands is given up.
KEPT = ALL + [CTRL_GUEST_OFFLOADS, GUEST_CSUM, GUEST_TSO4, GUEST_ANNOUNCE]

def on_tap():
    # The io_uring of the one before ends a while after it, and the tap with that.
    while any(name == "t2" for _, name in socket.if_nameindex()):
        time.sleep(0.01)
    p = Process(program, "--backend=tap", "--ifname=t2", "--mac=52:54:00:12:34:56")
    sh("ip link set t2 up")
    return p

def killed(features, spoil=None, again=None, packed=False):
    """Commands, SIGKILL, and what a successor makes of their memory. Return: (it, its NIC)"""
    p = on_tap()
    with p.nic(features=features, ctrl=True, packed=packed, num=256, region="new") as nic:
        report(all(nic.command(*c) == OK for c in ((RX, 0, b"\0"), (TABLES, 1, OTHER), (TABLES, 0, table() + table(GROUP)), (VLAN, 0, b"\5\0"),
                                                   (OFFLOADS, 0, u64(1 << GUEST_CSUM)))), "commands, packed: %d" % packed)
        report(shown(nic, 3) == (GUEST_ANNOUNCE in features), "an announcement is wanted")
        region = nic.region
        for i in range(3):
            nic.stop_ring(i)
        p.kill()
    if spoil:
        data = bytearray(os.pread(region[1], os.fstat(region[1]).st_size, 0))
        spoil(data)
        os.pwrite(region[1], data, 0)
    p = on_tap()
    return p, p.nic(features=again or features, ctrl=True, packed=packed, num=256, region=region)

# The state is found by the address in it, twice at most.
def spoil_address(data):
    at = data.find(OTHER + b"\0\0")
    while at >= 0:
        data[at] |= 1
        at = data.find(OTHER + b"\0\0", at + 1)

for packed in False, True:
    p, nic = killed(KEPT, packed=packed)
    with nic:
        wire, big = Wire("t2"), Wire("t2", vnet=True)
        nic.post(200)
        report(nic.config(0, 8) == OTHER + b"\3\0", "its successor has the address, and wants the announcement, packed: %d" % packed)
        report([comes(nic, to(m)) for m in (OTHER, MAC, GROUP, GROUP2)] == [True, False, True, False], "the table and the mode")
        report([comes(nic, to(OTHER, t)) for t in (5, 6)] == [True, False], "the VLAN")
        report(largest() == 1054, "the offloads")
    report(p.end()[0] == 0, "SIGTERM")
p, nic = killed(KEPT, spoil_address)
with nic:
    wire = Wire("t2")
    nic.post(32)
    report(nic.config(0, 6) == MAC and comes(nic, to(GROUP2)), "what makes no sense is not taken")
code, said = p.end()
report(code == 0 and "inflight memory: what commands had set makes no sense" in said, "which is said")
p, nic = killed(KEPT, lambda data: None, ALL)
with nic:
    report(nic.config(0, 6) == MAC, "nor what was set under other features")
report(p.end()[0] == 0, "SIGTERM")

# --- migrated: the state goes to another process ---
def nic_of(p, features=KEPT, start=True, **how):
    return p.nic(features=features, ctrl=True, num=256, start=start, protocol=1 << DEVICE_STATE, **how)

p = on_tap()
with nic_of(p) as nic:
    report(all(nic.command(*c) == OK for c in ((RX, 0, b"\0"), (TABLES, 1, OTHER), (TABLES, 0, table() + table(GROUP)), (VLAN, 0, b"\5\0"),
                                               (OFFLOADS, 0, u64(1 << GUEST_CSUM)))), "state: commands")
    report(nic.save_state() is None, "while rings run there is no state to be had")
    report(not nic.load_state(b"x"), "nor to be given")
    # As a migration begins: everything that was sent is written to a log
    assert not nic.acked(SET_FEATURES, u64(nic.features | 1 << 26))
    for i in range(3):
        nic.stop_ring(i)
    saved = nic.save_state()
    report(saved and 100 < len(saved) <= 4096, "it is saved: %d bytes" % len(saved or b""))
    report(nic.save_state() == saved, "and once more")
    r, w = os.pipe()
    report(nic.transfer(2, w) == 0x101 and nic.transfer(0, w, 1) == 0x101, "no such direction, no such phase")
    report(nic.ask(CHECK_DEVICE_STATE) == 1, "nothing was to be checked")
    os.close(r)
    report(nic.transfer(0, w) == 0x100 and nic.ask(CHECK_DEVICE_STATE) == 1, "a pipe that nobody reads from")
    os.close(w)
    with open("/dev/zero") as zero:
        report(nic.transfer(1, zero.fileno()) == 0x101, "nothing to read a state from")
report(p.end()[0] == 0, "SIGTERM")

for early in False, True:
    p = on_tap()
    with nic_of(p, start=False, region="new") as nic:
        if not early:
            assert not nic.acked(SET_FEATURES, u64(nic.features))
        report(nic.load_state(saved), "it is loaded, before features are negotiated: %d" % early)
        nic.go()
        wire, big = Wire("t2"), Wire("t2", vnet=True)
        nic.post(200)
        report(nic.config(0, 6) == OTHER, "the address")
        report([comes(nic, to(m)) for m in (OTHER, MAC, GROUP, GROUP2)] == [True, False, True, False], "the table and the mode")
        report([comes(nic, to(OTHER, t)) for t in (5, 6)] == [True, False], "the VLAN")
        report(largest() == 1054, "the offloads")
        region = nic.region
        for i in range(3):
            nic.stop_ring(i)
        if early:
            report(nic.save_state() == saved, "it can be saved again")
        p.kill()
    p = on_tap()
    with nic_of(p, region=region) as nic:
        report(nic.config(0, 6) == OTHER, "killed, it leaves it to its successor")
    report(p.end()[0] == 0, "SIGTERM")

def field(n, value):
    return saved[:8 + 8 * n] + u64(value) + saved[16 + 8 * n:]

p = on_tap()
with nic_of(p, start=False) as nic:
    for what, data in (("nothing", b""), ("too short", saved[:-1]), ("too long", saved + b"\0"), ("far too long", saved * 100),
                       ("another format", b"\0" + saved[1:]), ("another version", saved[:4] + b"\2" + saved[5:]),
                       ("features that are not offered", field(0, 1 << 55)), ("offloads that were not negotiated", field(1, 1 << 10)),
                       ("an address of a group", field(2, 1)), ("an address of seven bytes", field(2, 1 << 48)),
                       ("no such mode", field(5, 64)), ("no pair", field(6, 0)), ("two pairs", field(6, 2))):
        report(not nic.load_state(data), "refused: %s" % what)
    r, w = os.pipe()
    os.write(w, saved)
    report(nic.transfer(1, r) == 0x100 and nic.ask(CHECK_DEVICE_STATE) == 1, "refused: one that has not ended")
    os.close(r)
    os.close(w)
    assert not nic.acked(SET_FEATURES, u64(nic.features))
    report(nic.config(0, 6) == MAC, "nothing has changed")
    report(nic.load_state(saved) and nic.config(0, 6) == OTHER, "the good one is taken")
    nic.go()
    assert nic.command(TABLES, 1, MAC) == OK
    assert not nic.acked(SET_FEATURES, u64(nic.features & ~(1 << CTRL_VLAN))) and not nic.acked(SET_FEATURES, u64(nic.features))
    report(nic.config(0, 6) == MAC, "after a command it is not to be had again")
with nic_of(p, start=False) as nic:
    assert nic.load_state(saved) and not nic.acked(SET_FEATURES, u64(nic.features & ~(1 << CTRL_VLAN)))
    report(nic.config(0, 6) == MAC, "with other features it means nothing")
    assert not nic.acked(SET_FEATURES, u64(nic.features))
    report(nic.config(0, 6) == OTHER, "with its own it does")
with nic_of(p, start=False) as nic:
    assert not nic.acked(SET_FEATURES, u64(nic.features))
    report(nic.config(0, 6) == MAC, "the next session knows nothing of it")
report(p.end()[0] == 0, "SIGTERM")

# --- pairs ---
def flows(n):
    """Datagrams of as many flows"""
    for i in range(n):
        udp = struct.pack(">HHHH", 1000 + i, 2, 12, 0) + b"data"
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, b"\n\0\0\1", b"\n\0\0\2")
        flow.send(b"\xff" * 6 + MAC + b"\x08\0" + ip + udp)
    return [len(nic.receive_all(None, pair)) for pair in range(4)]

p = Process(plain, "--backend=tap", "--ifname=t1", "--queue-pairs=4")
sh("ip link set t1 up")
wire = Wire("t1")
flow = Wire("t1", kind=0x0800)
with p.nic(pairs=4, features=ALL + [F_MQ], ctrl=True) as nic:
    for pair in range(4):
        nic.post(40, pair)
    report(flows(32) == [32, 0, 0, 0], "one pair, to begin with")
    report(nic.command(MQ_PAIRS, 0, b"\4\0") == OK, "four pairs")
    got = flows(32)
    report(sum(got) == 32 and all(got), "all of them receive: %s" % got)
    report(all(nic.send(frame(i), i) and wire.receive() == frame(i) for i in range(4)), "all of them send")
    report(nic.command(MQ_PAIRS, 0, b"\1\0") == OK and flows(32) == [32, 0, 0, 0], "one pair")
    report(nic.command(MQ_PAIRS, 0, b"\2\0") == OK and flows(32)[2:] == [0, 0], "two pairs")
    report([nic.command(MQ_PAIRS, 0, d) for d in (b"\0\0", b"\5\0", b"\1")] == [ERR] * 3, "none, five, half a number")
with p.nic(pairs=4, features=[F_MQ]) as nic:
    for pair in range(4):
        nic.post(40, pair)
    got = []
    end = time.monotonic() + 10
    while not (got and all(got)) and time.monotonic() < end:
        got = flows(32)
    report(sum(got) == 32 and all(got), "without a control queue, all that run: %s" % got)
with p.nic(pairs=4, features=ALL + [F_MQ], ctrl=True, protocol=1 << DEVICE_STATE) as nic:
    assert nic.command(MQ_PAIRS, 0, b"\4\0") == OK
    for i in range(9):
        nic.stop_ring(i)
    four = nic.save_state()
with p.nic(pairs=4, features=ALL + [F_MQ], ctrl=True, protocol=1 << DEVICE_STATE, start=False) as nic:
    report(nic.load_state(four), "four pairs are loaded")
    nic.go()
    for pair in range(4):
        nic.post(40, pair)
    got = flows(32)
    report(sum(got) == 32 and all(got), "all of them receive, without a command: %s" % got)
with p.nic(pairs=1, features=ALL, ctrl=True) as nic:
    report(nic.command(RX, 0, b"\1") == OK, "without MQ, the control queue is the third of nine")
report(p.end() == (0, ""), "SIGTERM")

# --- the control queue alone, of a NIC that a kernel serves: the front-end is asked ---
NET_CTRL, CTRL_ONLY, MANY = 1000, 61, 0xffff

class Control(Nic):
    """@answer(question): what the question is answered with; None: not at all"""
    def __init__(self, answer, **how):
        self.asked, self.answer = [], answer
        super().__init__("s", pairs=0, features=[CTRL_RX, CTRL_MAC, CTRL_GUEST_OFFLOADS, GUEST_CSUM, GUEST_TSO4, GUEST_ANNOUNCE, F_MQ, F_RSS], ctrl=True, start=False, **how)
        self.tell(SET_PROTOCOL_FEATURES, u64(1 << MQ | 1 << REPLY_ACK | 1 << BACKEND_REQ | 1 << CONFIG | 1 << 62 | 1 << CTRL_ONLY))
        self.open()
        self.go()

    def open(self):
        self.ours, theirs = socket.socketpair()
        assert not self.acked(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
        theirs.close()
        threading.Thread(target=self.serve, args=[self.ours], daemon=True).start()

    def serve(self, s):
        while True:
            try:
                data = s.recv(1000)
            except ConnectionResetError:
                return
            if not data:
                return
            request, flags, size = struct.unpack_from("<III", data)
            assert (request, flags, size + 12) == (NET_CTRL, 9, len(data))
            cls, cmd, unicast, multicast, _, value = struct.unpack_from("<BBHHHQ", data, 12)
            self.asked.append((cls, cmd, unicast, multicast, value, data[28:]))
            answer = self.answer(self.asked[-1])
            if answer is not None:
                s.send(answer if isinstance(answer, bytes) else struct.pack("<IIIQ", NET_CTRL, 5, 8, answer))

def number(mac):
    return struct.unpack("<Q", mac + b"\0\0")[0]

for packed, binary in (True, plain), (False, program):
    p = Process(binary, "--backend=control", "--queue-pairs=4")
    with Control(lambda q: 0, packed=packed) as nic:
        commands = ((MQ_PAIRS, 0, b"\3\0", 3), (RX, 0, b"\0", 0), (RX, 1, b"\1", 1), (TABLES, 1, OTHER, number(OTHER)), (OFFLOADS, 0, u64(1 << GUEST_CSUM), 1 << GUEST_CSUM),
                    (ANNOUNCE, 0, b"", 0))
        report(all(nic.command(*c[:3]) == OK for c in commands) and [q[:5] for q in nic.asked] == [(c[0], c[1], 0, 0, c[3]) for c in commands],
               "the front-end is asked, packed: %d" % packed)
        def tables(*t):
            nic.asked.clear()
            return nic.command(TABLES, 0, b"".join(table(*macs) for macs in t)) == OK and nic.asked[0][2:4] + (nic.asked[0][5],)
        some = [b"\2" + struct.pack(">IB", i, 0) for i in range(40)]
        full = tables(some[:31], [GROUP])
        report(full[:2] == (31, 1) and full[2][:6 * 32] == b"".join(some[:31]) + GROUP, "tables of 32 addresses")
        report(tables(some, [GROUP])[:2] == (MANY, 1) and nic.asked[0][5][:6] == GROUP, "too many of the one kind")
        report(tables(some[:31], [GROUP, GROUP2])[:2] == (31, MANY), "and of the other")
        nic.asked.clear()
        report([nic.command(*c) for c in ((MQ_PAIRS, 0, b"\0\0"), (MQ_PAIRS, 0, b"\5\0"), (VLAN, 0, b"\5\0"), (RX, 2, b"\1"), (TABLES, 1, GROUP),
                (OFFLOADS, 0, u64(1 << GUEST_TSO6)), (ANNOUNCE, 1))] == [ERR] * 7 and not nic.asked, "what makes no sense, it is not asked")
        def rss(types=0x3f, mask=127, other=3, queues=None, pairs=4, key=bytes(range(40)), key_len=None, more=b""):
            queues = [i % 4 for i in range(mask + 1)] if queues is None else queues
            nic.asked.clear()
            return nic.command(MQ_PAIRS, 1, struct.pack("<IHH%dHHB" % len(queues), types, mask, other, *queues, pairs,
                                                        len(key) if key_len is None else key_len) + key + more)
        for what, queues, how in (("", [i % 4 for i in range(128)], {}), ("a short table and key", [3], {"mask": 0, "queues": [3], "key": b"\1"}),
                                  ("nothing hashed", [0] * 2, {"types": 0, "mask": 1, "queues": [0] * 2, "other": 0, "pairs": 1, "key": b""})):
            ok = rss(**how) == OK
            want = struct.pack("<IHHHH40s128H", how.get("types", 0x3f), len(queues) - 1, how.get("other", 3), how.get("pairs", 4), 0,
                               how.get("key", bytes(range(40))), *queues, *[0] * (128 - len(queues)))
            report(ok and nic.asked[0][:5] == (MQ_PAIRS, 1, 0, 0, 0) and nic.asked[0][5][:len(want)] == want, "RSS: %s" % (what or "all of it"))
        for what, how in (("another type", {"types": 0x40}), ("a mask that is none", {"mask": 126}), ("a table too long", {"mask": 255}),
                          ("the longest mask", {"mask": 0xffff, "queues": [0] * 128}), ("no such pair", {"other": 4}),
                          ("no such pair in the table", {"queues": [0] * 127 + [4]}), ("a table too short", {"queues": [0] * 100}), ("no pair to send", {"pairs": 0}),
                          ("too many", {"pairs": 5}), ("a key too long", {"key": bytes(41)}), ("a key longer than it says", {"key_len": 39}),
                          ("and shorter", {"key_len": 40, "key": bytes(39)}), ("something behind it", {"more": b"\0"})):
            report(rss(**how) == ERR and not nic.asked, "RSS: %s: refused" % what)
    report(not packed or p.end() == (0, ""), "SIGTERM")
with Control(lambda q: q[4] == 3) as nic:
    report([nic.command(MQ_PAIRS, 0, d) for d in (b"\3\0", b"\2\0")] == [ERR, OK], "what it refuses, the driver hears")
for what, answer in (("of another question", struct.pack("<IIIQ", 2, 5, 8, 0)), ("that is a question", struct.pack("<IIIQ", NET_CTRL, 9, 8, 0)),
                     ("without a word", struct.pack("<III", NET_CTRL, 5, 0)), ("of another version", struct.pack("<IIIQ", NET_CTRL, 6, 8, 0))):
    with Control(lambda q: answer) as nic:
        report(nic.command(MQ_PAIRS, 0, b"\2\0") == ERR and nic.command(MQ_PAIRS, 0, b"\2\0") == ERR and len(nic.asked) == 1,
               "an answer %s: no other questions" % what)
        nic.stop_ring(0)
        nic.answer = lambda q: 0
        nic.open()
        nic.start_ring(0, None if nic.features >> PACKED & 1 else nic.rings[0].idx)
        report(nic.command(MQ_PAIRS, 0, b"\2\0") == OK, "but by another socket")
with Control(lambda q: None) as nic:
    threading.Timer(0.3, lambda: nic.ours.shutdown(socket.SHUT_RDWR)).start()
    start = time.monotonic()
    report(nic.command(MQ_PAIRS, 0, b"\2\0") == ERR and time.monotonic() - start < 4, "no answer, and the socket is shut: the driver hears at once")
code, said = p.end()
report(code == 0 and len(said.splitlines()) == 4 and said.count("asking the front-end:") == 4, "SIGTERM; a line for each answer that was none")
done()
P
