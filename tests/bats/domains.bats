#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Trust domains: a page of its own for each, sent in place. Members are attached
# without a helper here: through the controller's descriptors, as only root can.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

# Hosts a, with two domains, and b.
start_trusting() {
	lab 2 1
	# shellcheck disable=SC2046 # a flag a line
	start_controller a $(guest_flags a 2) $(peer_flags a) $(remote_flags a 1) --trust=one=a1,later --trust=two=a2
	# shellcheck disable=SC2046
	start_controller b $(guest_flags b 1) $(peer_flags b) $(remote_flags b 2)
	peers_up
}

# memories - the descriptors of a's domains, in the order of --trust
memories() {
	local fd
	for fd in /proc/"$(ask a status .pid)"/fd/*; do
		[[ $(readlink "$fd") != */memfd:jitney-domain* && $(readlink "$fd") != /memfd:jitney-domain* ]] || echo "$fd"
	done | sort -V
}

# aboard DOMAIN GUEST COUNT - messages of a guest for b1, port 7000
aboard() {
	"$tools/jt-member" "$(memories | sed -n "$1p")" "$3" "$(lab_mac "$2")" "$(lab_ipv4 "$2")" \
		"$(lab_mac b1)" "$(lab_ipv4 b1)" 7000
}

domain() {
	ask a status ".domains[$1].$2"
}

listening() {
	place b1 ss -uln | grep -q ':7000 '
}

lines() {
	[[ $(wc -l <"$work/got") == "$1" ]]
}

# collect - what arrives at b1's port 7000, in $work/got
collect() {
	: >"$work/got"
	start got b1 socat -u -b 65536 UDP-RECV:7000,rcvbuf=4000000 "OPEN:$work/got,append"
	until_true 10 listening
}

@test "domains: each has a page of its own, which leaves without a copy" {
	local before
	start_trusting
	collect
	equal "guests" "$(domain 0 'guests | join(",")')" a1,later
	equal "domains" "$(ask a status '[.domains[].name] | join(",")')" one,two
	"$bin/jitney" --socket "$work/a.sock" status | grep -qE '^domain +one: 2 guests, 0 members; 0 messages'
	equal "memories" "$(memories | wc -l)" 2
	between "memory" "$(domain 1 memory)" 1048576 2097152
	before=$(total b received_messages)
	aboard 1 a1 500
	ask a flush .swapped | grep -qx true
	until_true 10 lines 500 || fail "$(wc -l <"$work/got") of 500 lines"
	equal "order" "$(sort -c "$work/got" 2>&1)" ""
	equal "received" "$(($(total b received_messages) - before))" 500
	equal "lost" "$(total b received_lost)" 0
	equal "messages of one" "$(domain 0 messages)" 500
	equal "messages of two" "$(domain 1 messages)" 0
	between "frames" "$(domain 0 frames)" 5 12
	aboard 2 a2 300
	ask a flush .swapped | grep -qx true
	until_true 10 lines 800 || fail "$(wc -l <"$work/got") of 800 lines"
	equal "messages of two" "$(domain 1 messages)" 300
	# Many rotations of the banks.
	for _ in {1..20}; do
		aboard 1 a1 400
		ask a flush >/dev/null
	done
	until_true 10 lines 8800 || fail "$(wc -l <"$work/got") of 8800 lines"
	equal "lost" "$(total b received_lost)" 0
	equal "resets" "$(domain 0 resets)" 0
	equal "nonsense" "$(ask a drops '[.drops[] | select(.reason == "domain_bad")] | length')" 0
}

@test "domains: nonsense in one is counted, and stops nobody" {
	local memory
	start_trusting
	collect
	memory=$(memories | head -n 1)
	# The whole control area: epochs, banks' words and all.
	head -c 1400 /dev/urandom | dd of="$memory" conv=notrunc status=none
	reset_once() { ask a flush >/dev/null; aboard 2 a2 1 && (($(domain 0 resets) > 0)); }
	until_true 10 reset_once || fail "no reset"
	grep -q "trust domain one makes no sense" "$work/a.err"
	answers a
	between "nonsense" "$(ask a drops '[.drops[] | select(.reason == "domain_bad") | .count] | add')" 1 10
	equal "resets of two" "$(domain 1 resets)" 0
	: >"$work/got"
	again() { aboard 1 a1 10 && ask a flush .swapped | grep -qx true; }
	until_true 10 again || fail "it does not come back"
	until_true 10 test -s "$work/got"
	wake a1 b1
	stop a
}

@test "domains: eight of them, to the last byte of the UMEM" {
	local i flags=()
	for i in {1..8}; do flags+=("--trust=d$i=g$i"); done
	lab 1 1
	# shellcheck disable=SC2046 # a flag a line
	start_controller a $(guest_flags a 1) $(peer_flags a) $(remote_flags a 1) "${flags[@]}"
	# shellcheck disable=SC2046
	start_controller b $(guest_flags b 1) $(peer_flags b) $(remote_flags b 1)
	peers_up
	equal "domains" "$(ask a status '.domains | length')" 8
	collect
	aboard 8 a1 50
	ask a flush >/dev/null
	until_true 10 lines 50 || fail "$(wc -l <"$work/got") of 50 lines"
	equal "messages of the last" "$(domain 7 messages)" 50
	stop a
	[[ ! -e $pins/a ]] || fail "pins are left"
}

# cycles ARG...: how many swaps of any page the messages of three guests took, with a cycle
# of 10 ms for two seconds; and all of them arrive
cycles() {
	local i
	lab 3 1
	start_pair --cycle=10ms "$@"
	for i in 1 2 3; do acquaint "a$i" b1; done
	receive "in" b1 --flows 3 --tolerant
	for i in 1 2 3; do
		speak "out-$i" "a$i" slice -d "$(lab_ipv4 b1):7000" --first-flow "$i" -r 2000 -n 4000 --warm 20
	done
	ended 30 out-{1,2,3} in && intact in
	equal "messages" "$(report in .received)" 12000
	swaps=$(ask a status '.totals.swaps + ([.domains[].swaps] | add // 0)')
}

@test "domains: --page-per-guest: each guest's page is swapped by itself, and nobody maps it" {
	local swaps shared
	cycles
	shared=$swaps
	between "swaps of the one page" "$shared" 150 320
	equal "pages" "$(ask a status '.domains | length')" 0
	stop a && stop b
	lab_down "$prefix"
	cycles --page-per-guest
	between "swaps of a page for each" "$swaps" $((shared * 5 / 2)) $((shared * 7 / 2))
	equal "pages" "$(ask a status '[.domains[] | .name] | join(" ")')" "a1 a2 a3"
	between "messages of the first" "$(domain 0 messages)" 3500 4100
	place a1 timeout 10 "$guest" --socket "$work/a.sock" --call map status >"$work/map" 2>&1 &&
		fail "a page of a guest's own can be mapped: $(<"$work/map")"
	grep -q "the controller's consent" "$work/map" || fail "$(<"$work/map")"
	stop a && stop b
}
