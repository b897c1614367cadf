"""Rates per link: every way that MLX moves data, and what has no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxdiag.probe.linkrate import NEWEST, OLDEST, Case, Model, model, rate

KIB, MIB = 1 << 10, 1 << 20
ELEMENT = {"float32": 4, "bfloat16": 2}


def case(
    backend: str,
    size: int,
    ranks: int = 4,
    mlx: str | None = "0.32.4",
    *,
    wires: int = 1,
    connections: int = 1,
    dtype: str = "float32",
    op: str = "all_sum",
) -> Case:
    return Case(backend, op, dtype, ELEMENT[dtype], size, ranks, [mlx] * ranks, wires, connections)


@pytest.mark.parametrize(
    ("asked", "name", "formula"),
    [
        # mesh: several cables of a pair from 512 KiB on, 0.32.4
        (case("jaccl", 16 * MIB, wires=2), "mesh-rsag", "busbw/6"),
        (case("jaccl", 512 * KIB, wires=2), "mesh-rsag", "busbw/6"),
        (case("jaccl", 512 * KIB - 4, wires=2), "mesh-rsag", "busbw/3"),
        (case("jaccl", 32 * KIB, wires=2), "mesh-broadcast", "algbw"),
        (case("jaccl", 16 * MIB, 2, wires=2), "mesh-broadcast", "algbw/2"),
        (case("jaccl", 64 * KIB, 2, wires=2), "mesh-broadcast", "algbw"),
        # 0.32.1: the first cable only
        (case("jaccl", 16 * MIB, mlx="0.32.1", wires=2), "mesh-rsag", "busbw/3"),
        (case("jaccl", 64 * KIB, mlx="0.32.2", wires=2), "mesh-rsag", "busbw/3"),
        # one cable
        (case("jaccl", 16 * MIB), "mesh-rsag", "busbw/3"),
        (case("jaccl", 16 * MIB, 3, "0.32.3"), "mesh-rsag", "busbw/2"),
        (case("jaccl", 32 * KIB + 4), "mesh-rsag", "busbw/3"),
        (case("jaccl", 32 * KIB), "mesh-broadcast", "algbw"),
        (case("jaccl", 16 * MIB, 2), "mesh-broadcast", "algbw"),
        # 0.31.0 to 0.32.0: a ring inside the mesh
        (case("jaccl", 8 * MIB, mlx="0.32.0"), "mesh-ring", "busbw/2"),
        (case("jaccl", 8 * MIB - 4, mlx="0.32.0"), "mesh-broadcast", "algbw"),
        (case("jaccl", 8 * MIB, 2, "0.32.0"), "mesh-broadcast", "algbw"),
        (case("jaccl", 1 * MIB, mlx="0.31.2", dtype="bfloat16"), "mesh-ring", "busbw/2"),
        (case("jaccl", 512 * KIB, mlx="0.31.2", dtype="bfloat16"), "mesh-broadcast", "algbw"),
        (case("jaccl", 129 * KIB, mlx="0.31.1", dtype="bfloat16"), "mesh-ring", "busbw/2"),
        (case("jaccl", 128 * KIB, mlx="0.31.0", dtype="bfloat16"), "mesh-broadcast", "algbw"),
        # before: everybody sends all to everybody
        (case("jaccl", 64 * MIB, mlx="0.30.6"), "mesh-broadcast", "algbw"),
        # jaccl-ring
        (case("jaccl-ring", 16 * MIB), "ring-two-way", "busbw/2"),
        (case("jaccl-ring", 16 * MIB, wires=2), "ring-two-way", "busbw/4"),
        (case("jaccl-ring", 32 * KIB, wires=2), "ring-one-way", "busbw"),
        (case("jaccl-ring", 16 * MIB, 2), "ring-two-way", "busbw"),
        (case("jaccl-ring", 16 * MIB, 2, wires=2), "ring-two-way", "busbw/2"),
        (case("jaccl-ring", 64 * KIB, mlx="0.32.0", wires=2), "ring-two-way", "busbw/2"),
        (case("jaccl-ring", 64 * KIB + 4, mlx="0.32.0", wires=2), "ring-two-way", "busbw/4"),
        (case("jaccl-ring", 64 * KIB, mlx="0.30.6", wires=2), "ring-two-way", "busbw/4"),
        (case("jaccl-ring", 28, mlx="0.32.0"), "ring-one-way", "busbw"),
        # ring over TCP: another direction from 2 n 256 KiB on
        (case("ring", 2 * MIB - 4), "ring-one-way", "busbw"),
        (case("ring", 2 * MIB), "ring-two-way", "busbw/2"),
        (case("ring", 64 * MIB, 2), "ring-two-way", "busbw"),
        (case("ring", 64 * MIB, connections=2), "ring-two-way", "busbw/2"),
        (case("ring", 3 * MIB, connections=2), "ring-two-way", "busbw/1.5"),
        (case("ring", 64 * MIB, wires=2), "ring-two-way", "busbw/4"),
        (case("ring", 64 * MIB, 2, wires=2), "ring-two-way", "busbw/2"),
        # no cables: a host's one interface carries both directions
        (case("ring", 64 * MIB, wires=0), "ring-interface", "busbw"),
    ],
)
def test_the_way_of_the_data(asked: Case, name: str, formula: str) -> None:
    found = model(asked)
    assert isinstance(found, Model)
    assert (found.name, found.formula) == (name, formula)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (case("jaccl", 4, mlx="0.32.5"), "mlx 0.32.5 is not one whose way for the data is known"),
        (case("jaccl", 4, mlx="0.30.5"), "mlx 0.30.5 is not one whose way for the data is known"),
        (case("ring", 4, mlx="0.32.2.dev20260822"), "mlx 0.32.2.dev20260822 is not one"),
        (case("jaccl", 4, mlx=None), "not every rank said its version of mlx"),
        (replace(case("jaccl", 4), versions=[]), "not every rank said its version of mlx"),
        (
            replace(case("jaccl", 4, 2), versions=["0.32.4", "0.32.1"]),
            "different versions of mlx: 0.32.1, 0.32.4",
        ),
        (case("jaccl", 4, wires=0), "the cables are not known"),
        (case("jaccl-ring", 4, wires=0), "the cables are not known"),
        (case("jaccl", MIB, mlx="0.32.3", wires=2), "not known whether mlx 0.32.3 uses several"),
        (case("mpi", 4), "mpi chooses its own way for the data"),
        (case("jaccl", 4, op="all_gather"), "derived for all_sum only, not for all_gather"),
        (case("ring", 4, op="send"), "derived for all_sum only, not for send"),
    ],
)
def test_what_has_no_model_has_no_rate_and_a_reason(asked: Case, reason: str) -> None:
    found = rate(asked, 1.0, 1.5)
    assert found.gb_per_s is None
    assert found.reason.startswith(reason)
    assert (found.model, found.formula, found.mlx) == ("", "", "")


def test_the_published_numbers_of_four_nodes() -> None:
    """A report of four nodes: mesh 20.87 and ring 16.33 GB/s busbw, both about a cable's worth."""
    mesh = rate(case("jaccl", 64 * MIB), 20.87 / 1.5, 20.87)
    ring = rate(case("jaccl-ring", 64 * MIB), 16.33 / 1.5, 16.33)
    assert mesh.gb_per_s == pytest.approx(6.957, abs=0.001)
    assert ring.gb_per_s == pytest.approx(8.165, abs=0.001)
    assert (mesh.model, mesh.mlx, mesh.reason) == ("mesh-rsag", "0.32.4", "")


def test_bytes_of_a_mesh_are_what_the_models_say() -> None:
    """Count them: S bytes in 1 s over n ranks, summed by broadcast or by scatter and gather."""
    n, size = 4, 16 * MIB
    algbw, busbw = size / 1e9, size / 1e9 * 2 * (n - 1) / n
    scattered = rate(case("jaccl", size), algbw, busbw).gb_per_s
    assert scattered == pytest.approx(2 * (size / n) / 1e9)
    whole = rate(case("jaccl", size, mlx="0.30.6"), algbw, busbw).gb_per_s
    assert whole == pytest.approx(size / 1e9)


def test_the_range_of_versions_is_in_order() -> None:
    assert OLDEST < NEWEST
