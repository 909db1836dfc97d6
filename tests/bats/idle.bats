#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Where nothing is aboard nothing ticks; a stop is a stop at any moment.
load lib
load fault-lib

setup() { test_begin; }
teardown() { test_end; }

# How often a controller was woken since its start.
woken() {
	awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/${pid[$1]}/status"
}

asleep() {
	[[ $(ask "$1" cycle .cycle.asleep) == true ]]
}

# sleeps SIDE SECONDS MOST - it wakes up at most so often meanwhile
sleeps() {
	local before
	before=$(woken "$1")
	sleep "$2" # what is measured
	between "wake-ups of $1 in $2 s" $(($(woken "$1") - before)) 0 "$3"
}

# Since it last heard of a peer it may ask for what was sent.
still() {
	local before
	before=$(woken "$1")
	sleep 0.5
	[[ $(woken "$1") == "$before" ]]
}

@test "idle: nobody sends, nobody wakes" {
	lab 2 1
	start_pair
	until_true 10 still a || fail "it does not come to rest" # guests' kernels say hello, too
	sleeps a 2 0
}

@test "idle: with --discover once in ten seconds" {
	lab 1 1
	start_controller a --discover --guest=a1=vif-a1
	until_true 10 still a || fail "it does not come to rest"
	sleeps a 3 2
}

@test "idle: it sleeps again after traffic" {
	lab 2 1
	start_pair
	acquaint
	receive r b1 --flows 1
	transmit s a1 -d "$(lab_ipv4 b1):7000" -n 5000 --rate 5000
	finish s
	finish r
	until_true 15 asleep a || fail "it is still awake: $(ask a cycle)"
	until_true 15 still a || fail "it does not come to rest: $(ask a cycle)"
	sleeps a 2 0
	sleeps b 2 0
}

@test "idle: a client that hangs, a capture and an uplink that is down keep nobody awake" {
	lab 2 1
	start_pair
	acquaint
	start capture a "$bin/jitney" --socket "$work/a.sock" capture "$work/all.pcapng"
	transmit s a1 --blind -d "$(lab_ipv4 b1):9" -n 3000 --rate 3000
	place a ip link set uplink down
	finish s
	until_true 15 still a || fail "it does not come to rest: $(ask a cycle)"
	sleeps a 2 0
}

@test "idle: SIGTERM while it starts: it ends, and nothing is left" {
	local i
	lab 1 1
	for i in 0 0.02 0.05 0.1 0.15 0.2 0.3; do
		start_early "$i"
		nothing_left_on a
	done
}

# A process that has not come to its signals yet dies of one; it holds nothing then.
start_early() {
	local status=0
	start a a "$bin/jitneyd" --name=a --uplink=uplink --socket="$work/a.sock" --pin="$pins/a" \
		--guest=a1=vif-a1 "$(peer_flags a)"
	sleep "$1" # the moment
	stop a || status=$?
	[[ $status == 0 || $status == 143 ]] || fail "status $status: $(<"$work/a.err")"
}

@test "idle: SIGTERM under load: the page is flushed, the peer is told, nothing is lost" {
	lab 2 1
	start_pair
	acquaint
	receive r b1 --flows 4 --tolerant
	# What passes from then on may overtake; shorter ones could not be told apart.
	transmit s a1 -d "$(lab_ipv4 b1):7000" --flows 4 --sizes 4-300 -n 60000 --rate 20000 --tolerant
	carries a
	stop a
	nothing_left_on a
	[[ $(peer_state b) == unknown ]] || fail "b thinks that a is $(peer_state b)"
	finish s 60
	finish r 60
	equal "lost" "$(report r .lost)" 0
	equal "altered" "$(report r '.altered + .unplaced + .bad_checksum')" 0
}

@test "idle: the socket is its owner's only, and no file but a dead socket is replaced" {
	local mask file=$BATS_TEST_TMPDIR/precious
	lab 1 1
	mask=$(umask)
	umask 0
	start_controller a --guest=a1=vif-a1
	umask "$mask"
	equal "mode" "$(stat -c %a "$work/a.sock")" 600
	stop a KILL || true
	start_controller a --guest=a1=vif-a1
	run place a timeout 10 "$bin/jitneyd" --uplink=uplink --socket="$work/a.sock"
	equal "status" "$status" 1
	[[ $output == *"another controller serves there"* ]] || fail "$output"
	answers a
	stop a
	echo data >"$file"
	run place a timeout 10 "$bin/jitneyd" --uplink=uplink --socket="$file"
	equal "status" "$status" 1
	equal "file" "$(<"$file")" data
	mkdir "$work/page.d" && echo data >"$work/page.d/page"
	run place a timeout 10 "$bin/jitneyd" --uplink=uplink --socket="$work/x.sock" --pin="$work/page.d"
	equal "status" "$status" 1
	equal "file" "$(<"$work/page.d/page")" data
}
