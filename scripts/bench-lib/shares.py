# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Shares of the uplink: who floods gets what was said, by Jitney's method calls and by tc.

All contestants see the same scenes on the same path. What a guest got is its bytes on the
wire. A frame of Jitney's carries messages of several guests: whose its bytes are, only the
controller's account says, and that is compared with what the wire has counted.

  five    a guest that borrows alone; one that does not alone; three that borrow, and
          one within its rate; then an owner comes who has 30 % and wants more
  hundred a guest within its rate while 99 others flood; then all of them flood
"""
import json
import os
import socket
import threading
import time
from collections import namedtuple

import run
import results
from lab import Failed, Lab, children, end, error_of, ip, start, wait_for

UPLINK = 25_000_000  # bits a second
SIZE = 256
PLAIN = SIZE + 42  # bytes of a frame with one message
BUCKET_MS = 1
LATENCY_NS = 2_000_000  # what jitneyd promises by itself
SETTLE_S = 0.2  # of each phase, before its measured part begins
SAMPLE_S = 0.05  # between two looks at the guests' states

# Guests of the scene "five": percent of the uplink, and whether they borrow.
FIVE = {1: (30, False), 2: (5, True), 3: (10, True), 4: (10, True), 5: (10, False)}
OWNER, LONELY, STEADY = 1, 2, 5
BORROWERS = (2, 3, 4)
HUNDRED = {i: (0.8, True) for i in range(1, 101)}
QUIET = 0.8  # of its rate, sent by who stays within it

# flood: messages a second of all who flood, in units of the uplink's; 0: as fast as there is room
# scenes: that it is in
Contestant = namedtuple("Contestant", "name sender flood service scenes flags", defaults=(None, ("five",), ()))
CONTESTANTS = (
    Contestant("stack", "sendto", 2.5, scenes=("five", "hundred")),
    Contestant("xdp", "xdp", 2.5),
    Contestant("slice", "slice", 0, scenes=("five", "hundred")),
    Contestant("map", "map", 0, flags=tuple(f"--trust=d{i}=a{i}" for i in FIVE)),
    Contestant("htb", "sendto", 2.5, "htb", ("five", "hundred")),
    Contestant("tbf", "sendto", 2.5, "tbf", ("one",)),
)

Phase = namedtuple("Phase", "begin end")
Scene = namedtuple("Scene", "guests phases loads")


def phases(seconds, *names):
    """One after another, with a second for queues to run empty."""
    at, found = 0.5, {}
    for name in names:
        found[name] = Phase(at, at + seconds + 2 * SETTLE_S)
        at = found[name].end + 2
    return found


def messages(percent):
    """A second, that fill so much of the uplink, each in a frame of its own."""
    return UPLINK * percent / 100 / 8 / PLAIN


def load(first, last, rate, begin, until):
    return ["--load", f"{first}-{last}:{rate:.2f}:{begin:.3f}:{until:.3f}"]


def flood(c, first, last, begin, until):
    return load(first, last, c.flood * messages(100) / (last - first + 1), begin, until)


def five(c, seconds):
    p = phases(seconds, "alone", "capped", "all")
    others = p["all"].begin - 1  # the owner comes when they have all that there is
    return Scene(FIVE, p, [
        *flood(c, LONELY, LONELY, p["alone"].begin, p["alone"].end),
        *flood(c, OWNER, OWNER, p["capped"].begin, p["capped"].end),
        *flood(c, BORROWERS[0], BORROWERS[-1], others, p["all"].end),
        *load(STEADY, STEADY, messages(FIVE[STEADY][0] / 2), others, p["all"].end),
        *flood(c, OWNER, OWNER, p["all"].begin, p["all"].end)])


def one(c, seconds):
    p = phases(seconds, "capped")
    return Scene({1: FIVE[1]}, p, flood(c, 1, 1, p["capped"].begin, p["capped"].end))


def hundred(c, seconds):
    p = phases(seconds, "quiet", "fair")
    return Scene(HUNDRED, p, [
        *load(1, 1, QUIET * messages(HUNDRED[1][0]), p["quiet"].begin, p["quiet"].end),
        *flood(c, 2, 100, p["quiet"].begin, p["quiet"].end),
        *flood(c, 1, 100, p["fair"].begin, p["fair"].end)])


SCENES = {f.__name__: f for f in (five, one, hundred)}

# --- tc ---


def rate_of(percent):
    return f"{int(UPLINK * percent / 100)}bit"


def htb_begin(lab, guests):
    """A class for each guest, found by a hash of its address; the uplink's own queue."""
    lines = ["qdisc add dev uplink root handle 1: htb",
             f"class add dev uplink parent 1: classid 1:1 htb rate {UPLINK}bit",
             "filter add dev uplink parent 1: prio 1 handle 2: protocol ip u32 divisor 256",
             "filter add dev uplink parent 1: prio 1 protocol ip u32 ht 800:: match ip src 10.77.16.0/24 "
             "hashkey mask 0x000000ff at 12 link 2:"]
    for i, (percent, borrows) in guests.items():
        ceiling = f"{UPLINK}bit" if borrows else rate_of(percent)
        lines += [f"class add dev uplink parent 1:1 classid 1:{i + 16:x} htb rate {rate_of(percent)} ceil {ceiling}",
                  f"filter add dev uplink parent 1: prio 1 protocol ip u32 ht 2:{i:x}: "
                  f"match ip src 10.77.16.{i}/32 flowid 1:{i + 16:x}"]
    ip(lines, f"{lab.prefix}-a", "tc")


def tbf_begin(lab, guests):
    """What comes from a vif can only wait on an interface in between."""
    host = f"{lab.prefix}-a"
    ip(["link add ifb-a1 type ifb", "link set ifb-a1 up"], host)
    ip([f"qdisc add dev ifb-a1 root tbf rate {rate_of(guests[1][0])} burst 19kb latency 100ms",
        "qdisc add dev vif-a1 ingress",
        "filter add dev vif-a1 parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev ifb-a1"],
       host, "tc")


SERVICES = {"htb": htb_begin, "tbf": tbf_begin}


def begin(lab, c, guests):
    if c.service:
        SERVICES[c.service](lab, guests)
        return
    lab.shares = {i: f",rate={rate_of(percent)},work-conserving={'yes' if borrows else 'no'}"
                for i, (percent, borrows) in guests.items()}
    lab.controllers_start((f"--uplink-rate={UPLINK}bit", *c.flags))


# --- one run ---


def measured(phase):
    return phase.begin + SETTLE_S, phase.end - SETTLE_S


class Watch(threading.Thread):
    """Counters at the begin and the end of each phase, and the guests' states between."""

    def __init__(self, lab, scene, begin_s):
        super().__init__()
        self.lab, self.begin_s = lab, begin_s
        self.times = sorted(t for p in scene.phases.values() for t in measured(p))
        self.marks, self.states, self.cycles, self.failed = {}, [], [], None

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as s, s.makefile() as answer:
            s.connect(self.lab.socket("a"))
            s.sendall(json.dumps({"command": command}).encode() + b"\n")
            return json.loads(answer.readline())

    def look(self, at):
        if self.lab.controllers and self.lab.guests <= len(FIVE):
            self.states.append((at, {int(g["name"][1:]): g["share"]["state"] for g in self.ask("guests")["guests"]}))
            self.cycles.append((at, self.ask("cycle")["cycle"]["length_ns"]))

    def used(self):
        """Bytes of each guest, by the account."""
        if not self.lab.controllers:
            return {}
        return {int(g["name"][1:]): g["share"]["used"] for g in self.ask("guests")["guests"]}

    def run(self):
        try:
            for mark in self.times:
                while (now := time.monotonic() - self.begin_s) < mark:
                    self.look(now)
                    time.sleep(max(0, min(SAMPLE_S, mark - time.monotonic() + self.begin_s)))
                self.marks[mark] = time.monotonic() - self.begin_s, run.counters(self.lab), self.used()
        except (OSError, KeyError, ValueError) as why:
            self.failed = why


def send(lab, c, scene):
    """Return: what the sender and the receiver say, and the watch."""
    number = str(next(run.run_number))
    # Guests' numbers in a receiver's eyes are those of flows.
    receiver = start(f"{lab.prefix}-b1", f"{lab.work}/recv", "taskset", "-c", str(lab.cpus["receiver"]),
                     f"{lab.build}/tests/bench_path", "recv", "plain", "--run", number, "--size", str(SIZE),
                     "--guests", str(lab.guests), "--buckets", str(BUCKET_MS))
    wait_for(receiver, "ready", 5)
    dest, mac = lab.destination()
    seconds = max(p.end for p in scene.phases.values())
    sender = start(f"{lab.prefix}-a1", f"{lab.work}/send", "taskset", "-c", str(lab.cpus["sender"]),
                   f"{lab.build}/tests/bench_path", "send", c.sender, "--dest", f"{dest}:7000", "--mac", mac,
                   "--netns", f"{lab.prefix}-a", "--guests", str(lab.guests), "--burst", "16", "--run", number,
                   "--size", str(SIZE), "--seconds", str(seconds), "--socket", lab.socket("a"), "--halt", *scene.loads)
    run.halted(sender, 60)
    watch = Watch(lab, scene, time.monotonic())
    run.go_on(sender)
    watch.start()
    run.halted(sender, seconds + 60)
    watch.join()
    run.go_on(sender)
    sent_well, well = sender.wait(60) == 0, end(receiver)
    end(sender)
    if watch.failed:
        raise Failed(f"the controller's answers make no sense: {watch.failed}")
    if not sent_well or not well:
        raise Failed(error_of(receiver if sent_well else sender))
    with open(f"{lab.work}/send") as s, open(f"{lab.work}/recv") as r:
        return json.load(s), json.load(r), watch


class Seen:
    """What one run has shown; times are in seconds since the sender began."""

    def __init__(self, scene, sent, got, watch):
        self.scene, self.sent, self.got, self.watch = scene, sent, got, watch
        self.uplink = UPLINK
        self.first = (got["begin_ns"] - sent["begin_ns"]) / 1e9  # time of the first bucket

    def count(self, guest, begin, until):
        """Messages received; buckets of which a part counts, count so."""
        buckets, width = self.got["buckets"][guest - 1], BUCKET_MS / 1000
        a, b = (max(0, (t - self.first) / width) for t in (begin, until))
        if b <= a:
            return 0
        whole = sum(buckets[int(a) + 1:int(b)])
        edge = lambda i: buckets[i] if i < len(buckets) else 0
        if int(a) == int(b):
            return edge(int(a)) * (b - a)
        return whole + edge(int(a)) * (1 - a % 1) + edge(int(b)) * (b % 1)

    def marks(self, phase):
        return [self.watch.marks[t] for t in measured(self.scene.phases[phase])]

    def rates(self, phase):
        """Messages a second of each guest."""
        (a, *_), (b, *_) = self.marks(phase)
        return {g: self.count(g, a, b) / (b - a) for g in self.scene.guests}

    def wire(self, phase):
        """Bytes on the wire of a message."""
        (a, before, _), (b, after, _) = self.marks(phase)
        return (after["bytes"] - before["bytes"]) / max(1, sum(self.count(g, a, b) for g in self.scene.guests))

    def percent(self, phase):
        """Of the uplink, of each guest."""
        (a, _, before), (b, _, after) = self.marks(phase)
        if not after:
            bits = self.wire(phase) * 8
            return {g: 100 * r * bits / UPLINK for g, r in self.rates(phase).items()}
        return {g: 100 * 8 * (after[g] - before[g]) / (b - a) / UPLINK for g in self.scene.guests}

    def account_off(self, phase):
        """By how much what all guests are said to have used is not what was on the wire, in percent."""
        (_, first, before), (_, last, after) = self.marks(phase)
        wire = last["bytes"] - first["bytes"]
        return 100 * (sum(after.values()) - sum(before.values()) - wire) / wire if after and wire else None

    def arrived(self, guest):
        """Percent of all that it sent."""
        return 100 * sum(self.got["buckets"][guest - 1]) / max(1, self.sent["flows"][guest - 1])

    def busy_ns(self, phase):
        """CPU time that a message took, of whatever ran."""
        (a, before, _), (b, after, _) = self.marks(phase)
        ticks = sum(after["cpus"][c][1] - before["cpus"][c][1] for c in after["cpus"])
        return ticks * run.TICK_NS / max(1, sum(self.count(g, a, b) for g in self.scene.guests))

    def controller_ns(self, phase):
        (a, before, _), (b, after, _) = self.marks(phase)
        if not after["controllers"]:
            return None
        ns = after["controllers"][0] - before["controllers"][0]
        return ns / max(1, sum(self.count(g, a, b) for g in self.scene.guests))

    def cycle_s(self):
        at = self.scene.phases["all"].begin
        lengths = sorted(ns for t, ns in self.watch.cycles if at <= t <= at + 1)
        return lengths[len(lengths) // 2] / 1e9 if lengths else None

    def release_s(self):
        """After so long the owner has what it gets from then on: in each of the next ten
        spans of a cycle together at least 98 % of its mean."""
        phase, span = self.scene.phases["all"], 10 * (self.cycle_s() or LATENCY_NS / 1e9)
        mean = self.rates("all")[OWNER] * span
        at = phase.begin
        while at < phase.end - span and self.count(OWNER, at, at + span) < 0.98 * mean:
            at += BUCKET_MS / 1000
        return at - phase.begin


def jain(values):
    return sum(values) ** 2 / (len(values) * sum(v * v for v in values)) if any(values) else 0


def rest_off(percent):
    """How far what was borrowed is from being in proportion to the rates: the worst, in percent."""
    borrowed = {g: percent[g] - FIVE[g][0] for g in BORROWERS}
    per_rate = sum(borrowed.values()) / sum(FIVE[g][0] for g in BORROWERS)
    return max(abs(borrowed[g] / (FIVE[g][0] * per_rate) - 1) * 100 for g in BORROWERS) if per_rate > 0 else 100


def figures(c, scene_name, seen):
    """Name of a figure of FIGURES: measured."""
    if scene_name == "hundred":
        return {"jain": jain(list(seen.rates("fair").values())),
                "p99": seen.got["p99_ns"] / 1000 if seen.got["p99_ns"] else None, "cpu100": seen.busy_ns("fair")}
    capped = 100 * seen.percent("capped")[1] / FIVE[1][0]
    if scene_name == "one":
        return {"capped": capped, "cpu": seen.busy_ns("capped")}
    everybody = seen.percent("all")
    cycle = seen.cycle_s()
    return {"capped": capped, "alone": seen.percent("alone")[LONELY], "guarantee": everybody[OWNER],
            "sum": sum(everybody.values()), "rest": rest_off(everybody), "release_ms": seen.release_s() * 1000,
            "release": seen.release_s() / cycle if cycle else None, "steady": seen.arrived(STEADY),
            "account": seen.account_off("all"), "wire": seen.wire("all"), "messages": sum(seen.rates("all").values()),
            "cpu": seen.busy_ns("all"), "controller": seen.controller_ns("all")}


# What it is, unit, least and most that was asked for
FIGURES = {
    "guarantee": ("owner with 30 %, three flood", "% of the uplink", (28, 32)),
    "alone": ("who borrows, alone", "% of the uplink", (98, None)),
    "capped": ("who does not, alone", "% of its rate", (None, 101)),
    "rest": ("what is borrowed, against rates, worst", "% off", (None, 5)),
    "release": ("owner has its share back", "cycles", (None, 10)),
    "release_ms": ("the same", "ms", None),
    "steady": ("who sends half its rate: received of it", "%", (100, None)),
    "sum": ("all together", "% of the uplink", None),
    "account": ("the account, against the wire", "% off", None),
    "jain": ("100 guests that flood", "Jain's index", (0.99, None)),
    "p99": ("p99 of one within its rate, 99 flood", "us", None),
    "messages": ("all together", "messages/s", None),
    "wire": ("a message on the wire", "bytes", None),
    "cpu": ("CPU time of all, a message, five guests", "ns", None),
    "cpu100": ("the same, a hundred that flood", "ns", None),
    "controller": ("of it, controller of the senders' host", "ns", None),
}


def bound_text(bound):
    if not bound:
        return "-"
    low, high = (None if b is None else f"{b:g}" for b in bound)
    return f"{low} to {high}" if low and high else f">= {low}" if low else f"<= {high}"


def kept(value, bound):
    return not bound or all((bound[0] is None or value >= bound[0], bound[1] is None or value <= bound[1]))


def text(value, bound):
    if value is None:
        return "-"
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return digits if kept(value, bound) else f"{digits} !"


def table(found):
    """Rows: figures; columns: contestants."""
    rows = [["shares of the uplink", "unit", "asked", *found]]
    for name, (title, unit, bound) in FIGURES.items():
        rows.append([title, unit, bound_text(bound), *(text(m.get(name), bound) for m in found.values())])
    return (f"\nShares: {UPLINK / 1e6:g} Mbit/s, messages of {SIZE} bytes; ! is not what was asked\n\n"
            f"{results.lay_out(rows)}\n")


def scene_run(bench, c, name, seconds):
    """Return: what was seen, or None; bench.missing says why then."""
    scene = SCENES[name](c, seconds)
    run.progress(f"shares: {c.name}, guests: {name}")
    with Lab(bench.prefix, bench.work, bench.build, bench.cpus, len(scene.guests)) as lab:
        try:
            begin(lab, c, scene.guests)
            return Seen(scene, *send(lab, c, scene))
        except Failed as why:
            bench.missing[run.plan.Point(c.name)] = str(why)
            for child in set(children) - set(lab.controllers):
                end(child)
            return None


def measure(bench, seconds):
    """Return: figures by contestant, and by contestant what plots are made of."""
    found, shown = {c.name: {} for c in CONTESTANTS}, {}
    for name in SCENES:
        for c in CONTESTANTS:
            seen = scene_run(bench, c, name, seconds) if name in c.scenes else None
            if seen:
                found[c.name].update(figures(c, name, seen))
                if name == "five":
                    shown[c.name] = seen
    run.progress_end()
    return found, shown
