#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/bench.sh [-q] [-k 6.1|6.12] [-n RUNS] [-c PACKETS]
#
# What a 64-byte packet costs the vhost worker, in instructions: stock vhost_net and ours, loaded in
# turn in one boot of the instruction-counting lab, driven from user space. Prints the medians and
# the ratio stock / ours (more than 1: ours is cheaper), and the lowest ratio of neighbouring runs.
#
#	tx-64		bursts of 32, ring of 256, EVENT_IDX
#	rx-64		the same; the frames of a burst are all in the tap before the worker runs
#	rx-64-trickle	the worker may run after each frame
#	...-packed	packed ring, and ...-in-order: IN_ORDER. Stock has neither: its split ring is the
#			measure
#
#	-q	quick: 2 runs of 20000 packets
#	-k	one kernel only
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

runs=5 packets=50000 kernels="6.1 6.12"
while getopts qk:n:c: o; do
	case $o in
	q)	runs=2 packets=20000 ;;
	k)	kernels=$OPTARG ;;
	n)	runs=$OPTARG ;;
	c)	packets=$OPTARG ;;
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
	"tx-64-packed net-tx --packed"
	"rx-64-packed net-rx --packed"
	"tx-64-in-order net-tx --in-order"
	"rx-64-in-order net-rx --in-order"
	"tx-64-packed-in-order net-tx --packed --in-order"
	"rx-64-packed-in-order net-rx --packed --in-order"
)

# Whether the loaded modules have what the case takes
has() {
	[[ $1 != *--packed* ]] || vhost_offers 34 || return 1
	[[ $1 != *--in-order* ]] || vhost_offers 35
}

# Inside the lab: one line "SERIES MODULES CASE INSTRUCTIONS PACKETS/S" a run.
measure() {
	local run which c line

	for ((run = 0; run < runs; run++)); do
		for which in stock ours; do
			"$top/scripts/load.sh" $which >/dev/null
			for c in "${cases[@]}"; do
				has "$c" || continue
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
	awk '
	function median(list,	v, n, i, j, t) {
		n = split(list, v)
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	{
		key = $1 " " $3
		if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
		cost[key, $2] = cost[key, $2] " " $4
		base = key
		sub(/(-packed)?(-in-order)?$/, "", base)
		is_base[key] = base
		if ($2 == "ours") {
			q = last[base] / $4
			if (!(key in low) || q < low[key])
				low[key] = q
		} else
			last[key] = $4
	}
	END {
		printf "%-6s %-22s %10s %10s %8s %8s\n", "kernel", "case", "stock", "ours", "ratio",
			"lowest"
		for (i = 1; i <= keys; i++) {
			split(order[i], k, " ")
			s = median(cost[is_base[order[i]], "stock"]); o = median(cost[order[i], "ours"])
			printf "%-6s %-22s %10.0f %10.0f %8.3f %8.3f\n", k[1], k[2], s, o, s / o,
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
	"$top/tests/lab/run" -k "$k" --icount -t 1800 -- \
		env SHUNT_BENCH_INSIDE="$k" "$top/scripts/bench.sh" -n "$runs" -c "$packets" \
		>>"$results" ||
		{ cat "$results" >&2; die "the lab failed on $k"; }
done
echo "Instructions of the worker for each 64-byte packet (median of $runs; ratio stock / ours):"
table <"$results"
