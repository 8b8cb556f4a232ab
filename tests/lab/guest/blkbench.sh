#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest that has its root and two disks to be measured: virtio disks with the
# serial numbers null and loop, or SCSI disks, LUN 0 and 1. Random reads of 4 KiB by fio, as the kernel
# command line says: guest.secs=N (of each), guest.rounds=N. Speaks in lines "GUEST case=DISK-DEPTH
# iops=N us=N".
# guest: -r -M virtio_scsi -M sd_mod -p fio
say() { echo "GUEST $*"; }

arg() { # arg NAME DEFAULT
	for w in $(cat /proc/cmdline); do
		case $w in guest.$1=*) echo "${w#*=}"; return ;; esac
	done
	echo "$2"
}

find_disks() {
	null='' loop=''
	for d in /sys/block/vd*; do
		case $(cat "$d/serial") in
		null)	null=${d##*/} ;;
		loop)	loop=${d##*/} ;;
		esac
	done
	for d in /sys/block/sd*; do
		case $(readlink "$d/device") in
		*:0)	null=${d##*/} ;;
		*:1)	loop=${d##*/} ;;
		esac
	done
	[ -n "$null" ] && [ -n "$loop" ]
}

for _ in 1 2 3 4 5 6 7 8 9 10; do
	find_disks && break
	sleep 0.5
done
say kernel="$(uname -r)" null="$null" loop="$loop" queues="$(ls "/sys/block/$null/mq" | wc -l)"
echo none >"/sys/block/$null/queue/scheduler"
echo none >"/sys/block/$loop/queue/scheduler"
round=0
while [ $((round += 1)) -le "$(arg rounds 1)" ]; do
	for disk in null loop; do
		for depth in 1 32; do
			eval "dev=\$$disk"
			fio --name=fio --filename="/dev/$dev" --ioengine=io_uring --direct=1 --thread --norandommap \
				--rw=randread --bs=4096 --iodepth=$depth --time_based --runtime="$(arg secs 2)" \
				--output-format=terse --terse-version=3 2>/tmp/fio | awk -F ';' -v c="$disk-$depth" '$8 {
				for (i = 18; i <= 37; i++)
					if ($i ~ /^50\.0+%=/) us = substr($i, index($i, "=") + 1)
				print "GUEST case=" c, "iops=" $8, "us=" us }'
		done
	done
done
say done=1
poweroff -f
