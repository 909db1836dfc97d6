# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""DPDK instead of Jitney: each guest has a memif port to its host's testpmd, which
forwards between that and an AF_XDP socket on the uplink.

guest a1 -- memif -- testpmd of a -- uplink ==== uplink -- testpmd of b -- memif -- guest b1

Who polls shares a CPU with whom it polls for; sender and receiver say in their
results what their testpmds have used meanwhile: forwarder_ns.
"""
import os
import shutil

from lab import end, start, wait_for

BURST = 64
DESCRIPTORS = 2048
BUFFERS = 32768
RING = 12  # of a memif: the binary logarithm


def why_not(build):
    """None if it can be measured here."""
    if not shutil.which("dpdk-testpmd"):
        return "dpdk-testpmd is not installed"
    return None if os.access(f"{build}/tests/bench_dpdk", os.X_OK) else "build/tests/bench_dpdk is not built"


def memif(lab, side, role):
    return f"net_memif0,role={role},id=0,socket={lab.work}/{side}.memif,socket-abstract=no,rsize={RING}"


def testpmd(lab, side):
    """It wants a lcore to command and one to forward: here one sleeps, so they share a CPU.
    It ends as its input does, and would spin to print its counters now and then: so it
    waits for a pipe that nobody else has."""
    if os.path.exists(f"{lab.work}/{side}.memif"):
        os.unlink(f"{lab.work}/{side}.memif")
    if not os.path.exists(f"{lab.work}/never"):
        os.mkfifo(f"{lab.work}/never")
    cpu = lab.cpus[side]
    return start(
        f"{lab.prefix}-{side}", f"{lab.work}/testpmd.{side}",
        "sh", "-c", 'exec "$@" <>"$0"', f"{lab.work}/never", "stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{cpu},1@{cpu}",
        "--no-huge", "-m", str(BUFFERS * 3 // 1024 + 128), "--no-pci", "--no-shconf", "--no-telemetry",
        "--file-prefix", f"{lab.prefix}{side}", "--vdev", memif(lab, side, "server"),
        "--vdev", "net_af_xdp0,iface=uplink,busy_budget=0", "--", "--auto-start", "--forward-mode=io",
        "--disable-link-check", f"--burst={BURST}", f"--rxd={DESCRIPTORS}", f"--txd={DESCRIPTORS}",
        f"--total-num-mbufs={BUFFERS}")


def begin(lab):
    """memif's end under its hands may cost a testpmd its life: whoever is missing starts."""
    for side in "ab":
        old = lab.forwarders.get(side)
        if old and old.poll() is None:
            continue
        if old:
            end(old)
        lab.forwarders[side] = testpmd(lab, side)
    for child in lab.forwarders.values():
        wait_for(child, "Press enter", 10, child.output)


def command(lab, what):
    """What sends or receives in a guest, less the options, which are those of bench_path."""
    if what == "recv":
        begin(lab)
    side = "a" if what == "send" else "b"
    return [f"{lab.build}/tests/bench_dpdk", what, memif(lab, side, "client"), str(lab.forwarders[side].pid)]
