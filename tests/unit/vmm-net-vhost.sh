#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The control queue of a NIC, and -netdev vhost-user: a NIC on a process that shunt did not start. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
. "$(dirname "$0")/vmm-devs-env"
need_kvm
cd "$tmp" || exit 1
net=${shunt%/*}/shunt-net
base+=(-m 32)
nic=(-device virtio-net-pci,netdev=n)
tap=''
cleanup() {
	# shellcheck disable=SC2046 # one word a process
	kill $(jobs -p) 2> /dev/null
	[ -z "$tap" ] || ip link del "$tap" 2> /dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# serve ARGUMENTS...: shunt-net listens at the socket s; $peer is its PID
serve() {
	rm -f s
	"$net" --socket-path=s --backend=user "$@" 2> peer.err &
	peer=$!
	for ((i = 0; i < 200; i++)); do [ ! -S s ] || return 0; sleep 0.05; done
	return 1
}

start virtio_ctrl "" -netdev user,id=n "${nic[@]}"
verdict "a process of shunt's: commands"

# announced: ask for it when the guest says that it waits, twice
announced() {
	local i n

	for n in 1 2; do
		for ((i = 0; i < 200; i++)); do
			[ "$(grep -c '^# announce' out)" != $n ] || break
			sleep 0.05
		done
		is "$(monitor announce_self)" "" "announce_self"
		[ $# = 0 ] || "$@"
	done
}

# What was asked for stays when the process is killed before the driver has answered.
kill_net() {
	sleep 0.1
	kill -9 "$(pgrep -x -P "$pid" shunt-net)"
}

start virtio_ctrl "announce" -netdev user,id=n "${nic[@]}"
announced
verdict "announce_self: the driver is asked, and says that it has done it"
start virtio_ctrl "announce pause=500" -netdev user,id=n "${nic[@]},packed=on"
announced kill_net
verdict "announce_self: killed before the driver has answered"
start virtio_arp "rounds=30 pause=100" -netdev user,id=n "${nic[@]},guest_announce=off"
ready
is "$(monitor announce_self)" "virtio-net-pci: neither its driver nor its back end does that" "announce_self: nobody does it"
verdict "announce_self: a guest that is not asked"
start virtio_ctrl "rounds=12 pause=100" -netdev user,id=n "${nic[@]},packed=on"
ready
kill_often shunt-net 0.4 3
verdict "killed $n times: what commands had set stays"
check "it was killed" test $n -ge 2

vu=(-chardev socket,id=c,path=s -netdev vhost-user,id=n,chardev=c)
serve
start virtio_ctrl "" "${vu[@]}" "${nic[@]}"
verdict "vhost-user: commands, on an address that the process was not started with"
is "$(cat err)" "" "vhost-user: nothing was said"
start virtio_arp "packed" "${vu[@]},vhostforce=on" "${nic[@]},packed=on"
verdict "vhost-user: packed rings"
run "${base[@]}" -kernel "$top/build/payload/exit.elf" "${vu[@]},queues=2" "${nic[@]},mq=on"
is "$got $(cat err)" "1 shunt: virtio-net-pci: the process has fewer queues" "vhost-user: more pairs than the process has"
run "${base[@]}" -kernel "$top/build/payload/exit.elf" -netdev vhost-user,id=n,chardev=c "${nic[@]}"
is "$got $(cat err)" "1 shunt: -netdev n: chardev=c: no such -chardev" "vhost-user: no such chardev"

start virtio_ctrl "rounds=15 pause=100" -chardev socket,id=c,path=s,reconnect=1 -netdev vhost-user,id=n,chardev=c "${nic[@]}"
ready
sleep 0.3
kill -9 "$peer"
wait "$peer" 2> /dev/null
serve
verdict "vhost-user: killed and started anew, what commands had set stays"
kill "$peer"
wait "$peer"

if [ "$(id -u)" = 0 ] && ip tuntap add "vq$$" mode tap vnet_hdr multi_queue 2> /dev/null; then
	tap=vq$$
	echo 1 > "/proc/sys/net/ipv6/conf/$tap/disable_ipv6" 2> /dev/null
	ip link set "$tap" up
	"$top/tests/payload/net_peer.py" "$tap" > peer &
	for ((i = 0; i < 100; i++)); do ! grep -q ready peer || break; sleep 0.1; done
	start virtio_ctrl "pairs=3" -netdev "tap,id=n,ifname=$tap,script=no,downscript=no,queues=3" "${nic[@]},mq=on"
	verdict "a tap of three queues: pairs"
	is "$(cat err)" "" "a tap of three queues: nothing was said"
	kill %?net_peer
	python3 - "$tap" > rarp <<-'P' &
		import socket, sys
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
		s.bind((sys.argv[1], 0x8035))
		print("ready", flush=True)
		print(s.recv(100)[:22].hex(), flush=True)
	P
	for ((i = 0; i < 100; i++)); do ! grep -q ready rarp || break; sleep 0.1; done
	start virtio_load "" -netdev "tap,id=n,ifname=$tap,script=no,downscript=no,queues=3" "${nic[@]}"
	ready
	is "$(monitor announce_self)" "" "announce_self: a driver that does not do that"
	for ((i = 0; i < 100; i++)); do [ "$(wc -l < rarp)" != 2 ] || break; sleep 0.1; done
	is "$(tail -1 rarp)" "ffffffffffff5254001234568035""0001080006040003" "announce_self: its process does it, by RARP"
	kill "$pid"
	wait "$pid"
else
	skip "a tap of three queues" "none can be made"
fi
done_testing
