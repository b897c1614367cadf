"""Routes: the longest prefix wins, and what is scoped or learnt counts where it counts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxdiag.facts.netstat_inet import Route, Routes, parse
from mlxdiag.routes import overlapping, swallows, tunnel, way
from tests.facts.test_captures import CAPTURES
from tests.facts.test_netstat_inet import TABLE

networks = st.builds(
    lambda bits, prefix: IPv4Network((bits, prefix), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
tables = st.lists(
    st.builds(Route, networks, st.just("link#4"), st.sampled_from(["UCS", "UCSI"]), st.just("en0")),
    max_size=8,
).map(lambda rows: Routes(tuple(rows)))


def by(table: Routes, address: str) -> str | None:
    route = way(table, IPv4Address(address))
    return route.interface if route else None


@pytest.mark.parametrize(
    ("address", "interface"),
    [
        ("10.219.1.2", "en3"),
        ("10.219.1.9", "en0"),
        ("10.4.1.7", "en0"),
        ("200.1.1.1", "utun5"),
        ("8.8.8.8", "en0"),
        ("169.254.7.7", "en0"),
    ],
)
def test_the_longest_prefix_wins(address: str, interface: str) -> None:
    assert by(parse(TABLE), address) == interface


def test_a_scoped_route_serves_no_socket_of_mlx() -> None:
    rows = b"169.254 link#9 UCSI en3 !\n10.219.9/30 link#9 UCSI en3 !\n"
    table = parse(TABLE + rows)
    assert by(table, "169.254.7.7") == "en0"
    assert by(table, "10.219.9.1") == "en0"


def test_no_route_is_none() -> None:
    assert way(Routes(()), IPv4Address("10.0.0.1")) is None


@given(table=tables, bits=st.integers(0, 2**32 - 1))
def test_no_route_that_fits_is_longer(table: Routes, bits: int) -> None:
    address = IPv4Address(bits)
    fit = [r for r in table.routes if address in r.network and not r.scoped]
    chosen = way(table, address)
    assert (chosen is None) == (not fit)
    if chosen is not None:
        assert chosen in fit
        assert all(route.network.prefixlen <= chosen.network.prefixlen for route in fit)


@given(table=tables, network=networks)
def test_what_overlaps_shares_an_address(table: Routes, network: IPv4Network) -> None:
    for route in overlapping(table, network):
        assert not swallows(route)
        first = max(route.network.network_address, network.network_address)
        assert first in route.network
        assert first in network


def test_defaults_halves_neighbours_and_multicast_overlap_nothing() -> None:
    rows = (
        b"224.0.0/4 link#4 UmCS en0 !\n"
        b"10.219.1.3 ff:ff:ff:ff:ff:ff UHLWbI en3 !\n"
        b"10.219.1.1 36:4:1:2:3:4 UHLWIi en3 900\n"
    )
    table = parse(TABLE + rows)
    found = [route.name for route in overlapping(table, IPv4Network("10.219.1.0/30"))]
    assert found == ["10.219.1.0/30 on en3"]
    assert list(overlapping(table, IPv4Network("224.0.0.0/24"))) == []


def test_a_vpn_is_known_by_its_interface() -> None:
    assert all(map(tunnel, ("utun0", "utun14", "ppp0", "ipsec1")))
    assert not any(map(tunnel, ("en0", "bridge100", "utun", "lo0", "anpi0")))


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no transcripts beside this checkout")
def test_published_tables() -> None:
    def table(start: str) -> Routes:
        (path,) = CAPTURES.glob(f"netstat_rn_f_inet__{start}*")
        return parse(path.read_bytes())

    assert by(table("26.6.2_vm"), "8.8.8.8") == "en0"
    assert by(table("26.6.2_vm"), "192.168.64.3") == "en0"
    studio = table("studio_m3ultra")
    assert by(studio, "169.254.9.9") == "en1"
    assert by(studio, "198.51.100.1") == "en7"
    assert by(studio, "100.64.1.1") == "utun4"
    assert by(studio, "8.8.8.8") == "en1"
    assert by(table("mbp_m5max"), "198.51.100.4") == "bridge0"
