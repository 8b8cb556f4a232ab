#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# IDE in shunt: SeaBIOS boots from a disk, again after a reset, and from a CD-ROM; the older words for both. Needs /dev/kvm.
set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1
base=(-m 64 -nodefaults -display none -serial file:serial -device isa-debug-exit,iobase=0xf4,iosize=4)

run() { # arguments...
	timeout 90 "$shunt" "${base[@]}" "$@" >out 2>err </dev/null
	got=$?
}

code() { # FILE SOURCE ADDRESS OPTIONS...
	as --32 "${@:4}" "$top/tests/unit/$2.S" -o boot.o && ld -m elf_i386 -Ttext "$3" --oformat binary -o "$1" boot.o
}

ended() { # TEXT
	[ $got = 85 ] && ! [ -s err ]
	result $? "$1"
	[ $got = 85 ] || sed 's/^/# /' serial err
}

# block FILE N TEXT-AS-OF-PRINTF: at block N of 2048 bytes
block() { printf '%b' "$3" | dd of="$1" bs=2048 seek="$2" conv=notrunc status=none; }

# A volume descriptor that names a catalogue in block 20, which has an entry: block 25, 4 sectors of 512 bytes, no emulation
iso() {
	truncate -s 1M "$1"
	block "$1" 16 '\x01CD001\x01'
	block "$1" 17 '\x00CD001\x01EL TORITO SPECIFICATION'
	printf '\x14\0\0\0' | dd of="$1" bs=1 seek=$((17 * 2048 + 71)) conv=notrunc status=none
	block "$1" 18 '\xffCD001\x01'
	block "$1" 20 '\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xaa\x55\x55\xaa\x88\0\0\0\0\0\x04\0\x19\0\0\0'
	dd if="$2" of="$1" bs=2048 seek=25 conv=notrunc status=none
	block "$1" 30 'SHUNTCD!'
}

code boot bootagain 0x7c00
truncate -s 16M disk
dd if=boot of=disk conv=notrunc status=none
run -hda disk
ended "boots from -hda, resets the machine, and boots again"

code boot bootcd 0x7c00
iso cd boot
run -cdrom cd
ended "boots from -cdrom"

# Once from the CD-ROM, which resets the machine, then from the disk, that has been here before.
code boot bootcd 0x7c00 --defsym RESET=1
iso cd boot
run -hda disk -cdrom cd -boot order=c,once=d
ended "-boot order=c,once=d: from the CD-ROM, and after a reset from the disk"
like "$(tr '\r\n' '  ' <serial)" "from DVD/CD.*from Hard Disk" "in this order"

# The disk is virtio's; the CD-ROM drive is empty, and gets its medium later.
code boot bootdisk 0x7c00
truncate -s 16M test.img
dd if=boot of=test.img conv=notrunc status=none
head -c 4096 /dev/urandom >pattern
dd if=pattern of=test.img bs=512 seek=8 conv=notrunc status=none
"$shunt" "${base[@]}" -S -M pc-0.13 -enable-kvm -m 64 -smp 2,sockets=2,cores=1,threads=1 -name test \
	-uuid e9b4c7be-d60a-c16e-92c3-166421b4daca -nodefconfig -chardev socket,id=monitor,path=mon,server,nowait \
	-mon chardev=monitor,mode=readline -rtc base=utc -boot c \
	-drive file=test.img,if=none,id=drive-virtio-disk0,boot=on,format=raw \
	-device virtio-blk-pci,bus=pci.0,addr=0x5,drive=drive-virtio-disk0,id=virtio-disk0 \
	-drive if=none,media=cdrom,id=drive-ide0-1-0,readonly=on,format=raw \
	-device ide-drive,bus=ide.1,unit=0,drive=drive-ide0-1-0,id=ide0-1-0 \
	-device virtio-net-pci,vlan=0,id=net0,mac=52:54:00:cc:1c:10,bus=pci.0,addr=0x3 -net user,vlan=0,name=hostnet0 \
	-chardev pty,id=serial0 -device isa-serial,chardev=serial0,iobase=0x2f8,irq=3 \
	-device virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x6 >out 2>err </dev/null &
pid=$!
for ((i = 0; i < 100; i++)); do
	[ -S mon ] && break
	sleep 0.1
done
say() { # commands to the monitor; its answers
	python3 - "$@" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("mon")
f = s.makefile("rw", newline="")
for line in sys.argv[1:]:
    f.write(line + "\n")
    f.flush()
s.shutdown(socket.SHUT_WR)
sys.stdout.write(f.read())
PY
}
like "$(say "info block" "info status" | tr '\r\n' '  ')" "drive-ide0-1-0: \[not inserted\].*Attached to: *ide-drive.ide0-1-0.*paused" \
	"an older qemu-kvm's command line starts, and its drive is empty"
like "$(say "change drive-ide0-1-0 cd" "info block" | tr '\r\n' '  ')" "drive-ide0-1-0: cd \(raw, read-only\)" "change puts a medium in"
like "$(say "eject drive-ide0-1-0" "info block" | tr '\r\n' '  ')" "drive-ide0-1-0: \[not inserted\]" "eject takes it out"
say cont >/dev/null
timeout 90 tail --pid="$pid" -f /dev/null || kill -9 "$pid"
wait "$pid"
got=$?
grep -v "waiting for\|char device redirected" err >err2
mv err2 err
ended "and boots the disk"
check "which wrote what it should" cmp pattern <(dd if=test.img bs=512 skip=16 count=8 status=none)

# Each place once
for bad in "-hda disk -drive file=cd,if=ide,index=0,format=raw|index=0" "-drive file=disk,bus=1,unit=1,format=raw -hdd cd|index=3" \
	"-drive if=none,id=d,media=disk|file= is missing" "-drive file=disk,format=raw,index=4|0 to 3" \
	"-hda disk -drive file=cd,if=none,id=c,format=raw -device ide-cd,drive=c,bus=ide.0,unit=0|another drive is there" \
	"-device ide-hd,drive=x|no -drive with this id" "-drive if=none,media=cdrom,id=e -device ide-hd,drive=e|has no file" \
	"-drive if=none,media=cdrom,id=e -device virtio-blk-pci,drive=e|e" \
	"-drive file=disk,if=none,format=raw,id=d -device ide-hd,drive=d,serial=123456789012345678901|up to 20 characters"; do
	# shellcheck disable=SC2086	# words
	run ${bad%|*}
	[ $got = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -qF -- "${bad#*|}" err
	result $? "${bad%|*}: $(cat err)"
done
done_testing
