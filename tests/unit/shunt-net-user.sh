#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net's back end user: a guest of a few lines, in a network namespace with a name server of as many.
#
# NET=program	see shunt-net-env
. "$(dirname "$0")/shunt-net-env"
own_network "$@"
trap 'umount /etc/resolv.conf; rm -rf "$dir"' EXIT
ip link set lo up
echo "nameserver 127.0.0.1" >resolv.conf
mount --bind resolv.conf /etc/resolv.conf || exit 1
python_tap 100 "$net" "$top/build/bin/shunt-net" <<'P'
import random, socket, threading
from vhost_net import *

US, GATEWAY, DNS = bytes([10, 0, 2, 15]), bytes([10, 0, 2, 2]), bytes([10, 0, 2, 3])
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

def checksum(data):
    data += bytes(len(data) % 2)
    s = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff

class Guest:
    """A host of IPv4: it answers ARP, and has a connection at a time"""
    def __init__(self, nic):
        self.nic = nic
        self.peer = b"\xff" * 6
        nic.post(32)

    def ethernet(self, kind, payload):
        return self.nic.send((self.peer + MAC + kind + payload).ljust(60, b"\0"))

    def arp(self, op, to, addr):
        self.ethernet(b"\x08\x06", struct.pack(">HHBBH", 1, 0x800, 6, 4, op) + MAC + US + to + addr)

    def ip(self, proto, to, payload, src=US):
        h = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0, src, to)
        self.ethernet(b"\x08\0", h[:10] + struct.pack(">H", checksum(h)) + h[12:] + payload)

    def segment(self, proto, to, head, at, data, src=US):
        """With its checksum at byte @at of the header"""
        body = head + data
        c = checksum(src + to + struct.pack(">HH", proto, len(body)) + body)
        self.ip(proto, to, body[:at] + struct.pack(">H", c) + body[at + 2:], src)

    def udp(self, to, sport, dport, data, src=US):
        self.segment(17, to, struct.pack(">HHHH", sport, dport, 8 + len(data), 0), 6, data, src)

    def packet(self, proto, seconds=5):
        """The next packet of that kind: (source, header, rest)"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            got = self.nic.receive(seconds)
            if not got:
                return None
            f = got[1]
            if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\1" and f[38:42] == US:
                self.peer = f[6:12]
                self.arp(2, f[6:12], f[28:32])
            if f[12:14] == (b"\x08\x06" if proto == "arp" else b"\x08\0"):
                if proto == "arp" and f[20:22] == b"\0\2":
                    return f[28:32], f[22:28], f
                if proto != "arp" and f[23] == proto and checksum(f[14:34]) == 0:
                    return f[26:30], f[34:54], f[34:14 + struct.unpack_from(">H", f, 16)[0]]
        return None

    # --- a connection ---

    def tell(self, flags, data=b""):
        head = struct.pack(">HHIIBBHHH", *self.ports, self.seq & 0xffffffff, self.ack & 0xffffffff, 0x50, flags, 30000, 0, 0)
        self.segment(6, self.to, head, 16, data)
        self.seq += len(data) + (1 if flags & (SYN | FIN) else 0)

    def hear(self, seconds=5):
        """(flags, data) of the next segment of the connection"""
        while True:
            got = self.packet(6, seconds)
            if not got:
                return 0, b""
            sport, dport, seq, ack, off, flags = struct.unpack_from(">HHIIBB", got[2])
            if not hasattr(self, "ports") and flags == SYN:
                self.ports, self.to, self.ack, self.seq = (dport, sport), got[0], seq, 1000
            if (dport, sport) != getattr(self, "ports", None):
                continue
            data = got[2][(off >> 4) * 4:]
            if seq == self.ack & 0xffffffff or flags & SYN:
                self.ack = seq + len(data) + (1 if flags & (SYN | FIN) else 0)
                return flags, data
            self.tell(ACK)

    def connect(self, to, port, seconds=5):
        self.to, self.ports, self.seq, self.ack = to, (random.randrange(20000, 60000), port), 100, 0
        self.tell(SYN)
        flags, _ = self.hear(seconds)
        if flags & (SYN | ACK) == SYN | ACK:
            self.tell(ACK)
        return flags

    def accept(self):
        del self.ports
        flags, _ = self.hear()
        self.tell(SYN | ACK)
        return flags == SYN

    def read(self, n):
        data = b""
        while len(data) < n:
            flags, more = self.hear()
            if not flags:
                break
            data += more
            if more:
                self.tell(ACK)
        return data

def dhcp(kind):
    options = b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + (b"\x32\4" + US if kind == 3 else b"") + b"\xff"
    return struct.pack(">BBBBIHH16s16s64s128s", 1, 1, 6, 0, 77, 0, 0, b"", MAC, b"", b"") + options

def name_server():
    """Answers whatever it is asked"""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    while True:
        q, who = s.recvfrom(2048)
        s.sendto(q[:2] + b"answer" + q[2:], who)

def echo(s, n):
    """Send back @n bytes that come by the first connection"""
    c = s.accept()[0]
    c.settimeout(10)
    data = b""
    while len(data) < n:
        data += c.recv(n)
    c.sendall(data)
    return c

threading.Thread(target=name_server, daemon=True).start()
outside = socket.create_server(("127.0.0.1", 0))
outside.settimeout(10)
port = outside.getsockname()[1]

def drive(program, packed):
    p = Process(program, "--backend=user", "--hostfwd=tcp:127.0.0.1:2222-:22", "--hostfwd=udp::2223-:23", "--hostname=lamb")
    with p.nic(packed=packed, features=[MRG_RXBUF, EVENT_IDX], size=512) as nic:
        g = Guest(nic)
        g.udp(b"\xff" * 4, 68, 67, dhcp(1), bytes(4))
        got = g.packet(17)
        report(got and got[2][8] == 2 and got[2][24:28] == US and b"lamb" in got[2], "DHCP: an offer of 10.0.2.15, with a name")
        g.udp(b"\xff" * 4, 68, 67, dhcp(3), bytes(4))
        got = g.packet(17)
        report(got and b"\x35\1\5" in got[2], "DHCP: an acknowledgement")
        for addr in GATEWAY, DNS:
            g.arp(1, bytes(6), addr)
            got = g.packet("arp")
            report(got and got[0] == addr, "ARP: 10.0.2.%d" % addr[3])
        g.peer = got[1]
        g.udp(DNS, 5353, 53, b"\1\2who is it")
        got = g.packet(17)
        report(got and got[2][8:] == b"\1\2answerwho is it", "DNS: a question goes to the host's name server, and an answer comes")
        # Outward
        text = bytes(random.randrange(256) for _ in range(5000))
        t = threading.Thread(target=echo, args=(outside, len(text)))
        t.start()
        report(g.connect(GATEWAY, port) == SYN | ACK, "TCP: connected to the host's 127.0.0.1")
        for i in range(0, len(text), 1000):
            g.tell(ACK | PSH, text[i:i + 1000])
        report(g.read(len(text)) == text, "TCP: 5000 bytes there and back")
        t.join()
        g.tell(FIN | ACK)
        report(g.connect(GATEWAY, 1) & RST, "TCP: a port where nobody listens")
        # Inward
        c = socket.create_connection(("127.0.0.1", 2222), 10)
        report(g.accept() and g.ports[0] == 22, "hostfwd: a connection comes in")
        c.sendall(b"hello")
        report(g.read(5) == b"hello", "hostfwd: it brings data")
        g.tell(ACK | PSH, b"world")
        c.settimeout(10)
        report(c.recv(5) == b"world", "hostfwd: and takes it")
        c.close()
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.sendto(b"datagram", ("127.0.0.1", 2223))
        got = g.packet(17)
        report(got and got[2][2:4] == b"\0\x17" and got[2][8:] == b"datagram", "hostfwd: a datagram")
        # More than the stack takes at a time
        ok = True
        for i in range(40):
            ok &= nic.send_all([g.peer + MAC + b"\x08\0" + bytes(1400)] * 30)
        g.arp(1, bytes(6), GATEWAY)
        report(ok and g.packet("arp"), "1200 packets of nonsense")
    with p.nic(packed=packed) as nic:
        g = Guest(nic)
        g.arp(1, bytes(6), GATEWAY)
        report(g.packet("arp"), "another front-end")
    busy = subprocess.run([program, "--socket-path=s2", "--backend=user", "--hostfwd=tcp:127.0.0.1:2222-:22"],
                          capture_output=True)
    report(busy.returncode == 1 and b"--hostfwd=tcp:127.0.0.1:2222-:22: Address already in use" in busy.stderr,
           "a port that is in use")
    report(p.end() == (0, ""), "SIGTERM")

drive(sys.argv[1], False)
drive(sys.argv[2], True)
p = Process(sys.argv[1], "--backend=user", "--restrict", "--net=192.168.7.0/24", "--host=192.168.7.9", "--ipv6=off")
US, GATEWAY = bytes([192, 168, 7, 15]), bytes([192, 168, 7, 9])
with p.nic() as nic:
    g = Guest(nic)
    g.arp(1, bytes(6), GATEWAY)
    got = g.packet("arp")
    report(got, "--net, --host")
    g.peer = got[1]
    report(g.connect(GATEWAY, port, 0.5) != SYN | ACK, "--restrict: no connection")
report(p.end() == (0, ""), "SIGTERM")
done()
P
