# SPDX-License-Identifier: GPL-2.0
"""A vhost-user process under test: started at the socket s, ended by SIGTERM, and what it said."""
import json
import os
import socket
import subprocess
import time


class Process:
    def __init__(self, program, *args, quiet=True, **how):
        """@quiet: it is to complain of nothing"""
        self.quiet = quiet
        self.err = open("err", "w")
        self.argv, self.how = [program, "--socket-path=s", *args], how
        self.start()

    def start(self):
        """A socket that one before has left behind is not its own."""
        old = self.socket()
        self.p = subprocess.Popen(self.argv, stderr=self.err, **self.how)
        while self.socket() in (None, old) and self.alive():
            time.sleep(0.01)

    @staticmethod
    def socket():
        return os.stat("s").st_ino if os.path.exists("s") else None

    def kill(self):
        self.p.kill()
        self.p.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.p.terminate()
        status = self.p.wait(10)
        self.err.close()
        assert kind or status == 0, "status %d at SIGTERM: %s" % (status, self.said())
        assert kind or not os.path.exists("s"), "a socket is left"
        assert kind or not self.quiet or not self.said(), self.said()
        assert all(x.startswith("shunt-") for x in self.said().splitlines()), self.said()

    def alive(self):
        return self.p.poll() is None

    def said(self):
        return open("err").read()

    def err_has(self, text, seconds=5):
        end = time.monotonic() + seconds
        while text not in self.said() and time.monotonic() < end:
            time.sleep(0.01)
        return text in self.said()

    def sandboxed(self):
        """No thread of it has capabilities or a way to new ones, and all have a filter."""
        want = {"CapPrm": "0" * 16, "CapEff": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
        for task in os.listdir("/proc/%d/task" % self.p.pid):
            status = dict(l.split(":\t", 1) for l in
                          open("/proc/%d/task/%s/status" % (self.p.pid, task)).read().splitlines() if ":\t" in l)
            if any(status[k].strip() != v for k, v in want.items()):
                return False
        return True

    def ticks(self):
        return sum(int(x) for x in open("/proc/%d/stat" % self.p.pid).read().rsplit(")", 1)[1].split()[11:13])

    def idle(self):
        before = self.ticks()
        time.sleep(0.5)
        return self.ticks() - before < 5


class Control:
    """Who asks at the control socket c, or at one that is connected: a line, with a file's descriptor perhaps"""
    def __init__(self, s=None):
        self.s = s or socket.socket(socket.AF_UNIX)
        if not s:
            self.s.connect("c")
        self.s.settimeout(5)
        self.f = self.s.makefile("rw")

    def send(self, line, fds=()):
        socket.send_fds(self.s, [(line + "\n").encode()], fds)

    def answer(self):
        return json.loads(self.f.readline())

    def gone(self):
        try:
            return self.s.recv(1) == b""
        except ConnectionResetError:
            return True

    def ask(self, line, fds=()):
        self.send(line, fds)
        return self.answer()


def refused(program, why, *args):
    """Status 1, one line with @why, no socket. Return: for report()"""
    r = subprocess.run([program, *args], capture_output=True, text=True, timeout=20)
    ok = r.returncode == 1 and r.stderr.count("\n") == 1 and why in r.stderr and not os.path.exists("s")
    if not ok:
        print("# status %d: %s" % (r.returncode, r.stderr), flush=True)
    return ok, "%s: it says why" % (" ".join(args) or "no option")


def said(program, *args):
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=20).stdout
