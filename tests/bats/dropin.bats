#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what lib.bash sets
#
# With Jitney attached, everything that it does not carry works as before.

load lib
load fault-lib

setup() { test_begin; }
teardown() { test_end; }

# --- bulk TCP -----------------------------------------------------------------------

# Mbit/s of one run from a1 to b1.
bulk_run() {
	place a1 timeout 20 iperf3 -c "$(lab_ipv4 b1)" -t 2 -J >"$work/bulk.json" ||
		fail "iperf3: $(jq -r '.error // "failed"' "$work/bulk.json")" || return
	jq '.end.sum_received.bits_per_second / 1e6 | floor' "$work/bulk.json"
}

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

best() {
	sort -n "$1" | tail -n 1
}

# Five runs without and five with, taking turns.
bulk_round() {
	local i
	for i in 1 2 3 4 5; do
		bulk_run >>"$work/without"
		start_pair
		acquaint
		bulk_run >>"$work/with"
		stop a
		stop b
	done
}

bulk_percent() {
	echo $((100 * $("$1" "$work/with") / $("$1" "$work/without")))
}

@test "bulk TCP is within 5 % of what it is without" {
	local round
	lab 1 1
	start iperf b1 iperf3 -s
	until_true 10 place b1 nc -z 127.0.0.1 5201
	for round in 1 2 3; do
		bulk_round
		echo "# round $round: without $(median "$work/without") Mbit/s, with" \
			"$(median "$work/with") Mbit/s (medians: $(bulk_percent median) %," \
			"best: $(bulk_percent best) %)" >&3
		(($(bulk_percent median) < 95 && $(bulk_percent best) < 95)) || return 0
	done
	fail "bulk TCP fell to $(bulk_percent median) % (best runs: $(bulk_percent best) %)"
}

# --- addresses --------------------------------------------------------------------

flush_neighbours() {
	local where
	for where in a1 a2 b1 a b; do
		place "$where" ip neighbour flush all
		place "$where" ip -6 neighbour flush all
	done
}

# From each guest to each other machine, and back: by names that must be asked for.
ping_all() {
	local from to
	for from in a1 a2 b1; do
		for to in a1 a2 b1 a b; do
			[[ $from != "$to" ]] || continue
			reaches "$from" "$(lab_ipv4 "$to")" || return
			reaches "$from" "$(lab_ipv6 "$to")" || return
		done
	done
}

neighbour_of() {
	place "$1" ip neighbour show "$2" dev eth0 | sed -n 's/.* lladdr \([0-9a-f:]*\).*/\1/p'
}

@test "ARP and neighbour discovery find everyone" {
	lab 2 1
	start_pair
	acquaint
	flush_neighbours
	ping_all
	equal "MAC of b1" "$(neighbour_of a1 "$(lab_ipv4 b1)")" "$(lab_mac b1)"
	equal "MAC of b1" "$(neighbour_of a1 "$(lab_ipv6 b1)")" "$(lab_mac b1)"
	equal "MAC of a2" "$(neighbour_of a1 "$(lab_ipv4 a2)")" "$(lab_mac a2)"
	equal "MAC of host b" "$(neighbour_of a1 "$(lab_ipv6 b)")" "$(lab_mac b 0)"
}

# --- files ------------------------------------------------------------------------

# file_sent FROM TO ADDRESS - a file over TCP; what arrives is what was sent.
file_sent() {
	start taker "$2" socat -u "TCP6-LISTEN:9000,ipv6only=0,reuseaddr" "CREATE:$work/got"
	until_true 10 listening "$2" 9000 || fail "socat does not listen"
	place "$1" timeout 60 socat -u "OPEN:$work/file" "TCP:$3:9000" || fail "socat can't send"
	finish taker 60
	cmp "$work/file" "$work/got" || fail "from $1 to $2 the file was changed"
}

listening() {
	place "$1" ss -Hltn "sport = :$2" | grep -q .
}

@test "files arrive unchanged over TCP" {
	lab 2 1
	start_pair
	acquaint
	head -c 50000000 /dev/urandom >"$work/file"
	file_sent a1 b1 "$(lab_ipv4 b1)"
	file_sent b1 a1 "[$(lab_ipv6 a1)]"
	file_sent a1 a2 "$(lab_ipv4 a2)"
}

@test "files arrive unchanged over TCP with other offloads and generic XDP" {
	lab 2 1
	place a1 ethtool -K eth0 tx off >/dev/null
	place b1 ethtool -K eth0 tso off gso off gro off >/dev/null
	start_pair --attach=generic
	acquaint
	head -c 10000000 /dev/urandom >"$work/file"
	file_sent a1 b1 "$(lab_ipv4 b1)"
	file_sent b1 a1 "[$(lab_ipv6 a1)]"
	file_sent a1 a2 "$(lab_ipv4 a2)"
}

# --- datagrams --------------------------------------------------------------------

# datagrams SIZES COUNT RATE - from a1 to b1 (IPv4) and a2 (IPv6), and check all.
datagrams() {
	receive near a2 --flows 1
	receive far b1 --flows 1
	transmit to_far a1 -d "$(lab_ipv4 b1):7000" --sizes "$1" -n "$2" -r "$3"
	transmit to_near a1 -d "[$(lab_ipv6 a2)]:7000" --sizes "$1" -n "$2" -r "$3"
	finish to_far
	finish to_near
	finish far
	finish near
	intact far
	intact near
}

@test "large datagrams arrive, in fragments and whole" {
	lab 2 1
	start_pair
	acquaint
	datagrams 8000-8000 2000 2000
	datagrams 1400-1400 5000 5000
	((
		$(passed a a1 fragment) > 0 && $(passed a a1 too_large) + $(passed a a1 no_peer) > 0
	)) || fail "they went in the page? $(drops_of a)"
}

@test "small and large datagrams of one flow stay in order" {
	lab 2 1
	start_pair
	acquaint
	datagrams 0-1400 20000 5000
	datagrams 0-1400 20000 0
	datagrams 300-700 20000 10000
}

# --- to many ------------------------------------------------------------------------

# hear NAME PLACE ADDRESS - take twenty datagrams.
hear() {
	start "$1" "$2" timeout 20 socat -u "$3,reuseaddr" STDOUT
	until_true 10 bound "$2" || fail "socat does not listen on $2"
}

bound() {
	place "$1" ss -Hlun "sport = :9001" | grep -q .
}

say() {
	local i
	for i in {1..20}; do
		echo "message $i to $2" | place "$1" socat -u STDIN "$2"
	done
}

heard_all() {
	[[ $(sort -V "$work/$1") == "$(for i in {1..20}; do echo "message $i to $2"; done)" ]]
}

@test "broadcast and multicast reach everyone" {
	local group where to
	lab 2 1
	start_pair
	acquaint
	for to in "UDP4-DATAGRAM:10.77.0.255:9001,broadcast" \
		"UDP4-DATAGRAM:239.7.7.7:9001,ip-multicast-if=$(lab_ipv4 a1)" \
		"UDP6-DATAGRAM:[ff02::7777%eth0]:9001"; do
		case $to in
		*239*) group=UDP4-RECV:9001,ip-add-membership=239.7.7.7:eth0 ;;
		*ff02*) group="UDP6-RECV:9001,ipv6-join-group=[ff02::7777]:eth0" ;;
		*) group=UDP4-RECV:9001 ;;
		esac
		hear near a2 "$group"
		hear far b1 "$group"
		say a1 "$to"
		for where in near far; do
			until_true 10 heard_all "$where" "$to" ||
				fail "$where heard of $to: $(<"$work/$where")"
			stop "$where" || true
		done
	done
}

# vxlan_add GUEST OTHER ADDRESS
vxlan_add() {
	place "$1" ip link add tunnel type vxlan id 7 dstport 4789 dev eth0 \
		local "$(lab_ipv4 "$1")" remote "$(lab_ipv4 "$2")"
	place "$1" ip address add "$3/24" dev tunnel
	place "$1" ip link set tunnel up
}

@test "what runs in a tunnel passes" {
	lab 1 1
	start_pair
	acquaint
	vxlan_add a1 b1 10.99.0.1
	vxlan_add b1 a1 10.99.0.2
	reaches a1 10.99.0.2
	head -c 5000000 /dev/urandom >"$work/file"
	file_sent a1 b1 10.99.0.2
}

# start_routed SIDE - a controller whose peer is a router away.
start_routed() {
	local far
	far=$(other "$1")
	start_controller "$1" --udp --guest="${1}1=vif-${1}1,ip=$(lab_ipv4 "${1}1"),ip=$(lab_ipv6 "${1}1")" \
		--peer="$far=10.78.$(lab_side_number "$far").2" --remote="$(lab_ipv4 "${far}1")=$far" \
		--remote="$(lab_ipv6 "${far}1")=$far"
}

@test "pings arrive between routed hosts, too, in the company of other messages" {
	export LAB_ROUTED=1 # what the lab looks at
	lab 1 1
	start_routed a
	start_routed b
	load_begin a1 b1 20000 5000
	until_true 10 pings a1 "$(lab_ipv4 b1)" || fail "no pings: $(<"$work/ping")"
	until_true 10 pings a1 "$(lab_ipv6 b1)" || fail "no pings over IPv6: $(<"$work/ping")"
	load_end a1 b1
	equal "lost" "$(lost a1 b1)" 0
	equal "dropped" "$(total a dropped) $(total b dropped)" "0 0"
}
