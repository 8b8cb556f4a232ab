#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Loading and unloading: our modules come and go, refuse to go while in use, and leave stock ones alone.
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
load=$SHUNT_TOP/scripts/load.sh

out=$("$load" ours 2>&1); rc=$?
is $rc 0 "load.sh ours: $out"
check "vhost_core and vhost_net are loaded" [ -d /sys/module/vhost_core/holders/vhost_net ]
is "$(stat -c '%t:%T' /dev/vhost-net 2>&1)" a:ee "/dev/vhost-net is 10:238"
check "it opens" sh -c 'exec 5</dev/vhost-net'
is "$("$load" ours 2>&1)" "" "loading what is loaded says nothing"
check "the stock vhost_vsock loads beside ours" modprobe vhost_vsock
check "and goes again" modprobe -r vhost_vsock

exec 5</dev/vhost-net
deny "unload is refused while the device is open" rmmod vhost_net
out=$("$load" none 2>&1); rc=$?
is $rc 1 "load.sh none fails then"
like "$out" "vhost_net is in use by.*(.*$$)" "and names the user: $out"
out=$("$load" stock 2>&1); rc=$?
is $rc 1 "so does the swap to stock"
exec 5>&-

check "unload works once it is closed" "$load" none
deny "the device node is gone" [ -e /dev/vhost-net ]
deny "vhost_core is gone" [ -d /sys/module/vhost_core ]

for i in 1 2 3 4; do
	"$load" ours >/dev/null 2>&1 && "$load" none >/dev/null 2>&1 || break
done
is "$i" 4 "four rounds of load and unload"

check "stock loads" "$load" stock
is "$(modinfo -F filename vhost_net 2>/dev/null | grep -c /lib/modules)" 1 "and it is the kernel's own"
out=$("$load" ours 2>&1); rc=$?
is $rc 0 "swap to ours"
like "$out" "unloaded vhost_net" "says that stock went"
check "vhost_net hangs on our core" [ -d /sys/module/vhost_core/holders/vhost_net ]
check "unload" "$load" none
done_testing
