# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One run at one point, and rounds of them: what is counted is what was received."""
import glob
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from itertools import count, groupby
from statistics import median_low

import dpdk
import plan
from lab import Failed, Lab, children, end, error_of, start, wait_for

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
SERVICES = {"dpdk": dpdk}
DRAIN_S = 0.03  # what is on its way when the sender has sent its last is there by then
STARTS = 5  # of controllers, or a service, until they can't be had
run_number = count(1)


def progress(text):
    sys.stderr.write(f"\r\033[K  {text}" if sys.stderr.isatty() else f"  {text}\n")
    sys.stderr.flush()


def progress_end():
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def cpus():
    """Each guest's CPU is that of its machine's controller, unless there are four: so a machine of
    two guests and two hosts is two CPUs, and all contestants have both."""
    n = len(os.sched_getaffinity(0))
    if n >= 4:
        return {"sender": 2, "a": 0, "b": 1, "receiver": 3}
    return {"sender": 0, "a": 0, "b": min(1, n - 1), "receiver": min(1, n - 1)}


def run_ns(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0])


@cache
def softirqds():
    pids = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path) as f:
                if f.read().startswith("ksoftirqd/"):
                    pids.append(int(path.split("/")[2]))
        except OSError:
            pass
    return pids


def cpu_ticks():
    """Of each CPU: in softirq, and not idle."""
    ticks = {}
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith("cpu") and line[3].isdigit():
                name, *t = line.split()
                t = [int(x) for x in t]
                ticks[name] = (t[6], sum(t[:3]) + sum(t[5:8]))
    return ticks


def memory(status):
    """Of the pages that messages go into, and of the tables beside the main page."""
    page, own = status["page"], sum(d["memory"] for d in status["domains"])
    return page["memory"] + (own - page["page_size"] * page["banks"] if own else 0)


def counters(lab):
    """Everything that grows."""
    wire = subprocess.run(["ip", "-n", f"{lab.prefix}-w", "-s", "-j", "link", "show", "to-a"],
                          capture_output=True, check=True)
    rx = json.loads(wire.stdout)[0]["stats64"]["rx"]
    c = {"softirqd": sum(run_ns(p) for p in softirqds()), "frames": rx["packets"], "bytes": rx["bytes"],
         "cpus": cpu_ticks(), "controllers": [run_ns(child.pid) for child in lab.controllers]}
    if lab.controllers:
        status = lab.ask("a", "status")
        c["aboard"] = status["totals"]["sent_messages"]
        c["swaps"] = status["totals"]["swaps"] + sum(d["swaps"] for d in status["domains"])
        c["memory"] = memory(status)
    return c


def shape(lab, point, rate, number):
    dest, mac = lab.destination()
    options = ["--dest", f"{dest}:7000", "--mac", mac, "--netns", f"{lab.prefix}-a", "--guests", point.guests,
               "--destinations", point.destinations, "--burst", point.burst, "--seconds", point.seconds,
               "--size", point.size, "--run", number, "--rate", rate, "--socket", lab.socket("a")]
    return [str(x) for x in options]


def command(lab, contestant, what):
    if contestant.service:
        return SERVICES[contestant.service].command(lab, what)
    return [f"{lab.build}/tests/bench_path", what, contestant.sender if what == "send" else contestant.receiver]


def halted(child, seconds):
    """Until it has stopped itself, or ended: attaching 1,000 helpers is not what is measured."""
    deadline = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < deadline:
        with open(f"/proc/{child.pid}/stat") as f:
            if f.read().rpartition(")")[2].split()[0] == "T":
                return
        time.sleep(0.002)


def go_on(child):
    if child.poll() is None:
        child.send_signal(signal.SIGCONT)


def run(lab, point, rate=0):
    """Return: counters before and after, what the sender says, and what the receiver says."""
    c = plan.CONTESTANTS[point.contestant]
    number = next(run_number)
    where = f"{lab.prefix}-b" if c.receiver == "peers" else f"{lab.prefix}-b1"
    receiver = start(where, f"{lab.work}/recv", "taskset", "-c", str(lab.cpus["receiver"]),
                     *command(lab, c, "recv"), "--run", str(number), "--size", str(point.size),
                     "--socket", lab.socket("b"))
    wait_for(receiver, "ready", 5)
    sender = start(f"{lab.prefix}-a1", f"{lab.work}/send", "taskset", "-c", str(lab.cpus["sender"]),
                   *command(lab, c, "send"), *shape(lab, point, rate, number), *([] if c.service else ["--halt"]))
    if not c.service:
        halted(sender, 60)
    before = counters(lab)
    go_on(sender)
    halted(sender, point.seconds + 60)
    time.sleep(DRAIN_S)
    after = counters(lab)
    go_on(sender)
    try:
        sender.wait(60)
    except subprocess.TimeoutExpired:
        pass
    sent_well, well = end(sender), end(receiver)
    if not sent_well:
        raise Failed(error_of(sender))
    if not well:
        raise Failed(f"a receiver failed: {error_of(receiver)}")
    with open(f"{lab.work}/send") as s, open(f"{lab.work}/recv") as r:
        return before, after, json.load(s), json.load(r)


def grown(before, after, key):
    return after[key] - before[key] if key in after else None


def per(value, n):
    return None if value is None else value / n


def record(lab, part, point, load, round_number, before, after, sent, got):
    n = max(1, got["received"])
    controllers = [y - x for x, y in zip(before["controllers"], after["controllers"])]
    controllers += [r["forwarder_ns"] for r in (sent, got) if "forwarder_ns" in r]
    softirqd = grown(before, after, "softirqd")
    softirq, busy = ([after["cpus"][c][i] - before["cpus"][c][i] for c in after["cpus"]] for i in (0, 1))
    frames, octets, swaps = (grown(before, after, k) for k in ("frames", "bytes", "swaps"))
    timed = point.load != plan.FULL and "p50_ns" in got
    return {
        "contestant": point.contestant, "size": point.size, "guests": point.guests,
        "destinations": point.destinations, "mtu": point.mtu, "load": load,
        "messages_per_s": got["received"] / got["seconds"] if got["seconds"] else 0,
        "cpu_ns_per_message": (sent["cpu_ns"] + sum(controllers) + softirqd + got["cpu_ns"]) / n,
        "frames_per_s": frames / sent["seconds"], "bytes_per_s": octets / sent["seconds"],
        "swaps_per_s": per(swaps, sent["seconds"]),
        **{k: got[k] if timed else None for k in ("p50_ns", "p99_ns", "p999_ns", "max_ns")},
        "part": part, "frame": plan.FRAME[point.mtu], "flags": " ".join(point.flags), "burst": point.burst,
        "sent_per_s": sent["sent"] / sent["seconds"], "loss": (sent["sent"] - got["received"]) / max(1, sent["sent"]),
        "sender_ns_per_message": sent["cpu_ns"] / n,
        "sending_controller_ns_per_message": controllers[0] / n if controllers else None,
        "receiving_controller_ns_per_message": controllers[1] / n if len(controllers) > 1 else None,
        "receiver_ns_per_message": got["cpu_ns"] / n, "softirqd_ns_per_message": softirqd / n,
        "softirq_ns_per_message": sum(softirq) * TICK_NS / n,
        "softirq_ns_per_message_of_cpus": [t * TICK_NS / n for t in softirq],
        "busy_ns_per_message_of_cpus": [t * TICK_NS / n for t in busy],
        "frames_per_message": frames / max(1, sent["sent"]), "bytes_per_message": octets / max(1, sent["sent"]),
        "swaps_per_message": per(swaps, n), "aboard": per(grown(before, after, "aboard"), max(1, sent["sent"])),
        "memory": after.get("memory"), "wrong": got["altered"] + got["reordered"], "round": round_number,
    }


def begin(lab, service, flags):
    """An AF_XDP socket of who had the uplink before may outlive its program for a moment."""
    for more in range(STARTS - 1, -1, -1):
        try:
            if service:
                SERVICES[service].begin(lab)
            elif flags is not None:
                lab.controllers_start(flags)
            return
        except Failed:
            lab.stop()
            if not more:
                raise
            time.sleep(0.3)


def describe(point):
    centre = plan.Point(point.contestant)
    ways = [f"{k} {getattr(point, k)}" for k in ("size", "guests", "destinations", "mtu", "load")
            if getattr(point, k) != getattr(centre, k)]
    return ", ".join([point.contestant, *ways, *point.flags])


class Bench:
    """All that one call of scripts/bench measures."""

    def __init__(self, prefix, work, build, rounds):
        self.prefix, self.work, self.build = prefix, work, build
        self.rounds, self.cpus = rounds, cpus()
        self.records, self.setup = [], {}
        self.missing = {}  # point: why it can't be had here
        self.full = {}  # contestant: messages a second at saturation

    def rate_of(self, lab, point):
        """Messages a second, and what that load is called."""
        if point.load == plan.FULL:
            return 0, plan.FULL
        if point.load != plan.HALF:
            return point.load, f"{point.load}/s"
        name = point.contestant
        if name not in self.full:
            *_, got = run(lab, point._replace(load=plan.FULL, burst=256, seconds=0.3))
            self.full[name] = got["received"] / got["seconds"]
        return self.full[name] / 2, plan.HALF

    def measure(self, lab, part, point, round_number):
        progress(f"{part}, round {round_number} of {self.rounds}: {describe(point)}")
        try:
            rate, load = self.rate_of(lab, point)
            found = run(lab, point, rate)
        except Failed as why:
            self.missing[point] = str(why)
            for child in set(children) - set(lab.controllers):
                end(child)
            return
        self.records.append(record(lab, part, point, load, round_number, *found))

    def setting(self, lab, part, setting, points, rounds):
        """With a service, or controllers that have these flags, or none."""
        points = [p for p in points if p not in self.missing]
        if not points:
            return
        try:
            begin(lab, *setting)
            if lab.controllers:
                # The first messages find out that the peers live.
                first = max(points, key=lambda p: p.destinations)._replace(seconds=0.1, burst=16)
                run(lab, first, 1000 * max(first.guests, first.destinations))
        except Failed as why:
            self.missing.update({p: str(why) for p in points})
            lab.stop()
            return
        for r in rounds:
            for p in points if r % 2 else reversed(points):
                self.measure(lab, part, p, r)
        lab.stop()

    def in_lab(self, lab, part, settings):
        """To attach to a guest takes the kernel some milliseconds: with very many of them, settings do
        not take turns, but each has its rounds one after another."""
        rounds = range(1, self.rounds + 1)
        for some in [rounds] if lab.guests >= plan.MANY or len(settings) == 1 else [[r] for r in rounds]:
            for setting, points in settings if some[0] % 2 else reversed(settings):
                self.setting(lab, part, setting, points, some)

    def why_not(self, contestant):
        """None if it can be measured here."""
        if contestant.service:
            return SERVICES[contestant.service].why_not(self.build)
        known = subprocess.run([f"{self.build}/bin/jitneyd", "--help"], capture_output=True, text=True, check=True)
        for flag in contestant.flags or ():
            if flag.split("=")[0] not in known.stdout:
                return f"this jitneyd has no {flag}"
        return None

    def part(self, name, points):
        reasons = {n: self.why_not(plan.CONTESTANTS[n]) for n in dict.fromkeys(p.contestant for p in points)}
        self.missing.update({p: reasons[p.contestant] for p in points if reasons[p.contestant]})
        points = [p for p in points if p not in self.missing]

        def lab_of(p):
            peers = p.destinations and max(q.destinations for q in points)
            return p.guests, p.mtu, peers if plan.CONTESTANTS[p.contestant].receiver == "peers" else 0

        def setting_of(p):
            c = plan.CONTESTANTS[p.contestant]
            return c.service, None if c.flags is None else c.flags + p.flags

        for (guests, mtu, peers), in_lab in groupby(sorted(points, key=lab_of), lab_of):
            in_lab = list(in_lab)
            settings = [(s, [p for p in in_lab if setting_of(p) == s]) for s in dict.fromkeys(map(setting_of, in_lab))]
            started = time.monotonic()
            with Lab(self.prefix, self.work, self.build, self.cpus, guests, mtu, peers) as lab:
                self.setup[f"{guests} guests, {peers} peers"] = lab.seconds
                self.in_lab(lab, name, settings)
            progress(f"{name}: {time.monotonic() - started:.0f} s with {guests} guests, {peers or 1} peers")
        if name == "contest":
            self.full.update({m["contestant"]: m["messages_per_s"] for m in medians(self.records)})
        progress_end()


KEY = ("part", "contestant", "size", "guests", "destinations", "mtu", "load", "burst", "flags")


def middle(values):
    """Median, number by number where there are several."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    if isinstance(values[0], list):
        return [median_low(v) for v in zip(*values)]
    m = median_low(values)
    return m if isinstance(m, str) or abs(m) < 100 else round(m)


def medians(records):
    """Over the rounds; spread: (max - min) / median, of messages/s or of p50."""
    groups = {}
    for r in records:
        groups.setdefault(tuple(r[k] for k in KEY), []).append(r)
    results = []
    for same in groups.values():
        first = same[0]
        m = {k: first[k] if k in KEY else middle([r[k] for r in same]) for k in first if k != "round"}
        what = [r["p50_ns"] or r["messages_per_s"] for r in same]
        m.update(wrong=sum(r["wrong"] for r in same), rounds=len(same),
                 spread=(max(what) - min(what)) / median_low(what) if median_low(what) else None)
        results.append(m)
    return results
