#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Helpers while things come and go: controllers, guests, ports, other helpers.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

unaltered() {
	equal "$1: altered, unplaced, bad checksum, twice" \
		"$(report "$1" '[.altered, .unplaced, .bad_checksum, .duplicated] | join(" ")')" "0 0 0 0"
}

# --- controllers ------------------------------------------------------------------------

# again SIDE SIGNAL HELPERS: so many helpers attach by themselves, and messages go aboard
again() {
	if [[ $2 == TERM ]]; then
		stop "$1" || fail "controller $1 ended badly: $(<"$work/$1.err")" || return
	else
		kill_hard "$1"
	fi
	restart "$1" "$trusted"
	until_true 10 has_helpers "$1" "$3" || fail "controller $1 has $(helpers_of "$1") helpers, not $3"
	carries a
}

# restarted CALL: both controllers, asked and killed, while a helper sends to one and to
# an unmodified program. No more can be lost, or overtaken, than windows let be on the way.
restarted() {
	local call=$1 signal window=32 helpers=1 bound name
	[[ $call == stack ]] && helpers=0
	lab 2 2
	start_pair "$trusted"
	acquaint a1 b1
	hear helper b1 --flows 2 --tolerant --timeout 100
	receive plain b2 --flows 2 --tolerant --timeout 100
	# shellcheck disable=SC2046 # a flag a word
	speak out a1 "$call" $(dests b1 7000) $(dests b2 7000) -f 4 --sizes 24-200 -w "$window" --warm 20 \
		-r 10000 --seconds 100 --tolerant
	carries a
	for signal in TERM KILL; do
		again a "$signal" "$helpers"
		again b "$signal" 1
	done
	kill -TERM "${pid[out]}"
	ended 20 out helper plain
	bound=$((4 * window))
	for name in helper plain; do
		unaltered "$name"
		echo "# $call, $name: $(report "$name" '"\(.received) of \(.sent), \(.out_of_order) overtaken"')" >&3
		between "$name: lost" "$(report "$name" .lost)" 0 $((bound * 4))
		between "$name: overtaken" "$(report "$name" .out_of_order)" 0 $((bound * 4))
	done
	equal "helper: attached" "$(report helper .helper.attached)" 3
	equal "out: attached" "$(report out .helper.attached)" $((helpers * 3))
	hear after b1 --flows 1
	speak more a1 "$call" -d "$(lab_ipv4 b1):7000" --sizes 0-200 -w 64 --warm 20 -n 20000
	ended 20 more after
	intact after
	stop a && stop b
}

@test "lives: stack: controllers are restarted and killed: helpers go on" { restarted stack; }
@test "lives: slice: controllers are restarted and killed: helpers go on" { rx=xdp restarted slice; }
@test "lives: xdp: controllers are restarted and killed: helpers go on" { restarted xdp; }
@test "lives: map: controllers are restarted and killed: helpers go on" { rx=xdp restarted map; }

# --- guests -----------------------------------------------------------------------------

guest_is() {
	[[ $(ask "$1" guests ".guests[] | select(.name == \"$2\") | .up") == "$3" ]]
}

# away CALL: a2 is deleted under a helper that sends by this call and one that receives
away() {
	local call=$1
	acquaint a2 b2 || return
	[[ ! $had ]] || as_before a 1 "$had" || return
	had=$(descriptors a)
	hear victim-in a2 -l 8000 --tolerant || return
	speak victim a2 "$call" -d "$(lab_ipv4 b2):7000" --blind -n 1000000000 -r 10000
	transmit to-victim b2 -d "$(lab_ipv4 a2):8000" --blind -n 1000000000 -r 5000
	until_true 5 has_helpers a 3 || fail "there are $(helpers_of a) helpers" || return
	carries a || return
	# The helpers hold on to the namespace, which has lost its name and its interface.
	place a ip link del vif-a2
	ip netns del "$prefix-a2"
	until_true 5 has_helpers a 1 || fail "$call: there are $(helpers_of a) helpers" || return
	# They try to attach again.
	sleep 0.3
	alive victim || fail "$call: the sender has ended: $(<"$work/victim.err")" || return
	alive victim-in || fail "$call: the receiver has ended: $(<"$work/victim-in.err")" || return
	# It would say that it ends, to no one.
	stop victim KILL || true
	stop victim-in || true
	stop to-victim || true
	lab_guest_add "$prefix" a2
	until_true 5 guest_is a a2 true || fail "the controller has not noticed that a2 is back"
}

all_away() {
	local call had=
	hear steady b1 --flows 2 --tolerant || return
	speak beside a1 slice -d "$(lab_ipv4 b1):7000" -f 2 --sizes 24-200 -w 128 --warm 20 -r 10000 --seconds 100
	until_true 5 has_helpers a 1 || return
	# The first one only makes what is made once.
	for call in slice xdp map slice; do
		away "$call" || return
	done
	kill -TERM "${pid[beside]}"
	ended 20 beside steady || return
	# The interfaces' lock of the kernel may have kept the controller: that costs the order.
	equal "lost, altered" "$(report steady '"\(.lost) \(.altered)"')" "0 0" && intact steady
}

@test "lives: a guest goes away under its helper, for each call: the others lose nothing" {
	lab 2 2
	start_pair "$trusted"
	acquaint a1 b1
	undisturbed 6 all_away
	same_process a
	stop a && stop b
}

# --- ports and other helpers ----------------------------------------------------------------

# refused TEXT ARG...: jitney-guest in b1 does not start, and says that
refused() {
	local out text=$1
	shift
	out=$(place b1 timeout 10 "$guest" --socket "$work/b.sock" "$@" 2>&1 </dev/null) &&
		fail "not refused: $*"
	[[ $out == *"$text"* ]] || fail "$* says: $out"
}

@test "lives: a port is one helper's: the second is told, the first goes on" {
	local rx
	lab 1 1
	start_pair "$trusted"
	acquaint
	hear first b1 --flows 1
	for rx in slice stack raw auto; do
		[[ $rx == raw ]] || refused "port 7000 is taken by another program" recv 7000 --rx "$rx"
	done
	refused "port 7000 is taken by another program" --call slice send "$(lab_ipv4 a1):9" --source-port 7000
	transmit out a1 -d "$(lab_ipv4 b1):7000" --sizes 0-200 -w 64 --warm 20 -n 20000
	ended 20 out first
	intact first
	from_ring first 90
	# It is free again.
	g_ready second b1 recv 7000 --rx slice --seconds 1
	finish second
}

@test "lives: sixteen helpers in a guest, each with its port: all get theirs, in fair shares" {
	local i names=() counts
	lab 1 1
	start_pair
	acquaint
	for i in {0..15}; do
		hear "in-$i" b1 -l $((7000 + i)) --flows 1
		names+=("in-$i")
	done
	equal "helpers" "$(helpers_of b)" 16
	refused "16 helpers already" --call slice status
	g extra b1 --rx slice recv 7100
	! finish extra || fail "a seventeenth helper was taken"
	# With a way of its own it does without.
	g extra b1 status
	finish extra
	[[ $(say extra .reason) == *"16 helpers already"* ]] || fail "$(say extra .reason)"
	for i in {0..15}; do
		speak "out-$i" a1 slice -d "$(lab_ipv4 b1):$((7000 + i))" --sizes 0-200 -w 64 --warm 20 --seconds 4
		names+=("out-$i")
	done
	ended 60 "${names[@]}"
	for i in {0..15}; do
		intact "in-$i"
		from_ring "in-$i" 80
		by_call "out-$i" 80
	done
	counts=$(for i in {0..15}; do report "in-$i" .received; done | sort -n | tr '\n' ' ')
	echo "# received by each: $counts" >&3
	# Windows of the same size: what one gets is up to the scheduler, too.
	fair "$counts"
	until_true 5 has_helpers a 0 && until_true 5 has_helpers b 0
}

# fair "COUNT...", sorted
fair() {
	# shellcheck disable=SC2086 # a list
	set -- $1
	(($1 * 4 >= ${!#})) || fail "the least got $1, the most ${!#}"
}
