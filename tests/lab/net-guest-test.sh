# SPDX-License-Identifier: GPL-2.0
# A stock Debian guest on our modules, in one VMM: what tests/lab/t/net-{shunt,qemu}.sh share.
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/scripts/common.sh"

# net_guest_test VMM CPUS QUEUES [PROPERTIES]: boots, reboots, pings, runs iperf3 both ways, does the same with a
# packed ring and PROPERTIES, powers off
net_guest_test() {
	local vmm=$1 cpus=$2 queues=$3 more=${4:-} series guest out taps packed=0
	declare -A r=()

	series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
	guest=$SHUNT_TOP/build/guest/$series
	modprobe -q kvm_amd || modprobe -q kvm_intel
	"$SHUNT_TOP/scripts/load.sh" ours | sed 's/^/# /'
	vhost_offers 34 && packed=1
	taps=$(ls /sys/class/net)
	out=$("$SHUNT_TOP/scripts/net-guest.sh" -v "$vmm" -b "$guest/vmlinux" -i "$guest/initramfs-net" \
		-c "$cpus" -q "$queues" -s 2 -n 30 -r -t 150 -2 "packed=on${more:+,$more}")
	sed 's/^\([^#]\)/# \1/' <<<"$out"
	while IFS='=' read -r key value; do r[$key]=$value; done < <(grep -v '^#' <<<"$out" | grep =)

	mbit() { awk -v v="${r[$1]:-0}" 'BEGIN { exit !(v > 1) }'; }
	check "$vmm: the worker is a thread named ${r[worker]:-vhost-PID}" test -n "${r[worker]:-}"
	is "${r[driver]:-}" "virtio_net" "$vmm: the guest drives it with its own virtio_net"
	is "${r[first-boot]:-}" "ok" "$vmm: network before the reboot"
	is "${r[ping-got]:-}" "30" "$vmm: every ping of the second boot answered"
	is "${r[queues]:-}" "$queues" "$vmm: $queues transmit queue(s) in the guest"
	check "$vmm: iperf3, guest to host" mbit iperf-out-mbit
	check "$vmm: iperf3, host to guest" mbit iperf-in-mbit
	check "$vmm: interrupts arrived by the receive vector" test "${r[irq-rx-in]:-0}" -gt 0
	is "${r[second-packed]:-}" "$packed" "$vmm: the second device has packed rings if the module has"
	# The driver in neither kernel knows it: offered, it is left alone.
	is "${r[second-in-order]:-}" "0" "$vmm: and not IN_ORDER${more:+, with $more}"
	is "${r[second-ping-got]:-}" "20" "$vmm: every ping through it answered"
	check "$vmm: iperf3 through it, guest to host" mbit second-iperf-out-mbit
	check "$vmm: iperf3 through it, host to guest" mbit second-iperf-in-mbit
	is "${r[status]:-}" "0" "$vmm: the guest powered off and the VMM ended with status 0"
	check "$vmm: no tap is left behind" test "$(ls /sys/class/net)" = "$taps"
	check "$vmm: the modules unload" "$SHUNT_TOP/scripts/load.sh" none
}
