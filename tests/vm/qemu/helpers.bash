# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# Helpers in virtual machines: programs that attach to jitney-agent, whose memory QEMU shares
# with the host. a1 and b1 have it as an NVDIMM, a2 as an ivshmem device.

tests+=(agents helpers_slice helpers_xdp helpers_together helpers_wait helpers_counts helpers_restart helpers_killed helpers_robbed)

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

# helper_exchange CALL RX FROM TO COUNT ARG... - as in tests/bats/calls.bats. What has no room in the
# page is lost with xdp, which does not wait; and order may be where the kernel had to carry it.
helper_exchange() {
	local how
	how=$(by "$1" "$2")
	shift 2
	wake "$1" "$2"
	# shellcheck disable=SC2086 # a flag a word
	undisturbed 4 exchange_into "$how --tolerant" "$@" --window=64 --warm=20 --tolerant $how
}

test_helpers_slice() {
	helper_exchange slice slice a1 b1 20000 --sizes=0-512
	helper_exchange slice slice b1 a2 20000 --size=64
	helper_exchange slice slice a2 b1 20000 --sizes=0-200 --sendmmsg=16
	carried a 38000
	exchange_into "$(by slice slice)" a1 b1 5000 --warm=20
	exchange a1 b1 5000 --warm=20 --call=slice --rx=slice
}

counted_lost() {
	local side n=0
	for side in a b; do
		n=$((n + $(ask "$side" guests '[.guests[].reasons | to_entries[] | select(.key | startswith("lost_")) | .value] | add // 0')))
	done
	echo "$n"
}

# xdp_exchange RX FROM TO COUNT - what a program does not see whether it is taken: each that is lost is counted
xdp_exchange() {
	local how before lost from=$2 to=$3 count=$4
	how=$(by xdp "$1")
	wake "$from" "$to"
	before=$(counted_lost)
	receive "got-$to" "$to" --flows=2 --tolerant "$how"
	transmit "sent-$from" "$from" "$(destinations "$to")" --flows=2 --count="$count" --size=64 --window=64 --warm=20 --tolerant "$(by xdp slice)"
	finish "sent-$from" "$from"
	finish "got-$to" "$to" || true
	equal "altered, doubled, disordered" "$(report "got-$to" '.altered + .duplicated + .out_of_order')" 0
	lost=$((count - $(report "got-$to" .received)))
	between "lost of $count by xdp" "$lost" 0 $(($(counted_lost) - before))
	between "by xdp" "$(report "sent-$from" .helper.sent)" $((count * 9 / 10)) $((count + 100))
}

# refused GUEST WORD ARG... - a program that asks for too much; the agent says why
refused() {
	on "$1" "! /jt/build/bin/jitney-guest ${*:3} attach --seconds 1 2>/dev/null" || fail "$1 takes ${*:3}"
	on "$1" "grep -q '$2' /tmp/agent.err" || fail "$1: $(on "$1" "cat /tmp/agent.err")"
}

# The memory of a1 and b1 takes AF_XDP sockets, that of a2 does not.
test_helpers_xdp() {
	xdp_exchange slice a1 b1 10000
	xdp_exchange xdp a1 b1 10000
	refused a1 combined --call xdp --rx xdp
	refused a2 NVDIMM --call xdp
	helper_exchange slice slice a2 b1 1000
}

# Several programs of a machine, each with memory of its own.
test_helpers_together() {
	local i how
	how=$(by slice slice)
	for i in 1 2 3; do
		receive "got-$i" b1 --port="700$i" --flows=1 "$how"
		transmit "sent-$i" a1 --dest="$(lab_ipv4 b1):700$i" --count=10000 --window=64 --warm=20 "$how"
	done
	equal "helpers of b1" "$(ask b guests '.guests[0].helpers | length')" 3
	for i in 1 2 3; do
		finish "sent-$i" a1
		finish "got-$i" b1 || true
		intact "got-$i"
	done
	until_true 5 has_helpers b 0 || fail "$(ask b guests '.guests[].helpers')"
}

# One who sleeps is woken: round trips, one at a time.
test_helpers_wait() {
	local said
	on b1 "start echo /jt/build/bin/jitney-guest --call slice --rx slice echo 7100"
	on a1 "until_true 10 /jt/build/bin/jitney-guest --call slice --rx slice --count 1 --interval 0 ping $(lab_ipv4 b1):7100"
	said=$(on a1 "/jt/build/bin/jitney-guest --json --call slice --rx slice --count 300 --interval 0 ping $(lab_ipv4 b1):7100 2>/dev/null")
	on b1 "kill \${pid[echo]}"
	echo "# round trips: $said"
	equal "answers" "$(jq -r .received <<<"$said")" 300
}

# The same messages as in run-qemu's counts, by helpers: a ring is a frame, for many messages.
test_helpers_counts() {
	local count=20000 what
	count_begin
	count_exchange stack exchange a2 b1 "$count" --size=64 --window=64
	count_exchange slice helper_exchange slice slice a2 b1 "$count" --size=64
	per_message "$count" stack slice
	for what in "sender: doorbells" "sender: packets out" "receiver: interrupts" "receiver: packets in"; do
		between "$what by slice" "$(count_of slice "$what")" 1 $((count / 2))
	done
}

start_b() {
	# shellcheck disable=SC2046 # a flag a line
	begin_controller b $(guest_flags b 1) $(peer_flags b) $(remote_flags b 2)
	started b
}

# The controller ends, and another one begins: programs go on, and attach again.
test_helpers_restart() {
	on b1 "start echo /jt/build/bin/jitney-guest --call slice --rx slice echo 7100"
	until_true 10 has_helpers b 1 || fail "nobody attached"
	stop b
	start_b
	until_true 10 has_agents || fail "$(ask a guests '.guests[].machine')"
	until_true 10 has_helpers b 1 || fail "nobody attached again: $(on b1 "cat /tmp/agent.err /tmp/echo.err")"
	wake a1 b1
	helper_exchange slice slice a1 b1 5000
	on b1 "kill \${pid[echo]}"
}

# A machine that goes without a word leaves nothing behind, and takes nobody with it.
test_helpers_killed() {
	receive lives b1 --port=7001 --flows=1 "$(by slice slice)"
	transmit lives-sent a2 --dest="$(lab_ipv4 b1):7001" --count=30000 --window=64 --warm=20 "$(by slice slice)"
	transmit dies-sent a1 --dest="$(lab_ipv4 b1):7002" --count=100000000 --blind "$(by slice slice)"
	until_true 10 has_passed 4000 || fail "too few messages"
	kill -KILL "${pid[a1]}"
	wait "${pid[a1]}" 2>/dev/null || true
	finish lives-sent a2
	finish lives b1 || true
	intact lives
	until_true 5 has_helpers a 0 || fail "a helper of a dead machine: $(ask a guests '.guests[].helpers')"
	drain a1
	begin_machine a1
	configured a1
	agent_begin a1
	wake a1 b1
	helper_exchange slice slice a1 b1 5000
}

# Whose memory file is cut short under its machine: the others do not notice.
test_helpers_robbed() {
	receive lives b1 --port=7001 --flows=1 "$(by slice slice)"
	transmit robbed-sent a1 --dest="$(lab_ipv4 b1):7002" --count=100000000 --blind "$(by slice slice)"
	until_true 10 has_passed 4000 || fail "too few messages"
	truncate -s 0 /dev/shm/a1
	transmit lives-sent a2 --dest="$(lab_ipv4 b1):7001" --count=20000 --window=64 --warm=20 "$(by slice slice)"
	finish lives-sent a2
	finish lives b1 || true
	intact lives
	grep -q "memory of guest a1 was taken away" "$work/a.err" || fail "nothing was said: $(cat "$work/a.err")"
}
