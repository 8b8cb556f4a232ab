#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest whose root disk and NIC are served by processes, and whose network is in one of
# them. Speaks to whoever reads the serial port in lines "GUEST key=value".
# guest: -r -M virtio_net
say() { echo "GUEST $*"; }

root=$(sed -n 's|^/dev/\(vd[a-z]*\) / .*|\1|p' /proc/mounts)
say kernel="$(uname -r)" root="$root" legacy="$(grep -c virtio-pci-legacy /proc/ioports)"
dd if=/dev/urandom of=/large bs=64k count=64 2>/dev/null
sum=$(sha256sum </large)
sync
echo 3 >/proc/sys/vm/drop_caches
say intact="$([ "$(sha256sum </large)" = "$sum" ] && echo 1)"

for _ in 1 2 3 4 5 6 7 8 9 10; do
	dev=$(ls -d /sys/bus/pci/devices/*/virtio*/net/* 2>/dev/null | head -n 1)
	[ -z "$dev" ] || break
	sleep 0.3
done
dev=${dev##*/}
cat >/dhcp <<'E'
#!/bin/sh
[ "$1" != bound ] || { ip addr add "$ip/24" dev "$interface"; ip route add default via "$router"; }
E
chmod 755 /dhcp
ip link set "$dev" up
udhcpc -i "$dev" -n -q -t 10 -s /dhcp >/dev/null 2>&1
say address="$(ip -4 addr show "$dev" | sed -n 's|.*inet \([^/]*\)/.*|\1|p')"
(echo hello | nc -l -p 23 >/heard) &
say listens=1
say fetched="$(wget -q -O - http://10.0.2.2:8123/file | sha256sum | cut -c 1-16)"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ ! -s /heard ] || break
	sleep 0.5
done
say heard="$(cat /heard)"
poweroff -f
