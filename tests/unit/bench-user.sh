#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shunt-bench as the driver of a vhost-user back end that is not ours, qemu-storage-daemon.
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/tap.sh"
bench=${BENCH:-$top/build/bin/shunt-bench}
dir=$(mktemp -d)
qsd=''
trap '[ -z "$qsd" ] || kill $qsd; rm -rf "$dir"' EXIT

truncate -s 1M "$dir/disk"
qemu-storage-daemon --blockdev "driver=file,filename=$dir/disk,node-name=d" \
	--export "type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=$dir/socket,writable=on,num-queues=2" &
qsd=$!
for _ in {1..100}; do
	[ ! -S "$dir/socket" ] || break
	sleep 0.1
done
run() { "$bench" blk --device "$dir/socket" --file "$dir/disk" --wait call --depth 4 --warmup 0 "$@"; }

out=$(run --rw write --count 256 --indirect)
is $? 0 "every block written"
like "$out" "^requests=256$" "all requests are counted"
is "$(tr -d 'Z' <"$dir/disk" | wc -c)" 0 "they are in the file"
check "random reads, two queues" run --queues 2 --count 500
deny "a ring that it does not have" run --packed --count 1
kill $qsd
wait $qsd
qsd=''
deny "nobody listens" run --count 1
done_testing
