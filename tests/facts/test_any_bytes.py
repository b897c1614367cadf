"""Whatever a host prints, a parser gives its dataclass or raises ParseError, and nothing else."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag import facts
from mlxdiag import survey as survey_of
from mlxdiag.errors import ParseError
from mlxdiag.facts import (
    clock,
    df,
    diagnostic_reports,
    exo_daemon,
    hostname,
    ibv_devices,
    ibv_devinfo,
    ifconfig,
    ioclasscount,
    ioreg_accelerator,
    login_environment,
    mlx_runtime,
    netstat_inet,
    networksetup_hardwareports,
    networksetup_serviceorder,
    nvram_rdma,
    plutil_bridges,
    plutil_sharing,
    pmset,
    processes,
    rdma_ctl,
    socketfilterfw,
    sw_vers,
    sysctl,
    sysctl_state,
    system_profiler_network,
    system_profiler_thunderbolt,
    vm_stat,
)
from mlxdiag.preflight import listeners
from tests.facts.test_diagnostic_reports import DENIED, REPORTS
from tests.facts.test_ibv_devices import STUDIO as DEVICES
from tests.facts.test_ibv_devinfo import LINUX, VERBOSE
from tests.facts.test_ifconfig import BRIDGED
from tests.facts.test_mlx_runtime import READY
from tests.facts.test_netstat_inet import TABLE
from tests.facts.test_networksetup_hardwareports import LAPTOP as PORTS
from tests.facts.test_networksetup_serviceorder import CLUSTER
from tests.facts.test_processes import BUSY
from tests.facts.test_rdma_ctl import ON
from tests.facts.test_stored import BRIDGES, NETWORK, NO_KEY
from tests.facts.test_sw_vers import RELEASE
from tests.facts.test_sysctl import STUDIO as NAMES
from tests.facts.test_sysctl_state import STATE
from tests.facts.test_system_profiler_thunderbolt import LAPTOP as BUSES
from tests.model import survey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def failing(parse: Callable[[bytes, bytes], object], err: bytes) -> Callable[[bytes], object]:
    """Give parse_failure the shape of parse: good output beside this stderr."""
    return lambda out: parse(out, err)


def held(parse: Callable[[bytes], Mapping[int, str]]) -> Callable[[bytes], object]:
    """Give the table of ports as something that can be hashed."""
    return lambda out: tuple(parse(out).items())


CASES: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "exo_daemon": (exo_daemon.parse, exo_daemon.FILE.encode()),
    "hostname": (hostname.parse, b"kern.hostname: macstudio1.local\n"),
    "ibv_devices": (ibv_devices.parse, DEVICES),
    "ibv_devinfo": (ibv_devinfo.parse, VERBOSE),
    "ibv_devinfo on Linux": (ibv_devinfo.parse, LINUX),
    "ibv_devinfo failing": (
        failing(ibv_devinfo.parse_failure, b"Failed to open device\n"),
        VERBOSE,
    ),
    "ifconfig": (ifconfig.parse, BRIDGED),
    "mlx_runtime": (mlx_runtime.parse, READY),
    "netstat_inet": (netstat_inet.parse, TABLE),
    "networksetup_hardwareports": (networksetup_hardwareports.parse, PORTS),
    "networksetup_serviceorder": (networksetup_serviceorder.parse, CLUSTER),
    "nvram_rdma": (nvram_rdma.parse, b"rdma-enable\t1\n"),
    "plutil_bridges": (plutil_bridges.parse, BRIDGES),
    "plutil_bridges failing": (failing(plutil_bridges.parse_failure, NO_KEY), b""),
    "plutil_sharing": (plutil_sharing.parse, b"1\n"),
    "pmset": (pmset.parse, survey.pmset().stdout),
    "clock": (clock.parse, survey.clock().stdout),
    "login_environment": (
        login_environment.parse,
        survey.environment(MLX_METAL_FAST_SYNCH="1", XPC_SERVICE_NAME="0").stdout,
    ),
    "sysctl_state": (sysctl_state.parse, STATE),
    "sysctl_state failing": (failing(sysctl_state.parse_failure, b"sysctl: unknown oid\n"), STATE),
    "vm_stat": (vm_stat.parse, survey.vm_stat().stdout),
    "df": (df.parse, survey.df().stdout),
    "processes": (processes.parse, BUSY),
    "ioclasscount": (ioclasscount.parse, survey.ioclasscount(2, 1).stdout),
    "ioreg_accelerator": (ioreg_accelerator.parse, survey.ioreg_accelerator(7).stdout),
    "diagnostic_reports": (diagnostic_reports.parse, REPORTS),
    "diagnostic_reports failing": (failing(diagnostic_reports.parse_failure, DENIED), REPORTS),
    "netstat": (held(listeners.netstat), survey.netstat().stdout),
    "lsof": (held(listeners.lsof), b"p812\ncpython3.12\nf7\nn*:32323\n"),
    "rdma_ctl": (rdma_ctl.parse, ON),
    "socketfilterfw": (socketfilterfw.parse, b"Firewall is enabled. (State = 1)\n"),
    "sw_vers": (sw_vers.parse, RELEASE),
    "sysctl": (sysctl.parse, NAMES),
    "sysctl failing": (failing(sysctl.parse_failure, b"sysctl: unknown oid\n"), NAMES),
    "system_profiler_network": (system_profiler_network.parse, NETWORK),
    "system_profiler_thunderbolt": (system_profiler_thunderbolt.parse, BUSES),
}
parsers = pytest.mark.parametrize(("parse", "good"), list(CASES.values()), ids=list(CASES))

SHARDS = (
    b"\n",
    b"\t",
    b":",
    b"\x00",
    b"\xff",
    b"\r",
    b"%",
    b"[",
    b"{",
    b'"',
    b"null",
    "٣".encode(),
    "\u2028".encode(),
    b"9" * 5000,
    b"-1",
    b"0x",
    b"\\ud800",
    b"Device:",
    b"hca_id:",
    b"\tport:",
    b"inet ",
    b"Hardware Port",
    b"link#",
    b"/33",
)
"""Pieces that grammars care about, and that int() and JSON stumble over."""


def survives(parse: Callable[[bytes], object], out: bytes) -> None:
    """Require an answer that can be hashed and written out, or a refusal with a reason."""
    try:
        fact = parse(out)
    except ParseError as error:
        fact = str(error)
        if not fact:
            raise
    hash(fact)
    repr(fact).encode()


def test_every_command_is_here() -> None:
    assert {name.partition(" ")[0] for name in CASES} == {
        each.name for each in (*facts.COMMANDS, *survey_of.COMMANDS)
    }


@parsers
def test_the_good_output_is_good(parse: Callable[[bytes], object], good: bytes) -> None:
    hash(parse(good))


@parsers
@settings(max_examples=60, deadline=None)
@given(out=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_random_bytes(parse: Callable[[bytes], object], good: bytes, out: bytes) -> None:
    del good
    survives(parse, out)


@parsers
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    edits=st.integers(1, 6),
    pieces=st.lists(st.sampled_from(SHARDS) | st.binary(max_size=4), min_size=6, max_size=6),
)
def test_mutations(
    parse: Callable[[bytes], object], good: bytes, seed: int, edits: int, pieces: list[bytes]
) -> None:
    """Cut pieces out of the good output and put others in their place."""
    dice, out = random.Random(seed), good  # noqa: S311
    for piece in pieces[:edits]:
        start = dice.randrange(len(out) + 1)
        out = out[:start] + piece + out[start + dice.choice((0, 1, len(piece), 20)) :]
    survives(parse, out)


@parsers
def test_truncations(parse: Callable[[bytes], object], good: bytes) -> None:
    for at in range(0, len(good), max(1, len(good) // 400)):
        survives(parse, good[:at])
        survives(parse, good[at:])


@parsers
def test_lines_lost_or_doubled(parse: Callable[[bytes], object], good: bytes) -> None:
    lines = good.splitlines(keepends=True)
    for at, line in enumerate(lines):
        survives(parse, b"".join(lines[:at] + lines[at + 1 :]))
        survives(parse, b"".join([*lines[:at], line, *lines[at:]]))
        survives(parse, b"".join([*lines[:at], line.strip() + b"\n", *lines[at + 1 :]]))
        survives(parse, b"".join([*lines[:at], line.split(b":")[0] + b"\n", *lines[at + 1 :]]))
        survives(parse, b"".join([*lines[:at], line.split(b":")[0] + b":\n", *lines[at + 1 :]]))


@pytest.mark.parametrize(
    "parse_failure",
    [
        diagnostic_reports.parse_failure,
        exo_daemon.parse_failure,
        ibv_devices.parse_failure,
        ibv_devinfo.parse_failure,
        nvram_rdma.parse_failure,
        plutil_bridges.parse_failure,
        plutil_sharing.parse_failure,
        sysctl.parse_failure,
        sysctl_state.parse_failure,
    ],
    ids=[
        "diagnostic_reports",
        "exo_daemon",
        "ibv_devices",
        "ibv_devinfo",
        "nvram_rdma",
        "plutil_bridges",
        "plutil_sharing",
        "sysctl",
        "sysctl_state",
    ],
)
@settings(max_examples=60, deadline=None)
@given(out=st.binary(max_size=80), err=st.binary(max_size=80))
def test_random_failures(
    parse_failure: Callable[[bytes, bytes], object], out: bytes, err: bytes
) -> None:
    survives(failing(parse_failure, err), out)
