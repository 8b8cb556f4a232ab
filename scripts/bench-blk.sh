#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/bench-blk.sh [-q] [-i] [-k 6.1|6.12] [-n RUNS] [-s SECONDS] [-w HOW]
#
# Requests to one block device in turn by /dev/vhost-blk, driven from user space and with no guest, by
# the shortest loop on io_uring with fixed buffers (both: shunt-bench), and by fio on io_uring; all in one
# boot of the lab. Prints medians of requests a second and of the median latency, and the ratios of the
# first to the other two. The devices are null_blk and loop on a file in tmpfs.
#
#	-q	quick: one run of each
#	-i	instead: instructions for each request, in the counting lab: the worker's, and everybody's
#	-w	how the driver of the first waits: call (sleeps until it is called, as the others do), yield, spin
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

runs=3 secs=1 kernels="6.1 6.12" how=call counting='' inside=''
[ "${1:-}" != --inside ] || { shift; inside=1; }
while getopts qik:n:s:w: o; do
	case $o in
	q)	runs=1 ;;
	i)	counting=--icount ;;
	k)	kernels=$OPTARG ;;
	n)	runs=$OPTARG ;;
	s)	secs=$OPTARG ;;
	w)	how=$OPTARG ;;
	*)	sed -n '4,/^set/s/^#\t\{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
bench=$top/build/bin/shunt-bench

# name, then the arguments of all three
cases=(
	"randread-1 randread 4096 1"
	"randread-32 randread 4096 32"
	"randread-128 randread 4096 128"
	"randwrite-1 randwrite 4096 1"
	"randwrite-32 randwrite 4096 32"
	"randwrite-128 randwrite 4096 128"
	"read-128k read 131072 32"
	"write-128k write 131072 32"
)

# run_fio DEVICE RW BS DEPTH ARGUMENT...: requests a second and microseconds
run_fio() {
	local dev=$1 rw=$2 bs=$3 depth=$4

	shift 4
	fio --name=fio --filename="$dev" --ioengine=io_uring --direct=1 --thread --norandommap --rw="$rw" \
		--bs="$bs" --iodepth="$depth" "$@" --output-format=json | python3 -c '
import json, sys
job = json.load(sys.stdin)["jobs"][0]
io = max(job["read"], job["write"], key=lambda x: x["total_ios"])
print("%.0f %.1f" % (io["iops"], io["clat_ns"]["percentile"]["50.000000"] / 1e3))'
}

# one SIDE DEVICE RW BS DEPTH: requests a second and microseconds
one() {
	local side=$1 dev=$2 rw=$3 bs=$4 depth=$5

	if [ "$side" = fio ]; then
		run_fio "$dev" "$rw" "$bs" "$depth" --time_based --runtime="$secs"
		return
	fi
	"$bench" "$side" --file "$dev" --rw "$rw" --bs "$bs" --depth "$depth" --wait "$how" --indirect \
		--warmup 200 --count 100000000 --time "$secs" |
		sed -n 's/^iops=//p; s/^latency_p50_us=//p' | tr '\n' ' '
	echo
}

# Lines "SERIES DEVICE CASE SIDE REQUESTS/S MICROSECONDS"
measure() {
	local name=$1 dev=$2 run c side

	for ((run = 1; run <= runs; run++)); do
		say "  run $run of $runs: $name"
		for c in "${cases[@]}"; do
			for side in blk uring fio; do
				# shellcheck disable=SC2086 # words
				echo "$kernels $name ${c%% *} $side $(one $side "$dev" ${c#* })"
			done
		done
	done
}

# value NAME ARGUMENT...: a line of shunt-bench's
value() {
	local name=$1

	shift
	"$bench" "$@" --indirect --warmup 500 --count 5000 | sed -n "s/^$name=//p"
}

# Lines of the table of instructions
count() {
	local name=$1 dev=$2 c queues layout all uring fio args

	for c in randread-1:1: randread-32:1: randread-32:2: randwrite-32:1: randread-32:1:--packed \
		randread-128:1:; do
		IFS=: read -r c queues layout <<<"$c"
		args="--file $dev --rw ${c%-*} --depth $((${c#*-} / queues)) --queues $queues $layout"
		# shellcheck disable=SC2086 # words
		all=$(value iops blk $args --wait call)
		# shellcheck disable=SC2086 # words
		uring=$(value iops uring $args)
		fio=$(run_fio "$dev" "${c%-*}" 4096 "${c#*-}" --number_ios=5000)
		[ "$queues" = 1 ] || layout+="${layout:+, }$queues queues"
		# shellcheck disable=SC2086 # words
		printf '%-6s %-5s %-24s %8.0f %10.0f %8.0f %8.0f\n' "$kernels" "$name" \
			"$c${layout:+, ${layout#--}}" "$(value worker_ns_per_request blk $args --wait yield)" \
			$((1000000000 / all)) $((1000000000 / uring)) $((1000000000 / ${fio% *}))
	done
}

if [ "$inside" ]; then
	"$top/scripts/load.sh" ours >/dev/null
	modprobe null_blk nr_devices=1 gb=1
	modprobe loop
	truncate -s 256M /dev/shm/bench-blk
	# What is not there yet would be allocated by whoever comes first.
	dd if=/dev/zero of=/dev/shm/bench-blk bs=1M count=256 conv=notrunc status=none
	loop=$(losetup -f --show /dev/shm/bench-blk)
	trap 'losetup -d "$loop"; modprobe -r null_blk' EXIT
	what=measure
	[ -z "$counting" ] || what=count
	$what null /dev/nullb0
	$what loop "$loop"
	exit
fi

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
		key = $1 " " $2 " " $3
		if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
		rate[key, $4] = rate[key, $4] " " $5
		us[key, $4] = us[key, $4] " " $6
	}
	END {
		printf "%-6s %-5s %-14s %9s %9s %9s %7s %7s %8s %8s %8s\n", "kernel", "disk", "case",
			"vhost-blk", "uring", "fio", "/uring", "/fio", "us", "uring", "fio"
		for (i = 1; i <= keys; i++) {
			split(order[i], k, " ")
			b = median(rate[order[i], "blk"]); u = median(rate[order[i], "uring"])
			f = median(rate[order[i], "fio"])
			printf "%-6s %-5s %-14s %9.0f %9.0f %9.0f %7.2f %7.2f %8.1f %8.1f %8.1f\n", k[1], k[2],
				k[3], b, u, f, b / u, b / f, median(us[order[i], "blk"]),
				median(us[order[i], "uring"]), median(us[order[i], "fio"])
		}
		if (!keys)
			exit 1
	}'
}

make -C "$top" user >/dev/null
for k in $kernels; do
	make -C "$top" modules KDIR="$("$top/scripts/kernel.sh" kdir "$k")" >/dev/null
done
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for k in $kernels; do
	say "bench-blk: $k, $runs runs"
	"$top/tests/lab/run" -k "$k" ${counting:+"$counting"} -t 1800 -- "$top/scripts/bench-blk.sh" \
		--inside ${counting:+-i} -k "$k" -n "$runs" -s "$secs" -w "$how" >>"$results" ||
		{ cat "$results" >&2; die "the lab failed on $k"; }
done
if [ "$counting" ]; then
	echo "Instructions for each request: the worker's; all, with driver and device, on one processor; all of the"
	echo "same with io_uring and fixed buffers; with fio"
	printf '%-6s %-5s %-24s %8s %10s %8s %8s\n' kernel disk case worker all uring fio
	cat "$results"
else
	echo "Requests a second, and microseconds to the completion of half of them (median of $runs):"
	table <"$results"
fi
