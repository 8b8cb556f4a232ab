# SPDX-License-Identifier: GPL-2.0
# For tests/lab/t/driver-*.sh: which modules run a program of tests/driver, and what follows.
# OURS_ONLY=1 leaves the stock module alone: where it is not the one that we compare with.
# SPLIT_ONLY=1 leaves out the other layouts of rings: where time is short.
set -u
. "$SHUNT_TOP/tests/lab/tap.sh"
. "$SHUNT_TOP/scripts/common.sh"
load=$SHUNT_TOP/scripts/load.sh
programs=$SHUNT_TOP/build/tests/driver
series=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
trap '"$load" none >/dev/null 2>&1' EXIT

bail() { echo "Bail out! $*"; exit 1; }

# load ours or stock; of the latter the one that is compared with
stock_module=vhost_net
driver_load() {
	local which=("$1")

	[ "$1" != stock ] || which+=("$stock_module")
	"$load" "${which[@]}" >/dev/null 2>&1 || bail "cannot load the $1 modules"
}

# What driver_compare does when a module is loaded, and before it goes
driver_before() { :; }
driver_after() { :; }

driver_record() { # MODULES PROGRAM [ARGUMENT...]
	local file=${SHUNT_OUT:-/tmp}/$2.$1 name=$2

	driver_load "$1"
	shift 2
	driver_before
	timeout "${DRIVER_LIMIT:-100}" "$programs/$name" "$@" >"$file"
	set -- $?
	driver_after
	return "$1"
}

# driver_compare PROGRAM [ARGUMENT...]: record its results on both modules, compare them, keep them in
# $SHUNT_OUT.
driver_compare() {
	local out=${SHUNT_OUT:-/tmp} name=$1 which

	if [ "${OURS_ONLY:-}" = 1 ]; then
		check "$name runs to its end" driver_record ours "$@"
		"$load" none >/dev/null 2>&1 || bail "cannot unload after $name"
		echo "1..$tap_n"
		tap_n=0
		return
	fi
	for which in stock ours; do
		driver_record $which "$@" || echo "# $name on $which ended with status $?"
	done
	"$load" none >/dev/null 2>&1 || bail "cannot unload after $name"
	"$SHUNT_TOP/tests/driver/compare" "$name" "$series" "$out/$name.stock" "$out/$name.ours"
}

# driver_layouts COMMAND...: runs it for each further layout of rings, with its name in DRIVER_LAYOUT.
# The engine is one: the two kernels share the layouts, make soak takes all on both.
driver_layouts() {
	local layout on bits

	[ "${SPLIT_ONLY:-}" != 1 ] || return 0
	driver_load ours
	while read -r layout on bits; do
		[ "$on" = "$series" ] || [ "${SHUNT_SOAK:-}" = 1 ] || continue
		# shellcheck disable=SC2086 # words
		if vhost_offers $bits; then
			DRIVER_LAYOUT=$layout "$@"
		else
			skip "$layout" "the module does not offer it"
		fi
	done <<-'END'
	packed 6.1 34
	packed-in_order 6.12 34 35
	in_order 6.12 35
	END
}

# With driver_layouts: tests/driver/ring in this layout against a split ring of the same module, whose
# results driver_compare left. Differences that must be: tests/driver/layout-differences.
driver_ring_layout() {
	local out=${SHUNT_OUT:-/tmp} name=ring-$DRIVER_LAYOUT n

	timeout "${DRIVER_LIMIT:-100}" "$programs/ring" >"$out/$name" || echo "# $name ended with status $?"
	# What a packed ring cannot have is in one of the two only.
	awk -F': ' 'NR == FNR { have[$1]; next } $1 in have' "$out/$name" "$out/ring.ours" >"$out/$name.split"
	LIST=layout-differences "$SHUNT_TOP/tests/driver/compare" "$name" "$series" "$out/$name.split" "$out/$name"
	n=$(wc -l <"$out/$name")
	if [ "$n" -ge 120 ]; then pass "$name: $n cases"; else fail "$name: only $n cases"; fi
	case $DRIVER_LAYOUT in
	packed*) DRIVER_LAYOUT=packed timeout 60 "$programs/ring" --packed ;;
	esac
}

# driver_tap MODULES "PROGRAM [ARGUMENTS]"...: what the programs report, as subtests with plans of
# their own
driver_tap() {
	local which=$1 p rc

	[ "$which${OURS_ONLY:-}" != stock1 ] || return 0
	driver_load "$which"
	shift
	for p in "$@"; do
		echo "# $p on $which${DRIVER_LAYOUT:+, $DRIVER_LAYOUT}"
		rc=0
		# shellcheck disable=SC2086 # words
		DRIVER_MODULE=$which timeout "${DRIVER_LIMIT:-150}" "$programs"/$p || rc=$?
		[ $rc = 0 ] && pass "$p ran to its end" || fail "$p ended with status $rc"
	done
}

# KiB that nobody can get back: guest memory of a worker that lives on would show at once.
driver_free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemAvailable:/ { print $2 }' /proc/meminfo
}

# driver_memory BEFORE: is it back where it was, and can the modules go?
driver_memory() {
	local lost=$(($1 - $(driver_free_kib))) out

	if [ "$lost" -lt 65536 ]; then pass "no memory is left behind: $lost KiB"; else fail "memory lost: $lost KiB"; fi
	if out=$("$load" none 2>&1); then pass "unload after all that"; else fail "unload: $out"; fi
}

# driver_fuzz: after driver_load; how long fuzzers run, and where their part of the kernel's log begins
#	SECONDS_LONG	each for so long (6, in make soak 600)
#	MILLIONS	of descriptors at least (0, in make soak 20)
driver_fuzz() {
	[ "${SHUNT_SOAK:-}" != 1 ] || : "${SECONDS_LONG:=600}" "${MILLIONS:=20}"
	export SECONDS_LONG=${SECONDS_LONG:-6} MILLIONS=${MILLIONS:-0}
	# A million takes a minute or two.
	DRIVER_LIMIT=$((200 + SECONDS_LONG + ${SLOW:-1} * (60 + MILLIONS * 300)))
	mark="shunt-lab: fuzz $$"
	echo "$mark" >/dev/kmsg
}

# driver_log_quiet [PATTERN]: hostile drivers may make us say that their ring is broken or their log is gone,
# at a limited rate, and no more but for PATTERN; what others say of their frames is not our affair.
driver_log_quiet() {
	local known='queue [0-9]+ broken: |a write is missing in the dirty log|callbacks suppressed'${1:+"|$1"} said

	said=$(dmesg | sed "1,/$mark/d" | grep -i vhost | grep -vE "$known" | head)
	is "$said" "" "the kernel log has nothing else from us"
}
