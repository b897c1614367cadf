"""Print sw_vers, sysctl and the answer of the MLX interpreter."""

from __future__ import annotations

import json
import time

from tests.model.machine import BUILDS, GIB, Mac, digest
from tests.model.printed import Printed

PYTHON = "/opt/mlx/bin/python"

_BOOTED_BEFORE = 1_769_700_000
"""The Macs of the model booted in the days before 2026-01-29."""


def sw_vers(mac: Mac) -> Printed:
    version = f"ProductVersion:\t\t{mac.macos}\nBuildVersion:\t\t{BUILDS[mac.macos]}\n"
    return Printed(f"ProductName:\t\tmacOS\n{version}".encode())


def sysctl(mac: Mac) -> Printed:
    seed = int.from_bytes(digest(mac.name, "boot")[:4], "big")
    booted, micros = _BOOTED_BEFORE - seed % 400_000, seed % 1_000_000
    when = time.asctime(time.gmtime(booted))
    lines = (
        f"hw.model: {mac.model}",
        f"machdep.cpu.brand_string: {mac.hardware.chip}",
        f"hw.memsize: {mac.hardware.memory_gib * GIB}",
        f"kern.boottime: {{ sec = {booted}, usec = {micros} }} {when}",
    )
    return Printed("".join(f"{line}\n" for line in lines).encode())


def mlx_runtime(mac: Mac) -> Printed:
    runtime = mac.runtime
    answer: dict[str, object] = {
        "mlxdiag": 1,
        "python": runtime.python if runtime else "3.12.8",
        "executable": PYTHON,
        "mlx": runtime and runtime.mlx,
        "mlx_metal": runtime and runtime.mlx,
        "mlx_lm": runtime and runtime.mlx_lm,
        "tags": [f"py3-none-{runtime.wheel}"] if runtime else [],
        "backends": _backends(mac),
        "error": None if runtime else "ModuleNotFoundError: No module named 'mlx'",
    }
    return Printed(f"{json.dumps(answer)}\n".encode())


def _backends(mac: Mac) -> list[str]:
    """List what is_available says: jaccl needs the wheel for macOS 26 and a macOS with RDMA."""
    if mac.runtime is None:
        return []
    jaccl = mac.has_rdma_tools and mac.runtime.wheel.startswith("macosx_26")
    return ["ring", "jaccl"] if jaccl else ["ring"]
