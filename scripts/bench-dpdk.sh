# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what scripts/bench sets
#
# A contestant of scripts/bench: DPDK instead of Jitney. Each guest has a memif port to
# its host's testpmd, which forwards between that and an AF_XDP socket on the uplink.
#
#   guest a1 -- memif -- testpmd of a -- uplink ==== uplink -- testpmd of b -- memif -- guest b1
#
# dpdk_here               Return: 0 if DPDK and what uses it are installed
# dpdk_start              begin both testpmds; sets dpdk_a and dpdk_b, their process ids
# dpdk_command send|recv  sets $dpdk, an array: the command that does it in a guest, less the
#                         options, which are those of bench_path
# dpdk_stop               end both testpmds
#
# They need of scripts/bench: start, end, die, progress, $build, $prefix, $work, $cpu_a, $cpu_b
# and a lab with a1 and b1 (lab_up). The JSON of sender and receiver says what their
# testpmds have used meanwhile: forwarder_ns.
#
# Who polls shares a CPU with whoever it polls for; more about it in docs/performance.md.

dpdk_burst=64
dpdk_descriptors=2048
dpdk_buffers=32768
dpdk_ring=10 # of a memif: the binary logarithm
dpdk_a='' dpdk_b=''

dpdk_here() {
	command -v dpdk-testpmd >/dev/null && [[ -x $build/tests/bench_dpdk ]]
}

# testpmd wants a lcore to command and one to forward: here one sleeps, so they share a CPU.
# It ends as its input does, and would spin to print its counters now and then: so it waits
# for a pipe that nobody else has.
dpdk_testpmd() {
	local side=$1 cpu=$2
	rm -f "$work/$side.memif"
	[[ -p $work/never ]] || mkfifo "$work/never"
	# shellcheck disable=SC2016 # for the other shell
	start "$prefix-$side" "$work/testpmd.$side" sh -c 'exec "$@" <>"$0"' "$work/never" \
		stdbuf -oL dpdk-testpmd --lcores "0@$cpu,1@$cpu" \
		--no-huge -m $((dpdk_buffers * 3 / 1024 + 128)) --no-pci --no-shconf --no-telemetry --file-prefix "$prefix$side" \
		--vdev "net_memif0,role=server,id=0,socket=$work/$side.memif,socket-abstract=no,rsize=$dpdk_ring" \
		--vdev net_af_xdp0,iface=uplink,busy_budget=0 \
		-- --auto-start --disable-link-check --forward-mode=io --burst=$dpdk_burst \
		--rxd=$dpdk_descriptors --txd=$dpdk_descriptors --total-num-mbufs=$dpdk_buffers
}

dpdk_forwards() {
	grep -qs '^Press enter' "$work/testpmd.$1" || ! kill -0 "$2" 2>/dev/null
}

dpdk_start() {
	dpdk_testpmd a "$cpu_a"
	dpdk_a=$started
	dpdk_testpmd b "$cpu_b"
	dpdk_b=$started
	lab_wait 10 dpdk_forwards a "$dpdk_a" || true
	lab_wait 10 dpdk_forwards b "$dpdk_b" || true
	kill -0 "$dpdk_a" "$dpdk_b" 2>/dev/null || die "a testpmd did not start: $(tail -qn 1 "$work"/testpmd.?.err)"
}

dpdk_command() {
	local side=a forwarder=$dpdk_a
	[[ $1 == send ]] || side=b forwarder=$dpdk_b
	dpdk=("$build/tests/bench_dpdk" "$1"
		"net_memif0,role=client,id=0,socket=$work/$side.memif,socket-abstract=no,rsize=$dpdk_ring" "$forwarder")
}

dpdk_stop() {
	end "$dpdk_a" "$dpdk_b"
}
