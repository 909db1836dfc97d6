#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what lib.bash sets
#
# What breaks while messages travel: no hang, no message altered, each loss counted,
# connectivity stays, and nothing is left behind.

load lib
load fault-lib

setup() { test_begin; }
teardown() { test_end; }

# note SENTENCE... - a number that the closing note wants.
note() {
	echo "# $*" >&3
}

# --- the page ---------------------------------------------------------------------

@test "page full: what does not fit passes, nothing is lost" {
	lab 2 1
	start_pair --page-size=4K --banks=2 --cycle=50ms
	acquaint
	load_begin a1 b1 40000 8000
	# A controller that stands still for a moment gives no bank back.
	kill -STOP "${pid[a]}"
	until_true 5 page_is_full
	kill -CONT "${pid[a]}"
	load_end a1 b1
	(($(passed a a1 page_full) > 0)) || fail "the page was never full"
	equal "lost" "$(lost a1 b1)" 0
	equal "dropped" "$(total a dropped) $(total b dropped)" "0 0"
	leave
}

# The controller can't be asked while it stands: look into its map, as a user would.
page_is_full() {
	(($(map_reason a 0 page_full) > 0))
}

# map_reason SIDE GUEST-ID REASON - also of a controller that does not answer.
map_reason() {
	local number
	number=$(awk -F'[(, ]+' -v name="$3" \
		'/^\tX\([A-Z]/ { n++; if ($3 == name) print n }' "$top/headers/jitney/reason.h")
	bpftool -j map lookup pinned "$pins/$1/guests" key "$2" 0 0 0 |
		jq ".formatted.value.reasons[$number]"
}

# --- the other machine ---------------------------------------------------------------

is_not_up() {
	[[ $(peer_state "$1") != up ]]
}

@test "peer killed: its losses are bounded and counted, the rest passes and arrives" {
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 40000 5000
	kill_hard b
	until_true 10 is_not_up a || fail "controller a says of b: $(peer_state a)"
	load_end a1 b1
	note "lost $(lost a1 b1) of 40000 at 5000/s when the peer was killed;" \
		"peer_gone $(dropped a peer_gone), passed $(passed a a1 peer_down)"
	(($(passed a a1 peer_down) > 0)) || fail "nothing passed: $(drops_of a)"
	# A peer counts as alive for half a second after its last word.
	between "lost" "$(lost a1 b1)" 1 4000
	until_true 10 has_dropped a peer_gone "$(lost a1 b1)" ||
		fail "lost $(lost a1 b1), counted as peer_gone: $(dropped a peer_gone)"
	# What was not confirmed, though it arrived, is counted with the lost.
	between "counted as peer_gone" "$(dropped a peer_gone)" "$(lost a1 b1)" $(($(lost a1 b1) + 2000))
	restart b
	load_begin a1 b1 5000 5000
	load_end a1 b1
	equal "lost with the peer back" "$(lost a1 b1)" 0
	leave
}

@test "peer killed and silent ever after: counted without another message" {
	lab 1 1
	start_pair
	acquaint
	load_begin a1 b1 5000 5000
	kill_hard b
	# That was the last message: the end of the flow can't be confirmed through b.
	stop from-a1 || true
	stop to-b1 || true
	until_true 10 has_dropped a peer_gone 1 || fail "not counted: $(drops_of a)"
	restart b
	leave
}

@test "peer stopped: it says good-bye, hardly anything is lost" {
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 25000 5000
	stop b || fail "controller b ended badly: $(<"$work/b.err")"
	nothing_left_on b
	load_end a1 b1
	note "lost $(lost a1 b1) of 25000 at 5000/s when the peer was stopped"
	between "lost" "$(lost a1 b1)" 0 50
	restart b
	load_begin a1 b1 5000 5000
	load_end a1 b1
	leave
}

# --- the controller -------------------------------------------------------------------

@test "controller restarted under load: the sender's loses nothing" {
	local i
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 40000 5000
	for i in 1 2 3; do
		stop a || fail "controller a ended badly: $(<"$work/a.err")"
		nothing_left_on a
		restart a
		carries a
	done
	load_end a1 b1
	equal "lost" "$(lost a1 b1)" 0
	leave
}

@test "controller restarted under load: the receiver's loses hardly anything" {
	local i
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 40000 5000
	load_begin b1 a2 40000 5000 # one that stops has something unconfirmed, as most have
	for i in 1 2 3; do
		stop b || fail "controller b ended badly: $(<"$work/b.err")"
		nothing_left_on b
		restart b
		carries a
	done
	load_end a1 b1
	load_end b1 a2
	note "lost $(lost a1 b1) of 40000 at 5000/s in three restarts of the receiver's controller;" \
		"the last one: $(drops_of b | tr '\n' ' ')"
	between "lost" "$(lost a1 b1)" 0 150
	equal "lost on the way back" "$(lost b1 a2)" 0
	leave
}

@test "controller killed at random moments of load: connectivity stays, nothing is altered" {
	local i side
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 160000 5000 # longer than ten restarts take
	for i in {1..10}; do
		side=$([[ $((i % 2)) == 0 ]] && echo b || echo a)
		# A random moment is the point here.
		sleep "0.$(printf '%03d' $((RANDOM % 300)))"
		kill_hard "$side"
		reaches a2 "$(lab_ipv4 b1)"
		reaches b1 "$(lab_ipv6 a2)"
		restart "$side"
		same_process "$side"
	done
	carries a
	load_end a1 b1
	note "lost $(lost a1 b1) of 160000 at 5000/s in five kills of each controller"
	leave
}

# Only counters of a map that is pinned can be read while the controller stands.
has_passed_stale() {
	(($(map_reason "$1" 0 stale) >= $2))
}

@test "controller hung: the programs pass everything, and carry again when it is back" {
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 40000 5000
	kill -STOP "${pid[a]}"
	until_true 5 has_passed_stale a 1000 || fail "nothing passed as stale"
	reaches a1 "$(lab_ipv4 b1)"
	kill -CONT "${pid[a]}"
	carries a
	load_end a1 b1
	equal "lost" "$(lost a1 b1)" 0
	leave
}

# Programs that were loaded and attached by hand, with no controller yet.
adopt_by_hand() {
	bpftool prog loadall "$top/build/bpf/jitney.bpf.o" "$pins/byhand" pinmaps "$pins/byhand"
	place a ip link set dev vif-a1 xdpgeneric pinned "$pins/byhand/jitney_vif"
	place a ip link set dev uplink xdpgeneric pinned "$pins/byhand/jitney_uplink"
}

start_adopter() {
	# shellcheck disable=SC2046 # a flag a line
	start_jitneyd a --name=a --uplink=uplink --socket="$work/a.sock" --adopt="$pins/byhand" \
		--guest=a1=vif-a1 $(peer_flags a) $(remote_flags a 1)
}

@test "controller gone, its adopted programs stay: they pass everything" {
	lab 1 1
	adopt_by_hand
	reaches a1 "$(lab_ipv4 b1)"
	start_adopter
	restart b
	acquaint
	equal "attached" "$(ask a guests '.guests[].attach')" adopted
	load_begin a1 b1 40000 5000
	kill_hard a
	reaches a1 "$(lab_ipv4 b1)"
	start_adopter
	carries a
	kill -STOP "${pid[a]}"
	reaches a1 "$(lab_ipv4 b1)"
	kill -CONT "${pid[a]}"
	carries a
	load_end a1 b1
	note "lost $(lost a1 b1) of 40000 at 5000/s when the adopter was killed"
	between "lost" "$(lost a1 b1)" 0 4000
	stop a
	reaches a1 "$(lab_ipv4 b1)"
	place a ip link set dev vif-a1 xdpgeneric off
	place a ip link set dev uplink xdpgeneric off
	rm -r "$pins/byhand"
	leave
}

# --- interfaces -----------------------------------------------------------------------

uplink_is() {
	[[ $(ask a status .uplink.up) == "$1" ]]
}

@test "uplink down and up under load: told, and taken up again" {
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 40000 5000
	place a ip link set uplink down
	until_true 5 uplink_is false || fail "the controller has not noticed"
	until_true 5 is_not_up a || fail "the peer counts as $(peer_state a)"
	answers a
	place a ip link set uplink up
	until_true 5 uplink_is true || fail "the controller has not noticed that it is up"
	carries a
	load_end a1 b1
	note "uplink down and up: lost $(lost a1 b1); uplink_down $(dropped a uplink_down)," \
		"peer_gone $(dropped a peer_gone), passed $(passed a a1 peer_down)"
	(($(passed a a1 peer_down) > 0)) || fail "nothing passed: $(drops_of a)"
	same_process a
	leave
}

@test "uplink deleted and made again under load: taken up again" {
	local index
	lab 2 1
	start_pair
	acquaint
	index=$(ask a status .uplink.ifindex)
	load_begin a1 b1 40000 5000
	place a ip link del uplink
	until_true 5 uplink_is false || fail "the controller has not noticed"
	lab_uplink_add "$prefix" a
	until_true 5 uplink_is true || fail "the controller has not noticed that it is back"
	carries a
	[[ $(ask a status .uplink.ifindex) != "$index" ]] || fail "still interface $index"
	load_end a1 b1
	note "uplink deleted and made again: lost $(lost a1 b1); uplink_down $(dropped a uplink_down)"
	grep -q "uplink uplink is back" "$work/a.err" || fail "not told: $(<"$work/a.err")"
	load_begin b1 a1 5000 5000
	load_end b1 a1
	equal "lost on the way back" "$(lost b1 a1)" 0
	same_process a
	leave
}

@test "uplink renamed, another one gets its name: the first is let go" {
	lab 2 1
	start_pair --attach=native
	acquaint
	load_begin a1 b1 40000 5000
	place a ip link set uplink down name old
	ip -n "$prefix-w" link set to-a down name to-old
	lab_uplink_add "$prefix" a
	until_true 5 grep -q "uplink uplink is back" "$work/a.err" || fail "not told: $(<"$work/a.err")"
	equal "programs of the first" "$(place a bpftool -j net show dev old | jq '[.[] | .xdp[], .tc[]] | length')" 0
	until_true 5 uplink_is true || fail "the controller has not noticed that it is up"
	carries a
	load_end a1 b1
	load_begin b1 a1 5000 5000
	load_end b1 a1
	equal "lost on the way back" "$(lost b1 a1)" 0
	same_process a
	leave
}

guest_is() {
	[[ $(ask "$1" guests ".guests[] | select(.name == \"$2\") | .up") == "$3" ]]
}

@test "a sender's interface deleted and made again under load: the others lose nothing" {
	lab 2 1
	start_pair
	acquaint
	load_begin a1 b1 25000 5000
	transmit from-a2 a2 -d "$(lab_ipv4 b1):7001" --blind -n 1000000 -r 5000
	carries a
	lab_guest_del "$prefix" a2
	until_true 5 guest_is a a2 false || fail "the controller has not noticed"
	lab_guest_add "$prefix" a2
	until_true 5 guest_is a a2 true || fail "the controller has not noticed that it is back"
	load_end a1 b1
	equal "lost" "$(lost a1 b1)" 0
	stop from-a2 || true
	load_begin a2 b1 5000 5000
	load_end a2 b1
	equal "lost by the guest that is back" "$(lost a2 b1)" 0
	(($(ask a guests '.guests[] | select(.name == "a2") | .messages') >= 5000)) ||
		fail "the guest that is back is not carried: $(drops_of a)"
	leave
}

@test "a receiver's interface deleted and made again under load: counted, the others lose nothing" {
	lab 2 2
	start_pair
	acquaint
	load_begin a1 b1 25000 5000
	transmit from-a2 a2 -d "$(lab_ipv4 b2):7001" --blind -n 1000000 -r 5000
	carries a
	lab_guest_del "$prefix" b2
	until_true 10 has_dropped b guest_down 1 || fail "not counted: $(drops_of b)"
	lab_guest_add "$prefix" b2
	until_true 5 guest_is b b2 true || fail "the controller has not noticed that it is back"
	load_end a1 b1
	equal "lost" "$(lost a1 b1)" 0
	stop from-a2 || true
	load_begin a2 b2 5000 5000
	load_end a2 b2
	equal "lost by the guest that is back" "$(lost a2 b2)" 0
	leave
}

# A queue in front of a guest that nobody empties: so does netback's, of a domain that is paused.
@test "a receiver that takes nothing: what lies in front of it takes nothing from the others" {
	local before
	lab 2 1
	start_pair
	acquaint
	load_begin b1 a2 5000 5000
	load_end b1 a2
	place a tc qdisc add dev vif-a2 root tbf rate 1kbit burst 1540 limit 200mb
	before=$(total a received_messages)
	# Empty ones are not handed over together; 22,000 fill 16 MiB.
	transmit flood b1 -d "$(lab_ipv4 a2):7001" --blind -n 60000 --size=0 -r 30000
	finish flood
	between "messages from the page" "$(($(total a received_messages) - before))" 25000 60000
	load_begin b1 a1 5000 5000
	load_end b1 a1
	equal "lost" "$(lost b1 a1)" 0
	note "in front of a2: $(place a tc -s qdisc show dev vif-a2 root | tail -n 1)"
	place a tc -s -j qdisc show dev vif-a2 root | jq -e '.[0].qlen > 25000' || fail "too few packets"
	leave
}
