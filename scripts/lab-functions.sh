# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A lab of network namespaces: two machines on one wire, each with guests.
# Source it; `scripts/lab` is the same as a program.
#
#   PREFIX-a1 PREFIX-a2 ..   guests: eth0
#        |         |
#      vif-a1    vif-a2
#   PREFIX-a: bridge br0 -- uplink ---- to-a :PREFIX-w: to-b ---- uplink -- br0 :PREFIX-b
#
# PREFIX-w is the wire: a switch, or a router where the lab is routed. What is
# sent through an AF_XDP socket is not seen by tcpdump on its own interface, so
# look at to-a and to-b in PREFIX-w: they are the wire.
#
# Addresses (i is the guest's number):
#             switched                      routed
#   host a    10.77.0.1    fd77::1          10.77.1.1      fd77:1::1     (br0)
#                                           10.78.1.2      fd78:1::2     (uplink)
#   guest ai  10.77.0.10+i fd77::a:i        10.77.1.10+i   fd77:1::a:i
#   host b    10.77.0.2    fd77::2          10.77.2.1      fd77:2::1     (br0)
#                                           10.78.2.2      fd78:2::2     (uplink)
#   guest bi  10.77.0.130+i fd77::b:i       10.77.2.130+i  fd77:2::b:i
# The MAC of guest ai is 02:77:00:00:0a:i, that of host a's uplink is
# 02:77:00:00:0a:ff, of its br0 02:77:00:00:0a:00 (of side b: 0b; i in hex).

lab_error() {
	echo "lab: $*" >&2
	return 1
}

# lab_in NAMESPACE COMMAND... - run in a network namespace. Unlike `ip netns
# exec` this keeps the mounts, so that /sys/fs/bpf stays what it is.
lab_in() {
	local namespace=$1
	shift
	nsenter --net="/run/netns/$namespace" -- "$@"
}

# lab_ipv4 WHERE, lab_ipv6 WHERE, lab_mac WHERE - addresses of a guest (a1) or
# of a host (a); set LAB_ROUTED=1 for those of a routed lab.
lab_ipv4() {
	local side=${1:0:1} number=${1:1} net=0 base=10

	[[ $side == b ]] && base=130
	[[ ${LAB_ROUTED:-0} == 1 ]] && net=$(lab_side_number "$side")
	if [[ -n $number ]]; then
		echo "10.77.$net.$((base + number))"
	elif [[ $net == 0 ]]; then
		echo "10.77.0.$(lab_side_number "$side")"
	else
		echo "10.77.$net.1"
	fi
}

lab_ipv6() {
	local side=${1:0:1} number=${1:1} net=fd77:

	[[ ${LAB_ROUTED:-0} == 1 ]] && net=fd77:$(lab_side_number "$side"):
	if [[ -n $number ]]; then
		printf '%s:%s:%x\n' "$net" "$side" "$number"
	elif [[ $net == fd77: ]]; then
		echo "fd77::$(lab_side_number "$side")"
	else
		echo "$net:1"
	fi
}

lab_mac() {
	printf '02:77:00:00:0%s:%02x\n' "${1:0:1}" "${2:-${1:1}}"
}

# lab_uplink_mac SIDE - what `jitneyd --peer NAME=MAC` of the other side wants.
lab_uplink_mac() {
	lab_mac "$1" 255
}

lab_side_number() {
	[[ $1 == a ]] && echo 1 || echo 2
}

lab_namespaces() {
	local path
	for path in "/run/netns/$1"-*; do
		[[ ! $path =~ /($1-(w|[ab][0-9]*))$ ]] || echo "${BASH_REMATCH[1]}"
	done
}

# lab_pause SECONDS - as sleep, but no process: from this pipe nothing ever comes.
exec {lab_nothing}<> <(:)
lab_pause() { read -rt "$1" -u "$lab_nothing" _ || true; }

lab_sysctl() {
	local namespace=$1
	shift
	# /proc/sys/net is that of the process's own network namespace.
	# shellcheck disable=SC2016 # the other shell's
	lab_in "$namespace" sh -ec 'for s; do echo "${s#*=}" >"/proc/sys/net/${s%%=*}"; done' sh "$@" ||
		lab_error "failed to set one of $* in $namespace"
}

lab_namespace_add() {
	ip netns add "$1"
	lab_sysctl "$1" ipv6/conf/all/disable_ipv6=0 ipv6/conf/default/disable_ipv6=0 \
		ipv6/conf/default/accept_dad=0 ipv6/conf/default/router_solicitations=0 \
		ipv6/conf/default/accept_ra=0 ipv4/conf/default/rp_filter=0 \
		ipv4/conf/all/rp_filter=0
	ip -n "$1" link set lo up
}

# lab_ip NAMESPACE <<COMMANDS - of ip, a line each; the first that fails ends it.
lab_ip() { ip -n "$1" -batch -; }

lab_bridge_add() {
	lab_ip "$1" <<-END
		link add br0 address $2 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
		link set br0 up
	END
}

lab_address_add() {
	local namespace=$1 interface=$2 address nodad
	shift 2
	for address; do
		[[ $address == *:* ]] && nodad=nodad || nodad=
		echo "address add $address dev $interface $nodad"
	done | lab_ip "$namespace"
}

lab_forwarding() {
	lab_sysctl "$1" ipv4/ip_forward=1 ipv6/conf/all/forwarding=1
}

# One end of the wire: the host's uplink and the switch's port.
lab_uplink_add() {
	local prefix=$1 side=$2 number

	number=$(lab_side_number "$side")
	lab_ip "$prefix-$side" <<-END
		link add uplink address $(lab_uplink_mac "$side") type veth peer name to-$side address 02:77:00:00:ff:0$number netns $prefix-w
		link set uplink up
	END
	ip -n "$prefix-w" link set "to-$side" up
	if [[ $LAB_ROUTED == 1 ]]; then
		lab_address_add "$prefix-$side" uplink "10.78.$number.2/24" "fd78:$number::2/64"
		lab_address_add "$prefix-w" "to-$side" "10.78.$number.1/24" "fd78:$number::1/64"
		ip -n "$prefix-$side" route add default via "10.78.$number.1"
		ip -n "$prefix-$side" -6 route add default via "fd78:$number::1"
		ip -n "$prefix-w" route add "10.77.$number.0/24" via "10.78.$number.2"
		ip -n "$prefix-w" -6 route add "fd77:$number::/64" via "fd78:$number::2"
	else
		ip -n "$prefix-$side" link set uplink master br0
		ip -n "$prefix-w" link set "to-$side" master br0
	fi
}

lab_host_add() {
	local prefix=$1 side=$2 host=$1-$2

	lab_namespace_add "$host"
	lab_bridge_add "$host" "$(lab_mac "$side" 0)"
	lab_address_add "$host" br0 "$(lab_ipv4 "$side")/24" "$(lab_ipv6 "$side")/64"
	[[ $LAB_ROUTED == 0 ]] || lab_forwarding "$host"
	lab_uplink_add "$prefix" "$side"
}

# lab_guest_add PREFIX GUEST - such as a5; for guests that come later, too.
lab_guest_add() {
	local prefix=$1 guest=$2 side=${2:0:1} namespace=$1-$2

	lab_namespace_add "$namespace"
	lab_ip "$prefix-$side" <<-END
		link add vif-$guest type veth peer name eth0 address $(lab_mac "$guest") netns $namespace
		link set vif-$guest master br0 up
	END
	ip -n "$namespace" link set eth0 up
	lab_address_add "$namespace" eth0 "$(lab_ipv4 "$guest")/24" "$(lab_ipv6 "$guest")/64"
	if [[ ${LAB_ROUTED:-0} == 1 ]]; then
		ip -n "$namespace" route add default via "$(lab_ipv4 "$side")"
		ip -n "$namespace" -6 route add default via "$(lab_ipv6 "$side")"
	fi
}

# lab_guest_del PREFIX GUEST - as when a virtual machine is switched off.
lab_guest_del() {
	lab_processes_end "$1-$2"
	ip -n "$1-${2:0:1}" link del "vif-$2" 2>/dev/null || true
	ip netns del "$1-$2"
}

lab_wire_add() {
	lab_namespace_add "$1-w"
	if [[ $LAB_ROUTED == 1 ]]; then
		lab_forwarding "$1-w"
	else
		lab_bridge_add "$1-w" 02:77:00:00:ff:00
	fi
}

# lab_up PREFIX [GUESTS-OF-A [GUESTS-OF-B]]
lab_up() {
	local prefix=$1 count_a=${2:-4} count_b=${3:-2} i

	LAB_ROUTED=${LAB_ROUTED:-0}
	[[ $prefix =~ ^[a-z][a-z0-9-]*$ ]] ||
		lab_error "a prefix is lower-case letters, digits and dashes, not '$prefix'" || return
	[[ $count_a =~ ^[0-9]{1,3}$ && $count_b =~ ^[0-9]{1,3}$ && $count_a -le 110 && $count_b -le 110 ]] ||
		lab_error "a host has 0 to 110 guests, not '$count_a' and '$count_b'" || return
	[[ $EUID == 0 ]] || lab_error "namespaces need root; try sudo" || return
	[[ -z $(lab_namespaces "$prefix") ]] ||
		lab_error "there is a lab '$prefix' already; remove it with: scripts/lab down $prefix" || return
	lab_wire_add "$prefix"
	lab_host_add "$prefix" a
	lab_host_add "$prefix" b
	for ((i = 1; i <= count_a; i++)); do
		lab_guest_add "$prefix" "a$i"
	done
	for ((i = 1; i <= count_b; i++)); do
		lab_guest_add "$prefix" "b$i"
	done
}

# End what still runs in a namespace of the lab: asked first, then forced.
lab_processes_end() {
	local pids i

	for ((i = 0; i < 40; i++)); do
		pids=$(ip netns pids "$1" 2>/dev/null) || return 0
		[[ -n $pids ]] || return 0
		# shellcheck disable=SC2086 # a list
		case $i in
		0) kill -TERM $pids 2>/dev/null || true ;;
		20) kill -KILL $pids 2>/dev/null || true ;;
		esac
		lab_pause 0.05
	done
	lab_error "processes of $1 do not end: $pids"
}

# lab_down PREFIX - remove the lab and what runs in it; no lab is no error.
lab_down() {
	local namespace

	[[ $1 =~ ^[a-z][a-z0-9-]*$ ]] || lab_error "'$1' is no prefix of a lab" || return
	for namespace in $(lab_namespaces "$1"); do
		lab_processes_end "$namespace" || true
	done
	for namespace in $(lab_namespaces "$1"); do
		# A namespace goes for good a little later; its interfaces need not wait.
		ip -n "$namespace" link del uplink 2>/dev/null || true
		ip -n "$namespace" link del eth0 2>/dev/null || true
		ip netns del "$namespace"
	done
}

# lab_wait SECONDS COMMAND... - until the command succeeds. Return: 1 on time-out.
lab_wait() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		lab_pause 0.05
	done
}
