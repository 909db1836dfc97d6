#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Helpers that are killed at any moment, under load, and attach again: what they had
# handed over arrives, and nobody else notices.
#
# KILLS=n  over all calls, at most 4000. The default takes 30 s; most of that is
#          setting up.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

kills=${KILLS:-240}

# What came of each life is all that libjitney had taken, and nothing that was never begun;
# once, in order, unaltered.
bounded() {
	jq -c -n --slurpfile lives "$work/victim" --slurpfile got "$work/dead" '
		[$got[0].flows[] | {key: (.flow | tostring), value: .}] | from_entries as $flows |
		{received: 0, lost: 0, altered: 0, out_of_order: 0, duplicated: 0, unplaced: 0} as $nothing |
		$lives[0].each[] | . as [$flow, $sent, $begun] | $flows[$flow | tostring] // $nothing |
		select(.received < $sent or .received > $begun or
			.lost + .altered + .out_of_order + .duplicated + .unplaced > 0) |
		{$flow, $sent, $begun, received, lost, altered, out_of_order, duplicated, unplaced}
	' >"$work/unbounded"
	equal "lives that lost what was taken" "$(head -n 5 "$work/unbounded")" ""
}

# die CALL LIVES MS: that many, of that length in the mean. Beside it: another helper of the
# guest, one of the same call in another guest, and a guest without any.
die() {
	local call=$1 lives=$2 window=(--sizes 0-200 -w 64 --warm 20 --seconds 500)
	receive dead b1 --flows 1024 --tolerant --timeout 600 || return
	hear steady b2 -l 7000-7001 --flows 4 --tolerant || return
	receive plain b2 -l 7010 --flows 1 --tolerant || return
	speak beside a1 slice -d "$(lab_ipv4 b2):7000" -f 2 -r 10000 "${window[@]}"
	speak other a2 "$call" -d "[$(lab_ipv6 b2)]:7001" -f 2 -r 10000 "${window[@]}"
	transmit unmodified a3 -d "$(lab_ipv4 b2):7010" -r 5000 "${window[@]}"
	transmit to-victim b1 -d "$(lab_ipv4 a1):8000" --blind -n 1000000000 -r 2000
	start victim a1 "$tools/jt-lives" -n "$lives" --mean "$3" --call "$call" --rx slice -l 8000 \
		--socket "$work/a.sock" -d "$(lab_ipv4 b1):7000"
	finish victim 300 || fail "$(tail -n 3 "$work/victim.err")" || return
	kill -TERM "${pid[beside]}" "${pid[other]}" "${pid[unmodified]}"
	stop to-victim || true
	# That takes longer than what the last one left is on its way.
	finish beside && finish other && finish unmodified
	stop dead || true
	ended 20 steady plain || return
	bounded && intact steady && intact plain
}

killed() {
	local call=$1 lives=$2 had_a had_b received
	lab 3 2
	start_pair "$trusted"
	acquaint a1 b1
	acquaint a2 b2
	acquaint a3 b2
	had_a=$(descriptors a) had_b=$(descriptors b)
	undisturbed 3 die "$call" "$lives" "$3"
	echo "# $call: $(jq -r '"\(.attached) of \(.each | length) lives attached; taken \(.sent), begun \(.begun)"' \
		"$work/victim"), arrived $(report dead .received); they received $(jq .received "$work/victim")" >&3
	as_before a 0 "$had_a"
	as_before b 0 "$had_b"
	between "lives that attached" "$(jq .attached "$work/victim")" $((lives / 2)) "$lives"
	received=$(report dead .received)
	between "messages of theirs" "$received" $((lives * 10)) 1000000000
	between "messages to them" "$(jq .received "$work/victim")" 1 1000000000
	same_process a && same_process b
	! grep -v ': ready$' "$work/a.err" || fail "a complains"
	stop a && stop b
}

@test "kills: slice" { killed slice $((kills / 4)) 20; }
@test "kills: map" { killed map $((kills / 4)) 20; }
@test "kills: stack" { killed stack $((kills / 4)) 20; }

# The kernel takes some 20 ms to give a dead one's socket back: lives that are too
# short get none.
@test "kills: xdp" { killed xdp $((kills / 4)) 80; }
