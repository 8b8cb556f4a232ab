#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest, as the last step of its init: network up, ping, iperf3 both ways.
# Speaks to whoever reads the serial port in lines "GUEST key=value"; the kernel command line says
# what to do: guest.secs=N (per direction), guest.pings=N, guest.reboot=1 (once, before measuring),
# guest.streams=N, guest.rounds=N (measurements, one line each). A second device is tried afterwards.
# guest: -M virtio_net -p iperf3
say() { echo "GUEST $*"; }

arg() { # arg NAME DEFAULT
	for w in $(cat /proc/cmdline); do
		case $w in guest.$1=*) echo "${w#*=}"; return ;; esac
	done
	echo "$2"
}

irqs() { # interrupts so far of the virtio device whose name matches $1
	awk -v n="$1" '$NF ~ n { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) s += $i; else break }
		END { print s + 0 }' /proc/interrupts
}

host=10.77.0.1
reads() { # reads DEVICE: MiB/s of 128 reads of 128 KiB
	local t

	t=$(cut -d' ' -f1 /proc/uptime | tr -d .)
	dd if="$1" of=/dev/null bs=128k count=128 iflag=direct 2>/dev/null || return
	t=$(($(cut -d' ' -f1 /proc/uptime | tr -d .) - t))
	echo $((1600 / (t > 0 ? t : 1)))
}

# Booted from a disk: which, and how fast it is
root=$(sed -n 's|^/dev/\(vd[a-z]*\) / .*|\1|p' /proc/mounts)
if [ -n "$root" ]; then
	say root="$root" root-fs="$(sed -n "s|^/dev/$root / \([^ ]*\).*|\1|p" /proc/mounts)" \
		root-queues="$(ls "/sys/block/$root/mq" | wc -l)" root-read-mib="$(reads "/dev/$root")"
fi
say boot=1 kernel="$(uname -r)" cpus="$(grep -c ^processor /proc/cpuinfo)"
# Virtio devices as /sys/class/net/NAME, in the order of their PCI addresses
nics() {
	for d in $(ls -d /sys/bus/pci/devices/*/virtio*/net/* 2>/dev/null | sort); do
		echo "${d##*/}"
	done
}

feature() { # feature DEVICE BIT: 0 or 1
	cut -c $(($2 + 1)) "/sys/class/net/$1/device/features"
}

dev=
for i in 1 2 3 4 5 6 7 8 9 10; do
	dev=$(nics | head -n 1)
	[ -n "$dev" ] && break
	sleep 0.3
done
[ -n "$dev" ] || { say error=no-network-device; exit 1; }
ip addr add 10.77.0.2/24 dev "$dev"
ip link set "$dev" up
say driver="$(basename "$(readlink "/sys/class/net/$dev/device/driver")")" mtu="$(cat "/sys/class/net/$dev/mtu")" \
	queues="$(ls -d "/sys/class/net/$dev/queues/tx-"* | wc -l)"

# The host takes a second address once it has seen the first boot: that is how the second one knows.
if [ "$(arg reboot 0)" = 1 ] && ! ping -c 1 -W 1 10.77.0.3 >/dev/null 2>&1; then
	ping -c 1 -W 5 "$host" >/dev/null 2>&1 && say first-boot=ok
	sleep 1
	reboot -f
	sleep 60
fi

ping -c 3 -W 5 "$host" >/dev/null 2>&1
n=$(arg pings 50)
ping -i 0.02 -c "$n" -W 5 "$host" >/tmp/ping 2>&1
say ping-sent="$n" ping-got="$(grep -c 'bytes from' /tmp/ping)"
sed -n 's/.*time=\([0-9.]*\) ms/\1/p' /tmp/ping | sort -n | awk '{ v[NR] = $1 } END {
	if (NR) printf "GUEST ping-p50-us=%d ping-p99-us=%d\n", v[int((NR + 1) / 2)] * 1000,
		v[int(NR * 0.99 + 0.999)] * 1000 }'

secs=$(arg secs 3)
mbit() { sed -n 's/.* \([0-9.]*\) Mbits\/sec.*receiver.*/\1/p' "$1"; }
round=0
while [ $((round += 1)) -le "$(arg rounds 1)" ]; do
	for dir in out in; do
		r=; [ $dir = in ] && r=-R
		rx=$(irqs input); tx=$(irqs output)
		iperf3 -c "$host" -t "$secs" -f m -P "$(arg streams 1)" $r >/tmp/iperf 2>&1
		m=$(mbit /tmp/iperf | tail -n 1)
		[ -n "$m" ] || { say "error=iperf3-$dir"; tail -n 3 /tmp/iperf; }
		say "iperf-$dir-mbit=${m:-0} irq-rx-$dir=$(($(irqs input) - rx)) irq-tx-$dir=$(($(irqs output) - tx))"
	done
done
second=$(nics | sed -n 2p)
if [ -n "$second" ]; then
	ip addr add 10.78.0.2/24 dev "$second"
	ip link set "$second" up
	say second-packed="$(feature "$second" 34)" second-in-order="$(feature "$second" 35)"
	ping -c 2 -W 5 10.78.0.1 >/dev/null 2>&1
	say second-ping-got="$(ping -i 0.02 -c 20 -W 5 10.78.0.1 | grep -c 'bytes from')"
	for dir in out in; do
		r=; [ $dir = in ] && r=-R
		iperf3 -c 10.78.0.1 -t 1 -f m $r >/tmp/iperf 2>&1
		m=$(mbit /tmp/iperf | tail -n 1)
		say "second-iperf-$dir-mbit=${m:-0}"
	done
fi
say done=1
poweroff -f
