#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SIGKILL of the VMM under load, 50 times (ROUNDS), then the modules go. The suite reads the kernel log.
# check on: 6.1
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/tests/payload/misread.sh"
rounds=${ROUNDS:-50}
tap=kv$$
dir=$(mktemp -d)
peer='' vmm=''

cleanup() {
	[ -z "$vmm" ] || kill -9 "$vmm" 2> /dev/null
	[ -z "$peer" ] || kill "$peer" 2> /dev/null
	ip link del "$tap" 2> /dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

# No program is started in here: this machine may be an emulated one, where that costs.
workers() {
	local f name n=0

	for f in /proc/[0-9]*/task/[0-9]*/comm; do
		{ read -r name < "$f"; } 2> /dev/null || continue
		case $name in vhost-[0-9]*) n=$((n + 1)) ;; esac
	done
	echo $n
}

mkfifo "$dir/out" "$dir/never"
exec 7<> "$dir/out" 8<> "$dir/never"
nap() { read -rt "$1" -u 8 _; }

start() {
	ram_file "$dir/ram" 32
	"$SHUNT_TOP/build/bin/shunt" -m 32 -nodefaults -display none -serial stdio -no-reboot \
		-device isa-debug-exit,iobase=0x501,iosize=0x4 \
		-kernel "$SHUNT_TOP/build/payload/virtio_load.elf" \
		-netdev tap,id=n0,ifname="$tap",script=no,downscript=no,vhost=on \
		-device virtio-net-pci,netdev=n0 -mem-path "$dir/ram" < /dev/null >&7 2> "$dir/err" 8>&- &
	vmm=$!
}

# Under load: the guest has said so.
loaded_up() {
	local line silent=0

	while kill -0 "$vmm" 2> /dev/null && [ $silent -lt 30 ]; do
		read -rt 1 -u 7 line || { silent=$((silent + 1)); continue; }
		case $line in
		'# ready'*) return 0 ;;
		ok*) ;;
		*) note "$line" ;;
		esac
	done
	return 1
}

"$SHUNT_TOP/scripts/load.sh" "${MODULES:-ours}" > /dev/null || { echo "Bail out! no modules"; exit 1; }
check "a tap" ip tuntap add dev "$tap" mode tap vnet_hdr
ip link set "$tap" up
"$SHUNT_TOP/tests/payload/net_peer.py" "$tap" > "$dir/peer" &
peer=$!

killed=0 seen=0 gone=0 slowest=0 misreads=0
until [ $killed = "$rounds" ]; do
	start
	loaded_up && loaded=1 || loaded=
	at_work=$(workers)
	# At any moment of the traffic.
	nap "0.0$((RANDOM % 10))"
	t=$EPOCHREALTIME
	if ! kill -9 "$vmm" 2> /dev/null || [ -z "$loaded" ]; then
		wait "$vmm" 2> /dev/null
		note "round $killed: ended by itself, or never under load: $(cat "$dir/err")"
		misread virtio_load "$dir/ram" "$dir/err" && [ $((misreads += 1)) -le 5 ] || break
		continue
	fi
	killed=$((killed + 1))
	[ "$at_work" -gt 0 ] && seen=$((seen + 1))
	wait "$vmm" 2> /dev/null
	ms=$(((${EPOCHREALTIME/./} - ${t/./}) / 1000))
	[ $ms -le $slowest ] || slowest=$ms
	for _ in $(seq 100); do
		[ "$(workers)" = 0 ] && break
		nap 0.02
	done
	[ "$(workers)" = 0 ] && gone=$((gone + 1))
done
vmm=
exec 7>&- 8>&-
is "$killed" "$rounds" "killed under load, $rounds times"
is "$seen" "$killed" "each time a vhost worker was at work"
is "$gone" "$killed" "and was gone afterwards"
note "$SECONDS s; the slowest took $slowest ms to die"
deny "nobody has /dev/vhost-net open" fuser -s /dev/vhost-net
check "the modules go" "$SHUNT_TOP/scripts/load.sh" none
deny "and are gone" [ -d /sys/module/vhost_net ]
done_testing
