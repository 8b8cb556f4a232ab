#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest while it is migrated: fetches the same file over and over into its
# memory until the host says that there is no more, and adds up the last ten. Speaks in lines "GUEST key=value".
# guest: -M virtio_net -p bash
say() { echo "GUEST $*"; }

for _ in 1 2 3 4 5 6 7 8 9 10; do
	dev=$(ls -d /sys/bus/pci/devices/*/virtio*/net/* 2>/dev/null | head -n 1)
	[ -n "$dev" ] && break
	sleep 0.3
done
ip addr add 10.77.0.2/24 dev "${dev##*/}"
ip link set "${dev##*/}" up
# Slowly: what waits to be read lies in pages that nobody but the device has written.
fetch='exec 3<>/dev/tcp/10.77.0.1/8077
read -r word <&3
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	dd bs=256k count=1 iflag=fullblock status=none <&3
	sleep 0.03
done >"$1"
[ "$word" = more ]'
round=0
while bash -c "$fetch" bash "/tmp/$((round % 10))"; do
	round=$((round + 1))
	say round=$round
done
# Added up in the end only: nothing shall keep the guest from receiving in between.
for f in /tmp/?; do
	say sum="$(sha256sum <"$f" | cut -c 1-16)"
done
say done=1
poweroff -f
