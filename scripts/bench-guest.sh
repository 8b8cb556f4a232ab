#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/bench-guest.sh [-k 6.1|6.12] [-n PAIRS] [-r ROUNDS] [-s SECONDS] [-I]
#
# iperf3 both ways and ping under the same stock guest in QEMU, our vhost_net against the stock one:
# both in one boot, alternating, medians and the ratio of each pair. On the host itself where it takes
# modules and has KVM, else in the lab. -I: in the instruction-counting lab, whose clock does not feel what
# else the host does (slow).
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

k=6.1; pairs=3; rounds=3; secs=3; icount=
if [ "${1:-}" = --inside ]; then
	shift
	inside=1
fi
while getopts k:n:r:s:I o; do
	case $o in
	k) k=$OPTARG ;; n) pairs=$OPTARG ;; r) rounds=$OPTARG ;; s) secs=$OPTARG ;; I) icount=--icount ;;
	*) die "usage: ${0##*/} [-k SERIES] [-n PAIRS] [-r ROUNDS] [-s SECONDS] [-I]" ;;
	esac
done
guest=$top/build/guest/$k

if [ -z "${inside:-}" ]; then
	"$top/tests/lab/guest-initramfs" -k "$k" net
	where=$k
	[ -n "$icount" ] || ! "$top/tests/lab/run" --host-capable || where=host
	exec "$top/tests/lab/run" -k "$where" $icount -t $((300 + pairs * (400 + 5 * rounds * secs))) -- \
		"$0" --inside -k "$k" -n "$pairs" -r "$rounds" -s "$secs" ${icount:+-I}
fi

modprobe -q kvm_amd || modprobe -q kvm_intel || true
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"; "$top/scripts/load.sh" none >/dev/null' EXIT
for i in $(seq "$pairs"); do
	for side in ours stock; do
		[ "$side" = ours ] && other=stock || other=ours
		[ $((i % 2)) = 1 ] || { t=$side; side=$other; other=$t; }
		"$top/scripts/load.sh" "$side" >/dev/null
		say "  pair $i of $pairs: $side"
		"$top/scripts/net-guest.sh" -v qemu -b "$guest/vmlinuz" -i "$guest/initramfs-net" \
			-R "$rounds" -s "$secs" -n "$([ -n "$icount" ] && echo 50 || echo 200)" -t 300 >"$tmp/$side.$i" ||
			{ cat "$tmp/$side.$i" >&2; die "the guest failed on $side"; }
	done
done

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] + 0 }'; }
values() { sed -n "s/^$2=//p" "$tmp/$1".*; }
# The ratio of the medians, and the smallest and largest ratio of a pair's medians.
echo "guest in QEMU, kernel $(uname -r): $pairs pairs of boots, $rounds rounds of $secs s each"
printf '  %-26s %10s %10s %8s   %s\n' "" ours stock ratio "pairs"
for row in iperf-out-mbit:"guest to host, Mbit/s" iperf-in-mbit:"host to guest, Mbit/s" \
	ping-p50-us:"ping median, us" ping-p99-us:"ping p99, us"; do
	key=${row%%:*}
	a=$(values ours "$key" | median)
	b=$(values stock "$key" | median)
	each=$(for i in $(seq "$pairs"); do
		echo "$(sed -n "s/^$key=//p" "$tmp/ours.$i" | median) $(sed -n "s/^$key=//p" "$tmp/stock.$i" | median)"
	done | awk '{ r = $1 / $2; if (NR == 1 || r < lo) lo = r; if (r > hi) hi = r }
		END { printf "%.2f..%.2f", lo, hi }')
	printf '  %-26s %10s %10s %8s   %s\n' "${row#*:}" "$a" "$b" \
		"$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')" "$each"
done
