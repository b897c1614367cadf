"""Quantities: what a number of a launch is, its unit, and its names in an inventory."""

from __future__ import annotations

from collections.abc import Mapping

BACKENDS = ("ring", "jaccl", "jaccl-ring", "mpi")
UNITS: Mapping[str, str] = {
    "latency_us": "us",
    "algbw_gb_per_s": "GB/s",
    "busbw_gb_per_s": "GB/s",
    "link_gb_per_s": "GB/s",
}
"""Quantities by the name that the inventory uses; latency is a maximum, all others are minima."""

NAMES = tuple(UNITS) + tuple(f"{b.replace('-', '_')}_{q}" for b in BACKENDS for q in UNITS)
"""What may stand under `expect: thresholds:`; the name of a backend in front narrows it to that."""
