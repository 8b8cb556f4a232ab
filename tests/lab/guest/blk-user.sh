#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest whose disks are served over vhost-user and have serial numbers: its root, a
# file and a block device; and so is its source of entropy. Speaks to whoever reads the serial port in lines
# "GUEST key=value".
# guest: -r -M xfs -M virtio_rng -p mkfs.ext4 -p e2fsck -p mkfs.xfs -p xfs_repair
# guest: -p blkdiscard -p fstrim -p lsblk -p hdparm -p fio
say() { echo "GUEST $*"; }
yes() { "$@" >/dev/null 2>&1 && echo 1 || echo 0; }

disk() { # disk SERIAL: vdX
	for d in /sys/block/vd*; do
		[ "$(cat "$d/serial")" != "$1" ] || echo "${d##*/}"
	done
}

intact() { # read again from the disk, not from memory
	echo 3 >/proc/sys/vm/drop_caches
	(cd /mnt && sha256sum -c sums >/dev/null 2>&1)
}

file=$(disk file) block=$(disk block)
say kernel="$(uname -r)" root="$(sed -n "s|^/dev/$(disk root) / \([^ ]*\).*|\1|p" /proc/mounts)"
for d in file block; do
	eval "vd=\$$d"
	s=/sys/block/$vd
	say "$d-sectors=$(cat $s/size) $d-logical=$(cat $s/queue/logical_block_size) $d-queues=$(ls $s/mq | wc -l)" \
		"$d-packed=$(cut -c 35 $s/device/features) $d-cache=$(tr ' ' - <$s/cache_type)"
done
mkdir -p /mnt
for d in file block; do
	eval "dev=/dev/\$$d"
	mkfs.ext4 -q -F "$dev" && mount "$dev" /mnt
	dd if=/dev/urandom of=/mnt/large bs=64k count=96 2>/dev/null
	for n in 1 511 4095 4097; do
		dd if=/mnt/large of=/mnt/$n bs=$n count=1 skip=$n 2>/dev/null
	done
	(cd /mnt && sha256sum large [0-9]* >sums)
	umount /mnt
	mount "$dev" /mnt
	say "$d-intact=$(yes intact) $d-trimmed=$(yes fstrim /mnt)"
	umount /mnt
	say "$d-fsck=$(yes e2fsck -fn "$dev")"
done
# What was written is what is read, in all sizes, with many requests under way, from both queues
fio --name=all --filename="/dev/$block" --direct=1 --rw=randwrite --bsrange=4k-256k --size=24m --iodepth=32 \
	--numjobs=1 --ioengine=libaio --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7 >/tmp/fio 2>&1
say block-fio="$?"
# The driver reads back what the device made of it.
echo "write through" >"/sys/block/$file/cache_type"
say file-wce-off="$(tr ' ' - <"/sys/block/$file/cache_type")"
entropy() { dd if=/dev/hwrng bs=512 count=8 iflag=fullblock 2>/dev/null; }
say rng="$(cat /sys/class/misc/hw_random/rng_current)" rng-bytes="$(entropy | wc -c)" \
	rng-differs="$([ "$(entropy | sha256sum)" = "$(entropy | sha256sum)" ] || echo 1)"
say done=1
poweroff -f
