from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.ifconfig import Interface, Ipv4, Ipv6, parse

BRIDGED = b"""\
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>
\tinet 127.0.0.1 netmask 0xff000000
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
\tnd6 options=201<PERFORMNUD,DAD>
en2: flags=8963<UP,BROADCAST,SMART,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
\toptions=460<TSO4,TSO6,CHANNEL_IO>
\tether 36:aa:bb:cc:dd:00
\tmedia: autoselect <full-duplex>
\tstatus: inactive
en3: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 9000
\tether 36:aa:bb:cc:dd:04
\tinet6 fe80::10:2B:3c:4d%en3 prefixlen 64 tentative secured scopeid 0xb
\tinet6 fd12::7 prefixlen 64 autoconf temporary
\tinet 10.0.3.1 netmask 0xfffffffc broadcast 10.0.3.3
\tinet 169.254.9.8 netmask 0xffff0000 broadcast 169.254.255.255
\tnd6 options=201<PERFORMNUD,DAD>
\tmedia: autoselect <full-duplex>
\tstatus: active
bridge0: flags=8822<BROADCAST,SMART,SIMPLEX,MULTICAST> mtu 1500
\toptions=63<RXCSUM,TXCSUM,TSO4,TSO6>
\tether 36:aa:bb:cc:dd:00
\tConfiguration:
\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0
\t\tmaxage 0 holdcnt 0 proto stp maxaddr 100 timeout 1200
\t\troot id 0:0:0:0:0:0 priority 0 ifcost 0 port 0
\t\tipfilter disabled flags 0x0
\tmember: en2 flags=3<LEARNING,DISCOVER>
\t        ifmaxaddr 0 port 9 priority 0 path cost 0
\tmember: en4 flags=3<LEARNING,DISCOVER>
\t        ifmaxaddr 0 port 11 priority 0 path cost 0
\tAddress cache:
\tmedia: <unknown type>
\tstatus: inactive
utun4: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1380
\tinet6 fe80::aaaa%utun4 prefixlen 64 scopeid 0x12
\tinet 100.64.0.7 --> 100.64.0.7 netmask 0xffffffff
"""


def test_addresses_with_prefix_lengths() -> None:
    en3 = parse(BRIDGED).find("en3")
    assert en3 == Interface(
        name="en3",
        flags=("UP", "BROADCAST", "SMART", "RUNNING", "SIMPLEX", "MULTICAST"),
        mtu=9000,
        ether="36:aa:bb:cc:dd:04",
        ipv4=(
            Ipv4("10.0.3.1", 30, "10.0.3.3"),
            Ipv4("169.254.9.8", 16, "169.254.255.255"),
        ),
        ipv6=(
            Ipv6("fe80::10:2b:3c:4d", 64, ("tentative", "secured")),
            Ipv6("fd12::7", 64, ("autoconf", "temporary")),
        ),
        status="active",
        members=(),
    )


def test_an_address_that_is_being_tested_or_lost_is_not_usable() -> None:
    assert not Ipv6("fe80::1", 64, ("tentative",)).usable
    assert not Ipv6("fe80::1", 64, ("secured", "duplicated")).usable
    assert not Ipv6("fe80::1", 64, ("detached",)).usable
    assert Ipv6("fe80::1", 64, ("secured", "deprecated")).usable
    assert Ipv6("fe80::1", 64, ()).usable


def test_members_count_even_though_the_bridge_is_down() -> None:
    found = parse(BRIDGED)
    bridge, member = found.find("bridge0"), found.find("en2")
    assert bridge is not None
    assert member is not None
    assert bridge.members == ("en2", "en4")
    assert not bridge.up
    assert found.bridge_of("en2") == "bridge0"
    assert found.bridge_of("en3") is None
    assert member.up
    assert "PROMISC" in member.flags
    assert (member.ipv4, member.ipv6) == ((), ())


def test_the_status_has_three_states() -> None:
    found = parse(BRIDGED)
    assert [each.status for each in found.interfaces] == [
        None,
        "inactive",
        "active",
        "inactive",
        None,
    ]
    assert (
        parse(BRIDGED.replace(b"status: active", b"status: no network")).interfaces[2]
        != (found.interfaces[2])
    )


def test_loopback_and_point_to_point() -> None:
    found = parse(BRIDGED)
    assert found.interfaces[0].ipv4 == (Ipv4("127.0.0.1", 8, None),)
    assert found.interfaces[0].ipv6[0] == Ipv6("::1", 128, ())
    assert found.interfaces[4].ipv4 == (Ipv4("100.64.0.7", 32, None),)
    assert found.interfaces[4].ether is None


def test_an_interface_that_is_not_there() -> None:
    assert parse(BRIDGED).find("rdma_en2") is None


@pytest.mark.parametrize("width", [1, 4, 8])
def test_tabs_may_have_become_spaces(width: int) -> None:
    assert parse(BRIDGED.replace(b"\t", b" " * width)) == parse(BRIDGED)
    assert parse(BRIDGED.replace(b"\n", b"\r\n")) == parse(BRIDGED)


def test_lines_may_end_in_a_space() -> None:
    assert parse(BRIDGED.replace(b"\n", b" \n")) == parse(BRIDGED)


def test_a_missing_mtu_and_empty_flags() -> None:
    (only,) = parse(b"gif0: flags=0<>\n").interfaces
    assert (only.mtu, only.flags) == (None, ())


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n",
        b"\tinet 127.0.0.1 netmask 0xff000000\n",
        b"ifconfig: interface rdma_en2 does not exist\n",
        BRIDGED + b"Killed: 9\n",
        BRIDGED.replace(b" netmask 0xff000000", b""),
        BRIDGED.replace(b"0xff000000", b"255.0.0.0"),
        BRIDGED.replace(b"0xff000000", b"0xff00ff00"),
        BRIDGED.replace(b"127.0.0.1", b"127.0.0.256"),
        BRIDGED.replace(b"fd12::7", b"fd12::x"),
        BRIDGED.replace(b"fd12::7 prefixlen 64", b"fd12::7 prefixlen 129"),
        BRIDGED.replace(b"fd12::7 prefixlen 64", b"fd12::7"),
        BRIDGED.replace(b"ether 36:aa:bb:cc:dd:04", b"ether"),
        BRIDGED[: BRIDGED.index(b" netmask 0xfffffffc")],
        b"en0: no flags here\n",
        b"dyld[1]: Library not loaded: x\n",
        b"<html>\n  <body>\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)
