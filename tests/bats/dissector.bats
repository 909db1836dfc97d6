#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The Wireshark dissector on known frames: fields, inner packets, hellos, and
# every way to be malformed.

outer=024a54000b0b024a54000a0a88b5
header() { printf '1100%04x00000007ffff5eed' $((${#1} / 2)); }
data() { printf '%s%s%s' "$outer" "$(header "$1")" "$1"; }

# A template of UDP over IPv4 (10.1.0.1:40000 to 10.2.0.2:8125) as number 1, two messages.
udp4=f81c010001020040024a54000202024a540001019c401fbd0a0100010a020002
hits=08089c59686974733a317c63
load=080b610d6c6f61643a302e37317c6700
# Number 2: UDP over IPv6, VLAN 100 with priority 1, class 0x28, flow label 0xabcde.
udp6=f83c020002012840024a54000202024a540001019c410202000abcdefd000001000000000000000000000001
udp6+=fd00000200000000000000000000000220640000
syslog=1010a5b83c31343e6a69746e65793a206c656674
empty=10006793
# Number 3: a template of Ethernet alone, and an echo request.
ether=f814030003000000024a54000202024a5400010108000000
echo=182400004500002400000000400166d40a0100010a0200020800f7fd000100010000000000000000

setup() {
	dissector=$BATS_TEST_DIRNAME/../../scripts/wireshark/jitney.lua
	hello=030000020000002a6c656674000000000000000000000000
	hello+=00040000c0a8010700000000000000000000000000010000024a540001010000
	hello+=0000000000000000
	export HOME=$BATS_TEST_TMPDIR
}

# capture [OPTION...] HEX...: a capture of these frames
capture() {
	local options=() hex
	while [[ $1 == -* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	for hex; do
		printf "000000%s\n" "$(fold -w2 <<<"$hex" | sed "s/^/ /" | tr -d "\n")"
	done >"$BATS_TEST_TMPDIR/frames"
	text2pcap -q "${options[@]}" "$BATS_TEST_TMPDIR/frames" "$BATS_TEST_TMPDIR/pcap" \
		2>"$BATS_TEST_TMPDIR/text2pcap" || { cat "$BATS_TEST_TMPDIR/text2pcap" && false; }
}

show() {
	tshark -X "lua_script:$dissector" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE \
		-r "$BATS_TEST_TMPDIR/pcap" "$@" 2>"$BATS_TEST_TMPDIR/tshark"
}

# fields NAME...: their values, frame by frame
fields() { show -T fields "${@/#/-e}"; }

expect() {
	[[ $1 == "$2" ]] || { printf 'expected: %s\ngot:      %s\n' "$2" "$1" && false; }
}

@test "dissector: the summary is the frame's, not an inner packet's" {
	capture "$(data $udp4$hits$load)"
	expect "$(fields _ws.col.Protocol _ws.col.Info _ws.col.Source _ws.col.Destination)" \
		$'Jitney\tData 7, 2 messages\t02:4a:54:00:0a:0a\t02:4a:54:00:0b:0b'
}

@test "dissector: the header" {
	capture "$(data $udp4$hits)"
	expect "$(fields jitney.version jitney.type jitney.flags jitney.length jitney.sequence \
		jitney.guest jitney.session)" $'1\t1\t0x00\t44\t7\t65535\t0x5eed'
}

@test "dissector: templates" {
	capture "$(data $udp4)" "$(data $udp6)" "$(data $ether)"
	expect "$(fields jitney.template.number jitney.template.kind jitney.template.vlan \
		jitney.template.df jitney.template.tos jitney.template.ttl)" \
		$'1\t1\t0\t1\t0x00\t64\n2\t2\t1\t0\t0x28\t64\n3\t3\t0\t0\t0x00\t0'
	expect "$(fields jitney.template.source jitney.template.dest jitney.template.source_port \
		jitney.template.dest_port | head -n1)" $'10.1.0.1\t10.2.0.2\t40000\t8125'
	expect "$(fields jitney.template.source6 jitney.template.dest6 jitney.template.flow_label \
		jitney.template.tci | sed -n 2p)" $'fd00:1::1\tfd00:2::2\t0x000abcde\t0x2064'
	expect "$(fields jitney.template.ethertype jitney.template.source_mac | sed -n 3p)" \
		$'0x0800\t02:4a:54:00:01:01'
}

@test "dissector: messages" {
	capture "$(data $udp4$hits$load)"
	expect "$(fields jitney.messages jitney.templates jitney.message.template \
		jitney.message.length jitney.message.check jitney.message.payload)" \
		$'2\t1\t1,1\t8,11\t0x9c59,0x610d\t686974733a317c63,6c6f61643a302e37317c67'
}

@test "dissector: inner packets, with sums that are right" {
	capture "$(data $udp4$hits$load$udp6$syslog$ether$echo$load$empty)"
	expect "$(fields jitney.messages ip.src ip.checksum.status ipv6.src udp.checksum.status)" \
		$'6\t10.1.0.1,10.1.0.1,10.1.0.1,10.1.0.1\t1,1,1,1\tfd00:1::1,fd00:1::1\t1,1,1,1,1'
	expect "$(fields vlan.id vlan.priority ipv6.tclass ipv6.flow udp.length icmp.type \
		icmp.checksum.status)" \
		$'100,100\t1,1\t0x00000028,0x00000028\t0x0abcde,0x0abcde\t16,19,24,19,8\t8\t1'
	expect "$(fields udp.dstport ip.flags.df)" $'8125,8125,514,8125,514\t1,1,0,1'
}

@test "dissector: inner packets only on request" {
	capture "$(data $udp4$hits)"
	expect "$(show -o jitney.inner:FALSE -T fields -e jitney.messages -e udp.length)" $'1\t'
}

@test "dissector: padding records" {
	capture "$(data "$udp4$hits$(printf f805ff00)0102030405000000$load")"
	expect "$(fields jitney.messages jitney.padding _ws.expert.message)" $'2\t0102030405\t'
}

@test "dissector: bytes behind the frame's length are Ethernet's" {
	capture "$(data $udp4$hits)0000000000000000"
	expect "$(fields jitney.messages _ws.expert.message)" $'1\t'
}

@test "dissector: hello" {
	capture "${outer}1200$(printf %04x $((${#hello} / 2)))00000000ffff5eed$hello"
	expect "$(fields _ws.col.Info jitney.hello.op jitney.hello.addresses jitney.hello.received \
		jitney.hello.name jitney.hello.ipv4 jitney.hello.mac _ws.expert.message)" \
		$'Hello: announce from left\t3\t2\t42\tleft\t192.168.1.7\t02:4a:54:00:01:01\t'
}

@test "dissector: over UDP" {
	local frame
	frame=$(data $udp4$hits)
	capture -4 192.0.2.1,192.0.2.2 -u 17224,17224 "${frame#"$outer"}"
	expect "$(fields _ws.col.Protocol _ws.col.Source jitney.messages)" $'Jitney\t192.0.2.1\t1'
	capture -6 2001:db8::1,2001:db8::2 -u 17224,17224 "${frame#"$outer"}"
	expect "$(fields _ws.col.Protocol _ws.col.Source jitney.messages)" $'Jitney\t2001:db8::1\t1'
}

@test "dissector: another EtherType and port" {
	local frame
	frame=$(data $udp4$hits)
	capture "${frame/88b5/88b6}"
	expect "$(fields jitney.messages)" ''
	expect "$(show -o jitney.ethertype:34998 -T fields -e jitney.messages)" 1
	capture -4 192.0.2.1,192.0.2.2 -u 5000,5000 "${frame#"$outer"}"
	expect "$(show -o jitney.port:5000 -T fields -e jitney.messages)" 1
}

# malformed REASON HEX: a frame with it is flagged for the reason
malformed() {
	capture "$2"
	expect "$(fields _ws.expert.message | cut -d: -f1)" "$1"
	[[ $(fields _ws.col.Info) == *", $1" ]]
}

@test "dissector: malformed headers" {
	malformed frame_short "${outer}1100000400000007ffff5e"
	malformed frame_version "${outer}2100000000000007ffff5eed"
	malformed frame_version "${outer}1101000000000007ffff5eed"
	malformed frame_type "${outer}1300000000000007ffff5eed"
	malformed frame_length "${outer}1100000100000007ffff5eed"
}

@test "dissector: malformed records" {
	malformed record_short "$(data ${udp4}080400)"
	malformed record_short "$(data ${udp4}0805000061626364)"
	malformed record_blank "$(data ${udp4}00000000)"
	malformed record_blank "$(data ${udp4}0004000061626364)"
	malformed template_unknown "$(data $hits$udp4)"
	malformed template_twice "$(data $udp4$udp4)"
	malformed message_bad "$(data "$ether${echo/18240000/18240001}")"
	malformed message_bad "$(data "$ether${echo/45000024/45000023}")"
	malformed message_bad "$(data "$ether${echo/4001/4011}")"
}

@test "dissector: malformed templates" {
	malformed template_bad "$(data "${udp4/01020040/04020040}")"
	malformed template_bad "$(data "${udp4/01020040/01060040}")"
	malformed template_bad "$(data "${udp4/01020040/01030040}")"
	malformed template_bad "$(data "${udp4/f81c0100/f81c0000}")"
	malformed template_bad "$(data "${udp4/f81c0100/f81c1f00}")"
	malformed template_bad "$(data "${udp4/f81c0100/f81c0101}")"
	malformed template_bad "$(data "${udp4/40024a/40034a}")"
	malformed template_bad "$(data "${udp6/000abcde/001abcde}")"
	malformed template_bad "$(data "${udp6/20640000/20640001}")"
	malformed template_bad "$(data "${ether/08000000/08060000}")"
}

@test "dissector: malformed hellos" {
	local head=1200001800000000ffff5eed
	malformed hello_bad "$outer${head/0018/0017}${hello:0:46}"
	malformed hello_bad "$outer$head${hello:0:48}"
	malformed hello_bad "$outer${head}09000000${hello:8:40}" # no such operation
	malformed hello_bad "$outer${head/5eed/0000}03000000${hello:8:40}"
	malformed hello_bad "$outer${head}03010000${hello:8:40}"
	malformed hello_bad "$outer${head}0300000000000000${hello:24:32}"
	malformed hello_bad "$outer${head/0018/002c}01000001${hello:8:80}" # only announcements have addresses
}

@test "dissector: cut at every length it shows what is there, and no Lua error" {
	local frame n frames=()
	frame=$(data $udp4$hits$udp6$syslog$ether$echo)
	for ((n = 14; n < ${#frame} / 2; n++)); do
		frames+=("${frame:0:2*n}")
	done
	capture "${frames[@]}"
	show -V >"$BATS_TEST_TMPDIR/text"
	expect "$(cat "$BATS_TEST_TMPDIR/text" "$BATS_TEST_TMPDIR/tshark" | grep -ci 'lua error')" 0
	expect "$(fields _ws.expert.message | grep -cE 'frame_(short|length)')" $((${#frames[@]} - 1))
}

# The same, with headers that agree with what is left.
@test "dissector: records cut at every length" {
	local records=$udp4$hits$udp6$syslog$ether$echo n frames=()
	for ((n = 1; n < ${#records} / 2; n++)); do
		frames+=("$(data "${records:0:2*n}")")
	done
	capture "${frames[@]}"
	show -V >"$BATS_TEST_TMPDIR/text"
	expect "$(cat "$BATS_TEST_TMPDIR/text" "$BATS_TEST_TMPDIR/tshark" | grep -ci 'lua error')" 0
	expect "$(fields _ws.expert.message | grep -c record_short)" $((${#frames[@]} - 5))
}
