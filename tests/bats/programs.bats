#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Programs that know nothing of Jitney at the other end of a helper: a syslog daemon
# gets the lines of a pipe, and a helper those of logger(1) and socat(1).

# shellcheck disable=SC2154 # what lib.bash sets

load lib
load fault-lib
load guest-lib

setup() { test_begin; }
teardown() { test_end; }

lines=20000

# Of many lengths, in order: what a syslog daemon takes as they are.
some_lines() {
	awk -v n="$lines" 'BEGIN { s = "abcdefghijklmnopqrstuvwxyz 0123456789"
		for (i = 0; i < 4; i++) s = s s
		for (i = 1; i <= n; i++)
			printf "<14>Nov 22 09:00:00 a1 test: line %d %s\n", i, substr(s, 1, i * 7 % 160 + 1) }'
}

daemon_conf() {
	cat <<-END
		global(workDirectory="$work")
		module(load="imudp")
		template(name="raw" type="string" string="%rawmsg%\n")
		main_queue(queue.size="1000000")
		input(type="imudp" port="5514" rcvbufSize="64m" ruleset="file")
		ruleset(name="file") { action(type="omfile" file="$work/received" template="raw" ioBufferSize="64k") }
	END
}

binds() {
	[[ $(place "$1" ss -Huln "sport = :$2") ]]
}

has_lines() {
	(($(wc -l <"$1") >= $2))
}

# pipe CALL: the lines, as a program would write them: some at a time
pipe() {
	local call=$1
	rm -f "$work/received"
	start daemon b1 rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid"
	until_true 10 binds b1 5514 || fail "rsyslogd does not listen: $(<"$work/daemon.err")" || return
	# shellcheck disable=SC2016 # for the shell in there
	place a1 bash -c '
		while mapfile -n 50 -t some && ((${#some[@]})); do
			printf "%s\n" "${some[@]}"; sleep 0.002
		done <"$1" | "$2" --json --socket "$3" --call "$4" send "$5:5514" >"$6"' \
		lines "$work/lines" "$guest" "$work/a.sock" "$call" "$(lab_ipv4 b1)" "$work/out" || return
	until_true 20 has_lines "$work/received" "$lines" || true
	stop daemon
	cmp "$work/lines" "$work/received" || fail "$(wc -l <"$work/received") of $lines lines;" \
		"the first that differ: $(diff "$work/lines" "$work/received" | head -n 4)"
}

# to_daemon CALL
to_daemon() {
	local call=$1
	lab 1 1
	start_pair "$trusted"
	acquaint
	daemon_conf >"$work/rsyslog.conf"
	some_lines >"$work/lines"
	undisturbed 4 pipe "$call"
	equal "sent" "$(say out '"\(.call) \(.sent)"')" "$call $lines"
	[[ $call == stack ]] ||
		between "by the call" "$((lines - $(say out .sent_stack)))" $((lines * 8 / 10)) "$lines"
	stop a && stop b
}

@test "programs: stack: rsyslogd writes the lines of a pipe, all and in order" { to_daemon stack; }
@test "programs: slice: rsyslogd writes the lines of a pipe, all and in order" { to_daemon slice; }
@test "programs: xdp: rsyslogd writes the lines of a pipe, all and in order" { to_daemon xdp; }
@test "programs: map: rsyslogd writes the lines of a pipe, all and in order" { to_daemon map; }

# printed RX COMMAND...: what it sends from a1 is printed in b1: the lines of $work/lines. It stays
# on one processor: each has a queue of its own in the kernel, and who moves may overtake himself.
printed() {
	local rx=$1 count
	shift
	count=$(wc -l <"$work/lines")
	g_ready in b1 recv 5514 --rx "$rx" --print --seconds 60 --count "$count" || return
	place a1 taskset -c 0 "$@" || return
	finish in 70 || return
	head -n "$count" "$work/in" | sed "s/.*logger: //" >"$work/printed"
	cmp "$work/lines" "$work/printed" || fail "$(diff "$work/lines" "$work/printed" | head -n 4) $(say in .)"
}

@test "programs: a helper prints what logger and socat send, all and in order" {
	local rx
	lab 1 1
	start_pair "$trusted"
	acquaint
	for rx in slice stack raw; do
		seq -f "line %g of logger" 20000 >"$work/lines"
		undisturbed 4 printed "$rx" logger --rfc3164 -d -t logger -n "$(lab_ipv4 b1)" -P 5514 -f "$work/lines"
		equal "rx" "$(say in .rx)" "$rx"
		[[ $rx != slice ]] || between "through the socket" "$(say in .received_stack)" 0 4000
		seq -f "line %g of socat" 50 >"$work/lines"
		# shellcheck disable=SC2016 # for the shell in there
		undisturbed 4 printed "$rx" bash -c 'while read -r line; do
			printf %s "$line" | socat -u - "UDP6-SENDTO:[$2]:5514,sourceport=4000"; done <"$1"' \
			socat "$work/lines" "$(lab_ipv6 b1)"
	done
	stop a && stop b
}
