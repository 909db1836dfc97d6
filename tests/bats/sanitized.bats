#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Controllers with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
# do all that they can at once; nothing may be reported.
load lib
load fault-lib

setup() {
	test_begin
	export JITNEYD=$top/build/asan/jitneyd
	export ASAN_OPTIONS=detect_leaks=1:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
}
teardown() { test_end; }

ends_clean() {
	local side status
	for side in a b; do
		status=0
		stop "$side" || status=$?
		! grep -qE 'Sanitizer|runtime error' "$work/$side.err" ||
			fail "$side: $(grep -E -m 1 -A 20 'Sanitizer|runtime error' "$work/$side.err")" || return
		equal "status of $side" "$status" 0 || return
	done
}

# Ask for everything, and let guests come and go, until the traffic is over.
pester() {
	local side command
	while [[ ! -e $work/over ]]; do
		for side in a b; do
			for command in status guests peers cycle page drops flush; do
				ask "$side" "$command" .ok || return
			done
			ask "$side" "guest del ${side}2" .ok
			ask "$side" "guest add ${side}2=vif-${side}2" .ok
		done
	done
}

@test "sanitized: 200,000 messages, captured, with commands and guests that come and go" {
	local to=() asking to_v6
	lab 3 2
	start_pair
	acquaint
	start capture a "$bin/jitney" --socket "$work/a.sock" capture "$work/all.pcapng"
	receive r1 b1 --flows 8 --tolerant --timeout 10
	receive r2 a1 --flows 8 --tolerant --timeout 10
	to_v6="[$(lab_ipv6 b1)]:7000"
	transmit s1 a1 -d "$(lab_ipv4 b1):7000" -d "$to_v6" --flows 8 --sizes 0-512 -n 100000 --rate 12000 \
		--tolerant --timeout 10
	to_v6="[$(lab_ipv6 a1)]:7000"
	transmit s2 b1 -d "$(lab_ipv4 a1):7000" -d "$to_v6" --flows 8 --sizes 0-512 -n 100000 --rate 12000 \
		--tolerant --timeout 10
	pester >"$work/pester" &
	asking=$!
	for to in s1 s2 r1 r2; do
		finish "$to" 30 || fail "$to: $(<"$work/$to.err")"
	done
	touch "$work/over"
	wait "$asking"
	! grep -v true "$work/pester" || fail "a command was refused"
	between "commands" "$(wc -l <"$work/pester")" 36 100000
	for to in r1 r2; do
		equal "altered at $to" "$(report "$to" '.altered + .unplaced + .bad_checksum')" 0
		equal "duplicated at $to" "$(report "$to" .duplicated)" 0
		# Here all is slow: what there was no room for is counted, and tested elsewhere.
		between "lost at $to" "$(report "$to" .lost)" 0 20000
	done
	between "carried" "$(carried a)" 50000 110000
	stop capture INT || true
	ends_clean
	between "bytes captured" "$(stat -c %s "$work/all.pcapng")" 1000000 1000000000
}

@test "sanitized: no guest, no peer, no address; clients that never say anything" {
	local command
	lab 1 1
	start_controller a --discover
	start_controller b --discover --guest=b1=vif-b1
	# shellcheck disable=SC2016 # perl's
	start idle a perl -MIO::Socket::UNIX -e \
		'$_ = IO::Socket::UNIX->new(Peer => shift) or die for @s[0 .. 3]; print STDERR "in\n"; sleep 60' \
		"$work/a.sock"
	until_true 10 grep -q in "$work/idle.err" || fail "no connection: $(<"$work/idle.err")"
	for command in status guests peers cycle page drops flush; do
		ask a $command .ok >/dev/null
	done
	until_true 10 guests_known || fail "a knows nobody: $(ask a peers)"
	ends_clean
}

guests_known() {
	[[ $(ask a peers '.peers[].name') == b ]]
}
