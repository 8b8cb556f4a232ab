#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-stat: what it says where there is nothing to read, and a table while traffic runs. That its
# numbers are true is tested by tests/driver/stats.
. "$SHUNT_TOP/tests/driver/lab.sh"
stat=$SHUNT_TOP/build/bin/shunt-stat

# says TEXT COMMAND...: the command fails with 1 and says so
says() {
	local want=$1 out rc=0

	shift
	out=$("$@" 2>&1) || rc=$?
	if [ $rc = 1 ] && [[ $out = *"$want"* ]]; then pass "it says: $want"; else fail "$want: $rc, $out"; fi
}

"$load" none >/dev/null 2>&1
says "vhost_core is not loaded" "$stat" -n 1
driver_load ours
is "$("$stat" -n 1 -i 0.1)" "no devices" "no devices, no lines"
says "no permission" setpriv --reuid=65534 --clear-groups "$stat" -n 1
umount /sys/kernel/debug
says "debugfs is not mounted" "$stat" -n 1
mount -t debugfs debugfs /sys/kernel/debug

"$SHUNT_TOP/build/bin/shunt-bench" net-tx --count 1000000000 >/dev/null &
bench=$!
out=
for _ in {1..50}; do
	out=$("$stat" -p $bench -i 0.5 -n 1)
	# Packets a second of the transmit queue
	[ "$(awk '$3 == 1 { print $11 }' <<<"$out")" -gt 0 ] 2>/dev/null && break
done
kill -INT $bench
wait $bench
check "a line for each queue below the heads" [ "$(awk '{ print $1 }' <<<"$out" | xargs)" = "OWNER $bench $bench" ]
check "and packets in one of them" [ "$(awk '$3 == 1 { print $11 }' <<<"$out")" -gt 0 ]
note "$out"
is "$("$stat" -n 1 -i 0.1)" "no devices" "gone with the process"
"$load" none >/dev/null 2>&1
done_testing
