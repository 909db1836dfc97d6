#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Calls of guests to the controller: which way they go, who waits, and what becomes
# of them when one of the two ends.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

# calls SIDE GUEST FILTER: of what `jitney guests --calls' says of a guest
calls() {
	"$bin/jitney" --json --socket "$work/$1.sock" guests --calls |
		jq -r ".calls[] | select(.name == \"$2\") | $3"
}

# routine SIDE GUEST NAME KEY: how many calls of this routine, 0 if there were none
routine() {
	calls "$1" "$2" "[.routines[] | select(.name == \"$3\") | .$4] | add // 0"
}

has_claimed() {
	[[ $(ask "$1" guests "[.guests[] | select(.name == \"$2\") | .helpers[].ports[]] | join(\" \")") == "$3" ]]
}

pair() {
	lab 2 1
	start_pair
}

@test "deferred: a claim takes no question, and a controller that sleeps is rung for" {
	pair
	until_true 10 is_asleep a || fail "the controller does not go to sleep"
	g_ready in a1 recv 7000 --seconds 20
	until_true 5 has_claimed a a1 7000 || fail "the port is not claimed"
	equal "claims that waited" "$(routine a a1 claim deferred)" 1
	equal "claims that did not" "$(routine a a1 claim immediate)" 0
	stop in
}

is_asleep() {
	[[ $(ask "$1" cycle .cycle.asleep) == true ]]
}

@test "deferred: what a person calls for" {
	pair
	for call in slice xdp; do
		g one a1 call cycle --call "$call"
		finish one || fail "$(<"$work/one.err")"
		equal "the bound" "$(say one .latency_ns)" 2000000
		g one a1 call counters --call "$call"
		finish one || fail "$(<"$work/one.err")"
		equal "calls that were asked at once" "$(say one .immediate)" 1
	done
	g one a1 call report 100000 250
	finish one || fail "$(<"$work/one.err")"
	equal "T_i" "$(ask a guests '.guests[0].interval_ns')" 100000
	equal "D_i" "$(ask a guests '.guests[0].write_ns')" 250
	g one a1 call flush
	finish one || fail "$(<"$work/one.err")"
	g one a1 call weight 1
	finish one || fail "$(<"$work/one.err")"
	g one a1 call weight 4000000000
	! finish one || fail "a guest gets any weight that it likes"
	grep -q 'not permitted' "$work/one.err" || fail "$(<"$work/one.err")"
	! g one a1 call report 1 1 || finish one && fail "a T_i of 1 ns is believed"
	grep -q 'out of range' "$work/one.err" || fail "$(<"$work/one.err")"
	g one a1 call cycle --socket "$work/nobody.sock"
	! finish one || fail "nobody answers"
	grep -q 'no controller' "$work/one.err" || fail "$(<"$work/one.err")"
	"$bin/jitney" --socket "$work/a.sock" guests --calls >"$work/table"
	grep -Eq '^a1 +report +0 +2 +1$' "$work/table" || fail "$(<"$work/table")"
}

@test "deferred: a flood is executed, bounded, and another guest does not feel it" {
	pair
	acquaint a2 b1
	echo_quiet
	g flood a1 call report 100000 100 --count 3000000
	until_true 5 floods || fail "there is no flood"
	g ping a2 ping "$(lab_ipv4 b1):7000" --interval 0.002 --count 500
	finish ping 60 || fail "$(<"$work/ping.err")"
	stop flood || fail "$(<"$work/flood.err")"
	echo "# round trips: $quiet ns, beside the flood $(say ping .p99_ns) ns (p99);" \
		"$(routine a a1 report deferred) calls deferred, $(routine a a1 report immediate) immediate" >&3
	between "p99 of who is beside" "$(say ping .p99_ns)" 1 $((quiet + 10000000))
	equal "calls that failed" "$(routine a a1 report failed)" 0
	g last a1 call counters
	finish last || fail "$(<"$work/last.err")"
	stop echo
}

floods() {
	(($(routine a a1 report deferred) > 1000))
}

# quiet=: p99 of a round trip while nobody calls
echo_quiet() {
	g_ready echo b1 echo 7000
	g ping a2 ping "$(lab_ipv4 b1):7000" --interval 0.002 --count 500
	finish ping 60 || fail "$(<"$work/ping.err")"
	quiet=$(say ping .p99_ns)
}

@test "deferred: helpers that are killed while they call leave nothing behind" {
	local tries=5 had
	pair
	had=$(descriptors a)
	while ((tries--)); do
		g_ready in a1 recv 7000 --seconds 30
		g flood a1 call report 100000 100 --count 100000000
		until_true 5 floods || fail "there is no flood"
		kill -KILL "${pid[flood]}" "${pid[in]}"
		finish flood || true
		finish in || true
		as_before a 0 "$had"
	done
	g_ready in a1 recv 7000 --seconds 30
	until_true 5 has_claimed a a1 7000 || fail "the port is not free again"
	equal "calls that wait for ever" "$(calls a a1 .waiting)" 0
	stop in
}

@test "deferred: a controller that is killed is called again when it is back" {
	pair
	g_ready in a1 recv 7000 --seconds 60
	until_true 5 has_claimed a a1 7000 || fail "the port is not claimed"
	g flood a1 call report 100000 100 --count 100000000
	until_true 5 floods || fail "there is no flood"
	stop a KILL || true
	# It said that nobody is there any more.
	finish flood 20 && fail "calls succeed without a controller"
	grep -Eq 'failed to call: ' "$work/flood.err" || fail "$(<"$work/flood.err")"
	# shellcheck disable=SC2046 # a flag a line
	start_controller a $(guest_flags a 2) $(peer_flags a) $(remote_flags a 1)
	until_true 10 has_claimed a a1 7000 || fail "the port is not claimed again"
	stop in
}
