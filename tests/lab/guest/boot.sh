#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs inside a stock Debian guest that firmware and GRUB have booted; the first time it reboots. Speaks to whoever reads the
# serial port in lines "GUEST key=value".
# guest: -g
say() { echo "GUEST $*"; }

if [ ! -f /second ]; then
	touch /second
	say first=ok
	sync
	reboot -f
fi
say kernel="$(uname -r)" root="$(sed -n 's|^/dev/\(vd[a-z0-9]*\) / .*|\1|p' /proc/mounts)" cpus="$(nproc)"
say firmware="$(cat /sys/class/dmi/id/bios_vendor)" tables="$(cd /sys/firmware/acpi/tables && echo [A-Z]* | tr ' ' ,)"
say memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
say interrupts="$(grep -c 'PCI-MSI.*virtio' /proc/interrupts)" power="$(cat /sys/bus/acpi/devices/LNXPWRBN*/hid 2>/dev/null)"
say done=1
