"""Per area of the further checks: recordings in which each fails, and in which each is not known.

An area's file has FAILING and UNKNOWN, from check id to what makes the recording. One that fails
blames macstudio2 unless the area's file says so in ABOUT, from check id to the subject's label.
UNSURE has the labels of what is not known where those are others; BESIDE has the ids of what
cannot but fail as well; OF_PORTS has the ids of what rests on facts of `ports` alone.
"""

from __future__ import annotations

from types import ModuleType

from tests.checks.further import answers, network, power, rdma, sockets

AREAS: tuple[ModuleType, ...] = (answers, sockets, network, rdma, power)
