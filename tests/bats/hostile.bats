#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A helper that is an enemy, beside one that is not: what gets on the wire, and
# what the other one and the controller make of it.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

# enemy NAME SECONDS: in guest a1; it would like to be a2
enemy() {
	start "$1" a1 "$tools/jt-enemy" --socket "$work/a.sock" --own "$(lab_ipv4 a1)" \
		--victim "$(lab_ipv4 a2)" --dest "$(lab_ipv4 b1)" --dest-mac "$(lab_mac b1)" --seconds "$2"
}

# No one but who is attached there speaks with an address, and the enemy with no one's.
sources_are_own() {
	local bad
	"$tools/jt-sources" "$work/wire.pcap" >"$work/sources"
	# Those of the other machine may answer; what has no IP header of its own is ICMP.
	bad=$(grep -v -e "^$(lab_mac a1) $(lab_ipv4 a1) " -e "^$(lab_mac a2) \($(lab_ipv4 a2)\|-\) " \
		-e "^$(lab_mac b2) " -e "^$(lab_mac b1) " "$work/sources" || true)
	[[ -z $bad ]] || fail "on the wire: $bad"
	grep -q "^$(lab_mac a1) $(lab_ipv4 a1) " "$work/sources" || fail "nothing of the enemy's own went out"
}

# calls_of GUEST: how many the controller of a executed
calls_of() {
	"$bin/jitney" --json --socket "$work/a.sock" guests --calls |
		jq "[.calls[] | select(.name == \"$1\") | .routines[].deferred] | add // 0"
}

# enemy_beside RATE SECONDS: a helper in a2 sends to b2 meanwhile. Its addresses are configured:
# what a guest teaches first is its own otherwise.
enemy_beside() {
	lab 2 2
	watch wire "ether proto 0x88b5"
	# shellcheck disable=SC2046 # a flag a line
	start_controller a --guest="a1=vif-a1,ip=$(lab_ipv4 a1)" --guest="a2=vif-a2,ip=$(lab_ipv4 a2)" \
		$(peer_flags a) $(remote_flags a 2)
	# shellcheck disable=SC2046 # a flag a line
	start_controller b $(guest_flags b 2) $(peer_flags b) $(remote_flags b 2)
	acquaint a2 b2
	g_ready in b2 recv 7000 --count $(($1 * $2)) --seconds $(($2 + 10))
	enemy bad "$2"
	g out a2 send "$(lab_ipv4 b2):7000" --call slice --rate "$1" --count $(($1 * $2))
	finish out 60 || fail "$(<"$work/out.err")"
	finish in 60 || fail "$(<"$work/in.err")"
	finish bad 30 || fail "the enemy: $(<"$work/bad.err")"
	echo "# enemy: $(<"$work/bad"); beside: p99 $(say in .p99_ns) ns; cut off $(dropped a slice_bad)," \
		"spoofed $(dropped a spoofed_ip), lost on the way $(say in .lost)" >&3
	unwatch wire
	sources_are_own
	between "forged ones refused" "$(dropped a spoofed_ip)" 100 100000000
	between "calls executed" "$(calls_of a1)" 100 100000000
	between "times cut off" "$(dropped a slice_bad)" 1 100000000
	stop a || fail "$(<"$work/a.err")"
	stop b || fail "$(<"$work/b.err")"
}

@test "hostile: a helper that forges and flips gets nothing out, and stops nobody" {
	enemy_beside 20000 8
	whole in 160000
	# One cycle is 2 ms at most; that six busy threads share two CPUs takes more.
	between "p99 of who is beside" "$(say in .p99_ns)" 1 50000000
}

@test "hostile: the same with sanitizers in the controller" {
	JITNEYD=$top/build/asan/jitneyd enemy_beside 2000 5
	! grep -qE 'Sanitizer|runtime error' "$work/a.err" || fail "$(<"$work/a.err")"
}
