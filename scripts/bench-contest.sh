# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154,SC2034 # what scripts/bench sets, and reads
#
# The comparison of scripts/bench: everything that a guest could send small messages
# with, on one path and in one run. Each sends as fast as it can for a fixed time; what
# counts is what was received, and how fast.

path=$build/tests/bench_path
contest_size=64
contest_seconds=0.8
contest_rounds=5
contest_quick_seconds=0.4
contest_quick_rounds=1
contest_number=0

# NAME SENDER RECEIVER: as bench_path calls them. Without controllers, then with them.
kernel_contestants=(
	"sendto sendto plain" "sendmmsg sendmmsg plain" "gso gso plain" "af_xdp af_xdp plain"
)
jitney_contestants=(
	"stack-plain sendto plain" "xdp-plain xdp plain" "slice-plain slice plain" "map-plain map plain"
	"stack sendto helper" "xdp xdp helper" "slice slice helper" "map map helper"
	"slice-xdp slice helper-xdp"
)

# Each guest has a CPU, and its machine's controller serves it from there: so a
# machine of two guests and two hosts is two CPUs, and all contestants have both.
# Where there are more, controllers and guests do not share any.
contest_cpus() {
	if (($(nproc) >= 4)); then
		cpu_sender=2 cpu_receiver=3
	else
		cpu_sender=0 cpu_receiver=1
	fi
	cpu_a=0 cpu_b=1
	(($(nproc) >= 2)) || cpu_receiver=0 cpu_b=0
}

contest_header() {
	cat <<END

contest   $contest_size-byte messages, frames of up to 1,514 bytes; $contest_rounds rounds of $contest_seconds s, in turns
CPUs      sender $cpu_sender, controller of its host $cpu_a, controller of the receiver's host $cpu_b, receiver $cpu_receiver
END
}

# Kernel threads that do what softirqs leave behind.
contest_softirqds() {
	local d name
	for d in /proc/[0-9]*; do
		read -r name <"$d/comm" && [[ $name == ksoftirqd/* ]] && echo "${d#/proc/}"
	done 2>/dev/null
}

# Everything that grows: ns of both controllers and of ksoftirqd, ticks in softirq,
# frames and bytes on the wire, swaps.
contest_counters() {
	local pid ns sum=0
	for pid in "${controllers[@]:0:2}"; do
		read -r ns _ <"/proc/$pid/schedstat"
		printf '%d ' "$ns"
	done
	((${#controllers[@]})) || printf '0 0 '
	for pid in "${softirqds[@]}"; do
		read -r ns _ <"/proc/$pid/schedstat"
		sum=$((sum + ns))
	done
	printf '%d ' "$sum"
	awk '/^cpu / { printf "%d ", $8 }' /proc/stat
	ip -n "$prefix-w" -s -j link show to-a | jq -j '.[0].stats64.rx | "\(.packets) \(.bytes) "'
	if ((${#controllers[@]})); then ask a status | jq -r .totals.swaps; else echo 0; fi
}

# contest_run SENDER RECEIVER SECONDS - Return: 1 if the sender could not begin
contest_run() {
	local receiver
	contest_number=$((contest_number + 1))
	start "$prefix-b1" "$work/recv" taskset -c "$cpu_receiver" "$path" recv "$2" \
		--run "$contest_number" --size "$contest_size" --socket "$work/b.sock"
	receiver=$started
	lab_wait 5 grep -qs ready "$work/recv.err" || die "the receiver did not start: $(<"$work/recv.err")"
	contest_counters >"$work/before"
	start "$prefix-a1" "$work/send" taskset -c "$cpu_sender" "$path" send "$1" \
		--dest "$(lab_ipv4 b1):7000" --mac "$(lab_mac b1)" --run "$contest_number" --size "$contest_size" \
		--seconds "$3" --socket "$work/a.sock"
	if ! wait "$started"; then
		end "$receiver"
		return 1
	fi
	kill -TERM "$receiver" 2>/dev/null || true
	wait "$receiver" || die "a receiver failed: $(<"$work/recv.err")"
	contest_counters >"$work/after"
	children=("${controllers[@]}")
}

# contest_record NAME RECEIVER ROUND - of the last run, as an object
contest_record() {
	jq -nc --arg contestant "$1" --arg receiver "$2" --argjson round "$3" --argjson size "$contest_size" \
		--arg before "$(<"$work/before")" --arg after "$(<"$work/after")" \
		--argjson controllers "${#controllers[@]}" \
		--argjson tick "$((1000000000 / $(getconf CLK_TCK)))" \
		--slurpfile send "$work/send" --slurpfile recv "$work/recv" '
		($send[0]) as $s | ($recv[0]) as $r | ([1, $r.received] | max) as $n |
		([$after, $before] | map(split(" ") | map(tonumber)) | transpose | map(.[0] - .[1])) as
			[$a, $b, $softirqd, $softirq, $frames, $bytes, $swaps] |
		def jitney: if $controllers == 0 then null else . end;
		{ $contestant, $size, guests: 1, destinations: 1, mtu: 1500, load: "saturation",
		  messages_per_s: (if $r.seconds > 0 then $r.received / $r.seconds else 0 end),
		  cpu_ns_per_message: (($s.cpu_ns + $a + $b + $softirqd + $r.cpu_ns) / $n),
		  frames_per_s: ($frames / $s.seconds), bytes_per_s: ($bytes / $s.seconds),
		  swaps_per_s: ($swaps / $s.seconds | jitney),
		  p50_ns: null, p99_ns: null, p999_ns: null, $receiver,
		  sent_per_s: ($s.sent / $s.seconds),
		  loss: (($s.sent - $r.received) / $s.sent),
		  sender_ns_per_message: ($s.cpu_ns / $n),
		  sending_controller_ns_per_message: ($a / $n | jitney),
		  receiving_controller_ns_per_message: ($b / $n | jitney),
		  receiver_ns_per_message: ($r.cpu_ns / $n),
		  softirqd_ns_per_message: ($softirqd / $n),
		  softirq_ns_per_message: ($softirq * $tick / $n),
		  frames_per_message: ($frames / $s.sent), bytes_per_message: ($bytes / $s.sent),
		  wrong: ($r.altered + $r.reordered), $round }' >>"$work/contest"
}

contest_all() {
	local round=$1 row name sender receiver
	shift
	for row; do
		read -r name sender receiver <<<"$row"
		progress "round $round of $contest_rounds: $name"
		if contest_run "$sender" "$receiver" "$contest_seconds"; then
			contest_record "$name" "$receiver" "$round"
		else
			progress "$name can't be had here: $(tail -n 1 "$work/send.err")"
		fi
	done
}

contest_jitney() {
	controller_flags_a=(--cpu "$cpu_a" --trust=contest=a1)
	controller_flags_b=(--cpu "$cpu_b")
	controller a b 1 1
	controller b a 1 1
	contest_run sendto plain 0.1 # finds out that the peers live
	contest_all "$1" "${jitney_contestants[@]}"
	jitney_stop
	controller_flags_a=() controller_flags_b=()
}

# A datagram that GSO makes would pass a veth whole, larger than any frame: the hosts'
# uplinks can't take it, so each message is a frame on the wire as everywhere else.
contest_rounds() {
	local round
	[[ $quick == 0 ]] || contest_seconds=$contest_quick_seconds contest_rounds=$contest_quick_rounds
	contest_cpus
	lab_up "$prefix" 1 1
	lab_in "$prefix-a" ethtool -K uplink tx-udp-segmentation off >/dev/null
	mapfile -t softirqds < <(contest_softirqds)
	: >"$work/contest"
	for ((round = 1; round <= contest_rounds; round++)); do
		((round % 2)) || contest_jitney "$round"
		contest_all "$round" "${kernel_contestants[@]}"
		((round % 2 == 0)) || contest_jitney "$round"
	done
	lab_down "$prefix"
	progress_end
}

# In the order in which they stand above.
contest_medians() {
	local names
	names=$(printf '%s\n' "${kernel_contestants[@]}" "${jitney_contestants[@]}" | jq -R 'split(" ")[0]' | jq -s .)
	medians "$work/contest" |
		jq --argjson names "$names" 'sort_by(.contestant as $c | $names | index($c))'
}

contest_table() {
	contest_header
	printf '\nReceived messages of %s bytes a second; x: in units of sendto; ns of CPU time a message received.\n' "$contest_size"
	printf 'Behind the first four through Jitney: -plain to recvmmsg() as they, -xdp to a helper with an AF_XDP socket,\n'
	printf 'the others to a helper with a slice.\n\n'
	printf '%-12s %10s %6s %6s %6s  %7s %7s %7s %8s %8s %7s %6s  %9s %8s\n' contestant messages/s spread x lost \
		sender ctl-a ctl-b receiver ksoftirq all x frames/s softirq
	jq -r '(map(select(.contestant == "sendto"))[0] | [.messages_per_s, .cpu_ns_per_message]) as [$base, $cpu] |
		def ns: if . == null then "-" else round end;
		.[] | [.contestant, (.messages_per_s | round), "\(.spread * 100 | round)%",
			(.messages_per_s / $base * 10 | round / 10), "\(.loss * 100 | round)%",
			(.sender_ns_per_message | ns), (.sending_controller_ns_per_message | ns),
			(.receiving_controller_ns_per_message | ns), (.receiver_ns_per_message | ns),
			(.softirqd_ns_per_message | ns), (.cpu_ns_per_message | ns),
			($cpu / .cpu_ns_per_message * 10 | round / 10), (.frames_per_s | round),
			(.softirq_ns_per_message | ns)] | @tsv' "$results/contest.json" |
		awk '{ printf "%-12s %10s %6s %6.1f %6s  %7s %7s %7s %8s %8s %7s %6.1f  %9s %8s\n",
			$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 }'
	printf '\nsoftirq is part of the others: it runs in whoever was interrupted or has sent; ticks of the whole machine.\n'
	jq -r 'map(.wrong) | add | if . == 0 then "No message came altered, twice or out of order."
		else "\(.) messages came altered or out of order." end' "$results/contest.json"
}

contest_plot() {
	command -v gnuplot >/dev/null || return 0
	jq -r '(map(select(.contestant == "sendto"))[0].messages_per_s) as $base | .[] |
		[.contestant, .messages_per_s / 1000, (.messages_per_s / $base * 10 | round / 10),
			(.contestant | test("-plain$")), (.receiver | startswith("helper"))] | @tsv' \
		"$results/contest.json" >"$work/plot"
	gnuplot <<END
set terminal svg size 900,460 font "sans-serif,13" background "white"
set output "$results/throughput.svg"
set title "$contest_size-byte messages received, thousands a second, one guest to another; above: in units of sendto"
set style fill solid
set boxwidth 0.7
set logscale y
set yrange [10:*]
set grid ytics lc rgb "#dddddd"
set xtics rotate by -30
set key top left
set offsets 0, 0, graph 0.15, 0
plot "$work/plot" using 0:(strcol(5) eq "true" ? \$2 : 1/0):xtic(1) with boxes lc rgb "#1b7837" title "Jitney, to a helper", \\
	"" using 0:(strcol(4) eq "true" ? \$2 : 1/0) with boxes lc rgb "#7fbf7b" title "Jitney, to recvmmsg()", \\
	"" using 0:(strcol(4) eq "false" && strcol(5) eq "false" ? \$2 : 1/0) with boxes lc rgb "#999999" title "without Jitney", \\
	"" using 0:2:3 with labels offset 0,0.7 notitle
END
}

contest() {
	local begin=$SECONDS
	contest_rounds
	contest_medians >"$results/contest.json"
	contest_plot
	progress "$((SECONDS - begin)) s for the comparison"
	progress_end
}
