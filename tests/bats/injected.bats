#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The Nth call of a controller fails, for N = 1, 2, ...: memory, descriptors, bpf().
# Whatever it was, the controller either says why it ends or goes on, and leaves
# nothing behind. Half of the Ns are tried on host a, half on host b.
#
# FAULT_STEP=1 tries with sanitizers every call instead of a sample.
load lib
load fault-lib

setup() { test_begin; }
teardown() { test_end; }

calls=bpf,socket,setsockopt,bind,listen,accept4,epoll_create1,epoll_ctl,timerfd_create
calls+=,signalfd,dup,mkdir,statfs,sendmsg,sendto,mmap
serving=$calls,getsockopt,sendmmsg,send,recv,recvmsg
allocations=malloc,calloc,realloc
asan=$top/build/asan/jitneyd

# inject SIDE N - the Nth call from now on fails; 0: none
inject() {
	[[ -e $work/$1.fail ]] || head -c 64 /dev/zero >"$work/$1.fail"
	printf '%08d' "$2" | dd of="$work/$1.fail" conv=notrunc status=none
}

# Calls until the one to fail; 0: it has failed.
still_to_come() {
	echo $((10#$(head -c 8 "$work/$1.fail")))
}

failed_call() {
	tail -c +17 "$work/$1.fail" | tr -d '\0'
}

# start_faulty SIDE CALLS FLAG... - $program, whose CALLS can fail
start_faulty() {
	local side=$1 calls=$2
	shift 2
	: >"$work/$side.err" # of the one before
	start "$side" "$side" timeout --foreground -s KILL 60 env LD_PRELOAD="$tools/fail.so" \
		JT_FAIL_FILE="$work/$side.fail" JT_FAIL_CALLS="$calls" \
		ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=1:exitcode=99 \
		"$program" --name="$side" --uplink=uplink --socket="$work/$side.sock" \
		--pin="$pins/$side" "$@"
}

# What the host looks like, less what only counts.
looks() {
	place "$1" ip -o -d link show | sed 's/ promiscuity.*//'
	place "$1" tc qdisc show
}

said_enough() {
	[[ $(wc -l <"$work/$1.err") == [12] ]] && ! grep -qv '^jitneyd: .' "$work/$1.err"
}

# ended_well SIDE STATUS - a controller that did not start has said why
ended_well() {
	local side=$1 status=$2
	grep -q 'out of memory' "$work/$side.err" || ((status != 2)) || status=none
	[[ $status == [12] ]] || fail "status $status: $(head -n 20 "$work/$side.err")" || return
	said_enough "$side" || fail "not one sentence: $(head -n 20 "$work/$side.err")"
}

host_as_before() {
	nothing_left_on "$1" && equal "host $1" "$(looks "$1")" "$(<"$work/$1.looks")" &&
		reaches a1 "$(lab_ipv4 b1)" 1
}

# start_once SIDE CALLS N - start, stop if it did start, look what is left
start_once() {
	local side=$1 status=0
	inject "$side" "$3"
	start_faulty "$side" "$2" --guest="${side}1=vif-${side}1" --guest="h=br0,ip=10.9.9.9" \
		"$(peer_flags "$side")" "$(remote_flags "$side" 1)" --discover \
		--trust="x=${side}1" --trust=y=h
	until_true 30 ready_or_dead "$side" || fail "neither ready nor at its end" || return
	if grep -q '^jitneyd: ready' "$work/$side.err"; then
		pkill -TERM -P "${pid[$side]}" -x jitneyd || true
		finish "$side" || fail "status $? after SIGTERM: $(head -n 20 "$work/$side.err")" || return
	else
		finish "$side" || status=$?
		ended_well "$side" "$status" || return
	fi
	nothing_left_on "$side"
}

# sweep SIDE CALLS FIRST STEP - until a start without a failure
sweep() {
	local side=$1 n done_here=0
	looks "$side" >"$work/$side.looks"
	for ((n = $3; n < 2000; n += $4)); do
		start_once "$side" "$2" "$n" || fail "call $n ($(failed_call "$side"))" || return
		(($(still_to_come "$side") == 0)) || break
		((++done_here % 8)) || host_as_before "$side" || fail "up to call $n" || return
		echo "$n $(failed_call "$side")" >>"$work/$side.tried"
	done
	((n < 2000)) || fail "there is no end to the calls" || return
	host_as_before "$side"
}

# sweep_both CALLS FIRST STEP - the same with two hosts at once
sweep_both() {
	local a b
	sweep a "$1" "$2" $((2 * $3)) >"$work/sweep.a" 2>&1 &
	a=$!
	sweep b "$1" $(($2 + $3)) $((2 * $3)) >"$work/sweep.b" 2>&1 &
	b=$!
	wait "$a" || echo "host a: $(<"$work/sweep.a")" >>"$work/wrong"
	wait "$b" || echo "host b: $(<"$work/sweep.b")" >>"$work/wrong"
	[[ ! -e $work/wrong ]] || fail "$(<"$work/wrong")"
}

# All starts are tried without sanitizers, which take their time, and some with them.
@test "injected: a start of which one system call fails" {
	local call
	lab 1 1
	program=$bin/jitneyd
	sweep_both "$calls" 1 1
	# All kinds were met.
	for call in bpf socket setsockopt bind listen epoll_create1 epoll_ctl timerfd_create signalfd \
		dup mkdir statfs mmap; do
		grep -q " $call\$" "$work/a.tried" "$work/b.tried" || fail "no $call was tried"
	done
	between "failures" "$(cat "$work/a.tried" "$work/b.tried" | wc -l)" 100 400
	program=$asan
	sweep_both "$calls" 3 "${FAULT_STEP:-13}"
}

@test "injected: a start of which one allocation fails" {
	lab 1 1
	program=$asan
	sweep_both "$allocations" 1 "${FAULT_STEP:-13}"
	between "failures" "$(cat "$work/a.tried" "$work/b.tried" | wc -l)" 15 2000
}

# --- failures of a controller that runs --------------------------------------------------

command_of() {
	local side=$1
	shift
	timeout 2 "$bin/jitney" --json --socket "$work/$side.sock" "$@" >/dev/null 2>&1 || true
}

blind_traffic() {
	place "$1" timeout 2 "$tools/jt-traffic" send --blind -d "$(lab_ipv4 "$2"):9" -n 60 \
		--sizes 0-300 >/dev/null 2>&1 || true
}

# Something of all that a controller does.
round() {
	local side command jobs=()
	for side in a b; do
		command_of "$side" guest add "${side}2=vif-${side}2" &
		jobs+=($!)
		for command in status guests peers cycle page drops; do
			command_of "$side" $command &
			jobs+=($!)
		done
	done
	blind_traffic a1 b1 &
	jobs+=($!)
	blind_traffic b1 a1 &
	jobs+=($!)
	wait "${jobs[@]}"
	for side in a b; do
		command_of "$side" flush
		command_of "$side" guest del "${side}2"
	done
}

# fine SIDE - it is the same process, answers, and nothing was reported
fine() {
	inject "$1" 0
	until_true 5 answers "$1" || fail "$1 does not answer" || return
	! grep -E 'Sanitizer|runtime error' "$work/$1.err"
}

# inject_into_rounds N OF-A OF-B - the rest of a round is for what the failure caused
inject_into_rounds() {
	inject a "$2"
	inject b "$3"
	round
	echo "$1 $2 $(failed_call a) $3 $(failed_call b)" >>"$work/tried"
	{ fine a && fine b; } || fail "round $1: call $2 of a ($(failed_call a)), $3 of b ($(failed_call b))"
}

guests_are() {
	[[ $(ask "$1" guests '[.guests[].name] | sort | join(" ")') == "$2" ]]
}

# Whatever was lost on the way, nothing stays in the way.
whole_again() {
	local side=$1
	timeout 5 "$bin/jitney" --socket "$work/$side.sock" guest del "${side}2" >/dev/null 2>&1 || true
	guests_are "$side" "${side}1" || fail "guests of $side: $(ask "$side" guests)" || return
	"$bin/jitney" --socket "$work/$side.sock" guest add "${side}2=vif-${side}2" ||
		fail "no guest can be added" || return
	guests_are "$side" "${side}1 ${side}2" || fail "guests of $side: $(ask "$side" guests)"
}

@test "injected: system calls and allocations of running controllers fail" {
	local side i rounds=40
	lab 2 2
	for side in a b; do
		looks "$side" >"$work/$side.looks"
		inject "$side" 0
	done
	program=$asan
	start_faulty a "$serving" --guest=a1=vif-a1 "$(peer_flags a)" "$(remote_flags a 1)"
	start_faulty b "$allocations" --guest=b1=vif-b1 "$(peer_flags b)" "$(remote_flags b 1)"
	for side in a b; do
		until_true 20 ready_or_dead "$side" && alive "$side" || fail "$side: $(<"$work/$side.err")"
	done
	for ((i = 1; i <= rounds; i++)); do
		inject_into_rounds "$i" "$((4 * i - 3))" "$((23 * i - 22))"
	done
	# Most of them have failed, and of many kinds.
	between "failures of a" "$(awk 'NF == 5 { n++ } END { print n + 0 }' "$work/tried")" 20 "$rounds"
	for side in a b; do whole_again "$side"; done
	acquaint a1 b1
	receive got b1 --flows 1
	transmit sent a1 -d "$(lab_ipv4 b1):7000" -n 2000 --rate 10000
	finish sent
	finish got
	intact got
	for side in a b; do
		pkill -TERM -P "${pid[$side]}" -x jitneyd
		finish "$side" || fail "status $?: $(head -n 30 "$work/$side.err")"
		host_as_before "$side"
	done
}
