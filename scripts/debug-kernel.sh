#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	scripts/debug-kernel.sh [SERIES]
#
# Prints the folder of a kernel (SERIES is 6.12) full of checks: KASAN, lockdep, kmemleak, UBSAN; its
# configuration is tests/lab/debug.config. In there are boot/vmlinuz-* and lib/modules/RELEASE, for
# `tests/lab/run -K`, and below the latter build, against which modules are built. Made from Debian's
# linux-source package when it is not in the cache yet: minutes on 2 idle processors, at low priority.
#
# Modules built against it are instrumented for KASAN and UBSAN; of the kernel itself only the files that get our
# memory to see. So it is built and runs in half the time. What it allocates and frees, and what it copies to and from
# user space, is checked in any case.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/common.sh"

series=${1:-6.12}
package=linux-source-$series
config=$(sed "s/^#$series CONFIG/CONFIG/" "$top/tests/lab/debug.config")

version=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) || true
[ -n "$version" ] || version=$(apt_candidate "$package") ||
	die "apt does not know $package (run: make setup)"
sanitize=(KASAN_SANITIZE=n UBSAN_SANITIZE=n)
for f in eventfd build_utility workqueue kthread llist iov_iter scatterlist skbuff sock tun tap bio null_blk-main loop \
	 target_core_{transport,device,tmr,tpg,sbc,iblock,file,fabric_lib}; do
	sanitize+=("KASAN_SANITIZE_$f.o=y")
done
id=$({ echo "$package $version ${sanitize[*]}"; gcc --version; echo "$config"; } | sha256sum)
dir=$SHUNT_CACHE/debug/$series-${id:0:16}

# The folders of a built tree that modules have no use for
trim() {
	local d

	for d in Documentation LICENSES block certs crypto drivers fs init io_uring ipc kernel lib mm net rust \
		 samples security sound usr virt; do
		rm -rf "${1:?}/$d"
	done
	rm -f "$1"/.tmp_vmlinux*
	find "$1" \( -name '*.[oa]' -o -name '.*.cmd' \) ! -path "$1/scripts/*" ! -path "$1/tools/*" -delete
}

# A line a minute: nobody likes minutes of silence.
progress() {
	local line files=0 next=$((SECONDS + 60)) start=$SECONDS

	while read -r line; do
		[[ $line != CC* && $line != AS* ]] || files=$((files + 1))
		[ $SECONDS -ge $next ] || continue
		next=$((SECONDS + 60))
		say "## note debug-kernel: $files files compiled in $(((SECONDS - start) / 60)) minutes"
	done
}

make_kernel() {
	local tar=/usr/src/$package.tar.xz tmp=$1 src=$1/src root=linux-source-$series krel lost

	if [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" != "install ok installed" ]; then
		(cd "$tmp" && apt_quiet download "$package=$version") || die "cannot download $package $version"
		dpkg -x "$tmp"/linux-source-*.deb "$tmp/deb"
		tar=$(ls "$tmp"/deb/usr/src/linux-source-*.tar.xz)
	fi
	mkdir "$src"
	tar -C "$src" --strip-components=1 -xf "$tar" --exclude="$root/arch/[!x]*.[chS]" --exclude="$root/sound/*.[ch]" \
		--exclude="$root/drivers/"{gpu,infiniband,media,'scsi/*',staging,usb,net/ethernet,net/wireless}'/*.[ch]'
	rm -rf "$tmp"/deb "$tmp"/*.deb
	echo "$config" >"$tmp/wanted"
	make -C "$src" -s KCONFIG_ALLCONFIG="$tmp/wanted" allnoconfig >&2
	# An option whose dependencies are missing goes without a word.
	lost=$(grep '^CONFIG' "$tmp/wanted" | grep -vxFf "$src/.config") || true
	[ -z "$lost" ] || die "options that $series does not take: $lost"
	nice -n 19 make -C "$src" -j"$(nproc)" "${sanitize[@]}" bzImage modules | progress

	krel=$(make -C "$src" -s kernelrelease)
	make -C "$src" -s INSTALL_MOD_PATH="$tmp" modules_install >&2
	mkdir "$tmp/boot"
	cp "$src/arch/x86/boot/bzImage" "$tmp/boot/vmlinuz-$krel"
	mv "$src/vmlinux" "$tmp/"
	cp "$src/.config" "$tmp/config"
	ln -sfn ../../../src "$tmp/lib/modules/$krel/build"
	trim "$src"
}

if [ ! -d "$dir" ]; then
	cache_lock "debug-$series"
	if [ ! -d "$dir" ]; then
		say "## note debug-kernel: building $package $version (once)"
		cache_new "$SHUNT_CACHE/debug"
		make_kernel "$tmp"
		mv -T "$tmp" "$dir"
	fi
	cache_unlock
fi
echo "$dir"
