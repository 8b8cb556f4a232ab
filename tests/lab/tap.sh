# SPDX-License-Identifier: GPL-2.0
# TAP for shell tests: source it, call check/skip, end with tap_done.
tap_n=0
tap_failed=0

# check WHAT COMMAND...: one test, passed if COMMAND succeeds
check() {
	local what=$1
	shift
	tap_n=$((tap_n + 1))
	if "$@"; then
		echo "ok $tap_n - $what"
	else
		echo "not ok $tap_n - $what"
		tap_failed=$((tap_failed + 1))
	fi
}

skip() { # skip WHAT REASON
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

note() { printf '# %s\n' "$@"; }

tap_done() {
	echo "1..$tap_n"
	[ $tap_failed = 0 ]
}
