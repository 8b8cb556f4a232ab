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

# What fio needs only for storage that no guest of ours has; with all that these need, 75 MB
fio_remote='libgfapi|libnbd|libibverbs|librdmacm|librados|librbd|libpmem(blk)?'

# initramfs_stubs DIR PROGRAM LIBRARIES: DIR/LIBRARY, for each that PROGRAM needs and whose name the expression
# LIBRARIES has: it has the names that the program looks for, and nothing behind them.
initramfs_stubs() {
	local lib

	objdump -p "$2" | sed -n 's/^ *NEEDED *//p' | grep -E "^($3)\.so" | while read -r lib; do
		{ nm -D --defined-only "$(ldd "$2" | awk -v lib="$lib" '$1 == lib { print $3 }')"
		  nm -D --undefined-only "$2"; } | awk -v dir="$1" '
			{ split($NF, name, "@+") }
			NF == 3 { has[name[1]] = 1 }
			NF == 2 && name[1] in has {
				print ".globl " name[1] "\n" name[1] ":" > (dir "/names.s")
				version[name[2]] = version[name[2]] name[1] "; "
			}
			END {
				for (v in version)
					print v " { " version[v] "};" > (dir "/versions")
			}'
		echo 'hlt; .section .note.GNU-stack' >>"$1/names.s"
		gcc -shared -nostdlib -Wl,-soname,"$lib" -Wl,--version-script,"$1/versions" -o "$1/$lib" "$1/names.s"
	done
}

# initramfs_program DIR PATH...: copies programs, each with the libraries its loader wants.
initramfs_program() {
	local dir=$1 file lib stubs

	shift
	stubs=$(mktemp -d)
	for file; do
		file=$(command -v "$file") || die "no program $file (run: make setup)"
		[ "${file##*/}" != fio ] || initramfs_stubs "$stubs" "$file" "$fio_remote"
		mkdir -p "$dir/bin"
		cp -L "$file" "$dir/bin/"
		LD_LIBRARY_PATH=$stubs ldd "$file" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
			case $lib in
			"$stubs"/*)	mkdir -p "$dir/lib"; cp "$lib" "$dir/lib/" ;;
			*)		mkdir -p "$dir${lib%/*}"; cp -nL "$lib" "$dir$lib" ;;
			esac
		done
	done
	rm -rf "$stubs"
}

# initramfs_pack DIR OUT: OUT appears whole or not at all.
initramfs_pack() {
	(cd "$1" && find . -mindepth 1 -printf '%P\0' | sort -z |
	 cpio -0 -o -H newc -R 0:0 --quiet) >"$2.tmp.$$"
	mv "$2.tmp.$$" "$2"
}
