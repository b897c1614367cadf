"""`netstat -rn -f inet`: networks are cut short, expiry may be missing, flag I means scoped."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.netstat_inet import parse

TABLE = b"""Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            10.4.0.1           UGScg                 en0
default            link#19            UCSIg               utun5
10.4/22            link#11            UCS                   en0      !
10.4.1.7           82:1f:7:c:40:2     UHLWIir               en0    844
10.219.1/30        link#14            UCS                   en3      !
10.219.2.0/30      link#15            UCS                   en4      !
127                127.0.0.1          UCS                   lo0
128.0/1            10.8.0.1           UGSc                utun5
169.254            link#11            UCS                   en0      !
192.168.64.3/32    link#21            UCS             bridge100      !
"""


def test_networks_are_made_whole() -> None:
    networks = [str(route.network) for route in parse(TABLE).routes]
    assert networks == [
        "0.0.0.0/0",
        "0.0.0.0/0",
        "10.4.0.0/22",
        "10.4.1.7/32",
        "10.219.1.0/30",
        "10.219.2.0/30",
        "127.0.0.0/8",
        "128.0.0.0/1",
        "169.254.0.0/16",
        "192.168.64.3/32",
    ]


def test_flags_gateways_and_interfaces() -> None:
    first, tunnel, lan, neighbour, *_ = parse(TABLE).routes
    assert (first.default, first.scoped, first.on_link) == (True, False, False)
    assert (tunnel.default, tunnel.scoped, tunnel.on_link) == (True, True, True)
    assert (lan.network, lan.interface) == (IPv4Network("10.4.0.0/22"), "en0")
    assert (neighbour.gateway, neighbour.scoped) == ("82:1f:7:c:40:2", True)
    assert [first.name, lan.name] == ["default on en0", "10.4.0.0/22 on en0"]


def test_an_empty_table_is_no_route() -> None:
    head = b"Routing tables\n\nInternet:\nDestination Gateway Flags Netif Expire\n"
    assert parse(head).routes == ()


@pytest.mark.parametrize(
    "row",
    [
        b"10.4/40 link#1 UCS en0",
        b"10.300 link#1 UCS en0",
        b"fe80::1%lo0 link#1 UHLI lo0",
        b"10.4 link#1 UCS",
        b"10.4 link#1 UCS en0 ! more",
        b"-1.2 link#1 UCS en0",
    ],
)
def test_a_row_that_is_no_route_is_refused(row: bytes) -> None:
    with pytest.raises(ParseError):
        parse(TABLE + row + b"\n")


@pytest.mark.parametrize("out", [b"", b"Routing tables\n", b"Internet:\n", TABLE[30:]])
def test_what_has_no_head_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)
