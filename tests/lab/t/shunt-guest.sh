#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt without root and without a module: a stock guest whose root disk and NIC have a process each, and whose drivers
# use the legacy interface.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/lab/guest-watch.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
dir=$(mktemp -d)
vmm='' web=''
cleanup() {
	[ -z "$vmm" ] || kill -9 "$vmm" 2> /dev/null
	[ -z "$web" ] || kill "$web" 2> /dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

modprobe -q kvm_amd || modprobe -q kvm_intel
"$SHUNT_TOP/scripts/load.sh" none > /dev/null
guest=$SHUNT_TOP/build/guest/$series
# Nobody sees the checkout.
cp "$guest/vmlinuz" .
cp "$guest/initramfs-root-user" initramfs
cp --sparse=always "$guest/root-user.img" d.img
chgrp kvm /dev/kvm && chmod 660 /dev/kvm
chmod 755 .
chmod 666 d.img
ip link set lo up
mkdir web
head -c 3000000 /dev/urandom > web/file
(cd web && exec python3 -m http.server -b 127.0.0.1 8123) > /dev/null 2>&1 &
web=$!
: > serial
setpriv --reuid=nobody --regid=nogroup --groups="$(stat -c %g /dev/kvm)" --no-new-privs \
	"$SHUNT_TOP/build/bin/shunt" -m 512 -kernel vmlinuz -initrd initramfs \
	-append "console=ttyS0 quiet panic=-1 legacy=1" -drive file=d.img,if=none,id=d,format=raw -device virtio-blk-pci,drive=d,disable-legacy=off \
	-netdev user,id=n,hostfwd=tcp:127.0.0.1:2323-:23 -device virtio-net-pci,netdev=n,disable-legacy=off -nographic \
	> serial 2> err < /dev/null &
vmm=$!
check "a stock guest boots" heard "kernel=" 180
is "$(pgrep -P $vmm -l | cut -d' ' -f2 | sort | tr '\n' ' ')" "shunt-blk shunt-net " "its processes"
is "$(cat "/proc/$vmm/comm") $(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$vmm/status" \
	"/proc/$(pgrep -P $vmm | head -n 1)/status" | sort -u)" "shunt $(id -u nobody)" "none of them root's"
check "it gets on the network" heard "listens=1" 120
is "$(said legacy)" 2 "both by the legacy interface"
is "$(said root)" vda "its root is on the virtio disk"
is "$(said intact)" 1 "where it finds what it wrote"
is "$(said address)" 10.0.2.15 "an address by DHCP"
check "it fetches a file" heard "fetched=" 60
is "$(said fetched)" "$(sha256sum < web/file | cut -c 1-16)" "which is the host's"
is "$(timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2323 && echo there >&3 && cat <&3')" hello "a forwarded port"
check "it hears, too" heard "heard=there" 20
wait $vmm
is $? 0 "poweroff"
vmm=
is "$(cat err)" "" "nothing was said"
done_testing
