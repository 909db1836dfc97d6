# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# Traffic of machines: as in tests/bats/lib.bash, which is to be sourced before, but in guests
# that run tests/vm/agent. Who sources this has for each guest GUEST: what it is told in
# $work/GUEST.in, a descriptor of what it answers in ${port[GUEST]}, and $work/GUEST.console.
# A guest's interface is eth0, its addresses are those of scripts/lab-functions.sh.
#
#   guest_image KERNEL IMAGE MODULE...  an image for guests
#   answer GUEST               what it says up to the end of a command. Return: the command's status
#   on GUEST COMMAND...        in a guest. Return: its status
#   configured GUEST           wait until it has started, give it its addresses
#   receive NAME GUEST ARG...  and transmit, finish NAME GUEST: jt-traffic in guests
#   exchange FROM TO COUNT ARG...  messages over IPv4 and IPv6, all intact; ARGs are the sender's
#   exchange_into ARGS FROM TO COUNT ARG...  the same; ARGS are the receiver's
#   bulk FROM TO [MIB]         TCP (16 MiB), and messages beside it
#   carried SIDE COUNT         fail unless so many messages shared frames

# On one processor: who moves is overtaken by himself where there are queues, with Jitney or without.
traffic="taskset -c 0 /jt/build/tests/jt-traffic"
declare -gA port=()
declare -ga guest_packages=() # more of an image

guest_image() {
	local kernel=$1 image=$2
	shift 2
	root_begin "$kernel" "$@"
	root_packages bash iproute2 ethtool "${guest_packages[@]}" # much else is busybox
	root_add jt/build/tests build/tests/jt-traffic
	root_add jt/build/bin build/bin/jitney-{agent,guest}
	root_add usr/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu/libgcc_s.so.1
	cp tests/vm/agent "$root/etc/job"
	root_pack "$image"
}

answer() {
	local line
	while IFS= read -r -t 60 -u "${port[$1]}" line; do
		[[ $line =~ ^===\ ([0-9]+)$ ]] && return "${BASH_REMATCH[1]}"
		[[ ! $line ]] || echo "$line"
	done
	fail "$1 does not answer: $(tail -n 5 "$work/$1.console")"
}

on() {
	echo "${*:2}" >"$work/$1.in"
	answer "$1"
}

configured() {
	answer "$1"
	on "$1" "ip address add $(lab_ipv4 "$1")/24 dev eth0;" \
		"ip address add $(lab_ipv6 "$1")/64 dev eth0 nodad; ip link set eth0 up"
}

both_up() { [[ $(peer_state a) == *up* && $(peer_state b) == *up* ]]; }

# A slow machine may need longer to ask than peers remember: messages go on meanwhile.
wake() {
	local status=0
	on "$1" "start waker $traffic send --dest=$(lab_ipv4 "$2"):9 --blind --count=1000000 --rate=2000"
	until_true 30 both_up || status=$?
	on "$1" "kill \${pid[waker]}; finish waker" || true
	((status == 0)) || fail "peers: a says $(peer_state a), b says $(peer_state b)"
}

receive() {
	local name=$1 guest=$2
	shift 2
	on "$guest" "start $name $traffic recv $*"
	on "$guest" "until_true 20 grep -q '^recv: ready' /tmp/$name.err" || fail "$name does not listen"
}

transmit() {
	local name=$1 guest=$2
	shift 2
	on "$guest" "start $name $traffic send $*"
}

finish() {
	local status=0
	on "$2" "finish $1" || status=$?
	on "$2" "cat /tmp/$1" >"$work/$1"
	((status == 0)) || on "$2" "tail -n 3 /tmp/$1.err" >&2
	return "$status"
}

destinations() {
	printf -- '--dest=%s:7000 --dest=[%s]:7000' "$(lab_ipv4 "$1")" "$(lab_ipv6 "$1")"
}

# Datagrams that a machine's kernel found altered.
bad_checksums() {
	on "$1" "awk '/^Udp:/ && \$2 != \"InDatagrams\" { print \$8 }' /proc/net/snmp"
}

exchange() { exchange_into "" "$@"; }

# A veth's ring has room for 256 packets: of more that are on their way the kernel loses some while
# the other end gets no processor.
exchange_into() {
	local receiver=$1 from=$2 to=$3 count=$4
	shift 4
	receive "got-$to" "$to" --flows=2 "$receiver" || return
	transmit "sent-$from" "$from" "$(destinations "$to")" --flows=2 --count="$count" --window=100 "$@" || return
	# intact says better what is wrong
	finish "sent-$from" "$from" || true
	finish "got-$to" "$to" || true
	intact "got-$to" || return
	equal "messages" "$(report "got-$to" .received)" "$count" || return
	equal "bad checksums at $to" "$(bad_checksums "$to")" 0
}

carried() {
	local messages
	messages=$(total "$1" sent_messages)
	between "messages of $1 through the page" "$messages" "$2" 10000000
	between "their frames" "$(total "$1" sent_frames)" 1 $((2 * messages / 3))
}

# What is large passes as it is, while small messages go in the page beside it.
bulk() {
	local from=$1 to=$2 size sum
	on "$from" "dd if=/dev/urandom of=/tmp/bulk-sent bs=1M count=${3:-16} status=none"
	on "$to" "start bulk busybox nc -l -p 9000"
	receive beside "$to" --flows=1
	transmit beside-sent "$from" --dest="$(lab_ipv4 "$to"):7000" --count=$((250 * ${3:-16})) --window=64
	on "$from" "cat /tmp/bulk-sent >/dev/tcp/$(lab_ipv4 "$to")/9000"
	finish beside-sent "$from"
	finish beside "$to"
	intact beside
	on "$to" "finish bulk"
	size=$(on "$from" "stat -c %s /tmp/bulk-sent")
	equal "bytes that arrived" "$(on "$to" "stat -c %s /tmp/bulk")" "$size"
	sum=$(on "$from" "sha256sum </tmp/bulk-sent")
	equal "what arrived" "$(on "$to" "sha256sum </tmp/bulk")" "$sum"
}

has_passed() { (($(total a sent_messages) > $1)); }

drain() {
	local line
	while IFS= read -r -t 0.2 -u "${port[$1]}" line; do :; done
}

