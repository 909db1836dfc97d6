#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what lib.bash sets
#
# Guests' shares of the uplink: what may be said of them, and what becomes of it.

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

# --- what is said ---------------------------------------------------------------------

# refused PATTERN COMMAND... - it ends with status 1 or 2, and a sentence.
refused() {
	local pattern=$1 status=0
	shift
	"$@" >"$work/out" 2>"$work/complaint" </dev/null || status=$?
	between "status of $*" "$status" 1 2
	[[ ! -s $work/out ]] || fail "$*: on standard output: $(<"$work/out")" || return
	grep -qE -- "$pattern" "$work/complaint" || fail "$*: not /$pattern/: $(<"$work/complaint")"
}

# SETTING=PATTERN of what is wrong with it, a line each
bad_settings() {
	local bad
	for bad in '' 0 1 50 50m 50mb 50MBIT -1mbit mbit 7999bit 1001gbit nan inf 1e99gbit '1mbit '; do
		echo "rate=$bad:write a rate"
	done
	for bad in '' 0 1513 -1 x 32kbit 1gb 2000mb; do echo "rate=1mbit,burst=$bad:a burst is auto, or"; done
	for bad in '' 0 -1 x 1g 1001m; do echo "messages=$bad:write messages a second"; done
	for bad in '' 1 maybe YES; do echo "rate=1mbit,work-conserving=$bad:write yes or no"; done
	for bad in '' 0 -1 x 1.5; do echo "work-conserving=yes,weight=$bad:write a number from 1"; done
	echo "burst=32kb:give rate="
	echo "rate=1mbit,weight=3:give work-conserving=yes"
	echo "colour=red:only .*rate="
	echo "rate:only .*rate="
	echo ",:only .*rate="
}

setting() {
	timeout 20 "$bin/jitney" --socket "$work/a.sock" guest set a1 "$@"
}

share() {
	ask a guests ".guests[] | select(.name == \"$1\").share$2"
}

@test "shares: bad settings: a sentence, and nothing changes" {
	local line before
	lab 2 1
	start_controller a --guest=a1=vif-a1,rate=2mbit,work-conserving=yes --uplink-rate=10mbit
	before=$(share a1 '| [.rate, .message_rate, .burst, .work_conserving, .weight] | tojson')
	while IFS= read -r line; do
		refused "${line#*:}" "$bin/jitneyd" --uplink=lo --socket="$work/no.sock" "--guest=x=vif,${line%%:*}"
		refused "${line#*:}" "$bin/jitney" --socket "$work/a.sock" guest add "a2=vif-a2,${line%%:*}"
		[[ $line == burst=* || $line == *weight=3* ]] || refused "${line#*:}" setting "${line%%:*}"
	done < <(bad_settings)
	refused "write what is to change" setting ''
	refused "too long" setting "rate=$(printf '1%.0s' {1..300})mbit"
	refused "no guest of this name" "$bin/jitney" --socket "$work/a.sock" guest set a3 rate=1mbit
	# All of it, or nothing.
	refused "write messages" setting rate=3mbit messages=0
	equal "share" "$(share a1 '| [.rate, .message_rate, .burst, .work_conserving, .weight] | tojson')" "$before"
	for line in '' 0 10 10mb -1gbit; do
		refused "--uplink-rate .*write a rate" "$bin/jitneyd" --uplink=lo --socket="$work/no.sock" "--uplink-rate=$line"
	done
	[[ ! -e $work/no.sock ]] || fail "a socket was made"
	stop a
}

@test "shares: settings by flags, configuration and at run time" {
	lab 3 1
	printf '%s\n' 'uplink = uplink' 'guest = a1=vif-a1,rate=1.5mbit,burst=32kb,messages=20k' \
		'guest = a2=vif-a2,ip=10.77.0.12,rate=500kbit,work-conserving=yes,weight=7' 'guest = a3=vif-a3' >"$work/config"
	start_jitneyd a --config="$work/config" --socket="$work/a.sock"
	equal "a1" "$(share a1 '| [.rate, .message_rate, .burst, .work_conserving] | tojson')" '[1500000,20000,32768,false]'
	equal "a2" "$(share a2 '| [.rate, .message_rate, .work_conserving, .weight] | tojson')" '[500000,null,true,7]'
	equal "a3" "$(share a3 '')" null
	# What is not named stays.
	setting rate=2mbit work-conserving=yes >"$work/out"
	grep -q '^a1: 2 Mbit/s, burst 32 KiB, 20,000 messages/s, work-conserving with weight 2,000$' "$work/out" || fail "$(<"$work/out")"
	setting messages=none,burst=auto,weight=9
	equal "a1" "$(share a1 '| [.rate, .message_rate, .burst, .work_conserving, .weight] | tojson')" '[2000000,null,2500,true,9]'
	setting rate=none work-conserving=no
	equal "a1" "$(share a1 '')" null
	equal "guest set --json" "$(ask a "guest set a3 rate=8kbit" '[.ok, .share.rate, .warning] | tojson')" '[true,8000,null]'
	"$bin/jitney" --socket "$work/a.sock" guest del a2
	"$bin/jitney" --socket "$work/a.sock" guest add a2=vif-a2,rate=3mbit,work-conserving=yes
	equal "a2" "$(share a2 '| [.rate, .weight] | tojson')" '[3000000,3000]'
	# It outlives its interface.
	place a ip link del vif-a2
	place a ip link add vif-a2 type veth
	until_true 10 comes_back a2
	equal "a2, back" "$(share a2 '| [.rate, .weight] | tojson')" '[3000000,3000]'
	stop a
}

comes_back() {
	[[ $(ask a guests ".guests[] | select(.name == \"$1\").ifindex") != 0 ]]
}

@test "shares: with --uplink-rate all guests are limited; rates beyond it are told" {
	lab 3 1
	start_controller a --uplink-rate=10mbit --guest=a1=vif-a1,rate=6mbit --guest=a2=vif-a2,rate=4mbit --guest=a3=vif-a3
	equal "uplink" "$(ask a status .uplink.rate)" 10000000
	equal "a3" "$(share a3 '| [.rate, .work_conserving] | tojson')" '[null,true]'
	! grep -q 'add up' "$work/a.err" || fail "$(<"$work/a.err")"
	equal "warning" "$(ask a "guest set a3 rate=1mbit" .warning)" \
		"the rates of the guests add up to 11 Mbit/s, and the uplink has 10: not all can have theirs at a time"
	setting rate=7mbit 2>"$work/complaint"
	grep -q "add up to 12 Mbit/s" "$work/complaint" || fail "$(<"$work/complaint")"
	stop a
	start_controller a --uplink-rate=1mbit --guest=a1=vif-a1,rate=6mbit
	grep -q 'add up to 6 Mbit/s, and the uplink has 1:' "$work/a.err" || fail "$(<"$work/a.err")"
	stop a
}

@test "shares: tables and rates" {
	lab 2 1
	start_controller a --uplink-rate=10mbit --guest=a1=vif-a1,rate=6mbit --guest=a2=vif-a2,rate=4mbit,work-conserving=yes
	"$bin/jitney" --socket "$work/a.sock" guests >"$work/table"
	grep -qE '^GUEST +SHARE +RATE +USED +BORROWED +WAITING +REFUSED ' "$work/table" || fail "$(<"$work/table")"
	grep -qE '^a1 +black +6 Mbit/s +0 bit/s +0 bit/s +0 bytes +0 +- +7.32 KiB +no +6,000$' "$work/table" || fail "$(<"$work/table")"
	"$bin/jitney" --socket "$work/a.sock" --count 1 top >"$work/table"
	grep -qE '^a2 +black +4 Mbit/s +0 bit/s +0 bit/s +0 bytes +0$' "$work/table" || fail "$(<"$work/table")"
	equal "top" "$("$bin/jitney" --json --socket "$work/a.sock" --count 1 top |
		jq -c '.guests[0] | [.state, .rate, .used_bits_per_s, .borrowed_bits_per_s, .refused_per_s, .waiting]')" \
		'["black",6000000,0,0,0,0]'
	stop a
}

# --- what becomes of it ---------------------------------------------------------------

# on_wire: bytes that host a has sent, and when, in us. Read again where that took long.
on_wire() {
	local begin bytes end
	for _ in {1..10}; do
		begin=${EPOCHREALTIME/./}
		bytes=$(ip -n "$prefix-w" -s -j link show to-a | jq '.[].stats64.rx.bytes')
		end=${EPOCHREALTIME/./}
		((end - begin > 50000)) || break
	done
	echo "$bytes $(((begin + end) / 2))"
}

# wire_rate: kbit/s that host a sends in the next second and a half
wire_rate() {
	local bytes at bytes_now now
	read -r bytes at < <(on_wire)
	sleep 1.5 # it is a rate that is measured
	read -r bytes_now now < <(on_wire)
	echo $(((bytes_now - bytes) * 8000 / (now - at)))
}

# grown FILTER GUEST...: by how much each one's number grows in a second, in the mean of one and a half
grown() {
	local first now
	first=$(numbers "$@")
	sleep 1.5
	now=$(numbers "$@")
	jq -rn "$first as \$a | $now as \$b | [range(\$a | length - 1)] |
		map((\$b[.] - \$a[.]) * 1000000 / (\$b[-1] - \$a[-1]) | round) | join(\" \")"
}

numbers() {
	local filter=$1 names
	shift
	names=$(printf '"%s",' "$@")
	ask a guests "[.guests[] | select([.name] | inside([${names%,}])) | $filter] + [now * 1000000 | floor] | tojson"
}

# flood NAME GUEST TO CALL: more than any share here, until it is stopped. What has to go to
# a socket goes no faster, so that something is left of the CPU.
flood() {
	local name=$1 from=$2 to=$3 call=$4 rate=0
	[[ $call == slice || $call == map ]] || rate=20000
	receive "$name-at" "$to" --flows 1 --tolerant
	speak "$name" "$from" "$call" -d "$(lab_ipv4 "$to"):7000" -s 200 --warm 20 --sendmmsg 8 -r "$rate" \
		-n 1000000000 --blind
}

flood_end() {
	stop "$1" || fail "$1: $(<"$work/$1.err")"
	stop "$1-at" || true
}

is_state() {
	[[ $(share "$1" .state) == "$2" ]]
}

held() {
	local rate
	rate=$(wire_rate)
	echo "# $1: $rate kbit/s" >&3
	between "$1: kbit/s on the wire" "$rate" "$2" "$3"
}

# with_share SETTING...: a's guest a1 has it; 16 Mbit/s for all. Guests of one trust domain
# would pay for one another.
with_share() {
	lab 2 2
	start_pair --trust=one=a1 --trust=two=a2 --uplink-rate=16mbit
	acquaint a1 b1
	acquaint a2 b2
	setting "$@"
}

# Messages a second that leave: a member of a domain writes banks ahead.
leaving() {
	local what='[.totals.sent_messages + .totals.passed, now] | tojson' first
	first=$(ask a status "$what")
	sleep 1.5
	jq -rn "$first as \$a | $(ask a status "$what") as \$b | (\$b[0] - \$a[0]) / (\$b[1] - \$a[1]) | round"
}

# A rate is held over any time, so what is measured is at most that and a burst. A loaded machine
# may let nobody send for longer than tokens can be saved up.
red() {
	local call=$1 lost borrowed
	with_share rate=4mbit burst=32kb
	borrowed=$(share a1 .borrowed)
	flood red a1 b1 "$call"
	until_true 10 is_state a1 red || fail "a1 is $(share a1 .state)"
	held "$call, red" 3300 4400
	equal "borrowed" "$(share a1 .borrowed)" "$borrowed"
	# A change takes effect at once.
	setting rate=12mbit
	held "$call, red, three times as much" 9500 12700
	setting messages=1k
	between "$call, red, messages/s" "$(leaving)" 800 1250
	lost=$(passed a a1 over_rate)
	# What is no message of a flow aboard, goes to a socket and has to pay there.
	case $call in
	stack | xdp) ((lost > 1000)) || fail "$call: over_rate: $lost" ;;
	*) between "$call: over_rate" "$lost" 0 100 ;;
	esac
	flood_end red
	until_true 5 is_state a1 black || fail "a1 is $(share a1 .state)"
	stop a && stop b
}

@test "shares: stack: a red guest is held at its rate" { red stack; }
@test "shares: xdp: a red guest is held at its rate" { red xdp; }
@test "shares: slice: a red guest is held at its rate" { red slice; }
@test "shares: map: a red guest is held at its rate" { red map; }

# What waits is not lost, and nothing is that is within the rate.
@test "shares: slice and map: who is over its rate waits, and loses nothing" {
	local call
	with_share rate=4mbit burst=32kb
	for call in slice map; do
		receive got b1 --flows 1
		speak sent a1 "$call" -d "$(lab_ipv4 b1):7000" -s 200 --warm 20 -n 4000
		until_true 10 is_state a1 red || fail "$call: a1 is $(share a1 .state)"
		until_true 10 waits_for_tokens || fail "$call: nothing waits"
		ended 30 sent got
		intact got
		equal "$call: messages" "$(report got .received)" 4000
		by_call sent 95
	done
	stop a && stop b
}

waits_for_tokens() {
	(($(share a1 .refused) > 0))
}

# One alone has all that there is; when the other one comes it has its own at once, and the
# rest goes to both by their weights.
yellow() {
	local call=$1 first second
	with_share rate=2mbit burst=32kb work-conserving=yes
	ask a "guest set a2 rate=4mbit burst=32kb work-conserving=yes" >/dev/null
	flood one a1 b1 "$call"
	until_true 10 is_state a1 yellow || fail "a1 is $(share a1 .state)"
	held "$call, alone" 13000 16800
	flood two a2 b2 "$call"
	until_true 10 is_state a2 yellow || fail "a2 is $(share a2 .state)"
	read -r first second < <(grown '.share.used * 8 / 1000' a1 a2)
	echo "# $call, both: $first and $second kbit/s" >&3
	between "$call: kbit/s of 2 Mbit/s and a third of the rest" "$first" 4500 6000
	between "$call: kbit/s of 4 Mbit/s and two thirds of the rest" "$second" 9000 11500
	setting work-conserving=no
	until_true 10 is_state a1 red || fail "a1 is $(share a1 .state)"
	read -r first second < <(grown '.share.used * 8 / 1000' a1 a2)
	between "$call: kbit/s of who borrows no more" "$first" 1600 2350
	between "$call: kbit/s of who has what is left" "$second" 11500 14900
	flood_end one
	flood_end two
	stop a && stop b
}

@test "shares: stack: a yellow guest has what others leave" { yellow stack; }
@test "shares: slice: a yellow guest has what others leave" { yellow slice; }

@test "shares: who is within its rate loses nothing while others flood" {
	with_share rate=4mbit work-conserving=yes
	ask a "guest set a2 rate=2mbit" >/dev/null
	flood one a1 b1 stack
	until_true 10 is_state a1 yellow || fail "a1 is $(share a1 .state)"
	receive quiet b2 --flows 1
	transmit sent a2 -d "$(lab_ipv4 b2):7000" -s 200 -r 500 -n 1000
	ended 30 sent quiet
	intact quiet
	equal "over_rate of a2" "$(passed a a2 over_rate)" 0
	equal "refused of a2" "$(share a2 .refused)" 0
	(($(passed a a1 over_rate) > 0)) || fail "a1 did not flood"
	flood_end one
	stop a && stop b
}
