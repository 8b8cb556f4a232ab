# SPDX-License-Identifier: GPL-2.0
# TAP for shell tests: source it, call these, end with done_testing.
#
#	check TEXT CMD...	ok if CMD succeeds; its output is shown when it does not
#	deny TEXT CMD...	ok if CMD fails
#	is GOT WANT TEXT	ok if equal
#	like GOT REGEX TEXT	ok if REGEX (extended) matches
#	skip TEXT REASON
#	python_tap SECONDS ARGUMENTS...	runs Python from standard input; see below

tap_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tap_n=0
tap_bad=0

pass() { tap_n=$((tap_n + 1)); echo "ok $tap_n - $1"; }
fail() { tap_n=$((tap_n + 1)); tap_bad=$((tap_bad + 1)); echo "not ok $tap_n - $1"; }
skip() { tap_n=$((tap_n + 1)); echo "ok $tap_n - $1 # SKIP $2"; }
note() { sed 's/^/# /' <<<"$*"; }

check() {
	local text=$1 out rc=0

	shift
	out=$("$@" 2>&1) || rc=$?
	if [ $rc = 0 ]; then
		pass "$text"
	else
		fail "$text"
		note "exit status $rc of: $*"
		[ -z "$out" ] || note "$out"
	fi
}

deny() {
	local text=$1 out

	shift
	if out=$("$@" 2>&1); then
		fail "$text"
		note "unexpected success of: $*"
		[ -z "$out" ] || note "$out"
	else
		pass "$text"
	fi
}

is() {
	if [ "$1" = "$2" ]; then pass "$3"; else fail "$3"; note "got '$1', wanted '$2'"; fi
}

like() {
	if grep -qE -- "$2" <<<"$1"; then pass "$3"; else fail "$3"; note "got '$1', wanted /$2/"; fi
}

done_testing() {
	echo "1..$tap_n"
	exit $((tap_bad > 0))
}

# python_tap SECONDS ARGUMENTS...: Python from standard input, which has report(ok, what), done(), and what is in tests/unit
python_tap() {
	local limit=$1 tap='
import sys
tap_n = tap_bad = 0

def report(ok, what):
    global tap_n, tap_bad
    tap_n += 1
    tap_bad += not ok
    print("%sok %d - %s" % ("" if ok else "not ", tap_n, what), flush=True)

def done():
    print("1..%d" % tap_n)
    sys.exit(tap_bad > 0)
'
	shift
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$tap_dir/../unit timeout -k 2 "$limit" python3 -c "$tap$(cat)" "$@"
}
