from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag import hostlist
from mlxdiag.errors import InventoryError


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("a", "a"),
        ("a,b", "a b"),
        (" a , b ", "a b"),
        ("a,b,studio[1-4]", "a b studio1 studio2 studio3 studio4"),
        ("studio[01-04]", "studio01 studio02 studio03 studio04"),
        ("studio[08-11]", "studio08 studio09 studio10 studio11"),
        ("studio[8-11]", "studio8 studio9 studio10 studio11"),
        ("studio[1-2,5]", "studio1 studio2 studio5"),
        ("studio[1-2, 05]", "studio1 studio2 studio05"),
        ("studio[3]", "studio3"),
        ("studio[0-1]", "studio0 studio1"),
        ("studio[1-2].local", "studio1.local studio2.local"),
        ("alex@studio[1-2],b", "alex@studio1 alex@studio2 b"),
        ("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"),
    ],
)
def test_expands(spec: str, names: str) -> None:
    assert hostlist.expand(spec) == tuple(names.split())


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("", "--hosts: no host name before character 1"),
        ("   ", "--hosts: no host name before character 4"),
        ("a,,b", "--hosts: a,,b: no host name before character 3"),
        ("a,", "--hosts: a,: no host name before character 3"),
        (",a", "--hosts: ,a: no host name before character 1"),
        ("a[1-2", '--hosts: a[1-2: bracket "[" at character 2 has no partner'),
        ("a]", '--hosts: a]: bracket "]" at character 2 has no partner'),
        ("a[[1]]", '--hosts: a[[1]]: bracket "[" at character 2 has no partner'),
        ("b,a[4-1]", "--hosts: a[4-1]: the range 4-1 runs backwards"),
        ("a[]", '--hosts: a[]: [] is not a range like "[1-4]" or "[01-04,7]"'),
        ("a[1-]", '--hosts: a[1-]: [1-] is not a range like "[1-4]" or "[01-04,7]"'),
        ("a[x-z]", '--hosts: a[x-z]: [x-z] is not a range like "[1-4]" or "[01-04,7]"'),
        ("a[1,,2]", '--hosts: a[1,,2]: [1,,2] is not a range like "[1-4]" or "[01-04,7]"'),
        ("a[1-010]", "--hosts: a[1-010]: 1-010 mixes two widths of zero padding"),
        ("a[1-257]", "--hosts: a[1-257]: more than 256 hosts"),
        ("a[1-200],b[1-57]", "--hosts: b[1-57]: more than 256 hosts"),
        ("a[1-100,1-100,1-57]", "--hosts: a[1-100,1-100,1-57]: more than 256 hosts"),
        ("[1-17][1-17]", "--hosts: [1-17][1-17]: more than 256 hosts"),
        ("a\n[2-1]", "--hosts: a\\n[2-1]: the range 2-1 runs backwards"),
    ],
)
def test_refuses(spec: str, text: str) -> None:
    with pytest.raises(InventoryError) as refused:
        hostlist.expand(spec)
    assert str(refused.value) == text


def test_the_limit_itself_is_allowed() -> None:
    assert len(hostlist.expand("[1-16][1-16]")) == hostlist.LIMIT


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("ab,[]-019 ", max_size=20))
def test_any_text_is_expanded_or_refused(spec: str) -> None:
    try:
        names = hostlist.expand(spec)
    except InventoryError:
        return
    assert names
    assert all(names)


@given(st.integers(0, 999), st.integers(0, 30))
def test_a_range_counts_every_number_once(first: int, more: int) -> None:
    names = hostlist.expand(f"n[{first}-{first + more}]")
    assert names == tuple(f"n{number}" for number in range(first, first + more + 1))
