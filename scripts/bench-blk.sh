#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/bench-blk.sh [-q] [-i | -u] [-k 6.1|6.12] [-n RUNS] [-s SECONDS] [-w HOW] [-c CASES]
#
# Requests to one block device by several sides in turn, with no guest, all in one boot of the lab:
#	blk	/dev/vhost-blk, driven from user space (shunt-bench)
#	uring	the shortest loop on io_uring with fixed buffers (shunt-bench)
#	fio	fio on io_uring
#	qsd	qemu-storage-daemon's vhost-user-blk (an iothread, io_uring), with the driver of the first
# Prints medians of requests a second and of the median latency, and the ratios of the first to the
# others. The devices are null_blk and loop on a file in tmpfs.
#
#	-q	quick: one run of each
#	-i	instead: instructions for each request, in the counting lab: the worker's, and everybody's
#	-u	instead: shunt-blk in place of /dev/vhost-blk, on this machine and not in the lab, on loop alone
#	-p	with -u: the longest time that it polls, in microseconds
#	-l	linger_us of vhost_blk, for the first side: how long its worker waits before it sleeps
#	-w	how our driver waits: call (sleeps until it is called, as the others do), yield, spin
#	-c	an expression (grep -E) for names of cases: randread-1, read-128k, ...
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

runs=3 secs=1 kernels="6.1 6.12" how=call counting='' inside='' only=. user='' poll=0 linger=10
[ "${1:-}" != --inside ] || { shift; inside=1; }
while getopts qiuk:n:s:w:c:p:l: o; do
	case $o in
	q)	runs=1 ;;
	i)	counting=--icount ;;
	u)	user=1 kernels=$(uname -r | cut -d. -f1,2) ;;
	p)	poll=$OPTARG ;;
	l)	linger=$OPTARG ;;
	k)	kernels=$OPTARG ;;
	n)	runs=$OPTARG ;;
	s)	secs=$OPTARG ;;
	w)	how=$OPTARG ;;
	c)	only=$OPTARG ;;
	*)	sed -n '4,/^set/s/^#\t\{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
bench=$top/build/bin/shunt-bench

# The first is what the others are compared with.
sides="blk uring fio qsd"
[ -z "$user" ] || sides="user uring fio qsd"

# name, then the arguments of all sides
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

# The same for instructions; then queues, and options of the driver's
counted=(
	"randread-1 randread 4096 1 1"
	"randread-32 randread 4096 32 1"
	"randread-32,2-queues randread 4096 16 2"
	"randwrite-32 randwrite 4096 32 1"
	"randread-32,packed randread 4096 32 1 --packed"
	"randread-128 randread 4096 128 1"
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

# run_bench SIDE DEVICE RW BS DEPTH ARGUMENT...: what shunt-bench has to say of a side of its own
run_bench() {
	local side=$1 dev=$2 rw=$3 bs=$4 depth=$5 args=()

	shift 5
	case $side in
	uring)	args=(uring) ;;
	blk)	args=(blk --wait "$how" --indirect) ;;
	qsd | user)
		args=(blk --wait "$how" --indirect --device "$tmp/$side") ;;
	esac
	"$bench" "${args[@]}" --file "$dev" --rw "$rw" --bs "$bs" --depth "$depth" "$@"
}

# one SIDE DEVICE RW BS DEPTH: requests a second and microseconds
one() {
	if [ "$1" = fio ]; then
		run_fio "${@:2}" --time_based --runtime="$secs"
	else
		run_bench "$@" --warmup 200 --count 100000000 --time "$secs" |
			sed -n 's/^iops=//p; s/^latency_p50_us=//p' | tr '\n' ' '
		echo
	fi
}

# Lines "SERIES DEVICE CASE SIDE REQUESTS/S MICROSECONDS"
measure() {
	local name=$1 dev=$2 run c side

	for ((run = 1; run <= runs; run++)); do
		say "  run $run of $runs: $name"
		for c in "${cases[@]}"; do
			[[ ${c%% *} =~ $only ]] || continue
			for side in $sides; do
				# shellcheck disable=SC2086 # words
				echo "$kernels $name ${c%% *} $side $(one $side "$dev" ${c#* })"
			done
		done
	done
}

# instructions SIDE DEVICE RW BS DEPTH QUEUES [OPTION]: of all, for each request
instructions() {
	local side=$1 dev=$2 rw=$3 bs=$4 depth=$5 queues=$6 rate

	case $side:${7:-} in
	fio:*)	rate=$(run_fio "$dev" "$rw" "$bs" $((depth * queues)) --number_ios=5000) ;;
	qsd:--packed) echo 0; return ;;
	*)	rate=$(run_bench "${@:1:5}" --queues "$queues" ${7:+"$7"} --warmup 500 --count 5000 |
			sed -n 's/^iops=//p') ;;
	esac
	echo $((1000000000 / ${rate% *}))
}

# Lines "SERIES DEVICE CASE worker INSTRUCTIONS" and, for each side, "SERIES DEVICE CASE SIDE INSTRUCTIONS"
count() {
	local name=$1 dev=$2 c side

	for c in "${counted[@]}"; do
		[[ ${c%% *} =~ $only ]] || continue
		say "  $name: ${c%% *}"
		# shellcheck disable=SC2086 # words
		set -- ${c#* }
		echo "$kernels $name ${c%% *} worker $(how=yield run_bench blk "$dev" "${@:1:3}" --queues "$4" \
			${5:+"$5"} --warmup 500 --count 5000 | sed -n 's/^worker_ns_per_request=//p')"
		for side in $sides; do
			echo "$kernels $name ${c%% *} $side $(instructions "$side" "$dev" "$@")"
		done
	done
}

# qsd DEVICE: the back end that is a process of its own
qsd() {
	qemu-storage-daemon --object iothread,id=t \
		--blockdev "driver=host_device,filename=$1,node-name=d,aio=io_uring,cache.direct=on,locking=off" \
		--export "type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=$tmp/qsd,writable=on,num-queues=2,iothread=t" &
	qsd=$!
	until [ -S "$tmp/qsd" ]; do
		kill -0 $qsd || return
		sleep 0.1
	done
}

qsd_end() {
	kill "$qsd"
	wait "$qsd" || true
	rm -f "$tmp/qsd"
	qsd=
}

# A loop device on a file in tmpfs
loop() {
	truncate -s 256M /dev/shm/bench-blk
	# What is not there yet would be allocated by whoever comes first.
	dd if=/dev/zero of=/dev/shm/bench-blk bs=1M count=256 conv=notrunc status=none
	loop=$(losetup -f --show "$@" /dev/shm/bench-blk)
	tmp=$(mktemp -d)
	qsd=
}

if [ "$inside" ]; then
	"$top/scripts/load.sh" ours >/dev/null
	echo "$linger" >/sys/module/vhost_blk/parameters/linger_us
	modprobe null_blk nr_devices=1 gb=1
	modprobe loop
	loop
	trap '[ -z "$qsd" ] || qsd_end; losetup -d "$loop"; modprobe -r null_blk; rm -rf "$tmp" /dev/shm/bench-blk' EXIT
	what=measure
	[ -z "$counting" ] || what=count
	for disk in null:/dev/nullb0 "loop:$loop"; do
		qsd "${disk#*:}"
		$what "${disk%%:*}" "${disk#*:}"
		qsd_end
	done
	exit
fi

# table SIDES: of the lines that measure and count print
table() {
	awk -v sides="$1" -v counting="$counting" "$median_awk"'
	function ratio(a, b) { return b ? sprintf("%.2f", a / b) : "-" }
	# What it is compared with: a worker with our worker, all with all
	function base(s) { return s ~ /worker$/ ? "worker" : side[1] }
	{
		key = $1 " " $2 " " $3
		if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
		rate[key, $4] = rate[key, $4] " " $5
		us[key, $4] = us[key, $4] " " $6
	}
	END {
		n = split(sides, side)
		printf "%-6s %-5s %-22s", "kernel", "disk", "case"
		for (s = 1; s <= n; s++)
			printf " %8s", side[s]
		for (s = 1; s <= n; s++)
			if (side[s] != base(side[s]))
				printf " %12s", base(side[s]) "/" side[s]
		for (s = 1; s <= n && !counting; s++)
			printf " %8s", "us:" side[s]
		for (i = 1; i <= keys; i++) {
			split(order[i], k, " ")
			printf "\n%-6s %-5s %-22s", k[1], k[2], k[3]
			for (s = 1; s <= n; s++)
				printf " %8.0f", m[side[s]] = median(rate[order[i], side[s]])
			for (s = 1; s <= n; s++)
				if (side[s] != base(side[s]))
					printf " %12s", ratio(m[base(side[s])], m[side[s]])
			for (s = 1; s <= n && !counting; s++)
				printf " %8.1f", median(us[order[i], side[s]])
		}
		print ""
		if (!keys)
			exit 1
	}'
}

make -C "$top" user >/dev/null
if [ "$user" ]; then
	say "bench-blk: shunt-blk, $runs runs"
	loop --direct-io=on
	shunt_blk=
	trap '[ -z "$qsd" ] || qsd_end; [ -z "$shunt_blk" ] || kill $shunt_blk; losetup -d "$loop"
		rm -rf "$tmp" /dev/shm/bench-blk' EXIT
	"$top/build/bin/shunt-blk" --socket-path="$tmp/user" --blk-file="$loop" --cache=none --num-queues=2 \
		--poll-us="$poll" &
	shunt_blk=$!
	qsd "$loop"
	measure loop "$loop" >"$tmp/results"
	echo "Requests a second, and microseconds to the completion of half of them (median of $runs):"
	table "$sides" <"$tmp/results"
	exit
fi
for k in $kernels; do
	make -C "$top" modules KDIR="$("$top/scripts/kernel.sh" kdir "$k")" >/dev/null
done
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for k in $kernels; do
	say "bench-blk: $k, $runs runs"
	"$top/tests/lab/run" -k "$k" ${counting:+"$counting"} -t 1800 -- "$top/scripts/bench-blk.sh" \
		--inside ${counting:+-i} -k "$k" -n "$runs" -s "$secs" -w "$how" -c "$only" -l "$linger" >>"$results" ||
		{ cat "$results" >&2; die "the lab failed on $k"; }
done
if [ "$counting" ]; then
	echo "Instructions for each request, of all, driver and device too, on one processor; and of the worker"
	table "$sides worker" <"$results"
else
	echo "Requests a second, and microseconds to the completion of half of them (median of $runs):"
	table "$sides" <"$results"
fi
