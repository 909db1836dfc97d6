# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154,SC2034 # what lib.bash sets, and for who loads this
#
# What the tests with helpers in guests share besides lib.

guest=$bin/jitney-guest

# g NAME PLACE ARG...: start jitney-guest with JSON for its summary
g() {
	local name=$1 where=$2
	shift 2
	start "$name" "$where" "$guest" --json --socket "$work/${where:0:1}.sock" "$@"
}

is_ready() {
	grep -q ': ready$' "$work/$1.err"
}

# g_ready NAME PLACE ARG...: the same, and wait until it has claimed its port
g_ready() {
	g "$@"
	until_true 10 is_ready "$1" || fail "$1 is not ready: $(<"$work/$1.err")"
}

# say NAME FILTER: of the summary, the last line of the output
say() {
	tail -n 1 "$work/$1" | jq -r "$2"
}

# whole NAME COUNT: all came, once, in order, as they were
whole() {
	equal "$1: received" "$(say "$1" .received)" "$2"
	equal "$1: checked" "$(say "$1" .checked)" "$2"
	equal "$1: lost, in disorder, twice, altered" \
		"$(say "$1" '[.lost, .reordered, .duplicated, .altered] | join(" ")')" "0 0 0 0"
}

# --- jt-traffic through libjitney ---------------------------------------------------
#
#   calls                          every method call that the library has
#   trusted                        the flag of a controller whose guests a1 to a9 share a
#                                  trust domain: `map' wants one
#   speak NAME PLACE CALL ARG...   jt-traffic send, by this call
#   hear NAME PLACE ARG...         jt-traffic recv, from a slice (rx=xdp: an AF_XDP socket);
#                                  waits until it listens
#   dests GUEST PORT...            -d for both of its addresses and each of the ports
#   by_call NAME SHARE             fail unless so many % of what it sent went the call's way
#   from_ring NAME SHARE           the same of what it received: from the slice or AF_XDP socket
#   helpers_of SIDE                how many are attached
#   descriptors SIDE               of the controller
#   as_before SIDE HELPERS DESCRIPTORS
#                                  fail unless it has so many of both, or soon
#   ended SECONDS NAME...          wait for each; fail, with what all say, unless all end well
#   undisturbed TRIES COMMAND...   run it, again if it fails while the page's way was not open:
#                                  that can cost the order (docs/theory-of-operation.md), and
#                                  happens where a machine's controllers get no CPU

calls=(stack slice xdp map)

trusted=--trust=all=a1,a2,a3,a4,a5,a6,a7,a8,a9

speak() {
	local name=$1 where=$2 call=$3
	shift 3
	transmit "$name" "$where" --call "$call" --socket "$work/${where:0:1}.sock" "$@"
}

hear() {
	local name=$1 where=$2
	shift 2
	receive "$name" "$where" --rx "${rx:-slice}" --socket "$work/${where:0:1}.sock" "$@"
}

dests() {
	local to=$1 port
	shift
	for port; do
		printf -- '-d %s:%s -d [%s]:%s ' "$(lab_ipv4 "$to")" "$port" "$(lab_ipv6 "$to")" "$port"
	done
}

by_call() {
	local all
	all=$(report "$1" '.helper | .sent + .sent_stack')
	between "$1: sent by the call $(report "$1" .helper.call)" "$(report "$1" .helper.sent)" $((all * $2 / 100)) "$all"
}

from_ring() {
	local all
	all=$(report "$1" '.helper | .received + .received_stack')
	between "$1: received by $(report "$1" .helper.rx)" "$(report "$1" .helper.received)" $((all * $2 / 100)) "$all"
}

helpers_of() {
	ask "$1" guests '[.guests[].helpers // [] | length] | add'
}

has_helpers() {
	[[ $(helpers_of "$1") == "$2" ]]
}

descriptors() {
	find "/proc/${pid[$1]}/fd" -mindepth 1 | wc -l
}

has_descriptors() {
	[[ $(descriptors "$1") == "$2" ]]
}

as_before() {
	until_true 5 has_helpers "$1" "$2" || fail "controller $1 has $(helpers_of "$1") helpers, not $2"
	until_true 5 has_descriptors "$1" "$3" || fail "controller $1 has $(descriptors "$1") descriptors, not $3"
}

disturbances() {
	local side reason n=0
	for side in a b; do
		for reason in page_full lost_page_full contended peer_down stale no_room; do
			n=$((n + $(dropped "$side" "$reason")))
		done
	done
	echo "$n"
}

undisturbed() {
	local tries=$1 before
	shift
	while :; do
		before=$(disturbances)
		"$@" && return
		((--tries)) && (($(disturbances) > before + 20)) || return
		echo "# once more: $(drops_of a | tr '\n' ' '), $(drops_of b | tr '\n' ' ')" >&3
	done
}

ended() {
	local seconds=$1 name bad=
	shift
	for name; do
		finish "$name" "$seconds" || bad+=" $name"
	done
	[[ $bad ]] || return 0
	for name; do
		echo "$name: $(<"$work/$name.err") $(jq -c 'del(.latency_ns)
			| if .flows | type == "array" then .flows |= map(select(.lost + .out_of_order > 0)) else . end' "$work/$name")"
	done
	fail "ended badly:$bad; a: $(drops_of a | tr '\n' ' '), b: $(drops_of b | tr '\n' ' ')"
}
