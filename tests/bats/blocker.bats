#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Whoever may talk to the controller can't make it wait: its one thread serves all guests.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

is_blocked() {
	grep -q '^ready$' "$work/bad"
}

# blocked_by HOW: the controller still answers
blocked_by() {
	lab 2 1
	start_controller a --guest=a1=vif-a1 --guest=a2=vif-a2
	start bad a1 "$tools/jt-blocker" "$work/a.sock" "$1"
	until_true 10 is_blocked || fail "$(<"$work/bad.err")"
	timeout -s KILL 3 "$bin/jitney" --socket "$work/a.sock" status >"$work/show" 2>&1 ||
		fail "the controller does not answer: $(<"$work/show")"
	stop bad 9 || true
	stop a || fail "$(<"$work/a.err")"
}

@test "blocker: events that block" {
	blocked_by events
}

@test "blocker: a doorbell that blocks" {
	blocked_by bell
}

@test "blocker: a descriptor that takes a minute to close" {
	blocked_by linger
}

@test "blocker: rings full of the smallest records" {
	local i
	lab 2 1
	start_controller a --guest=a1=vif-a1 --guest=a2=vif-a2
	for i in {1..8}; do
		start bad a1 "$tools/jt-blocker" "$work/a.sock" records
		pid[bad$i]=${pid[bad]}
		until_true 10 is_blocked || fail "$(<"$work/bad.err")"
	done
	# All of them before anything else: two seconds and more for each question.
	for i in {1..4}; do
		timeout -s KILL 1 "$bin/jitney" --socket "$work/a.sock" status >"$work/show" 2>&1 ||
			fail "the controller does not answer: $(<"$work/show")"
	done
	for i in {1..8}; do
		stop "bad$i" 9 || true
	done
	stop a || fail "$(<"$work/a.err")"
}

@test "blocker: what a helper wrote before it was killed is taken" {
	lab 1 1
	start_controller a --guest=a1=vif-a1
	place a1 "$tools/jt-blocker" "$work/a.sock" leave
	sleep 0.3
	equal "messages refused" "$(dropped a spoofed_mac)" 1
	stop a || fail "$(<"$work/a.err")"
}

@test "blocker: who has a descriptor of a guest's namespace is not in there" {
	lab 1 1
	start_controller a --guest=a1=vif-a1
	! place a "$tools/jt-blocker" "$work/a.sock" leave "/run/netns/$prefix-a1" ||
		fail "it has attached"
	place a1 "$tools/jt-blocker" "$work/a.sock" leave "/run/netns/$prefix-a1"
	stop a || fail "$(<"$work/a.err")"
}
