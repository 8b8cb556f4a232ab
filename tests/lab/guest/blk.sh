#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest whose disks have serial numbers that say what they are: its root, a
# file, a block device, a read-only one, and one without. Speaks to whoever reads the serial port in lines
# "GUEST key=value". The first boot makes a file system and reboots without unmounting it.
# guest: -r -M xfs -M virtio_rng -p mkfs.ext4 -p e2fsck -p mkfs.xfs -p xfs_repair
# guest: -p blkdiscard -p fstrim -p lsblk -p hdparm -p fio
say() { echo "GUEST $*"; }

disk() { # disk SERIAL: vdX
	for d in /sys/block/vd*; do
		[ "$(cat "$d/serial")" != "$1" ] || echo "${d##*/}"
	done
}

facts() { # facts NAME VDX
	local s=/sys/block/$2

	say "$1-sectors=$(cat $s/size) $1-block=$(cat $s/queue/logical_block_size)" \
		"$1-physical=$(cat $s/queue/physical_block_size) $1-ro=$(cat $s/ro)" \
		"$1-queues=$(ls $s/mq | wc -l) $1-cache=$(tr ' ' - <$s/cache_type)" \
		"$1-discard=$(($(cat $s/queue/discard_max_bytes) > 0))" \
		"$1-zeroes=$(($(cat $s/queue/write_zeroes_max_bytes) > 0))" \
		"$1-segments=$(cat $s/queue/max_segments)" \
		"$1-packed=$(cut -c 35 $s/device/features)" \
		"$1-lsblk=$(lsblk -bdnro SIZE,RO,PHY-SEC,LOG-SEC,MIN-IO,OPT-IO,DISC-GRAN "/dev/$2" | tr ' ' ,)" \
		"$1-hdparm=$(hdparm -rg "/dev/$2" | sed -n 's/.*readonly *= *\([01]\).*/\1/p
			s/.* sectors = \([0-9]*\),.*/\1/p' | tr '\n' ,)"
}

fill() { # fill FOLDER: a large file and small ones
	local n

	dd if=/dev/urandom of="$1/large" bs=64k count=96 2>/dev/null
	for n in 1 511 512 513 4095 4096 4097; do
		dd if="$1/large" of="$1/$n" bs=$n count=1 skip=$n 2>/dev/null
	done
	(cd "$1" && sha256sum large [0-9]* >sums)
}

intact() { # intact FOLDER: read again from the disk, not from memory
	echo 3 >/proc/sys/vm/drop_caches
	(cd "$1" && sha256sum -c sums >/dev/null 2>&1)
}

yes() { "$@" >/dev/null 2>&1 && echo 1 || echo 0; }
magic() { dd if="/dev/$1" bs=2 skip=540 count=1 2>/dev/null | od -An -tx2 | tr -d ' '; }

say kernel="$(uname -r)" root="$(sed -n "s|^/dev/$(disk root) / \([^ ]*\).*|\1|p" /proc/mounts)"
file=$(disk file) block=$(disk "block-with-20-letter") ro=$(disk ro) plain=$(disk "")
say disks="$(echo "$file" "$block" "$ro" "$plain" | tr ' ' ,)"
mkdir -p /mnt

if [ "$(magic "$file")" != ef53 ]; then
	mkfs.ext4 -q -F "/dev/$file" && mount "/dev/$file" /mnt && fill /mnt && sync && say first-boot=ok
	reboot -f
	sleep 60
fi
facts file "$file"
facts block "$block"
facts ro "$ro"
facts plain "$plain"

mount "/dev/$file" /mnt
say file-survived="$(yes intact /mnt)"
umount /mnt
say file-fsck="$(yes e2fsck -fn "/dev/$file")"

try() { # try NAME DEVICE MKFS FSCK: a file system is made, filled, mounted again, trimmed and checked
	$3 "$2" && mount "$2" /mnt && fill /mnt
	umount /mnt
	mount "$2" /mnt
	say "$1-intact=$(yes intact /mnt) $1-trimmed=$(yes fstrim /mnt)"
	umount /mnt
	say "$1-fsck=$(yes $4 "$2")"
}
try block "/dev/$block" "mkfs.ext4 -q -F" "e2fsck -fn"
try plain "/dev/$plain" "mkfs.xfs -q -f" "xfs_repair -n"
# What was written is what is read, in all sizes, with many requests under way, from both queues
fio --name=all --filename="/dev/$block" --direct=1 --rw=randwrite --bsrange=4k-256k --size=24m --iodepth=32 \
	--numjobs=1 --ioengine=libaio --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7 >/tmp/fio 2>&1
say block-fio="$?"
say ro-write="$(yes dd if=/dev/zero "of=/dev/$ro" bs=4k count=1 conv=fsync)" \
	ro-sum="$(sha256sum <"/dev/$ro" | cut -c 1-16)"

# The driver reads back what the device made of it.
cache=/sys/block/$file/cache_type
echo "write through" >"$cache"
say file-wce-off="$(tr ' ' - <"$cache")"
dd if=/dev/urandom "of=/dev/$file" bs=4k count=4 seek=100 oflag=direct 2>/dev/null
echo "write back" >"$cache"
say file-wce-on="$(tr ' ' - <"$cache")"

for d in file block; do
	eval "dev=/dev/\$$d"
	say "$d-discarded=$(yes blkdiscard "$dev")"
	echo 3 >/proc/sys/vm/drop_caches
	say "$d-zero=$(yes cmp -n 4194304 "$dev" /dev/zero)"
done

sizes="$(cat "/sys/block/$file/size" "/sys/block/$block/size")"
say resize=now
i=0
while [ $((i += 1)) -lt 100 ]; do
	new="$(cat "/sys/block/$file/size" "/sys/block/$block/size")"
	[ "${new% *}" = "${sizes% *}" ] || [ "$(echo "$new" | sed -n 2p)" = "$(echo "$sizes" | sed -n 2p)" ] || break
	sleep 0.1
done
say file-resized="$(cat "/sys/block/$file/size")" block-resized="$(cat "/sys/block/$block/size")"
last=$(($(cat "/sys/block/$file/size") - 8))
say file-end="$(yes dd if=/dev/urandom "of=/dev/$file" bs=512 seek=$last count=8 oflag=direct)"
say done=1
poweroff -f
