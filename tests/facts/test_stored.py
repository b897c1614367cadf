"""What is stored on a Mac: bridges, Internet Sharing, EXO's daemon, the RDMA switch, services."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts import (
    exo_daemon,
    hostname,
    nvram_rdma,
    plutil_bridges,
    plutil_sharing,
    socketfilterfw,
    system_profiler_network,
)

BRIDGES = b'{"bridge4":{"Interfaces":["en5"]},"bridge0":{"Options":{},"Interfaces":["en2","en3"]}}'
NO_KEY = (
    b"prefs: Could not extract value, error: No value at that key path or invalid key path: X\n"
)
NETWORK = json.dumps(
    {
        "SPNetworkDataType": [
            {
                "_name": "Cable 1",
                "interface": "en3",
                "IPv4": {"ConfigMethod": "Manual"},
                "DNS": {"DomainName": "lab.example.org", "SearchDomains": ["lab.example.org"]},
                "dhcp": {"dhcp_domain_name": "home.example.org"},
            },
            {"_name": "Cable 1 old", "interface": "en3", "IPv4": {"ConfigMethod": "DHCP"}},
            {"_name": "Tunnel", "type": "VPN"},
        ]
    }
).encode()


def test_stored_bridges_say_who_claims_an_interface() -> None:
    stored = plutil_bridges.parse(BRIDGES)
    assert [bridge.name for bridge in stored.bridges] == ["bridge0", "bridge4"]
    assert [stored.of(name) for name in ("en3", "en5", "en9")] == ["bridge0", "bridge4", None]
    assert plutil_bridges.parse(b"{}").bridges == ()
    assert plutil_bridges.parse(b'{"bridge1":{}}').of("en1") is None


def test_no_key_is_no_bridge() -> None:
    for out, err in ((b"", NO_KEY), (NO_KEY, b"")):
        assert plutil_bridges.parse_failure(out, err).bridges == ()
        assert plutil_sharing.parse_failure(out, err).enabled is False


def test_sharing_is_off_on_with_no_file_or_for_root_alone() -> None:
    assert plutil_sharing.parse(b"1\n").enabled is True
    assert plutil_sharing.parse(b"false\n").enabled is False
    for words in (b"Code=260", b"file does not exist", b"No such file or directory"):
        assert plutil_sharing.parse_failure(b"", b"nat.plist: " + words).enabled is False
    assert plutil_sharing.parse_failure(b"", b"nat.plist: ... Code=257\n").enabled is None


def test_exo_is_there_or_not() -> None:
    name = exo_daemon.FILE.encode()
    missing = b"ls: " + name + b": No such file or directory\n"
    assert exo_daemon.parse(name + b"\n").installed
    assert not exo_daemon.parse_failure(b"", missing).installed


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (0, b"Firewall is disabled. (State = 0)\n"),
        (1, b"Firewall is enabled. (State = 1)\n"),
        (2, b"Firewall is blocking all non-essential incoming connections. (State = 2)\n"),
    ],
)
def test_the_firewall_has_three_states(state: int, line: bytes) -> None:
    assert socketfilterfw.parse(line).state == state


@pytest.mark.parametrize(
    ("value", "enabled"), [("1", True), ("%01", True), ("0", False), ("%00", False), ("", False)]
)
def test_the_switch_is_a_byte_of_nvram(value: str, enabled: bool) -> None:
    assert nvram_rdma.parse(f"rdma-enable\t{value}\n".encode()).enabled is enabled


def test_no_variable_is_a_switch_that_was_never_set() -> None:
    said = b"nvram: Error getting variable - 'rdma-enable': (iokit/common) data was not found\n"
    assert nvram_rdma.parse_failure(b"", said).enabled is False
    refused = b"nvram: Error getting variable - 'rdma-enable': (iokit/common) not permitted\n"
    assert nvram_rdma.parse_failure(b"", refused).enabled is None
    with pytest.raises(ParseError):
        nvram_rdma.parse_failure(b"", b"nvram: (iokit/common) no device\n")


def test_a_name_is_told_by_its_first_part() -> None:
    assert hostname.parse(b"kern.hostname: Studio-2.lan.example\n").short == "studio-2"


def test_services_say_how_they_get_an_address() -> None:
    services = system_profiler_network.parse(NETWORK)
    assert [s.method for s in services.on("en3")] == ["Manual", "DHCP"]
    assert [s.interface for s in services.services] == ["en3", "en3", None]
    assert services.services[2].method is None


def test_of_services_no_more_is_kept_than_is_read() -> None:
    kept = system_profiler_network.kept(NETWORK)
    assert system_profiler_network.parse(kept) == system_profiler_network.parse(NETWORK)
    assert b"example.org" not in kept
    assert system_profiler_network.kept(kept) == kept
    assert system_profiler_network.kept(b"not JSON") == b"not JSON"


@pytest.mark.parametrize(
    ("parse", "out"),
    [
        (plutil_bridges.parse, b"[]"),
        (plutil_bridges.parse, b'{"bridge0":{"Interfaces":"en2"}}'),
        (plutil_bridges.parse, b'{"bridge0":[]}'),
        (plutil_bridges.parse, b"{"),
        (plutil_sharing.parse, b"maybe\n"),
        (exo_daemon.parse, b"\n"),
        (socketfilterfw.parse, b"Firewall is enabled.\n"),
        (socketfilterfw.parse, b"Firewall is odd. (State = 7)\n"),
        (nvram_rdma.parse, b"rdma-enable 1\n"),
        (nvram_rdma.parse, b"rdma-enable\t7\n"),
        (nvram_rdma.parse, b"boot-args\t1\n"),
        (hostname.parse, b"hw.model: Mac15,14\n"),
        (system_profiler_network.parse, b'{"SPNetworkDataType":{}}'),
        (system_profiler_network.parse, b'{"SPNetworkDataType":[{"_name":4}]}'),
        (system_profiler_network.parse, b"null"),
    ],
)
def test_anything_else_is_refused(parse: Callable[[bytes], object], out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


@pytest.mark.parametrize(
    "parse_failure",
    [plutil_bridges.parse_failure, plutil_sharing.parse_failure, exo_daemon.parse_failure],
)
def test_another_failure_is_not_taken_for_absence(
    parse_failure: Callable[[bytes, bytes], object],
) -> None:
    for err in (b"", b"Segmentation fault\n"):
        with pytest.raises(ParseError, match=r"\w"):
            parse_failure(b"", err)
