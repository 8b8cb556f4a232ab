#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest whose entropy, balloon, console, port, SCSI disk and files have a process each. Speaks to whoever
# reads the serial port in lines "GUEST key=value", and waits for words by the port.
# guest: -M virtio_rng -M virtio_balloon -M virtio_console -M virtio_scsi -M sd_mod -M virtiofs
say() { echo "GUEST $*"; }
free() { sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo; }

# again_and_again COMMAND...: until it succeeds, twenty seconds at most
again_and_again() {
	i=0
	until "$@"; do
		i=$((i + 1))
		[ $i -lt 100 ] || return 1
		sleep 0.2
	done
}

# less KIB: there are that many fewer than at first
less() { [ "$(free)" -lt $((first - $1)) ]; }
more() { [ "$(free)" -gt $((first - $1)) ]; }

port=
for p in /sys/class/virtio-ports/*; do
	[ "$(cat "$p/name" 2>/dev/null)" != org.shunt.test ] || port=/dev/${p##*/}
done
again_and_again test -b /dev/sda
exec 3<>"$port"
# While nobody is connected there is an end of file.
hears() { read -r word <&3 && [ -n "$word" ]; }
hear() {
	word=
	again_and_again hears
}

entropy() { dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c; }
disk() {
	dd if=/dev/urandom of=/want bs=4k count=64 2>/dev/null
	dd if=/want of=/dev/sda bs=4k seek="$1" conv=fsync 2>/dev/null || return
	echo 3 >/proc/sys/vm/drop_caches
	dd if=/dev/sda bs=4k skip="$1" count=64 2>/dev/null | cmp - /want && say "$2=1"
}

say kernel="$(uname -r)" port="$port" rng="$(cat /sys/class/misc/hw_random/rng_current)" hwrng="$(entropy)"
say disk="$(cat /sys/block/sda/size)" model="$(sed 's/ *$//' /sys/block/sda/device/model)"
mkdir -p /shared
mount -t virtiofs shared /shared && read -r word </shared/there && echo "$word and back" >/shared/back && say shared="$word"
umount /shared
disk 0 wrote
echo "a console" >/dev/hvc0
echo "a port" >&3
hear
say heard="$word"
first=$(free)
say inflate=1
again_and_again less 40000 && say shrunk=1

# all processes are killed meanwhile
say kill=1
hear
say again="$word"
say hwrng2="$(entropy)"
disk 100 wrote2
echo "the console" >/dev/hvc0
echo "the port" >&3
say deflate=1
again_and_again more 20000 && say grown=1

# new memory is what there is of a zone of its own, which the kernel takes from first
total() { sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo; }
normal() { awk '/zone +Normal/ { z = 1 } z && /pages free/ { print $3; exit }' /proc/zoneinfo; }
before=$(total)
bigger() { [ "$(total)" -ge $((before + 131072)) ]; }
say plug=1
again_and_again bigger && say plugged=1
pages=$(normal)
disk 200 wrote3
mount -t virtiofs shared /shared && say shared2="$(cat /shared/back)"
[ "$(normal)" -lt "$pages" ] && say used=1
poweroff -f
