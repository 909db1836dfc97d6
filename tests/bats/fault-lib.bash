# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what lib.bash and a lab set
#
# What the tests of faults, of hostile frames and of a drop-in share besides lib:
#
#   dropped SIDE REASON            how often the controller of SIDE counted REASON,
#                                  for all guests, peers and its uplink together
#   drops_of SIDE                  all of them, "reason count" a line
#   acquaint [GUEST-A [GUEST-B]]   messages both ways until the controllers know that
#                                  the other one lives: from then on all is carried
#   reaches PLACE ADDRESS          fail unless pings from there are answered, all of some
#                                  few in a row, within two seconds
#   answers SIDE                   whether the controller answers
#   same_process SIDE              fail unless it is the process that was started
#   nothing_left_on SIDE           fail if a controller that is gone left its pins, its
#                                  socket or a program on an interface of its host
#   nothing_left                   the same of both sides and all of the test's folder
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
	are_awake "$1" "$(lab_ipv4 "$2")"
}

acquaint() {
	until_true 60 acquainted "${1:-a1}" "${2:-b1}" ||
		fail "peers: a says $(peer_state a), b says $(peer_state b)"
}

pings() {
	place "$1" busybox ping -q -c 3 -i 0.05 -W 1 "$2" >"$work/ping" &&
		grep -q ' 0% packet loss' "$work/ping"
}

reaches() {
	until_true 2 pings "$1" "$2" || fail "pings from $1 to $2: $(<"$work/ping")"
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

nothing_left_on() {
	until_true 10 host_is_clean "$1" ||
		fail "programs are still on host $1: $(programs_on "$1")" || return
	[[ ! -e $pins/$1 && ! -e $work/$1.sock ]] || fail "pins or socket of $1 are left"
}

nothing_left() {
	local found
	nothing_left_on a && nothing_left_on b || return
	found=$(find "$pins" -mindepth 1 ! -name '*.debug'; find "$work" -name '*.sock')
	[[ -z $found ]] || fail "left behind: $found"
}

kernel_sum() {
	local where=$1 name
	shift
	for name; do
		place "$where" nstat -asz "$name" 2>/dev/null
	done | awk '!/^#/ { n += $2 } END { print n + 0 }'
}

# --- a load that faults happen under --------------------------------------------------
#
#   load_begin FROM TO COUNT RATE  messages from guest to guest, as NAME "FROM-TO"; returns
#                                  when the first of them went in the page
#   load_end FROM TO               wait for their end. What is lost is for the test to judge,
#                                  but none may be altered or come twice
#   lost FROM TO                   how many were
#   carried SIDE                   messages that guests of SIDE put in its page
#   carries SIDE [GUEST]           fail unless it carries (more) messages now

carried() {
	ask "$1" status .totals.messages
}

has_carried() {
	(($(carried "$1") >= $2))
}

carries() {
	local before
	before=$(carried "$1")
	until_true 20 has_carried "$1" $((before + 100)) ||
		fail "controller $1 carries nothing; $(peer_state "$1"), $(drops_of "$1" | tr '\n' ' ')"
}

load_begin() {
	receive "to-$2" "$2" --flows 1 --tolerant --timeout 20
	transmit "from-$1" "$1" -d "$(lab_ipv4 "$2"):7000" --sizes 4-300 -n "$3" -r "$4" --timeout 20 \
		--tolerant
	carries "${1:0:1}"
}

load_end() {
	finish "from-$1" 60 || fail "from $1: $(<"$work/from-$1.err")" || return
	finish "to-$2" 60 || fail "to $2: $(<"$work/to-$2.err")" || return
	equal "altered, unplaced, bad checksum, twice" \
		"$(report "to-$2" '[.altered, .unplaced, .bad_checksum, .duplicated] | join(" ")')" "0 0 0 0"
}

lost() {
	report "to-$2" .lost
}

# Start a side's controller again, with the flags that start_pair gave it.
restart() {
	local far=$guests_b near=$guests_a side=$1
	shift
	[[ $side == a ]] || { far=$guests_a near=$guests_b; }
	# shellcheck disable=SC2046 # a flag a line
	start_controller "$side" $(guest_flags "$side" "$near") $(peer_flags "$side") \
		$(remote_flags "$side" "$far") "$@"
}

# kill_hard NAME - as the kernel does when memory is out.
kill_hard() {
	stop "$1" KILL || true
}

# Both controllers end well and leave nothing.
leave() {
	stop a || fail "controller a ended badly: $(<"$work/a.err")" || return
	stop b || fail "controller b ended badly: $(<"$work/b.err")" || return
	nothing_left
}
