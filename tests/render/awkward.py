"""One awkward report: 64 hosts, every status, hostile names and outputs, launches good and bad."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from mlxdiag import report
from mlxdiag.backends import ring
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.finding import Severity
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan, Refusal, Settings
from mlxdiag.probe.said import GangRun
from mlxdiag.recording import Recording
from mlxdiag.report import Report
from tests.checks.recorded import altered, printing, recorded, unreached
from tests.probe.logs import checked, done, failed, log, ran, samples

NASTY = (
    "<script>window.hit=1</script><img src=x onerror='window.hit=1'>&amp;\"'`*_~|$x$ [a](http://evil"
    ".example) ![i](//evil.example/p.png) @everyone ::error::no %0A :boom: https://evil.example/ "
    "www.evil.example {{ 7 * 7 }} {% raw %} ]]> --> </style></title> "
    "\U0001f4a5\U0001f469\u200d\U0001f680 "
    "\x1b[31mred\x00\x07\x9b\u202e \\N \\ \ufeff"
)
"""Markup of every format, emoji, control and direction characters."""

NAMES = f"{NASTY}\ud800"
"""And half of a pair, which no file can hold."""

LINES = f"first\n::error::second\r\n{NASTY}\n\n# third\n| fourth |"
SIZES = (4, 1024, 1 << 20)


def launch(
    hosts: list[Host], ns: tuple[int, ...] = (26000, 50000, 400000), part: str = "whole"
) -> tuple[Plan, GangRun]:
    addresses = [[host.address] for host in hosts]
    plan = Plan("ring", "ring", ring.ranks(hosts, addresses, 20000), "n", Settings(sizes=SIZES))
    said = [samples([one] * 5, size) for one, size in zip(ns, SIZES, strict=True)]
    logs = [log(n, checked(), *said, *done()) for n in range(len(hosts))]
    return replace(plan, part=part, notes=(NASTY,)), ran(logs)


def broken(hosts: list[Host]) -> tuple[Plan, GangRun]:
    plan, _ = launch(hosts)
    stderr = {"ev": "stderr", "text": LINES}
    logs = [log(0, *done()), log(1, stderr, failed(NASTY))]
    return plan, ran(logs, "failed", left=[f"rank 1 {NASTY}"])


@cache
def awkward_recording() -> Recording:
    """Make the recording; names of hosts are as an inventory allows them."""
    made = recorded("ring-64")
    text = NASTY.encode()
    made = altered(made, "macstudio3", "sysctl", b"Apple M3 Ultra", text)
    made = altered(made, "macstudio4", "sw_vers", b"26.3", b"26.2 " + b"<b>&" + b"\xf0\x9f\x92\xa5")
    made = altered(made, "macstudio5", "ibv_devinfo", b"PORT_ACTIVE (4)", b"PORT_DOWN (1)")
    made = printing(made, "macstudio6", "ifconfig", text)
    made = unreached(made, "macstudio7", Outcome.CONNECT_TIMEOUT)
    said = LINES.encode()
    bad = Capture("ibv_devinfo", ("ibv_devinfo", "-v"), Outcome.EXITED, 1, stderr=said)
    host = {**made.hosts["macstudio8"], "ibv_devinfo": bad}
    access = Capture(ACCESS, ("ssh",), Outcome.REFUSED, detail=LINES)
    made = replace(made, hosts={**made.hosts, "macstudio8": host, "macstudio9": {ACCESS: access}})
    two = list(made.inventory.hosts[:2])
    plans = (launch(two), launch(two, part="pair"), broken(two))
    return replace(made, probes=plans, refusals=(Refusal("jaccl", f"no: {NASTY[:200]}", None),))


@cache
def awkward(command: str = "ports", fail_on: Severity = Severity.ERROR) -> Report:
    """Report on it, under names that no inventory allows."""
    made = awkward_recording()
    names = {
        h.name: f"{h.name} {NAMES}" if n % 9 == 2 else h.name
        for n, h in enumerate(made.inventory.hosts)
    }
    hosts = tuple(replace(h, name=names[h.name]) for h in made.inventory.hosts)
    captures = {names[name]: found for name, found in made.hosts.items()}
    inventory = replace(made.inventory, cluster=NAMES, hosts=hosts)
    renamed = replace(made, inventory=inventory, hosts=captures)
    return report.build(renamed, command, f"0.1.0{NAMES}", fail_on=fail_on)
