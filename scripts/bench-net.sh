#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets of 64 bytes to and from shunt-net, on this machine and not in the lab: by its back end null, which is what
# queues and threads cost with nothing behind them; as root also by a tap and by AF_XDP on a veth pair, in a network
# namespace. The driver is shunt-bench, which is the kernel's end, too. Prints medians. Then null in turn with DPDK's
# vhost, whose testpmd drops and makes packets as null does, where scripts/dpdk.sh has it: both poll, and the ratio of
# medians is printed; it takes two processors that nobody else uses.
#
#	-n RUNS		of each (5)
#	-c COUNT	packets of a run (5000000; a tenth where the kernel has them)
#	-p MICROSECONDS	the longest time that shunt-net polls, for the second column (50)
#	-d		DPDK's alone
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"
runs=5 count=5000000 poll=50 only=
while getopts n:c:p:d o; do
	case $o in
	n) runs=$OPTARG ;;
	c) count=$OPTARG ;;
	p) poll=$OPTARG ;;
	d) only=-d ;;
	*) die "see the head of this script" ;;
	esac
done
make -C "$top" user >/dev/null
if [ -z "${BENCH_NET_INSIDE:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NET_INSIDE=yes exec unshare -n "$0" -n "$runs" -c "$count" -p "$poll" $only
fi
tmp=$(mktemp -d)
pid= pin=
trap '[ -z "$pid" ] || kill $pid; rm -rf "$tmp"' EXIT

# serve BACKEND ARGUMENTS...: a process at $tmp/s that is $pid. testpmd polls with its second processor, and waits with the first.
serve() {
	local back=$1

	shift
	if [ "$back" = dpdk ]; then
		"$testpmd" -l 0,1 --no-huge -m 256 --no-pci --iova-mode=va --no-telemetry --file-prefix "bench$$" \
			--vdev "net_vhost0,iface=$tmp/s,queues=1" -- --forward-mode="$1" --total-num-mbufs=8192 \
			--no-mlockall --auto-start --stats-period=3600 >"$tmp/testpmd" 2>&1 &
	else
		"$top/build/bin/shunt-net" --socket-path="$tmp/s" --backend="$back" "$@" &
	fi
	pid=$!
	while [ ! -S "$tmp/s" ]; do kill -0 $pid && sleep 0.1; done
}

# leave: that process
leave() {
	kill $pid
	wait $pid || [ -f "$tmp/testpmd" ]
	pid=
	rm -f "$tmp/s" "$tmp/testpmd"
}

# rate ARGUMENTS...: packets a second that the driver counts
rate() {
	$pin "$top/build/bin/shunt-bench" "$@" --device "$tmp/s" --size 64 --warmup 0 | sed -n 's/^packets_per_second=//p'
}

# run POLL BACKEND ARGUMENTS...: packets a second, and CPU nanoseconds of the queue for each
run() {
	local us=$1 queue=1 rate before after n=$((count / 10)) back far

	case $2 in
	null) n=$count back="--generate=64" far= ;;
	tap) back="--ifname=t0" far="--tap t0" ;;
	af-xdp) back="--ifname=v0" far="--tap v1" ;;
	esac
	[ "$3" = net-tx ] || queue=0
	# shellcheck disable=SC2086 # words
	serve "$2" $back --poll-us="$us"
	shift 2
	before=$(ns $queue)
	# shellcheck disable=SC2086
	rate=$(rate "$@" $far --count "$n")
	after=$(ns $queue)
	leave
	# The kernel lets go of an interface in its own time.
	[ -z "$far" ] || sleep 0.5
	echo "$rate $(((after - before) / (n / 1000)))"
}

# ns QUEUE: CPU time of its thread
ns() {
	local t

	for t in /proc/"$pid"/task/*; do
		[ "$(cat "$t/comm")" != "queue-$1" ] || cut -d' ' -f1 "$t/schedstat"
	done
}

# median POLL BACKEND ARGUMENTS...
median() {
	for _ in $(seq "$runs"); do run "$@"; done | sort -n | sed -n "$(((runs + 1) / 2))p"
}

# beside ARGUMENTS...: lines "SIDE RATE", of null and of DPDK's vhost in turn; driver and device have a processor each
beside() {
	local mode=rxonly pin="taskset -c 0"

	[ "$1" = net-tx ] || mode=txonly
	for _ in $(seq "$runs"); do
		serve null --generate=64 --poll-us="$poll"
		taskset -cap 1 $pid >/dev/null
		echo "null $(rate "$@" --count "$count")"
		leave
		serve dpdk $mode
		echo "dpdk $(rate "$@" --count "$count")"
		leave
	done
}

# against_dpdk: a table
against_dpdk() {
	local what

	printf '%-45s %12s %12s %8s\n' "both poll, packets/s" "null" "DPDK's vhost" "ratio"
	for what in "net-tx --wait yield --batch 256" "net-tx --wait yield --batch 256 --packed" "net-rx --wait yield"; do
		# shellcheck disable=SC2086 # words
		beside $what | awk -v what="$what" "$median_awk"'{ rate[$1] = rate[$1] " " $2 }
			END { a = median(rate["null"]); b = median(rate["dpdk"]); printf "%-45s %12d %12d %8.2f\n", what, a, b, b ? a / b : 0 }'
	done
}

if [ "$only" ]; then
	testpmd=$("$top/scripts/dpdk.sh")
	against_dpdk
	exit
fi
backends=null
if [ -n "${BENCH_NET_INSIDE:-}" ]; then
	backends="null tap af-xdp"
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	ip tuntap add t0 mode tap vnet_hdr
	ip link add v0 type veth peer v1
	for i in t0 v0 v1; do ip link set $i up; done
fi
printf '%-45s %10s %8s %12s %8s\n' "" "packets/s" "ns each" "poll $poll us" "ns each"
for back in $backends; do
	for what in "net-tx --wait call --batch 256" "net-tx --wait call --batch 256 --packed" \
		    "net-tx --wait spin --batch 32" "net-rx --wait call"; do
		# shellcheck disable=SC2086 # words
		for us in 0 "$poll"; do median "$us" $back $what; done |
			awk -v what="$back $what" '{ rate[NR] = $1; ns[NR] = $2 / 1000 }
				END { printf "%-45s %10d %8.1f %12d %8.1f\n", what, rate[1], ns[1], rate[2], ns[2] }'
	done
done
if testpmd=$("$top/scripts/dpdk.sh" 2>/dev/null); then
	against_dpdk
else
	say "no DPDK's vhost to compare with (run: make setup)"
fi
