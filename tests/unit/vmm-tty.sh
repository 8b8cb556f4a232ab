#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A VMM that a shell's job control has put into the background ends when it is asked to: setting the
# terminal back, which is not its own any more, would stop it. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
need_kvm
python_tap 60 "$shunt" "$top/build/payload/serial_in.elf" "$tmp/pid" <<'END'
import os, pty, signal, sys, time

shunt, kernel, pidfile = sys.argv[1:]


# The shell, in a session of its own. Its verdict is its exit status.
def shell(ready):
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if not job:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(shunt, [shunt, "-m", "32", "-nographic", "-pidfile", pidfile, "-kernel", kernel])
    os.read(ready, 1)
    os.tcsetpgrp(0, os.getpgrp())
    os.kill(job, signal.SIGTERM)
    _, status = os.waitpid(job, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        os.kill(job, signal.SIGKILL)
        return 1
    return 0 if status == 0 and not os.path.exists(pidfile) else 2


ready, go = os.pipe()
pid, tty = pty.fork()
if not pid:
    os._exit(shell(ready))
out = b""
try:
    while b"# ready" not in out:
        out += os.read(tty, 4096)
    os.write(go, b"x")
    while os.read(tty, 4096):
        pass
except OSError:		# the terminal's last user has gone
    pass
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
report(status == 0, "SIGTERM ends it in the background (%d)" % status)
done()
END
