#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# QEMU migrates a stock guest that receives through our modules all the time: the dirty log decides
# whether every page that they wrote arrives. Both sides run here, on two taps of one bridge.
# check on: 6.12
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/scripts/common.sh"
dir=$(mktemp -d)
pids=()
cleanup() {
	local p

	for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	for p in mgb mga0 mga1; do ip link del $p 2>/dev/null; done
	rm -rf "$dir"
}
trap cleanup EXIT

series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
modprobe -q kvm_amd || modprobe -q kvm_intel
"$SHUNT_TOP/scripts/load.sh" "${MODULES:-ours}" >/dev/null || { echo "Bail out! no modules"; exit 1; }

modprobe bridge
ip link add mgb type bridge && ip addr add 10.77.0.1/24 dev mgb && ip link set mgb up
for i in 0 1; do
	ip tuntap add mga$i mode tap vnet_hdr && ip link set mga$i master mgb up
done
head -c 4M /dev/urandom >"$dir/data"
sum=$(sha256sum <"$dir/data" | cut -c 1-16)
# To everybody who connects: a line that says whether there will be more, and the file
python3 - "$dir" <<-'PY' &
	import os, socket, sys
	data = open(sys.argv[1] + "/data", "rb").read()
	with socket.create_server(("10.77.0.1", 8077)) as server:
	    while True:
	        peer, _ = server.accept()
	        try:
	            peer.sendall(b"stop\n" if os.path.exists(sys.argv[1] + "/stop") else b"more\n")
	            peer.sendall(data)
	        except OSError:
	            pass
	        peer.close()
PY
pids+=($!)

# start SIDE ARG...: a QEMU with its monitor at $dir/monSIDE and the guest's words in $dir/serialSIDE
start() {
	: >"$dir/serial$1"
	qemu-system-x86_64 -accel kvm -cpu host -M pc -m 256 -display none -vga none -nodefaults \
		-kernel "$guest/vmlinux" -initrd "$guest/initramfs-migrate" -append "console=ttyS0 quiet panic=-1 init_on_alloc=0" \
		-netdev "tap,id=n0,ifname=mga$1,script=no,downscript=no,vhost=on" \
		-device virtio-net-pci,netdev=n0,mrg_rxbuf=off -serial "file:$dir/serial$1" \
		-monitor "unix:$dir/mon$1,server=on,wait=off" "${@:2}" </dev/null 2>>"$dir/err" &
	vmm=$!
	pids+=("$vmm")
}

# monitor SIDE COMMAND...: what it answers
monitor() {
	local side=$1

	shift
	python3 - "$dir/mon$side" "$@" <<-'PY'
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.connect(sys.argv[1])
	s.settimeout(60)
	def answer():
	    got = b""
	    more = b"more"
	    while more and not got.endswith(b"(qemu) "):
	        more = s.recv(65536)
	        got += more
	    return got.decode()
	answer()
	for command in sys.argv[2:]:
	    s.sendall(command.encode() + b"\n")
	    print(answer())
	PY
}

rounds() { grep -c "^GUEST round=" "$dir/serial$1"; }
# wait_for SECONDS COMMAND...
wait_for() {
	local i

	for ((i = 0; i < $1 * 5; i++)); do
		"${@:2}" && return
		sleep 0.2
	done
	return 1
}
has_rounds() { [ "$(rounds "$1")" -ge "$2" ]; } 2>/dev/null
migrated() { monitor 0 "info migrate" | grep -q "Migration status: completed"; }

start 0
wait_for 40 has_rounds 0 4
is $? 0 "the guest receives"
has_rounds 0 4 || { tr -d '\r' <"$dir/serial0" | tail -n 20 | sed 's/^/# /'; exit 1; }
start 1 -incoming "unix:$dir/migrate"
wait_for 20 test -S "$dir/migrate"
monitor 0 "migrate_set_parameter max-bandwidth 8G" "migrate_set_parameter downtime-limit 3000" \
	"migrate -d unix:$dir/migrate" >/dev/null
check "it is migrated while it does" wait_for 60 migrated
monitor 0 "info migrate" | grep -E "^(total time|downtime|transferred ram|dirty sync count)" | tr -d '\r' | sed 's/^/# /'
monitor 0 quit >/dev/null 2>&1
check "and receives on the other side" wait_for 60 has_rounds 1 3
touch "$dir/stop"
wait_for 60 grep -q '^GUEST done=1' "$dir/serial1"
timeout 30 tail --pid="$vmm" -f /dev/null || kill -9 "$vmm"
wait "$vmm"
is $? 0 "the guest powered off there"
is "$(tr -d '\r' <"$dir/serial1" | grep -c "^GUEST sum=$sum$")" 10 "all that arrived before, meanwhile and after is whole"
[ ! -s "$dir/err" ] || sed 's/^/# /' "$dir/err"
cleanup
pids=()
check "the modules unload" "$SHUNT_TOP/scripts/load.sh" none
done_testing
