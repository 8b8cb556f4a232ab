#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels and initrds that are corrupt, cut short or too large: shunt says in one line what is wrong and
# where, and exits with status 1; an image made the same way, but right, starts. Needs /dev/kvm.

set -u
. "$(dirname "$0")/vmm-env"
need_kvm
cd "$tmp" || exit 1

run() { # arguments...
	timeout 20 "$shunt" -nodefaults -display none -no-reboot \
		-device isa-debug-exit,iobase=0x501,iosize=4 "$@" >out 2>err </dev/null
	got=$?
}

starts() { # arguments...: the guest says 33 through the debug exit: status 67
	run "$@"
	[ $got = 67 ]
	result $? "$* (starts)"
}

# Images are made by name: make FILE [FIELD=VALUE...]
cat >make.py <<'END'
import struct, sys

CODE16M = b"\x66\xba\x01\x05\xb0\x21\xee\xf4\xeb\xfd"	# mov dx,0x501; mov al,33; out; hlt

def bzimage(o):
    body = bytearray(o.get("body", 0x4000))
    body[0x200:0x200 + len(CODE16M)] = CODE16M
    body[0x1000:0x1008] = o.get("magic", b"\x1f\x8b\x08\0\0\0\0\0")
    sects = o.get("sects", 3)
    setup = bytearray((3 + 1) * 512)
    put = lambda at, fmt, v: struct.pack_into("<" + fmt, setup, at, v)
    put(0x1f1, "B", sects)
    put(0x1f4, "I", o.get("syssize", len(body) // 16))
    put(0x1fe, "H", o.get("flag", 0xaa55))
    setup[0x200:0x202] = bytes([0xeb, o.get("jump", 0x6a)])
    setup[0x202:0x206] = o.get("hdrs", b"HdrS")
    put(0x206, "H", o.get("version", 0x20f))
    put(0x211, "B", o.get("loadflags", 1))
    put(0x22c, "I", o.get("initrdmax", 0x7fffffff))
    put(0x230, "I", o.get("align", 0x200000))
    put(0x234, "B", 1)
    put(0x236, "H", o.get("xload", 1))
    put(0x238, "I", o.get("cmdline", 255))
    put(0x248, "I", o.get("payoff", 0x1000))
    put(0x24c, "I", o.get("paylen", 0x1000))
    put(0x258, "Q", o.get("pref", 0x1000000))
    put(0x260, "I", o.get("init", 0x100000))
    return bytes(setup + body)

def elf(o):
    note = struct.pack("<III4sI", 4, o.get("descsz", 4), o.get("note", 18), b"Xen\0",
                       o.get("entry", 0x100000))
    ph = lambda *a: struct.pack("<IIQQQQQQ", *a)
    addr = o.get("addr", 0x100000)
    text = CODE16M
    off = 64 + 2 * 56
    segs = ph(1, 7, o.get("off", off), addr, addr, o.get("filesz", len(text)),
              o.get("memsz", 0x1000), 16)
    segs += ph(4, 4, off + len(text), 0, 0, o.get("notesz", len(note)), len(note), 4)
    head = struct.pack("<16sHHIQQQIHHHHHH",
                       b"\x7fELF" + bytes([o.get("class", 2), o.get("data", 1), 1]), 2,
                       o.get("machine", 62), 1, addr, o.get("phoff", 64), 0, 0, 64,
                       o.get("phentsize", 56), o.get("phnum", 2), 0, 0, 0)
    return head + segs + text + note

o = {}
for arg in sys.argv[2:]:
    k, v = arg.split("=")
    o[k] = v.encode() if k in ("hdrs", "magic") else int(v, 0)
data = (elf if sys.argv[1].startswith("elf") else bzimage)(o)
if "cut" in o:
    data = data[:o["cut"]]
if "pad" in o:
    data += bytes(o["pad"])
open(sys.argv[1], "wb").write(data)
END
make() { python3 make.py "$@"; }

# --- neither this nor that
: >empty
bad "-kernel empty: the file is empty" -kernel empty
bad "-kernel absent: No such file" -kernel absent
bad "-kernel .: not an ordinary file" -kernel .
printf 'hello\n' >text
bad "neither a bzImage" -kernel text
head -c 100000 /dev/zero >zero
bad "neither a bzImage" -kernel zero

# --- bzImage
make bz
starts -m 32 -kernel bz
starts -m 32 -kernel bz -append "$(printf '%0255d' 0)"
bad "255" -m 32 -kernel bz -append "$(printf '%0256d' 0)"
make bz1 hdrs=HdrX
bad "neither a bzImage" -kernel bz1
make bz2 flag=0x1234
bad "boot flag 0x1234 at 0x1fe" -kernel bz2
make bz3 version=0x203
bad "boot protocol 2.03 is too old" -kernel bz3
make bz4 xload=0
bad "no 64-bit entry" -kernel bz4
make bz5 loadflags=0
bad "zImage" -kernel bz5
make bz6 align=3
bad "kernel alignment 0x3 at 0x230" -kernel bz6
make bz7 pref=0x1000
bad "preferred address 0x1000 at 0x258" -kernel bz7
make bz8 pref=0xfffffffffffff000
bad "give more with -m" -kernel bz8
make bz9 init=0x10
bad "init size 0x10 at 0x260" -kernel bz9
make bz10 init=0xffffffff
bad "give more with -m" -kernel bz10
make bz11 syssize=0xffffffff
bad "truncated: the header promises 68719478768 bytes" -kernel bz11
make bz12 syssize=1
bad "body of 16 bytes by the size at 0x1f4" -kernel bz12
make bz13 sects=255
bad "truncated: the header promises" -kernel bz13
make bz14 jump=0
bad "setup header of 17 bytes by the jump at 0x200" -kernel bz14
make bz15 paylen=0x4001
bad "payload of 16385 bytes at 0x1000" -kernel bz15
make bz16 payoff=0xfffffff0
bad "payload of 4096 bytes at 0xfffffff0" -kernel bz16
make bz17 magic=abcdefgh
bad "no known compression" -kernel bz17
for cut in 515 520 600 700 2048 2100 6144 18400; do
	make "cut$cut" cut=$cut
	bad "-kernel cut$cut: " -kernel "cut$cut"
done
make sig pad=1000
starts -m 32 -kernel sig
bad "up to 17 MiB" -m 16 -kernel bz

# --- initrd
head -c 1000000 /dev/zero >rd
starts -m 32 -kernel bz -initrd rd
: >rd0
bad "-initrd rd0: the file is empty" -m 32 -kernel bz -initrd rd0
bad "-initrd absent: No such file" -m 32 -kernel bz -initrd absent
bad "-initrd .: not an ordinary file" -m 32 -kernel bz -initrd .
truncate -s 15M rd15
starts -m 32 -kernel bz -initrd rd15
truncate -s 16M rd16
bad "do not fit" -m 32 -kernel bz -initrd rd16
truncate -s 100M rd100
bad "-initrd rd100: 104857600 bytes do not fit" -m 32 -kernel bz -initrd rd100
make bzlow initrdmax=0x11fffff
starts -m 256 -kernel bzlow -initrd rd
bad "do not fit" -m 256 -kernel bzlow -initrd rd15

# --- PVH ELF
make elf
starts -m 32 -kernel elf
starts -m 32 -kernel elf -initrd rd
make elf1 data=2
bad "not a little-endian ELF file" -kernel elf1
make elf2 machine=183
bad "not an x86 program (machine 183)" -kernel elf2
make elf3 phnum=0
bad "0 program headers" -kernel elf3
make elf4 phnum=60000
bad "60000 program headers" -kernel elf4
make elf5 phoff=0xfffffffffffffff0
bad "truncated: program headers" -kernel elf5
make elf6 phentsize=1
bad "program headers of 1 bytes" -kernel elf6
make elf7 off=0xffffffffffffff00
bad "truncated: segment 0" -kernel elf7
make elf8 filesz=0x2000
bad "truncated: segment 0" -kernel elf8
make elf9 memsz=1
bad "more bytes in the file than in memory" -kernel elf9
make elf10 memsz=0xffffffffffffffff
bad "lies outside RAM" -kernel elf10
make elf11 addr=0xffffffffffff0000
bad "lies outside RAM" -kernel elf11
make elf12 addr=0x7000
bad "lies on boot data or tables" -kernel elf12
make elf13 addr=0xe0000
bad "lies on boot data or tables" -kernel elf13
make elf14 note=17
bad "without a PVH entry" -kernel elf14
make elf15 entry=0xfffffff0
bad "PVH entry 0xfffffff0 lies outside RAM" -kernel elf15
make elf16 descsz=0xfffffff0
bad "passes its segment's end" -kernel elf16
make elf17 notesz=100000
bad "truncated: segment 1" -kernel elf17
make elf18 class=7
bad "not a little-endian ELF file" -kernel elf18
for cut in 10 50 100 150 200; do
	make "elfcut$cut" cut=$cut
	bad "-kernel elfcut$cut: " -kernel "elfcut$cut"
done

# --- memory that cannot be had
bad "-m" -m 1 -kernel bz
truncate -s 16M ramfile
bad "the file has 16777216 bytes" -m 32 -mem-path ramfile -kernel bz
bad "-mem-path" -m 32 -mem-path absent/file -kernel bz

done_testing
