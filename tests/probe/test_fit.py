"""What hosts lack for a backend: named, with what to type, before anything is started."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mlxdiag import cluster
from mlxdiag.backends import ring
from mlxdiag.backends.backend import Site
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.inventory import Host, Inventory
from mlxdiag.probe import choose, fit
from mlxdiag.probe.plan import Plan, Refusal, Settings
from mlxdiag.recommend import recommend
from mlxdiag.recording import Recording
from mlxdiag.report import build

ORDER = ("mac1", "mac2", "mac3", "mac4")
FINE: dict[str, Any] = {
    "mlxdiag": 1, "python": "3.12.8", "executable": "/opt/env/bin/python", "mlx": "0.32.4",
    "mlx_metal": "0.32.4", "mlx_lm": None, "tags": ["py3-none-macosx_26_0_arm64"],
    "backends": ["ring", "jaccl"], "error": None,
}  # fmt: skip
BARE: dict[str, Any] = {
    "mlx": None,
    "backends": [],
    "error": "ModuleNotFoundError: No module named 'mlx'",
}

Said = dict[str, Any] | Capture


def capture(outcome: Outcome, detail: str = "") -> Capture:
    return Capture("mlx_runtime", (), outcome, detail=detail)


def answer(said: dict[str, Any], before: str = "") -> Capture:
    out = before + json.dumps({**FINE, **said}) + "\n"
    return Capture("mlx_runtime", (), Outcome.EXITED, 0, stdout=out.encode())


def site(*said: Said, python: str | None = None) -> Site:
    """Describe four hosts by what differs from one that has everything."""
    captures = {}
    for name, one in zip(ORDER, (*said, *[{}] * (4 - len(said))), strict=True):
        runtime = one if isinstance(one, Capture) else answer(one)
        reached = Capture(ACCESS, (), Outcome.EXITED, 0)
        captures[name] = {ACCESS: reached, "mlx_runtime": runtime}
    hosts = tuple(Host(name, name, python=python, ip="10.0.0.1") for name in ORDER)
    seen = fit.settled(cluster.build(Inventory("four", hosts), captures))
    return Site(seen, (), recommend(seen, (), ()))


def refused(*said: Said, backend: str = "ring", python: str | None = None) -> Refusal:
    asked = replace(ring.BACKEND, name=backend, mlx_name=backend)
    found = choose.over_site(asked, site(*said, python=python), ORDER, 20000, "0" * 16, Settings())
    assert isinstance(found, Refusal)
    return found


def exit_code(refusal: Refusal) -> int:
    recording = Recording(
        Inventory("x", ()), {}, "2026-01-01T00:00:00Z", 0.0, "0", refusals=(refusal,)
    )
    return build(recording, "probe", "0").exit_code


def test_four_that_have_everything() -> None:
    made = choose.over_site(ring.BACKEND, site(), ORDER, 20000, "0" * 16, Settings())
    assert isinstance(made, Plan)
    assert fit.notes(site(), ORDER) == ()


def test_the_rank_runs_on_the_interpreter_that_was_found() -> None:
    made = choose.over_site(ring.BACKEND, site(), ORDER, 20000, "0" * 16, Settings())
    assert isinstance(made, Plan)
    assert {rank.host.python for rank in made.ranks} == {"/opt/env/bin/python"}
    named = site(python="~/mine/python")
    assert {facts.host.python for facts in named.cluster.facts} == {"~/mine/python"}


def test_an_interpreter_that_is_not_there() -> None:
    stub = capture(Outcome.MISSING, "/usr/bin/python3 is Apple's stub")
    found = refused(capture(Outcome.MISSING), stub)
    assert found.reason == (
        "mac1: no Python at python3; name the one that has mlx as `python:` in the inventory;"
        " mac2: no Python at python3: /usr/bin/python3 is Apple's stub; name the one that has mlx"
        " as `python:` in the inventory"
    )
    assert exit_code(found) == 1
    named = refused(capture(Outcome.MISSING), python="/opt/x/python")
    assert named.reason.startswith("mac1: no Python at /opt/x/python; ")


def test_a_python_without_mlx_with_all_that_was_looked_at() -> None:
    before = (
        "mlxdiag-python: no mlx: a .venv in the login folder: ~/.venv/bin/python\n"
        "mlxdiag-python: mlx: python3 on PATH: /usr/bin/python3\n"
    )
    found = refused({}, answer(BARE, before), answer(BARE, before))
    assert found.reason == (
        "mac2, mac3: no mlx in /opt/env/bin/python (ModuleNotFoundError: No module named 'mlx');"
        " ~/.venv/bin/python: a .venv in the login folder; no mlx;"
        " `/opt/env/bin/python -m pip install mlx`,"
        " or name the one that has mlx as `python:` in the inventory"
    )
    assert exit_code(found) == 1


def test_an_mlx_that_does_not_load() -> None:
    found = refused({"error": "ImportError: libmlx.dylib", "backends": []})
    assert found.reason.startswith("mac1: no mlx in /opt/env/bin/python (ImportError: libmlx.dyl")


def test_a_python_that_is_too_old_for_a_rank() -> None:
    found = refused({"python": "3.9.6"})
    assert found.reason.startswith(
        "mac1: /opt/env/bin/python is Python 3.9.6, a rank needs 3.10 or later; "
    )
    assert exit_code(found) == 1


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("jaccl", "-m pip install --force-reinstall"),
        ("mpi", "brew install open-mpi"),
    ],
)
def test_a_build_without_the_backend(backend: str, said: str) -> None:
    old = {"backends": ["ring"], "tags": ["py3-none-macosx_15_0_arm64"]}
    found = refused(*[old] * 4, backend=backend)
    assert found.reason.startswith(
        f"mac[1-4]: mlx 0.32.4 has no {backend} (/opt/env/bin/python,"
        " wheel py3-none-macosx_15_0_arm64); "
    )
    assert said in found.reason
    assert exit_code(found) == 1


def test_different_versions_say_which_host_has_which() -> None:
    found = refused({}, {}, {}, {"mlx": "0.31.10"})
    assert found.reason == (
        "different mlx versions: mac[1-3]: 0.32.4; mac4: 0.31.10;"
        " install one: `pip install mlx==0.32.4`"
    )
    assert exit_code(found) == 1


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.DISCONNECTED, Outcome.INTERRUPTED])
def test_a_host_that_does_not_answer_is_not_known(outcome: Outcome) -> None:
    found = refused(capture(outcome, "some reason"))
    assert found.reason.startswith("mac1: not known whether it has mlx: ")
    assert found.usable is None
    assert exit_code(found) == 3
    assert exit_code(refused(capture(outcome), BARE)) == 1


def test_other_minor_versions_of_python_are_a_note() -> None:
    seen = site({}, {"python": "3.13.0rc1"})
    assert fit.notes(seen, ORDER) == ("different Pythons: mac[1,3,4]: 3.12; mac2: 3.13",)


def test_the_chosen_interpreter_and_why_are_a_note() -> None:
    before = "mlxdiag-python: mlx: a .venv in the login folder: ~/.venv/bin/python\n"
    seen = site(*[answer({}, before)] * 3)
    assert fit.notes(seen, ORDER) == (
        "python: mac[1-3]: ~/.venv/bin/python: a .venv in the login folder; has mlx 0.32.4",
    )
