# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Helpers in domUs: their memory is granted to dom0, whose controller maps it, or has it copied.

tests+=(helpers_slice)

vif_of() { [[ $1 == b* ]] && echo "vif-$1" || echo "vif$(domain "$1").0"; }

agent_begin() {
	on "$1" "start agent /jt/build/bin/jitney-agent"
	on "$1" "until_true 10 grep -q attached /tmp/agent.err" || fail "no agent in $1: $(on "$1" "cat /tmp/agent.err")"
}

# machine GUEST KEY - what its controller says of it
machine() { ask a guests ".guests[] | select(.name == \"$1\") | .machine.$2"; }

test_helpers_slice() {
	local guest
	for guest in a1 a3; do
		ask a "guest add $guest=$(vif_of "$guest"),mac=$(lab_mac "$guest")"
		agent_begin "$guest"
	done
	wake a1 b1
	exchange a1 b1 2000 --call=slice
	ask a guests '.guests[] | {name, machine, helpers, reasons} | tojson'
	exchange a3 b1 2000 --call=slice
	ask a guests '.guests[] | {name, machine, helpers, reasons} | tojson'
}
