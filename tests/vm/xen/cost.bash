# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# What Xen does for a message, with Jitney and without: a table, whose figures are no verdict.

tests+=(cost)

tracing=/sys/kernel/tracing
# Functions of dom0, and what to add up: copies and maps are asked for in batches.
declare -A probe=([copies]='gnttab_batch_copy n=%si:u32' [maps]='gnttab_map_refs n=%cx:u32'
	[rings]='notify_remote_via_irq n=%di:u32')

# event NAME FILE
event() { cat "$tracing/events/jitney/$1/$2"; }

probes_begin() {
	local name
	grep -q "$tracing" /proc/mounts || mount -t tracefs tracefs "$tracing"
	for name in "${!probe[@]}"; do
		echo "p:jitney/$name ${probe[$name]}" >>"$tracing/kprobe_events"
		echo 'hist:keys=common_cpu:vals=n' >"$tracing/events/jitney/$name/trigger"
	done
}

probes_end() {
	local name
	for name in "${!probe[@]}"; do echo '!hist:keys=common_cpu:vals=n' >"$tracing/events/jitney/$name/trigger"; done
	echo >"$tracing/kprobe_events"
}

# calls NAME, sum NAME - how often it was called, and what it was asked for in all
calls() { event "$1" hist | awk '/hitcount:/ && /common_cpu/ { for (i = 1; i < NF; i++) if ($i == "hitcount:") n += $(i + 1) } END { print n + 0 }'; }
sum() { event "$1" hist | awk '/hitcount:/ && /common_cpu/ { n += $NF } END { print n + 0 }'; }

# Events that arrived: /proc/interrupts has a line for each channel, a column for each processor.
# shellcheck disable=SC2016 # awk's
arrived='{ for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }'
in_dom0() { grep -E " $(vif_of "$1")-q" /proc/interrupts | awk "$arrived"; }
in_guest() { on "$1" "grep -E ' (eth0|vif0)-q' /proc/interrupts | awk '$arrived'"; }

figures() {
	echo "$(in_dom0 "$1") $(in_guest "$1") $(calls rings) $(sum copies) $(calls copies) $(sum maps)"
}

# cost WHAT FROM TO GUEST - a line of the table, each figure for its 1,000 messages
cost() {
	local what=$1 from=$2 to=$3 guest=$4 count=1000 before after
	before=$(figures "$guest")
	exchange "$from" "$to" "$count"
	after=$(figures "$guest")
	awk -v what="$what" '{
		n = split($0, v)
		printf "# %-24s", what
		for (i = 1; i <= n / 2; i++) printf "%12d", (v[i + n / 2] - v[i])
		print ""
	}' <<<"$before $after"
}

test_cost() {
	local table
	probes_begin
	table=$(
		cost "a1 to b1, with Jitney" a1 b1 a1
		cost "b1 to a1, with Jitney" b1 a1 a1
	)
	jitney guest del a1
	jitney --socket "$work/b.sock" guest del b1
	table+=$'\n'$(
		cost "a1 to b1, without" a1 b1 a1
		cost "b1 to a1, without" b1 a1 a1
	)
	jitney guest add "a1=$(vif_of a1),mac=$(lab_mac a1)"
	jitney --socket "$work/b.sock" guest add "b1=vif-b1,mac=$(lab_mac b1)"
	probes_end
	printf '# %-24s%12s%12s%12s%12s%12s%12s\n' "for 1,000 messages" "to dom0" "to guest" "rung" copies "in calls" maps
	echo "$table"
	equal "lines of the table with copies" "$(awk '$(NF - 2) > 0' <<<"$table" | wc -l)" 4
}
