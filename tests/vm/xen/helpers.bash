# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Helpers in domUs: their memory is granted to dom0, whose controller maps it, or has the
# hypervisor copy. a1 is PVH, a3 is PV.

tests+=(helpers_mapped helpers_copied helpers_xdp helper_killed helpers_destroyed)

agent_runs() { on "$1" "[[ \${pid[agent]-} ]] && kill -0 \${pid[agent]} 2>/dev/null"; }

# Idempotent: a test may be the first, or the only one.
with_agent() {
	! agent_runs "$1" || return 0
	on "$1" "start agent /jt/build/bin/jitney-agent"
	until_true 20 has_agent "$1" || fail "no agent in $1: $(on "$1" "cat /tmp/agent.err")"
}

without_agent() {
	! agent_runs "$1" || on "$1" "kill \${pid[agent]}; finish agent"
	until_true 10 has_granted "$1" 0 || has_granted "$1" 0
}

# of GUEST KEY - what is said of the machine
of() { ask a guests ".guests[] | select(.name == \"$1\") | .machine.$2"; }

has_agent() { [[ $(of "$1" agent) == true ]]; }
has_granted() { equal "pages that $1 grants" "$(of "$1" granted)" "$2"; }

# What it took to exchange messages; of no use as a verdict, but to be seen.
spent() { ask a guests ".guests[] | select(.name == \"$1\") | .machine | [.rings, .rung, .maps, .copies, .segments] | @tsv"; }

# spend GUEST WHAT COMMAND... - for 1,000 messages
spend() {
	local guest=$1 what=$2 before
	shift 2
	before=$(spent "$guest")
	"$@"
	echo "$before $(spent "$guest")" | awk -v what="$what" '{
		printf "# %s: to the guest %d, from it %d notifications; %d mappings, %d copies of %d pieces\n",
			what, $6 - $1, $7 - $2, $8 - $3, $9 - $4, $10 - $5 }'
}

# Both directions, b1 being an ordinary program.
helped() {
	local guest=$1 count=1000
	wake "$guest" b1
	spend "$guest" "$count messages of $guest" exchange "$guest" b1 "$count" --call=slice --sizes=0-512
	spend "$guest" "$count messages to $guest" exchange_into "--call=slice --rx=slice" b1 "$guest" "$count" --sizes=0-200
}

test_helpers_mapped() {
	local guest
	for guest in a1 a3; do
		with_agent "$guest"
		helped "$guest"
		equal "copies of rings" "$(($(of "$guest" segments) - $(of "$guest" maps)))" 0
		until_true 5 has_granted "$guest" 1 || has_granted "$guest" 1
	done
}

# Agents find the next controller by themselves.
test_helpers_copied() {
	local guest
	for guest in a1 a3; do with_agent "$guest"; done
	restart a --xen-copy=grant-copy
	for guest in a1 a3; do
		until_true 20 has_agent "$guest" || fail "the agent of $guest does not come back"
		helped "$guest"
		between "copies of rings" "$(($(of "$guest" segments) - $(of "$guest" maps)))" 10 4000
		until_true 5 has_granted "$guest" 1 || has_granted "$guest" 1
	done
	restart a
	for guest in a1 a3; do until_true 20 has_agent "$guest" || fail "no agent in $guest"; done
}

test_helpers_xdp() {
	local guest
	for guest in a1 a3; do
		with_agent "$guest"
		wake "$guest" b1
		spend "$guest" "1000 messages of $guest by xdp" exchange "$guest" b1 1000 --call=xdp --size=64
		spend "$guest" "1000 messages to $guest by xdp" exchange_into "--call=xdp --rx=xdp" b1 "$guest" 1000 --size=64
	done
}

# An agent that dies, however it does, has no memory here from then on.
test_helper_killed() {
	with_agent a1
	on a1 "kill -9 \${pid[agent]}"
	until_true 10 has_granted a1 0 || has_granted a1 0
	equal "its state" "$(xenstore "/local/domain/0/backend/jitney/$(domain a1)/0/state")" 6
	with_agent a1
	exchange a1 b1 500 --call=slice
}

test_helpers_destroyed() {
	local before
	with_agent a1
	with_agent a3
	has_granted a1 1
	before=$(ledger)
	receive lives b1 --port=7001 --flows=1
	transmit lives-sent a3 --dest="$(lab_ipv4 b1):7001" --count=1000 --window=64 --call=slice
	receive dies b1 --port=7002 --flows=1 --timeout=60
	transmit dies-sent a1 --dest="$(lab_ipv4 b1):7002" --count=100000000 --blind --rate=3000 --call=slice
	until_true 20 has_passed $(($(total a sent_messages) + 300)) || fail "too few messages"
	between "pages that a1 grants" "$(of a1 granted)" 50 20000
	xl destroy a1
	finish lives-sent a3
	finish lives b1 || true # intact says better what is wrong
	intact lives
	on b1 "kill \${pid[dies]}"
	begin_machine a1
	configured a1
	with_agent a1
	exchange a1 b1 500 --call=slice
	until_true 10 is_as "$before" || fail "before: $before"$'\n'"now: $(ledger)"
	echo "# before and after a life with helpers:" "$(tr '\n' ';' <<<"$before")"
}
