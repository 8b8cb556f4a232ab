# SPDX-License-Identifier: GPL-2.0
# Building blocks of initramfs trees; sourced by run and guest-initramfs, after scripts/common.sh.

# initramfs_busybox DIR: static busybox and the folders every init needs.
initramfs_busybox() {
	local bb

	bb=$(command -v busybox) || die "no busybox (run: make setup)"
	mkdir -p "$1"/{bin,dev,etc,proc,sys,tmp,run,root,modules}
	cp "$bb" "$1/bin/busybox"
	ln -sf busybox "$1/bin/sh"
}

# initramfs_modules DIR KERNEL RELEASE MODULE...: copies modules and what they need into
# DIR/modules, unpacked, and lists them in load order in DIR/modules/order.
initramfs_modules() {
	local dir=$1 kernel=$2 release=$3 ko name

	shift 3
	for name; do
		modprobe -d "$kernel" -S "$release" --show-depends "$name" ||
			die "kernel $release has no module $name"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' |
	while read -r ko; do
		name=${ko##*/}
		case $name in
		*.xz)	name=${name%.xz}; xz -dc "$ko" >"$dir/modules/$name" ;;
		*.zst)	name=${name%.zst}; zstd -qdc "$ko" >"$dir/modules/$name" ;;
		*.gz)	name=${name%.gz}; gzip -dc "$ko" >"$dir/modules/$name" ;;
		*)	cp "$ko" "$dir/modules/" ;;
		esac
		echo "$name"
	done >"$dir/modules/order"
}

# initramfs_program DIR PATH...: copies programs, each with the libraries its loader wants.
initramfs_program() {
	local dir=$1 file lib

	shift
	for file; do
		file=$(command -v "$file") || die "no program $file (run: make setup)"
		mkdir -p "$dir/bin"
		cp -L "$file" "$dir/bin/"
		ldd "$file" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
			mkdir -p "$dir${lib%/*}"
			cp -nL "$lib" "$dir$lib"
		done
	done
}

# initramfs_pack DIR OUT: OUT appears whole or not at all.
initramfs_pack() {
	(cd "$1" && find . -mindepth 1 -printf '%P\0' | sort -z |
	 cpio -0 -o -H newc -R 0:0 --quiet) >"$2.tmp.$$"
	mv "$2.tmp.$$" "$2"
}
