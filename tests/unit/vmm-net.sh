#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# NICs on processes: a network in one of them, a tap in another, and one that is killed. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1
base=(-m 32 -nodefaults -display none -no-reboot -device isa-debug-exit,iobase=0x501,iosize=0x4)
as=() tap='' peer=''
cleanup() {
	[ -z "$peer" ] || kill "$peer" 2> /dev/null
	[ -z "$tap" ] || ip link del "$tap" 2> /dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# start PAYLOAD APPEND ARGUMENTS...: in the background
start() {
	: > out
	"${as[@]}" "$shunt" "${base[@]}" -kernel "$top/build/payload/$1.elf" -serial file:out -append "$2" "${@:3}" \
		< /dev/null > /dev/null 2> err &
	pid=$!
}

nic=(-device virtio-net-pci,netdev=n)
start virtio_arp "" -netdev user,id=n "${nic[@]}"
verdict "user: the gateway answers"
is "$(cat err)" "" "user: nothing is said"
start virtio_arp "packed gateway=9" -netdev user,id=n,net=10.0.2.0/24,host=10.0.2.9,dns=10.0.2.4,ipv6=off,restrict=on \
	-device virtio-net-pci,netdev=n,packed=on,mac=52:54:00:00:00:77
verdict "user: packed rings, and addresses of one's own"
start virtio_arp "" -net nic,model=virtio,macaddr=52:54:00:00:00:78 -net user
verdict "-net nic -net user: the gateway answers"
is "$(cat err)" "" "-net nic -net user: nothing is said"
start virtio_arp "" -M pc-0.13 -enable-kvm -nodefconfig -device virtio-net-pci,vlan=3,id=net0,bus=pci.0,addr=0x3 -net user,vlan=3,name=h0
verdict "vlan=3: the gateway answers"
start virtio_arp "legacy" -netdev user,id=n "${nic[@]},disable-modern=on"
verdict "user: the gateway answers a driver from before virtio 1.0"
run "${base[@]}" -kernel "$top/build/payload/exit.elf" -netdev user,id=n,net=nowhere "${nic[@]}"
is "$got $(cat out err)" "1 shunt-net: --net=nowhere: it takes a network, like 10.0.2.0/24, of 8 to 29 bits" \
	"what is no network is refused by the process, with its line only"

if [ "$(id -u)" = 0 ]; then
	truncate -s 1M disk
	chmod 755 . && touch out err && chmod 666 out err disk
	as=(setpriv --reuid=65534 --regid=65534 --groups="$(stat -c %g /dev/kvm)")
	start virtio_arp "rounds=8 pause=100" -netdev user,id=n,hostfwd=:127.0.0.1:$((20000 + $$ % 20000))-:22 "${nic[@]}" \
		-drive file=disk,if=virtio,format=raw
	ready
	is "$(pgrep -l -P "$pid" | cut -d' ' -f2 | sort | tr '\n' ' ')$(cat "/proc/$pid/comm")" "shunt-blk shunt-net shunt" \
		"without root: a process for each device"
	verdict "without root: the gateway answers"
	as=()
fi

start virtio_arp "rounds=12 pause=200" -netdev user,id=n "${nic[@]}"
ready
n=0
while kill -0 "$pid" 2> /dev/null; do
	sleep 0.5
	! kill -9 "$(pgrep -x -P "$pid" shunt-net)" 2> /dev/null || n=$((n + 1))
done
verdict "killed $n times: the gateway answers still"
check "it was killed" test $n -ge 2

if [ "$(id -u)" = 0 ] && ip tuntap add "vn$$" mode tap vnet_hdr 2> /dev/null; then
	tap=vn$$
	echo 1 > "/proc/sys/net/ipv6/conf/$tap/disable_ipv6" 2> /dev/null
	ip link set "$tap" up
	"$top/tests/payload/net_peer.py" "$tap" > peer &
	peer=$!
	for ((i = 0; i < 100; i++)); do ! grep -q ready peer || break; sleep 0.1; done
	start virtio_net "packed mrg" -netdev "tap,id=n,ifname=$tap,script=no,downscript=no,vhost=off" \
		-device virtio-net-pci,netdev=n,packed=on
	verdict "a tap: frames both ways, packed rings, mergeable buffers"
	for how in "legacy event rounds=50" "legacy intx mrg rxbuf=512 rounds=50"; do
		# the process before ends a moment after its VMM
		for ((i = 0; i < 100; i++)); do ! grep -qs 1 "/sys/class/net/$tap/carrier" || sleep 0.1; done
		start virtio_net "$how" -netdev "tap,id=n,ifname=$tap,script=no,downscript=no,vhost=off" "${nic[@]},disable-legacy=off"
		verdict "a tap: $how"
	done
else
	skip "a tap" "none can be made"
fi

if ! "${shunt%/*}/shunt-net" --print-capabilities | grep -q af-xdp ||
	! unshare -n python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW)' 2> /dev/null; then
	skip "af-xdp" "shunt-net was built without libxdp, or there are no such sockets"
	done_testing
fi
as=(unshare -n sh -c 'ip link add v0 type veth peer v1 && ip addr add 10.0.2.2/24 dev v1 && ip link set v0 up &&
	ip link set v1 up && exec "$@"' sh)
start virtio_arp packed -netdev af-xdp,id=n,ifname=v0,mode=native,force-copy=on -device virtio-net-pci,netdev=n,packed=on
verdict "af-xdp: the other end of a veth pair answers"
start exit "" -netdev af-xdp,id=n,ifname=v0,start-queue=9 "${nic[@]}"
wait $pid
is "$? $(cat err)" "1 shunt-net: --ifname=v0: queue 9: Invalid argument (does it have as many queues?)" \
	"af-xdp: a queue that the interface does not have is refused by the process, with its line only"
done_testing
