"""A small model of Macs and cables that prints what every macOS command would print."""

from __future__ import annotations

from tests.model.cases import CASES
from tests.model.cluster import ACTIVE, DOWN, Cable, Device, End, ModelCluster, Port, port, ports
from tests.model.machine import Mac, Runtime
from tests.model.outputs import outputs
from tests.model.printed import Printed
from tests.model.recording import inventory, write_recording, write_simhost

__all__ = [
    "ACTIVE",
    "CASES",
    "DOWN",
    "Cable",
    "Device",
    "End",
    "Mac",
    "ModelCluster",
    "Port",
    "Printed",
    "Runtime",
    "inventory",
    "outputs",
    "port",
    "ports",
    "write_recording",
    "write_simhost",
]
