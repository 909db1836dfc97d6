#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The path from guests through one page over the wire to guests: everything
# arrives as it was sent, in few frames, and the counters tell the truth. What
# is on the wire is counted by tcpdump.

# shellcheck disable=SC2154 # what lib.bash sets

load lib

setup() { test_begin; }
teardown() { test_end; }

data='ether proto 0x88b5 and ether[14] & 0xf = 1'

# note WHAT: a measurement, shown where tests pass, too
note() {
	echo "# $*" >&3
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b ? a / b : 0 }'
}

least() {
	printf '%s\n' "$@" | sort -n | head -n 1
}

# Datagrams of a guest's kernel with a wrong checksum, in UDP and IP.
bad_checksums() {
	place "$1" nstat -asz UdpInCsumErrors Udp6InCsumErrors IpInHdrErrors Ip6InHdrErrors |
		awk '!/^#/ { n += $2 } END { print n }'
}

destinations() {
	printf -- '--dest=%s:%s\n--dest=[%s]:%s\n' "$(lab_ipv4 "$1")" "$2" "$(lab_ipv6 "$1")" "$2"
}

# A veth's ring has room for 256 packets. On an emulated machine's one processor a sender may go on
# for long before anybody takes some out.
window=256
[[ ! ${EMULATED-} ]] || window=100

# exchange FROM TO COUNT ARG...: messages over IPv4 and IPv6, all intact
exchange() {
	local from=$1 to=$2 count=$3
	shift 3
	receive "got-$to" "$to" --flows=2 "${receiver_args[@]}"
	# shellcheck disable=SC2046 # an option a line
	transmit "sent-$from" "$from" $(destinations "$to" 7000) --flows=2 --count="$count" --window=$window "$@"
	finish "sent-$from" 60 || fail "$from: $(<"$work/sent-$from") $(losses)" || return
	finish "got-$to" 60 || true # intact says it better
	intact "got-$to"
	equal "messages" "$(report "got-$to" .received)" "$count"
}

# carried SIDE LEAST: so many messages went through the page
carried() {
	between "messages of $1 through the page" "$(total "$1" sent_messages)" "$2" 100000000
}

# Where messages may have been lost: told where a test fails.
losses() {
	ask a drops '.drops[] | "a: \(.reason) \(.count)"'
	ask b drops '.drops[] | "b: \(.reason) \(.count)"'
}

@test "path: a million messages, 4 guests to 2, both families: all intact" {
	local guest i sent=0
	lab 4 2
	start_pair
	for guest in b1 b2; do
		receive "$guest-in" "$guest" --flows=8
	done
	# All that is on its way fits into the page, also while the controller does not run.
	for i in 1 2 3 4; do
		# shellcheck disable=SC2046 # an option a line
		transmit "a$i-out" "a$i" $(destinations b1 7000) $(destinations b2 7000) --flows=4 \
			--count=250000 --sizes=0-512 --seed="$i" --window=100 --sendmmsg=16 \
			--tos=$((i * 8)) --ttl=$((64 + i)) --first-flow=$((i * 4))
	done
	for i in 1 2 3 4; do
		finish "a$i-out" 60 || fail "a$i: $(cat "$work/a$i-out" "$work/a$i-out.err") $(losses)"
		sent=$((sent + $(report "a$i-out" .sent)))
	done
	for guest in b1 b2; do
		finish "$guest-in" 30 || fail "$guest: $(report "$guest-in" 'del(.flows) | tojson') $(losses)"
		intact "$guest-in"
		equal "bad checksums at $guest" "$(bad_checksums "$guest")" 0
	done
	equal "messages sent" "$sent" 1000000
	equal "messages received" "$(jq -s 'map(.received) | add' "$work"/b[12]-in)" 1000000
	equal "messages lost, altered or in disorder" \
		"$(jq -s 'map(.lost + .altered + .out_of_order + .duplicated + .tos_wrong + .ttl_wrong) | add' "$work"/b[12]-in)" 0
	carried a 990000
	equal "messages taken and given" "$(total b received_messages)" "$(total a sent_messages)"
	note "$(total a sent_messages) messages in $(total a sent_frames) frames," \
		"$(jq -s 'map(.messages_per_s) | add' "$work"/b[12]-in) a second"
}

# agree FROM TO: what FROM sent, TO received and tcpdump saw are the same
agree() {
	local filter
	filter="ether src $(lab_uplink_mac "$1") and $data"
	equal "frames of $1" "$(total "$1" sent_frames)" "$(watched wire frames "$filter")"
	equal "bytes of $1" "$(total "$1" sent_bytes)" "$(watched wire bytes "$filter")"
	equal "frames that $2 received" "$(total "$2" received_frames)" "$(total "$1" sent_frames)"
	equal "bytes that $2 received" "$(total "$2" received_bytes)" "$(total "$1" sent_bytes)"
	equal "messages that $2 received" "$(total "$2" received_messages)" "$(total "$1" sent_messages)"
	equal "messages that $2 delivered" "$(total "$2" delivered)" "$(total "$1" sent_messages)"
	equal "frames lost on the way to $2" "$(total "$2" received_lost)" 0
}

# One flow of 64-byte messages at load.
load_run() {
	receive "got-$1" b1 --flows=1
	watch "$1"
	[[ $1 == plain ]] || start_pair --cycle=10ms --latency=10ms
	transmit "sent-$1" a1 --dest="$(lab_ipv4 b1):7000" --count=60000 --size=64 --window=2048 --sendmmsg=32
	finish "sent-$1" 60
	finish "got-$1"
	intact "got-$1"
	unwatch "$1"
}

@test "path: 64 bytes at load: 20 messages a frame, 40 % off the wire, true counters" {
	local from frames messages plain wire
	from="ether src $(lab_uplink_mac a) and $data"
	lab 1 1
	load_run plain
	load_run wire
	frames=$(watched wire frames "$from")
	messages=$(total a sent_messages)
	# All that leaves host a, with what passed as it was and hellos; and back.
	plain=$(watched plain wire)
	wire=$(watched wire wire)
	note "$messages messages in $frames frames: $(ratio "$messages" "$frames") a frame"
	note "without: $(watched plain frames) frames, $(watched plain bytes) bytes, $plain on the wire"
	note "with:    $(watched wire frames) frames, $(watched wire bytes) bytes, $wire on the wire:" \
		"$(ratio $((100 * (plain - wire))) "$plain") % less"
	between "messages" "$messages" 59000 60100
	between "messages a frame" $((messages / frames)) 20 30
	between "per cent of the wire" $((100 * wire / plain)) 1 60
	agree a b
	agree b a
}

@test "path: the counters agree with tcpdump for both ways and many sizes" {
	lab 2 2
	watch wire
	start_pair
	receive b1-in b1 --flows=2
	receive a2-in a2 --flows=2
	# shellcheck disable=SC2046
	transmit a1-out a1 $(destinations b1 7000) --flows=2 --count=20000 --sizes=0-512 --window=100
	# shellcheck disable=SC2046
	transmit b2-out b2 $(destinations a2 7000) --flows=2 --count=20000 --sizes=0-512 --window=100
	finish a1-out
	finish b2-out
	finish b1-in
	finish a2-in
	intact b1-in
	intact a2-in
	unwatch wire
	agree a b
	agree b a
}

# lonely RUN: sets $p50, of the latency of messages that have no company
lonely() {
	receive "got-$1" b1 --flows=1
	transmit "sent-$1" a1 --dest="$(lab_ipv4 b1):7000" --count=9 --rate=4
	finish "sent-$1"
	finish "got-$1"
	intact "got-$1"
	p50=$(report "got-$1" .latency_ns.p50)
}

@test "path: a lonely message is as fast as without Jitney" {
	local round plain=() with=() cut=0
	lab 1 1
	for round in 1 2 3; do
		lonely "plain$round"
		plain+=("$p50")
		start_pair
		lonely "with$round"
		with+=("$p50")
		cut=$((cut + $(passed a a1 cut_through)))
		stop a
		stop b
	done
	# Of three medians the best: a busy machine makes the others.
	note "p50 without: ${plain[*]} ns, with: ${with[*]} ns"
	between "messages cut through" "$cut" 24 40
	between "p50 with Jitney" "$(least "${with[@]}")" 1 $((2 * $(least "${plain[@]}")))
}

# --- frames by hand -----------------------------------------------------------------

# sum16 HEX: the ones' complement sum of 16-bit words
sum16() {
	local hex=$1 i sum=0
	((${#hex} % 4)) && hex+=00
	for ((i = 0; i < ${#hex}; i += 4)); do
		sum=$((sum + 0x${hex:i:4}))
	done
	while ((sum >> 16)); do sum=$(((sum & 0xffff) + (sum >> 16))); done
	echo "$sum"
}

check16() {
	printf '%04x' $((0xffff ^ $(sum16 "$1")))
}

# udp SOURCE DEST PORTS PAYLOAD: a datagram with its checksum; addresses in hex
udp() {
	local length
	length=$(printf '%04x' $((8 + ${#4} / 2)))
	printf '%s' "$3$length$(check16 "$1${2}0011$length$3$length$4")$4"
}

hex_ipv4() {
	# shellcheck disable=SC2046,SC2086
	printf '%02x%02x%02x%02x' ${1//./ }
}

# The lab's addresses: fd77::a:1
hex_ipv6() {
	[[ $1 =~ ^fd77::([ab]):([0-9a-f]+)$ ]]
	printf 'fd77%020d%04x%04x' 0 "0x${BASH_REMATCH[1]}" "0x${BASH_REMATCH[2]}"
}

# tagged FAMILY TCI PAYLOAD: from a1 to b1 with a VLAN tag
tagged() {
	local macs datagram head source dest
	macs=$(lab_mac b1)$(lab_mac a1)
	if [[ $1 == 4 ]]; then
		source=$(hex_ipv4 "$(lab_ipv4 a1)") dest=$(hex_ipv4 "$(lab_ipv4 b1)")
		datagram=$(udp "$source" "$dest" 9c401fbd "$3")
		head=4510$(printf '%04x' $((20 + ${#datagram} / 2)))123440003d11
		echo "${macs//:/}8100${2}0800$head$(check16 "$head$source$dest")$source$dest$datagram"
	else
		source=$(hex_ipv6 "$(lab_ipv6 a1)") dest=$(hex_ipv6 "$(lab_ipv6 b1)")
		datagram=$(udp "$source" "$dest" 9c411fbe "$3")
		printf '%s8100%s86dd628abcde%04x113d%s%s%s\n' "${macs//:/}" "$2" $((${#datagram} / 2)) \
			"$source" "$dest" "$datagram"
	fi
}

# Frames less what may differ: an IPv4 header's identification and checksum.
unidentified() {
	sed -E 's/^(.{24}8100....0800.{8})....(.{8})....(.*)/\1----\2----\3/' "$1"
}

@test "path: VLAN tagged guests: every byte as sent but the IPv4 identification" {
	local n frame sent
	lab 1 1
	start_pair
	for n in 1 2 3 4 5 6 7 8 9 10; do
		tagged 4 a064 "$(printf '%02x%.0s' "$n" $(seq $((n * 7))))"
		tagged 6 0ffe "$(printf '%02x%.0s' "$n" $(seq $((n * 9))))"
	done >"$work/frames"
	start listen b1 "$tools/jt-frames" listen eth0 --count=20 --timeout=20 --ethertype=0x0800 --vlan=100
	start listen6 b1 "$tools/jt-frames" listen eth0 --count=20 --timeout=20 --ethertype=0x86dd --vlan=4094
	until_true 5 grep -q ready "$work/listen.err"
	until_true 5 grep -q ready "$work/listen6.err"
	wake a1 b1
	sent=$(total a messages)
	place a1 "$tools/jt-frames" send eth0 --file="$work/frames" --repeat=2
	finish listen6
	finish listen
	grep 8100a0640800 "$work/listen" >"$work/got4"
	equal "IPv4 frames" "$(unidentified "$work/got4")" \
		"$(unidentified <(grep 0800451 "$work/frames" "$work/frames" -h))"
	equal "IPv6 frames" "$(cat "$work/listen6")" "$(grep 86dd "$work/frames" "$work/frames" -h)"
	while read -r frame; do
		equal "sum over the IPv4 header" "$(sum16 "${frame:36:40}")" 65535
	done <"$work/got4"
	between "of 40 messages through the page" $(($(total a messages) - sent)) 38 40
	equal "messages delivered" "$(total b delivered)" "$(total a messages)"
}

# request FAMILY SEQUENCE: an echo request from a1 to b1
request() {
	local macs body head source dest
	macs=$(lab_mac b1)$(lab_mac a1)
	body=$(printf '4a54%04x%048x' "$2" "$2")
	if [[ $1 == 4 ]]; then
		source=$(hex_ipv4 "$(lab_ipv4 a1)") dest=$(hex_ipv4 "$(lab_ipv4 b1)")
		head=$(printf '4500%04x123440004001' $((24 + ${#body} / 2)))
		echo "${macs//:/}0800$head$(check16 "$head$source$dest")$source${dest}0800$(check16 "0800$body")$body"
	else
		source=$(hex_ipv6 "$(lab_ipv6 a1)") dest=$(hex_ipv6 "$(lab_ipv6 b1)")
		head=$(printf '%04x' $((4 + ${#body} / 2)))
		echo "${macs//:/}86dd60000000${head}3a40$source${dest}8000$(check16 "$source$dest${head}003a8000$body")$body"
	fi
}

@test "path: echo requests and replies travel in the page" {
	local n family type=([4]=0800 [6]=86dd)
	lab 1 1
	start_pair
	for family in 4 6; do
		for ((n = 1; n <= 25; n++)); do
			request "$family" "$n"
		done >"$work/requests$family"
		start "replies$family" a1 "$tools/jt-frames" listen eth0 --timeout=20 --ethertype="0x${type[family]}"
		until_true 5 grep -q ready "$work/replies$family.err"
	done
	wake a1 b1
	for family in 4 6; do
		place a1 "$tools/jt-frames" send eth0 --file="$work/requests$family" --repeat=20 --gap=100
		until_true 10 replies "$family" || fail "$(replied "$family" | wc -l) replies of 500"
		equal "replies" "$(replied "$family" | rev | cut -c1-56 | rev)" \
			"$(for ((n = 0; n < 20; n++)); do rev "$work/requests$family" | cut -c1-56 | rev; done)"
	done
	between "requests through the page" "$(total a messages)" 980 1010
	between "replies through the page" "$(total b messages)" 980 1010
	equal "messages delivered" "$(total b delivered)" "$(total a messages)"
}

# replied FAMILY: the echo replies among what came in
replied() {
	if [[ $1 == 4 ]]; then
		grep -E '^.{46}01.{20}0000' "$work/replies4"
	else
		grep -E '^.{40}3a.{66}8100' "$work/replies6"
	fi
}

replies() {
	[[ $(replied "$1" | wc -l) == 500 ]]
}

@test "path: guests of one host are switched there" {
	local before
	lab 2 1
	watch wire "udp"
	start_pair
	before=$(passed a a1 local)
	exchange a1 a2 2000
	unwatch wire
	between "switched messages" $(($(passed a a1 local) - before)) 2000 2020
	equal "messages in the page" "$(total a messages)" 0
	equal "datagrams on the wire" "$(watched wire frames 'udp and portrange 7000')" 0
	equal "bad checksums" "$(bad_checksums a2)" 0
}

# --- peers ----------------------------------------------------------------------------

# Only what the kernel routes counts hops, so they are not checked.
routed_lab() {
	export LAB_ROUTED=1
	receiver_args=(--hops=-1)
	lab "$@"
}

# routed_pair ADDRESS-A ADDRESS-B: controllers that are a router apart
routed_pair() {
	start_controller a --guest=a1=vif-a1 --guest=a2=vif-a2 --udp --peer="b=$2" \
		--remote="$(lab_ipv4 b1)=b" --remote="$(lab_ipv6 b1)=b"
	start_controller b --guest=b1=vif-b1 --udp --peer="a=$1" \
		--remote="$(lab_ipv4 a1)=a" --remote="$(lab_ipv6 a1)=a" \
		--remote="$(lab_ipv4 a2)=a" --remote="$(lab_ipv6 a2)=a"
}

over_udp() {
	local filter="udp port 17224 and ($1)" bad
	routed_lab 2 1
	routed_pair "$2" "$3"
	watch wire
	exchange a1 b1 20000 --sizes=0-512
	unwatch wire
	carried a 19000
	between "frames" "$(watched wire frames "$filter")" 1000 20000
	between "frames, counted by controllers" $(($(total a sent_frames) + $(total b sent_frames))) 1000 \
		"$(watched wire frames "$filter")"
	equal "messages delivered" "$(total b delivered)" "$(total a sent_messages)"
	bad=$(tcpdump -vv -n -r "$work/wire.pcap" "$filter" 2>/dev/null | grep -c 'bad udp cksum' || true)
	equal "wrong sums of the outer UDP" "$bad" 0
	equal "bad checksums at b1" "$(bad_checksums b1)" 0
}

@test "path: --udp over IPv4, peers a router apart" {
	over_udp ip 10.78.1.2 10.78.2.2
}

@test "path: --udp over IPv6, peers a router apart" {
	over_udp ip6 fd78:1::2 fd78:2::2
	between "right sums of the outer UDP" \
		"$(tcpdump -vv -n -r "$work/wire.pcap" 'udp port 17224' 2>/dev/null | grep -c 'udp sum ok')" 1000 100000
}

# static FLAG...: a with these remotes; sets $in4 and $in6, messages through the page
static() {
	local family before
	start_controller a --guest=a1=vif-a1 "$(peer_flags a)" "$@"
	start_controller b --guest=b1=vif-b1 "$(peer_flags b)"
	for family in 4 6; do
		wake_or_not "$family"
		before=$(total a messages)
		receive "got$family" b1 --flows=1
		transmit "sent$family" a1 "$(destinations b1 7000 | sed -n "$((family / 2 - 1))p")" --count=4000 --window=100
		finish "sent$family"
		finish "got$family"
		intact "got$family"
		declare -g "in$family=$(($(total a messages) - before))"
	done
	stop a
	stop b
}

# The first message for a peer passes while it is probed.
wake_or_not() {
	place a1 bash -c "echo >/dev/udp/$(if [[ $1 == 4 ]]; then lab_ipv4 b1; else lab_ipv6 b1; fi)/9" || true
}

@test "path: static peers: --remote by IPv4, by IPv6 and by MAC" {
	lab 1 1
	static --remote="$(lab_ipv4 b1)=b"
	between "IPv4 by IPv4" "$in4" 1000 4100
	equal "IPv6 by IPv4" "$in6" 0
	static --remote="$(lab_ipv6 b1)=b"
	equal "IPv4 by IPv6" "$in4" 0
	between "IPv6 by IPv6" "$in6" 1000 4100
	static --remote="$(lab_mac b1)=b"
	between "IPv4 by MAC" "$in4" 1000 4100
	between "IPv6 by MAC" "$in6" 1000 4100
	static
	equal "without --remote" "$in4+$in6" 0+0
}

knows() {
	[[ $(ask "$1" peers '[.peers[].addresses[]] | sort | unique | length') -ge $2 ]]
}

@test "path: --discover finds peers and their guests" {
	lab 1 1
	start_controller a --guest=a1=vif-a1 --discover
	start_controller b --guest=b1=vif-b1 --discover
	exchange a1 b1 100
	until_true 10 knows a 3
	until_true 10 knows b 3
	equal "peer that a found" "$(ask a peers '.peers[] | .name + (.discovered | tostring) + .mac')" \
		"btrue$(lab_uplink_mac b)"
	equal "addresses that a found" "$(ask a peers '.peers[].addresses | sort | join(" ")')" \
		"$(printf '%s\n' "$(lab_mac b1)" "$(lab_ipv4 b1)" "$(lab_ipv6 b1)" | sort | xargs)"
	exchange a1 b1 5000
	carried a 4500
}

@test "path: --discover over --udp tells guests to the peers that are named" {
	routed_lab 1 1
	start_controller a --guest=a1=vif-a1 --udp --peer=b=fd78:2::2 --discover
	start_controller b --guest=b1=vif-b1 --udp --peer=a=fd78:1::2 --discover
	exchange a1 b1 100
	until_true 15 knows a 3
	until_true 15 knows b 3
	exchange a1 b1 5000
	carried a 4500
}

# found_at MAC: peer b answers by this next hop
found_at() {
	place a1 bash -c "for i in 1 2 3 4; do echo >/dev/udp/$(lab_ipv4 b1)/9; done" || true
	[[ $(ask a peers '.peers[] | .mac + .state') == "$1up" ]]
}

@test "path: --udp goes on when the next router gets another MAC" {
	routed_lab 2 1
	routed_pair 10.78.1.2 10.78.2.2
	exchange a1 b1 2000
	ip -n "$prefix-w" link set to-a address 02:77:00:00:ff:99
	ip -n "$prefix-a" neigh flush dev uplink
	until_true 10 found_at 02:77:00:00:ff:99 || fail "peer b is not found again: $(ask a peers)"
	exchange a1 b1 5000
	carried a 5000
}

# A flow with messages of which some are too large for --small.
@test "path: order within flows that are partly too large for the page" {
	lab 2 1
	start_pair
	exchange a1 b1 20000 --sizes=400-600
	receive slow b1 --port=7001 --flows=4
	# shellcheck disable=SC2046 # an option a line
	transmit slow-out a2 $(destinations b1 7001) --flows=4 --count=4000 --sizes=500-520 --rate=2000 --poisson
	finish slow-out
	finish slow
	intact slow
	equal "messages received" "$(report slow .received)" 4000
	note "large: $(passed a a1 too_large) passed, $(total a messages) aboard, $(passed a a1 mixed_flow) for order's sake"
}

# --- bpftool ----------------------------------------------------------------------------

load_pinned() {
	bpftool prog loadall "$top/build/bpf/jitney.bpf.o" "$pins/$1" pinmaps "$pins/$1"
}

# adopted SIDE GUEST: a controller with what lies in $pins/SIDE
adopted() {
	start_jitneyd "$1" --name="$1" --uplink=uplink --socket="$work/$1.sock" --adopt="$pins/$1" \
		--guest="$2=vif-$2" "$(peer_flags "$1")" "$(remote_flags "$1" 1)"
}

still_there() {
	local map
	for map in page extents control guests peers vifs slots addresses flows crowded events frames xsks claims shares \
		jitney_vif jitney_vif_tcx jitney_uplink jitney_uplink_tcx; do
		[[ -e $pins/a/$map && -e $pins/b/$map ]] || fail "$map is not pinned any more"
	done
	exchange a1 b1 200
}

@test "path: --adopt takes what bpftool loaded, and leaves it" {
	lab 1 1
	load_pinned a
	load_pinned b
	adopted a a1
	adopted b b1
	exchange a1 b1 10000 --sizes=0-512
	carried a 9500
	stop a
	stop b
	still_there
	# And again: whoever comes next starts from nothing.
	adopted a a1
	adopted b b1
	exchange a1 b1 5000
	carried a 4500
	stop a KILL || true
	stop b KILL || true
	# tcx lets go of them then, tc does not: they find out that nobody is there when they ring.
	place a1 bash -c "echo >/dev/udp/$(lab_ipv4 b1)/9" && place b1 bash -c "echo >/dev/udp/$(lab_ipv4 a1)/9"
	lab_pause 1
	still_there
}

@test "path: --adopt with XDP programs that bpftool attached" {
	local side
	lab 1 1
	for side in a b; do
		load_pinned "$side"
		place "$side" bpftool net attach xdpgeneric pinned "$pins/$side/jitney_vif" dev "vif-${side}1"
		place "$side" bpftool net attach xdpgeneric pinned "$pins/$side/jitney_uplink" dev uplink
	done
	exchange a1 b1 200
	adopted a a1
	adopted b b1
	equal "attachment" "$(ask a guests '.guests[].attach') $(ask a status .uplink.attach)" "adopted adopted"
	exchange a1 b1 10000 --sizes=0-512
	carried a 9500
	stop a
	stop b
	still_there
	place a bpftool -j net show dev vif-a1 | jq -e '.[].xdp[0].mode == "generic"' ||
		place a ip link show vif-a1 | grep -q xdpgeneric
	stop a
}

# shows MAP FILTER: bpftool's formatted dump has it
shows() {
	bpftool -j map dump pinned "$pins/a/$1" | jq -e "[.[].formatted] | $2" >/dev/null ||
		fail "$1: $(bpftool -j map dump pinned "$pins/a/$1" | jq -c '[.[].formatted][:2]')"
}

@test "path: bpftool shows maps with plain names" {
	lab 1 1
	start_pair
	exchange a1 b1 5000
	shows guests '.[0].value | .messages > 4500 and .bytes > 100000 and .ifindex > 0 and has("delivered") and has("reasons")'
	shows peers '.[0].value | .sent_messages > 4500 and .sent_frames > 10 and .received_frames > 0'
	shows flows 'any(.value.key.header.u.udp4.source_port > 0 and .value.flow.messages > 2000)'
	shows flows 'any(.value.key.header | .kind == 2 and .u.udp6.dest_port > 0)'
	shows control '.[0].value | .geometry.banks == 4 and .epoch > 1 and .small == 512 and has("cycle_ns")'
	shows addresses 'any(.key.family == 4 and .value.kind == 1) and any(.key.family == 1 and .value.kind == 2)'
	shows vifs '.[0].value == 0'
	shows extents '.[0].value | has("word") and has("committed")'
	stop a
	[[ ! -e $pins/a ]] || fail "pins were left behind"
}

# --- options ------------------------------------------------------------------------------

# mode HOW GUEST UPLINK PROGRAM: what --attach makes of it, which of a vif's programs was loaded, and
# traffic of all kinds
mode() {
	lab 2 1
	start_pair --attach="$1"
	equal "attached" "$(ask a guests '.guests[0].attach') $(ask a status .uplink.attach)" "$2 $3"
	equal "programs for vifs" "$(cd "$pins/a" && echo jitney_vif*)" "$4"
	exchange a1 b1 20000 --sizes=0-512
	carried a 19000
	exchange b1 a2 5000
	exchange a1 a2 1000
	# A native redirect could vanish in a veth: there the bridge does it.
	[[ $2 == native ]] || between "switched messages" "$(passed a a1 local)" 1000 1100
	equal "bad checksums" "$(bad_checksums a2) $(bad_checksums b1)" "0 0"
}

@test "path: --attach native" {
	mode native native native jitney_vif
}

@test "path: --attach generic" {
	mode generic generic generic jitney_vif
}

@test "path: --attach tcx" {
	local has=tcx
	printf '%s\n' 6.6 "$(uname -r)" | sort -VC || has=tc # which is what older kernels have
	mode tcx "$has" "$has" jitney_vif_tcx
}

@test "path: --config says what flags say; guests come and go" {
	lab 2 1
	cat >"$work/a.conf" <<-END
		# as on a command line
		name = a
		uplink = uplink
		guest = one=vif-a1,mac=$(lab_mac a1),ip=$(lab_ipv4 a1),ip=$(lab_ipv6 a1)
		peer = b=$(lab_uplink_mac b)
		remote = $(lab_mac b1)=b
		cycle = 3ms
		threshold = 70
		page-size = 128K
		small = 100
		socket = $work/a.sock
		pin = $pins/a
		discover = yes
	END
	start_jitneyd a --config="$work/a.conf"
	# Not a2: who is no guest of a's for most of the time gets nothing out of frames.
	start_controller b --guest=b1=vif-b1 "$(peer_flags b)" --remote="$(lab_mac a1)=a"
	equal "settings" "$(ask a status '.page | [.page_size, .threshold, .small] | join(" ")') $(ask a cycle .cycle.length_ns)" \
		"131072 70 100 3000000"
	equal "strict guest" "$(ask a guests '.guests[] | "\(.name) \(.mac) \(.strict)"')" "one $(lab_mac a1) true"
	wake a1 b1
	exchange a1 b1 2000
	carried a 1800
	exchange a2 b1 2000
	between "messages of guests that are none" "$(total a messages)" 1800 2100

	"$bin/jitney" --socket "$work/a.sock" guest add "two=vif-a2,mac=$(lab_mac a2)"
	equal "guests" "$(ask a guests '[.guests[].name] | join(" ")')" "one two"
	wake a1 b1
	exchange a2 b1 2000
	between "messages of the new guest" "$(ask a guests '.guests[] | select(.name == "two") | .messages')" 1800 2100
	"$bin/jitney" --socket "$work/a.sock" guest del two
	equal "guests" "$(ask a guests '[.guests[].name] | join(" ")')" one
	exchange a2 b1 2000
	equal "its interface has no program" "$(place a bpftool -j net show dev vif-a2 | jq '[.[] | .xdp[], .tc[]] | length')" 0
}

@test "path: --page-size, --banks, --extent, --threshold" {
	lab 1 1
	ip -n "$prefix-a" link set uplink mtu 3000
	ip -n "$prefix-b" link set uplink mtu 3000
	ip -n "$prefix-w" link set to-a mtu 3000
	ip -n "$prefix-w" link set to-b mtu 3000
	watch wire "$data"
	start_pair --page-size=64K --banks=8 --extent=4K --threshold=50 --cycle=50ms
	equal "geometry" "$(ask a status '.page | [.page_size, .banks, .extent_size, .extents, .threshold] | join(" ")')" \
		"65536 8 4096 16 50"
	equal "banks" "$(ask a page '.page.banks | length')" 8
	# It is a small page: all that is on its way fits into it, also while the controller does not run.
	exchange a1 b1 20000 --sizes=0-512 --window=384 --sendmmsg=32
	unwatch wire
	carried a 19900
	between "swaps at the threshold" "$(ask a cycle .cycle.swaps.threshold)" 20 100000
	between "frames larger than 2 KiB" "$(watched wire frames 'greater 2100')" 100 100000
	equal "frames larger than the MTU" "$(watched wire frames 'greater 3015')" 0
}

swaps() {
	ask a cycle '.cycle.swaps | add'
}

@test "path: a static cycle ends as often as it says" {
	local before seconds
	lab 1 1
	start_pair --cycle=5ms
	wake a1 b1
	receive in b1 --flows=1
	before=$(swaps)
	transmit out a1 --dest="$(lab_ipv4 b1):7000" --rate=4000 --count=8000
	finish out
	finish in
	intact in
	seconds=$(report in .seconds)
	note "$(ratio $(($(swaps) - before)) "$seconds") swaps a second"
	between "swaps in 2 s" $(($(swaps) - before)) 300 420
	between "latency p50" "$(report in .latency_ns.p50)" 1000000 10000000
}

@test "path: --latency and --weights" {
	lab 1 1
	start_pair --latency=500us --cycle=auto --weights=10,0 --cycle-min=100us
	equal "settings" "$(ask a cycle '.cycle | [.latency_ns, .weights[]] | join(" ")')" "500000 10 0"
	receive in b1 --flows=1
	transmit out a1 --dest="$(lab_ipv4 b1):7000" --rate=4000 --count=8000
	finish out
	finish in
	intact in
	note "p50 $(report in .latency_ns.p50) ns"
	between "cycle" "$(ask a cycle .cycle.length_ns)" 100000 500000
	between "latency p50" "$(report in .latency_ns.p50)" 1 2000000
	carried a 7000
}

# The test's own control messages are below 128 bytes.
@test "path: --small: larger messages pass" {
	lab 1 1
	start_pair --small=128
	wake a1 b1
	exchange a1 b1 2000 --size=128
	carried a 1900
	equal "larger ones" "$(passed a a1 too_large)" 0
	wake a1 b1
	exchange a1 b1 2000 --size=129
	between "larger ones" "$(passed a a1 too_large)" 1900 2010
	between "messages" "$(total a messages)" 1900 2150
}

@test "path: --ethertype" {
	lab 1 1
	watch wire
	start_pair --ethertype=0x88b6
	exchange a1 b1 5000
	unwatch wire
	carried a 4500
	equal "frames of the usual type" "$(watched wire frames 'ether proto 0x88b5')" 0
	equal "frames of this type" \
		"$(watched wire frames 'ether proto 0x88b6 and ether[14] & 0xf = 1')" $(($(total a sent_frames) + $(total b sent_frames)))
}

@test "path: --busy-poll and --zerocopy" {
	lab 1 1
	start_pair --busy-poll --zerocopy=auto
	exchange a1 b1 5000
	carried a 4500
	stop a
	stop b
	start_pair --busy-poll=50 --zerocopy=off
	exchange a1 b1 5000
	carried a 4500
	equal "zero-copy" "$(ask a status .uplink.zerocopy)" false
}

# --- capture --------------------------------------------------------------------------------

capture_has() {
	[[ -s $work/capture.pcapng ]]
}

# in_capture FILTER ARG...: how many tshark finds
in_capture() {
	local filter=$1
	shift
	tshark -r "$work/capture.pcapng" -Y "$filter" "$@" 2>"$work/tshark.err" | wc -l
}

captured_all() {
	[[ $(in_capture 'frame.interface_name == "messages"') == $(($(total a sent_messages) + $(total a received_messages))) ]]
}

@test "path: jitney capture shows frames and messages" {
	local dissector="lua_script:$top/scripts/wireshark/jitney.lua" messages
	lab 1 1
	start_pair
	start capture a "$bin/jitney" --json --socket "$work/a.sock" capture "$work/capture.pcapng"
	until_true 10 capture_has
	exchange a1 b1 5000 --sizes=0-512
	until_true 20 captured_all || fail "$(in_capture 'frame.interface_name == "messages"') messages in the capture"
	stop capture INT
	messages=$(in_capture 'frame.interface_name == "messages" && udp.dstport == 7000')
	equal "messages to b1" "$messages" "$(total a sent_messages)"
	equal "messages from b1" "$(in_capture 'frame.interface_name == "messages" && udp.srcport == 7000')" \
		"$(total a received_messages)"
	equal "report" "$(report capture '"\(.ok) \(.missed) \(.messages) \(.frames)"')" \
		"true 0 $(in_capture 'frame.interface_name == "messages"') $(in_capture 'frame.interface_name == "frames"')"
	equal "messages with right checksums" "$(in_capture 'frame.interface_name == "messages" && udp.checksum.status == 1' \
		-o udp.check_checksum:TRUE)" "$(report capture .messages)"
	equal "wrong IPv4 headers" "$(in_capture 'ip.checksum.status == 0' -o ip.check_checksum:TRUE)" 0
	equal "frames that the dissector knows" "$(in_capture 'jitney.type == 1' -X "$dissector")" \
		$(($(total a sent_frames) + $(total a received_frames)))
	equal "frames that it complains about" \
		"$(in_capture 'jitney && _ws.expert' -X "$dissector" -o jitney.inner:FALSE)" 0
	equal "messages in frames to b1" "$(tshark -r "$work/capture.pcapng" -X "$dissector" -o jitney.inner:FALSE \
		-Y "jitney.type == 1 && eth.dst == $(lab_uplink_mac b)" -T fields -e jitney.messages 2>/dev/null |
		awk '{ n += $1 } END { print n }')" "$messages"
}

@test "path: --queues: a socket on each of the uplink's queues" {
	local side
	lab 2 1
	for side in a b; do
		place "$side" ethtool -L uplink rx 2 tx 2 && place w ethtool -L "to-$side" rx 2 tx 2 ||
			fail "a veth has two queues where there are two CPUs"
	done
	start_controller a --queues=2 --attach=native --guest=a1=vif-a1 --guest=a2=vif-a2 \
		--peer=nobody=02:77:00:00:0c:ff "$(peer_flags a)" --remote="$(lab_mac b1)=b"
	start_controller b --queues=2 --attach=native --guest=b1=vif-b1 "$(peer_flags b)" \
		--remote="$(lab_mac a1)=a" --remote="$(lab_mac a2)=a"
	peers_up
	exchange a1 b1 40000 --sizes=0-200 --sendmmsg=16
	exchange b1 a2 40000 --sizes=0-200 --sendmmsg=16
	carried a 35000
	carried b 35000
	# Of a peer named behind another the frames leave by the second queue.
	equal "queues" "$(ask a status '.uplink.queues | length')" 2
	equal "frames of a by its first queue" "$(ask a status '.uplink.queues[0].sent')" 0
	between "frames of a by its second" "$(ask a status '.uplink.queues[1].sent')" 1000 100000
	between "frames of b by its first" "$(ask b status '.uplink.queues[0].sent')" 1000 100000
	between "frames to b, by any" "$(ask b status '[.uplink.queues[].received] | add')" 1000 100000
	equal "frames lost" "$(total a received_lost) $(total b received_lost)" "0 0"
	stop a && stop b
	place a ethtool -L uplink rx 1 tx 1
	start a a "$bin/jitneyd" --uplink=uplink --queues=2 --socket="$work/a.sock"
	! finish a || fail "two sockets on one queue"
	grep -q "on queue 1 of uplink: it has not so many: .ethtool -l uplink" "$work/a.err" || fail "$(<"$work/a.err")"
}
