#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What shunt costs before the guest runs: CPU time from exec to the guest's first instruction, and
memory beyond guest RAM.

    scripts/bench-start.py [-n RUNS] [-k VMLINUZ] [-i MIB] [-- further options of shunt]

The kernel is a stock bzImage whose first instruction is replaced by one that ends the machine. Two
bounds: what a machine has used that is made but paused (-S), and what the whole process used, which
also takes everything down again. -i is the initrd's size (4).
"""
import argparse
import glob
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHUNT = os.environ.get("SHUNT", os.path.join(TOP, "build/bin/shunt"))
# mov dx, 0x501; mov al, 33; out dx, al; hlt
STOP = b"\x66\xba\x01\x05\xb0\x21\xee\xf4"
STATUS = 33 << 1 | 1


def stock_kernel():
    out = subprocess.run([os.path.join(TOP, "scripts/kernel.sh"), "path", "6.1"],
                         capture_output=True, text=True, check=True).stdout.strip()
    found = glob.glob(os.path.join(out, "boot/vmlinuz-*")) if os.path.isdir(out) else [out]
    if not found:
        sys.exit("bench-start: no kernel image in %s" % out)
    return found[0]


def patched(path, target):
    data = bytearray(open(path, "rb").read())
    sects = data[0x1f1] or 4
    entry = (sects + 1) * 512 + 0x200
    data[entry:entry + len(STOP)] = STOP
    open(target, "wb").write(data)
    return len(data)


def cpu_ms(args):
    pid = os.posix_spawn(args[0], args, os.environ)
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) != STATUS:
        sys.exit("bench-start: %s: status %d" % (" ".join(args), os.waitstatus_to_exitcode(status)))
    return (usage.ru_utime + usage.ru_stime) * 1000


def paused(args, n):
    """CPU time and resident memory, guest RAM left out, of machines that are made but paused."""
    used = []
    for _ in range(n):
        with subprocess.Popen(args + ["-S"], stdin=subprocess.DEVNULL) as p:
            time.sleep(0.5)
            ns = [int(open(t).read().split()[0])
                  for t in glob.glob("/proc/%d/task/*/schedstat" % p.pid)]
            used.append(sum(ns) / 1e6)
            rss = rss_kib(p)
            p.terminate()
    return sorted(used), rss


def rss_kib(p):
    rss = {}
    name = ""
    for line in open("/proc/%d/smaps" % p.pid):
        word = line.split()
        if "-" in word[0] and not word[0].endswith(":"):
            name = word[5] if len(word) > 5 else "anonymous"
        elif word[0] == "Rss:":
            rss[name] = rss.get(name, 0) + int(word[1])
    return sum(v for k, v in rss.items() if "guest-ram" not in k)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-n", type=int, default=11)
    parser.add_argument("-k")
    parser.add_argument("-i", type=int, default=4)
    parser.add_argument("more", nargs="*")
    opt = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        kernel, initrd = os.path.join(tmp, "vmlinuz"), os.path.join(tmp, "initrd")
        size = patched(opt.k or stock_kernel(), kernel)
        open(initrd, "wb").write(os.urandom(opt.i << 20))
        args = [SHUNT, "-m", "512", "-nodefaults", "-display", "none", "-device",
                "isa-debug-exit,iobase=0x501,iosize=4", "-kernel", kernel, "-initrd", initrd,
                "-append", "console=ttyS0"] + opt.more
        cpu_ms(args)
        runs = sorted(cpu_ms(args) for _ in range(opt.n))
        ready, rss = paused(args, opt.n)
        print("bzimage-mib=%.1f initrd-mib=%d runs=%d" % (size / 2**20, opt.i, opt.n))
        print("ready-cpu-ms=%.1f min=%.1f max=%.1f" %
              (statistics.median(ready), ready[0], ready[-1]))
        print("whole-run-cpu-ms=%.1f min=%.1f max=%.1f" %
              (statistics.median(runs), runs[0], runs[-1]))
        print("rss-beyond-ram-kib=%d" % rss)


if __name__ == "__main__":
    main()
