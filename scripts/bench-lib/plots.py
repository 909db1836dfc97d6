# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Plots, as SVG, by gnuplot: each gets its data on standard input."""
import subprocess

import plan
from results import memory_points, swap_points

HEAD = """set terminal svg size 900,460 font "sans-serif,13" background "white"
set output "{path}"
set title "{title}"
set xlabel "{x}"
set ylabel "{y}"
set grid lc rgb "#dddddd"
set key outside right
"""


def draw(path, title, x, y, commands, blocks):
    """blocks: name and rows of each data block; commands: with the names as $NAME."""
    text = HEAD.format(path=path, title=title, x=x, y=y)
    for name, rows in blocks:
        text += f"${name} << EOD\n" + "".join(" ".join(map(str, r)) + "\n" for r in rows) + "EOD\n"
    subprocess.run(["gnuplot"], input=text + commands, text=True, check=True)


def lines(path, title, x, y, settings, series):
    """series: name, rows of x and y, style."""
    series = [s for s in series if s[1]]
    if len({row[0] for s in series for row in s[1]}) < 2:
        return
    blocks = [(f"d{i}", sorted(rows)) for i, (_, rows, _) in enumerate(series)]
    plots = ", ".join(f'$d{i} using 1:2 with {style} title "{name}"' for i, (name, _, style) in enumerate(series))
    draw(path, title, x, y, settings + "\nplot " + plots + "\n", blocks)


GROUPS = {
    "kernel": ("#999999", "without Jitney"),
    "helper": ("#1b7837", "Jitney, to a helper"),
    "plain": ("#7fbf7b", "Jitney, to recvmmsg()"),
}


def group_of(r):
    c = plan.CONTESTANTS[r["contestant"]]
    return "kernel" if c.flags is None else "plain" if c.receiver == "plain" else "helper"


def throughput(path, results):
    mine = [r for r in results if r["part"] == "contest"]
    base = [r["messages_per_s"] for r in mine if r["contestant"] == "sendto"]
    if not base or not base[0]:
        return
    places = range(len(mine))
    tics = ", ".join(f'"{r["contestant"]}" {i}' for i, r in zip(places, mine))
    blocks = [(name, [(i, r["messages_per_s"] / 1000, f'{r["messages_per_s"] / base[0]:.1f}')
                      for i, r in zip(places, mine) if group_of(r) == name]) for name in GROUPS]
    boxes = [f'${name} with boxes lc rgb "{GROUPS[name][0]}" title "{GROUPS[name][1]}", ${name} with labels '
             "offset 0,0.7 notitle" for name, rows in blocks if rows]
    draw(path, "64-byte messages received, one guest to another; above: in units of sendto", "", "thousands a second",
         f"""set style fill solid
set boxwidth 0.7
set logscale y
set yrange [1:*]
set xtics rotate by -30 ({tics})
set offsets 0.5, 0.5, graph 0.15, 0
plot {", ".join(boxes)}
""", blocks)


def by_contestant(results, part, x, y, style="linespoints", factor=1):
    series = {}
    for r in results:
        if r["part"] == part and r[y] is not None:
            series.setdefault(r["contestant"], []).append((x(r), r[y] * factor))
    return [(name, rows, style) for name, rows in series.items()]


def of_contest(results, key, factor=1):
    """The points at 64 bytes that the sweep of sizes leaves out."""
    return {r["contestant"]: (r["size"], r[key] * factor) for r in results if r["part"] == "contest"}


def load_of(r):
    return float(r["load"][:-2]) if r["load"].endswith("/s") else r["messages_per_s"]


STATES = {"green": "#1b7837", "yellow": "#e6b800", "red": "#c0392b", "black": "#222222"}
STATES_STEP_S = 0.1


def states_rows(seen):
    """By state: from, to, and the guest's line, of what was seen between two looks."""
    rows = {name: [] for name in STATES}
    for (at, now), (until, _) in zip(seen.watch.states, seen.watch.states[1:]):
        for guest, state in now.items():
            rows[state].append((at, -guest, until - at, 0))
    return rows


def states(path, name, seen):
    """Above what each guest gets, below the state that it is in."""
    end = max(p.end for p in seen.scene.phases.values())
    times = [i * STATES_STEP_S for i in range(int(end / STATES_STEP_S))]
    wire = {p.begin - 1.5: seen.wire(name) for name, p in seen.scene.phases.items()}

    def megabits(guest, t):
        """What is on its way before a phase begins is the next one's."""
        octets = wire[max((begin for begin in wire if begin <= t), default=min(wire))]
        return 8e-6 * octets * seen.count(guest, t, t + STATES_STEP_S) / STATES_STEP_S

    blocks = [(f"g{g}", [(t, megabits(g, t)) for t in times]) for g in seen.scene.guests]
    rows = {s: r for s, r in states_rows(seen).items() if r}
    lines_ = ", ".join(f'$g{g} using 1:2 with lines lw 1.5 title "guest {g}: {percent:g} %{" and more" if borrows else ""}"'
                       for g, (percent, borrows) in seen.scene.guests.items())
    bands = ", ".join(f'${s} using 1:2:3:4 with vectors nohead lw 9 lc rgb "{STATES[s]}" title "{s}"' for s in rows)
    tics = ", ".join(f'"guest {g}" {-g}' for g in seen.scene.guests)
    lower = f"""unset title
set size 1, 0.42
set origin 0, 0
set xlabel "seconds"
set ylabel ""
set ytics ({tics})
set yrange [{-len(seen.scene.guests)} - 0.7:-0.3]
plot {bands}
""" if rows else ""
    draw(path, f"Shares of {seen.uplink / 1e6:g} Mbit/s, {name}", "", "Mbit/s", f"""set multiplot
set lmargin 10
set rmargin 26
set xrange [0:{end}]
set size 1, {0.58 if rows else 1}
set origin 0, {0.42 if rows else 0}
plot {lines_}
{lower}unset multiplot
""", blocks + list(rows.items()))


def all_plots(results, folder):
    throughput(f"{folder}/throughput.svg", results)
    at64 = of_contest(results, "messages_per_s", 1e-6)
    series = by_contestant(results, "sizes", lambda r: r["size"], "messages_per_s", factor=1e-6)
    lines(f"{folder}/sizes.svg", "Messages received against their size", "bytes", "millions a second",
          "set logscale xy 2", [(n, rows + [at64[n]] if n in at64 else rows, s) for n, rows, s in series])
    lines(f"{folder}/latency.svg", "Latency one way against load", "messages a second", "microseconds, p50 and p99",
          "set logscale xy",
          [(f"{n} {k[:3]}", rows, style) for k, style in (("p50_ns", "linespoints"), ("p99_ns", "linespoints dt 2"))
           for n, rows, style in by_contestant(results, "load", load_of, k, style, 1e-3)])
    lines(f"{folder}/guests.svg", "Cost of a message against the number of guests", "guests", "ns of CPU time a message",
          "set logscale xy", by_contestant(results, "guests", lambda r: r["guests"], "cpu_ns_per_message"))
    swaps = list(swap_points(results))
    lines(f"{folder}/swaps.svg", "Page swaps that sharing saves", "v t N: messages in a cycle, of all guests",
          "share of messages without a swap of their own", "set logscale x",
          [("measured", [(x, got) for x, got, _ in swaps], "points pt 7"),
           ("1 - 1/(v t N)", [(x, model) for x, _, model in swaps], "lines")])
    memory = list(memory_points(results))
    lines(f"{folder}/memory.svg", "Memory that sharing saves", "N: guests", "share of the memory of a page per guest",
          "set logscale x", [("measured", [(n, got) for n, got, _ in memory], "points pt 7"),
                             ("1 - 1/(v N), v = 1", [(n, model) for n, _, model in memory], "lines")])
