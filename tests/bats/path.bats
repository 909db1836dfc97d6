#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
load lib
setup() { test_begin; }
teardown() { test_end; }

@test "smoke" {
	lab 2 1
	watch wire
	start_pair
	receive r b1 --flows 1
	transmit s a1 -d "$(lab_ipv4 b1):7000" -n 20000 --rate 5000
	finish s
	finish r
	intact r
	unwatch wire
	echo "# $(watched wire frames) $(watched wire bytes) $(watched wire wire) $(watched wire 'ether proto 0x88b5')" >&3
	ask a status .totals >&3
	ask a peers >&3
	ask a drops >&3
	ask a cycle >&3
}
