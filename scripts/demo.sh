#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make demo: a stock Debian guest in shunt, its root disk and its network served by our vhost_blk.ko and
# vhost_net.ko, then the same guest in QEMU, with the stock module for the network and an iothread for the
# disk, in the same boot. Progress on the way, a table at the end.
set -u -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
k=${K:-6.1}
t0=$((SECONDS - ${DEMO_ELAPSED:-0}))
say() { printf '\033[1m[%3ds]\033[0m %s\n' $((SECONDS - t0)) "$*"; }

inside() { # runs where the modules can be loaded: the host itself, or the lab
	guest=$1
	declare -A r
	measure() { # measure COLUMN VMM
		local col=$1 line
		while IFS= read -r line; do
			case $line in
			\#*)	echo "        ${line#\# }" ;;
			*=*)	r[$col,${line%%=*}]=${line#*=} ;;
			esac
			case $line in
			worker=*)	say "  worker thread: $(ps -eLo pid,tid,comm | awk -v w="${line#*=}" '$3 == w { print "tid " $2 " " $3; exit }')" ;;
			root=*)		say "  its root is on /dev/${line#*=}" ;;
			kernel=*)	say "  guest is up: stock kernel ${line#*=}" ;;
			iperf-*)	say "  ${line%%=*}: ${line#*=}" ;;
			ping-p50*)	say "  ${line%%=*}: ${line#*=}" ;;
			esac
		done < <(scripts/net-guest.sh -v "$2" -b "$guest/vmlinuz" -d "$guest/root-net.img" -i "$guest/initramfs-root-net" -s 4 -n 50 || echo failed=1)
		[ -z "${r[$col,failed]:-}" ]
	}
	modprobe -q kvm_amd || modprobe -q kvm_intel
	say "loading our modules on $(uname -r): insmod vhost_core.ko, vhost_net.ko, vhost_blk.ko"
	scripts/load.sh ours | sed 's/^/        /' || return 1
	say "booting the guest in shunt from its disk, then ping and iperf3 both ways:"
	echo "        -drive file=root.img,if=none,id=root,format=raw -device virtio-blk-pci,drive=root,vhost=on"
	echo "        -netdev tap,id=n0,ifname=tap0,vhost=on -device virtio-net-pci,netdev=n0"
	measure ours shunt || { scripts/load.sh none; return 1; }
	say "loading the stock module instead"
	scripts/load.sh stock | sed 's/^/        /' || return 1
	say "QEMU -netdev tap,vhost=on: the same guest, the same measurements"
	measure stock qemu || { scripts/load.sh none; return 1; }
	scripts/load.sh none | sed 's/^/        /'

	row() { # row TITLE KEY UNIT better
		local a=${r[ours,$2]:-0} b=${r[stock,$2]:-0}
		printf '  %-28s %14s %14s   %s\n' "$1" "$a $3" "$b $3" \
			"$(awk -v a="$a" -v b="$b" 'BEGIN { if (b + 0) printf "%.2f", a / b; else print "-" }')"
	}
	echo
	printf '  %-28s %14s %14s   %s\n' "kernel $(uname -r)" "shunt + ours" "QEMU + stock" ratio
	row "throughput, guest to host" iperf-out-mbit Mbit/s
	row "throughput, host to guest" iperf-in-mbit Mbit/s
	row "ping, median" ping-p50-us us
	row "ping, 99th percentile" ping-p99-us us
	row "interrupts, guest to host" irq-tx-out ""
	row "interrupts, host to guest" irq-rx-in ""
	row "disk, 128 KiB, depth 1" root-read-mib MiB/s
	row "boot to ping done" boot-ms ms
	row "VMM memory beyond guest RAM" vmm-rss-kib KiB
	echo
}

if [ "${1:-}" = --inside ]; then
	inside "$2"
	exit
fi

say "setting up packages, kernels and programs"
make --no-print-directory setup || exit 1
where=$k
kdir=$(scripts/kernel.sh kdir "$k") || exit 1
if tests/lab/run --host-capable; then
	where=host
	kdir=/lib/modules/$(uname -r)/build
fi
say "building shunt and the modules"
make --no-print-directory user modules KDIR="$kdir" || exit 1
say "preparing the guest: a stock Debian $k kernel, its own modules, in a root file system"
guest=build/guest/$k
tests/lab/guest-initramfs -k "$k" -r net || exit 1
if [ $where = host ]; then
	say "this machine takes modules and has KVM: running on it directly"
else
	say "no loadable modules or no hardware KVM here: starting the lab (a stock $k kernel under emulation)"
fi
tests/lab/run -k "$where" -t 220 -- env DEMO_ELAPSED=$((SECONDS - t0)) scripts/demo.sh --inside "$guest" || exit 1
say "done; nothing is left behind"
