#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# With Jitney attached, everything that it does not carry works as before.

load lib
load fault-lib

setup() { test_begin; }
teardown() { test_end; }

# --- bulk TCP -----------------------------------------------------------------------

# Mbit/s of one run from a1 to b1.
bulk_run() {
	place a1 timeout 20 iperf3 -c "$(lab_ipv4 b1)" -t 2 -J >"$work/bulk.json" ||
		fail "iperf3: $(jq -r '.error // "failed"' "$work/bulk.json")" || return
	jq '.end.sum_received.bits_per_second / 1e6 | floor' "$work/bulk.json"
}

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

best() {
	sort -n "$1" | tail -n 1
}

# Five runs without and five with, taking turns.
bulk_round() {
	local i
	for i in 1 2 3 4 5; do
		bulk_run >>"$work/without"
		start_pair
		acquaint
		bulk_run >>"$work/with"
		stop a
		stop b
	done
}

bulk_percent() {
	echo $((100 * $("$1" "$work/with") / $("$1" "$work/without")))
}

@test "bulk TCP is within 5 % of what it is without" {
	local round
	lab 1 1
	start iperf b1 iperf3 -s
	until_true 10 place b1 nc -z 127.0.0.1 5201
	for round in 1 2 3; do
		bulk_round
		echo "# round $round: without $(median "$work/without") Mbit/s, with" \
			"$(median "$work/with") Mbit/s (medians: $(bulk_percent median) %," \
			"best: $(bulk_percent best) %)" >&3
		(($(bulk_percent median) < 95 && $(bulk_percent best) < 95)) || return 0
	done
	fail "bulk TCP fell to $(bulk_percent median) % (best runs: $(bulk_percent best) %)"
}
