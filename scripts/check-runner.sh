#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The test runner and the kernel log's judge themselves, as TAP: every way in which a test program can
# fail must count as a failure, and every way in which a kernel complains must be noticed.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lab/tap.sh"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/tests/unit"
cp "$top/tests/run" "$tree/tests/run"

# verdict TEXT WANT-LINE WANT-STATUS: program on stdin, run alone
verdict() {
	local out rc=0

	{ echo '#!/bin/sh'; cat; } >"$tree/tests/unit/t.sh"
	chmod +x "$tree/tests/unit/t.sh"
	out=$("$tree/tests/run" unit 2>&1) || rc=$?
	is "$(tail -n 1 <<<"$out"), $rc" "$2, $3" "$1"
}

verdict "good" "2 passed, 0 failed, 0 skipped" 0 <<<'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b"'
verdict "plan at the end" "1 passed, 0 failed, 0 skipped" 0 <<<'echo "ok 1 - a"; echo 1..1'
verdict "skipped" "1 passed, 0 failed, 1 skipped" 0 \
	<<<'echo 1..2; echo "ok 1 - a # SKIP why"; echo "ok 2 - b"'
verdict "cmocka's way to skip" "1 passed, 0 failed, 1 skipped" 0 \
	<<<'echo 1..2; echo "not ok 1 # SKIP a"; echo "ok 2 - b"'
verdict "all skipped is not success" "0 passed, 0 failed, 1 skipped" 1 <<<'echo "1..0 # SKIP no kvm"'
verdict "not ok" "1 passed, 1 failed, 0 skipped" 1 \
	<<<'echo 1..2; echo "ok 1 - a"; echo "not ok 2 - b"; exit 1'
verdict "not ok, exit status 0" "0 passed, 1 failed, 0 skipped" 1 <<<'echo 1..1; echo "not ok 1 - a"'
verdict "ok, exit status 1" "1 passed, 1 failed, 0 skipped" 1 <<<'echo 1..1; echo "ok 1 - a"; exit 1'
verdict "fewer than planned" "1 passed, 1 failed, 0 skipped" 1 <<<'echo 1..2; echo "ok 1 - a"'
verdict "more than planned" "2 passed, 1 failed, 0 skipped" 1 \
	<<<'echo 1..1; echo "ok 1 - a"; echo "ok 2 - b"'
verdict "no plan" "1 passed, 1 failed, 0 skipped" 1 <<<'echo "ok 1 - a"'
verdict "nothing" "0 passed, 1 failed, 0 skipped" 1 <<<':'
verdict "killed" "1 passed, 1 failed, 0 skipped" 1 <<<'echo 1..1; echo "ok 1 - a"; kill -SEGV $$'
verdict "bail out" "0 passed, 1 failed, 0 skipped" 1 <<<'echo 1..1; echo "Bail out! no"; exit 1'

# log WANT-STATUS TEXT: a kernel that says TEXT after the mark
printf '#!/bin/sh\necho "[1.0] WARNING: before"; echo "[2.0] shunt-lab: mark"; echo "[3.0] $SAID"\n' \
	>"$tree/dmesg"
chmod +x "$tree/dmesg"
log() {
	local rc=0

	SAID=$2 PATH=$tree:$PATH "$top/tests/lab/scan-log" "shunt-lab: mark" >/dev/null || rc=$?
	is "$rc" "$1" "log: $2"
}
log 1 "WARNING: CPU: 0 PID: 1 at drivers/x.c:1 x+0x1/0x2 [x]"
log 1 "BUG: kernel NULL pointer dereference, address: 0000000000000000"
log 1 "kernel BUG at lib/list_debug.c:26!"
log 1 "Oops: 0000 [#1] PREEMPT SMP NOPTI"
log 1 "general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b6b"
log 1 "BUG: KASAN: use-after-free in x"
log 1 "WARNING: possible circular locking dependency detected"
log 1 "INFO: task rmmod:123 blocked for more than 120 seconds."
log 1 "rcu: INFO: rcu_preempt self-detected stall on CPU"
log 1 "unregister_netdevice: waiting for tap0 to become free. Usage count = 1"
log 1 "refcount_t: underflow; use-after-free."
log 1 "BUG: sleeping function called from invalid context at x.c:1"
log 1 "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!"
log 1 "vhost_net: Unknown symbol vhost_core_x (err -2)"
log 1 "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"
log 0 "tun: Universal TUN/TAP device driver, 1.6"
log 0 "vhost_core: module verification failed: signature and/or required key missing - tainting kernel"
log 0 "vhost_core: loading out-of-tree module taints kernel."
log 0 "x: DEBUG on"
done_testing
