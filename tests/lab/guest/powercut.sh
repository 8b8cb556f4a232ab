#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest whose VMM is about to be killed: writes files to the disk, and says
# "GUEST kept=NAME:SUM" of each that fsync() has promised to keep, while others come and go that
# nobody was promised.
# guest: -M virtio_blk -M ext4
say() { echo "GUEST $*"; }

boot=$(sed -n 's/.*\bboot=\([0-9]*\).*/\1/p' /proc/cmdline)
mkdir -p /mnt
mount /dev/vda /mnt && say mounted=1

churn() {
	local i=0

	while :; do
		i=$(((i + 1) % 40))
		dd if=/dev/zero "of=/mnt/junk-$i" bs=8k count=$((i + 1)) 2>/dev/null
		mv "/mnt/junk-$i" /mnt/junk
	done
}
churn &

i=0
while :; do
	i=$((i + 1))
	dd if=/dev/urandom "of=/mnt/$boot-$i" bs=1500 count=$((i % 9 + 1)) conv=fsync 2>/dev/null
	say "kept=$boot-$i:$(md5sum <"/mnt/$boot-$i" | cut -c 1-32)"
done
