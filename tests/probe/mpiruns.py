"""The Open MPIs of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest


def mpiruns() -> dict[str, str]:
    """Find the first mpirun of every major version on PATH."""
    found: dict[str, str] = {}
    for folder in os.get_exec_path():
        program = shutil.which("mpirun", path=folder)
        if program is None:
            continue
        ran = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        release = re.search(r"\(Open MPI\) ([45])", ran.stdout)
        if release:
            found.setdefault(release[1], program)
    return found


MPIRUNS = mpiruns()
VERSIONS = [
    pytest.param(
        major,
        marks=pytest.mark.skipif(major not in MPIRUNS, reason=f"no Open MPI {major} on PATH"),
    )
    for major in ("4", "5")
]
