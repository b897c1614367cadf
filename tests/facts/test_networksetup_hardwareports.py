from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.networksetup_hardwareports import HardwarePort, parse

LAPTOP = b"""
Hardware Port: Ethernet Adapter (en3)
Device: en3
Ethernet Address: 3E:11:22:33:44:03

Hardware Port: Thunderbolt Bridge
Device: bridge0
Ethernet Address: 36:11:22:33:44:00

Hardware Port: Thunderbolt Ethernet Slot 1, Port 1
Device: en9
Ethernet Address: 64:4b:f0:00:00:01

Hardware Port: Thunderbolt 2
Device: en6
Ethernet Address: 36:11:22:33:44:04

Hardware Port: Thunderbolt 1
Device: en1
Ethernet Address: 36:11:22:33:44:00

Hardware Port: Wi-Fi
Device: en0
Ethernet Address: N/A

VLAN Configurations
===================
"""


def test_only_numbered_thunderbolt_ports_are_receptacles() -> None:
    assert parse(LAPTOP).thunderbolt == {1: "en1", 2: "en6"}


def test_every_port_is_kept_with_its_address() -> None:
    ports = parse(LAPTOP).ports
    assert len(ports) == 6
    assert ports[0] == HardwarePort("Ethernet Adapter (en3)", "en3", "3e:11:22:33:44:03")
    assert ports[-1] == HardwarePort("Wi-Fi", "en0", None)


def test_trimmed_copies_are_read() -> None:
    bare = b"\n".join(line for line in LAPTOP.split(b"\n") if not line.startswith(b"Ethernet Add"))
    assert parse(bare.lstrip()).thunderbolt == {1: "en1", 2: "en6"}
    assert {port.mac for port in parse(bare).ports} == {None}


@pytest.mark.parametrize(
    "name", [b"Thunderbolt 1 (left)", b"thunderbolt 1", b"Thunderbolt  1", b"Thunderbolt 1a"]
)
def test_names_that_only_look_like_a_receptacle(name: bytes) -> None:
    renamed = LAPTOP.replace(b"Thunderbolt 1\n", name + b"\n")
    assert parse(renamed).thunderbolt == {2: "en6"}


def test_vlans_are_not_ports() -> None:
    vlan = b'\nVLAN User Defined Name: lab\nParent Device: en0\nDevice ("Hardware" Port): vlan0\n'
    assert parse(LAPTOP + vlan) == parse(LAPTOP)


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n",
        LAPTOP[: LAPTOP.index(b"VLAN")],
        LAPTOP.replace(b"Device: en6\n", b""),
        LAPTOP.replace(b"Hardware Port: Thunderbolt 2\n", b"Hardware Port\n"),
        LAPTOP.replace(b"Hardware Port: Thunderbolt 2\n", b"Hardware Port:\n"),
        b"Device: en6\n" + LAPTOP,
        b"networksetup: error\n" + LAPTOP,
        b"NoSuch is not a recognized network service.\n** Error: The parameters were not valid.\n",
        b"dyld[1]: Library not loaded: x\n",
        b"<html>\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)
