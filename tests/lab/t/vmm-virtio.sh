#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# virtio-net-pci on our modules as shunt wires it: no exit to user space for a packet, every way to
# interrupt and to notify, killed under load, refused properties. MODULES=stock: the kernel's own.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/payload/misread.sh"
shunt=$SHUNT_TOP/build/bin/shunt
payload=$SHUNT_TOP/build/payload
kills=${SHUNT_KILLS:-10}
misreads=0
tmp=$(mktemp -d)
pid= peer=
cleanup() {
	[ -z "$pid" ] || kill -9 "$pid" 2> /dev/null
	[ -z "$peer" ] || kill "$peer" 2> /dev/null
	ip link del vt0 2> /dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
cd "$tmp" || exit 1
modprobe -q kvm_amd || modprobe -q kvm_intel
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
"$SHUNT_TOP/scripts/load.sh" "${MODULES:-ours}" > /dev/null || { echo "Bail out! no modules"; exit 1; }
ip tuntap add vt0 mode tap vnet_hdr
echo 1 > /proc/sys/net/ipv6/conf/vt0/disable_ipv6 2> /dev/null
ip link set vt0 up
# A fresh one for each guest: what the last had asked for is not answered to the next.
peer_up() {
	local i

	peer_down
	"$SHUNT_TOP/tests/payload/net_peer.py" vt0 > peer &
	peer=$!
	for ((i = 0; i < 100; i++)); do
		! grep -q ready peer || break
		sleep 0.1
	done
}

peer_down() {
	[ -n "$peer" ] || return 0
	kill -9 "$peer"
	wait "$peer" 2> /dev/null
	peer=
}

base=(-m 32 -nodefaults -display none -no-reboot -device isa-debug-exit,iobase=0x501,iosize=0x4)
tap=(-netdev tap,id=n0,ifname=vt0,script=no,downscript=no,vhost=on)

# start PAYLOAD APPEND DEVICE-OPTIONS: in the background, output in ./out, ready to go
start() {
	: > out
	peer_up
	ram_file ram 32
	rm -f mon
	"$shunt" "${base[@]}" -monitor unix:mon,server=on,wait=off -serial stdio -kernel "$payload/$1.elf" -append "$2" "${tap[@]}" \
		-device "virtio-net-pci,netdev=n0$3" -mem-path ram < /dev/null > out 2> err &
	pid=$!
}

ready() {
	local i

	for ((i = 0; i < 300; i++)); do
		grep -q '^# ready' out && return 0
		kill -0 "$pid" 2> /dev/null || break
		sleep 0.1
	done
	tail out err
	return 1
}

# Exits to user space so far, by port and by memory.
exits() { cat /sys/kernel/debug/kvm/"$pid"-*/{mmio,io}_exits | awk '{ n += $1 } END { print n }'; }
received() { cat /sys/class/net/vt0/statistics/"$1"_packets; }

# What a guest under load costs in three seconds, in $n, $rx and $tx; not, if it dies meanwhile.
load() {
	start virtio_load "" ""
	ready || return 1
	worker=$(cat /proc/"$pid"/task/*/comm; pgrep -x "vhost-$pid" > /dev/null && echo "vhost-$pid")
	n=$(exits) rx=$(received rx) tx=$(received tx)
	sleep 3
	kill -0 "$pid" 2> /dev/null || return 1
	n=$(($(exits) - n)) rx=$(($(received rx) - rx)) tx=$(($(received tx) - tx))
}

worker='' n=0 rx=0 tx=0
until load && loaded=1; do
	loaded=
	misread virtio_load ram err && [ $((misreads += 1)) -lt 3 ] || break
done
check "traffic flows" test -n "$loaded"
like "$worker" "^vhost-$pid$" "the worker is named after the VMM"
check "frames both ways meanwhile ($rx out, $tx in)" test "$rx" -gt 100 -a "$tx" -gt 100
check "no exit to user space for a packet ($n in all)" test "$n" -le $((rx / 100 + 2))
kill -TERM "$pid"
wait "$pid"
is $? 0 "SIGTERM under load: a clean end"
pid=

# Each way to be notified and to interrupt; the payload's own checks decide.
for how in "vectors=0" "ioeventfd=off" "vectors=0,ioeventfd=off" "rx_queue_size=1024,tx_queue_size=512" \
	"mrg_rxbuf=off,event_idx=off,indirect_desc=off" "addr=1e.0,vectors=64"; do
	for _ in 1 2; do
		start virtio_net "$([[ $how != vectors=0* ]] || echo intx)" ",$how"
		timeout 60 tail --pid="$pid" -f /dev/null || kill -9 "$pid"
		wait "$pid"
		rc=$?
		[ $rc != 1 ] && misread virtio_net ram err || break
	done
	is $rc 1 "$how: the guest is content"
	[ ! -s err ] || note "$(cat err)"
	grep '^not ok' out | sed 's/^/# /'
	pid=
done

ok=0
for ((i = 0; i < kills; i++)); do
	start virtio_load "" ""
	ready > /dev/null && loaded=1 || loaded=
	sleep 0.$((RANDOM % 4))
	if ! kill -9 "$pid" 2> /dev/null || [ -z "$loaded" ]; then
		misread virtio_load ram err && [ $((misreads += 1)) -lt 3 ] || break
		i=$((i - 1))
		continue
	fi
	wait "$pid" 2> /dev/null
	pgrep -x "vhost-$pid" > /dev/null && sleep 0.5
	pgrep -x "vhost-$pid" > /dev/null || ok=$((ok + 1))
	pid=
done
is "$ok" "$kills" "killed under load $kills times, and no worker stays"

# ends PAYLOAD: wait for it; $rc is how it ended
ends() {
	timeout 60 tail --pid="$pid" -f /dev/null || kill -9 "$pid"
	wait "$pid"
	rc=$?
	pid=
	grep '^not ok' out | sed 's/^/# /'
	[ $rc = 1 ] || ! misread "$1" ram err
}

# The control queue, which a process has: what it is told is done to the tap, and outlives it.
ip addr add 10.0.2.2/24 dev vt0
for _ in 1 2; do
	start virtio_ctrl kernel ""
	! ends virtio_ctrl || break
done
is "$rc $(grep -c '^not ok' out) $(cat err)" "1 0 " "control queue: commands"
for _ in 1 2; do
	start virtio_ctrl "kernel announce" ""
	for n in 1 2; do
		for ((i = 0; i < 300; i++)); do
			[ "$(grep -c '^# announce' out)" != $n ] || break
			sleep 0.1
		done
		"$SHUNT_TOP/tests/monitor.py" mon announce_self
	done
	! ends virtio_ctrl || break
done
is "$rc $(grep -c '^not ok' out) $(grep -c 'and has: 2 times' out) $(cat err)" "1 0 1 " "control queue: announce_self"
for _ in 1 2; do
	start virtio_ctrl "kernel packed rounds=40 pause=100" ",packed=on"
	ready > /dev/null
	died=0
	while [ $died -lt 3 ] && kill -0 "$pid" 2> /dev/null; do
		! pkill -9 -x -P "$pid" shunt-net || died=$((died + 1))
		sleep 0.3
	done
	! ends virtio_ctrl || break
done
is "$rc $(grep -c '^not ok' out)" "1 0" "control queue, packed: its process was killed $died times"
check "control queue, packed: it was" test $died -ge 1
is "$(grep -vc 'shunt-net ([0-9]*) was killed by signal 9$' err)" 0 "control queue, packed: a line each, and no other"
ip link del vt0
ip tuntap add vt0 mode tap vnet_hdr multi_queue
echo 1 > /proc/sys/net/ipv6/conf/vt0/disable_ipv6 2> /dev/null
ip link set vt0 up
one=("${tap[@]}")
tap=(-netdev tap,id=n0,ifname=vt0,script=no,downscript=no,vhost=on,queues=3)
for _ in 1 2; do
	start virtio_ctrl "kernel pairs=3" ",mq=on"
	! ends virtio_ctrl || break
done
is "$rc $(grep -c '^not ok' out) $(cat err)" "1 0 " "three pairs"
for _ in 1 2; do
	start virtio_ctrl "kernel pairs=3 rss" ",mq=on,rss=on"
	! ends virtio_ctrl || break
done
is "$rc $(grep -c '^not ok' out) $(cat err)" "1 0 " "three pairs: the driver says which packets go where"
setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-bpf,-sys_admin "$shunt" "${base[@]}" -kernel "$payload/exit.elf" "${tap[@]}" \
	-device virtio-net-pci,netdev=n0,mq=on,rss=on < /dev/null > out 2> err
is "$? $(cat err)" "1 shunt: -device virtio-net-pci: rss=on: the program that steers packets: Operation not permitted: takes CAP_BPF" \
	"rss=on: not permitted"
for _ in 1 2; do
	start virtio_qreset "idle rounds=4" ",mq=on"
	! ends virtio_qreset || break
done
is "$rc $(grep -c '^not ok' out) $(grep -o 'up to [0-9]*' out) $(cat err)" "1 0 up to 7 " "three pairs: a driver of one resets queues of all"
peer_down
tap=("${one[@]}")
ip link del vt0
ip tuntap add vt0 mode tap vnet_hdr

refused() { # word what device-options
	local err rc

	err=$(timeout 20 "$shunt" "${base[@]}" -kernel "$payload/exit.elf" -serial null "${tap[@]}" "${@:3}" 2>&1)
	rc=$?
	is "$rc $(wc -l <<< "$err")" "1 1" "$2: one line, status 1"
	like "$err" "$1" "$2: the line"
}
refused "no such -netdev" "an unknown netdev" -device virtio-net-pci,netdev=n7
refused "rx_queue_size=384: takes a power of two" "a crooked queue" -device virtio-net-pci,netdev=n0,rx_queue_size=384
refused "in use by virtio-net-pci.a" "a netdev twice" -device virtio-net-pci,netdev=n0,id=a -device virtio-net-pci,netdev=n0,id=b
refused "slot 0.0 is taken" "the bridge's slot" -device virtio-net-pci,netdev=n0,addr=0
refused "one of the interfaces" "no interface" -device virtio-net-pci,netdev=n0,disable-legacy=on,disable-modern=on
refused "host_mtu=40" "an MTU that is none" -device virtio-net-pci,netdev=n0,host_mtu=40

# A debugger where KVM has watchpoints; once more if the emulation below it fails.
debugged() { WATCH=1 SHUNT=$shunt "$SHUNT_TOP/tests/unit/vmm-gdb.sh" > gdb.out 2>&1; }
debugged || { sed 's/^/# /' gdb.out; debugged; }
is "$? $(grep -c "^ok.*watchpoint" gdb.out)" "0 1" "GDB: breakpoints in registers, a watchpoint, steps"

peer_down
ip link del vt0
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
