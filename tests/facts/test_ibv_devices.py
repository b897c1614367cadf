from __future__ import annotations

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.ibv_devices import COMMAND, IbvDevices, ListedDevice, parse, parse_failure

HEADER = b"    device          \t   node GUID\n    ------          \t----------------\n"
STUDIO = (
    HEADER + b"    rdma_en3        \t12ab34cd56efac05\n    rdma_en2        \t11ab34cd56efac05\n"
)


def test_devices_keep_the_order_of_enumeration() -> None:
    assert parse(STUDIO).devices == (
        ListedDevice("rdma_en3", "12ab34cd56efac05"),
        ListedDevice("rdma_en2", "11ab34cd56efac05"),
    )
    assert all(device.thunderbolt for device in parse(STUDIO).devices)


def test_tabs_may_have_become_spaces_and_the_indent_may_be_gone() -> None:
    assert parse(STUDIO.expandtabs(8)) == parse(STUDIO)
    assert parse(b"\n".join(line.strip() for line in STUDIO.split(b"\n"))) == parse(STUDIO)
    assert parse(STUDIO.replace(b"\n", b"\r\n")) == parse(STUDIO)


def test_the_header_alone_is_an_empty_list() -> None:
    assert parse(HEADER) == IbvDevices(())


def test_devices_of_other_drivers_are_listed_and_told_apart() -> None:
    row = b"    a_name_longer_than_sixteen\t0002C9030039AB10\n"
    assert parse(HEADER + row).devices == (
        ListedDevice("a_name_longer_than_sixteen", "0002c9030039ab10"),
    )
    assert not parse(HEADER + row).devices[0].thunderbolt
    assert not ListedDevice("rxe_0", "0002c9030039ab10").thunderbolt


def test_no_devices_said_in_words() -> None:
    assert parse(b"No IB devices found\n") == IbvDevices(())
    assert parse_failure(b"", b"No IB devices found\n") == IbvDevices(())
    assert parse_failure(b"", b"libibverbs: Warning: x\nNo IB devices found\n") == IbvDevices(())


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n\n",
        b"dyld[412]: Library not loaded: /usr/lib/librdma.dylib\n",
        b"<html><body>device node GUID</body></html>\n",
        b"    device          \t   node GUID\n",
        HEADER + b"    rdma_en2        \t11ab34cd56ef\n",
        HEADER + b"    rdma_en2\n",
        HEADER + b"    rdma_en2        \t11ab34cd56efac05 extra\n",
        HEADER + b"    rdma_en2        \t11ab:34cd:56ef:ac05\n",
        b"    rdma_en2        \t11ab34cd56efac05\n",
        STUDIO + b"Segmentation fault\n",
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


@pytest.mark.parametrize(
    "err", [b"", b"Failed to get IB devices list: Operation not permitted\n", b"dyld: No IB\n"]
)
def test_other_failures_are_no_evidence(err: bytes) -> None:
    with pytest.raises(ParseError):
        parse_failure(b"", err)


def test_the_command_never_runs_beside_another() -> None:
    assert (COMMAND.lane, COMMAND.exclusive, COMMAND.deadline_s) == ("main", True, 10)
