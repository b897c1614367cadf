"""Surroundings: what of a host is worth a note, and which launches say nothing about links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mlxdiag.inventory import Host
from mlxdiag.probe.judge import judge
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.surroundings import one_machine, surroundings
from tests.probe.logs import HEALTHY, checked, done, imported, log, mesh, plan, ran, samples


def on(made: Plan, *hosts: Host) -> Plan:
    ranks = [replace(r, host=h) for r, h in zip(made.ranks, hosts, strict=True)]
    return replace(made, ranks=tuple(ranks))


def noted(*said: Mapping[str, object]) -> tuple[str, ...]:
    logs = [log(n, imported(), checked(), samples(), *done()) for n in range(len(said))]
    for one, more in zip(logs, said, strict=True):
        one.events[0].update(more)
    return judge(plan(len(said)), ran(logs)).notes


def test_nothing_notable_is_not_noted() -> None:
    assert noted({"load": 5.9, "cores": 12, "scrubbed": []}, {"load": 0.1, "cores": 8}) == ()
    assert noted({}, {}) == ()


def test_load_scrubbed_variables_and_fast_synch_are_noted() -> None:
    busy = {"load": 6.1, "cores": 12}
    set_ = {"scrubbed": ["JACCL_RANK", "MLX_METAL_FAST_SYNCH"], "fast_synch": "1"}
    assert noted(busy, set_) == (
        "mac0: load 6.1 on 12 cores when a launch began",
        "mac1: MLX_METAL_FAST_SYNCH=1 of the login environment was not used; it changes latency",
        "mac1: its login environment sets JACCL_RANK; not used",
    )


@pytest.mark.parametrize(
    ("hosts", "reason"),
    [
        ((Host("a", "10.0.0.1"), Host("b", "10.0.0.2")), ""),
        ((Host("a", "a.local"), Host("b", "127.0.0.2")), ""),
        ((Host("a", "127.0.0.1"), Host("a", "127.0.0.1")), "all ranks are on one machine"),
        (
            (Host("a", "127.0.0.2"), Host("b", "127.0.0.3")),
            "all ranks are on one machine, at loopback addresses",
        ),
        (
            (Host("a", "10.0.0.1"), Host("b", "10.0.0.1")),
            "several hosts of the inventory have one address",
        ),
        ((Host("a", "gate", port=2201), Host("b", "gate", port=2202)), ""),
        (
            (Host("a", "localhost"), Host("b", "::1")),
            "all ranks are on one machine, at loopback addresses",
        ),
    ],
)
def test_ranks_of_one_machine_have_no_link(hosts: tuple[Host, Host], reason: str) -> None:
    made = on(plan(2, "jaccl", mesh(2)), *hosts)
    assert one_machine(made) == reason
    ns = list(HEALTHY)
    logs = [log(n, imported(), checked(), samples(ns), *done()) for n in range(2)]
    (row,) = judge(made, ran(logs)).rows
    assert (row.link.gb_per_s is None) is bool(reason)
    assert row.link.reason == (f"{reason}: there is no link" if reason else "")


def test_hosts_shared_by_some_ranks_and_more_ranks_than_cores_are_said() -> None:
    one, other = Host("a", "10.0.0.1"), Host("b", "10.0.0.2")
    made = on(plan(3), one, one, other)
    assert one_machine(made) == "several ranks share a host"
    logs = [log(n, imported(), checked(), samples(), *done()) for n in range(3)]
    for log_, host in zip(logs, ("a", "a", "b"), strict=True):
        log_.host = host
        log_.events[0].update(cores=1, load=0.0)
    assert judge(made, ran(logs)).notes == (
        "several ranks share a host: no verdict on speed",
        "a: oversubscribed, 2 ranks on 1 cores",
    )


def test_what_a_rank_did_not_say_is_none() -> None:
    (only,) = surroundings(ran([log(0, up_to="nothing")]))
    assert (only.mlx, only.load, only.cores, only.scrubbed, only.fast_synch) == (
        None, None, None, (), None,
    )  # fmt: skip
