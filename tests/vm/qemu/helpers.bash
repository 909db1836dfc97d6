# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# Helpers in virtual machines: programs that attach to jitney-agent, whose memory QEMU shares
# with the host. a1 and b1 have it as an NVDIMM, a2 as an ivshmem device.

tests+=(agents helpers_slice helpers_xdp helpers_many helpers_waits helpers_restarted helpers_killed)

agent_begin() {
	local guest=$1
	[[ $guest == a2 ]] || on "$guest" "ls /dev/dax0.0 || ndctl create-namespace -f -e namespace0.0" \
		"-m devdax -M mem --align 4096 >/tmp/ndctl 2>&1" || fail "no DAX device in $guest: $(on "$guest" "cat /tmp/ndctl")"
	on "$guest" "start agent /jt/build/bin/jitney-agent"
	on "$guest" "until_true 10 grep -q ready /tmp/agent.err" || fail "$(on "$guest" "cat /tmp/agent.err")"
}

test_agents() {
	local guest
	for guest in "${guests[@]}"; do agent_begin "$guest"; done
	until_true 5 has_agents || fail "$(ask a guests '.guests[].machine')"
	on a1 "/jt/build/bin/jitney-guest status"
}

has_agents() { [[ $(ask a guests '[.guests[].machine.agent] | all') == true ]]; }

# by CALL RX: what a helper is told
by() { echo "--call=$1 --rx=$2"; }

# helper_exchange CALL RX FROM TO COUNT ARG...
helper_exchange() {
	local how
	how=$(by "$1" "$2")
	shift 2
	# shellcheck disable=SC2086 # a flag a word
	exchange_into "$how" "$@" $how
}

test_helpers_slice() {
	helper_exchange slice slice a1 b1 20000 --sizes=0-512
	helper_exchange slice slice b1 a2 20000 --size=64
	helper_exchange slice slice a2 b1 20000 --sizes=0-200
	carried a 38000
	exchange_into "$(by slice slice)" a1 b1 5000
	exchange a1 b1 5000 --call=slice --rx=slice
}

test_helpers_xdp() {
	helper_exchange xdp slice a1 b1 20000 --size=64
	helper_exchange xdp xdp b1 a1 20000 --size=64
	on a2 "! /jt/build/bin/jitney-guest --call xdp attach --seconds 1 2>&1 | grep -q 'give it as an NVDIMM'" && fail "xdp in memory without pages"
	exchange a2 b1 1000
}
