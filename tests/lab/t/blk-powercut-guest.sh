#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# As blk-powercut.sh, with a VMM: a stock guest writes to an ext4 on a disk of vhost_blk, and its VMM is
# killed: the journal is sound, and all is there that fsync() had promised to keep, from this guest and from
# those before it.
#	LOOPS		kills (3; in make soak 100, where a nested guest in 25 hangs)
# check on: none
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
[ "${SHUNT_SOAK:-}" != 1 ] || : "${LOOPS:=100}"
: "${LOOPS:=3}"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
vmm= loop=
cleanup() {
	[ -z "$vmm" ] || kill -9 "$vmm" 2>/dev/null
	wait 2>/dev/null
	umount "$dir/disk" 2>/dev/null
	[ -z "$loop" ] || { dmsetup resume hangs; dmsetup remove -f hangs; losetup -d "$loop"; } 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

# The last line may lack its end.
kept() { tr -d '\r' <serial | sed -n 's/^GUEST kept=\([^:]*\):\([0-9a-f]\{32\}\)$/\2  disk\/\1/p' | awk 1; }

# guest_writes ROUND DISK: boot the guest and let it write. Return: it does
guest_writes() {
	local wait=$((20 + RANDOM % 20)) end=$((SECONDS + 120))

	: >serial
	"$SHUNT_TOP/build/bin/shunt" -m 256 -nodefaults -display none -kernel "$guest/vmlinux" \
		-initrd "$guest/initramfs-powercut" -append "console=ttyS0 quiet panic=-1 boot=$1" \
		-serial file:serial -drive "file=$2,if=none,id=d,format=raw" \
		-device virtio-blk-pci,drive=d,vhost=on </dev/null 2>err &
	vmm=$!
	# After so many promises, and not just when one was made
	until [ "$(kept | wc -l)" -ge $wait ]; do
		kill -0 $vmm 2>/dev/null && [ $SECONDS -lt $end ] || {
			# The console, and what the queue has done
			sed 's/^/# /' serial err
			grep -h elements=[1-9] /sys/kernel/debug/vhost-shunt/*/stats | sed 's/^/# /'
			return 1
		}
		sleep 0.2
	done
	sleep 0.$((RANDOM % 1000))
}

# ended STATUS: the VMM does, in time and with that status
ended() {
	local end=$((SECONDS + 60)) status

	while kill -0 $vmm 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
	wait $vmm 2>/dev/null
	status=$?
	vmm=
	kept >>sums
	[ $status = "$1" ]
}

# whole ROUND: what is on the disk
whole() {
	local status

	e2fsck -p image >fsck 2>&1
	status=$?
	check "$1: the journal makes it whole (e2fsck says $status)" [ $status -le 1 ]
	check "$1: the file system is clean" e2fsck -fn image
	mount -o ro,loop image disk
	md5sum -c --quiet sums >bad 2>&1
	is "$?:$(cat bad)" "0:" "$1: each of $(wc -l <sums) files that were promised is there"
	umount disk
}

modprobe -q kvm_amd || modprobe -q kvm_intel
modprobe -q loop
modprobe -q ext4
"$SHUNT_TOP/scripts/load.sh" ours | sed 's/^/# /'
truncate -s 64M image
mkfs.ext4 -q -F image
mkdir disk
: >sums

for ((round = 1; round <= LOOPS; round++)); do
	guest_writes $round image && kill -9 $vmm && ended 137
	is $? 0 "round $round: the guest writes until its VMM is killed"
	[ -z "$vmm" ] || { kill -9 $vmm; wait $vmm; vmm=; break; }
	whole "round $round"
done

# A disk that hangs: the VMM ends all the same, and what it had begun ends when the disk goes on.
if [ "$series" != 6.1 ]; then
	loop=$(losetup -f --show image)
	export DM_DISABLE_UDEV=1
	modprobe -q dm_mod
	dmsetup create hangs --table "0 131072 linear $loop 0"
	guest_writes hang /dev/mapper/hangs && dmsetup suspend --noflush hangs && sleep 1 && kill $vmm && ended 0
	is $? 0 "a disk that hangs: SIGTERM ends the VMM"
	deny "the module stays" rmmod vhost_blk
	dmsetup resume hangs
	for ((i = 0; i < 50; i++)); do
		dmsetup remove hangs 2>/dev/null && break
		sleep 0.2
	done
	losetup -d "$loop"
	loop=
	whole "a disk that hung"
fi
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
