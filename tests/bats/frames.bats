#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what lib.bash sets
#
# Hostile frames: from the wire, with the MAC of a peer, and from guests. Each is
# counted under its reason and nothing of it reaches a guest. The controller is the one
# built with sanitizers, which must have nothing to say.

load lib
load fault-lib

setup() {
	test_begin
	JITNEYD=$top/build/asan/jitneyd
	[[ -x $JITNEYD ]] || make -s -C "$top" build/asan/jitneyd
}

teardown() { test_end; }

# --- frames as hexadecimal digits ---------------------------------------------------

word() { printf '%04x' "$1"; }
zeros() { (($1 == 0)) || printf "%0$((2 * $1))d" 0; }
mac_hex() { echo "${1//:/}"; }
ipv4_hex() {
	local IFS=.
	# shellcheck disable=SC2086 # four numbers
	printf '%02x' $1
}
size() { echo $((${#1} / 2)); }

# cut N HEX - its first N bytes.
cut() { echo "${2:0:2*$1}"; }

# frame [NAME=VALUE...] BODY - from b's uplink to a's; length=: other than the body's.
frame() {
	local kind=11 flags=00 length='' session=1234 from body=${!#}
	from=$(lab_uplink_mac b)
	[[ $# == 1 ]] || local "${@:1:$#-1}"
	echo "$(mac_hex "$(lab_uplink_mac a)")$(mac_hex "$from")88b5$kind$flags$(
		word "${length:-$(size "$body")}"
	)00000001ffff$session$body"
}

# record NUMBER LENGTH TAIL BYTES - padded to four bytes.
record() {
	local pad=000000
	echo "$(word $(($1 << 11 | $2)))$3$4${pad:0:2*((4 - $2 % 4) % 4)}"
}

# template [NAME=VALUE...] - a record that makes number 1 stand for b1 to a1, UDP over IPv4.
template() {
	local number=01 kind=01 flags=00 tos=00 ttl=40 vlan='' from to source dest tail=00 ports=1b581b58
	from=$(mac_hex "$(lab_mac b1)") to=$(mac_hex "$(lab_mac a1)")
	source=$(ipv4_hex "$(lab_ipv4 b1)") dest=$(ipv4_hex "$(lab_ipv4 a1)")
	[[ $# == 0 ]] || local "$@"
	local bytes=$kind$flags$tos$ttl$to$from$ports$source$dest$vlan
	record 31 "$(size "$bytes")" "$number$tail" "$bytes"
}

# ethernet [NAME=VALUE...] - the same, Ethernet alone (IPv4 behind it).
ethernet() {
	local ports=08000000 source='' dest=''
	template kind=03 ttl=00 ports=$ports source= dest= "$@"
}

message() { record "${2:-1}" 8 0000 "${1:-4142434445464748}"; }

# icmp [SOURCE] - an echo request to a1 as an Ethernet message.
icmp() {
	local source
	source=$(ipv4_hex "${1:-$(lab_ipv4 b1)}")
	record 1 28 0000 "4500001c0001000040010000$source$(ipv4_hex "$(lab_ipv4 a1)")0800f7ff00000000"
}

good_frame() { frame "$(template)$(message)"; }

# --- hosts and what is expected of them -----------------------------------------------

# Controller a, with guests a1 and a2, peer b, and a peer c whose guest is 10.77.0.200.
begin() {
	lab 2 1
	# shellcheck disable=SC2046 # a flag each
	start_controller a --guest="a1=vif-a1,mac=$(lab_mac a1),ip=$(lab_ipv4 a1),ip=$(lab_ipv6 a1)" \
		--guest="a2=vif-a2,mac=$(lab_mac a2),ip=$(lab_ipv4 a2)" --peer=c=02:66:00:00:00:01 \
		--remote=10.77.0.200=c --remote=02:66:00:00:00:02=c $(peer_flags a) $(remote_flags a 1) "$@"
	start seen a1 "$tools/jt-frames" listen eth0 --ethertype 0x0800 --timeout 300
	until_true 10 grep -q ready "$work/seen.err"
}

inject() {
	place w "$tools/jt-frames" send to-a >/dev/null || fail "the frames can't be sent"
}

# What was lost, and frames of strangers.
sum_of_drops() {
	ask a drops '[.drops[] | select(.kind == "drop" or .reason == "unknown_peer") | .count] | add // 0'
}

# expect REASON COUNT - frames from standard input are counted so, and not otherwise.
expect() {
	local before all
	before=$(dropped a "$1") all=$(sum_of_drops)
	inject
	until_true 5 has_dropped a "$1" $((before + $2)) ||
		fail "$1: $(($(dropped a "$1") - before)), not $2 (${3:-}); $(drops_of a | tr '\n' ' ')" || return
	settled || return
	equal "drops in all (${3:-$1})" "$(sum_of_drops)" $((all + $2)) || { drops_of a; return 1; }
}

# A frame that must arrive, behind all others: when it is there, so are they.
settled() {
	good_frame | inject
	echo >>"$work/goods" # often in a pipe, where a variable would not last
	# Sixteen thousand new addresses take a controller that leaves others their time some seconds.
	until_true 20 has_seen "$(goods)" || fail "the good frame was not delivered: $(drops_of a)"
}

goods() { wc -l <"$work/goods"; }

has_seen() {
	(($(wc -l <"$work/seen") >= $1))
}

# Nothing but the good ones came, the same process answers, the sanitizers are content.
end() {
	settled
	equal "packets that a1 got" "$(wc -l <"$work/seen")" "$(goods)"
	equal "different ones" "$(sed 's/^\(.\{36\}\)\(.\{4\}\)\(.\{8\}\)..../\1....\3..../' "$work/seen" | sort -u | wc -l)" 1
	same_process a
	stop a || fail "the controller ended badly: $(<"$work/a.err")"
	! grep -E 'Sanitizer|runtime error' "$work/a.err" || fail "the sanitizers found something"
	nothing_left_on a
}

# --- Jitney headers and records -------------------------------------------------------

@test "a frame truncated at every length" {
	local whole n
	begin
	whole=$(good_frame)
	for ((n = 14; n < 26; n++)); do cut "$n" "$whole"; done | expect frame_short 12
	for ((n = 26; n < $(size "$whole"); n++)); do cut "$n" "$whole"; done | expect frame_length 44
	end
}

@test "records truncated at every length" {
	local body n
	begin
	body=$(template)$(message)
	for ((n = 1; n < 44; n++)); do
		((n == 32)) || frame "$(cut "$n" "$body")"
	done | expect record_short 42
	# Between two records a frame may end, also with none.
	{ frame ''; frame "$(template)"; } | expect record_short 0 "ends between records"
	end
}

@test "bad headers" {
	begin
	frame kind=21 "$(message)" | expect frame_version 1
	frame kind=01 "$(message)" | expect frame_version 1
	frame kind=f1 "$(message)" | expect frame_version 1
	frame flags=01 "$(message)" | expect frame_version 1
	for kind in 10 13 14 1f; do frame "kind=$kind" "$(message)"; done | expect frame_type 4
	frame length=65535 "$(message)" | expect frame_length 1
	frame length=13 "$(message)" | expect frame_length 1
	# Bytes behind the length are Ethernet's padding.
	frame length=0 "$(message)" | expect record_short 0
	end
}

@test "bad templates" {
	begin
	frame "$(message)" | expect template_unknown 1
	frame "$(message)$(template)" | expect template_unknown 1 "used before it came"
	frame "$(template)$(message '' 2)" | expect template_unknown 1 "another one used"
	frame "$(template)$(message '' 30)" | expect template_unknown 1
	frame "$(template)$(template)$(message)" | expect template_twice 1
	frame "$(template)$(template ports=00010002)" | expect template_twice 1
	for number in 00 1f 20 fe; do frame "$(template "number=$number")"; done | expect template_bad 4 number
	for kind in 00 02 03 04 ff; do frame "$(template "kind=$kind")"; done | expect template_bad 5 kind
	for flags in 01 04 80 ff; do frame "$(template "flags=$flags")"; done | expect template_bad 4 flags
	frame "$(template tail=01)" | expect template_bad 1 tail
	frame "$(template vlan=00000000)" | expect template_bad 1 "four bytes too long"
	frame "$(template flags=01 vlan=00010001)" | expect template_bad 1 "VLAN with a tail"
	frame "$(template dest=)" | expect template_bad 1 "four bytes too short"
	frame "$(record 31 0 0100 '')" | expect template_bad 1 empty
	frame "$(record 31 1 0100 01)" | expect template_bad 1 "one byte"
	frame "$(template from=010000000000)" | expect template_bad 1 "multicast source"
	frame "$(template to=ffffffffffff)" | expect template_bad 1 broadcast
	frame "$(ethernet ports=08060000)" | expect template_bad 1 ARP
	frame "$(ethernet ports=08000001)" | expect template_bad 1 "Ethernet with a tail"
	frame "$(ethernet ttl=40)" | expect template_bad 1 "Ethernet with TTL"
	frame "$(ethernet flags=02)" | expect template_bad 1 "Ethernet with DF"
	end
}

@test "bad records" {
	begin
	frame "$(zeros 4)" | expect record_blank 1
	frame "$(template)$(zeros 4)$(message)" | expect record_blank 1 "a blank one between others"
	frame "$(record 0 8 0000 "$(zeros 8)")" | expect record_blank 1 "number 0"
	frame "0fff0000" | expect record_short 1 "longer than its frame"
	frame "$(template)0fff00004142" | expect record_short 1 "longer than its frame"
	frame "ffff0100$(zeros 1000)" | expect record_short 1 "a template as long"
	frame "ffffff00" | expect record_short 1 "padding as long"
	# Padding is no fault.
	frame "$(record 31 8 ff00 "$(zeros 8)")" | expect record_short 0 padding
	end
}

@test "bad packets behind an Ethernet template" {
	local head=4500001c0001000040 rest
	begin
	rest=0000$(ipv4_hex "$(lab_ipv4 b1)")$(ipv4_hex "$(lab_ipv4 a1)")0800f7ff00000000
	frame "$(ethernet)$(record 1 28 0001 "${head}01$rest")" | expect message_bad 1 "a checksum"
	frame "$(ethernet)$(record 1 27 0000 "${head}01${rest:0:-2}")" | expect message_bad 1 "shorter than it says"
	frame "$(ethernet)$(record 1 32 0000 "${head}01${rest}00000000")" | expect message_bad 1 "longer than it says"
	frame "$(ethernet)$(record 1 28 0000 "${head}06$rest")" | expect message_bad 1 TCP
	frame "$(ethernet)$(record 1 28 0000 "${head}11$rest")" | expect message_bad 1 UDP
	frame "$(ethernet)$(record 1 28 0000 "4600${head:4}01$rest")" | expect message_bad 1 options
	frame "$(ethernet)$(record 1 28 0000 "4500001c0001200040""01$rest")" | expect message_bad 1 "a fragment"
	frame "$(ethernet)$(record 1 0 0000 '')" | expect message_bad 1 empty
	frame "$(ethernet)$(record 1 19 0000 "$(zeros 19)")" | expect message_bad 1 "no header"
	frame "$(ethernet ports=86dd0000)$(icmp)" | expect message_bad 1 "IPv4 as IPv6"
	frame "$(ethernet ports=86dd0000)$(record 1 48 0000 "6000000000083aff$(zeros 32)8600000000000000")" |
		expect message_bad 1 "a router's advertisement"
	end
}

@test "forged sources and unknown destinations" {
	begin
	frame "$(template "source=$(ipv4_hex "$(lab_ipv4 a2)")")$(message)" | expect source_bad 1 "a guest's IP"
	frame "$(template "from=$(mac_hex "$(lab_mac a2)")")$(message)" | expect source_bad 1 "a guest's MAC"
	frame "$(template "source=$(ipv4_hex "$(lab_ipv4 a1)")")$(message)" | expect source_bad 1 "the receiver's IP"
	frame "$(template source=0a4d00c8)$(message)" | expect source_bad 1 "IP of another peer's"
	frame "$(template from=026600000002)$(message)" | expect source_bad 1 "MAC of another peer's"
	frame "$(template from=026600000002)$(message)$(message)$(message)" | expect source_bad 3
	frame "$(ethernet "from=$(mac_hex "$(lab_mac a2)")")$(icmp)" | expect source_bad 1 "MAC of an echo"
	frame "$(ethernet)$(icmp "$(lab_ipv4 a2)")" | expect source_bad 1 "IP of an echo"
	frame "$(template to=020000000099 "dest=$(ipv4_hex 10.77.0.99)")$(message)" | expect no_guest 1
	frame "$(template "to=$(mac_hex "$(lab_mac b1)")")$(message)" | expect no_guest 1 "back to the peer"
	frame from=02:99:00:00:00:01 "$(template)$(message)" | expect unknown_peer 1
	end
}

@test "a message too large for its guest" {
	begin --extent=4K
	place a ip link set uplink mtu 4000
	place w ip link set to-a mtu 4000
	frame "$(template)$(record 1 2000 0000 "$(zeros 2000)")" | expect deliver_failed 1
	frame "$(template)$(record 1 2047 0000 "$(zeros 2047)")" | expect deliver_failed 1
	end
}

# --- hellos -----------------------------------------------------------------------------

# hello [NAME=VALUE...] - a frame; entries are the addresses behind it.
hello() {
	local op=01 zero=00 count=0 name=62 entries='' session=1234 from
	from=$(lab_uplink_mac b)
	[[ $# == 0 ]] || local "$@"
	frame kind=12 "session=$session" "from=$from" \
		"$op$zero$(word "$count")00000000$name$(zeros $((16 - $(size "$name"))))$entries"
}

# entry FAMILY BYTES [ZERO]
entry() { echo "$1${3:-0000}$2$(zeros $((16 - $(size "$2"))))"; }

@test "bad hellos" {
	local n whole
	begin --discover
	whole=$(hello op=03 count=2 "entries=$(entry 0004 0a4d00c9)$(entry 0001 020000000077)")
	whole=${whole:52}
	for ((n = 0; n < $(size "$whole"); n++)); do
		frame kind=12 "$(cut "$n" "$whole")"
	done | expect hello_bad 64 truncated
	for n in 1 2 64 3277 65535; do hello op=03 "count=$n"; done | expect hello_bad 5 "counts too high"
	hello op=03 count=1 "entries=$(entry 0004 0a4d00c9)$(entry 0004 0a4d00ca)" | expect hello_bad 1 "count too low"
	for n in 00 05 80 ff; do hello "op=$n"; done | expect hello_bad 4 op
	hello zero=01 | expect hello_bad 1 "not zero"
	hello name=00 | expect hello_bad 1 "no name"
	hello name=62626262626262626262626262626262 | expect hello_bad 1 "name without end"
	hello session=0000 | expect hello_bad 1 session
	for n in 0000 0002 0005 0100 ffff; do hello op=03 count=1 "entries=$(entry "$n" 0a4d00c9)"; done |
		expect hello_bad 5 family
	hello op=03 count=1 "entries=$(entry 0004 0a4d00c9 0001)" | expect hello_bad 1 "not zero"
	for n in 00000000 e0000001 ffffffff 0a4d00c901; do hello op=03 count=1 "entries=$(entry 0004 "$n")"; done |
		expect hello_bad 4 "IPv4 address"
	for n in 000000000000 010000000001 ffffffffffff; do hello op=03 count=1 "entries=$(entry 0001 "$n")"; done |
		expect hello_bad 3 MAC
	hello op=03 count=1 "entries=$(entry 0006 ff020000000000000000000000000001)" | expect hello_bad 1 "IPv6 address"
	hello op=01 count=1 "entries=$(entry 0004 0a4d00c9)" | expect hello_bad 1 "addresses in a probe"
	hello op=00 from=02:99:00:00:00:01 | expect hello_bad 1 "from a stranger"
	equal "addresses learned" "$(ask a peers '[.peers[].addresses[]] | sort | join(" ")')" \
		"02:66:00:00:00:02 $(lab_mac b1) 10.77.0.200"
	end
}

@test "an announced address that is a guest's, or configured, is not believed" {
	begin --discover
	hello op=03 count=3 "entries=$(entry 0004 "$(ipv4_hex "$(lab_ipv4 a1)")")$(entry 0004 0a4d00c8)$(
		entry 0004 0a4d00c9)" | expect hello_bad 0
	until_true 5 has_address b 10.77.0.201 || fail "a good address was not learned"
	equal "of b" "$(addresses_of b)" "$(lab_mac b1) 10.77.0.201"
	equal "of c" "$(addresses_of c)" "02:66:00:00:00:02 10.77.0.200"
	end
}

addresses_of() {
	ask a peers ".peers[] | select(.name == \"$1\") | .addresses | sort | join(\" \")"
}

has_address() {
	addresses_of "$1" | grep -q "$2"
}

# hellos_of_strangers COUNT - each with a MAC and a name of its own.
hellos_of_strangers() {
	local i mac name line
	line=$(hello op=03 from=02:98:aa:bb:cc:dd name=73aabbcc)
	for ((i = 0; i < $1; i++)); do
		printf -v mac '%08x' "$i"
		printf -v name '3%d3%d3%d' $((i / 100)) $((i / 10 % 10)) $((i % 10))
		line=${line/0298????????/0298$mac}
		echo "${line/73aabbcc/73$name}"
	done
}

# hellos_with_addresses COUNT - of peer b, with 64 different IPv4 addresses each.
hellos_with_addresses() {
	local i j line entry entries
	line=$(hello op=03 count=64 "entries=$(zeros 1280)")
	for ((i = 0; i < $1; i++)); do
		entries=
		for ((j = 0; j < 64; j++)); do
			printf -v entry '000400000b%06x%024d' $((i * 64 + j)) 0
			entries+=$entry
		done
		echo "${line:0:-2560}$entries"
	done
}

@test "strangers by the hundred, and more addresses than fit" {
	begin --discover
	# At once: those that are silent are forgotten.
	hellos_of_strangers 600 >"$work/strangers"
	equal "different" "$(sort -u "$work/strangers" | wc -l)" 600
	inject <"$work/strangers"
	settled
	between "peers" "$(ask a peers '.peers | length')" 3 511
	hellos_with_addresses 260 >"$work/many"
	inject <"$work/many"
	settled
	answers a
	end
}

# --- from guests ------------------------------------------------------------------------

# packet [NAME=VALUE...] - from guest a1 to b1, UDP over IPv4; what varies is in digits.
packet() {
	local from to source dest ihl=45 total=002c fragment=0000 protocol=11 udp=0018 type=0800 ports=1b591b59
	from=$(mac_hex "$(lab_mac a1)") to=$(mac_hex "$(lab_mac b1)")
	source=$(ipv4_hex "$(lab_ipv4 a1)") dest=$(ipv4_hex "$(lab_ipv4 b1)")
	[[ $# == 0 ]] || local "$@"
	echo "$to$from$type${ihl}00${total}0000${fragment}40${protocol}0000$source$dest${ports}${udp}0000$(zeros 16)"
}

# packet6 [NAME=VALUE...] - the same over IPv6.
packet6() {
	local from to source=fd770000000000000000000a00000001 length=0018 next=11 udp=0018 version=6
	from=$(mac_hex "$(lab_mac a1)") to=$(mac_hex "$(lab_mac b1)")
	[[ $# == 0 ]] || local "$@"
	echo "$to${from}86dd${version}0000000$length${next}40${source}fd770000000000000000000b00000001""1b591b59${udp}0000$(zeros 16)"
}

# told REASON... - counts of a1 under all of them.
told() {
	local reason n=0
	for reason; do n=$((n + $(passed a a1 "$reason"))); done
	echo "$n"
}

has_told() {
	local wanted=$1
	shift
	(($(told "$@") == wanted))
}

# a1_says COUNT REASON... - frames from standard input are counted so, none goes aboard.
a1_says() {
	local count=$1 before aboard
	shift
	before=$(told "$@") aboard=$(carried a)
	place a1 "$tools/jt-frames" send eth0 >/dev/null || fail "the frames can't be sent"
	until_true 5 has_told $((before + count)) "$@" ||
		fail "$*: $(($(told "$@") - before)), not $count; $(drops_of a | tr '\n' ' ')" || return
	equal "aboard" "$(carried a)" "$aboard"
}

@test "a guest's packets truncated at every length" {
	local whole n
	begin
	whole=$(packet)
	for ((n = 14; n < $(size "$whole"); n++)); do cut "$n" "$whole"; done |
		a1_says $(($(size "$whole") - 14)) truncated bad_length
	whole=$(packet6)
	for ((n = 14; n < $(size "$whole"); n++)); do cut "$n" "$whole"; done |
		a1_says $(($(size "$whole") - 14)) truncated bad_length
	whole=$(packet type=81000005)
	equal "tagged" "$(size "$whole")" 60
	end
}

@test "a guest's packets with bad lengths" {
	local n
	begin
	for n in 0000 0013 0014 001b 002b 002d ffff; do packet "total=$n"; done | a1_says 7 bad_length truncated
	for n in 0000 0007 0017 0019 ffff; do packet "udp=$n"; done | a1_says 5 bad_length
	for n in 0000 0007 0017 0019 ffff; do packet6 "length=$n"; done | a1_says 5 bad_length
	for n in 0000 0007 0017 0019 ffff; do packet6 "udp=$n"; done | a1_says 5 bad_length
	for n in 44 46 4f 55 00; do packet "ihl=$n"; done | a1_says 5 protocol
	for n in 0 4 15; do packet6 "version=$(printf %x "$n")"; done | a1_says 3 protocol
	for n in 2000 0001 3fff; do packet "fragment=$n"; done | a1_says 3 fragment
	packet fragment=8000 | a1_says 1 protocol
	packet from=010000000001 | a1_says 1 not_unicast
	end
}

@test "a guest's forged sources are dropped and do not reach the wire" {
	begin
	watch wire "udp port 7001"
	start listener b1 socat -u UDP4-RECV:7001 STDOUT # or b1's kernel complains to a1
	packet "from=$(mac_hex "$(lab_mac a2)")" | a1_says 1 spoofed_mac
	packet from=020000000099 | a1_says 1 spoofed_mac
	packet from=000000000000 | a1_says 1 spoofed_mac
	packet6 from=020000000099 | a1_says 1 spoofed_mac
	packet "source=$(ipv4_hex "$(lab_ipv4 a2)")" | a1_says 1 spoofed_ip
	packet "source=$(ipv4_hex "$(lab_ipv4 b1)")" | a1_says 1 spoofed_ip
	packet source=0a4d0063 | a1_says 1 spoofed_ip
	packet source=00000000 | a1_says 1 spoofed_ip
	packet6 source=fd770000000000000000000a00000063 | a1_says 1 spoofed_ip
	for _ in {1..50}; do packet source=0a4d0063; done | a1_says 50 spoofed_ip
	equal "dropped" "$(ask a guests '.guests[] | select(.name == "a1") | .dropped')" 59
	place a1 bash -c "echo good >/dev/udp/$(lab_ipv4 b1)/7001"
	until_true 5 on_the_wire || fail "a good one does not reach the wire"
	unwatch wire
	equal "forged ones on the wire" "$(watched wire frames "udp port 7001 and udp[4:2] == 24")" 0
	end
}

on_the_wire() {
	(($(told cut_through peer_down too_large) > 0))
}

@test "frames of a guest that look like Jitney's go nowhere" {
	begin
	good_frame | place a2 "$tools/jt-frames" send eth0 >/dev/null
	hello | place a2 "$tools/jt-frames" send eth0 >/dev/null
	settled
	equal "of peer b" "$(ask a peers '.peers[] | select(.name == "b") | .received_frames')" 1
	end
}
