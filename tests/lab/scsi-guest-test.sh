# SPDX-License-Identifier: GPL-2.0
# A stock Debian guest with SCSI disks on vhost_scsi: what tests/lab/t/scsi-{shunt,qemu,migrate}.sh share.
# MODULES=stock: on the kernel's own.
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/scripts/common.sh"
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
guest=$SHUNT_TOP/build/guest/$series
target=$SHUNT_TOP/tools/shunt-target
dir=$(mktemp -d)
pids=() loops=() wwpns=()

scsi_cleanup() {
	local p

	trap - EXIT
	for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	for p in "${wwpns[@]}"; do "$target" remove "$p"; done
	[ ${#loops[@]} = 0 ] || losetup -d "${loops[@]}"
	rm -rf "$dir"
	pids=() wwpns=() loops=()
}
trap scsi_cleanup EXIT
cd "$dir" || exit 1

# scsi_modules: KVM and vhost_scsi
scsi_modules() {
	modprobe -q kvm_amd || modprobe -q kvm_intel
	modprobe -q loop
	if [ "${MODULES:-ours}" = stock ]; then
		"$SHUNT_TOP/scripts/load.sh" stock vhost_scsi
	else
		"$SHUNT_TOP/scripts/load.sh" ours
	fi | sed 's/^/# /'
	[ -c /dev/vhost-scsi ] || { echo "Bail out! no vhost_scsi"; exit 1; }
	# Where LIO keeps reservations, below the root of the first program; without it, it refuses to make any.
	mkdir -p /proc/1/root/var/target/pr
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
}

# scsi_target WWPN LUN...: a target that goes at the end
scsi_target() {
	local out

	out=$("$target" create -w "$@" 2>&1) || { echo "Bail out! $out"; exit 1; }
	wwpns+=("$out")
}

# wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))

	until "${@:2}"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# scsi_offers BIT: vhost_scsi has this feature; nobody has it open
scsi_offers() {
	python3 - "$1" <<-'PY'
	import fcntl, os, struct, sys
	fd = os.open("/dev/vhost-scsi", os.O_RDWR)
	features = struct.unpack("Q", fcntl.ioctl(fd, 0x8008af00, b"\0" * 8))[0]
	sys.exit(not features >> int(sys.argv[1]) & 1)
	PY
}

vmm_lives() { kill -0 "${pids[0]}" 2>/dev/null; }
said() { grep -q "GUEST.*$1" serial || ! vmm_lives; }
# heard WORDS SECONDS: the guest says so, in time and while the VMM lives
heard() { wait_for "$2" said "$1" && grep -q "GUEST.*$1" serial; }

# scsi_guest_test VMM REBOOT: boots, reboots (1) or not (0), goes through guest/scsi.sh
scsi_guest_test() {
	local vmm=$1 reboot=$2 packed=off a=naa.5001405a5c510001 b=naa.5001405a5c510002 cmd status key value i
	declare -A r=()

	scsi_modules
	scsi_offers 34 && packed=on
	truncate -s 48M block
	loops+=("$(losetup -f --show -b 4096 block)")
	scsi_target $a fileio:file,size=48M,serial=file,emulate_tpu=on,emulate_tpws=on \
		"iblock:${loops[0]},serial=block" ramdisk:48M,serial=memory
	scsi_target $b ramdisk:32M,serial=pi,pi_prot_type=1
	: >serial
	case $vmm in
	shunt)	cmd=("$SHUNT_TOP/build/bin/shunt" -nodefaults -display none) ;;
	qemu)	cmd=(qemu-system-x86_64 -accel kvm -cpu host -M pc -display none -vga none -nodefaults) ;;
	esac
	"${cmd[@]}" -m 512 -smp 2 -kernel "$guest/vmlinux" -initrd "$guest/initramfs-scsi" \
		-append "console=ttyS0 quiet panic=-1 guest.reboot=$reboot" -serial file:serial \
		-device vhost-scsi-pci,wwpn=$a,virtqueue_size=256,cmd_per_lun=100,max_sectors=4096 \
		-device "vhost-scsi-pci,wwpn=$b,t10_pi=on,packed=$packed,num_queues=1,vectors=0" </dev/null 2>err &
	pids=($!)
	heard add=now 320 && "$target" add $a ramdisk:32M,serial=new,lun=5
	heard remove=now 60 && "$target" remove-lun $a 5
	heard done=1 60
	for ((i = 0; i < 100; i++)); do vmm_lives || break; sleep 0.1; done
	kill -9 "${pids[0]}" 2>/dev/null && fail "$vmm: the VMM ends with the guest"
	{ wait "${pids[0]}"; } 2>/dev/null
	status=$?
	pids=()
	sed 's/^/# /' err
	tr -d '\r' <serial | sed -n 's/^GUEST/#/p'
	while IFS='=' read -r key value; do
		r[$key]=$value
	done < <(tr -d '\r' <serial | sed -n 's/^GUEST //p' | tr ' ' '\n' | grep =)

	# guest KEY WANT TEXT
	guest() { is "${r[$1]:-}" "$2" "$vmm: $3"; }
	[ "$reboot" = 0 ] || {
		guest first-boot ok "a file system made, files written, reboot without unmounting"
		guest file-survived 1 "all there after the reboot"
		guest file-fsck 1 "and the file system is clean"
	}
	guest file-sectors 98304 "a file: size"
	guest file-discard 1 "a file: emulate_tpu=on offers UNMAP"
	like "${r[file-address]:-}" ':0:1:0$' "$vmm: a file: LUN 0 of target 1"
	guest block-block 4096 "a block device: logical blocks"
	like "${r[block-address]:-}" ':0:1:1$' "$vmm: a block device: LUN 1"
	guest memory-queues 2 "memory: a queue for each CPU"
	guest pi-queues 1 "num_queues=1 is one queue"
	guest seg-max 254 "virtqueue_size=256 leaves room for 254 segments"
	guest per-lun 100 "cmd_per_lun"
	guest max-sectors 2048 "max_sectors, in KiB"
	is "$(cut -c 35 <<<"${r[pi-features]:-}")" "$([ $packed = on ] && echo 1 || echo 0)" \
		"$vmm: packed rings if the module has them"
	is "$(cut -c 4 <<<"${r[pi-features]:-}$(cut -c 4 <<<"${r[features]:-}")")" 1 "$vmm: t10_pi=on is offered"
	is "$(cut -c 4 <<<"${r[features]:-}")" 0 "$vmm: and not without"
	guest pi-format T10-DIF-TYPE1-CRC "a disk with protection information"
	guest block-intact 1 "read back what was written"
	guest block-fsck 1 "and the file system is clean"
	guest inq LIO-ORG "INQUIRY"
	guest serial file "the unit serial number"
	for key in sv di bl bdc lbpv; do guest vpd-$key 1 "VPD page $key"; done
	guest readcap10 98304 "READ CAPACITY 10"
	guest readcap16 98304 "READ CAPACITY 16"
	guest luns 3 "REPORT LUNS"
	for key in turs sync modes requests verify; do guest $key 1 "sg_$key"; done
	check "$vmm: VERIFY beyond the end is refused" test "${r[verify-beyond]:-0}" != 0
	guest caw 1 "COMPARE AND WRITE"
	guest caw-wrote 1 "has written"
	guest caw-miscompare 14 "COMPARE AND WRITE of something else miscompares"
	guest caw-kept 1 "and has not"
	guest write-same 1 "WRITE SAME"
	guest write-same-wrote 1 "has written"
	guest unmap 1 "UNMAP"
	guest unmap-zero 1 "what was unmapped reads as zeroes"
	guest pr-register 1 "PERSISTENT RESERVE OUT: register"
	guest pr-reserve 1 "reserve"
	guest pr-type 1 "PERSISTENT RESERVE IN: the reservation"
	guest pr-keys 1 "the keys"
	guest pr-conflict 24 "a reservation with another key is a conflict"
	guest pr-release 1 "release"
	guest pr-clear 1 "clear"
	guest lun-reset 1 "LOGICAL UNIT RESET by the control queue"
	guest after-reset 1 "and the unit is ready again"
	guest fio 0 "fio finds what it wrote, on four disks at once, 32 at a time, 4 to 512 KiB"
	check "$vmm: a LUN added in configfs: a disk" test -n "${r[added]:-}"
	guest added-sectors 65536 "of its size"
	guest new-fio 0 "that works"
	# QEMU 7.2 does not pass HOTPLUG on.
	[ "$vmm" = qemu ] || {
		guest added-event 1 "by itself, by an event"
		guest removed-event 1 "the disk of the removed LUN goes"
	}
	check "$vmm: a LUN removed under load: errors" test "${r[load-ended]:-0}" -gt 0
	guest fio-after 0 "the others work on"
	guest done 1 "the guest came to its end"
	is $status 0 "$vmm: it powered off and the VMM ended with status 0"
}
