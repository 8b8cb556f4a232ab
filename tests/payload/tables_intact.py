#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""tables_intact.py ELF RAM: are a dead payload's page tables, which nobody writes, as its image has them?

RAM is the guest's memory (-mem-path). Exit status 0: yes, but for accessed and dirty bits. Then a
guest that died of page faults was not harmed by its devices: the processor misread good tables.
"""
import struct
import subprocess
import sys

ACCESSED_DIRTY = 0x60
SIZE = 6 * 4096		# pml4, pdpt, four page directories: see rt/start.S

elf, ram = sys.argv[1:]
symbols = {w[2]: int(w[0], 16) for w in map(str.split, subprocess.check_output(["nm", elf], text=True).splitlines())
           if len(w) == 3}
at = symbols["pml4"]
image = open(elf, "rb").read()
phoff, = struct.unpack_from("<Q", image, 32)
phsize, phnum = struct.unpack_from("<HH", image, 54)
for i in range(phnum):
    kind, _, offset, _, paddr, filesz = struct.unpack_from("<IIQQQQ", image, phoff + i * phsize)
    if kind == 1 and paddr <= at and at + SIZE <= paddr + filesz:
        want = image[offset + at - paddr:][:SIZE]
        break
else:
    sys.exit(f"{elf}: no page tables in its image")
with open(ram, "rb") as f:
    f.seek(at)
    got = f.read(SIZE)
bad = [i for i, (a, b) in enumerate(zip(struct.unpack("<3072Q", want), struct.unpack("<3072Q", got)))
       if (a ^ b) & ~ACCESSED_DIRTY]
if bad:
    sys.exit(f"page table entries {bad[:8]} differ, {len(bad)} in all")
