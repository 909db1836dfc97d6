# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what lib.bash sets
#
# What the tests with helpers in guests share besides lib.

guest=$bin/jitney-guest

# g NAME PLACE ARG...: start jitney-guest with JSON for its summary
g() {
	local name=$1 where=$2
	shift 2
	start "$name" "$where" "$guest" --json --socket "$work/${where:0:1}.sock" "$@"
}

is_ready() {
	grep -q ': ready$' "$work/$1.err"
}

# g_ready NAME PLACE ARG...: the same, and wait until it has claimed its port
g_ready() {
	g "$@"
	until_true 10 is_ready "$1" || fail "$1 is not ready: $(<"$work/$1.err")"
}

# say NAME FILTER: of the summary, the last line of the output
say() {
	tail -n 1 "$work/$1" | jq -r "$2"
}

# whole NAME COUNT: all came, once, in order, as they were
whole() {
	equal "$1: received" "$(say "$1" .received)" "$2"
	equal "$1: checked" "$(say "$1" .checked)" "$2"
	equal "$1: lost, in disorder, twice, altered" \
		"$(say "$1" '[.lost, .reordered, .duplicated, .altered] | join(" ")')" "0 0 0 0"
}
