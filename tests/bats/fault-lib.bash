# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the tests of faults, of hostile frames and of a drop-in share besides lib:
#
#   dropped SIDE REASON            how often the controller of SIDE counted REASON,
#                                  for all guests, peers and its uplink together
#   drops_of SIDE                  all of them, "reason count" a line
#   acquaint [GUEST-A [GUEST-B]]   messages both ways until the controllers know that
#                                  the other one lives: from then on all is carried
#   answers SIDE                   whether the controller answers
#   same_process SIDE              fail unless it is the process that was started
#   nothing_left                   fail if a controller that is gone left a pin, a
#                                  socket or a program on an interface of the hosts
#   kernel_sum PLACE NAME...       sum of counters of the kernel (nstat), by their names

dropped() {
	ask "$1" drops "[.drops[] | select(.reason == \"$2\") | .count] | add // 0"
}

drops_of() {
	ask "$1" drops '.drops[] | "\(.reason) \(.count)"'
}

has_dropped() {
	(($(dropped "$1" "$2") >= $3))
}

acquainted() {
	place "$1" timeout 5 "$tools/jt-traffic" send --blind -d "$(lab_ipv4 "$2"):9" -n 40 -r 4000 >/dev/null
	place "$2" timeout 5 "$tools/jt-traffic" send --blind -d "$(lab_ipv4 "$1"):9" -n 40 -r 4000 >/dev/null
	[[ $(peer_state a) == up && $(peer_state b) == up ]]
}

acquaint() {
	until_true 20 acquainted "${1:-a1}" "${2:-b1}" ||
		fail "peers: a says $(peer_state a), b says $(peer_state b)"
}

answers() {
	[[ $(ask "$1" status .ok) == true ]]
}

# What `start` started: nsenter became the controller, the process is the same.
same_process() {
	equal "process of controller $1" "$(ask "$1" status .pid)" "${pid[$1]:-none}"
}

programs_on() {
	place "$1" bpftool -j net show |
		jq -r '.[] | (.xdp + .tc)[] | select((.name // "") | startswith("jitney"))
			| "\(.devname) \(.kind // .mode // "xdp")"'
}

host_is_clean() {
	[[ -z $(programs_on "$1") ]]
}

nothing_left() {
	local side found
	for side in "${@:-a b}"; do
		until_true 10 host_is_clean "$side" ||
			fail "programs are still on host $side: $(programs_on "$side")" || return
	done
	found=$(find "$pins" -mindepth 1; find "$work" -name '*.sock')
	[[ -z $found ]] || fail "left behind: $found"
}

kernel_sum() {
	local where=$1 name
	shift
	for name; do
		place "$where" nstat -asz "$name" 2>/dev/null
	done | awk '!/^#/ { n += $2 } END { print n + 0 }'
}
