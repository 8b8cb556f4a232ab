#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# QMP: commands, errors, events and the schema; programs that send garbage, too much, or never read; and what a person has
# at the other monitor. Needs /dev/kvm.
set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1
truncate -s 1M disk cd
python_tap 120 "$shunt" "$top/build/payload" <<'PY'
import atexit, json, os, socket, subprocess, sys, time

shunt, payload = sys.argv[1:3]

class Machine:
    def __init__(self, guest, *args, nr=1):
        for i in range(nr):
            if os.path.exists("qmp%d" % i):
                os.unlink("qmp%d" % i)
        qmp = [a for i in range(nr) for a in ("-chardev", "socket,id=q%d,path=qmp%d,server=on,wait=off" % (i, i),
                                              "-mon", "chardev=q%d,mode=control" % i)]
        self.p = subprocess.Popen([shunt, "-m", "32", "-nodefaults", "-display", "none", "-kernel", "%s/%s.elf" % (payload, guest),
                                   *qmp, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open("err", "w"))
        atexit.register(self.p.kill)
        for _ in range(200):
            if os.path.exists("qmp%d" % (nr - 1)):
                break
            time.sleep(0.05)

class Client:
    def __init__(self, path="qmp0", ready=True):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(10)
        self.s.connect(path)
        self.f = self.s.makefile("rb")
        self.events = []
        self.greeting = self.line()
        if ready:
            self("qmp_capabilities")

    def line(self):
        text = self.f.readline()
        return json.loads(text) if text else None

    def send(self, data):
        self.s.sendall(data)

    def answer(self):
        while True:
            v = self.line()
            if v is None or "event" not in v:
                return v
            self.events.append(v)

    def __call__(self, execute, **arguments):
        q = {"execute": execute.replace("_", "-") if execute.startswith("query") else execute}
        if arguments:
            q["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.send(json.dumps(q).encode() + b"\n")
        return self.answer()

    def event(self, name):
        while not any(e["event"] == name for e in self.events):
            v = self.line()
            if v is None:
                return None
            self.events.append(v)
        e = next(e for e in self.events if e["event"] == name)
        self.events.remove(e)
        return e

def fault(v):
    return v.get("error", {}).get("class")

uuid = "550e8400-e29b-41d4-a716-446655440000"
m = Machine("serial_in", "-serial", "null", "-S", "-name", "box", "-uuid", uuid, "-smp", "2", "-device", "virtio-balloon-pci",
            "-drive", "file=disk,if=virtio,format=raw,id=d", "-cdrom", "cd", nr=10)
c = Client(ready=False)
report(c.greeting["QMP"]["version"]["package"].startswith("shunt ") and c.greeting["QMP"]["capabilities"] == [], "the greeting")
report(fault(c("query-status")) == "CommandNotFound", "no command before qmp_capabilities")
report(c("qmp_capabilities") == {"return": {}}, "which has an empty answer")
report(fault(c("qmp_capabilities")) == "CommandNotFound", "and is answered once")
report(c("query-status")["return"] == {"running": False, "status": "prelaunch"}, "query-status: before the start")
report(c("query-name")["return"] == {"name": "box"} and c("query-uuid")["return"] == {"UUID": uuid}, "query-name, query-uuid")
report(c("query-kvm")["return"] == {"enabled": True, "present": True}, "query-kvm")
c.send(b'{"execute":"query-version","id":{"a":[1,"x"]}}')
v = c.answer()
report(v["id"] == {"a": [1, "x"]} and "qemu" in v["return"], "an id of any type comes back; no line's end is needed")
report(c("cont") == {"return": {}} and c.event("RESUME"), "cont, and its event")
report(c("query-status")["return"]["status"] == "running", "it runs")
cpus = c("query-cpus-fast")["return"]
report([x["cpu-index"] for x in cpus] == [0, 1] and all(os.path.exists("/proc/%d/task/%d" % (m.p.pid, x["thread-id"])) for x in cpus),
       "query-cpus-fast names threads")
report(c("stop") == {"return": {}} and c.event("STOP") and c("query-status")["return"]["status"] == "paused", "stop, and its event")
c("cont")
report(c("system_reset") == {"return": {}} and c.event("RESET")["data"] == {"guest": False}, "system_reset, and its event")
report(c("system_powerdown") == {"return": {}} and c.event("POWERDOWN"), "system_powerdown, and its event")
b = {x["device"]: x for x in c("query-block")["return"]}
report(b["d"]["inserted"]["image"]["virtual-size"] == 1 << 20 and not b["d"]["removable"] and b["ide1-cd0"]["removable"], "query-block")
report(c("block_resize", device="d", size=2 << 20) == {"return": {}} and os.stat("disk").st_size == 2 << 20, "block_resize, in bytes")
v = c("block_resize", device="d", size=1000)
report(fault(v) == "GenericError" and "multiple of 512" in v["error"]["desc"], "block_resize: why not")
report(c("eject", device="ide1-cd0") == {"return": {}} and "inserted" not in c("query-block")["return"][1], "eject")
report(c("blockdev-change-medium", id="ide1-cd0", filename="cd") == {"return": {}} and "inserted" in c("query-block")["return"][1],
       "blockdev-change-medium")
report(fault(c("eject", device="nobody")) == "DeviceNotFound", "an unknown device")
report(c("balloon", value=16 << 20) == {"return": {}} and "actual" in c("query-balloon")["return"], "balloon, query-balloon")
report("Attached to" in c("human-monitor-command", command_line="info block")["return"], "human-monitor-command")
def human(line):
    return c("human-monitor-command", command_line=line)["return"]
report(c("pmemsave", val=0x100000, size=5000, filename="low") == {"return": {}} and c("memsave", val=0x100000, size=5000, filename="mapped") ==
       {"return": {}}, "pmemsave, memsave")
low = open("low", "rb").read()
report(len(low) == 5000 and low == open("mapped", "rb").read() and any(low), "and what they wrote")
words = [int(w, 16) for line in human("xp /4xw 0x100000").splitlines() for w in line.split()[1:]]
report(words == [int.from_bytes(low[i:i + 4], "little") for i in range(0, 16, 4)], "xp shows the same")
report(human("x /2dg 0x100000").split()[1:] == [str(int.from_bytes(low[i:i + 8], "little", signed=True)) for i in (0, 8)], "x, in decimal")
report("Cannot access memory" in human("xp /1xg 0xffffffff00000000") and "Error: takes" in human("xp /9999999xw 0") and
       "Error: takes" in human("x /4q 0") and "Error: takes" in human("xp"), "x and xp: where there is nothing, and bad formats")
report("not all of it" in c("pmemsave", val=0xfff00000, size=1 << 40, filename="low")["error"]["desc"], "pmemsave of what is no memory")
report(fault(c("memsave", val=0, size=1, filename="/nonexistent/x")) == "GenericError", "and to where there is no file")
r = human("info registers")
report(all(w in r for w in ("CPU#0", "CPU#1", "RIP=0000", "CR3=", "EFER=")), "info registers")
r = human("info pci")
report("8086:1237" in r and "8086:7010" in r and "1af4:10" in r and "I/O, 0x10 bytes" in r, "info pci")
report(c("query-status")["return"]["running"], "and the machine runs on")
v = c("object-add", qom_type="memory-backend-memfd", id="m1", size=1000)
report(fault(v) == "GenericError" and "size" in v["error"]["desc"], "object-add: what the option says against it")

# errors of the protocol
for what, data, want in (
        ("an unknown command", b'{"execute":"nosuch"}', "CommandNotFound"),
        ("a parameter of the wrong type", b'{"execute":"eject","arguments":{"device":1}}', "GenericError"),
        ("a parameter too many", b'{"execute":"stop","arguments":{"x":1}}', "GenericError"),
        ("a parameter too few", b'{"execute":"block_resize","arguments":{"device":"d"}}', "GenericError"),
        ("arguments that are no object", b'{"execute":"stop","arguments":[]}', "GenericError"),
        ("no command", b'{"id":7}', "GenericError"),
        ("a member too many", b'{"execute":"stop","x":1}', "GenericError"),
        ("a key twice", b'{"execute":"stop","execute":"cont"}', "GenericError"),
        ("no JSON", b'{execute}', "GenericError"),
        ("no object", b'[1]\n', "GenericError"),
        ("binary", bytes(range(1, 256)) * 8 + b"\n", "GenericError"),
        ("zeros", b"\0" * 100 + b"\n", "GenericError"),
        ("invalid UTF-8", b'{"execute":"\xff\xfe"}', "GenericError"),
        ("too deep", b'{"execute":' + b"[" * 5000 + b"\n", "GenericError"),
        ("too long", b'{"execute":"' + b"x" * 200000 + b'"}\n', "GenericError")):
    c.send(data)
    v = c.answer()
    # there may be more errors, of what is behind
    c.send(b'\n{"execute":"query-name","id":"%s"}' % what.encode())
    while c.answer().get("id") != what:
        pass
    report(fault(v) == want, "%s: %s" % (what, v.get("error", {}).get("desc", "?")[:70]))

# the schema, and what it says of each command
schema = c("query-qmp-schema")["return"]
names = {x["name"]: x for x in schema}
listed = {x["name"] for x in c("query-commands")["return"]}
report({n for n, x in names.items() if x["meta-type"] == "command"} == listed, "schema and query-commands name the same commands")
types = [t for x in schema for t in (x.get("arg-type"), x.get("ret-type"), x.get("element-type"))] + \
        [y["type"] for x in schema for y in x.get("members", []) if x["meta-type"] == "object"]
report(len(names) == len(schema) and all(t in names for t in types if t), "each type that it names is in it, once")
def fits(v, t):
    x = names[t]
    if x["meta-type"] == "array":
        return all(fits(y, x["element-type"]) for y in v)
    if x["meta-type"] == "enum":
        return v in x["values"]
    if x["meta-type"] == "object":
        known = {y["name"]: y for y in x["members"]}
        return set(v) <= set(known) and all(fits(v[k], y["type"]) if k in v else "default" in y for k, y in known.items())
    return isinstance(v, {"str": str, "int": int, "bool": bool}.get(t, object))
for n in sorted(listed):
    if n.startswith("query-") and n != "query-qmp-schema":
        v = c(n)
        report("return" in v and fits(v["return"], names[n]["ret-type"]), "%s: the answer is of its type" % n)

# one that asks a lot before it reads
slow = Client("qmp1")
slow.send(b'{"execute":"query-qmp-schema"}\n' * 100)
time.sleep(1)
report(all(slow.answer() == {"return": schema} for _ in range(100)), "100 answers to who reads them late")
slow.s.shutdown(socket.SHUT_RDWR)

# ten programs; one that never reads, and one that goes in the middle of a command
all_of_them = [c] + [Client("qmp%d" % i) for i in range(1, 10)]
report(all("return" in x("query-name") for x in all_of_them), "ten programs at a time")
c("stop")
report(all(x.event("STOP") for x in all_of_them), "all hear of an event")
lazy = all_of_them[1]
lazy.s.settimeout(2)
try:
    for _ in range(3000):
        lazy.send(b'{"execute":"query-qmp-schema"}\n')
except socket.timeout:
    pass
report("return" in c("query-name"), "one that never reads does not hold up others")
lazy.s.close()
all_of_them[2].send(b'{"execute":"query-na')
all_of_them[2].s.shutdown(socket.SHUT_RDWR)
all_of_them[2].s.close()
time.sleep(0.3)
report("return" in Client("qmp2")("query-name"), "one that went in the middle of a command leaves nothing to the next")
report(c("quit") == {"return": {}}, "quit")
report(c.event("SHUTDOWN")["data"] == {"guest": False, "reason": "host-qmp-quit"} and c.answer() is None, "SHUTDOWN, and the end")
report(m.p.wait(10) == 0, "status 0")

m = Machine("poweroff", "-S")
c = Client()
c("cont")
report(c.event("SHUTDOWN")["data"] == {"guest": True, "reason": "guest-shutdown"}, "a guest that powers off")
m.p.wait(10)
m = Machine("reboot", "-S", "-no-reboot", "-append", "how=cf9")
c = Client()
c("cont")
report(c.event("SHUTDOWN")["data"] == {"guest": True, "reason": "guest-reset"}, "one that resets, with -no-reboot")
m.p.wait(10)
m = Machine("serial_in", "-serial", "null")
c = Client()
m.p.terminate()
report(c.event("SHUTDOWN")["data"] == {"guest": False, "reason": "host-signal"}, "a signal")
m.p.wait(10)

# people
m = Machine("serial_in", "-serial", "null", "-monitor", "unix:hmp,server=on,wait=off")
s = socket.socket(socket.AF_UNIX)
s.connect("hmp")
def typed(text, end=b"(shunt) "):
    """What comes up to the next prompt"""
    s.sendall(text)
    s.settimeout(10)
    got = b""
    while not got.endswith(end):
        more = s.recv(4096)
        if not more:
            break
        got += more
    return got.decode(errors="replace")
report("(shunt) " in typed(b""), "a prompt")
report("VM status: running" in typed(b"inf\tsta\t\n"), "Tab completes names, after info, too")
report("blockstats" in typed(b"info b\t", b"(shunt) info b"), "or lists them")
s.sendall(b"\x15")
report("block_resize ID SIZE --" in typed(b"help block_resize\n"), "help for one command")
report("unknown command: 'xxx" in typed(b"x" * 5000 + b"\n"), "a line that is too long is cut")
report("VM status" in typed(b"info status\n"), "does no harm")
typed(b"quit\n")
m.p.wait(10)
done()
PY
