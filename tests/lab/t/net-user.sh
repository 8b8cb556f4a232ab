#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-net on this kernel's io_uring and taps, driven by its unit tests; then by a stock guest of QEMU 7.2, which
# has a NIC with two pairs of queues and one with packed rings.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/lab/guest-watch.sh"
modprobe -q -a tun veth macvtap
# The host's kernel has run the others.
for t in tap packet user ${SHUNT_SOAK:+null ctrl xdp}; do
	check "shunt-net-$t.sh" env NET="$SHUNT_TOP/build/bin/shunt-net" timeout 100 "$SHUNT_TOP/tests/unit/shunt-net-$t.sh"
done

series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
dir=$(mktemp -d)
pids=()
cleanup() {
	kill -9 "${pids[@]}"
	wait "${pids[@]}"
	rm -rf "$dir"
}
trap 'cleanup 2> /dev/null' EXIT
cd "$dir" || exit 1
modprobe -q kvm_amd || modprobe -q kvm_intel
ip link set lo up
for i in 0 1; do
	"$SHUNT_TOP/build/bin/shunt-net" --socket-path=nic$i --backend=tap --ifname=nu$i --queue-pairs=$((2 - i)) 2> err$i &
	pids+=($!)
	for ((j = 0; j < 100; j++)); do [ ! -S nic$i ] || break; sleep 0.1; done
	ip addr add 10.7$((7 + i)).0.1/24 dev nu$i
	ip link set nu$i up
	iperf3 -s -B 10.7$((7 + i)).0.1 > /dev/null 2>&1 &
	pids+=($!)
done
: > serial
qemu-system-x86_64 -accel kvm -cpu host -smp 2 -m 256 -object memory-backend-memfd,id=m,size=256M,share=on -M pc,memory-backend=m \
	-nodefaults -display none -no-reboot -serial file:serial -kernel "$guest/vmlinux" -initrd "$guest/initramfs-net" \
	-append "console=ttyS0 quiet panic=-1 guest.pings=20 guest.secs=1" \
	-chardev socket,id=c0,path=nic0 -netdev vhost-user,id=n0,chardev=c0,queues=2 -device virtio-net-pci,netdev=n0,mq=on,vectors=6 \
	-chardev socket,id=c1,path=nic1 -netdev vhost-user,id=n1,chardev=c1 -device virtio-net-pci,netdev=n1,packed=on \
	2> err < /dev/null &
vmm=$!
pids+=("$vmm")
check "a stock guest of QEMU boots" heard "boot=1" 120
check "it comes to its end" heard "done=1" 90
is "$(said ping-got) $(said queues)" "20 2" "every ping answered; two pairs of queues"
check "interrupts arrived by the receive vector" test "$(said irq-rx-in)" -gt 0
is "$(said second-packed) $(said second-ping-got)" "1 20" "every ping answered on packed rings"
for key in iperf-out-mbit iperf-in-mbit second-iperf-out-mbit second-iperf-in-mbit; do
	check "$key" awk -v v="$(said $key)" 'BEGIN { exit !(v > 1) }'
done
wait "$vmm"
is $? 0 "the guest powered off"
is "$(cat err0 err1)" "" "the processes had nothing to say"
grep GUEST serial | sed 's/^/# /'
sed 's/^/# /' err
done_testing
