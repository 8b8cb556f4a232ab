#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A stock guest writes to an ext4 on a disk of vhost_blk, and its VMM is killed: the journal is sound,
# and all is there that fsync() had promised to keep, from this guest and from those before it.
#	LOOPS		kills (3, on 6.1 one, in make soak 100)
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
[ "${SHUNT_SOAK:-}" != 1 ] || : "${LOOPS:=100}"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
[ "$series" != 6.1 ] || : "${LOOPS:=1}"
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
vmm=
cleanup() {
	[ -z "$vmm" ] || kill -9 "$vmm" 2>/dev/null
	wait 2>/dev/null
	umount "$dir/disk" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

kept() { tr -d '\r' <serial | sed -n 's/^GUEST kept=\([^:]*\):\([0-9a-f]\{32\}\)$/\2  disk\/\1/p'; }

# cut_power ROUND: boot the guest, let it write, kill the VMM. Return: it wrote
cut_power() {
	local wait=$((20 + RANDOM % 20)) end=$((SECONDS + 120)) status

	: >serial
	"$SHUNT_TOP/build/bin/shunt" -m 256 -nodefaults -display none -kernel "$guest/vmlinuz" \
		-initrd "$guest/initramfs-powercut" -append "console=ttyS0 quiet panic=-1 boot=$1" \
		-serial file:serial -drive file=image,if=none,id=d,format=raw \
		-device virtio-blk-pci,drive=d,vhost=on </dev/null 2>err &
	vmm=$!
	# After so many promises, and not just when one was made
	until [ "$(kept | wc -l)" -ge $wait ]; do
		kill -0 $vmm 2>/dev/null && [ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
	sleep 0.$((RANDOM % 1000))
	kill -9 $vmm
	wait $vmm 2>/dev/null
	status=$?
	vmm=
	kept >>sums
	[ $status = 137 ]
}

[ -f "$guest/initramfs-powercut" ] || {
	mkdir -p "$guest"
	ln -sfn "$("$SHUNT_TOP/scripts/kernel.sh" vmlinuz "$series")" "$guest/vmlinuz"
	"$SHUNT_TOP/tests/lab/guest-initramfs" "$guest/initramfs-powercut" -k "$series" -M virtio_blk -M ext4 \
		"$SHUNT_TOP/tests/lab/guest/powercut.sh"
}
modprobe -q kvm_amd || modprobe -q kvm_intel
modprobe -q loop
modprobe -q ext4
"$SHUNT_TOP/scripts/load.sh" ours | sed 's/^/# /'
truncate -s 64M image
mkfs.ext4 -q -F image
mkdir disk
: >sums

for ((round = 1; round <= ${LOOPS:-3}; round++)); do
	cut_power $round
	is $? 0 "round $round: the guest writes until its VMM is killed"
	[ -z "$vmm" ] || { sed 's/^/# /' serial err | tail -n 20; break; }
	e2fsck -p image >fsck 2>&1
	status=$?
	check "round $round: the journal makes it whole (e2fsck says $status)" [ $status -le 1 ]
	check "round $round: the file system is clean" e2fsck -fn image
	mount -o ro,loop image disk
	md5sum -c --quiet sums >bad 2>&1
	is "$?:$(cat bad)" "0:" "round $round: each of $(wc -l <sums) files that were promised is there"
	umount disk
done
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
