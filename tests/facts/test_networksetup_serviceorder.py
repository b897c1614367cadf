from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.networksetup_serviceorder import Service, ServiceOrder, parse

FIRST = b"An asterisk (*) denotes that a network service is disabled.\n"
CLUSTER = (
    FIRST
    + b"""\
(1) Ethernet
(Hardware Port: Ethernet, Device: en0)

(2) Link (left, to rack)
(Hardware Port: Thunderbolt 1, Device: en2)

(*) Thunderbolt Bridge
(Hardware Port: Thunderbolt Bridge, Device: bridge0)

(3) USB 10/100/1000 LAN 2
(Hardware Port: USB 10/100/1000 LAN, Device: en2)

(4) Mesh VPN
(Hardware Port: com.example.vpn, Device: )

"""
)


def test_services_in_their_order() -> None:
    assert parse(CLUSTER) == ServiceOrder(
        (
            Service("Ethernet", enabled=True, hardware_port="Ethernet", device="en0"),
            Service(
                "Link (left, to rack)", enabled=True, hardware_port="Thunderbolt 1", device="en2"
            ),
            Service(
                "Thunderbolt Bridge",
                enabled=False,
                hardware_port="Thunderbolt Bridge",
                device="bridge0",
            ),
            Service(
                "USB 10/100/1000 LAN 2",
                enabled=True,
                hardware_port="USB 10/100/1000 LAN",
                device="en2",
            ),
            Service("Mesh VPN", enabled=True, hardware_port="com.example.vpn", device=None),
        )
    )


def test_several_services_may_share_a_device() -> None:
    assert [each.name for each in parse(CLUSTER).services if each.device == "en2"] == [
        "Link (left, to rack)",
        "USB 10/100/1000 LAN 2",
    ]


def test_a_name_may_look_like_a_port_line() -> None:
    out = FIRST + b"(1) (Hardware Port: x, Device: y)\n(Hardware Port: Wi-Fi, Device: en0)\n"
    assert parse(out).services[0].name == "(Hardware Port: x, Device: y)"


def test_no_services_at_all() -> None:
    assert parse(FIRST) == ServiceOrder(())


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n",
        CLUSTER[len(FIRST) :],
        FIRST + b"(1) Ethernet\n",
        FIRST + b"Ethernet\n*Wi-Fi\n",
        FIRST + b"(1) Ethernet\n(Hardware Port: Ethernet, Device: en0\n",
        FIRST + b"(1) Ethernet\n(2) Wi-Fi\n",
        CLUSTER + b"Killed: 9\n",
        b"X is not a recognized network service.\n** Error: The parameters were not valid.\n",
        b"dyld[1]: Library not loaded: x\n",
        b"<html>\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)
