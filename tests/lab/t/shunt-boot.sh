#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A disk boots in shunt by SeaBIOS and GRUB, a stock Debian kernel; its root is on vhost_blk. It reboots, and powers off.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/lab/guest-watch.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
vmm=
cleanup() {
	[ -z "$vmm" ] || kill -9 "$vmm" 2> /dev/null
	wait 2> /dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

modprobe -q kvm_amd || modprobe -q kvm_intel
"$SHUNT_TOP/scripts/load.sh" ours | sed 's/^/# /'
cp --sparse=always "$guest/disk-boot.img" disk
: > serial
"$SHUNT_TOP/build/bin/shunt" -m 512 -smp 2 -nodefaults -display none -serial file:serial -chardev file,id=d,path=debug \
	-device isa-debugcon,iobase=0x402,chardev=d -drive file=disk,if=none,id=d,format=raw \
	-device virtio-blk-pci,drive=d,vhost=on < /dev/null 2> err &
vmm=$!
check "a kernel boots by firmware and GRUB" heard first=ok 200
check "and again" heard done=1 200
for ((i = 0; i < 100; i++)); do
	kill -0 "$vmm" 2> /dev/null || break
	sleep 0.1
done
kill -9 "$vmm" 2> /dev/null && fail "the VMM ends with the guest"
wait "$vmm"
is $? 0 "the guest powered off and the VMM ended with status 0"
vmm=
sed -n 's/^GUEST/#/p' serial
is "$(said kernel) $(said root)" "$(uname -r) vda1" "its root is the partition"
# What SeaBIOS calls itself where nobody else has given it a name
is "$(said firmware)" Bochs "firmware has left its tables"
is "$(said cpus)" 2 "it has both processors"
like "$(said tables)" "APIC.*DSDT.*FACP" "and the ACPI tables of shunt"
check "and its memory" test "$(said memory)" -gt 400
check "interrupts come by messages" test "$(said interrupts)" -ge 3
is "$(cat err)" "" "nothing was said"
is "$(grep -ci "error\|overrun" debug)" 0 "firmware found nothing wrong"
check "and has said so" test -s debug
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
