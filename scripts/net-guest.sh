#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One stock guest on a tap, its virtio-net served by whichever vhost_net is loaded: boots it, lets it
# run tests/lab/guest/net.sh, and prints what was seen as key=value lines. Used by the demo, the lab
# tests and the benchmark. Leaves nothing behind: tap, processes and files go on any exit.
set -u
usage() {
	cat <<-U
	usage: net-guest.sh -v shunt|qemu -b KERNEL -i INITRAMFS [-c CPUS] [-m MIB] [-q QUEUES]
	                    [-s SECONDS] [-R ROUNDS] [-n PINGS] [-r] [-t TIMEOUT] [-a 'MORE VMM ARGS'] [-l LOGFILE]
	                    [-d IMAGE] [-2 PROPERTIES]
	  -r   let the guest reboot once before it measures
	  -d   a copy of this is the first virtio disk, the root file system: -i mounts it
	  -2   a second virtio-net-pci with these properties, tried when the first is through
	  -q   pairs of queues
	U
	exit 2
}
vmm=; kernel=; initrd=; cpus=1; mem=512; queues=1; secs=3; pings=50; rounds=1; reboot=0; limit=150; more=; log=; second=; image=
while getopts v:b:i:c:m:q:s:n:R:t:a:l:2:d:rh o; do
	case $o in
	v) vmm=$OPTARG ;; b) kernel=$OPTARG ;; i) initrd=$OPTARG ;; c) cpus=$OPTARG ;; m) mem=$OPTARG ;;
	q) queues=$OPTARG ;; s) secs=$OPTARG ;; R) rounds=$OPTARG ;; n) pings=$OPTARG ;; r) reboot=1 ;; t) limit=$OPTARG ;;
	a) more=$OPTARG ;; l) log=$OPTARG ;; 2) second=$OPTARG ;;
	d) image=$OPTARG ;; *) usage ;;
	esac
done
[ -n "$kernel" ] && [ -n "$initrd" ] || usage
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
serial=$dir/serial
tap=shn$(( $$ % 100000 ))
pids=()
cleanup() {
	trap - EXIT
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
	sleep 0.2
	for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	ip link del "$tap" 2>/dev/null
	[ -z "$second" ] || ip link del "${tap}b" 2>/dev/null
	[ -n "$log" ] && cp "$serial" "$log" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

mq=; [ "$queues" -gt 1 ] && mq=multi_queue
ip tuntap add "$tap" mode tap vnet_hdr $mq || exit 1
ip addr add 10.77.0.1/24 dev "$tap" && ip link set "$tap" up || exit 1
iperf3 -s -B 10.77.0.1 >/dev/null 2>&1 &
pids+=($!)
if [ -n "$second" ]; then
	ip tuntap add "${tap}b" mode tap vnet_hdr && ip addr add 10.78.0.1/24 dev "${tap}b" &&
		ip link set "${tap}b" up || exit 1
	iperf3 -s -B 10.78.0.1 >/dev/null 2>&1 &
	pids+=($!)
	more="-netdev tap,id=n1,ifname=${tap}b,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=n1,$second $more"
fi

if [ -n "$image" ]; then
	# what the guest writes goes with it
	cp --sparse=always "$image" "$dir/root.img" || exit 1
	disk="file=$dir/root.img,if=none,id=root,format=raw"
	case $vmm in
	shunt)	more="-drive $disk -device virtio-blk-pci,drive=root,vhost=on $more" ;;
	qemu)	more="-object iothread,id=t -drive $disk -device virtio-blk-pci,drive=root,iothread=t $more" ;;
	esac
fi
append="console=ttyS0 quiet panic=-1 guest.secs=$secs guest.pings=$pings guest.reboot=$reboot guest.rounds=$rounds guest.streams=$queues"
net="tap,id=n0,ifname=$tap,script=no,downscript=no,vhost=on"
dev="virtio-net-pci,netdev=n0"
if [ "$queues" -gt 1 ]; then
	net=$net,queues=$queues
	dev=$dev,mq=on,vectors=$((2 * queues + 2))
fi
: >"$serial"
case $vmm in
shunt)	cmd=("$top/build/bin/shunt") ;;
qemu)	cmd=(qemu-system-x86_64 -accel kvm -cpu host -M pc -display none -vga none -nodefaults) ;;
*)	usage ;;
esac
start=$(date +%s%N)
"${cmd[@]}" -m "$mem" -smp "$cpus" -kernel "$kernel" -initrd "$initrd" -append "$append" \
	-netdev "$net" -device "$dev" -serial "file:$serial" $more </dev/null 2>"$dir/stderr" &
pid=$!
pids+=("$pid")

printed=0
tell() { # what the guest said since last time, whole lines only
	local whole
	whole=$(wc -l <"$serial")
	head -n "$whole" "$serial" | tail -n +$((printed + 1)) | tr -d '\r' | sed -n 's/^GUEST //p' |
		tr ' ' '\n' | grep =
	printed=$whole
}

seen=0
worker_ns=0
rebooted=0
end=$(( $(date +%s) + limit ))
while :; do
	# The worker is a kernel thread before 6.4 and a thread of the VMM since.
	for t in /proc/"$pid"/task/* $(pgrep -x "vhost-$pid" | sed 's|^|/proc/|'); do
		[ "$(cat "$t/comm" 2>/dev/null)" = "vhost-$pid" ] || continue
		[ $seen = 0 ] && echo "worker=vhost-$pid" && seen=1
		worker_ns=$(cut -d' ' -f1 "$t/schedstat" 2>/dev/null || echo $worker_ns)
	done
	if [ $rebooted = 0 ] && grep -q 'GUEST first-boot=ok' "$serial"; then
		rebooted=1
		ip addr add 10.77.0.3/24 dev "$tap"
	fi
	if [ ! -e "$dir/rss" ] && grep -q 'GUEST ping-p50' "$serial"; then
		echo "boot-ms=$(( ($(date +%s%N) - start) / 1000000 ))"
		cp "/proc/$pid/smaps" "$dir/rss" 2>/dev/null
	fi
	tell
	kill -0 "$pid" 2>/dev/null || break
	if [ "$(date +%s)" -ge "$end" ]; then
		echo "error=timeout"
		tail -n 30 "$serial" | sed 's/^/# /'
		exit 1
	fi
	sleep 0.2
done
wait "$pid"
status=$?
tell
echo "worker-ms=$((worker_ns / 1000000))"
if [ -s "$dir/rss" ]; then
	# Resident memory beyond guest RAM: every mapping but those of at least 16 MiB.
	awk '/^[0-9a-f]+-[0-9a-f]+ /{ big = 0 } /^Size:/{ big = $2 >= 16384 } /^Rss:/{ if (!big) s += $2 }
		END { print "vmm-rss-kib=" s }' "$dir/rss"
fi
echo "status=$status"
if [ $status != 0 ] || ! grep -q 'GUEST.*done=1' "$serial"; then
	sed 's/^/# /' "$dir/stderr"
	tail -n 30 "$serial" | sed 's/^/# /'
	exit 1
fi
