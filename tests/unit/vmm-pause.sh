#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Stop, cont and system_reset from the monitor while the guest exits as often as it can, and quit while
# it resets itself without end. Guest RAM is a file, in which the guest counts: what it does, and that it
# does nothing, is seen there. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
need_kvm
python_tap 100 "$shunt" "$tmp" <<'END'
import atexit, os, random, socket, struct, subprocess, sys, time

shunt, tmp = sys.argv[1:]
ram, sock, kernel = (os.path.join(tmp, n) for n in ("ram", "mon", "elf"))
COUNTER = 0x200000
# inc dword [0x200004]; again: inc ebx; mov [0x200000], ebx; out 0x80, al; jmp again
counts = b"\xff\x05" + struct.pack("<I", COUNTER + 4) + b"\x43\x89\x1d" + struct.pack("<I", COUNTER) + b"\xe6\x80\xeb\xf5"
note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", 0x100000)
off = 64 + 2 * 56
phdr = lambda *a: struct.pack("<IIQQQQQQ", *a)


def write_kernel(code):
    open(kernel, "wb").write(
        struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0) +
        phdr(1, 7, off, 0x100000, 0x100000, len(code), len(code), 16) +
        phdr(4, 4, off + len(code), 0, 0, len(note), len(note), 4) + code + note)


def start(code):
    write_kernel(code)
    vmm = subprocess.Popen([shunt, "-m", "32", "-nodefaults", "-display", "none", "-kernel", kernel,
                            "-mem-path", ram, "-monitor", "unix:%s,server=on,wait=off" % sock],
                           stdin=subprocess.DEVNULL)
    atexit.register(lambda: vmm.poll() is None and vmm.kill())
    for _ in range(200):
        if os.path.exists(sock):
            break
        time.sleep(0.05)
    mon = socket.socket(socket.AF_UNIX)
    mon.settimeout(20)
    mon.connect(sock)
    return vmm, mon


def end(vmm, limit):
    try:
        return vmm.wait(limit)
    except subprocess.TimeoutExpired:
        vmm.kill()
        vmm.wait()
        os.unlink(sock)
        return None


vmm, mon = start(counts)


def answer():
    text = b""
    while not text.endswith(b"(shunt) "):
        text += mon.recv(4096)
    return text


def command(line):
    mon.send(line.encode() + b"\n")
    return answer()


count = lambda: struct.unpack("<I", os.pread(fd, 4, COUNTER))[0]
starts = lambda: struct.unpack("<I", os.pread(fd, 4, COUNTER + 4))[0]


def changes(since, limit=10):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if count() != since:
            return True
        time.sleep(0.01)
    return False


answer()		# the loop runs: the machine is there
fd = os.open(ram, os.O_RDONLY)
report(changes(0), "the guest runs")
frozen = moved = True
for _ in range(30):
    command("stop")
    a = count()
    time.sleep(0.01)
    frozen = frozen and count() == a
    command("cont")
    moved = moved and changes(a)
report(frozen, "nothing moves after stop")
report(moved, "and it goes on after cont")

command("stop")
before = count()
command("system_reset")
time.sleep(0.2)
report(count() == before and starts() == 1, "a reset while stopped runs nothing")
report(b"paused" in command("info status"), "and leaves it stopped")
command("cont")
report(changes(before) and starts() == 2, "then it starts anew")

random.seed(7)
for _ in range(600):
    command(random.choice(("stop", "cont", "system_reset", "info status")))
command("cont")
report(changes(count()), "after 600 commands without pause it runs")
mon.send(b"quit\n")
status = end(vmm, 20)
report(status == 0, "quit ends it with status 0 (%s)" % status)

statuses = []
for _ in range(5):
    # mov al, 6; mov dx, 0xcf9; out dx, al; hlt
    vmm, mon = start(b"\xb0\x06\x66\xba\xf9\x0c\xee\xf4")
    answer()
    time.sleep(0.1)
    mon.send(b"quit\n")
    statuses.append(end(vmm, 10))
report(statuses == [0] * 5, "quit ends a guest that resets itself all the time (%s)" % statuses)
done()
END
