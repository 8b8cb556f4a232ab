#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-console: ports on sockets, terminals, files; what the guest is told of them; sides that do not read, come
# and go; drivers that make no sense.
#
# CONSOLE=program	the process (build/san/bin/shunt-console, else build/bin/shunt-console)
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
console=${CONSOLE:-$top/build/san/bin/shunt-console}
[ -x "$console" ] || console=$top/build/bin/shunt-console
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
python_tap 100 "$console" "$top/build/bin/shunt-console" <<'P'
import fcntl, json, pty, random, re, signal, socket, termios
from process import *
from virtio_guest import *

SIZE_F, MULTIPORT = 1, 2
READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME = range(8)
RX, TX = 0, 1


def process(*ports, program=sys.argv[1], **how):
    return Process(program, *("--port=" + x for x in ports), **how)


class Ports(Guest):
    """A driver of @nr ports, which takes what it is told into @told: (port, event, value, rest)"""
    def __init__(self, nr, packed=False, features=MULTIPORT, resumed=False, **how):
        super().__init__("s", 2 * nr + 2, features=features, packed=packed, **how)
        for q in self.queue if resumed else ():
            q.resume_at(3)
        self.told = []
        self.room = {}
        self.to = {}
        self.start()
        if features & MULTIPORT:
            for _ in range(8):
                self.more(2, 128)
            if not resumed:
                self.say(0, READY, 1)

    def q(self, port, side):
        return self.queue[(2 * port + 2 if port else 0) + side]

    def more(self, queue, length):
        at = self.alloc(length)
        self.room[queue, self.queue[queue].put((at, length, True))] = at, length

    def renew(self, queue, i):
        at, length = self.room.pop((queue, i))
        self.room[queue, self.queue[queue].put((at, length, True))] = at, length

    def say(self, port, event, value=0):
        at = self.alloc(8, struct.pack("<IHH", port, event, value))
        self.queue[3].put((at, 8, False))
        return self.queue[3].got()

    def hear(self, seconds=0):
        """Take what there is, and wait so long for one"""
        used = self.queue[2].got(seconds)
        while used:
            at = self.room[2, used[0]][0]
            self.told.append(struct.unpack("<IHH", self.read(at, 8)) + (self.read(at + 8, used[1] - 8),))
            self.renew(2, used[0])
            used = self.queue[2].take()

    def hears(self, *what, seconds=5):
        """All of these are told, in this order, and nothing between"""
        end = time.monotonic() + seconds
        while len(self.told) < len(what) and time.monotonic() < end:
            self.hear(0.05)
        got, self.told = self.told[:len(what)], self.told[len(what):]
        if got != list(what):
            print("# told %s, wanted %s" % (got, what), flush=True)
        return got == list(what)

    def quiet(self):
        self.hear(0.2)
        return not self.told

    def open(self, port, ready=True):
        if ready:
            self.say(port, PORT_READY, 1)
        self.say(port, OPEN, 1)

    def send(self, port, data, seconds=5):
        at = self.alloc(len(data), data)
        self.q(port, TX).put((at, len(data), False))
        return self.q(port, TX).got(seconds) is not None

    def receive(self, port, length, buf=64, seconds=5):
        """Buffers of so many bytes until @length have come"""
        data, q = b"", self.q(port, RX)
        while len(data) < length:
            self.post(port, buf)
            used = q.got(seconds)
            if not used:
                break
            data += self.read(self.to[port], used[1])
        return data

    def post(self, port, buf=64):
        """A buffer to receive into, where there is none"""
        at = self.to.setdefault(port, self.alloc(512))
        if not self.q(port, RX).chains:
            self.q(port, RX).put((at, buf, True))
        return at


def peer(path="p"):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    return s

def get(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            break
        data += more
    return data

def until(what, seconds=5):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    return what()

# --- the command line ---
for args, why in (
        ((), "--port=BACKEND is needed"),
        (("--port=wat",), "--port"),
        (("--port=null,wat=1",), "wat"),
        (("--port=null,path=x",), "path is for a socket or a file"),
        (("--port=null,server=on",), "fd and server are for a socket"),
        (("--port=pty,signal=off",), "signal is for stdio"),
        (("--port=socket",), "it takes one of path=PATH and fd=N"),
        (("--port=socket,path=nothing",), "path=nothing: No such file"),
        (("--port=socket,path=" + "x" * 200,), "File name too long"),
        (("--port=socket,fd=77",), "fd=77: it takes the number of an open socket"),
        (("--port=file",), "it takes a path=PATH"),
        (("--port=file,path=/nothing/x",), "path=/nothing/x: No such file"),
        (("--port=null,name=",), "a name has 1 to 64 bytes"),
        (("--port=null,name=" + "x" * 65,), "a name has 1 to 64 bytes"),
        (("--port=null,name=a", "--port=null,name=a"), "another port has this name"),
        (("--port=stdio", "--port=stdio"), "one port has it already"),
        (("--port=null,nr=31",), "nr"),
        (("--port=null,nr=3", "--port=null,nr=3"), "nr=3 given twice"),
        (("--port=null,append=on",), "append is for a file"),
        (("--port=null",) * 32, "there are 31 ports, no more"),
        (("--port=null",) * 31, "without a console there are at most 30 ports")):
    report(*refused(sys.argv[1], why, "--socket-path=s", *args))
report(*refused(sys.argv[1], "one of --socket-path=PATH and --fd=N", "--port=null"))
report(said(sys.argv[1], "--help").startswith("Usage: shunt-console "), "--help")
report(json.loads(said(sys.argv[1], "--print-capabilities", "--wat"))["type"] == "console", "--print-capabilities")

# --- what the guest is told, and data ---
for packed in False, True:
    with process("socket,path=p,server=on,name=org.x", "null,console=on", "file,path=f,name=log") as p, \
            Ports(3, packed) as g:
        what = "packed: " if packed else "split: "
        g.tell(SET_PROTOCOL_FEATURES, u64(1 << CONFIG))
        report(g.config(0, 12) == struct.pack("<HHII", 0, 0, 3, 0), what + "three ports in the configuration")
        report(g.hears((0, ADD, 1, b""), (1, ADD, 1, b""), (2, ADD, 1, b"")), what + "they are added, the console is 0")
        g.say(0, PORT_READY, 1)
        report(g.hears((0, CONSOLE, 1, b""), (0, OPEN, 1, b"")), what + "a console, and it is open")
        g.say(1, PORT_READY, 1)
        report(g.hears((1, NAME, 1, b"org.x")) and g.quiet(), what + "a name, and nobody is connected")
        report(g.send(0, b"to null") and g.send(1, b"to nobody"), what + "what nobody takes is dropped")
        s = peer()
        report(g.hears((1, OPEN, 1, b"")), what + "somebody connects")
        s.send(b"hello")
        q = g.q(1, RX)
        at = g.alloc(64)
        q.put((at, 64, True))
        report(q.got(0.2) is None, what + "nothing is received before the guest has it open")
        g.say(1, OPEN, 1)
        used = q.got()
        report(used and used[1] == 5 and g.read(at, 5) == b"hello", what + "and then it is")
        report(g.send(1, b"to somebody") and get(s, 11) == b"to somebody", what + "and sent")
        data = random.randbytes(100000)
        s.settimeout(None)
        s.setblocking(False)
        sent = s.send(data)
        s.setblocking(True)
        s.settimeout(5)
        report(g.receive(1, sent, 512) == data[:sent], what + "much is received in small buffers")
        report(Front.event(q.call, 5), what + "an interrupt")
        a, b, c = g.alloc(3), g.alloc(0), g.alloc(4)
        g.mem[a - GPA:a - GPA + 3], g.mem[c - GPA:c - GPA + 4] = b"abc", b"defg"
        g.q(1, TX).put((a, 3, False), (b, 0, False), (c, 4, False))
        report(get(s, 7) == b"abcdefg" and g.q(1, TX).got(), what + "a buffer of three segments, one empty")
        s.send(b"last")
        s.close()
        report(g.receive(1, 4) == b"last", what + "the last that was sent")
        at = g.post(1)
        report(g.hears((1, OPEN, 0, b"")), what + "the end of the connection comes after it")
        report(g.send(1, b"too late"), what + "what is sent then is dropped")
        s = peer()
        report(g.hears((1, OPEN, 1, b"")), what + "the next one connects")
        s.send(b"more")
        report(g.q(1, RX).got() and g.read(at, 4) == b"more", what + "and is received")
        g.say(1, OPEN, 0)
        s.close()
        report(g.hears((1, OPEN, 0, b"")), what + "it leaves while the guest has it closed")
        g.say(2, PORT_READY, 1)
        report(g.hears((2, NAME, 1, b"log"), (2, OPEN, 1, b"")), what + "a file")
        report(g.send(2, b"one ") and g.send(2, b"two") and open("f").read() == "one two", what + "it is written")
        g.say(0, READY, 1)
        report(g.hears((0, ADD, 1, b""), (1, ADD, 1, b""), (2, ADD, 1, b"")), what + "a driver that begins anew")

# --- a side that does not read ---
for packed in False, True:
    with process("null,console=on", "socket,path=p,server=on,name=a", "socket,path=p2,server=on,name=b") as p, \
            Ports(3, packed, size=4 << 20) as g:
        what = "packed: " if packed else "split: "
        s, s2 = peer(), peer("p2")
        for i in 1, 2:
            g.open(i)
        until(lambda: g.hear(0.05) or sum(x[1] == OPEN for x in g.told) == 2)
        data = random.randbytes(3 << 20)
        at = g.alloc(len(data), data)
        q = g.q(1, TX)
        q.put((at, len(data), False))
        report(q.got(0.3) is None, what + "a reader that does not read holds its buffer")
        report(g.send(2, b"other") and get(s2, 5) == b"other", what + "and no other port")
        q.stop()
        report(q.take() is None, what + "stopped, the buffer is not used")
        first = get(s, 100000)
        q.start()
        rest = get(s, len(data) - len(first))
        report(first + rest == data and q.got(), what + "started again, each byte comes once")
        q.put((at, len(data), False))
        s.close()
        report(q.got() is not None, what + "a reader that leaves lets go of it")
        s.close()
        s2.settimeout(0.2)
        q = g.q(2, RX)
        s2.send(b"x" * 100)
        q.stop()
        q.put((at, 60, True))
        q.put((at + 64, 60, True))
        q.start()
        report(q.got()[1] + q.got()[1] == 100, what + "receiving stopped and started")
        q.put((at, 60, True))
        q.got(0.1)
        q.stop()
        report(q.take() is None, what + "a read is cancelled, and its buffer not used")
        s2.send(b"late")
        q.start()
        report(q.got()[1] == 4 and g.read(at, 4) == b"late", what + "nor is what comes meanwhile lost")

# --- a guest that has no room for control messages; one that has no multiport ---
with process("null,console=on", "socket,path=p,server=on") as p, Ports(2, features=MULTIPORT) as g:
    g.hears((0, ADD, 1, b""), (1, ADD, 1, b""))
    g.open(1)
    g.queue[2].stop()
    for _ in range(3):
        s = peer()
        s.send(b"x")
        report(g.receive(1, 1) == b"x", "a connection while control messages wait")
        s.close()
    g.post(1)
    report(g.q(1, RX).got(0.1) is None, "they end")
    g.queue[2].start()
    report(g.hears(*((1, OPEN, x, b"") for x in (1, 0) * 3)), "each is told in the end")
with process("socket,path=p,server=on,console=on", "null") as p, Ports(2, features=0) as g:
    s = peer()
    s.send(b"in")
    report(g.receive(0, 2) == b"in", "without MULTIPORT port 0 receives")
    report(until(lambda: g.send(0, b"out") and s.recv(3) == b"out"), "and sends")
with process("null", "null") as p, Ports(3) as g:
    report(g.hears((1, ADD, 1, b""), (2, ADD, 1, b"")) and g.quiet(), "without a console there is no port 0")

# --- a driver that knows us from before ---
for packed in False, True:
    with process("null,console=on", "socket,path=p,server=on", "socket,path=p2,server=on") as p:
        s = peer()
        s.send(b"in")
        with Ports(3, packed, resumed=True) as g:
            report(g.receive(1, 2) == b"in" and g.send(1, b"out") and get(s, 3) == b"out",
                   "a process in the place of one that was killed goes on")
            report(until(lambda: g.hear(0.02) or {(0, OPEN, 1, b""), (1, OPEN, 1, b""), (2, OPEN, 0, b"")} <= set(g.told)),
                   "it tells who is connected now")

for packed in False, True:
    with process("null,console=on", "socket,path=p,server=on") as p, Ports(2, packed, protocol=1 << INFLIGHT) as g:
        ok = 0
        g.hears((0, ADD, 1, b""), (1, ADD, 1, b""))
        g.open(1)
        at, out, q = g.post(1), g.alloc(4), g.q(1, TX)
        for i in range(10):
            s = peer()
            g.hears((1, OPEN, 1, b""))
            p.kill()
            p.start()
            s = peer()
            g.mem[out - GPA:out - GPA + 4] = b"%04d" % i
            g.again()
            until(lambda: g.hear(0.02) or (1, OPEN, 1, b"") in g.told)
            g.told = []
            q.put((out, 4, False))
            s.send(b"%04d" % i)
            ok += q.got() is not None and get(s, 4) == b"%04d" % i and g.receive(1, 4) == b"%04d" % i
            g.post(1)
            s.close()
            until(lambda: g.hear(0.02) or (1, OPEN, 0, b"") in g.told)
            g.told = []
        report(ok == 10, ("packed" if packed else "split") + ": killed 10 times, it goes on: %d" % ok)

# --- sockets of all kinds ---
a, b = socket.socketpair()
b.settimeout(5)
l = socket.socket(socket.AF_UNIX)
l.bind("l")
l.listen()
with process("null,console=on", "socket,fd=%d" % a.fileno(), "socket,path=l",
             pass_fds=[a.fileno()]) as p, Ports(3) as g:
    a.close()
    c = l.accept()[0]
    c.settimeout(5)
    for i, s in (1, b), (2, c):
        g.open(i)
        s.send(b"in")
        report(g.receive(i, 2) == b"in" and g.send(i, b"out") and get(s, 3) == b"out", "a socket that is connected")
        s.close()
        g.post(i)
    report(until(lambda: g.hear(0.05) or {(1, OPEN, 0, b""), (2, OPEN, 0, b"")} <= set(g.told)), "their ends are told")
with process("null,console=on", "socket,fd=%d" % l.fileno(), pass_fds=[l.fileno()]) as p, Ports(2) as g:
    s = peer("l")
    g.open(1)
    report(g.send(1, b"x") is True and until(lambda: g.send(1, b"y") and s.recv(1) in b"xy"), "one that listens")
    s.close()
l.close()

# --- terminals ---
with process("pty,console=on", quiet=False) as p, Ports(1) as g:
    name = re.search("/dev/pts/[0-9]+", p.said()).group()
    g.hears((0, ADD, 1, b""))
    g.open(0)
    report(g.hears((0, CONSOLE, 1, b"")) and g.quiet(), "a pseudo-terminal that nobody has open")
    report(g.send(0, b"nobody"), "what is sent is dropped")
    for _ in range(2):
        t = os.open(name, os.O_RDWR | os.O_NOCTTY)
        report(g.hears((0, OPEN, 1, b"")), "somebody opens it")
        os.write(t, b"in\r")
        report(g.receive(0, 3) == b"in\r", "raw input")
        report(g.send(0, b"out\n") and os.read(t, 10) == b"out\n", "raw output")
        g.post(0)
        os.close(t)
        report(g.hears((0, OPEN, 0, b"")), "and closes it")

main, side = pty.openpty()
size = lambda cols, rows: fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
size(100, 40)
before = termios.tcgetattr(side)
with process("stdio,console=on", stdin=side, stdout=side, start_new_session=True) as p, \
        Ports(1, features=MULTIPORT | SIZE_F) as g:
    g.tell(SET_PROTOCOL_FEATURES, u64(1 << CONFIG))
    report(g.config(0, 4) == struct.pack("<HH", 100, 40), "a terminal's size is in the configuration")
    g.hears((0, ADD, 1, b""))
    g.open(0)
    report(g.hears((0, CONSOLE, 1, b""), (0, RESIZE, 1, struct.pack("<HH", 100, 40)), (0, OPEN, 1, b"")), "and told")
    ours = g.listen()
    size(80, 25)
    p.p.send_signal(signal.SIGWINCH)
    # ThreadSanitizer keeps it until the session has something to do.
    g.ask(GET_FEATURES)
    report(g.hears((0, RESIZE, 1, struct.pack("<HH", 80, 25))), "a new one, too")
    report(told(ours) and g.config(0, 4) == struct.pack("<HH", 80, 25), "and is in the configuration, by then")
    os.write(main, b"k")
    report(g.receive(0, 1) == b"k", "a key, without a line's end")
    report(g.send(0, b"out\n") and os.read(main, 10) == b"out\r\n", "output, and no echo before it")
report(termios.tcgetattr(side) == before, "the terminal's modes are put back")
r, w = os.pipe()
r2, w2 = os.pipe()
with process("stdio,console=on", stdin=r, stdout=w2) as p, Ports(1) as g:
    g.open(0)
    os.write(w, b"in")
    report(g.receive(0, 2) == b"in", "from a pipe")
    os.close(w)
    g.post(0)
    report(g.q(0, RX).got(0.2) is None, "which ends")
    report(g.send(0, b"out") and os.read(r2, 3) == b"out", "to a pipe, still")

# --- drivers that make no sense ---
def hostile(what, queue, *bufs):
    with Ports(2) as g:
        g.hears((0, ADD, 1, b""), (1, ADD, 1, b""))
        for i in 0, 1:
            g.open(i)
        q = g.queue[queue]
        q.put(*((g.alloc(64, b[0]), b[1], b[2]) if isinstance(b[0], bytes) else b for b in bufs))
        ok = q.broken()
        ok = ok and all(g.queue[i].broken(0) == (i == queue) for i in range(6))
        if queue != 5:
            ok = ok and g.send(1, b"x")
    report(ok and p.alive(), what + " breaks its ring, and nothing else")

message = lambda *m: struct.pack("<IHH", *m)
with process("socket,path=p,server=on,console=on", "null", quiet=False) as p:
    s = peer()
    hostile("a buffer to receive that is to be read", 0, (b"", 8, False))
    hostile("an empty one", 0, (b"", 0, True))
    hostile("a buffer to send that is to be written", 5, (b"", 8, True))
    hostile("one outside of memory", 5, (1 << 40, 8, False))
    hostile("one of 4 GiB", 5, (b"", 0xffffffff, False))
    hostile("a control message to an unknown port", 3, (message(2, PORT_READY, 1), 8, False))
    hostile("one to port 2^32-1", 3, (message(0xffffffff, OPEN, 1), 8, False))
    hostile("one of 7 bytes", 3, (message(0, OPEN, 1), 7, False))
    hostile("one that is to be written", 3, (message(0, OPEN, 1), 8, True))
    with Ports(2) as g:
        g.say(0, 77, 1)
        g.say(0xffffffff, READY, 0)
        report(g.send(1, b"x"), "unknown messages, and a driver that fails, are passed over")
        q = g.queue[2]
        q.stop()
        q.reset()
        q.put((g.alloc(4), 4, True))
        g.say(0, READY, 1)
        q.start()
        report(q.broken() and p.alive(), "a control buffer of 4 bytes")
    for i in range(20):
        with Ports(2) as g:
            g.open(0)
            g.q(0, RX).put((g.alloc(8), 8, True))
            s.send(b"x" * 64)
    with Ports(2) as g:
        g.open(0)
        report(g.receive(0, 64, 8) == b"x" * 64, "gone with a buffer under way, 20 times")

# --- the sandbox, which a build with sanitizers has not all of ---
with process("pty,console=on", "socket,path=p,server=on", "stdio", program=sys.argv[2], quiet=False, stdin=r2) as p, \
        Ports(3) as g:
    name = re.search("/dev/pts/[0-9]+", p.said()).group()
    for i in range(3):
        g.open(i)
    for _ in range(3):
        s, t = peer(), os.open(name, os.O_RDWR | os.O_NOCTTY)
        s.send(b"in")
        os.write(t, b"in")
        report(g.receive(1, 2) == b"in" and g.receive(0, 2) == b"in", "in the sandbox: received")
        report(g.send(1, b"out") and g.send(0, b"out") and get(s, 3) == b"out" and os.read(t, 3) == b"out",
               "in the sandbox: sent")
        s.close()
        os.close(t)
        for i in 0, 1:
            g.post(i)
        report(until(lambda: g.hear(0.02) or {x[0] for x in g.told if x[1:3] == (OPEN, 0)} >= {0, 1}), "and ended")
        g.told = []
    report(p.sandboxed(), "all threads are in it")
    report(p.idle(), "idle, it does not spin")
done()
P
