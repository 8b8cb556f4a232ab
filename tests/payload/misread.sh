# SPDX-License-Identifier: GPL-2.0
# QEMU's TCG, when it nests, now and then (1 guest in 100) raises page faults for pages that are mapped,
# its vectors' page among them: the guest triple faults. Source it; needs SHUNT_TOP.
#
#	ram_file FILE MIB		an empty file for the guest's -mem-path
#	misread PAYLOAD FILE ERR	has it died so? Its page tables are whole, then. ERR: what its VMM said
#	look PID...			what the threads of a VMM, or of its processes, do, and what the guest costs KVM, twice

ram_file() {
	rm -f "$1"
	truncate -s "$2M" "$1"
}

misread() {
	grep -q 'triple fault' "$3" &&
		"$SHUNT_TOP/tests/payload/tables_intact.py" "$SHUNT_TOP/build/payload/$1.elf" "$2" &&
		echo "# $1: page faults on whole page tables: once more"
}

look() {
	local i p t f

	for i in 1 2; do
		for p; do
			for t in "/proc/$p/task"/*; do
				echo "# $(cat "$t/comm") $(cut -d' ' -f3,14,15 "$t/stat") $(cat "$t/wchan")"
			done
			for f in /sys/kernel/debug/kvm/"$p"-*/{exits,mmio_exits,irq_injections,halt_exits}; do
				[ ! -r "$f" ] || echo "# ${f##*/} $(cat "$f")"
			done
		done
		sleep 1
	done
}
