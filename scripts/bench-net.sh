#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets of 64 bytes to and from shunt-net's back end null, on this machine and not in the lab: what queues and
# threads cost, with nothing behind them. The driver is shunt-bench. Prints medians.
#
#	-n RUNS		of each (5)
#	-c COUNT	packets of a run (5000000)
#	-p MICROSECONDS	the longest time that shunt-net polls, for the second column (50)
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"
runs=5 count=5000000 poll=50
while getopts n:c:p: o; do
	case $o in
	n) runs=$OPTARG ;;
	c) count=$OPTARG ;;
	p) poll=$OPTARG ;;
	*) die "see the head of this script" ;;
	esac
done
make -C "$top" user >/dev/null
tmp=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill $pid; rm -rf "$tmp"' EXIT

# run POLL ARGUMENTS...: packets a second, and CPU nanoseconds of the queue for each
run() {
	local us=$1 queue=1 rate before after

	shift
	[ "$1" = net-tx ] || queue=0
	"$top/build/bin/shunt-net" --socket-path="$tmp/s" --backend=null --generate=64 --poll-us="$us" &
	pid=$!
	while [ ! -S "$tmp/s" ]; do sleep 0.1; done
	before=$(ns $queue)
	rate=$("$top/build/bin/shunt-bench" "$@" --device "$tmp/s" --size 64 --warmup 0 --count "$count" |
		sed -n 's/^packets_per_second=//p')
	after=$(ns $queue)
	kill $pid
	wait $pid
	pid=
	echo "$rate $(((after - before) / (count / 1000)))"
}

# ns QUEUE: CPU time of its thread
ns() {
	local t

	for t in /proc/"$pid"/task/*; do
		[ "$(cat "$t/comm")" != "queue-$1" ] || cut -d' ' -f1 "$t/schedstat"
	done
}

# median POLL ARGUMENTS...
median() {
	for _ in $(seq "$runs"); do run "$@"; done | sort -n | sed -n "$(((runs + 1) / 2))p"
}

printf '%-38s %10s %8s %12s %8s\n' "" "packets/s" "ns each" "poll $poll us" "ns each"
for what in "net-tx --wait call --batch 256" "net-tx --wait call --batch 256 --packed" "net-tx --wait spin --batch 32" \
	    "net-rx --wait call"; do
	# shellcheck disable=SC2086 # words
	for us in 0 "$poll"; do median "$us" $what; done |
		awk -v what="$what" '{ rate[NR] = $1; ns[NR] = $2 / 1000 }
			END { printf "%-38s %10d %8.1f %12d %8.1f\n", what, rate[1], ns[1], rate[2], ns[2] }'
done
