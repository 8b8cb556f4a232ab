#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# -mem-prealloc fills guest RAM, and stops doing so when the process is asked to end: the signal is
# pending before the program starts, so that nothing depends on time. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
need_kvm
python_tap 60 "$shunt" "$top/build/payload/serial_in.elf" "$tmp/ram" <<'END'
import os, signal, sys

shunt, kernel, ram = sys.argv[1:]
SIZE = 256


# Runs with the signals pending that it was told; returns exit status and MiB of RAM that were filled
def run(signals, *options):
    pid = os.fork()
    if not pid:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for number in signals:
            os.kill(os.getpid(), number)
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        os.execv(shunt, [shunt, "-m", str(SIZE), "-nodefaults", "-display", "none", "-kernel", kernel,
                         "-mem-path", ram] + list(options))
    _, status = os.waitpid(pid, 0)
    filled = os.stat(ram).st_blocks * 512 >> 20
    os.unlink(ram)
    return status, filled


# The guest's first word to the serial port ends it: another device is there.
status, filled = run([], "-mem-prealloc", "-device", "isa-debug-exit,iobase=0x3f8,iosize=4")
report(filled >= SIZE, "-mem-prealloc fills it: %d of %d MiB" % (filled, SIZE))
for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
    status, filled = run([number], "-mem-prealloc")
    report(status == 0 and filled < SIZE // 2,
           "%s: status %d, %d MiB" % (signal.Signals(number).name, status, filled))
done()
END
