#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The guest's program and library: without a controller through the kernel's
# sockets, with one through a slice; and what happens when either side goes away.

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

# refused STATUS TEXT ARG...: jitney-guest ends with this status and says that
refused() {
	local status=0 out
	out=$(place a1 timeout 10 "$guest" "${@:3}" 2>&1 </dev/null) || status=$?
	equal "status of ${*:3}" "$status" "$1"
	[[ $out == *"$2"* ]] || fail "${*:3} says: $out"
}

# --- without a controller -------------------------------------------------------------

@test "guest: stack: both families, several senders told apart, all intact" {
	lab 2 1
	g_ready in b1 recv 7000 --count 30000 --seconds 20
	g one a1 send "$(lab_ipv4 b1):7000" --count 10000 --rate 20000 --size 100
	g two a1 send "[$(lab_ipv6 b1)]:7000" --count 10000 --rate 20000 --size 1400
	g three a2 send "$(lab_ipv4 b1):7000" --count 10000 --rate 20000
	finish one && finish two && finish three && finish in
	whole in 30000
	equal senders "$(say in .senders)" 3
	equal call "$(say one '.call + " " + .rx')" "stack stack"
	[[ $(say one .reason) == "stack: no controller answers at "* ]] || fail "$(say one .reason)"
	equal "through the stack" "$(say one '"\(.sent) \(.sent_stack)"')" "10000 10000"
	between "a second" "$(say one .messages_per_s)" 15000 25000
	between "p50" "$(say in .p50_ns)" 1 100000000
}

@test "guest: stack: TOS, TTL, DF and source port are those of the kernel's sockets, or as told" {
	lab 1 1
	watch plain "udp port 7000"
	g_ready in b1 recv 7000 --count 2 --seconds 10
	g one a1 send "$(lab_ipv4 b1):7000" --count 1 --source-port 4000
	finish one
	g two a1 send "$(lab_ipv4 b1):7000" --count 1 --source-port 4001 --tos 0x48 --ttl 9
	finish two && finish in
	unwatch plain
	equal "as told" "$(watched plain frames 'src port 4001 and ip[1] = 0x48 and ip[8] = 9')" 1
	equal "by default" "$(watched plain frames 'src port 4000 and ip[1] = 0 and ip[8] = 64 and ip[6] = 0x40')" 1
}

@test "guest: stack: echo and ping, with and without an interval" {
	lab 1 1
	g_ready back b1 echo 7000
	g flood a1 ping "$(lab_ipv4 b1):7000" --count 2000 --interval 0
	finish flood
	equal "answers" "$(say flood '"\(.sent) \(.received) \(.lost)"')" "2000 2000 0"
	[[ $(say flood '.min_ns <= .p50_ns and .p50_ns <= .p90_ns and .p90_ns <= .p99_ns and
		.p99_ns <= .p999_ns and .p999_ns <= .max_ns') == true ]] || fail "$(say flood .)"
	g slow a1 ping "[$(lab_ipv6 b1)]:7000" --count 5 --interval 0.05 --size 200
	finish slow
	equal "answers" "$(say slow .received)" 5
	stop back
	equal "echoed" "$(say back '"\(.received) \(.sent)"')" "2005 2005"
}

@test "guest: stack: lines of a pipe arrive as messages, and are printed as lines" {
	lab 1 1
	g_ready in b1 recv 7000 --count 4 --seconds 10 --print
	printf 'one\n\nthree words here\nno newline' |
		place a1 "$guest" send "$(lab_ipv4 b1):7000" >/dev/null
	finish in
	equal "lines" "$(head -n 4 "$work/in")" $'one\n\nthree words here\nno newline'
	equal "bytes" "$(say in .bytes)" 29
	g_ready again b1 recv 7000 --count 1 --seconds 10 --print
	place a1 "$guest" send "$(lab_ipv4 b1):7000" - <<<"from a file" >/dev/null
	finish again
	equal "line" "$(head -n 1 "$work/again")" "from a file"
}

@test "guest: stack: a capture is sent again, with its timing or at a rate" {
	lab 1 1
	watch wire "udp port 7000"
	g_ready in b1 recv 7000 --count 50 --seconds 10
	g one a1 send "$(lab_ipv4 b1):7000" --count 50 --rate 100
	finish one && finish in
	unwatch wire
	g_ready in b1 recv 7001 --count 50 --seconds 10
	g two a1 pcap "$work/wire.pcap" "$(lab_ipv4 b1):7001"
	finish two && finish in
	whole in 50
	between "milliseconds" "$(say two '.seconds * 1000 | floor')" 450 700
	g_ready in b1 recv 7001 --count 50 --seconds 10
	g three a1 pcap "$work/wire.pcap" "$(lab_ipv4 b1):7001" --rate 500
	finish three && finish in
	whole in 50
	between "milliseconds" "$(say three '.seconds * 1000 | floor')" 60 300
	echo nonsense >"$work/bad.pcap"
	refused 1 "failed to read a capture" pcap "$work/bad.pcap" "$(lab_ipv4 b1):7001"
}

@test "guest: a port belongs to one program; what is wrong is said in a sentence" {
	lab 1 1
	g_ready in a1 recv 7000
	refused 1 "port 7000 is taken by another program" recv 7000
	refused 1 "port 7000 is taken by another program" send "$(lab_ipv4 b1):1" --source-port 7000
	place a1 bash -c 'exec 3<>/dev/udp/127.0.0.1/7000'
	stop in
	refused 1 "there is no route to 192.0.2.1:1" send 192.0.2.1:1 --count 1
	refused 1 "no controller answers" send "$(lab_ipv4 b1):1" --call slice --socket "$work/none"
	refused 1 "has not answered" ping "$(lab_ipv4 b1):9" --count 1
	refused 2 "write a port from 1 to 65535" recv 0
	refused 2 "write ADDR:PORT" send 10.0.0.1
	refused 2 "write ADDR:PORT" send fd77::1:7
	refused 2 "there is no command" fly
	refused 2 "a command is missing"
	refused 2 "recv does not take --size" recv 7000 --size 3
	refused 2 "choose auto, xdp, slice, map or stack" status --call best
	refused 2 "write: jitney-guest recv PORT" recv
	refused 2 "write a whole number from 1 to" recv 7000 --count 0
}

@test "guest: SIGINT and SIGTERM end each command with its summary" {
	local command
	lab 1 1
	for command in "recv 7000" "echo 7000" "send $(lab_ipv4 b1):7000 --rate 10" \
		"ping $(lab_ipv4 b1):7000" "attach"; do
		# shellcheck disable=SC2086 # several words
		g it a1 $command
		sleep 0.3
		kill -INT "${pid[it]}"
		finish it 5 || [[ $command == ping* ]] || fail "$command: $(<"$work/it.err")"
		[[ $(say it .command) == "${command%% *}" ]] || fail "$command: $(<"$work/it")"
	done
}

@test "guest: --rx raw takes datagrams from a packet socket" {
	lab 2 1
	g_ready in b1 recv 7000 --rx raw --count 20000 --seconds 20
	g one a1 send "$(lab_ipv4 b1):7000" --count 10000 --rate 20000
	g two a2 send "[$(lab_ipv6 b1)]:7000" --count 10000 --rate 20000 --size 600
	finish one && finish two && finish in
	whole in 20000
	equal "how" "$(say in '"\(.rx) \(.received_stack)"')" "raw 0"
	g_ready other b1 recv 7001 --rx raw --count 1 --seconds 1
	g three a1 send "$(lab_ipv4 b1):7002" --count 10
	finish three && finish other
	equal "of another port" "$(say other .received)" 0
}

# --- with one ---------------------------------------------------------------------------

# aboard NAME LEAST: so many of a sender's messages went towards the page
aboard() {
	local sent stack
	sent=$(say "$1" .sent) stack=$(say "$1" .sent_stack)
	between "$1: messages through the slice" "$((sent - stack))" "$2" "$sent"
}

@test "guest: slice: to an unmodified receiver, and to another helper: all intact" {
	lab 2 2
	start_pair --latency=2ms
	wake a1 b1
	g_ready in b1 recv 7000 --rx slice --count 200000 --seconds 30
	g one a1 send "$(lab_ipv4 b1):7000" --call slice --count 100000 --rate 50000
	g two a2 send "[$(lab_ipv6 b1)]:7000" --call slice --count 100000 --rate 50000 --size 200
	finish one 60 && finish two 60 && finish in 60
	whole in 200000
	equal "how" "$(say one .reason)" "slice: the controller shares memory with this guest"
	equal "how" "$(say in .rx)" slice
	aboard one 95000
	aboard two 95000
	between "received through the slice" "$((200000 - $(say in .received_stack)))" 190000 200000
	g_ready plain b2 recv 7000 --call stack --count 50000 --seconds 30
	g three a1 send "$(lab_ipv4 b2):7000" --call slice --count 50000 --rate 50000 --tos 8
	finish three 60 && finish plain 60
	whole plain 50000
	aboard three 45000
}

@test "guest: slice: what arrives has the TOS, TTL and checksum that it was sent with" {
	lab 1 1
	start_pair
	wake a1 b1
	# Datagrams in runs look as GRO makes them; without offloads each is as it was sent.
	place b ethtool -K vif-b1 tx-udp-segmentation off tx off >/dev/null
	start dump b1 tcpdump -Z root -n -i eth0 -B 65536 --immediate-mode -s 512 -vv -c 2000 udp port 7000
	until_true 10 grep -q "listening on" "$work/dump.err" || fail "$(<"$work/dump.err")"
	g_ready in b1 recv 7000 --call stack --count 2000 --seconds 20
	g one a1 send "$(lab_ipv4 b1):7000" --call slice --count 2000 --rate 20000 --tos 0x48 --ttl 9 \
		--source-port 4000 --size 77
	finish one && finish in && finish dump
	whole in 2000
	aboard one 1800
	equal "headers" "$(grep -c 'tos 0x48, ttl 9, .*flags \[DF\], proto UDP (17), length 105' "$work/dump")" 2000
	# Those of the kernel's way may be the device's to fill in.
	between "checksums" "$(grep -c 'udp sum ok' "$work/dump")" "$((2000 - $(say one .sent_stack)))" 2000
}

# runs PLACE: of the datagrams there, so many came several to a packet
runs() {
	tcpdump -Z root -n -r "$work/runs.pcap" "udp dst port 7000 and greater 300" 2>/dev/null | wc -l
}

# burst NAME ARG...: 64 bytes, many at a time, to a receiver of the kind that the ARGs make
burst() {
	local name=$1
	shift
	receive "$name" b1 --flows=4 "$@"
	# shellcheck disable=SC2046 # a flag a word
	speak "to-$name" a1 slice $(dests b1 7000) -f 4 -s 64 -w 512 --sendmmsg 32 --warm 20 \
		--tos 8 --ttl 9 -n 40000
	finish "to-$name" 60 || fail "$(<"$work/to-$name.err")"
	finish "$name" 30 || true # intact says it better
	intact "$name"
	equal "$name: messages" "$(report "$name" .received)" 40000
}

@test "guest: datagrams handed over in runs: every kind of receiver gets each by itself" {
	lab 1 1
	start_pair
	acquaint a1 b1
	start dump b1 tcpdump -Z root -n -i eth0 -B 65536 --immediate-mode -s 128 -w "$work/runs.pcap" udp port 7000
	until_true 10 grep -q "listening on" "$work/dump.err" || fail "$(<"$work/dump.err")"
	burst plain
	stop dump INT
	between "packets with several datagrams" "$(runs)" 100 40000
	burst gro --gro
	burst raw --rx raw
	# A device that does not cut them, and one with a program that wants each by itself.
	place b ethtool -K vif-b1 tx-udp-segmentation off tx off >/dev/null
	burst cut
	place b ethtool -K vif-b1 tx-udp-segmentation on tx on >/dev/null
	burst xdp --rx xdp --socket "$work/b.sock"
	equal "lost in the controller" "$(ask b drops '[.drops[] | select(.reason == "deliver_failed")] | length')" 0
	# What is longer than the interface takes is lost as ever: one by one, and counted.
	place b ip link set vif-b1 mtu 300
	speak long a1 slice -d "$(lab_ipv4 b1):7000" -s 400 --warm 20 --blind -n 200
	finish long
	long_refused() { (($(ask b drops '[.drops[] | select(.reason == "deliver_failed") | .count] | add // 0') >= 100)); }
	until_true 10 long_refused || fail "longer than the MTU: $(ask b drops .drops)"
	stop a && stop b
}

@test "guest: slice: echo and ping through both slices" {
	lab 1 1
	start_pair --latency=1ms --cycle=200us
	wake a1 b1
	g_ready back b1 echo 7000
	g it a1 ping "$(lab_ipv4 b1):7000" --count 2000 --interval 0.0005
	finish it 30
	equal "answers" "$(say it '"\(.sent) \(.received)"')" "2000 2000"
	stop back
}

# Nobody waits for xdp: what finds no peer at the time is lost, and counted.
@test "guest: xdp: echo and ping through AF_XDP sockets" {
	lab 1 1
	start_pair --latency=1ms --cycle=200us
	wake a1 b1
	g_ready back b1 echo 7000 --call xdp --rx xdp
	g it a1 ping "$(lab_ipv4 b1):7000" --count 1000 --interval 0.0005 --call xdp --rx xdp
	finish it 30
	equal "ways" "$(say it '"\(.call) \(.rx)"')" "xdp xdp"
	between "answers" "$(say it .received)" 900 1000
	between "that came otherwise" "$(say it .received_stack)" 0 100
	stop back
}

@test "guest: slice: the controller is restarted while messages go: few are lost, order is kept" {
	lab 1 1
	start_pair
	wake a1 b1
	g_ready in b1 recv 7000 --seconds 60 --count 250000
	# Ten seconds: restarts must be over before.
	g one a1 send "$(lab_ipv4 b1):7000" --count 250000 --rate 25000
	sleep 1
	stop a
	sleep 0.5
	start_controller a --guest=a1=vif-a1 "$(peer_flags a)" --remote="$(lab_mac b1)=b"
	sleep 0.5
	stop a KILL || true
	sleep 0.5
	start_controller a --guest=a1=vif-a1 "$(peer_flags a)" --remote="$(lab_mac b1)=b"
	finish one 60
	stop in
	equal sent "$(say one .sent)" 250000
	equal "attached" "$(say one .attached)" 3
	equal "altered, twice" "$(say in '"\(.altered) \(.duplicated)"')" "0 0"
	# Of what a killed controller had in its page nobody knows.
	between received "$(say in .received)" 247000 250000
	between "in disorder" "$(say in .reordered)" 0 1000
	aboard one 30000
}

@test "guest: slice: a user without rights attaches where the controller says so" {
	local nobody
	nobody=$(id -u nobody)
	lab 2 1
	start_controller b --guest=b1=vif-b1 "$(peer_flags b)" --remote="$(lab_mac a1)=a"
	start_controller a --guest=a1=vif-a1,user=nobody --guest=a2=vif-a2 "$(peer_flags a)" \
		--remote="$(lab_mac b1)=b"
	wake a1 b1
	# The way to the socket, for others; bats keeps its folder to itself.
	chmod go+rx "$work" "$work/.." "$work/../.."
	g_ready in b1 recv 7000 --count 20000 --seconds 20
	start one a1 setpriv --reuid="$nobody" --regid="$nobody" --clear-groups --no-new-privs -- \
		"$guest" --json --socket "$work/a.sock" --call slice \
		send "$(lab_ipv4 b1):7000" --count 20000 --rate 20000
	finish one || fail "$(<"$work/one.err")"
	finish in
	whole in 20000
	aboard one 18000
	start two a2 setpriv --reuid="$nobody" --regid="$nobody" --clear-groups --no-new-privs -- \
		"$guest" --json --socket "$work/a.sock" --call slice send "$(lab_ipv4 b1):7000" --count 1
	! finish two || fail "user nobody attached as a2"
	grep -q "does not let this user in" "$work/two.err" || fail "$(<"$work/two.err")"
	refused 1 "knows no such guest" --socket "$work/a.sock" --name a2 --call slice status
}

@test "guest: slice: a helper that is killed leaves the others and the controller alone" {
	lab 2 1
	start_pair
	wake a1 b1
	g_ready in b1 recv 7000 --seconds 60 --count 50000
	g steady a2 send "$(lab_ipv4 b1):7000" --count 50000 --rate 20000
	for _ in 1 2 3 4 5; do
		g victim a1 send "$(lab_ipv4 b1):7001" --call slice --rate 20000
		sleep 0.2
		stop victim KILL || true
	done
	finish steady 60 && finish in 60
	whole in 50000
	alive a || fail "the controller has ended"
	equal "helpers that are left" "$(ask a guests '[.guests[].helpers // [] | length] | add')" 0
}

@test "guest: rx xdp: frames for its ports come by themselves, the rest of the guest gets its own" {
	lab 2 1
	start_pair
	wake a1 b1
	g_ready in b1 recv 7000 --count 60000 --seconds 20 --rx xdp
	g_ready other b1 recv 7001 --count 20000 --seconds 20 --rx stack
	g one a1 send "$(lab_ipv4 b1):7000" --count 30000 --rate 15000 --call slice
	g two a2 send "[$(lab_ipv6 b1)]:7000" --count 30000 --rate 15000 --call xdp
	g three a2 send "$(lab_ipv4 b1):7001" --count 20000 --rate 10000 --call slice
	finish one && finish two && finish three && finish in && finish other
	whole in 60000
	whole other 20000
	equal "receives by" "$(say in .rx)" xdp
	# Alone, nothing of the flow needs the controller.
	sleep 0.3
	g_ready in b1 recv 7000 --count 20000 --seconds 20 --rx xdp
	before=$(total b delivered)
	g one a1 send "$(lab_ipv4 b1):7000" --count 20000 --rate 20000 --call slice
	finish one && finish in
	whole in 20000
	between "through the controller" $(($(total b delivered) - before)) 0 2000
	equal "program left behind" "$(place b1 bpftool -j net show | jq '.[].xdp | length')" 0
}

packets_to() {
	ip -n "$prefix-${1:0:1}" -j -s link show "vif-$1" | jq '.[].stats64.tx.packets'
}

# Frames of a helper's are mixed up with others, and the controller is held up behind them.
held_up() {
	local datagrams before
	datagrams="for i in 1 2 3 4 5 6 7 8; do echo >/dev/udp/$(lab_ipv4 b1)/9; done"
	before=$(packets_to b1)
	g_ready in b1 recv 7000 --count 12000 --seconds 20 --rx xdp
	g one a1 send "$(lab_ipv4 b1):7000" --count 12000 --rate 4000 --call slice
	for _ in 1 2 3; do
		lab_pause 0.3
		# For nobody's port: now all frames go to the controller for 100 ms, and it is held up for longer.
		place a2 bash -c "$datagrams"
		kill -STOP "${pid[b]}"
		lab_pause 0.2
		kill -CONT "${pid[b]}"
	done
	finish one && finish in || return
	whole in 12000 || return
	between "packets to the guest" $(($(packets_to b1) - before)) 2000 10000
}

# nothing_overtakes MODE: of --attach
nothing_overtakes() {
	lab 2 1
	start_pair --attach="$1"
	wake a1 b1
	undisturbed 3 held_up
}

@test "guest: rx xdp: nothing overtakes what the controller has not handed over yet" {
	nothing_overtakes auto
}

@test "guest: rx xdp: nothing overtakes what is in the uplink's AF_XDP socket" {
	nothing_overtakes native
}

# Frames for a helper come past the controller, if not the first ones.
come_by_themselves() {
	local before
	before=$(packets_to b1)
	g one a1 send "$(lab_ipv4 b1):7000" --count 20000 --rate 20000 --call slice
	finish one && finish in
	whole in 20000
	between "packets to the guest" $(($(packets_to b1) - before)) 100 12000
}

# Nobody asks the controller in between: it looks what its socket dropped to answer, too.
@test "guest: rx xdp: what the uplink's AF_XDP socket had no room for keeps no frame from helpers" {
	lab 2 1
	start_pair --attach=native
	wake a1 b1
	g_ready in b1 recv 7000 --count 20000 --seconds 20 --rx xdp
	transmit flood a2 --dest="$(lab_ipv4 b1):9" --seconds=30 --size=512 --blind --tolerant
	lab_pause 0.3
	kill -STOP "${pid[b]}"
	lab_pause 0.7
	stop flood || true
	kill -CONT "${pid[b]}"
	lab_pause 0.3
	come_by_themselves
	between "frames without room" "$(ask b drops '[.drops[] | select(.reason == "socket_full").count] | add // 0')" 1 1000000
}

# first_packet PCAP: its bytes, from the Ethernet header on
first_packet() {
	tail -c +41 "$1" | head -c "$(od -A n -t u4 -j 32 -N 4 "$1")"
}

@test "guest: rx xdp: what somebody tries the uplink's program with keeps no frame from helpers" {
	local program
	lab 2 1
	start_pair --attach=native
	watch wire "ether proto 0x88b5 and ether[14] & 0xf = 1 and ether dst $(lab_uplink_mac b)"
	wake a1 b1
	unwatch wire
	g_ready in b1 recv 7000 --count 20000 --seconds 20 --rx xdp
	first_packet "$work/wire.pcap" >"$work/frame"
	program=$(place b bpftool -j net show dev uplink | jq '.[].xdp[].id')
	equal "verdict: XDP_REDIRECT" "$(bpftool -j prog run id "$program" data_in "$work/frame" repeat 5 | jq .retval)" 4
	come_by_themselves
}
