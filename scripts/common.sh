# SPDX-License-Identifier: GPL-2.0
# Shared by the shell scripts: source it with `. "$top/scripts/common.sh"`.

: "${SHUNT_CACHE:=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/shunt}"

# Progress goes to stderr: stdout belongs to whoever reads the script's answer.
say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# as_root CMD...: packages and modules need root; a user with sudo need not think about it.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root: $*"
	fi
}

# kernel_release KDIR: what uname -r says there. Not kernel.release: Debian's own says 6.1.192 where
# uname says 6.1.0-56-amd64.
kernel_release() {
	sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' "$1/include/generated/utsrelease.h" 2>/dev/null
}

# vhost_offers BIT...: the loaded vhost_net, or whose device $VHOST_DEVICE is, has all these features
vhost_offers() {
	python3 - "$@" <<-'END'
	import fcntl, os, struct, sys
	with open(os.environ.get("VHOST_DEVICE", "/dev/vhost-net"), "rb") as dev:
	    bits, = struct.unpack("Q", fcntl.ioctl(dev, 0x8008af00, bytes(8)))
	sys.exit(not all(bits >> int(n) & 1 for n in sys.argv[1:]))
	END
}

# cache_lock NAME: one process fetches NAME, the others wait for it and find it done.
cache_lock() {
	mkdir -p "$SHUNT_CACHE/lock" || die "cannot write to $SHUNT_CACHE (set SHUNT_CACHE)"
	exec 9>"$SHUNT_CACHE/lock/$1"
	flock 9
}
cache_unlock() { exec 9>&-; }

# cache_new FOLDER: sets $tmp to a new folder in there, to be filled and renamed; what is left of it
# goes when the script ends.
cache_new() {
	mkdir -p "$1"
	tmp=$(mktemp -d "$1/.tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp"
}

cache_find() { run=$(ls -t "$SHUNT_CACHE/$1"/*/run 2>/dev/null | head -n 1) && [ -n "$run" ]; }

# cache_program NAME: sets $run to the command NAME/*/run of the cache, which the caller's fetch makes if
# there is none; to nothing if it cannot.
cache_program() {
	! cache_find "$1" || return 0
	cache_lock "$1"
	cache_find "$1" || ! fetch || cache_find "$1" || true
	cache_unlock
}

# apt_quiet ARGS...: apt-get without chatter, its words shown when it fails.
apt_quiet() {
	local log rc=0

	log=$(mktemp)
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root \
		-o Acquire::Retries=3 "$@" >"$log" 2>&1 || rc=$?
	[ $rc = 0 ] || cat "$log" >&2
	rm -f "$log"
	return $rc
}

# apt_candidate PACKAGE: the version that apt would install; fails when there is none
apt_candidate() {
	local version

	version=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p')
	[ -n "$version" ] && [ "$version" != "(none)" ] && echo "$version"
}

# apt_sources SUITE...: sources for them, from the mirror that this machine already uses for bookworm
apt_sources() {
	local uri key=/usr/share/keyrings/debian-archive-keyring.gpg suite

	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' \
	      'Release: bookworm' 2>/dev/null | head -n 1) || true
	[ -n "$uri" ] || { say "apt has no source for bookworm to learn the mirror from"; return 1; }
	for suite; do
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nTargets: Packages\n' "$uri" "$suite"
		[ ! -f "$key" ] || echo "Signed-By: $key"
		echo
	done
}

# median(LIST): of numbers with blanks between them, for awk programs to begin with
# shellcheck disable=SC2034 # whoever sources this
median_awk='function median(list,	v, n, i, j, t) {
	n = split(list, v)
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
'
