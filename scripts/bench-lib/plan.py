# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is measured: contestants, and the points at which they are.

A sweep varies one thing around CENTRE. All points of a sweep are measured in
each round, and their order is the other way round in every second.
"""
from collections import namedtuple

FRAME = {1500: 1514, 3786: 3800}  # MTU: bytes of its frames
HALF = "half"  # load: half of what the contestant reached at saturation
FULL = "saturation"
MANY = 1000  # guests: controllers are not started anew for each round

# sender, receiver: as bench_path calls them. flags: of both controllers; None: there are none.
# service: a module of bench-lib instead of controllers and bench_path (as dpdk.py).
Contestant = namedtuple("Contestant", "name sender receiver flags service", defaults=((), None))

CONTESTANTS = {
    c.name: c
    for c in (
        Contestant("sendto", "sendto", "plain", None),
        Contestant("sendmmsg", "sendmmsg", "plain", None),
        Contestant("gso", "gso", "plain", None),
        Contestant("af_xdp", "af_xdp", "plain", None),
        Contestant("memif", "memif", "memif", None, "dpdk"),
        Contestant("stack-plain", "sendto", "plain"),
        Contestant("xdp-plain", "xdp", "plain"),
        Contestant("slice-plain", "slice", "plain"),
        Contestant("map-plain", "map", "plain", ("--trust=bench=a1",)),
        Contestant("stack", "sendto", "helper"),
        Contestant("xdp", "xdp", "helper"),
        Contestant("slice", "slice", "helper"),
        Contestant("map", "map", "helper", ("--trust=bench=a1",)),
        Contestant("slice-xdp", "slice", "helper-xdp"),
        Contestant("slice-page-per-guest", "slice", "helper", ("--page-per-guest",)),
        Contestant("stack-peers", "sendto", "peers"),
        Contestant("slice-peers", "slice", "peers"),
    )
}

# rate: messages a second and guest, instead of a load; burst: see bench_path; flags: more of them.
Point = namedtuple(
    "Point",
    "contestant size guests destinations mtu load burst flags seconds",
    defaults=(64, 1, 1, 1500, FULL, 256, (), 0.4),
)


def sweep(names, **ways):
    """Points of contestants at each combination of what `ways` lists."""
    points = [Point(n) for n in names.split()]
    for key, values in ways.items():
        points = [p._replace(**{key: v}) for v in values for p in points]
    return points


def contest():
    return sweep(
        "sendto sendmmsg gso af_xdp memif stack-plain xdp-plain slice-plain map-plain stack xdp slice map slice-xdp",
        seconds=[0.5],
    )


def sizes():
    small = sweep("sendto stack slice", size=[16, 128, 256, 512])
    large = sweep("sendto", size=[1024]) + sweep("stack slice", size=[1024], flags=[("--small=1024",)])
    return small + large


def guests():
    return sweep("sendto stack slice", guests=[1, 4, 16, 100, 1000], burst=[16])


def destinations():
    """Peers, with a guest behind each: see tests/bench/path/peers.h."""
    return sweep("stack-peers slice-peers", destinations=[1, 2, 16, 256], burst=[16])


def mtu():
    return sweep("stack slice map", mtu=[3786], flags=[("--extent=4096",)]) + sweep("sendto", mtu=[3786])


def load():
    idle = sweep("sendto stack-plain slice", load=[1], burst=[1], seconds=[1.1])
    some = sweep("sendto stack-plain slice", load=[1000, 10000, 100000], burst=[64])
    return idle + some + sweep("slice", load=[1000000], burst=[64]) + sweep("sendto stack-plain slice", load=[HALF], burst=[64])


def latency():
    """Bounds on the time that messages wait, at half load."""
    bounds = ["50us", "200us", "1ms", "2ms", "10ms"]
    return sweep("sendto", load=[HALF], burst=[64]) + sweep(
        "stack", load=[HALF], burst=[64], flags=[("--latency=" + b,) for b in bounds]
    )


def cycle():
    return sweep(
        "stack", load=[10000, 100000], burst=[16], flags=[("--cycle=auto",), ("--cycle=10ms",)]
    )


SWAP_CYCLE_S = 0.01
SWAP_LOADS = ((1, 500), (1, 10000), (4, 500), (16, 500), (16, 2000))


def swaps():
    """Cycles that end by time: guests, and messages a second of each."""
    return [
        p._replace(guests=n, load=n * v, flags=("--cycle=10ms",))
        for n, v in SWAP_LOADS
        for p in sweep("slice slice-page-per-guest", burst=[1], seconds=[0.5])
    ]


SWEEPS = {
    f.__name__: f for f in (contest, sizes, guests, destinations, mtu, load, latency, cycle, swaps)
}


def quick(points):
    """Of each sweep what shows that it works: it can't say much."""
    few = {p.contestant: p._replace(seconds=min(p.seconds, 0.2)) for p in points if p.guests <= 16}
    return list(few.values())
