# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tables: each sweep, the parts alone, and what was asked for beside what was measured."""
import plan

WIRE_EXTRA = 24  # bytes of a frame on the wire that tcpdump does not count: preamble, FCS, gap
HEAD = (("messages/s", "messages_per_s", 1), ("spread %", "spread", 100), ("lost %", "loss", 100))
COST = (("sender", "sender_ns_per_message", 1), ("ctl-a", "sending_controller_ns_per_message", 1),
        ("ctl-b", "receiving_controller_ns_per_message", 1), ("receiver", "receiver_ns_per_message", 1),
        ("ksoftirq", "softirqd_ns_per_message", 1), ("all", "cpu_ns_per_message", 1))
WIRE = (("frames/s", "frames_per_s", 1), ("MB/s", "bytes_per_s", 1e-6), ("swaps/s", "swaps_per_s", 1))
TIME = (("p50 us", "p50_ns", 1e-3), ("p99 us", "p99_ns", 1e-3), ("p99.9 us", "p999_ns", 1e-3), ("max us", "max_ns", 1e-3))

# part: title, what differs between its points, figures
TABLES = {
    "contest": ("Everything that a guest could send small messages with, as fast as it goes", (), HEAD + COST + WIRE),
    "sizes": ("Message size", ("size",), HEAD + COST + WIRE),
    "guests": ("Guests of one machine, to one destination", ("guests",), HEAD + COST + WIRE),
    "destinations": ("Peers, each guest behind another machine", ("destinations",), HEAD + COST[:2] + COST[3:] + WIRE),
    "mtu": ("Frames of 3,800 bytes", ("frame",), HEAD + COST + WIRE),
    "load": ("Latency against load", ("load",), HEAD + TIME + COST[-1:]),
    "latency": ("Latency against its bound", ("load", "flags"), HEAD + TIME + COST[-1:] + WIRE[2:]),
    "cycle": ("Static and auto cycle", ("load", "flags"), HEAD + TIME[:2] + COST[-1:] + WIRE),
    "swaps": ("Page swaps: messages a second, of all guests", ("guests", "load"), HEAD + WIRE + (("aboard %", "aboard", 100), ("memory KiB", "memory", 1 / 1024))),
}


def number(value, factor=1):
    if value is None:
        return "-"
    value *= factor
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def lay_out(rows):
    """The first column left, the others right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip() for r in rows
    )


def table(part, results):
    title, ways, figures = TABLES[part]
    mine = [r for r in results if r["part"] == part]
    if not mine:
        return ""
    rows = [["contestant", *ways, *(f[0] for f in figures)]]
    for r in mine:
        rows.append([r["contestant"], *(str(r[w]) or "-" for w in ways), *(number(r[k], x) for _, k, x in figures)])
    return f"\n{title}\n\n{lay_out(rows)}\n"


def part_tables(organizer, transmit):
    rows = [["the organizer in the vif's program", "IP", "bytes", "ns a message", "quartiles"]]
    rows += [[o["program"], str(o["family"]), str(o["size"]), number(o["median_ns"]),
              f"{number(o['low_quartile_ns'])} to {number(o['high_quartile_ns'])}"] for o in organizer]
    keys = ("size", "total_ns", "sendto_ns", "beyond_ns", "beyond_min_ns", "seal_ns", "reap_ns", "wipe_ns",
            "organize_ns", "organize_partial_ns")
    more = [["the controller, ns a frame", *(k[:-3] for k in keys[1:])]]
    more += [[f"{t['size']} bytes", *(number(t[k]) for k in keys[1:])] for t in transmit]
    return f"\n{lay_out(rows)}\n\n{lay_out(more)}\n"


def call_table(calls):
    return "\n" + lay_out([["a helper's call", "ns", ""],
                           ["deferred: its caller", number(calls["deferred_ns"]), ""],
                           ["deferred: the controller", number(calls["executed_ns"]), ""],
                           ["immediate: its caller", number(calls["immediate_ns"]),
                            f"{number(calls['ratio'])} times as much"]]) + "\n"


class Found:
    """Looks results up; None where that was not measured."""

    def __init__(self, results):
        self.results = results

    def one(self, contestant, key, part="contest", **other):
        for r in self.results:
            if (r["part"], r["contestant"]) == (part, contestant) and all(r[k] == v for k, v in other.items()):
                return r[key]
        return None

    def ratio(self, above, below, key="messages_per_s", **where):
        a, b = self.one(above, key, **where), self.one(below, key, **where)
        return a / b if a is not None and b else None


def saved(found, key, extra=0):
    """In percent, of what sendto needs, per message."""
    def of(name):
        f, b = found.one(name, "frames_per_message"), found.one(name, key)
        return None if b is None else b + extra * f
    a, b = of("slice"), of("sendto")
    return 100 * (1 - a / b) if a is not None and b else None


def swap_points(results):
    """Messages of all guests in a cycle, messages that went without a swap, and what the model says."""
    for r in results:
        if r["part"] == "swaps" and r["contestant"] == "slice":
            x = float(r["load"].split("/")[0]) * plan.SWAP_CYCLE_S
            yield x, 1 - r["swaps_per_message"], 1 - 1 / x


def memory_points(results):
    """Guests, memory that sharing saves, and what the model says: a page for each guest, or one."""
    by = {}
    for r in results:
        if r["part"] == "swaps" and r["memory"]:
            by.setdefault(r["guests"], {})[r["contestant"]] = r["memory"]
    for n, m in sorted(by.items()):
        if "slice-page-per-guest" in m and "slice" in m:
            yield n, 1 - m["slice"] / m["slice-page-per-guest"], 1 - 1 / n


def part_figure(items, key, **where):
    for i in items:
        if all(i[k] == v for k, v in where.items()):
            return i[key]
    return None


def latency_bound(found):
    """p99 at half load, in units of the bound plus the kernel's own p99 there: the worst."""
    kernel = found.one("sendto", "p99_ns", part="latency")
    ratios = []
    for r in found.results:
        if r["part"] == "latency" and r["flags"] and kernel and r["p99_ns"]:
            text = r["flags"].split("=")[1]
            bound = float(text[:-2]) * {"us": 1e3, "ms": 1e6}[text[-2:]]
            ratios.append(r["p99_ns"] / (bound + kernel))
    return max(ratios, default=None)


def asked(results, organizer, transmit, idle):
    """Rows: figure, unit, whether more is better, reach, aim, measured."""
    f = Found(results)
    plain = max((f.ratio(n, "sendto") or 0 for n in ("stack-plain", "xdp-plain", "slice-plain", "map-plain")), default=0)
    swaps = [abs(got / model - 1) * 100 for _, got, model in swap_points(results)]

    def grown(name):
        """Cost of a message with 1,000 guests, in units of that with one."""
        a, b = (f.one(name, "cpu_ns_per_message", part="guests", guests=n) for n in (1000, 1))
        return a / b if a and b else None

    return (
        ("map, delivered to a helper", "x UDP send", True, 25, 40, f.ratio("map", "sendto")),
        ("slice", "x UDP send", True, 20, 30, f.ratio("slice", "sendto")),
        ("xdp", "x UDP send", True, 12, 20, f.ratio("xdp", "sendto")),
        ("slice against memif to an AF_XDP uplink", "x", True, 8, 15, f.ratio("slice", "memif")),
        ("stack: sender's own rate", "x without Jitney", True, 1, 1.3, f.ratio("stack", "sendto", "sent_per_s")),
        ("delivery to an unmodified receiver, best call", "x UDP send", True, 2, 4, plain or None),
        ("XDP organizer, a message", "ns", False, 100, 60,
         part_figure(organizer, "median_ns", program="jitney_vif", family=4, size=64)),
        ("controller beyond send, a frame", "ns", False, 150, 60, part_figure(transmit, "beyond_ns", size=64)),
        ("frames on the wire (slice)", "% fewer", True, 95, None, saved(f, "frames_per_message")),
        ("bytes on the wire, as tcpdump counts", "% fewer", True, 40, 46, saved(f, "bytes_per_message")),
        ("bytes on the wire, all", "% fewer", True, 40, 46, saved(f, "bytes_per_message", WIRE_EXTRA)),
        ("idle latency, one message a second, p50", "x the kernel's", False, 1.5, 1.1,
         f.ratio("stack-plain", "sendto", "p50_ns", part="load", load="1/s")),
        ("p99 at half load with --latency L, worst", "x (L + kernel)", False, 1, None, latency_bound(f)),
        ("swaps against the model, worst", "% off", False, 2, None, max(swaps, default=None)),
        ("cost per message, 1,000 guests (stack)", "x of 1", False, 1.5, 1.2, grown("stack")),
        ("cost per message, 1,000 guests (slice)", "x of 1", False, 1.5, 1.2, grown("slice")),
        ("controller's CPU when nobody sends", "%", False, 0.1, 0, idle and idle["cpu_percent"]),
        ("controller's wake-ups when nobody sends", "a second", False, None, 0, idle and idle["wakeups_per_s"]),
    )


def verdict(more, reach, aim, got):
    if got is None:
        return "not measured"
    for name, bound in (("aim reached", aim), ("reached", reach)):
        if bound is not None and (got >= bound if more else got <= bound):
            return name
    short = reach if reach is not None else aim
    return f"short by {number(abs(got - short))}"


def asked_table(rows):
    lines = [["what the issue asks for", "unit", "reach", "aim", "measured", ""]]
    lines += [[name, unit, number(reach), number(aim), number(got), verdict(more, reach, aim, got)]
              for name, unit, more, reach, aim, got in rows]
    return f"\n{lay_out(lines)}\n"
