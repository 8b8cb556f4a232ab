#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/bench.sh [-q] [-r] [-k 6.1|6.12] [-n RUNS] [-c PACKETS] [-C CASES]
#
# What a packet costs the vhost worker, in instructions: stock vhost_net and ours, loaded in
# turn in one boot of the instruction-counting lab, driven from user space. Prints the medians and
# the ratio stock / ours (more than 1: ours is cheaper), and the lowest ratio of neighbouring runs.
#
#	tx-64		bursts of 32, ring of 256, EVENT_IDX
#	rx-64, rx-1500	the same; the frames of a burst are all in the tap before the worker runs
#	rx-64-trickle	the worker may run after each frame
#	rx-...-backlog	the tap is full when the device gets its first buffer; the sender's time is not in
#			the rate
#	...-packed	packed ring, and ...-in-order: IN_ORDER. Stock has neither: its split ring is the
#			measure
#	...-worker	a second worker serves the queue (VHOST_NEW_WORKER)
#	...-regions	509 regions of guest memory, a buffer in each; stock takes 64, and has one here
#	...-log		with a dirty log
#
#	-q	quick: 2 runs of 20000 packets
#	-r	the rate instead, packets/s in the ordinary lab, which feels whoever else uses the machine;
#		the ratio is ours / stock
#	-k	one kernel only
#	-C	an expression (grep -E) for names of cases
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

runs=5 packets=50000 kernels="6.1 6.12" rate='' counting=--icount only=.
while getopts qrk:n:c:C: o; do
	case $o in
	r)	rate=1 counting='' ;;
	q)	runs=2 packets=20000 ;;
	k)	kernels=$OPTARG ;;
	n)	runs=$OPTARG ;;
	c)	packets=$OPTARG ;;
	C)	only=$OPTARG ;;
	*)	sed -n '4,/^set/s/^#\t\{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done

# name, then shunt-bench's arguments
cases=(
	"tx-64 net-tx"
	"tx-64-no-event-idx net-tx --no-event-idx"
	"rx-64 net-rx"
	"rx-64-no-event-idx net-rx --no-event-idx"
	"rx-64-trickle net-rx --trickle"
	"rx-1500 net-rx --size 1500"
	"rx-64-backlog net-rx --backlog"
	"rx-1500-backlog net-rx --size 1500 --backlog"
	"tx-64-worker net-tx --own-worker"
	"tx-64-regions net-tx --regions 509"
	"rx-64-regions net-rx --regions 509"
	"rx-64-log net-rx --log"
	"rx-64-regions-log net-rx --regions 509 --log"
	"tx-64-packed net-tx --packed"
	"rx-64-packed net-rx --packed"
	"tx-64-in-order net-tx --in-order"
	"rx-64-in-order net-rx --in-order"
	"tx-64-packed-in-order net-tx --packed --in-order"
	"rx-64-packed-in-order net-rx --packed --in-order"
)

# Whether the loaded modules, $2, have what the case takes; stock has workers on newer kernels alone
has() {
	[[ $1 != *--own-worker* && $1 != *--regions* || $2 != stock ]] || return 1
	[[ $1 != *--packed* ]] || vhost_offers 34 || return 1
	[[ $1 != *--in-order* ]] || vhost_offers 35
}

# Inside the lab: one line "SERIES MODULES CASE INSTRUCTIONS PACKETS/S" a run.
measure() {
	local run which c line

	for ((run = 1; run <= runs; run++)); do
		for which in stock ours; do
			say "  run $run of $runs: $which"
			"$top/scripts/load.sh" $which >/dev/null
			for c in "${cases[@]}"; do
				grep -qE -- "$only" <<<"${c%% *}" && has "$c" $which || continue
				# shellcheck disable=SC2086 # words
				line=$("$top/build/bin/shunt-bench" ${c#* } --count "$packets") ||
					die "shunt-bench failed on $which: $c"
				echo "$1 $which ${c%% *} $(sed -n '
					s/^worker_ns_per_packet=//p
					s/^packets_per_second=//p' <<<"$line" | tac | tr '\n' ' ')"
			done
		done
	done
	"$top/scripts/load.sh" none >/dev/null
}

table() {
	awk -v rate="$rate" "$median_awk"'
	function ratio(stock, ours) { return rate ? ours / stock : stock / ours }
	BEGIN { col = rate ? 5 : 4 }
	{
		key = $1 " " $3
		if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
		cost[key, $2] = cost[key, $2] " " $col
		base = key
		sub(/-worker|-regions/, "", base)
		sub(/(-packed)?(-in-order)?$/, "", base)
		is_base[key] = base
		if ($2 == "ours") {
			q = ratio(last[base], $col)
			if (!(key in low) || q < low[key])
				low[key] = q
		} else
			last[key] = $col
	}
	END {
		printf "%-6s %-22s %10s %10s %8s %8s\n", "kernel", "case", "stock", "ours", "ratio",
			"lowest"
		for (i = 1; i <= keys; i++) {
			split(order[i], k, " ")
			s = median(cost[is_base[order[i]], "stock"]); o = median(cost[order[i], "ours"])
			printf "%-6s %-22s %10.0f %10.0f %8.3f %8.3f\n", k[1], k[2], s, o, ratio(s, o),
				low[order[i]]
		}
		if (!keys)
			exit 1
	}'
}

if [ "${SHUNT_BENCH_INSIDE:-}" ]; then
	measure "$SHUNT_BENCH_INSIDE"
	exit
fi

make -C "$top" user >/dev/null
for k in $kernels; do
	make -C "$top" modules KDIR="$("$top/scripts/kernel.sh" kdir "$k")" >/dev/null
done
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for k in $kernels; do
	say "bench: $k, $runs runs of $packets packets, stock and ours in turn"
	"$top/tests/lab/run" -k "$k" ${counting:+"$counting"} -t 1800 -- \
		env SHUNT_BENCH_INSIDE="$k" "$top/scripts/bench.sh" -n "$runs" -c "$packets" -C "$only" \
		>>"$results" ||
		{ cat "$results" >&2; die "the lab failed on $k"; }
done
if [ "$rate" ]; then
	echo "Packets a second (median of $runs; ratio ours / stock):"
else
	echo "Instructions of the worker for each packet (median of $runs; ratio stock / ours):"
fi
table <"$results"
