#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# DPDK's virtio-user driver, unchanged, on our modules: it makes the tap and drives the rings, and
# testpmd answers pings and sends frames through them. Each ring layout that the module offers.
. "$SHUNT_TOP/tests/driver/lab.sh"
tap=dp$$
dir=$(mktemp -d)
pid=''
exec 7>/dev/null

leave() {
	[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
	"$SHUNT_TOP/scripts/load.sh" none >/dev/null 2>&1
	rm -rf "$dir"
}
trap leave EXIT

testpmd=$("$SHUNT_TOP/scripts/dpdk.sh") || { echo "Bail out! no testpmd"; exit 1; }
"$SHUNT_TOP/scripts/load.sh" "${MODULES:-ours}" >/dev/null || { echo "Bail out! no modules"; exit 1; }
mkfifo "$dir/in"

# start OPTIONS: testpmd, which says what it says to $dir/out, much of it at its end; fd 7 is its prompt
start() {
	"$testpmd" --no-huge -m 128 -l 0,1 --no-pci --no-telemetry --file-prefix "$tap" \
		--log-level pmd.net.virtio.driver:info \
		--vdev "net_virtio_user0,path=/dev/vhost-net,iface=$tap,mac=02:00:00:00:00:02,$1" -- \
		-i --forward-mode icmpecho --total-num-mbufs=4096 --burst=16 \
		<"$dir/in" >"$dir/out" 2>&1 &
	pid=$!
	exec 7>"$dir/in"
	for _ in $(seq 300); do
		grep -q '^testpmd> ' "$dir/out" && break
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.1
	done
	ip addr add 10.78.0.1/24 dev "$tap" && ip link set "$tap" up &&
		ip neigh replace 10.78.0.2 lladdr 02:00:00:00:00:02 dev "$tap"
}

stop() {
	echo quit >&7
	exec 7>/dev/null
	wait "$pid"
	status=$?
	pid=''
}

counter() { cat "/sys/class/net/$tap/statistics/rx_packets"; }

# runs NAME OPTIONS FEATURE-BITS...
runs() {
	local got before sent bit want=0 name=$1 options=$2

	shift 2
	for bit; do
		want=$((want | 1 << (bit - 34)))
	done
	if ! start "$options"; then
		fail "$name: testpmd starts"
		note "$(tail -n 20 "$dir/out")"
		return
	fi
	echo start >&7
	got=$(ping -q -i 0.01 -c 100 -W 2 10.78.0.2 | sed -n 's/.* \([0-9]*\) received.*/\1/p')
	is "${got:-0}" 100 "$name: testpmd answers pings"
	got=$(ping -q -i 0.01 -c 30 -s 1400 -W 2 10.78.0.2 | sed -n 's/.* \([0-9]*\) received.*/\1/p')
	is "${got:-0}" 30 "$name: and large ones"
	# As many frames as go: what testpmd says it sent came out of the tap.
	printf 'stop\nset fwd txonly\nclear port stats all\n' >&7
	sleep 0.3
	before=$(counter)
	echo start >&7
	sleep 0.5
	echo stop >&7
	# What lies in the ring by then still comes.
	until got=$(counter) && sleep 0.3 && [ "$(counter)" = "$got" ]; do :; done
	got=$((got - before))
	echo 'show port stats 0' >&7
	stop
	sent=$(sed -n 's/.*TX-packets: \([0-9]*\) *TX-errors.*/\1/p' "$dir/out")
	is "$got" "${sent:-none}" "$name: all frames came out of the tap"
	check "$name: which were many" test "$got" -gt 1000
	is "$status" 0 "$name: testpmd ended by itself"
	got=$(sed -n 's/.*set features: 0x\([0-9a-f]*\).*/\1/p' "$dir/out" | tail -n 1)
	got=$((0x${got:-0} >> 34 & 3))
	is "$got" "$want" "$name: RING_PACKED and IN_ORDER as wanted"
}

runs split packed_vq=0,in_order=0
for layout in "packed packed_vq=1,in_order=0 34" "in_order packed_vq=0,in_order=1 35" \
	      "packed-in_order packed_vq=1,in_order=1 34 35"; do
	read -r name options bits <<<"$layout"
	# shellcheck disable=SC2086 # words
	if vhost_offers $bits; then
		# shellcheck disable=SC2086 # words
		runs "$name" "$options" $bits
	else
		skip "$name" "the module does not offer it"
	fi
done
done_testing
