#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/bench-scsi.sh [-q] [-i] [-k 6.1|6.12] [-n RUNS] [-s SECONDS] [-c CASES]
#
# Random reads of 4 KiB by /dev/vhost-scsi, stock and ours, loaded in turn in one boot of the lab, driven
# from user space and with no guest (shunt-bench scsi). LUNs are a ramdisk of LIO's and null_blk by iblock.
# Prints medians of requests a second and of the median latency, and ratios ours / stock; then what memory
# the kernel needs for an endpoint with 16 idle queues of 128.
#
#	32		one queue, 32 requests on their way
#	1		one request at a time: look at the latency
#	2x32		two queues, one worker
#	2x32-workers	two queues, each with a worker (stock has that from 6.5 on)
#	...-packed	packed ring, which stock does not have: its split ring is the measure
#
#	-q	quick: one run of each
#	-i	instead: instructions for each request, in the counting lab: the worker's, and everybody's. Stock
#		leaves part of its work to threads that are not the worker.
#	-c	an expression (grep -E) for names of cases; with one that fits none, the memory alone
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

runs=3 secs=1 kernels="6.1 6.12" counting='' inside='' only=.
[ "${1:-}" != --inside ] || { shift; inside=1; }
while getopts qik:n:s:c: o; do
	case $o in
	q)	runs=1 ;;
	i)	counting=--icount ;;
	k)	kernels=$OPTARG ;;
	n)	runs=$OPTARG ;;
	s)	secs=$OPTARG ;;
	c)	only=$OPTARG ;;
	*)	sed -n '4,/^set/s/^#\t\{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
bench=$top/build/bin/shunt-bench
target=$top/build/bin/shunt-target
hold=$top/build/tests/driver/scsi-hold
export VHOST_DEVICE=/dev/vhost-scsi

# name, then shunt-bench's arguments
cases=(
	"1 --depth 1"
	"32 --depth 32"
	"32-packed --depth 32 --packed"
	"2x32 --depth 32 --queues 2"
	"2x32-workers --depth 32 --queues 2 --own-worker"
)

# Whether the loaded module has what the case takes
has() {
	local minor=${kernels#6.}

	[[ $1 != *--packed* ]] || vhost_offers 34 || return 1
	[[ $1 != *--own-worker* || $2 != stock || $minor -ge 5 ]]
}

# value NAMES ARGUMENT...: lines of shunt-bench's, as words
value() {
	local names=$1

	shift
	"$bench" scsi --wwpn "$wwpn" --indirect --warmup 500 "$@" >"$tmp/out" || die "shunt-bench failed: $*"
	for name in $names; do
		sed -n "s/^$name=//p" "$tmp/out" | tr '\n' ' '
	done
}

# Two numbers: requests a second and microseconds, or instructions of the worker and of all
measure() {
	if [ "$counting" ]; then
		value worker_ns_per_request --count 4000 --wait yield "$@"
		echo $((1000000000 / $(value iops --count 4000 --wait call "$@")))
	else
		echo "$(value "iops latency_p50_us" --count 100000000 --time "$secs" --wait call "$@")"
	fi
}

# KiB that the kernel itself uses
kernel_kib() {
	awk '{ kib[$1] = $2 }
	     END { user = kib["Buffers:"] + kib["Cached:"] + kib["AnonPages:"]
		   print kib["MemTotal:"] - kib["MemFree:"] - user }' /proc/meminfo
}
export -f kernel_kib

memory() {
	local before

	sync
	echo 3 >/proc/sys/vm/drop_caches
	before=$(kernel_kib)
	echo $(($("$hold" -q 16 "$wwpn" bash -c kernel_kib) - before))
}

# Lines "SERIES LUN CASE SIDE NUMBER NUMBER"
inside() {
	local run side c disk

	modprobe target_core_mod
	[ -d /sys/kernel/config/target ] || mount -t configfs configfs /sys/kernel/config
	modprobe null_blk nr_devices=1 gb=1
	for ((run = 1; run <= runs; run++)); do
		for side in stock ours; do
			[ $side = stock ] || [ -f "$top/build/modules/$KREL/vhost_scsi.ko" ] || continue
			say "  run $run of $runs: $side"
			"$top/scripts/load.sh" $side vhost_scsi >/dev/null
			for disk in ramdisk:64M iblock:/dev/nullb0; do
				wwpn=$("$target" create "$disk")
				for c in "${cases[@]}"; do
					grep -qE -- "$only" <<<"${c%% *}" && has "$c" $side || continue
					# shellcheck disable=SC2086 # words
					echo "$kernels ${disk%%:*} ${c%% *} $side $(measure ${c#* })"
				done
				[ "$counting" ] || [ $disk = iblock:/dev/nullb0 ] ||
					echo "$kernels ${disk%%:*} memory $side $(memory) 0"
				"$target" remove "$wwpn"
			done
		done
	done
	"$top/scripts/load.sh" none >/dev/null
}

if [ "$inside" ]; then
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	inside
	exit
fi

table() {
	awk -v counting="$counting" "$median_awk"'
	function ratio(a, b) { return a && b ? sprintf("%.2f", b / a) : "-" }
	{
		key = $1 " " $2 " " $3
		if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
		one[key, $4] = one[key, $4] " " $5
		two[key, $4] = two[key, $4] " " $6
	}
	END {
		printf "%-6s %-8s %-14s %9s %9s %6s %9s %9s %6s\n", "kernel", "LUN", "case", "stock", "ours",
			"ratio", "stock", "ours", "ratio"
		for (i = 1; i <= keys; i++) {
			split(order[i], k, " ")
			base = order[i]
			sub(/-(packed|workers)$/, "", base)
			if (median(one[order[i], "stock"]))
				base = order[i]
			s = median(one[base, "stock"]); o = median(one[order[i], "ours"])
			if (k[3] == "memory") {
				mem[++mems] = sprintf("%-6s stock %d KiB, ours %d KiB", k[1], s, o)
				continue
			}
			t = median(two[base, "stock"]); u = median(two[order[i], "ours"])
			printf "%-6s %-8s %-14s %9.0f %9.0f %6s %9.1f %9.1f %6s\n", k[1], k[2], k[3], s, o,
				ratio(s, o), t, u, ratio(t, u)
		}
		if (mems)
			print "Memory of the kernel for 16 idle queues:"
		for (i = 1; i <= mems; i++)
			print mem[i]
		if (!keys)
			exit 1
	}'
}

make -C "$top" user "build/tests/driver/scsi-hold" >/dev/null
for k in $kernels; do
	make -C "$top" modules KDIR="$("$top/scripts/kernel.sh" kdir "$k")" >/dev/null
done
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for k in $kernels; do
	say "bench-scsi: $k, $runs runs, stock and ours in turn"
	"$top/tests/lab/run" -k "$k" ${counting:+"$counting"} -t 1800 -- "$top/scripts/bench-scsi.sh" \
		--inside ${counting:+-i} -k "$k" -n "$runs" -s "$secs" -c "$only" >>"$results" ||
		{ cat "$results" >&2; die "the lab failed on $k"; }
done
if [ "$counting" ]; then
	echo "Instructions for each random read of 4 KiB: the worker's, then all on one processor, with driver and"
	echo "LIO (median of $runs; ratio ours / stock):"
else
	echo "Random reads of 4 KiB a second, then microseconds to the completion of half of them (median of $runs;"
	echo "ratio ours / stock):"
fi
table <"$results"
