# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The path: guest, host, wire, host, guest, in network namespaces.

The picture and the names are those of scripts/lab-functions.sh, for up to 1,000
guests of host a: so everything is built in batches, addresses are given instead of
asked for (a broadcast reaches each guest), and there is no IPv6, whose interfaces
speak by themselves. Host a may have 256 peers instead of one: their frames end at
host b's uplink, which is on no bridge then (tests/bench/path/peers.h).
"""
import json
import os
import signal
import subprocess
import time

children = []  # of this run only


class Failed(Exception):
    """Something could not be started."""


def start(namespace, output, *command):
    """In the background, in a namespace; its output in files."""
    with open(output, "wb") as out, open(output + ".err", "wb") as err:
        child = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{namespace}", "--", *command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
        )
    child.output = output
    children.append(child)
    return child


def end(child, seconds=5):
    """SIGTERM, then wait. Return: whether it ended well."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    children.remove(child)
    return child.returncode == 0


def error_of(child):
    with open(child.output + ".err", errors="replace") as f:
        lines = f.read().strip().splitlines()
    if not lines or lines[-1].endswith("ready"):
        return f"it ended with status {child.returncode}"
    return lines[-1]


def wait_for(child, word, seconds, path=None):
    """Until its standard error, or this file, has the word."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with open(path or child.output + ".err", errors="replace") as f:
            if word in f.read():
                return
        if child.poll() is not None:
            break
        time.sleep(0.01)
    raise Failed(f"{' '.join(child.args[3:9])} did not start: {error_of(child)}")


def ip(lines, namespace=None, tool="ip"):
    """Many lines for ip or bridge, in one process."""
    where = ["-n", namespace] if namespace else []
    done = subprocess.run(
        [tool, *where, "-batch", "-"], input="\n".join(lines) + "\n", text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise Failed(f"{tool} {' '.join(where)}: {done.stderr.strip()}")


def two(number):
    return f"{number >> 8:02x}:{number & 255:02x}"


def mac(kind, number):
    """kind: 0a, 0b guests of host a and b; 0d guests behind peers; 0e peers; 0f uplinks."""
    return f"02:77:00:{kind}:{two(number)}"


def address(base, number):
    return f"10.77.{base + (number >> 8)}.{number & 255}"


class Lab:
    """guests of host a; peers: of host a, or 0 for host b and its guest."""

    def __init__(self, prefix, work, build, cpus, guests=1, mtu=1500, peers=0):
        self.prefix, self.work, self.build, self.cpus = prefix, work, build, cpus
        self.guests, self.mtu, self.peers = guests, mtu, peers
        self.controllers = []
        self.shares = {}  # by guest of host a: what else --guest says of it
        self.forwarders = {}  # by side: what a contestant has instead

    def __enter__(self):
        begin = time.monotonic()
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        self.seconds = time.monotonic() - begin
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            self.down()

    def namespaces(self):
        names = [f"{self.prefix}-{x}" for x in ("w", "a", "b", "b1")]
        return names + [f"{self.prefix}-a{i}" for i in range(1, self.guests + 1)]

    def destination(self):
        return (address(64, 1), mac("0d", 1)) if self.peers else (address(1, 1), mac("0b", 1))

    def up(self):
        a, b, w = (f"{self.prefix}-{x}" for x in "abw")
        ip([f"netns add {n}" for n in self.namespaces()])
        bridge = "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        for n in (a, b, w):
            ip([bridge, "link set br0 addrgenmode none", "link set br0 up"], n)
        for n, kind, port in ((a, 1, "to-a"), (b, 2, "to-b")):
            ip([f"link add uplink address {mac('0f', kind)} mtu {self.mtu} type veth "
                f"peer name {port} mtu {self.mtu} netns {w}",
                "link set uplink addrgenmode none up" + ("" if n == b and self.peers else " master br0")], n)
            ip([f"link set {port} addrgenmode none up master br0"], w)
        self.guests_up(a, "a", self.guests)
        self.guests_up(b, "b", 1)
        # A datagram of many segments would pass veths whole, larger than any frame.
        subprocess.run(["nsenter", f"--net=/run/netns/{a}", "--", "ethtool", "-K", "uplink",
                        "tx-udp-segmentation", "off"], check=True, capture_output=True)
        ip([f"fdb replace {mac('0b', 1)} dev uplink master static"], a, "bridge")
        ip([f"fdb replace {m} dev to-b master static" for m in (mac("0b", 1), mac("0f", 2))] +
           [f"fdb replace {mac('0f', 1)} dev to-a master static"], w, "bridge")

    def guests_up(self, host, side, count):
        lines = []
        for i in range(1, count + 1):
            lines += [f"link add vif-{side}{i} type veth peer name eth0 address {mac('0' + side, i)} "
                      f"netns {self.prefix}-{side}{i}",
                      f"link set vif-{side}{i} addrgenmode none up master br0"]
        ip(lines, host)
        base = 16 if side == "a" else 1
        first, first_mac = self.destination()
        neighbours = [f"neighbour add {first} lladdr {first_mac} nud permanent dev eth0"]
        if side == "a" and self.peers:
            neighbours = [f"neighbour add {address(64, k)} lladdr {mac('0d', k)} nud permanent dev eth0"
                          for k in range(1, self.peers + 1)]
        for i in range(1, count + 1):
            ip(["link set lo up", "link set eth0 addrgenmode none up",
                f"address add {address(base, i)}/16 dev eth0", *neighbours], f"{self.prefix}-{side}{i}")

    def down(self):
        """Interfaces first: a namespace goes for good a little later."""
        for n in ("a", "b"):
            subprocess.run(["ip", "-n", f"{self.prefix}-{n}", "link", "del", "uplink"],
                           capture_output=True, check=False)
        there = set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()
        lines = [f"netns del {n}" for n in self.namespaces() if n in there]
        if lines:
            ip(lines)

    # --- controllers ---

    def config(self, side, flags):
        """Who takes part, and more flags, as a file for jitneyd."""
        mine, other = ("a", "b") if side == "a" else ("b", "a")
        lines = ["uplink = uplink", f"name = {mine}", f"socket = {self.socket(side)}", f"cpu = {self.cpus[side]}"]
        for i in range(1, (self.guests if side == "a" else 1) + 1):
            base = 16 if side == "a" else 1
            lines.append(f"guest = {mine}{i}=vif-{mine}{i},mac={mac('0' + side, i)},ip={address(base, i)}" +
                         (self.shares.get(i, "") if side == "a" else ""))
        if self.peers:
            for k in range(1, self.peers + 1):
                lines += [f"peer = p{k}={mac('0e', k)}", f"remote = {mac('0d', k)}=p{k}"]
        else:
            lines.append(f"peer = {other}={mac('0f', 2 if side == 'a' else 1)}")
            for i in range(1, (1 if side == "a" else self.guests) + 1):
                lines.append(f"remote = {mac('0' + other, i)}={other}")
        lines += [f[2:].replace("=", " = ", 1) if "=" in f else f[2:] + " = yes" for f in flags]
        path = f"{self.work}/{side}.conf"
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def socket(self, side):
        return f"{self.work}/{side}.sock"

    def controllers_start(self, flags):
        for side in "a" if self.peers else "ab":
            own = [f for f in flags if side == "a" or not f.startswith(("--trust", "--page-per-guest"))]
            self.controllers.append(start(f"{self.prefix}-{side}", f"{self.work}/{side}.log",
                                          f"{self.build}/bin/jitneyd", "--config", self.config(side, own)))
        for child in self.controllers:
            wait_for(child, "jitneyd: ready", 90)

    def stop(self):
        while self.controllers:
            end(self.controllers.pop(), 90)
        while self.forwarders:
            end(self.forwarders.popitem()[1])

    def ask(self, side, what):
        done = subprocess.run([f"{self.build}/bin/jitney", "--json", "--socket", self.socket(side), what],
                              capture_output=True, check=True)
        return json.loads(done.stdout)
