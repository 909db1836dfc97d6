#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every method call, with many messages and many flows at a time: what arrives at a
# helper and at an unmodified program is all of it, once, in order, unaltered.
#
# MESSAGES=n  for each call, in millions. One takes 10 s for `stack' and 6 s for the others.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

messages=${MESSAGES:-1000000}

# note NAME...: what the figures of a run are made from
note() {
	local name
	for name; do
		echo "# $name: $(report "$name" '"\(.received) of \(.sent), \(.messages_per_s)/s, " +
			"p50 \(.latency_ns.p50 / 1000 | floor) us, p99 \(.latency_ns.p99 / 1000 | floor) us"')" >&3
	done
}

# exchange CALL WINDOW COUNT: to a helper, to an unmodified program, and, up to what a frame
# holds, to another one. Windows keep the receivers' rings and sockets from overflowing.
# Flows start slowly: one that starts fast goes the kernel's way until the peer is known to
# live, and what waits in a queue there may be overtaken.
exchange() {
	local call=$1 window=$2 count=$3 flags=(--sendmmsg 16 --warm 20 --tos 8 --ttl 9 --tolerant)
	hear helper b1 -l 7000-7003 --flows 8 --trace 5 --tolerant
	receive plain b2 -l 7000-7003 --flows 8 --trace 5 --tolerant
	receive large b3 -l 7000-7001 --flows 4 --trace 5 --tolerant
	# shellcheck disable=SC2046 # a flag a word
	{
		speak to-helper a1 "$call" $(dests b1 {7000..7003}) -f 8 --sizes 0-200 -w "$window" \
			-n $((count / 2)) "${flags[@]}"
		speak to-plain a2 "$call" $(dests b2 {7000..7003}) -f 8 --sizes 0-500 -w "$window" \
			-n $((count * 48 / 100)) "${flags[@]}"
		speak to-large a3 "$call" $(dests b3 7000 7001) -f 4 --sizes 0-1400 -w 64 \
			-n $((count * 2 / 100)) "${flags[@]}"
	}
	ended 100 to-helper to-plain to-large helper plain large || return
	intact helper && intact plain && intact large
}

# many CALL [WINDOW]: a million at a time. The window of all flows together must fit where
# nobody waits for room: in the page for `xdp', in an AF_XDP socket's ring for rx=xdp.
many() {
	local call=$1 window=${2:-512} left rate=0
	lab 3 3
	start_pair "$trusted"
	acquaint a1 b1
	acquaint a2 b2
	acquaint a3 b3
	for ((left = messages; left > 0; left -= 1000000)); do
		undisturbed 4 exchange "$call" "$window" 1000000
		equal "messages" "$(report helper .received) $(report plain .received) $(report large .received)" \
			"500000 480000 20000"
		equal "call" "$(report to-helper .helper.call) $(report to-plain .helper.call)" "$call $call"
		from_ring helper 80
		[[ $call == stack ]] || by_call to-helper 80
		[[ $call == stack ]] || by_call to-plain 80
		rate=$((rate + $(report helper .messages_per_s)))
	done
	echo "# $call: $messages; to the helper $((rate * 1000000 / messages))/s" >&3
	note helper plain large
	stop a && stop b
}

@test "calls: stack: many messages to a helper and to unmodified programs" { many stack; }
@test "calls: slice: many messages to a helper and to unmodified programs" { many slice; }
@test "calls: xdp: many messages to a helper and to unmodified programs" { many xdp 128; }
@test "calls: map: many messages to a helper and to unmodified programs" { many map; }
@test "calls: slice: many messages to a helper that receives from an AF_XDP socket" { rx=xdp many slice 64; }

@test "calls: all of them in guests of one controller, both ways" {
	local i
	lab 4 2
	start_pair "$trusted"
	for i in 1 2 3 4; do acquaint "a$i" b1; done
	acquaint a1 b2
	hear helper b1 -l 7000-7003 --flows 8 --trace 40
	receive plain b2 -l 7000-7003 --flows 8 --trace 40
	# shellcheck disable=SC2046 # a flag a word
	for i in 1 2 3 4; do
		# There is one AF_XDP socket for a guest.
		rx=$([[ $i == 2 ]] && echo xdp || echo slice) hear "back-$i" "a$i" -l 8000 --flows 2
		speak "from-$i" "a$i" "${calls[i - 1]}" $(dests b1 $((6999 + i))) $(dests b2 $((6999 + i))) \
			-f 4 --first-flow $((4 * i)) --sizes 0-200 -w 128 --warm 20 -n 100000
		transmit "to-$i" b2 $(dests "a$i" 8000) -f 2 --sizes 0-200 -w 128 --warm 20 -n 20000
	done
	ended 100 from-{1,2,3,4} to-{1,2,3,4} back-{1,2,3,4} helper plain
	intact helper && intact plain
	equal "messages" "$(report helper .received) $(report plain .received)" "200000 200000"
	for i in 1 2 3 4; do
		intact "back-$i"
		equal "back to a$i" "$(report "back-$i" .received)" 20000
		equal "call" "$(report "from-$i" .helper.call)" "${calls[i - 1]}"
		((i == 1)) || by_call "from-$i" 90
	done
	stop a && stop b
}

# few CALL RX: so few at a time that a slow machine keeps up; what it is slow at costs no message
few() {
	rx=$2 hear got b1 -l 7000 --flows 2 --trace 5
	# shellcheck disable=SC2046 # a flag a word
	speak sent a1 "$1" $(dests b1 7000) -f 2 --sizes 0-200 -w 16 --warm 20 -n 2000
	ended 60 sent got || return
	intact got
}

@test "calls: each of them to each way to receive, a few messages at a time" {
	local call rx
	lab 1 1
	start_pair "$trusted"
	acquaint a1 b1
	for call in slice xdp map; do
		for rx in slice xdp; do
			undisturbed 4 few "$call" "$rx"
			equal "messages by $call to $rx" "$(report got .received)" 2000
			equal "ways" "$(report sent .helper.call) $(report got .helper.rx)" "$call $rx"
			by_call sent 50
			from_ring got 50
		done
	done
	stop a && stop b
}

# held_up CALL: what comes behind a pause must not pass what the other controller still has
held_up() {
	hear got b1 -l 7000 --flows 2 --trace 5
	# shellcheck disable=SC2046 # a flag a word
	speak sent a1 "$1" $(dests b1 7000) -f 2 --sizes 20-200 --gap 32/150ms -n 640
	for _ in 1 2 3 4 5; do
		lab_pause 0.3
		kill -STOP "${pid[b]}"
		lab_pause 0.2
		kill -CONT "${pid[b]}"
	done
	ended 60 sent got || return
	intact got
}

@test "calls: who pauses while the other side is held up keeps the order" {
	local call
	lab 1 1
	start_pair "$trusted"
	acquaint a1 b1
	for call in "${calls[@]}"; do
		undisturbed 4 held_up "$call"
		equal "messages by $call" "$(report got .received)" 640
	done
}

# A program with a loop of its own does not look again and again whether there is room:
# there is none while the controller does not run. xdp needs none of the controller;
# tests/unit has what its socket says.
@test "calls: a sender that does not wait is told when there is room" {
	local call i
	lab 2 1
	start_pair "$trusted"
	acquaint a1 b1
	for call in slice map; do
		receive "from-$call" b1 --flows 1 --tolerant
		speak "by-$call" a1 "$call" -d "$(lab_ipv4 b1):7000" --nonblock --warm 20 --sendmmsg 32 \
			-n 1000000000 --blind
		for i in {1..10}; do
			sleep 0.05
			kill -STOP "${pid[a]}"
			sleep 0.1 # it counts as alive for half a second
			kill -CONT "${pid[a]}"
		done
		stop "by-$call" || fail "$call: $(<"$work/by-$call.err")"
		between "$call: times that there was no room" "$(report "by-$call" .helper.refused)" 5 20000
		by_call "by-$call" 90
		stop "from-$call" || true
	done
	stop a && stop b
}
