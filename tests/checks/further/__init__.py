"""Per area of the further checks: recordings in which each fails, and in which each is not known.

An area's file has FAILING and UNKNOWN, from check id to what makes the recording. One that fails
blames macstudio2 unless the area's file says so in ABOUT, from check id to the subject's label, or
to those of several; one that is not known is about the same unless NOT_KNOWN_OF says otherwise.
What fails is the cause itself, or follows from the check that CAUSES names.
"""

from __future__ import annotations

from types import ModuleType

from tests.checks.further import (
    answers,
    crashes,
    environment,
    login,
    network,
    power,
    rdma,
    rendezvous,
    resources,
    sockets,
    versions,
)

AREAS: tuple[ModuleType, ...] = (
    answers,
    login,
    versions,
    environment,
    sockets,
    network,
    rdma,
    resources,
    power,
    rendezvous,
    crashes,
)
