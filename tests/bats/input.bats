#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what lib.bash sets
#
# Bad flags, bad configurations and machines that lack something: one clear sentence and
# the right exit status, nothing left behind.

load lib
load fault-lib

setup() { test_begin; }
teardown() { test_end; }

# --- what a program says ----------------------------------------------------------------

# says STATUS PATTERN COMMAND... - ends with the status, and says one sentence that matches.
says() {
	local status=0 wanted=$1 pattern=$2
	shift 2
	timeout 20 "$@" >"$work/out" 2>"$work/complaint" </dev/null || status=$?
	equal "status of $*" "$status" "$wanted" || { cat "$work/complaint"; return 1; }
	[[ ! -s $work/out ]] || fail "$*: on standard output: $(<"$work/out")" || return
	grep -qE -- "$pattern" "$work/complaint" || fail "$*: not /$pattern/: $(<"$work/complaint")" || return
	between "lines that it said ($*: $(<"$work/complaint"))" "$(wc -l <"$work/complaint")" 1 2
}

# refuses PATTERN FLAG... - jitneyd with these and an uplink.
refuses() {
	local pattern=$1
	shift
	says 2 "$pattern" "$bin/jitneyd" --uplink=lo --socket="$work/no.sock" "$@"
	[[ ! -e $work/no.sock ]] || fail "$*: a socket was made"
}

@test "flags with bad values: a sentence and status 2" {
	local flag bad
	for flag in cycle cycle-min cycle-max latency; do
		for bad in '' 0 5 -5ms 5m 1h ms 1e9s 0ms 3601s nan inf '5ms,'; do
			refuses "--$flag .*write a time" "--$flag=$bad"
		done
	done
	for bad in '' 0 101 -1 x 50% 1e1; do refuses "--threshold .*1 to 100" "--threshold=$bad"; done
	for bad in '' 1 17 -2 two; do refuses "--banks .*2 to 16" "--banks=$bad"; done
	for bad in '' 0 1 4095 6K 5000 -4K 4X 1G 4M 99999999999999; do refuses "--page-size " "--page-size=$bad"; done
	for bad in '' 0 1K 3K 8K x; do refuses "--extent " "--extent=$bad"; done
	for bad in '' 0 -1 2045 x; do refuses "--small .*1 to 2044" "--small=$bad"; done
	for bad in '' 1 -1,1 1,-1 '1,' ',1' a,b 1,2,3 nan,1; do refuses "--weights .*two numbers" "--weights=$bad"; done
	for bad in '' 0 0x5ff 0x10000 x; do refuses "--ethertype .*number from" "--ethertype=$bad"; done
	for bad in 0x0800 0x86dd 0x0806 0x8100; do refuses "--ethertype .*has an owner" "--ethertype=$bad"; done
	for bad in 0 65536 -1 x; do refuses "--udp .*1 to 65535" "--udp=$bad"; done
	for bad in 0 10001 x; do refuses "--busy-poll .*1 to 10000" "--busy-poll=$bad"; done
	for bad in '' xdp AUTO; do refuses "--attach .*auto, native, generic, tcx" "--attach=$bad"; done
	for bad in '' yes; do refuses "--zerocopy .*auto, on, off" "--zerocopy=$bad"; done
}

@test "guests, peers and remotes with bad values: a sentence and status 2" {
	local bad
	for bad in '' x =x x= sixteen-letters-=vif x/y=vif x=sixteen-letters- x=vif,mac=1 x=vif,mac=01:00:00:00:00:00 \
		x=vif,ip=300.1.1.1 x=vif,ip=02:00:00:00:00:01 x=vif,mac=10.0.0.1 x=vif,name=y 'x=vif,'; do
		refuses "--guest " "--guest=$bad"
	done
	refuses "named before" --guest=x=v1 --guest=x=v2
	refuses "another guest's" --guest=x=v1 --guest=y=v1
	for bad in '' x x= =02:00:00:00:00:01 x=02:00:00 x=hello sixteen-letters-=02:00:00:00:00:01; do
		refuses "--peer " "--peer=$bad"
	done
	refuses "named before" --peer=x=02:00:00:00:00:01 --peer=x=02:00:00:00:00:02
	refuses "takes a MAC" --peer=x=10.0.0.1
	refuses "IP address with --udp" --udp --peer=x=02:00:00:00:00:01
	for bad in '' x =x 10.0.0.1= 10.0.0.1 10.0.0=x; do refuses "--remote " "--remote=$bad"; done
}

@test "trust domains with bad values: a sentence and status 2" {
	local bad eight=() i
	for bad in '' x x= =a 'x=a,' x=,a x=a,,b x=a/b sixteen-letters-=a x=sixteen-letters- 'x=a b'; do
		refuses "--trust .*DOMAIN=GUEST" "--trust=$bad"
	done
	refuses "in a domain already" --trust=x=a,a
	refuses "in a domain already" --trust=x=a --trust=y=b,a
	for i in {1..8}; do eight+=("--trust=d$i=g$i"); done
	refuses "up to 8 domains" "${eight[@]}" --trust=d9=g9
	refuses "line 2: trust = y=a: .*in a domain already" "$(config 'trust = x=a\ntrust = y=a\n')"
}

@test "flags that do not go together or do not exist: a sentence and status 2" {
	refuses "cycle-min is longer" --cycle-min=2s --cycle-max=1s
	refuses "leave --pin away" --adopt=/x --pin=/y
	refuses "finds nobody" --discover --udp
	refuses "no-such-flag" --no-such-flag
	refuses "what is this" extra
	refuses "requires an argument" --cycle
	says 2 "--uplink is missing" "$bin/jitneyd"
	says 2 "--uplink " "$bin/jitneyd" --uplink=
	says 2 "--uplink .*too long" "$bin/jitneyd" --uplink=sixteen-letters-
}

# config TEXT - a file with it.
config() {
	printf '%b' "$1" >"$work/config"
	echo "--config=$work/config"
}

@test "bad configuration files: file, line and reason, and status 2" {
	refuses "--config .*can't be read" --config="$work/none"
	refuses "--config .*can't be read" --config="$work"
	refuses "line 1: .*no such flag" "$(config 'nonsense = 1\n')"
	refuses "line 2: cycle = 5: write a time" "$(config 'banks = 4\ncycle = 5\n')"
	refuses "line 3: .*not .name = value" "$(config '# a comment\n\nnonsense\n')"
	refuses "line 1: config = .*can't name another" "$(config "config = $work/config\n")"
	refuses "line 1: discover = maybe: write yes or no" "$(config 'discover = maybe\n')"
	refuses "line 2: guest = x=v2: .*named before" "$(config 'guest = x=v1\nguest = x=v2\n')"
	refuses "line 1: " "$(config '\001\002\003\n')"
	refuses "cycle-min is longer" "$(config 'cycle-min = 2s\ncycle-max = 1s\n')"
}

@test "a configuration file says the same as flags" {
	lab 1 1
	config 'uplink = uplink\nname = a\nguest = a1=vif-a1\ncycle = 5ms\nbanks = 3\ndiscover = yes\n' >/dev/null
	start_jitneyd a --config="$work/config" --socket="$work/a.sock"
	equal "cycle" "$(ask a cycle .cycle.length_ns)" 5000000
	equal "banks" "$(ask a status .page.banks)" 3
	equal "guest" "$(ask a guests '.guests[].interface')" vif-a1
	stop a
}

# --- machines that lack something ----------------------------------------------------------

# fails PATTERN FLAG... - jitneyd on host a, at run time.
fails() {
	local pattern=$1
	shift
	says 1 "$pattern" nsenter --net="/run/netns/$prefix-a" "${wrap[@]}" "$bin/jitneyd" --uplink=uplink --socket="$work/no.sock" "$@" || return
	[[ ! -e $work/no.sock ]] || fail "$*: a socket is left" || return
	host_is_clean a || fail "$*: left: $(programs_on a)"
}

@test "interfaces that are missing or someone else's: a sentence and status 1" {
	local wrap=()
	lab 1 1
	fails "no such interface" --uplink=nothing
	fails "guest a1.*no such interface" --guest=a1=nothing
	fails "is the uplink" --guest=a1=uplink
	fails "native XDP|native" --uplink=br0 --attach=native
	# Any program that is not of this controller.
	bpftool prog loadall "$top/build/bpf/jitney.bpf.o" "$pins/other"
	place a ip link set dev vif-a1 xdpgeneric pinned "$pins/other/jitney_uplink"
	fails "vif-a1.*runs XDP program [0-9]+ already: .*xdp off" --guest=a1=vif-a1
	place a ip link set dev vif-a1 xdpgeneric off
	place a ip link set dev uplink xdpgeneric pinned "$pins/other/jitney_vif"
	fails "uplink.*runs XDP program [0-9]+ already: .*xdp off"
	place a ip link set dev uplink xdpgeneric off
	rm -r "$pins/other"
}

@test "no bpffs, nothing to adopt: a sentence and status 1" {
	local wrap=()
	lab 1 1
	fails "mount -t bpf" --pin="$work/pins"
	fails "mount -t bpf" --pin="$work/no/such/place"
	[[ ! -e $work/pins ]] || fail "a folder is left"
	fails "bpftool prog loadall" --adopt="$pins/nothing"
	bpftool prog loadall "$top/build/bpf/jitney.bpf.o" "$pins/byhand" pinmaps "$pins/byhand"
	fails "another geometry" --adopt="$pins/byhand" --banks=8
	rm -r "$pins/byhand"
}

@test "two controllers: on one socket, or on one uplink" {
	local wrap=()
	lab 1 1
	start_controller a
	says 1 "another controller serves there" nsenter --net="/run/netns/$prefix-a" "$bin/jitneyd" --uplink=uplink --socket="$work/a.sock"
	answers a
	says 1 "." nsenter --net="/run/netns/$prefix-a" "$bin/jitneyd" --uplink=uplink --socket="$work/no.sock" --attach=generic
	answers a
	same_process a
	stop a
	# A dead one's socket is no obstacle, a file that is none of ours is.
	start_controller a
	kill_hard a
	[[ -S $work/a.sock ]]
	start_controller a
	stop a
	nothing_left_on a
	fails "failed to listen at .*: " --socket="$work/no/such/folder"
	fails "longer than 107" --socket="/$(printf 'x%.0s' {1..200})"
}

@test "not root: a sentence and status 1" {
	local wrap=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	lab 1 1
	chmod 777 "$work"
	fails "root|CAP_"
	# Root in name only.
	wrap=(setpriv '--bounding-set=-all' --inh-caps=-all)
	fails "root|CAP_"
	wrap=(setpriv '--bounding-set=-bpf,-sys_admin')
	fails "root|CAP_"
	wrap=(setpriv '--bounding-set=-net_raw')
	fails "root|CAP_"
	wrap=(setpriv '--bounding-set=-net_admin,-sys_admin')
	fails "root|CAP_"
}

@test "no locked memory: a sentence and status 1" {
	local wrap=(setpriv '--bounding-set=-ipc_lock,-sys_resource' prlimit --memlock=65536:65536)
	lab 1 1
	fails "locked memory: .*ulimit -l unlimited"
}

# --- the end ---------------------------------------------------------------------------

@test "SIGTERM and SIGINT end it quickly, well, and with nothing left" {
	local signal begin
	lab 2 1
	for signal in TERM INT; do
		start_controller a --guest=a1=vif-a1 --guest=a2=vif-a2
		begin=$(date +%s%3N)
		stop a "$signal" || fail "after SIG$signal: status $?"
		between "milliseconds to the end after SIG$signal" $(($(date +%s%3N) - begin)) 0 2000
		nothing_left_on a
	done
	# Also before it is ready.
	for signal in TERM INT; do
		start early a "$bin/jitneyd" --uplink=uplink --socket="$work/early.sock" --guest=a1=vif-a1
		kill "-$signal" "${pid[early]}"
		finish early || true
		host_is_clean a || fail "left: $(programs_on a)"
	done
}

# --- the command -----------------------------------------------------------------------

@test "jitney: what is wrong with a command, and status 2" {
	local bad
	says 2 "a command is missing" "$bin/jitney"
	for bad in nonsense "status extra" "guest" "guest nonsense" "guest add" "guest del" "guest set" "guest set a" "guest set a 1 2 3 4 5 6" "capture" \
		"--no-such-option" "drops a b"; do
		# shellcheck disable=SC2086 # several words
		says 2 "see jitney --help|write: jitney|--help" "$bin/jitney" $bad
	done
}

@test "jitney: no controller, a sentence and status 1" {
	local command
	for command in status guests peers cycle page drops flush "guest add a=b" "guest del a" \
		"guest set a rate=1mbit"; do
		# shellcheck disable=SC2086 # several words
		says 1 "no controller answers at $work/none: start jitneyd, or" "$bin/jitney" --socket "$work/none" $command
	done
	says 1 "no controller answers|capture" "$bin/jitney" --socket "$work/none" capture "$work/file"
	[[ ! -e $work/file ]] || fail "a capture was begun"
}

@test "jitney: what the controller refuses, a sentence and status 1" {
	lab 1 1
	start_controller a --guest=a1=vif-a1
	says 1 "no guest of this name" "$bin/jitney" --socket "$work/a.sock" guest del nobody
	says 1 "there is a guest of this name" "$bin/jitney" --socket "$work/a.sock" guest add a1=br0
	says 1 "another guest's" "$bin/jitney" --socket "$work/a.sock" guest add x=vif-a1
	says 1 "is the uplink" "$bin/jitney" --socket "$work/a.sock" guest add x=uplink
	says 1 "no such interface" "$bin/jitney" --socket "$work/a.sock" guest add x=nothing
	says 1 "NAME=IF" "$bin/jitney" --socket "$work/a.sock" guest add nonsense
	answers a
	stop a
}

@test "jitney: guest add --print-qemu and --print-libvirt" {
	local queues vectors there mac=52:54:00:00:00:07
	lab 1 1
	there=(nsenter --net="/run/netns/$prefix-a" "$bin/jitney" --socket "$work/a.sock" guest add)
	ip -n "$prefix-a" tuntap add dev vif-one mode tap vnet_hdr
	ip -n "$prefix-a" tuntap add dev vif-many mode tap vnet_hdr multi_queue
	start_controller a --guest=a1=vif-a1 --guest=one=vif-one
	says 1 "no guest of this name: add it with" "${there[@]}" --print-qemu nobody
	says 1 "vif-a1 is no tap; for a virtual machine make one" "${there[@]}" --print-qemu a1
	says 1 "its MAC address is not known yet; say it" "${there[@]}" --print-libvirt one
	equal "guests" "$(ask a guests '[.guests[].name] | join(" ")')" "a1 one"
	ask a "guest del one"
	equal "for QEMU" "$("${there[@]}" --print-qemu "one=vif-one,mac=$mac")" \
		"-netdev tap,id=one,ifname=vif-one,script=no,downscript=no -device virtio-net-pci,netdev=one,mac=$mac"
	equal "for libvirt" "$("${there[@]}" --print-libvirt one | tr -d '\n')" \
		"<interface type='ethernet'>  <target dev='vif-one' managed='no'/>  <mac address='$mac'/>  <model type='virtio'/></interface>"
	queues=$(($(nproc) < 8 ? $(nproc) : 8)) vectors=$((2 * queues + 2))
	((queues > 1)) || return 0
	mac=52:54:00:00:00:08
	equal "with queues" "$("${there[@]}" --print-qemu "many=vif-many,mac=$mac")" \
		"-netdev tap,id=many,ifname=vif-many,script=no,downscript=no,queues=$queues -device virtio-net-pci,netdev=many,mac=$mac,mq=on,vectors=$vectors"
	equal "queues" "$("${there[@]}" --print-libvirt many | grep -o "queues='.*'")" "queues='$queues'"
	stop a
}

# hook DOMAIN OPERATION - as libvirt calls it; the domain has a tap of libvirt's, whose name is
# forgotten when it is stopped; one that was there before; and an interface without one
hook() {
	local target="<target dev='vnet0'/>"
	[[ $2 != stopped ]] || target=
	printf '%s' "<domain><name>$1</name><devices><disk/>" \
		"<interface type='bridge'><mac address='52:54:00:00:00:09'/><source bridge='br0'/>$target</interface>" \
		"<interface type='ethernet'><mac address='52:54:00:00:00:0b'/><target dev='vif-own' managed='no'/></interface>" \
		"<interface type='user'><mac address='52:54:00:00:00:0a'/></interface></devices></domain>" |
		place a env PATH="$work:$PATH" "$top/scripts/libvirt-hook" "$1" "$2" begin - 2>"$work/hook.err"
}

@test "libvirt's hook: machines are guests for as long as they run" {
	lab 1 1
	ip -n "$prefix-a" tuntap add dev vnet0 mode tap vnet_hdr
	ip -n "$prefix-a" tuntap add dev vif-own mode tap vnet_hdr
	printf '#!/bin/sh\nexec %s --socket %s "$@"\n' "$bin/jitney" "$work/a.sock" >"$work/jitney"
	chmod +x "$work/jitney"
	hook web started || fail "a machine does not start where there is no controller"
	start_controller a --guest=own=vif-own,mac=52:54:00:00:00:0b
	hook web prepare
	equal "guests before" "$(ask a guests '.guests | length')" 1
	hook web started
	equal "guests" "$(ask a guests '.guests[] | "\(.name) \(.interface) \(.mac)"')" \
		"own vif-own 52:54:00:00:00:0b"$'\n'"vnet0 vnet0 52:54:00:00:00:09"
	equal "complaints" "$(<"$work/hook.err")" ""
	hook web stopped
	equal "complaints" "$(<"$work/hook.err")" ""
	equal "guests behind" "$(ask a guests '.guests[].name')" own
	place a env PATH="$work:$PATH" "$top/scripts/libvirt-hook" web started begin - <<<"nonsense" 2>"$work/hook.err"
	grep -q "libvirt hook: " "$work/hook.err" || fail "it does not say what is wrong"
	place a "$top/scripts/libvirt-hook"
	stop a
}

@test "the controller's socket takes no nonsense" {
	local line
	lab 1 1
	start_controller a
	for line in '' '{' 'null' '[]' '42' '{"command":1}' '{"command":"nonsense"}' '{"command":"guest-add"}' \
		'{"command":"guest-add","spec":1}' '{"command":"guest-del","name":null}' \
		'{"command":"guest-set"}' '{"command":"guest-set","name":"a1"}' '{"command":"guest-set","share":"rate=1mbit"}' \
		'{"command":"guest-set","name":"a1","share":1}' '{"command":"guest-set","name":"a1","share":""}' '{}'; do
		equal "answer to $line" "$(echo "$line" | socat -t 5 - "UNIX:$work/a.sock" | jq .ok)" false
	done
	head -c 100000 /dev/urandom | tr -d '\n' | socat -t 5 - "UNIX:$work/a.sock" >/dev/null 2>&1 || true
	# One that connects and says nothing stops nobody.
	start mute a socat -u "UNIX:$work/a.sock" -
	answers a
	same_process a
	stop a
}

@test "--help and --version of every program" {
	local program
	for program in jitneyd jitney; do
		"$bin/$program" --help | grep -q '^Usage: '
		"$bin/$program" --version | grep -qE "^$program [0-9]"
		"$bin/$program" --usage | grep -q '^Usage: '
	done
}
