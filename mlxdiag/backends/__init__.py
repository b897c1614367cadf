"""Backends: one file each: cluster and rank order -> ranks, or what is against it; its messages."""

from collections.abc import Mapping

from mlxdiag.backends import jaccl, jaccl_ring, mpi, ring
from mlxdiag.backends.backend import Backend

BACKENDS: Mapping[str, Backend] = {
    backend.name: backend
    for backend in (ring.BACKEND, jaccl.BACKEND, jaccl_ring.BACKEND, mpi.BACKEND)
}
"""By name, in the order in which `all` launches them."""
