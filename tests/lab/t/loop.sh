#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The event loop on this kernel's io_uring, and where the administrator has switched that off.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
tests=$SHUNT_TOP/build/tests
sysctl=/proc/sys/kernel/io_uring_disabled

tests() { # name environment...
	local name=$1 out rc

	shift
	out=$(env "$@" timeout 120 "$tests/$name" 2>&1)
	rc=$?
	is "$rc" 0 "$name $* ($(grep -c '^ok' <<<"$out") tests)"
	[ $rc = 0 ] || note "$out"
}

tests loop
tests chardev
tests chardev SHUNT_LOOP=epoll
modprobe -q kvm_amd || modprobe -q kvm_intel
guest() {
	timeout 60 "$SHUNT_TOP/build/bin/shunt" -m 32 -nodefaults -display none -serial null -append code=0 \
		-device isa-debug-exit -kernel "$SHUNT_TOP/build/payload/exit.elf" 2>&1 </dev/null
}
err=$(guest)
is $? 1 "a guest runs on io_uring"
is "$err" "" "without a word"
# 6.1 has no such switch.
if [ -e $sysctl ]; then
	old=$(cat $sysctl)
	echo 2 >$sysctl
	err=$(guest)
	is $? 1 "with io_uring disabled the guest runs"
	is "$(wc -l <<<"$err")" 1 "in one line"
	like "$err" "kernel.io_uring_disabled is 2" "it says why it does without"
	tests chardev
	echo "$old" >$sysctl
fi
done_testing
